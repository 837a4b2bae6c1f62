"""The day-loss monitor, the rules for lifting latches, and `why-not`."""

from core import commands as c
from core import events as e
from core.commands import ApprovedOrder, MoveLadder
from core.latches import ACCOUNT as ACCOUNT_LEVEL
from core.latches import HALTED, REDUCING, STRATEGY, SYMBOL
from core.notes import Refusal
from core.reconcile import Difference
from core.units import NANO
from risk.gate import Gate
from risk.ladder import KILL, Ladder, lifts_itself
from risk.limits import AccountLimits, Limits, Restriction
from tests.fakes.context import ACCOUNT, CENT, HOUR, MIDNIGHT, NOON, SECOND, TAG, World, build_context

PX = 100 * NANO
DAY_LOSS_SOFT, DAY_LOSS_HARD, LINK = "DAY_LOSS_SOFT", "DAY_LOSS_HARD", "LINK"


def equity(world: World, units: int) -> None:
    """One mark of the account."""
    world.command(c.MarkEquity(equity_nanos=units * NANO, unrealised_nanos=0))


def marks(world: World, ladder: Ladder, *units: int) -> list[MoveLadder]:
    """Several marks; moves are folded as the engine does. Returns the moves of the last."""
    moves: list[MoveLadder] = []
    for each in units:
        equity(world, each)
        moves = ladder.on_mark(world.ts_ns)
        for move in moves:
            world.command(move)
    return moves


def gate_of(world: World, limits: Limits | None = None) -> Gate:
    """A gate over the world."""
    return Gate(world.context, limits or Limits(), ACCOUNT, TAG)


def test_one_bad_mark_does_nothing_two_in_a_row_reduce() -> None:
    """The soft limit of 1 % reduces the account at the second mark in a row, not across a good one."""
    world = build_context()
    ladder = Ladder(world.context, Limits())
    assert marks(world, ladder, 990_000) == []
    assert marks(world, ladder, 990_001, 990_000) == []
    moves = marks(world, ladder, 990_000)
    assert [(m.level, m.scope, m.state, m.code) for m in moves] == [(ACCOUNT_LEVEL, "", REDUCING, DAY_LOSS_SOFT)]
    assert (moves[0].value, moves[0].limit) == ("10000.00", "10000.00")
    assert marks(world, ladder, 990_000) == []  # it holds already
    assert world.money.latches.effective(strategy="alpha", symbol="S0") == REDUCING


def test_the_hard_limit_halts() -> None:
    """2 % lost: both latches, the worse binds."""
    world = build_context()
    marks(world, Ladder(world.context, Limits()), 980_000, 980_000)
    assert [latch.code for latch in world.money.latches.held()] == [DAY_LOSS_SOFT, DAY_LOSS_HARD]
    assert world.money.latches.everywhere == HALTED


def test_a_strategy_is_judged_by_its_own_book() -> None:
    """Open loss of beta alone latches beta alone, though the account's equity mark says nothing."""
    world = build_context(limits=Limits())
    world.hold(0, 5_000, strategy="beta")
    world.quote(0, 98 * NANO - CENT, 98 * NANO + CENT)
    world.context.exposure.mark_all(world.context.market, world.money.ledger)
    ladder = Ladder(world.context, Limits(account=AccountLimits(day_loss_marks=1)))
    moves = ladder.on_mark(NOON)
    assert [(m.level, m.scope, m.code) for m in moves] == [(STRATEGY, "beta", DAY_LOSS_SOFT)]


def test_latches_do_not_clear_at_the_day_roll() -> None:
    """The roll makes a new base; the latch stays until an operator lifts it, who then may."""
    world = build_context()
    ladder = Ladder(world.context, Limits())
    marks(world, ladder, 980_000, 980_000)
    assert "still stands" in ladder.may_lift(ACCOUNT_LEVEL, "", DAY_LOSS_HARD)
    world.event(e.DayRolled(date=20250308))
    assert world.money.latches.everywhere == HALTED
    assert ladder.may_lift(ACCOUNT_LEVEL, "", DAY_LOSS_HARD) == ""
    assert marks(world, ladder, 980_000, 980_000) == []


def test_no_judgement_without_marks() -> None:
    """A position without a mark would look like a total loss."""
    world = build_context(quoted=False)
    order_id = world.rest(limit_px_nanos=PX)
    world.fill(order_id, 100 * NANO, PX)
    assert world.context.exposure.unmarked == 1
    assert marks(world, Ladder(world.context, Limits()), 1, 1, 1) == []
    world.quote(0, PX - CENT, PX + CENT)
    world.mark()
    assert world.context.exposure.unmarked == 0


def test_strategies_that_offset_each_other_are_still_marked() -> None:
    """The account is flat, the books are not: each keeps its own profit."""
    world = build_context()
    world.hold(0, 100)
    world.hold(0, -100, strategy="beta")
    world.quote(0, 110 * NANO - CENT, 110 * NANO + CENT)
    world.mark()
    assert world.context.exposure.strategy_unrealised == {"alpha": 1_000 * NANO, "beta": -1_000 * NANO}


