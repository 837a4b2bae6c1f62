"""What the TCP edge needs from the rest of the gateway: its time, who answers, and the faults of the line."""

from typing import Final, Protocol

from broker.gateway.part import Client, Fields

SERVE: Final = "serve"
SILENT: Final = "silent"  # take the connection, never answer
CLOSE: Final = "close"  # take the connection and close it
CUT: Final = b""  # in a verdict, in place of a message: the connection ends here

Verdict = list[tuple[int, bytes]]  # (delay_ns, piece)


class GatewayClock(Protocol):
    """The gateway's time: the wall's, or a market's at some speed."""

    @property
    def speed(self) -> float:
        """Seconds of this clock in one of the wall's."""
        ...

    def now_ns(self) -> int:
        """Never backwards."""
        ...

    def wall_s(self, duration_ns: int) -> float:
        """How long a stretch of this clock's time lasts on the wall, in seconds."""
        ...


class Machine(Protocol):
    """What answers: machine.py."""

    def opened(self, client: Client) -> None:
        """A client has started its session."""
        ...

    def closed(self, client: Client) -> None:
        """Its connection is gone."""
        ...

    def handle(self, client: Client, msg_id: int, fields: Fields) -> bool:
        """One request; False when nobody knows its id."""
        ...


class WireFaults(Protocol):
    """Faults of the line, asked at every step while set (`GatewayServer.faults`); None there costs nothing.

    A verdict is None (untouched) or the pieces to pass on instead, each after its delay in the gateway's time: none =
    dropped, two = duplicated, part of a frame followed by `CUT` = closed in the middle of it.
    """

    def accept(self, port: int) -> str:
        """SERVE, SILENT or CLOSE."""
        ...

    def stuck(self, client_id: int) -> bool:
        """Whether the id counts as in use although nobody has it."""
        ...

    def inbound(self, client: Client, payload: bytes) -> Verdict | None:
        """A message of a client, startApi included, without its length."""
        ...

    def outbound(self, client: Client, frame: bytes) -> Verdict | None:
        """A frame to a client, with its length."""
        ...
