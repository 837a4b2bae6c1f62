"""The triggers: N of M, soft and hard, what lifts itself and when, what a restart remembers."""

from typing import Any

import pytest

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, ACTIVE, HALTED, REDUCING, STRATEGY, SYMBOL
from core.units import NANO
from risk.ladder import Ladder, lifts_itself, who_lifts
from risk.limit_rows import ROWS
from risk.limits import AccountLimits, Limits
from risk.triggers import BY_LATCH, TRIGGERS
from risk.watch import Watch
from risk.windows import JUMP_SIGMAS_SQUARED, USUAL_MARKS_MIN, Moves, Samples, Window
from tests.fakes.context import CENT, NOON, SECOND, World, build_context

PX = 100 * NANO
KEY = (ACCOUNT, "", "X")


class Bench:
    """A world and its ladder; moves are folded as the engine does."""

    def __init__(self, **limits: Any) -> None:
        given = Limits(account=AccountLimits(**limits))
        self.world: World = build_context(limits=given)
        self.ladder = Ladder(self.world.context, given)
        self.money = self.world.money

    def mark(self, seconds: int = 1, *, alive: bool = True) -> list[tuple[int, str, int, str]]:
        """Marks, a second apart, with fresh quotes unless the feed is silent; the moves of all."""
        moved = []
        for _ in range(seconds):
            self.world.ts_ns += SECOND
            self.money.ts_ns = self.world.ts_ns
            if alive:
                for inst in (0, 1):
                    self.world.quote(inst, PX - CENT, PX + CENT)
            moved += self._take(self.ladder.on_mark(self.world.ts_ns))
        return moved

    def tell(self, event: Any) -> list[tuple[int, str, int, str]]:
        """A fact."""
        self.world.event(event)
        return self._take(self.ladder.on_fact(event, self.world.ts_ns))

    def equity(self, units: int) -> None:
        """One mark of the account's equity."""
        self.world.command(c.MarkEquity(equity_nanos=units * NANO, unrealised_nanos=0))

    def _take(self, moves: Any) -> list[tuple[int, str, int, str]]:
        for move in moves:
            self.world.command(move)
        return [(move.level, move.scope, move.state, move.code) for move in moves]


def test_n_of_m() -> None:
    """Two of three: not one bad sample, not two with two good ones between."""
    samples = Samples()
    said = [samples.take(KEY, breach, least=2, of=3) for breach in (True, False, False, True, False, True, True)]
    assert said == [False, False, False, False, False, True, True]
    for _ in range(3):
        samples.take(KEY, False, least=2, of=3)
    assert not samples.bits, "what is good is not remembered"


def test_a_window_never_counts_too_little() -> None:
    """Everything of the last minute is in it; after a minute and a part of it nothing is."""
    window = Window(span_ns=60 * SECOND)
    for second in range(120):
        window.add(NOON + second * SECOND)
        assert min(second + 1, 60) <= window.count(NOON + second * SECOND) <= 65
    assert window.count(NOON + 119 * SECOND + 65 * SECOND) == 0


def test_drawdown_needs_two_of_three_marks() -> None:
    """5 % below the peak reduces, 8 % halts; one bad mark of three does nothing; a deposit is no gain."""
    bench = Bench(day_loss_soft_bp=9_000, day_loss_hard_bp=9_000)
    bench.equity(950_000)
    assert bench.mark() == []
    bench.equity(990_000)
    assert bench.mark(2) == []
    bench.equity(950_000)
    assert bench.mark() == []
    assert bench.mark() == [(ACCOUNT, "", REDUCING, "DRAWDOWN_SOFT")]
    bench.equity(920_000)
    assert bench.mark(2) == [(ACCOUNT, "", HALTED, "DRAWDOWN_HARD")]
    assert "still stands" in bench.ladder.may_lift(ACCOUNT, "", "DRAWDOWN_HARD")
    bench.world.event(e.HighWaterReset(reason="test", operator="ann"))
    assert bench.ladder.may_lift(ACCOUNT, "", "DRAWDOWN_HARD") == ""


