"""The queue between who speaks and who writes, and the thread that writes. Bounded: the oldest lines give way, are
counted, and the count is told. Knows no format and no destination.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from daemon.log.line import Said, plain
from daemon.log.out import Out
from daemon.log.secrets import Redactor

LINES_MAX: Final = 4_096  # waiting to be written
LOOK_S: Final = 0.05  # a line waits so long at most; nobody who speaks wakes a thread for it
CLOSE_S: Final = 1.0  # on the way out, for a reader that does not read
URGENT: Final = frozenset({"warning", "error", "critical"})

Source = Callable[[], list[Said]]  # more to write, rendered by the writer's thread; called from it


class Sink:
    """Writes at once until `start`; from then on in a thread of its own, until `close`."""

    def __init__(self, out: Out, redactor: Redactor) -> None:
        self.redactor = redactor
        self.common: Mapping[str, Any] = {}  # in every line; replaced as a whole
        self.lost = 0  # lines that gave way, or that the reader did not take
        self.given_up = False  # nothing more is waited for
        self.sources: list[Source] = []
        self._out = out
        self._waiting: deque[Said] = deque()
        self._dropping = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._told_lost = 0

    def put(self, said: Said) -> None:
        """Take one line. Costs who speaks an append; waits for nothing once the thread runs."""
        waiting = self._waiting
        if len(waiting) >= LINES_MAX:
            with self._dropping:  # only those meet here who drop; the writer never holds it
                if len(waiting) >= LINES_MAX:
                    with contextlib.suppress(IndexError):  # the writer took it meanwhile
                        waiting.popleft()
                        self.lost += 1
        waiting.append(said)
        if self._thread is None:
            self._write_all()
        elif said.level in URGENT:
            self._wake.set()

    def say(self, level: str, event: str, **fields: Any) -> None:
        """One line of our own."""
        self.put(Said(level, time.time_ns(), fields | {"event": event}))

    def start(self) -> None:
        """From now on in a thread."""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def close(self, seconds: float = CLOSE_S) -> None:
        """Write what waits, for so long; what comes later is written at once, or lost."""
        thread, self._thread = self._thread, None
        self._ending = True
        if thread is not None and thread is not threading.current_thread():
            self._wake.set()
            thread.join(seconds)
            self.given_up = True
            thread.join(seconds)

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(LOOK_S)
            self._wake.clear()
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        with self._writing:
            while True:
                try:
                    said = self._waiting.popleft()
                except IndexError:
                    break
                self._write(said)
            for source in self.sources:
                for said in source():
                    self._write(said)
            lost = self.lost
            if lost > self._told_lost:
                fields = {"event": "log lines lost", "count": lost - self._told_lost}
                self._told_lost = lost
                self._write(Said("warning", time.time_ns(), fields))

    def _write(self, said: Said) -> None:
        try:
            self._out.write(plain(said, self.common, self.redactor))
        except OSError:  # nobody reads, or the disk is full
            self.lost += 1
        except Exception as fault:  # edge: a line that cannot be told must cost neither the others nor the process
            self.lost += 1
            with contextlib.suppress(Exception):  # edge: nor must the line about it
                text = f"a line cannot be written: {type(fault).__name__}"
                self._out.write(plain(Said("error", said.ts_ns, {"event": text}), {}, self.redactor))
