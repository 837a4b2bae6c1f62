"""The Knight Capital accident, small: the whole trader on the simulated venue, but the way back of its fills is cut.

What happened (SEC release 34-70694): on 2012-08-01 one of eight routers still held code that had been dead for years. A
reused flag woke it. The counter that told it when a parent order was done had been moved elsewhere long before, so it
never knew: 212 parent orders became more than 4 million executions in 154 stocks and 397 million shares within about 45
minutes, and cost more than 460 million dollars. Nothing compared what left the router with what had been entered.

Here `PowerPeg` is that code: it sends one planned slice after another, marketable, until told otherwise, and never asks
what was filled. The venue fills every one. `Cut` is the missing way back: a fill reaches the trader as the bare end of
an order, so that books, schedule and executor all believe in a quantity of zero.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core.notes import Decision, Refusal
from core.orders import Order
from core.parents import NO_ORDER, Parent
from core.ports import Action, Context, Verdict
from core.records import COMMAND, NOTE
from core.reference import InstrumentReference
from core.units import NANO
from daemon.config import Config, parse_config
from daemon.config.schema import EngineIntervals
from daemon.machine import Machine
from risk.limits import AccountLimits, Limits
from tests.fakes.tape import DATES
from tests.simulation.world import DATE, START_NS, base_config, new_machine, tables

STRATEGY: Final = "alpha"
SHARES: Final = 1_000  # of the one parent order
SLICES: Final = 10
MINUTES: Final = 10  # the longest window is an hour and a latch stays: 45 would show no more
PACE_NS: Final = NANO // 5  # a child each: more than seven a second and parent left Knight's router
CENT: Final = NANO // 100
BID, ASK = 30 * NANO - CENT, 30 * NANO
THROUGH: Final = 5 * CENT  # it pays what it takes
WIDE: Final = 1_000_000
# Everything that could stop it is wide open; a run gives one control its factory value or a tighter one.
OPEN: Final = AccountLimits(
    order_quantity_max=WIDE, order_notional_max=WIDE, order_equity_bp_max=WIDE, position_long_max=WIDE,
    position_equity_bp_max=WIDE, gross_max=4 * 10**9, gross_equity_bp_max=WIDE, net_max=4 * 10**9,
    sector_equity_bp_max=WIDE, sector_unknown_equity_bp_max=WIDE, country_equity_bp_max=WIDE, issuer_equity_bp_max=WIDE,
    cluster_equity_bp_max=WIDE, margin_long_bp=1, margin_short_bp=1, participation_bp_max=WIDE, adv_order_bp_max=WIDE,
    rate_account_orders=1_000, rate_strategy_orders=1_000, rate_symbol_orders=WIDE,
    value_second_max=4 * 10**9, value_minute_max=4 * 10**9, value_hour_max=4 * 10**9,
    quantity_second_max=4 * 10**9, quantity_minute_max=4 * 10**9, quantity_hour_max=4 * 10**9,
    children_slices_bp_max=WIDE, children_extra_max=WIDE, parents_day_max=WIDE, parents_unattended_max=WIDE,
    duplicate_window_seconds="0.000000001", duplicate_refusals_max=WIDE, changes_day_max=WIDE,
    order_trade_ratio_max=WIDE, order_trade_messages_min=WIDE, messages_second_max=1_000,
    deployment_order_notional_max=4 * 10**9, deployment_orders_day_max=WIDE,
    deployment_position_notional_max=4 * 10**9, clock_age_seconds_max=10**9,
)  # fmt: skip


class Insistent:
    """A strategy that wants its thousand shares and nothing else; implements core.ports.Strategy."""

    name = STRATEGY
    instruments = (0,)

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """Always the same."""
        return Verdict(
            decision=Decision(
                strategy=STRATEGY, inst=inst, features=(), score=1.0, target_nanos=SHARES * NANO, bid_px_nanos=BID,
                ask_px_nanos=ASK,
            )
        )  # fmt: skip

    def forget(self, inst: int) -> None:
        """It remembers nothing."""

    def adopt(self) -> None:
        """Nor does it start from anything."""


class PowerPeg:
    """The dead code; implements core.ports.Executor."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.due_ns = 0

    def act(self, parent: Parent, ts_ns: int) -> Action | None:
        """The next slice, whatever became of all those before. It keeps its pace and heeds no back-off."""
        if parent.child != NO_ORDER or not parent.active or parent.paused or ts_ns < self.due_ns:
            return None
        self.due_ns = ts_ns + PACE_NS
        px = self._context.market.get(parent.inst, "ask_px_nanos") + THROUGH
        return Action(
            place=c.OrderIntent(
                order_id=self._context.money.next_order_id, parent_id=parent.parent_id, slice_no=parent.children,
                strategy=parent.strategy, inst=parent.inst, side=parent.side, qty_nanos=parent.qty_nanos // SLICES,
                order_type=c.LMT, limit_px_nanos=px, algo=parent.algo,
            )
        )  # fmt: skip

    def wake_ns(self, parent: Parent, ts_ns: int) -> int:
        """When the pace allows the next one."""
        return self.due_ns if self.due_ns > ts_ns else ts_ns + PACE_NS

    def backoff_ns(self, parent: Parent) -> int:
        """It has no patience."""
        return 1


