"""From a feed to samples: the trader's own kernels over the rows that the feed's profile serves.

Owns the order of things: market and feature state are stepped exactly as the trader steps them (sessions set before
their first row, gaps blind), so a sample's features are the bits that the trader would have scored. Knows no label
beyond the mids it collects for them, and no model.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact
from core.errors import ConfigError
from core.events import FeedGapped, HaltChanged
from core.market import MarketReader, new_market
from core.rows import QUOTE, SUSPICIOUS
from research.labels import path_bars
from strategies.features.catalogue import COUNT
from strategies.features.kernels import feature_matrix
from strategies.features.state import new_feature_state, set_session

SAMPLES_MAX: Final = 20_000_000
_FOREVER: Final = (1 << 63) - 1

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Sessions = Sequence[tuple[int, int]]  # (open_ns, close_ns), ascending
Items = Iterator[Rows | ControlFact]


class Samples(NamedTuple):
    """One row per usable quote, in the order of the tape. `values` has the columns that were asked for."""

    values: Matrix
    masks: Ints  # which features of the whole catalogue were ready
    inst: Ints
    ts_ns: Ints
    mid: Floats  # in nanos of price
    half_spread_bp: Floats
    open_ns: Ints  # of the session
    until_ns: Ints  # its close

    def only(self, which: NDArray[np.bool_] | Ints) -> "Samples":
        """Some of them."""
        return Samples(
            values=self.values[which], masks=self.masks[which], inst=self.inst[which], ts_ns=self.ts_ns[which],
            mid=self.mid[which], half_spread_bp=self.half_spread_bp[which], open_ns=self.open_ns[which],
            until_ns=self.until_ns[which],
        )  # fmt: skip


class Path(NamedTuple):
    """One instrument's usable mids within sessions, rows of equal time merged."""

    ts_ns: Ints
    high: Floats
    low: Floats
    close: Floats


class Tape(NamedTuple):
    """What labels and training read of a feed."""

    samples: Samples
    paths: tuple[Path, ...]  # by instrument
    rows: int  # market rows read, as served


