"""The life of the connection: attempts and back-off, hello and log-in, what the broker says of its own links, the ping,
known restarts, and from all of it what the link allows. Sans-IO: `Line` opens, closes and writes.

The network's time is the wall's, also under a scaled clock: attempts, log-in and ping count monotonic nanoseconds.
READY is not "connected": a gateway accepts and never answers, or closes at once; only order ids and our account make a
session, and the trader's own synchronisation makes orders possible.
"""

import random
from collections import deque
from enum import IntEnum
from typing import Final, Protocol

from broker.ib.codes import Meaning
from broker.ib.config import IbSettings, ns
from broker.ib.offset import OffsetEstimate
from broker.ib.seam import DEGRADED, DOWN, NEVER, READY
from broker.ib.windows import Windows
from core import events as e
from core.units import NANO

MINUTE_NS: Final = 60 * NANO
CLOSE_TIMEOUT_NS: Final = 2 * NANO  # for a close in good order; then the socket is aborted
CLIENT_ID_HELD_NS: Final = 5 * NANO  # the gateway may hold an id for a while after its client is gone
OFFSET_TOLD_NS: Final = MINUTE_NS  # the clock's offset is told this often ...
OFFSET_NEWS_NS: Final = NANO // 10  # ... and when it has changed by this
_PING_SPREAD: Final = 0.1  # of the interval: questions at all places within a second tell more than at one

# Why orders may not leave although the session stands.
SERVER: Final = "server"
FAULT: Final = "fault"
WINDOW: Final = "window"
PING: Final = "ping"


class Phase(IntEnum):
    """How far a connection has come."""

    STOPPED = 0
    WAITING = 1  # for the next attempt
    CONNECTING = 2
    HELLO = 3  # our greeting has left
    LOGIN = 4  # version agreed, startApi has left
    UP = 5
    CLOSING = 6


class Line(Protocol):
    """What the session asks of the socket's owner."""

    def open_socket(self) -> None:
        """Start to connect; `opened` or `closed` follows."""
        ...

    def close_socket(self, *, abort: bool) -> None:
        """`closed` follows when it is really gone."""
        ...

    def greet(self) -> None:
        """Write the first bytes."""
        ...

    def ping(self) -> None:
        """Ask for the broker's time."""
        ...

    def session_up(self) -> None:
        """Ids and accounts are in: whatever lives on the session is made anew. Comes before the link is READY."""
        ...

    def link_changed(self, link: int, event: e.LinkRestored | e.LinkDegraded | e.LinkLost) -> None:
        """The link allows something else now."""
        ...

    def data_restored(self, *, lost: bool) -> None:
        """The broker's servers are back: subscriptions are gone, or must prove that they tick."""
        ...

    def fatal(self, reason: str) -> None:
        """The configuration does not fit this gateway."""
        ...

    def log(self, event: str, **fields: object) -> None:
        """For people."""
        ...


