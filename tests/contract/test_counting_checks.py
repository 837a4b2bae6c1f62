"""The contract of the checks that count (controls 10, 11, 12, 14, 43), and of other clients' orders where they count
with ours (13, 15): the rows, held to the same rules as those of test_checks.
"""

from typing import Any

import msgspec
import pytest

from core import commands as c
from core import events as e
from core.commands import OrderIntent
from core.latches import ACTIVE, HALTED, STRATEGY
from core.money.fold import fold_outcome
from core.units import NANO
from risk.limits import Limits, StrategyLimits
from tests.contract.test_checks import (
    ASK,
    BID,
    COUNTING,
    EXIT,
    IN,
    OUT,
    PX,
    Arrange,
    Case,
    Step,
    account,
    after,
    assert_case,
    assert_rows,
    at,
    buy,
    foreign,
    held,
    later,
    reprice,
    resting,
    sell_of,
    sent,
)
from tests.fakes.context import CENT, HOUR, NOON, SECOND, World


def again(**changes: Any) -> Arrange:
    """A manual order, and within the window one like it but for the changes."""

    def arrange(w: World) -> OrderIntent:
        first = w.intent(slice_no=0, purpose=c.INTENT_MANUAL)
        w.cancel(w.place(w.approved(first)))
        return msgspec.structs.replace(first, order_id=w.money.next_order_id, **changes)

    return arrange


def opened(count: int) -> Step:
    """Schedules that alpha started."""

    def open_parents(w: World) -> None:
        for _ in range(count):
            open_parent(w, 1)

    return open_parents


def open_parent(w: World, slices: int) -> int:
    """A schedule of alpha for 10,000 shares."""
    parent_id = w.money.next_parent_id
    w.command(
        c.OpenParent(
            parent_id=parent_id, strategy="alpha", inst=0, side=1, qty_nanos=10_000 * NANO, algo="twap",
            start_ts_ns=w.ts_ns, end_ts_ns=w.ts_ns + HOUR, slices=slices,
        )
    )  # fmt: skip
    return parent_id


def scheduled(children: int, *, filled: int = 0, not_sent: int = 0, partial_fills: int = 0) -> Arrange:
    """Equal children of a schedule of two slices, some filled, the others ended unfilled; then the next one."""

    def arrange(w: World) -> OrderIntent:
        parent_id = open_parent(w, 2)
        for number in range(children):
            intent = w.intent(parent_id=parent_id, slice_no=number)
            order_id = w.place(w.approved(intent))
            for _ in range(partial_fills):
                w.fill(order_id, NANO, PX)
            if number < filled:
                w.fill(order_id, intent.qty_nanos, BID)
            elif number < filled + not_sent:
                fold_outcome(w.money, w.money.seq, w.ts_ns, c.NotSent(order_id=order_id, version=0, reason="test"))
                w.cancel(order_id)
            else:
                w.cancel(order_id)
        w.money.tats.clear()
        return w.intent(parent_id=parent_id, slice_no=children)

    return arrange


def roll(w: World) -> None:
    """The next trading day begins."""
    w.event(e.DayRolled(date=w.money.trading_date + 1))


def repeats(count: int) -> Step:
    """Duplicates of alpha that were refused."""

    def refuse(w: World) -> None:
        for _ in range(count):
            w.command(c.CountRefusal(strategy="alpha", control=12))

    return refuse


def attended(code: str) -> tuple[Step, Step]:
    """A latch of the strategy is set, and lifted."""
    set_, lift = (
        c.MoveLadder(level=STRATEGY, scope="alpha", state=state, code=code, reason="test", by="test")
        for state in (HALTED, ACTIVE)
    )
    return lambda w: w.command(set_), lambda w: w.command(lift)


