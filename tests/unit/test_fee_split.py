"""Commissions by kind: parts add up to what was charged, whoever says them; pieces of an order cost what it does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core.fee_plans import COMMISSION, DEFAULT_PLANS, SEC31, TAF
from core.fee_split import ESTIMATE, REST, STATEMENT, estimated, reconciled, split_of
from core.fees import FeeTable
from core.ledger import Execution
from core.units import NANO
from daemon.tca.fees import ONE_SUM, by_kind, source_of
from daemon.tca.trail import FillTrail, Trail

FIXED = FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"])
DATE = 20260105


def sold(number: int, shares: int, *, cost: int, fees: tuple[tuple[str, int], ...] = ()) -> Execution:
    """So many at 20 dollars, of one order."""
    return Execution(
        exec_id=f"{number}.01", order_id=7, strategy="a", inst=0, side=-1, qty_nanos=shares * NANO, px_nanos=20 * NANO,
        ts_ns=number, seq=number, commission_nanos=cost, commission_known=True, fees=fees,
    )  # fmt: skip


def trail_of(*executions: Execution) -> Trail:
    """A schedule with these fills."""
    opening = c.OpenParent(
        parent_id=1, strategy="a", inst=0, side=-1, qty_nanos=NANO, algo="twap", start_ts_ns=0, end_ts_ns=1, slices=1
    )
    fills = [FillTrail(execution=x, liquidity=0, told_ns=0, exchange_ns=0, quote=0, later=()) for x in executions]
    return Trail(date=DATE, opening=opening, opened_ns=0, decision_ns=0, decision=0, arrival=0, fills=fills)


def test_what_the_table_explains_has_no_rest() -> None:
    """400 shares sold for 8,000 in two pieces: one commission of 2.00, and the regulators' parts to the nano."""
    whole = FIXED.commission_nanos(date=DATE, side=-1, qty_nanos=400 * NANO, px_nanos=20 * NANO)
    first, second = estimated(FIXED, DATE, [sold(1, 100, cost=0), sold(2, 300, cost=0)])
    got = {kind: dict(first).get(kind, 0) + dict(second).get(kind, 0) for kind in (COMMISSION, SEC31, TAF)}
    assert got == {kind: whole.part_nanos(kind) for kind in got}
    parts = reconciled(whole.total_nanos, whole.parts)
    assert REST not in dict(parts)
    assert dict(reconciled(whole.total_nanos + 5, whole.parts))[REST] == 5
    assert estimated(FIXED, 19990101, [sold(1, 100, cost=3)]) == [((REST, 3),)], "no row for the day"


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(-(10**9), 10**10)), min_size=1, max_size=12))
def test_parts_always_add_up(pieces: list[tuple[int, int]]) -> None:
    """Whatever was charged, rebates too; one by one, and over a report."""
    found = [sold(number, shares, cost=cost) for number, (shares, cost) in enumerate(pieces, start=1)]
    for at, x in enumerate(found):
        source, parts = split_of(FIXED, DATE, found, at)
        assert (source, sum(amount for _, amount in parts)) == (ESTIMATE, x.commission_nanos)
        assert all(amount for _, amount in parts)
    for table in (FIXED, None):
        kinds = by_kind([trail_of(*found)], table)
        assert sum(kind.amount_nanos for kind in kinds) == sum(x.commission_nanos for x in found)


def test_the_statements_word_stands() -> None:
    """Named kinds are shown as they are, beside the estimate of those that are not."""
    told = (("commission", 900), ("sec31", 100))
    named = sold(1, 100, cost=1_000, fees=told)
    assert split_of(FIXED, DATE, [named], 0) == (STATEMENT, told)
    kinds = {kind.kind: kind for kind in by_kind([trail_of(named, sold(2, 100, cost=NANO))], None)}
    assert (kinds[ONE_SUM].amount_nanos, source_of(kinds[ONE_SUM])) == (NANO, "estimate")
    assert (kinds["sec31"].named_nanos, source_of(kinds["sec31"])) == (100, STATEMENT)
    both = {kind.kind: kind for kind in by_kind([trail_of(named, sold(2, 100, cost=NANO))], FIXED)}
    assert source_of(both["commission"]) == "in part estimate"


@pytest.mark.parametrize("count", [1, 50])
def test_many_pieces_of_an_order_are_one(count: int) -> None:
    """The report's estimate does not depend on how an order was cut."""
    each = 5_000 // count
    kinds = by_kind([trail_of(*[sold(at, each, cost=0) for at in range(1, count + 1)])], FIXED)
    whole = FIXED.commission_nanos(date=DATE, side=-1, qty_nanos=5_000 * NANO, px_nanos=20 * NANO)
    got = {kind.kind: kind.amount_nanos for kind in kinds if kind.kind != REST}
    assert got == {kind: amount for kind, amount in whole.parts if amount}
