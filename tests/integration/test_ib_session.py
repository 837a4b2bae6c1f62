"""The life of the connection: what ends it, what only degrades it, what leaves first when it is back."""

from types import SimpleNamespace

import msgspec
import pytest

from broker.gateway.orders.settings import OrderSettings
from broker.ib.config import RestartWindow
from broker.ib.seam import DEGRADED, DOWN, READY
from core import commands as c
from core import events as e
from core.ids import BUY
from tests.fakes.ib_rig import running_rig
from tests.fakes.ib_script import commission, details_of, error, execution, open_order, order_status, scripted_rig
from tests.fakes.sim_driver import order
from tests.fakes.tape import instrument

PINGS = {"ping_interval_s": 0.2, "ping_timeout_s": 0.06, "backoff_min_s": 0.05, "backoff_max_s": 0.1}


@pytest.mark.slow
async def test_half_open_line_degrades_then_reconnects() -> None:
    """Nothing passes and the socket stays: first no orders, then a new connection."""
    async with running_rig(settings=PINGS) as rig:
        rig.gateway.fault("half_open")
        degraded = await rig.fact(e.LinkDegraded)
        assert "not answered" in degraded.reason
        await rig.fact(e.LinkLost)
        rig.gateway.clear()
        await rig.ready(2)


async def test_the_broker_s_clock_is_measured() -> None:
    """Our clock less the broker's, from whole seconds: within one of them."""
    async with running_rig() as rig:
        measured = await rig.fact(e.ClockOffsetMeasured)
        assert abs(measured.offset_ns) <= 10**9
        assert measured.round_trip_ns > 0


async def test_1101_subscribes_everything_again_and_1102_asks_each_line() -> None:
    """And no order leaves in between; the trader synchronises after both."""
    async with scripted_rig(speed=20.0) as rig:
        one, two = (fields[2] for fields in rig.script.of(1)[:2])
        ticks = [(1, 6, line, kind, px, "5", 0) for line in (one, two) for kind, px in ((1, "10"), (2, "10.01"))]
        rig.script.send_many(*ticks)
        await rig.until(lambda: len(rig.sink.rows) == 2)
        rig.script.send(*error(-1, 1100))
        await rig.fact(e.LinkDegraded)
        assert len(rig.sink.of(e.FeedGapped)) == 2
        assert "not ready" in rig.submit(c.PlaceOrder(order=order(40, limit=1000)))
        rig.script.answers["1"] = lambda fields: (
            rig.script.send_many((1, 6, fields[2], 1, "10", "5", 0), (1, 6, fields[2], 2, "10.01", "5", 0))
            if fields[17] == "1"
            else None
        )
        rig.script.send(*error(-1, 1102))
        await rig.fact(e.LinkRestored, 2)
        await rig.until(lambda: not rig.adapter.blind())  # each line was asked and answered what it shows
        assert not [f for f in rig.script.of(2) if f[2] in (one, two)]
        rig.script.send(*error(-1, 1101))
        await rig.fact(e.LinkRestored, 3)
        assert len(rig.sink.of(e.LinkDegraded)) == 2  # 1101 without 1100: lost all the same
        await rig.until(lambda: {f[2] for f in rig.script.of(2)} >= {one, two})
        await rig.until(lambda: len([f for f in rig.script.of(1) if f[17] == "0"]) == 4)


async def test_known_restart_stops_orders_in_advance_and_says_so() -> None:
    """09:32 New York for a minute, announced twenty seconds early: degraded by name, then ready again."""
    window = RestartWindow(name="test restart", start="09:32", minutes=1)
    settings = {"windows": (window,), "window_lead_s": 20.0}
    async with scripted_rig(speed=1000.0, start=False, settings=settings) as rig:
        await rig.adapter.start()
        degraded = await rig.fact(e.LinkDegraded)
        assert "test restart, from 09:32" in degraded.reason
        assert "test restart" in rig.submit(c.PlaceOrder(order=order(1, limit=1000)))
        restored = await rig.fact(e.LinkRestored, len(rig.sink.of(e.LinkRestored)) + 1)
        assert "window is over" in restored.reason


