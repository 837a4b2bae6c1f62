"""What the simulated venue does with every order type, time in force, cancel and replace."""

import pytest

from broker.sim.config import LatencyConfig, VenueConfig
from core.commands import DAY, FOK, GTC, GTD, IOC, LMT, LOC, MKT, MOC, OPG, STP, STP_LMT, ApprovedOrder, RequestSync
from core.errors import Bug
from core.events import (
    PRE_SUBMITTED,
    STATUS_CANCELLED,
    STATUS_FILLED,
    SUBMITTED,
    CancelRejected,
    CommissionReported,
    CompletedOrderReported,
    ExecutionReported,
    OpenOrderReported,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderInactivated,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
)
from core.ids import BUY, SELL
from core.rows import BAR, BAR_VOLUME, NOT_LAST, SUSPICIOUS
from tests.fakes.sim_driver import PLAIN, Driver, order
from tests.fakes.tape import CENT, CLOSE_S, SECOND, Tape, at, cents, shares
from tests.fakes.tape import DAY as DAY_NS

DAY_S = DAY_NS // SECOND


def quoted(bid: float = 1000, ask: float = 1001, size: float = 100, *, config: VenueConfig = PLAIN) -> Driver:
    """A driver whose market stands one second after the open."""
    return Driver(config=config).play(Tape().quote(1, bid, ask, size, size))


def fills(driver: Driver) -> list[tuple[int, float, float]]:
    """(order id, shares, price in cents) of all fills so far."""
    return [(f.order_id, f.qty_nanos / 1e9, f.px_nanos / CENT) for f in driver.of(OrderFilled)]


def changed(**fields: object) -> VenueConfig:
    """The plain config with other fields."""
    return VenueConfig(**{name: getattr(PLAIN, name) for name in PLAIN.__struct_fields__} | fields)


def test_market_order_takes_the_touch_then_walks() -> None:
    """250 shares against 100 displayed pay the ask, one tick more and two ticks more."""
    driver = quoted().place(2, order(1, kind=MKT, size=250)).until(4)
    assert fills(driver) == [(1, 100, 1001), (1, 100, 1002), (1, 50, 1003)]
    assert driver.names()[:2] == ["OrderAcknowledged", "OrderFilled"]


def test_market_order_stops_walking_at_the_last_level() -> None:
    """The number of fills is bounded: the last level takes the rest."""
    driver = quoted(config=changed(walk_levels_max=2)).place(2, order(1, kind=MKT, size=1000)).until(4)
    assert fills(driver) == [(1, 100, 1001), (1, 900, 1002)]


def test_two_orders_do_not_take_the_same_displayed_size() -> None:
    """What one order took is gone for the next until the size is refilled."""
    driver = quoted().place(2, order(1, limit=1001)).place(2.1, order(2, limit=1001)).until(2.5)
    assert fills(driver) == [(1, 100, 1001)]
    driver.place(4, order(3, limit=1001, size=40)).until(5)
    assert fills(driver)[1:] == [(3, 40, 1001)]


def test_marketable_limit_takes_the_touch_and_rests() -> None:
    """The rest of a marketable limit order waits at its limit."""
    driver = quoted().place(2, order(1, limit=1002, size=150)).until(3)
    assert fills(driver) == [(1, 100, 1001)]
    driver.play(Tape().quote(4, 1001, 1002, 100, 30)).until(5)
    assert fills(driver)[1:] == [(1, 30, 1002)]


def test_quote_through_our_price_fills_at_our_price_up_to_its_size() -> None:
    """A lower ask trades with our bid, at our price, for what it displays."""
    driver = quoted().place(2, order(1, limit=1000)).until(3)
    driver.play(Tape().quote(4, 998, 999, 100, 60)).until(5)
    assert fills(driver) == [(1, 60, 1000)]


def test_print_through_our_price_fills_all() -> None:
    """A print below our bid means that our bid was executed."""
    driver = quoted().place(2, order(1, limit=1000, size=500)).until(3).play(Tape().print(4, 999, 1)).until(5)
    assert fills(driver) == [(1, 500, 1000)]


