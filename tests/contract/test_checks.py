"""The contract of every risk check: passes just inside its limit, refuses just outside, denies what is missing, keeps
to the reduce-only profile. A check without rows here fails `test_every_check_has_its_rows`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from core import commands as c
from core import events as e
from core.commands import ApprovedOrder, OrderIntent
from core.instruments import TierRule
from core.latches import ACCOUNT as ACCOUNT_LEVEL
from core.latches import HALTED, REDUCING, STRATEGY, SYMBOL
from core.money.conditions import Borrow, MarginRate
from core.notes import Refusal
from core.orders import State
from core.reconcile import Difference
from core.units import NANO
from risk.checks import CHECKS
from risk.gate import Gate
from risk.limits import AccountLimits, ClassLimits, Cluster, Limits, OrderLimits, Restriction, StrategyLimits
from risk.resolve import resolve
from risk.view import GateView
from tests.fakes.context import (
    ACCOUNT,
    CENT,
    DATE,
    HOUR,
    MIDNIGHT,
    NOON,
    SECOND,
    TAG,
    World,
    build_context,
    make_instrument,
    session_table,
)

IN, OUT, MISSING, EXIT = "just inside", "just outside", "missing input", "reduce-only"
PX = 100 * NANO
BID, ASK = PX - CENT, PX + CENT
CLOSE = MIDNIGHT + 16 * HOUR
CUTOFF = CLOSE - HOUR // 6
EXACT = "10000.99"
Arrange = Callable[[World], OrderIntent]
Step = Callable[[World], Any]


@dataclass(frozen=True)
class Case:
    """One row: what to set up, and whether the check of that code says no."""

    code: str
    kind: str
    name: str
    arrange: Arrange
    refused: bool
    limits: Limits = field(default_factory=Limits)
    instrument: dict[str, Any] = field(default_factory=dict)


def buy(**changes: Any) -> Arrange:
    """A buy that needs no arranging."""
    return lambda w: w.intent(**changes)


def after(*steps: Step, then: Arrange | None = None) -> Arrange:
    """Some moves, then the intent (a plain buy)."""

    def arrange(w: World) -> OrderIntent:
        for step in steps:
            step(w)
        return w.intent() if then is None else then(w)

    return arrange


def sell_of(shares: int, *steps: Step, side: int = -1, **changes: Any) -> Arrange:
    """Hold 100 shares (short for a buy), let things happen, then close: up to 100 is an exit."""

    def arrange(w: World) -> OrderIntent:
        w.hold(0, -side * 100)
        w.ts_ns += 2 * SECOND
        w.quote(0, BID, ASK)
        for step in steps:
            step(w)
        return w.intent(**({"side": side, "qty_nanos": shares * NANO} | changes))

    return arrange


def disaster(**changes: Any) -> dict[str, Any]:
    """A sell stop a tenth below the market."""
    stop = {"order_type": c.STP, "limit_px_nanos": 0, "stop_px_nanos": 90 * NANO, "purpose": c.INTENT_DISASTER}
    return stop | changes


def buy_back(shares: int, *steps: Step, **changes: Any) -> Arrange:
    """The mirror of `sell_of`."""
    return sell_of(shares, *steps, side=1, **changes)


def latch(level: int, scope: str, state: int) -> Step:
    """Hold a scope down."""
    move = c.MoveLadder(level=level, scope=scope, state=state, code="TEST", reason="test", by="test")
    return lambda w: w.command(move)


def equity(units: int) -> Step:
    """Say that equity is so many dollars."""
    return lambda w: w.command(c.MarkEquity(equity_nanos=units * NANO, unrealised_nanos=0))


def at(ts_ns: int) -> Step:
    """Move to a time, with a fresh quote there."""

    def move(w: World) -> None:
        w.ts_ns = ts_ns
        w.quote(0, BID, ASK)

    return move


def later(ns: int) -> Step:
    """Let time pass in silence."""

    def move(w: World) -> None:
        w.ts_ns += ns

    return move


def reference_of(date: int, *, missing: str = "") -> Step:
    """The broker's slow numbers are awaited, and those of a day arrive (0 = none at all)."""

    def arrive(w: World) -> None:
        w.context.reference_dates[0] = 0
        if date:
            event = e.ReferenceArrived(inst=0, effective_from=date, previous_close_nanos=ASK, missing=missing)
            w.context.take_reference(event)

    return arrive


def setting(name: str, value: Any) -> Step:
    """Put a value into money state."""
    return lambda w: setattr(w.money, name, value)


def account(**values: Any) -> Limits:
    """Limits of the account."""
    return Limits(account=AccountLimits(**values))


def peak(units: int) -> Step:
    """Equity stands at a height for two marks."""

    def mark(w: World) -> None:
        equity(units)(w)
        equity(units)(w)

    return mark


def deposit(units: int) -> Step:
    """The owner brings money, or takes it."""
    return lambda w: w.event(e.CashAdjusted(currency="USD", amount_nanos=units * NANO, kind="deposit"))


def risk_of(**numbers: Any) -> Step:
    """The worker says what the risk is now."""

    def measure(w: World) -> None:
        zero = {"var_nanos": 0, "cvar_nanos": 0, "worst_stress_nanos": 0, "equity_nanos": 1_000_000 * NANO}
        w.event(e.RiskMeasured(**({"as_of_ns": w.ts_ns} | zero | numbers)))

    return measure


RESET = e.HighWaterReset(reason="test", operator="test")
MINUTE = 60 * SECOND
LONG_HOURS = account(extended_hours=True)


def halt(w: World) -> None:
    """The exchange halts the symbol."""
    w.context.market.set_halt(0, 1)


def resume(w: World) -> None:
    """And ends its halt."""
    w.context.market.set_halt(0, 0, w.ts_ns)


def fresh_quote(w: World) -> None:
    """The usual quote, now."""
    w.quote(0, BID, ASK)


def quoted_at(ask: int) -> Step:
    """A quote with this offer, one cent wide."""
    return lambda w: w.quote(0, ask - CENT, ask)


def bid_at(bid: int) -> Step:
    """A quote with this bid, one cent wide."""
    return lambda w: w.quote(0, bid, bid + CENT)


def band(reference: int) -> Step:
    """The day's first print is the reference price of the bands."""
    return lambda w: w.print_trade(0, reference)


printed = band


def told(lower: int, upper: int, *, limit_state: bool = False) -> Step:
    """The broker tells bands."""
    return lambda w: w.context.market.set_bands(0, lower, upper, limit_state, w.ts_ns)


def breaker(until_ns: int) -> Step:
    """The market-wide breaker has tripped."""
    return lambda w: w.command(c.TripBreaker(level=1, until_ns=until_ns, px_nanos=93, previous_close_nanos=100))


def clock(offset_ns: int) -> Step:
    """The broker's time is compared with ours."""
    return lambda w: w.event(e.ClockOffsetMeasured(offset_ns=offset_ns, round_trip_ns=0))


def no_clock(w: World) -> None:
    """Nobody has compared the clocks."""
    w.money.conditions.clock_ts_ns = 0


def borrow(level_milli: int, shares: int = -1) -> Step:
    """What can be borrowed."""
    nanos = shares * NANO if shares >= 0 else -1
    return lambda w: w.event(e.ShortableChanged(inst=0, level_milli=level_milli, shares_nanos=nanos))


def no_borrow(w: World) -> None:
    """Nothing was told of it."""
    w.money.conditions.borrow[0] = Borrow()


def restricted(until: int) -> Step:
    """The short-sale restriction."""
    return lambda w: w.command(c.RestrictShorts(inst=0, until=until, low_px_nanos=90, previous_close_nanos=100))


def rate(side: int, initial_bp: int, maintenance_bp: int = 2_500) -> Step:
    """The broker's margin rate of the symbol."""

    def tell(w: World) -> None:
        known = MarginRate(initial_bp=initial_bp, maintenance_bp=maintenance_bp, ts_ns=w.ts_ns)
        w.money.conditions.rates = {(0, side): known}
        w.context.exposure.set_rates(w.money.conditions.rates)

    return tell


def funds(units: int) -> Step:
    """The broker's own account values."""
    nanos = units * NANO
    return lambda w: w.event(
        e.AccountValued(sync_id=2, equity_with_loan_nanos=nanos, available_nanos=nanos, excess_nanos=nanos)
    )


def no_funds(w: World) -> None:
    """They never came."""
    w.money.conditions.funds = None


def venue_in_process(w: World) -> None:
    """And need not."""
    w.money.conditions.funds_awaited = False


def day_trades(count: int) -> Step:
    """So many within five days."""
    return lambda w: setattr(w.money.conditions, "day_trades", [(DATE - 1, count), (DATE, 0)])


def still(seconds: int, *, moves: bool = True) -> Step:
    """The same quote again and again, while another instrument's changes (or does not either)."""

    def wait(w: World) -> None:
        w.ts_ns += seconds * SECOND
        w.quote(0, BID, ASK)
        w.quote(1, BID - CENT if moves else BID, ASK)

    return wait


def frozen_of(seconds: int) -> Limits:
    """How long a quote may stay the same."""
    return account(frozen_seconds_max=seconds)


def gap(w: World) -> None:
    """The feed loses the symbol."""
    w.context.market.set_gap(0)


def jump(w: World) -> None:
    """A price jump now."""
    w.context.market.state[0]["jump_ts_ns"] = w.ts_ns


def no_reference(w: World) -> None:
    """Neither quote, trade nor close."""
    w.context.market.state[0]["bid_px_nanos"] = w.context.market.state[0]["ask_px_nanos"] = 0
    w.context.market.state[0]["usable"] = 0
    w.context.previous_close_nanos[0] = 0


