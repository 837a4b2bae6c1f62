"""Folding what broker and market lay down for our orders (core.money.conditions): borrow, clock, margin, day trades."""

from collections.abc import Callable
from typing import Any, Final

from core import commands as c
from core import events as e
from core.ids import Side
from core.money.conditions import DAY_TRADE_DAYS, Borrow, Funds, MarginRate
from core.money.state import Money
from core.story import tell
from core.units import BP, notional_nanos


def _shortable(m: Money, event: e.ShortableChanged) -> None:
    m.conditions.borrow[event.inst] = Borrow(
        level_milli=event.level_milli, shares_nanos=event.shares_nanos, ts_ns=m.ts_ns
    )


def _clock(m: Money, event: e.ClockOffsetMeasured) -> None:
    m.conditions.clock_offset_ns = event.offset_ns
    m.conditions.clock_ts_ns = m.ts_ns


def _valued(m: Money, event: e.AccountValued) -> None:
    m.conditions.funds = Funds(
        equity_with_loan_nanos=event.equity_with_loan_nanos,
        available_nanos=event.available_nanos,
        excess_nanos=event.excess_nanos,
        ts_ns=m.ts_ns,
    )


def _ask(m: Money, command: c.AskWhatIf) -> None:
    m.use_id(command.order_id)
    m.conditions.what_if_ns = m.ts_ns
    parent = m.parents[command.parent_id]
    parent.what_if = command.order_id
    parent.what_if_due_ns = command.due_ns
    parent.what_if_px_nanos = command.limit_px_nanos
    tell(parent.story, m.seq, m.ts_ns, "AWAITING_MARGIN")


def _answered(m: Money, event: e.WhatIfAnswered) -> None:
    """The rate is what the order binds more, per value at the price it was asked for; whoever asked may be over."""
    for parent in m.parents.values():
        if parent.what_if != event.request_id or not parent.what_if_due_ns:
            continue
        parent.what_if_due_ns = 0
        value = notional_nanos(parent.what_if_px_nanos, event.qty_nanos)
        changes = (event.initial_margin_change_nanos, event.maintenance_margin_change_nanos)
        if value > 0 and min(changes) > 0:  # an order that frees margin says nothing of what one binds
            initial, maintenance = (-(-change * BP // value) for change in changes)
            after = event.initial_margin_after_nanos
            m.conditions.rates[event.inst, event.side] = MarginRate(
                initial_bp=initial,
                maintenance_bp=maintenance,
                ts_ns=m.ts_ns,
                refused=0 < event.equity_with_loan_nanos < after,
            )
        tell(parent.story, m.seq, m.ts_ns, "MARGIN ANSWERED")


def _refused(m: Money, event: e.WhatIfRefused) -> None:
    for parent in m.live_parents.values():
        if parent.what_if == event.request_id and parent.what_if_due_ns:
            parent.what_if_due_ns = 0
            tell(parent.story, m.seq, m.ts_ns, f"MARGIN REFUSED {event.code}")


def _restrict(m: Money, command: c.RestrictShorts) -> None:
    m.conditions.short_until[command.inst] = command.until


def _trip(m: Money, command: c.TripBreaker) -> None:
    m.conditions.index_level = command.level
    m.conditions.index_until_ns = max(m.conditions.index_until_ns, command.until_ns)


def roll(m: Money, date: int) -> None:
    """A trading day begins: the breaker is over, old margin rates and day trades are forgotten."""
    conditions = m.conditions
    conditions.index_level = conditions.index_until_ns = 0
    conditions.opened = [0] * len(conditions.opened)
    oldest = m.ts_ns - m.settings.margin_rate_ns_max
    conditions.rates = {key: rate for key, rate in conditions.rates.items() if rate.ts_ns >= oldest}
    if not conditions.day_trades or conditions.day_trades[-1][0] != date:
        conditions.day_trades = [*conditions.day_trades, (date, 0)][-DAY_TRADE_DAYS:]


def count_day_trade(m: Money, inst: int, side: Side, before_nanos: int) -> None:
    """Every execution passes here. Opening and then closing the same security on one day is a day trade, however many
    executions either takes; opened again and closed again is another (FINRA 4210(f)(8)(B)).
    """
    conditions = m.conditions
    if before_nanos * side >= 0:
        conditions.opened[inst] = 1
    elif conditions.opened[inst]:
        conditions.opened[inst] = 1 if m.ledger.holdings[inst] * side > 0 else 0  # through zero opens anew
        date, count = conditions.day_trades[-1] if conditions.day_trades else (m.trading_date, 0)
        conditions.day_trades = [*conditions.day_trades[:-1], (date, count + 1)]
        conditions.day_traded_ns = m.ts_ns


TOLD: Final[dict[type, Callable[[Money, Any], None]]] = {
    e.ShortableChanged: _shortable,
    e.ClockOffsetMeasured: _clock,
    e.AccountValued: _valued,
    e.WhatIfAnswered: _answered,
    e.WhatIfRefused: _refused,
}
ASKED: Final[dict[type, Callable[[Money, Any], None]]] = {
    c.AskWhatIf: _ask,
    c.RestrictShorts: _restrict,
    c.TripBreaker: _trip,
}
