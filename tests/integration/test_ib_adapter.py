"""The adapter on the paper gateway over a real socket: connect, trade, synchronise."""

import pytest

from broker.ib import book
from core import commands as c
from core import events as e
from core.ids import BUY
from tests.fakes.ib_rig import running_rig
from tests.fakes.tape import cents, shares


@pytest.mark.slow
async def test_a_day_in_short() -> None:
    """Connect, quotes, a marketable order with fill and commission, a resting one cancelled, a full synchronisation."""
    async with running_rig() as rig:
        await rig.until(lambda: rig.sink.quotes(0) and rig.sink.quotes(1))
        assert rig.sink.quotes(0)[-1] == (cents(1000), cents(1001), shares(1000), shares(1000))
        order_id = rig.place(side=BUY, size=100, limit=1001)
        filled = await rig.fact(e.OrderFilled)
        assert (filled.order_id, filled.qty_nanos, filled.px_nanos) == (order_id, shares(100), cents(1001))
        charged = await rig.fact(e.CommissionReported)
        assert charged.exec_id == filled.exec_id
        assert charged.commission_nanos > 0
        resting = rig.place(side=BUY, size=100, limit=999)
        acked = await rig.fact(e.OrderAcknowledged, 2)
        assert acked.order_id == resting
        assert rig.cancel(resting) == ""
        assert (await rig.fact(e.OrderCancelled)).order_id == resting
        facts = await rig.sync()
        done = facts[-1]
        assert (done.complete, done.missing) == (True, "")
        assert [(f.inst, f.qty_nanos) for f in facts if type(f) is e.PositionReported] == [(0, shares(100))]
        assert [f.exec_id for f in facts if type(f) is e.ExecutionReported] == [filled.exec_id]
        cash = next(f for f in facts if type(f) is e.CashReported)
        ours = 1_000_000 * 10**9 - 100 * cents(1001) - charged.commission_nanos
        assert abs(cash.cash_nanos - ours) < cents(1)  # told in cents


@pytest.mark.slow
async def test_a_group_shrinks_and_goes_with_the_one_that_trades() -> None:
    """Reduced by what the other one filled, told as the same version with less; a listing afterwards adds nothing."""
    async with running_rig() as rig:
        await rig.until(lambda: rig.sink.quotes(0) and rig.sink.quotes(1))
        group = ("q-t-pair", c.OCA_REDUCE_WITH_BLOCK)
        near, far = (rig.place(side=BUY, size=100, limit=limit, group=group) for limit in (999, 990))
        await rig.fact(e.OrderAcknowledged, 2)
        rig.gateway.quote(998, 999, ask_size=40)
        filled = await rig.fact(e.OrderFilled)
        assert (filled.order_id, filled.qty_nanos) == (near, shares(40))
        shrunk = await rig.fact(e.OrderReplaced)
        assert (shrunk.order_id, shrunk.version, shrunk.qty_nanos) == (far, 0, shares(60))
        assert shrunk.limit_px_nanos == cents(990)
        listed = {fact.order_id: fact for fact in await rig.sync() if type(fact) is e.OpenOrderReported}
        assert {number: fact.qty_nanos for number, fact in listed.items()} == {near: shares(100), far: shares(60)}
        assert len(rig.sink.of(e.OrderReplaced)) == 1
        rig.gateway.quote(997, 998, ask_size=500)
        assert (await rig.fact(e.OrderFilled, 2)).order_id == near
        assert (await rig.fact(e.OrderCancelled)).order_id == far
        assert sum(fact.qty_nanos for fact in rig.sink.of(e.OrderFilled)) == shares(100)


@pytest.mark.slow
async def test_a_busy_day_is_listed_again_after_its_orders_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A synchronisation tells all executions of the day, also of orders that ended so long ago that nobody keeps them:
    a repeat is no fault, and the link stays.
    """
    monkeypatch.setattr(book, "ENDED_KEPT_MAX", 2)
    async with running_rig() as rig:
        await rig.until(lambda: rig.sink.quotes(0) and rig.sink.quotes(1))
        for number in range(1, 16):
            rig.place(side=BUY, size=1, limit=1001)
            await rig.fact(e.OrderFilled, number)
        assert len(rig.adapter.book.own) <= 3
        told = {fact.exec_id: fact.order_id for fact in await rig.sync() if type(fact) is e.ExecutionReported}
        assert set(told) == {fact.exec_id for fact in rig.sink.of(e.OrderFilled)}
        assert list(told.values()).count(book.FOREIGN) >= 12
        assert [line for line in rig.log.lines if "ib_fault" in str(line)] == []
        assert not rig.sink.of(e.LinkLost)
        assert not rig.sink.of(e.LinkDegraded)
