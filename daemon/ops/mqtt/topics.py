"""The names of all topics of one bridge, below PREFIX/INSTANCE. Knows no payload."""

from typing import Final

from daemon.config import Config

LEVEL_MAX: Final = 64  # characters of one level that comes from outside
TOPIC_MAX: Final = 256  # characters of a topic that somebody asks us to answer on

STATE: Final = "state"
PNL: Final = "pnl"
POSITIONS: Final = "positions"
FILLS: Final = "fills"
ALERTS: Final = "alerts"
HEARTBEAT: Final = "heartbeat"


class Topics:
    """Of one bridge."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.availability = f"{base}/availability"
        self.command = f"{base}/command"
        self.reply = f"{base}/reply"
        self.features = f"{base}/feature/#"

    def of(self, name: str) -> str:
        """A topic of telemetry."""
        return f"{self.base}/{name}"

    def answered_on(self, asked: str) -> str | None:
        """Where a reply goes; None = not on a topic that is none of ours."""
        if not asked:
            return self.reply
        rest = asked.removeprefix(f"{self.reply}/")
        if rest == asked or len(asked) > TOPIC_MAX or not all(_is_level(level) for level in rest.split("/")):
            return None
        return asked

    def shown(self, topic: str) -> str:
        """One of ours as people are told of it: what replies are asked for on is somebody else's word."""
        return self.reply if topic.startswith(f"{self.reply}/") else topic

    def feature_of(self, topic: str) -> tuple[str, str | None] | None:
        """(name, symbol or None) of a topic of numbers from outside; None = it is no such topic."""
        levels = topic.removeprefix(f"{self.base}/feature/").split("/")
        if not topic.startswith(f"{self.base}/feature/") or len(levels) > 2 or not all(map(_is_level, levels)):
            return None
        return levels[0], levels[1] if len(levels) == 2 else None


def topics_of(config: Config) -> Topics:
    """As the config names them."""
    mqtt = config.ops.mqtt
    return Topics(f"{mqtt.prefix}/{mqtt.instance or config.account.tag}")


def _is_level(level: str) -> bool:
    return 0 < len(level) <= LEVEL_MAX and level.isprintable() and not any(c in "+#" for c in level)
