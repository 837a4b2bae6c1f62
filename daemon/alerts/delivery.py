"""Delivers what the desk says is due: one thread that reads the journal and decides, one for each target that delivers,
so that a target that hangs keeps nobody else waiting. Owned by the guard's process; what it knows survives its restarts
in `alerts.json`.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core.errors import JournalError
from daemon.alerts.channels import Channel, channel_of
from daemon.alerts.desk import Alert, Desk, Message, Open
from daemon.alerts.left import take_left
from daemon.alerts.seen import EVERYTHING, take_seen
from daemon.alerts.tail import AlertTail, Place
from daemon.config.guarding import AlertSettings
from daemon.status.guard import TargetPicture

STATE_FILE: Final = "alerts.json"
POLL_S: Final = 0.2
OWN_MAX: Final = 256  # alerts of the guard that wait for the thread
END_S: Final = 5.0  # for what is on its way when the process ends


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """`alerts.json`."""

    place: Place
    opened: tuple[Open, ...] = ()


class Delivery:
    """All of it. `start` once; `tell` from any thread; `close` at the end."""

    def __init__(self, state_dir: Path, journal: Path, settings: AlertSettings, log: Any) -> None:
        """Raises ConfigError on a target that cannot be used."""
        self._state_dir = state_dir
        self._log = log
        self._channels: dict[str, Channel] = {target.name: channel_of(target) for target in settings.to}
        self._threads = {name: ThreadPoolExecutor(1, f"alert-{name}") for name in self._channels}
        kept = _read_kept(state_dir / STATE_FILE)
        self._tail = AlertTail(journal, None if kept is None else kept.place)
        self.desk = Desk(settings, () if kept is None else kept.opened)
        self._own: deque[Alert] = deque(maxlen=OWN_MAX)
        self._ended: deque[tuple[str, Message, str]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._written = b""
        self.fault = ""
        self.each_second: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell(self, code: str, severity: str, text: str) -> None:
        """An alert of the guard's own: logged here, delivered by the thread."""
        speak = getattr(self._log, severity, self._log.warning)
        speak("alert", code=code, text=text)
        self._own.append(Alert(code=code, severity=severity, text=text, source="guard", ts_ns=time.time_ns()))
        self._wake.set()

    def close(self) -> None:
        """Once more everything that is due, then the end."""
        self._stopping = True
        self._wake.set()
        self._thread.join(END_S)
        for pool in self._threads.values():
            pool.shutdown(wait=False, cancel_futures=True)

    # ---- the thread --------------------------------------------------------------------------------------------
    def _run(self) -> None:
        second = 0.0
        while True:
            over = self._stopping
            self._wake.clear()
            try:
                self._turn()
            except Exception as fault:  # edge: the thread that tells people must outlive whatever it meets
                self.fault = f"{type(fault).__name__}: {fault}"
                self._log.error("alerts", fault=self.fault)
            if time.monotonic() - second >= 1.0 or over:
                second = time.monotonic()
                self.each_second()
            if over and not any(state.busy for state in self.desk.targets.values()):
                return
            self._wake.wait(POLL_S)

    def _turn(self) -> None:
        """Everything new into the desk, everything due out of it."""
        now_ns = time.time_ns()
        while self._ended:
            name, message, error = self._ended.popleft()
            self.desk.done(name, message, error, now_ns)
            if error:
                self._log.warning("alert not delivered", target=name, code=message.alert.code, error=error)
        self._read_journal(now_ns)
        while self._own:
            self.desk.take(self._own.popleft(), now_ns)
        for alert in take_left(self._state_dir):
            self.desk.take(alert, now_ns)
        self._look_for_seen()
        for target, message in self.desk.due(now_ns):
            future = self._threads[target.name].submit(self._channels[target.name].deliver, message)
            future.add_done_callback(self._ender(target.name, message))
        self._keep()

    def _ender(self, target: str, message: Message) -> Callable[[Future[str]], None]:
        def ended(future: Future[str]) -> None:
            fault = None if future.cancelled() else future.exception()
            error = "cancelled" if future.cancelled() else str(fault) if fault is not None else future.result()
            self._ended.append((target, message, error))
            self._wake.set()

        return ended

    def _read_journal(self, now_ns: int) -> None:
        try:
            found = self._tail.read()
            self.fault = ""
        except JournalError as fault:
            self.fault = f"the journal's alerts cannot be read: {fault}"
            return
        for ts_ns, message in found:
            if type(message) is c.RaiseAlert:
                alert = Alert(
                    code=message.code, severity=message.severity, text=message.text, source="trader", ts_ns=ts_ns
                )
                self.desk.take(alert, now_ns)
            elif type(message) is c.CloseAlerts:
                self.desk.close(message.codes)

    def _look_for_seen(self) -> None:
        """What an operator has acknowledged while there was no trader to tell it to."""
        found = take_seen(self._state_dir)
        if found is None:
            return
        code, operator = found
        if code == EVERYTHING:
            self.desk.close_all()
        else:
            self.desk.close((code,))
        self._log.info("alerts acknowledged", code=code, operator=operator)

    def _keep(self) -> None:
        content = msgspec.json.encode(Kept(place=self._tail.place, opened=tuple(self.desk.open.values())))
        if content == self._written:
            return
        self._written = content
        draft = self._state_dir / f"{STATE_FILE}.new"
        draft.write_bytes(content)
        os.replace(draft, self._state_dir / STATE_FILE)

    # ---- for people --------------------------------------------------------------------------------------------
    def pictures(self) -> tuple[TargetPicture, ...]:
        """How each target does; called by the thread."""
        now_ns = time.time_ns()
        return tuple(
            TargetPicture(
                name=name,
                delivered=state.delivered,
                undelivered=self.desk.undelivered(name),
                failing_s=(now_ns - state.failing_ns) / 1e9 if state.failing_ns else 0.0,
                error=state.error,
            )
            for name, state in self.desk.targets.items()
        )


def _read_kept(path: Path) -> Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
