"""The signal strategy: answers with a target where the pipeline found a score outside the band of its side. All state
is in the pipeline's signal array, so that a snapshot of the pipeline is a snapshot of the strategy.
"""

from math import isfinite
from typing import Final

from core.instruments import rule_on
from core.market import FIELDS, INDEX
from core.notes import Decision
from core.ports import Context, Verdict
from core.units import NANO, round_down
from strategies.signal.params import SignalParams
from strategies.signal.state import ASKED_STALE, SIGNAL_INDEX, SignalReader, SignalSlot, wanted_side

_ASKED: Final = SIGNAL_INDEX["asked"]
_SIDE: Final = SIGNAL_INDEX["side"]
_SINCE: Final = SIGNAL_INDEX["since_ns"]
_SCORE: Final = SIGNAL_INDEX["score"]
_HURDLE: Final = SIGNAL_INDEX["hurdle_bp"]
_LEAVE: Final = SIGNAL_INDEX["leave_bp"]
_SHORT_SIDE: Final = SIGNAL_INDEX["short_side"]
_VOLATILITY: Final = SIGNAL_INDEX["volatility"]
_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]

_NOTHING: Final = Verdict()
_PPM: Final = 1_000_000
VOLATILITY: Final = "vol_256s"  # the feature that sizes are cut by


class Signal:
    """Implements core.ports.Strategy."""

    def __init__(self, context: Context, slot: SignalSlot, params: SignalParams, signals: SignalReader) -> None:
        self._context = context
        self._slot = slot
        self._signals = signals
        self._inputs = slot.inputs
        self._places = tuple(signals.place(inst, slot.slot) for inst in range(len(context.instruments)))
        self._cash_nanos = params.position_cash_nanos()
        self._target_bp = params.volatility_target_bp
        self._root_horizon = (slot.card.label.horizon_ns / NANO) ** 0.5

    @property
    def name(self) -> str:
        """Config name."""
        return self._slot.strategy

    @property
    def instruments(self) -> tuple[int, ...]:
        """Instruments it trades."""
        return self._slot.instruments

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """Answer the pipeline's question, an empty verdict to anybody else's. Raises ValueError on a score that is no
        number.
        """
        ints, floats, place = self._signals.ints, self._signals.floats, self._places[inst]
        asked = ints[place + _ASKED]
        if not asked:
            return _NOTHING
        ints[place + _ASKED] = 0
        score, before = floats[place + _SCORE], ints[place + _SIDE]
        if asked == ASKED_STALE:
            side = 0
        elif isfinite(score):
            side = wanted_side(
                score, before, floats[place + _HURDLE], floats[place + _LEAVE], ints[place + _SHORT_SIDE]
            )  # fmt: skip
        else:
            raise ValueError(f"the model answers {score}")
        if side == before:
            return _NOTHING
        ints[place + _SIDE] = side
        ints[place + _SINCE] = ts_ns
        return Verdict(decision=self._decision(inst, side, score, stale=asked == ASKED_STALE))

    def _decision(self, inst: int, side: int, score: float, *, stale: bool) -> Decision:
        """The target, and for the note all inputs of the model as it saw them and what the score had to pay."""
        floats, place = self._signals.floats, self._places[inst]
        market, at = self._context.market.view, inst * FIELDS
        features: tuple[tuple[str, float], ...] = (("stale", 1.0),)
        if not stale:
            inputs = self._signals.inputs(self._slot.slot, len(self._inputs))
            features = (*zip(self._inputs, inputs, strict=True), ("hurdle_bp", floats[place + _HURDLE]))
        return Decision(
            strategy=self._slot.strategy,
            inst=inst,
            features=features,
            score=score,
            target_nanos=side * self._size_nanos(inst) if side else 0,
            bid_px_nanos=market[at + _BID],
            ask_px_nanos=market[at + _ASK],
        )

    def _size_nanos(self, inst: int) -> int:
        """The position limit in whole order increments at the mid, cut to the volatility target. The size of a side is
        set when it is entered and kept: following the volatility from quote to quote would only trade.
        """
        mid = self._context.market.mark_nanos(inst)
        size = self._cash_nanos * NANO // mid if mid else 0
        if self._target_bp:
            expected_bp = self._signals.floats[self._places[inst] + _VOLATILITY] * self._root_horizon
            if expected_bp > self._target_bp:
                size = size * int(self._target_bp / expected_bp * _PPM) // _PPM
        lots = self._context.instruments[inst].lots
        lot = rule_on(lots, self._context.money.trading_date) or lots[0]
        return round_down(size, lot.increment_nanos)

    def forget(self, inst: int) -> None:
        """Its position was taken from it: it stands flat again; features stay warm."""
        for name in ("side", "asked"):
            self._signals.put(inst, self._slot.slot, name, 0)

    def adopt(self) -> None:
        """After a cold start: stand on the side of the targets in the books, so that hysteresis goes on from there."""
        book = self._context.money.ledger.books.get(self.name)
        for inst in self.instruments:
            target = 0 if book is None else book.targets.get(inst, 0)
            self._signals.put(inst, self._slot.slot, "side", (target > 0) - (target < 0))
            self._signals.put(inst, self._slot.slot, "since_ns", self._context.money.ts_ns)
