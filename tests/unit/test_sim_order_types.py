"""The simulated venue's order types for clients of the paper gateway: trailing stops, on-open orders, groups."""

from typing import Any

import pytest

from broker.sim.book import TRAIL
from broker.sim.terms import OrderTerms
from core.commands import DAY, GTC, GTD, LMT, MKT, MOC, OPG, STP
from core.events import (
    ExecutionCorrected,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
)
from core.ids import BUY, SELL
from tests.fakes.sim_driver import Driver
from tests.fakes.tape import CLOSE_S, Tape, at, cents, shares

DAY_S = 86_400


def terms(number: int, side: int = BUY, size: float = 100, kind: int = LMT, **more: Any) -> OrderTerms:
    """An order of somebody's; prices in nanos."""
    named: dict[str, Any] = {"tif": DAY, "inst": 0} | more
    return OrderTerms(order_id=number, side=side, qty_nanos=shares(size), order_type=kind, **named)


def market() -> Driver:
    """10.00 / 10.02, last 10.01."""
    return Driver().play(Tape().quote(1, 1000, 1002, 500, 500).print(1, 1001, 100))


def enter(driver: Driver, seconds: float, *orders: OrderTerms) -> Driver:
    """Send orders."""
    driver.until(seconds)
    for order in orders:
        driver.exchange.enter(order, ts_ns=at(seconds))
    return driver.until(seconds + 0.01)


def test_an_order_held_back_keeps_the_perm_id_it_was_given() -> None:
    """A perm id is given once, before or with the order."""
    driver = market()
    perm_id = driver.exchange.new_perm_id()
    enter(driver, 2, terms(5, limit_px_nanos=cents(999)), terms(3, limit_px_nanos=cents(999), perm_id=perm_id))
    assert [fact.perm_id for fact in driver.of(OrderAcknowledged)] == [perm_id + 1, perm_id]
    order = driver.exchange.order(3)
    assert order is not None
    assert order.perm_id == perm_id
    assert driver.exchange.order(4) is None