def foreign(shares: int, side: int = 1, limit_px_nanos: int = 0) -> Step:
    """Another client's open order in the symbol."""
    report = e.OpenOrderReported(
        sync_id=1,
        order_id=0,
        order_ref="",
        perm_id=9,
        inst=0,
        side=side,
        qty_nanos=shares * NANO,
        filled_nanos=0,
        status=2,
        limit_px_nanos=limit_px_nanos,
    )
    return setting("foreign", {9: report})


def unknown(w: World) -> None:
    """An order without an answer when the link goes and comes back."""
    w.place(w.approved(w.intent(side=1, limit_px_nanos=BID - CENT)), acknowledged=False)
    w.event(e.LinkLost())
    w.event(e.LinkRestored())
    w.money.last_sync_ts_ns = w.money.ts_ns
    assert w.money.orders[w.money.next_order_id - 1].state is State.UNKNOWN


def difference(kind: str, inst: int) -> Step:
    """An unacknowledged difference."""
    return setting("differences", (Difference(kind=kind, text="test", inst=inst),))


def resting(count: int, **changes: Any) -> Step:
    """Working orders, one cent apart below the bid, one lot each."""

    def place(w: World) -> None:
        for n in range(count):
            w.rest(**({"qty_nanos": NANO, "limit_px_nanos": 90 * NANO - n * CENT} | changes))
        w.money.tats.clear()

    return place


def sent(count: int) -> Step:
    """Orders sent this very moment, ended at once, so that only the rate remembers them."""

    def place(w: World) -> None:
        for _ in range(count):
            w.cancel(w.rest(qty_nanos=NANO, limit_px_nanos=90 * NANO))

    return place


def held(strategy: str, shares: int) -> Step:
    """A position of one strategy, at 100."""

    def hold(w: World) -> None:
        w.hold(0, shares, strategy=strategy)
        w.quote(0, BID, ASK)

    return hold


def forget_day_base(w: World) -> None:
    """The day's first equity is not known."""
    w.money.day_base_equity_nanos = 0


def lose(strategy: str, units: int) -> Step:
    """A realised loss in one book, outside the account's equity mark."""

    def book(w: World) -> None:
        w.money.ledger.book_of(strategy).realised_nanos -= units * NANO

    return book


def reprice(**changes: Any) -> Arrange:
    """A resting buy of 100, and a replace of it."""

    def arrange(w: World) -> OrderIntent:
        order_id = w.rest(limit_px_nanos=BID - CENT)
        return w.intent(**({"order_id": order_id, "version": 1} | changes))

    return arrange


def duplicate(seconds: int) -> Arrange:
    """The same manual order again after some time."""

    def arrange(w: World) -> OrderIntent:
        first = w.intent(slice_no=0, purpose=c.INTENT_MANUAL)
        w.cancel(w.place(w.approved(first)))
        w.ts_ns += seconds * SECOND
        w.quote(0, BID, ASK)
        return msgspec.structs.replace(first, order_id=w.money.next_order_id)

    return arrange


def traded(shares: int, *ago_s: int) -> Step:
    """Trades of so many shares each, so many seconds ago."""

    def trade(w: World) -> None:
        for seconds in ago_s:
            w.print_trade(0, PX, ts_ns=w.ts_ns - seconds * SECOND, size=shares)
        w.quote(0, BID, ASK)

    return trade


def average(shares: int) -> Step:
    """The average day of the symbol."""

    def say(w: World) -> None:
        w.money.trading_date = DATE
        w.context.take_reference(e.ReferenceArrived(inst=0, effective_from=DATE, previous_close_nanos=PX))
        w.context.volumes.adv_nanos[0] = shares * NANO

    return say


def curve(minutes: int, ppm: int) -> Step:
    """The broker's reference with a volume curve: so much in each of five minutes from one on, else nothing."""

    def arrive(w: World) -> None:
        shares = [0] * 390
        shares[minutes : minutes + 5] = [ppm] * 5
        w.money.trading_date = DATE
        w.context.take_reference(
            e.ReferenceArrived(
                inst=0, effective_from=DATE, previous_close_nanos=PX, adv_nanos=10**7 * NANO, curve_ppm=tuple(shares)
            )
        )

    return arrive


def scheduled(shares: int, **changes: Any) -> Arrange:
    """A child of a hundred shares of a schedule of so many."""

    def arrange(w: World) -> OrderIntent:
        w.command(
            c.OpenParent(
                parent_id=1, strategy="alpha", inst=0, side=1, qty_nanos=shares * NANO, algo="twap",
                start_ts_ns=w.ts_ns, end_ts_ns=w.ts_ns + HOUR, slices=100,
            )
        )  # fmt: skip
        return w.intent(**({"parent_id": 1} | changes))

    return arrange


def spread_over(name: str, symbols: tuple[str, ...] = ("S0", "S1"), **values: Any) -> Limits:
    """A cluster of the config, and caps that leave it alone to bind."""
    return Limits(account=WIDE, cluster=(Cluster(name=name, symbols=symbols, **values),))


def measured(*clusters: tuple[int, ...]) -> Step:
    """A worker found names that move together."""
    return lambda w: w.context.concentration.set_measured(clusters)


WIDE = AccountLimits(
    position_equity_bp_max=10_000, issuer_equity_bp_max=10_000, sector_equity_bp_max=10_000,
    sector_unknown_equity_bp_max=10_000,
)  # fmt: skip
FLATTEN = {"purpose": c.INTENT_FLATTEN}


def own(shares: int, equity_bp: int = 1_000) -> Limits:
    """Position limits of strategy alpha alone."""
    alpha = StrategyLimits(position_long_max=shares, position_short_max=shares, position_equity_bp_max=equity_bp)
    return Limits(strategy={"alpha": alpha})


REDUCE = latch(ACCOUNT_LEVEL, "", REDUCING)
SHORTS = resting(5, side=-1, limit_px_nanos=110 * NANO)
OFFER = resting(1, side=-1, limit_px_nanos=110 * NANO)

SHORT_RESTS = resting(1, side=-1, qty_nanos=10 * NANO, limit_px_nanos=110 * NANO)
PDT = account(pattern_day_trader="deny")

