"""Numbers from outside: of each the newest, told to the trader so many a second. Only those that the config names;
without a signature, so whoever may write to their topics moves the models that read them.
"""

import asyncio
import math
import time
from typing import Final

from core.units import NANO
from daemon.config import Config
from daemon.control.client import NotReachable
from daemon.ops.mqtt import counters as n
from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt.line import TraderLine
from daemon.ops.mqtt.refusals import Refused
from daemon.ops.mqtt.topics import Topics

AHEAD_NS_MAX: Final = 2 * NANO  # a clock may be that much ahead of ours
AGE_S_MIN: Final = 0.001  # less is left of it: too old


class Features:
    """`take` each message, `tell` as long as the bridge runs."""

    def __init__(self, config: Config, topics: Topics, line: TraderLine, counted: n.Counters) -> None:
        self._names = config.ops.mqtt.features
        self._symbols = config.symbols
        self._pace_s = 1.0 / config.ops.mqtt.features_per_second
        self._topics = topics
        self._line = line
        self._counted = counted
        self._newest: dict[tuple[str, str | None], m.Feature] = {}  # bounded: names and symbols of the config
        self._some = asyncio.Event()

    def take(self, topic: str, content: bytes, *, retained: bool) -> None:
        """One message. Raises Refused."""
        place = self._topics.feature_of(topic)
        if place is None:
            raise Refused(n.TOPIC, "no feature: the topic ends in feature/NAME or feature/NAME/SYMBOL")
        name, symbol = place
        if name not in self._names:
            raise Refused(n.NOT_TAKEN, f"feature {name!r}: ops.mqtt.features names {', '.join(self._names) or 'none'}")
        if symbol is not None and symbol not in self._symbols:
            raise Refused(n.NOT_TAKEN, f"feature {name}: {symbol!r} is no instrument of this trader")
        if retained:
            raise Refused(n.RETAINED, f"feature {name}: must not be retained: nobody knows how old it is")
        given = _decoded(name, content)
        if given.as_of_ns > time.time_ns() + AHEAD_NS_MAX:
            raise Refused(n.MALFORMED, f"feature {name}: as_of_ns is ahead of our clock: nanoseconds since 1970, UTC?")
        if _left_s(given) < AGE_S_MIN:
            raise Refused(n.STALE, f"feature {name}: older than its age_s when it came")
        before = self._newest.get(place)
        if before is None or before.as_of_ns <= given.as_of_ns:
            self._newest[place] = given
            self._some.set()

    async def tell(self) -> None:
        """One after the other, the one that waits longest first."""
        while True:
            self._some.clear()
            if not self._newest:
                await self._some.wait()
            place = next(iter(self._newest))
            await self._tell(*place, self._newest.pop(place))
            await asyncio.sleep(self._pace_s)

    async def _tell(self, name: str, symbol: str | None, given: m.Feature) -> None:
        left_s = _left_s(given)
        if left_s < AGE_S_MIN:
            return
        named = {} if symbol is None else {"symbol": symbol}
        try:
            answer = await self._line.request("feature", name=name, value=given.value, age_s=left_s, **named)
        except NotReachable:
            return  # a trader that is not there trades on nothing; the next number finds it
        self._counted.features += answer.ok
        if not answer.ok:
            self._counted.features_refused += 1


def _decoded(name: str, content: bytes) -> m.Feature:
    try:
        given = m.decode_feature(content)
    except m.DECODE_FAULTS as fault:
        text = "nested too deep" if isinstance(fault, RecursionError) else str(fault)
        raise Refused(n.MALFORMED, f"feature {name}: {text}") from None
    if not math.isfinite(given.value):
        raise Refused(n.MALFORMED, f"feature {name}: value is no number")
    return given


def _left_s(given: m.Feature) -> float:
    """How long it is still good for; counted from when it was measured, not from when it came."""
    return given.age_s - max(0, time.time_ns() - given.as_of_ns) / NANO
