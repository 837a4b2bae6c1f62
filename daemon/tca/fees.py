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
from core.units import NANO, notional_nanos, share_of
from daemon.tca.trail import CROSSED, Trail

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
            x = fill.execution
            if fill.liquidity == CROSSED:
                continue
            if x.fees:
                _add(named, reconciled(x.commission_nanos, x.fees))
            elif x.qty_nanos:
                orders.setdefault(x.order_id, []).append(x)
        for executions in orders.values():
            for parts in _guessed(table, trail.date, executions):
                _add(amounts, parts)
    _add(amounts, tuple(named.items()))
    ranked = sorted(amounts.items(), key=lambda one: (-abs(one[1]), one[0]))
    return [FeeKind(kind=kind, amount_nanos=amount, named_nanos=named.get(kind, 0)) for kind, amount in ranked]


def _add(sums: dict[str, int], parts: Parts) -> None:
    for kind, amount in parts:
        sums[kind] = sums.get(kind, 0) + amount


def _guessed(table: FeeTable | None, date: int, executions: list[Execution]) -> list[Parts]:
    """Of one order. Its executions count as one for each kind of liquidity: the table charges by share and value, so
    only a cap on single executions and the roundings differ.
    """
    whole: dict[int, Execution] = {}
    for x in executions:
        known = whole.get(x.liquidity)
        if known is None:
            whole[x.liquidity] = msgspec.structs.replace(x)
            continue
        value = notional_nanos(known.px_nanos, known.qty_nanos) + notional_nanos(x.px_nanos, x.qty_nanos)
        known.qty_nanos += x.qty_nanos
        known.px_nanos = share_of(value, NANO, known.qty_nanos)
        known.commission_nanos += x.commission_nanos
    if table is None:
        return [((ONE_SUM, x.commission_nanos),) for x in whole.values() if x.commission_nanos]
    return estimated(table, date, list(whole.values()))


def source_of(kind: FeeKind) -> str:
    """Who says so, for people."""
    if kind.named_nanos == kind.amount_nanos:
        return STATEMENT
    return "estimate" if not kind.named_nanos else "in part estimate"