class Collector:
    """Steps rows and keeps samples. `columns` are places in the catalogue; a sample is kept when all of `ready` are
    ready (0 = always). `every_ns` is the least time between two samples of an instrument, 0 = every usable quote.
    `expected` samples get their room at once.
    """

    def __init__(
        self,
        *,
        profile: int,
        leaders: Sequence[int],
        sessions: Sequence[Sessions],
        columns: Sequence[int] = tuple(range(COUNT)),
        ready: int = 0,
        every_ns: int = 0,
        expected: int = 1 << 16,
    ) -> None:
        instruments = len(leaders)
        self._sessions = [_Walk(days) for days in sessions]
        self._market = new_market(instruments)
        self._features = new_feature_state(instruments, profile, leaders)
        self._columns = np.array(columns, np.int64)
        self._whole = list(columns) == list(range(COUNT))
        self._ready, self._every_ns = ready, every_ns
        self._due = np.zeros(instruments, np.int64)
        self._next_ns = 0  # when some instrument's session has to be moved
        self._values = np.empty((min(max(expected, 1), SAMPLES_MAX), len(self._columns)), np.float32)
        empty, none = np.zeros(0, np.int64), np.zeros(0)
        self._kept = [Samples(self._values[:0], empty, empty, empty, none, none, empty, empty)]
        self._mids: list[list[tuple[Ints, Floats]]] = [[] for _ in range(instruments)]
        self._count = 0
        self.rows = 0

    def take(self, item: Rows | ControlFact) -> None:
        """The next rows or fact of the feed. Raises ConfigError when there are too many samples."""
        if isinstance(item, ControlFact):
            if isinstance(item.event, FeedGapped):
                MarketReader(self._market).set_gap(item.event.inst)
            if isinstance(item.event, FeedGapped | HaltChanged):
                self._features[item.event.inst]["n"] = 0  # tick features start over, as in the trader
            return
        rows = np.require(item, requirements=["C", "W"])
        self.rows += len(rows)
        lo = 0
        while lo < len(rows):
            ts_ns = int(rows["ts_ns"][lo])
            if ts_ns >= self._next_ns:
                self._move_sessions(ts_ns)
            hi = lo + int(np.searchsorted(rows["ts_ns"][lo:], self._next_ns))
            self._step(rows[lo:hi])
            lo = hi

    def _move_sessions(self, ts_ns: int) -> None:
        """Set the session that holds or follows a time, as the engine does where it moves its fences."""
        self._next_ns = _FOREVER
        for inst, walk in enumerate(self._sessions):
            found = walk.at(ts_ns)
            if found is not None:
                set_session(self._features, inst, *found)
                self._next_ns = min(self._next_ns, found[1])

    def _step(self, rows: Rows) -> None:
        inst = rows["inst"]
        if len(inst) and not 0 <= inst.min() <= inst.max() < len(self._market):
            raise ConfigError(f"feed: a row of instrument {inst.max()}, there are {len(self._market)}; name its symbol")
        out = np.empty((len(rows), COUNT), np.float32)
        masks, at, count = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64), np.zeros(1, np.int64)
        feature_matrix(
            rows, 0, len(rows), self._market, self._features, self._every_ns, self._due, out, masks, at, count
        )
        n = int(count[0])
        self._keep(rows[at[:n]], out[:n], masks[:n])
        self._keep_mids(rows)

    def _keep(self, quotes: Rows, values: Matrix, masks: Ints) -> None:
        if self._ready:
            ready = (masks & self._ready) == self._ready
            quotes, values, masks = quotes[ready], values[ready], masks[ready]
        self._keep_values(values if self._whole else values[:, self._columns])
        mid, spread = _mid_and_spread(quotes)
        inst = quotes["inst"].astype(np.int64)
        self._kept.append(
            Samples(
                values=self._values[:0], masks=masks, inst=inst,
                ts_ns=quotes["ts_ns"].copy(), mid=mid, half_spread_bp=0.5e4 * spread / mid,
                open_ns=self._features["open_ns"][inst], until_ns=self._features["close_ns"][inst],
            )
        )  # fmt: skip

    def _keep_values(self, values: Matrix) -> None:
        """Into one growing block: the matrix is by far the largest thing here, and is never copied whole at the end."""
        count = self._count + len(values)
        if count > SAMPLES_MAX:
            raise ConfigError(f"train.sample_s: more than {SAMPLES_MAX:,} samples; raise it, or take fewer days")
        if count > len(self._values):
            larger = np.empty((max(count, 2 * len(self._values)), self._values.shape[1]), np.float32)
            larger[: self._count] = self._values[: self._count]
            self._values = larger
        self._values[self._count : count] = values
        self._count = count

    def _keep_mids(self, rows: Rows) -> None:
        bid, ask = rows["bid_px_nanos"], rows["ask_px_nanos"]
        usable = (rows["kind"] == QUOTE) & (rows["flags"] & SUSPICIOUS == 0) & (bid > 0) & (bid <= ask)
        usable &= (rows["bid_qty_nanos"] > 0) & (rows["ask_qty_nanos"] > 0)
        usable &= rows["ts_ns"] >= self._features["open_ns"][rows["inst"]]
        usable &= rows["ts_ns"] < self._features["close_ns"][rows["inst"]]
        for inst, kept in enumerate(self._mids):
            mine = rows[usable & (rows["inst"] == inst)]
            if len(mine):
                kept.append((mine["ts_ns"].copy(), _mid_and_spread(mine)[0]))

    def finish(self) -> Tape:
        """Everything taken so far."""
        columns = [np.concatenate(column) for column in zip(*(kept[1:] for kept in self._kept), strict=True)]
        samples = Samples(self._values[: self._count], *columns)
        return Tape(samples, tuple(_path(kept) for kept in self._mids), self.rows)


class _Walk:
    """One instrument's sessions, read forward."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions, self._at = sessions, 0

    def at(self, ts_ns: int) -> tuple[int, int] | None:
        """The session that holds a time, else the next one; None after the last."""
        while self._at < len(self._sessions) and self._sessions[self._at][1] <= ts_ns:
            self._at += 1
        return self._sessions[self._at] if self._at < len(self._sessions) else None


def _mid_and_spread(quotes: Rows) -> tuple[Floats, Floats]:
    """As the feature kernels take them: floats of whole nanos."""
    bid, ask = quotes["bid_px_nanos"].astype(np.float64), quotes["ask_px_nanos"].astype(np.float64)
    return (bid + ask) * 0.5, ask - bid


def _path(kept: list[tuple[Ints, Floats]]) -> Path:
    if not kept:
        return Path(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))
    ts, mids = (np.concatenate(part) for part in zip(*kept, strict=True))
    out_ts, high, low, close = np.empty(len(ts), np.int64), np.empty(len(ts)), np.empty(len(ts)), np.empty(len(ts))
    n = path_bars(ts, mids, out_ts, high, low, close)
    return Path(out_ts[:n].copy(), high[:n].copy(), low[:n].copy(), close[:n].copy())


def collect(items: Items, collector: Collector, *, told: Callable[[int], None] | None = None) -> Tape:
    """All of a feed; `told` hears how many rows were read so far."""
    for item in items:
        collector.take(item)
        if told is not None:
            told(collector.rows)
    tape = collector.finish()
    if not len(tape.samples.ts_ns):
        raise ConfigError(
            "feed: not one sample: no usable quote within a session had all features ready; check days, symbols, leader"
        )
    return tape