@pytest.mark.parametrize("kind", [BAR, BAR_VOLUME])
def test_a_bar_fills_nothing(kind: int) -> None:
    """A bar tells of prices that were, not of an offer that is: only quotes and prints fill."""
    driver = quoted().place(2, order(1, limit=1000, size=500)).until(3)
    tape = Tape().print(4, 999, 1)
    tape.rows[0] = (*tape.rows[0][:3], kind, *tape.rows[0][4:])
    assert fills(driver.play(tape).until(5)) == []


def test_queue_is_worked_off_by_prints_at_our_price() -> None:
    """Behind 100 displayed, prints of 60 and 70 leave us 30, a print of 200 the rest."""
    driver = quoted().place(2, order(1, limit=1000)).until(3)
    driver.play(Tape().print(4, 1000, 60)).until(5)
    assert fills(driver) == []
    driver.play(Tape().print(6, 1000, 70).print(7, 1000, 200)).until(8)
    assert fills(driver) == [(1, 30, 1000), (1, 70, 1000)]


def test_improving_the_touch_has_nothing_ahead() -> None:
    """Alone at a new best price, the first print is ours."""
    driver = quoted(1000, 1004).place(2, order(1, limit=1002, size=50)).until(3)
    driver.play(Tape().print(4, 1002, 20)).until(5)
    assert fills(driver) == [(1, 20, 1002)]


def test_participation_takes_part_of_a_print() -> None:
    """With 30 % participation a print of 100 beyond the queue gives 30."""
    driver = quoted(1000, 1004, config=changed(participation_ppm=300_000)).place(2, order(1, limit=1002)).until(3)
    driver.play(Tape().print(4, 1002, 100)).until(5)
    assert fills(driver) == [(1, 30, 1002)]


def test_two_own_orders_share_one_print() -> None:
    """Fills of a print at our price never exceed the print."""
    driver = quoted(1000, 1004).place(2, order(1, limit=1002)).place(2.1, order(2, limit=1002)).until(3)
    driver.play(Tape().print(4, 1002, 130)).until(5)
    assert fills(driver) == [(1, 100, 1002), (2, 30, 1002)]


def test_displayed_decrease_moves_the_queue_in_proportion() -> None:
    """100 ahead of 300 displayed, of which 150 vanish: a third of them times 50 % were ahead of us."""
    driver = quoted().place(2, order(1, limit=1000)).until(3)
    driver.play(Tape().quote(4, 1000, 1001, 300).quote(5, 1000, 1001, 150).print(6, 1000, 75)).until(7)
    assert fills(driver) == []
    driver.play(Tape().print(8, 1000, 7)).until(9)
    assert fills(driver) == [(1, 7, 1000)]


def test_never_more_ahead_than_displayed() -> None:
    """If only 20 are still shown at our price, at most 20 can be ahead."""
    driver = quoted().place(2, order(1, limit=1000)).until(3)
    driver.play(Tape().quote(4, 1000, 1001, 20).print(5, 1000, 25)).until(6)
    assert fills(driver) == [(1, 5, 1000)]


def test_a_print_is_not_counted_again_as_a_displayed_decrease() -> None:
    """A print of 50 and the quote that shows it move the queue by 50 once."""
    driver = quoted().place(2, order(1, limit=1000)).until(3)
    driver.play(Tape().print(4, 1000, 50).quote(4.1, 1000, 1001, 50, 100).print(5, 1000, 60)).until(6)
    assert fills(driver) == [(1, 10, 1000)]


def test_resting_behind_the_touch_joins_at_the_back_when_the_touch_comes() -> None:
    """An order two ticks down does not know its queue until its price is displayed."""
    driver = quoted().place(2, order(1, limit=998)).until(3)
    driver.play(Tape().print(4, 998, 50)).until(5)
    assert fills(driver) == []
    driver.play(Tape().quote(6, 998, 999, 80, 100).print(7, 998, 90)).until(8)
    assert fills(driver) == [(1, 10, 998)]


