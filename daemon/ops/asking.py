"""Questions to the trader from a thread of its own: one connection, one question at a time, deadlines everywhere, so that
a trader that hangs holds up nobody's loop. Knows no question.
"""

import asyncio
import contextlib
import errno
import queue
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import QuantdError, Refused
from daemon.control.client import CommandFailed, ControlClient, NotReachable

ANSWER_S: Final = 2.0  # the trader's longest wait for one answer; it takes microseconds
ASKED_MAX: Final = 16  # questions that wait; further ones are refused
ASK_S: Final = 5.0  # the longest wait for one, its turn included


class TooMany(QuantdError):
    """More is asked of the trader than it should be bothered with."""


class Line:
    """One connection to the trader, opened when it is needed. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client: ControlClient | None = None

    def request(self, command: str, **fields: Any) -> msgspec.Raw:
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


def nobody_there(fault: Exception) -> bool:
    """Whether nobody listens on the socket: not started, recovering, or gone; else somebody does and does not answer."""
    cause = fault.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOENT, errno.ECONNREFUSED)


class Asker:
    """A thread that asks. `ask` is for the loop's thread."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._questions: queue.Queue[_Question | None] = queue.Queue(ASKED_MAX)
        self._closed = False
        # A daemon thread: what hangs in it must not keep the process.
        self._thread = threading.Thread(target=self._answer_on, name=name, daemon=True)
        self._thread.start()

    async def ask(self, command: str, **fields: Any) -> msgspec.Raw:
        """The trader's answer, in turn. Raises NotReachable, CommandFailed, Refused, TooMany."""
        question = _Question(command, fields)
        try:
            self._questions.put_nowait(question)
        except queue.Full:
            raise TooMany(f"{ASKED_MAX} questions to the trader wait already") from None
        try:
            async with asyncio.timeout(ASK_S):
                return await asyncio.wrap_future(question.answer)
        except TimeoutError:
            raise NotReachable(f"the trader did not answer within {ASK_S:g} s") from None

    def close(self) -> None:
        """What waits is not asked any more."""
        self._closed = True
        with contextlib.suppress(queue.Full):
            self._questions.put_nowait(None)

    def _answer_on(self) -> None:
        line = Line(self._path)
        while (question := self._questions.get()) is not None and not self._closed:
            if question.answer.set_running_or_notify_cancel():
                question.settle(line)
        line.hang_up()


class _Question:
    def __init__(self, command: str, fields: dict[str, Any]) -> None:
        self.command = command
        self.fields = fields
        self.answer: Future[msgspec.Raw] = Future()

    def settle(self, line: Line) -> None:
        """Ask, whatever comes of it."""
        try:
            self.answer.set_result(line.request(self.command, **self.fields))
        except (NotReachable, CommandFailed, Refused) as fault:
            self.answer.set_exception(fault)
        except Exception as fault:  # edge: a thread that ends would leave every later question without an answer
            self.answer.set_exception(CommandFailed(f"{type(fault).__name__}: {fault}"))