RAMP = account(deployment_order_notional_max=10_001, deployment_ramp_days=4)
CASES: tuple[Case, ...] = (
    # ---- 43 deployment: a buy of 100 is worth 10,001
    Case("DEPLOYMENT", IN, "order value", buy(), False, account(deployment_order_notional_max=10_001)),
    Case("DEPLOYMENT", OUT, "order value", buy(), True, account(deployment_order_notional_max=10_000)),
    Case("DEPLOYMENT", IN, "price", buy(), False, account(deployment_px_max="100.01")),
    Case("DEPLOYMENT", OUT, "price", buy(), True, account(deployment_px_max=100)),
    Case("DEPLOYMENT", IN, "orders of a day", after(sent(2)), False, account(deployment_orders_day_max=3)),
    Case("DEPLOYMENT", OUT, "orders of a day", after(sent(3)), True, account(deployment_orders_day_max=3)),
    Case("DEPLOYMENT", IN, "orders of yesterday", after(sent(3), roll), False, account(deployment_orders_day_max=3)),
    Case("DEPLOYMENT", IN, "a replace is no order", reprice(), False, account(deployment_orders_day_max=1)),
    Case("DEPLOYMENT", IN, "position with working orders", after(resting(1)), False,
         account(deployment_position_notional_max="10101.01")),
    Case("DEPLOYMENT", OUT, "position with working orders", after(resting(1)), True,
         account(deployment_position_notional_max=10_101)),
    Case("DEPLOYMENT", OUT, "short position", buy(side=-1), True, account(deployment_position_notional_max=10_000)),
    Case("DEPLOYMENT", IN, "the same instrument", after(resting(1)), False, account(deployment_instruments_max=1)),
    Case("DEPLOYMENT", OUT, "another instrument", after(resting(1, inst=1)), True,
         account(deployment_instruments_max=1)),
    Case("DEPLOYMENT", IN, "another strategy's instrument", after(resting(1, inst=1, strategy="beta")), False,
         account(deployment_instruments_max=1)),
    Case("DEPLOYMENT", OUT, "another venue", after(resting(1, inst=1)), True, instrument={"exchange": "NYSE"}),
    Case("DEPLOYMENT", IN, "two venues", after(resting(1, inst=1)), False, account(deployment_venues_max=2),
         instrument={"exchange": "NYSE"}),
    Case("DEPLOYMENT", OUT, "first day: a tenth", buy(), True, RAMP),
    Case("DEPLOYMENT", OUT, "fourth day", after(sent(1), roll, roll, roll), True, RAMP),
    Case("DEPLOYMENT", IN, "fifth day", after(sent(1), roll, roll, roll, roll), False, RAMP),
    Case("DEPLOYMENT", OUT, "days before its first order", after(roll, roll, roll, roll), True, RAMP),
    Case("DEPLOYMENT", EXIT, "not for this", sell_of(100), False, account(deployment_order_notional_max=1)),
    # ---- 12 duplicate
    Case("DUPLICATE_ORDER", OUT, "another slice of no schedule", again(slice_no=9), True),
    Case("DUPLICATE_ORDER", OUT, "another schedule", again(parent_id=99), True),
    Case("DUPLICATE_ORDER", IN, "another strategy", again(strategy="beta"), False),
    Case("DUPLICATE_ORDER", IN, "another price", again(limit_px_nanos=BID - CENT), False),
    Case("DUPLICATE_ORDER", IN, "planned slices", scheduled(1), False),
    Case("DUPLICATE_ORDER", OUT, "more than planned, no fills", scheduled(2), True),
    Case("DUPLICATE_ORDER", IN, "more than planned, all filled", scheduled(2, filled=2), False),
    Case("DUPLICATE_ORDER", OUT, "more than planned, one not filled", scheduled(3, filled=2), True),
    Case("DUPLICATE_ORDER", IN, "refusals of a day", after(repeats(19)), False),
    Case("DUPLICATE_ORDER", OUT, "too many refusals", after(repeats(20)), True),
    Case("DUPLICATE_ORDER", IN, "of another strategy", after(repeats(20), then=buy(strategy="beta")), False),
    Case("DUPLICATE_ORDER", EXIT, "too many refusals", sell_of(100, repeats(20)), False),
    Case("DUPLICATE_ORDER", OUT, "a replace of nothing", reprice(limit_px_nanos=BID - CENT), True),
    # ---- 15 self-trade, 13 working orders: another client's count too
    Case("SELF_TRADE", OUT, "a person's order", after(foreign(1, -1, BID)), True),
    Case("SELF_TRADE", IN, "a person's order", after(foreign(1, -1, ASK)), False),
    Case("SELF_TRADE", OUT, "a person's order without a price", after(foreign(1, -1)), True),
    Case("SELF_TRADE", OUT, "a person's buy", after(foreign(1, 1, ASK), then=buy(side=-1)), True),
    Case("SELF_TRADE", IN, "a person's buy", after(foreign(1, 1, BID), then=buy(side=-1)), False),
    Case("SELF_TRADE", IN, "a person's on our side", after(foreign(1, 1, ASK)), False),
    Case("WORKING_ORDERS", OUT, "a person's order counts", after(resting(9), foreign(1)), True),
    # ---- 10 value within a second, a minute, an hour: a buy of 100 is worth 10,001, one sent for 90 counts 90
    Case("VALUE_WINDOW", IN, "a second", after(sent(1)), False, account(value_second_max=10_091)),
    Case("VALUE_WINDOW", OUT, "a second", after(sent(1)), True, account(value_second_max=10_090)),
    Case("VALUE_WINDOW", IN, "a second ago and a bucket", after(sent(1), later(SECOND * 21 // 20)), False,
         account(value_second_max=10_001)),
    Case("VALUE_WINDOW", OUT, "not quite a second ago", after(sent(1), later(SECOND - 1)), True,
         account(value_second_max=10_001)),
    Case("VALUE_WINDOW", OUT, "a minute", after(sent(1), at(NOON + 59 * SECOND)), True,
         account(value_minute_max=10_001)),
    Case("VALUE_WINDOW", IN, "a minute", after(sent(1), at(NOON + 64 * SECOND)), False,
         account(value_minute_max=10_001)),
    Case("VALUE_WINDOW", OUT, "an hour", after(sent(1), at(NOON + HOUR - 1)), True, account(value_hour_max=10_001)),
    Case("VALUE_WINDOW", IN, "an hour", after(sent(1), at(NOON + HOUR * 21 // 20)), False,
         account(value_hour_max=10_001)),
    Case("VALUE_WINDOW", IN, "shares", after(sent(1)), False, account(quantity_second_max=101)),
    Case("VALUE_WINDOW", OUT, "shares", after(sent(1)), True, account(quantity_second_max=100)),
    Case("VALUE_WINDOW", OUT, "shares of all strategies", after(sent(1), then=buy(strategy="beta")), True,
         account(quantity_minute_max=100)),
    Case("VALUE_WINDOW", OUT, "the strategy's own", after(sent(1)), True,
         Limits(strategy={"alpha": StrategyLimits(quantity_hour_max=100)})),
    Case("VALUE_WINDOW", IN, "another strategy's own", after(sent(1), then=buy(strategy="beta")), False,
         Limits(strategy={"beta": StrategyLimits(quantity_hour_max=100)})),
    Case("VALUE_WINDOW", IN, "a replace adds what it adds", reprice(qty_nanos=150 * NANO), False,
         account(quantity_second_max=150)),
    Case("VALUE_WINDOW", OUT, "a replace adds what it adds", reprice(qty_nanos=151 * NANO), True,
         account(quantity_second_max=150)),
    Case("VALUE_WINDOW", EXIT, "used up", sell_of(100), False, account(value_second_max=1, quantity_second_max=1)),
    # ---- 11 repeated execution: a schedule of two slices may have 3 + 5 children
    Case("REPEATED_EXECUTION", IN, "the eighth child", scheduled(7), False),
    Case("REPEATED_EXECUTION", OUT, "the ninth child", scheduled(8), True),
    Case("REPEATED_EXECUTION", IN, "one never left", scheduled(8, not_sent=1), False),
    Case("REPEATED_EXECUTION", IN, "partial fills", scheduled(1, partial_fills=20), False),
    Case("REPEATED_EXECUTION", IN, "schedules of a day", after(opened(3)), False, account(parents_day_max=3)),
    Case("REPEATED_EXECUTION", OUT, "schedules of a day", after(opened(4)), True, account(parents_day_max=3)),
    Case("REPEATED_EXECUTION", IN, "another strategy's", after(opened(4), then=buy(strategy="beta")), False,
         account(parents_day_max=3)),
    Case("REPEATED_EXECUTION", IN, "of yesterday", after(opened(4), roll), False, account(parents_day_max=3)),
    Case("REPEATED_EXECUTION", OUT, "since a person looked", after(opened(2), roll, opened(2)), True,
         account(parents_unattended_max=3)),
    Case("REPEATED_EXECUTION", IN, "a person resumed it", after(opened(4), *attended("REPEATED_EXECUTION")), False,
         account(parents_day_max=3)),
    Case("REPEATED_EXECUTION", OUT, "another latch lifted", after(opened(4), *attended("LINK")), True,
         account(parents_day_max=3)),
    Case("REPEATED_EXECUTION", EXIT, "too many", sell_of(100, opened(4)), False, account(parents_day_max=3)),
    # ---- 14 messages: an order and its cancel are two, one of them a change
    Case("MESSAGE_BUDGET", IN, "changes", after(sent(2)), False, account(changes_day_max=3)),
    Case("MESSAGE_BUDGET", OUT, "changes", after(sent(3)), True, account(changes_day_max=3)),
    Case("MESSAGE_BUDGET", IN, "changes of yesterday", after(sent(3), roll), False, account(changes_day_max=3)),
    Case("MESSAGE_BUDGET", IN, "few messages", after(sent(2)), False,
         account(order_trade_ratio_max=1, order_trade_messages_min=5)),
    Case("MESSAGE_BUDGET", OUT, "for no execution", after(sent(3)), True,
         account(order_trade_ratio_max=6, order_trade_messages_min=5)),
    Case("MESSAGE_BUDGET", IN, "for one execution", after(held("beta", 1), sent(3)), False,
         account(order_trade_ratio_max=8, order_trade_messages_min=5)),
    Case("MESSAGE_BUDGET", OUT, "for one execution", after(held("beta", 1), sent(3)), True,
         account(order_trade_ratio_max=7, order_trade_messages_min=5)),
    Case("MESSAGE_BUDGET", IN, "in a second", after(sent(2)), False,
         account(messages_second_max=6, messages_second_cancels=1)),
    Case("MESSAGE_BUDGET", OUT, "in a second, with room for cancels", after(sent(2)), True,
         account(messages_second_max=6, messages_second_cancels=2)),
    Case("MESSAGE_BUDGET", IN, "a second later", after(sent(2), later(SECOND * 21 // 20)), False,
         account(messages_second_max=6, messages_second_cancels=2)),
    Case("MESSAGE_BUDGET", EXIT, "reserve", sell_of(100, sent(5)), False,
         account(changes_day_max=3, message_exit_reserve=3)),
    Case("MESSAGE_BUDGET", EXIT, "reserve used up", sell_of(100, sent(6)), True,
         account(changes_day_max=3, message_exit_reserve=3)),
    Case("MESSAGE_BUDGET", EXIT, "what is kept for cancels", sell_of(100, sent(2)), False,
         account(messages_second_max=6, messages_second_cancels=2)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.kind}-{case.name}".replace(" ", "_"))
def test_check(case: Case) -> None:
    """The check of this code says what its row says, and explains every refusal."""
    assert_case(case)


def test_every_counting_check_has_its_rows() -> None:
    """As the others do."""
    assert_rows(CASES, COUNTING)
