"""How the bridge stands with its broker: since when no session lasts, and what the broker refuses to take. Pure: times
are handed in. Knows no socket.

A session that ends within seconds counts as none: two clients with one name throw each other off for ever, and a broker
may cut whoever publishes what it does not allow.
"""

from collections.abc import Collection
from typing import Final

from daemon.ops.view import MqttPicture

STEADY_S: Final = 5.0  # a session that lasted so long is one


class Standing:
    """Of one bridge."""

    def __init__(self, now_s: float) -> None:
        self.fault = ""  # why the last session ended, or could not begin; without secrets
        self._well_s = now_s  # until then there was one that lasted; before the first: since we try
        self._began_s: float | None = None  # the present one; None = there is none
        self._sessions = 0  # begun since then
        self._denied: dict[str, str] = {}  # by topic: why it is not taken

    def connected(self, now_s: float) -> None:
        """A session has begun."""
        self._began_s = now_s
        self._sessions += 1

    def lost(self, now_s: float, fault: str = "") -> None:
        """It has ended, or none could begin; "" = there is no new reason."""
        if self._steady(now_s):
            self._well_s, self._sessions = now_s, 0
        self._began_s = None
        self.fault = fault or self.fault

    def _steady(self, now_s: float) -> bool:
        return self._began_s is not None and now_s - self._began_s >= STEADY_S

    # ---- what is not taken -------------------------------------------------------------------------------------
    def denied(self, topic: str, reason: str) -> bool:
        """The broker did not take a message; True = that is news of this topic."""
        news = self._denied.get(topic) != reason
        self._denied[topic] = reason
        return news

    def taken(self, topic: str) -> None:
        """It took one."""
        self._denied.pop(topic, None)

    def keep_denied(self, topics: Collection[str]) -> None:
        """Of all others nothing waits any more: whether they would be taken now is not known."""
        self._denied = {topic: why for topic, why in self._denied.items() if topic in topics}

    def picture(self, now_s: float) -> MqttPicture:
        """As the other parts see it."""
        return MqttPicture(
            away_since_s=0.0 if self._steady(now_s) else self._well_s,
            sessions=self._sessions,
            fault=self.fault,
            denied=tuple(f"{topic} ({why})" for topic, why in self._denied.items()),
        )
