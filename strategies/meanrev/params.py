"""Parameters of the mean reversion strategy as written in the config, and their bounds."""

from math import isfinite

import msgspec

from core.errors import ConfigError
from core.units import CASH_NANOS_MAX, NANO, parse_nanos
from strategies.slots import SlotParams

HALF_LIFE_S_MAX = 86_400.0
_LN_2 = 0.6931471805599453


class MeanReversionParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Trade against a deviation of the mid from its exponentially weighted mean, measured in its own deviation."""

    half_life_s: float = 300.0  # of the mean and the deviation
    enter_z: float = 2.5
    leave_z: float = 0.5
    position_shares: int = 0  # size of a full position: shares, or
    position_dollars: float = 0.0  # dollars at the mid of the decision; exactly one of the two
    cadence_s: float = 5.0  # at most one decision per instrument in this time
    warm_up_s: float = 600.0  # no decision before, after a start or a silence longer than gap_s
    quotes_min: int = 50  # nor before as many quotes
    gap_s: float = 1800.0
    sd_floor: float = 0.005  # the deviation is taken as at least this price difference
    long_only: bool = False

    def validate(self, field: str) -> None:
        """Raise ConfigError naming the field (below `field`) and the remedy."""
        _between(f"{field}.half_life_s", self.half_life_s, low=0.1, high=HALF_LIFE_S_MAX)
        _between(f"{field}.enter_z", self.enter_z, low=0.1, high=100.0)
        _between(f"{field}.leave_z", self.leave_z, low=0.0, high=100.0)
        if self.leave_z >= self.enter_z:
            raise ConfigError(f"{field}.leave_z is {self.leave_z}: set it below enter_z ({self.enter_z})")
        _between(f"{field}.cadence_s", self.cadence_s, low=0.01, high=86_400.0)
        _between(f"{field}.warm_up_s", self.warm_up_s, low=0.0, high=86_400.0)
        _between(f"{field}.gap_s", self.gap_s, low=1.0, high=86_400.0)
        _between(f"{field}.sd_floor", self.sd_floor, low=0.000_001, high=1_000.0)
        _between(f"{field}.quotes_min", self.quotes_min, low=2, high=1_000_000)
        _between(f"{field}.position_shares", self.position_shares, low=0, high=10_000_000)
        _between(f"{field}.position_dollars", self.position_dollars, low=0.0, high=CASH_NANOS_MAX // NANO)
        if (self.position_shares > 0) == (self.position_dollars > 0):
            raise ConfigError(f"{field}: set exactly one of position_shares and position_dollars above 0")
        self.position_cash_nanos(field)
        self.slot_params()

    def position_cash_nanos(self, field: str = "position_dollars") -> int:
        """`position_dollars` exactly. Raises ConfigError on more than nine decimals."""
        return _nanos(f"{field}.position_dollars", self.position_dollars)

    def slot_params(self, field: str = "params") -> SlotParams:
        """The same in kernel units."""
        return SlotParams(
            tau_ns=int(self.half_life_s * NANO / _LN_2),
            enter=self.enter_z,
            leave=self.leave_z,
            sd_floor_nanos=_nanos(f"{field}.sd_floor", self.sd_floor),
            short_side=0 if self.long_only else -1,
            cadence_ns=_nanos(f"{field}.cadence_s", self.cadence_s),
            warm_ns=_nanos(f"{field}.warm_up_s", self.warm_up_s),
            n_min=self.quotes_min,
            gap_ns=_nanos(f"{field}.gap_s", self.gap_s),
        )


def _between(field: str, value: float, *, low: float, high: float) -> None:
    if not isfinite(value) or not low <= value <= high:
        raise ConfigError(f"{field} is {value}: set it between {low:g} and {high:g}")


def _nanos(field: str, value: float) -> int:
    try:
        return parse_nanos(value, field=field)
    except ValueError as fault:
        raise ConfigError(str(fault)) from fault
