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


class Client(Protocol):
    """One connected client after its startApi."""

    number: int  # of the connection, never reused while the gateway runs
    client_id: int
    version: int  # agreed protocol version, 157..178

    def send(self, *fields: Field) -> None:
        """One message; the first field is its id (research/ibkr.md B4)."""
        ...

    def send_frame(self, frame: bytes) -> None:
        """One complete frame made by `wire.frame_of`: the fast path of market data."""
        ...

    def error(self, req_id: int, code: int, text: str, reject_json: str = "") -> None:
        """Message 4 in the client's version; -1 = of the system."""
        ...


Handler = Callable[[Client, Fields], None]

# A reader of every market row, compiled inside: rows[lo:hi] went by, in order, `quotes` holds them. Called before the
# `on_row` of the stretch's last row, and before any `advance` or handler that comes after those rows. What the feed
# says besides rows (core.events.HaltChanged, FeedGapped) comes to the parts as a fact, in its place.
Tape = Callable[[NDArray[np.void], int, int], None]


class World:
    """One account, one market, one moment. Written by `machine.py` alone."""

    __slots__ = ("accounts", "calendars", "exchange", "instruments", "now_ns", "quotes", "tapes", "wanted")

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
        """A fact of the exchange (core.events), in order."""
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