@pytest.mark.parametrize(
    "tape",
    [
        Tape().quote(4, 1000, 1000),  # locked
        Tape().quote(4, 1003, 999),  # crossed
        Tape().quote(4, 0, 999),  # one-sided
        Tape().quote(4, 998, 999, 100, 0),  # no size
        Tape().quote(4, 998, 999, flags=SUSPICIOUS),
        Tape().print(4, 990, 500, flags=NOT_LAST),
        Tape().print(4, 990, 500, flags=SUSPICIOUS),
        Tape().print(4, 990, 0),
    ],
)
def test_odd_rows_never_fill(tape: Tape) -> None:
    """Locked, crossed, one-sided, empty, suspicious and not-last rows fill nothing by themselves."""
    driver = quoted().place(2, order(1, limit=1000)).until(3).play(tape).until(5)
    assert fills(driver) == []


def test_immediate_or_cancel() -> None:
    """IOC takes what is displayed and cancels the rest; away from the market it cancels all."""
    driver = quoted().place(2, order(1, limit=1001, size=150, tif=IOC)).place(3, order(2, limit=999, tif=IOC)).until(5)
    assert fills(driver) == [(1, 100, 1001)]
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [1, 2]


def test_fill_or_kill() -> None:
    """FOK fills all or nothing; with the switch it ends Inactive, which a cancel clears."""
    driver = quoted().place(2, order(1, limit=1001, tif=FOK)).place(5, order(2, limit=1001, size=101, tif=FOK)).until(9)
    assert fills(driver) == [(1, 100, 1001)]
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [2]
    odd = quoted(config=changed(fok_ends_inactive=True)).place(2, order(1, limit=1001, size=101, tif=FOK)).until(3)
    assert [fact.order_id for fact in odd.of(OrderInactivated)] == [1]
    assert odd.of(OrderCancelled) == []
    assert [fact.order_id for fact in odd.cancel(4, 1).until(5).of(OrderCancelled)] == [1]


def test_stop_waits_for_a_print_and_becomes_a_market_order() -> None:
    """A sell stop ignores quotes, and sells at the bid once a print touches it."""
    driver = quoted().place(2, order(1, side=SELL, kind=STP, stop=998)).until(3)
    driver.play(Tape().quote(4, 997, 999)).until(5)
    assert fills(driver) == []
    driver.play(Tape().print(6, 998, 10)).until(7)
    assert fills(driver) == [(1, 100, 997)]
    assert [fact.status for fact in driver.of(OrderAcknowledged)] == [PRE_SUBMITTED, SUBMITTED]


def test_stop_limit_rests_at_its_limit() -> None:
    """A buy stop limit, once triggered, does not pay more than its limit."""
    driver = quoted().place(2, order(1, kind=STP_LMT, stop=1003, limit=1003)).until(3)
    driver.play(Tape().quote(4, 1003, 1005).print(5, 1004, 10)).until(6)
    assert fills(driver) == []
    driver.play(Tape().quote(7, 1002, 1003, 100, 100)).until(8)
    assert fills(driver) == [(1, 100, 1003)]


def test_on_close_orders_trade_at_the_last_print() -> None:
    """MOC fills at the close, LOC only if the price suits, and neither after the cut-off."""
    driver = quoted().place(2, order(1, kind=MOC)).place(3, order(2, kind=LOC, limit=1000)).until(4)
    driver.place(5, order(3, kind=LOC, limit=1001)).play(Tape().print(6, 1001, 10))
    driver.place(CLOSE_S - 60, order(4, kind=MOC)).cancel(CLOSE_S - 50, 1).until(CLOSE_S + 1)
    assert fills(driver) == [(1, 100, 1001), (3, 100, 1001)]
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [2]
    assert [(fact.order_id, fact.code) for fact in driver.of(OrderRejected)] == [(4, 201)]
    assert [(fact.order_id, fact.code) for fact in driver.of(CancelRejected)] == [(1, 161)]


def test_day_order_expires_at_the_close_and_gtc_lives_on() -> None:
    """DAY ends with regular hours; GTC sleeps over night and works the next day."""
    driver = quoted().place(2, order(1, limit=990)).place(3, order(2, limit=990, tif=GTC)).until(CLOSE_S + 1)
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [1]
    assert driver.watch[0] == 0
    driver.until(DAY_S + 1)
    assert driver.watch[0] == 1
    driver.play(Tape().print(DAY_S + 2, 980, 100)).until(DAY_S + 3)
    assert fills(driver) == [(2, 100, 990)]


