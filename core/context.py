"""What every part of a trader may read: instruments, calendars, reference, market, money and exposure in one object."""

from collections.abc import Callable
from typing import Final

import msgspec

from core.arrivals import Arrivals, LiveRule, with_rule
from core.concentration import Concentration
from core.corporate import Terms, rescaled
from core.events import ReferenceArrived
from core.exposure import Exposure
from core.instruments import Instrument
from core.market import MarketReader
from core.money.state import Money
from core.sessions import Calendar
from core.volume import Volumes

NOT_AWAITED: Final = -1  # as the date of an instrument's reference: the tables of the run are all there is


class Context:
    """What every part may read: one object, made by the composition root, written by the engine alone."""

    __slots__ = (
        "_closes", "_forgetting", "arrivals", "calendars", "concentration", "exposure", "instruments", "market",
        "money", "previous_close_nanos", "reference_dates", "volumes",
    )  # fmt: skip

    def __init__(
        self,
        *,
        instruments: tuple[Instrument, ...],
        calendars: tuple[Calendar, ...],
        previous_close_nanos: list[int],
        closes: dict[int, list[int]] | None = None,
        volumes: Volumes | None = None,
        money: Money,
        market: MarketReader,
        exposure: Exposure,
        reference_awaited: bool = False,
    ) -> None:
        self.instruments = instruments
        self.calendars = calendars  # by instrument
        self.previous_close_nanos = previous_close_nanos  # by instrument; 0 = not known
        self._closes = closes or {}  # by trading date
        self.money = money
        self.market = market
        self.exposure = exposure
        self.volumes = Volumes(len(instruments)) if volumes is None else volumes
        self.concentration = exposure.concentration = Concentration(instruments)
        money.reservations.tell(self.concentration, money.live_orders)
        self.arrivals = Arrivals()
        # By instrument: the day whose slow numbers are complete. Until it is today's, an instrument is not ready.
        self.reference_dates = [0 if reference_awaited else NOT_AWAITED] * len(instruments)
        self._forgetting: list[Callable[[int], None]] = []

    def roll(self, date: int) -> None:
        """A trading day begins: its previous closes, none where the reference has no row for the day."""
        self.previous_close_nanos = list(self._closes.get(date) or [0] * len(self.instruments))
        self.volumes.roll(date)
        for action in self.money.corporate.values():
            if action.rescaled and action.terms.ex_date == date:  # the tables speak of the shares of the day before
                self._scale(action.terms)
        for slow in self.arrivals.slow.values():
            self._take_numbers(slow, date)

    def _scale(self, terms: Terms) -> None:
        closes, adv = self.previous_close_nanos, self.volumes.adv_nanos
        closes[terms.inst], adv[terms.inst] = rescaled(terms, closes[terms.inst], adv[terms.inst])
        for forget in self._forgetting:
            forget(terms.inst)

    def split(self, terms: Terms) -> None:
        """Previous close and volume become those of the new shares, also what the broker told of them today."""
        self._scale(terms)
        self.arrivals.split(terms)

    def _take_numbers(self, slow: ReferenceArrived, date: int) -> None:
        if slow.effective_from != date:
            return
        if slow.previous_close_nanos:
            self.previous_close_nanos[slow.inst] = slow.previous_close_nanos
        self.volumes.take(slow)
        for forget in self._forgetting:
            forget(slow.inst)

    def take_reference(self, slow: ReferenceArrived) -> None:
        """Slow numbers from the broker: they hold on their day, and make the instrument ready when complete."""
        inst = slow.inst
        self.arrivals.slow[inst] = slow
        if self.reference_dates[inst] != NOT_AWAITED:
            self.reference_dates[inst] = 0 if slow.missing else slow.effective_from
        self._take_numbers(slow, self.money.trading_date)

    def take_rule(self, inst: int, rule: LiveRule) -> None:
        """The broker's price increments take the place of the config's."""
        before = self.instruments
        own = before[inst]
        changed = msgspec.structs.replace(own, ticks=with_rule(own.ticks, rule))
        self.instruments = (*before[:inst], changed, *before[inst + 1 :])
        for forget in self._forgetting:
            forget(inst)

    def take_clusters(self, clusters: tuple[tuple[int, ...], ...]) -> None:
        """A worker measured which instruments move together; it takes the place of the measurement before."""
        self.arrivals.clusters = clusters
        self.concentration.set_measured(clusters)

    def load_arrivals(self, arrivals: Arrivals) -> None:
        """From a snapshot."""
        self.arrivals = arrivals
        self.concentration.set_measured(arrivals.clusters)
        for inst, rule in arrivals.rules.items():
            self.take_rule(inst, rule)
        for slow in arrivals.slow.values():
            self.take_reference(slow)

    def on_rules(self, forget: Callable[[int], None]) -> None:
        """Whoever remembers an instrument's rules or volume of the day is told to look again when they change."""
        self._forgetting.append(forget)
