"""A trained model on days it never saw: its scores against what the mid did. Owns the join of model, tape and label;
fits nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.feeds.process import open_feed
from broker.feeds.spec import ReplaySpec
from core.errors import ConfigError
from core.profiles import PROFILES
from research.correlation import blocked_correlation
from research.dataset import Collector, Sessions, collect
from research.evaluate import Scored, Trades, blocks, calibration, trade
from research.job import TrainSettings
from research.table import label_moves
from strategies.features.spec import FeatureSpec
from strategies.models.card import CalibrationBin, ModelCard, decode_card
from strategies.models.scorer import Scorer


class Holdout(NamedTuple):
    """A model's held-out record: per sample, and what the simplest trades on it would have made."""

    card: ModelCard
    scored: Scored
    information_coefficient: float
    information_coefficient_t: float
    calibration: tuple[CalibrationBin, ...]
    trades: Trades  # that promised more than their own costs
    gross_trades: Trades  # of all scores, as if trading were free


def read_model(path: Path) -> tuple[ModelCard, bytes]:
    """A model file and the card beside it. Raises ConfigError."""
    try:
        onnx = path.read_bytes()
        card = path.with_name(f"{path.name.removesuffix('.onnx')}.card.json").read_bytes()
    except OSError as fault:
        raise ConfigError(
            f"{path}: cannot be read with its card: {fault.strerror}; name a model of `quantd train`"
        ) from fault
    return decode_card(card, field=str(path)), onnx


def evaluate(card: ModelCard, onnx: bytes, feed: ReplaySpec, *, symbols: Sequence[str], sessions: Sessions) -> Holdout:
    """Score every sample of a feed whose days begin after the model's window. Raises ConfigError otherwise."""
    spec = FeatureSpec(
        profile=card.inputs.profile, names=card.inputs.names, leader=card.inputs.leader, external=card.inputs.external
    )
    if spec.digest != card.inputs.digest:
        raise ConfigError(f"{card.name}: its inputs mean something else in this release; train it again")
    settings = TrainSettings(
        output="unused.onnx", label=card.label.kind, horizon_s=card.label.horizon_ns / 1e9,
        take_bp=card.label.take_bp, stop_bp=card.label.stop_bp,
    )  # fmt: skip
    leader = symbols.index(spec.leader) if spec.leader else -1
    collector = Collector(
        profile=PROFILES[spec.profile], leaders=[leader] * len(symbols), sessions=[sessions] * len(symbols),
        columns=spec.columns, ready=spec.ready_mask,
    )  # fmt: skip
    tape = collect(open_feed(msgspec.structs.replace(feed, profile=spec.profile)).items(), collector)
    samples = tape.samples
    if int(samples.ts_ns[0]) < card.data.until_ns:
        raise ConfigError(f"{card.name}: was trained on data until {card.data.until_ns}; hold out later days")
    move, end = np.zeros(len(samples.ts_ns)), np.zeros(len(samples.ts_ns), np.int64)
    for inst, path in enumerate(tape.paths):
        mine = np.flatnonzero(samples.inst == inst)
        if len(mine):
            move[mine], end[mine] = label_moves(samples, mine, path, settings)
    kept = np.flatnonzero(end > 0)
    scores = Scorer(onnx, np.zeros(card.width, np.float32), card=card).scores(
        np.ascontiguousarray(samples.values[kept])
    )
    scored = Scored(
        inst=samples.inst[kept], ts_ns=samples.ts_ns[kept], end_ns=end[kept], score_bp=scores, move_bp=move[kept],
        half_spread_bp=samples.half_spread_bp[kept],
    )  # fmt: skip
    return _judged(card, scored)


def _judged(card: ModelCard, scored: Scored) -> Holdout:
    found, t = blocked_correlation(scored.score_bp, scored.move_bp, blocks(scored.ts_ns, card.label.horizon_ns))
    free = scored._replace(half_spread_bp=np.zeros(len(scored.ts_ns)))
    return Holdout(
        card=card,
        scored=scored,
        information_coefficient=found,
        information_coefficient_t=t,
        calibration=calibration(scored),
        trades=trade(scored, fee_bp=card.costs.fee_bp, enter_bp=0.0),
        gross_trades=trade(free, fee_bp=0.0, enter_bp=_upper_tenth(scored.score_bp)),
    )


def _upper_tenth(scores: NDArray[np.float64]) -> float:
    """The size that one score in ten exceeds."""
    return float(np.quantile(np.abs(scores), 0.9))
