"""The fifteen things that users of IBKR libraries suffer from most (research D), one test each and named after it.

Where the gateway can do it, the real paper gateway does it, over a socket; else the bytes are written by hand.
"""

import asyncio

import pytest
import uvloop

from broker.ib.seam import DEGRADED, READY
from core import commands as c
from core import events as e
from core.ids import BUY, SELL
from tests.fakes.ib_rig import running_rig
from tests.fakes.ib_script import commission, error, execution, open_order, order_status, scripted_rig
from tests.fakes.sim_driver import order
from tests.fakes.tape import cents, shares

QUICK = {"backoff_min_s": 0.05, "backoff_max_s": 0.2, "login_timeout_s": 0.3, "connect_timeout_s": 0.5}


@pytest.mark.slow
async def test_01_fills_during_1100_are_not_lost() -> None:
    """Filled while the servers are away: no order leaves, and the fill is told when they are back."""
    async with running_rig() as rig:
        rig.synchronise()
        await rig.until(lambda: len(rig.sink.rows) >= 2)
        resting = rig.place(side=BUY, size=100, limit=1000)
        await rig.fact(e.OrderAcknowledged)
        rig.gateway.fault("server_lost")
        degraded = await rig.fact(e.LinkDegraded)
        assert degraded.code == 1100
        await rig.fact(e.FeedGapped, 2)
        assert "not ready" in rig.submit(c.PlaceOrder(order=order(50, limit=999)))
        rig.gateway.quote(990, 991)
        rig.gateway.clear()
        await rig.fact(e.LinkRestored, 2)
        await rig.synced()
        filled = [f for f in rig.sink.facts if type(f) in (e.OrderFilled, e.ExecutionReported)]
        assert filled
        assert {(f.order_id, f.qty_nanos) for f in filled} == {(resting, shares(100))}
        assert len({f.exec_id for f in filled}) == 1


@pytest.mark.slow
async def test_02_ids_that_roll_back_in_a_restart_are_not_used_again() -> None:
    """The gateway restarts and gives ids from further back; ours go on, and callbacks find their orders."""
    async with running_rig(speed=100.0, settings=QUICK) as rig:
        rig.synchronise()
        for _ in range(5):
            rig.place(side=BUY, size=10, limit=900)
        await rig.fact(e.OrderAcknowledged, 5)
        rig.gateway.fault("nightly_reset", lasts_s=8.0, warning_s="1", roll_back="4")
        await rig.fact(e.LinkLost)
        await rig.ready(2)
        assert rig.adapter.book.order_id_next == 6
        assert rig.sink.of(e.OrderIdsSeen)[-1].order_id_next == 6
        await rig.synced()
        listed = {f.order_id: f.order_ref for f in rig.sink.of(e.OpenOrderReported)}
        assert listed == {number: f"q-t-1-{number}" for number in range(1, 6)}


@pytest.mark.slow
async def test_03_orders_of_an_earlier_run_keep_their_fills_whatever_their_number() -> None:
    """A new process that has lost its records: the working order is adopted under its ref, and its fill is its own."""
    async with running_rig() as rig:
        resting = rig.place(side=BUY, size=100, limit=1000)
        await rig.fact(e.OrderAcknowledged)
        await rig.adapter.close()
        rig.adapter = rig.make()  # no journal at all
        rig.synchronise()
        await rig.adapter.start()
        await rig.ready(2)
        await rig.synced()
        report = rig.sink.of(e.OpenOrderReported)[-1]
        assert (report.order_id, report.order_ref) == (resting, "q-t-1-1")
        second = rig.place(side=BUY, size=10, limit=900)
        assert second > resting
        rig.gateway.quote(998, 999)
        assert (await rig.fact(e.OrderFilled)).order_id == resting
        assert rig.cancel(second) == ""
        assert (await rig.fact(e.OrderCancelled)).order_id == second


