"""Orders, positions, fills and schedules of folded books as rows, for the command line and the API."""

from collections.abc import Callable
from typing import Any

from core.money.state import Money
from core.units import decimal_text
from daemon.status.picture import FillRow, Row
from daemon.status.rows import child_row, fill_row, parent_row, position_rows


def order_rows(money: Money, *, everything: bool) -> list[Row]:
    """Working orders, or with `everything` the ended ones that are remembered, too."""
    chosen = money.orders if everything else money.live_orders
    return [child_row(order, money.settings.symbols) for order in chosen.values()]


def held_rows(money: Money, mark_nanos: Callable[[int], int]) -> list[Row]:
    """Positions by strategy."""
    return list(position_rows(money, mark_nanos))


def filled_rows(money: Money) -> list[FillRow]:
    """Executions of the last two trading days, oldest first; of a corrected one the newest version."""
    booked = {execution.exec_id: execution for execution in money.ledger.executions.values() if execution.qty_nanos}
    return [fill_row(execution, money.settings.symbols) for execution in booked.values()]


def schedule_rows(money: Money) -> list[Any]:
    """Live schedules."""
    return [parent_row(parent, money.settings.symbols) for parent in money.live_parents.values()]


def profit_rows(money: Money, mark_nanos: Callable[[int], int]) -> list[dict[str, str]]:
    """By strategy; the open part is "" while the price of something it holds is unknown. Commissions are apart."""
    sums: dict[str, list[int | None]] = {}
    for position in money.ledger.positions.values():
        realised, unrealised, fees = sums.setdefault(position.strategy, [0, 0, 0])
        mark = mark_nanos(position.inst)
        known = unrealised is not None and (mark != 0 or position.qty_nanos == 0)
        sums[position.strategy] = [
            (realised or 0) + position.realised_nanos,
            (unrealised or 0) + position.unrealised_nanos(mark) if known else None,
            (fees or 0) + position.fees_nanos,
        ]
    names = ("realised", "unrealised", "fees")
    return [
        {"strategy": strategy}
        | {name: "" if part is None else decimal_text(part) for name, part in zip(names, parts, strict=True)}
        for strategy, parts in sorted(sums.items())
    ]
