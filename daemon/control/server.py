"""The control socket's server: who may talk, how much, and which fact each command becomes. Decides nothing itself.

Bad input of any kind gets an error line and a count; it never raises, hangs or grows memory. No client can block
another or the engine: nothing here waits. When all connections are taken the one that was silent longest makes room, so
that an operator with a kill always gets in.
"""

import asyncio
import logging
import pwd
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, cast

import msgspec

from core import events as e
from core.latches import ACCOUNT, STRATEGY, SYMBOL
from core.units import CASH_NANOS_MAX, parse_nanos
from daemon.control import messages as m
from daemon.control.endpoint import bind_control, peer_is_trusted, remove_own_socket
from daemon.status.picture import Status, encode_status

CONNECTIONS_MAX: Final = 16
UNSENT_BYTES_MAX: Final = 256 * 1024  # a client that asks and does not read is cut off
REQUESTS_PER_SECOND_MAX: Final = 200  # by connection
LINGER_SECONDS: Final = 1.0
OUTCOMES: Final = ("lost", "cancelled", "filled")
ADOPTED_AT: Final = ("average", "mark")
FLOAT32_MAX: Final = 3.4028234663852886e38
FEATURE_AGE_S_MIN: Final = 0.001
FEATURE_AGE_S_MAX: Final = 31_536_000.0

_PEER: Final = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED
_log = logging.getLogger(__name__)


class Reply(msgspec.Struct, frozen=True):
    """What became of an operator's command; `text` is one line for a person."""

    ok: bool
    text: str


class Operations(Protocol):
    """What the daemon offers to the socket. Synchronous, called on the loop's thread."""

    def operate(self, event: e.AnyEvent) -> Reply:
        """Step one operator event; not ok = refused."""
        ...

    def status(self) -> Status:
        """The picture of this moment."""
        ...

    def why_not(self, symbol: str | None) -> list[dict[str, Any]]:
        """Every blocker in gate order: value, limit, since when, who can lift it."""
        ...

    def adoption(self) -> dict[str, Any]:
        """What the broker holds and our books lack (daemon/status/adoption.py)."""
        ...


