"""Message faults, outages and synchronisation of the simulated broker: each does what it says and no more."""

import pytest

from broker.sim.config import LatencyConfig, VenueConfig
from broker.sim.faults import FaultPlan, LinkFault, MessageFault
from core.commands import MKT
from core.errors import ConfigError
from core.events import (
    PENDING_SUBMIT,
    STATUS_CANCELLED,
    SUBMITTED,
    CashReported,
    CommissionReported,
    CompletedOrderReported,
    ExecutionCorrected,
    ExecutionReported,
    LinkDegraded,
    LinkLost,
    LinkRestored,
    OpenOrderReported,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PositionReported,
    SyncCompleted,
    SyncStarted,
)
from core.ids import SELL
from tests.fakes.sim_driver import PLAIN, Driver, order
from tests.fakes.tape import SECOND, Tape, at, cents, shares

ALL = 1_000_000


def faulty(*messages: MessageFault, links: tuple[LinkFault, ...] = (), **fields: int | bool) -> Driver:
    """A driver with a plan and a market."""
    plan = FaultPlan(messages=messages, links=links, **fields)  # type: ignore[arg-type]
    return Driver(config=VenueConfig(latency=PLAIN.latency, faults=plan)).play(Tape().quote(1, 1000, 1001))


def outage(kind: str, *, data_loss: bool = False) -> LinkFault:
    """Ten seconds without a link, from second 10."""
    return LinkFault(at_ns=at(10), duration_ns=10 * SECOND, kind=kind, data_loss=data_loss)


def test_dropped_order_never_reaches_the_broker() -> None:
    """A lost order has no answer, is in no sync, and cannot be cancelled."""
    driver = faulty(MessageFault(kind="PlaceOrder", drop_ppm=ALL)).place(2, order(1, limit=990)).sync(3)
    assert driver.of(OrderAcknowledged) == []
    assert driver.of(OpenOrderReported) == []
    assert driver.of(CompletedOrderReported) == []


def test_missing_acknowledgement_and_missing_commission() -> None:
    """Only the named kinds are lost; the broker's own books are right."""
    rules = (
        MessageFault(kind="OrderAcknowledged", drop_ppm=ALL),
        MessageFault(kind="CommissionReported", drop_ppm=ALL),
    )
    driver = faulty(*rules).place(2, order(1, kind=MKT)).until(5)
    assert driver.names() == ["OrderFilled"]
    assert driver.exchange.account.state.cash_nanos["USD"] < driver.config.cash_nanos - 1_001_000_000_000


def test_duplicate_sends_the_same_execution_twice() -> None:
    """The copy has the same exec id and moves nothing."""
    driver = faulty(MessageFault(kind="OrderFilled", duplicate_ppm=ALL)).place(2, order(1, kind=MKT)).until(5)
    first, second = driver.of(OrderFilled)
    assert first == second
    assert driver.exchange.account.state.positions[0].qty_nanos == shares(100)


def test_delay_holds_back_later_facts_and_reorder_lets_them_pass() -> None:
    """A delayed acknowledgement still comes before the fill; a reordered one after it."""
    late = faulty(MessageFault(kind="OrderAcknowledged", delay_ppm=ALL)).place(2, order(1, kind=MKT)).until(5)
    assert late.names() == ["OrderAcknowledged", "OrderFilled", "CommissionReported"]
    assert late.facts[0][0] == at(2) + 502_000_000
    passed = faulty(MessageFault(kind="OrderAcknowledged", reorder_ppm=ALL)).place(2, order(1, kind=MKT)).until(5)
    assert passed.names() == ["OrderFilled", "CommissionReported", "OrderAcknowledged"]


def test_commission_first() -> None:
    """The report overtakes its execution."""
    driver = faulty(commission_first_ppm=ALL).place(2, order(1, kind=MKT)).until(5)
    assert driver.names() == ["OrderAcknowledged", "CommissionReported", "OrderFilled"]


def test_venue_rejects_a_good_order() -> None:
    """The reject fault answers 201."""
    driver = faulty(reject_ppm=ALL).place(2, order(1, limit=990)).until(5)
    assert [fact.code for fact in driver.of(OrderRejected)] == [201]


def test_late_fill_after_cancel() -> None:
    """The order is cancelled, then the execution that came before it is told; the broker counts it once."""
    driver = faulty(late_fill_ppm=ALL).place(2, order(1, limit=990)).cancel(3, 1).until(5)
    assert driver.names() == ["OrderAcknowledged", "OrderCancelled", "OrderFilled", "CommissionReported"]
    driver.sync(6)
    done = driver.of(CompletedOrderReported)
    assert [(fact.filled_nanos, fact.status) for fact in done] == [(shares(100), STATUS_CANCELLED)]


