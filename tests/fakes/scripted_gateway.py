"""A TWS socket that does what a test says, on a free port, in a thread: for failures that no real gateway can be told
to have. Knows no assertion.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Final

from broker.gateway.part import Field
from broker.gateway.wire import frame_of

Message = tuple[Field, ...]
Answer = Callable[[list[str]], list[Message] | None]  # of one request's fields; None = hang up

_LENGTH: Final = struct.Struct(">I")
VERSION: Final = 178
HELLO: Final = (VERSION, "20260105 09:30:00 US/Eastern")
LOGGED_IN: Final[list[Message]] = [(15, 1, "DU0000001,"), (9, 1, 1)]


def error(request_id: int | str, code: int, text: str) -> Message:
    """Message 4."""
    return 4, 2, request_id, code, text, ""


def details(request_id: str, symbol: str, *, con_id: int = 100, listed: str = "NYSE", **changes: Field) -> Message:
    """contractDetails of a stock."""
    fields: dict[str, Field] = {
        "symbol": symbol, "sec_type": "STK", "last": "", "strike": "0", "right": "", "exchange": "SMART",
        "currency": "USD", "local": symbol, "market": "NMS", "class": "NMS", "con_id": con_id, "min_tick": "0.0001",
        "multiplier": "", "types": "LMT,MKT", "venues": "SMART,NYSE", "magnifier": 1, "under": 0, "long": symbol,
        "primary": listed, "month": "", "industry": "", "category": "", "subcategory": "", "zone": "US/Eastern",
        "trading": "", "liquid": "", "ev_rule": "", "ev_multiplier": 0, "ids": 0, "group": 1, "under_symbol": "",
        "under_type": "", "rules": "26,26", "expires": "", "stock": "COMMON", "least": "0.0001", "step": "0.0001",
        "suggested": "100",
    }  # fmt: skip
    return (10, int(request_id), *(fields | changes).values())


class ScriptedGateway:
    """Answers requests by message id; `answers` overrules what a healthy gateway would say."""

    def __init__(self, answers: dict[int, Answer] | None = None) -> None:
        self.requests: list[list[str]] = []
        healthy: dict[int, Answer] = {
            71: lambda fields: LOGGED_IN,
            5: lambda fields: [(53, 1)],
            9: lambda fields: [details(fields[2], fields[4]), (52, 1, int(fields[2]))],
            91: lambda fields: [(93, int(fields[1]), 2, "0", "0.0001", "1", "0.01")],
            1: lambda fields: [(58, 1, int(fields[2]), 1), (1, 6, int(fields[2]), 1, "25.1", "100", 1)],
        }
        self._answers = healthy | (answers or {})
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while not self._stopping:
            with contextlib.suppress(OSError):
                accepted, _ = self._listening.accept()
                with accepted:
                    accepted.settimeout(5.0)
                    self.talk(accepted)

    def talk(self, line: socket.socket) -> None:
        """One connection."""
        stream = line.makefile("rb")
        opening = stream.read(8)
        if len(opening) < 8:
            return
        stream.read(_LENGTH.unpack(opening[4:])[0])
        line.sendall(frame_of(*HELLO))
        while True:
            head = stream.read(4)
            if len(head) < 4:
                return
            fields = stream.read(_LENGTH.unpack(head)[0]).decode().split("\0")[:-1]
            self.requests.append(fields)
            asked = self._answers.get(int(fields[0]))
            answer = [] if asked is None else asked(fields)
            if answer is None:
                return
            line.sendall(b"".join(frame_of(*message) for message in answer))

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; whoever is connected hangs up first."""
        self._stopping = True
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
            pass
        self._thread.join(10.0)
        self._listening.close()


class RawGateway(ScriptedGateway):
    """Says these bytes to whoever connects, then hangs up or stays silent."""

    def __init__(self, says: bytes, *, hang_up: bool) -> None:
        super().__init__()
        self._says = says
        self._hang_up = hang_up

    def talk(self, line: socket.socket) -> None:
        """One connection."""
        if self._stopping:
            return
        if self._says:
            line.sendall(self._says)
        if not self._hang_up:
            while line.recv(4096):  # until the client has enough
                pass


@contextlib.contextmanager
def serving(gateway: ScriptedGateway) -> Iterator[ScriptedGateway]:
    """Runs while the test needs it."""
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.close()
