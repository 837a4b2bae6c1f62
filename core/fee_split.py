"""A commission by kind. A broker reports one sum for each execution; what it is made of comes from its statement, and
until then from the dated fee table, as an estimate. Pure; owns no rates (core/fee_plans.py) and books nothing.

Parts always add up to the sum that was reported: what the table does not explain is `REST`.
"""

from collections.abc import Sequence
from typing import Final

from core.errors import ConfigError
from core.fees import REMOVED, FeeTable
from core.ledger import Execution
from core.units import notional_nanos

REST: Final = "rest"  # reported and not explained by the table: other rates, another tier, a minimum shared
ESTIMATE: Final = "estimate"
STATEMENT: Final = "statement"

Parts = tuple[tuple[str, int], ...]  # (kind, cash nanos), zero ones left out


def reconciled(total_nanos: int, parts: Parts) -> Parts:
    """Parts of exactly this total, whatever they came to."""
    left = total_nanos - sum(amount for _, amount in parts)
    return tuple((kind, amount) for kind, amount in (*parts, (REST, left)) if amount)


def estimated(table: FeeTable, date: int, executions: Sequence[Execution]) -> list[Parts]:
    """Of each execution of one order on one day, in their order: what the table says, brought to what was reported.
    The month's volume is not known here: the first tier. A day before the table's first row: all of it is the rest.
    """
    found: list[Parts] = []
    qty = value = charged = rated = 0
    for x in executions:
        try:
            told = table.commission_nanos(
                date=date, side=x.side, qty_nanos=x.qty_nanos, px_nanos=x.px_nanos, order_qty_before_nanos=qty,
                order_value_before_nanos=value, order_charged_nanos=charged, order_rated_before=rated,
                liquidity=x.liquidity or REMOVED,
            )  # fmt: skip
        except ConfigError:
            found.append(reconciled(x.commission_nanos, ()))
            continue
        qty += x.qty_nanos
        value += notional_nanos(x.px_nanos, x.qty_nanos)
        charged += told.per_order_nanos
        rated += told.rated
        found.append(reconciled(x.commission_nanos, told.parts))
    return found


def split_of(table: FeeTable | None, date: int, executions: Sequence[Execution], at: int) -> tuple[str, Parts]:
    """Where the parts of the execution at this place come from, and the parts: the statement's word, else the table's,
    else one sum.
    """
    x = executions[at]
    if x.fees:
        return STATEMENT, reconciled(x.commission_nanos, x.fees)
    if table is None:
        return ESTIMATE, reconciled(x.commission_nanos, ())
    return ESTIMATE, estimated(table, date, executions[: at + 1])[at]
