"""How the scores of running models are spread, by strategy: sampled at each look of the view, whoever asks for it and
however often. What was sampled outlives a restart of ops, in one small file. For the thread that looks.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from daemon.config import Config
from daemon.models import read_model
from daemon.ops.metrics.drift import Drift, Sampled
from daemon.status.measures import decode_measures
from strategies.models.card import ModelCard

FILE_NAME: Final = "scores.json"
KEEP_S: Final = 60.0  # between two writings of the file


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Of one strategy. Scores of another model say nothing of this one."""

    onnx_digest: str
    sampled: Sampled


class Scores:
    """Of every strategy with a model."""

    def __init__(self, config: Config) -> None:
        self._path = Path(config.state_dir) / FILE_NAME
        cards = cards_of(config)
        self._digests = {name: card.onnx_digest for name, card in cards.items()}
        self._drifts = {name: Drift(card.calibration) for name, card in cards.items()}
        self._kept_s = 0.0
        self._new = False
        self._recall()

    @property
    def ratios(self) -> dict[str, float | None]:
        """The stability index of each; None while too little is known."""
        return {name: drift.ratio for name, drift in self._drifts.items()}

    def look(self, raw: msgspec.Raw | None, now_s: float) -> dict[str, float | None]:
        """Take the trader's newest scores in."""
        if raw is not None and self._drifts:
            with contextlib.suppress(msgspec.DecodeError):  # of a trader of another release
                for one in decode_measures(raw).models:
                    if one.strategy in self._drifts and one.scored_ns and one.age_ms >= 0:
                        self._new |= self._drifts[one.strategy].take(one.symbol, one.scored_ns, one.score_bp)
        if self._new and now_s - self._kept_s >= KEEP_S:
            self._kept_s = now_s
            self.keep()
        return self.ratios

    # ---- the file ----------------------------------------------------------------------------------------------
    def keep(self) -> None:
        """Write what was sampled, whole or not at all; not synced: what is lost is sampled again."""
        if not self._new:
            return
        kept = {
            name: Kept(onnx_digest=self._digests[name], sampled=drift.sampled) for name, drift in self._drifts.items()
        }
        draft = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            draft.write_bytes(msgspec.json.encode(kept))
            os.replace(draft, self._path)
            self._new = False

    def _recall(self) -> None:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Kept])
            for name, drift in self._drifts.items():
                if name in kept and kept[name].onnx_digest == self._digests[name]:
                    drift.recall(kept[name].sampled)


def cards_of(config: Config) -> dict[str, ModelCard]:
    """Of every strategy with a model whose card can be read; where it cannot, the trader says why."""
    found = {}
    for name, strategy in config.strategies.items():
        model = strategy.params.get("model")
        if strategy.enabled and isinstance(model, str):
            with contextlib.suppress(ConfigError):
                found[name] = read_model(Path(model), field=f"strategies.{name}").card
    return found
