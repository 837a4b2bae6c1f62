"""Working orders of other clients of the account, summed once per synchronisation: a sync replaces the whole report.
They move the account's position and value as our own do (controls 5 to 7, 18).
"""

from typing import Final

from core.events import OpenOrderReported
from core.ports import Context
from core.units import NANO

NO_CROSS: Final = -1  # nothing rests on that side
ANY_PRICE: Final = 1 << 62  # of a buy without a limit; a sell without one is at 0


class ForeignOrders:
    """Sums over `money.foreign`. Values at the worse of limit and offer, rounded up."""

    __slots__ = (
        "any_known", "buy_best", "buy_counts", "buy_value", "buys", "by_bucket", "sell_best", "sell_counts", "sells",
        "unpriced", "value",
    )  # fmt: skip

    def __init__(self) -> None:
        self.buys: list[int] = []  # share nanos by instrument
        self.sells: list[int] = []
        self.buy_counts: list[int] = []
        self.sell_counts: list[int] = []
        self.buy_best: list[int] = []  # dearest bid, cheapest offer; NO_CROSS = none, without a price it takes any
        self.sell_best: list[int] = []
        self.any_known = False  # whether there is anything to add
        self.value = 0  # of all of them, those in names we do not know included
        self.buy_value = 0
        self.unpriced = 0  # orders whose value nobody knows: what is reserved is not known while there are any
        self.by_bucket: list[int] = []

    def sum(self, context: Context) -> None:
        """Start over."""
        instruments = len(context.instruments)
        self.buys = [0] * instruments
        self.sells = [0] * instruments
        self.buy_counts, self.sell_counts = [0] * instruments, [0] * instruments
        self.buy_best, self.sell_best = [NO_CROSS] * instruments, [NO_CROSS] * instruments
        self.by_bucket = [0] * len(context.concentration.buckets)
        self.value = self.buy_value = self.unpriced = 0
        self.any_known = bool(context.money.foreign)
        for report in context.money.foreign.values():
            rest = report.qty_nanos - report.filled_nanos
            known = 0 <= report.inst < instruments
            if known:
                self._rest(report, rest)
            px = max(report.limit_px_nanos, _dearest(context, report.inst) if known else 0)
            value = -(-px * rest // NANO)
            self.unpriced += 1 if rest > 0 and px <= 0 else 0
            self.value += value
            self.buy_value += value if report.side > 0 else 0
            for bucket in context.concentration.of[report.inst] if known else ():
                self.by_bucket[bucket] += value

    def _rest(self, report: OpenOrderReported, rest: int) -> None:
        """One order of an instrument that is ours too."""
        inst, px = report.inst, report.limit_px_nanos
        if report.side > 0:
            self.buys[inst] += rest
            self.buy_counts[inst] += 1
            self.buy_best[inst] = max(self.buy_best[inst], px or ANY_PRICE)
            return
        self.sells[inst] += rest
        self.sell_counts[inst] += 1
        best = self.sell_best[inst]
        self.sell_best[inst] = px if best == NO_CROSS else min(best, px)


def _dearest(context: Context, inst: int) -> int:
    """What a share may cost: offer or last trade, else the previous close; 0 = nobody knows."""
    get = context.market.get
    return max(get(inst, "ask_px_nanos"), get(inst, "last_px_nanos")) or context.previous_close_nanos[inst]