def test_a_peak_is_marked_twice() -> None:
    """One tick up that does not stand leaves no drawdown behind."""
    bench = Bench()
    bench.equity(1_500_000)
    bench.equity(1_000_000)
    assert bench.money.high_water_nanos == 1_000_000 * NANO
    bench.equity(1_100_000)
    bench.equity(1_100_000)
    assert bench.money.high_water_nanos == 1_100_000 * NANO


def test_a_fill_beyond_the_limit_acts_at_once() -> None:
    """A foreign or late fill takes the position a tenth above its limit: the symbol is reduced without a mark."""
    bench = Bench(position_long_max=100, position_short_max=100)
    bench.world.hold(0, 109)
    moves = bench.ladder.on_fact(fill_of(bench), bench.world.ts_ns)
    assert [(m.level, m.scope, m.code) for m in moves] == []
    bench.world.hold(0, 1)
    moves = bench.ladder.on_fact(fill_of(bench), bench.world.ts_ns)
    assert [(m.level, m.scope, m.state, m.code) for m in moves] == [
        (SYMBOL, "S0", REDUCING, "POSITION_BREACH_SOFT"),
        (STRATEGY, "alpha", REDUCING, "POSITION_BREACH_SOFT"),
    ]
    assert (moves[0].value, moves[0].limit) == ("11000 bp", "11000 bp")


def fill_of(bench: Bench) -> e.OrderFilled:
    """The last fill, as the ladder hears of it."""
    order_id = bench.money.next_order_id - 1
    return e.OrderFilled(order_id=order_id, exec_id="x", side=1, qty_nanos=NANO, px_nanos=PX, inst=0)


def test_a_price_that_doubles_breaches_the_value_limit() -> None:
    """10 % of equity bought at 100; at 111 the position is above a tenth more than its limit, two marks of it."""
    bench = Bench(breach_hard_bp=12_000, day_loss_soft_bp=9_999, day_loss_hard_bp=9_999)
    bench.world.hold(0, 990)
    assert bench.mark(3) == []
    moves: Any = []
    for _ in range(2):
        bench.world.ts_ns += SECOND
        bench.world.quote(0, 115 * NANO - CENT, 115 * NANO + CENT)
        bench.world.mark()
        moves = bench.ladder.on_mark(bench.world.ts_ns)
    assert ("S0", "POSITION_BREACH_SOFT") in [(move.scope, move.code) for move in moves]


def test_the_link_reduces_and_lifts_itself_after_a_clean_sync() -> None:
    """1100: exits only at once; back, but unsynced: still; synced and ten seconds quiet: lifted, and only then."""
    bench = Bench()
    assert bench.tell(e.LinkDegraded(code=1100, reason="broker")) == [(ACCOUNT, "", REDUCING, "LINK")]
    assert bench.tell(e.LinkLost(code=504)) == []
    assert bench.ladder.waits
    assert bench.mark(30) == []
    bench.world.event(e.LinkRestored(reason="session"))
    assert bench.mark(30) == [], "no complete sync yet"
    bench.money.last_sync_ts_ns = bench.money.ts_ns
    assert bench.mark(10) == []
    assert bench.mark(1) == [(ACCOUNT, "", ACTIVE, "LINK")]
    assert not bench.ladder.waits


def test_nothing_lifts_itself_beside_another_cause() -> None:
    """With a loss latched too the link's latch waits for a person; without it, it goes."""
    bench = Bench()
    bench.tell(e.LinkDegraded(code=1100))
    bench.world.command(c.MoveLadder(level=ACCOUNT, scope="", state=REDUCING, code="DAY_LOSS_SOFT", reason="t", by="t"))
    bench.world.event(e.LinkRestored(reason="session"))
    bench.money.last_sync_ts_ns = bench.money.ts_ns
    assert bench.mark(60) == []
    bench.world.command(c.MoveLadder(level=ACCOUNT, scope="", state=ACTIVE, code="DAY_LOSS_SOFT", reason="t", by="ann"))
    assert bench.mark(1) == [(ACCOUNT, "", ACTIVE, "LINK")]


