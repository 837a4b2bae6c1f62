"""Whose order is it: the adapter's own list of this account's orders, and the rules that tell them apart.

An order's identity is its permId and our orderRef. The broker's orderId is not: after a restart it may be given again,
to another order (nextValidId rolls back), and two live permIds may carry one ref (a modify that was queued during a
loss of connection). Knows no socket and no message.
"""

from collections.abc import Iterable
from typing import Final

from broker.ib.config import REQUEST_ID_FIRST
from broker.ib.translate import version_of
from core.errors import Bug
from core.ids import Side, is_own_ref
from core.orders import Order, State

ENDED_KEPT_MAX: Final = 4_096  # own orders that have ended, kept for late facts
EXECUTIONS_KEPT_MAX: Final = 100_000  # execution ids told, kept to know a repeat
FOREIGN: Final = 0  # order id of an order that is not ours


class Replacement:
    """A replace on its way: confirmed by an openOrder that shows its numbers."""

    __slots__ = ("limit_px_nanos", "qty_nanos", "sent_ns", "stop_px_nanos", "version")

    def __init__(self, version: int, qty_nanos: int, limit_px_nanos: int, stop_px_nanos: int, sent_ns: int) -> None:
        self.version = version
        self.qty_nanos = qty_nanos
        self.limit_px_nanos = limit_px_nanos
        self.stop_px_nanos = stop_px_nanos
        self.sent_ns = sent_ns

    def shown(self, qty_nanos: int, limit_px_nanos: int, stop_px_nanos: int) -> bool:
        """Whether the broker shows these numbers. It echoes odd values in fields the order type does not use, so only
        those we set count.
        """
        if qty_nanos != self.qty_nanos or (self.limit_px_nanos and limit_px_nanos != self.limit_px_nanos):
            return False
        return not self.stop_px_nanos or stop_px_nanos == self.stop_px_nanos


class Own:
    """One order with our tag, as far as the broker has told."""

    __slots__ = (
        "acked", "cancel_ns", "client_id", "ended", "executed_nanos", "filled_nanos", "inst", "looked_up",
        "odd_qty_nanos", "order_id", "perm_id", "qty_nanos", "ref", "replacement", "short_ns", "side", "text", "told",
        "version", "wire_id",
    )  # fmt: skip

    def __init__(
        self, *, order_id: int, wire_id: int, client_id: int, ref: str, inst: int, side: Side, qty_nanos: int
    ) -> None:
        self.order_id = order_id  # ours, in every fact
        self.wire_id = wire_id  # what the broker calls it, for its client
        self.client_id = client_id
        self.ref = ref
        self.inst = inst
        self.side = side
        self.qty_nanos = qty_nanos  # of the working version; 0 = met by an execution, not known
        self.odd_qty_nanos = 0  # another quantity that the broker showed
        self.perm_id = 0
        self.version = 0
        self.replacement: Replacement | None = None
        self.cancel_ns = 0  # when its cancel was handed over; 0 = none is pending
        self.acked = False
        self.ended = False
        self.told = -1  # the last status told
        self.text = ""  # the last thing the broker said about it
        self.executed_nanos = 0  # by executions
        self.filled_nanos = 0  # by statuses
        self.looked_up = 0  # how often that was asked about
        self.short_ns = 0  # since when executions lag behind statuses; 0 = they do not


