"""The TCP edge of the gateway: listens, lets clients in, hands their requests to the machine and writes the answers.

Whatever a client does ends at most its own connection. Everything sent in one turn is written at the turn's end, one
write by client, after `before_flush`: what must outlive a crash is on disk before anybody reads of it. The process
ends its own turns (rows, timers, commands) with `flush`. Knows no order, no market and no file.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from broker.gateway.connection import AWAITS_START, CLOSED, IGNORED, STARTED, Connection
from broker.gateway.edge import CLOSE, CUT, SERVE, SILENT, GatewayClock, Machine, WireFaults
from broker.gateway.lane import Lane
from broker.gateway.registry import ClientLimits, Registry
from broker.gateway.requests import NO_REQUEST, OPEN_ORDERS, ORDER_REQUESTS, START_API, message_id, request_id
from broker.gateway.wire import FieldReader, Malformed, split_fields

CONNECTIONS_MAX: Final = 64  # open sockets, also those that have not said who they are
START_SECONDS_MAX: Final = 30.0  # from connection to startApi
CLOSE_SECONDS_MAX: Final = 2.0
REOPEN_SECONDS: Final = 1.0  # between attempts to listen again on an address that is taken
BACKLOG: Final = 64
CLOCK_CAPABILITY: Final = "quantd-clock"
CLOCK_CODE: Final = 2999  # not one of TWS's
MANAGED_ACCOUNTS: Final = 15
NEXT_VALID_ID: Final = 9
FARMS: Final = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)

_log = logging.getLogger(__name__)


class GatewayServer:
    """Clients of one machine. `counts` says by kind what happened."""

    def __init__(
        self,
        machine: Machine,
        registry: Registry,
        clock: GatewayClock,
        *,
        accounts: Sequence[str],
        limits: ClientLimits,
        timezone: str = "America/New_York",
        read_only: bool = False,
        download_open_orders: bool = False,
        before_flush: Callable[[], None] | None = None,
        on_bug: Callable[[Exception], None] | None = None,
    ) -> None:
        self.machine = machine
        self.registry = registry
        self.clock = clock
        self.limits = limits
        self.read_only = read_only
        self.download_open_orders = download_open_orders
        self.before_flush = before_flush  # while it raises, nothing is written
        self.on_bug = on_bug  # told of an exception of ours, after the client was answered
        self.faults: WireFaults | None = None
        self.clock_offset_ns = 0  # a fault: what clients are told of the present time is off by it
        self.farms: Callable[[], Sequence[tuple[int, str]]] = lambda: FARMS  # the statuses a new client is told
        self.counts: Counter[str] = Counter()
        self.addresses: list[tuple[str, int]] = []  # as bound
        self._accounts = "".join(f"{account}," for account in accounts)
        self._zone = ZoneInfo(timezone)
        self._connections: dict[Connection, None] = {}
        self._lanes: dict[Connection, Lane] = {}  # of started clients
        self._numbers = 0
        self._servers: list[asyncio.Server] = []
        self._reopening: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()

    # ---- listening ---------------------------------------------------------------------------------------------
    async def start(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Listen on every (host, port); port 0 takes a free one, see `addresses`. Raises OSError."""
        self.addresses = list(addresses)
        await self._listen()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for at, (host, port) in enumerate(self.addresses):
            listening = await loop.create_server(
                partial(Connection, self, port), host, port, backlog=BACKLOG, reuse_address=True
            )
            self._servers.append(listening)
            self.addresses[at] = (host, listening.sockets[0].getsockname()[1])

    @property
    def listening(self) -> bool:
        """Whether clients can connect."""
        return bool(self._servers)

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

    def refuse_until(self, ts_ns: int) -> None:
        """Refuse connections until then, as while a gateway restarts. Those that are open stay: see `cut_all`."""
        self._stop_listening()
        self._reopening = asyncio.get_running_loop().create_task(self._reopen(ts_ns))

    async def _reopen(self, ts_ns: int) -> None:
        await asyncio.sleep(self.clock.wall_s(max(0, ts_ns - self.clock.now_ns())))
        while True:
            try:
                await self._listen()
                return
            except OSError as fault:
                _log.error("cannot listen again: %s", fault)
                for server in self._servers:
                    server.close()
                self._servers.clear()
            await asyncio.sleep(REOPEN_SECONDS)

    async def close(self) -> None:
        """Stop listening and end every connection; the parts have been told when this returns."""
        self._stop_listening()
        self.cut_all("the gateway stops")
        self._empty.clear()
        if self._connections:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._empty.wait()

    # ---- connections -------------------------------------------------------------------------------------------
    @property
    def clients(self) -> tuple[Connection, ...]:
        """Started clients, in the order of their starts."""
        return tuple(self._lanes)

    def admit(self, connection: Connection) -> None:
        """A socket was opened."""
        self.counts["connections"] += 1
        self._numbers += 1
        connection.number = self._numbers
        self._connections[connection] = None
        verdict = SERVE if self.faults is None else self.faults.accept(connection.port)
        if verdict == CLOSE or len(self._connections) > CONNECTIONS_MAX:
            self.cut(connection, "a fault" if verdict == CLOSE else f"{CONNECTIONS_MAX} connections are open")
        elif verdict == SILENT:
            connection.stage = IGNORED
        else:
            loop = asyncio.get_running_loop()
            connection.start_deadline = loop.call_later(START_SECONDS_MAX, self._expect_start, connection)

    def _expect_start(self, connection: Connection) -> None:
        if connection.stage < STARTED:
            self.cut(connection, f"no startApi within {START_SECONDS_MAX:.0f} seconds")

    def gone(self, connection: Connection) -> None:
        """A socket was closed, by either side."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._empty.set()
        lane = self._lanes.pop(connection, None)
        if lane is None:
            return
        lane.close()
        self.registry.disconnect(connection)
        self._guarded(partial(self.machine.closed, connection))
        self.flush()

    def cut(self, connection: Connection, reason: str, *, told: bool = False) -> None:
        """End one connection; `told`: once it has received what was written. The parts are told when it is gone."""
        if connection.stage == CLOSED:
            return
        self.counts["cut"] += 1
        _log.warning("client %d (%s) cut off: %s", connection.client_id, connection.peer, reason)
        connection.close(told=told)

    def cut_all(self, reason: str) -> None:
        """End every connection."""
        for connection in list(self._connections):
            self.cut(connection, reason)

    # ---- session -----------------------------------------------------------------------------------------------
    def hello_time(self) -> str:
        """The time in the server's hello."""
        now = datetime.fromtimestamp((self.clock.now_ns() + self.clock_offset_ns) // 10**9, UTC).astimezone(self._zone)
        return now.strftime("%Y%m%d %H:%M:%S %Z")

    def _start(self, connection: Connection, payload: bytes) -> None:
        """The first message of a client."""
        fields = split_fields(payload)
        if connection.stage != AWAITS_START or message_id(fields) != START_API:
            self.cut(connection, f"its first message is not startApi: {payload[:40]!r}")
            return
        try:
            reader = FieldReader(fields, 2)
            connection.client_id = reader.integer(-1)
            connection.capabilities = reader.text() if reader.left else ""
        except Malformed as fault:
            self.cut(connection, f"startApi: {fault}")
            return
        if not 0 <= connection.client_id < 2**31:
            self.cut(connection, f"startApi: client id {connection.client_id}")
        elif self.registry.full:
            self._turn_away(connection, 320, f"At most {self.registry.clients_max} clients can be connected.")
        elif self._id_is_taken(connection):
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            self._turn_away(connection, 326, text)
        else:
            connection.started()
            self._lanes[connection] = Lane(connection, self.limits, self.clock, self._request, self.flush)
            self._welcome(connection)

    def _id_is_taken(self, connection: Connection) -> bool:
        stuck = self.faults is not None and self.faults.stuck(connection.client_id)
        return stuck or not self.registry.connect(connection)

    def _turn_away(self, connection: Connection, code: int, text: str) -> None:
        self.counts["turned away"] += 1
        connection.error(NO_REQUEST, code, text)
        connection.end(text)

    def _welcome(self, connection: Connection) -> None:
        if _wants_clock(connection):
            self._announce(connection)
        connection.send(MANAGED_ACCOUNTS, 1, self._accounts)
        connection.send(NEXT_VALID_ID, 1, self.registry.next_valid_id(connection.client_id))
        for code, text in self.farms():
            connection.error(NO_REQUEST, code, text)
        self._guarded(partial(self.machine.opened, connection))
        if self.download_open_orders:
            self._guarded(partial(self.machine.handle, connection, OPEN_ORDERS, FieldReader(["1"])))

    def _announce(self, connection: Connection) -> None:
        text = f"{CLOCK_CAPABILITY} ts_ns={self.clock.now_ns() + self.clock_offset_ns} speed={self.clock.speed!r}"
        connection.error(NO_REQUEST, CLOCK_CODE, text)

    def announce_clock(self) -> None:
        """Tell the time again to those who asked for it: it was moved."""
        for connection in self._lanes:
            if _wants_clock(connection):
                self._announce(connection)
        self.flush()

    # ---- requests ----------------------------------------------------------------------------------------------
    def received(self, connection: Connection, payloads: list[bytes]) -> None:
        """Messages of a client, in order; ends a turn."""
        for payload in payloads:
            verdict = None if self.faults is None else self.faults.inbound(connection, payload)
            if verdict is None:
                self._take(connection, payload)
                continue
            for delay_ns, piece in verdict:
                if delay_ns <= 0:
                    self._take(connection, piece)
                else:
                    connection.take_later(delay_ns, piece)
        self.flush()

    def received_late(self, connection: Connection, payload: bytes) -> None:
        """A message that a fault held back."""
        self._take(connection, payload)
        self.flush()

    def _take(self, connection: Connection, payload: bytes) -> None:
        lane = self._lanes.get(connection)
        if connection.stage >= IGNORED:
            return
        if payload == CUT and self.faults is not None:
            self.cut(connection, "a fault ends it here")
        elif lane is None:
            self._start(connection, payload)
        else:
            lane.take(payload)

    def _request(self, connection: Connection, payload: bytes) -> None:
        self.counts["requests"] += 1
        fields = split_fields(payload)
        msg_id = message_id(fields)
        if msg_id < 0:
            self.counts["garbage"] += 1
            self.cut(connection, f"no message id in {payload[:40]!r}")
            return
        if self.read_only and msg_id in ORDER_REQUESTS:
            text = "Error validating request.-'gw' : cause - API interface is currently in Read-Only mode."
            connection.error(request_id(msg_id, fields), 321, text)
            return
        try:
            if not self.machine.handle(connection, msg_id, FieldReader(fields, 1)):
                self.counts["unknown"] += 1
                connection.error(NO_REQUEST, 320, f"Error reading request. Unknown message id: {msg_id}")
        except Malformed as fault:
            self.counts["malformed"] += 1
            text = f"Error reading request. Message id: {msg_id}. {fault}"
            connection.error(request_id(msg_id, fields), 320, text)
        except Exception as fault:  # edge: one request must not end the sessions of others; `on_bug` may end everything
            connection.error(request_id(msg_id, fields), 320, f"Error processing request. Message id: {msg_id}.")
            self._tell_bug(fault)

    # ---- the end of a turn -------------------------------------------------------------------------------------
    def flush(self) -> None:
        """State first, then one write for each client that was told something."""
        told = [connection for connection in self._lanes if connection.out]
        if not told:
            return
        if self.before_flush is not None and not self._guarded(self.before_flush):
            return
        for connection in told:
            connection.flush()

    def _guarded(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except Exception as fault:  # edge: as in `_request`, for what is no request
            self._tell_bug(fault)
            return False
        return True

    def _tell_bug(self, fault: Exception) -> None:
        self.counts["bugs"] += 1
        _log.error("a part failed", exc_info=fault)
        if self.on_bug is not None:
            self.on_bug(fault)


def _wants_clock(connection: Connection) -> bool:
    return CLOCK_CAPABILITY in connection.capabilities.replace(";", " ").replace(",", " ").split()