class Cut:
    """The way back from the venue, without what was filled. Positions still come with a synchronisation."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._filled: dict[int, int] = {}
        self.shares = 0

    def passes(self, event: Any) -> Any:
        """What the trader hears of a fact; None = nothing."""
        if type(event) is e.OrderFilled:
            self.shares += event.qty_nanos // NANO
            done = self._filled[event.order_id] = self._filled.get(event.order_id, 0) + event.qty_nanos
            order: Order = self._machine.engine.money.orders[event.order_id]
            return e.OrderCancelled(order_id=event.order_id) if done >= order.qty_nanos else None
        if isinstance(event, e.ExecutionReported | e.CommissionReported | e.CompletedOrderReported):
            return None
        return event


class Accident:
    """One run: a quote a second, each a cent dearer, the strategy asked with each, the router at its own pace."""

    def __init__(self, limits: AccountLimits, *, reconcile_s: float = 86_400.0) -> None:
        self.machine = _machine(limits, reconcile_s)
        engine = self.engine = self.machine.engine
        stub: Any = Insistent()
        engine.strategies = {STRATEGY: stub}
        engine.traders = ((stub,), ())
        engine.executor = PowerPeg(engine.context)
        self.cut = Cut(self.machine)
        self.refusals: dict[str, int] = {}
        self.alerts: list[str] = []
        self.records: list[tuple[int, int, Any]] = []
        self.second = 0  # how far it is
        self.sent = 0  # shares in orders that left
        for event in (
            e.DayRolled(date=DATE),
            e.TraderStarted(
                epoch=1, mode="replay", ended="new", after_crash="as_latched", guard_fired=False, changed="",
                venue_in_process=True,
            ),
            e.LinkRestored(reason="simulated venue"),
            e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0),
        ):  # fmt: skip
            self.step(event, START_NS)

    def step(self, event: Any, ts_ns: int) -> None:
        """One fact through the engine, and what it decides to the venue."""
        engine = self.engine
        records = engine.step(e.Stamped(seq=engine.seq + 1, ts_ns=ts_ns, event=event))
        self._dispatch(records, ts_ns)

    def _dispatch(self, records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        self.records += records
        for kind, _, message in records:
            if kind == NOTE and isinstance(message, Refusal):
                code = message.failures[0].code
                self.refusals[code] = self.refusals.get(code, 0) + 1
            elif kind == COMMAND and isinstance(message, c.PlaceOrder):
                self.sent += message.order.intent.qty_nanos // NANO
            elif kind == COMMAND and isinstance(message, c.RaiseAlert):
                self.alerts.append(message.code)
        self.machine.dispatch(records, ts_ns)

    def run(self, seconds: int = MINUTES * 60) -> None:
        """Let time pass. Ends early when ten times the order is gone: nothing stops it any more."""
        for _ in range(seconds):
            second = self.second = self.second + 1
            ts_ns = START_NS + second * NANO
            self._until(ts_ns)
            bid, ask = BID + second * CENT, ASK + second * CENT
            quote = e.QuoteChanged(
                inst=0, bid_px_nanos=bid, ask_px_nanos=ask, bid_qty_nanos=WIDE * NANO, ask_qty_nanos=WIDE * NANO,
                exchange_ts_ns=ts_ns,
            )  # fmt: skip
            self.step(quote, ts_ns)
            engine = self.engine
            self._dispatch(list(engine.wake(engine.seq + 1, ts_ns, 0)), ts_ns)
            if self.sent > 10 * SHARES:
                return

    def hears(self, event: Any) -> Any:
        """What the trader hears of a fact of the venue."""
        return self.cut.passes(event)

    def _until(self, ts_ns: int) -> None:
        while (found := self.machine.next_fact(ts_ns)) is not None:
            at_ns, event = found
            heard = self.hears(event)
            if heard is not None:
                self.step(heard, at_ns)


def _machine(limits: AccountLimits, reconcile_s: float) -> Machine:
    base = base_config()
    config: Config = parse_config(_CONFIG, file="knight", folder=Path.cwd())
    config = msgspec.structs.replace(
        config,
        instruments=base.instruments,
        limits=Limits(account=limits),
        engine=EngineIntervals(reconcile_s=reconcile_s, ack_timeout_s=600.0),
    )
    known = tables()
    slow = tuple(
        InstrumentReference(inst=inst, effective_from=date, adv_nanos=10**7 * NANO, previous_close_nanos=ASK)
        for inst in range(2)
        for date in DATES
    )
    return new_machine(config, reference=msgspec.structs.replace(known, slow=slow))


_CONFIG: Final = f"""
[account]
id = "DU0000001"
tag = "kcg"
start_cash = 1_000_000_000
[feed]
kind = "synthetic"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[strategies.{STRATEGY}]
kind = "meanrev"
symbols = ["AAA"]
params = {{ position_shares = {SHARES} }}
execution = {{ algo = "twap", params = {{ duration_s = 2_000, slices = {SLICES} }} }}
"""