def test_gtd_expires_at_its_time() -> None:
    """GTD ends at the second it names."""
    driver = quoted().place(2, order(1, limit=990, tif=GTD, gtd_ts_ns=at(100))).until(99)
    assert driver.of(OrderCancelled) == []
    assert driver.until(101).facts[-1][0] == at(100) + 1_000_000


def test_order_outside_regular_hours_is_held_until_the_open() -> None:
    """Without outside_rth a pre-market order is PreSubmitted, sees no rows, and works at the open."""
    driver = Driver().play(Tape().quote(-3600, 1000, 1001))
    driver.place(-1800, order(1, limit=1001)).place(-1700, order(2, limit=1001, outside_rth=True, size=10)).until(-1600)
    assert fills(driver) == [(2, 10, 1001)]
    assert [(fact.order_id, fact.status) for fact in driver.of(OrderAcknowledged)] == [
        (1, PRE_SUBMITTED),
        (2, SUBMITTED),
    ]
    assert driver.watch[0] == 0
    driver.until(1)
    assert driver.watch[0] == 1
    assert len(fills(driver)) == 1  # the known quote is of before the open
    driver.play(Tape().quote(2, 999, 1000)).until(3)
    assert fills(driver)[1:] == [(1, 100, 1000)]
    assert driver.of(OrderAcknowledged)[-1].status == SUBMITTED


def test_outside_rth_day_order_lives_until_the_post_close() -> None:
    """With outside_rth a DAY order ends when the after-hours session does."""
    driver = quoted().place(2, order(1, limit=990, outside_rth=True)).until(CLOSE_S + 3600)
    assert driver.of(OrderCancelled) == []
    driver.until(CLOSE_S + 4 * 3600 + 1)
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [1]


@pytest.mark.parametrize(
    ("approved", "code"),
    [
        (order(1, limit=1000.5), 110),
        (order(1, limit=0), 107),
        (order(1, kind=STP, stop=0), 107),
        (order(1, kind=STP, stop=1000.5), 110),
        (order(1, limit=1000, size=0), 434),
        (order(1, limit=1000, size=0.5), 201),
        (order(1, limit=1000, tif=OPG), 387),
        (order(1, limit=1000, inst=9), 200),
        (order(1, kind=MOC, tif=GTC), 111),
        (order(1, kind=99, limit=1000), 321),
        (order(1, limit=1000, tif=GTD, gtd_ts_ns=at(1)), 201),
        (order(0, limit=1000), 10149),
    ],
)
def test_bad_orders_are_rejected_with_the_broker_s_code(approved: ApprovedOrder, code: int) -> None:
    """Every refusal has one fact with its code, and nothing else."""
    driver = quoted().place(2, approved).until(3)
    assert driver.names() == ["OrderRejected"]
    assert driver.of(OrderRejected)[0].code == code


def test_duplicate_order_id_is_rejected_and_the_first_lives() -> None:
    """The same id again is 103, also after the first has ended and a day has passed."""
    driver = quoted().place(2, order(1, limit=990)).place(3, order(1, limit=990)).until(4)
    assert [fact.code for fact in driver.of(OrderRejected)] == [103]
    assert driver.watch[0] == 1
    driver.place(DAY_S + 5, order(7, limit=990)).place(DAY_S + 6, order(1, limit=990)).until(DAY_S + 7)
    assert [fact.code for fact in driver.of(OrderRejected)] == [103, 103]


def test_cancel_answers() -> None:
    """A working order is cancelled; unknown is 10147, filled 10148, cancelled 161."""
    driver = quoted().place(2, order(1, limit=990)).place(2, order(2, limit=1001)).until(3)
    driver.cancel(4, 1).cancel(5, 1).cancel(6, 2).cancel(7, 99).until(8)
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [1]
    assert [(fact.order_id, fact.code) for fact in driver.of(CancelRejected)] == [(1, 161), (2, 10148), (99, 10147)]
    assert driver.watch[0] == 0


def test_fill_while_the_cancel_is_in_flight() -> None:
    """A print between cancel and arrival fills the order, and the cancel is refused."""
    driver = quoted().place(2, order(1, limit=1000)).until(3).cancel(4, 1)
    driver.play(Tape().print(4.0005, 999, 100)).until(5)
    assert fills(driver) == [(1, 100, 1000)]
    assert [fact.code for fact in driver.of(CancelRejected)] == [10148]


