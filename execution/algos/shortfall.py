"""Implementation shortfall: the optimal plan of Almgren and Chriss, which trades impact against the risk of waiting.
Its decay comes from what the market shows when the schedule opens: volatility, spread and average daily volume. At the
start of each slice it is worked out again, and when it has moved by more than `replan_move`, the rest is planned anew
from what was due by then: while it stands still, planning anew would give the same plan. It never leaves `replan_times`
times its first value either way: our own orders move the price, what they move reads as volatility, and a plan that
believed it would trade faster, move it more, and so on.

Impact as Almgren and Chriss set it: trading one per cent of the day's volume in a day costs one spread (temporary), ten
per cent move the price by one spread (permanent), and half the spread is fixed.
"""

from math import cosh
from typing import Final

from core.parents import Parent
from core.schedules import AS_CONFIGURED
from core.units import BP, NANO
from execution.algos.plan import (
    Algo,
    AlgoParams,
    Plan,
    Terms,
    jitter_nanos,
    no_time,
    require_pace,
    require_range,
    slices_in,
    window,
)
from execution.almgren_chriss import Impact, decay, remains
from execution.trajectory import even_weights, shaken

TEMPORARY_PART: Final = 0.01  # of the average day, for one spread
PERMANENT_PART: Final = 0.1
SLICES_MAX: Final = 60  # a plan anew stays below fifty microseconds
AVERSION_MAX: Final = 1.0
KAPPA_MAX: Final = 1e6  # per day: what is journalled stays a 64-bit integer


class ShortfallParams(AlgoParams, frozen=True):
    """`slices` parts over `duration_s` seconds, front-loaded by `risk_aversion`."""

    duration_s: int = 3600
    slices: int = 12
    risk_aversion: float = 1e-6  # lambda: cost in money that one unit of its variance is worth; 0 = even parts
    volatility_bp: float = 0.0  # of a day, until the market has shown its own; 0 = even parts until then
    replan_move: float = 0.25  # a decay that moved by less than this part leaves the plan alone
    replan_times: float = 1.5  # no plan anew is so many times faster or slower than the first; 1 = none is made

    def validate(self, field: str) -> None:
        """Bounds of each and of slices per second."""
        AlgoParams.validate(self, field)
        require_pace(field, self.slices, self.duration_s, most=SLICES_MAX)
        require_range(f"{field}.risk_aversion", self.risk_aversion, low=0, high=AVERSION_MAX)
        require_range(f"{field}.volatility_bp", self.volatility_bp, low=0, high=BP)
        require_range(f"{field}.replan_move", self.replan_move, low=0.01, high=100)
        require_range(f"{field}.replan_times", self.replan_times, low=1, high=1_000)

    @property
    def slices_max(self) -> int:
        """See `AlgoParams`."""
        return self.slices


