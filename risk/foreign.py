"""Working orders of other clients of the account, summed once per synchronisation: a sync replaces the whole report.
They move the account's position and value as our own do (controls 5 to 7, 18).
"""

from core.ports import Context
from core.units import NANO


class ForeignOrders:
    """Sums over `money.foreign`. Values at the worse of limit and offer, rounded up."""

    __slots__ = ("buy_value", "buys", "by_bucket", "sells", "unpriced", "value")

    def __init__(self) -> None:
        self.buys: list[int] = []  # share nanos by instrument
        self.sells: list[int] = []
        self.value = 0  # of all of them, those in names we do not know included
        self.buy_value = 0
        self.unpriced = 0  # orders whose value nobody knows: what is reserved is not known while there are any
        self.by_bucket: list[int] = []

    def sum(self, context: Context) -> None:
        """Start over."""
        instruments = len(context.instruments)
        self.buys = [0] * instruments
        self.sells = [0] * instruments
        self.by_bucket = [0] * len(context.concentration.buckets)
        self.value = self.buy_value = self.unpriced = 0
        for report in context.money.foreign.values():
            rest = report.qty_nanos - report.filled_nanos
            known = 0 <= report.inst < instruments
            if known:
                (self.buys if report.side > 0 else self.sells)[report.inst] += rest
            px = max(report.limit_px_nanos, _dearest(context, report.inst) if known else 0)
            value = -(-px * rest // NANO)
            self.unpriced += 1 if rest > 0 and px <= 0 else 0
            self.value += value
            self.buy_value += value if report.side > 0 else 0
            for bucket in context.concentration.of[report.inst] if known else ():
                self.by_bucket[bucket] += value


def _dearest(context: Context, inst: int) -> int:
    """What a share may cost: offer or last trade, else the previous close; 0 = nobody knows."""
    get = context.market.get
    return max(get(inst, "ask_px_nanos"), get(inst, "last_px_nanos")) or context.previous_close_nanos[inst]