def test_a_silent_line_and_a_silent_feed() -> None:
    """30 s of the whole feed reduce the account, 60 s of a held symbol this symbol; both lift themselves."""
    bench = Bench()
    bench.world.hold(0, 10)
    bench.mark(2)
    assert bench.mark(30, alive=False) == [], "two of three samples"
    assert bench.mark(1, alive=False) == [(ACCOUNT, "", REDUCING, "STALE_DATA")]
    assert bench.mark(40, alive=False) == [(SYMBOL, "S0", REDUCING, "STALE_DATA")]
    assert bench.mark(10) == []
    assert bench.mark(1) == [(ACCOUNT, "", ACTIVE, "STALE_DATA"), (SYMBOL, "S0", ACTIVE, "STALE_DATA")]


def test_slippage_of_a_strategy() -> None:
    """Twenty fills a percent worse than arrival: exits only for this strategy; resumed, they count no more."""
    bench = Bench()
    money = bench.money
    bench.world.command(
        c.OpenParent(
            parent_id=1, strategy="alpha", inst=0, side=1, qty_nanos=40 * NANO, algo="twap", start_ts_ns=NOON,
            end_ts_ns=NOON + 60 * SECOND, slices=40, arrival_mid_nanos=PX,
        )
    )  # fmt: skip
    for number in range(20):
        order_id = bench.world.rest(qty_nanos=NANO, limit_px_nanos=PX + NANO, parent_id=1)
        bench.tell(
            e.OrderFilled(order_id=order_id, exec_id=f"f{number}", side=1, qty_nanos=NANO, px_nanos=PX + NANO, inst=0)
        )
        money.tats.clear()
    assert bench.mark() == []
    assert bench.mark() == [(STRATEGY, "alpha", REDUCING, "SLIPPAGE_SOFT")]
    assert "still stands" in bench.ladder.may_lift(STRATEGY, "alpha", "SLIPPAGE_SOFT")
    bench.world.command(
        c.MoveLadder(level=STRATEGY, scope="alpha", state=ACTIVE, code="SLIPPAGE_SOFT", reason="t", by="ann")
    )
    bench.tell(e.OperatorResumed(level=STRATEGY, scope="alpha", reason="t", operator="ann"))
    assert bench.mark(5) == []


def test_rates_of_orders_rejects_and_errors() -> None:
    """Each within its own window and at once: a count is no price."""
    bench = Bench(orders_minute_soft=10, orders_minute_hard=20, sync_seconds_soft=9_000, sync_seconds_hard=9_000)
    for _ in range(10):
        bench.ladder.on_order(bench.world.ts_ns)
    assert bench.mark() == [(ACCOUNT, "", REDUCING, "ORDER_RATE_SOFT")]
    for version in range(5):
        bench.tell(e.OrderRejected(order_id=1, code=201))
        bench.tell(e.ReplaceRejected(order_id=1, version=version, code=0))  # a fill outran it: nobody rejected it
        bench.ladder.on_odd(bench.world.ts_ns)
    bench.money.odds.clear()
    moves = bench.mark()
    assert [move[3] for move in moves] == ["REJECT_RATE_SOFT", "ERROR_RATE_SOFT"]
    assert bench.ladder._watch.state.rejects.count(bench.world.ts_ns) == 5
    assert "orders in a minute of 10 still stands" in bench.ladder.may_lift(ACCOUNT, "", "ORDER_RATE_SOFT")
    bench.mark(70)
    assert bench.ladder.may_lift(ACCOUNT, "", "ORDER_RATE_SOFT") == ""


