"""Limit changes and overrides (controls 39 and 40): who may ask, what is in force, and that it ends by itself."""

from types import SimpleNamespace
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core.commands import ApprovedOrder
from core.engine import limits as rules
from core.engine.trading import EngineSettings
from core.errors import ConfigError
from core.latches import ACCOUNT as ACCOUNT_LEVEL
from core.limit_changes import NEVER_NS, LimitChanges
from core.money.snapshot import dump, load
from core.notes import Refusal
from core.units import NANO
from risk.gate import Gate
from risk.in_force import LimitsInForce, own_value, rows_of
from risk.limit_rows import ROWS
from risk.limits import AccountLimits, ClassLimits, Limits, OrderLimits, StrategyLimits, looser, text_of, whole
from risk.overrides import OVERRIDABLE
from tests.fakes.context import ACCOUNT, NOON, SECOND, TAG, World, build_context

MINUTE = 60 * SECOND
ANN = {"reason": "block trade", "operator": "ann", "authority": "signed:k1"}


class Desk:
    """The engine's handlers over a world: what they emit is folded, what they say is kept."""

    def __init__(self, limits: Limits | None = None, *, persons: int = 1) -> None:
        self.world: World = build_context(limits=limits)
        self.gate = Gate(self.world.context, limits or Limits(), ACCOUNT, TAG)
        self.alerts: list[str] = []
        self.engine: Any = SimpleNamespace(
            gate=self.gate,
            money=self.world.money,
            emit=self._emit,
            alert=lambda code, severity, text: self.alerts.append(code),
            symbols=("S0", "S1"),
            settings=EngineSettings(persons=persons),
            second="",
            strategies={},
            live_orders={},
            reply=(True, ""),
            context=self.world.context,
            pipeline=SimpleNamespace(session=lambda *a: None),
            market=self.world.context.market,
        )

    def _emit(self, command: Any) -> None:
        self.world.command(command)
        self.world.money.seq += 1

    def set(self, name: str, value: str, *, scope: str = "account", minutes: float = 0, **changes: Any) -> str:
        """Ask for a change; "" = done, else the refusal."""
        self.engine.ts_ns = self.world.ts_ns
        until = self.world.ts_ns + round(minutes * MINUTE) if minutes else 0
        fields: dict[str, Any] = {"scope": scope, "name": name, "value": value, "until_ns": until} | ANN | changes
        self.engine.reply, self.engine.second = (True, "done"), ""
        rules.on_limit_changed(self.engine, e.LimitChanged(**fields))
        ok, text = self.engine.reply
        return "" if ok else text

    def grant(self, control: int, *, shares: int = 100, minutes: float = 5, **changes: Any) -> str:
        """Ask for an override of strategy alpha in S0; "" = granted, else the refusal."""
        self.engine.ts_ns = self.world.ts_ns
        until = self.world.ts_ns + round(minutes * 60 * SECOND)
        fields: dict[str, Any] = {"control": control, "strategy": "alpha", "inst": 0, "side": 1, "px_nanos": 0}
        fields |= {"qty_nanos": shares * NANO, "until_ns": until} | ANN | changes
        rules.on_override_granted(self.engine, e.OverrideGranted(**fields))
        ok, text = self.engine.reply
        return "" if ok else text

    def pass_time(self, ns: int) -> None:
        """Time passes; what is due ends."""
        self.world.ts_ns += ns
        self.engine.ts_ns = self.world.ts_ns
        self.world.event(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0))
        self.world.quote(0, 100 * NANO - NANO // 100, 100 * NANO + NANO // 100)
        if self.world.money.limit_changes.until_ns <= self.world.ts_ns:
            rules.end_due(self.engine)

    def largest(self, gate: Gate | None = None) -> int:
        """The largest order in shares that passes control 1 now."""
        most = 0
        for shares in (10, 20, 50, 80, 100, 150, 200):
            verdict = (gate or self.gate).approve(self.world.intent(qty_nanos=shares * NANO), self.world.ts_ns, 1)
            most = shares if isinstance(verdict, ApprovedOrder) else most
        return most


HUNDRED = Limits(account=AccountLimits(order_quantity_max=100), ceiling=AccountLimits(order_quantity_max=150))


def test_a_raise_binds_at_once_and_ends_by_itself() -> None:
    """The next order sees it; at its end the config's value is back, told by an alert."""
    desk = Desk(HUNDRED)
    assert desk.largest() == 100
    assert desk.set("order_quantity_max", "150", minutes=2) == ""
    assert desk.largest() == 150
    desk.pass_time(2 * MINUTE - 1)
    assert desk.largest() == 150
    desk.pass_time(1)
    assert desk.largest() == 100
    assert desk.alerts == ["LIMIT_CHANGED", "LIMIT_REVERTED"]
    assert desk.world.money.limit_changes.until_ns == NEVER_NS


def test_a_raise_of_the_account_takes_two_persons() -> None:
    """The same value for the same time; of a class too, of a strategy or symbol one. A tightening takes one."""
    desk = Desk(HUNDRED, persons=2)
    raised: dict[str, Any] = {"name": "order_quantity_max", "value": "150", "until_ns": 0, "lasts_ns": MINUTE}
    assert desk.set(**raised) == ""
    assert "waiting for a second person" in desk.engine.reply[1]
    assert "another operator" in desk.set(**raised)
    assert desk.largest() == 100
    bob = {"operator": "bob", "authority": "signed:k2"}
    assert desk.set(**raised | bob | {"lasts_ns": 2 * MINUTE}) == "", "another time is another request"
    assert desk.largest() == 100
    assert desk.set(**raised | bob) == ""
    (change,) = desk.world.money.limit_changes.changes
    assert (desk.largest(), change.by, change.second, change.raises) == (150, "bob", "ann", True)
    for scope, waits in (("class.stock", True), ("strategy.alpha", False), ("symbol.S0", False)):
        assert desk.set("order_quantity_max", "120", scope=scope, authority="peer") == ""
        assert desk.set(scope=scope, **raised | {"value": "130"}) == ""
        assert ("waiting for a second person" in desk.engine.reply[1]) is waits, scope
    assert desk.set("order_quantity_max", "", scope="class.stock") == ""
    assert "waiting" in desk.engine.reply[1], "taking a tightening back is a raise"
    assert desk.set("order_quantity_max", "90", authority="peer") == ""
    assert desk.largest() == 80


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": "150"}, "give --until"),
        ({"value": "150", "minutes": 1441}, "a day at most"),
        ({"value": "150", "minutes": -1}, "in the past"),
        ({"value": "150", "minutes": 1, "authority": ""}, "needs a proof"),
        ({"value": "150", "minutes": 1, "authority": "peer"}, "needs a proof"),
        ({"value": "151", "minutes": 1}, "above the ceiling of 150"),
        ({"value": "many", "minutes": 1}, "not a number"),
        ({"value": "0", "minutes": 1}, "more than 0"),
        ({"value": "1" * 33, "minutes": 1}, "no value"),
        ({"value": "", "minutes": 1}, "no change is in force"),
        ({"name": "order_size", "value": "1"}, "is unknown"),
        ({"name": "gross_max", "value": "1", "scope": "symbol.S0"}, "no limit of this scope"),
        ({"name": "net_max", "value": "1", "scope": "strategy.alpha"}, "no limit of this scope"),
        ({"value": "1", "scope": "symbol.GME"}, "no such scope"),
        ({"value": "1", "scope": "strategy.gamma"}, "no such scope"),
        ({"value": "1", "scope": "class.option"}, "no such scope"),
        ({"value": "1", "scope": "nowhere"}, "no such scope"),
        ({"name": "day_loss_soft_bp", "value": "201", "minutes": 1}, "above day_loss_hard_bp"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_change_may_not_be(changes: dict[str, Any], said: str) -> None:
    """Each refusal names what is wrong, and changes nothing."""
    desk = Desk(HUNDRED)
    refusal = desk.set(**({"name": "order_quantity_max"} | changes))
    assert said in refusal
    assert not desk.world.money.limit_changes.changes
    assert desk.largest() == 100


def test_a_tightening_needs_neither_proof_nor_end() -> None:
    """Also at a scope the config is silent about; taking it back lets more pass, so that needs a proof."""
    desk = Desk(HUNDRED)
    assert desk.set("order_quantity_max", "50", authority="peer") == ""
    assert desk.set("order_quantity_max", "20", scope="symbol.S0", authority="peer") == ""
    assert desk.largest() == 20
    assert "needs a proof" in desk.set("order_quantity_max", "", scope="symbol.S0", authority="peer")
    assert "needs a proof" in desk.set("order_quantity_max", "50", scope="symbol.S0", authority="peer", minutes=1)
    assert desk.set("order_quantity_max", "", scope="symbol.S0") == ""
    assert desk.largest() == 50


def test_what_lies_below_comes_back() -> None:
    """A raise above an open-ended tightening ends at the tightening, not at the config; a tightening above a raise
    outlives it.
    """
    desk = Desk(HUNDRED)
    desk.set("order_quantity_max", "50")
    assert desk.set("order_quantity_max", "80", minutes=1) == ""
    assert desk.largest() == 80
    desk.pass_time(MINUTE)
    assert desk.largest() == 50
    desk.set("order_quantity_max", "150", minutes=1)
    desk.set("order_quantity_max", "20", minutes=2, authority="peer")
    assert len(desk.world.money.limit_changes.changes) == 2  # the raise would have ended first: forgotten
    desk.pass_time(MINUTE)
    assert desk.largest() == 20
    desk.pass_time(MINUTE)
    assert desk.largest() == 50


def test_restart_and_snapshot_keep_the_change_and_its_end() -> None:
    """A gate built over restored money state has the same limits, and the same deadline."""
    desk = Desk(HUNDRED)
    desk.set("order_quantity_max", "150", minutes=1)
    desk.set("rate_account_orders", "3", authority="peer")
    desk.grant(1)
    money = load(desk.world.money.settings, dump(desk.world.money))
    assert dump(money) == dump(desk.world.money)
    assert money.limit_changes.until_ns == desk.world.money.limit_changes.until_ns == NOON + MINUTE
    desk.world.context.money = desk.world.money = money
    assert desk.largest(Gate(desk.world.context, HUNDRED, ACCOUNT, TAG)) == 150


def test_the_fold_counts_by_the_rate_in_force() -> None:
    """Two orders a second: the third waits half a second more, as the gate says and the fold counts."""
    desk = Desk()
    desk.set("rate_strategy_orders", "2", authority="peer")
    assert desk.world.money.settings.rate_strategy.interval_ns == SECOND // 2
    for number in range(3):
        intent = desk.world.intent(qty_nanos=(number + 1) * NANO)
        verdict = desk.gate.approve(intent, desk.world.ts_ns, number + 1)
        assert isinstance(verdict, ApprovedOrder) is (number < 2)
        if isinstance(verdict, ApprovedOrder):
            desk.world.cancel(desk.world.place(verdict))
    desk.set("rate_strategy_orders", "")
    assert desk.world.money.settings.rate_strategy.interval_ns == SECOND // 5


def test_a_change_that_no_longer_fits_denies_entries_and_halts() -> None:
    """Another config, a lower ceiling: nobody can say what the limits are, so nothing is added."""
    desk = Desk(HUNDRED)
    desk.set("order_quantity_max", "150", minutes=1)
    lower = Limits(account=AccountLimits(order_quantity_max=100), ceiling=AccountLimits(order_quantity_max=120))
    desk.engine.gate = gate = Gate(desk.world.context, lower, ACCOUNT, TAG)
    verdict = gate.approve(desk.world.intent(qty_nanos=NANO), NOON, 1)
    assert isinstance(verdict, Refusal)
    assert [failure.code for failure in verdict.failures] == ["FAIL_CLOSED"]
    assert "above the ceiling of 120" in verdict.failures[0].value
    rules.check_store(desk.engine)
    (latch,) = desk.world.money.latches.held(ACCOUNT_LEVEL, "")
    assert latch.code == "LIMIT_STORE"
    assert desk.set("order_quantity_max", "") == ""
    assert gate.limit_fault == ""


def test_the_ceiling_holds_at_load() -> None:
    """For every scope, in the direction of the row, factory values included."""
    for limits, said in (
        (Limits(ceiling=AccountLimits(order_quantity_max=9_999)), "limits.account.order_quantity_max: 10000 is above"),
        (
            Limits(symbol={"S0": OrderLimits(collar_bp=301)}, ceiling=AccountLimits(collar_bp=300)),
            "limits.symbol.S0.collar_bp: 301 is above",
        ),
        (
            Limits(klass=ClassLimits(etf=OrderLimits(spread_bp_max=600)), ceiling=AccountLimits(spread_bp_max=500)),
            "limits.class.etf.spread_bp_max: 600 is above",
        ),
        (
            Limits(
                strategy={"alpha": StrategyLimits(jump_quiet_seconds=1)}, ceiling=AccountLimits(jump_quiet_seconds=5)
            ),
            "limits.strategy.alpha.jump_quiet_seconds: 1 is below",
        ),
        (Limits(ceiling=AccountLimits(resume_sync_age_seconds_max=60)), "resume_sync_age_seconds_max: 0 is above"),
    ):
        with pytest.raises(ConfigError, match=said):
            LimitsInForce(build_context().context, limits)


def test_every_row_can_be_written_back() -> None:
    """What is recorded of a change reads as the same number again, and looser is a strict order."""
    for row in ROWS.values():
        number = whole(row, row.factory, row.name)
        text = text_of(row, number)
        assert whole(row, text == "true" if row.unit == "true or false" else text, row.name) == number
        assert not looser(row, number, number)
        assert looser(row, number, number + 1) is not looser(row, number + 1, number)
        assert own_value(Limits(), "account", row) == number
    assert ROWS["jump_quiet_seconds"] in rows_of("symbol.S0")


def test_an_override_lets_one_order_fail_one_control_once() -> None:
    """The order that used it up names it; the same order again is refused."""
    desk = Desk(HUNDRED)
    assert desk.largest() == 100
    assert desk.grant(1, shares=150) == ""
    verdict = desk.gate.approve(desk.world.intent(qty_nanos=150 * NANO), NOON, 1)
    assert isinstance(verdict, ApprovedOrder)
    assert verdict.override == desk.world.money.limit_changes.overrides[0].override_id
    desk.world.cancel(desk.world.place(verdict))
    assert not desk.world.money.limit_changes.overrides
    assert isinstance(desk.gate.approve(desk.world.intent(qty_nanos=150 * NANO), NOON, 1), Refusal)


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"strategy": "beta"}, {}),
        ({"inst": 1}, {}),
        ({"side": -1}, {}),
        ({"qty_nanos": 151 * NANO}, {}),
        ({"limit_px_nanos": 100 * NANO}, {"px_nanos": 100 * NANO - NANO // 100}),
        ({"order_type": c.MKT}, {"px_nanos": 200 * NANO}),
        ({}, {"until_ns": NOON + 1}),
        ({"limit_px_nanos": 104 * NANO}, {}),
    ],
    ids=["strategy", "symbol", "side", "more", "worse price", "no price", "too late", "fails another control too"],
)
def test_what_an_override_does_not_cover(changes: dict[str, Any], more: dict[str, Any]) -> None:
    """Any other order than the one that was asked for is refused as ever."""
    desk = Desk(HUNDRED)
    assert desk.grant(1, shares=150, **more) == ""
    desk.world.ts_ns = NOON + 1 if "until_ns" in more else NOON
    intent = desk.world.intent(**({"qty_nanos": 150 * NANO} | changes))
    assert isinstance(desk.gate.approve(intent, desk.world.ts_ns, 1), Refusal)


