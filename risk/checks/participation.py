"""Control 8: how much of what trades one order may be: the order, or the whole schedule that it is a slice of, of the
average day (20 days), and the order itself of the volume of five minutes, traded or expected (core/volume.py states the
rule). A name that trades too little takes no entries, and one whose average nobody knows is such a name (FINRA: "ADV
control").

An exit is sliced (`Gate.slice_max_nanos`): only its five-minute bound holds, never below the smallest legal order, and
what is not known does not hold it. A stop, or a limit at a profit, takes nothing when it is sent, and nobody knows what
will trade when the market comes to it: no bound holds it.
"""

from core.commands import INTENT_DISASTER, INTENT_PROTECT, OrderIntent
from core.market import VOLUME_INTERVAL_NS
from core.sessions import CLOSED
from core.units import BP, exact_text
from risk.liquidity import entry_volume, exit_volume
from risk.view import GateView

CONTROL: int = 8
CODE: str = "PARTICIPATION"
LIFT: str = "operator: trade smaller or over a longer time, supply the average volume, or raise the limit"
NO_BOUND: int = 1 << 62  # an exit where no volume is known


def check(o: OrderIntent, v: GateView) -> int:
    """What traded in the running slot is part of the five minutes: mostly it answers at once. Nothing is due between
    sessions: control 20 says so.
    """
    if v.phase == CLOSED:
        return 0
    if v.reduce_only:
        if o.purpose == INTENT_DISASTER or o.purpose == INTENT_PROTECT:
            return 0
        return CONTROL if o.qty_nanos > exit_room(v, o.inst) else 0
    b = v.bounds
    adv = v.volumes.adv_nanos[o.inst]
    if adv <= 0 or adv < b.adv_min_nanos:
        return CONTROL
    if v.history.schedule_qty * BP > adv * b.adv_order_bp_max:
        return CONTROL
    if v.ts_ns - v.slot_ns < VOLUME_INTERVAL_NS and o.qty_nanos * BP <= v.slot_qty * b.participation_bp_max:
        return 0
    if not v.volume_since_ns and v.ts_ns < v.rules.expected_until_ns:
        return CONTROL if o.qty_nanos * BP > v.rules.expected_nanos * b.participation_bp_max else 0
    return CONTROL if o.qty_nanos * BP > entry_volume(v, o.inst) * b.participation_bp_max else 0


def exit_room(v: GateView, inst: int) -> int:
    """Most that one order of an exit may have by this control; at least the smallest legal order."""
    volume = exit_volume(v, inst)
    if volume <= 0 and v.volumes.adv_nanos[inst] <= 0:
        return NO_BOUND
    room = volume * v.bounds.participation_bp_max // BP
    return max(room, v.rules.lot_minimum)


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """Shares."""
    b, adv = v.bounds, v.volumes.adv_nanos[o.inst]
    if v.reduce_only:
        return exact_text(o.qty_nanos), f"{exact_text(exit_room(v, o.inst))} of five minutes' volume"
    if adv <= 0:
        return "average daily volume unknown", "a reference of the day, or the broker's"
    if adv < b.adv_min_nanos:
        return f"{exact_text(adv)} a day", f"at least {exact_text(b.adv_min_nanos)}"
    if v.history.schedule_qty * BP > adv * b.adv_order_bp_max:
        return exact_text(v.history.schedule_qty), f"{exact_text(adv * b.adv_order_bp_max // BP)} of the average day"
    most = entry_volume(v, o.inst) * b.participation_bp_max // BP
    return exact_text(o.qty_nanos), f"{exact_text(most)} of five minutes' volume"
