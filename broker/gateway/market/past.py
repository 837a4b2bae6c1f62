"""The past of every instrument: what the tape has seen, and before it what the operator has recorded or what is made
up, as the setting says. Decides which it is; knows no client.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.gateway.market.bars import MINUTE_NS
from broker.gateway.market.recorded import RecordedDays, RecordedHistory
from broker.gateway.market.series import BeforeTape, Span, base_step, check_length, series
from broker.gateway.market.settings import MADE_UP_HISTORY, NO_HISTORY, MarketSettings
from broker.gateway.market.synthetic import SyntheticHistory
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.times import DAY
from broker.gateway.part import World
from core.instruments import rule_on

# Sessions that are added up together: while it was a year at once, the process grew by 25 MiB a night (`make drill
# NAME=soak`), and by 1 to 3 MiB since.
AT_ONCE: Final = 21


class Past:
    """Bars over parts of sessions, and where the past begins."""

    def __init__(
        self, world: World, tape: MarketTape, settings: MarketSettings, adv_nanos: Mapping[tuple[int, int], int],
        recorded: Sequence[RecordedDays] = (),
    ) -> None:  # fmt: skip
        """`adv_nanos`: known average volumes by (inst, date). `recorded`: the operator's bars, by instrument."""
        self._world, self._tape, self._settings, self._adv_nanos = world, tape, settings, adv_nanos
        self._recorded = recorded
        self._before: dict[tuple[int, int], BeforeTape] = {}  # by instrument and first date of the tape
        self._days: dict[int, tuple[tuple[int, ...], NDArray[Any]]] = {}  # the newest days before the tape told of each

    def bars(self, inst: int, covered: list[Span], step_ns: int) -> NDArray[Any]:
        """As `series.series`. Days before the tape are added up once: a year of them out of minutes takes half a
        second, and a client whose market runs fast asks again before that.
        """
        before = self.before(inst)
        if step_ns != DAY or before is None:
            return series(self._tape, before, inst, covered, step_ns, self._world.now_ns)
        first = self.first_date(inst)
        earlier = [span for span in covered if span.window.date < first]
        since = covered[len(earlier) :]
        parts = [self._earlier_days(inst, first, before, earlier)] if earlier else []
        if since or not parts:
            parts.append(series(self._tape, before, inst, since, step_ns, self._world.now_ns))
        return np.concatenate(parts)

    def _earlier_days(self, inst: int, first: int, before: BeforeTape, covered: list[Span]) -> NDArray[Any]:
        key = (first, len(covered), covered[0].start_ns, covered[-1].end_ns)
        kept = self._days.get(inst)
        if kept is None or kept[0] != key:
            check_length(covered, base_step(DAY))
            parts = [
                series(self._tape, before, inst, covered[at : at + AT_ONCE], DAY, self._world.now_ns)
                for at in range(0, len(covered), AT_ONCE)
            ]
            kept = self._days[inst] = (key, np.concatenate(parts))
        return kept[1]

    def first_date(self, inst: int) -> int:
        """The first date of the feed for an instrument; before its first row today's."""
        windows = self._tape.windows_of(inst)
        day = windows.local(int(self._tape.days[inst]["first_ns"]) or self._world.now_ns)
        number = day.year * 10_000 + day.month * 100 + day.day
        sessions = windows.every(True)
        at = windows.index(number)
        return sessions[at].date if at < len(sessions) else number

    def start_ns(self, inst: int, *, regular: bool) -> int:
        """The earliest moment there is anything of; 0 = there is nothing."""
        before = self.before(inst)
        if before is not None and before.first_ns:
            return before.first_ns
        first_ns = int(self._tape.days[inst]["first_ns"])
        if first_ns and regular:
            windows = self._tape.windows_of(inst)
            at = windows.index(self.first_date(inst))
            every = windows.every(True)
            return max(first_ns, every[at].start_ns) if at < len(every) else first_ns
        return first_ns

    def before(self, inst: int) -> BeforeTape | None:
        """What there is before the feed; None by setting, or while no price is known to begin with."""
        if self._settings.history == NO_HISTORY:
            return None
        first = self.first_date(inst)
        found = self._before.get((inst, first))
        if found is None and self._settings.history != MADE_UP_HISTORY:
            windows = self._tape.windows_of(inst)
            sessions = windows.every(True)[: windows.index(first)]
            found = self._before[(inst, first)] = RecordedHistory(sessions=sessions, days=self._recorded[inst])
        if found is None:
            anchor = self._tape.previous_close(inst, first) or self._first_price(inst)
            windows = self._tape.windows_of(inst)
            sessions = windows.every(True)[: windows.index(first)]
            if not anchor or not sessions:
                return None
            instrument = self._world.instruments[inst]
            ticks = rule_on(instrument.ticks, sessions[-1].date) or instrument.ticks[0]
            found = self._before[(inst, first)] = SyntheticHistory(
                symbol=instrument.symbol, sessions=sessions, anchor_nanos=anchor,
                adv_nanos=self._adv_nanos.get((inst, first), 0), ticks=ticks,
            )  # fmt: skip
        return found

    def _first_price(self, inst: int) -> int:
        """The first price of the feed, print or quote; it must not change as time goes on."""
        bars = self._tape.bars(inst, MINUTE_NS)[:1]
        for name in ("open", "bid_open", "ask_open"):
            if len(bars) and bars[0][name]:
                return int(bars[0][name])
        return 0
