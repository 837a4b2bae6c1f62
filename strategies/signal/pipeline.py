"""The compiled pipeline with features and models: whatever `KernelPipeline` does, and a score where one is due.

A scored row that changes nothing costs one compiled call, the model and two comparisons; the engine is woken only when
the score leaves the band of the present side. Loaded only when a signal strategy is configured.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from core.errors import Bug, ConfigError
from strategies.features.catalogue import NAMES, bits
from strategies.features.state import EXTERNAL, FEATURE_STATE, new_external_state, new_feature_state, set_session
from strategies.kernels import BAD_ROW, DECIDE, bind
from strategies.models.scorer import Scorer, scorer_of
from strategies.pipeline import KernelPipeline, check_block
from strategies.signal.ahead import LookAhead, scores_alike
from strategies.signal.kernels import (
    QUOTE_SIGNATURE,
    RUN_SIGNATURE,
    STEP_SIGNATURE,
    assert_scored_live_equals_batch,
    new_plans,
    quote_scored,
    run_scored,
    step_scored,
)
from strategies.signal.state import (
    ASKED_SCORE,
    COUNT,
    EXTERNAL_FROM,
    FIRST,
    FOREVER_NS,
    INPUTS_MAX,
    NEEDED,
    SCORE,
    SIGNAL,
    SIGNAL_FIELDS,
    SIGNAL_INDEX,
    SLOTS_MAX,
    SignalReader,
    SignalSlot,
    SignalSlotParams,
    inputs_of,
    new_signals,
    new_values,
)
from strategies.signal.strategy import VOLATILITY
from strategies.slots import Slot

FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_ASKED: Final = SIGNAL_INDEX["asked"]
_ASKS: Final = SIGNAL_INDEX["asks"]
_SCORE: Final = SIGNAL_INDEX["score"]
_LOW: Final = SIGNAL_INDEX["low"]
_HIGH: Final = SIGNAL_INDEX["high"]


class ScoredPipeline(KernelPipeline):
    """See core.ports.Pipeline."""

    def __init__(
        self, market: Any, watch: Any, slots: Sequence[Slot], signals: Sequence[SignalSlot], *,
        profile: int, buffer: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(market, watch, slots, buffer=buffer)
        assert_scored_live_equals_batch()
        if not 0 < len(signals) <= SLOTS_MAX:
            raise ConfigError(f"strategies: {len(signals)} signal strategies; use 1 to {SLOTS_MAX}")
        count = len(market)
        self.signal_slots = tuple(signals)
        self._names = tuple(dict.fromkeys(name for slot in signals for name in slot.card.inputs.external))
        self.state = new_feature_state(count, profile, leaders_of(signals, count))
        self.signals = new_signals(count, len(signals))
        columns = max(1, len(self._names))
        self.externals = new_external_state(count, columns, [1] * columns)
        self.values = new_values(len(signals))
        self._plans = new_plans(len(signals))
        self._scored_out = np.zeros(3, np.int64)
        self._reader = self.signal_reader = SignalReader(self.signals, self.values)
        self._signal_of: Final = {slot.strategy: slot.slot for slot in signals}
        for number, slot in enumerate(signals):
            self._seat(number, slot)
        self.scorers: tuple[Scorer, ...] = tuple(
            scorer_of(slot.card, slot.onnx, inputs_of(self.values, slot.slot, len(slot.inputs)), field=slot.field)
            for slot in signals
        )
        self._bind()

    def _seat(self, number: int, slot: SignalSlot) -> None:
        """Give a slot its parameters and say what its model reads."""
        if slot.slot != number:
            raise Bug(f"strategy {slot.strategy} has signal slot {slot.slot} at place {number}")
        for inst in slot.instruments:
            row = self.signals[inst, number]
            row["enabled"] = 1
            for name in SignalSlotParams.__struct_fields__:
                row[name] = getattr(slot.params, name)
        plan, names = self._plans[number], slot.inputs
        if len(names) > INPUTS_MAX:
            raise ConfigError(f"{slot.field}: the model has {len(names)} inputs; train it with at most {INPUTS_MAX}")
        own = len(slot.card.inputs.names)
        for at, name in enumerate(names):
            place = NAMES.index(name) if at < own else EXTERNAL_FROM + self._names.index(name)
            plan[FIRST + at] = place
        plan[COUNT] = len(names)
        needed = (*slot.card.inputs.names, VOLATILITY) if slot.needs_volatility else slot.card.inputs.names
        plan[NEEDED] = bits(*dict.fromkeys(needed))

    def _bind(self) -> None:
        self._arrays = (
            self._market, self.features, self._watch, self.state, self.signals, self.externals, self.values,
            self._plans, self._scored_out,
        )  # fmt: skip
        self._step = bind(step_scored, STEP_SIGNATURE, *self._arrays, self._buffer)
        self._quote = bind(quote_scored, QUOTE_SIGNATURE, *self._arrays, self._buffer)
        self._run = bind(run_scored, RUN_SIGNATURE, *self._arrays, self._buffer)
        self._told = memoryview(self._scored_out.data)
        rows = tuple(inputs_of(self.values, slot.slot, len(slot.inputs)) for slot in self.signal_slots)
        self._ahead: LookAhead | None = None
        if scores_alike(self.scorers, rows):
            self._ahead = LookAhead(self._arrays, self.scorers, [len(row) for row in rows], self._buffer)
        # What a score needs, by slot, looked up once: the model's call and how far apart two instruments' fields are.
        self._calls = tuple(scorer.score for scorer in self.scorers)
        self._stride = len(self.signal_slots) * SIGNAL_FIELDS

    # ---- rows --------------------------------------------------------------------------------------------------
    def step(self, row: Any) -> int:
        """Apply one row (a 1-element ROW array); returns its code. Raises Bug on an instrument nobody configured."""
        check_block(row, 0, 1)
        self._forget_scores()
        return self._scored(self._checked(self._step(*self._arrays, row, 0)))

    def run(self, rows: Any, lo: int, hi: int, stop_ts_ns: int) -> int:
        """Apply rows[lo:hi] until one has a code or is at or past the stop; scores that change nothing are none."""
        check_block(rows, lo, hi)
        if self._ahead is not None:
            lo, code = self._ahead.run(rows, lo, hi, stop_ts_ns)
            self._code = self._checked(code)
            return lo
        while True:
            lo = self._run(*self._arrays, rows, lo, hi, stop_ts_ns)
            code = self._told[0]
            if code:
                code = self._scored(self._checked(code))
                if not code:
                    continue
            self._code = code
            return lo

    def quote(
        self, at: int, ts_ns: int, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> int:  # fmt: skip
        """Live entry, as `KernelPipeline.quote`."""
        if not 0 <= at < self._capacity:
            raise Bug(f"row {at} of a buffer of {self._capacity}")
        self._forget_scores()
        code: int = self._quote(
            *self._arrays, self._buffer, at, ts_ns, exchange_ts_ns, inst, kind, flags,
            bid_px_nanos, ask_px_nanos, bid_qty_nanos, ask_qty_nanos,
        )  # fmt: skip
        if not code:
            return 0
        return self._scored(code if code != BAD_ROW else self._checked(code))

    def _scored(self, code: int) -> int:
        """Score what is due; DECIDE where a score left its band. A score that is no number leaves every band."""
        if not code & SCORE:
            return code
        told, reader = self._told, self._reader
        floats, due = reader.floats, told[2]
        place = told[1] * self._stride
        for call in self._calls:
            if due & 1:
                score = call()
                floats[place + _SCORE] = score
                if not floats[place + _LOW] <= score <= floats[place + _HIGH]:
                    ints = reader.ints
                    ints[place + _ASKED] = ASKED_SCORE
                    ints[place + _ASKS] += 1
                    code |= DECIDE
            due >>= 1
            place += SIGNAL_FIELDS
        return code & ~SCORE

    # ---- what is not a row -------------------------------------------------------------------------------------
    def _forget_scores(self) -> None:
        """Scores made ahead hold for nothing but the rows that they were made for."""
        if self._ahead is not None:
            self._ahead.forget()

    def fence(self, strategy: str, inst: int, from_ns: int, until_ns: int) -> None:
        """Ask for decisions only within [from_ns, until_ns)."""
        self._forget_scores()
        slot = self._signal_of.get(strategy)
        if slot is None:
            super().fence(strategy, inst, from_ns, until_ns)
            return
        self._reader.put(inst, slot, "from_ns", from_ns)
        self._reader.put(inst, slot, "until_ns", min(until_ns, FOREVER_NS))

    def session(self, inst: int, open_ns: int, close_ns: int) -> None:
        """Features of an instrument belong to [open_ns, close_ns)."""
        self._forget_scores()
        set_session(self.state, inst, open_ns, close_ns)

    def gap(self, inst: int) -> None:
        """Market data of an instrument were lost or stopped: its tick features start over with the next usable quote,
        as after a silence; the session's bars and volume-weighted price go on.
        """
        self._forget_scores()
        self.state[inst]["n"] = 0

    def forget(self, inst: int) -> None:
        """Other shares from now on: all features of the instrument, and of those it leads, start over with the next row
        of theirs, as in a new session.
        """
        super().forget(inst)
        self._forget_scores()
        self.state["session_ns"][inst] = -1
        self.state["session_ns"][self.state["leader"] == inst] = -1

    @property
    def external_names(self) -> tuple[str, ...]:
        """Numbers from outside that some model reads."""
        return self._names

    def external(self, name: str, inst: int, value: float, as_of_ns: int, age_ns_max: int) -> None:
        """Take a number from outside; a name that no model reads, or a value that is no float32, is passed over."""
        if name not in self._names or not -FLOAT32_MAX <= value <= FLOAT32_MAX:
            return
        self._forget_scores()
        column = self.externals[:, self._names.index(name)]
        for row in column if inst < 0 else column[inst : inst + 1]:
            row["value"], row["as_of_ns"], row["age_ns_max"] = value, as_of_ns, age_ns_max

    # ---- snapshots ---------------------------------------------------------------------------------------------
    def dump(self) -> bytes:
        """Market, plain slots, features, signals and what came from outside."""
        return msgspec.msgpack.encode(
            [super().dump(), *(array.tobytes() for array in (self.state, self.signals, self.externals))]
        )

    def load(self, state: bytes) -> None:
        """State of the same layout, in place. Raises Bug on others."""
        try:
            base, *parts = msgspec.msgpack.decode(state, type=tuple[bytes, bytes, bytes, bytes])
        except msgspec.DecodeError as fault:
            raise Bug(f"pipeline state of another layout: {fault}") from fault
        arrays = ((self.state, FEATURE_STATE), (self.signals, SIGNAL), (self.externals, EXTERNAL))
        if [len(part) for part in parts] != [array.nbytes for array, _ in arrays]:
            raise Bug(f"pipeline state with parts of {[len(part) for part in parts]} bytes: another layout")
        self._forget_scores()
        super().load(base)
        for part, (array, dtype) in zip(parts, arrays, strict=True):
            array[:] = np.frombuffer(part, dtype).reshape(array.shape)


def leaders_of(signals: Sequence[SignalSlot], instruments: int) -> list[int]:
    """The leader of each instrument, -1 = none. Raises ConfigError when two strategies want different ones."""
    found: dict[int, tuple[int, str]] = {}
    for slot in signals:
        for inst in slot.instruments:
            if slot.leader < 0:
                continue
            before = found.setdefault(inst, (slot.leader, slot.strategy))
            if before[0] != slot.leader:
                raise ConfigError(
                    f"strategies.{slot.strategy}.params.leader: strategy {before[1]} compares the same symbol with "
                    "another leader; use one leader for both"
                )
    return [found[inst][0] if inst in found else -1 for inst in range(instruments)]
