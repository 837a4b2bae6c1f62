"""What an operator must see before the trader takes an account over: positions, cash and working orders that are not in
our books. Plain decimal text, built from the engine's state; decides nothing.
"""

from typing import Any, Final

from core.engine import Engine
from core.engine.adoption import position_differences
from core.engine.ladder import mark_of
from core.ids import SIDE_NAMES
from core.ledger import UNCLAIMED
from core.positions import value_at
from core.units import decimal_text, exact_text

ROWS_MAX: Final = 1_000


def adoption_of(engine: Engine) -> dict[str, Any]:
    """Positions that can be given away, foreign working orders, and the cash on both sides."""
    money = engine.money
    ledger, currency = money.ledger, money.settings.currency
    ours = ledger.cash[currency]
    found = position_differences(engine)
    insts = [inst for inst in range(len(engine.symbols)) if inst in found or ledger.held_nanos(UNCLAIMED, inst)]
    return {
        "synced": bool(money.last_sync_ts_ns),
        "positions": [_position(engine, inst) for inst in insts[:ROWS_MAX]],
        "others": [d.text for d in money.differences if d.kind != "position" or d.inst < 0][:ROWS_MAX],
        "foreign": [
            {
                "perm_id": order.perm_id,
                "client_id": order.client_id,
                "symbol": engine.symbols[order.inst] if 0 <= order.inst < len(engine.symbols) else f"#{order.inst}",
                "side": SIDE_NAMES[order.side],
                "qty": exact_text(order.qty_nanos),
                "filled": exact_text(order.filled_nanos),
                "limit": exact_text(order.limit_px_nanos) if order.limit_px_nanos else "",
                "order_ref": order.order_ref,
            }
            for order in list(money.foreign.values())[:ROWS_MAX]
        ],
        "currency": currency,
        "cash_ours": exact_text(ours),
        "cash_broker": exact_text(ours + money.cash_difference_nanos),
        "cash_difference": exact_text(money.cash_difference_nanos),
        "strategies": {name: [engine.symbols[i] for i in one.instruments] for name, one in engine.strategies.items()},
    }


def _position(engine: Engine, inst: int) -> dict[str, str]:
    ledger = engine.money.ledger
    found = position_differences(engine).get(inst)
    beyond = 0 if found is None else found.qty_nanos
    unclaimed = ledger.positions.get((UNCLAIMED, inst))
    nobodys = 0 if unclaimed is None else unclaimed.qty_nanos
    average = 0 if found is None else found.average_cost_nanos
    if not beyond and unclaimed is not None:
        average = unclaimed.average_px_nanos
    mark, qty = mark_of(engine, inst), beyond + nobodys
    return {
        "symbol": engine.symbols[inst],
        "broker": exact_text(ledger.holdings[inst] + beyond),
        "ours": exact_text(ledger.holdings[inst]),
        "nobodys": exact_text(nobodys),
        "new": exact_text(beyond),
        "average_cost": exact_text(average) if average else "",
        "mark": exact_text(mark) if mark else "",
        "value": decimal_text(value_at(qty, mark)) if mark else "",
        "open_profit": decimal_text(value_at(qty, mark) - value_at(qty, average)) if mark and average else "",
    }