class Session:
    """One connection after another."""

    def __init__(self, line: Line, settings: IbSettings, *, account: str) -> None:
        self._line = line
        self._settings = settings
        self._account = account
        self._windows = Windows(settings)
        self.phase = Phase.STOPPED
        self.link = DOWN
        self._told = DOWN
        self._window_until_ns = 0  # a known restart is on until then; 0 = none is
        self._reasons: dict[str, tuple[int, str]] = {}  # why only cancels leave: code and words
        self._due_ns = NEVER  # of the phase
        self._backoff_ns = ns(settings.backoff_min_s)
        self._server_lost: tuple[int, str] | None = None  # the gateway has no server behind it
        self._why = ""  # the last thing that went wrong
        self._held_until_ns = 0  # our client id may be held by the gateway
        self._has_ids = self._has_account = False
        self._needs_clock = settings.clock == "gateway"
        self._ping_at_ns = NEVER
        self._pinged_ns = 0  # 0 = no question is open
        self._pings_lost = 0
        self._pinged_at_ns = 0  # the same by the clock
        self._offset = OffsetEstimate()
        self._offset_told_ns = 0
        self._offset_ns = 0
        self._quiet_at_ns = NEVER  # when a fault is over
        self._faults: deque[int] = deque(maxlen=settings.faults_max)
        self.attempts = 0

    # ---- the connection ----------------------------------------------------------------------------------------
    def start(self, mono_ns: int) -> None:
        """Connect, now and whenever the connection is lost."""
        self.phase, self._due_ns = Phase.WAITING, mono_ns

    def stop(self) -> None:
        """Close for good."""
        if self.phase in (Phase.CONNECTING, Phase.HELLO, Phase.LOGIN, Phase.UP):
            self._line.close_socket(abort=False)
        self.phase, self._due_ns = Phase.STOPPED, NEVER

    def opened(self, mono_ns: int) -> None:
        """The gateway accepted the connection: that alone means nothing."""
        if self.phase is Phase.CONNECTING:
            self.phase = Phase.HELLO
            self._due_ns = mono_ns + ns(self._settings.login_timeout_s)
            self._line.greet()

    def greeted(self, version: int, server_time: str) -> None:
        """The version is agreed and startApi has left."""
        if self.phase is Phase.HELLO:
            self.phase = Phase.LOGIN
            self._has_ids = self._has_account = False
            self._server_lost = None
            self._needs_clock = self._settings.clock == "gateway"
            self._line.log("ib_greeted", version=version, server_time=server_time)

    def ids(self, mono_ns: int, now_ns: int) -> None:
        """nextValidId has come."""
        self._has_ids = True
        self._maybe_up(mono_ns, now_ns)

    def clock_announced(self) -> None:
        """The paper gateway has told its clock."""
        self._needs_clock = False
        self._offset.clear()
        self._pinged_at_ns = 0  # what is asked now was asked by another clock

    def accounts(self, accounts: list[str], mono_ns: int, now_ns: int) -> None:
        """managedAccounts has come. Another account than ours behind this port must never see an order."""
        if not accounts and self.phase is not Phase.UP:
            self._line.log("ib_no_accounts")  # not logged in yet: the log-in's own time-out decides
            return
        if self._account not in accounts and self.phase is Phase.UP:
            self.fault(f"account {self._account} has gone from this log-in", mono_ns)
            return
        if self._account not in accounts:
            shown = ", ".join(accounts) or "none"
            self._line.fatal(f"account.id: {self._account} is not among the accounts of this log-in ({shown})")
            return
        if self._needs_clock:
            self._line.fatal('ib.clock: this gateway announces no clock; "gateway" is for `quantd gateway` only')
            return
        self._has_account = True
        self._maybe_up(mono_ns, now_ns)

    def _maybe_up(self, mono_ns: int, now_ns: int) -> None:
        if self.phase is not Phase.LOGIN or not (self._has_ids and self._has_account):
            return
        self.phase, self._due_ns = Phase.UP, NEVER
        self._backoff_ns = ns(self._settings.backoff_min_s)
        self._reasons.clear()
        if self._server_lost is not None:
            self._reasons[SERVER] = self._server_lost
        self._pinged_ns = self._pings_lost = 0
        self._ping_at_ns = mono_ns
        self._offset.clear()
        self._offset_told_ns = 0
        self._quiet_at_ns = NEVER
        self._faults.clear()
        self.link = DEGRADED  # requests may leave from here on
        self._line.session_up()
        self._look_at_windows(now_ns)
        self._settle("ids and accounts are in")

    def fail(self, why: str, *, abort: bool = False) -> None:
        """Give this connection up; the next attempt waits until the socket is really closed."""
        if self.phase in (Phase.CONNECTING, Phase.HELLO, Phase.LOGIN, Phase.UP):
            self._why = why
            self.phase = Phase.CLOSING
            self._due_ns = NEVER
            self._settle(why)
            self._line.close_socket(abort=abort)

    def closed(self, why: str, mono_ns: int, now_ns: int) -> None:
        """The socket is gone, for whatever reason."""
        if self.phase is Phase.STOPPED:
            self._settle("stopped")
            return
        if self.phase is not Phase.CLOSING:
            self._why = why
        if self.phase in (Phase.HELLO, Phase.LOGIN):
            self._why = f"closed before order ids and accounts came ({why})"
        self.phase = Phase.WAITING
        self._reasons.clear()
        self._ping_at_ns = self._quiet_at_ns = NEVER
        window = self._windows.now(now_ns)
        self._window_until_ns = self._windows.until_ns(now_ns)
        wait_ns = max(int(self._backoff_ns * random.uniform(0.75, 1.25)), self._held_until_ns - mono_ns)
        self._due_ns = mono_ns + wait_ns
        if not window:  # a known restart is no reason to come back later than need be
            self._backoff_ns = min(2 * self._backoff_ns, ns(self._settings.backoff_max_s))
        reason = f"{self._why}; {window}" if window else self._why
        self._line.log("ib_down", reason=reason, retry_s=round(wait_ns / NANO, 2), attempt=self.attempts)
        self._settle(reason)

    # ---- what the broker says ----------------------------------------------------------------------------------
    def system_error(self, code: int, text: str, meaning: Meaning | None, mono_ns: int) -> None:
        """An error of the system (id -1). Farm codes never come here: they are about data."""
        if meaning is Meaning.CLIENT_ID:
            self._held_until_ns = mono_ns + CLIENT_ID_HELD_NS
            self.fail(f"{code} client id {self._settings.client_id} is in use: another trader, or not yet let go")
        elif meaning is Meaning.SOCKET:
            self.fail(f"{code} {text}")
        elif meaning is Meaning.LINK_LOST:
            self._server_lost = (code, text)
            if self.phase is Phase.UP:
                self._reasons[SERVER] = self._server_lost
                self._settle(text)
        elif meaning in (Meaning.LINK_BACK, Meaning.LINK_BACK_EMPTY):
            self._server_lost = None
            if self.phase is Phase.UP:
                if SERVER not in self._reasons:  # back without a loss told: what happened meanwhile is looked up too
                    self._reasons[SERVER] = (code, text)
                    self._settle(text)
                del self._reasons[SERVER]
                self._line.data_restored(lost=meaning is Meaning.LINK_BACK_EMPTY)
                self._settle(f"{code} {text}")

    def fault(self, text: str, mono_ns: int) -> None:
        """Something was not understood. One stops orders until a synchronisation, many end the connection."""
        self._line.log("ib_fault", text=text)
        if self.phase in (Phase.HELLO, Phase.LOGIN):
            self.fail(f"not understood: {text}")
        if self.phase is not Phase.UP:
            return
        full = len(self._faults) == self._faults.maxlen
        self._faults.append(mono_ns)
        if full and self._faults[0] > mono_ns - MINUTE_NS:
            self.fail(f"more than {self._settings.faults_max} faults in a minute, the last: {text}")
            return
        self._quiet_at_ns = mono_ns + ns(self._settings.fault_quiet_s)
        self._reasons[FAULT] = (0, text)
        self._settle(text)

    def pong(self, broker_ns: int, mono_ns: int, now_ns: int) -> e.ClockOffsetMeasured | None:
        """The broker's time; tells our clock's offset from time to time."""
        if not self._pinged_ns:
            return None
        round_trip_ns = mono_ns - self._pinged_ns
        self._pinged_ns = self._pings_lost = 0
        interval_ns = ns(self._settings.ping_interval_s)
        self._ping_at_ns = mono_ns + interval_ns + int(interval_ns * random.uniform(0.0, _PING_SPREAD))
        if PING in self._reasons:
            del self._reasons[PING]
            self._settle("the ping is answered again")
        sent_ns, self._pinged_at_ns = self._pinged_at_ns, 0
        if not sent_ns:
            return None
        offset_ns = self._offset.take(sent_ns=sent_ns, received_ns=now_ns, broker_second_ns=broker_ns)
        young = self._offset_told_ns and mono_ns - self._offset_told_ns < OFFSET_TOLD_NS
        if young and abs(offset_ns - self._offset_ns) < OFFSET_NEWS_NS:
            return None
        self._offset_told_ns, self._offset_ns = mono_ns, offset_ns
        return e.ClockOffsetMeasured(offset_ns=offset_ns, round_trip_ns=round_trip_ns)

    # ---- time --------------------------------------------------------------------------------------------------
    @property
    def next_ns(self) -> int:
        """When `tick` has something to do, in monotonic time; windows are looked at each second."""
        return min(self._due_ns, self._ping_at_ns, self._quiet_at_ns)

    def tick(self, mono_ns: int, now_ns: int) -> None:
        """Whatever is due."""
        if self._due_ns <= mono_ns:
            self._due_ns = NEVER
            self._on_due(mono_ns)
        if self.phase is not Phase.UP:
            return
        if self._quiet_at_ns <= mono_ns:
            self._quiet_at_ns = NEVER
            self._reasons.pop(FAULT, None)
            self._settle("no further fault")
        if self._ping_at_ns <= mono_ns:
            self._on_ping(mono_ns, now_ns)
        self._look_at_windows(now_ns)

    def _on_due(self, mono_ns: int) -> None:
        if self.phase is Phase.WAITING:
            self.phase = Phase.CONNECTING
            self.attempts += 1
            self._due_ns = mono_ns + ns(self._settings.connect_timeout_s)
            self._line.open_socket()
        elif self.phase is Phase.CONNECTING:
            self.fail("no connection in time", abort=True)
        elif self.phase is Phase.HELLO:
            self.fail("the gateway accepts and says nothing", abort=True)
        elif self.phase is Phase.LOGIN:
            lacking = "order ids" if not self._has_ids else "accounts"
            self.fail(f"logged in, and no {lacking} came in time", abort=True)

    def _on_ping(self, mono_ns: int, now_ns: int) -> None:
        """Time for a question, or for the answer to one."""
        if self._pinged_ns and self._pings_lost:
            self.fail("the gateway does not answer: half-open or hung", abort=True)
            return
        if self._pinged_ns:
            self._pings_lost = 1
            self._reasons[PING] = (0, f"the gateway has not answered for {self._settings.ping_timeout_s:g} s")
            self._settle("")
        self._pinged_ns = mono_ns
        self._pinged_at_ns = now_ns
        self._ping_at_ns = mono_ns + ns(self._settings.ping_timeout_s)
        self._line.ping()

    def _look_at_windows(self, now_ns: int) -> None:
        window = self._windows.now(now_ns)
        self._window_until_ns = self._windows.until_ns(now_ns)
        if window and WINDOW not in self._reasons:
            self._reasons[WINDOW] = (0, window)
            self._settle(window)
        elif not window and WINDOW in self._reasons:
            del self._reasons[WINDOW]
            self._settle("the restart window is over")

    # ---- the link ----------------------------------------------------------------------------------------------
    @property
    def reason(self) -> str:
        """Why the link is what it is, for people."""
        if self.link == DEGRADED:
            return "; ".join(words for _, words in self._reasons.values())
        return "" if self.link == READY else self._why

    def _settle(self, why: str) -> None:
        """Tell what the link allows, if that has changed."""
        if self.phase is not Phase.UP:
            self.link = DOWN
        else:
            self.link = DEGRADED if self._reasons else READY
        if self.link == self._told:
            return
        self._told = self.link
        if self.link == READY:
            self._line.link_changed(READY, e.LinkRestored(reason=why))
        elif self.link == DEGRADED:
            code = next(iter(self._reasons.values()))[0]
            until_ns = self._window_until_ns
            self._line.link_changed(DEGRADED, e.LinkDegraded(code=code, reason=self.reason, until_ns=until_ns))
        else:
            self._line.link_changed(DOWN, e.LinkLost(reason=why, until_ns=self._window_until_ns))