async def test_04_a_modify_during_a_loss_never_makes_two_of_one_order_unseen() -> None:
    """No modify leaves while the link is degraded; and if the broker holds two permIds for one ref, both are reported,
    each with an id that cancels reach.
    """
    async with scripted_rig() as rig:
        order_id = await rig.working()
        rig.script.send(*error(-1, 1100, "Connectivity has been lost."))
        await rig.fact(e.LinkDegraded)
        assert "not ready" in rig.replace(order_id, limit=1001)
        rig.script.send(*error(-1, 1102, "restored"))
        await rig.fact(e.LinkRestored, 2)
        rig.submit(c.RequestSync(reason="link restored"))
        await rig.sent(5)
        ref = f"q-t-1-{order_id}"
        rig.script.send_many(
            open_order(order_id, "Submitted", perm_id=501, ref=ref),
            open_order(77, "Submitted", perm_id=999, ref=ref, limit="10.01"),
        )
        first, second = await rig.fact(e.OpenOrderReported), await rig.fact(e.OpenOrderReported, 2)
        assert (first.order_id, first.perm_id) == (order_id, 501)
        assert (second.order_id, second.perm_id) == (77, 999)
        assert rig.cancel(second.order_id) == ""
        assert (await rig.sent(4))[2] == "77"


async def test_05_errors_that_are_none_do_not_end_a_live_order() -> None:
    """A refused modify at the gateway: the order works on, at its old price, and fills there."""
    async with running_rig() as rig:
        order_id = rig.place(side=BUY, size=100, limit=1000)
        await rig.fact(e.OrderAcknowledged)
        rig.gateway.fault("reject_modify")
        assert rig.replace(order_id, side=BUY, size=100, limit=999) == ""
        assert (await rig.fact(e.ReplaceRejected)).code == 201
        rig.gateway.quote(998, 999)
        assert (await rig.fact(e.OrderFilled)).px_nanos == cents(1000)


async def test_06_duplicate_order_id_is_a_reject_and_the_ids_move_on() -> None:
    """103: the order is rejected, and the broker is asked for its counter."""
    async with running_rig() as rig:
        rig.place(50, side=BUY, size=10, limit=900)
        await rig.fact(e.OrderAcknowledged)
        before = len(rig.sink.of(e.OrderIdsSeen))
        rig.place(10, side=BUY, size=10, limit=900)
        rejected = await rig.fact(e.OrderRejected)
        assert (rejected.order_id, rejected.code) == (10, 103)
        await rig.fact(e.OrderIdsSeen, before + 1)
        assert rig.order_id() == 51


@pytest.mark.slow
async def test_07_a_farm_blip_is_repaired_and_touches_no_order() -> None:
    """2103, then 2104 without 1101, and the feeds stay dead: subscribed anew. Orders leave all the while."""
    async with running_rig(speed=50.0) as rig:
        await rig.until(lambda: len(rig.sink.quotes()) > 0)
        rig.gateway.fault("farm_broken", farm="market", dead="yes")
        await rig.fact(e.FeedGapped, 2)
        assert rig.adapter.link == READY
        rig.place(side=BUY, size=10, limit=900)
        await rig.fact(e.OrderAcknowledged)
        before = len(rig.sink.quotes())
        rig.gateway.clear()
        rig.gateway.quote(1002, 1003)
        await rig.until(lambda: len(rig.sink.quotes()) > before)
        await rig.until(lambda: rig.sink.quotes()[-1][0] == cents(1002))
        await rig.until(lambda: not rig.adapter.blind())
        assert not rig.sink.of(e.LinkDegraded)


@pytest.mark.slow
async def test_08_reconnects_one_at_a_time_and_waits_for_its_client_id() -> None:
    """326 is told at once, not after a time-out; attempts back off and never overlap; subscriptions come back."""
    async with running_rig(settings=QUICK) as rig:
        await rig.until(lambda: len(rig.sink.quotes()) > 0)
        rig.gateway.fault("client_id_stuck")
        rig.gateway.fault("disconnect")
        lost = await rig.fact(e.LinkLost)
        assert lost.reason
        await rig.until(lambda: any("326" in str(fields.get("reason")) for _, fields in rig.log.lines))
        assert len(rig.gateway.server.clients) <= 1
        rig.gateway.clear()
        rig.adapter.session._held_until_ns = 0  # five seconds of patience with the id, cut short
        rig.adapter.session._due_ns = min(rig.adapter.session._due_ns, rig.adapter.mono_ns() + 10**8)
        rig.adapter._arm()
        await rig.ready(2)
        rig.gateway.quote(1004, 1005)
        await rig.until(lambda: rig.sink.quotes()[-1][0] == cents(1004))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["silent", "close", "refuse"])
