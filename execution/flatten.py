"""Closing a position because somebody said so: a parent in slices that the name's liquidity allows, each across the
spread at once. It asks nobody: the gate judges every child as reduce-only. Knows no target and no limit.

The rule: a slice every `SLICE_NS`, each at most the configured part of what usually trades in that time, but never less
than one lot and never later than the close: what would take longer is closed faster than that. Without an average daily
volume all of it is due at once.
"""

from typing import Final

from core import commands as c
from core.ids import BUY, SELL
from core.instruments import LotRule, rule_on
from core.ports import Context
from core.sessions import REGULAR, Session
from core.units import NANO, round_down
from execution.algos import IMMEDIATE, TWAP

SLICE_NS: Final = 30 * NANO
PHASES_LOOKED_AT_MAX: Final = 64  # four a day: two weeks without a regular session end the search


def flatten_parent(
    context: Context, *, strategy: str, inst: int, ts_ns: int, participation_nanos: int
) -> c.OpenParent | None:
    """A parent that closes a position from now on, or from the open of the next regular session; what it leaves at its
    end is for the next one. None when there is no whole lot to close. `participation_nanos`: part of the usual volume.
    """
    held = context.money.ledger.held_nanos(strategy, inst)
    start = _regular_from(context, inst, ts_ns)
    session = context.calendars[inst].session(start)
    lot = rule_on(context.instruments[inst].lots, context.money.trading_date if session is None else session.date)
    qty = 0 if lot is None else round_down(abs(held), lot.increment_nanos)
    if qty == 0 or session is None or lot is None:
        return None
    slices = slices_of(qty, context.volumes.adv_nanos[inst], lot, session, start, participation_nanos)
    return c.OpenParent(
        parent_id=context.money.next_parent_id,
        strategy=strategy,
        inst=inst,
        side=SELL if held > 0 else BUY,
        qty_nanos=qty,
        algo=IMMEDIATE.name if slices == 1 else TWAP.name,
        start_ts_ns=start,
        end_ts_ns=session.close_ns if slices == 1 else start + slices * SLICE_NS,
        slices=slices,
        arrival_mid_nanos=context.market.mark_nanos(inst),
        purpose=c.INTENT_FLATTEN,
    )


def slices_of(
    qty_nanos: int, adv_nanos: int, lot: LotRule, session: Session, start_ns: int, participation_nanos: int
) -> int:
    """How many slices a quantity needs; 1 = all at once."""
    if adv_nanos <= 0:
        return 1
    usual = adv_nanos * SLICE_NS // (session.close_ns - session.open_ns)
    slice_nanos = max(usual * participation_nanos // NANO, lot.increment_nanos)
    needed = -(-qty_nanos // slice_nanos)
    return max(1, min(needed, (session.close_ns - start_ns) // SLICE_NS))


def _regular_from(context: Context, inst: int, ts_ns: int) -> int:
    """Now in regular hours, else when they begin next; as far as the session table speaks."""
    calendar = context.calendars[inst]
    start = ts_ns
    for _ in range(PHASES_LOOKED_AT_MAX):
        if calendar.phase(start) == REGULAR or not calendar.covers(start):
            break
        start = calendar.next_boundary_ns(start)
    return start
