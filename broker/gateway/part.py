"""What the gateway's parts share: the world they live in, the client they answer, and the shape of a part.

A part owns one concern (orders, account, market data, contracts) and never talks to a socket: it answers through
`Client`, in the order of its calls. Everything here is single-threaded and synchronous; time is `world.now_ns`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from broker.sim.exchange import Exchange
from core.instruments import Instrument
from core.sessions import Calendar

NEVER: Final = 2**63 - 1

Field = str | int | float | bool | None  # None = unset, sent as an empty field


class Fields(Protocol):
    """The fields of one request after its message id, read front to back. A field that is missing or not of the asked
    kind raises `broker.gateway.wire.Malformed`, which the server answers with error 320 or 321.
    """

    def text(self) -> str: ...
    def integer(self, default: int = 0) -> int:
        """Empty and 2147483647 are unset: `default`."""
        ...

    def number(self) -> float | None:
        """Empty, 1.797…e308 in either spelling: None. `Infinite` is inf."""
        ...

    def nanos(self) -> int | None:
        """A decimal number as nanos, exactly (half-even beyond nine decimals); unset: None."""
        ...

    def flag(self) -> bool: ...
    def skip(self, count: int) -> None: ...
    @property
    def left(self) -> int:
        """Fields not read yet."""
        ...

    def rest(self) -> list[str]:
        """The fields not read yet, as they stand; they stay unread."""
        ...


class Client(Protocol):
    """One connected client after its startApi."""

    number: int  # of the connection, never reused while the gateway runs
    client_id: int
    version: int  # agreed protocol version, 157..178

    def send(self, *fields: Field) -> None:
        """One message; the first field is its id."""
        ...

    def send_frame(self, frame: bytes, /) -> None:
        """One complete frame made by `wire.frame_of`: the fast path of market data."""
        ...

    def error(self, req_id: int, code: int, text: str, reject_json: str = "") -> None:
        """Message 4 in the client's version; -1 = of the system."""
        ...


Handler = Callable[[Client, Fields], None]

# Faults that a part carries out itself, because only it knows when they are due. Each is asked for by `Faults.strikes`
# at the moment it would strike. What a message suffers on its way (missing or late orderStatus, commission or
# executions End, duplicates, other orders of arrival, fill before the acknowledgement) needs no part: the server's
# edge does it.
FILL_AFTER_CANCEL: Final = "fill_after_cancel"  # a cancel arrives: Cancelled is told, yet the rest was filled before
REJECT_CANCEL: Final = "reject_cancel"  # a cancel is refused (161), the order works on
REJECT_MODIFY: Final = "reject_modify"  # a modify is refused (201), the order stays as it was
REJECT_ORDER: Final = "reject_order"  # a good new order is refused (201)
LOST_ORDER: Final = "lost_order"  # a new order is taken from the socket and never exists
NASTY_STATUS: Final = "nasty_status"  # openOrder and orderStatus are told more often than once, as TWS does


class Faults(Protocol):
    """What goes wrong on purpose, as the parts see it. Plain attributes: reading one is cheap, they change rarely."""

    server_lost: bool  # between 1100 and 1101/1102: no market data, no history, no server behind the orders
    hold_orders: bool  # orders, modifies and cancels sent now are queued and submitted when the server is back;
    # else they die unanswered. Read while `server_lost`.
    facts_flow: bool  # what the venue tells comes all the same. Read while `server_lost`.
    market_stopped: bool  # no ticks of any kind: server lost, market data farm broken, or a competing session
    history_stopped: bool  # historical requests fail (162): server lost or HMDS farm broken
    contracts_stopped: bool  # contract details wait or fail: server lost or sec-def farm broken
    competing: bool  # new market data requests are answered with 10197

    def strikes(self, name: str) -> bool:
        """One draw of an active fault's seeded chance; False when it is not active."""
        ...


class NoFaults:
    """Nothing goes wrong."""

    server_lost = hold_orders = facts_flow = market_stopped = history_stopped = contracts_stopped = competing = False

    def strikes(self, name: str) -> bool:
        """Never."""
        return False


# A reader of every market row, compiled inside: rows[lo:hi] went by, in order, `quotes` holds them. Called before the
# `on_row` of the stretch's last row, and before any `advance` or handler that comes after those rows. What the feed
# says besides rows (core.events.HaltChanged, FeedGapped) comes to the parts as a fact, in its place.
Tape = Callable[[NDArray[np.void], int, int], None]