def test_bust_and_correction() -> None:
    """A bust takes position and price back; a correction replaces the exec id by the next one."""
    busted = faulty(bust_ppm=ALL).place(2, order(1, kind=MKT)).sync(10)
    bust = busted.of(ExecutionCorrected)[0]
    assert (bust.corrects, bust.exec_id, bust.qty_nanos) == ("0000e0d5.00000001.01.01", "0000e0d5.00000001.01.02", 0)
    assert busted.of(PositionReported) == []
    assert busted.of(ExecutionReported) == []
    paid = busted.of(CommissionReported)[0].commission_nanos
    assert busted.of(CashReported)[0].cash_nanos == busted.config.cash_nanos - paid
    thrice = faulty(bust_ppm=ALL).place(2, order(1, kind=MKT, size=250)).sync(10)
    assert [fact.filled_nanos for fact in thrice.of(CompletedOrderReported)] == [0]
    moved = faulty(correction_ppm=ALL).place(2, order(1, kind=MKT)).sync(10)
    correction = moved.of(ExecutionCorrected)[0]
    assert abs(correction.px_nanos - cents(1001)) == cents(1)
    reported = moved.of(ExecutionReported)
    assert [(fact.exec_id, fact.px_nanos) for fact in reported] == [(correction.exec_id, correction.px_nanos)]


def test_lost_link_swallows_commands_and_facts_and_sync_shows_the_truth() -> None:
    """A fill during the outage is never told, but the next sync has it; an order sent during it is lost."""
    driver = faulty(links=(outage("lost"),)).place(2, order(1, limit=1000)).until(3)
    driver.play(Tape().print(12, 999, 100)).place(13, order(2, limit=990)).until(30)
    assert driver.of(OrderFilled) == []
    assert driver.names()[-2:] == ["LinkLost", "LinkRestored"]
    driver.sync(31)
    assert [fact.order_id for fact in driver.of(ExecutionReported)] == [1]
    assert [fact.order_id for fact in driver.of(CompletedOrderReported)] == [1]
    assert driver.of(OpenOrderReported) == []
    assert driver.of(SyncCompleted)[-1].complete


def test_a_sync_tells_the_cost_with_each_execution() -> None:
    """A lost commission report comes again; of an execution that was taken back only the cost is told."""
    lost = MessageFault(kind="CommissionReported", drop_ppm=ALL)
    plain = faulty(lost).place(2, order(1, kind=MKT)).until(5).sync(6)
    assert [type(fact) for _, fact in plain.facts].count(CommissionReported) == 1
    assert plain.of(CommissionReported)[0].exec_id == plain.of(ExecutionReported)[0].exec_id
    busted = faulty(lost, bust_ppm=ALL).place(2, order(1, kind=MKT)).until(10).sync(11)
    assert busted.of(ExecutionReported) == []
    assert busted.of(CommissionReported)[0].commission_nanos == plain.of(CommissionReported)[0].commission_nanos


def test_faults_end_when_the_plan_says_so() -> None:
    """Before the moment every order is lost, from it on none; a restart in between changes nothing."""
    driver = faulty(MessageFault(kind="PlaceOrder", drop_ppm=ALL), until_ns=at(4)).place(2, order(1, limit=990))
    driver.until(3).place(4, order(2, limit=990)).until(5)
    driver.restart()
    driver.place(6, order(3, limit=990)).until(8)
    assert [fact.order_id for fact in driver.of(OrderAcknowledged)] == [2, 3]


def test_now_is_the_last_moment_anything_happened() -> None:
    """Also when nobody was told: an order that arrived and was not answered."""
    driver = faulty(MessageFault(kind="OrderAcknowledged", drop_ppm=ALL)).place(2, order(1, limit=990)).until(3)
    assert driver.facts == []
    assert driver.exchange.now_ns == at(2.001)


def test_sync_cut_off_by_an_outage_ends_incomplete() -> None:
    """Every sync that starts ends once, also when the link goes in between or is down."""
    driver = faulty(links=(outage("lost"),)).sync(9.9985).sync(22)
    driver_down = faulty(links=(outage("degraded"),)).sync(12)
    assert [fact.complete for fact in driver.of(SyncCompleted)] == [False, True]
    assert len(driver.of(SyncStarted)) == 2
    assert [fact.missing for fact in driver_down.of(SyncCompleted)] == ["link"]
    assert [fact.code for fact in driver.of(LinkLost)] == [1300]


