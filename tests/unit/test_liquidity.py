"""What a name trades and what may be traded of it: volume in slots, what is expected, and exits cut to it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from core import commands as c
from core import events as e
from core.arrivals import Arrivals
from core.concentration import CLUSTER, Concentration
from core.exposure import Exposure
from core.latches import ACCOUNT
from core.market import VOLUME_INTERVAL_NS, MarketReader, apply_row, new_market
from core.money.snapshot import dump, load
from core.ports import Context
from core.rows import BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO
from core.volume import Volumes, traded_nanos
from tests.fakes.context import ADV, DATE, HOUR, MIDNIGHT, NOON, build_context, make_instrument
from tests.fakes.live import CENT, SECOND, LiveWorld, opened

OPEN, CLOSE = MIDNIGHT + 9 * HOUR + HOUR // 2, MIDNIGHT + 16 * HOUR
SLOT = VOLUME_INTERVAL_NS


class Tape:
    """One instrument's market row, fed by hand."""

    def __init__(self) -> None:
        self.reader = MarketReader(new_market(1))

    def row(self, ts_ns: int, shares: int, *, kind: int = PRINT, flags: int = 0) -> None:
        """A print, or another row with a size."""
        made = np.array([(ts_ns, ts_ns, 0, kind, flags, 20 * NANO, 0, shares * NANO, 0)], ROW)
        apply_row(self.reader.state[0], made[0])

    def traded(self, ts_ns: int) -> int:
        """Shares of the last five minutes."""
        names = ("volume_from_ns", "volume_nanos", "volume_before_nanos")
        return traded_nanos(ts_ns, *(self.reader.get(0, name) for name in names)) // NANO


