"""Control 21: halts, price bands and the market-wide breaker (RTS 6 art. 16(5)). A halt told by the exchange holds
every order, exits too, until it ends. No new risk: for a while after a halt; with a touch near or at a price band
(Limit Up / Limit Down; a limit state is at the band); while the index proxy says that the market-wide breaker has
tripped. The last two are estimates of ours, so exits pass them: the exchange's own halt is what holds an exit.
"""

from core.commands import OrderIntent
from core.units import exact_text
from risk.view import GateView

CONTROL: int = 21
CODE: str = "HALT_OR_BAND"
LIFT: str = "by itself: when trading has resumed and prices are inside the bands"


def check(o: OrderIntent, v: GateView) -> int:
    """An empty side of the quote is control 22's."""
    if v.halted:
        return CONTROL
    if v.reduce_only:
        return 0
    if v.ts_ns < v.money.conditions.index_until_ns or v.resumed_ns < v.account.halt_quiet_ns:
        return CONTROL
    return CONTROL if v.usable and (v.ask >= v.edges.edge_high or v.bid <= v.edges.edge_low) else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The first reason."""
    if v.halted:
        return f"halted ({v.halted})", "trading"
    if v.ts_ns < v.money.conditions.index_until_ns:
        return "market-wide breaker", f"from {v.money.conditions.index_until_ns} on"
    quiet = v.account.halt_quiet_ns
    if v.resumed_ns < quiet:
        return f"resumed {exact_text(v.resumed_ns)} s ago", f"{exact_text(quiet)} s"
    low, high = v.edges.edge_low, v.edges.edge_high
    if high < low:
        return "limit state", "quotes inside the bands"
    return (
        f"quote {exact_text(v.bid)} / {exact_text(v.ask)}",
        f"{exact_text(low)} .. {exact_text(high)}",
    )
