"""How often history may be asked for, in the gateway's time and over all clients of the account.
Knows no answer: it says whether a request is one too many.
"""

from collections import deque
from typing import Final

from core.units import NANO

SMALL_STEP_NS: Final = 30 * NANO  # bars up to this long count
SMALL_MAX: Final = 60
SMALL_WINDOW_NS: Final = 600 * NANO
SAME_WINDOW_NS: Final = 15 * NANO
CONTRACT_MAX: Final = 5
CONTRACT_WINDOW_NS: Final = 2 * NANO
OPEN_MAX: Final = 50
TICKS_WINDOW_NS: Final = 15 * NANO

VIOLATION: Final = "Historical data request pacing violation"


class HistoryPacing:
    """Remembers what was asked lately; everything older than its window is forgotten, so it stays small."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._small: deque[int] = deque(maxlen=SMALL_MAX)
        self._asked: dict[tuple[object, ...], int] = {}
        self._contracts: dict[tuple[object, ...], deque[int]] = {}

    def refuses(self, now_ns: int, *, what: tuple[object, ...], contract: tuple[object, ...], step_ns: int) -> bool:
        """Whether one more request breaks a rule; one that does not is counted. `what` is all of it, `contract` the
        contract, exchange and kind of data.
        """
        if not self._enabled:
            return False
        self._forget(now_ns)
        recent = self._contracts.get(contract, deque())
        weight = 2 if "BID_ASK" in what else 1
        small = 0 < step_ns <= SMALL_STEP_NS
        if what in self._asked or len(recent) >= CONTRACT_MAX or (small and len(self._small) + weight > SMALL_MAX):
            return True
        self._asked[what] = now_ns
        self._contracts.setdefault(contract, deque(maxlen=CONTRACT_MAX)).append(now_ns)
        if small:
            self._small.extend([now_ns] * weight)
        return False

    def _forget(self, now_ns: int) -> None:
        while self._small and self._small[0] <= now_ns - SMALL_WINDOW_NS:
            self._small.popleft()
        self._asked = {what: asked for what, asked in self._asked.items() if asked > now_ns - SAME_WINDOW_NS}
        for contract, recent in list(self._contracts.items()):
            while recent and recent[0] <= now_ns - CONTRACT_WINDOW_NS:
                recent.popleft()
            if not recent:
                del self._contracts[contract]


class TickPacing:
    """One request of a kind of ticks per instrument in fifteen seconds."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._asked: dict[tuple[object, ...], int] = {}

    def refuses(self, now_ns: int, what: tuple[object, ...]) -> bool:
        """Whether one more request comes too early; one that does not is counted."""
        if not self._enabled:
            return False
        self._asked = {asked: at for asked, at in self._asked.items() if at > now_ns - TICKS_WINDOW_NS}
        if what in self._asked:
            return True
        self._asked[what] = now_ns
        return False
