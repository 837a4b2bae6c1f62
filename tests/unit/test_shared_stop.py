"""One disaster stop for the account where several books hold a symbol: its size, and whose its fills become."""

from pathlib import Path

import pytest

from core import commands as c
from core import events as e
from core.ids import BUY, SELL
from core.ledger import UNCLAIMED
from core.manual import MANUAL
from core.units import NANO
from tests.fakes.live import CENT, LiveWorld
from tests.unit.test_disaster_stop import ON, acknowledged, cancelled, filled, run_on, stops, told
from tests.unit.test_kill import alerts, pass_time, working
from tests.unit.test_live_runner import verified
from tests.unit.test_manual import given

THEIRS = "reversion"


def held_by_two(folder: Path, shares: int) -> LiveWorld:
    """A strategy holds 100; a person holds `shares` (signed) of the same symbol."""
    world, order = working(folder, more=ON)
    filled(world, order, order.qty_nanos, 1)
    side = BUY if shares > 0 else SELL
    ok, text = given(world, side=side, qty_nanos=abs(shares) * NANO, algo="immediate")
    assert ok, text
    filled(world, world.broker.orders()[-1], abs(shares) * NANO, 2)
    return world


def books(world: LiveWorld) -> tuple[int, ...]:
    """Shares of the strategy, of the person, of nobody, and of the account."""
    ledger = world.runner.money.ledger
    held = (ledger.held_nanos(THEIRS, 0), ledger.held_nanos(MANUAL, 0), ledger.held_nanos(UNCLAIMED, 0))
    return tuple(nanos // NANO for nanos in (*held, ledger.holdings[0]))


@pytest.mark.parametrize(
    ("shares", "size", "first", "after"),
    [
        (50, 150, 90, [(40, 20, 0, 60), (0, 0, 0, 0)]),
        (30, 130, 7, [(94, 29, 0, 123), (0, 0, 0, 0)]),
        (-40, 60, 33, [(67, -40, 0, 27), (40, -40, 0, 0)]),
    ],
)
def test_one_stop_for_what_the_account_holds(
    tmp_path: Path, shares: int, size: int, first: int, after: list[tuple[int, ...]]
) -> None:
    """Nobody's order of the net size; each part of it closes both books by what they hold, to the share."""
    world = held_by_two(tmp_path, shares)
    pass_time(world, 2)
    stop = acknowledged(world)
    assert (stop.strategy, stop.qty_nanos, stop.side) == (UNCLAIMED, size * NANO, SELL)
    assert len(stops(world)) == 1
    assert not told(world)
    world.runner.engine.assert_invariants()
    for number, qty in enumerate((first, size - first), start=5):
        filled(world, stop, qty * NANO, number)
        assert books(world) == after[number - 5]
        world.runner.engine.assert_invariants()
    assert alerts(world).count("DISASTER_STOP") == 1
    assert world.runner.money.ledger.position(UNCLAIMED, 0).realised_nanos == 0
    verified(world)


def test_a_fill_that_is_reported_again_is_shared_once(tmp_path: Path) -> None:
    """A synchronisation repeats executions; a crash between is no difference."""
    world = held_by_two(tmp_path, 50)
    pass_time(world, 2)
    stop = acknowledged(world)
    filled(world, stop, 90 * NANO, 5)
    ref = world.runner.money.orders[stop.order_id].order_ref
    again = e.ExecutionReported(
        sync_id=2, order_id=stop.order_id, order_ref=ref, exec_id="0001.05.01.01", inst=0, side=SELL,
        qty_nanos=90 * NANO, px_nanos=20 * NANO,
    )  # fmt: skip
    world.tell(e.SyncStarted(sync_id=2), again)
    assert books(world) == (40, 20, 0, 60)
    world.close()
    after = LiveWorld(world.config, world.tables, recovered=world.recover(), ts_ns=world.clock.ts_ns + NANO)
    assert books(after) == (40, 20, 0, 60)
    after.begin(ended="crash", epoch=2)
    after.tell(e.SyncStarted(sync_id=3), again)
    assert books(after) == (40, 20, 0, 60)
    verified(after)


def test_its_commission_is_shared_too(tmp_path: Path) -> None:
    """Reported before its fill, after it, and anew: each book bears its part, nobody's none, to the last nano."""
    world = held_by_two(tmp_path, 50)
    pass_time(world, 2)
    stop = acknowledged(world)
    ledger = world.runner.money.ledger
    before = fees(world)

    def told_cost(number: int, cost: int) -> None:
        world.tell(e.CommissionReported(exec_id=f"0001.{number:02}.01.01", commission_nanos=cost))

    told_cost(5, 9 * NANO)
    filled(world, stop, 90 * NANO, 5)  # 60 of the strategy, 30 of the person
    assert fees(world) == (before[0] + 6 * NANO, before[1] + 3 * NANO, 0)
    filled(world, stop, 60 * NANO, 6)  # 40 and 20
    told_cost(6, 10)
    assert fees(world) == (before[0] + 6 * NANO + 7, before[1] + 3 * NANO + 3, 0)
    told_cost(5, 3 * NANO)
    world.runner.engine.assert_invariants()
    wanted = (before[0] + 2 * NANO + 7, before[1] + NANO + 3, 0)
    assert fees(world) == wanted
    assert sum(wanted) == ledger.fees_nanos
    verified(world)
    after = LiveWorld(world.config, world.tables, recovered=world.recover(), ts_ns=world.clock.ts_ns + NANO)
    assert fees(after) == wanted
    after.close()


def fees(world: LiveWorld) -> tuple[int, ...]:
    """Of the strategy's book, of the person's, of nobody's."""
    ledger_books = world.runner.money.ledger.books
    return tuple(ledger_books[name].fees_nanos if name in ledger_books else 0 for name in (THEIRS, MANUAL, UNCLAIMED))


def test_a_second_book_takes_the_first_ones_stop_over(tmp_path: Path) -> None:
    """The strategy's own stop goes when a person holds the symbol too, and comes back when they are out."""
    world, order = working(tmp_path, more=ON)
    filled(world, order, order.qty_nanos, 1)
    pass_time(world, 2)
    own = acknowledged(world)
    assert own.strategy == THEIRS
    assert given(world, algo="immediate", qty_nanos=20 * NANO)[0]
    filled(world, world.broker.orders()[-1], 20 * NANO, 2)
    run_on(world, 12)
    assert cancelled(world, own)
    world.tell(e.OrderCancelled(order_id=own.order_id, reason=""))
    run_on(world, 12)
    shared = acknowledged(world)
    assert (shared.strategy, shared.qty_nanos) == (UNCLAIMED, 120 * NANO)
    assert given(world, side=SELL, limit_px_nanos=20 * NANO + CENT, qty_nanos=20 * NANO)[0]
    leaving = [order for order in world.broker.orders() if order.purpose == c.INTENT_MANUAL][-1]
    filled(world, leaving, 20 * NANO, 3)
    assert cancelled(world, shared)
    world.tell(e.OrderCancelled(order_id=shared.order_id, reason=""))
    run_on(world, 12)
    last = acknowledged(world)
    assert (last.strategy, last.qty_nanos) == (THEIRS, 100 * NANO)
    verified(world)