class Book:
    """Own orders by our id, by permId, by ref and by the broker's number."""

    def __init__(
        self,
        *,
        account_tag: str,
        client_id: int,
        orders: Iterable[Order] = (),
        executions: Iterable[str] = (),
        order_id_next: int = 1,
    ) -> None:
        self.account_tag = account_tag
        self.client_id = client_id
        self.order_id_next = order_id_next
        self.own: dict[int, Own] = {}
        self.executions: dict[str, int] = {}  # id without its last segment -> highest version told
        self._by_perm: dict[int, Own] = {}
        self._by_ref: dict[str, Own] = {}
        self._by_wire: dict[int, Own] = {}  # of our client id
        for order in orders:
            self._remember(order)
        for exec_id in executions:
            stem, version = version_of(exec_id)
            if version > self.told_version(stem):
                self.tell_version(stem, version)

    def _remember(self, order: Order) -> None:
        """An order from the journal: what was sent in an earlier run."""
        own = self.add(order.order_id, order.order_ref, order.inst, order.side, order.qty_nanos)
        own.acked = order.state is not State.SENDING and (order.state is not State.UNKNOWN or order.perm_id > 0)
        own.ended = not order.live
        own.version = order.version
        own.executed_nanos = order.filled_nanos
        if order.perm_id:
            self.bind(own, order.perm_id)
        if order.pending_version:
            own.replacement = Replacement(
                order.pending_version, order.pending_qty_nanos, order.pending_px_nanos, 0, order.changed_ts_ns
            )

    def add(self, order_id: int, ref: str, inst: int, side: Side, qty_nanos: int) -> Own:
        """An order of this client that is about to leave, or left in an earlier run."""
        if order_id in self.own:
            raise Bug(f"order {order_id} was sent before")
        own = Own(
            order_id=order_id, wire_id=order_id, client_id=self.client_id, ref=ref, inst=inst, side=side,
            qty_nanos=qty_nanos,
        )  # fmt: skip
        self._file(own)
        return own

    def drop(self, own: Own) -> None:
        """It never left."""
        self.own.pop(own.order_id, None)
        self._by_ref.pop(own.ref, None)
        self._by_wire.pop(own.wire_id, None)

    def _file(self, own: Own) -> None:
        self.own[own.order_id] = own
        self._by_ref.setdefault(own.ref, own)
        if own.client_id == self.client_id and own.wire_id > 0:
            self._by_wire[own.wire_id] = own
        self.order_id_next = max(self.order_id_next, own.order_id + 1)
        if len(self.own) > ENDED_KEPT_MAX:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        for order_id, own in self.own.items():
            if own.ended:
                del self.own[order_id]
                self._by_perm.pop(own.perm_id, None)
                if self._by_ref.get(own.ref) is own:
                    del self._by_ref[own.ref]
                if self._by_wire.get(own.wire_id) is own:
                    del self._by_wire[own.wire_id]
                return

    def bind(self, own: Own, perm_id: int) -> None:
        """The broker's permanent number of an order, once and for all."""
        own.perm_id = perm_id
        self._by_perm[perm_id] = own

    def disown_number(self, own: Own) -> None:
        """The number was another order's all along (103): what the broker says under it is not about this one."""
        if self._by_wire.get(own.wire_id) is own:
            del self._by_wire[own.wire_id]

    def by_wire(self, wire_id: int) -> Own | None:
        """The order our client calls so."""
        return self._by_wire.get(wire_id)

    def by_perm(self, perm_id: int) -> Own | None:
        """The order with a permanent number."""
        return self._by_perm.get(perm_id)

    def saw_id(self, wire_id: int) -> bool:
        """An order id of our client was seen: ours must exceed it. True if that moves our counter."""
        if not self.order_id_next <= wire_id < REQUEST_ID_FIRST:
            return False
        self.order_id_next = wire_id + 1
        return True

    def find(self, *, perm_id: int, ref: str, client_id: int, wire_id: int) -> Own | None:
        """The own order a message with permId and ref is about; None = foreign, or ours and never seen (`meet`)."""
        own = self._by_perm.get(perm_id) if perm_id else None
        if own is None and ref:
            own = self._by_ref.get(ref)
            if own is not None and own.perm_id and perm_id:
                return None  # a second permId for one ref: another order
        if own is None:
            return None
        if perm_id and not own.perm_id:
            self.bind(own, perm_id)
        if wire_id > 0 and (own.wire_id, own.client_id) != (wire_id, client_id):
            self._renumber(own, wire_id, client_id)
        return own

    def _renumber(self, own: Own, wire_id: int, client_id: int) -> None:
        """The broker calls a known order by another number now: cancels must use that one."""
        if self._by_wire.get(own.wire_id) is own:
            del self._by_wire[own.wire_id]
        own.wire_id, own.client_id = wire_id, client_id
        if client_id == self.client_id:
            self._by_wire[wire_id] = own

    def is_ours(self, ref: str) -> bool:
        """Whether a ref carries our tag, from this or any earlier epoch."""
        return is_own_ref(ref, self.account_tag)

    def meet(
        self, *, perm_id: int, ref: str, client_id: int, wire_id: int, inst: int, side: Side, qty_nanos: int
    ) -> Own:
        """An order with our tag that nobody here remembers (a lost tail of the journal, or a twin). It keeps the
        broker's number if that is free, else it gets the next of ours.
        """
        free = client_id == self.client_id and 0 < wire_id < REQUEST_ID_FIRST and wire_id not in self.own
        own = Own(
            order_id=wire_id if free else self.order_id_next, wire_id=wire_id, client_id=client_id, ref=ref, inst=inst,
            side=side, qty_nanos=qty_nanos,
        )  # fmt: skip
        own.acked = True
        self._file(own)
        if perm_id:
            self.bind(own, perm_id)
        return own

    # ---- executions --------------------------------------------------------------------------------------------
    def told_version(self, stem: str) -> int:
        """The highest version of an execution that was told; 0 = none."""
        return self.executions.get(stem, 0)

    def tell_version(self, stem: str, version: int) -> None:
        """Remember what was told."""
        if len(self.executions) >= EXECUTIONS_KEPT_MAX:
            del self.executions[next(iter(self.executions))]
        self.executions[stem] = version
