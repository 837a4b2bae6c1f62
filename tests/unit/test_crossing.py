"""Crossing between two books: what a book may have from another, when, at which price; and what is said of it."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core import records as r
from core.book_commands import CROSS, CrossBooks
from core.engine.crossing import cross, mid_nanos
from core.ids import BUY, SELL
from core.latches import ACCOUNT, HALTED, REDUCING, STRATEGY, SYMBOL
from core.ledger import Ledger
from core.market import apply_row
from core.notes import Blocked
from core.parents import ParentState
from core.rows import QUOTE, ROW
from core.units import NANO
from daemon.config import Config
from tests.simulation.opposed import IMMEDIATE, crossing
from tests.simulation.world import CENT, DATE, START_NS, base_config, new_machine

SECOND = NANO


def three() -> Config:
    """A third strategy, as the first."""
    config = crossing(base_config(), alpha=IMMEDIATE, beta=IMMEDIATE)
    strategies = config.strategies | {"gamma": config.strategies["beta"]}
    return msgspec.structs.replace(config, strategies=strategies)


class Room:
    """The trader's own engine on one symbol quoted 30.00 to 30.02; books want what a test says."""

    def __init__(self, config: Config | None = None) -> None:
        machine = new_machine(
            config or crossing(base_config(), alpha=IMMEDIATE, beta=IMMEDIATE), with_venue=False
        )  # fmt: skip
        self.engine = machine.engine
        self.money = self.engine.money
        self.engine.traders = ((), ())  # nobody decides by itself
        self.ts_ns = START_NS
        self.seq = 0
        self.records: list[Any] = []
        self.quote()
        started: dict[str, Any] = {"epoch": 1, "mode": "replay", "ended": "new", "after_crash": "as_latched"}
        self.step(e.TraderStarted(**started, guard_fired=False, changed="", venue_in_process=True))
        self.step(e.DayRolled(date=DATE))
        self.step(e.LinkRestored())
        self.step(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=1))
        self.engine.unsynced = False
        self.money.last_sync_ts_ns = self.ts_ns
        self.money.risk_since_ns = 1 << 62  # a worker measures at any time
        self.records.clear()

    def step(self, event: Any) -> None:
        """One fact."""
        self.seq = max(self.seq, self.engine.seq) + 1
        found = self.engine.step(e.Stamped(seq=self.seq, ts_ns=self.ts_ns, event=event))
        self.records += [message for kind, _, message in found if kind in (r.COMMAND, r.NOTE)]

    def quote(self, bid: int = 3_000, ask: int = 3_002, *, later_s: int = 0) -> None:
        """Prices in cents."""
        self.ts_ns += later_s * SECOND
        size = 100 * NANO
        row = np.array([(self.ts_ns, self.ts_ns, 0, QUOTE, 0, bid * CENT, ask * CENT, size, size)], ROW)
        apply_row(self.engine.market.state[0], row[0])

    def want(self, **shares: int) -> None:
        """New targets, in one step, before anybody trades."""
        for name, wanted in shares.items():
            self._emit(c.SetTarget(strategy=name, inst=0, qty_nanos=wanted * NANO))

    def _emit(self, command: Any) -> None:
        self.engine.ts_ns = self.ts_ns
        self.money.ts_ns = self.ts_ns
        self.engine.emit(command)

    def look(self, *names: str) -> list[Any]:
        """The engine looks at these books; returns what it did and said."""
        self.engine.ts_ns = self.ts_ns
        self.engine.records = []
        for name in names:
            self.engine.reconcile(name, 0)
        return [message for _, _, message in self.engine.records]

    def crosses(self, *names: str) -> list[CrossBooks]:
        """The crosses among them."""
        return [message for message in self.look(*names) if isinstance(message, CrossBooks)]

    def latch(self, state: int, level: int, scope: str) -> None:
        """A latch somebody set."""
        self._emit(c.MoveLadder(level=level, scope=scope, state=state, code="TEST", reason="test", by="ann"))

    def open(self, strategy: str, shares: int, **fields: Any) -> int:
        """A running schedule of a book that wants `shares`."""
        self.want(**{strategy: shares})
        parent_id = self.money.next_parent_id
        opening: dict[str, Any] = {
            "parent_id": parent_id, "strategy": strategy, "inst": 0, "side": BUY if shares > 0 else SELL,
            "qty_nanos": abs(shares) * NANO, "algo": "twap", "start_ts_ns": self.ts_ns,
            "end_ts_ns": self.ts_ns + 60 * SECOND, "slices": 6,
        } | fields  # fmt: skip
        self._emit(c.OpenParent(**opening))
        return parent_id

    def hold(self, **shares: int) -> None:
        """Books as if traded before."""
        ledger = self.money.ledger
        for name, held in shares.items():
            ledger.transfer(0, held * NANO, 30 * NANO, name)
        self.engine.exposure.mark(0, 3_001 * CENT, ledger)

    def held(self) -> list[int]:
        """Shares of alpha, of beta and of the account."""
        ledger = self.money.ledger
        self.engine.assert_invariants()
        return [ledger.held_nanos(name, 0) // NANO for name in ("alpha", "beta")] + [ledger.holdings[0] // NANO]


def test_opposite_wants_meet_at_the_mid_and_the_rest_is_one_order() -> None:
    """Each side has a schedule of its own, done at once; the account holds nothing of it."""
    room = Room()
    room.want(alpha=200, beta=-80)
    said = room.look("alpha", "beta")
    (cross,) = [message for message in said if isinstance(message, CrossBooks)]
    assert (cross.buyer, cross.seller, cross.qty_nanos, cross.px_nanos) == ("alpha", "beta", 80 * NANO, 3_001 * CENT)
    assert (cross.bid_px_nanos, cross.ask_px_nanos) == (3_000 * CENT, 3_002 * CENT)
    (order,) = [message.order.intent for message in said if isinstance(message, c.PlaceOrder)]
    assert (order.strategy, order.side, order.qty_nanos) == ("alpha", BUY, 120 * NANO)
    assert room.held() == [80, -80, 0]
    parents = room.money.parents
    assert [(parents[number].strategy, parents[number].algo, parents[number].state, parents[number].filled_nanos)
            for number in (cross.buyer_parent, cross.seller_parent)] == [
        ("alpha", CROSS, ParentState.DONE, 80 * NANO), ("beta", CROSS, ParentState.DONE, 80 * NANO),
    ]  # fmt: skip
    assert room.money.counters.tally("beta").parents_day == 1  # control 11 counts it
    assert room.money.counters.windows["beta"].hour.value == 80 * 3_001 * CENT  # and 10, for the book alone
    assert room.money.counters.account.hour.qty == 120 * NANO


def test_through_zero_in_two_steps() -> None:
    """Each from one side to the other: what closes first, then what opens, at one look."""
    room = Room()
    room.hold(alpha=100, beta=-100)
    room.want(alpha=-50, beta=70)
    crosses = room.crosses("alpha", "beta")
    assert [(one.buyer, one.qty_nanos // NANO) for one in crosses] == [("beta", 100), ("beta", 50)]
    assert room.held() == [-50, 50, 0]
    (order,) = room.money.live_orders.values()
    assert (order.strategy, order.side, order.qty_nanos) == ("beta", BUY, 20 * NANO)


def test_the_order_in_which_they_are_asked_changes_nothing() -> None:
    """Books, price and the one order are the same."""
    first, second = Room(), Room()
    for room in (first, second):
        room.want(alpha=200, beta=-80)
    first.look("alpha", "beta")
    second.look("beta", "alpha")
    assert first.held() == second.held()
    assert [o.qty_nanos for o in first.money.live_orders.values()] == [
        o.qty_nanos for o in second.money.live_orders.values()
    ]


def test_off_by_default() -> None:
    """Then they take turns, and the second order never meets the first."""
    room = Room(msgspec.structs.replace(base_config()))
    assert not room.engine.settings.cross_internally
    room.want(alpha=200, beta=-80)
    said = room.look("alpha", "beta")
    assert not [message for message in said if isinstance(message, CrossBooks)]
    assert [m.reason for m in said if isinstance(m, Blocked)] == ["alpha is trading the other way (parent 1)"]
    assert {order.strategy for order in room.money.live_orders.values()} == {"alpha"}


def _stale(room: Room) -> None:
    room.ts_ns += 100 * SECOND


def _crossed(room: Room) -> None:
    room.quote(3_003, 3_002)


def _locked(room: Room) -> None:
    room.quote(3_002, 3_002)


def _blind(room: Room) -> None:
    room.engine.market.set_gap(0)


def _halted(room: Room) -> None:
    room.engine.market.set_halt(0, 1)


def _link(room: Room) -> None:
    room.step(e.LinkDegraded(code=1, reason="test"))


def _unsynced(room: Room) -> None:
    room.engine.unsynced = True


def _disabled(room: Room) -> None:
    room._emit(c.SetStrategy(strategy="beta", enabled=False, reason="test"))


def _strategy_halted(room: Room) -> None:
    room.latch(HALTED, STRATEGY, "beta")


def _symbol_halted(room: Room) -> None:
    room.latch(HALTED, SYMBOL, "AAA")


def _account_reducing(room: Room) -> None:
    room.latch(REDUCING, ACCOUNT, "")


def _killed(room: Room) -> None:
    room.step(e.OperatorKilled(level=STRATEGY, scope="beta", reason="test", operator="ann"))
    room.want(beta=-80)


def _given_up(room: Room) -> None:
    room.money.ledger.books["beta"].given_up[0] = 1


def _no_disk(room: Room) -> None:
    room.step(e.DiskReserveChanged(available=False, free_mb=0))


def _stray(room: Room) -> None:
    room.hold(beta=500)
    room.open("beta", 400)
    room.look("beta")  # its order is on its way
    room._emit(c.EndParent(parent_id=1, state=int(ParentState.CANCELLED), reason="test"))
    room.want(beta=-80)


@pytest.mark.parametrize(
    "spoil",
    [_stale, _crossed, _locked, _blind, _halted, _link, _unsynced, _disabled, _strategy_halted, _symbol_halted,
     _account_reducing, _killed, _given_up, _no_disk, _stray],
)  # fmt: skip
def test_no_cross(spoil: Callable[[Room], None]) -> None:
    """Without a live price, certain books or both sides' leave, nothing meets inside."""
    room = Room()
    room.want(alpha=200, beta=-80)
    spoil(room)
    assert room.crosses("alpha", "beta") == []
    room.held()


def test_reducing_books_only_reduce() -> None:
    """Two books that offset each other in a flat account get out of it with each other, where no order could."""
    room = Room()
    room.hold(alpha=100, beta=-60)
    room.latch(REDUCING, ACCOUNT, "")
    room.want(alpha=0, beta=0)
    (one,) = room.crosses("alpha", "beta")
    assert (one.buyer, one.seller, one.qty_nanos) == ("beta", "alpha", 60 * NANO)
    assert room.held() == [40, 0, 40]
    room.want(alpha=100, beta=-60)
    assert room.crosses("alpha", "beta") == []


def test_a_limit_of_a_book_binds_and_is_said_once() -> None:
    """The other side is refused too and goes to the market; the journal says which control it was, once for each book,
    and not again by whoever goes on from a snapshot.
    """
    config = crossing(base_config(), alpha={"algo": "twap", "params": {"duration_s": 60, "slices": 4}}, beta=IMMEDIATE)
    limits = msgspec.convert(
        msgspec.to_builtins(config.limits) | {"strategy": {"beta": {"position_short_max": 50}}}, type(config.limits)
    )
    room = Room(msgspec.structs.replace(config, limits=limits))
    room.want(alpha=200, beta=-80)
    said = room.look("alpha", "beta", "alpha", "beta")
    assert not [message for message in said if isinstance(message, CrossBooks)]
    notes = [message.reason for message in said if isinstance(message, Blocked)]
    assert [note.rpartition(":")[0] for note in notes if "not crossed" in note] == [
        "not crossed with beta: MAX_POSITION of beta",
        "not crossed with alpha: MAX_POSITION",
    ]
    assert {order.strategy for order in room.money.live_orders.values()} == {"alpha"}
    room.engine.load_opinion(room.engine.dump())
    assert not [message for message in room.look("alpha", "beta") if isinstance(message, Blocked)]


def test_one_cross_is_no_larger_than_one_order() -> None:
    """250 at a look; the next look gives the next part of what is not at the broker by then."""
    room = Room()
    room.open("alpha", 600)
    room.want(beta=-500)
    assert [one.qty_nanos for one in room.crosses("beta")] == [250 * NANO]
    assert [one.qty_nanos for one in room.crosses("beta")] == [250 * NANO]
    assert room.held() == [500, -500, 0]


@pytest.mark.parametrize(
    ("fields", "crossed"),
    [({}, 200), ({"start_ts_ns": START_NS + SECOND}, 0), ({"auction_ts_ns": START_NS + SECOND}, 0),
     ({"limit_px_nanos": 3_000 * CENT}, 0), ({"limit_px_nanos": 3_001 * CENT}, 200),
     ({"purpose": c.INTENT_MANUAL}, 0)],
)  # fmt: skip
def test_what_a_running_schedule_gives(fields: dict[str, Any], crossed: int) -> None:
    """Its own price, its hour and its auction bind it; another person's order is none of a strategy's."""
    room = Room()
    parent_id = room.open("alpha", 200, **fields)
    room.want(beta=-200)
    found = room.crosses("beta")
    assert sum(one.qty_nanos for one in found) == crossed * NANO
    parent = room.money.parents[parent_id]
    assert parent.crossed_nanos == parent.filled_nanos == crossed * NANO
    assert parent.active == (crossed == 0)


def test_what_is_at_the_broker_stays_there() -> None:
    """A child of 50 works: the other 150 cross; the child's 50 are nobody's until it is gone, and a while longer."""
    room = Room(crossing(base_config(), alpha={"algo": "twap", "params": {"duration_s": 60, "slices": 4}}))
    parent_id = room.open("alpha", 200, slices=4)
    room.engine.ts_ns = room.ts_ns
    room.engine.work(room.money.parents[parent_id])
    (child,) = room.money.live_orders.values()
    assert child.qty_nanos == 50 * NANO
    room.want(beta=-200)
    assert [one.qty_nanos for one in room.crosses("beta")] == [150 * NANO]
    room.step(e.OrderAcknowledged(order_id=child.order_id))
    room._emit(c.CancelOrder(order_id=child.order_id, reason="test"))
    room.step(e.OrderCancelled(order_id=child.order_id))
    assert room.crosses("beta") == []
    room.quote(later_s=2)
    assert sum(one.qty_nanos for one in room.crosses("beta")) <= 50 * NANO
    assert room.held()[0] >= 150


def test_the_oldest_decision_is_served_first() -> None:
    """Two sellers for one buyer, in the order in which they decided; who may not cross keeps nobody from it."""
    for first, second, served in (("beta", "gamma", [("beta", 80), ("gamma", 20)]),
                                  ("gamma", "beta", [("gamma", 70), ("beta", 30)])):  # fmt: skip
        room = Room(three())
        shares = {"beta": -80, "gamma": -70}
        room.want(**{first: shares[first]})
        room.quote(later_s=1)
        room.want(**{second: shares[second]})
        room.want(alpha=100)
        found = [(one.seller, one.qty_nanos // NANO) for one in room.crosses("alpha")]
        assert found == served
    room = Room(three())
    room.want(gamma=-70, beta=-80, alpha=100)
    room.latch(HALTED, STRATEGY, "gamma")
    assert [one.seller for one in room.crosses("alpha")] == ["beta"]


@given(st.integers(1, 10**14), st.integers(0, 10**12), st.integers(1, 10**13))
def test_neither_side_is_favoured(bid: int, spread: int, qty: int) -> None:
    """Both sides book the same value; the mid is exact, or the even one of two that are equally near."""
    mid = mid_nanos(bid, bid + spread)
    assert abs(2 * mid - (2 * bid + spread)) <= 1
    assert (2 * bid + spread) % 2 == 0 or mid % 2 == 0
    ledger = Ledger(instruments=1, currency="USD", start_cash_nanos=0, strategies=("alpha", "beta"))
    ledger.cross(0, buyer="alpha", seller="beta", qty_nanos=qty, px_nanos=mid, seq=1)
    assert ledger.position("alpha", 0).cost_nanos == -ledger.position("beta", 0).cost_nanos > 0 or mid * qty < NANO
    assert (ledger.cash, ledger.holdings, ledger.spent_nanos) == ({"USD": 0}, [0], 0)


def test_books_that_offset_each_other_are_watched() -> None:
    """The account is flat, the books are not: marks go on, because each has a loss limit of its own."""
    room = Room()
    room.want(alpha=90, beta=-90)
    room.look("alpha", "beta")
    assert (room.money.live_orders, room.money.ledger.holdings[0]) == ({}, 0)
    room.quote(2_900, 2_902, later_s=1)
    room.step(e.TimeAdvanced())
    for _ in range(2):
        assert room.engine.next_deadline_ns <= room.ts_ns + 2 * SECOND
        room.quote(2_900, 2_902, later_s=2)
        room.step(e.TimeAdvanced())
    unrealised = room.engine.exposure.strategy_unrealised
    assert (unrealised["alpha"], unrealised["beta"]) == (-90 * NANO, 90 * NANO)


def test_a_cross_alone_needs_no_market_order() -> None:
    """Equal and opposite: nothing is sent at all."""
    room = Room()
    room.want(alpha=90, beta=-90)
    said = room.look("alpha", "beta")
    assert [type(message) for message in said if isinstance(message, c.BROKER_COMMANDS)] == []
    assert room.held() == [90, -90, 0]
    cross(room.engine, "alpha", 0)
    assert room.held() == [90, -90, 0]