def test_what_must_hold_before_a_latch_is_lifted() -> None:
    """An unverified kill, an unread difference, a link that is down, a sync too old."""
    world = build_context()
    ladder = Ladder(world.context, Limits(account=AccountLimits(resume_sync_age_seconds_max=60)))
    world.money.last_sync_ts_ns = NOON - 60 * SECOND
    assert ladder.may_lift(ACCOUNT_LEVEL, "", "OPERATOR") == ""
    world.money.last_sync_ts_ns -= 1
    assert "run a sync" in ladder.may_lift(ACCOUNT_LEVEL, "", "OPERATOR")
    assert ladder.may_lift(STRATEGY, "alpha", "OPERATOR") == ""
    world.command(MoveLadder(level=SYMBOL, scope="S0", state=HALTED, code=KILL, reason="test", by="test"))
    assert "not verified" in ladder.may_lift(SYMBOL, "S0", KILL)
    world.money.kills[0].verified_ns = NOON
    assert ladder.may_lift(SYMBOL, "S0", KILL) == ""
    world.event(e.LinkLost())
    assert "link is DOWN" in ladder.may_lift(ACCOUNT_LEVEL, "", "OPERATOR")
    world.money.differences = (Difference(kind="cash", text="test"),)
    assert "acknowledge" in ladder.may_lift(ACCOUNT_LEVEL, "", "OPERATOR")


def test_only_connectivity_and_stale_data_lift_themselves() -> None:
    """Everything else waits for a person."""
    assert lifts_itself(LINK)
    assert not any(lifts_itself(code) for code in (DAY_LOSS_SOFT, DAY_LOSS_HARD, KILL, "OPERATOR", ""))


def test_why_not_is_silent_when_nothing_blocks() -> None:
    """A quiet noon."""
    world = build_context()
    assert gate_of(world).blockers(0, "alpha", NOON) == []


def test_why_not_names_each_latch_with_its_time() -> None:
    """Several causes on several scopes, each on its own line, in gate order before the rest."""
    world = build_context()
    world.hold(0, 100)  # an exit would pass; why-not asks for entries
    world.command(MoveLadder(level=STRATEGY, scope="alpha", state=HALTED, code="OPERATOR", reason="lunch", by="ann"))
    world.command(MoveLadder(level=ACCOUNT_LEVEL, scope="", state=REDUCING, code=LINK, reason="1100", by="engine"))
    world.event(e.LinkDegraded(code=1100))
    found = gate_of(world).blockers(0, "alpha", NOON)
    assert [failure.code for failure in found] == ["OPERATOR", LINK, "LINK_NOT_READY"]
    assert found[0].value == "strategy alpha HALTED since 2025-03-07 17:00:00Z by ann: lunch"
    assert found[0].lift.startswith("operator")
    assert found[1].lift.startswith("by itself")


def test_why_not_tells_the_side() -> None:
    """A position limit that stops buys only."""
    world = build_context()
    limits = Limits(account=AccountLimits(position_long_max=50), deny=(Restriction(symbol="S1", reason="list"),))
    found = gate_of(world, limits).blockers(0, "alpha", NOON)
    assert [(failure.code, failure.value) for failure in found] == [("MAX_POSITION", "BUY: account 100 long")]
    assert [failure.code for failure in gate_of(world, limits).blockers(1, "alpha", NOON)] == [
        "RESTRICTED",
        "MAX_POSITION",
    ]


def test_why_not_at_night_blames_the_session() -> None:
    """Not rules or prices that only exist in a session."""
    world = build_context()
    codes = [failure.code for failure in gate_of(world).blockers(0, "alpha", MIDNIGHT + HOUR)]
    assert codes == ["SESSION"]


def test_why_not_without_any_quote() -> None:
    """Blind is said, an order without a price is not."""
    world = build_context(quoted=False)
    world.context.previous_close_nanos[0] = 0
    codes = [failure.code for failure in gate_of(world).blockers(0, "alpha", NOON)]
    assert codes == ["MARKET_DATA", "MAX_ORDER_NOTIONAL", "PRICE_COLLAR"]


def test_a_slice_is_as_large_as_quantity_and_value_allow() -> None:
    """Whole lots at the offer; never less than the least legal order."""
    world = build_context()
    by_value = gate_of(world, Limits(account=AccountLimits(order_notional_max=1_000)))
    assert by_value.slice_max_nanos("alpha", 0, -1, NOON) == 9 * NANO
    by_quantity = gate_of(world, Limits(account=AccountLimits(order_quantity_max="7.5")))
    assert by_quantity.slice_max_nanos("alpha", 0, -1, NOON) == 7 * NANO
    tiny = gate_of(world, Limits(account=AccountLimits(order_notional_max=1)))
    assert tiny.slice_max_nanos("alpha", 0, -1, NOON) == NANO
    world.hold(0, 100)
    world.ts_ns += SECOND
    world.quote(0, PX - CENT, PX + CENT)
    slice_of = world.intent(side=-1, qty_nanos=9 * NANO)
    assert isinstance(by_value.approve(slice_of, world.ts_ns, 1), ApprovedOrder)
    larger = world.intent(side=-1, qty_nanos=10 * NANO)
    assert isinstance(by_value.approve(larger, world.ts_ns, 1), Refusal)


def test_a_replace_keeps_the_reference_of_its_order() -> None:
    """The broker knows the order by the first one."""
    world = build_context()
    gate = gate_of(world)
    first = gate.approve(world.intent(limit_px_nanos=PX - 2 * CENT), NOON, 77)
    assert isinstance(first, ApprovedOrder)
    order_id = world.place(first)
    second = gate.approve(world.intent(order_id=order_id, version=1, limit_px_nanos=PX - CENT), NOON, 99)
    assert isinstance(second, ApprovedOrder)
    assert second.order_ref == first.order_ref == "q-test-1-25"
