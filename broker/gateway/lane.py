"""One client's messages on their way to the machine, no faster than the rate allows. Knows no message but its id."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from broker.gateway.connection import STARTED, Connection
from broker.gateway.edge import GatewayClock
from broker.gateway.registry import ONE_SECOND_NS, ClientLimits, Pacer
from broker.gateway.requests import message_id, request_id
from broker.gateway.wire import split_fields

WAITING_BYTES_MAX: Final = 1 << 20  # beyond, the client's socket is not read until it is less
BREACHES_MAX: Final = 3  # seconds with a rejected message; the last ends the session
MAX_RATE: Final = 100
# A client that keeps to the rate by its own clock must not be rejected because the line bunches its messages: before a
# rejection the second is so much shorter, of the wall's time, at most by half.
JITTER_S: Final = 0.02


class Lane:
    """`limits.pacing` says what becomes of a message beyond the rate; a client that asked for pacing with `+PACEAPI`
    is always delayed. `request` takes a message whose turn it is; `flush` ends a turn that a timer
    began.
    """

    def __init__(
        self,
        connection: Connection,
        limits: ClientLimits,
        clock: GatewayClock,
        request: Callable[[Connection, bytes], None],
        flush: Callable[[], None],
    ) -> None:
        self.breaches = 0
        self.delayed = 0
        self._connection = connection
        self._clock = clock
        self._in_clock = limits.pacing_in_clock
        self._rejects = limits.pacing == "reject" and "+PACEAPI" not in connection.connect_options
        self._request, self._flush = request, flush
        self._pacer = Pacer(limits.messages_per_s_max, self._span_ns() if self._rejects else ONE_SECOND_NS)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._breached_ns = 0

    def take(self, payload: bytes) -> None:
        """One message, now or when the rate allows it; in order."""
        now_ns = self._now_ns()
        if not self._waiting and self._pacer.free_ns(now_ns) <= now_ns:
            self._pacer.take(now_ns)
            self._request(self._connection, payload)
        elif self._rejects:
            self._reject(payload, now_ns)
        else:
            self._delay(payload, now_ns)

    def close(self) -> None:
        """The client is gone, and what waits with it."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _span_ns(self) -> int:
        second_s = self._clock.wall_s(ONE_SECOND_NS) if self._in_clock else 1.0  # on the wall
        return int(ONE_SECOND_NS * max(0.5, 1 - JITTER_S / second_s))

    def _now_ns(self) -> int:
        return self._clock.now_ns() if self._in_clock else int(asyncio.get_running_loop().time() * 1e9)

    def _delay(self, payload: bytes, now_ns: int) -> None:
        self.delayed += 1
        self._waiting.append(payload)
        self._waiting_bytes += len(payload)
        if self._waiting_bytes > WAITING_BYTES_MAX:
            self._connection.pause_reading(True)
        if self._timer is None:
            self._arm(now_ns)

    def _arm(self, now_ns: int) -> None:
        duration_ns = self._pacer.free_ns(now_ns) - now_ns
        wall_s = self._clock.wall_s(duration_ns) if self._in_clock else duration_ns / ONE_SECOND_NS
        self._timer = asyncio.get_running_loop().call_later(wall_s, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        while self._waiting and self._connection.stage == STARTED:
            now_ns = self._now_ns()
            if self._pacer.free_ns(now_ns) > now_ns:
                self._arm(now_ns)
                break
            self._pacer.take(now_ns)
            self._request(self._connection, self._next())
        self._flush()

    def _next(self) -> bytes:
        payload = self._waiting.popleft()
        was_full = self._waiting_bytes > WAITING_BYTES_MAX
        self._waiting_bytes -= len(payload)
        if was_full and self._waiting_bytes <= WAITING_BYTES_MAX:
            self._connection.pause_reading(False)
        return payload

    def _reject(self, payload: bytes, now_ns: int) -> None:
        """Answered under the message's own id, so that nobody waits for it."""
        if not self.breaches or now_ns - self._breached_ns >= ONE_SECOND_NS:
            self.breaches += 1
            self._breached_ns = now_ns
        fields = split_fields(payload)
        most = self._pacer.per_s
        text = f"Max rate of messages per second has been exceeded:max={most} rec={most + 1} ({self.breaches})"
        self._connection.error(request_id(message_id(fields), fields), MAX_RATE, text)
        if self.breaches >= BREACHES_MAX:
            self._connection.end(text)
