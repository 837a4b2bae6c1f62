"""A relay between the trader and the gateway of a drill: it writes down every message of the trader with its time,
tells of the first cancel before it passes it on, and can cut the line in the middle of a kill. Knows no trader.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from broker.gateway.wire import FrameReader

PLACE: Final = 3
CANCEL: Final = 4
GLOBAL_CANCEL: Final = 58
CANCELS: Final = (CANCEL, GLOBAL_CANCEL)
OPENING: Final = b"API\0"
READ_BYTES: Final = 1 << 16
FRAMES_MAX: Final = 1_000_000
JOIN_S: Final = 5.0


class Relay:
    """Listens on a free port of the loopback and passes everything on. Use as a context."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.frames: list[tuple[int, int]] = []  # (time.monotonic_ns, message id) of everything the trader sent
        self.sessions = 0
        self.cuts = 0
        self.before_cancel: Callable[[], None] | None = None  # called once, before a cancel is passed on
        self.cut_after_cancel_s = -1.0  # >= 0: once, so long after a cancel was passed on, the line is cut
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._thread.join(JOIN_S)
        self._listener.close()
        self.cut()
        for thread in self._pumps:
            thread.join(JOIN_S)

    def cut(self) -> None:
        """End every connection, in the middle of whatever is under way."""
        with self._lock:
            ended, self._open = self._open, []
        for end in ended:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def sent(self, *kinds: int, since_ns: int = 0) -> list[int]:
        """When messages of these kinds were sent, from a time on."""
        return [at_ns for at_ns, kind in self.frames if at_ns >= since_ns and (not kinds or kind in kinds)]

    def most_in(self, window_ns: int, since_ns: int = 0) -> int:
        """The largest number of messages within such a time."""
        times = self.sent(since_ns=since_ns)
        most, first = 0, 0
        for last, at_ns in enumerate(times):
            while times[first] <= at_ns - window_ns:
                first += 1
            most = max(most, last - first + 1)
        return most

    # ---- threads -----------------------------------------------------------------------------------------------
    def _accept(self) -> None:
        while True:
            try:
                trader, _ = self._listener.accept()
                gateway = socket.create_connection(self._target, timeout=5.0)
            except OSError:
                return
            gateway.settimeout(None)
            for end in (trader, gateway):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open += [trader, gateway]
                self.sessions += 1
            back = threading.Thread(target=self._back, args=(gateway, trader), daemon=True)
            out = threading.Thread(target=self._out, args=(trader, gateway, back), daemon=True)
            self._pumps += [back, out]
            back.start()
            out.start()

    def _out(self, trader: socket.socket, gateway: socket.socket, back: threading.Thread) -> None:
        """From the trader: looked at, then passed on."""
        frames, opening = FrameReader(), bytearray()
        while received := _read(trader):
            at_ns, content = time.monotonic_ns(), received
            if len(opening) < len(OPENING):
                opening += received
                content = bytes(opening[len(OPENING) :])
            kinds = [int(frame.split(b"\0", 1)[0] or b"0") for frame in frames.feed(content) if frame[:1].isdigit()]
            if len(self.frames) < FRAMES_MAX:
                self.frames += [(at_ns, kind) for kind in kinds]
            cancels = any(kind in CANCELS for kind in kinds)
            if cancels and self.before_cancel is not None:
                look, self.before_cancel = self.before_cancel, None
                look()
            if not _write(gateway, received):
                break
            if cancels and self.cut_after_cancel_s >= 0:
                time.sleep(self.cut_after_cancel_s)
                self.cut_after_cancel_s = -1.0
                self.cuts += 1
                self.cut()
        self._end(trader, gateway)
        back.join(JOIN_S)
        trader.close()
        gateway.close()

    def _back(self, gateway: socket.socket, trader: socket.socket) -> None:
        while (received := _read(gateway)) and _write(trader, received):
            pass
        self._end(trader, gateway)

    def _end(self, *ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _read(end: socket.socket) -> bytes:
    with contextlib.suppress(OSError):
        return end.recv(READ_BYTES)
    return b""


def _write(end: socket.socket, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        end.sendall(content)
        return True
    return False
