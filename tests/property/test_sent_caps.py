"""No sequence of orders, replaces, fills, cancels, outages, days and restarts takes what is sent past its caps, and the
journal gives the same counts again.
"""

from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core.commands import ApprovedOrder, OrderIntent
from core.money.attempts import added
from core.money.counters import WINDOWS_NS, Rolling
from core.money.fold import fold_command, fold_input
from core.money.snapshot import dump, load
from core.money.state import Money
from core.units import NANO
from risk.gate import Gate
from risk.limits import AccountLimits, Limits, StrategyLimits
from tests.fakes.context import ACCOUNT, CENT, DATE, SECOND, TAG, World, build_context

PX = 100 * NANO
VALUE = (60_000, 120_000, 200_000)  # within a second, a minute, an hour
QTY = (700, 1_300, 2_100)
OWN_QTY = 900  # of alpha, within an hour
GROSS = 150_000
CAPS = Limits(
    account=AccountLimits(
        value_second_max=VALUE[0], value_minute_max=VALUE[1], value_hour_max=VALUE[2], quantity_second_max=QTY[0],
        quantity_minute_max=QTY[1], quantity_hour_max=QTY[2], gross_max=GROSS, order_equity_bp_max=10_000,
        position_equity_bp_max=10_000, issuer_equity_bp_max=10_000, sector_equity_bp_max=10_000,
        sector_unknown_equity_bp_max=10_000, age_seconds_max_regular=100_000, clock_age_seconds_max=1_000_000,
        borrow_age_seconds_max=1_000_000,
    ),
    strategy={"alpha": StrategyLimits(quantity_hour_max=OWN_QTY)},
)  # fmt: skip


class Turn(NamedTuple):
    """One thing that happens; numbers choose among what is possible."""

    what: str
    pick: int
    hundreds: int
    side: int
    wait_ms: int


TURNS = st.lists(
    st.builds(
        Turn,
        what=st.sampled_from(
            ("order", "order", "order", "order", "replace", "fill", "cancel", "outage", "roll", "restart")
        ),
        pick=st.integers(0, 30),
        hundreds=st.integers(1, 6),
        side=st.sampled_from((1, -1)),
        wait_ms=st.sampled_from((0, 0, 10, 200, 960, 1_040, 30_000, 58_000, 63_500, 900_000, 3_500_000)),
    ),
    max_size=40,
)


class Trader(World):
    """A world that keeps its journal, remembers what it sent and can be started again."""

    def __init__(self) -> None:
        built = build_context(limits=CAPS)
        super().__init__(built.context)
        self.ts_ns -= 2 * 3_600 * SECOND
        self.start = dump(self.money)
        self.settings = self.money.settings
        self.journal: list[tuple[int, int, Any]] = []
        self.sent: list[tuple[int, str, int, int]] = []  # when, by whom, value and quantity added
        self.gate = Gate(self.context, CAPS, ACCOUNT, TAG)

    def command(self, command: Any) -> None:
        """Fold and keep."""
        self._keep(command)
        super().command(command)

    def event(self, event: Any) -> None:
        """Fold and keep."""
        self._keep(event)
        super().event(event)

    def _keep(self, message: Any) -> None:
        self.journal.append((self.money.seq + 1, self.ts_ns, message))

    def again(self) -> Money:
        """The books out of the journal."""
        money = load(self.settings, self.start)
        for seq, ts_ns, message in self.journal:
            (fold_command if isinstance(message, c.Command) else fold_input)(money, seq, ts_ns, message)
        money.odds.clear()
        return money

    def restart(self) -> None:
        """Another process over a snapshot of the books."""
        self.money = self.context.money = load(self.settings, dump(self.money))
        self.money.reservations.tell(self.context.concentration, self.money.live_orders)
        self.context.exposure.mark_all(self.context.market, self.money.ledger)
        self.gate = Gate(self.context, CAPS, ACCOUNT, TAG)

    def send(self, intent: OrderIntent) -> None:
        """Ask the gate; what it lets pass must be within every cap, by a sum over all that was ever sent."""
        verdict = self.gate.approve(intent, self.ts_ns, self.money.seq + 1)
        if not isinstance(verdict, ApprovedOrder):
            return
        value, qty = verdict.notional_nanos, intent.qty_nanos
        if intent.version:
            value, qty = added(self.money.orders[intent.order_id], intent, value)
        self.sent.append((self.ts_ns, intent.strategy, value, qty))
        if not verdict.reduce_only:
            self.check()
        self.place(verdict)

    def check(self) -> None:
        """The windows as their limits mean them, to the nanosecond."""
        for window_ns, value_max, qty_max in zip(WINDOWS_NS, VALUE, QTY, strict=True):
            recent = [x for x in self.sent if self.ts_ns - x[0] < window_ns]
            assert sum(x[2] for x in recent) <= value_max * NANO
            assert sum(x[3] for x in recent) <= qty_max * NANO
        own = [x for x in self.sent if self.ts_ns - x[0] < WINDOWS_NS[2] and x[1] == "alpha"]
        assert self.sent[-1][1] != "alpha" or sum(x[3] for x in own) <= OWN_QTY * NANO


