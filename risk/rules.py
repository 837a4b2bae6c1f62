"""The dated rules of one instrument on one day, its hours and price bands, as the gate needs them: found once a day.
Knows no order and no position.
"""

from typing import Final

from core.bands import DOUBLED_NS, TIER_2, width_nanos
from core.instruments import Instrument, LotRule, TickRule, TierRule, increment_at, rule_on
from core.sessions import Session
from core.units import BP

NEVER_PX: Final = 1 << 62


class Rules:
    """The dated rules of one instrument on one day, and its hours; 0 where there is none (the gate denies).
    One day is looked up once, and again when the broker gives another tick rule or volume.
    """

    __slots__ = (
        "band_ref",
        "band_told",
        "band_until_ns",
        "close_ns",
        "complete",
        "date",
        "edge_high",
        "edge_low",
        "expected_nanos",
        "expected_until_ns",
        "from_ns",
        "increment",
        "lot_increment",
        "lot_minimum",
        "lower",
        "moc_cutoff_ns",
        "open_ns",
        "ticks",
        "tier",
        "until_ns",
        "upper",
    )  # fmt: skip

    def __init__(self, instrument: Instrument | None, session: Session | None) -> None:
        date = 0 if session is None else session.date
        ticks: TickRule | None = None
        lots: LotRule | None = None
        tier: TierRule | None = None
        if instrument is not None:
            ticks = rule_on(instrument.ticks, date)
            lots = rule_on(instrument.lots, date)
            tier = rule_on(instrument.tiers, date)
        self.date = date
        self.expected_nanos = self.expected_until_ns = 0  # volume of the running slot, by risk/liquidity.py
        self.from_ns = self.until_ns = 0  # the session from pre-open to post-close, where the table speaks for it
        self.open_ns = 0 if session is None else session.open_ns
        self.close_ns = 0 if session is None else session.close_ns
        self.moc_cutoff_ns = 0 if session is None else session.moc_cutoff_ns
        self.ticks = ticks
        self.tier = TIER_2 if tier is None else tier.tier
        # The price bands worked out last: what they came from, until when they hold, and how near a touch may come.
        self.band_ref = self.band_told = self.band_until_ns = 0
        self.lower = self.edge_low = 0
        self.upper = self.edge_high = NEVER_PX
        # One increment is the ordinary case: its increment needs no search.
        self.increment = ticks.increments[0][1] if ticks is not None and len(ticks.increments) == 1 else 0
        self.lot_increment = 0 if lots is None else lots.increment_nanos
        self.lot_minimum = 0 if lots is None else lots.minimum_nanos
        # Without a session there is no day to have rules for: that is control 20's to deny, not a gap in the rules.
        self.complete = 1 if instrument is None or (ticks is not None and self.lot_increment > 0) else 0

    def set_bands(
        self, reference: int, told: int, *, ts_ns: int, previous_close: int, margin_bp: int, row: tuple[int, ...]
    ) -> None:
        """Bands of a reference price, or as the broker told them since; `row`: reference time, lower, upper, state."""
        since, lower, upper, limit_state = row
        doubles_ns = self.close_ns - DOUBLED_NS
        doubled = ts_ns >= doubles_ns
        self.band_ref, self.band_told = reference, told
        self.band_until_ns = self.close_ns if doubled else doubles_ns
        if not told or told < since or not 0 < lower < upper:
            if not reference:  # no print of the day yet: the plan has no bands either
                self.lower, self.upper, self.edge_low, self.edge_high = 0, NEVER_PX, 0, NEVER_PX
                return
            limit_state = 0
            width = width_nanos(reference, previous_close_nanos=previous_close, tier=self.tier, doubled=doubled)
            lower, upper = reference - width, reference + width
        margin = (lower + upper) // 2 * margin_bp // BP
        self.lower, self.upper = lower, upper
        self.edge_low, self.edge_high = (NEVER_PX, 0) if limit_state else (lower + margin, upper - margin)

    def increment_at(self, px_nanos: int) -> int:
        """Tick size at a price; 0 = no rule for the day."""
        if self.increment:
            return self.increment
        return 0 if self.ticks is None else increment_at(self.ticks, px_nanos)


NO_RULES: Final = Rules(None, None)
