"""What follows when the link to the broker goes, comes back, or stays away. A restart that is known in advance is no
alarm while it lasts, and one like any other when it has lasted longer.
"""

from core import commands as c
from core import events as e
from core.engine.deadlines import NEVER
from core.engine.kill import chase_kills
from core.engine.trading import Trading
from core.money.state import LINK_NAMES, READY
from core.orders import State
from core.sessions import CLOSED
from core.units import NANO

LINK_AWAY = "LINK_AWAY"


def on_restored(engine: Trading, event: e.LinkRestored) -> None:
    """Kills are chased and everything is asked for anew; schedules wait for the answer."""
    unknown = _unknown(engine)
    if unknown:
        engine.alert("ORDERS_UNKNOWN", "critical", f"orders {unknown} have no answer: being looked up")
    engine.unsynced = True
    chase_kills(engine)
    engine.emit(c.RequestSync(reason="link restored"))


def on_degraded(engine: Trading, event: e.LinkDegraded) -> None:
    """Only cancels leave, so kills are chased."""
    severity = "info" if _is_known(engine, event.until_ns) else "warning"
    engine.alert("LINK_DEGRADED", severity, f"code {event.code}: {event.reason}; only cancels leave")
    chase_kills(engine)


def on_lost(engine: Trading, event: e.LinkLost) -> None:
    """Nothing leaves."""
    severity = "info" if _is_known(engine, event.until_ns) else "critical"
    engine.alert("LINK_LOST", severity, f"code {event.code}: {event.reason}; nothing leaves")


def on_synchronised(engine: Trading) -> None:
    """A complete sync: what the link's loss had left open is settled, or is told by other alerts."""
    engine.end_alerts("SYNC_INCOMPLETE")
    if engine.money.link == READY:
        engine.end_alerts("LINK_LOST", "LINK_DEGRADED", LINK_AWAY)
    if not _unknown(engine):
        engine.end_alerts("ORDERS_UNKNOWN", "ORDER_UNANSWERED")
    if all(kill.verified_ns for kill in engine.money.kills):
        engine.end_alerts("KILL_UNVERIFIED")


def rearm(engine: Trading) -> None:
    """The clock of a link that is away: from the start of the trader, too, so that one that never came is told."""
    timers = engine.timers
    if engine.money.link == READY:
        timers.link_ns = NEVER
    elif timers.link_ns == NEVER and engine.settings.link_alert_ns:
        timers.link_ns = engine.ts_ns + engine.settings.link_alert_ns


def on_away(engine: Trading) -> None:
    """Told again as long as it lasts, as critical as what waits for it."""
    engine.timers.link_ns = NEVER
    money = engine.money
    if money.link == READY:
        return
    idle = all(calendar.phase(engine.ts_ns) == CLOSED for calendar in engine.context.calendars)
    severity = "warning" if idle and not money.live_orders else "critical"
    minutes = max(0, engine.ts_ns - money.link_since_ns) // (60 * NANO)
    since = f"for {minutes} min" if money.link_since_ns else "since the start"
    engine.alert(LINK_AWAY, severity, f"the link is {LINK_NAMES[money.link]} {since}: no order leaves")


def _is_known(engine: Trading, until_ns: int) -> bool:
    """Whether a known restart is on; its end is waited for before the link is called away."""
    if until_ns <= engine.ts_ns:
        return False
    if engine.settings.link_alert_ns:
        engine.timers.link_ns = until_ns + engine.settings.link_alert_ns
    return True


def _unknown(engine: Trading) -> list[int]:
    return [order.order_id for order in engine.money.live_orders.values() if order.state is State.UNKNOWN]
