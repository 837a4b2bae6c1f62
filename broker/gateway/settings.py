"""The `[gateway]` table: what the process and the server are told. Each part has a struct of its own in its own module;
they are embedded here. Shape and bounds only; what settings mean together is checked where the file is read.
"""

from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from broker.gateway.account.settings import AccountSettings
from broker.gateway.contracts.settings import ContractSettings
from broker.gateway.market.settings import MarketSettings
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.registry import ClientLimits

ACCOUNT: Final = r"^[A-Z]{1,3}[A-Z0-9]{3,13}$"
CLOCK: Final = r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$"
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PORT_PAPER: Final = 4002


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class VenueTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delays at the simulated venue, in the gateway's time. The socket adds the real ones."""

    up_ns: Annotated[int, Meta(ge=0, le=10**10)] = 1_000_000  # gateway to venue
    down_ns: Annotated[int, Meta(ge=0, le=10**10)] = 1_000_000  # venue to gateway
    commission_ns: Annotated[int, Meta(ge=0, le=10**12)] = 100_000_000  # execution to commission report


class FaultSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault of the plan; `quantd gateway fault list` names them with their parameters."""

    name: str  # as in the table of faults
    after_s: Annotated[float, Meta(ge=0.0)] = 0.0  # seconds of the gateway's time after its first start, or
    at: Annotated[str, Meta(pattern=CLOCK)] = ""  # local time of day, "23:45", on every one of `days`
    days: tuple[Weekday, ...] = WEEKDAYS  # of `at`
    lasts_s: Annotated[float, Meta(ge=0.0)] = 0.0  # for how long; 0 = until cleared, or once
    parameters: dict[str, str] = {}  # those that are not the default, as texts


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The paper gateway."""

    # Addresses, host:port; port 0 takes a free one. Of the usual ports (live 4001, 4003, 7496; paper 4002, 4004, 7497)
    # those of the mode that $TRADING_MODE names are opened, where it is set.
    listen: Annotated[tuple[str, ...], Meta(min_length=1)] = (f"127.0.0.1:{PORT_PAPER}",)
    # Account numbers; the first is the one that trades, the others are empty. U numbers only if listed here.
    accounts: Annotated[tuple[Annotated[str, Meta(pattern=ACCOUNT)], ...], Meta(min_length=1)] = ("DU0000001",)
    # With feed.kind = "ib": account of the gateway upstream whose market data these are; nothing is traded there.
    upstream_account: str = ""
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")] = "USD"  # base currency of the account
    start_cash: Decimal = Decimal(1_000_000)  # cash of the first account at the first start, above 0
    timezone: str = "US/Eastern"  # of the times in messages; $TIME_ZONE overrules it
    # tape: time is the market's, from its first row on; wall: made-up sessions at the wall clock's own time.
    clock: Literal["tape", "wall"] = "tape"
    read_only: bool = False  # orders are refused (321); $READ_ONLY_API overrules it
    master_client_id: Annotated[int, Meta(ge=-1, le=2**31 - 1)] = -1  # sees all orders; -1 = none
    stop_on_bug: bool = False  # end at the first exception of our own, instead of answering it with error 320
    download_open_orders: bool = False  # open orders are pushed to a client at its connection
    limits: ClientLimits = ClientLimits()  # of clients
    venue: VenueTimes = VenueTimes()  # delays
    orders: OrderSettings = OrderSettings()  # how orders are taken
    account: AccountSettings = AccountSettings()  # margin and pages
    market: MarketSettings = MarketSettings()  # market data
    contracts: tuple[ContractSettings, ...] = ()  # contracts that exist by name only
    faults: tuple[FaultSettings, ...] = ()  # the plan
    fault_seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1  # of the chance that faults have
