"""Turns an execution into account truth and facts, and later into a correction or bust if the fault plan says so.
Knows no book and no matching.
"""

from broker.sim.account import Account
from broker.sim.agenda import CORRECT, Agenda, Correction
from broker.sim.book import SimOrder
from broker.sim.chance import CORRECTION_SIGN, FAULT_BUST, FAULT_CORRECTION, Chance
from broker.sim.config import VenueConfig
from broker.sim.outbox import Outbox
from core.errors import Bug
from core.events import CommissionReported, ExecutionCorrected, OrderFilled


class Settlement:
    """Books executions of one account. Raises Bug if an order would execute more than its quantity."""

    __slots__ = ("_account", "_agenda", "_chance", "_config", "_outbox")

    def __init__(self, account: Account, agenda: Agenda, chance: Chance, config: VenueConfig, outbox: Outbox) -> None:
        self._account = account
        self._agenda = agenda
        self._chance = chance
        self._config = config
        self._outbox = outbox

    def execute(
        self,
        order: SimOrder,
        *,
        qty_nanos: int,
        px_nanos: int,
        tick: int,
        ts_ns: int,
        date: int,
        liquidity: int,
        later_ns: int = 0,
    ) -> None:
        """Execute part of an order now; the fact is delivered `later_ns` later than usual."""
        if not 0 < qty_nanos <= order.remaining_nanos:
            raise Bug(f"venue fills {qty_nanos} of order {order.perm_id}, which has {order.remaining_nanos} left")
        order.executions += 1
        order.filled_nanos += qty_nanos
        # A foreign order shows its perm id: far above any order id, so exec ids stay unique.
        exec_id = f"{self._config.exec_prefix}.{order.order_id or order.perm_id:08x}.{order.executions:02x}.01"
        booked = self._account.book(
            order, exec_id=exec_id, qty_nanos=qty_nanos, px_nanos=px_nanos, ts_ns=ts_ns, date=date, liquidity=liquidity
        )  # fmt: skip
        fill = OrderFilled(
            order_id=order.order_id,
            exec_id=exec_id,
            side=order.side,
            qty_nanos=qty_nanos,
            px_nanos=px_nanos,
            inst=order.inst,
            perm_id=order.perm_id,
            order_ref=order.order_ref,
            exchange_ts_ns=ts_ns,
            liquidity=liquidity,
        )
        currency = self._account.currency(order.inst)
        cost = CommissionReported(exec_id=exec_id, commission_nanos=booked.commission_nanos, currency=currency)
        self._outbox.fill(order, fill, cost, ts_ns, later_ns=later_ns)
        self._plan_correction(order, exec_id, qty_nanos, px_nanos, tick, ts_ns)

    def correct(self, order: SimOrder, correction: Correction, ts_ns: int) -> None:
        """Carry out a planned correction; nothing happens if the execution is no longer of today."""
        old = correction.exec_id
        head, _, last = old.rpartition(".")
        new = f"{head}.{int(last) + 1:02d}"
        before = self._account.state.executions.get(old)
        if before is None:
            return
        order.busted_nanos += before.qty_nanos - correction.qty_nanos
        self._account.correct(
            old, new_exec_id=new, qty_nanos=correction.qty_nanos, px_nanos=correction.px_nanos, ts_ns=ts_ns
        )
        fact = ExecutionCorrected(
            order_id=order.order_id,
            exec_id=new,
            corrects=old,
            qty_nanos=correction.qty_nanos,
            px_nanos=correction.px_nanos,
        )
        self._outbox.order_fact(order, fact, ts_ns)

    def _plan_correction(
        self, order: SimOrder, exec_id: str, qty_nanos: int, px_nanos: int, tick: int, ts_ns: int
    ) -> None:
        plan, number = self._config.faults, order.executions
        due_ns = ts_ns + plan.correction_delay_ns
        if self._chance.hits(plan.bust_ppm, order.key, FAULT_BUST, number):
            gone = Correction(exec_id=exec_id, qty_nanos=0, px_nanos=px_nanos)
            self._agenda.push(due_ns, CORRECT, order.perm_id, gone)
        elif self._chance.hits(plan.correction_ppm, order.key, FAULT_CORRECTION, number):
            up = self._chance.draw(order.key, CORRECTION_SIGN, number) & 1
            moved = px_nanos + tick if up or px_nanos <= tick else px_nanos - tick
            self._agenda.push(
                due_ns, CORRECT, order.perm_id, Correction(exec_id=exec_id, qty_nanos=qty_nanos, px_nanos=moved)
            )  # fmt: skip