@pytest.mark.parametrize(("side", "start", "better", "stop"), [(SELL, 991, 1051, 1041), (BUY, 1011, 951, 961)])
def test_a_trailing_stop_moves_one_way(side: int, start: int, better: int, stop: int) -> None:
    """It follows prints at its distance, never backwards, and fires at the first print at or through it."""
    driver = enter(market(), 2, terms(1, side, kind=TRAIL, trail_nanos=cents(10)))
    order = driver.exchange.order(1)
    assert order is not None
    assert order.stop_px_nanos == cents(start)
    driver.play(Tape().print(3, better, 10).print(4, (better + stop) // 2, 10)).until(5)
    assert (order.stop_px_nanos, order.done) == (cents(stop), False)
    driver.restart()
    driver.play(Tape().print(6, stop, 10)).until(7)
    assert len(driver.of(OrderFilled)) == 1


def test_a_trailing_percentage_is_rounded_away_from_the_market() -> None:
    """To whole ticks; a stop price given with the order counts from the start."""
    driver = enter(market(), 2, terms(1, SELL, kind=TRAIL, trail_ppm=12_345))
    first = driver.exchange.order(1)
    assert first is not None
    assert first.stop_px_nanos == cents(988)  # 10.01 - 0.1236
    enter(driver, 2.5, terms(3, BUY, kind=TRAIL, trail_ppm=12_345))
    mirrored = driver.exchange.order(3)
    assert mirrored is not None
    assert mirrored.stop_px_nanos == cents(1014)  # 10.01 + 0.1236
    enter(driver, 3, terms(2, SELL, kind=TRAIL, trail_nanos=cents(50), stop_px_nanos=cents(995)))
    driver.play(Tape().print(4, 994, 10)).until(5)
    assert [fact.order_id for fact in driver.of(OrderFilled)] == [2]


def test_a_trailing_order_can_be_changed() -> None:
    """A shorter distance moves the stop at the next print."""
    driver = enter(market(), 2, terms(1, SELL, kind=TRAIL, trail_nanos=cents(50)))
    driver.exchange.amend(terms(1, SELL, kind=TRAIL, trail_nanos=cents(5), version=1), ts_ns=at(3))
    driver.until(4).play(Tape().print(5, 1001, 10))
    order = driver.exchange.order(1)
    assert order is not None
    assert order.stop_px_nanos == cents(996)
    driver.exchange.amend(terms(1, SELL, kind=TRAIL, version=2), ts_ns=at(6))
    driver.until(7)
    assert [fact.code for fact in driver.of(ReplaceRejected)] == [107]


def test_the_opening_auction_is_the_first_regular_print_or_quote() -> None:
    """Prints and quotes before the open are none; all of an order trades at one price, or none of it."""
    driver = Driver().play(Tape().quote(-3600, 990, 992))
    enter(
        driver, -1800, terms(1, kind=MKT, tif=OPG), terms(2, size=900, limit_px_nanos=cents(1001), tif=OPG),
        terms(3, limit_px_nanos=cents(999), tif=OPG), terms(4, SELL, kind=MKT, tif=OPG, inst=1),
    )  # fmt: skip
    driver.play(Tape().print(-60, 980, 10)).restart()
    assert driver.of(OrderFilled) == []
    driver.play(Tape().print(0.5, 1000, 10).quote(1, 1000, 1002, inst=1)).until(2)
    filled = {fact.order_id: (fact.qty_nanos, fact.px_nanos) for fact in driver.of(OrderFilled)}
    assert filled == {1: (shares(100), cents(1000)), 2: (shares(900), cents(1000)), 4: (shares(100), cents(1000))}
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [3]
    assert driver.watch.sum() == 0


def test_on_open_orders_come_before_the_open_and_end_with_the_day() -> None:
    """Too late: refused. A stop on open does not exist. A day without a market: cancelled at its close."""
    driver = Driver()
    enter(driver, -60, terms(1, kind=MKT, tif=OPG), terms(2, kind=STP, stop_px_nanos=cents(1000), tif=OPG))
    enter(driver, 60, terms(3, kind=MKT, tif=OPG))
    assert [(fact.order_id, fact.code) for fact in driver.of(OrderRejected)] == [(2, 387), (3, 387)]
    driver.until(CLOSE_S + 1)
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [1]


def test_hours_and_time_in_force_can_be_changed() -> None:
    """A day order becomes one for tomorrow, one until a moment, or one for the evening; never one for the auction."""
    driver = enter(market(), 2, *(terms(number, limit_px_nanos=cents(990)) for number in (1, 2, 3, 4)))
    amended: dict[int, dict[str, Any]] = {
        1: {"tif": GTC},
        2: {"tif": GTD, "gtd_ts_ns": at(60)},
        3: {"tif": DAY, "outside_rth": True},
        4: {"tif": OPG},
    }
    for number, change in amended.items():
        driver.exchange.amend(terms(number, limit_px_nanos=cents(990), version=1, hours=True, **change), ts_ns=at(3))
    driver.until(61)
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [2]
    assert [(fact.order_id, fact.code) for fact in driver.of(ReplaceRejected)] == [(4, 105)]
    driver.until(CLOSE_S + 1)
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [2, 4]
    driver.play(Tape().quote(CLOSE_S + 60, 988, 989)).until(CLOSE_S + 61)
    assert [fact.order_id for fact in driver.of(OrderFilled)] == [3]
    driver.until(DAY_S).play(Tape().quote(DAY_S + 1, 988, 989, 500, 500)).until(DAY_S + 2)
    assert [fact.order_id for fact in driver.of(OrderFilled)] == [3, 1]
    assert driver.watch.sum() == 0


def test_a_group_shrinks_with_whoever_trades() -> None:
    """In whole increments, in the moment of the execution; the next row finds the smaller order."""
    group: dict[str, Any] = {"oca_group": "g", "oca_type": 3}
    driver = enter(
        market(),
        2,
        terms(1, size=90, limit_px_nanos=cents(1000), **group),
        terms(2, size=50, limit_px_nanos=cents(1000), **group),
    )
    driver.play(Tape().quote(3, 998, 1000, 100, 40))
    first, second = driver.exchange.order(1), driver.exchange.order(2)
    assert first is not None
    assert second is not None
    assert (first.filled_nanos, second.remaining_nanos) == (shares(40), shares(27))  # 5/9 of 50, rounded down
    driver.until(4)
    assert [(fact.order_id, fact.qty_nanos) for fact in driver.of(OrderReplaced)] == [(2, shares(27))]
    driver.play(Tape().quote(5, 998, 1000, 100, 400)).until(6)
    assert first.remaining_nanos == 0
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [2]
    enter(driver, 7, terms(3, limit_px_nanos=cents(990), **group))
    assert [(fact.order_id, fact.code) for fact in driver.of(OrderRejected)] == [(3, 201)]


def test_a_group_over_is_free_again_the_next_day() -> None:
    """Its name, not its orders."""
    group: dict[str, Any] = {"oca_group": "g", "oca_type": 1}
    driver = enter(market(), 2, terms(1, kind=MKT, **group), terms(2, kind=MOC, **group))
    assert [fact.order_id for fact in driver.of(OrderRejected)] == [2]
    driver.restart()
    enter(driver, DAY_S - 60, terms(3, limit_px_nanos=cents(990), **group))
    assert driver.of(OrderAcknowledged)[-1].order_id == 3


def test_an_execution_is_corrected_by_hand() -> None:
    """Cash, position and what it realised follow; the id counts up; an unknown one is told."""
    driver = enter(market(), 2, terms(1, kind=MKT))
    driver.until(3)
    exec_id = driver.of(OrderFilled)[0].exec_id
    assert not driver.exchange.correct_execution("nope", qty_nanos=0, px_nanos=0, ts_ns=at(4))
    assert driver.exchange.correct_execution(exec_id, qty_nanos=shares(60), px_nanos=cents(1001), ts_ns=at(4))
    driver.until(5)
    (corrected,) = driver.of(ExecutionCorrected)
    assert (corrected.corrects, corrected.exec_id[-2:], corrected.qty_nanos) == (exec_id, "02", shares(60))
    state = driver.exchange.account.state
    assert (state.positions[0].qty_nanos, state.positions[0].cost_nanos) == (shares(60), cents(1001) * 60)


def test_what_was_realised_explains_cash_and_cost() -> None:
    """Cash + cost = what the account began with + realised - commissions, after every kind of trade and correction."""
    driver = market()
    enter(driver, 2, terms(1, size=100, kind=MKT), terms(2, SELL, size=250, kind=MKT))
    enter(driver, 4, terms(3, size=30, kind=MKT))
    exec_id = driver.of(OrderFilled)[1].exec_id
    driver.exchange.correct_execution(exec_id, qty_nanos=shares(200), px_nanos=cents(1003), ts_ns=at(5))
    state = driver.until(6).exchange.account.state
    realised = sum(execution.realised_nanos for execution in state.executions.values())
    costs = sum(execution.commission_nanos for execution in state.executions.values())
    cost = sum(held.cost_nanos for held in state.positions.values())
    assert state.cash_nanos["USD"] + cost == driver.config.cash_nanos + realised - costs
    assert realised != 0
