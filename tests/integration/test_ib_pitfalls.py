"""What goes wrong under users of the client library (research A3), one test each, on the bytes that make it happen."""

import pytest

from core import events as e
from tests.fakes.ib_script import (
    commission,
    error,
    execution,
    open_order,
    order_status,
    scripted_rig,
)
from tests.fakes.tape import cents, shares


async def test_codes_that_are_no_cancel_leave_a_live_order_alone() -> None:
    """10349, 399, 404, 2109, 2137 and 481 with an order's number: informational, the order works on."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        before = len(rig.sink.facts)
        rig.script.send_many(*[error(order_id, code) for code in (10349, 399, 404, 2109, 2137, 481)])
        await rig.told()
        assert rig.names(before) == []
        assert not rig.adapter.book.own[order_id].ended


async def test_201_on_a_modify_refuses_the_modify_and_the_order_lives() -> None:
    """So do 110 and 161 (which refuses a cancel): the library would say Cancelled of a live order each time."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        for version, code in ((1, 201), (2, 110)):
            assert rig.replace(order_id, version, limit=1001) == ""
            await rig.sent(3, 1 + version)
            rig.script.send_many(error(order_id, code, "Order rejected - reason: test"))
            refused = await rig.fact(e.ReplaceRejected, version)
            assert (refused.order_id, refused.version, refused.code) == (order_id, version, code)
        assert rig.cancel(order_id) == ""
        await rig.sent(4)
        rig.script.send(*error(order_id, 161, "Cancel attempted when order is not in a cancellable state."))
        assert (await rig.fact(e.CancelRejected)).code == 161
        assert not rig.adapter.book.own[order_id].ended
        assert not rig.sink.of(e.OrderCancelled)
        assert not rig.sink.of(e.OrderRejected)


async def test_104_and_10148_tell_what_came_too_late() -> None:
    """A modify of a filled order and a cancel of one: refused, and the executions are asked for."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        assert rig.replace(order_id, limit=1001) == ""
        rig.script.send(*error(order_id, 104, "Cannot modify a filled order."))
        await rig.fact(e.ReplaceRejected)
        await rig.fact(e.SyncStarted)
        assert rig.cancel(order_id) == ""
        rig.script.send(*error(order_id, 10148, "can not be cancelled, state: Filled."))
        assert (await rig.fact(e.CancelRejected)).code == 10148


async def test_a_modify_that_the_fill_outran_is_refused_without_an_answer() -> None:
    """All of the old size is filled while a larger one is on its way, and nobody answers: a schedule must not wait for
    it. A modify of the price alone ends with its order.
    """
    async with scripted_rig() as rig:
        order_id = await rig.working()
        assert rig.replace(order_id, 1, limit=1001, size=100) == ""
        rig.script.send_many(order_status(order_id, "Filled", filled="100", remaining="0"))
        assert rig.replace(order_id, 2, limit=1001, size=150) == ""
        await rig.sent(3, 3)
        rig.script.send_many(order_status(order_id, "Filled", filled="100", remaining="0"))
        refused = await rig.fact(e.ReplaceRejected)
        assert (refused.order_id, refused.version, refused.code) == (order_id, 2, 0)
        rig.script.send_many(order_status(order_id, "Filled", filled="100", remaining="0"))
        rig.script.send_many(execution(order_id, "a.1.01"))
        await rig.fact(e.OrderFilled)
        assert len(rig.sink.of(e.ReplaceRejected)) == 1


async def test_correction_replaces_an_execution_and_a_repeat_is_told_once() -> None:
    """…01.01, again, then …01.02 with other numbers: one fill, one correction; a bust is a correction to nothing."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        rig.script.send_many(
            execution(order_id, "0000e0d5.1.01.01", perm_id=501, price="10"),
            execution(order_id, "0000e0d5.1.01.01", perm_id=501, price="10"),
            execution(order_id, "0000e0d5.1.01.02", perm_id=501, price="9.99"),
            execution(order_id, "0000e0d5.1.01.03", perm_id=501, shares="0", cumulative="100", price="9.99"),
        )
        await rig.fact(e.ExecutionCorrected, 2)
        (fill,), (first, second) = rig.sink.of(e.OrderFilled), rig.sink.of(e.ExecutionCorrected)
        assert (fill.exec_id, fill.qty_nanos) == ("0000e0d5.1.01.01", shares(100))
        assert (first.corrects, first.exec_id, first.px_nanos) == (fill.exec_id, "0000e0d5.1.01.02", cents(999))
        assert (second.corrects, second.qty_nanos) == ("0000e0d5.1.01.02", 0)


