"""What the venue of a trader in this process tells beside orders, in a broker's place: shares to borrow, the time, what
an order would bind. Pure but for the account and marks it is handed.
"""

from collections.abc import Callable
from typing import Final

from broker.sim.account import Account
from broker.sim.agenda import WhatIfAsk
from broker.sim.config import VenueConfig
from broker.sim.margin import bound_nanos
from core.events import ShortableChanged, WhatIfAnswered
from core.ids import BUY, SELL
from core.units import NANO, notional_nanos

CLOCK_TOLD_NS: Final = 240 * NANO
BORROW_TOLD_NS: Final = 6 * 3_600 * NANO
_LEVELS: Final = {"easy": 3_000, "locate": 2_000, "none": 1_000}  # thousandths, as IB tick 46 has them


def borrow_fact(borrow: str, inst: int) -> ShortableChanged:
    """Shares of one instrument."""
    return ShortableChanged(inst=inst, level_milli=_LEVELS[borrow], shares_nanos=0 if borrow == "none" else -1)


def what_if_fact(
    ask: WhatIfAsk, account: Account, config: VenueConfig, mark_of: Callable[[int, int], int]
) -> WhatIfAnswered:
    """Margins before and after, at the marks of this moment. `mark_of(inst, fallback)` gives a price."""
    cash = account.state.cash_nanos.get(config.currency, 0)
    equity, initial, maintenance = cash, 0, 0
    held = 0
    for inst, position in account.state.positions.items():
        value = notional_nanos(mark_of(inst, position.average_cost_nanos), position.qty_nanos)
        bound = bound_nanos(config, value)
        equity, initial, maintenance = equity + value, initial + bound[0], maintenance + bound[1]
        if inst == ask.inst:
            held = position.qty_nanos
    px = mark_of(ask.inst, ask.limit_px_nanos)
    now = bound_nanos(config, notional_nanos(px, held))
    then = bound_nanos(config, notional_nanos(px, held + ask.side * ask.qty_nanos))
    return WhatIfAnswered(
        request_id=ask.request_id,
        inst=ask.inst,
        side=BUY if ask.side > 0 else SELL,
        qty_nanos=ask.qty_nanos,
        initial_margin_change_nanos=then[0] - now[0],
        maintenance_margin_change_nanos=then[1] - now[1],
        equity_with_loan_nanos=equity,
        initial_margin_after_nanos=initial + then[0] - now[0],
        maintenance_margin_after_nanos=maintenance + then[1] - now[1],
    )
