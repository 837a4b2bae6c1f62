"""What waits to be published: replies first, then fills and alerts, which are kept long, then pictures, of which only
the newest counts. Bounded; what gives way is counted. What the broker refuses waits too, and keeps nothing else back.
For one loop; knows no broker.
"""

import asyncio
from collections import deque
from typing import Final

import msgspec

REPLIES_MAX: Final = 256

REPLY: Final = "reply"
FILL: Final = "fill"
ALERT: Final = "alert"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One publication."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1


class Outbox:
    """Put at any time; one taker, which says when a message has arrived."""

    def __init__(self, kept_max: int) -> None:
        self._queues: dict[str, deque[Message]] = {kind: deque() for kind in (REPLY, FILL, ALERT)}
        self._most = {REPLY: REPLIES_MAX, FILL: kept_max, ALERT: kept_max}
        self._newest: dict[str, Message] = {}
        self._held: set[str] = set()  # topics that the broker did not take
        self._some = asyncio.Event()
        self.dropped = dict.fromkeys(self._queues, 0)  # never told, because the queue was full
        self.replaced = 0  # pictures that a newer one replaced before they were told
        self.published = 0

    def __len__(self) -> int:
        return sum(map(len, self._queues.values())) + len(self._newest)

    def put(self, kind: str, message: Message) -> None:
        """One that counts by itself; the oldest of its kind makes room."""
        queue = self._queues[kind]
        if len(queue) >= self._most[kind]:
            queue.popleft()
            self.dropped[kind] += 1
        queue.append(message)
        self._some.set()

    def show(self, message: Message) -> None:
        """A picture: it takes the place of the one before on its topic."""
        self.replaced += message.topic in self._newest
        self._newest[message.topic] = message
        self._some.set()

    async def next(self) -> Message:
        """The next to publish; it stays here until `arrived`."""
        while (message := self._first()) is None:
            self._some.clear()
            await self._some.wait()
        return message

    def arrived(self, message: Message) -> None:
        """The broker has it."""
        self.published += 1
        for queue in self._queues.values():
            if queue and queue[0] is message:
                queue.popleft()
                return
        if self._newest.get(message.topic) is message:
            del self._newest[message.topic]

    # ---- what is refused ---------------------------------------------------------------------------------------
    @property
    def held(self) -> frozenset[str]:
        """Topics on which something waits that the broker did not take."""
        return frozenset(self._held)

    def refused(self, message: Message) -> None:
        """It did not take this one: its topic is held until `again`. A reply is dropped: nobody waits so long."""
        replies = self._queues[REPLY]
        if replies and replies[0] is message:
            replies.popleft()
            self.dropped[REPLY] += 1
        else:
            self._held.add(message.topic)

    def again(self) -> None:
        """Nothing is held any more: the broker may have changed its mind."""
        self._held.clear()
        self._some.set()

    def _first(self) -> Message | None:
        for queue in self._queues.values():
            if queue and queue[0].topic not in self._held:
                return queue[0]
        return next((message for topic, message in self._newest.items() if topic not in self._held), None)