async def test_cancels_and_kills_of_a_lost_link_leave_first_when_it_is_back() -> None:
    """Latched while there is no session; then before look-ups, subscriptions and the synchronisation."""
    async with scripted_rig() as rig:
        first, second = await rig.working(), await rig.working()
        await rig.script.stop()
        await rig.fact(e.LinkLost)
        assert rig.adapter.link == DOWN
        assert rig.cancel(first) == rig.cancel(first) == ""
        assert "not connected" in rig.replace(second, limit=1001) or "ready" in rig.replace(second, limit=1001)
        assert rig.submit(c.CancelAllOrders(reason="kill")) == ""
        seen = len(rig.script.requests)
        await rig.script.start()
        await rig.ready(2)
        await rig.sent(1, 4)  # both lines are subscribed again
        new = [fields[0] for fields in rig.script.requests[seen:]]
        assert new[:3] == ["71", "58", "4"]
        assert new.count("4") == 1


async def test_faults_without_end_end_the_connection() -> None:
    """One degrades; more than `faults_max` in a minute are a connection to give up."""
    async with scripted_rig(settings={"faults_max": 3}) as rig:
        rig.script.send_many(*[(5, number) for number in range(4)])
        lost = await rig.fact(e.LinkLost)
        assert "faults in a minute" in lost.reason
        await rig.ready(2)


async def test_gateway_clock_is_announced_before_the_session_or_there_is_none() -> None:
    """With clock = "gateway" the trader lives in the announced time; a gateway that announces none is refused."""
    async with running_rig(settings={"clock": "gateway"}) as rig:
        assert rig.clock.announced
        assert abs(rig.clock.announced[0][0] - rig.clock.now_ns()) < 60 * 10**9
    async with scripted_rig(start=False, settings={"clock": "gateway"}) as other:
        await other.adapter.start()
        await other.until(lambda: other.adapter.ended is not None and other.adapter.ended.done())
        assert other.adapter.ended is not None
        assert "announces no clock" in str(other.adapter.ended.exception())


@pytest.mark.slow
async def test_a_kill_of_two_hundred_orders_stays_within_the_rate() -> None:
    """Through a gateway that counts messages: every one is cancelled, no code 100, no order left."""
    async with running_rig(speed=20.0, orders=OrderSettings(orders_per_side_max=1000)) as rig:
        placed: list[int] = []

        def place() -> bool:
            """As many as the budget takes now; whether all have left."""
            while len(placed) < 200:
                number = rig.order_id()
                made = order(number, side=BUY, size=1, limit=900 + number % 50)
                if reason := rig.submit(c.PlaceOrder(order=made)):
                    assert "messages a second" in reason
                    return False
                placed.append(number)
            return True

        await rig.until(place)
        await rig.until(lambda: len(rig.sink.of(e.OrderAcknowledged)) >= 200)
        for number in placed:
            assert rig.cancel(number) == ""
        await rig.until(lambda: len(rig.sink.of(e.OrderCancelled)) == 200)
        assert not [line for line in rig.log.lines if line[1].get("code") == 100]
        assert (await rig.sync())[-1].complete
        assert not rig.sink.of(e.OpenOrderReported)


