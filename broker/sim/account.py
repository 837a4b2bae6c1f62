"""Broker-side truth: positions, cash and the executions behind them, exact to the nano. Moves by executions,
corrections and commissions only; knows no latency, link or fault, so what a sync reads here is what happened.
"""

import msgspec

from broker.sim.book import SimOrder
from broker.sim.config import VenueConfig
from core.errors import Bug
from core.fees import REMOVED, FeeTable
from core.instruments import Instrument
from core.units import NANO, div_half_even, notional_nanos, share_of


class Execution(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """One execution as it stands; quantity 0 = taken back. A correction changes `exec_id`, price and quantity."""

    exec_id: str
    perm_id: int
    order_id: int
    order_ref: str
    inst: int
    side: int
    qty_nanos: int
    px_nanos: int
    ts_ns: int
    date: int
    commission_nanos: int
    changed_ns: int = 0  # made or corrected
    realised_nanos: int = 0  # what it closed at a profit or loss, without commission; 0 if it only opened
    closes: bool = False  # it reduced a position


class Position(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """Signed quantity and signed cost (without commissions) of one instrument."""

    qty_nanos: int = 0
    cost_nanos: int = 0

    @property
    def average_cost_nanos(self) -> int:
        """Price at which the position stands, half-even; 0 when flat."""
        return div_half_even(self.cost_nanos * NANO, self.qty_nanos) if self.qty_nanos else 0


class AccountState(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """What a snapshot keeps."""

    cash_nanos: dict[str, int]
    positions: dict[int, Position]
    executions: dict[str, Execution]
    month: int = 0  # yyyymm
    month_qty_nanos: int = 0  # traded in it, for a plan with monthly tiers; what is taken back stays counted


class Account:
    """One account. Executions of earlier days are forgotten, their effect on cash and positions is not."""

    __slots__ = ("_fees", "_instruments", "state")

    def __init__(self, instruments: tuple[Instrument, ...], fees: FeeTable, state: AccountState) -> None:
        self._instruments = instruments
        self._fees = fees
        self.state = state

    def book(
        self,
        order: SimOrder,
        *,
        exec_id: str,
        qty_nanos: int,
        px_nanos: int,
        ts_ns: int,
        date: int,
        liquidity: int = REMOVED,
    ) -> Execution:
        """Enter an execution of an order with its commission; returns it."""
        if exec_id in self.state.executions:
            raise Bug(f"execution id {exec_id} is given twice")
        commission = self._charge(order, qty_nanos=qty_nanos, px_nanos=px_nanos, date=date, liquidity=liquidity)
        execution = Execution(
            exec_id=exec_id,
            perm_id=order.perm_id,
            order_id=order.order_id,
            order_ref=order.order_ref,
            inst=order.inst,
            side=order.side,
            qty_nanos=qty_nanos,
            px_nanos=px_nanos,
            ts_ns=ts_ns,
            date=date,
            commission_nanos=commission,
            changed_ns=ts_ns,
        )
        self.state.executions[exec_id] = execution
        held = self.state.positions.get(order.inst)
        execution.closes = held is not None and held.qty_nanos * order.side < 0
        execution.realised_nanos = self._move(execution.inst, execution.side * qty_nanos, px_nanos)
        self.state.cash_nanos[self.currency(order.inst)] -= commission
        return execution

    def correct(self, exec_id: str, *, new_exec_id: str, qty_nanos: int, px_nanos: int, ts_ns: int) -> Execution | None:
        """Replace an execution's price and quantity; None if it is no longer known. The commission stays."""
        execution = self.state.executions.pop(exec_id, None)
        if execution is None:
            return None
        undone = self._move(execution.inst, -execution.side * execution.qty_nanos, execution.px_nanos)
        execution.exec_id, execution.qty_nanos, execution.px_nanos = new_exec_id, qty_nanos, px_nanos
        execution.changed_ns = ts_ns
        self.state.executions[new_exec_id] = execution
        execution.realised_nanos += undone + self._move(execution.inst, execution.side * qty_nanos, px_nanos)
        return execution

    def forget(self, before_date: int) -> None:
        """Drop executions of earlier days."""
        gone = [execution.exec_id for execution in self.state.executions.values() if execution.date < before_date]
        for exec_id in gone:
            del self.state.executions[exec_id]

    def estimate_nanos(self, inst: int, *, side: int, qty_nanos: int, px_nanos: int, date: int) -> int:
        """What an order of its own would cost if it traded at once at one price."""
        return self._fees.commission_nanos(
            date=date,
            side=side,
            qty_nanos=qty_nanos,
            px_nanos=px_nanos,
            month_before_nanos=self._month_before_nanos(date),
            venue=self._instruments[inst].primary_exchange,
        ).total_nanos

    def currency(self, inst: int) -> str:
        """What an instrument is paid in."""
        return self._instruments[inst].currency

    def _month_before_nanos(self, date: int) -> int:
        return self.state.month_qty_nanos if self.state.month == date // 100 else 0

    def _charge(self, order: SimOrder, *, qty_nanos: int, px_nanos: int, date: int, liquidity: int) -> int:
        if order.fee_date != date:  # an order that lives overnight is a new one to the minimum per order
            order.fee_date = date
            order.fee_qty_nanos = order.fee_value_nanos = order.fee_charged_nanos = order.fee_rated = 0
        month_before = self._month_before_nanos(date)
        cost = self._fees.commission_nanos(
            date=date,
            side=order.side,
            qty_nanos=qty_nanos,
            px_nanos=px_nanos,
            order_qty_before_nanos=order.fee_qty_nanos,
            order_value_before_nanos=order.fee_value_nanos,
            order_charged_nanos=order.fee_charged_nanos,
            order_rated_before=order.fee_rated,
            month_before_nanos=month_before,
            liquidity=liquidity,
            venue=self._instruments[order.inst].primary_exchange,  # the simulated venue is the one of the listing
        )
        self.state.month, self.state.month_qty_nanos = date // 100, month_before + qty_nanos
        order.fee_qty_nanos += qty_nanos
        order.fee_value_nanos += notional_nanos(px_nanos, qty_nanos)
        order.fee_charged_nanos += cost.per_order_nanos
        order.fee_rated += cost.rated
        return cost.total_nanos

    def _move(self, inst: int, change_nanos: int, px_nanos: int) -> int:
        """Change a position at a price and pay for it; returns what that realised (change of cost less payment)."""
        if not change_nanos:
            return 0
        paid = notional_nanos(px_nanos, change_nanos)
        self.state.cash_nanos[self.currency(inst)] -= paid
        held = self.state.positions.setdefault(inst, Position())
        before, after, cost_before = held.qty_nanos, held.qty_nanos + change_nanos, held.cost_nanos
        if before == 0 or (before > 0) == (change_nanos > 0):
            held.cost_nanos += paid
        elif after == 0 or (after > 0) == (before > 0):
            held.cost_nanos -= share_of(held.cost_nanos, -change_nanos, before)
        else:  # through zero: what is left was bought or sold now
            held.cost_nanos = notional_nanos(px_nanos, after)
        held.qty_nanos = after
        return held.cost_nanos - cost_before - paid


def opening_state(config: VenueConfig, instruments: tuple[Instrument, ...]) -> AccountState:
    """The account a run begins with."""
    cash = dict.fromkeys((instrument.currency for instrument in instruments), 0)
    cash[config.currency] = config.cash_nanos
    positions = {
        inst: Position(qty_nanos=qty, cost_nanos=notional_nanos(average_cost, qty))
        for inst, qty, average_cost in config.positions
    }
    return AccountState(cash_nanos=cash, positions=positions, executions={})
