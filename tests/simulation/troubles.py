"""What must hold when a trouble meets a schedule in its middle: totals, silence while nothing may be sent, how it goes
on and ends, and what the report says of it. Each case is one trouble, for any algorithm and any market.

The parameters and the tape are in one_schedule.py; the checkers of the simulation run beside it at every step.
"""

from pathlib import Path
from random import Random
from typing import Any, Final

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, STRATEGY
from core.parents import Parent, ParentState
from core.units import NANO
from daemon.tca.measure import measure
from daemon.tca.reading import read
from execution.algos import params_of
from tests.simulation.one_schedule import (
    END_S,
    OVER_S,
    PLANS,
    QTY,
    TROUBLE_S,
    Left,
    OneSchedule,
    steer,
)
from tests.simulation.schedule import APART, COLD, RESTEPPED, SHARED, Act, Schedule
from tests.simulation.world import START_NS

ANY: Final = (c.PlaceOrder, c.ReplaceOrder, c.CancelOrder)
ORDERS: Final = (c.PlaceOrder, c.ReplaceOrder)
RESTING: Final = ("immediate", "resting", "iceberg", "auto", "ib_adaptive", "ib_vwap")  # always on the book
QUIET_S: Final = 4  # no new risk so long after a trading halt, by the config
RESUME: Final = Act(at_ms=OVER_S * 1_000, kind="resume", level=ACCOUNT)


def side_of(algo: str) -> int:
    """Half of them buy, half of them sell short."""
    return 1 if list(PLANS).index(algo) % 2 else -1


def played(algo: str, directory: Path, *acts: Any, seed: int, until_s: int = 0, **how: Any) -> OneSchedule:
    """A run to its end."""
    rig = OneSchedule(algo, directory / "journal", seed=seed, side=side_of(algo), **how)
    return rig.run(*acts, until_s=until_s or (END_S - 1 if algo == "close" else 98))


# ---- what is asked of every run ------------------------------------------------------------------------------------
def must_complete(parent: Parent) -> bool:
    """By its own parameters."""
    return params_of(parent).must_complete


def check_total(rig: OneSchedule) -> None:
    """What was filled and what is still under way is what was wanted; nothing more."""
    filled = sum(parent.filled_nanos for parent in rig.parents)
    under_way = sum(parent.remaining_nanos for parent in rig.parents if parent.active)
    assert filled == abs(rig.money.ledger.holdings[0]), "holdings are not what the schedules filled"
    assert filled + under_way <= QTY, f"{filled} filled, {under_way} under way"
    if all(must_complete(parent) for parent in rig.parents) and rig.first.state is not ParentState.CANCELLED:
        rest_of_day = rig.first.algo != "close"
        assert filled + under_way == QTY or not rest_of_day, f"{filled} filled, {under_way} under way"


def check_end(rig: OneSchedule) -> None:
    """DONE at its quantity; or EXPIRED with a rest, which is traded on or given up as its parameters say."""
    first = rig.first
    check_total(rig)
    assert first.state in (ParentState.DONE, ParentState.EXPIRED), f"{first.state.name}: {first.reason}"
    if first.state is ParentState.DONE:
        assert (first.filled_nanos, len(rig.parents)) == (QTY, 1)
        return
    assert first.filled_nanos < QTY
    assert f"out of time with {first.remaining_nanos // NANO} to go" == first.reason
    given_up = rig.money.ledger.book_of("alpha").given_up.get(0)
    if not must_complete(first):
        assert (given_up, len(rig.parents)) == (first.parent_id, 1)
    elif first.algo != "close":  # its end is the close: what is left waits for the next day
        assert (given_up, rig.parents[1].qty_nanos) == (None, first.remaining_nanos)