def test_the_clock() -> None:
    """Two of three measured offsets of half a second: exits only; one bad one does nothing."""
    bench = Bench()
    assert bench.tell(e.ClockOffsetMeasured(offset_ns=-600_000_000, round_trip_ns=1)) == []
    assert bench.tell(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=1)) == []
    bench.tell(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=1))
    assert bench.tell(e.ClockOffsetMeasured(offset_ns=500_000_000, round_trip_ns=1)) == []
    moves = bench.tell(e.ClockOffsetMeasured(offset_ns=6 * SECOND, round_trip_ns=1))
    assert moves == [(ACCOUNT, "", REDUCING, "CLOCK_SOFT")]


def measured(bench: Bench, **numbers: int) -> e.RiskMeasured:
    """The worker's numbers of now, of a million dollars."""
    zero = {"var_nanos": 0, "cvar_nanos": 0, "worst_stress_nanos": 0, "equity_nanos": 1_000_000 * NANO}
    return e.RiskMeasured(as_of_ns=bench.world.ts_ns, **(zero | numbers))  # type: ignore[arg-type]


def test_measured_risk_is_latched_by_two_of_three_measurements() -> None:
    """Value at risk at its soft, then beyond its hard level; and it cannot be lifted while it stands."""
    bench = Bench()
    assert bench.tell(measured(bench, var_nanos=40_000 * NANO)) == []
    assert bench.tell(measured(bench, var_nanos=40_000 * NANO)) == [(ACCOUNT, "", REDUCING, "VAR_SOFT")]
    bench.tell(measured(bench, var_nanos=80_000 * NANO))
    moves = bench.tell(measured(bench, var_nanos=80_000 * NANO, worst_stress_nanos=400_000 * NANO))
    assert moves == [(ACCOUNT, "", HALTED, "VAR_HARD")]
    assert "800 bp still stands" in bench.ladder.may_lift(ACCOUNT, "", "VAR_HARD")
    bench.tell(measured(bench))
    assert bench.ladder.may_lift(ACCOUNT, "", "VAR_HARD") == ""


def test_measured_risk_that_is_too_old() -> None:
    """Something held, 60 s without a measurement: exits only. A fresh one and ten seconds lift it. Flat: nothing."""
    bench = Bench(sync_seconds_soft=9_000, sync_seconds_hard=9_000)
    bench.money.risk_since_ns = bench.world.ts_ns
    assert bench.mark(70) == []
    bench.world.hold(0, 10)
    bench.tell(measured(bench))
    assert bench.mark(60) == []
    assert bench.mark(1) == [(ACCOUNT, "", REDUCING, "RISK_STALE")]
    bench.tell(measured(bench))
    assert bench.mark(10) == []
    assert bench.mark(1) == [(ACCOUNT, "", ACTIVE, "RISK_STALE")]


def test_no_sync_for_two_minutes() -> None:
    """READY and in regular hours, but the broker's picture is old."""
    bench = Bench()
    bench.money.last_sync_ts_ns = bench.world.ts_ns
    bench.world.hold(0, 10)
    assert bench.mark(120) == []
    assert bench.mark(1) == [(ACCOUNT, "", REDUCING, "SYNC_AGE_SOFT")]


def test_volatility_against_its_usual() -> None:
    """Quiet for ten minutes, then wild; a single bad tick is counted as twelve usual moves and does nothing."""
    moves = Moves()
    for number in range(USUAL_MARKS_MIN + 1):
        moves.take(NOON + number * SECOND, PX + (CENT if number % 2 else 0), SECOND)
    usual = moves.usual_square
    assert usual == pytest.approx(10_000, rel=0.02)  # one cent of a hundred dollars: 100 ppm
    assert moves.multiple_milli() == pytest.approx(1_000, rel=0.05)
    at = NOON + (USUAL_MARKS_MIN + 1) * SECOND
    moves.take(at, 2 * PX, SECOND)
    moves.take(at + SECOND, PX, SECOND)
    assert moves.multiple_milli() < 2_500
    for number in range(2, 62):
        moves.take(at + number * SECOND, PX + (NANO if number % 2 else 0), SECOND)
    assert moves.multiple_milli() > 6_000
    assert JUMP_SIGMAS_SQUARED == 12 * 12
    late = at + 3_600 * SECOND
    moves.take(late, 3 * PX, SECOND)
    assert moves.marks == USUAL_MARKS_MIN + 62, "after a gap there is no move of one second"


