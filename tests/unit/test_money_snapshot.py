"""Money state under made-up lives: the books add up after every record, and a snapshot continues as if never taken."""

from hypothesis import given
from hypothesis import settings as hypothesis_settings

from core import commands as c
from core import events as e
from core.money.snapshot import dump, load
from core.money.state import Money
from core.parents import NO_ORDER
from tests.fakes.money_story import TURNS, Story, Turn, settings


def assert_books(money: Money) -> None:
    """Everything that is derived equals what it is derived from."""
    money.ledger.assert_identity()
    buys, sells = [0, 0], [0, 0]
    for order in money.live_orders.values():
        assert order.live
        (buys if order.side > 0 else sells)[order.inst] += order.reserved_nanos
    assert (buys, sells) == (money.reservations.buy_qty, money.reservations.sell_qty)
    assert {o.order_id for o in money.orders.values() if o.live} == set(money.live_orders)
    for parent in money.parents.values():
        assert parent.child == NO_ORDER or parent.child in money.live_orders
        fills = [o for o in money.orders.values() if o.parent_id == parent.parent_id]
        assert parent.filled_nanos == sum(order.filled_nanos for order in fills)


@hypothesis_settings(max_examples=80)
@given(TURNS)
def test_the_books_add_up_after_every_turn(turns: list[Turn]) -> None:
    """Corrections, busts, commissions before their execution, strangers' fills, transfers: cash and positions agree."""
    story = Story(Money(settings()))
    for turn in turns:
        story.tell(turn)
        assert_books(story.money)


@hypothesis_settings(max_examples=60)
@given(TURNS, TURNS)
def test_a_snapshot_continues_exactly(before: list[Turn], after: list[Turn]) -> None:
    """load(dump(m)) is m: bit for bit now, in the order things are worked through, and after any continuation."""
    first = Story(Money(settings()))
    for turn in before:
        first.tell(turn)
    first.money.odds.clear()
    kept = dump(first.money)
    second = Story(load(settings(), kept), first.seq, first.ts_ns, first.sync_id, first.execs, list(first.early))
    assert dump(second.money) == kept
    for turn in after:
        assert list(second.money.live_orders) == list(first.money.live_orders)
        assert list(second.money.live_parents) == list(first.money.live_parents)
        first.tell(turn)
        second.tell(turn)
        assert second.money.odds == first.money.odds
        assert_books(second.money)
    assert dump(second.money) == dump(first.money)
    assert second.money.ledger.uncharged == first.money.ledger.uncharged
    assert second.money.ledger.holdings == first.money.ledger.holdings


def test_an_order_that_came_back_is_worked_last() -> None:
    """Settled as lost and then acknowledged: its place among the live orders survives a snapshot."""
    story = Story(Money(settings()))
    for _ in range(2):
        story.tell(Turn("place", 0, 10, 1))
    story.command(c.SettleOrder(order_id=1, outcome="lost", reason="r"))
    story.fact(e.OrderAcknowledged(order_id=1))
    assert list(story.money.live_orders) == [2, 1]
    assert list(load(settings(), dump(story.money)).live_orders) == [2, 1]
