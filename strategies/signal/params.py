"""Parameters of the signal strategy as written in the config, and their bounds."""

from math import isfinite
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.errors import ConfigError
from core.units import parse_nanos
from strategies.signal.state import TRIGGERS, SignalSlotParams

Trigger = Literal["quote", "print", "bar"]
Profile = Literal["tbt", "l1_250", "bar"]
Seconds = Annotated[float, Meta(ge=0.0, le=86_400.0)]
Costs = Annotated[float, Meta(ge=0.0, le=1_000.0)]


class SignalParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Trade the move that a model expects, where it pays for the trading."""

    model: Annotated[str, Meta(min_length=1)]  # the ONNX file, its card beside it; relative to the config file
    profile: Profile  # what the model was trained on; feed.profile must be the same
    leader: str = ""  # symbol that leads, where the model's features compare with one
    on: Trigger = "quote"  # what is scored: each changed quote, each print, or each bar (in profile bar)
    cadence_s: Seconds = 0.0  # at most one score per instrument in this time; 0 = all of them
    enter_bp: Costs = 0.0  # a position is entered when its score exceeds its costs by this
    leave_bp: Annotated[float, Meta(ge=-1_000.0, le=1_000.0)] = 0.0  # and left when its score falls below this
    cost_multiple: Annotated[float, Meta(ge=0.0, le=100.0)] = 1.0  # of the costs: half spread and fee, twice
    fee_bp: Costs = 0.5  # fees of one side
    position_dollars: Annotated[float, Meta(ge=1.0, le=4e9)]  # largest position, at the mid of the decision
    # The position is cut where the volatility expected over the model's horizon exceeds this; 0 = never.
    volatility_target_bp: Annotated[float, Meta(ge=0.0, le=100_000.0)] = 0.0
    hold_s: Seconds = 0.0  # a position is kept at least this long
    stale_exit_s: Seconds = 0.0  # a position without a score for longer is left at the next row; 0 = it is held
    long_only: bool = False  # true = it never sells short
    allow_untradable: bool = False  # true = trade a model whose card says it gains nothing; never in live mode

    def validate(self, field: str) -> None:
        """Raise ConfigError naming the field (below `field`) and the remedy."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not isfinite(value):
                raise ConfigError(f"{field}.{name} is {value}: give a number")
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


def _nanos(field: str, value: float) -> int:
    try:
        return parse_nanos(value, field=field)
    except ValueError as fault:
        raise ConfigError(str(fault)) from fault
