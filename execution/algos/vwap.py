"""VWAP: parts as the name's volume curve says, over the schedule's window. Without a curve that fits the day (none yet,
or a half day, whose volume has another shape than the curve's) the parts are even, and the plan says so.
"""

from itertools import accumulate

from core.sessions import VOLUME_INTERVAL_NS
from core.units import NANO, div_half_even
from execution.algos.plan import (
    WEIGHTS_MAX,
    Algo,
    AlgoParams,
    Plan,
    Terms,
    jitter_nanos,
    no_time,
    require_pace,
    slices_in,
    window,
)
from execution.trajectory import even_weights, shaken


class VwapParams(AlgoParams, frozen=True):
    """`slices` parts over `duration_s` seconds, as large as the volume that usually trades in them."""

    duration_s: int = 3600
    slices: int = 12

    def validate(self, field: str) -> None:
        """Bounds of each and of slices per second."""
        AlgoParams.validate(self, field)
        require_pace(field, self.slices, self.duration_s, most=WEIGHTS_MAX)

    @property
    def slices_max(self) -> int:
        """See `AlgoParams`."""
        return self.slices


class Vwap(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "vwap"
    params_type = VwapParams

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """Weights of the curve, or even ones."""
        start, end = window(params, terms)
        if end <= start:
            return no_time(params)
        slices = slices_in(params.slices_max, terms.lots, start, end)
        weights, why = curve_weights(terms, start, end, slices)
        return Plan(
            start_ns=start,
            end_ns=end,
            slices=slices,
            weights=shaken(weights, jitter_nanos(params), terms.seed),
            why=why,
        )


def curve_weights(terms: Terms, start_ns: int, end_ns: int, slices: int) -> tuple[tuple[int, ...], str]:
    """Cumulative weights of `slices` equal times in [start, end), and what they follow."""
    fault = curve_fault(terms)
    if fault:
        return even_weights(slices), f"{fault}: even parts"
    begun, *inner, ended = volumes_until(terms, start_ns, end_ns, slices)
    usual = ended - begun
    if usual <= 0:
        return even_weights(slices), "nothing usually trades in this window: even parts"
    return (*[div_half_even(NANO * (upto - begun), usual) for upto in inner], NANO), "by the volume curve"


def curve_fault(terms: Terms) -> str:
    """Why the curve says nothing of this day; "" = it does."""
    slots = len(terms.curve)
    if not slots:
        return "no volume curve"
    apart = abs(slots * VOLUME_INTERVAL_NS - (terms.close_ns - terms.open_ns))
    return "the volume curve is not of a day this long" if apart > VOLUME_INTERVAL_NS else ""


def volume_until(terms: Terms, ts_ns: int) -> int:
    """Usual volume from the open to a time, in millionths of the day and nanoseconds of a slot: exact."""
    passed = min(max(ts_ns - terms.open_ns, 0), len(terms.curve) * VOLUME_INTERVAL_NS)
    slot, into = divmod(passed, VOLUME_INTERVAL_NS)
    whole = sum(terms.curve[:slot]) * VOLUME_INTERVAL_NS
    return whole + (terms.curve[slot] * into if into else 0)


def volumes_until(terms: Terms, start_ns: int, end_ns: int, parts: int) -> list[int]:
    """The same at the edges of equal times, `parts + 1` of them, with one sum over the curve."""
    curve, span, open_ns = terms.curve, end_ns - start_ns, terms.open_ns
    before = list(accumulate(curve, initial=0))
    last = len(curve) * VOLUME_INTERVAL_NS
    found = []
    for part in range(parts + 1):
        passed = start_ns + span * part // parts - open_ns
        slot, into = divmod(0 if passed < 0 else last if passed > last else passed, VOLUME_INTERVAL_NS)
        found.append(before[slot] * VOLUME_INTERVAL_NS + (curve[slot] * into if into else 0))
    return found