class World:
    """One account, one market, one moment. Written by `machine.py` alone."""

    __slots__ = (
        "accounts",
        "calendars",
        "clock_offset_ns",
        "exchange",
        "faults",
        "instruments",
        "now_ns",
        "quotes",
        "tapes",
        "wanted",
    )

    def __init__(
        self,
        *,
        accounts: tuple[str, ...],
        instruments: tuple[Instrument, ...],
        calendars: Mapping[str, Calendar],
        exchange: Exchange,
        quotes: NDArray[np.void],
    ) -> None:
        self.accounts = accounts  # the first is the one that trades
        self.instruments = instruments
        self.calendars = calendars  # readers of the parts' own: the exchange has others
        self.exchange = exchange
        self.quotes = quotes  # core.market.MARKET rows by inst, as the venue sees the market now
        self.now_ns = 0
        self.clock_offset_ns = 0  # a fault: what clients are told of the present time is off by it
        self.faults: Faults = NoFaults()
        # Written by the parts: how many of them want each single row of an instrument in `on_row`. Rows of others
        # reach the parts in stretches only (and the exchange while its own watch counter asks for them).
        self.wanted = np.zeros(len(instruments), np.int64)
        # Written by the parts, at construction: readers of the whole tape. See `Tape`.
        self.tapes: list[Tape] = []


class Part(Protocol):
    """One concern of the gateway."""

    def handlers(self) -> Mapping[int, Handler]:
        """Requests it answers, by message id; no two parts answer the same one."""
        ...

    def opened(self, client: Client) -> None:
        """A client has started its session (after managedAccounts and nextValidId were sent)."""
        ...

    def closed(self, client: Client) -> None:
        """Its connection is gone: subscriptions end, orders stay."""
        ...

    def on_row(self, row: tuple[Any, ...]) -> None:
        """A market row (the fields of core.rows.ROW) after the venue saw it; `quotes` holds it already."""
        ...

    def on_fact(self, ts_ns: int, fact: Any) -> None:
        """A fact of the exchange or of the feed (core.events), in order. Those of the exchange wait while the server
        is lost.
        """
        ...

    def on_link(self, data_lost: bool) -> None:
        """`world.faults` has changed: the server or a farm was lost, or is back. `data_lost`: subscriptions made
        before are gone and stay so until they are made again; their clients are not told here.
        """
        ...

    @property
    def next_due_ns(self) -> int:
        """The next moment it must be asked by `advance`; NEVER if none."""
        ...

    def advance(self, ts_ns: int) -> None:
        """Do what is due at or before `ts_ns`."""
        ...

    def dump(self) -> bytes:
        """State that outlives a restart of the gateway; b"" = none."""
        ...

    def load(self, state: bytes) -> None:
        """From `dump`, before anything else happens."""
        ...


class StillPart:
    """What a part does that keeps nothing of a client and moves with neither market nor account: nothing."""

    next_due_ns: int = NEVER

    def opened(self, client: Client) -> None:
        """Nothing to do."""

    def closed(self, client: Client) -> None:
        """Nothing to do."""

    def on_row(self, row: tuple[Any, ...]) -> None:
        """Nothing to do."""

    def on_fact(self, ts_ns: int, fact: Any) -> None:
        """Nothing to do."""

    def on_link(self, data_lost: bool) -> None:
        """Nothing to do."""

    def advance(self, ts_ns: int) -> None:
        """Never due."""


class ManualDesk(Protocol):
    """What the part of the orders offers to a person at the gateway itself (`quantd gateway order …`), as TWS's own
    screen does: orders without a client, until client 0 binds them. Raises core.errors.Refused,
    with a line that says why, for what cannot be done.
    """

    def place(self, *, inst: int, side: int, qty_nanos: int, limit_px_nanos: int, outside_rth: bool) -> int:
        """A new day order, limit price 0 = at market; its permId."""
        ...

    def modify(self, perm_id: int, *, qty_nanos: int, limit_px_nanos: int) -> None:
        """Change any working order of the account, whoever placed it; 0 = as it is."""
        ...

    def cancel(self, perm_id: int) -> None:
        """Cancel any working order of the account; permId 0 = all of them."""
        ...

    def listed(self) -> list[dict[str, Any]]:
        """Orders of the day, newest last: permId, orderId, clientId, symbol, side, quantity, filled, type, limit,
        status, orderRef, as plain values for a table.
        """
        ...

    def executions(self) -> list[dict[str, Any]]:
        """Executions of the day: execId, permId, symbol, side, quantity, price, commission, time."""
        ...
