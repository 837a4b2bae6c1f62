"""Splits and dividends inside a trader on a live broker: given once, carried out when the broker shows it."""

from pathlib import Path
from typing import Any

import pytest

from core import book_commands as b
from core import commands as c
from core import events as e
from core.corporate import Terms, explains, share_out, split_total, suspected_ratio
from core.latches import ACTIVE, HALTED, REDUCING, SYMBOL
from core.orders import State
from core.parents import ParentState
from core.records import COMMAND, decode
from core.units import NANO, notional_nanos, share_of
from daemon.journal import JournalReader
from daemon.status.cash import corporate_rows
from tests.fakes.live import DATE, LiveWorld, opened
from tests.unit.test_live_runner import verified

PX = 20 * NANO


def holding(folder: Path, **changes: Any) -> LiveWorld:
    """A world that has bought 100 AAA and shows them at the broker."""
    world = opened(folder, **changes)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.fill(order, order.limit_px_nanos)
    sync(world, 2, 100)
    assert not world.runner.money.differences
    assert not world.runner.money.live_orders
    return world


def sync(world: LiveWorld, sync_id: int, shares: int, *, paid: int = 0, inst: int = 0) -> None:
    """A complete synchronisation with so many shares, and our own cash plus what was paid."""
    ledger = world.runner.money.ledger
    facts = [e.PositionReported(sync_id=sync_id, inst=inst, qty_nanos=shares * NANO)] if shares else []
    world.tell(e.SyncStarted(sync_id=sync_id), *facts)
    world.tell(e.CashReported(sync_id=sync_id, currency="USD", cash_nanos=ledger.cash["USD"] + paid))
    world.tell(e.SyncCompleted(sync_id=sync_id, complete=True))


def give(world: LiveWorld, *, now: bool = False, **terms: Any) -> tuple[bool, str]:
    """An operator's word about AAA, and the answer."""
    fields: dict[str, Any] = {
        "action_id": "s1",
        "kind": "split",
        "inst": 0,
        "ex_date": DATE,
        "num": 2,
        "den": 1,
    } | terms
    world.tell(e.CorporateActionApplied(terms=Terms(**fields), now=now, reason="notice", operator="ann"))
    return world.runner.engine.reply


def codes(world: LiveWorld) -> list[str]:
    """Latches of AAA."""
    return [latch.code for latch in world.runner.money.latches.held(SYMBOL, "AAA")]


def commands(world: LiveWorld, kind: type) -> list[Any]:
    """What the engine asked for, of one kind."""
    world.runner.flush()
    found = (decode(COMMAND, record.payload) for record in JournalReader(world.directory).records({COMMAND}))
    return [command for command in found if type(command) is kind]


