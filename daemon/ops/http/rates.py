"""How often somebody may ask: a bucket of requests for each name, refilled steadily. Bounded, whoever asks."""

from collections import OrderedDict
from typing import Final

NAMES_MAX: Final = 1_024  # remembered; the one that was quiet longest is forgotten


class Rates:
    """`per_minute` requests for each name, of which as many may come at once."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._per_s = per_minute / 60.0
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> (requests left, as of)

    def take(self, name: str, now_s: float) -> float:
        """0 = go on; else after how many seconds to ask again."""
        left, then_s = self._left.pop(name, (self._most, now_s))
        left = min(self._most, left + (now_s - then_s) * self._per_s)
        allowed = left >= 1.0
        self._left[name] = (left - 1.0 if allowed else left, now_s)
        while len(self._left) > NAMES_MAX:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_s
