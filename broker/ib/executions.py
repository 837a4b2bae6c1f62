"""Executions and their cost: each is told once, a correction as a correction, and those that a status has promised are
waited for. An execution of a contract we do not trade is no business of the books here: positions show it.
"""

from collections.abc import Callable
from typing import Final

from broker.ib.book import FOREIGN, Book, Own
from broker.ib.seam import Shell
from broker.ib.translate import SIDES, currency_of, execution_time_ns, integer_of, name_of, nanos_of, version_of
from core import events as e

EXECUTIONS_LATE_NS: Final = 3_000_000_000  # a status may be ahead of its execution by this much
LOOK_UP_NS: Final = 30_000_000_000  # and another look-up comes after this much
COMMISSIONS_HELD_MAX: Final = 4_096  # commission reports whose execution has not come
UNLISTED: Final = -1  # a contract we do not trade


class Executions:
    """Of one account."""

    def __init__(self, shell: Shell, book: Book, *, account: str, inst_of: Callable[[int], int]) -> None:
        self._shell = shell
        self._book = book
        self._account = account
        self._inst_of = inst_of
        self._held_commissions: dict[str, e.CommissionReported] = {}
        self._charged: dict[str, None] = {}  # executions whose commission was told
        self._short: dict[int, Own] = {}  # orders whose executions lag behind their status
        self.taken = 0  # executions received outside synchronisations: a snapshot of positions may lack them

    def take(self, raw: list[bytes], *, sync_id: int = 0) -> None:
        """One execDetails as its raw fields; with `sync_id` as part of a synchronisation."""
        text = [field.decode(errors="replace") for field in raw]
        if text[16] != self._account:
            return
        inst = self._inst_of(integer_of(text[3]))
        if inst == UNLISTED:
            self._shell.log("execution_unlisted", con_id=text[3], exec_id=text[14])
            return
        wire_id, client_id = integer_of(text[2]), integer_of(text[22])
        if client_id == self._book.client_id and self._book.saw_id(wire_id):
            self._shell.fact(e.OrderIdsSeen(order_id_next=self._book.order_id_next))
        side, qty = SIDES[text[18]], nanos_of(text[19])
        stem, version = version_of(name_of(text[14]))
        known = self._book.told_version(stem)
        own = self._book.find(perm_id=integer_of(text[21]), ref=name_of(text[26]), client_id=client_id, wire_id=wire_id)
        # A repeat of what was told may be of an order that ended long ago: the lists of both books are shorter than a
        # busy day, and a synchronisation tells all of it.
        if own is None and (version > known or not version):
            own = self._met(integer_of(text[21]), name_of(text[26]), client_id, wire_id, inst, side)
        told = e.OrderFilled(
            order_id=FOREIGN if own is None else own.order_id,
            exec_id=name_of(text[14]),
            side=side,
            qty_nanos=qty,
            px_nanos=nanos_of(text[20]),
            inst=inst,
            perm_id=integer_of(text[21]),
            order_ref=name_of(text[26]),
            exchange_ts_ns=execution_time_ns(text[15]),
            liquidity=integer_of(text[30]),
        )
        self._tell(told, stem, version, known, sync_id)
        self.taken += not sync_id
        if version > known:
            self._book.tell_version(stem, version)
            if own is not None and not known:
                self._count(own, qty, nanos_of(text[24]))
        self._release_commission(told.exec_id)

    def _tell(self, told: e.OrderFilled, stem: str, version: int, known: int, sync_id: int) -> None:
        """As what it is: part of a synchronisation, a repeat (told to nobody), a correction, or a fill."""
        if sync_id:
            self._shell.fact(
                e.ExecutionReported(
                    sync_id=sync_id,
                    order_id=told.order_id,
                    exec_id=told.exec_id,
                    side=told.side,
                    qty_nanos=told.qty_nanos,
                    px_nanos=told.px_nanos,
                    inst=told.inst,
                    perm_id=told.perm_id,
                    order_ref=told.order_ref,
                )
            )
        elif not known or not version:
            self._shell.fact(told)  # the books know a correction whose original they have, and a repeat
        elif version <= known:
            self._shell.log("execution_again", exec_id=told.exec_id)
        else:
            self._shell.fact(
                e.ExecutionCorrected(
                    order_id=told.order_id,
                    exec_id=told.exec_id,
                    corrects=f"{stem}.{known:0{len(told.exec_id) - len(stem) - 1}d}",
                    qty_nanos=told.qty_nanos,
                    px_nanos=told.px_nanos,
                )
            )

    def _met(self, perm_id: int, ref: str, client_id: int, wire_id: int, inst: int, side: int) -> Own | None:
        """The order of an execution that is news, where none of ours is known; None = not ours."""
        if not self._book.is_ours(ref):
            return None
        own = self._book.meet(
            perm_id=perm_id, ref=ref, client_id=client_id, wire_id=wire_id, inst=inst, side=side, qty_nanos=0
        )  # fmt: skip
        self._shell.fault(f"execution of order {ref} (permId {perm_id}), which is not in the books")
        return own

    def _count(self, own: Own, qty_nanos: int, cumulative_nanos: int) -> None:
        own.executed_nanos += qty_nanos
        own.acked = True
        own.filled_nanos = max(own.filled_nanos, cumulative_nanos)
        if own.executed_nanos > own.filled_nanos:
            self._shell.doubt(f"order {own.order_id}: executions add up to more than the broker says is filled")
        if 0 < own.qty_nanos <= own.executed_nanos and own.replacement is None:
            own.ended = True
            own.cancel_ns = 0
        self.watch(own)

    def watch(self, own: Own) -> None:
        """Start or end the wait for executions that a status has promised."""
        if own.executed_nanos >= own.filled_nanos:
            own.short_ns = own.looked_up = 0
            self._short.pop(own.order_id, None)
        elif not own.short_ns:
            own.short_ns = self._shell.now_ns + EXECUTIONS_LATE_NS
            self._short[own.order_id] = own

    @property
    def awaited(self) -> bool:
        """Whether a status has promised executions that have not come."""
        return bool(self._short)

    def give_up(self) -> None:
        """A full list of the day has not brought what statuses promise (fills of an earlier day, or lost for good): the
        reports say what the broker calls filled, and the books halt over the difference.
        """
        for own in list(self._short.values()):
            self._shell.log("executions_given_up", order_id=own.order_id)
            own.executed_nanos = own.filled_nanos
            self.watch(own)

    def check_late(self, now_ns: int) -> None:
        """Called once a second: a status without its executions was a fill that got lost on the way."""
        for own in list(self._short.values()):
            if own.short_ns <= now_ns:
                own.short_ns = now_ns + LOOK_UP_NS
                own.looked_up += 1
                text = f"order {own.order_id}: filled by status, executions missing"
                if own.looked_up == 1:
                    self._shell.doubt(text)
                else:
                    self._shell.fault(f"{text}, and a synchronisation has not brought them")

    def commission(self, raw: list[bytes], *, in_sync: bool = False) -> None:
        """One commissionReport as its raw fields: late, early, or again."""
        exec_id, amount = name_of(raw[2].decode()), nanos_of(raw[3].decode())
        currency = currency_of(raw[4].decode() or "USD")
        fact = e.CommissionReported(exec_id=exec_id, commission_nanos=amount, currency=currency)
        stem, version = version_of(exec_id)
        if version > self._book.told_version(stem):
            if len(self._held_commissions) >= COMMISSIONS_HELD_MAX:
                del self._held_commissions[next(iter(self._held_commissions))]
            self._held_commissions[exec_id] = fact  # before its execution, or of a contract that is not ours
            return
        if exec_id not in self._charged or in_sync:
            self._charge(fact)

    def _release_commission(self, exec_id: str) -> None:
        held = self._held_commissions.pop(exec_id, None)
        if held is not None:
            self._charge(held)

    def _charge(self, fact: e.CommissionReported) -> None:
        if len(self._charged) >= COMMISSIONS_HELD_MAX:
            del self._charged[next(iter(self._charged))]
        self._charged[fact.exec_id] = None
        self._shell.fact(fact)