def test_degraded_front_holds_commands_and_facts() -> None:
    """Orders wait and are submitted at the end, in order; facts of the outage come at its end."""
    driver = faulty(links=(outage("degraded"),)).place(2, order(1, limit=1000)).until(3)
    driver.play(Tape().print(12, 999, 100)).place(13, order(2, limit=990)).cancel(14, 2).until(19)
    assert driver.of(OrderFilled) == []
    driver.until(30)
    assert [due for due, fact in driver.facts if isinstance(fact, OrderFilled)] == [at(20)]
    assert [fact.code for fact in driver.of(LinkDegraded)] == [1100]
    assert [fact.order_id for fact in driver.of(OrderAcknowledged)] == [1, 2]
    assert [fact.order_id for fact in driver.of(OrderCancelled)] == [2]


def test_degraded_with_data_loss_and_without_resubmission() -> None:
    """With the switches the facts are gone and the orders were never handed on."""
    driver = faulty(links=(outage("degraded", data_loss=True),), resubmit_queued=False)
    driver.place(2, order(1, limit=1000)).until(3).play(Tape().print(12, 999, 100)).place(13, order(2, limit=990))
    driver.until(40)
    assert driver.of(OrderFilled) == []
    assert [fact.order_id for fact in driver.of(OrderAcknowledged)] == [1]
    assert driver.of(LinkRestored)[0].reason.startswith("1101")


def test_sync_shows_an_order_on_its_way_as_pending() -> None:
    """What the front was handed is reported before the venue has it."""
    config = VenueConfig(latency=LatencyConfig(up_ns=50_000_000, up_jitter_ns=90_000_000, down_jitter_ns=0), seed=3)
    driver = Driver(config=config).play(Tape().quote(1, 1000, 1001))
    statuses = set()
    for number in range(1, 20):
        driver.facts.clear()
        driver.place(number * 20, order(number, limit=990)).sync(number * 20)
        statuses |= {(fact.status, fact.order_id == number) for fact in driver.of(OpenOrderReported)}
    assert (PENDING_SUBMIT, True) in statuses
    assert (SUBMITTED, True) in statuses
    assert (PENDING_SUBMIT, False) not in statuses


def test_sync_without_executions_end() -> None:
    """The lost End makes the sync incomplete, after the time-out, and says what is missing."""
    driver = faulty(sync_end_ppm=ALL).place(2, order(1, kind=MKT)).sync(4)
    end = driver.of(SyncCompleted)[0]
    assert (end.complete, end.missing) == (False, "executions")
    assert len(driver.of(ExecutionReported)) == 1


def test_positions_and_average_cost() -> None:
    """Buying twice averages, selling keeps the average, through zero starts anew."""
    driver = Driver().play(Tape().quote(1, 1000, 1001, 1000, 1000)).place(2, order(1, kind=MKT)).until(3)
    driver.play(Tape().quote(4, 1002, 1003, 1000, 1000)).place(5, order(2, kind=MKT)).sync(6)
    report = driver.of(PositionReported)[-1]
    assert (report.qty_nanos, report.average_cost_nanos) == (shares(200), cents(1002))
    driver.place(20, order(3, kind=MKT, side=SELL, size=50)).sync(21)
    report = driver.of(PositionReported)[-1]
    assert (report.qty_nanos, report.average_cost_nanos) == (shares(150), cents(1002))
    driver.place(40, order(4, kind=MKT, side=SELL, size=250)).sync(41)
    report = driver.of(PositionReported)[-1]
    assert (report.qty_nanos, report.average_cost_nanos) == (shares(-100), cents(1002))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: MessageFault(kind="Nothing"), "no message"),
        (lambda: MessageFault(kind="OrderFilled", drop_ppm=-1), "drop_ppm"),
        (lambda: MessageFault(kind="PlaceOrder", delay_ppm=1), "only be dropped"),
        (lambda: LinkFault(at_ns=0, duration_ns=0), "duration_ns"),
        (lambda: LinkFault(at_ns=0, duration_ns=1, kind="slow"), "degraded or lost"),
        (lambda: FaultPlan(links=(outage("lost"), outage("lost"))), "overlap"),
        (lambda: FaultPlan(bust_ppm=2_000_000), "bust_ppm"),
        (lambda: LatencyConfig(up_ns=-1), "up_ns"),
        (lambda: VenueConfig(perm_id_first=0), "perm_id_first"),
    ],
)
def test_bad_settings_are_named(build: object, text: str) -> None:
    """A setting out of bounds is refused with its name."""
    assert callable(build)
    with pytest.raises(ConfigError, match=text):
        build()
