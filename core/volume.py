"""How much a name trades: its average day, and what the present interval brings (control 8). Fed with the reference of
the day and read by gate and desk; what traded so far is counted in the market row (core/market.py). Knows no order.

The rule for the volume of the last five minutes (`VOLUME_INTERVAL_NS`), in share nanos:

1. *Traded*: the running five-minute slot and as much of the slot before as still lies within five minutes. It counts
   when prints were seen without a gap for five minutes, and in regular hours when these began five minutes ago.
2. *Expected*: average daily volume times the share of the slot in the day's volume curve; without a curve the even
   share of the session. None outside regular hours: the average is that of the regular day.
3. Until rule 1 can speak, the larger of both. An entry is judged by 1 alone afterwards: a name that has stopped trading
   takes no new order. An exit always takes the larger of both: it has to get out.
"""

from typing import Final

from core.events import ReferenceArrived
from core.market import VOLUME_INTERVAL_NS

MINUTE_NS: Final = 60 * 10**9
SLOT_MINUTES: Final = VOLUME_INTERVAL_NS // MINUTE_NS
PPM: Final = 1_000_000


class Volumes:
    """Average daily volume and curve of every instrument on the present trading day; 0 = not known."""

    __slots__ = ("_by_date", "_slots", "adv_nanos")

    def __init__(
        self, instruments: int, *, adv_nanos: list[int] | None = None, by_date: dict[int, list[int]] | None = None
    ) -> None:
        self.adv_nanos = [0] * instruments if adv_nanos is None else adv_nanos
        self._by_date = by_date or {}
        self._slots: list[tuple[int, ...]] = [() for _ in range(instruments)]

    def roll(self, date: int) -> None:
        """A trading day begins: what the tables say of exactly this day, else nothing."""
        instruments = len(self.adv_nanos)
        self.adv_nanos = list(self._by_date.get(date) or [0] * instruments)
        self._slots = [() for _ in range(instruments)]

    def take(self, slow: ReferenceArrived) -> None:
        """The broker's numbers of the present day."""
        if slow.adv_nanos:
            self.adv_nanos[slow.inst] = slow.adv_nanos
        curve = slow.curve_ppm
        self._slots[slow.inst] = tuple(
            sum(curve[at : at + SLOT_MINUTES]) for at in range(0, len(curve), SLOT_MINUTES)
        )  # fmt: skip

    def curve(self, inst: int) -> tuple[int, ...]:
        """Share of the regular day's volume in each five minutes from the open, in parts per million; () = unknown."""
        return self._slots[inst]

    def expected_nanos(self, inst: int, ts_ns: int, open_ns: int, close_ns: int) -> int:
        """Rule 2: what five minutes around a time of the regular session [open, close) usually bring."""
        if not open_ns <= ts_ns < close_ns:
            return 0
        adv, slots = self.adv_nanos[inst], self._slots[inst]
        if not slots:
            return adv * VOLUME_INTERVAL_NS // (close_ns - open_ns)
        slot = (ts_ns - open_ns) // VOLUME_INTERVAL_NS
        return adv * slots[slot] // PPM if slot < len(slots) else 0


def traded_nanos(ts_ns: int, from_ns: int, running: int, before: int) -> int:
    """Rule 1's number from the row's slot: `running` since `from_ns`, `before` in the slot ahead of it."""
    age = ts_ns - from_ns
    if age < VOLUME_INTERVAL_NS:
        return running + before * (VOLUME_INTERVAL_NS - age) // VOLUME_INTERVAL_NS
    if age < 2 * VOLUME_INTERVAL_NS:
        return running * (2 * VOLUME_INTERVAL_NS - age) // VOLUME_INTERVAL_NS
    return 0
