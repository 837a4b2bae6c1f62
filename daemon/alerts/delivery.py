"""Delivers what the desk says is due: one thread that reads the journal and decides, one for each target that delivers,
so that a target that hangs keeps nobody else waiting. One process of a state directory does it, whoever holds
`alerts.lock`: the guard, or ops where no guard is running. What it knows passes on to the next in `alerts.json`.
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
from daemon.alerts.watch import Rule, Watch
from daemon.config.guarding import AlertSettings
from daemon.lock import hold_lock
from daemon.state_dir import StateDirectory
from daemon.status.alerts import (
    LOCK_NAME,
    TEXT_MAX,
    DeliveryPicture,
    OpenPicture,
    TargetPicture,
    write_delivery,
)

STATE_FILE: Final = "alerts.json"
POLL_S: Final = 0.2
OWN_MAX: Final = 256  # alerts of this process that wait for the thread
UNREACHED_S: Final = 20.0  # of a target that fails: it is told of by the others
UNREAD_S: Final = 5.0
END_S: Final = 5.0  # for what is on its way when the process ends


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """`alerts.json`."""

    place: Place
    opened: tuple[Open, ...] = ()


class Delivery:
    """All of it. `start` once; `tell` from any thread; `close` at the end."""

    def __init__(
        self, state: StateDirectory, settings: AlertSettings, log: Any, *, by: str, rules: tuple[Rule, ...] = ()
    ) -> None:
        """`by` names this process. Raises ConfigError on a target that cannot be used."""
        self._state = state
        self._settings = settings
        self._log = log
        self._by = by
        self._channels: dict[str, Channel] = {target.name: channel_of(target) for target in settings.to}
        self._threads = {name: ThreadPoolExecutor(1, f"alert-{name}") for name in self._channels}
        own = (
            Rule("ALERT_UNDELIVERED", "critical", UNREACHED_S, self._unreached),
            Rule("ALERTS_UNREAD", "critical", UNREAD_S, lambda: self.fault),
        )
        self._watch = Watch((*own, *rules))
        self._lock = -1
        self._tail = AlertTail(state.journal, None)
        self.desk = Desk(settings)
        self._own: deque[Alert] = deque(maxlen=OWN_MAX)
        self._ended: deque[tuple[str, Message, str]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._written = b""
        self._nobody = False
        self.fault = ""
        self.each_second: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell(self, code: str, severity: str, text: str) -> None:
        """An alert of this process's own: logged here, delivered by the thread."""
        speak = getattr(self._log, severity, self._log.warning)
        speak("alert", code=code, text=text)
        self._own.append(Alert(code=code, severity=severity, text=text, source=self._by, ts_ns=time.time_ns()))
        self._wake.set()

    def close(self) -> None:
        """Once more everything that is due, then the end."""
        self._stopping = True
        self._wake.set()
        self._thread.join(END_S)
        for pool in self._threads.values():
            pool.shutdown(wait=False, cancel_futures=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # ---- the thread --------------------------------------------------------------------------------------------
    def _run(self) -> None:
        second = 0.0
        while True:
            over = self._stopping
            self._wake.clear()
            due = time.monotonic() - second >= 1.0 or over
            second = time.monotonic() if due else second
            try:
                if self._lock >= 0 or self._take_over():
                    self._turn(look=due)
                if due:
                    self.each_second()
            except Exception as fault:  # edge: the thread that tells people must outlive whatever it meets
                self.fault = f"{type(fault).__name__}: {fault}"
                self._log.error("alerts", fault=self.fault)
            if over and (self._lock < 0 or not any(state.busy for state in self.desk.targets.values())):
                return
            self._wake.wait(POLL_S)

    def _take_over(self) -> bool:
        """Become the one that delivers, with what the last one knew; False = another still does."""
        if self._stopping:
            return False
        try:
            self._lock = hold_lock(self._state.path / LOCK_NAME, "alerts are delivered by pid {pid}", patience_s=0.0)
        except JournalError:
            return False
        kept = _read_kept(self._state.path / STATE_FILE)
        self._tail = AlertTail(self._state.journal, None if kept is None else kept.place)
        self.desk = Desk(self._settings, () if kept is None else kept.opened)
        self._log.info("delivers alerts", by=self._by, targets=list(self._channels), open=list(self.desk.open))
        return True

    def _turn(self, *, look: bool) -> None:
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
        for alert in take_left(self._state.path):
            if alert.over:
                self.desk.end((alert.code,), now_ns)
            else:
                self.desk.take(alert, now_ns)
        self._look_for_seen()
        if look:
            self._look(now_ns)
        for target, message in self.desk.due(now_ns):
            future = self._threads[target.name].submit(self._channels[target.name].deliver, message)
            future.add_done_callback(self._ender(target.name, message))
        self._keep()
        if look:
            write_delivery(self._state.path, self.picture())

    def _look(self, now_ns: int) -> None:
        """The rules about what no journal tells, once a second."""
        found = self._watch.look(time.monotonic(), self.desk.open)
        for rule, text in found.begun:
            self._log.warning("alert", code=rule.code, text=text)
            alert = Alert(code=rule.code, severity=rule.severity, text=text, source=self._by, ts_ns=now_ns)
            self.desk.take(alert, now_ns)
        self.desk.end(found.ended, now_ns)
        nobody = bool(self._channels) and all(self._failing_s(name) >= UNREACHED_S for name in self._channels)
        if nobody and not self._nobody:
            self._log.critical("alerts reach nobody", open=list(self.desk.open), targets=list(self._channels))
        self._nobody = nobody

    def _failing_s(self, name: str) -> float:
        failing_ns = self.desk.targets[name].failing_ns
        return (time.time_ns() - failing_ns) / 1e9 if failing_ns else 0.0

    def _unreached(self) -> str:
        """Which targets fail, for the others."""
        return "; ".join(
            f"{name} is not reached: {state.error}" for name, state in self.desk.targets.items() if state.failing_ns
        )

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
            elif type(message) is c.CloseAlerts and message.by == c.ENDED:
                self.desk.end(message.codes, now_ns)
            elif type(message) is c.CloseAlerts:
                self.desk.close(message.codes)

    def _look_for_seen(self) -> None:
        """What an operator has acknowledged while there was no trader to tell it to."""
        found = take_seen(self._state.path)
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
        draft = self._state.path / f"{STATE_FILE}.new"
        draft.write_bytes(content)
        os.replace(draft, self._state.path / STATE_FILE)

    # ---- for people --------------------------------------------------------------------------------------------
    def picture(self) -> DeliveryPicture:
        """How it does; called by the thread."""
        return DeliveryPicture(
            pid=os.getpid(),
            by=self._by,
            wall_ns=time.time_ns(),
            open=tuple(_open_picture(one) for one in self.desk.open.values()),
            targets=tuple(
                TargetPicture(
                    name=name,
                    delivered=state.delivered,
                    undelivered=self.desk.undelivered(name),
                    failing_s=self._failing_s(name),
                    error=state.error,
                )
                for name, state in self.desk.targets.items()
            ),
            fault=self.fault,
        )


def _open_picture(one: Open) -> OpenPicture:
    alert = one.alert
    return OpenPicture(
        code=alert.code,
        severity=alert.severity,
        text=alert.text[:TEXT_MAX],
        source=alert.source,
        since_ns=one.since_ns,
        count=one.count,
    )


def _read_kept(path: Path) -> Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
