"""The model that benches serve: examples/models/bench.onnx (100 trees of 31 leaves, see research/bench_model.py) with a
card made here, so that it fits whatever the features mean today.
"""

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from daemon.config import Config
from daemon.config.schema import StrategySettings
from daemon.digests import ROOT
from daemon.models import card_path
from strategies.features.catalogue import NAMES
from strategies.features.spec import LEADER_FEATURES, FeatureSpec
from strategies.models import card as c
from strategies.models.scorer import Scorer
from strategies.signal.params import SignalParams

MODEL: Final = ROOT / "examples" / "models" / "bench.onnx"
INPUTS: Final = tuple(name for name in NAMES if name not in LEADER_FEATURES)
NEVER_BP: Final = 1000.0  # no score pays this: the model runs and nothing is traded
HORIZON_NS: Final = 30 * 10**9


def write_bench_model(folder: Path, *, profile: str) -> Path:
    """The model and its card in a folder."""
    onnx = MODEL.read_bytes()
    path = folder / "bench.onnx"
    path.write_bytes(onnx)
    card_path(path).write_bytes(c.encode_card(bench_card(onnx, profile)))
    return path


def bench_card(onnx: bytes, profile: str) -> c.ModelCard:
    """A card that vouches for nothing but the inputs."""
    spec = FeatureSpec(profile=profile, names=INPUTS)
    row = np.zeros(len(INPUTS), np.float32)
    scorer, probes = Scorer(onnx, row), []
    for number in range(c.PROBES_MIN):
        row[:] = (np.arange(len(row), dtype=np.float32) + number) % 5 - 2
        probes.append(c.Probe(inputs=tuple(row.tolist()), score_bp=scorer.score()))
    nothing: dict[str, Any] = dict.fromkeys(c.Metrics.__struct_fields__, 0)
    return c.ModelCard(
        version=1, name="bench", kind="regression", score_unit="bp", gain_bp=0.0, loss_bp=0.0, opset=3,
        inputs=c.Inputs(profile=profile, names=INPUTS, leader="", external=(), digest=spec.digest),
        label=c.Label(kind="fixed_horizon", horizon_ns=HORIZON_NS, take_bp=0.0, stop_bp=0.0),
        onnx_digest=c.digest_of(onnx),
        data=c.Window(from_ns=1, until_ns=2, digest="0" * 32, synthetic=True, symbols=("AAA",), rows=1),
        costs=c.Costs(half_spread_bp=0.0, fee_bp=0.0), metrics=c.Metrics(**nothing), trials=1, tradable=True,
        verdict="made for benchmarks", placement="inline", code_revision="bench", seed=1, calibration=(),
        probes=tuple(probes), shrink=1.0,
    )  # fmt: skip


def with_model(config: Config, folder: Path, *, profile: str = "tbt", **params: Any) -> Config:
    """The config with one signal strategy in the place of all others, on every symbol."""
    execution = next(iter(config.strategies.values())).execution
    path = write_bench_model(folder, profile=profile)
    given: dict[str, Any] = {"model": str(path), "profile": profile, "fee_bp": 0.0, "cost_multiple": 0.0,
                             "position_dollars": 50_000.0, "enter_bp": NEVER_BP}  # fmt: skip
    own = msgspec.to_builtins(SignalParams(**(given | params)))
    strategy = StrategySettings(kind="signal", symbols=config.symbols, params=own, execution=execution)
    feed = msgspec.structs.replace(config.feed, profile=profile)
    return msgspec.structs.replace(config, feed=feed, strategies={"sig": strategy})
