"""Orders that the broker's own algorithms work, from the config's words to the fills: the adapter on the paper gateway
over a real socket, the library's decoder reading what comes back.
"""

import pytest

from core import events as e
from core.ids import BUY
from core.moments import utc_text
from core.orders import Order, State
from core.parents import Parent
from core.reconcile import Sync, order_differences
from core.units import NANO
from execution.algos import find_algo, read_params
from execution.algos.native import NATIVES
from tests.fakes.ib_rig import Rig, running_rig
from tests.fakes.sim_driver import Pairs
from tests.fakes.tape import OPEN_NS, cents, shares

Tags = dict[str, str | bool | float]
PART: Tags = {"maxPctVol": 0.25}
DONE: Tags = {"riskAversion": "Get Done", "forceCompletion": True}
TAGS: dict[str, Tags] = {
    "ib_adaptive": {"adaptivePriority": "Patient"},
    "ib_twap": {"strategyType": "Matching Midpoint", "allowPastEndTime": True},
    "ib_vwap": {**PART, "noTakeLiq": False, "speedUp": True, "allowPastEndTime": False},
    "ib_pctvol": {"pctVol": 0.1, "noTakeLiq": True},
    "ib_pctvolpx": {"pctVol": 0.1, "deltaPctVol": 0.1, "minPctVol4Px": 0.1, "maxPctVol4Px": 0.5, "noTakeLiq": False},
    "ib_pctvolsz": {"startPctVol": 0.1, "endPctVol": 0.3, "noTakeLiq": True},
    "ib_pctvoltm": {"startPctVol": 0.5, "endPctVol": 0.1, "noTakeLiq": True},
    "ib_arrivalpx": {**PART, **DONE, "allowPastEndTime": True},
    "ib_closepx": {**PART, **DONE},
    "ib_minimpact": PART,
    "ib_balanceimpactrisk": {**PART, **DONE},
    "ib_darkice": {"displaySize": 100, "allowPastEndTime": True},
    "ib_ad": {
        "componentSize": 100, "timeBetweenOrders": 60, "randomizeTime20": True, "randomizeSize55": False, "giveUp": 5,
        "catchUp": True, "waitForFill": True,
    },
}  # fmt: skip


def by_broker(name: str, tags: Tags, *, end_ns: int) -> tuple[str, Pairs]:
    """An algorithm and its tags as a parent of this config would carry them."""
    algo = find_algo(name)
    params = read_params(algo, {"limit_bp": 50, "tags": tags}, field="params")
    parent = Parent(
        parent_id=1, strategy="test", inst=0, side=BUY, qty_nanos=shares(100), algo=name, start_ts_ns=OPEN_NS,
        end_ts_ns=end_ns, slices=1, limit_px_nanos=cents(1050), arrival_mid_nanos=cents(1000), purpose=0, urgency=0,
    )  # fmt: skip
    return algo.broker_order(parent, params)


def soon(rig: Rig, seconds: float) -> int:
    """So many seconds from now, in the gateway's time."""
    return rig.clock.now_ns() + round(seconds * NANO)


async def listed(rig: Rig) -> dict[int, e.OpenOrderReported]:
    """Open orders of a full synchronisation, by our id."""
    return {f.order_id: f for f in await rig.sync() if type(f) is e.OpenOrderReported}


@pytest.mark.slow
async def test_all_thirteen_are_taken_and_shown_as_they_were_sent() -> None:
    """Every tag of every one: flags as 1 and 0, parts as they are written, the end in UTC."""
    assert [algo.name for algo in NATIVES] == list(TAGS)
    async with running_rig() as rig:
        end_ns, sent = soon(rig, 3_600), {}
        for name, tags in TAGS.items():
            algo = by_broker(name, tags, end_ns=end_ns)
            sent[rig.place(size=10, limit=900, algo=algo)] = algo
        await rig.fact(e.OrderAcknowledged, len(TAGS))
        shown = await listed(rig)
        assert {order_id: (f.broker_algo, f.broker_params) for order_id, f in shown.items()} == sent
    pairs = [pair for _, tags in sent.values() for pair in tags]
    assert {value for tag, value in pairs if tag in ("noTakeLiq", "forceCompletion", "catchUp")} == {"0", "1"}
    assert {value for tag, value in pairs if tag in ("endTime", "activeTimeEnd")} == {utc_text(end_ns)}
    assert not [tag for tag, _ in pairs if "Start" in tag or tag == "startTime"]
    assert {"0.25", "Get Done", "Matching Midpoint", "100"} <= {value for _, value in pairs}


async def test_what_the_broker_takes_not_is_a_reject_with_its_code() -> None:
    """An unknown algorithm, a part out of bounds, a time that is past: 439 and 441, and no order is left."""
    async with running_rig() as rig:
        for number, (algo, code, words) in enumerate(
            (
                (("Vwop", ()), 439, "definition not found"),
                (("Vwap", (("maxPctVol", "0.9"),)), 441, "between 0.1 and 0.5"),
                (("Vwap", (("noTakeLiq", "True"),)), 441, "one of 1, 0"),
                (("Twap", (("endTime", utc_text(OPEN_NS)),)), 441, "the end is past"),
                (("Twap", (("endTime", "10:00 am"),)), 441, "yyyymmdd-HH:MM:SS"),
            )
        ):
            order_id = rig.place(size=10, limit=900, algo=algo)
            refused = await rig.fact(e.OrderRejected, number + 1)
            assert (refused.order_id, refused.code) == (order_id, code)
            assert words in refused.text
        assert await listed(rig) == {}