async def test_a_cancel_passes_four_hundred_queued_requests() -> None:
    """Data wait for their share of the budget; a cancel and an order are on the wire at once."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        for _ in range(400):
            rig.adapter.request(2, "reqMarketRule", 26)
        before = len(rig.script.of(91))
        assert rig.cancel(order_id) == ""
        await rig.sent(4)
        rig.place(limit=1000)
        await rig.sent(3, 2)
        assert len(rig.script.of(91)) - before < 100


@pytest.mark.slow
async def test_synchronisation_of_many_orders_and_executions() -> None:
    """Two hundred open orders and two thousand executions, of an earlier run: reported once each, and complete."""
    async with scripted_rig() as rig:
        refs = [(number, f"q-t-0-{number}") for number in range(1, 201)]
        listed = [open_order(number, "Submitted", perm_id=5000 + number, ref=ref) for number, ref in refs]
        rig.script.empty_account()
        rig.script.answers["5"] = lambda _: rig.script.send_many(*listed, (53, 1))
        rig.script.answers["16"] = lambda _: rig.script.send_many(*listed, (53, 1))
        rig.script.answers["7"] = lambda fields: rig.script.send_many(*_executions(int(fields[2])), (55, 1, fields[2]))
        facts = await rig.sync()
        kinds = [type(fact).__name__ for fact in facts]
        assert kinds.count("OpenOrderReported") == 200
        assert kinds.count("ExecutionReported") == 2_000
        assert kinds.count("CommissionReported") == 2_000
        assert facts[-1].complete
        assert rig.adapter.book.order_id_next == 201


def _executions(request_id: int) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = []
    for number in range(2_000):
        order_id = number % 200 + 1
        how = {"shares": "1", "cumulative": "10", "perm_id": 5000 + order_id, "ref": f"q-t-0-{order_id}"}
        told.append(execution(order_id, f"0000e0d5.{number}.01", request_id=request_id, **how))  # type: ignore[arg-type]
        told.append(commission(f"0000e0d5.{number}.01"))
    return told


async def test_a_fill_between_positions_and_their_report_is_no_difference() -> None:
    """Positions were read before the fill, the fill came after: they are read again before anything is compared."""
    async with scripted_rig() as rig:
        order_id = await rig.working()
        rig.script.empty_account()

        def positions(_: list[str]) -> None:
            first = len(rig.script.of(61)) == 1
            held = "0" if first else "100"
            row = (61, 3, "DU1", 1000, "S0", "STK", "", "0", "", "", "NYSE", "USD", "S0", "S0", held, "10")
            rig.script.send_many(row, (62, 1))
            if first:
                rig.script.send_many(
                    execution(order_id, "a.1.01"), order_status(order_id, "Filled", filled="100", remaining="0")
                )

        rig.script.answers["61"] = positions
        facts = await rig.sync()
        assert [f.qty_nanos for f in facts if type(f) is e.PositionReported] == [100 * 10**9]
        assert facts[-1].complete
        assert len(rig.script.of(61)) == 2


async def test_a_position_in_a_contract_that_is_still_looked_up_is_no_strangers() -> None:
    """Without con_id in the config the broker's position may be ours until the look-ups are answered: no
    synchronisation before that is complete, and so no difference is found; after it the position is the instrument's.
    """
    async with scripted_rig(start=False, speed=20.0) as rig:
        nameless = tuple(msgspec.structs.replace(instrument(inst), con_id=0) for inst in range(2))
        rig.gateway.world = SimpleNamespace(instruments=nameless)  # type: ignore[assignment]  # all that make reads
        rig.adapter = rig.make()
        lookups: list[list[str]] = []
        rig.script.empty_account()
        rig.script.answers["9"] = lookups.append
        held = (61, 3, "DU1", 1001, "S1", "STK", "", "0", "", "", "NYSE", "USD", "S1", "S1", "100", "10")
        rig.script.answers["61"] = lambda _: rig.script.send_many(held, (62, 1))
        await rig.adapter.start()
        await rig.fact(e.LinkRestored)
        done = (await rig.sync())[-1]
        assert (done.complete, done.missing) == (False, "contracts of our own instruments")
        for number, fields in enumerate(lookups[:2]):
            rig.script.send_many(details_of(fields[2], 1000 + number), (52, 1, fields[2]))
        await rig.ready()
        facts = await rig.sync()
        assert [(f.inst, f.qty_nanos) for f in facts if type(f) is e.PositionReported] == [(1, 100 * 10**9)]
        assert (facts[-1].complete, facts[-1].missing) == (True, "")


@pytest.mark.slow
async def test_degraded_takes_cancels_and_no_orders() -> None:
    """1100: a cancel leaves, an order and a replace say why they do not, a synchronisation stays incomplete."""
    async with scripted_rig(settings={"sync_timeout_s": 0.05}) as rig:
        order_id = await rig.working()
        rig.script.send(*error(-1, 1100, "lost"))
        await rig.fact(e.LinkDegraded)
        assert rig.adapter.link == DEGRADED
        assert rig.cancel(order_id) == ""
        await rig.sent(4)
        assert rig.replace(order_id, limit=1001) == "the link is not ready: lost"
        rig.submit(c.RequestSync(reason="verify kill"))
        assert not (await rig.fact(e.SyncCompleted)).complete
        rig.script.send(*error(-1, 1102, "back"))
        await rig.fact(e.LinkRestored, 2)
        assert rig.adapter.link == READY
