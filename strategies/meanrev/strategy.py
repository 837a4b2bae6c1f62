"""The mean reversion strategy: reads its slot of the feature array and answers with a target. The compiled kernel
decides when to ask and holds all state, so that a snapshot of the pipeline is a snapshot of the strategy.
"""

from collections.abc import Mapping

from core.instruments import rule_on
from core.notes import Decision
from core.ports import Context, Verdict
from core.units import NANO, round_down
from strategies.kernels import wanted_side
from strategies.meanrev.params import MeanReversionParams
from strategies.pipeline import FeatureReader, Slot


class MeanReversion:
    """Implements core.ports.Strategy."""

    def __init__(self, context: Context, slot: Slot, params: MeanReversionParams, features: FeatureReader) -> None:
        self._context = context
        self._slot = slot
        self._params = params
        self._features = features
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
        read, slot = self._features, self._slot.slot
        if not read.integer(inst, slot, "asked"):
            return Verdict()
        read.put(inst, slot, "asked", 0)
        z = read.number(inst, slot, "z")
        side = wanted_side(
            z,
            read.integer(inst, slot, "side"),
            read.number(inst, slot, "enter"),
            read.number(inst, slot, "leave"),
            read.integer(inst, slot, "short_side"),
        )
        read.put(inst, slot, "side", side)
        return Verdict(decision=self._decision(inst, side, z))

    def _decision(self, inst: int, side: int, z: float) -> Decision:
        numbers = self._numbers(inst)
        return Decision(
            strategy=self.name,
            inst=inst,
            features=(*numbers.items(), ("z", z)),
            score=z,
            target_nanos=side * self._size_nanos(inst),
            bid_px_nanos=self._context.market.get(inst, "bid_px_nanos"),
            ask_px_nanos=self._context.market.get(inst, "ask_px_nanos"),
        )

    def _numbers(self, inst: int) -> Mapping[str, float]:
        """Mid, mean and deviation in price units, for the note."""
        read, slot = self._features, self._slot.slot
        return {
            "mid": read.number(inst, slot, "mid_nanos") / 1e9,
            "mean": read.number(inst, slot, "mean_nanos") / 1e9,
            "sd": read.number(inst, slot, "var_nanos2") ** 0.5 / 1e9,
        }

    def _size_nanos(self, inst: int) -> int:
        """A full position in whole order increments: fixed shares, or dollars at the mid."""
        size = self._params.position_shares * NANO
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