def test_what_an_override_may_not_be() -> None:
    """Too long, unproven, unsized, or of a control that is no business decision; nine at once are too many."""
    desk = Desk()
    assert "5 minutes at most" in desk.grant(1, minutes=5.01)
    assert "5 minutes at most" in desk.grant(1, minutes=0)
    assert "needs a proof" in desk.grant(1, authority="peer")
    assert "quantity" in desk.grant(1, shares=0)
    for control in range(1, 49):
        assert ("may not be overridden" in desk.grant(control, shares=0 if control in OVERRIDABLE else 1)) is (
            control not in OVERRIDABLE
        )
    for _ in range(8):
        assert desk.grant(5) == ""
    assert "8 overrides are open" in desk.grant(5)
    desk.pass_time(300 * SECOND)
    assert not desk.world.money.limit_changes.overrides
    assert desk.alerts[-1] == "OVERRIDE_ENDED"


def test_a_forgotten_change_never_comes_back() -> None:
    """Two open-ended changes of one limit leave one; other scopes and names are not touched."""
    changes = LimitChanges()
    assert changes.until_ns == NEVER_NS
    desk = Desk()
    for value in ("50", "40"):
        desk.set("order_quantity_max", value)
        desk.set("order_quantity_max", value, scope="class.stock")
    found = desk.world.money.limit_changes
    assert [(x.scope, x.value, x.old) for x in found.changes] == [
        ("account", "40", "50"), ("class.stock", "40", "50"),
    ]  # fmt: skip
    assert found.version == 4