def test_a_position_held_overnight_meets_an_ordinary_morning() -> None:
    """Fifteen hours of marks that stand still are no usual volatility: the next session's ordinary moves trip nothing,
    and its wild ones do.
    """
    bench = Bench()
    world, watch = bench.world, Watch(bench.world.context, mark_interval_ns=SECOND, sync_interval_ns=SECOND)
    session = world.context.calendars[0].session(NOON)
    assert session is not None
    bench.world.hold(0, 10)
    bench.mark()
    marks = world.context.exposure.marks

    def trade(from_ns: int, seconds: int, cents: int) -> int:
        """The multiple after so many marks of a price that goes up and down."""
        for number in range(seconds):
            marks[0] = PX + (number % 2) * cents * CENT
            watch.sample_moves(from_ns + number * SECOND)
        return watch.state.moves[0].multiple_milli()

    assert trade(session.close_ns - 2_000 * SECOND, 2_000, 2) == pytest.approx(1_000, rel=0.05)
    for second in range(15 * 3_600):
        watch.sample_moves(session.close_ns + second * SECOND)
    after = world.context.calendars[0].session(session.close_ns + 24 * 3_600 * SECOND)
    assert after is not None
    assert trade(after.open_ns, 600, 2) == pytest.approx(1_000, rel=0.1)
    assert trade(after.open_ns + 600 * SECOND, 60, 100) > 6_000


def test_a_snapshot_goes_on_counting() -> None:
    """Samples, windows and quiet times survive; another ladder with them says what this one says."""
    bench = Bench(orders_minute_soft=10, orders_minute_hard=20)
    bench.world.hold(0, 10)
    bench.tell(e.LinkDegraded(code=1100))
    bench.world.event(e.LinkRestored(reason="session"))
    bench.money.last_sync_ts_ns = bench.money.ts_ns
    bench.equity(985_000)
    for _ in range(9):
        bench.ladder.on_order(bench.world.ts_ns)
    bench.mark(5)
    other = Ladder(bench.world.context, Limits(account=AccountLimits(orders_minute_soft=10, orders_minute_hard=20)))
    other.load(bench.ladder.dump())
    assert other.dump() == bench.ladder.dump()
    bench.world.ts_ns += SECOND
    bench.ladder.on_order(bench.world.ts_ns)
    other.on_order(bench.world.ts_ns)
    one, two = bench.ladder.on_mark(bench.world.ts_ns), other.on_mark(bench.world.ts_ns)
    assert one == two
    assert "ORDER_RATE_SOFT" in [move.code for move in one]
    assert other.dump() == bench.ladder.dump()


def test_the_table() -> None:
    """Every trigger has limits of the table, codes of its own, and only connectivity and stale data lift themselves."""
    assert len(BY_LATCH) == sum(len(trigger.codes) for trigger in TRIGGERS)
    for trigger in TRIGGERS:
        assert all(name in ROWS for name in trigger.limits), trigger.code
        assert trigger.levels
    assert {trigger.code for trigger in TRIGGERS if trigger.lifts_itself} == {"LINK", "STALE_DATA", "RISK_STALE"}
    assert lifts_itself("LINK")
    assert not lifts_itself("DRAWDOWN_SOFT")
    assert who_lifts("VAR_HARD").startswith("operator")
