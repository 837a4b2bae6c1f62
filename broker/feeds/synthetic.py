"""A made-up market: seeded, bit-identical for every batch size and machine, with all that a real one does.

Per instrument: clustered arrivals (two-regime Markov-modulated Poisson with echoes), a U-shaped day, a random walk with
two volatility regimes and jumps plus a mean-reverting part, a quote on the tick grid, prints at or inside it, halts,
gaps and wrong rows. The model is in `synthesis`; this module feeds it words and sessions and merges the instruments.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact, cut, merge
from broker.feeds.profile import TAIL_NS, as_served, synthetic_estimate
from broker.feeds.spec import (
    PROTOCOL_VERSION,
    FeedHeader,
    FeedTotals,
    SourceTotals,
    SyntheticInstrument,
    SyntheticSpec,
    validated,
)
from broker.feeds.synthesis import (
    DIRTY_KINDS,
    DRAWS,
    LOG_TABLE,
    PARAMETERS,
    ROWS_PER_EVENT_MAX,
    STATE,
    generate,
    normal,
)
from core.rows import ROW
from core.units import NANO

DAY_NS: Final = 86_400 * NANO
_EVENTS_PER_REFILL: Final = 4_096
_HOUR_SECONDS: Final = 3_600.0
_SATURDAY: Final = 5
_ROWS_PER_EVENT: Final = 1.2  # measured at the default print share
_OVERNIGHT_HOURS: Final = 4.0  # the walk between two sessions, as hours of trading
_DAY_LEAST: Final = 0.1  # no day trades less than this part of the usual
_REFLECT: Final = 5.0  # the walk stays within a fifth and five times the first price


def sessions(spec: SyntheticSpec) -> Iterator[tuple[int, int]]:
    """The sessions in order; an endless market repeats the last one's UTC hours on every later weekday."""
    yield from spec.sessions
    open_ns, close_ns = spec.sessions[-1]
    while spec.endless:
        open_ns, close_ns = open_ns + DAY_NS, close_ns + DAY_NS
        if (open_ns // DAY_NS + 3) % 7 < _SATURDAY:  # 1970-01-01 was a Thursday, the fourth day of the week
            yield open_ns, close_ns


class Tape:
    """One instrument as a source of rows; control facts stand among them as private kinds (merge.py)."""

    def __init__(self, spec: SyntheticSpec, instrument: SyntheticInstrument) -> None:
        self.name = instrument.symbol
        self.rows_read = 0
        self._spec = spec
        self._parameters = _parameters(spec, instrument)
        self._rate, self._day_spread = instrument.events_per_second, instrument.day_spread
        self._state = np.zeros(1, STATE)
        self._state[0]["value"] = instrument.px_nanos / instrument.tick_nanos
        # Counter-based, keyed by seed and instrument row: adding an instrument changes no other's market.
        self._words = np.random.Philox(key=np.array([spec.seed, instrument.inst], np.uint64))

    @property
    def oddities(self) -> dict[str, int]:
        """Wrong rows made so far, by kind."""
        counts = self._state[0]["counts"].tolist()
        return {kind: made for kind, made in zip((*DIRTY_KINDS, "not_last"), counts, strict=True) if made}

    def chunks(self) -> Iterator[Rows]:
        """Yield rows in time order, never an empty chunk."""
        words: NDArray[np.uint64] = np.zeros(0, np.uint64)
        state = self._state[0]
        for open_ns, close_ns in sessions(self._spec):
            self._open(open_ns, close_ns)
            while not state["over"]:
                if state["word"] + DRAWS > len(words):
                    words, state["word"] = self._words.random_raw(_EVENTS_PER_REFILL * DRAWS), 0
                rows = np.zeros(self._spec.batch_rows + ROWS_PER_EVENT_MAX, ROW)
                made = generate(self._state, self._parameters, words, rows, LOG_TABLE)
                self.rows_read += made
                if made:
                    yield rows[:made]

    def _open(self, open_ns: int, close_ns: int) -> None:
        state, parameters = self._state[0], self._parameters[0]
        if state["open"]:
            step = normal(self._words.random_raw()) * math.sqrt(_OVERNIGHT_HOURS * _HOUR_SECONDS)
            moved = state["value"] + float(parameters["walk"]) * step
            state["value"] = min(max(moved, parameters["low"]), parameters["high"])
        if self._day_spread:
            level = 1.0 + self._day_spread * float(normal(self._words.random_raw()))
            parameters["rate"] = self._rate * max(level, _DAY_LEAST)
        state["ts"] = state["open"] = open_ns
        state["close"] = close_ns
        state["over"] = 0
        state["opening"] = state["fresh"] = 1


class SyntheticFeed:
    """The merged market: header at once, then items, then totals."""

    def __init__(self, spec: SyntheticSpec) -> None:
        self._spec = validated(spec)
        self._rows = 0
        self._tapes = [Tape(spec, instrument) for instrument in spec.instruments]
        self._digest = hashlib.sha256(msgspec.json.encode(spec)).hexdigest()

    @property
    def header(self) -> FeedHeader:
        """What is known before the first row is made."""
        spec = self._spec
        seconds = sum(close_ns - open_ns for open_ns, close_ns in spec.sessions) / NANO
        rates = [instrument.events_per_second * _ROWS_PER_EVENT for instrument in spec.instruments]
        rows = int(seconds * sum(synthetic_estimate(rate, spec.profile) for rate in rates))
        return FeedHeader(
            version=PROTOCOL_VERSION, kind="synthetic",
            rows_estimate=0 if spec.endless else max(rows - spec.skip_rows, 0),
            first_ns=spec.sessions[0][0],
            last_ns=0 if spec.endless else spec.sessions[-1][1] + TAIL_NS[spec.profile],
            digests={"spec": self._digest},
        )  # fmt: skip

    def items(self) -> Iterator[Rows | ControlFact]:
        """Yield row batches and, between them, halts and gaps."""
        merged = merge([tape.chunks() for tape in self._tapes])
        instruments = max(instrument.inst for instrument in self._spec.instruments) + 1
        slabs = as_served(merged, profile=self._spec.profile, instruments=instruments)
        for item in cut(slabs, skip_rows=self._spec.skip_rows, batch_rows=self._spec.batch_rows):
            if not isinstance(item, ControlFact):
                self._rows += len(item)
            yield item

    @property
    def totals(self) -> FeedTotals:
        """Counts so far; complete once `items` is exhausted."""
        sources = tuple(
            SourceTotals(name=tape.name, rows_read=tape.rows_read, rows=tape.rows_read, oddities=tape.oddities)
            for tape in self._tapes
        )
        return FeedTotals(rows=self._rows, sources=sources, digest=self._digest)


def read_rows(spec: SyntheticSpec) -> Iterator[Rows]:
    """Batches of market rows, in this process, without the control facts: for tests, benches and research."""
    for item in SyntheticFeed(spec).items():
        if not isinstance(item, ControlFact):
            yield item


def _parameters(spec: SyntheticSpec, instrument: SyntheticInstrument) -> Any:
    """The kernel's parameters: chances per second, distances in ticks."""
    parameters = np.zeros(1, PARAMETERS)
    ticks = instrument.px_nanos / instrument.tick_nanos
    bp = ticks / 10_000.0
    chances = [getattr(spec.dirty, kind) for kind in DIRTY_KINDS]
    values: dict[str, Any] = {
        "inst": instrument.inst, "tick": instrument.tick_nanos, "lot": instrument.lot_nanos,
        "latency_ns": spec.latency_ns, "spread": instrument.spread_ticks, "size": instrument.size_lots,
        "rate": instrument.events_per_second, "print_share": spec.print_share,
        "walk": instrument.volatility_bp_per_hour * bp / math.sqrt(_HOUR_SECONDS),
        "pull_s": instrument.reversion_seconds,
        "push": instrument.reversion_ticks * math.sqrt(2.0 / instrument.reversion_seconds),
        "jump_hazard": spec.jumps_per_hour / _HOUR_SECONDS, "jump": spec.jump_bp * bp,
        "halt_hazard": spec.halts_per_hour / _HOUR_SECONDS, "halt_ns": int(spec.halt_seconds * NANO),
        "gap_hazard": spec.gaps_per_hour / _HOUR_SECONDS, "gap_ns": int(spec.gap_seconds * NANO),
        "dirty": _cumulated(chances), "not_last": spec.dirty.not_last,
        "low": ticks / _REFLECT, "high": ticks * _REFLECT,
        "signal_s": instrument.signal_seconds, "lean": instrument.signal_lean,
        "drift": instrument.signal_bp_per_hour * bp / _HOUR_SECONDS,
    }  # fmt: skip
    for name, value in values.items():
        parameters[0][name] = value
    return parameters


def _cumulated(chances: list[float]) -> list[float]:
    """Running sums in written order: numpy's own cumulative sum may pair differently on another CPU."""
    total, sums = 0.0, []
    for chance in chances:
        total += chance
        sums.append(total)
    return sums
