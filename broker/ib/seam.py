"""What the adapter's parts need from the one that owns the socket: time, a way out and in, and a place for doubts."""

from typing import Any, Final, Protocol

# Lanes of the message budget, first come first.
LANE_CANCEL: Final = 0  # cancels and global cancels
LANE_SYNC: Final = 1  # synchronisation and ping
LANE_DATA: Final = 2  # subscriptions, contracts, history

# What the link allows.
DOWN: Final = 0  # no socket, or no session on it: nothing leaves
DEGRADED: Final = 1  # cancels leave
READY: Final = 2  # orders leave

NEVER: Final = 2**63 - 1


class Shell(Protocol):
    """The adapter as its parts see it."""

    @property
    def now_ns(self) -> int:
        """The clock's present time; one value throughout a socket read or a timer."""
        ...

    @property
    def link(self) -> int:
        """DOWN, DEGRADED or READY."""
        ...

    def patience_ns(self, timeout_ns: int) -> int:
        """A time-out of the clock, but never a blink on the wall: a scaled clock makes no machine faster."""
        ...

    def request(self, lane: int, name: str, *arguments: Any) -> bool:
        """Encode a request by its name in the client library and hand it to the budget; False = no room, or DOWN."""
        ...

    def request_id(self) -> int:
        """A fresh id, far above every order id."""
        ...

    def fact(self, event: Any) -> None:
        """Tell the trader a fact. Never called from within `submit`: the engine would be entered twice."""
        ...

    def row(
        self, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> None:  # fmt: skip
        """Tell the trader a market row."""
        ...

    def doubt(self, reason: str) -> None:
        """Something about orders is not certain: synchronise soon (coalesced)."""
        ...

    def fault(self, reason: str) -> None:
        """Something came that cannot be understood: no orders until a full synchronisation."""
        ...

    def fatal(self, reason: str) -> None:
        """The configuration does not fit the broker: the trader must stop."""
        ...

    def log(self, event: str, **fields: Any) -> None:
        """For people."""
        ...
