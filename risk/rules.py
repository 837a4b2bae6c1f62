"""The dated rules of one instrument on one day, and its hours. Owns no limit, knows no order."""

from typing import Final

from core.instruments import Instrument, LotRule, TickRule, increment_at, rule_on
from core.sessions import Session


class Rules:
    """The dated rules of one instrument on one day, and its hours; 0 where there is none (the gate denies).
    One day is looked up once, and again when the broker gives another tick rule or volume.
    """

    __slots__ = (
        "close_ns", "complete", "date", "expected_nanos", "expected_until_ns", "from_ns", "increment",
        "lot_increment", "lot_minimum", "moc_cutoff_ns", "open_ns", "ticks", "until_ns",
    )  # fmt: skip

    def __init__(self, instrument: Instrument | None, session: Session | None) -> None:
        date = 0 if session is None else session.date
        ticks: TickRule | None = None
        lots: LotRule | None = None
        if instrument is not None:
            ticks = rule_on(instrument.ticks, date)
            lots = rule_on(instrument.lots, date)
        self.date = date
        self.expected_nanos = self.expected_until_ns = 0  # volume of the running slot, by risk/liquidity.py
        self.from_ns = self.until_ns = 0  # the session from pre-open to post-close, where the table speaks for it
        self.open_ns = 0 if session is None else session.open_ns
        self.close_ns = 0 if session is None else session.close_ns
        self.moc_cutoff_ns = 0 if session is None else session.moc_cutoff_ns
        self.ticks = ticks
        # One band is the ordinary case: its increment needs no search.
        self.increment = ticks.increments[0][1] if ticks is not None and len(ticks.increments) == 1 else 0
        self.lot_increment = 0 if lots is None else lots.increment_nanos
        self.lot_minimum = 0 if lots is None else lots.minimum_nanos
        # Without a session there is no day to have rules for: that is control 20's to deny, not a gap in the rules.
        self.complete = 1 if instrument is None or (ticks is not None and self.lot_increment > 0) else 0

    def increment_at(self, px_nanos: int) -> int:
        """Tick size at a price; 0 = no rule for the day."""
        if self.increment:
            return self.increment
        return 0 if self.ticks is None else increment_at(self.ticks, px_nanos)


NO_RULES: Final = Rules(None, None)
