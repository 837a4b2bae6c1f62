"""Which schedules ask the broker what they would bind before anything of them is sent (control 18). Pure: reads the
context, writes nothing.
"""

from typing import Final, Protocol

from core import commands as c
from core.instruments import increment_at, rule_on
from core.ports import Context
from core.units import notional_nanos

WHAT_IF_SPACING_NS: Final = 60 * 10**9  # IBKR: what-if orders less than once a minute
WHAT_IF_NS: Final = 10 * 10**9  # no answer within this refuses the schedule


class MarginSettings(Protocol):
    """What it needs of the engine's settings."""

    @property
    def whatif_notional_nanos(self) -> int:
        """A schedule of this value asks."""
        ...

    @property
    def margin_rate_ns_max(self) -> int:
        """A younger rate needs no question."""
        ...


def what_if_of(context: Context, settings: MarginSettings, opening: c.OpenParent, ts_ns: int) -> c.AskWhatIf | None:
    """The question a schedule asks first; None = it needs none: small, closing, or the rate is known and young."""
    if opening.purpose == c.INTENT_FLATTEN:
        return None
    px = context.market.mark_nanos(opening.inst) or context.previous_close_nanos[opening.inst]
    if notional_nanos(px, opening.qty_nanos) < settings.whatif_notional_nanos:
        return None
    money = context.money
    if money.ledger.holdings[opening.inst] * opening.side < 0:
        return None  # it brings the account nearer to flat
    rate = money.conditions.rates.get((opening.inst, opening.side))
    if rate is not None and not rate.refused and ts_ns - rate.ts_ns <= settings.margin_rate_ns_max:
        return None
    return c.AskWhatIf(
        order_id=money.next_order_id,
        parent_id=opening.parent_id,
        inst=opening.inst,
        side=opening.side,
        qty_nanos=opening.qty_nanos,
        limit_px_nanos=_on_tick(context, opening, px),
        due_ns=ts_ns + WHAT_IF_NS,
    )


def _on_tick(context: Context, opening: c.OpenParent, px_nanos: int) -> int:
    """A price the venue takes, no better than the given one: between two ticks, where a mid often lies, the broker
    refuses the question (110) and nothing of the schedule would ever be sent.
    """
    rule = rule_on(context.instruments[opening.inst].ticks, context.money.trading_date)
    if rule is None:
        return px_nanos
    tick = increment_at(rule, px_nanos)
    return px_nanos // tick * tick if opening.side < 0 else -(-px_nanos // tick) * tick
