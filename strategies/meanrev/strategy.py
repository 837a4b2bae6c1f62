"""The mean reversion strategy: reads its slot of the feature array and answers with a target. The compiled kernel
decides when to ask and holds all state, so that a snapshot of the pipeline is a snapshot of the strategy.
"""

from collections.abc import Callable
from typing import Final

from core.instruments import rule_on
from core.market import FIELDS, INDEX
from core.notes import Decision
from core.ports import Context, Verdict
from core.units import NANO, round_down
from strategies.kernels import FEATURE_INDEX, wanted_side
from strategies.meanrev.params import MeanReversionParams
from strategies.pipeline import FeatureReader
from strategies.slots import Slot

_ASKED: Final = FEATURE_INDEX["asked"]
_SIDE: Final = FEATURE_INDEX["side"]
_SHORT_SIDE: Final = FEATURE_INDEX["short_side"]
_ENTER: Final = FEATURE_INDEX["enter"]
_LEAVE: Final = FEATURE_INDEX["leave"]
_Z: Final = FEATURE_INDEX["z"]
_MID: Final = FEATURE_INDEX["mid_nanos"]
_MEAN: Final = FEATURE_INDEX["mean_nanos"]
_VAR: Final = FEATURE_INDEX["var_nanos2"]
_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]

# The kernel's own rule as Python runs it: comparisons alone, so the answer is the same, without a compiled call's cost.
_wanted_side: Final[Callable[[float, int, float, float, int], int]] = wanted_side.py_func
_NOTHING: Final = Verdict()


class MeanReversion:
    """Implements core.ports.Strategy."""

    def __init__(self, context: Context, slot: Slot, params: MeanReversionParams, features: FeatureReader) -> None:
        self._context = context
        self._slot = slot
        self._features = features
        self._places = tuple(features.place(inst, slot.slot) for inst in range(len(context.instruments)))
        self._shares_nanos = params.position_shares * NANO
        self._cash_nanos = params.position_cash_nanos()

    @property
    def name(self) -> str:
        """Config name."""
        return self._slot.strategy

    @property
    def instruments(self) -> tuple[int, ...]:
        """Instruments it trades."""
        return self._slot.instruments

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """Answer its kernel's question; an empty verdict when this slot did not ask."""
        ints, floats, place = self._features.ints, self._features.floats, self._places[inst]
        if not ints[place + _ASKED]:
            return _NOTHING
        ints[place + _ASKED] = 0
        z = floats[place + _Z]
        side = _wanted_side(
            z, ints[place + _SIDE], floats[place + _ENTER], floats[place + _LEAVE], ints[place + _SHORT_SIDE]
        )
        ints[place + _SIDE] = side
        return Verdict(decision=self._decision(inst, side, z))

    def _decision(self, inst: int, side: int, z: float) -> Decision:
        """The target, and for the note mid, mean and deviation in price units."""
        floats, place = self._features.floats, self._places[inst]
        market, at = self._context.market.view, inst * FIELDS
        return Decision(
            strategy=self._slot.strategy,
            inst=inst,
            features=(
                ("mid", floats[place + _MID] / 1e9),
                ("mean", floats[place + _MEAN] / 1e9),
                ("sd", floats[place + _VAR] ** 0.5 / 1e9),
                ("z", z),
            ),
            score=z,
            target_nanos=side * self._size_nanos(inst) if side else 0,
            bid_px_nanos=market[at + _BID],
            ask_px_nanos=market[at + _ASK],
        )

    def _size_nanos(self, inst: int) -> int:
        """A full position in whole order increments: fixed shares, or dollars at the mid."""
        size = self._shares_nanos
        if not size:
            mid = self._context.market.mark_nanos(inst)
            size = self._cash_nanos * NANO // mid if mid else 0
        lots = self._context.instruments[inst].lots
        lot = rule_on(lots, self._context.money.trading_date) or lots[0]
        return round_down(size, lot.increment_nanos)

    def forget(self, inst: int) -> None:
        """Its position was taken from it: it stands flat again; the features stay warm."""
        self._features.put(inst, self._slot.slot, "side", 0)
        self._features.put(inst, self._slot.slot, "asked", 0)

    def adopt(self) -> None:
        """After a cold start: stand on the side of the targets in the books, so that hysteresis goes on from there."""
        book = self._context.money.ledger.books.get(self.name)
        for inst in self.instruments:
            target = 0 if book is None else book.targets.get(inst, 0)
            self._features.put(inst, self._slot.slot, "side", (target > 0) - (target < 0))
