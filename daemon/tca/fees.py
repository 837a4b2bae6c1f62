"""What the commissions of a report were made of: by kind, named by the statement or estimated from the fee table that
was journalled. Whole orders are estimated at once; parts add up to what was charged.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from core.errors import ConfigError
from core.fee_split import STATEMENT, Parts, estimated, reconciled
from core.fees import FeeTable
from core.ledger import Execution
from core.reference import FeesLoaded
from daemon.tca.trails import Trail

ONE_SUM: Final = "not split"  # where the journal has no table that this release can use


class FeeKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind over the whole report."""

    kind: str
    amount_nanos: int
    named_nanos: int  # of it, by the statement


def table_of(fees: FeesLoaded | None) -> FeeTable | None:
    """None where there is none, or its rows are refused."""
    try:
        return None if fees is None else FeeTable(fees.rows)
    except ConfigError:
        return None


def by_kind(trails: Iterable[Trail], table: FeeTable | None) -> list[FeeKind]:
    """The dearest kind first."""
    amounts: dict[str, int] = {}
    named: dict[str, int] = {}
    for trail in trails:
        orders: dict[int, list[Execution]] = {}
        for fill in trail.fills:
            if fill.execution.qty_nanos:
                orders.setdefault(fill.execution.order_id, []).append(fill.execution)
        for executions in orders.values():
            guessed = _guessed(table, trail.date, executions)
            for x, parts in zip(executions, guessed, strict=True):
                told = reconciled(x.commission_nanos, x.fees) if x.fees else parts
                for kind, amount in told:
                    amounts[kind] = amounts.get(kind, 0) + amount
                    if x.fees:
                        named[kind] = named.get(kind, 0) + amount
    ranked = sorted(amounts.items(), key=lambda one: (-abs(one[1]), one[0]))
    return [FeeKind(kind=kind, amount_nanos=amount, named_nanos=named.get(kind, 0)) for kind, amount in ranked]


def _guessed(table: FeeTable | None, date: int, executions: list[Execution]) -> list[Parts]:
    if table is None or all(x.fees for x in executions):
        return [((ONE_SUM, x.commission_nanos),) if x.commission_nanos else () for x in executions]
    return estimated(table, date, executions)


def source_of(kind: FeeKind) -> str:
    """Who says so, for people."""
    if kind.named_nanos == kind.amount_nanos:
        return STATEMENT
    return "estimate" if not kind.named_nanos else "in part estimate"
