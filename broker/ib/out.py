"""Commands on their way to the socket: orders now or not at all, cancels as soon as the budget and the link allow, a
kill first of everything.
"""

from typing import TYPE_CHECKING, Any, Final

from broker.ib.book import Own, Replacement
from broker.ib.config import REQUEST_ID_FIRST
from broker.ib.frames import OrderFrames
from broker.ib.seam import DOWN, LANE_CANCEL, READY
from broker.ib.what_if import what_if_order
from core import commands as c
from core.errors import Bug

if TYPE_CHECKING:
    from broker.ib.adapter import IbAdapter

WAITING_CANCELS_MAX: Final = 4_096  # cancels kept while there is no session
WRITE_BUFFER_MAX: Final = 262_144  # bytes the socket has not taken: beyond, the gateway does not read and gets no order
KILL_KEY: Final = -1  # of the global cancel among the cancels; theirs are order ids


class Out:
    """Implements the orders' part of core.ports.BrokerPort."""

    def __init__(self, adapter: "IbAdapter", *, account: str) -> None:
        self._adapter = adapter
        self._account = account
        self._frames: dict[int, OrderFrames] = {}  # by instrument, for the agreed version
        self._kill_waits = False
        self._cancels_wait: dict[int, None] = {}

    def version_agreed(self) -> None:
        """Frames are built anew: their fields depend on the version."""
        self._frames.clear()

    def submit(self, command: Any) -> str:
        """One command; "" = it left, or waits as it may."""
        known = type(command)
        if known is c.PlaceOrder:
            return self._place(command.order)
        if known is c.ReplaceOrder:
            return self._replace(command.order)
        if known is c.CancelOrder:
            return self._cancel(command.order_id)
        if known is c.CancelAllOrders:
            return self._cancel_all()
        if known is c.AskWhatIf:
            return self._ask(command)
        raise Bug(f"{known.__name__} is no command of the broker port")

    # ---- orders ------------------------------------------------------------------------------------------------
    def _place(self, order: c.ApprovedOrder) -> str:
        intent = order.intent
        reason = self._stop(order)
        if reason:
            return reason
        book = self._adapter.book
        if not 0 < intent.order_id < REQUEST_ID_FIRST:
            return f"order id {intent.order_id} is outside the range of orders"
        if intent.order_id in book.own:
            return f"order id {intent.order_id} was used before"
        frame = self._frames[intent.inst].frame(intent.order_id, intent, order.order_ref)
        if not self._adapter.pacer.order(self._adapter.now_ns):
            return "the broker's 50 messages a second are used up"
        book.add(intent.order_id, order.order_ref, intent.inst, intent.side, intent.qty_nanos)
        self._adapter.socket.write(frame)
        return ""

    def _replace(self, order: c.ApprovedOrder) -> str:
        intent = order.intent
        own = self._adapter.book.own.get(intent.order_id)
        reason = self._stop(order) or self._unreachable(own, intent.order_id)
        if reason or own is None:
            return reason
        if own.ended:
            return f"order {intent.order_id} has ended at the broker"
        if not own.acked:
            return f"order {intent.order_id} has not been acknowledged"
        frame = self._frames[intent.inst].frame(own.wire_id, intent, own.ref)
        if not self._adapter.pacer.order(self._adapter.now_ns):
            return "the broker's 50 messages a second are used up"
        self._adapter.orders.replacing(
            own,
            Replacement(
                intent.version,
                intent.qty_nanos,
                intent.limit_px_nanos,
                intent.stop_px_nanos,
                self._adapter.now_ns,
            ),
        )
        self._adapter.socket.write(frame)
        return ""

    def _ask(self, command: c.AskWhatIf) -> str:
        """A placeOrder that the broker only looks at: `whatIf` makes it no order."""
        adapter = self._adapter
        contract = adapter.contracts.known[command.inst]
        if adapter.session.link != READY or contract is None:
            return adapter.reason or "the contract is not known at the broker yet"
        if not 0 < command.order_id < REQUEST_ID_FIRST or command.order_id in adapter.book.own:
            return f"order id {command.order_id} cannot be used"
        if not adapter.pacer.order(adapter.now_ns):
            return "the broker's 50 messages a second are used up"
        order = what_if_order(command, self._account)
        adapter.orders.what_if.asked(command)
        adapter.socket.write(adapter.codec.encode("placeOrder", command.order_id, contract, order))
        return ""

    def _stop(self, order: c.ApprovedOrder) -> str:
        """Why no order may leave now; "" = it may."""
        adapter, inst = self._adapter, order.intent.inst
        if adapter.session.link != READY:
            return f"the link is not ready: {adapter.reason or 'not connected'}"
        if order.account != self._account:
            return f"the order is for account {order.account}, this connection for {self._account}"
        frames = self._frames.get(inst)
        if frames is None:
            contract = adapter.contracts.known[inst]
            if contract is None:
                return "the contract is not known at the broker yet"
            self._frames[inst] = OrderFrames(adapter.codec, contract, self._account)
        if adapter.socket.unsent > WRITE_BUFFER_MAX:
            return "the gateway does not read: nothing more is written to it"
        return adapter.contracts.misfit(inst, order.intent.limit_px_nanos, order.intent.stop_px_nanos)

    def _unreachable(self, own: Own | None, order_id: int) -> str:
        if own is None:
            return f"order {order_id} is not known at this connection"
        if own.client_id != self._adapter.settings.client_id:
            return f"order {order_id} belongs to client {own.client_id}: only a global cancel reaches it"
        return ""

    # ---- cancels -----------------------------------------------------------------------------------------------
    def _cancel(self, order_id: int) -> str:
        adapter = self._adapter
        own = adapter.book.own.get(order_id)
        reason = self._unreachable(own, order_id)
        if reason or own is None:
            return reason
        if adapter.link == DOWN:
            if len(self._cancels_wait) >= WAITING_CANCELS_MAX:
                return "too many cancels wait for the link"
            self._cancels_wait[order_id] = None
            return ""
        return "" if self._send_cancel(own) else "too many cancels wait for the message budget"

    def _send_cancel(self, own: Own) -> bool:
        adapter = self._adapter
        own.cancel_ns = adapter.now_ns
        adapter.orders.sent(own)
        manual_time = ("",) if adapter.codec.version >= 169 else ()
        taken = adapter.pacer.put(
            LANE_CANCEL, adapter.codec.encode("cancelOrder", own.wire_id, *manual_time), own.order_id
        )
        adapter.pump()
        return taken

    def _cancel_all(self) -> str:
        adapter = self._adapter
        if adapter.link == DOWN:
            self._kill_waits = True
            return ""
        for own in adapter.book.own.values():
            if not own.ended:
                own.cancel_ns = adapter.now_ns
                adapter.orders.sent(own)
        frame = adapter.codec.encode("reqGlobalCancel")
        if adapter.pacer.order(adapter.now_ns):
            adapter.socket.write(frame)  # past every queue
        else:
            adapter.pacer.put(LANE_CANCEL, frame, KILL_KEY)
            adapter.pump()
        return ""

    def session_up(self) -> None:
        """A new session: what was asked for while there was none, before anything else leaves."""
        if self._kill_waits:
            self._kill_waits = False
            self._cancel_all()
        waiting, self._cancels_wait = self._cancels_wait, {}
        for order_id in waiting:
            own = self._adapter.book.own.get(order_id)
            if own is not None and not own.ended:
                self._send_cancel(own)