async def test_execution_with_a_windows_time_zone_is_not_lost() -> None:
    """The library's decoder loses it over the zone's name. A name nobody knows costs the time, not the fill."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        zones = ("Central European Standard Time", "Nowhere Standard Time", "")
        for number, zone in enumerate(zones):
            when = f"20260105 15:31:05 {zone}".strip()
            rig.script.send(*execution(order_id, f"a.{number}.01", perm_id=501, shares="1", cumulative="3", time=when))
        fills = [await rig.fact(e.OrderFilled, number) for number in (1, 2, 3)]
        assert [fill.exchange_ts_ns for fill in fills] == [1_767_623_465 * 10**9, 0, 0]


async def test_perm_id_zero_is_no_identity() -> None:
    """Two orders whose first openOrder and fill carry permId 0: each fill goes to the order of its ref."""
    async with scripted_rig() as rig:
        first, second = rig.place(limit=1000), rig.place(limit=999)
        rig.script.send_many(
            open_order(first, "PreSubmitted", perm_id=0),
            open_order(second, "PreSubmitted", perm_id=0, limit="9.99"),
            execution(second, "a.1.01", perm_id=0, shares="60"),
            execution(first, "a.2.01", perm_id=0, shares="40"),
        )
        await rig.fact(e.OrderFilled, 2)
        assert [(f.order_id, f.qty_nanos) for f in rig.sink.of(e.OrderFilled)] == [
            (second, shares(60)),
            (first, shares(40)),
        ]


async def test_messages_of_orders_nobody_knows_break_nothing() -> None:
    """orderStatus of a stranger, completedOrder unasked for, depth of an unknown request: no fact, no fault."""
    async with scripted_rig() as rig:
        before = len(rig.sink.facts)
        rig.script.send_many(order_status(77, "Submitted", perm_id=9, client_id=3), (12, 1, 5, 0, 0, 1, "10", "1"))
        await rig.told()
        assert rig.names(before) == []


async def test_decoder_error_is_a_fault_and_not_a_line_in_a_log() -> None:
    """What the library's decoder swallows stops orders, until a quiet moment and a synchronisation."""
    async with scripted_rig(settings={"fault_quiet_s": 0.05}) as rig:
        rig.script.send(5, 1, "broken")
        degraded = await rig.fact(e.LinkDegraded)
        assert "broken" in degraded.reason
        await rig.fact(e.LinkRestored, 2)
        rig.script.send(21, 1, 2)  # of an option, which nobody asked for; too short all the same
        await rig.fact(e.LinkDegraded, 2)


async def test_status_and_fill_in_any_order() -> None:
    """Filled before its execution; execution before the acknowledgement; a fill with no status at all."""
    async with scripted_rig() as rig:
        first = rig.place(limit=1000)
        rig.script.send_many(
            order_status(first, "Filled", filled="100", remaining="0"),
            execution(first, "a.1.01"),
            commission("a.1.01"),
        )
        await rig.fact(e.CommissionReported)
        second = rig.place(limit=1000)
        rig.script.send_many(commission("a.2.01", "0.35"), execution(second, "a.2.01", perm_id=502))
        await rig.fact(e.CommissionReported, 2)
        assert rig.names()[-4:] == ["OrderFilled", "CommissionReported", "OrderFilled", "CommissionReported"]
        assert rig.adapter.book.own[first].ended
        assert rig.adapter.book.own[second].ended


async def test_status_ahead_of_executions_that_never_come_is_looked_up() -> None:
    """pysystemtrade's zero fills: filled by status alone is asked for, not believed and not forgotten."""
    async with scripted_rig(speed=200.0, settings={"sync_timeout_s": 3000.0}) as rig:
        order_id = rig.place(limit=1000)
        rig.script.send(*order_status(order_id, "Filled", filled="100", remaining="0"))
        started = await rig.fact(e.SyncStarted)
        assert "executions missing" in started.reason
        assert rig.sink.of(e.OrderFilled) == []


