"""A person's order as a schedule: planned as a strategy's would be, of a size and limit that nobody works out. Knows
no target and asks nobody; the gate judges every child.
"""

from typing import Final

import msgspec

from core import commands as c
from core.events import OrderGiven
from core.ports import Context
from core.sessions import PHASE_NAMES
from core.units import NANO
from execution.algos.plan import limit_px_nanos
from execution.messages import order_rate_fault
from execution.opening import Opening, as_opening
from execution.pacing import terms_of
from execution.settings import ExecutionSettings
from execution.touch import Day, quote_fault

GTC_NS: Final = 365 * 86_400 * NANO  # one that outlives the day is given up after so long


def manual_parent(
    context: Context, opening: Opening, settings: ExecutionSettings, given: OrderGiven, day: Day | None, ts_ns: int
) -> c.OpenParent | str:
    """Its schedule from now on; or why it cannot begin, and what helps."""
    inst, side, qty, parent_id = given.inst, given.side, given.qty_nanos, context.money.next_parent_id
    if day is None:
        phase = PHASE_NAMES[context.calendars[inst].phase(ts_ns)]
        return f"session {phase}: orders are taken in regular hours: give it again after the open"
    if day.lot is None:
        return "no lot rule for the day: see `quantd why-not`"
    fault = quote_fault(context, inst)
    if fault:
        return f"{fault}: give it again when there is one"
    lot = day.lot.increment_nanos
    terms = terms_of(context, inst, day, ts_ns, lots=qty // lot, seed=parent_id)
    chosen = opening.plan(settings, terms, inst=inst, side=side, qty_nanos=qty, lot_nanos=lot)
    fault = chosen.plan.fault or order_rate_fault(context.money, given.strategy, chosen.algo, chosen.plan)
    if fault:
        return fault
    mid = context.market.mark_nanos(inst)
    made = msgspec.structs.replace(
        as_opening(chosen),
        parent_id=parent_id,
        strategy=given.strategy,
        inst=inst,
        side=side,
        qty_nanos=qty,
        purpose=c.INTENT_MANUAL,
        operator=given.operator,
        limit_px_nanos=given.limit_px_nanos or limit_px_nanos(chosen.params, mid, side),
        arrival_mid_nanos=mid,
        decision_mid_nanos=mid,
        decision_ts_ns=ts_ns,
    )
    if given.tif != c.GTC:
        return made
    return msgspec.structs.replace(made, end_ts_ns=ts_ns + GTC_NS)
