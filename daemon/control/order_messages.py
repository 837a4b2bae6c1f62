"""Requests on the control socket about schedules and orders by hand; daemon/control/messages.py has all the others."""

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from core.events import STEER_CANCEL, STEER_PAUSE, STEER_RESUME
from daemon.control.request import Request

PARAMS_MAX: Final = 32  # of one algorithm


class Steer(Request, frozen=True, kw_only=True):
    """A command on one schedule, by the number that `quantd status` shows."""

    ACTION: ClassVar[str] = ""

    parent_id: int
    reason: str


class PauseSchedule(Steer, frozen=True, tag="parent-pause"):
    """Its order is cancelled and it waits; its end stands."""

    ACTION = STEER_PAUSE


class ResumeSchedule(Steer, frozen=True, tag="parent-resume"):
    """It goes on where it stood."""

    ADDS_RISK = True
    ACTION = STEER_RESUME


class CancelSchedule(Steer, frozen=True, tag="parent-cancel"):
    """It ends, and its rest is given up until the strategy sets another target."""

    ACTION = STEER_CANCEL


class GiveOrder(Request, frozen=True, tag="order"):
    """An order by hand (decimals as text): rests at `limit`, or is worked by `algo` with `params` (NAME=VALUE)."""

    ADDS_RISK = True
    ENGINE_DECIDES = True

    side: Literal["buy", "sell"]
    symbol: str
    qty: str
    reason: str
    limit: str = ""
    algo: str = ""
    params: Annotated[tuple[str, ...], msgspec.Meta(max_length=PARAMS_MAX)] = ()
    tif: Literal["day", "gtc"] = "day"
    strategy: str = "manual"
    take_profit: str = ""
    stop: str = ""
    oca: str = ""


class WithdrawOrder(Request, frozen=True, tag="order-cancel"):
    """Take a manual order back; `protection`: also what follows its fills."""

    ADDS_RISK = True
    ENGINE_DECIDES = True

    order_id: int
    reason: str
    protection: bool = False


class GetOrders(Request, frozen=True, tag="order-list"):
    """The manual orders, oldest first."""