def test_volume_of_five_minutes_slides_over_two_slots() -> None:
    """All of the running slot and, of the one before, the part that is not yet five minutes away."""
    tape = Tape()
    tape.row(NOON, 1_000)
    tape.row(NOON + SLOT - 1, 200)
    assert tape.traded(NOON + SLOT - 1) == 1_200
    assert tape.traded(NOON + SLOT) == 1_200
    assert tape.traded(NOON + SLOT + SLOT // 4) == 900
    tape.row(NOON + SLOT + SLOT // 4, 50)
    assert tape.traded(NOON + SLOT + SLOT // 4) == 950
    assert tape.traded(NOON + 2 * SLOT) == 50
    assert tape.traded(NOON + 3 * SLOT) == 0
    tape.row(NOON + 3 * SLOT, 7)
    assert tape.traded(NOON + 3 * SLOT) == 7, "a slot without a print leaves nothing to the next"


def test_what_counts_as_volume() -> None:
    """Prints that may be the last price and the volume of bars; since when is forgotten at a gap."""
    tape = Tape()
    tape.row(NOON, 100, flags=NOT_LAST)
    tape.row(NOON, 100, flags=SUSPICIOUS)
    tape.row(NOON, 0)
    tape.row(NOON, 100, kind=QUOTE)
    tape.row(NOON, 100, kind=BAR)
    assert (tape.traded(NOON), tape.reader.get(0, "volume_since_ns")) == (0, 0)
    tape.row(NOON + 1, 30, kind=BAR_VOLUME)
    tape.row(NOON + 2, 12)
    assert (tape.traded(NOON + 2), tape.reader.get(0, "volume_since_ns")) == (42, NOON + 1)
    tape.reader.set_gap(0)
    assert (tape.traded(NOON + 2), tape.reader.get(0, "volume_since_ns")) == (42, 0)


def test_expected_volume_is_the_curve_s_or_even() -> None:
    """By slots of the day's curve; without one each five minutes alike; none outside the session or without an
    average; a day begins with what the tables say of it.
    """
    volumes = Volumes(2, by_date={20250307: [7_800 * NANO, 0]})
    assert volumes.expected_nanos(0, NOON, OPEN, CLOSE) == 0
    volumes.roll(20250307)
    assert volumes.expected_nanos(0, NOON, OPEN, CLOSE) == 100 * NANO
    assert volumes.expected_nanos(1, NOON, OPEN, CLOSE) == 0
    assert volumes.expected_nanos(0, OPEN - 1, OPEN, CLOSE) == volumes.expected_nanos(0, CLOSE, OPEN, CLOSE) == 0
    curve = (10_000,) * 5 + (0,) * 380 + (100_000,) * 5
    volumes.take(
        e.ReferenceArrived(
            inst=0, effective_from=20250307, previous_close_nanos=1, adv_nanos=NANO * 100, curve_ppm=curve
        )
    )
    assert volumes.expected_nanos(0, OPEN, OPEN, CLOSE) == 5 * NANO
    assert volumes.expected_nanos(0, OPEN + SLOT, OPEN, CLOSE) == 0
    assert volumes.expected_nanos(0, CLOSE - 1, OPEN, CLOSE) == 50 * NANO
    volumes.roll(20250308)
    assert volumes.adv_nanos == [0, 0]


def test_a_measured_cluster_takes_the_place_of_the_one_before() -> None:
    """Beside those of the config, with what is in them already; single names and strangers are left out."""
    concentration = Concentration(tuple(make_instrument(inst) for inst in range(4)))
    told = []
    concentration.watch(lambda: told.append(len(concentration.buckets)))
    concentration.add(0, 5 * NANO)
    concentration.add(3, 2 * NANO)
    concentration.set_clusters([("mine", (2, 3))])
    concentration.set_measured([(3, 0), (1,), (2, 9)])
    found = {(b.kind, b.name): (b.members, concentration.used[at]) for at, b in enumerate(concentration.buckets)}
    assert found[CLUSTER, "mine"] == ((2, 3), 2 * NANO)
    assert found["measured cluster", "1"] == ((0, 3), 7 * NANO)
    assert found["measured cluster", "3"] == ((2,), 0)
    concentration.set_measured([(0, 1)])
    concentration.set_measured([(0, 1)])
    assert [b.members for b in concentration.buckets if b.kind == "measured cluster"] == [(0, 1)]
    assert told == sorted(told) or len(told) == 3
    assert len(told) == 3, "the same measurement again changes nothing"


def test_measured_clusters_and_volumes_outlive_a_snapshot() -> None:
    """They bind orders, so a start from a snapshot has them at once."""
    world = build_context(instruments=3)
    context = world.context
    context.take_clusters(((0, 2),))
    slow = e.ReferenceArrived(inst=1, effective_from=DATE, previous_close_nanos=NANO, adv_nanos=7 * NANO)
    world.money.trading_date = DATE
    context.take_reference(slow)
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(context.arrivals), type=Arrivals)
    fresh = build_context(instruments=3)
    fresh.money.trading_date = DATE
    fresh.context.load_arrivals(kept)
    assert fresh.context.concentration.buckets == context.concentration.buckets
    assert fresh.context.volumes.adv_nanos == context.volumes.adv_nanos == [ADV, 7 * NANO, ADV]


def test_buckets_of_a_restored_account_hold_what_the_orders_do() -> None:
    """Sums are rebuilt from what works when a context is made around an account that exists already."""
    world = build_context()
    world.rest(qty_nanos=10 * NANO)
    world.hold(1, -5)
    before = list(world.context.concentration.used)
    money = load(world.money.settings, dump(world.money))
    exposure = Exposure(2)
    again = Context(
        instruments=world.context.instruments,
        calendars=world.context.calendars,
        previous_close_nanos=[0, 0],
        money=money,
        market=world.context.market,
        exposure=exposure,
    )
    for inst, mark in enumerate(world.context.exposure.marks):
        exposure.mark(inst, mark, money.ledger)
    assert again.concentration.used == before
    assert sum(before) > 0


# ---- through the engine ------------------------------------------------------------------------------------------
def long_of(folder: Path, adv: int) -> LiveWorld:
    """A hundred shares bought while the name traded well; now it trades so much a day."""
    world = opened(folder)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.fill(order, 20 * NANO)
    world.broker.sent.clear()
    world.reference(0, adv=adv)
    return world


def test_an_exit_is_cut_to_a_part_of_the_volume(tmp_path: Path) -> None:
    """A tenth of the five minutes each, without a refusal; re-priced at its size; never a hundred at once."""
    world = long_of(tmp_path, adv=39_000)  # 500 in five minutes
    world.quote(0, 20 * NANO + 20 * CENT)
    (first,) = world.broker.orders()
    assert (first.side, first.qty_nanos) == (-1, 50 * NANO)
    world.tell(e.OrderAcknowledged(order_id=first.order_id, perm_id=900))
    world.quote(0, 20 * NANO + 20 * CENT, after_ns=3 * SECOND)
    world.alive(0, after_ns=3 * SECOND)
    assert world.broker.kinds().count("ReplaceOrder") == 0, "it has the size of a slice and the price of the market"
    world.fill(first, first.limit_px_nanos)
    assert [order.qty_nanos for order in world.broker.orders()] == [50 * NANO, 50 * NANO]
    assert world.runner.tally.refusals == {}
    world.close()


def test_a_thin_name_is_flattened_lot_by_lot(tmp_path: Path) -> None:
    """In half-minute slices that its liquidity allows, although it takes no entries any more."""
    world = long_of(tmp_path, adv=7_800)  # ten in half a minute, a tenth of that each
    world.tell(e.OperatorFlattened(level=ACCOUNT, scope="", reason="test", operator="me"))
    flatten = world.runner.money.parents[max(world.runner.money.parents)]
    assert (flatten.algo, flatten.slices, flatten.qty_nanos) == ("twap", 100, 100 * NANO)
    for number in range(1, 4):
        *_, order = world.broker.orders()
        assert (len(world.broker.orders()), order.side, order.qty_nanos) == (number, -1, NANO)
        assert order.purpose == c.INTENT_FLATTEN
        world.fill(order, order.limit_px_nanos)
        world.quote(0, 20 * NANO, after_ns=30 * SECOND)
    assert world.runner.money.ledger.holdings[0] == 97 * NANO
    assert world.runner.tally.refusals == {}
    world.close()


@pytest.mark.parametrize("adv", [99_999, 0], ids=["thin", "unknown"])
def test_a_name_of_little_volume_takes_no_entry(tmp_path: Path, adv: int) -> None:
    """Refused with the code, and why-not says the same; the target waits."""
    world = opened(tmp_path)
    world.runner.engine.context.volumes.adv_nanos[0] = adv * NANO
    world.make_it_buy()
    assert world.broker.orders() == []
    assert world.runner.tally.refusals == {"8 PARTICIPATION": 1}
    world.close()
