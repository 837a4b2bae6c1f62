"""Orders as a person gives them at the gateway itself, in the terms of `part.ManualDesk`. Everything it does goes the
way of a client's order; only who asks is another.
"""

from typing import Any

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import Refusal
from broker.gateway.orders.part import OrderPart
from broker.gateway.orders.record import Fill, OrderRecord
from broker.gateway.orders.request import PlaceRequest
from broker.gateway.part import World
from broker.gateway.wire import nanos_text
from core.errors import Refused
from core.ids import BUY


class ByHand:
    """Implements part.ManualDesk."""

    def __init__(self, world: World, book: ContractBook, orders: OrderPart) -> None:
        self._world = world
        self._book = book
        self._orders = orders

    def place(self, *, inst: int, side: int, qty_nanos: int, limit_px_nanos: int, outside_rth: bool) -> int:
        """A new day order; its permId."""
        listed = self._book.of_inst(inst)
        values = {
            "conId": str(listed.con_id),
            "symbol": listed.symbol,
            "secType": listed.sec_type,
            "exchange": listed.exchange,
            "currency": listed.currency,
            "action": "BUY" if side == BUY else "SELL",
            "totalQuantity": nanos_text(qty_nanos),
            "orderType": "LMT" if limit_px_nanos else "MKT",
            "tif": "DAY",
            "account": self._world.accounts[0],
            "transmit": "1",
            "outsideRth": "1" if outside_rth else "0",
        }
        if limit_px_nanos:
            values["lmtPrice"] = nanos_text(limit_px_nanos)
        record = self._orders.place_manual(PlaceRequest(order_id=0, values=values))
        if isinstance(record, Refusal):
            raise Refused(f"{record.code}: {record.text}")
        return record.perm_id

    def modify(self, perm_id: int, *, qty_nanos: int, limit_px_nanos: int) -> None:
        """Change size or limit."""
        record = self._open(perm_id)
        values = dict(record.request.values)
        if qty_nanos:
            values["totalQuantity"] = nanos_text(qty_nanos)
        if limit_px_nanos:
            values["lmtPrice"] = nanos_text(limit_px_nanos)
        request = PlaceRequest(
            order_id=record.request.order_id,
            values=values,
            legs=record.request.legs,
            conditions=record.request.conditions,
            algo_params=record.request.algo_params,
        )
        refusal = self._orders.modify_manual(record, request)
        if refusal is not None:
            raise Refused(f"{refusal.code}: {refusal.text}")

    def cancel(self, perm_id: int) -> None:
        """Cancel one, or with 0 all."""
        if perm_id:
            self._open(perm_id)
        for record in self._orders.journal.open_orders():
            if perm_id in (0, record.perm_id):
                self._orders.cancel_manual(record.perm_id)

    def listed(self) -> list[dict[str, Any]]:
        """Orders of the day."""
        return [self._order_row(record) for record in self._orders.journal.records.values()]

    def executions(self) -> list[dict[str, Any]]:
        """Executions of the day."""
        return [self._fill_row(fill) for fill in self._orders.journal.fills.values()]

    def _open(self, perm_id: int) -> OrderRecord:
        record = self._orders.journal.of_perm(perm_id)
        if record is None or not record.open:
            raise Refused(f"no order of permId {perm_id} is open: see `quantd gateway order list`")
        return record

    def _order_row(self, record: OrderRecord) -> dict[str, Any]:
        return {
            "permId": record.perm_id,
            "orderId": record.order_id,
            "clientId": record.client_id,
            "symbol": self._book.of_inst(record.inst).symbol,
            "side": "BUY" if record.side == BUY else "SELL",
            "quantity": nanos_text(record.qty_nanos),
            "filled": nanos_text(record.filled_nanos),
            "type": record.request.text("orderType"),
            "limit": record.request.text("lmtPrice"),
            "status": record.shown_status,
            "orderRef": record.request.text("orderRef"),
        }

    def _fill_row(self, fill: Fill) -> dict[str, Any]:
        record = self._orders.journal.records[fill.number]
        return {
            "execId": fill.exec_id,
            "permId": record.perm_id,
            "symbol": self._book.of_inst(record.inst).symbol,
            "side": "BUY" if record.side == BUY else "SELL",
            "quantity": nanos_text(fill.qty_nanos),
            "price": nanos_text(fill.px_nanos),
            "commission": nanos_text(fill.commission_nanos) if fill.commission_nanos >= 0 else "",
            "ts_ns": fill.ts_ns,
        }