class ControlServer:
    """Serves one unix socket with mode 0600 to its owner and root.

    `symbols` and `strategies` are the names a scope may have, `features` those from outside that some model
    reads. `malformed` counts input that was no valid request.
    """

    def __init__(
        self,
        path: Path,
        operations: Operations,
        *,
        symbols: tuple[str, ...],
        strategies: tuple[str, ...],
        features: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self.operations = operations
        self.symbols = symbols
        self.strategies = strategies
        self.features = features
        self.malformed = 0
        self.requests = 0
        self._connections: dict[_Connection, None] = {}  # silent longest first
        self._server: asyncio.AbstractServer | None = None
        self._socket: socket.socket | None = None
        self._inode = 0

    async def start(self) -> None:
        """Bind and listen. A dead daemon's socket is replaced; raises ConfigError when a live one answers."""
        self._socket, self._inode = bind_control(self.path)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=self._socket, backlog=16)

    async def close(self) -> None:
        """Stop listening, drop every client, remove the socket file if it is still ours."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.drop()
        self._connections.clear()
        remove_own_socket(self.path, self._inode)

    def admit(self, connection: "_Connection") -> None:
        """Take a new client in; the one silent longest makes room."""
        if len(self._connections) >= CONNECTIONS_MAX:
            oldest = next(iter(self._connections))
            self.forget(oldest)
            oldest.refuse(f"closed: {CONNECTIONS_MAX} clients are connected and this one was silent longest")
        self._connections[connection] = None

    def heard(self, connection: "_Connection") -> None:
        """A client said something: it goes to the end of the line."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = None

    def forget(self, connection: "_Connection") -> None:
        """A client is gone."""
        self._connections.pop(connection, None)

    def answer(self, line: bytes | bytearray, operator: str) -> bytes:
        """The reply line to one request line; never raises."""
        self.requests += 1
        try:
            request = m.decode_request(line)
        except m.BadRequest as fault:
            self.malformed += 1
            return m.not_done(fault.request_id, str(fault), refused=False)
        try:
            return self._perform(request, operator)
        except Exception as fault:  # edge: the loop's handler decides (a Bug ends the trader), the client gets a line
            context = {"message": f"control command {type(request).__name__} failed", "exception": fault}
            asyncio.get_running_loop().call_exception_handler(context)
            return m.not_done(request.id, f"failed: {type(fault).__name__}: {fault}", refused=False)

    def _perform(self, request: m.AnyRequest, operator: str) -> bytes:
        if type(request) is m.Ping:
            return m.done(request.id, "pong")
        if type(request) is m.GetStatus:
            return m.done(request.id, msgspec.Raw(encode_status(self.operations.status())))
        try:
            if type(request) is m.GetAdoption:
                return m.done(request.id, self.operations.adoption())
            if type(request) is m.WhyNot:
                self._check_name("symbol", request.symbol, self.symbols)
                return m.done(request.id, self.operations.why_not(request.symbol))
            event = self._event(request, operator)
        except _Unacceptable as fault:
            return m.not_done(request.id, str(fault), refused=True)
        reply = self.operations.operate(event)
        _log.info("operator %s: %s: ok=%s %s", operator, type(event).__name__, reply.ok, reply.text)
        if not reply.ok:
            return m.not_done(request.id, reply.text, refused=True)
        return m.done(request.id, reply.text)

    def _event(self, request: m.AnyRequest, operator: str) -> e.AnyEvent:
        if isinstance(request, m.Scoped):
            level, scope = self._scope(request)
            made = _SCOPED[type(request)]
            return made(level=level, scope=scope, reason=_reason(request.reason), operator=operator)
        if type(request) is m.Resolve:
            return _resolved(request, operator)
        if type(request) is m.Acknowledge:
            reason = _reason(request.reason)
            return e.DifferenceAcknowledged(sync_id=request.sync_id, reason=reason, operator=operator)
        if type(request) is m.Feature:
            return self._feature(request)
        if type(request) is m.Adopt:
            return self._adopted(request, operator)
        arm = cast(m.Arm, request)
        if not arm.digest or len(arm.digest) > 128 or not arm.digest.isalnum():
            raise _Unacceptable("digest: take the one that `quantd status` shows")
        return e.DeployArmed(digest=arm.digest, reason=_reason(arm.reason), operator=operator)

    def _feature(self, request: m.Feature) -> e.ExternalFeatureReceived:
        self._check_name("feature", request.name, self.features)
        inst = (
            -1
            if request.symbol is None
            else self.symbols.index(self._check_name("symbol", request.symbol, self.symbols))
        )
        if not -FLOAT32_MAX <= request.value <= FLOAT32_MAX:
            raise _Unacceptable(f"value: {request.value} is no number that a model can read")
        if not FEATURE_AGE_S_MIN <= request.age_s <= FEATURE_AGE_S_MAX:
            raise _Unacceptable(f"age: set it between {FEATURE_AGE_S_MIN:g} and {FEATURE_AGE_S_MAX:g} seconds")
        age_ns = round(request.age_s * 1e9)
        return e.ExternalFeatureReceived(
            name=request.name, inst=inst, value=request.value, as_of_ns=0, age_ns_max=age_ns
        )

    def _adopted(self, request: m.Adopt, operator: str) -> e.AccountAdopted:
        if request.at not in ADOPTED_AT:
            raise _Unacceptable(f"at {request.at[:40]!r}: one of {', '.join(ADOPTED_AT)}")
        positions = []
        for given in request.positions:
            inst = self.symbols.index(self._check_name("symbol", given.symbol, self.symbols))
            owner = self._check_name("strategy", given.strategy, ("", *self.strategies))
            positions.append((inst, _signed("qty", given.qty), owner))
        return e.AccountAdopted(
            positions=tuple(positions),
            at=request.at,
            cash_nanos=_signed("cash", request.cash),
            reason=_reason(request.reason),
            operator=operator,
        )

    def _scope(self, request: m.Scoped) -> tuple[int, str]:
        if request.strategy is not None and request.symbol is not None:
            raise _Unacceptable("give a strategy or a symbol, not both")
        if request.strategy is not None:
            return STRATEGY, self._check_name("strategy", request.strategy, self.strategies)
        if request.symbol is not None:
            return SYMBOL, self._check_name("symbol", request.symbol, self.symbols)
        return ACCOUNT, ""

    def _check_name(self, field: str, name: str | None, known: tuple[str, ...]) -> str:
        if name is None or name in known:
            return name or ""
        shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        raise _Unacceptable(f"unknown {field} {name[:40]!r}: this trader knows {shown or 'none'}")


_SCOPED: Final[dict[type, Callable[..., e.AnyEvent]]] = {
    m.Halt: e.OperatorHalted,
    m.Resume: e.OperatorResumed,
    m.Kill: e.OperatorKilled,
    m.Flatten: e.OperatorFlattened,
}


class _Unacceptable(Exception):
    """A request that is understood and refused before it becomes a fact."""


