"""Control 19: FINRA rule 4210 at all times of the day. Equity must stay above the maintenance margin of every position
with all working orders filled: a quarter of the value, or the broker's own rate where a what-if told a higher one. And,
if asked for, the day-trade count of the rule before its amendment: an account below the least equity that has made its
day trades of five days opens nothing more, because what it opens it could not close today. Exits pass.
"""

from core.commands import OrderIntent
from core.units import BP, decimal_text
from risk.limit_rows import WORDS
from risk.needs import maintenance_bp
from risk.view import GateView

CONTROL: int = 19
CODE: str = "INTRADAY_MARGIN"
LIFT: str = "operator: add cash or close positions; exits pass; day trades: by itself, with the days"

_DENY: int = WORDS["deny"]


def check(o: OrderIntent, v: GateView) -> int:
    """Enough even at the highest rate is the ordinary case."""
    a = v.account
    if v.reduce_only or not a.finra_margin:
        return 0
    if a.pattern_day_trader == _DENY and _is_barred(v):
        return CONTROL
    if v.exposure_new <= v.free_nanos:
        return 0
    return CONTROL if maintenance_bp(v) > v.equity * BP else 0


def _is_barred(v: GateView) -> bool:
    return (
        v.equity < v.account.day_trade_equity_min_nanos
        and v.money.conditions.day_trade_count() >= v.account.day_trades_max
    )


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Needed equity, or the count."""
    a = v.account
    if a.pattern_day_trader == _DENY and _is_barred(v):
        least = decimal_text(a.day_trade_equity_min_nanos)
        return (
            f"{v.money.conditions.day_trade_count()} day trades in five days",
            f"fewer than {a.day_trades_max} below {least} of equity",
        )
    return f"{decimal_text(maintenance_bp(v) // BP)} to be maintained", decimal_text(v.equity)
