"""Counting what is sent: order rates, the duplicate window and everything of core/money/counters.py, out of the
commands that the other folds apply to orders and schedules.
"""

from typing import Final

from core import commands as c
from core.latches import ACTIVE, STRATEGY
from core.money.counters import ATTENDED
from core.money.state import Money
from core.orders import Order
from core.rates import SentKey

DUPLICATES: Final = 12  # the control whose refusals are counted


def _count_rate(m: Money, intent: c.OrderIntent) -> None:
    s, tats, ts = m.settings, m.tats, m.ts_ns
    for key, limit in (
        ("a", s.rate_account),
        ("s" + intent.strategy, s.rate_strategy),
        ("i" + s.symbols[intent.inst], s.rate_symbol),
    ):
        tat = tats.get(key, 0)
        tats[key] = (tat if tat > ts else ts) + limit.interval_ns


def duplicate_key(intent: c.OrderIntent) -> SentKey:
    """What makes two orders the same order (control 12). Neither parent nor slice number is part of it: a program that
    has lost count numbers its mistakes too. Which equal orders a schedule may send is for the gate to say.
    """
    i = intent
    return (i.strategy, i.inst, i.side, i.qty_nanos, i.limit_px_nanos, i.purpose)


def added(order: Order, intent: c.OrderIntent, notional_nanos: int) -> tuple[int, int]:
    """Value and quantity that a replace adds to what was sent already (control 10); taking away gives nothing back."""
    value, qty = notional_nanos - order.notional_nanos, intent.qty_nanos - order.qty_nanos
    return value if value > 0 else 0, qty if qty > 0 else 0


def uncount(m: Money, order: Order) -> None:
    """An order that never left was no execution of its schedule (control 11). Value and messages stay counted: they
    measure attempts.
    """
    parent = m.parents.get(order.parent_id)
    if parent is not None and parent.sent:
        parent.sent -= 1
        parent.sent_nanos -= order.qty_nanos


def placed(m: Money, approved: c.ApprovedOrder) -> None:
    """A new order is being sent."""
    i = approved.intent
    _count_rate(m, i)
    m.duplicates.add(duplicate_key(i), m.ts_ns, i.parent_id)
    m.counters.place(m.ts_ns, m.trading_date, i.strategy, i.inst, approved.notional_nanos, i.qty_nanos)


def replaced(m: Money, order: Order, approved: c.ApprovedOrder) -> int:
    """A replace is being sent, of an order that still stands as it was; returns the quantity it adds."""
    i = approved.intent
    value, qty = added(order, i, approved.notional_nanos)
    _count_rate(m, i)
    m.counters.replace(m.ts_ns, i.strategy, value, qty)
    return qty


def lifted(m: Money, move: c.MoveLadder) -> None:
    """A person let a strategy go on: its counts begin anew, those of its running schedules too."""
    if move.state == ACTIVE and move.level == STRATEGY and move.code in ATTENDED:
        m.counters.attend(move.scope)
        for parent in m.live_parents.values():
            parent.sent = 0 if parent.strategy == move.scope else parent.sent


def refused(m: Money, command: c.CountRefusal) -> None:
    """The gate refused what only a mistake explains."""
    if command.control == DUPLICATES:
        m.counters.tally(command.strategy).duplicates_day += 1
