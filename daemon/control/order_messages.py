"""The words of manual orders on the control socket (daemon/control/messages.py has the others)."""

from typing import Annotated, Final, Literal

import msgspec

from daemon.control.base import Request

PARAMS_MAX: Final = 32  # of one algorithm


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