class Shortfall(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "is"
    params_type = ShortfallParams
    watches = True

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """The optimal weights at the present decay."""
        assert isinstance(params, ShortfallParams), f"is was given {type(params).__name__}"
        start, end = window(params, terms)
        if end <= start:
            return no_time(params)
        slices = slices_in(params.slices, terms.lots, start, end)
        kappa, why = live_decay(params, terms, (end - start) / slices)
        weights = optimal_weights((), 0, slices, kappa, _days(end - start, terms))
        return Plan(
            start_ns=start,
            end_ns=end,
            slices=slices,
            weights=shaken(weights, jitter_nanos(params), terms.seed),
            kappa_nanos=round(kappa * NANO),
            why=why,
        )

    def replan(self, parent: Parent, params: AlgoParams, number: int, terms: Terms) -> Plan | None:
        """The rest anew, when the decay has moved enough. Jitter is not drawn again: the slices are new anyway."""
        assert isinstance(params, ShortfallParams), f"is was given {type(params).__name__}"
        slices = len(parent.weights)
        if not 0 <= number < slices - 1 or terms.close_ns <= terms.open_ns:
            return None
        whole = parent.end_ts_ns - parent.start_ts_ns
        kappa, why = live_decay(params, terms, whole / slices)
        before = parent.kappa_nanos / NANO  # det-ok: a rate, as it was journalled
        first = parent.kappa_first_nanos / NANO  # det-ok: likewise
        if first and kappa:
            bounded = min(max(kappa, first / params.replan_times), first * params.replan_times)
            why += f", of which {bounded:.4g} is as far as it goes" if bounded != kappa else ""
            kappa = bounded
        # A decay that does not bend the plan visibly is none, whatever it is a multiple of.
        least = 0.1 * _day_ns(terms) / whole
        if abs(kappa - before) <= params.replan_move * max(before, least):
            return None
        weights = optimal_weights(parent.weights, number, slices, kappa, _days(whole, terms))
        return Plan(weights=weights, kappa_nanos=round(kappa * NANO), why=f"{why}, was {before:.4g}")


def _day_ns(terms: Terms) -> int:
    return terms.close_ns - terms.open_ns


def _days(span_ns: int, terms: Terms) -> float:
    day_ns = terms.close_ns - terms.open_ns
    return span_ns / day_ns if day_ns > 0 else 1.0


def live_decay(params: ShortfallParams, terms: Terms, step_ns: float) -> tuple[float, str]:
    """kappa per regular day, and where it comes from; 0 where the market does not say enough."""
    sigma = terms.sigma_nanos or params.volatility_bp * terms.mid_nanos / BP
    if not params.risk_aversion:
        return 0.0, "risk aversion 0: even parts"
    if sigma <= 0 or terms.adv_nanos <= 0 or terms.spread_nanos <= 0:
        missing = "volatility" if sigma <= 0 else "average volume" if terms.adv_nanos <= 0 else "spread"
        return 0.0, f"no {missing} known: even parts"
    impact = impact_of(terms)
    tau = min(step_ns / max(_day_ns(terms), 1), 1.0)
    kappa = decay(risk_aversion=params.risk_aversion, sigma=sigma / NANO, impact=impact, tau=tau)
    source = "" if terms.sigma_nanos else f" ({AS_CONFIGURED})"
    return min(kappa, KAPPA_MAX), f"decay {kappa:.4g} a day{source}"


def aversion_of(params: ShortfallParams, terms: Terms, kappa: float, step_ns: float) -> float:
    """The risk aversion at which `live_decay` gives kappa: how a choice of haste is written into the parameters."""
    sigma = (terms.sigma_nanos or params.volatility_bp * terms.mid_nanos / BP) / NANO
    if sigma <= 0 or terms.adv_nanos <= 0 or terms.spread_nanos <= 0:
        return 0.0
    tau = min(step_ns / max(_day_ns(terms), 1), 1.0)
    bend = 2 * (cosh(kappa * tau) - 1) / (tau * tau)
    return min(bend * impact_of(terms).tilde(tau) / (sigma * sigma), AVERSION_MAX)


def impact_of(terms: Terms) -> Impact:
    """Linear impact in money per share, with days and shares."""
    spread = terms.spread_nanos / NANO  # det-ok: a market feature for a formula in floats
    volume = terms.adv_nanos / NANO  # det-ok: likewise
    return Impact(gamma=spread / (PERMANENT_PART * volume), eta=spread / (TEMPORARY_PART * volume), epsilon=spread / 2)


def optimal_weights(weights: tuple[int, ...], number: int, slices: int, kappa: float, whole: float) -> tuple[int, ...]:
    """Cumulative weights along the optimal plan from slice `number` on, after those that stand; `whole` in days."""
    if kappa == 0 and number == 0:
        return even_weights(slices)
    kept = weights[:number]
    rest = NANO - (kept[-1] if kept else 0)
    return (*kept, *[NANO - round(rest * part) for part in remains(kappa, whole / slices, slices - number)])
