"""What the ops process knows: one look at the trader, its follower and its guard every half second, for all its parts.

The look is made in a thread of its own with a deadline for every answer, so that a trader that hangs, or a disk that
does, holds up nothing here. Knows no HTTP, no MQTT and no cluster.
"""

import asyncio
import contextlib
import errno
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import QuantdError, Refused
from daemon.config import Config
from daemon.control.client import CommandFailed, ControlClient, NotReachable
from daemon.control.messages import COMMANDS
from daemon.ops.http.counts import Counts
from daemon.ops.metrics.folder import Folder, look_at
from daemon.ops.metrics.scores import Scores
from daemon.ops.mqtt.line import TraderLine
from daemon.state_dir import StateDirectory
from daemon.status.alerts import DeliveryPicture, delivers, read_delivery
from daemon.status.follower import FollowerNews, FollowerPicture, is_locked, is_running, read_picture
from daemon.status.guard import GuardPicture, guard_news, guard_runs, read_guard
from daemon.status.picture import Status, decode_status

LOOK_S: Final = 0.5
ANSWER_S: Final = 2.0  # the trader's longest wait for one answer; it takes microseconds
ASKED_MAX: Final = 16  # questions that wait; further ones are refused

MEASURES: Final = "measures"
ABSENT: Final = "absent"  # nobody listens: not started, recovering, or gone
SILENT: Final = "silent"  # somebody listens and does not answer
ANSWERS: Final = "answers"


class TooMany(QuantdError):
    """More is asked of the trader than it should be bothered with."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One look. Times are this process's monotonic clock."""

    at_s: float
    trader: str  # absent | silent | answers
    fault: str = ""  # why it does not answer
    status: Status | None = None  # the last one it gave; `answered_s` says when
    answered_s: float = 0.0  # 0 = never
    answer_s: float = 0.0  # how long the last answer took: the trader's loop, seen from outside
    silent_since_s: float = 0.0  # since it stopped answering while it listens; 0 = it answers, or nobody is there
    trader_runs: bool = False  # a process holds the trader's lock
    measures: msgspec.Raw | None = None  # the answer to `measures`, as JSON
    drifts: dict[str, float | None] = {}  # by strategy: of its model's scores; None = too little is known
    follower_runs: bool = False
    follower: FollowerPicture | None = None
    guard_runs: bool = False
    guard: GuardPicture | None = None
    guard_news: FollowerNews | None = None  # None = there is nothing to guard
    delivery: DeliveryPicture | None = None  # who tells people of alerts, and how that goes; None = nobody does
    folder: Folder | None = None  # journal, disk and lease