def test_replace_loses_the_queue_on_price_or_size_up_and_keeps_it_on_size_down() -> None:
    """Only a smaller order keeps its place."""
    driver = quoted().place(2, order(1, limit=1000)).until(3).play(Tape().print(4, 1000, 100))
    driver.replace(5, order(1, limit=1000, size=50, version=1)).until(6).play(Tape().print(7, 1000, 5)).until(8)
    assert fills(driver) == [(1, 5, 1000)]
    driver.replace(9, order(1, limit=1000, size=80, version=2)).until(10).play(Tape().print(11, 1000, 90)).until(12)
    assert fills(driver) == [(1, 5, 1000)]
    driver.replace(13, order(1, limit=1001, size=80, version=3)).until(14)
    assert fills(driver)[1:] == [(1, 75, 1001)]
    assert [fact.version for fact in driver.of(OrderReplaced)] == [1, 2, 3]


def test_replace_refusals_leave_the_old_version_alive() -> None:
    """A bad tick is 110, a changed side 105, a filled order 104, an unknown one 135."""
    driver = quoted().place(2, order(1, limit=990)).place(2, order(2, limit=1001)).until(3)
    driver.replace(4, order(1, limit=990.5, version=1)).replace(4, order(1, side=SELL, limit=990, version=2))
    driver.replace(4, order(2, limit=990, version=1)).replace(4, order(9, limit=990, version=1)).until(5)
    assert sorted((fact.order_id, fact.code) for fact in driver.of(ReplaceRejected)) == [
        (1, 105), (1, 110), (2, 104), (9, 135),
    ]  # fmt: skip
    driver.play(Tape().print(6, 980, 100)).until(7)
    assert fills(driver)[-1] == (1, 100, 990)


def test_cancel_all_reaches_foreign_and_in_flight_orders() -> None:
    """A global cancel takes what is at the venue and what was sent before it."""
    driver = quoted().place(2, order(1, limit=990)).until(3)
    perm_id = driver.exchange.foreign_order(
        inst=1, side=BUY, qty_nanos=shares(100), order_type=LMT, tif=DAY, limit_px_nanos=cents(900), ts_ns=at(3)
    )  # fmt: skip
    driver.sync(4)
    foreign = [fact for fact in driver.of(OpenOrderReported) if fact.perm_id == perm_id]
    assert [(fact.order_id, fact.order_ref) for fact in foreign] == [(0, "")]
    driver.place(20, order(2, limit=990)).cancel_all(20).until(21)
    assert sorted(fact.order_id for fact in driver.of(OrderCancelled)) == [1, 2]
    driver.facts.clear()
    assert driver.sync(22).of(OpenOrderReported) == []
    assert len(driver.of(CompletedOrderReported)) == 3


def test_foreign_fill_reaches_us_without_an_id() -> None:
    """A foreign order's execution has order id 0, its own perm id and a unique exec id."""
    driver = quoted()
    perm_id = driver.exchange.foreign_order(
        inst=0, side=BUY, qty_nanos=shares(10), order_type=MKT, tif=DAY, ts_ns=at(2)
    )  # fmt: skip
    driver.place(3, order(1, kind=MKT, size=10)).until(9)
    facts = driver.of(OrderFilled)
    assert [(fact.order_id, fact.perm_id == perm_id) for fact in facts] == [(0, True), (1, False)]
    assert [fact.exec_id for fact in facts] == [f"0000e0d5.{perm_id:08x}.01.01", "0000e0d5.00000001.01.01"]


def test_halt_holds_matching_and_takes_cancels() -> None:
    """While halted nothing fills, an order is still acknowledged and cancelled."""
    driver = quoted()
    driver.exchange.on_halt(0, True, at(1.5))
    driver.place(2, order(1, kind=MKT)).place(2, order(2, limit=990)).cancel(3, 2).until(4)
    driver.play(Tape().quote(5, 1000, 1001)).until(6)
    assert fills(driver) == []
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [2]
    driver.exchange.on_halt(0, False, at(7))
    driver.play(Tape().quote(8, 1000, 1001)).until(9)
    assert fills(driver) == [(1, 100, 1001)]