@pytest.mark.slow
async def test_it_fills_in_part_is_modified_and_cancelled() -> None:
    """One order all the way: fills at the touch and not at its limit, a new size and price, an end by our cancel."""
    async with running_rig(speed=20.0) as rig:
        twap = by_broker("ib_twap", {}, end_ns=soon(rig, 300))
        order_id = rig.place(size=200, limit=1006, algo=twap)
        await rig.fact(e.OrderFilled, 3)
        assert rig.replace(order_id, size=150, limit=1005, algo=twap) == ""
        replaced = await rig.fact(e.OrderReplaced)
        assert (replaced.qty_nanos, replaced.limit_px_nanos) == (shares(150), cents(1005))
        assert rig.replace(order_id, version=2, size=150, limit=1004) == ""
        refused = await rig.fact(e.ReplaceRejected)
        assert (refused.version, refused.code) == (2, 105), "a modify that forgets the algorithm is another order"
        assert (await listed(rig))[order_id].broker_algo == "Twap"
        assert rig.cancel(order_id) == ""
        await rig.fact(e.OrderCancelled)
        assert await listed(rig) == {}
        fills = rig.sink.of(e.OrderFilled)
        assert {(f.order_id, f.perm_id, f.px_nanos) for f in fills} == {(order_id, fills[0].perm_id, cents(1001))}
        assert 0 < sum(f.qty_nanos for f in fills) < shares(150)


@pytest.mark.slow
async def test_it_lives_on_without_us_and_its_fills_are_booked_on_return() -> None:
    """The connection breaks in mid-schedule and the broker goes on: one order, every fill told once."""
    async with running_rig(speed=20.0) as rig:
        rig.synchronise()
        order_id = rig.place(size=300, limit=1006, algo=by_broker("ib_twap", {}, end_ns=soon(rig, 300)))
        await rig.fact(e.OrderFilled)
        rig.gateway.fault("nightly_reset", lasts_s=15.0, warning_s="1")
        await rig.fact(e.LinkLost)
        known = sum(f.qty_nanos for f in rig.sink.of(e.OrderFilled))
        await rig.ready(2)
        await rig.synced()
        assert sum(f.qty_nanos for f in rig.sink.of(e.ExecutionReported)) > known
        assert {f.order_id for f in rig.sink.of(e.OpenOrderReported)} == {order_id}
        rig.cancel(order_id)
        await rig.fact(e.OrderCancelled)
        assert [f.order_id for f in await rig.sync() if type(f) is e.CompletedOrderReported] == [order_id]
        told = [f for f in rig.sink.facts if type(f) in (e.OrderFilled, e.ExecutionReported)]
        by_id = {f.exec_id: f.qty_nanos for f in told}
        (record,) = rig.gateway.orders.journal.records.values()
        assert (sum(by_id.values()), {f.order_id for f in told}) == (record.filled_nanos, {order_id})


@pytest.mark.slow
async def test_an_algorithm_that_is_not_ours_is_a_difference() -> None:
    """Somebody changes it at the broker while we are away: the report says in what."""
    async with running_rig() as rig:
        vwap = by_broker("ib_vwap", {"maxPctVol": 0.25}, end_ns=soon(rig, 3_600))
        order_id, plain_id = rig.place(size=10, limit=900, algo=vwap), rig.place(size=10, limit=901)
        await rig.fact(e.OrderAcknowledged, 2)
        sync = Sync(sync_id=1, started_ts_ns=0, open=await listed(rig))
        ours = _books(order_id, plain_id, vwap)
        assert order_differences(sync, ours) == []
        ours[plain_id].broker_algo = "Adaptive"
        ours[order_id].broker_params = (("endTime", "20260105-15:00:00"), ("maxPctVol", "0.5"), ("speedUp", "1"))
        texts = [found.text for found in order_differences(sync, ours)]
        assert texts == [
            f"#{order_id}: Vwap maxPctVol is 0.5 here and 0.25 at the broker",
            f"#{plain_id}: ours is worked by Adaptive, the broker's by no algorithm",
        ]
        ours = _books(order_id, plain_id, ("Vwap", (("maxPctVol", "0.250"),)))
        assert order_differences(sync, ours) == [], "the same number in other words"


def _books(order_id: int, plain_id: int, algo: tuple[str, Pairs]) -> dict[int, Order]:
    """Both orders as our books have them."""
    return {
        number: Order(
            order_id=number, parent_id=1, slice_no=0, strategy="test", inst=0, side=BUY, qty_nanos=shares(10),
            order_type=2, limit_px_nanos=cents(900), tif=1, purpose=0, order_ref="", notional_nanos=0,
            reduce_only=False, sent_ts_ns=0, state=State.WORKING, broker_algo=name, broker_params=tags,
        )
        for number, (name, tags) in ((order_id, algo), (plain_id, ("", ())))
    }  # fmt: skip
