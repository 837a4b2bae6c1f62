"""A short conversation with TWS, IB Gateway or the paper gateway, under a client id of its own. Blocking, with a
deadline for everything; places no order and subscribes to nothing by itself.

Every way in which a gateway fails to answer is told apart, because each has another remedy.
"""

import socket
import time
from collections.abc import Callable
from typing import Any, Final

from broker.ib.codec import Codec
from broker.ib.config import IbSettings
from broker.ib.wrapper import FAULT, Entry, Wrapper
from core.errors import BrokerFault
from daemon.probes.finding import Trouble

DOCTOR_CLIENT_ID: Final = 13
MESSAGES_PER_SECOND: Final = 40  # below the broker's 50
ENTRIES_MAX: Final = 100_000
READ_BYTES: Final = 1 << 16
TICK_PRICE: Final = 1
OPEN_ORDER: Final = 5
ORDER_REF_AT: Final = 23  # among the fields of an openOrder, whose head never moves
HEAD: Final = "openOrderHead"
_PUSHED: Final = (2, 3, 11, 59)  # sizes, and other clients' order news: of no interest here
CLIENT_ID_TAKEN: Final = 326


class Conversation:
    """One logged-in session. `entries` holds every message so far, as broker/ib/wrapper.py gives them."""

    def __init__(self, settings: IbSettings, *, client_id: int = DOCTOR_CLIENT_ID, capabilities: str = "") -> None:
        self._settings = settings
        self._wrapper = Wrapper()
        self._codec = Codec(self._wrapper)
        self._codec.renew(client_id, capabilities)
        self._codec.watch(TICK_PRICE, self._tick)
        for msg_id in _PUSHED:
            self._codec.watch(msg_id, _nothing)
        self._server_time = ""
        # Whatever an order of somebody else holds that the library cannot read, its head can be read.
        self._codec.watch(OPEN_ORDER, self._open_order)
        self._codec.hello = self._hello
        self._client_id = client_id
        self._socket: socket.socket | None = None
        self._sent: list[float] = []
        self.entries: list[Entry] = []
        self._next_id = 1

    @property
    def where(self) -> str:
        """The address, for people."""
        return f"{self._settings.host}:{self._settings.port}"

    @property
    def version(self) -> int:
        """The agreed protocol version."""
        return self._codec.version

    @property
    def server_time(self) -> str:
        """When the gateway says this session began."""
        return self._server_time

    # ---- opening -----------------------------------------------------------------------------------------------
    def open(self) -> None:
        """Connect, greet, log in. Raises Trouble."""
        self._socket = self._connect()
        deadline_s = time.monotonic() + self._settings.login_timeout_s
        self._write(self._codec.opening())
        self._read_until(lambda: self.version > 0, deadline_s, self._no_hello)
        self._write(self._codec.encode("startApi"))
        self._read_until(self._logged_in, deadline_s, self._no_login)
        if self.errors(CLIENT_ID_TAKEN):
            raise self._taken()

    def _connect(self) -> socket.socket:
        address = self._settings.host, self._settings.port
        try:
            return socket.create_connection(address, timeout=self._settings.connect_timeout_s)
        except ConnectionRefusedError as fault:
            raise Trouble(
                f"{self.where} refuses the connection: nothing listens there",
                "start TWS or IB Gateway and log in; in its API settings enable socket clients on this port",
            ) from fault
        except TimeoutError as fault:
            raise Trouble(
                f"{self.where} does not answer within {self._settings.connect_timeout_s:g} s",
                "check ib.host, the network and any firewall between here and there",
            ) from fault
        except OSError as fault:
            raise Trouble(f"{self.where}: {fault.strerror or fault}", "check ib.host and ib.port") from fault

    def _hello(self, version: int, server_time: str) -> None:
        self._server_time = server_time

    def _logged_in(self) -> bool:
        return bool(self.errors(CLIENT_ID_TAKEN)) or bool(self.named("nextValidId") and self.accounts)

    def _no_hello(self, closed: bool) -> Trouble:
        if closed:
            return Trouble(
                f"{self.where} accepts the connection and closes it at once",
                "log the gateway in; allow this host in its trusted IPs; behind a forwarder, see that the gateway runs",
            )
        return Trouble(
            f"{self.where} accepts the connection and says nothing",
            "the gateway hangs or waits for a log-in dialogue: look at its screen, restart it",
        )

    def _no_login(self, closed: bool) -> Trouble:
        if self.errors(CLIENT_ID_TAKEN):
            return self._taken()
        if closed:
            return Trouble(
                f"{self.where} closes the connection after the log-in of client {self._client_id}",
                "look at the gateway's own log; restart it",
            )
        lacking = "order ids" if not self.named("nextValidId") else "accounts"
        return Trouble(
            f"{self.where} takes the log-in and sends no {lacking}",
            "the gateway is not logged in to the broker, or hangs: look at its screen, restart it",
        )

    def _taken(self) -> Trouble:
        return ClientIdTaken(
            f"{self.where} says 326: client id {self._client_id} is in use",
            "another process has it, or the gateway has not let go of one that died: wait a minute, or restart it",
        )

    # ---- asking ------------------------------------------------------------------------------------------------
    def request_id(self) -> int:
        """A fresh one."""
        self._next_id += 1
        return self._next_id

    def send(self, name: str, *arguments: Any) -> None:
        """One request by its name in the client library. Raises Trouble."""
        now_s = time.monotonic()
        self._sent = [at for at in self._sent if at > now_s - 1.0]
        if len(self._sent) >= MESSAGES_PER_SECOND:
            self.wait(lambda: False, self._sent[0] + 1.0 - now_s)
        self._sent.append(time.monotonic())
        self._write(self._codec.encode(name, *arguments))

    def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Read until something is there; False when the time is over. Raises Trouble when the line is cut."""
        try:
            self._read_until(done, time.monotonic() + seconds, self._cut)
        except _TimeIsOver:
            return False
        return True

    def named(self, name: str) -> list[Entry]:
        """All messages of a kind."""
        return [entry for entry in self.entries if entry[0] == name]

    def forget(self) -> None:
        """Drop every message so far, log-in and accounts excepted: a long session's memory stays small."""
        self.entries = [entry for entry in self.entries if entry[0] in ("nextValidId", "managedAccounts")]

    def errors(self, *codes: int, request_id: int | None = None) -> list[Entry]:
        """("error", request id, code, text, …), of some codes or all."""
        return [
            entry
            for entry in self.named("error")
            if (not codes or entry[2] in codes) and (request_id is None or entry[1] == request_id)
        ]

    @property
    def accounts(self) -> list[str]:
        """Of this log-in."""
        told = self.named("managedAccounts")
        return [name for name in str(told[-1][1]).split(",") if name] if told else []

    @property
    def faults(self) -> list[str]:
        """What was not understood."""
        return [str(entry[1]) for entry in self.named(FAULT)]

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # ---- bytes -------------------------------------------------------------------------------------------------
    def _tick(self, fields: list[bytes]) -> None:
        """tickPrice: version, request, type, price."""
        self.entries.append(("tickPrice", int(fields[2]), int(fields[3]), fields[4].decode("ascii", "replace")))

    def _open_order(self, raw: list[bytes]) -> None:
        """An entry as the library reads it, or ("openOrderHead", fields as text) where it cannot."""
        head = [field.decode("ascii", "replace") for field in raw]
        self._codec.decode_or(raw, ORDER_REF_AT, lambda ref: False, lambda: self._wrapper.inbox.append((HEAD, head)))

    def _write(self, content: bytes) -> None:
        assert self._socket is not None, "open() comes first"
        try:
            self._socket.settimeout(self._settings.connect_timeout_s)
            self._socket.sendall(content)
        except OSError:
            pass  # the read that follows tells what happened, in better words

    def _read_until(self, done: Callable[[], bool], deadline_s: float, trouble: Callable[[bool], Trouble]) -> None:
        assert self._socket is not None, "open() comes first"
        while not done():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise trouble(False)
            self._socket.settimeout(left_s)
            try:
                received = self._socket.recv(READ_BYTES)
            except TimeoutError:
                raise trouble(False) from None
            except OSError:
                received = b""
            if not received:
                raise trouble(True)
            try:
                self._codec.feed(received)
            except BrokerFault as fault:
                raise Trouble(
                    f"{self.where} does not speak the TWS protocol: {fault}", "check ib.port, and the gateway's version"
                ) from fault
            self.entries += self._wrapper.take()
            del self.entries[:-ENTRIES_MAX]

    def _cut(self, closed: bool) -> Trouble:
        if closed:
            return Trouble(f"{self.where} cut the line in the middle", "look at the gateway's own log; restart it")
        return _TimeIsOver("", "")


class ClientIdTaken(Trouble):
    """326: another connection has this client id."""


class _TimeIsOver(Trouble):
    """Nothing came within the time asked for."""


def _nothing(fields: list[bytes]) -> None:
    """For what is pushed and not asked for."""
