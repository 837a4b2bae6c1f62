"""Kills as money state: what each asked for, what became of it, when the broker was seen to be empty (control 27).

The folds of money state write here; nothing is sent, asked or decided.
"""

from typing import Final

import msgspec

from core import events as e
from core.ids import SIDE_NAMES
from core.latches import ACCOUNT, STRATEGY, SYMBOL
from core.ledger import Execution
from core.orders import Order
from core.reconcile import Sync
from core.units import exact_text

KILLS_KEPT_MAX: Final = 32  # those that are not verified are kept beyond it; they are bounded by the scopes there are
ORDERS_KEPT_MAX: Final = 1_000  # order ids and foreign orders in one report
OPEN: Final = ""  # of an order in `orders`: it still works


class Kill(msgspec.Struct, gc=False, kw_only=True):
    """A kill that is not done until a complete sync shows no open order in its scope, with its report."""

    level: int
    scope: str
    since_ns: int
    reason: str
    by: str
    verified_ns: int = 0
    orders: dict[int, str] = {}  # ours that it asked to cancel: OPEN, or how each ended
    refused: dict[int, str] = {}  # ours that still work, and what was answered to the newest cancel
    foreign: dict[int, str] = {}  # permanent ids of others' orders met in its scope, and whose they are
    foreign_open: list[int] = []  # those of them that the newest complete sync shows
    more: int = 0  # orders beyond ORDERS_KEPT_MAX
    cancels: int = 0  # cancels asked for; one for all orders counts once
    cancelled_ns: int = 0  # when the newest cancel was asked for
    fills: int = 0  # executions that came after it, while it stood
    filled_nanos: int = 0
    told_ns: int = 0  # when people were last told that it is not verified
    over_ns: int = 0  # when an operator lifted its latch
    sync_id: int = 0  # what verified it
    seq: int = 0  # of the record that began it

    def covers(self, symbol: str, strategy: str) -> bool:
        """Whether an order is in its scope."""
        if self.level == SYMBOL:
            return self.scope == symbol
        return self.level != STRATEGY or self.scope == strategy

    def ask(self, orders: list[Order], ts_ns: int) -> None:
        """A cancel of these orders is recorded."""
        self.cancels += 1
        self.cancelled_ns = ts_ns
        for order in orders:
            if order.order_id in self.orders or len(self.orders) < ORDERS_KEPT_MAX:
                self.orders[order.order_id] = OPEN
            else:
                self.more += 1

    def meet(self, foreign: dict[int, e.OpenOrderReported], symbols: tuple[str, ...]) -> None:
        """What a complete sync shows of others: of the whole account, or of its symbol; a strategy has none."""
        self.foreign_open = []
        for perm_id, order in foreign.items():
            symbol = symbols[order.inst] if 0 <= order.inst < len(symbols) else ""
            if self.level <= ACCOUNT or (self.level == SYMBOL and self.scope == symbol):
                self.foreign_open.append(perm_id)
                if len(self.foreign) < ORDERS_KEPT_MAX:
                    self.foreign[perm_id] = (
                        f"client {order.client_id}: {SIDE_NAMES[order.side]} {exact_text(order.qty_nanos)} "
                        f"{symbol or 'of another contract'}"
                    )


def standing(kills: list[Kill], level: int, scope: str) -> Kill | None:
    """The newest kill of exactly this scope whose latch is not lifted."""
    for kill in reversed(kills):
        if kill.level == level and kill.scope == scope and not kill.over_ns:
            return kill
    return None


def begin(kills: list[Kill], kill: Kill) -> list[Kill]:
    """With one more; one that is not verified already does for a second of the same scope."""
    held = standing(kills, kill.level, kill.scope)
    if held is not None and not held.verified_ns:
        return kills
    done = sum(1 for known in kills if known.verified_ns)
    kept = []
    for known in kills:
        if known.verified_ns and done >= KILLS_KEPT_MAX:
            done -= 1
            continue
        kept.append(known)
    return [*kept, kill]


def lifted(kills: list[Kill], level: int, scope: str, ts_ns: int) -> None:
    """An operator lifted the latch of a scope."""
    for kill in kills:
        if kill.level == level and kill.scope == scope and not kill.over_ns:
            kill.over_ns = ts_ns


def asked(kills: list[Kill], orders: list[Order], symbols: tuple[str, ...], ts_ns: int) -> None:
    """A cancel of these orders is recorded while kills are not verified."""
    for kill in kills:
        if not kill.verified_ns:
            covered = [order for order in orders if kill.covers(symbols[order.inst], order.strategy)]
            if covered or (kill.level <= ACCOUNT and not orders):
                kill.ask(covered, ts_ns)


def ended(kills: list[Kill], order: Order) -> None:
    """An order of ours is over."""
    for kill in kills:
        if order.order_id in kill.orders and not kill.verified_ns:
            kill.orders[order.order_id] = order.state.name
            kill.refused.pop(order.order_id, None)


def refused(kills: list[Kill], order_id: int, why: str) -> None:
    """A cancel was not taken."""
    for kill in kills:
        if kill.orders.get(order_id) == OPEN and not kill.verified_ns:
            kill.refused[order_id] = why


def filled(kills: list[Kill], execution: Execution, symbols: tuple[str, ...]) -> None:
    """An execution came while kills stand."""
    for kill in kills:
        if not kill.over_ns and kill.covers(symbols[execution.inst], execution.strategy):
            kill.fills += 1
            kill.filled_nanos += execution.qty_nanos


def met(kills: list[Kill], sync: Sync, symbols: tuple[str, ...]) -> None:
    """A complete sync shows others' orders."""
    for kill in kills:
        if not kill.verified_ns:
            kill.meet(sync.foreign, symbols)