class LeasePicture(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster's lease as the ops process knows it (daemon/ops/cluster.py)."""

    holder: str = ""  # as the object names it
    held: bool = False  # by us
    left_s: float = 0.0  # of what was confirmed
    fault: str = ""  # why the last request came to nothing
    told: str = ""  # why the trader did not take it; "" = it did, or there is none


class MqttPicture(msgspec.Struct, frozen=True, kw_only=True):
    """How the bridge stands with its MQTT broker (daemon/ops/mqtt/standing.py)."""

    away_since_s: float = 0.0  # monotonic clock: no session has lasted since then; 0 = one does
    sessions: int = 0  # begun since then, none of which lasted
    fault: str = ""  # why the last one ended, or could not begin
    denied: tuple[str, ...] = ()  # topics that the broker does not take, with its reason


class View:
    """Use as an async context: the looks go on as long as it lasts. Everything here is for the loop's thread."""

    def __init__(self, config: Config, *, look_s: float = LOOK_S) -> None:
        self.config = config
        self.state = StateDirectory(Path(config.state_dir))
        self.began_s = time.monotonic()
        self.looks = 0
        self.parts: tuple[str, ...] = ()  # those that should run (daemon/ops/process.py)
        self.restarts: dict[str, int] = {}  # of parts, by name (daemon/ops/process.py counts them)
        self.faults: dict[str, str] = {}  # why a part does not run now
        self.counted: dict[str, dict[str, int]] = {}  # by part: what it counts of its own work
        self.served: Counts | None = None  # what was answered by HTTP
        self.lease: LeasePicture | None = None  # of the cluster, where one is asked
        self.mqtt: MqttPicture | None = None  # of the bridge, where there is one
        self._look_s = look_s
        self._scores = Scores(config)
        self._seen = Seen(at_s=self.began_s, trader=ABSENT, fault="not looked yet", drifts=self._scores.ratios)
        self._new = asyncio.Event()
        self._end = threading.Event()
        self._asked = TraderLine(Path(config.control.socket))
        self._turn = asyncio.Lock()
        self._asking = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> "View":
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._look_on, name="look", daemon=True).start()  # a disk that hangs must not keep us
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end.set()
        self._asked.hang_up()

    # ---- what was seen -----------------------------------------------------------------------------------------
    @property
    def seen(self) -> Seen:
        """The last look, whole."""
        return self._seen

    @property
    def status(self) -> Status | None:
        """The trader's last picture, while it answers."""
        return self._seen.status if self._seen.trader == ANSWERS else None

    @property
    def status_age_s(self) -> float:
        """Since the trader last answered; infinite = it never did."""
        return time.monotonic() - self._seen.answered_s if self._seen.answered_s else float("inf")

    @property
    def measures(self) -> msgspec.Raw | None:
        """The trader's counters and latencies of the last look, as JSON; None while it does not answer."""
        return self._seen.measures

    @property
    def follower(self) -> FollowerPicture | None:
        """As it last wrote about itself; also of one that has ended."""
        return self._seen.follower

    @property
    def guard(self) -> GuardPicture | None:
        """As it last wrote about itself; also of one that has ended."""
        return self._seen.guard

    @property
    def age_s(self) -> float:
        """Since the last look was finished."""
        return time.monotonic() - self._seen.at_s

    async def next_look(self) -> Seen:
        """Wait for the next one; whoever sends on what is new calls this in a loop."""
        await self._new.wait()
        return self._seen

    # ---- questions ---------------------------------------------------------------------------------------------
    async def ask(self, command: str, **fields: Any) -> msgspec.Raw:
        """The trader's answer to one question, in turn. Raises NotReachable, CommandFailed, Refused, TooMany."""
        if self._asking >= ASKED_MAX:
            raise TooMany(f"{ASKED_MAX} questions to the trader wait already: ask less often")
        self._asking += 1
        try:
            async with self._turn:
                answer = await self._asked.request(command, **fields)
        finally:
            self._asking -= 1
        if answer.ok:
            return answer.result
        raise Refused(answer.error) if answer.refused else CommandFailed(answer.error)

    # ---- the thread --------------------------------------------------------------------------------------------
    def _look_on(self) -> None:
        line, seen = _Line(Path(self.config.control.socket)), self._seen
        while not self._end.is_set():
            began_s = time.monotonic()
            seen = self._look(line, seen)
            self._tell(seen)
            self._end.wait(max(0.0, self._look_s - (time.monotonic() - began_s)))
        line.hang_up()
        self._scores.keep()

    def _look(self, line: "_Line", before: Seen) -> Seen:
        folder = self.state.path
        trader, status, measures, answer_s = line.look()
        now_s = time.monotonic()
        answers = trader == ANSWERS
        return Seen(
            at_s=now_s,
            trader=trader,
            fault=line.fault,
            status=status if answers else before.status,
            answered_s=now_s if answers else before.answered_s,
            answer_s=answer_s,
            silent_since_s=0.0 if trader != SILENT else before.silent_since_s or now_s,
            trader_runs=is_locked(self.state.lock_file),
            measures=measures,
            drifts=self._scores.look(measures, now_s),
            follower_runs=is_running(folder),
            follower=read_picture(folder),
            guard_runs=guard_runs(folder),
            guard=read_guard(folder),
            guard_news=guard_news(folder),
            delivery=read_delivery(folder) if delivers(folder) else None,
            folder=look_at(self.state),
        )

    def _tell(self, seen: Seen) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._take, seen)

    def _take(self, seen: Seen) -> None:
        self._seen = seen
        self.looks += 1
        self._new.set()
        self._new = asyncio.Event()


class _Line:
    """One connection to the trader, opened when it is needed. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client: ControlClient | None = None
        self.fault = ""

    def look(self) -> tuple[str, Status | None, msgspec.Raw | None, float]:
        """(how the trader is, its picture, its measures, seconds it took to answer)."""
        self.fault = ""
        measures: msgspec.Raw | None = None
        try:
            began_s = time.monotonic()
            status = decode_status(self.request("status", {}))
            answer_s = time.monotonic() - began_s
            if MEASURES in COMMANDS:
                with contextlib.suppress(CommandFailed):  # a trader of an earlier release does not know the word
                    measures = self.request(MEASURES, {})
        except (CommandFailed, Refused, msgspec.DecodeError, NotReachable) as fault:
            self.fault = str(fault)
            return ABSENT if _nobody_there(fault) else SILENT, None, None, 0.0
        return ANSWERS, status, measures, answer_s

    def request(self, command: str, fields: dict[str, Any]) -> msgspec.Raw:
        """One question; opens the line anew when the trader has hung up. Raises what ControlClient does."""
        fresh = self._client is None
        try:
            return self._request(command, fields)
        except NotReachable as fault:
            if fresh or isinstance(fault.__cause__, TimeoutError):
                raise
        return self._request(command, fields)  # closed for having been silent longest, or of a run before

    def _request(self, command: str, fields: dict[str, Any]) -> msgspec.Raw:
        try:
            if self._client is None:
                self._client = ControlClient(self._path, timeout_s=ANSWER_S)
            return self._client.request(command, **fields)
        except NotReachable:
            self.hang_up()  # a late answer would be taken for that of the next question
            raise

    def hang_up(self) -> None:
        """Close it."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _nobody_there(fault: Exception) -> bool:
    cause = fault.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOENT, errno.ECONNREFUSED)
