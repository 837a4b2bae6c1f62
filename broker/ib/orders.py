"""Order truth: openOrder, orderStatus and errors become facts, as executions do in `executions`. Knows whose order it
is through `book` and what a code means through `codes`; no socket.

What is not certain is never guessed: nothing is told, and a synchronisation is asked for (`shell.doubt`).
"""

from typing import Any, Final

from broker.ib.book import FOREIGN, Book, Own, Replacement
from broker.ib.codes import Meaning
from broker.ib.executions import UNLISTED, Executions
from broker.ib.seam import LANE_SYNC, Shell
from broker.ib.translate import (
    NAME_LENGTH_MAX,
    SIDES,
    STATUSES,
    bounded,
    integer_of,
    name_of,
    nanos_of,
    nanos_of_float,
    tags_of,
)
from broker.ib.what_if import WhatIf
from core import events as e
from core.ids import SELL
from core.units import exact_text

REPLACE_LOST_NS: Final = 10_000_000_000  # a listing asked for this long after a replace speaks of the replace too
TEXT_MAX: Final = 200

_LIMITED: Final = ("LMT", "STP LMT", "LOC")
_WORKING: Final = (e.PRE_SUBMITTED, e.SUBMITTED)


class Orders:
    """One account's orders on one connection after another."""

    def __init__(self, shell: Shell, book: Book, *, account: str, instruments_of: dict[int, int]) -> None:
        self._shell = shell
        self.book = book
        self._account = account
        self._inst_of = instruments_of  # contract id -> instrument
        self.what_if = WhatIf(shell)
        self.executions = Executions(shell, book, account=account, inst_of=self.inst_of)

    def inst_of(self, con_id: int) -> int:
        """The instrument of a contract; UNLISTED if it is none of ours."""
        return self._inst_of.get(con_id, UNLISTED)

    # ---- openOrder and orderStatus -----------------------------------------------------------------------------
    def open_order(self, wire_id: int, contract: Any, order: Any, state: Any, *, sync_ns: int = 0) -> Own | None:
        """One openOrder, its own news or part of a listing asked for at `sync_ns`. None = not ours."""
        if order.whatIf:
            self.what_if.answered(wire_id, order, state)
            return None
        if order.account != self._account:
            return None
        for number in (wire_id, order.permId, order.clientId):
            bounded(number)
        name_of(order.orderRef)
        if order.clientId == self.book.client_id:
            self._saw_id(wire_id)
        own = self.book.find(perm_id=order.permId, ref=order.orderRef, client_id=order.clientId, wire_id=wire_id)
        if own is None:
            inst = self.inst_of(contract.conId)
            if inst == UNLISTED or not self.book.is_ours(order.orderRef):
                return None
            own = self.book.meet(
                perm_id=order.permId, ref=order.orderRef, client_id=order.clientId, wire_id=wire_id, inst=inst,
                side=SIDES[order.action], qty_nanos=nanos_of_float(order.totalQuantity),
            )  # fmt: skip
            self._shell.log("order_met", order_id=own.order_id, ref=own.ref, perm_id=own.perm_id)
            if not sync_ns:
                self._shell.fault(f"order {own.ref} (permId {own.perm_id}) is ours and not in the books")
            return own
        self._settle_replacement(own, order, sync_ns)
        if state.status == "Filled":
            own.filled_nanos = max(own.filled_nanos, min(own.qty_nanos, nanos_of_float(order.totalQuantity)))
            self.executions.watch(own)
        self._status(own, state.status, state.warningText or "")
        return own

    def _settle_replacement(self, own: Own, order: Any, sync_ns: int) -> None:
        asked = own.replacement
        qty, limit = nanos_of_float(order.totalQuantity), nanos_of_float(order.lmtPrice)
        if asked is None:
            self._compare(own, qty)
            if order.ocaGroup and 0 < qty < own.qty_nanos:
                self._shrunk(own, qty, limit)
            return
        if asked.shown(qty, limit, nanos_of_float(order.auxPrice)):
            own.replacement = None
            own.version, own.qty_nanos = asked.version, qty
            self._shell.fact(
                e.OrderReplaced(
                    order_id=own.order_id, version=asked.version, qty_nanos=qty, limit_px_nanos=asked.limit_px_nanos
                )
            )
        elif sync_ns and sync_ns - asked.sent_ns >= self._shell.patience_ns(REPLACE_LOST_NS):
            self._refuse_replacement(own, 0, "a later listing shows the old version")

    def _compare(self, own: Own, qty_nanos: int) -> None:
        """No replace is on its way, so the broker must not show more than our quantity: a modify of ours that came back
        to life after a loss of connection, or somebody else's, would hold more risk than the books. Told once.
        """
        if own.qty_nanos == 0:
            own.qty_nanos = qty_nanos
        elif qty_nanos > own.qty_nanos and qty_nanos != own.odd_qty_nanos:
            own.odd_qty_nanos = qty_nanos
            shown, ours = exact_text(qty_nanos), exact_text(own.qty_nanos)
            self._shell.fault(f"order {own.order_id}: the broker works a quantity of {shown}, ours is {ours}")

    def _shrunk(self, own: Own, qty_nanos: int, limit_px_nanos: int) -> None:
        """Its group traded and left it less: the same version with a smaller quantity."""
        own.qty_nanos = qty_nanos
        self._shell.fact(
            e.OrderReplaced(
                order_id=own.order_id, version=own.version, qty_nanos=qty_nanos, limit_px_nanos=limit_px_nanos
            )
        )

    def _refuse_replacement(self, own: Own, code: int, text: str) -> None:
        asked, own.replacement = own.replacement, None
        if asked is not None:
            self._shell.fact(
                e.ReplaceRejected(order_id=own.order_id, version=asked.version, code=code, text=text[:TEXT_MAX])
            )

    def order_status(self, raw: list[bytes]) -> None:
        """One orderStatus as its raw fields. It carries no ref: permId tells whose it is, the number only if permId
        has not been seen.
        """
        wire_id, client_id, perm_id = (
            integer_of(raw[1].decode()),
            integer_of(raw[9].decode()),
            integer_of(raw[6].decode()),
        )
        if client_id == self.book.client_id:
            self._saw_id(wire_id)
        own = self.book.by_perm(perm_id) if perm_id else None
        if own is None and client_id == self.book.client_id:
            own = self.book.by_wire(wire_id)
            if own is not None and own.perm_id and perm_id:
                self._shell.log("order_number_reused", wire_id=wire_id, perm_id=perm_id, order_id=own.order_id)
                self._shell.fault(f"orderStatus of permId {perm_id} under the number of order {own.order_id}")
                return
            if own is not None and perm_id:
                self.book.bind(own, perm_id)
        if own is None:
            return
        filled = nanos_of(raw[3].decode())
        if filled > own.filled_nanos:
            own.filled_nanos = filled
            self.executions.watch(own)
        why_held = raw[10].decode(errors="replace")
        word = raw[2].decode(errors="replace")
        self._status(own, word, f"held: {why_held}" if why_held else "")
        if STATUSES.get(word) == e.STATUS_FILLED and not nanos_of(raw[4].decode()):
            self._outrun(own, filled)

    def _outrun(self, own: Own, filled_nanos: int) -> None:
        """All of the working version was filled while a larger one was on its way. Some gateways never answer such a
        modify: without this the order, and its schedule with it, would wait for ever.
        """
        asked = own.replacement
        if asked is not None and own.qty_nanos and own.qty_nanos <= filled_nanos < asked.qty_nanos:
            self._refuse_replacement(own, 0, "filled before it came")

    def _status(self, own: Own, word: str, text: str) -> None:
        status = STATUSES.get(word)
        if text:
            own.text = text[:TEXT_MAX]
        if status is None:
            self._shell.log("order_status_unknown", order_id=own.order_id, status=word[:40])
            self._shell.doubt(f"order {own.order_id} has the status {word[:40]!r}")
        elif status in _WORKING:
            self._working(own, status)
        elif status == e.STATUS_CANCELLED:
            self._cancelled(own, own.text or word)
        elif status == e.STATUS_INACTIVE and not own.ended and own.told != status:
            own.told, own.acked = status, True
            self._shell.fact(e.OrderInactivated(order_id=own.order_id, reason=own.text))
        elif status == e.STATUS_FILLED:
            own.acked = True  # how much it filled the message's own count says

    def _working(self, own: Own, status: int) -> None:
        if own.ended:  # it lives: Inactive revives, and a reject can be followed by Submitted
            own.ended = False
            own.told = -1
            self._shell.doubt(f"order {own.order_id} was told as ended and works")
        own.acked = True
        if own.told != status:
            own.told = status
            self._shell.fact(e.OrderAcknowledged(order_id=own.order_id, perm_id=own.perm_id, status=status))

    def _cancelled(self, own: Own, reason: str) -> None:
        own.cancel_ns = 0
        if own.ended:
            return
        own.ended = own.acked = True
        own.told = e.STATUS_CANCELLED
        self._shell.fact(e.OrderCancelled(order_id=own.order_id, reason=reason[:TEXT_MAX]))

    def _saw_id(self, wire_id: int) -> None:
        if self.book.saw_id(wire_id):
            self._shell.fact(e.OrderIdsSeen(order_id_next=self.book.order_id_next))

    def next_valid_id(self, order_id: int) -> None:
        """The broker's counter; it may roll back, ours does not."""
        if order_id > self.book.order_id_next:
            self.book.saw_id(order_id - 1)
        self._shell.fact(e.OrderIdsSeen(order_id_next=self.book.order_id_next))

    # ---- errors ------------------------------------------------------------------------------------------------
    def error(self, wire_id: int, code: int, text: str, meaning: Meaning | None) -> bool:
        """An error that names a number below the request ids; False = none of our orders has it."""
        own = self.book.by_wire(wire_id)
        if own is None:
            return self.what_if.refused(wire_id, code, text, meaning)
        own.text = f"{code} {text}"[:TEXT_MAX]
        self._shell.log("order_error", order_id=own.order_id, code=code, text=text[:TEXT_MAX])
        if meaning is Meaning.NOTE:
            return True
        if meaning is Meaning.CANCELLED:
            self._cancelled(own, own.text)
        elif meaning is Meaning.CANCEL_REFUSED:
            self._cancel_refused(own, code, text)
        elif meaning in (Meaning.REFUSED, Meaning.READ_ONLY, Meaning.HISTORY):
            self._refused(own, code, text)
        else:
            self._shell.doubt(f"order {own.order_id}: code {code}")
        if code == 103:
            self.book.disown_number(own)
            self._shell.request(LANE_SYNC, "reqIds", 1)
        return True

    def _refused(self, own: Own, code: int, text: str) -> None:
        """Of the requests that may be pending, the modify first: a refused modify leaves the order live."""
        if own.replacement is not None:
            self._refuse_replacement(own, code, text)
            if code in (104, 135):
                self._shell.doubt(f"order {own.order_id}: modify refused with {code}")
        elif own.cancel_ns and own.acked and code != 201:
            self._cancel_refused(own, code, text)
        elif not own.ended and (not own.acked or code == 201):
            own.ended = own.acked = True
            own.told = -1
            self._shell.fact(e.OrderRejected(order_id=own.order_id, code=code, text=text[:TEXT_MAX]))
        elif not own.ended:
            self._shell.doubt(f"order {own.order_id}: code {code} with nothing pending")

    def _cancel_refused(self, own: Own, code: int, text: str) -> None:
        own.cancel_ns = 0
        if own.ended:
            return  # the cancel came too late, and what it came too late for was told
        self._shell.fact(e.CancelRejected(order_id=own.order_id, code=code, text=text[:TEXT_MAX]))
        self._shell.doubt(f"order {own.order_id}: cancel refused with {code}")

    # ---- going out ---------------------------------------------------------------------------------------------
    def sent(self, own: Own) -> None:
        """Something about the order has left: the same status is news again."""
        own.told = -1

    def replacing(self, own: Own, replacement: Replacement) -> None:
        """A replace leaves."""
        own.replacement = replacement
        own.told = -1

    def link_lost(self) -> None:
        """No answer of the old connection comes any more; whatever the next one says is news."""
        self.what_if.link_lost()
        for own in self.book.own.values():
            own.told = -1
            own.cancel_ns = 0

    # ---- what a synchronisation shows --------------------------------------------------------------------------
    def open_report(self, sync_id: int, own: Own | None, contract: Any, order: Any, state: Any) -> Any:
        """An openOrder as a fact of a synchronisation; None where it says nothing open."""
        status = STATUSES.get(state.status, e.PENDING_SUBMIT)
        if order.account != self._account or order.whatIf or status in (e.STATUS_FILLED, e.STATUS_CANCELLED):
            return None
        ref = order.orderRef
        if own is None and self.book.is_ours(ref):
            ref = f"unlisted {ref}"  # ours, in a contract this config does not declare: nothing here may book it
        return e.OpenOrderReported(
            sync_id=sync_id,
            order_id=FOREIGN if own is None else own.order_id,
            order_ref=ref,
            perm_id=order.permId,
            inst=self.inst_of(contract.conId) if own is None else own.inst,
            side=SIDES.get(order.action, SELL),
            qty_nanos=nanos_of_float(order.totalQuantity),
            filled_nanos=0 if own is None else max(own.filled_nanos, own.executed_nanos),
            status=status,
            limit_px_nanos=nanos_of_float(order.lmtPrice) if order.orderType in _LIMITED else 0,
            client_id=bounded(order.clientId),
            stop_px_nanos=nanos_of_float(order.auxPrice) if order.orderType == "STP" else 0,
            broker_algo=order.algoStrategy[:NAME_LENGTH_MAX],
            broker_params=tags_of(order.algoParams),
        )

    def foreign_report(self, sync_id: int, text: list[str]) -> Any:
        """The same from the head of an openOrder, whose fields never move; None if it is of another account."""
        if text[20] != self._account:
            return None
        return e.OpenOrderReported(
            sync_id=sync_id,
            order_id=FOREIGN,
            order_ref=name_of(text[23]),
            perm_id=integer_of(text[25]),
            inst=self.inst_of(integer_of(text[2])),
            side=SIDES.get(text[13], SELL),
            qty_nanos=nanos_of(text[14]),
            filled_nanos=0,
            status=e.SUBMITTED,
            limit_px_nanos=nanos_of(text[16]) if text[15] in _LIMITED else 0,
            client_id=integer_of(text[24]),
        )

    def completed_report(self, sync_id: int, contract: Any, order: Any, state: Any) -> Any:
        """A completedOrder as a fact; None unless it is one of ours."""
        if order.account != self._account:
            return None
        own = self.book.find(perm_id=bounded(order.permId), ref=order.orderRef, client_id=0, wire_id=0)
        if own is None:
            return None
        filled = nanos_of_float(order.filledQuantity)
        own.ended = own.acked = True
        own.replacement = None
        return e.CompletedOrderReported(
            sync_id=sync_id,
            order_id=own.order_id,
            order_ref=own.ref,
            perm_id=order.permId,
            inst=own.inst,
            side=own.side,
            qty_nanos=own.qty_nanos,
            filled_nanos=filled,
            status=e.STATUS_FILLED if state.status == "Filled" else e.STATUS_CANCELLED,
        )
