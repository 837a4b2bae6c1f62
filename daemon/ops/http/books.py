"""The books, folded from the journal by one thread, kept and carried on for whoever asks next. They need no running
trader. Knows no HTTP.
"""

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from core.errors import ConfigError, JournalError, QuantdError
from daemon.alerts.tail import began_ns
from daemon.journal_fold import JournalFold
from daemon.state_dir import StateDirectory

FRESH_S: Final = 0.5  # books as young as this are answered without a look at the journal
WAITING_MAX: Final = 8  # questions that wait for the thread; further ones are refused

T = TypeVar("T")


class Busy(QuantdError):
    """Too many ask at once."""


class Books:
    """One fold of one journal."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        self._thread = ThreadPoolExecutor(1, "books")
        self._waiting = 0
        self._fold: JournalFold | None = None
        self._began_ns = 0
        self._advanced_s = 0.0

    async def ask(self, rows: Callable[[JournalFold], T]) -> T:
        """What `rows` makes of the books as they are now. Raises ConfigError, JournalError, Busy."""
        if self._waiting >= WAITING_MAX:
            raise Busy(f"{WAITING_MAX} questions wait for the books already")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, functools.partial(self._answer, rows))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """What waits is dropped; a fold that goes on ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _answer(self, rows: Callable[[JournalFold], T]) -> T:
        try:
            return rows(self._current())
        except (JournalError, ConfigError):
            self._fold = None
            raise

    def _current(self) -> JournalFold:
        """Carried on, or begun anew when the journal is another one."""
        directory = self._state.journal_in_use()
        fold, now_s = self._fold, time.monotonic()
        if fold is not None and now_s - self._advanced_s < FRESH_S:
            return fold
        began = began_ns(directory)
        if fold is None or began != self._began_ns:
            fold = JournalFold(directory)
        else:
            fold.advance()
        self._fold, self._began_ns, self._advanced_s = fold, began, time.monotonic()
        return fold
