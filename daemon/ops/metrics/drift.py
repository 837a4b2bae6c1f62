"""How far the scores of a running model are from those of its training rows: the population stability index over the
tenths of its card. Pure: scores are handed in, with their times.

0 = the same distribution; the rule of thumb says that above 0.1 something has moved and above 0.25 the model sees
another market than it was trained on.
"""

from bisect import bisect_right
from collections import deque
from math import log
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from strategies.models.card import CalibrationBin

SAMPLES_MAX: Final = 2_000  # of one model, all its symbols together
SAMPLES_MIN: Final = 500  # fewer say nothing
SPACING_NS: Final = 10 * 10**9  # between two samples of one symbol: neighbours are nearly the same score
BINS_MIN: Final = 3  # a model that scores everything alike has no distribution
SYMBOLS_MAX: Final = 1_024  # of one model
HALF: Final = 0.5  # added to each count, so that an empty tenth has a logarithm


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """What was sampled of one model: the tenth of each score, oldest first, and when each symbol's next one counts."""

    tenths: Annotated[tuple[int, ...], Meta(max_length=SAMPLES_MAX)] = ()
    next_ns: Annotated[dict[str, int], Meta(max_length=SYMBOLS_MAX)] = {}


class Drift:
    """One model's."""

    def __init__(self, calibration: tuple[CalibrationBin, ...]) -> None:
        distinct: dict[float, int] = {}
        for part in calibration:
            distinct[part.score_low_bp] = distinct.get(part.score_low_bp, 0) + part.rows
        self._lows = sorted(distinct)
        self._rows = [distinct[low] for low in self._lows]
        self._sampled: deque[int] = deque(maxlen=SAMPLES_MAX)  # which tenth
        self._next_ns: dict[str, int] = {}

    def take(self, symbol: str, scored_ns: int, score_bp: float) -> bool:
        """A symbol's last score; counted (True) when it is new and far enough from the one before. One from before that
        is of another run of a market that is told again.
        """
        next_ns = self._next_ns.get(symbol, 0)
        counts = not next_ns - SPACING_NS <= scored_ns < next_ns
        if counts:
            self._next_ns[symbol] = scored_ns + SPACING_NS
            self._sampled.append(max(0, bisect_right(self._lows, score_bp) - 1))
        return counts

    @property
    def sampled(self) -> Sampled:
        """To be kept."""
        return Sampled(tenths=tuple(self._sampled), next_ns=dict(self._next_ns))

    def recall(self, sampled: Sampled) -> None:
        """Go on from what was kept of the same model."""
        self._sampled.extend(place for place in sampled.tenths if 0 <= place < len(self._lows))
        self._next_ns.update(sampled.next_ns)

    @property
    def ratio(self) -> float | None:
        """The index; None while too little is known."""
        if len(self._sampled) < SAMPLES_MIN or len(self._lows) < BINS_MIN:
            return None
        counts = [0] * len(self._lows)
        for place in self._sampled:
            counts[place] += 1
        shares = [(count + HALF) / (len(self._sampled) + HALF * len(counts)) for count in counts]
        trained = [(rows + HALF) / (sum(self._rows) + HALF * len(counts)) for rows in self._rows]
        return sum((now - then) * log(now / then) for now, then in zip(shares, trained, strict=True))
