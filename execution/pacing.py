"""What a slice may trade beside its schedule: by the volume that others traded, by the size of one order. And what is
written down when a slice begins, so that all of it follows from the parent alone. Knows no order's price and no limit
of the gate.

Others' volume is the day's counter of core/market.py since the schedule began, less what the schedule itself filled:
its prints are in the counter, where the tape shows them. A counter that fell (a new day, a trader that started without
its market) has begun anew: what it shows was traded since. What was missed meanwhile is not made up.
"""

from typing import Final

import msgspec

from core import commands as c
from core.curves import day_level
from core.market import FIELDS, INDEX
from core.orders import Order
from core.parents import Parent
from core.ports import Context
from core.sessions import VOLUME_INTERVAL_NS
from core.units import NANO, round_down
from execution.algos import Terms
from execution.algos.vwap import curve_fault, volumes_until
from execution.settings import ExecutionSettings
from execution.stage import FOREVER_NS, Stage
from execution.touch import Day

SAMPLES_MIN: Final = 10  # five minutes of mids before they say how much a price moves
_VOLUME_DAY: Final = INDEX["volume_day_nanos"]
_SINCE: Final = INDEX["volume_since_ns"]
_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]
_USABLE: Final = INDEX["usable"]
_SAMPLES: Final = INDEX["samples"]
_SPAN: Final = INDEX["sample_span_ns"]
_SQUARE: Final = INDEX["sample_square"]
_SPREAD: Final = INDEX["sample_spread"]


def begin_slice(context: Context, parent: Parent, stage: Stage, day: Day, ts_ns: int) -> c.ReplanParent | c.BeginSlice:
    """A slice that is watched begins: first a plan anew, if the market asks for one, then the count of volume."""
    if stage.algo.watches:
        plan = stage.algo.replan(parent, stage.params, stage.number, terms_of(context, parent.inst, day, ts_ns))
        if plan is not None:
            return c.ReplanParent(
                parent_id=parent.parent_id,
                from_slice=stage.number,
                weights=plan.weights,
                reason=plan.why,
                kappa_nanos=plan.kappa_nanos,
            )
    volume = context.market.view[parent.inst * FIELDS + _VOLUME_DAY]
    others = 0
    if parent.slice_no >= 0:
        traded = volume - parent.volume_nanos if volume >= parent.volume_nanos else volume
        own = max(parent.traded_nanos - parent.slice_filled_nanos, 0)
        others = parent.others_nanos + max(traded - own, 0)
    return c.BeginSlice(parent_id=parent.parent_id, slice_no=stage.number, others_nanos=others, volume_nanos=volume)


def allowed_nanos(parent: Parent, stage: Stage) -> int:
    """What the parent may have traded in the market in all during this slice: to be the part p of all that trades,
    p / (1 - p) of what the others traded; and no more in one slice than its bound.
    """
    if not stage.watched:
        return parent.qty_nanos
    if parent.slice_no < stage.number:
        return parent.traded_nanos
    most = parent.slice_filled_nanos + stage.slice_most_nanos
    rate = stage.rate_nanos
    if rate:
        paced = parent.others_nanos * rate // (NANO - rate)
        most = paced if paced < most else most
    return most


def wanted_nanos(parent: Parent, stage: Stage) -> int:
    """Whole lots due and not filled, whatever the market allows; never more than what is left of the parent."""
    filled = parent.filled_nanos
    due = stage.due_nanos - filled
    most = parent.qty_nanos - filled
    return round_down(due if due < most else most, stage.lot_nanos)


def next_nanos(parent: Parent, settings: ExecutionSettings, stage: Stage, want: int) -> int:
    """Size of a new child."""
    if stage.watched:
        room = round_down(allowed_nanos(parent, stage) - parent.traded_nanos, stage.lot_nanos)
        want = room if room < want else want
    clip = settings.child_lots_max * stage.lot_nanos
    if _is_shown_in_part(stage):
        shown = stage.algo.clip_lots(stage.params, parent.parent_id, parent.children) * stage.lot_nanos
        clip = shown if not clip or shown < clip else clip
    return clip if 0 < clip < want else want


def grown_nanos(parent: Parent, settings: ExecutionSettings, stage: Stage, child: Order, want: int) -> int:
    """What a working child should have left; never less than it has."""
    if _is_shown_in_part(stage):
        return child.remaining_nanos
    if stage.watched:
        room = round_down(allowed_nanos(parent, stage) - parent.traded_nanos, stage.lot_nanos)
        want = room if room < want else want
    if settings.child_lots_max:
        room = settings.child_lots_max * stage.lot_nanos - child.filled_nanos
        want = room if room < want else want
    return want if want > child.remaining_nanos else child.remaining_nanos


def _is_shown_in_part(stage: Stage) -> bool:
    """Until its time is over: who must complete then hides nothing any more."""
    return stage.algo.clips and stage.until_ns != FOREVER_NS


def terms_of(context: Context, inst: int, day: Day, ts_ns: int, *, lots: int = 0, seed: int = 0) -> Terms:
    """What is known of an instrument's day and market now."""
    market, at = context.market, inst * FIELDS
    view, floats = market.view, market.floats
    span_ns = floats[at + _SPAN]
    measured = view[at + _SAMPLES] >= SAMPLES_MIN and span_ns > 0
    spread = float(view[at + _ASK] - view[at + _BID]) if view[at + _USABLE] else 0.0
    terms = Terms(
        lots=lots,
        start_ns=ts_ns,
        open_ns=day.open_ns,
        close_ns=day.close_ns,
        cutoff_ns=day.cutoff_ns,
        seed=seed,
        curve=context.volumes.curve(inst),
        adv_nanos=context.volumes.adv_nanos[inst],
        mid_nanos=market.mark_nanos(inst),
        spread_nanos=floats[at + _SPREAD] if measured else spread,
        sigma_nanos=(floats[at + _SQUARE] / span_ns * (day.close_ns - day.open_ns)) ** 0.5 if measured else 0.0,
    )
    level = _level(terms, view[at + _SINCE], view[at + _VOLUME_DAY])
    return terms if level == 1.0 else msgspec.structs.replace(terms, level=level)


def _level(terms: Terms, since_ns: int, seen_nanos: int) -> float:
    """Of the day's volume (core/curves.py, rule 5), where the day was seen from its open on and a curve fits it."""
    if not since_ns or since_ns > terms.open_ns + VOLUME_INTERVAL_NS or curve_fault(terms):
        return 1.0
    expected_ppm = volumes_until(terms, terms.open_ns, terms.start_ns, 1)[-1] // VOLUME_INTERVAL_NS
    return day_level(seen_nanos=seen_nanos, expected_ppm=expected_ppm, adv_nanos=terms.adv_nanos)
