"""The feed's items on their way into the machine: up to a moment of the clock, or up to the place of a recorded input.
Reads one item ahead of the machine, so that it is known how far time may go before the next row.
"""

from collections import deque
from typing import Final, Protocol

from broker.feeds.client import Item
from broker.feeds.merge import ControlFact
from broker.feeds.protocol import FeedEnd, RowsBatch
from broker.gateway.machine import GatewayMachine
from broker.gateway.part import NEVER
from core.errors import BrokerFault

ITEMS_AHEAD: Final = 2


class Source(Protocol):
    """Where items come from: a feed process."""

    async def next(self) -> Item: ...


class Tape:
    """A cursor over the feed. `repeated`: control facts that the machine has had already and the feed tells again."""

    def __init__(self, source: Source, machine: GatewayMachine, repeated: list[ControlFact]) -> None:
        self._source = source
        self._machine = machine
        self._repeated = list(repeated)
        self._items: deque[RowsBatch | ControlFact] = deque()
        self._at = 0  # rows done of the first item
        self.ended = False
        self.controls = list(repeated)  # since the last row

    @property
    def wants_more(self) -> bool:
        """Whether the next item should be read now."""
        return not self.ended and len(self._items) < ITEMS_AHEAD

    async def fill(self) -> None:
        """Read one item. Raises what the feed raises."""
        item = await self._source.next()
        if isinstance(item, FeedEnd):
            self.ended = True
        elif isinstance(item, ControlFact) and item in self._repeated:
            self._repeated.remove(item)
        else:
            self._repeated.clear()
            self._items.append(item)

    @property
    def behind(self) -> bool:
        """Whether it is not known what comes next: time must stand still."""
        return not self._items and not self.ended

    @property
    def next_ns(self) -> int:
        """The time of the next row or fact; NEVER when none is known."""
        if not self._items:
            return NEVER
        head = self._items[0]
        return head.ts_ns if isinstance(head, ControlFact) else int(head.rows["ts_ns"][self._at])

    def run(self, until_ns: int, *, rows_max: int) -> bool:
        """Everything at or before `until_ns`, at most so many rows; False when there may be more of it."""
        left = rows_max
        while self._items:
            head = self._items[0]
            if isinstance(head, ControlFact):
                if head.ts_ns > until_ns:
                    return True
                self._control(head)
                continue
            upto = int(head.rows["ts_ns"].searchsorted(until_ns, side="right"))
            if upto <= self._at:
                return True
            if left <= 0:
                return False
            upto = min(upto, self._at + left)
            left -= upto - self._at
            self._rows(head, upto)
        return self.ended

    def run_to(self, *, rows_done: int, facts_done: int) -> bool:
        """Up to the place of a recorded input; False when more must be read first."""
        machine = self._machine
        while machine.rows_done < rows_done or machine.facts_done < facts_done:
            if not self._items:
                return False
            head = self._items[0]
            if isinstance(head, ControlFact):
                self._control(head)
            elif machine.rows_done >= rows_done:
                raise BrokerFault("the feed does not repeat what it gave before: give it back its files and settings")
            else:
                self._rows(head, min(len(head.rows), self._at + rows_done - machine.rows_done))
        return True

    def _control(self, fact: ControlFact) -> None:
        self._items.popleft()
        self._machine.control(fact.ts_ns, fact.event)
        self.controls.append(fact)

    def _rows(self, batch: RowsBatch, upto: int) -> None:
        self._machine.run_rows(batch.rows, self._at, upto)
        self.controls.clear()
        self._at = upto
        if upto == len(batch.rows):
            self._items.popleft()
            self._at = 0
