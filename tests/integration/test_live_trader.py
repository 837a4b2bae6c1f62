"""A trader on the paper gateway, over a real socket: it trades, breaks off and goes on, and both sides' books agree to
the last cent.
"""

from pathlib import Path
from typing import Any

import pytest

from core import events as e
from core.commands import INTENT_DISASTER, STP
from core.latches import ACCOUNT
from core.orders import Order, State
from core.parents import ParentState
from core.units import BP, NANO
from daemon.recovery import verify_replay
from daemon.status.measures import MEASURES_BYTES_MAX, encode_measures
from tests.fakes.pair import Pair, install, run

pytestmark = pytest.mark.slow
GLOBAL_CANCEL = 58
STOPS = "[limits.symbol.AAA]\ndisaster_stop_bp = 1_000\n[limits.symbol.CCC]\ndisaster_stop_bp = 1_000\n"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed and tables without processes of their own."""
    install(monkeypatch)


def verified(pair: Pair) -> None:
    """A replay makes every record again."""
    report = verify_replay(pair.folder / "journal")
    assert report.ok, report.difference


def requests_of(pair: Pair) -> list[int]:
    """Message ids as the gateway takes them from now on."""
    taken: list[int] = []
    machine = pair.gateway.built.machine
    handle = machine.handle

    def noting(client: Any, msg_id: int, fields: Any) -> bool:
        taken.append(msg_id)
        return handle(client, msg_id, fields)

    machine.handle = noting  # type: ignore[method-assign]
    return taken


def measured(pair: Pair) -> None:
    """Every order that left was timed, from the read that caused it to the socket, the wait for the disk included."""
    measures = pair.trader.measuring.measures()
    count = {name: sum(times.counts) for name, times in measures.times.items()}
    recorded = measures.requests["place"] + measures.requests["replace"]  # some are cancelled before they leave
    assert 0 < count["wire"] == count["dispatch"] == count["market"] + count["other"] <= recorded
    assert count["hold"] == count["wire"]
    assert 0 < count["decide"] == count["journal"] <= count["wire"]
    assert 0 < count["receive"] <= count["decide"] <= count["gate"]
    assert min(count["sync"], count["read"], count["lag"]) > 0
    assert measures.answers["acknowledged"] > 0
    assert measures.written_bytes >= measures.synced_bytes > 0
    assert measures.process is not None
    assert measures.process.resident_bytes > 1 << 20
    assert [one.symbol for one in measures.symbols] == ["AAA", "CCC"]
    assert all(0 <= one.age_ms < 60_000 for one in measures.symbols)
    assert measures.reconcile_age_ms >= 0
    assert len(encode_measures(measures)) < MEASURES_BYTES_MAX


def test_it_trades_to_the_last_cent_and_a_kill_is_a_global_cancel(tmp_path: Path) -> None:
    """Fills, positions and cash are the same on both sides; a kill leaves as one global cancel and is verified."""

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()
        tally = pair.trader.active_runner.tally
        await pair.until(lambda: tally.fills >= 12)
        await pair.until(lambda: all(row.state == "" for row in pair.operations.status().feed))
        picture = pair.operations.status()
        assert (picture.link, picture.link_why, picture.clock) == ("READY", "", "gateway")
        assert len(picture.feed) == 2
        # Before the slow numbers of the day had come; and where a chase comes back to the price it has just left.
        assert set(tally.refusals) <= {"48 FAIL_CLOSED", "12 DUPLICATE_ORDER"}
        await pair.until(lambda: any(order.state is State.WORKING for order in pair.orders()))
        taken = requests_of(pair)
        pair.operations.operate(e.OperatorKilled(level=ACCOUNT, scope="", reason="test", operator="test"))
        await pair.until(lambda: GLOBAL_CANCEL in taken)
        await pair.until(lambda: all(kill.verified_ns for kill in pair.money.kills))
        await pair.settle()
        pair.money.ledger.assert_identity()
        await pair.stop_trader()
        await pair.stop_gateway()

    verified(run(tmp_path, story))


def test_a_nightly_reset_in_the_middle_of_a_twap(tmp_path: Path) -> None:
    """The sockets close and connections are refused for a while: the schedule goes on and trades its exact total."""

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()

        def under_way() -> list[Any]:
            parents = pair.money.live_parents.values()
            return [p for p in parents if p.state is ParentState.ACTIVE and 0 < p.filled_nanos < p.qty_nanos // 2]

        await pair.until(lambda: bool(under_way()))
        (parent, *_) = under_way()
        pair.fault("nightly_reset", seconds=40.0, warning_s="2", roll_back="3")
        await pair.until(lambda: pair.operations.status().link == "DOWN")
        await pair.until(lambda: pair.operations.status().link == "READY")
        await pair.until(lambda: parent.state is not ParentState.ACTIVE)
        filled = sum(order.filled_nanos for order in pair.orders() if order.parent_id == parent.parent_id)
        assert (parent.filled_nanos, filled) == (parent.qty_nanos, parent.qty_nanos)
        await pair.settle()
        ids = [order.order_id for order in pair.orders()]
        assert len(set(ids)) == len(ids)
        assert not pair.money.differences
        await pair.stop_trader()
        await pair.stop_gateway()

    verified(run(tmp_path, story, duration_s=240, slices=12, cadence_s=3600))


def disaster_stops(pair: Pair) -> list[Order]:
    """Those that stand."""
    return [order for order in pair.orders() if order.purpose == INTENT_DISASTER and order.state is State.WORKING]


def test_a_restart_with_an_open_order(tmp_path: Path) -> None:
    """Orders that stay at the broker over a stop are the trader's again, the disaster stop among them, and what filled
    meanwhile is booked once.
    """

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()
        while not disaster_stops(pair):  # one may go with its position just before the stop
            await pair.until(lambda: bool(disaster_stops(pair)))
            await pair.stop_trader()
            if not disaster_stops(pair):
                await pair.start_trader()
        (stop, *_) = disaster_stops(pair)
        left = [order.order_id for order in pair.orders() if order.live]
        (there,) = [record for record in pair.records() if record.perm_id == stop.perm_id]
        assert (there.order_type, there.status, there.limit_px_nanos) == (STP, "PreSubmitted", 0)
        away_bp = (there.request.nanos("auxPrice") * BP // ((25, 180)[stop.inst] * NANO) - BP) * stop.side
        assert 800 < away_bp < 1_200, "a tenth from the mark, over the wire"
        epoch = pair.money.epoch
        await pair.start_trader()
        assert pair.money.epoch == epoch + 1
        await pair.until(lambda: pair.operations.status().link == "READY")
        for order_id in left:
            assert order_id in pair.money.orders
        assert pair.money.orders[stop.order_id].purpose == INTENT_DISASTER
        tally = pair.trader.active_runner.tally
        before = tally.fills
        await pair.until(lambda: tally.fills >= before + 4)
        standing = [order.inst for order in disaster_stops(pair)]
        assert len(standing) == len(set(standing))
        pair.operations.operate(e.OperatorKilled(level=ACCOUNT, scope="", reason="test", operator="test"))
        await pair.settle()
        assert not pair.money.differences
        await pair.stop_trader()
        await pair.stop_gateway()

    verified(run(tmp_path, story, on_stop="hold", more=STOPS))


def test_a_shadow_watches_the_account_and_trades_in_process(tmp_path: Path) -> None:
    """Market data of the broker, orders at the venue of its own: not one order reaches the gateway, and it replays."""

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()
        tally = pair.trader.active_runner.tally
        await pair.until(lambda: tally.fills >= 4)
        assert pair.operations.status().link == "READY"
        assert not pair.records()
        assert pair.trader.active_runner.machine.exchange is not None
        await pair.stop_trader()
        fills = tally.fills
        await pair.start_trader()
        again = pair.trader.active_runner.tally
        await pair.until(lambda: again.fills >= fills + 2)
        await pair.stop_trader()
        pair.money.ledger.assert_identity()
        assert not pair.records()
        await pair.stop_gateway()

    verified(run(tmp_path, story, mode="shadow"))


def test_orders_wait_for_the_disk(tmp_path: Path) -> None:
    """With durability fsync the same books come out, with every order released by a thread's fsync."""

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        await pair.start_trader()
        runner = pair.trader.active_runner
        assert runner.hold is not None
        await pair.until(lambda: runner.tally.fills >= 4)
        await pair.settle()
        assert not runner.hold.waiting
        measured(pair)
        await pair.stop_trader()
        await pair.stop_gateway()

    verified(run(tmp_path, story, durability="fsync"))