def check_pace(rig: OneSchedule) -> None:
    """No order reaches beyond what is due when it leaves: by its own weights, by what it shows, by the volume."""
    for left in rig.sent(0, END_S, *ORDERS):
        parent = rig.money.parents[left.command.order.intent.parent_id]
        assert left.filled_nanos + left.open_nanos <= most_due(parent, left), left


def most_due(parent: Parent, left: Left) -> int:
    """The most that may be filled with an order when it leaves."""
    params: Any = params_of(parent)
    now_ns = START_NS + round(left.at_s * NANO)
    if parent.algo == "iceberg":
        shown = params.display_lots * 13 // 10 * NANO
        assert left.open_nanos <= shown or now_ns >= parent.end_ts_ns, "it shows more than its part"
        return parent.qty_nanos
    if parent.algo == "pov":
        percent = round(params.participation * 100)
        return int(left.others_nanos * percent // (100 - percent))
    return due_nanos(parent, now_ns, params.jitter / 2) + NANO


def due_nanos(parent: Parent, ts_ns: int, early: float) -> int:
    """What the slices begun by a time amount to; `early`: part of a slice that jitter may begin sooner."""
    start, end, slices = parent.start_ts_ns, parent.end_ts_ns, parent.slices
    if parent.auction_ts_ns and ts_ns < parent.auction_ts_ns:  # its last slice is the auction
        end, slices = parent.auction_ts_ns, slices - 1
    elif parent.auction_ts_ns:
        return parent.qty_nanos
    begun = max(0, min(slices, int((ts_ns - start) / ((end - start) / slices) + early) + 1))
    if not begun:
        return 0
    weight = parent.weights[begun - 1] / NANO if parent.weights else begun / slices
    return round(parent.qty_nanos * weight)


def check_caught_up(rig: OneSchedule, second: float, *, within_s: float = 3.0) -> None:
    """What was missed is due at once: the first order after a trouble brings it to where it should be by then."""
    left = rig.ordered_after(second)
    parent = rig.money.parents[left.command.order.intent.parent_id]
    if parent.algo in ("iceberg", "pov"):
        assert left.at_s < second + within_s + (5 if parent.algo == "pov" else 0)
        return  # what it may show, or what the volume allows: see `most_due`
    assert left.at_s < second + within_s, f"it waited until {left.at_s}"
    least = due_nanos(parent, START_NS + round(left.at_s * NANO), -params_of(parent).jitter / 2) - NANO
    assert left.filled_nanos + left.open_nanos >= least, f"{left} is less than {least}"


def check_report(rig: OneSchedule) -> None:
    """`quantd tca` of this journal has every schedule with its end."""
    rows = measure(read(rig.directory))
    ended = [(row.parent_id, row.state, row.qty_nanos, row.filled_nanos) for row in rows]
    books = [(x.parent_id, x.state.name, x.qty_nanos, x.filled_nanos) for x in rig.parents]
    assert ended == books, f"the report has {ended}, the books {books}"
    assert [len(row.orders) for row in rows] == [x.children for x in rig.parents]


def check_all(rig: OneSchedule) -> None:
    """Of a run that goes on to its end."""
    check_end(rig)
    check_pace(rig)
    check_report(rig)


# ---- the troubles --------------------------------------------------------------------------------------------------
def undisturbed(algo: str, folder: Path, seed: int) -> None:
    """The schedule is in its middle when the troubles below come."""
    rig = played(algo, folder, seed=seed)
    check_all(rig)
    assert rig.executed(0, TROUBLE_S) > 0
    assert rig.executed(TROUBLE_S, END_S) > 0


def operator_halt_and_resume(algo: str, folder: Path, seed: int) -> None:
    """Its order goes, nothing is sent, and resumed it catches up."""
    halt = Act(at_ms=TROUBLE_S * 1_000, kind="halt", level=ACCOUNT)
    rig = played(algo, folder, halt, RESUME, seed=seed)
    assert not rig.sent(TROUBLE_S, OVER_S, *ORDERS)
    assert not rig.executed(TROUBLE_S + 1, OVER_S)
    check_caught_up(rig, OVER_S - 0.001)
    check_all(rig)


def paused_by_number_and_resumed(algo: str, folder: Path, seed: int) -> None:
    """As with a halt, of this schedule alone; a resume of its scope does not let it go on."""
    scope = (
        Act(at_ms=40_000, kind="halt", level=STRATEGY, scope="alpha"),
        Act(at_ms=42_000, kind="resume", level=STRATEGY, scope="alpha"),
    )
    rig = played(algo, folder, (TROUBLE_S, steer("pause")), *scope, (OVER_S, steer("resume")), seed=seed)
    assert not rig.sent(TROUBLE_S, OVER_S, *ORDERS)
    assert not rig.executed(TROUBLE_S + 1, OVER_S)
    check_caught_up(rig, OVER_S - 0.001)
    check_all(rig)


def cancelled_by_number(algo: str, folder: Path, seed: int) -> None:
    """It ends with what it has, and its target opens no other."""
    rig = played(algo, folder, (TROUBLE_S, steer("cancel")), seed=seed)
    assert (rig.first.state, len(rig.parents)) == (ParentState.CANCELLED, 1)
    assert rig.first.reason == "tester: simulated"
    assert not rig.sent(TROUBLE_S + 0.001, END_S, *ORDERS)
    assert not rig.money.live_orders
    assert rig.money.ledger.book_of("alpha").given_up == {0: rig.first.parent_id}
    check_total(rig)
    check_report(rig)


def trading_halt(algo: str, folder: Path, seed: int) -> None:
    """Nothing is sent and nothing cancelled; afterwards the gate's quiet time, then it catches up."""
    halted, free = e.HaltChanged(inst=0, halted=1), e.HaltChanged(inst=0, halted=0)
    rig = played(algo, folder, (TROUBLE_S, halted), (OVER_S, free), seed=seed)
    assert not rig.sent(TROUBLE_S, OVER_S, *ANY)
    assert not rig.sent(OVER_S, OVER_S + QUIET_S, *ORDERS)
    if algo not in RESTING:
        check_caught_up(rig, OVER_S, within_s=QUIET_S + 3)
    check_all(rig)


def gap_in_the_feed(algo: str, folder: Path, seed: int) -> None:
    """Blind from the gap to the next quote: no slice begins; then it catches up."""
    gap = e.FeedGapped(inst=0, dropped=3, reason="simulated")
    rig = played(algo, folder, (TROUBLE_S, gap), silent=(TROUBLE_S, 46), seed=seed)
    assert not rig.sent(TROUBLE_S, 46, *ANY)
    if algo not in RESTING:
        check_caught_up(rig, 46)
    check_all(rig)


def nightly_reset_of_the_gateway(algo: str, folder: Path, seed: int) -> None:
    """The session is gone for a while and the gateway forgets what it held: nothing leaves until a sync is complete."""
    reset = Schedule(seed=seed, venue=SHARED, links=((TROUBLE_S * 1_000, 9_000, "lost", True),), keep_queued=False)
    rig = played(algo, folder, schedule=reset, seed=seed)
    assert rig.watch.counts["LinkLost"] == 1
    assert not rig.sent(TROUBLE_S, TROUBLE_S + 9, *ANY)
    check_all(rig)


def long_disconnect_with_fills_in_it(algo: str, folder: Path, seed: int) -> None:
    """What the broker filled meanwhile is found by the sync, counts towards the schedule, and is not traded again."""
    cut = Schedule(seed=seed, venue=SHARED, links=((24_000, 34_000, "lost", True),))
    rig = played(algo, folder, schedule=cut, seed=seed)
    assert not rig.sent(24, 58, *ANY)
    assert rig.executed(24.1, 58) > 0 or algo not in RESTING
    check_all(rig)


def crashes_change_nothing(algo: str, folder: Path, seed: int) -> None:
    """Killed at arbitrary moments and recovered from the journal (the state is compared whole), it decides to the end
    what it decides undisturbed: the same orders at the same times.
    """
    draw = Random(f"{algo} {seed}")
    moments = sorted(draw.randrange(13_000, 70_000) for _ in range(2))
    acts = [Act(at_ms=moment, kind="crash", point="between") for moment in moments]
    rig = played(algo, folder / "crashed", *acts, seed=seed)
    assert rig.watch.counts["crashes"] == 2
    calm = played(algo, folder / "calm", seed=seed)
    assert [left.decided for left in rig.watch.left] == [left.decided for left in calm.watch.left]
    assert [progress(parent) for parent in rig.parents] == [progress(parent) for parent in calm.parents]
    check_all(rig)


def progress(parent: Parent) -> tuple[Any, ...]:
    """All of a schedule but its story, whose records have other numbers."""
    return tuple(getattr(parent, name) for name in parent.__struct_fields__ if name != "story")


def crashes_within_a_step(algo: str, folder: Path, seed: int, venue: str) -> None:
    """Before a decision is kept, kept and not sent, half sent: no order twice, nothing forgotten. At a broker that goes
    on without it the second start is held until an operator settles what has no answer, and resumes.
    """
    held = "halted" if venue == APART else "as_latched"
    crash: dict[str, Any] = {"kind": "crash", "down_ms": 1_500 if venue == APART else 0}
    acts = (
        Act(at_ms=20_000, point="before commit", opinion=RESTEPPED, **crash),
        Act(at_ms=30_000, point="before dispatch", opinion=COLD, after=held, **crash),
        Act(at_ms=38_000, kind="resolve", choice=1),
        Act(at_ms=40_000, kind="resume", level=ACCOUNT),
        Act(at_ms=44_000, point="within dispatch", opinion=RESTEPPED, **crash),
    )
    rig = played(algo, folder, *acts, schedule=Schedule(seed=seed, venue=venue), seed=seed)
    assert rig.watch.counts["crashes"] >= 2 or algo in RESTING
    check_total(rig)
    check_pace(rig)
    check_report(rig)


def killed(algo: str, folder: Path, seed: int) -> None:
    """Cancelled for good: resumed, only a new decision of the strategy opens another, for what is missing then."""
    kill = Act(at_ms=TROUBLE_S * 1_000, kind="kill", level=STRATEGY, scope="alpha")
    resume = Act(at_ms=OVER_S * 1_000, kind="resume", level=STRATEGY, scope="alpha")
    rig = played(algo, folder, kill, resume, seed=seed)
    assert (rig.first.state, rig.first.reason) == (ParentState.CANCELLED, "kill")
    assert not rig.sent(TROUBLE_S, OVER_S, *ORDERS)
    assert not rig.executed(TROUBLE_S + 1, OVER_S)
    assert rig.parents[1].qty_nanos == QTY - rig.first.filled_nanos
    assert rig.parents[1].start_ts_ns > START_NS + OVER_S * NANO
    check_total(rig)
    check_pace(rig)
    check_report(rig)


def crashes_within_a_step_in_process(algo: str, folder: Path, seed: int) -> None:
    """See `crashes_within_a_step`."""
    crashes_within_a_step(algo, folder, seed, SHARED)


def crashes_within_a_step_apart(algo: str, folder: Path, seed: int) -> None:
    """See `crashes_within_a_step`."""
    crashes_within_a_step(algo, folder, seed, APART)


TROUBLES: Final = (
    undisturbed, operator_halt_and_resume, paused_by_number_and_resumed, cancelled_by_number, trading_halt,
    gap_in_the_feed, nightly_reset_of_the_gateway, long_disconnect_with_fills_in_it, crashes_change_nothing,
    crashes_within_a_step_in_process, crashes_within_a_step_apart, killed,
)  # fmt: skip
