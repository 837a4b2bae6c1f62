"""Control 48: what is missing denies. Contract, dated rules, disk reserve and SAFE mode stop every order; a missing
mark, a symbol whose reference of the day has not come from the broker, a limit change that cannot be applied, and a
disabled or unknown strategy stop entries (15c3-5: controls under exclusive authority, never silently off).
"""

from core.commands import OrderIntent
from risk.view import GateView

CONTROL: int = 48
CODE: str = "FAIL_CLOSED"
LIFT: str = "operator: supply what is missing, or enable the strategy"


def check(o: OrderIntent, v: GateView) -> int:
    """Deny on anything absent."""
    b = v.bounds
    if v.money.safe or not v.money.disk_available or not b.supported:
        return CONTROL
    if not v.rules.complete:
        return CONTROL
    if v.reduce_only:
        return 0
    if v.limit_fault:
        return CONTROL
    return CONTROL if v.mark_missing or v.unready or not v.enabled or not b.known else 0


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """What is missing, and what is asked for."""
    b = v.bounds
    if v.money.safe:
        return "SAFE mode", "normal mode"
    if not v.money.disk_available:
        return "disk reserve lost", "disk reserve"
    if not b.supported:
        return f"{b.symbol} is out of scope", "stock or ETF in the account currency"
    if not v.rules.complete:
        return "no tick or lot rule for the day", "a dated rule"
    if v.limit_fault:
        return f"a limit change cannot be applied: {v.limit_fault}", "every change applied: take it back"
    if v.mark_missing:
        return f"{v.mark_missing} held without a mark", "every position marked"
    if v.unready:
        return f"not ready: {v.reference_text(o.inst)}", f"the reference of {v.rules.date}"
    if not b.known:
        return f"strategy {o.strategy or 'unnamed'} is not configured", "a configured strategy"
    return f"strategy {o.strategy} is disabled", "enabled"