# Checks with a table of their own: tests/contract/test_counting_checks.py.
COUNTING = {"VALUE_WINDOW", "REPEATED_EXECUTION", "MESSAGE_BUDGET", "DEPLOYMENT"}
CASES: tuple[Case, ...] = (
    # ---- 29 ladder
    Case("LADDER_STATE", IN, "active", buy(), False),
    Case("LADDER_STATE", IN, "another symbol", after(latch(SYMBOL, "S1", HALTED)), False),
    Case("LADDER_STATE", OUT, "account reducing", after(latch(ACCOUNT_LEVEL, "", REDUCING)), True),
    Case("LADDER_STATE", OUT, "symbol halted", after(latch(SYMBOL, "S0", HALTED)), True),
    Case("LADDER_STATE", OUT, "strategy reducing", after(latch(STRATEGY, "alpha", REDUCING)), True),
    Case("LADDER_STATE", EXIT, "reducing", sell_of(100, latch(STRATEGY, "alpha", REDUCING)), False),
    Case("LADDER_STATE", EXIT, "halted", sell_of(100, latch(SYMBOL, "S0", HALTED)), True),
    Case("LADDER_STATE", EXIT, "flatten", sell_of(100, latch(SYMBOL, "S0", HALTED), **FLATTEN), False),
    Case("LADDER_STATE", OUT, "through zero", sell_of(101, latch(SYMBOL, "S0", HALTED), **FLATTEN), True),
    Case("LADDER_STATE", EXIT, "all but what rests", sell_of(99, REDUCE, OFFER), False),
    Case("LADDER_STATE", OUT, "more than rests", sell_of(100, REDUCE, OFFER), True),
    Case("LADDER_STATE", OUT, "another client sells too", sell_of(100, REDUCE, foreign(1, -1)), True),
    Case("LADDER_STATE", OUT, "another book's position", after(held("beta", 100), REDUCE, then=buy(side=-1)), True),
    Case("LADDER_STATE", OUT, "the account is short", sell_of(100, held("beta", -200), REDUCE), True),
    Case("LADDER_STATE", EXIT, "cover", buy_back(100, REDUCE), False),
    Case("LADDER_STATE", OUT, "cover through zero", buy_back(101, REDUCE), True),
    Case("LADDER_STATE", EXIT, "cover all but what rests", buy_back(99, REDUCE, resting(1)), False),
    Case("LADDER_STATE", OUT, "cover more than rests", buy_back(100, REDUCE, resting(1)), True),
    Case("LADDER_STATE", OUT, "another client covers too", buy_back(100, REDUCE, foreign(1)), True),
    Case("LADDER_STATE", OUT, "cover of another book", after(held("beta", -100), REDUCE), True),
    Case("LADDER_STATE", OUT, "the account is long", buy_back(100, held("beta", 200), REDUCE), True),
    Case("LADDER_STATE", OUT, "only its own rests", buy_back(100, held("beta", -200), REDUCE, resting(1)), True),
    # ---- 24 day loss: 1 % of 1,000,000
    Case("DAY_LOSS", IN, "account", after(equity(990_001)), False),
    Case("DAY_LOSS", OUT, "account", after(equity(990_000)), True),
    Case("DAY_LOSS", IN, "strategy", after(lose("alpha", 9_999)), False),
    Case("DAY_LOSS", OUT, "strategy", after(lose("alpha", 10_000)), True),
    Case("DAY_LOSS", IN, "another strategy", after(lose("beta", 10_000)), False),
    Case("DAY_LOSS", MISSING, "day base", after(forget_day_base), True),
    Case("DAY_LOSS", EXIT, "lost", sell_of(100, equity(900_000)), False),
    # ---- 25 drawdown: 5 % below the peak of 1,000,000
    Case("DRAWDOWN", IN, "fall", after(equity(950_001)), False),
    Case("DRAWDOWN", OUT, "fall", after(equity(950_000)), True),
    Case("DRAWDOWN", IN, "one mark makes no peak", after(equity(1_100_000), equity(1_000_000)), False),
    Case("DRAWDOWN", IN, "from a new peak", after(peak(1_100_000), equity(1_045_001)), False),
    Case("DRAWDOWN", OUT, "from a new peak", after(peak(1_100_000), equity(1_045_000)), True),
    Case("DRAWDOWN", IN, "after a withdrawal", after(deposit(-100_000), equity(855_001)), False),
    Case("DRAWDOWN", OUT, "after a withdrawal", after(deposit(-100_000), equity(855_000)), True),
    Case("DRAWDOWN", IN, "reset", after(equity(900_000), lambda w: w.event(RESET)), False),
    Case("DRAWDOWN", MISSING, "peak", after(setting("high_water_nanos", 0)), True),
    Case("DRAWDOWN", EXIT, "fallen", sell_of(100, equity(900_000)), False),
    # ---- 49 measured risk: 4 % VaR, 5 % CVaR, 20 % stress, 5 days, of 1,000,000; 60 s old
    Case("MEASURED_RISK", IN, "var", after(risk_of(var_nanos=40_000 * NANO - 1)), False),
    Case("MEASURED_RISK", OUT, "var", after(risk_of(var_nanos=40_000 * NANO)), True),
    Case("MEASURED_RISK", IN, "cvar", after(risk_of(cvar_nanos=50_000 * NANO - 1)), False),
    Case("MEASURED_RISK", OUT, "cvar", after(risk_of(cvar_nanos=50_000 * NANO)), True),
    Case("MEASURED_RISK", IN, "stress", after(risk_of(worst_stress_nanos=200_000 * NANO - 1)), False),
    Case("MEASURED_RISK", OUT, "stress", after(risk_of(worst_stress_nanos=200_000 * NANO)), True),
    Case("MEASURED_RISK", IN, "days to exit", after(risk_of(days_to_exit_milli=4_999)), False),
    Case("MEASURED_RISK", OUT, "days to exit", after(risk_of(days_to_exit_milli=5_000, slowest_inst=0)), True),
    Case("MEASURED_RISK", OUT, "no equity", after(risk_of(equity_nanos=0, var_nanos=1)), True),
    Case("MEASURED_RISK", IN, "old and something held", after(held("beta", 1), risk_of(), later(60 * SECOND)), False),
    Case("MEASURED_RISK", OUT, "old and something held", after(held("beta", 1), risk_of(), later(MINUTE + 1)), True),
    Case("MEASURED_RISK", OUT, "old and something works", after(resting(1), risk_of(), later(MINUTE + 1)), True),
    Case("MEASURED_RISK", IN, "old and nothing to measure", after(risk_of(), later(MINUTE + 1)), False),
    Case("MEASURED_RISK", MISSING, "never measured", after(held("beta", 1), setting("risk_since_ns", 0)), True),
    Case("MEASURED_RISK", EXIT, "beyond", sell_of(100, risk_of(var_nanos=90_000 * NANO)), False),
    # ---- 48 fail closed
    Case("FAIL_CLOSED", IN, "all there", buy(), False),
    Case("FAIL_CLOSED", MISSING, "disk", after(setting("disk_available", False)), True),
    Case("FAIL_CLOSED", MISSING, "mark", after(lambda w: setattr(w.context.exposure, "unmarked", 1)), True),
    Case("FAIL_CLOSED", MISSING, "tick rule", buy(), True, instrument={"ticks": ()}),
    Case("FAIL_CLOSED", MISSING, "lot rule", buy(), True, instrument={"lots": ()}),
    Case("FAIL_CLOSED", IN, "reference of the day", after(reference_of(DATE)), False),
    Case("FAIL_CLOSED", MISSING, "no reference yet", after(reference_of(0)), True),
    Case("FAIL_CLOSED", MISSING, "reference of another day", after(reference_of(DATE - 1)), True),
    Case("FAIL_CLOSED", MISSING, "volume curve", after(reference_of(DATE, missing="volume curve")), True),
    Case("FAIL_CLOSED", EXIT, "no reference yet", sell_of(100, reference_of(0)), False),
    Case("FAIL_CLOSED", OUT, "currency", buy(), True, instrument={"currency": "CAD"}),
    Case("FAIL_CLOSED", OUT, "security type", buy(), True, instrument={"sec_type": "OPT"}),
    Case("FAIL_CLOSED", OUT, "multiplier", buy(), True, instrument={"multiplier_nanos": 100 * NANO}),
    Case("FAIL_CLOSED", OUT, "SAFE mode", after(setting("safe", True)), True),
    Case("FAIL_CLOSED", OUT, "unknown strategy", buy(strategy="nobody"), True),
    Case(
        "FAIL_CLOSED",
        OUT,
        "disabled",
        after(lambda w: w.command(c.SetStrategy(strategy="alpha", enabled=False, reason="test"))),
        True,
    ),
    Case(
        "FAIL_CLOSED",
        EXIT,
        "disabled",
        sell_of(100, lambda w: w.command(c.SetStrategy(strategy="alpha", enabled=False, reason="test"))),
        False,
    ),
    Case("FAIL_CLOSED", EXIT, "disk", sell_of(100, setting("disk_available", False)), True),
    # ---- 32 link
    Case("LINK_NOT_READY", IN, "ready", buy(), False),
    Case("LINK_NOT_READY", OUT, "not synced", after(setting("last_sync_ts_ns", 0)), True),
    Case("LINK_NOT_READY", OUT, "degraded", after(lambda w: w.event(e.LinkDegraded(code=1100))), True),
    Case("LINK_NOT_READY", MISSING, "down", after(lambda w: w.event(e.LinkLost())), True),
    Case("LINK_NOT_READY", EXIT, "degraded", sell_of(100, lambda w: w.event(e.LinkDegraded())), True),
    # ---- 33 differences
    Case("UNEXPLAINED_DIFFERENCE", IN, "none", buy(), False),
    Case("UNEXPLAINED_DIFFERENCE", OUT, "cash", after(difference("cash", -1)), True),
    Case("UNEXPLAINED_DIFFERENCE", EXIT, "cash", sell_of(100, difference("cash", -1)), False),
    Case("UNEXPLAINED_DIFFERENCE", EXIT, "elsewhere", sell_of(100, difference("position", 1)), False),
    Case("UNEXPLAINED_DIFFERENCE", EXIT, "here", sell_of(100, difference("position", 0)), True),
    # ---- 34 unknown order
    Case("UNKNOWN_ORDER", IN, "none", buy(), False),
    Case("UNKNOWN_ORDER", IN, "in another symbol", after(unknown, then=buy(inst=1)), False),
    Case("UNKNOWN_ORDER", OUT, "in the symbol", after(unknown), True),
    Case("UNKNOWN_ORDER", EXIT, "in the symbol", sell_of(100, unknown), False),
    # ---- 16 restricted
    Case("RESTRICTED", IN, "another symbol", buy(), False, Limits(deny=(Restriction(symbol="S1"),))),
    Case("RESTRICTED", OUT, "symbol", buy(), True, Limits(deny=(Restriction(symbol="S0"),))),
    Case("RESTRICTED", OUT, "contract id", buy(), True, Limits(deny=(Restriction(con_id=1000),))),
    Case("RESTRICTED", IN, "on the allow list", buy(), False, Limits(allow=("S0",))),
    Case("RESTRICTED", OUT, "not on the allow list", buy(), True, Limits(allow=("S1",))),
    Case("RESTRICTED", EXIT, "exit allowed", sell_of(100), False, Limits(deny=(Restriction(symbol="S0"),))),
    Case("RESTRICTED", OUT, "issuer", buy(), True, Limits(deny=(Restriction(issuer="ACME"),)),
         instrument={"issuer": "ACME"}),
    Case("RESTRICTED", OUT, "issuer by its symbol", buy(), True, Limits(deny=(Restriction(issuer="S0"),))),
    Case("RESTRICTED", IN, "another issuer", buy(), False, Limits(deny=(Restriction(issuer="ACME"),))),
    Case("RESTRICTED", OUT, "nothing approved", buy(), True, Limits(default_deny=True)),
    Case("RESTRICTED", IN, "approved", buy(), False, Limits(default_deny=True, allow=("S0",))),
    Case("RESTRICTED", EXIT, "no longer approved", sell_of(100), False, Limits(default_deny=True)),
    Case(
        "RESTRICTED", EXIT, "no exit", sell_of(100), True, Limits(deny=(Restriction(symbol="S0", exit_allowed=False),))
    ),
    # ---- 4 validity
    Case("ORDER_INVALID", IN, "on tick and lot", buy(limit_px_nanos=BID, qty_nanos=NANO), False),
    Case("ORDER_INVALID", OUT, "off tick", buy(limit_px_nanos=BID + 1), True),
    Case("ORDER_INVALID", OUT, "off lot", buy(qty_nanos=NANO + 1), True),
    Case("ORDER_INVALID", OUT, "below the least", buy(qty_nanos=NANO // 2), True),
    Case("ORDER_INVALID", OUT, "no quantity", buy(qty_nanos=0), True),
    Case("ORDER_INVALID", MISSING, "no limit", buy(limit_px_nanos=0), True),
    Case("ORDER_INVALID", OUT, "negative limit", buy(limit_px_nanos=-CENT), True),
    Case("ORDER_INVALID", IN, "market", buy(order_type=c.MKT), False),
    Case("ORDER_INVALID", OUT, "market with a limit", buy(order_type=c.MKT, limit_px_nanos=BID), True),
    Case("ORDER_INVALID", OUT, "stop", buy(order_type=c.STP, stop_px_nanos=ASK), True),
    Case("ORDER_INVALID", OUT, "unknown type", buy(order_type=99), True),
    Case("ORDER_INVALID", OUT, "MOC IOC", buy(order_type=c.MOC, tif=c.IOC), True),
    Case("ORDER_INVALID", IN, "GTD ahead", buy(tif=c.GTD, gtd_ts_ns=NOON + 1), False),
    Case("ORDER_INVALID", OUT, "GTD now", buy(tif=c.GTD, gtd_ts_ns=NOON), True),
    Case("ORDER_INVALID", MISSING, "GTD without a time", buy(tif=c.GTD), True),
    Case("ORDER_INVALID", OUT, "GTC", buy(tif=c.GTC), True),
    Case("ORDER_INVALID", IN, "GTC allowed", buy(tif=c.GTC), False, account(good_till_cancelled=True)),
    Case("ORDER_INVALID", IN, "replace", reprice(), False),
    Case("ORDER_INVALID", OUT, "replace with an old version", reprice(version=-1), True),
    Case("ORDER_INVALID", OUT, "replace turns the side", reprice(side=-1, limit_px_nanos=ASK), True),
    Case("ORDER_INVALID", MISSING, "replace of nothing", buy(version=1), True),
    Case("ORDER_INVALID", EXIT, "off tick", sell_of(100, limit_px_nanos=ASK + 1), True),
    Case("ORDER_INVALID", EXIT, "disaster stop", sell_of(100, **disaster()), False),
    Case("ORDER_INVALID", EXIT, "disaster stop, GTC", sell_of(100, **disaster(tif=c.GTC)), True),
    Case("ORDER_INVALID", EXIT, "disaster stop, GTC allowed", sell_of(100, **disaster(tif=c.GTC)), False,
         account(good_till_cancelled=True)),
    Case("ORDER_INVALID", EXIT, "disaster stop beside an exit", sell_of(100, resting(100, side=-1, limit_px_nanos=ASK),
         **disaster()), False),
    Case("ORDER_INVALID", OUT, "disaster stop of more than is held", sell_of(101, **disaster()), True),
    Case("ORDER_INVALID", OUT, "disaster stop of an entry", buy(**disaster(stop_px_nanos=2 * PX)), True),
    Case("ORDER_INVALID", EXIT, "disaster stop off tick", sell_of(100, **disaster(stop_px_nanos=BID - 1)), True),
    Case("ORDER_INVALID", EXIT, "disaster stop in the market", sell_of(100, **disaster(stop_px_nanos=ASK)), True),
    Case("ORDER_INVALID", MISSING, "disaster stop without its price", sell_of(100, **disaster(stop_px_nanos=0)), True),
    Case("ORDER_INVALID", OUT, "disaster stop as a limit", sell_of(100, purpose=c.INTENT_DISASTER), True),
    Case("ORDER_INVALID", EXIT, "stop of another purpose", sell_of(100, **disaster(purpose=c.INTENT_SCHEDULE)), True),
    Case("ORDER_INVALID", EXIT, "stop of a bracket", sell_of(100, **disaster(purpose=c.INTENT_PROTECT)), False),
    Case("ORDER_INVALID", EXIT, "stop of a bracket, in the market", sell_of(100, **disaster(purpose=c.INTENT_PROTECT,
         stop_px_nanos=ASK)), False),
    Case("ORDER_INVALID", EXIT, "stop of a bracket off tick", sell_of(100, **disaster(purpose=c.INTENT_PROTECT,
         stop_px_nanos=BID - 1)), True),
    Case("ORDER_INVALID", OUT, "stop of a bracket of more than its book", sell_of(101, **disaster(
         purpose=c.INTENT_PROTECT)), True),
    Case("ORDER_INVALID", EXIT, "profit of a bracket", sell_of(100, limit_px_nanos=ASK, purpose=c.INTENT_PROTECT),
         False),
    Case("ORDER_INVALID", OUT, "profit of a bracket beside an exit", sell_of(100, resting(1, side=-1,
         limit_px_nanos=ASK), limit_px_nanos=ASK, purpose=c.INTENT_PROTECT), True),
    Case("ORDER_INVALID", OUT, "profit of a bracket with a stop price", sell_of(100, limit_px_nanos=ASK,
         stop_px_nanos=BID, purpose=c.INTENT_PROTECT), True),
    Case("ORDER_INVALID", OUT, "market order of a bracket", sell_of(100, limit_px_nanos=0, order_type=c.MKT,
         purpose=c.INTENT_PROTECT), True),
    Case("ORDER_INVALID", OUT, "limit with a stop price", buy(stop_px_nanos=ASK), True),
    # ---- 20 session
    Case("SESSION", IN, "first moment", after(at(MIDNIGHT + 9 * HOUR + HOUR // 2)), False),
    Case("SESSION", OUT, "the moment before", after(at(MIDNIGHT + 9 * HOUR + HOUR // 2 - 1)), True),
    Case("SESSION", IN, "last moment", after(at(CLOSE - 1)), False),
    Case("SESSION", OUT, "at the close", after(at(CLOSE)), True),
    Case("SESSION", OUT, "night", after(at(MIDNIGHT + HOUR)), True),
    Case("SESSION", MISSING, "no table", after(at(MIDNIGHT - HOUR)), True),
    Case("SESSION", IN, "extended", after(at(CLOSE), then=buy(outside_rth=True)), False, LONG_HOURS),
    Case("SESSION", OUT, "extended, not allowed", buy(outside_rth=True), True),
    Case(
        "SESSION",
        OUT,
        "market order, extended",
        after(at(CLOSE), then=buy(outside_rth=True, order_type=c.MKT)),
        True,
        LONG_HOURS,
    ),
    Case("SESSION", IN, "on close, in time", after(at(CUTOFF), then=buy(order_type=c.MOC)), False),
    Case("SESSION", OUT, "on close, late", after(at(CUTOFF + 1), then=buy(order_type=c.LOC)), True),
    Case("SESSION", OUT, "on open at noon", buy(tif=c.OPG), True),
    Case("SESSION", EXIT, "night", sell_of(100, at(MIDNIGHT + 22 * HOUR)), True),
    # ---- 22 data
    Case("MARKET_DATA", IN, "5 s old", after(later(5 * SECOND)), False),
    Case("MARKET_DATA", OUT, "older", after(later(5 * SECOND + 1)), True),
    Case(
        "MARKET_DATA",
        IN,
        "silent while another line ticks",
        after(later(60 * SECOND), lambda w: w.quote(1, BID, ASK)),
        False,
    ),
    Case(
        "MARKET_DATA",
        OUT,
        "silent too long",
        after(later(60 * SECOND + 1), lambda w: w.quote(1, BID, ASK)),
        True,
    ),
    Case("MARKET_DATA", MISSING, "blind", after(gap), True),
    Case("MARKET_DATA", MISSING, "one-sided", after(lambda w: w.quote(0, BID, 0)), True),
    Case("MARKET_DATA", OUT, "crossed", after(lambda w: w.quote(0, ASK, BID)), True),
    Case("MARKET_DATA", IN, "wide", after(lambda w: w.quote(0, 78 * NANO, 82 * NANO)), False),
    Case("MARKET_DATA", OUT, "too wide", after(lambda w: w.quote(0, 78 * NANO, 83 * NANO)), True),
    Case("MARKET_DATA", OUT, "locked", after(lambda w: w.quote(0, PX, PX)), True),
    Case("MARKET_DATA", IN, "unchanged while all are quiet", after(still(301, moves=False)), False, frozen_of(300)),
    Case("MARKET_DATA", IN, "unchanged for the time allowed", after(still(300)), False, frozen_of(300)),
    Case("MARKET_DATA", OUT, "unchanged while another moves", after(still(301)), True, frozen_of(300)),
    Case("MARKET_DATA", EXIT, "unchanged, limit", sell_of(100, still(301)), False, frozen_of(300)),
    Case("MARKET_DATA", OUT, "jumped", after(jump, later(5 * SECOND - 1)), True),
    Case("MARKET_DATA", IN, "jumped before", after(jump, later(5 * SECOND)), False),
    Case("MARKET_DATA", EXIT, "stale, limit", sell_of(100, later(60 * SECOND)), False),
    Case("MARKET_DATA", EXIT, "stale, market", sell_of(100, later(60 * SECOND), order_type=c.MKT), True),
    # ---- 21 halts and bands: tier 2, a reference of 100 gives 90 .. 110, and a margin of 1 % of it
    Case("HALT_OR_BAND", IN, "trading", buy(), False),
    Case("HALT_OR_BAND", OUT, "halted", after(halt), True),
    Case("HALT_OR_BAND", OUT, "halted for volatility", after(lambda w: w.context.market.set_halt(0, 2)), True),
    Case("HALT_OR_BAND", EXIT, "halted", sell_of(100, halt), True),
    Case("HALT_OR_BAND", EXIT, "halted, flatten", sell_of(100, halt, **FLATTEN), True),
    Case("HALT_OR_BAND", OUT, "just resumed", after(halt, resume, later(60 * SECOND - 1), fresh_quote), True),
    Case("HALT_OR_BAND", IN, "resumed before", after(halt, resume, later(60 * SECOND), fresh_quote), False),
    Case("HALT_OR_BAND", EXIT, "just resumed", sell_of(100, halt, resume, fresh_quote), False),
    Case("HALT_OR_BAND", IN, "inside the band", after(band(PX), quoted_at(109 * NANO - CENT)), False),
    Case("HALT_OR_BAND", OUT, "near the upper band", after(band(PX), quoted_at(109 * NANO)), True),
    Case("HALT_OR_BAND", IN, "above the lower band", after(band(PX), bid_at(91 * NANO + CENT)), False),
    Case("HALT_OR_BAND", OUT, "near the lower band", after(band(PX), bid_at(91 * NANO)), True),
    Case("HALT_OR_BAND", EXIT, "near a band", sell_of(100, band(PX), bid_at(91 * NANO)), False),
    Case("HALT_OR_BAND", OUT, "tier 1 is half as wide", after(band(PX), quoted_at(104 * NANO)), True,
         instrument={"tiers": (TierRule(effective_from=20200101, tier=1),)}),
    Case("HALT_OR_BAND", IN, "a tier of later days", after(band(PX), quoted_at(104 * NANO)), False,
         instrument={"tiers": (TierRule(effective_from=20990101, tier=1),)}),
    Case("HALT_OR_BAND", OUT, "the broker's bands", after(band(PX), told(98 * NANO, 102 * NANO),
         quoted_at(101 * NANO)), True),
    Case("HALT_OR_BAND", IN, "the broker's bands, older", after(told(98 * NANO, 102 * NANO), later(1), band(PX),
         quoted_at(101 * NANO)), False),
    Case("HALT_OR_BAND", OUT, "limit state", after(told(90 * NANO, 110 * NANO, limit_state=True)), True),
    Case("HALT_OR_BAND", EXIT, "limit state", sell_of(100, told(90 * NANO, 110 * NANO, limit_state=True)), False),
    Case("HALT_OR_BAND", IN, "no bands outside regular hours",
         after(at(CLOSE), band(PX), quoted_at(109 * NANO), then=buy(outside_rth=True)), False, LONG_HOURS),
    Case("HALT_OR_BAND", IN, "a side is empty: not a band's matter",
         after(band(PX), lambda w: w.quote(0, BID, 0), then=buy(limit_px_nanos=BID)), False),
    Case("HALT_OR_BAND", OUT, "breaker", after(breaker(NOON + 1)), True),
    Case("HALT_OR_BAND", IN, "breaker over", after(breaker(NOON)), False),
    Case("HALT_OR_BAND", EXIT, "breaker", sell_of(100, breaker(NOON + HOUR)), False),
    # ---- 36 clock: half a second, ten minutes
    Case("CLOCK", IN, "within", after(clock(SECOND // 2)), False),
    Case("CLOCK", OUT, "ahead", after(clock(SECOND // 2 + 1)), True),
    Case("CLOCK", OUT, "behind", after(clock(-SECOND // 2 - 1)), True),
    Case("CLOCK", IN, "old enough", after(later(600 * SECOND), fresh_quote), False),
    Case("CLOCK", OUT, "too old", after(later(600 * SECOND + 1), fresh_quote), True),
    Case("CLOCK", MISSING, "never measured", after(no_clock), True),
    Case("CLOCK", EXIT, "off", sell_of(100, clock(2 * SECOND)), False),
    Case("CLOCK", EXIT, "never measured", sell_of(100, no_clock), False),
    # ---- 17 short sale
    Case("SHORT_SALE", IN, "easy to borrow", buy(side=-1), False),
    Case("SHORT_SALE", OUT, "a locate is needed", after(borrow(2_500), then=buy(side=-1)), True),
    Case("SHORT_SALE", OUT, "hard to borrow", after(borrow(1_000), then=buy(side=-1)), True),
    Case("SHORT_SALE", MISSING, "never told", after(no_borrow, then=buy(side=-1)), True),
    Case("SHORT_SALE", IN, "told a day ago", after(later(24 * HOUR), then=buy(side=-1)), False),
    Case("SHORT_SALE", OUT, "told before", after(later(24 * HOUR + 1), then=buy(side=-1)), True),
    Case("SHORT_SALE", IN, "all there is", after(borrow(3_000, 110), SHORT_RESTS, then=buy(side=-1)), False),
    Case("SHORT_SALE", OUT, "more than there is", after(borrow(3_000, 109), SHORT_RESTS, then=buy(side=-1)), True),
    Case("SHORT_SALE", OUT, "with what is short already", after(borrow(3_000, 199), held("beta", -100),
         then=buy(side=-1)), True),
    Case("SHORT_SALE", OUT, "through zero", sell_of(101), True),
    Case("SHORT_SALE", EXIT, "what is owned", sell_of(100, no_borrow), False),
    Case("SHORT_SALE", OUT, "owned, but a sale of it rests", sell_of(100, OFFER), True),
    Case("SHORT_SALE", EXIT, "owned less what rests", sell_of(99, OFFER, no_borrow), False),
    Case("SHORT_SALE", OUT, "all that is owned rests", sell_of(10, no_borrow, resting(1, side=-1,
         qty_nanos=100 * NANO, limit_px_nanos=110 * NANO)), True),
    Case("SHORT_SALE", IN, "a buy", after(no_borrow), False),
    Case("SHORT_SALE", EXIT, "a cover", buy_back(100, no_borrow), False),
    Case("SHORT_SALE", IN, "restricted, above the bid", after(restricted(DATE), then=buy(side=-1)), False),
    Case("SHORT_SALE", OUT, "restricted, at the bid",
         after(restricted(DATE), then=buy(side=-1, limit_px_nanos=BID)), True),
    Case("SHORT_SALE", OUT, "restricted, market", after(restricted(DATE), then=buy(side=-1, order_type=c.MKT)), True),
    Case("SHORT_SALE", MISSING, "restricted, no bid", after(restricted(DATE), lambda w: w.quote(0, 0, ASK),
         then=buy(side=-1)), True),
    Case("SHORT_SALE", IN, "restricted until yesterday",
         after(restricted(DATE - 1), then=buy(side=-1, limit_px_nanos=BID)), False),
    Case("SHORT_SALE", OUT, "fallen by ten per cent a moment ago",
         after(printed(90 * NANO), then=buy(side=-1, limit_px_nanos=BID)), True),
    Case("SHORT_SALE", IN, "fallen by less", after(printed(90 * NANO + CENT), then=buy(side=-1, limit_px_nanos=BID)),
         False),
    Case("SHORT_SALE", EXIT, "restricted, what is owned", sell_of(100, restricted(DATE), limit_px_nanos=BID), False),
    # ---- 1 quantity
    Case("MAX_ORDER_QUANTITY", IN, "at the limit", buy(qty_nanos=100 * NANO), False, account(order_quantity_max=100)),
    Case("MAX_ORDER_QUANTITY", OUT, "above", buy(qty_nanos=101 * NANO), True, account(order_quantity_max=100)),
    Case(
        "MAX_ORDER_QUANTITY",
        OUT,
        "class is tighter",
        buy(qty_nanos=100 * NANO),
        True,
        Limits(klass=ClassLimits(stock=OrderLimits(order_quantity_max=99))),
    ),
    Case(
        "MAX_ORDER_QUANTITY",
        OUT,
        "symbol is tighter",
        buy(qty_nanos=100 * NANO),
        True,
        Limits(symbol={"S0": OrderLimits(order_quantity_max=99)}),
    ),
    Case(
        "MAX_ORDER_QUANTITY",
        OUT,
        "strategy is tighter",
        buy(qty_nanos=100 * NANO),
        True,
        Limits(strategy={"alpha": StrategyLimits(order_quantity_max=99)}),
    ),
    Case("MAX_ORDER_QUANTITY", EXIT, "is sliced, not clipped", sell_of(100), True, account(order_quantity_max=99)),
    Case("MAX_ORDER_QUANTITY", EXIT, "one share", sell_of(1), False, account(order_quantity_max="0.5")),
    # ---- 2 notional: a buy of 100 is worth 100 x 100.01, the offer
    Case("MAX_ORDER_NOTIONAL", IN, "at the limit", buy(), False, account(order_notional_max=10_001)),
    Case("MAX_ORDER_NOTIONAL", OUT, "above", buy(), True, account(order_notional_max=EXACT)),
    Case("MAX_ORDER_NOTIONAL", OUT, "market order", buy(order_type=c.MKT), True, account(order_notional_max=EXACT)),
    Case("MAX_ORDER_NOTIONAL", IN, "of equity", after(equity(200_020)), False),
    Case("MAX_ORDER_NOTIONAL", OUT, "of equity", after(equity(200_019)), True),
    Case("MAX_ORDER_NOTIONAL", MISSING, "no price", after(no_reference, then=buy(order_type=c.MKT)), True),
    Case("MAX_ORDER_NOTIONAL", EXIT, "of equity", sell_of(100, equity(1000)), False),
    Case("MAX_ORDER_NOTIONAL", EXIT, "one share", sell_of(1), False, account(order_notional_max=1)),
    Case("MAX_ORDER_NOTIONAL", EXIT, "at the limit", sell_of(100), False, account(order_notional_max=10_001)),
    Case("MAX_ORDER_NOTIONAL", EXIT, "is sliced, not clipped", sell_of(100), True, account(order_notional_max=EXACT)),
    # ---- 3 collar: 3 % of 100
    Case("PRICE_COLLAR", IN, "buy", buy(limit_px_nanos=103 * NANO), False),
    Case("PRICE_COLLAR", OUT, "buy", buy(limit_px_nanos=103 * NANO + CENT), True),
    Case("PRICE_COLLAR", IN, "sell", buy(side=-1, limit_px_nanos=97 * NANO), False),
    Case("PRICE_COLLAR", OUT, "sell", buy(side=-1, limit_px_nanos=97 * NANO - CENT), True),
    Case("PRICE_COLLAR", IN, "better may be anywhere", buy(limit_px_nanos=CENT), False),
    Case("PRICE_COLLAR", IN, "ETF", buy(limit_px_nanos=101 * NANO), False, instrument={"etf": True}),
    Case("PRICE_COLLAR", OUT, "ETF", buy(limit_px_nanos=101 * NANO + CENT), True, instrument={"etf": True}),
    Case("PRICE_COLLAR", IN, "ticks", buy(limit_px_nanos=PX + 5 * CENT), False, account(collar_bp=1, collar_spreads=0)),
    Case("PRICE_COLLAR", OUT, "ticks", buy(limit_px_nanos=PX + 6 * CENT), True, account(collar_bp=1, collar_spreads=0)),
    Case("PRICE_COLLAR", IN, "spreads", buy(limit_px_nanos=PX + 20 * CENT), False, account(collar_bp=1)),
    Case("PRICE_COLLAR", OUT, "spreads", buy(limit_px_nanos=PX + 21 * CENT), True, account(collar_bp=1)),
    Case("PRICE_COLLAR", MISSING, "no reference", after(no_reference, then=buy(limit_px_nanos=BID)), True),
    Case("PRICE_COLLAR", EXIT, "three times as wide", sell_of(100, limit_px_nanos=91 * NANO), False),
    Case("PRICE_COLLAR", EXIT, "and no wider", sell_of(100, limit_px_nanos=91 * NANO - CENT), True),
    Case("PRICE_COLLAR", EXIT, "last quote an hour old", sell_of(100, gap, later(HOUR)), False),
    Case("PRICE_COLLAR", EXIT, "older", sell_of(100, gap, later(HOUR + 1)), True),
    # ---- 12 duplicate
    Case("DUPLICATE_ORDER", IN, "after the window", duplicate(5), False),
    Case("DUPLICATE_ORDER", OUT, "within", duplicate(4), True),
    Case("DUPLICATE_ORDER", OUT, "used id", after(resting(1), then=buy(order_id=0)), True),
    Case("DUPLICATE_ORDER", EXIT, "used id", sell_of(100, order_id=1), True),
    # ---- 15 self-trade
    Case("SELF_TRADE", IN, "below", after(resting(1, side=-1, limit_px_nanos=PX), then=buy()), False),
    Case("SELF_TRADE", OUT, "at", after(resting(1, side=-1, limit_px_nanos=BID, strategy="beta")), True),
    Case("SELF_TRADE", OUT, "market", after(resting(1, side=-1), then=buy(order_type=c.MKT)), True),
    Case("SELF_TRADE", IN, "another symbol", after(resting(1, side=-1, inst=1)), False),
    Case("SELF_TRADE", EXIT, "at", sell_of(100, resting(1, limit_px_nanos=ASK)), True),
    # ---- 9 rate: 5 a second and strategy
    Case("ORDER_RATE", IN, "the fifth", after(sent(4)), False),
    Case("ORDER_RATE", OUT, "the sixth", after(sent(5)), True),
    Case("ORDER_RATE", IN, "another strategy", after(sent(5), then=buy(strategy="beta")), False),
    Case("ORDER_RATE", OUT, "account", after(sent(2), then=buy(strategy="beta")), True,
         account(rate_account_orders=2)),
    Case("ORDER_RATE", OUT, "symbol", after(sent(2)), True, account(rate_symbol_orders=2)),
    Case("ORDER_RATE", IN, "after its interval", after(sent(5), later(SECOND // 5)), False),
    Case("ORDER_RATE", EXIT, "reserve", sell_of(100, sent(9)), False),
    Case("ORDER_RATE", EXIT, "reserve used up", sell_of(100, sent(10)), True),
    Case("ORDER_RATE", IN, "account", after(sent(1)), False, account(rate_account_orders=2)),
    Case("ORDER_RATE", IN, "symbol", after(sent(1)), False, account(rate_symbol_orders=2)),
    Case("ORDER_RATE", EXIT, "account", sell_of(100, sent(6)), False, account(rate_account_orders=2)),
    Case("ORDER_RATE", EXIT, "account used up", sell_of(100, sent(7)), True, account(rate_account_orders=2)),
    Case("ORDER_RATE", EXIT, "symbol", sell_of(100, sent(6)), False, account(rate_symbol_orders=2)),
    Case("ORDER_RATE", EXIT, "symbol used up", sell_of(100, sent(7)), True, account(rate_symbol_orders=2)),
    # ---- 13 working orders
    Case("WORKING_ORDERS", IN, "the tenth of a side", after(resting(9)), False),
    Case("WORKING_ORDERS", OUT, "the eleventh", after(resting(10)), True),
    Case("WORKING_ORDERS", IN, "the other side", after(resting(10, side=-1, limit_px_nanos=110 * NANO)), False),
    Case("WORKING_ORDERS", IN, "in all", after(resting(2, inst=1)), False, account(working_orders_max=3)),
    Case("WORKING_ORDERS", OUT, "in all", after(resting(3, inst=1)), True, account(working_orders_max=3)),
    Case("WORKING_ORDERS", IN, "a replace adds none", reprice(), False, account(working_orders_max=1)),
    Case("WORKING_ORDERS", EXIT, "reserve", sell_of(100, resting(7, inst=1)), False,
         account(working_orders_max=3)),
    Case("WORKING_ORDERS", EXIT, "reserve used up", sell_of(100, resting(8, inst=1)), True,
         account(working_orders_max=3)),
    # ---- 5 position
    Case("MAX_POSITION", IN, "long", after(resting(10)), False, account(position_long_max=110)),
    Case("MAX_POSITION", OUT, "long", after(resting(11)), True, account(position_long_max=110)),
    Case("MAX_POSITION", OUT, "another strategy's order counts", after(resting(11, strategy="beta")), True,
         account(position_long_max=110)),
    Case("MAX_POSITION", OUT, "another client's order counts", after(foreign(11)), True,
         account(position_long_max=110)),
    Case("MAX_POSITION", IN, "short", buy(side=-1), False, account(position_short_max=100)),
    Case("MAX_POSITION", OUT, "short", buy(side=-1), True, account(position_short_max=99)),
    Case("MAX_POSITION", OUT, "the strategy's own", buy(), True,
         Limits(strategy={"alpha": StrategyLimits(position_long_max=99)})),
    Case("MAX_POSITION", IN, "another strategy's own", buy(), False,
         Limits(strategy={"beta": StrategyLimits(position_long_max=99)})),
    Case("MAX_POSITION", IN, "of equity", after(equity(100_010)), False),
    Case("MAX_POSITION", OUT, "of equity", after(equity(100_000)), True),
    Case("MAX_POSITION", MISSING, "equity", after(equity(0)), True),
    Case("MAX_POSITION", EXIT, "above the limit", sell_of(100), False, account(position_long_max=0)),
    Case("MAX_POSITION", IN, "all of the strategy's", after(held("alpha", 5), resting(5)), False, own(110)),
    Case("MAX_POSITION", OUT, "all of the strategy's", after(held("alpha", 5), resting(5)), True, own(109)),
    Case("MAX_POSITION", IN, "all of its shorts", after(held("alpha", -5), SHORTS, then=buy(side=-1)), False, own(110)),
    Case("MAX_POSITION", OUT, "all of its shorts", after(held("alpha", -5), SHORTS, then=buy(side=-1)), True, own(109)),
    Case("MAX_POSITION", IN, "the strategy's, of equity", after(equity(1_000_100)), False, own(1_000, 100)),
    Case("MAX_POSITION", OUT, "the strategy's, of equity", after(equity(1_000_000)), True, own(1_000, 100)),
    # ---- 6 exposure
    Case("MAX_EXPOSURE", IN, "gross", buy(), False, account(gross_max=10_001)),
    Case("MAX_EXPOSURE", OUT, "gross", buy(), True, account(gross_max=EXACT)),
    Case("MAX_EXPOSURE", OUT, "gross with working orders", after(resting(1)), True, account(gross_max=10_090)),
    Case("MAX_EXPOSURE", IN, "leverage", after(equity(10_001)), False),
    Case("MAX_EXPOSURE", OUT, "leverage", after(equity(10_000)), True),
    Case("MAX_EXPOSURE", IN, "net", buy(), False, account(net_max=10_001)),
    Case("MAX_EXPOSURE", OUT, "net", buy(), True, account(net_max=10_000)),
    Case("MAX_EXPOSURE", OUT, "net short", buy(side=-1), True, account(net_max=10_000)),
    Case("MAX_EXPOSURE", OUT, "strategy", buy(), True, Limits(strategy={"alpha": StrategyLimits(gross_max=10_000)})),
    Case("MAX_EXPOSURE", IN, "strategy", buy(), False, Limits(strategy={"alpha": StrategyLimits(gross_max=10_001)})),
    Case("MAX_EXPOSURE", MISSING, "equity", after(equity(0)), True),
    Case("MAX_EXPOSURE", EXIT, "above the limit", sell_of(100), False, account(gross_max=1)),
    Case("MAX_EXPOSURE", IN, "gross of all books", after(held("beta", 100)), False, account(gross_max=20_001)),
    Case("MAX_EXPOSURE", OUT, "gross of all books", after(held("beta", 100)), True, account(gross_max=20_000)),
    Case("MAX_EXPOSURE", IN, "gross with other books' orders", after(resting(1, strategy="beta")), False,
         account(gross_max=10_091)),
    Case("MAX_EXPOSURE", OUT, "gross with other books' orders", after(resting(1, strategy="beta")), True,
         account(gross_max=10_090)),
    Case("MAX_EXPOSURE", IN, "leverage of all books", after(held("beta", 100), equity(20_001)), False),
    Case("MAX_EXPOSURE", OUT, "leverage of all books", after(held("beta", 100), equity(20_000)), True),
    Case("MAX_EXPOSURE", IN, "net with working buys", after(resting(1)), False, account(net_max=10_091)),
    Case("MAX_EXPOSURE", OUT, "net with working buys", after(resting(1)), True, account(net_max=10_090)),
    Case("MAX_EXPOSURE", IN, "net without working sells", after(OFFER), False, account(net_max=10_001)),
    Case("MAX_EXPOSURE", IN, "net of a long book", after(held("beta", 100), then=buy(side=-1)), False,
         account(net_max=1)),
    Case("MAX_EXPOSURE", IN, "strategy with all of its own", after(held("alpha", 100), resting(1)), False,
         Limits(strategy={"alpha": StrategyLimits(gross_max=20_091)})),
    Case("MAX_EXPOSURE", OUT, "strategy with all of its own", after(held("alpha", 100), resting(1)), True,
         Limits(strategy={"alpha": StrategyLimits(gross_max=20_090)})),
    Case("MAX_EXPOSURE", IN, "gross with another client's order", after(foreign(100)), False,
         account(gross_max=20_002)),
    Case("MAX_EXPOSURE", OUT, "gross with another client's order", after(foreign(100)), True,
         account(gross_max=20_001)),
    Case("MAX_EXPOSURE", OUT, "net with another client's order", after(foreign(100)), True, account(net_max=20_001)),
    Case("MAX_EXPOSURE", IN, "net without another client's sale", after(foreign(100, -1)), False,
         account(net_max=10_001)),
    Case("FAIL_CLOSED", MISSING, "another client's order of unknown value", after(no_reference, foreign(1)), True),
    # ---- 7 concentration: the plain buy is worth 10,001
    Case("CONCENTRATION", IN, "issuer", after(equity(100_010)), False),
    Case("CONCENTRATION", OUT, "issuer", after(equity(100_000)), True),
    Case("CONCENTRATION", OUT, "both share classes of an issuer", after(held("beta", 100), equity(200_000)), True,
         instrument={"issuer": "ACME"}),
    Case("CONCENTRATION", IN, "unknown sector", after(equity(1_000_100)), False,
         account(sector_unknown_equity_bp_max=100)),
    Case("CONCENTRATION", OUT, "unknown sector", after(equity(1_000_000)), True,
         account(sector_unknown_equity_bp_max=100)),
    Case("CONCENTRATION", OUT, "unknown sector with its other names", after(resting(1, inst=1)), True,
         account(sector_unknown_equity_bp_max=100)),
    Case("CONCENTRATION", IN, "a sector of its own", after(resting(1, inst=1), equity(1_000_100)), False,
         account(sector_unknown_equity_bp_max=1, sector_equity_bp_max=100), {"sector": "banks"}),
    Case("CONCENTRATION", OUT, "sector", after(equity(1_000_000)), True,
         account(sector_equity_bp_max=100), {"sector": "banks"}),
    Case("CONCENTRATION", OUT, "a position counts", after(held("beta", 100), equity(2_000_000)), True,
         account(sector_unknown_equity_bp_max=100)),
    Case("CONCENTRATION", OUT, "a short position counts", after(held("beta", -100), equity(2_000_000)), True,
         account(sector_unknown_equity_bp_max=100)),
    Case("CONCENTRATION", OUT, "another client's order counts", after(foreign(100), equity(2_000_000)), True,
         account(sector_unknown_equity_bp_max=100)),
    Case("CONCENTRATION", IN, "country", after(resting(1, inst=1), equity(1_009_200)), False,
         account(country_equity_bp_max=100)),
    Case("CONCENTRATION", OUT, "country", after(resting(1, inst=1), equity(1_009_000)), True,
         account(country_equity_bp_max=100)),
    Case("CONCENTRATION", IN, "another country", after(resting(1, inst=1), equity(1_000_100)), False,
         account(country_equity_bp_max=100), {"country": "CA"}),
    Case("CONCENTRATION", IN, "cluster", after(resting(1, inst=1), equity(33_640)), False, spread_over("pair")),
    Case("CONCENTRATION", OUT, "cluster", after(resting(1, inst=1), equity(33_630)), True, spread_over("pair")),
    Case("CONCENTRATION", OUT, "a cluster's own cap", after(resting(1, inst=1)), True,
         spread_over("pair", equity_bp_max=100)),
    Case("CONCENTRATION", IN, "measured cluster", after(measured((0, 1)), resting(1, inst=1), equity(33_640)), False,
         Limits(account=WIDE)),
    Case("CONCENTRATION", OUT, "measured cluster", after(measured((0, 1)), resting(1, inst=1), equity(33_630)), True,
         Limits(account=WIDE)),
    Case("CONCENTRATION", OUT, "measured while orders work", after(resting(1, inst=1), equity(33_630),
         measured((0, 1))), True, Limits(account=WIDE)),
    Case("CONCENTRATION", IN, "measured no longer", after(measured((0, 1)), resting(1, inst=1), equity(33_630),
         measured()), False, Limits(account=WIDE)),
    Case("CONCENTRATION", IN, "strategy's share", buy(), False,
         Limits(account=AccountLimits(gross_max=20_002), strategy={"alpha": StrategyLimits(gross_share_bp_max=5_000)})),
    Case("CONCENTRATION", OUT, "strategy's share", buy(), True,
         Limits(account=AccountLimits(gross_max=20_000), strategy={"alpha": StrategyLimits(gross_share_bp_max=5_000)})),
    Case("CONCENTRATION", IN, "another strategy's share", buy(), False,
         Limits(account=AccountLimits(gross_max=20_000), strategy={"beta": StrategyLimits(gross_share_bp_max=1)})),
    Case("CONCENTRATION", IN, "a replace adds what it adds", reprice(), False,
         account(sector_unknown_equity_bp_max=101)),
    Case("CONCENTRATION", OUT, "a larger replace", reprice(qty_nanos=102 * NANO), True,
         account(sector_unknown_equity_bp_max=101)),
    Case("CONCENTRATION", MISSING, "equity", after(equity(0)), True),
    Case("CONCENTRATION", EXIT, "past every cap", sell_of(100, equity(1_000)), False),
    # ---- 8 participation: 10,000,000 shares a day, 128,205 in five minutes
    Case("PARTICIPATION", IN, "of the average day", buy(qty_nanos=100 * NANO), False, account(adv_order_bp_max=1)),
    Case("PARTICIPATION", OUT, "of the average day", buy(qty_nanos=1_001 * NANO), True, account(adv_order_bp_max=1)),
    Case("PARTICIPATION", IN, "a schedule of one percent of the day", scheduled(100_000), False),
    Case("PARTICIPATION", OUT, "a larger schedule", scheduled(100_001), True),
    Case("PARTICIPATION", IN, "of the expected five minutes", buy(qty_nanos=12_820 * NANO), False),
    Case("PARTICIPATION", OUT, "of the expected five minutes", buy(qty_nanos=12_821 * NANO), True),
    Case("PARTICIPATION", IN, "of what traded", after(traded(500, 301, 1, 1)), False),
    Case("PARTICIPATION", OUT, "of what traded", after(traded(499, 301, 1, 1)), True),
    Case("PARTICIPATION", OUT, "what traded before fades", after(traded(10_000, 500), traded(1, 300)), True),
    Case("PARTICIPATION", IN, "nothing traded, but not for long", after(traded(1, 299)), False),
    Case("PARTICIPATION", OUT, "a name that stopped trading", after(traded(50_000, 601)), True),
    Case("PARTICIPATION", IN, "prints lost, so what is expected", after(traded(1, 301), gap, traded(1, 1)), False),
    Case("PARTICIPATION", IN, "of the curve", after(curve(150, 100), then=buy(qty_nanos=500 * NANO)), False),
    Case("PARTICIPATION", OUT, "of the curve", after(curve(150, 100), then=buy(qty_nanos=501 * NANO)), True),
    Case("PARTICIPATION", OUT, "a quiet part of the curve", after(curve(10, 100_000)), True),
    Case("PARTICIPATION", IN, "not thin", after(average(100_000)), False),
    Case("PARTICIPATION", OUT, "thin", after(average(99_999), then=buy(qty_nanos=NANO)), True),
    Case("PARTICIPATION", MISSING, "average volume", after(average(0)), True),
    Case("PARTICIPATION", MISSING, "average volume, with no least one asked", after(average(0)), True,
         account(adv_min=0)),
    Case("PARTICIPATION", OUT, "before the open without a trade", after(at(MIDNIGHT + 8 * HOUR)), True, LONG_HOURS),
    Case("PARTICIPATION", IN, "before the open, of what traded",
         after(at(MIDNIGHT + 8 * HOUR), traded(1_000, 301, 1)), False, LONG_HOURS),
    Case("PARTICIPATION", EXIT, "thin", sell_of(100, average(90_000)), False),
    Case("PARTICIPATION", EXIT, "average volume", sell_of(100, average(0)), False),
    Case("PARTICIPATION", EXIT, "more than the slice", sell_of(100, average(70_000)), True),
    Case("PARTICIPATION", EXIT, "more than the slice, as the profit of a bracket", sell_of(100, average(70_000),
         purpose=c.INTENT_PROTECT), False),
    Case("PARTICIPATION", EXIT, "more than the slice, as a disaster stop", sell_of(100, average(70_000), **disaster()),
         False),
    Case("PARTICIPATION", EXIT, "the smallest order", sell_of(1, average(1)), False),
    Case("PARTICIPATION", EXIT, "stopped trading, but usually trades", sell_of(100, traded(1, 601)), False),
    # ---- 18 margin: a short of 100.01 x 100 at 150 %
    Case("MARGIN", IN, "long", after(equity(10_001)), False),
    Case("MARGIN", OUT, "long", after(equity(10_000)), True),
    Case("MARGIN", IN, "short", after(equity(15_002), then=buy(side=-1)), False),
    Case("MARGIN", OUT, "short", after(equity(15_001), then=buy(side=-1)), True),
    Case("MARGIN", OUT, "with working orders", after(resting(1), equity(10_050)), True),
    Case("MARGIN", IN, "with a working sell", after(OFFER, equity(10_166)), False),
    Case("MARGIN", OUT, "with a working sell", after(OFFER, equity(10_165)), True),
    Case("MARGIN", IN, "short beside a long", after(held("beta", 100), equity(25_002), then=buy(side=-1)), False),
    Case("MARGIN", OUT, "short beside a long", after(held("beta", 100), equity(25_001), then=buy(side=-1)), True),
    Case("MARGIN", IN, "long beside a short", after(held("beta", -100), equity(25_001)), False),
    Case("MARGIN", OUT, "long beside a short", after(held("beta", -100), equity(25_000)), True),
    Case("MARGIN", MISSING, "equity", after(equity(0)), True),
    Case("MARGIN", EXIT, "short of equity", sell_of(100, equity(1)), False),
    Case("MARGIN", IN, "at the broker's rate", after(rate(1, 5_000), equity(5_001)), False),
    Case("MARGIN", OUT, "at the broker's rate", after(rate(1, 5_000), equity(5_000)), True),
    Case("MARGIN", OUT, "another side's rate", after(rate(-1, 5_000), equity(10_000)), True),
    Case("MARGIN", OUT, "a rate above our own", after(rate(1, 20_000), equity(20_001)), True),
    Case("MARGIN", IN, "a position at the broker's rate", after(rate(1, 5_000), held("beta", 100), equity(10_001)),
         False),
    Case("MARGIN", OUT, "a position at the broker's rate", after(rate(1, 5_000), held("beta", 100), equity(10_000)),
         True),
    Case("MARGIN", IN, "the broker's funds", after(funds(10_001)), False),
    Case("MARGIN", OUT, "the broker's funds", after(funds(10_000)), True),
    Case("MARGIN", OUT, "the broker's funds with working orders", after(resting(1), funds(10_050)), True),
    Case("MARGIN", IN, "funds told ten minutes ago", after(later(600 * SECOND), fresh_quote), False),
    Case("MARGIN", MISSING, "funds are old", after(later(600 * SECOND + 1), fresh_quote), True),
    Case("MARGIN", MISSING, "the broker's account is not known", after(no_funds), True),
    Case("MARGIN", IN, "no broker's account to know", after(no_funds, venue_in_process), False),
    Case("MARGIN", EXIT, "the broker's account is not known", sell_of(100, no_funds), False),
    # ---- 19 intraday margin: a quarter of 10,001
    Case("INTRADAY_MARGIN", IN, "a quarter", after(equity(2_501)), False),
    Case("INTRADAY_MARGIN", OUT, "less", after(equity(2_500)), True),
    Case("INTRADAY_MARGIN", OUT, "with working orders", after(resting(1), equity(2_522)), True),
    Case("INTRADAY_MARGIN", IN, "with working orders", after(resting(1), equity(2_523)), False),
    Case("INTRADAY_MARGIN", OUT, "the broker keeps more", after(rate(1, 5_000, 4_000), held("beta", 100),
         equity(6_500)), True),
    Case("INTRADAY_MARGIN", IN, "the broker keeps more", after(rate(1, 5_000, 4_000), held("beta", 100),
         equity(6_501)), False),
    Case("INTRADAY_MARGIN", IN, "another jurisdiction", after(equity(1)), False, account(finra_margin=False)),
    Case("INTRADAY_MARGIN", MISSING, "equity", after(equity(0)), True),
    Case("INTRADAY_MARGIN", EXIT, "short of equity", sell_of(100, equity(1)), False),
    Case("INTRADAY_MARGIN", IN, "two day trades", after(day_trades(2), equity(24_999)), False, PDT),
    Case("INTRADAY_MARGIN", OUT, "three day trades", after(day_trades(3), equity(24_999)), True, PDT),
    Case("INTRADAY_MARGIN", IN, "with equity enough", after(day_trades(9), equity(25_000)), False, PDT),
    Case("INTRADAY_MARGIN", IN, "only warned of", after(day_trades(3), equity(24_999)), False,
         account(pattern_day_trader="warn")),
    Case("INTRADAY_MARGIN", EXIT, "three day trades", sell_of(100, day_trades(3), equity(24_999)), False, PDT),
)  # fmt: skip


def judge(case: Case) -> tuple[World, ApprovedOrder | Refusal]:
    """Build the world of a row and ask the whole gate."""
    world = build_context(limits=case.limits, changes={0: case.instrument})
    gate = Gate(world.context, case.limits, ACCOUNT, TAG)
    ask_around(gate, world, world.intent())
    intent = case.arrange(world)
    if world.ts_ns < NOON:  # a row about the morning: time never runs back for one gate
        gate = Gate(world.context, case.limits, ACCOUNT, TAG)
    verdict = gate.approve(intent, world.ts_ns, 7)
    ask_around(gate, world, intent)
    assert gate.approve(intent, world.ts_ns, 7) == verdict
    return world, verdict


def ask_around(gate: Gate, world: World, intent: OrderIntent) -> None:
    """Let the gate learn what passes: small orders like this one (risk/ordinary.py). It may change no later answer."""
    for strategy, side, px in (("alpha", 1, BID), ("alpha", -1, ASK), ("beta", 1, BID), ("beta", -1, ASK)):
        for shares in (100, 1):
            changes = {"strategy": strategy, "side": side, "limit_px_nanos": px, "qty_nanos": shares * NANO}
            like = msgspec.structs.replace(intent, order_type=c.LMT, inst=0, version=0, **changes)
            gate.approve(like, world.ts_ns, 7)


def alone(case: Case) -> list[int]:
    """What each check says by itself of the same row: the gate asks all in one function first."""
    world = build_context(limits=case.limits, changes={0: case.instrument})
    money = world.money
    resolved = resolve(
        case.limits,
        instruments=world.context.instruments,
        strategies=money.settings.strategies,
        currency=money.ledger.currency,
    )
    view = GateView(world.context, resolved)
    intent = case.arrange(world)
    view.refresh(intent, world.ts_ns)
    return [control for check in CHECKS if (control := check.check(intent, view))]


def assert_case(case: Case) -> None:
    """One row holds: for the gate, and for the check asked by itself."""
    _, verdict = judge(case)
    failures = verdict.failures if isinstance(verdict, Refusal) else ()
    found = [failure for failure in failures if failure.code == case.code]
    assert bool(found) is case.refused, failures
    assert alone(case) == [failure.control for failure in failures]
    for failure in failures:
        assert failure.value, failure
        assert failure.limit, failure
        assert failure.lift, failure


def assert_rows(cases: tuple[Case, ...], codes: set[str]) -> None:
    """Each of these checks is seen passing, refusing and facing an exit."""
    kinds = {code: {case.kind for case in cases if case.code == code} for code in codes}
    for code, found in kinds.items():
        assert IN in found, code
        assert OUT in found or MISSING in found, code
        assert EXIT in found, code
        assert {case.refused for case in cases if case.code == code} == {True, False}, code


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.kind}-{case.name}".replace(" ", "_"))
def test_check(case: Case) -> None:
    """The check of this code says what its row says, and explains every refusal."""
    assert_case(case)


def test_every_check_has_its_rows() -> None:
    """A check nobody has seen passing, refusing and facing an exit proves nothing."""
    codes = {check.CODE for check in CHECKS} - COUNTING
    assert_rows(CASES, codes)
    assert {case.code for case in CASES} == codes


def test_controls_and_codes_are_unique() -> None:
    """The number and the code name one check."""
    assert len({check.CONTROL for check in CHECKS}) == len({check.CODE for check in CHECKS}) == len(CHECKS)


def test_all_failures_are_told_in_the_order_of_checks() -> None:
    """The first failure is the one returned; the others are kept with it."""
    world = build_context()
    gate = Gate(world.context, Limits(), ACCOUNT, TAG)
    world.event(e.LinkLost())
    verdict = gate.approve(world.intent(qty_nanos=20_000 * NANO, limit_px_nanos=200 * NANO + 1), NOON, 1)
    assert isinstance(verdict, Refusal)
    codes = [failure.code for failure in verdict.failures]
    order = [check.CODE for check in CHECKS]
    assert codes == sorted(codes, key=order.index)
    assert codes[0] == "LINK_NOT_READY"
    assert {"ORDER_INVALID", "MAX_ORDER_QUANTITY", "MAX_ORDER_NOTIONAL", "PRICE_COLLAR"} <= set(codes)


def test_a_cancel_passes_everything() -> None:
    """Cancels never meet the gate, and cost neither rate nor duplicate window, even halted and cut off."""
    world = build_context()
    order_id = world.rest()
    world.command(c.MoveLadder(level=ACCOUNT_LEVEL, scope="", state=HALTED, code="KILL", reason="test", by="test"))
    world.event(e.LinkDegraded())
    tats, window = dict(world.money.tats), world.money.duplicates.state()
    world.command(c.CancelOrder(order_id=order_id, reason="test"))
    assert world.money.orders[order_id].state is State.CANCELLING
    assert (world.money.tats, world.money.duplicates.state()) == (tats, window)
    assert not hasattr(Gate, "cancel")


def test_the_fake_world_is_what_the_rows_assume() -> None:
    """Noon of the first session, symbols S0 and S1, a typical order approved."""
    world = build_context()
    verdict = Gate(world.context, Limits(), ACCOUNT, TAG).approve(world.intent(), NOON, 36)
    assert isinstance(verdict, ApprovedOrder)
    assert verdict.order_ref == "q-test-1-10"
    assert verdict.notional_nanos == 10_001 * NANO
    assert not verdict.reduce_only
    assert session_table().sessions[0].open_ns < NOON < session_table().sessions[0].close_ns
    assert make_instrument(1).symbol == "S1"