def _reason(text: str) -> str:
    """A reason is journalled and shown on terminals: not blank, bounded, printable."""
    text = text.strip()
    if not text:
        raise _Unacceptable("a reason is required: --reason TEXT")
    if len(text) > m.REASON_LENGTH_MAX:
        raise _Unacceptable(f"reason: {len(text)} characters, at most {m.REASON_LENGTH_MAX}")
    if not text.isprintable():
        raise _Unacceptable("reason: has control characters or line breaks: write one plain line")
    return text


def _resolved(request: m.Resolve, operator: str) -> e.OrderResolved:
    if request.outcome not in OUTCOMES:
        raise _Unacceptable(f"outcome {request.outcome[:40]!r}: one of {', '.join(OUTCOMES)}")
    if not 0 < request.order_id < 1 << 62:
        raise _Unacceptable("order_id: must be a positive order number, as `quantd orders` shows it")
    qty = px = 0
    if request.outcome == "filled":
        if request.qty is None or request.px is None:
            raise _Unacceptable("filled: needs a quantity and a price: --filled QTY@PX")
        qty, px = _amount("qty", request.qty), _amount("px", request.px)
    elif request.qty is not None or request.px is not None:
        raise _Unacceptable(f"{request.outcome}: takes no quantity and no price")
    return e.OrderResolved(
        order_id=request.order_id,
        outcome=request.outcome,
        reason=_reason(request.reason),
        operator=operator,
        qty_nanos=qty,
        px_nanos=px,
    )


def _amount(field: str, text: str) -> int:
    nanos = _signed(field, text)
    if nanos <= 0:
        raise _Unacceptable(f"{field}: {text!r} must be above 0")
    return nanos


def _signed(field: str, text: str) -> int:
    if len(text) > 30:
        raise _Unacceptable(f"{field}: {len(text)} characters are no amount")
    try:
        nanos = parse_nanos(text, field=field)
    except ValueError as fault:
        raise _Unacceptable(str(fault)) from None
    if abs(nanos) > CASH_NANOS_MAX:
        raise _Unacceptable(f"{field}: {text!r} is more than {CASH_NANOS_MAX // 10**9}")
    return nanos


class _Connection(asyncio.Protocol):
    """One client: cuts its bytes into lines and answers each at once."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._left = bytearray()
        self._operator = ""
        self._refused = False
        self._window_s = 0.0
        self._in_window = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check who it is before a byte is read."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("socket")
        _pid, uid, _gid = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if not peer_is_trusted(uid):
            self._server.malformed += 1
            self.refuse("only the user who runs the trader, and root, may use this socket")
            return
        self._operator = _user_name(uid)
        self._server.admit(self)

    def data_received(self, data: bytes) -> None:
        """Answer every whole line; keep the rest, within bounds."""
        if self._transport is None or self._refused:
            return
        self._server.heard(self)
        *lines, rest = (self._left + data).split(b"\n")
        self._left = rest
        for line in lines:
            if not self._take(line):
                self._left = bytearray()
                return
        if len(rest) > m.LINE_BYTES_MAX:
            self._too_long()

    def _take(self, line: bytearray) -> bool:
        """Answer one line; False when the connection is closed by it."""
        if not line.strip():
            return True
        if len(line) > m.LINE_BYTES_MAX:
            return self._too_long()
        if self._too_fast():
            self._server.malformed += 1
            self.refuse(f"closed: more than {REQUESTS_PER_SECOND_MAX} requests in a second")
            return False
        transport = self._transport
        assert transport is not None, "data before connection_made"
        transport.write(self._server.answer(line, self._operator))
        if transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._server.malformed += 1
            self.drop()
            return False
        return True

    def _too_long(self) -> bool:
        self._server.malformed += 1
        self.refuse(f"closed: a line of more than {m.LINE_BYTES_MAX} bytes")
        return False

    def _too_fast(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._window_s >= 1.0:
            self._window_s, self._in_window = now_s, 0
        self._in_window += 1
        return self._in_window > REQUESTS_PER_SECOND_MAX

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; half a line is dropped with it."""
        self._server.forget(self)
        self._left.clear()

    def refuse(self, error: str) -> None:
        """Say why and end. Closing with bytes unread would reset the line before the client has read the reason, so
        what still comes is thrown away for a moment.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or self._refused:
            return
        self._refused = True
        self._left.clear()
        transport.write(m.not_done(0, error, refused=False))
        transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def drop(self) -> None:
        """Close without waiting for what it has not read."""
        if self._transport is not None:
            self._transport.abort()


def _user_name(uid: int) -> str:
    """The unix user behind a uid, for the journal."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