def test_commission_follows_its_execution_and_cash_is_exact() -> None:
    """The report comes later than the fill, and the account paid price times quantity plus commission."""
    driver = quoted().place(2, order(1, kind=MKT, size=100)).until(4)
    kinds = driver.names()
    assert kinds.index("CommissionReported") > kinds.index("OrderFilled")
    paid = driver.of(CommissionReported)[0].commission_nanos
    assert paid == 1_000_000_000 + 7_200_000  # minimum + audit trail fee of 2026-01
    cash = driver.exchange.account.state.cash_nanos["USD"]
    assert cash == driver.config.cash_nanos - 1_001_000_000_000 - paid


def test_minimum_commission_is_charged_once_per_order() -> None:
    """Two executions of one small order pay one minimum together."""
    driver = quoted().place(2, order(1, limit=1001, size=150)).until(3)
    driver.play(Tape().quote(4, 1000, 1001, 100, 300)).until(6)
    first, second = [fact.commission_nanos for fact in driver.of(CommissionReported)]
    assert first == 1_000_000_000 + 7_200_000
    assert second == 3_600_000


def test_two_step_acknowledgement() -> None:
    """With the switch an order that works at once is PreSubmitted first."""
    driver = quoted(config=changed(two_step_ack=True)).place(2, order(1, limit=990)).until(3)
    assert [fact.status for fact in driver.of(OrderAcknowledged)] == [PRE_SUBMITTED, SUBMITTED]


def test_completed_orders_say_how_they_ended() -> None:
    """A filled order is Filled, a cancelled and a rejected one Cancelled."""
    driver = quoted().place(2, order(1, limit=1001)).place(2, order(2, limit=990)).place(2, order(3, limit=990.5))
    driver.cancel(3, 2).sync(4)
    ends = {fact.order_id: fact.status for fact in driver.of(CompletedOrderReported)}
    assert ends == {1: STATUS_FILLED, 2: STATUS_CANCELLED, 3: STATUS_CANCELLED}


def test_going_back_in_time_is_a_bug() -> None:
    """A caller that is out of order is stopped, not served."""
    driver = quoted().place(2, order(1, limit=990)).until(3)
    with pytest.raises(Bug, match="stands at"):
        driver.exchange.submit(RequestSync(reason="test"), ts_ns=at(1))


def test_a_cancel_never_overtakes_its_order() -> None:
    """Whatever the jitter, the broker sees an order before its cancel."""
    config = VenueConfig(latency=LatencyConfig(up_ns=0, up_jitter_ns=50_000_000))
    driver = quoted(config=config)
    for number in range(1, 30):
        driver.place(1 + number, order(number, limit=990)).cancel(1.001 + number, number)
    driver.until(40)
    assert driver.names() == ["OrderAcknowledged", "OrderCancelled"] * 29


def test_a_replaced_order_falls_behind_our_own_later_order() -> None:
    """Time priority among our own orders is lost by a size increase too."""
    driver = quoted(1000, 1004).place(2, order(1, limit=1002)).place(2.1, order(2, limit=1002)).until(3)
    driver.replace(4, order(1, limit=1002, size=101, version=1)).until(5).play(Tape().print(6, 1002, 100)).until(7)
    assert fills(driver) == [(2, 100, 1002)]


def test_the_next_day_forgets_executions_and_charges_a_new_minimum() -> None:
    """The sync of a new day shows no old execution or completed order; an order over night pays its minimum again."""
    driver = quoted().place(2, order(1, limit=1000, tif=GTC)).place(2, order(2, limit=1001)).until(3)
    driver.play(Tape().quote(4, 999, 1000, 100, 10)).until(CLOSE_S + 1).sync(DAY_S + 1)
    assert driver.of(ExecutionReported) == []
    assert [fact.order_id for fact in driver.of(CompletedOrderReported)] == []
    driver.play(Tape().quote(DAY_S + 20, 999, 1000, 100, 10)).until(DAY_S + 22)
    assert fills(driver)[1:] == [(1, 10, 1000), (1, 10, 1000)]
    assert [fact.commission_nanos for fact in driver.of(CommissionReported)][1:] == [1_000_720_000, 1_000_720_000]
