"""What every execution algorithm is: its parameters, the plan it makes when a parent is opened, and its trajectory."""

from typing import Protocol

import msgspec

from core.errors import ConfigError
from core.parents import Parent
from execution.trajectory import Trajectory

NANOS_PER_SECOND = 1_000_000_000
DURATION_S_MAX = 23_400  # a regular session; a schedule never lasts longer
SLICES_MAX = 5_000
SLICES_PER_SECOND_MAX = 1  # faster slicing only feeds the order rate limits


class AlgoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every algorithm's parameters, as written in the config."""

    duration_s: int = 60

    def validate(self, field: str) -> None:
        """Raise ConfigError naming the field (below `field`) and the remedy."""
        require_range(f"{field}.duration_s", self.duration_s, low=1, high=DURATION_S_MAX)


class Plan(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """When a parent trades: [start_ns, end_ns) in `slices` parts."""

    start_ns: int
    end_ns: int
    slices: int


class Algo(Protocol):
    """One way to spread a parent over time; the executor chases whatever trajectory it gives."""

    @property
    def name(self) -> str:
        """Config name."""
        ...

    @property
    def params_type(self) -> type[AlgoParams]:
        """Its parameters."""
        ...

    @property
    def crosses_at_once(self) -> bool:
        """Whether a slice has no passive part."""
        ...

    def plan(self, params: AlgoParams, *, lots: int, start_ns: int, close_ns: int) -> Plan:
        """The plan for `lots` whole lots; it never ends after `close_ns`, which lies after `start_ns`."""
        ...

    def trajectory(self, parent: Parent, lot_nanos: int) -> Trajectory:
        """The trajectory of a parent opened by `plan`, from the parent alone."""
        ...


def require_range(field: str, value: int, *, low: int, high: int) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(f"{field} is {value}: set it between {low} and {high}")


def window(duration_s: int, *, start_ns: int, close_ns: int) -> int:
    """The end of a schedule: after its duration, cut to the close."""
    end = start_ns + duration_s * NANOS_PER_SECOND
    return end if end < close_ns else close_ns