async def test_09_weekly_login_is_waited_for(how: str) -> None:
    """However the gateway behaves while it waits for a person, the adapter comes back when it does."""
    async with running_rig(settings=QUICK | {"login_timeout_s": 0.05}) as rig:
        rig.gateway.fault("weekly_logout", how=how)
        await rig.fact(e.LinkLost)
        await rig.until(lambda: rig.adapter.session.attempts >= 3)
        rig.gateway.clear()
        await rig.ready(2)


@pytest.mark.slow
async def test_10_connected_is_not_ready() -> None:
    """A gateway that accepts and is silent, one that logs in without accounts, one that never ends its lists."""
    async with scripted_rig(start=False, settings={"login_timeout_s": 0.05, "sync_timeout_s": 0.05}) as rig:
        rig.script.hello = False
        await rig.adapter.start()
        await rig.until(lambda: any("says nothing" in str(fields) for _, fields in rig.log.lines))
        rig.script.hello, rig.script.login = True, False
        await rig.until(lambda: any("no order ids came" in str(fields) for _, fields in rig.log.lines))
        assert not rig.sink.of(e.LinkRestored)
        rig.script.login = True
        await rig.ready()
        rig.submit(c.RequestSync(reason="test"))
        done = await rig.fact(e.SyncCompleted)
        assert not done.complete
        assert "open orders" in done.missing
        assert len(rig.script.of(7)) == 2  # executions were asked for once more


async def test_11_a_dead_line_is_found_by_a_snapshot_that_shows_another_price() -> None:
    """No error and no tick: silence is asked about, the answer differs, the line is blind and subscribed anew."""
    async with scripted_rig(speed=50.0) as rig:
        line = rig.script.of(1)[0][2]
        rig.script.send_many((1, 6, line, 1, "10", "5", 0), (1, 6, line, 2, "10.01", "5", 0))
        await rig.until(lambda: len(rig.sink.quotes()) == 1)

        def snapshot(fields: list[str]) -> None:
            if fields[17] == "1":  # a snapshot
                rig.script.send_many((1, 6, fields[2], 1, "9.50", "5", 0), (1, 6, fields[2], 2, "9.51", "5", 0))

        rig.script.answers["1"] = snapshot
        gapped = await rig.fact(e.FeedGapped)
        while gapped.inst != 0:
            gapped = await rig.fact(e.FeedGapped, len(rig.sink.of(e.FeedGapped)) + 1)
        assert "another quote" in gapped.reason
        await rig.until(lambda: [fields for fields in rig.script.of(2) if fields[2] == line])
        assert rig.adapter.link == READY


@pytest.mark.slow
def test_12_runs_on_uvloop_and_blocks_nothing() -> None:
    """The production loop, in its debug mode: no slow callback, no warning, orders and a synchronisation."""
    slow: list[str] = []

    async def trade() -> None:
        async with running_rig() as rig:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: slow.append(str(context)))
            rig.place(side=BUY, size=100, limit=1001)
            await rig.fact(e.CommissionReported)
            assert (await rig.sync())[-1].complete

    uvloop.run(trade())
    assert slow == []


async def test_13_late_commissions_and_missing_statuses() -> None:
    """No orderStatus at all and a commission long after: the fill is told at once, its cost when it comes."""
    async with running_rig(speed=50.0) as rig:
        rig.gateway.fault("missing_status")
        rig.gateway.fault("late_commission", delay_s="4")
        order_id = rig.place(side=SELL, size=100, limit=1000)
        filled = await rig.fact(e.OrderFilled)
        assert (filled.order_id, filled.side) == (order_id, SELL)
        assert not rig.sink.of(e.CommissionReported)
        assert (await rig.fact(e.CommissionReported)).exec_id == filled.exec_id
        assert rig.adapter.book.own[order_id].ended


