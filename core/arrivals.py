"""What came of the reference during the run: tick rules and slow numbers of the day from a live broker, and which names
move together from a worker.

Opinion state: kept in snapshots, fetched and measured again after a start that throws opinion away. Owns nothing the
tables of core/reference.py own; where both speak of a day, the broker's own word is the later one and holds.
"""

from typing import Final

import msgspec

from core.corporate import Terms, rescaled
from core.events import MarketRuleChanged, ReferenceArrived
from core.instruments import TickRule

ALWAYS: Final = 19000101  # a rule that came before the first trading day was known


class LiveRule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Price increments as the broker gives them, and the trading day on which they came."""

    effective_from: int
    rule_id: int
    increments: tuple[tuple[int, int], ...]


class Arrivals(msgspec.Struct, kw_only=True):
    """The newest of each, by instrument."""

    rules: dict[int, LiveRule] = {}
    slow: dict[int, ReferenceArrived] = {}
    clusters: tuple[tuple[int, ...], ...] = ()  # instruments that were measured last to move together

    def rule(self, event: MarketRuleChanged, trading_date: int) -> LiveRule | None:
        """Remember a tick rule; None when it says what we know. A rule keeps the day since which it holds."""
        known = self.rules.get(event.inst)
        if known is not None and known.increments == event.increments:
            return None
        rule = LiveRule(effective_from=trading_date or ALWAYS, rule_id=event.rule_id, increments=event.increments)
        self.rules[event.inst] = rule
        return rule

    def split(self, terms: Terms) -> None:
        """What came before a split was of the old shares."""
        slow = self.slow.get(terms.inst)
        if slow is not None:
            close, adv = rescaled(terms, slow.previous_close_nanos, slow.adv_nanos)
            self.slow[terms.inst] = msgspec.structs.replace(slow, previous_close_nanos=close, adv_nanos=adv)


def with_rule(ticks: tuple[TickRule, ...], rule: LiveRule) -> tuple[TickRule, ...]:
    """Dated ticks with the broker's from its day on; what the config says of later days no longer counts."""
    earlier = tuple(dated for dated in ticks if dated.effective_from < rule.effective_from)
    return (*earlier, TickRule(effective_from=rule.effective_from, increments=rule.increments))