def test_a_split_is_carried_out_when_the_broker_shows_it(tmp_path: Path) -> None:
    """Symbol halted until then; one step changes holdings, lots, targets, reference and mark, no equity; the same id
    again changes nothing, and a restart has it all.
    """
    world = holding(tmp_path)
    money, engine = world.runner.money, world.runner.engine
    equity = money.ledger.equity_nanos(engine.exposure.marks)
    assert give(world)[0]
    assert "waits until the broker's position shows it" in engine.reply[1]
    assert codes(world) == ["SPLIT"]
    world.tell(e.OperatorResumed(level=SYMBOL, scope="AAA", reason="go", operator="ann"))
    assert "quantd corporate withdraw" in engine.reply[1]
    world.quote(0, 9 * NANO + 97 * NANO // 100)
    sync(world, 3, 200)
    assert money.corporate["s1"].state == "done"
    assert money.ledger.holdings[0] == 200 * NANO
    position = money.ledger.positions["reversion", 0]
    assert sum(lot.qty_nanos for lot in position.lots) == 200 * NANO
    assert position.average_px_nanos * 2 == pytest.approx(PX, abs=10 * NANO // 100)
    assert money.ledger.books["reversion"].targets[0] == 200 * NANO
    assert engine.context.previous_close_nanos[0] == 10 * NANO
    assert engine.context.volumes.adv_nanos[0] == 20_000_000 * NANO
    assert codes(world) == []
    assert not money.differences
    assert "RECONCILE" not in [latch.code for latch in money.latches.held()]
    money.ledger.assert_identity()
    assert money.ledger.equity_nanos(engine.exposure.marks) == pytest.approx(equity, abs=NANO)
    assert give(world) == (True, f"s1: AAA split 2:1, ex {DATE}: done (given before; nothing changes)")
    assert money.ledger.holdings[0] == 200 * NANO
    assert give(world, num=3)[0] is False, "an id has one meaning"
    assert len(commands(world, b.SplitBooks)) == 1
    (row,) = corporate_rows(money)
    assert (row["id"], row["terms"], row["state"], row["by"]) == ("s1", "2:1", "done", "ann")
    verified(world)
    again = world.recover().machine.engine
    assert again.context.previous_close_nanos[0] == 10 * NANO
    assert again.context.volumes.adv_nanos[0] == 20_000_000 * NANO
    assert again.money.ledger.holdings[0] == 200 * NANO


def test_what_rests_comes_off_first_and_a_late_fill_counts_in_old_shares(tmp_path: Path) -> None:
    """The schedule ends, its order is cancelled; the split waits for that answer, and for the broker."""
    world = opened(tmp_path)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.tell(e.OrderAcknowledged(order_id=order.order_id, perm_id=77))
    money = world.runner.money
    assert give(world)[0]
    assert f"waits for the end of orders [{order.order_id}]" in world.runner.engine.reply[1]
    assert world.broker.kinds()[-1] == "CancelOrder"
    assert money.orders[order.order_id].state is State.CANCELLING
    assert money.parents[order.parent_id].state is ParentState.CANCELLED
    world.tell(
        e.OrderFilled(order_id=order.order_id, exec_id="9.01", side=1, qty_nanos=40 * NANO, px_nanos=PX, inst=0),
        e.OrderCancelled(order_id=order.order_id, reason=""),
    )
    assert money.ledger.holdings[0] == 40 * NANO
    assert money.corporate["s1"].state == "kept"
    sync(world, 3, 80)
    assert money.ledger.holdings[0] == 80 * NANO
    world.tell(
        e.ExecutionCorrected(order_id=order.order_id, corrects="9.01", exec_id="9.02", qty_nanos=30 * NANO, px_nanos=PX)
    )
    assert money.ledger.holdings[0] == 60 * NANO, "30 old shares"
    money.ledger.assert_identity()
    verified(world)


def test_the_symbols_own_limits_in_shares_are_of_the_new_ones(tmp_path: Path) -> None:
    """Also a change on top of them, as long as it lasts; those of the account stay; borrow, overrides and the measured
    moves of the price are of old shares.
    """
    more = (
        "\n[limits.symbol.AAA]\norder_quantity_max = 1_000\nadv_min = 0\n[limits.symbol.CCC]\nposition_long_max = 900\n"
    )
    world = holding(tmp_path, more=more)
    money, engine = world.runner.money, world.runner.engine
    lower: dict[str, Any] = {
        "scope": "symbol.AAA",
        "name": "order_quantity_max",
        "reason": "for now",
        "operator": "ann",
    }
    world.tell(e.LimitChanged(value="300", until_ns=world.clock.ts_ns + 3_600 * NANO, **lower))
    world.tell(e.ShortableChanged(inst=0, level_milli=3_000, shares_nanos=1_001 * NANO))
    assert engine.reply[0], engine.reply
    assert engine.gate.slice_max_nanos("reversion", 0, 1, world.clock.ts_ns) == 300 * NANO
    give(world, num=1, den=2)
    sync(world, 3, 50)
    assert money.corporate["s1"].state == "done"
    found = {(x.scope, x.name, x.value, x.until_ns > 0) for x in money.limit_changes.changes}
    assert found == {
        ("symbol.AAA", "order_quantity_max", "500", False),
        ("symbol.AAA", "order_quantity_max", "150", True),
    }
    world.quote(0, 40 * NANO)
    assert engine.gate.slice_max_nanos("reversion", 0, 1, world.clock.ts_ns) == 150 * NANO
    assert money.conditions.borrow[0].shares_nanos == 1_001 * NANO // 2
    (told,) = [x for x in commands(world, c.RaiseAlert) if x.code == "SPLIT_APPLIED"]
    assert "order_quantity_max 1000 became 500" in told.text
    assert "account, a class or a strategy stay" in told.text
    verified(world)


def test_a_split_of_a_later_day_begins_with_it(tmp_path: Path) -> None:
    """Flat, it needs no broker; the tables' close of that day is brought to the new shares."""
    world = opened(tmp_path)
    assert give(world, ex_date=20261006, num=1, den=10)[0]
    assert codes(world) == []
    assert "it begins with that trading day" in world.runner.engine.reply[1]
    world.runner.step(e.DayRolled(date=20261006), world.clock.ts_ns)
    assert world.runner.money.corporate["s1"].state == "done"
    assert codes(world) == []
    verified(world)


def test_unexplained_differences_and_nonsense_are_refused(tmp_path: Path) -> None:
    """Nothing is booked where the broker's position is no such split, nor with a ratio that is none."""
    world = holding(tmp_path)
    sync(world, 3, 150)
    assert "no 2:1 split" in give(world)[1]
    assert give(world, num=3, den=2)[0], "150 for 100"
    assert world.runner.money.ledger.holdings[0] == 150 * NANO
    assert give(world, action_id="s2", num=1, den=1)[0] is False
    assert give(world, action_id="s3", kind="withdraw")[0] is False
    assert give(world, action_id="s4", inst=99)[0] is False


def test_a_withdrawn_split_lets_the_symbol_go(tmp_path: Path) -> None:
    """Nothing was changed, so nothing is left."""
    world = holding(tmp_path)
    give(world)
    assert give(world, kind="withdraw") == (True, "s1 withdrawn")
    assert codes(world) == []
    sync(world, 3, 200)
    assert world.runner.money.differences, "now nothing explains it"
    verified(world)


@pytest.mark.parametrize(("shares", "state"), [(100, ACTIVE), (200, HALTED)])
def test_a_price_alone_is_believed_when_the_broker_agrees(tmp_path: Path, shares: int, state: int) -> None:
    """Half the close: with our quantity at the broker a bad day, with twice of it a split, told once with its ratio."""
    world = holding(tmp_path)
    world.quote(0, 10 * NANO)
    world.quote(0, 10 * NANO)
    sync(world, 3, shares)
    world.clock.ts_ns += 2 * NANO
    world.sink.advance()
    money = world.runner.money
    assert money.latches.scope_state(SYMBOL, "AAA") == state
    if state == HALTED:
        (latch,) = money.latches.held(SYMBOL, "AAA")
        assert (latch.code, latch.value) == ("SPLIT_SUSPECTED", "2:1")
        give(world)
        assert codes(world) == []
        assert money.ledger.holdings[0] == 200 * NANO
    verified(world)


def test_flat_a_suspected_split_opens_nothing_until_it_is_dismissed(tmp_path: Path) -> None:
    """The price is all there is: exits only, and a person's resume holds for the day."""
    world = opened(tmp_path)
    world.quote(0, 200 * NANO)
    world.clock.ts_ns += 61 * NANO
    world.sink.advance()
    money = world.runner.money
    assert money.latches.scope_state(SYMBOL, "AAA") == REDUCING
    assert [x.value for x in money.latches.held(SYMBOL, "AAA")] == ["1:10"]
    world.tell(e.OperatorResumed(level=SYMBOL, scope="AAA", reason="it is real", operator="ann"))
    assert world.runner.engine.reply[0], world.runner.engine.reply
    world.clock.ts_ns += 61 * NANO
    world.sink.advance()
    assert codes(world) == []
    assert len(commands(world, b.SuspectSplit)) == 1


def test_a_dividend_is_due_on_the_ex_date_and_paid_when_cash_shows_it(tmp_path: Path) -> None:
    """Equity has it from the ex date on, less what is withheld; cash when the broker's has; never twice."""
    world = holding(tmp_path)
    money = world.runner.money
    terms: dict[str, Any] = {
        "kind": "dividend",
        "per_share_nanos": NANO // 4,
        "currency": "USD",
        "withheld_ppm": 150_000,
    }
    assert "has begun" in give(world, pay_date=20261007, **terms)[1]
    assert give(world, action_id="d1", ex_date=20261006, pay_date=20261007, **terms)[0]
    ledger, marks = money.ledger, world.runner.engine.exposure.marks
    equity, cash = ledger.equity_nanos(marks), ledger.cash["USD"]
    world.runner.step(e.DayRolled(date=20261006), world.clock.ts_ns)
    net = 25 * NANO - 25 * NANO * 15 // 100
    assert ledger.accrued["USD"] == net
    assert ledger.equity_nanos(marks) == equity + net
    assert ledger.cash["USD"] == cash
    world.runner.step(e.DayRolled(date=20261007), world.clock.ts_ns)
    sync(world, 5, 100, paid=net)
    assert money.corporate["d1"].state == "paid"
    assert (ledger.cash["USD"], ledger.accrued["USD"]) == (cash + net, 0)
    assert (ledger.flows["USD", "dividend"], ledger.flows["USD", "withholding"]) == (25 * NANO, net - 25 * NANO)
    assert ledger.books["reversion"].income_nanos == net
    assert not [x for x in commands(world, c.AdjustCash) if x.kind != "deposit"]
    ledger.assert_identity()
    verified(world)


@pytest.mark.parametrize("shares", [100, -100])
def test_a_dividend_that_was_given_wrong_is_withdrawn(tmp_path: Path, shares: int) -> None:
    """While it waits, and when it is due: equity and the book's income are as before. Who is short owes all of it."""
    world = holding(tmp_path)
    money = world.runner.money
    ledger = money.ledger
    ledger.transfer(0, (shares - 100) * NANO, PX, "reversion")
    terms: dict[str, Any] = {
        "kind": "dividend", "per_share_nanos": NANO // 3, "currency": "USD", "withheld_ppm": 150_000,
        "ex_date": 20261006, "pay_date": 20261009,
    }  # fmt: skip
    give(world, action_id="d1", **terms)
    assert give(world, action_id="d1", kind="withdraw") == (True, "d1 withdrawn")
    give(world, action_id="d2", **terms)
    world.runner.step(e.DayRolled(date=20261006), world.clock.ts_ns)
    gross = notional_nanos(NANO // 3, 100 * NANO)
    assert ledger.accrued["USD"] == (gross - share_of(gross, 15, 100) if shares > 0 else -gross)
    assert ledger.books["reversion"].income_nanos == ledger.accrued["USD"]
    assert give(world, action_id="d2", kind="withdraw") == (True, "d2 withdrawn")
    assert (ledger.accrued["USD"], ledger.books["reversion"].income_nanos, ledger.beside_nanos) == (0, 0, 0)
    assert money.corporate["d2"].state == "withdrawn"
    assert "nothing that still waits, it is withdrawn" in give(world, action_id="d2", kind="withdraw")[1]
    ledger.assert_identity()


def test_the_arithmetic_of_splits() -> None:
    """Totals towards zero, parts that add up, ratios from prices."""
    assert split_total(105 * NANO, num=1, den=10) == 10 * NANO
    assert split_total(-105 * NANO, num=1, den=10) == -10 * NANO
    assert split_total(NANO // 2, num=1, den=2) == NANO // 4
    held = (("a", 55 * NANO), ("b", 50 * NANO), ("c", 3 * NANO))
    assert share_out(held, 10 * NANO, num=1, den=10) == (("a", 5 * NANO), ("b", 5 * NANO), ("c", 0))
    assert explains(num=1, den=10, ours_nanos=105 * NANO, theirs_nanos=10 * NANO)
    assert not explains(num=1, den=10, ours_nanos=105 * NANO, theirs_nanos=9 * NANO)
    assert suspected_ratio(40 * NANO, 10 * NANO + NANO // 5) == (4, 1)
    assert suspected_ratio(40 * NANO, 401 * NANO) == (1, 10)
    assert suspected_ratio(40 * NANO, 36 * NANO) is None
    assert suspected_ratio(0, NANO) is None