async def test_14_repeated_and_corrected_executions_are_counted_once() -> None:
    """Every execution twice on the wire, then a correction by the gateway, then one that is taken back."""
    async with running_rig() as rig:
        rig.gateway.fault("duplicate", message="execDetails")
        rig.place(side=BUY, size=100, limit=1001)
        filled = await rig.fact(e.OrderFilled)
        await rig.fact(e.CommissionReported)
        exchange, now_ns = rig.gateway.world.exchange, rig.clock.now_ns()
        exchange.correct_execution(filled.exec_id, qty_nanos=shares(100), px_nanos=cents(1000), ts_ns=now_ns)
        rig.gateway.arm()
        corrected = await rig.fact(e.ExecutionCorrected)
        assert (corrected.corrects, corrected.px_nanos) == (filled.exec_id, cents(1000))
        assert len(rig.sink.of(e.OrderFilled)) == 1
        told = [f for f in await rig.sync() if type(f) is e.ExecutionReported]
        assert [f.exec_id for f in told] == [corrected.exec_id]


@pytest.mark.slow
async def test_15_history_that_hangs_holds_up_nothing() -> None:
    """No answer: cancelled, asked again, told as missing in the end; orders come first all the while."""
    async with scripted_rig(speed=1000.0, settings={"sync_timeout_s": 1000.0}) as rig:
        rig.script.empty_account()
        rig.adapter.fetch_reference(20260105)
        assert (await rig.sync())[-1].complete
        await rig.sent(20)
        order_id = await rig.working()
        await rig.sent(25)  # given up
        await rig.sent(20, 5)  # and asked again
        arrived = await rig.fact(e.ReferenceArrived)
        assert arrived.missing == "previous close, average volume, volume curve"
        assert not rig.adapter.book.own[order_id].ended


async def test_one_read_is_one_quote_per_instrument() -> None:
    """Ticks of two instruments and news of an order in one read: facts as received, then one quote each."""
    async with scripted_rig() as rig:
        order_id = rig.place(limit=1000)
        one, two = (fields[2] for fields in rig.script.of(1)[:2])
        rig.script.send_many(
            (1, 6, one, 1, "10", "5", 0), (1, 6, one, 2, "10.01", "5", 0), (1, 6, two, 2, "20.01", "7", 0),
            execution(order_id, "a.1.01"), (1, 6, one, 1, "10.02", "5", 0), (1, 6, one, 2, "10.03", "5", 0),
            (1, 6, two, 1, "20", "7", 0), commission("a.1.01"), order_status(order_id, "Filled", filled="100"),
        )  # fmt: skip
        await rig.until(lambda: len(rig.sink.rows) == 2)
        kinds = [item if isinstance(item, tuple) else type(item).__name__ for item in rig.sink.told[-4:]]
        assert kinds[:2] == ["OrderFilled", "CommissionReported"]
        assert [row[4:6] for row in rig.sink.rows] == [(cents(1002), cents(1003)), (cents(2000), cents(2001))]


async def test_read_only_gateway_and_wrong_account_say_what_to_do() -> None:
    """A read-only gateway rejects; another account behind the port ends the run with the field to correct."""
    async with scripted_rig() as rig:
        order_id = rig.place(limit=1000)
        rig.script.send(*error(order_id, 321, "Error validating request: API interface is currently in Read-Only mode"))
        assert (await rig.fact(e.OrderRejected)).code == 321
    async with scripted_rig(start=False) as rig:
        rig.script.accounts = "DU9,"
        await rig.adapter.start()
        assert rig.adapter.ended is not None
        with pytest.raises(Exception, match=r"account\.id: DU1 is not among .* \(DU9\)"):
            await asyncio.wait_for(asyncio.shield(rig.adapter.ended), 5.0)
        assert rig.adapter.link != DEGRADED
