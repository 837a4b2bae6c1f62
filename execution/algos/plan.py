"""What every execution algorithm is: its parameters, the plan it makes when a parent is opened, and its trajectory.
Knows no order: the executor chases whatever trajectory it gives.
"""

from typing import Final

import msgspec

from core.errors import ConfigError
from core.parents import Parent
from core.units import BP, NANO
from execution.trajectory import EvenSteps, Trajectory, WeightedSteps, even_weights, shaken

NANOS_PER_SECOND = 1_000_000_000
DURATION_S_MAX = 23_400  # a regular session; a schedule never lasts longer
SLICES_MAX = 5_000
WEIGHTS_MAX: Final = 400  # slices of a schedule that writes its weights into the journal
SLICES_PER_SECOND_MAX = 1  # faster slicing only feeds the order rate limits
JITTER_MAX: Final = 0.9
PARTICIPATION_MAX: Final = 0.5  # the broker's own algos take no more
LIMIT_BP_MAX: Final = 2_000.0


class AlgoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every algorithm's parameters, as written in the config."""

    duration_s: int = 60
    after_open_s: int = 0  # it does not begin before the open and so many seconds
    before_close_s: int = 0  # it ends so many seconds before the close at the latest; half days have their own close
    limit_bp: float = 0.0  # the schedule's limit, in basis points beyond the mid at its start; 0 = none
    participation: float = 0.0  # at most this part of all that trades from its start on; 0 = no cap
    # Sizes and times of slices differ by up to this part, drawn by the number of the schedule; never the total.
    jitter: float = 0.0
    must_complete: bool = True  # false = it ends on time with a rest, and the cap holds to the end

    def validate(self, field: str) -> None:
        """Raise ConfigError naming the field (below `field`) and the remedy."""
        require_range(f"{field}.duration_s", self.duration_s, low=1, high=DURATION_S_MAX)
        require_range(f"{field}.after_open_s", self.after_open_s, low=0, high=DURATION_S_MAX)
        require_range(f"{field}.before_close_s", self.before_close_s, low=0, high=DURATION_S_MAX)
        require_range(f"{field}.limit_bp", self.limit_bp, low=0, high=LIMIT_BP_MAX)
        require_range(f"{field}.participation", self.participation, low=0, high=PARTICIPATION_MAX)
        require_range(f"{field}.jitter", self.jitter, low=0, high=JITTER_MAX)
        if self.jitter and self.slices_max > WEIGHTS_MAX:
            raise ConfigError(f"{field}.jitter needs its slices written down: set at most {WEIGHTS_MAX} slices")

    @property
    def slices_max(self) -> int:
        """Parts of a full-length schedule."""
        return 1


