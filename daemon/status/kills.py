"""The report of the kills: what each asked for, what became of it, what is left and why. For `quantd kill` and its log;
the picture of `quantd status` shows one line of each.
"""

from typing import Any, Final

from core.engine.engine import Engine
from core.engine.kill import what_is_left
from core.engine.scope import in_scope
from core.latches import LEVEL_NAMES
from core.money.kills import OPEN, Kill
from core.units import exact_text

STILL_OPEN: Final = "OPEN"


def kill_reports(engine: Engine) -> list[dict[str, Any]]:
    """All that are kept, oldest first."""
    return [_report(engine, kill) for kill in engine.money.kills]


def _report(engine: Engine, kill: Kill) -> dict[str, Any]:
    report = journalled_report(kill, engine.ts_ns)
    if not kill.verified_ns:
        report["left"] = what_is_left(engine, kill)
        report["left_ids"] = [order.order_id for order in in_scope(engine, kill.level, kill.scope)]
    return report


def journalled_report(kill: Kill, now_ns: int) -> dict[str, Any]:
    """What the books alone know of it."""
    return {
        "level": LEVEL_NAMES[kill.level],
        "scope": kill.scope,
        "by": kill.by,
        "reason": kill.reason,
        "since_ns": kill.since_ns,
        "cancelled_ns": kill.cancelled_ns,  # the newest cancel was asked for
        "verified_ns": kill.verified_ns,
        "over_ns": kill.over_ns,
        "now_ns": now_ns,
        "sync_id": kill.sync_id,
        "cancels": kill.cancels,
        "orders": {str(order_id): how or STILL_OPEN for order_id, how in kill.orders.items()},
        "left": "" if kill.verified_ns else "not verified",
        "left_ids": [order_id for order_id, how in kill.orders.items() if how == OPEN and not kill.verified_ns],
        "refused": {str(order_id): why for order_id, why in kill.refused.items()},
        "foreign": {str(perm_id): whose for perm_id, whose in kill.foreign.items()},
        "foreign_left": list(kill.foreign_open),
        "fills_after": kill.fills,
        "filled_after": exact_text(kill.filled_nanos),
        "orders_more": kill.more,
    }
