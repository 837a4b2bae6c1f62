"""Parameters of the signal strategy as written in the config, and their bounds."""

from math import isfinite
from typing import Final

import msgspec

from core.errors import ConfigError
from core.profiles import PROFILES
from core.units import CASH_NANOS_MAX, NANO, parse_nanos
from strategies.signal.state import TRIGGERS, SignalSlotParams

DAY_S: Final = 86_400.0


class SignalParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Trade the expected move that a model gives, where it pays for the trading."""

    model: str  # the ONNX file, its card beside it; relative to the config file
    profile: str  # feed profile the model was trained on; the feed's own
    leader: str = ""  # symbol that leads, where the model's features compare with one
    on: str = "quote"  # what is scored: every changed quote, every print or every bar
    cadence_s: float = 0.0  # at most one score per instrument in this time; 0 = all of them
    enter_bp: float = 0.0  # a score must pay this beyond its costs to be entered
    leave_bp: float = 0.0  # a position is left when the score for it falls below; negative = only against it
    cost_multiple: float = 1.0  # of the costs of entering and leaving (half spread and fee, twice)
    fee_bp: float = 0.5  # fees of one side
    position_dollars: float  # largest position, at the mid of the decision
    volatility_target_bp: float = 0.0  # position is cut where the horizon's volatility exceeds this; 0 = never
    hold_s: float = 0.0  # a position is kept at least this long
    stale_exit_s: float = 0.0  # a position without a score for longer is left at the next row; 0 = it is held
    long_only: bool = False
    allow_untradable: bool = False  # trade a model whose card says it gains nothing; never in live mode

    def validate(self, field: str) -> None:
        """Raise ConfigError naming the field (below `field`) and the remedy."""
        if not self.model.strip():
            raise ConfigError(f"{field}.model is empty: name the ONNX file of a trained model")
        _one_of(f"{field}.profile", self.profile, tuple(PROFILES))
        _one_of(f"{field}.on", self.on, tuple(TRIGGERS))
        for name, low, high in (
            ("cadence_s", 0.0, DAY_S),
            ("enter_bp", 0.0, 1_000.0),
            ("leave_bp", -1_000.0, 1_000.0),
            ("cost_multiple", 0.0, 100.0),
            ("fee_bp", 0.0, 1_000.0),
            ("position_dollars", 1.0, float(CASH_NANOS_MAX // NANO)),
            ("volatility_target_bp", 0.0, 100_000.0),
            ("hold_s", 0.0, DAY_S),
            ("stale_exit_s", 0.0, DAY_S),
        ):
            _between(f"{field}.{name}", getattr(self, name), low=low, high=high)
        if (self.on == "bar") != (self.profile == "bar"):
            raise ConfigError(f"{field}.on is {self.on!r}: bars, and only bars, are scored in profile bar")
        if self.volatility_target_bp and self.profile == "bar":
            raise ConfigError(
                f"{field}.volatility_target_bp is {self.volatility_target_bp}: set 0, profile bar has none"
            )
        floor = self.cost_multiple * self.fee_bp * 2.0 + self.enter_bp
        if self.leave_bp > floor:
            raise ConfigError(
                f"{field}.leave_bp is {self.leave_bp}: set it to at most {floor:g}, the smallest score that enters, or "
                "what was just entered would be left at once"
            )
        self.position_cash_nanos(field)
        self.slot_params(field)

    def position_cash_nanos(self, field: str = "params") -> int:
        """`position_dollars` exactly. Raises ConfigError on more than nine decimals."""
        return _nanos(f"{field}.position_dollars", self.position_dollars)

    def slot_params(self, field: str = "params") -> SignalSlotParams:
        """The same in kernel units."""
        return SignalSlotParams(
            on=TRIGGERS[self.on],
            cadence_ns=_nanos(f"{field}.cadence_s", self.cadence_s),
            hold_ns=_nanos(f"{field}.hold_s", self.hold_s),
            stale_ns=_nanos(f"{field}.stale_exit_s", self.stale_exit_s),
            cost_multiple=self.cost_multiple,
            fee_bp=self.fee_bp,
            enter_bp=self.enter_bp,
            leave_bp=self.leave_bp,
            short_side=0 if self.long_only else -1,
        )


def _one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{field} is {value!r}: use one of {', '.join(known)}")


def _between(field: str, value: float, *, low: float, high: float) -> None:
    if not isfinite(value) or not low <= value <= high:
        raise ConfigError(f"{field} is {value}: set it between {low:g} and {high:g}")


def _nanos(field: str, value: float) -> int:
    try:
        return parse_nanos(value, field=field)
    except ValueError as fault:
        raise ConfigError(str(fault)) from fault
