"""Whatever the venue does, one parent is never over-filled, never has two children, and its executor never spins."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core.money import snapshot
from core.orders import describe
from core.parents import Parent
from core.units import NANO
from tests.fakes.chase_venue import ChaseVenue
from tests.fakes.trading_context import CLOSE_NS, MONEY, OPEN_NS, SHARE, Bench, settings_of

SETTINGS = settings_of(patience=0.4, chase_s=2.0, cross_ticks_max=2, backoff_s=3.0, grace_s=20.0, child_lots_min=2)
SECOND = NANO


class Loop:
    """One parent, its executor and the venue, moved by the test's draws."""

    def __init__(self, *, lots: int, lot: int, side: int, slices: int, seconds: int, algo: str = "twap") -> None:
        self.settings = SETTINGS
        self.bench = Bench(settings=SETTINGS, lot_nanos=lot * SHARE)
        self.venue = ChaseVenue(self.bench)
        self.qty_nanos = lots * lot * SHARE
        self.parent_id = self.bench.open(
            shares=lots * lot, side=side, slices=min(slices, lots), seconds=seconds, algo=algo
        )
        self.acts = 0
        self.mid = 1000

    @property
    def parent(self) -> Parent:
        return self.bench.money.parents[self.parent_id]

    def drive(self) -> None:
        """Act until it waits: every action makes the child busy or ends the parent, so at most two in a row, after a
        plan anew and the beginning of a slice.
        """
        for _ in range(5):
            self.acts += 1
            action = self.bench.executor.act(self.parent, self.bench.ts_ns)
            if action is None:
                break
            if action.record is not None:
                self.bench.fold(action.record)
            elif action.place is not None:
                self.venue.take(action.place)
            elif action.replace is not None:
                self.venue.take(action.replace)
            elif action.cancel:
                self.venue.take_cancel(action.cancel)
            else:
                self.end(action.end, action.reason)
        else:
            raise AssertionError("the executor acts without waiting for an answer")
        self.check()

    def end(self, state: int, reason: str) -> None:
        assert self.parent.child == 0, "a parent ends without a live child"
        if state == 10:
            assert self.venue.filled_nanos == self.qty_nanos
        self.bench.fold(c.EndParent(parent_id=self.parent_id, state=state, reason=reason))

    def check(self) -> None:
        money = self.bench.money
        assert self.venue.filled_nanos <= self.qty_nanos, [describe(o) for o in money.orders.values()]
        working = sum(resting.left_nanos for resting in self.venue.orders.values())
        assert self.venue.filled_nanos + working <= self.qty_nanos, "the open order could over-fill the parent"
        assert len(money.live_orders) <= 1
        assert money.parents[self.parent_id].filled_nanos == self.venue.filled_nanos
        assert self.bench.executor.wake_ns(self.parent, self.bench.ts_ns) > self.bench.ts_ns

    def event(self, kind: str, draw: int) -> None:
        venue, bench = self.venue, self.bench
        if kind == "answer":
            venue.answer(draw % 4 != 0)
        elif kind == "fill":
            venue.fill(1 + draw % 40)
        elif kind == "correct":
            venue.correct(1 + draw % 40)
        elif kind == "time":
            bench.ts_ns += draw * SECOND // 7
        elif kind == "wake":
            bench.ts_ns = bench.executor.wake_ns(self.parent, bench.ts_ns)
        elif kind == "quote":
            self.mid += draw % 9 - 4
            bench.quote(0, self.mid, self.mid + 1 + draw % 3, usable=int(draw % 10 != 0))
        elif kind == "pause":
            reason = "crash" if draw % 2 else "operator"
            bench.fold(c.PauseParent(parent_id=self.parent_id, paused=draw % 3 == 0, reason=reason))
        elif kind == "link":
            venue.lose_link(arrived=draw % 2 == 0)
            self.drive()
            venue.restore_link()
        else:
            self.crash()

    def crash(self) -> None:
        """Rebuild everything from money state: the continuation is the same."""
        before = self.answers()
        state = snapshot.dump(self.bench.money)
        self.bench.context.money = snapshot.load(MONEY, state)
        self.bench.executor = type(self.bench.executor)(self.bench.context, settings={}, default=self.settings)
        assert self.answers() == before
        assert snapshot.dump(self.bench.money) == state

    def answers(self) -> tuple[Any, ...]:
        """What the executor says now and at its next three wake-ups, if nothing happens."""
        said: list[Any] = []
        ts_ns = self.bench.ts_ns
        for _ in range(4):
            said.append((ts_ns, self.bench.executor.act(self.parent, ts_ns)))
            ts_ns = self.bench.executor.wake_ns(self.parent, ts_ns)
        return tuple(said)

    def close_market(self) -> None:
        """The end of the day: on-close orders are filled, other day orders end."""
        if self.bench.ts_ns < CLOSE_NS:
            return
        for order in list(self.bench.money.live_orders.values()):
            resting = self.venue.orders.get(order.order_id)
            if order.busy or resting is None or not resting.open:
                continue
            if order.order_type in (c.MOC, c.LOC):
                self.venue.fill(resting.left_nanos // SHARE)
            else:
                resting.open = False
                self.bench.fold(e.OrderCancelled(order_id=order.order_id, reason="expired"))

    def finish(self) -> None:
        """A friendly venue from here on: answers at once and fills what reaches the touch."""
        bench = self.bench
        bench.quote(0, 1000, 1001)
        bench.fold(c.PauseParent(parent_id=self.parent_id, paused=False, reason=""))
        for _ in range(600):
            for _ in range(20):
                self.venue.answer(True)
                self.venue.fill_marketable()
                self.close_market()
                self.drive()
            assert not self.venue.inbox, "it keeps sending at one moment"
            if not self.parent.active and not self.parent.child:
                return
            if not self.venue.inbox:
                bench.ts_ns = bench.executor.wake_ns(self.parent, bench.ts_ns)
        raise AssertionError(f"never ended: {self.parent}")


PARENTS = st.fixed_dictionaries(
    {
        "lots": st.integers(1, 60),
        "lot": st.sampled_from([1, 7, 100]),
        "side": st.sampled_from([1, -1]),
        "slices": st.integers(1, 12),
        "seconds": st.integers(1, 120),
        "algo": st.sampled_from(["twap", "immediate"]),
    }
)
KINDS = ("answer", "fill", "correct", "time", "wake", "quote", "pause", "link", "crash")
EVENTS = st.lists(st.tuples(st.sampled_from((*KINDS[:2], *KINDS)), st.integers(0, 60)), max_size=40)


@given(parent=PARENTS, events=EVENTS)
@settings(max_examples=60)
def test_the_parent_is_never_over_filled(parent: dict[str, Any], events: list[tuple[str, int]]) -> None:
    """Random fills, rejects, corrections, pauses, link losses, crashes and clock jumps; then a friendly venue."""
    loop = Loop(**parent)
    loop.drive()
    for kind, draw in events:
        loop.event(kind, draw)
        loop.drive()
    loop.finish()
    assert loop.venue.filled_nanos <= loop.qty_nanos


@given(parent=PARENTS)
@settings(max_examples=40)
def test_a_friendly_venue_fills_everything_in_time(parent: dict[str, Any]) -> None:
    """Without trouble the parent is DONE at its total, before its end."""
    loop = Loop(**parent)
    loop.finish()
    assert loop.parent.state == 10
    assert loop.venue.filled_nanos == loop.qty_nanos
    assert loop.bench.ts_ns < loop.parent.end_ts_ns


@given(parent=PARENTS, busy=st.booleans())
@settings(max_examples=40)
def test_a_silent_venue_costs_few_wake_ups(parent: dict[str, Any], busy: bool) -> None:
    """Nothing ever fills, or the broker never answers: wake-ups are bounded by slices and the chase interval."""
    loop = Loop(**parent)
    loop.drive()
    if not busy:
        loop.venue.answer(True)
    end = loop.parent.end_ts_ns + SETTINGS.grace_ns
    wakes = 0
    while loop.bench.ts_ns < end:
        loop.bench.ts_ns = loop.bench.executor.wake_ns(loop.parent, loop.bench.ts_ns)
        loop.drive()
        for _ in range(0 if busy else 5):
            loop.venue.answer(True)
            loop.drive()
        assert busy or not loop.venue.inbox, "it keeps sending at one moment"
        wakes += 1
    polls = (end - OPEN_NS) // SETTINGS.chase_ns
    assert wakes <= 2 * loop.parent.slices + 6 + (0 if busy else 2 * polls)
    assert loop.venue.sent <= 3 * loop.parent.slices + 3