async def test_cancelled_then_202_then_a_late_fill() -> None:
    """One cancel is told; the fill after it is told too."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        rig.cancel(order_id)
        await rig.sent(4)
        before = len(rig.sink.facts)
        rig.script.send_many(
            order_status(order_id, "PendingCancel"),
            order_status(order_id, "Cancelled"),
            error(order_id, 202, "Order Canceled - reason:"),
            execution(order_id, "a.1.01", shares="30"),
        )
        await rig.fact(e.OrderFilled)
        assert rig.names(before) == ["OrderCancelled", "OrderFilled"]


async def test_inactive_then_201_rejects_and_a_reject_that_revives_is_looked_up() -> None:
    """Inactive keeps the order; 201 ends it; Submitted after that is told and synchronised."""
    async with scripted_rig() as rig:
        order_id = rig.place(limit=1000)
        rig.script.send_many(open_order(order_id, "Inactive"), order_status(order_id, "Inactive"))
        await rig.fact(e.OrderInactivated)
        rig.script.send(*error(order_id, 201, "Order rejected - reason: margin"))
        assert (await rig.fact(e.OrderRejected)).code == 201
        rig.script.send(*order_status(order_id, "Submitted"))
        await rig.fact(e.OrderAcknowledged)
        await rig.fact(e.SyncStarted)


async def test_unknown_status_and_unknown_code_conclude_nothing() -> None:
    """They are logged and looked up."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        before = len(rig.sink.facts)
        rig.script.send_many(order_status(order_id, "WarnState"), error(order_id, 9_999, "something new"))
        started = await rig.fact(e.SyncStarted)
        assert "WarnState" in started.reason
        assert rig.names(before) == ["SyncStarted"]
        assert not rig.adapter.book.own[order_id].ended


async def test_replace_is_confirmed_by_the_echo_of_its_numbers() -> None:
    """An echo of the old numbers confirms nothing; odd values in fields the order does not use do not matter."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        assert rig.replace(order_id, limit=1001, size=80) == ""
        rig.script.send_many(
            open_order(order_id, "Submitted"),
            open_order(order_id, "Submitted", qty="80", limit="10.01", aux="13.16"),
        )
        replaced = await rig.fact(e.OrderReplaced)
        assert (replaced.version, replaced.qty_nanos, replaced.limit_px_nanos) == (1, shares(80), cents(1001))
        assert len(rig.sink.of(e.OrderReplaced)) == 1


async def test_what_if_echo_and_other_accounts_are_not_our_orders() -> None:
    """Another account of the same log-in trades: nothing of it is told."""
    async with scripted_rig() as rig:
        before = len(rig.sink.facts)
        rig.script.send_many(
            open_order(5, "Submitted", account="DU2", perm_id=600),
            execution(5, "a.1.01", account="DU2", perm_id=600),
        )
        await rig.told()
        assert rig.names(before) == []


async def test_somebody_s_order_that_the_library_cannot_read_stops_nothing() -> None:
    """A foreign order with a field beyond the decoder: reported as foreign from its head, complete, and no fault. One
    of ours would be a fault.
    """
    async with scripted_rig() as rig:
        foreign = list(open_order(0, "Submitted", perm_id=900, ref="by hand", client_id=0))
        foreign[60] = "not a number"
        rig.script.empty_account()
        rig.script.answers["5"] = lambda _: rig.script.send_many(tuple(foreign), (53, 1))
        facts = await rig.sync()
        report = next(fact for fact in facts if type(fact) is e.OpenOrderReported)
        assert (report.order_id, report.order_ref, report.perm_id) == (0, "by hand", 900)
        assert (report.qty_nanos, report.limit_px_nanos) == (shares(100), cents(1000))
        assert facts[-1].complete
        assert not rig.sink.of(e.LinkDegraded)
        foreign[23] = "q-t-9-1"
        rig.script.send(*foreign)
        await rig.fact(e.LinkDegraded)


async def test_an_order_that_grew_behind_our_back_is_a_fault() -> None:
    """A modify that the gateway kept through a loss of connection is carried out after it was written off."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        rig.script.send(*open_order(order_id, "Submitted", perm_id=501, qty="150"))
        degraded = await rig.fact(e.LinkDegraded)
        assert "works a quantity of 150, ours is 100" in degraded.reason


