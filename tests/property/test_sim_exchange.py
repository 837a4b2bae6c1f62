"""Properties of the simulated broker under random tapes, commands and faults."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.sim.config import LatencyConfig, VenueConfig
from broker.sim.faults import FaultPlan, LinkFault, MessageFault
from core.commands import DAY, FOK, GTC, IOC, LMT, LOC, MKT, MOC, STP, STP_LMT
from core.events import (
    CashReported,
    CommissionReported,
    ExecutionReported,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PositionReported,
    SyncCompleted,
    SyncStarted,
)
from core.ids import BUY, SELL
from core.units import notional_nanos
from tests.fakes.sim_driver import Driver, order
from tests.fakes.tape import CLOSE_S, SECOND, Tape, at, shares

LATENCY = LatencyConfig()
FAULTS = FaultPlan(
    messages=(
        MessageFault(kind="OrderFilled", drop_ppm=150_000, duplicate_ppm=150_000, reorder_ppm=200_000),
        MessageFault(kind="OrderAcknowledged", drop_ppm=100_000, delay_ppm=200_000),
        MessageFault(kind="PlaceOrder", drop_ppm=100_000),
        MessageFault(kind="CancelOrder", drop_ppm=100_000),
    ),
    links=(
        LinkFault(at_ns=at(8), duration_ns=6 * SECOND, kind="degraded"),
        LinkFault(at_ns=at(20), duration_ns=5 * SECOND, kind="lost"),
    ),
    reject_ppm=50_000,
    late_fill_ppm=300_000,
    correction_ppm=200_000,
    bust_ppm=100_000,
    commission_first_ppm=200_000,
    sync_end_ppm=200_000,
)


@dataclass(frozen=True)
class Step:
    """One thing that happens, a little after the last."""

    gap_ms: int
    what: str
    numbers: tuple[int, ...]


def steps() -> st.SearchStrategy[list[Step]]:
    number = st.integers(0, 11)
    row = st.tuples(st.integers(-4, 4), st.integers(-1, 3), st.integers(0, 400), st.integers(0, 400), st.integers(0, 9))
    kinds = st.sampled_from(["quote", "quote", "print", "print", "place", "place", "cancel", "replace", "sync", "all"])
    detail = st.tuples(number, number, number, number, number)
    return st.lists(
        st.builds(
            Step, st.integers(0, 3000), kinds, st.one_of(row, detail).map(tuple)
        ),
        min_size=10,
        max_size=40,
    )  # fmt: skip


def act(driver: Driver, step: Step, seconds: float, number: int) -> None:
    """Do one step; orders are numbered by the step that places them."""
    first, second, third, fourth, fifth = step.numbers
    if step.what == "quote":
        mid = 1000 + first
        driver.play(Tape().quote(seconds, mid, mid + second, third, fourth, flags=1 if fifth == 9 else 0))
    elif step.what == "print":
        driver.play(Tape().print(seconds, 1000 + first, third, flags=2 if fifth == 9 else 0))
    elif step.what == "place":
        kind = (LMT, LMT, LMT, MKT, STP, STP_LMT, MOC, LOC)[third % 8]
        tif = DAY if kind in (MOC, LOC) else (DAY, DAY, GTC, IOC, FOK)[fourth % 5]
        px = 1000 + first % 8 - 4
        side = BUY if second % 2 else SELL
        approved = order(number, side=side, size=1 + 40 * fifth, kind=kind, limit=px, stop=px + 1, tif=tif)
        driver.place(seconds, approved)
    elif step.what == "cancel":
        driver.cancel(seconds, first * 3)
    elif step.what == "replace":
        driver.replace(seconds, order(first * 3, size=1 + 40 * fifth, limit=1000 + second % 5, version=number))
    elif step.what == "sync":
        driver.until(seconds)
        driver.sync(seconds)
    else:
        driver.cancel_all(seconds)


def run(script: list[Step], config: VenueConfig, *, restarts: bool = False) -> Driver:
    """Play a script from the open; `restarts` snapshots and restores before every step."""
    driver = Driver(config=config)
    now_ms = 1000
    for number, step in enumerate(script, start=1):
        now_ms += step.gap_ms
        if restarts:
            driver.restart()
        act(driver, step, now_ms / 1000, number)
        if step.what == "sync":
            now_ms += 10_000
    return driver


def config(faults: bool, seed: int) -> VenueConfig:
    return VenueConfig(latency=LATENCY, faults=FAULTS if faults else FaultPlan(), seed=seed, two_step_ack=seed % 2 == 0)


@settings(max_examples=30)
@given(script=steps(), seed=st.integers(0, 5), faults=st.booleans())
def test_restart_at_every_point_changes_nothing(script: list[Step], seed: int, faults: bool) -> None:
    """The same tape, commands and seed give the same facts at the same times, restored between any two or not."""
    plain = run(script, config(faults, seed))
    restored = run(script, config(faults, seed), restarts=True)
    assert plain.until(2 * CLOSE_S).encoded() == restored.until(2 * CLOSE_S).encoded()
    assert plain.exchange.snapshot() == restored.exchange.snapshot()
    assert list(plain.watch) == list(restored.watch)


@settings(max_examples=30)
@given(script=steps(), seed=st.integers(0, 5), faults=st.booleans())
def test_account_is_its_executions(script: list[Step], seed: int, faults: bool) -> None:
    """No order executes more than its size; cash and positions come out of executions and commissions exactly."""
    driver = run(script, config(faults, seed)).until(CLOSE_S + 5)
    state = driver.exchange.account.state
    cash, positions, executed = driver.config.cash_nanos, Counter[int](), Counter[int]()
    for execution in state.executions.values():
        cash -= notional_nanos(execution.px_nanos, execution.side * execution.qty_nanos) + execution.commission_nanos
        positions[execution.inst] += execution.side * execution.qty_nanos
        executed[execution.order_id] += execution.qty_nanos
    assert state.cash_nanos["USD"] == cash
    assert {inst: held.qty_nanos for inst, held in state.positions.items()} == dict(positions)
    sizes = sizes_of(script)
    assert all(quantity <= max(sizes[order_id]) for order_id, quantity in executed.items())


def sizes_of(script: list[Step]) -> dict[int, list[int]]:
    """Every size an order ever had or was asked to have."""
    sizes: dict[int, list[int]] = {}
    for number, step in enumerate(script, start=1):
        size = shares(1 + 40 * step.numbers[4])
        if step.what == "place":
            sizes.setdefault(number, []).append(size)
        elif step.what == "replace":
            sizes.setdefault(step.numbers[0] * 3, []).append(size)
    return sizes


@settings(max_examples=30)
@given(script=steps(), seed=st.integers(0, 5))
def test_without_faults_nothing_is_lost(script: list[Step], seed: int) -> None:
    """Every order has one end, every execution its fill and its commission, in order; a sync says the same."""
    script = [step for step in script if step.what != "sync"]
    driver = run(script, config(False, seed)).cancel_all(CLOSE_S + 2).until(CLOSE_S + 5)
    ends, filled = Counter[int](), Counter[int]()
    for _, fact in driver.facts:
        if isinstance(fact, OrderFilled):
            assert not ends[fact.order_id]
            filled[fact.order_id] += fact.qty_nanos
        elif isinstance(fact, OrderCancelled | OrderRejected):
            ends[fact.order_id] += 1
        elif isinstance(fact, OrderAcknowledged):
            assert not filled[fact.order_id]
    placed = [number for number, step in enumerate(script, start=1) if step.what == "place"]
    sizes = sizes_of(script)
    for number in placed:
        assert ends[number] == 1 or (ends[number] == 0 and filled[number] in sizes[number])
    executions = driver.exchange.account.state.executions
    assert sorted(fact.exec_id for fact in driver.of(OrderFilled)) == sorted(executions)
    assert {fact.exec_id: fact.commission_nanos for fact in driver.of(CommissionReported)} == {
        execution.exec_id: execution.commission_nanos for execution in executions.values()
    }
    assert driver.watch.sum() == 0


@settings(max_examples=30)
@given(script=steps(), seed=st.integers(0, 5))
def test_every_sync_ends_and_tells_the_truth(script: list[Step], seed: int) -> None:
    """After any faults a complete sync equals the account, and no sync is left open."""
    driver = run(script, config(True, seed)).until(CLOSE_S + 5)
    driver.facts.clear()
    driver.sync(CLOSE_S + 10).sync(CLOSE_S + 30)
    started = Counter(fact.sync_id for fact in driver.of(SyncStarted))
    assert started == Counter(fact.sync_id for fact in driver.of(SyncCompleted))
    last = driver.of(SyncCompleted)[-1].sync_id
    state = driver.exchange.account.state
    assert {fact.exec_id for fact in driver.of(ExecutionReported) if fact.sync_id == last} == {
        execution.exec_id for execution in state.executions.values() if execution.qty_nanos
    }
    assert {fact.inst: fact.qty_nanos for fact in driver.of(PositionReported) if fact.sync_id == last} == {
        inst: held.qty_nanos for inst, held in state.positions.items() if held.qty_nanos
    }
    assert driver.of(CashReported)[-1].cash_nanos == state.cash_nanos["USD"]


@given(seed=st.integers(0, 2**64 - 1))
def test_facts_come_after_both_latencies_and_in_order(seed: int) -> None:
    """An acknowledgement takes between the sum of both bases and that plus both jitters."""
    driver = Driver(config=VenueConfig(latency=LATENCY, seed=seed)).play(Tape().quote(1, 1000, 1001))
    for number in range(1, 6):
        driver.place(2, order(number, kind=MKT, size=10))
    driver.until(5)
    low = LATENCY.up_ns + LATENCY.down_ns
    for due_ns, fact in driver.facts:
        if isinstance(fact, OrderAcknowledged):
            assert 0 <= due_ns - at(2) - low <= LATENCY.up_jitter_ns + LATENCY.down_jitter_ns
    times = [due_ns for due_ns, _ in driver.facts]
    assert times == sorted(times)
    for number in range(1, 6):
        mine = [
            type(f) for _, f in driver.facts if isinstance(f, OrderAcknowledged | OrderFilled) and f.order_id == number
        ]
        assert mine == [OrderAcknowledged, OrderFilled]


def test_one_order_s_luck_does_not_depend_on_another() -> None:
    """The draws of an order are its own: an order more elsewhere moves none of its times."""
    alone = Driver(config=config(False, 1)).play(Tape().quote(1, 1000, 1001))
    alone.place(2, order(5, limit=990)).until(4)
    crowd = Driver(config=config(False, 1)).play(Tape().quote(1, 1000, 1001))
    crowd.place(1.5, order(3, limit=990, inst=1)).place(2, order(5, limit=990)).until(4)
    mine = [due for due, fact in crowd.facts if getattr(fact, "order_id", 0) == 5]
    assert mine == [due for due, _ in alone.facts]


@pytest.mark.parametrize("seed", [1, 2])
def test_golden_latency(seed: int) -> None:
    """The hash is part of every recorded simulation: these times must never change."""
    driver = (
        Driver(config=VenueConfig(seed=seed)).play(Tape().quote(1, 1000, 1001)).place(2, order(1, limit=990)).until(3)
    )
    assert driver.facts[0][0] - at(2) == {1: 5_055_169, 2: 4_874_754}[seed]
