"""The compiled pipeline: market rows in, codes out. Owns the feature array and the bound entry points; the market and
watch arrays belong to the composition root. Implements core.ports.Pipeline, plus the live entry `quote`.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from core.errors import Bug, ConfigError
from core.market import MARKET
from core.rows import ROW
from strategies.kernels import (
    BAD_ROW,
    FEATURE,
    FEATURE_FIELDS,
    FEATURE_INDEX,
    FOREVER_NS,
    QUOTE_SIGNATURE,
    RUN_SIGNATURE,
    STEP_SIGNATURE,
    assert_live_equals_batch,
    bind,
    new_features,
    quote_row,
    run_rows,
    step_row,
)
from strategies.signal.state import SignalReader
from strategies.slots import Slot, SlotParams


class FeatureReader:
    """Reads and writes single features from Python, through two views of the one block: by name, or on the order path
    `ints[place + FEATURE_INDEX[name]]` with a place and indices taken beforehand.
    """

    __slots__ = ("_slots", "floats", "ints")

    def __init__(self, features: Any) -> None:
        assert features.dtype == FEATURE, "the reader needs a feature array"
        assert features.flags.c_contiguous, "one contiguous block"
        block = memoryview(features.view(np.int64)).cast("B")
        self.ints = block.cast("q")
        self.floats = block.cast("d")
        self._slots = features.shape[1]

    def place(self, inst: int, slot: int) -> int:
        """Where the features of one instrument and slot begin, in both views."""
        return (inst * self._slots + slot) * FEATURE_FIELDS

    def integer(self, inst: int, slot: int, name: str) -> int:
        """One integer field."""
        return self.ints[self.place(inst, slot) + FEATURE_INDEX[name]]

    def put(self, inst: int, slot: int, name: str, value: int) -> None:
        """Write one integer field."""
        self.ints[self.place(inst, slot) + FEATURE_INDEX[name]] = value


class KernelPipeline:
    """See core.ports.Pipeline. `buffer` receives the rows of `quote`: the journal's block, or one row of its own."""

    def __init__(self, market: Any, watch: Any, slots: Sequence[Slot], *, buffer: Any = None) -> None:
        if market.dtype != MARKET or len(watch) != len(market):
            raise Bug("the pipeline needs the engine's market array and a watch array of equal length")
        assert_live_equals_batch()
        self._market = market
        self._watch = watch
        self._buffer = np.zeros(1, ROW) if buffer is None else buffer
        self._capacity = len(self._buffer)
        self._out = np.zeros(1, np.int64)
        self._code = 0
        self.features = new_features(len(market), max(1, len(slots)))
        self.reader = FeatureReader(self.features)
        self.signal_reader: SignalReader | None = None  # of a pipeline with models
        self.signal_slots: tuple[Any, ...] = ()  # and its models
        self._slot_of: Final = {slot.strategy: slot.slot for slot in slots}
        for number, slot in enumerate(slots):
            self._enable(number, slot)
        arrays = (market, self.features, watch)
        self._step = bind(step_row, STEP_SIGNATURE, *arrays, self._buffer)
        self._quote = bind(quote_row, QUOTE_SIGNATURE, *arrays, self._buffer)
        self._run = bind(run_rows, RUN_SIGNATURE, *arrays, self._buffer, self._out)

    def _enable(self, number: int, slot: Slot) -> None:
        if slot.slot != number:
            raise Bug(f"strategy {slot.strategy} has slot {slot.slot} at place {number}")
        for inst in slot.instruments:
            if not 0 <= inst < len(self._market):
                raise ConfigError(f"strategy {slot.strategy}: instrument {inst} is not configured")
            row = self.features[inst, number]
            row["enabled"] = 1
            for name in SlotParams.__struct_fields__:
                row[name] = getattr(slot.params, name)

    # ---- rows --------------------------------------------------------------------------------------------------
    def step(self, row: Any) -> int:
        """Apply one row (a 1-element ROW array); returns its code. Raises Bug on an instrument nobody configured."""
        check_block(row, 0, 1)
        return self._checked(self._step(self._market, self.features, self._watch, row, 0))

    def run(self, rows: Any, lo: int, hi: int, stop_ts_ns: int) -> int:
        """Apply rows[lo:hi] until one has a code or is at or past the stop; returns the first row not applied."""
        check_block(rows, lo, hi)
        k: int = self._run(self._market, self.features, self._watch, rows, lo, hi, stop_ts_ns, self._out)
        self._code = self._checked(int(self._out[0]))
        return k

    def quote(
        self, at: int, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> int:  # fmt: skip
        """Live entry: write the row into buffer[at] and step it. All arguments integers: a float would be cut off in
        silence, so translate has converted them.
        """
        if not 0 <= at < self._capacity:
            raise Bug(f"row {at} of a buffer of {self._capacity}")
        code: int = self._quote(
            self._market, self.features, self._watch, self._buffer, at, ts_ns, exchange_ts_ns, inst, kind, flags,
            bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos,
        )  # fmt: skip
        return code if code != BAD_ROW else self._checked(code)

    @property
    def code(self) -> int:
        """Code of the last row applied by `run`; 0 = it stopped for time or at the end."""
        return self._code

    @staticmethod
    def _checked(code: int) -> int:
        if code == BAD_ROW:
            raise Bug("a market row names an instrument outside the arrays: translate must refuse it")
        return code

    # ---- fences and snapshots ----------------------------------------------------------------------------------
    def fence(self, strategy: str, inst: int, from_ns: int, until_ns: int) -> None:
        """Ask for decisions only within [from_ns, until_ns)."""
        slot = self._slot_of[strategy]
        self.reader.put(inst, slot, "from_ns", from_ns)
        self.reader.put(inst, slot, "until_ns", min(until_ns, FOREVER_NS))

    def session(self, inst: int, open_ns: int, close_ns: int) -> None:
        """Plain slots know no session: the fence alone says when they may ask."""

    def gap(self, inst: int) -> None:
        """Plain slots go by the time between quotes alone."""

    def forget(self, inst: int) -> None:
        """Other shares from now on: features start over with the next usable quote."""
        self.features[inst]["n"] = 0

    @property
    def external_names(self) -> tuple[str, ...]:
        """Plain slots read no feature from outside."""
        return ()

    def external(self, name: str, inst: int, value: float, as_of_ns: int, age_ns_max: int) -> None:
        """Nor take one."""

    def dump(self) -> bytes:
        """Market and feature state."""
        market: bytes = self._market.tobytes()
        features: bytes = self.features.tobytes()
        return market + features

    def load(self, state: bytes) -> None:
        """State of the same layout, in place: the bound arrays and memoryviews stay valid. Raises Bug on others."""
        size = self._market.nbytes
        if len(state) != size + self.features.nbytes:
            raise Bug(f"pipeline state of {len(state)} bytes where {size + self.features.nbytes} are expected")
        self._market[:] = np.frombuffer(state[:size], MARKET)
        self.features[:] = np.frombuffer(state[size:], FEATURE).reshape(self.features.shape)


def check_block(rows: Any, lo: int, hi: int) -> None:
    """What the raw entry point does not look at; read-only bytes would match no signature."""
    flags = rows.flags
    if rows.ndim != 1 or not flags.c_contiguous or rows.dtype != ROW:
        raise Bug("market rows must be one contiguous block of ROW")
    if not 0 <= lo <= hi <= len(rows):
        raise Bug(f"rows [{lo}, {hi}) of a block of {len(rows)}")