async def test_a_number_that_was_taken_is_not_ours() -> None:
    """103, then news of the order that has the number: nothing of it is told as ours."""
    async with scripted_rig() as rig:
        order_id = rig.place(limit=1000)
        rig.script.send(*error(order_id, 103, "Duplicate order id"))
        await rig.fact(e.OrderRejected)
        await rig.sent(8)
        before = len(rig.sink.facts)
        rig.script.send(*order_status(order_id, "Submitted", perm_id=77))
        await rig.told()
        assert rig.names(before) == []


@pytest.mark.slow
async def test_connect_failures_say_what_they_are_and_are_not_waited_for() -> None:
    """Closed at accept, an old version, no accounts, silence: each with its own words, none the end of the attempts."""
    async with scripted_rig(start=False, settings={"login_timeout_s": 0.05, "backoff_max_s": 0.05}) as rig:

        def said(words: str) -> bool:
            return any(words in str(fields.get("reason")) for _, fields in rig.log.lines)

        rig.script.close_at_accept = True
        await rig.adapter.start()
        await rig.until(lambda: said("closed before order ids and accounts came"))
        rig.script.close_at_accept, rig.script.version = False, 156
        await rig.until(lambda: said("versions 157 to 178 are understood"))
        rig.script.version, rig.script.accounts = 178, ""
        await rig.until(lambda: said("no accounts came in time"))
        rig.script.hello = False
        await rig.until(lambda: said("accepts and says nothing"))
        rig.script.hello, rig.script.accounts = True, "DU1,"
        await rig.ready()
        assert len(rig.sink.of(e.LinkRestored)) == 1


async def test_synchronisations_leave_no_subscription_behind() -> None:
    """Account and position requests end with their answer: a third account request would be refused by TWS."""
    async with scripted_rig() as rig:
        rig.script.empty_account()
        for _ in range(3):
            assert (await rig.sync())[-1].complete
        await rig.sent(77, 3)
        await rig.sent(64, 3)
        assert len(rig.script.of(76)) == len(rig.script.of(61)) == 3


async def test_ticks_nobody_knows_are_no_fault() -> None:
    """Odd-lot sizes and prices, news, auction data: passed over, also on the line of an instrument."""
    async with scripted_rig() as rig:
        line = rig.script.of(1)[0][2]
        before = len(rig.sink.facts)
        rig.script.send_many(
            *[(1, 6, line, kind, "10", "1", 0) for kind in (6, 9, 14, 37, 105, 110)],
            *[(2, 6, line, kind, "10") for kind in (21, 61, 86, 106)],
            *[(46, 6, line, kind, "text") for kind in (32, 45, 84, 999)],
            (45, 6, line, 54, "7"), (21, line, 10, 0, "0.2", "0.5", "1", "0", "0.1", "0.1", "0.1", "10"),
            (84, line, 1, "a", "b", "c", "d"), (81, line, "0.01", "a", 3), (100, 1, 2, 3),
        )  # fmt: skip
        await rig.told()
        assert rig.names(before) == []


async def test_a_completed_order_that_nobody_asked_for_is_passed_over() -> None:
    """The library raises KeyError."""
    async with scripted_rig() as rig:
        before = len(rig.sink.facts)
        rig.script.send_many((102,), (53, 1), (55, 1, 7), (62, 1), (54, 1, "DU1"), (74, 1, 7), (52, 1, 7))
        await rig.told()
        assert rig.names(before) == []


@pytest.mark.slow
async def test_fills_that_no_list_brings_do_not_hold_up_synchronisation_for_ever() -> None:
    """An order of an earlier day, adopted: the broker counts fills that today's executions lack. Reported as filled, so
    that the books can say so; complete all the same.
    """
    async with scripted_rig(speed=50.0) as rig:
        rig.script.empty_account()
        rig.script.answers["5"] = lambda _: rig.script.send_many(
            open_order(40, "Submitted", perm_id=700, ref="q-t-0-40"),
            order_status(40, "Submitted", perm_id=700, filled="30", remaining="70"),
            (53, 1),
        )
        rig.script.answers["16"] = rig.script.answers["5"]
        facts = await rig.sync()
        assert facts[-1].complete
        assert [f.filled_nanos for f in facts if type(f) is e.OpenOrderReported][-1] == shares(30)
        assert (await rig.sync())[-1].complete