class Terms(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a plan is made from: the need, the day, and what is known of the market. 0 or () = not known."""

    lots: int
    start_ns: int
    close_ns: int
    open_ns: int = 0
    cutoff_ns: int = 0  # for on-close orders
    seed: int = 0  # the parent's id
    curve: tuple[int, ...] = ()  # see `Volumes.curve`
    adv_nanos: int = 0
    mid_nanos: int = 0
    spread_nanos: float = 0.0
    sigma_nanos: float = 0.0  # of the price over one regular day, per share
    level: float = 1.0  # how much more the day trades than an average one, from what was seen of it


class Plan(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """When a parent trades: [start_ns, end_ns) in `slices` parts; or why it cannot."""

    start_ns: int = 0
    end_ns: int = 0
    slices: int = 1
    weights: tuple[int, ...] = ()
    kappa_nanos: int = 0
    auction_ts_ns: int = 0
    why: str = ""
    fault: str = ""


class Algo:
    """One way to spread a parent over time. This one is the base: even parts; subclasses say what differs."""

    name: str = ""
    params_type: type[AlgoParams] = AlgoParams
    crosses_at_once: bool = False  # a slice has no passive part
    handed_over: bool = False  # the broker works it in its own time, as one order of ours
    watches: bool = False  # what a slice may trade depends on the market: `BeginSlice` writes it down
    rests: bool = False  # one order at the limit, which nobody prices anew
    clips: bool = False  # it shows part of what is due: a child never grows

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """The plan for whole lots; it never ends after the close, which lies after the start."""
        start, end = window(params, terms)
        if end <= start:
            return no_time(params)
        slices = slices_in(params.slices_max, terms.lots, start, end)
        weights = shaken(even_weights(slices), jitter_nanos(params), terms.seed) if params.jitter else ()
        return Plan(start_ns=start, end_ns=end, slices=slices, weights=weights)

    def trajectory(self, parent: Parent, params: AlgoParams, lot_nanos: int) -> Trajectory:
        """The trajectory of a parent opened by `plan`, from the parent alone."""
        if not parent.weights:
            return EvenSteps(
                start_ns=parent.start_ts_ns,
                end_ns=parent.end_ts_ns,
                slices=parent.slices,
                total_nanos=parent.qty_nanos,
                lot_nanos=lot_nanos,
            )
        return WeightedSteps(
            start_ns=parent.start_ts_ns,
            end_ns=parent.end_ts_ns,
            total_nanos=parent.qty_nanos,
            lot_nanos=lot_nanos,
            weights=parent.weights,
            jitter_nanos=jitter_nanos(params),
            seed=parent.parent_id,
            last_ns=parent.auction_ts_ns,
        )

    def patience_nanos(self, params: AlgoParams, number: int, slices: int, usual_nanos: int) -> int:
        """Which part of slice `number` rests, in billionths; `usual_nanos` is the strategy's setting."""
        return 0 if self.crosses_at_once else usual_nanos

    def broker_order(self, parent: Parent, params: AlgoParams) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The broker's own algorithm that is to work the whole parent, and its tags; ("", ()) = we work it."""
        return "", ()

    def rate_nanos(self, params: AlgoParams) -> int:
        """Part of all that trades that it may be, in billionths; 0 = any."""
        return round(params.participation * NANO)

    def per_slice_nanos(self, params: AlgoParams) -> int:
        """Part of the parent that one slice may add to what was filled before it, in billionths."""
        return NANO

    def adverse_bp(self, params: AlgoParams) -> float:
        """How far the mid may run away before it crosses at once; 0 = it never looks."""
        return 0.0

    def clip_lots(self, params: AlgoParams, seed: int, child: int) -> int:
        """Most lots of the parent's `child`-th order; 0 = any."""
        return 0

    def replan(self, parent: Parent, params: AlgoParams, number: int, terms: Terms) -> Plan | None:
        """Other weights from slice `number` on, as the market is now; None = the plan stands."""
        return None


def require_range(field: str, value: float, *, low: float, high: float) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(f"{field} is {value}: set it between {low:.12g} and {high:.12g}")


def window(params: AlgoParams, terms: Terms) -> tuple[int, int]:
    """Start and end: the duration from now or from `after_open_s`, cut at `before_close_s`."""
    start = max(terms.start_ns, terms.open_ns + params.after_open_s * NANO if params.after_open_s else 0)
    end = start + params.duration_s * NANO
    last = terms.close_ns - params.before_close_s * NANO
    return start, end if end < last else last


def no_time(params: AlgoParams) -> Plan:
    """A refusal: the day leaves nothing of the schedule."""
    return Plan(
        fault=f"no time left today: it begins {params.after_open_s} s after the open at the earliest "
        f"and ends {params.before_close_s} s before the close"
    )


def slices_in(slices: int, lots: int, start_ns: int, end_ns: int) -> int:
    """Never more slices than lots, nor faster than the bound when the time is cut."""
    most = (end_ns - start_ns) * SLICES_PER_SECOND_MAX // NANOS_PER_SECOND
    return max(1, min(slices, lots, most))


def jitter_nanos(params: AlgoParams) -> int:
    """In billionths of a slice."""
    return round(params.jitter * NANO)


def require_pace(field: str, slices: int, duration_s: int, *, most: int) -> None:
    """Raise ConfigError unless `slices` lie between 1 and `most`, and are no faster than the bound."""
    require_range(f"{field}.slices", slices, low=1, high=most)
    fastest = duration_s * SLICES_PER_SECOND_MAX
    if slices > fastest:
        raise ConfigError(
            f"{field}.slices is {slices} in {duration_s} s: set at most {fastest}, or a longer duration_s"
        )


def limit_px_nanos(params: AlgoParams, mid_nanos: int, side: int) -> int:
    """The schedule's limit price; 0 = none. The executor rounds it to the tick inside it."""
    if not params.limit_bp or not mid_nanos:
        return 0
    return mid_nanos + side * round(mid_nanos * params.limit_bp / BP)
