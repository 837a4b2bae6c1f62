"""Pass-through to the broker's own algorithms: one parent is one child order, which the broker works by itself. The
controls see that child as one order of the whole size; it is cancelled like any other, and never replaced.

`tags` are the broker's, by its names; the end is the schedule's own (`duration_s`, `before_close_s`). No start is told:
the order leaves when it has come.
"""

from typing import ClassVar, Final

import msgspec

from core.broker_algos import END_TAGS, STRATEGIES, TIME_TAGS, params_fault
from core.errors import ConfigError
from core.moments import utc_text
from core.parents import Parent
from execution.algos.plan import LIMIT_BP_MAX, Algo, AlgoParams, Plan, Terms, no_time, require_range, window

LIMIT_BP_MIN: Final = 1.0
NOT_NATIVE: Final = ("participation", "jitter")  # only our own schedules can do this


class NativeParams(AlgoParams, frozen=True):
    """The broker works the whole schedule as one order, at the schedule's limit from the start. Its tags say how much
    it trades when.
    """

    strategy: ClassVar[str] = ""
    duration_s: int = 3600
    tags: dict[str, str | bool | int | float] = msgspec.field(default_factory=dict)

    def validate(self, field: str) -> None:
        """Tags by the broker's table; and nothing that only our own schedules can do."""
        AlgoParams.validate(self, field)
        require_range(f"{field}.limit_bp", self.limit_bp, low=LIMIT_BP_MIN, high=LIMIT_BP_MAX)
        for name in NOT_NATIVE:
            value = getattr(self, name)
            if value:
                raise ConfigError(f"{field}.{name} is {value}: the broker works the order; set 0 and use its tags")
        for tag in TIME_TAGS:
            if tag in self.tags:
                raise ConfigError(
                    f"{field}.tags.{tag} is the schedule's: leave it out and set duration_s, after_open_s"
                )
        fault = params_fault(self.strategy, wire_tags(self))
        if fault:
            raise ConfigError(f"{field}.tags.{fault}")


class AdaptiveNative(NativeParams, frozen=True):
    """adaptivePriority."""

    strategy = "Adaptive"


class TwapNative(NativeParams, frozen=True):
    """strategyType, allowPastEndTime."""

    strategy = "Twap"


class VwapNative(NativeParams, frozen=True):
    """maxPctVol, noTakeLiq, speedUp, allowPastEndTime."""

    strategy = "Vwap"


class PctVolNative(NativeParams, frozen=True):
    """pctVol, noTakeLiq."""

    strategy = "PctVol"


class PctVolPxNative(NativeParams, frozen=True):
    """pctVol, deltaPctVol, minPctVol4Px, maxPctVol4Px, noTakeLiq."""

    strategy = "PctVolPx"


class PctVolSzNative(NativeParams, frozen=True):
    """startPctVol, endPctVol, noTakeLiq."""

    strategy = "PctVolSz"


class PctVolTmNative(NativeParams, frozen=True):
    """startPctVol, endPctVol, noTakeLiq."""

    strategy = "PctVolTm"


class ArrivalPxNative(NativeParams, frozen=True):
    """maxPctVol, riskAversion, forceCompletion, allowPastEndTime."""

    strategy = "ArrivalPx"


class ClosePxNative(NativeParams, frozen=True):
    """maxPctVol, riskAversion, forceCompletion."""

    strategy = "ClosePx"


class MinImpactNative(NativeParams, frozen=True):
    """maxPctVol."""

    strategy = "MinImpact"


class BalanceImpactRiskNative(NativeParams, frozen=True):
    """maxPctVol, riskAversion, forceCompletion."""

    strategy = "BalanceImpactRisk"


class DarkIceNative(NativeParams, frozen=True):
    """displaySize, allowPastEndTime."""

    strategy = "DarkIce"


class AdNative(NativeParams, frozen=True):
    """componentSize, timeBetweenOrders, randomizeTime20, randomizeSize55, giveUp, catchUp, waitForFill."""

    strategy = "AD"


class Native(Algo):
    """See `execution.algos.plan.Algo`."""

    crosses_at_once = True  # one message, as far as the message budget goes
    handed_over = True

    def __init__(self, params_type: type[NativeParams]) -> None:
        self.params_type = params_type
        self.name = f"ib_{params_type.strategy.lower()}"

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """One slice."""
        start, end = window(params, terms)
        if end <= start:
            return no_time(params)
        return Plan(start_ns=start, end_ns=end, slices=1, why="worked by the broker")

    def broker_order(self, parent: Parent, params: AlgoParams) -> tuple[str, tuple[tuple[str, str], ...]]:
        """See `Algo`."""
        assert isinstance(params, NativeParams), f"{self.name} was given {type(params).__name__}"
        strategy = params.strategy
        times = tuple((tag, utc_text(parent.end_ts_ns)) for tag in STRATEGIES[strategy] if tag in END_TAGS)
        return strategy, wire_tags(params) + times


def wire_tags(params: NativeParams) -> tuple[tuple[str, str], ...]:
    """Tags as the broker takes them, in a fixed order: 1 and 0 for true and false."""
    return tuple((tag, _text(value)) for tag, value in sorted(params.tags.items()))


def _text(value: str | float) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else f"{value:.12g}"


NATIVES: Final[tuple[Algo, ...]] = tuple(
    Native(kind)
    for kind in (
        AdaptiveNative, TwapNative, VwapNative, PctVolNative, PctVolPxNative, PctVolSzNative, PctVolTmNative,
        ArrivalPxNative, ClosePxNative, MinImpactNative, BalanceImpactRiskNative, DarkIceNative, AdNative,
    )
)  # fmt: skip
