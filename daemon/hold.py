"""Orders whose records are on their way to the device (`durability = "fsync"` with a live broker): they leave when an
fsync that covers them has returned, in their order. One fsync at a time, in a thread; the loop goes on meanwhile.

Knows no engine: who takes a held order out (a cancel) says so, who releases them dispatches.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from core import commands as c
from daemon.journal import JournalWriter

Records = list[tuple[int, int, Any]]


class Hold:
    """`release` gets what may leave; `fail` the reason why nothing ever may again."""

    def __init__(
        self,
        journal: JournalWriter,
        executor: Executor,
        release: Callable[[Records], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self.waiting: list[tuple[int, Records]] = []  # (committed offset of the records, orders)
        self._journal = journal
        self._executor = executor
        self._release = release
        self._fail = fail
        self._syncing = False

    def keep(self, orders: Records) -> None:
        """Hold the orders of a frame that was just committed."""
        self.waiting.append((self._journal.committed_offset, orders))
        if not self._syncing:
            self._sync()

    def take(self, cancel: Any) -> list[Any]:
        """Take out what a cancel speaks of: those orders and replaces have not left and never will."""
        found: list[Any] = []
        kept: list[tuple[int, Records]] = []
        for offset, orders in self.waiting:
            rest = []
            for record in orders:
                order_id = record[2].order.intent.order_id
                if type(cancel) is c.CancelAllOrders or cancel.order_id == order_id:
                    found.append(record[2])
                else:
                    rest.append(record)
            if rest:
                kept.append((offset, rest))
        self.waiting = kept
        return found

    def drop(self) -> None:
        """Nothing held may leave: the engine failed."""
        self.waiting = []

    def _sync(self) -> None:
        self._syncing = True
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._journal.sync)
        future.add_done_callback(self._synced)

    def _synced(self, future: "asyncio.Future[int]") -> None:
        self._syncing = False
        if future.cancelled():
            return
        fault = future.exception()
        if fault is not None:
            self.drop()
            self._fail(fault if isinstance(fault, Exception) else RuntimeError(str(fault)))
            return
        offset = future.result()
        while self.waiting and self.waiting[0][0] <= offset:
            self._release(self.waiting.pop(0)[1])
        if self.waiting and not self._syncing:
            self._sync()