def take(world: Trader, turn: Turn) -> None:
    """One turn."""
    world.ts_ns += turn.wait_ms * SECOND // 1_000
    for inst in range(2):
        world.quote(inst, PX - CENT, PX + CENT)
    money = world.money
    live = list(money.live_orders.values())
    order = live[turn.pick % len(live)] if live else None
    px = PX - turn.side * (1 + turn.pick % 9) * CENT
    if turn.what == "order":
        strategy = ("alpha", "beta")[turn.pick % 2]
        world.send(
            world.intent(
                inst=turn.pick // 2 % 2, side=turn.side, qty_nanos=turn.hundreds * 100 * NANO, strategy=strategy,
                limit_px_nanos=px,
            )
        )  # fmt: skip
    elif turn.what == "outage":
        world.event(e.LinkLost())
        world.send(world.intent(limit_px_nanos=px))
        world.event(e.LinkRestored())
        world.money.last_sync_ts_ns = world.money.ts_ns
    elif turn.what == "roll":
        world.event(e.DayRolled(date=(money.trading_date or DATE) + 1))
    elif turn.what == "restart":
        world.restart()
    elif order is not None and turn.what == "replace":
        world.send(
            world.intent(
                order_id=order.order_id, version=order.version + 1, inst=order.inst, side=order.side,
                qty_nanos=order.filled_nanos + turn.hundreds * 100 * NANO, strategy=order.strategy,
                limit_px_nanos=order.limit_px_nanos - order.side * CENT,
            )
        )  # fmt: skip
        if order.pending_version:
            world.event(
                e.OrderReplaced(
                    order_id=order.order_id, version=order.pending_version, qty_nanos=order.pending_qty_nanos,
                    limit_px_nanos=order.pending_px_nanos,
                )
            )  # fmt: skip
    elif order is not None and turn.what == "fill":
        world.fill(order.order_id, min(order.remaining_nanos, turn.hundreds * 100 * NANO), PX)
    elif order is not None and turn.what == "cancel":
        world.cancel(order.order_id)


@settings(max_examples=20)
@given(TURNS)
def test_what_is_sent_stays_within_its_caps(turns: list[Turn]) -> None:
    """Whatever happens: sent value and shares, and exposure with all that works, never pass a cap."""
    world = Trader()
    for turn in turns:
        take(world, turn)
        assert world.context.exposure.gross <= GROSS * NANO
    synced = world.money.last_sync_ts_ns
    again = world.again()
    again.last_sync_ts_ns = synced  # the fake's own shortcut to a complete sync
    world.money.odds.clear()
    assert dump(again) == dump(world.money), "the journal gives the same state of every limit"


WAITS = st.one_of(st.integers(0, 120_000_000), st.integers(850_000_000, 1_100_000_000))


@settings(max_examples=60)
@given(st.lists(st.tuples(WAITS, st.integers(0, 10**6)), min_size=5, max_size=60), st.integers(0, 10**9))
def test_a_rolling_sum_never_under_counts(additions: list[tuple[int, int]], start_ns: int) -> None:
    """It holds all of the window and at most a twentieth of the window more; asking and a snapshot change nothing."""
    rolling, window_ns = Rolling(WINDOWS_NS[0]), WINDOWS_NS[0]
    ts_ns = 10**18 + start_ns
    told: list[tuple[int, int]] = []
    for wait_ns, amount in additions:
        ts_ns += wait_ns
        asked = rolling.at(ts_ns)
        assert rolling.value >= asked[0], "what is kept is an upper bound"
        for found in (asked, restored(rolling, ts_ns).at(ts_ns)):
            within = [x for at_ns, x in told if ts_ns - at_ns < window_ns]
            beyond = [x for at_ns, x in told if ts_ns - at_ns < window_ns * 21 // 20]
            assert sum(within) <= found[0] <= sum(beyond)
            assert len(within) <= found[1] <= len(beyond)
        rolling.add(ts_ns, amount, 1)
        told.append((ts_ns, amount))


def restored(rolling: Rolling, ts_ns: int) -> Rolling:
    """Through a snapshot of this moment."""
    other = Rolling(WINDOWS_NS[0])
    other.load(rolling.state(ts_ns))
    return other
