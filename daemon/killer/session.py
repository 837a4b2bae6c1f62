"""The killers' way to the broker, with no trader in between: list what is open, cancel it, look again until nothing is
left. A session of its own, blocking, with a deadline on everything; it can place no order.

Sent is not cancelled: what counts is the broker's own list, and it has to be empty twice, because an order that was on
its way when the first list was made is in neither the list nor the cancel.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from broker.ib.codes import Meaning, meaning_of
from broker.ib.config import IbSettings
from broker.ib.translate import SIDES, STATUSES, integer_of, nanos_of, nanos_of_float
from core import events as e
from core.ids import SELL, SIDE_NAMES, Side
from core.units import exact_text
from daemon.probes.finding import Trouble
from daemon.probes.talk import HEAD, Conversation

LIST_S: Final = 5.0  # for the End of a listing
AGAIN_S: Final = 1.0  # between two looks
RESEND_S: Final = 2.0  # before what is still open is cancelled once more
ORDER_CANCELED: Final = 202  # an error by its form only
SYSTEM: Final = -1  # the id of errors that are about no request
_OVER: Final = (e.STATUS_FILLED, e.STATUS_CANCELLED)


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the broker lists it; of any client, by hand included (client 0 or -1)."""

    order_id: int  # its number for its client; several clients may use the same
    client_id: int
    perm_id: int
    account: str
    con_id: int
    symbol: str
    side: Side
    qty_nanos: int
    order_ref: str
    status: str = ""  # "" = the rest of the message could not be read

    def __str__(self) -> str:
        name = self.order_ref or "no reference"
        return (
            f"{SIDE_NAMES[self.side]} {exact_text(self.qty_nanos)} {self.symbol} "
            f"(order {self.order_id} of client {self.client_id}, permId {self.perm_id}, {name})"
        )


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One position as the broker lists it."""

    account: str
    con_id: int
    symbol: str
    sec_type: str
    currency: str
    qty_nanos: int  # signed
    average_cost_nanos: int


class CancelReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far it came. `verified` = the broker's list was empty twice, with its servers connected."""

    verified: bool
    cancelled: tuple[OpenOrder, ...]  # seen open before and gone now: cancelled, or filled on the way
    left: tuple[OpenOrder, ...]  # in scope and still open
    others: tuple[OpenOrder, ...]  # open, and out of scope
    refused: dict[int, str]  # permId -> what the broker said to its cancel
    reason: str  # why it is not verified
    seconds: float
    rounds: int


class KillSession:
    """One log-in under a client id. Everything raises Trouble when the line is cut or the gateway hangs."""

    def __init__(self, settings: IbSettings, *, client_id: int) -> None:
        self._talk = Conversation(settings, client_id=client_id)
        self.client_id = client_id
        self._server_lost = ""

    def open(self) -> None:
        """Connect and log in. Raises Trouble; ClientIdTaken when another connection has the client id.

        A gateway may tell a client's open orders at its log-in, with an End that looks like any other: all of that has
        come when an answer to the first question has.
        """
        self._talk.open()
        self._talk.send("reqCurrentTime")
        self._end_of("currentTime")

    def close(self) -> None:
        """Hang up."""
        self._talk.close()

    def __enter__(self) -> "KillSession":
        try:
            self.open()
        except Trouble:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def accounts(self) -> list[str]:
        """Of this log-in."""
        return self._talk.accounts

    # ---- looking -----------------------------------------------------------------------------------------------
    def open_orders(self, *, then: Callable[[], None] | None = None) -> list[OpenOrder]:
        """Everything open, of every client; what `then` sends leaves before the list has come. Raises Trouble when the
        list has no End.
        """
        self._look_at_link()
        self._talk.forget()
        self._talk.send("reqAllOpenOrders")
        if then is not None:
            then()
        self._talk.send(
            "reqCurrentTime"
        )  # and nothing that was asked for before is still to come when this is answered
        self._end_of("openOrderEnd")
        self._end_of("currentTime")
        found: dict[tuple[int, int, int], OpenOrder] = {}
        for entry in self._talk.entries:
            order = _read_order(entry)
            if order is not None:
                key = (order.perm_id, order.client_id, order.order_id)
                found.pop(key, None)
                if STATUSES.get(order.status) not in _OVER:
                    found[key] = order
        return list(found.values())

    def positions(self) -> list[Holding]:
        """What all accounts of this log-in hold. Raises Trouble when the list has no End."""
        self._talk.send("reqPositions")
        self._end_of("positionEnd")
        self._talk.send("cancelPositions")
        found: dict[tuple[str, int], Holding] = {}
        for _, account, contract, qty, cost in self._talk.named("position"):
            found[account, contract.conId] = Holding(
                account=account,
                con_id=contract.conId,
                symbol=contract.symbol,
                sec_type=contract.secType,
                currency=contract.currency,
                qty_nanos=nanos_of_float(qty),
                average_cost_nanos=nanos_of_float(cost),
            )
        return [held for held in found.values() if held.qty_nanos]

    def _end_of(self, name: str) -> None:
        if not self._talk.wait(lambda: bool(self._talk.named(name)), LIST_S):
            raise Trouble(f"{self._talk.where} has sent no {name} within {LIST_S:g} s", "the gateway hangs: restart it")

    def _look_at_link(self) -> None:
        """Whether the gateway has the broker's servers behind it: without them its list is only its memory."""
        for _, request_id, code, text, *_ in self._talk.errors():
            if request_id != SYSTEM:
                continue
            meaning = meaning_of(code, text)
            if meaning is Meaning.LINK_LOST:
                self._server_lost = f"{code} {text}"
            elif meaning in (Meaning.LINK_BACK, Meaning.LINK_BACK_EMPTY):
                self._server_lost = ""

    # ---- cancelling --------------------------------------------------------------------------------------------
    def global_cancel(self) -> None:
        """Every order of every account of this log-in, of all clients and by hand."""
        self._talk.send("reqGlobalCancel")

    def cancel(self, order_id: int) -> None:
        """One order of this client id."""
        manual_time = ("",) if self._talk.version >= 169 else ()
        self._talk.send("cancelOrder", order_id, *manual_time)

    def cancel_until_empty(
        self, *, everything: bool, in_scope: Callable[[OpenOrder], bool] = lambda order: True, deadline_s: float
    ) -> CancelReport:
        """Cancel, look, and again, until two lists in a row show nothing in scope or the time is over.

        `everything` = by global cancel, else each order in scope by its number, which reaches this client id's alone.
        Raises Trouble when the line is cut: what was sent was sent, and the caller comes again.
        """
        begin_s = time.monotonic()
        seen: dict[int, OpenOrder] = {}
        refused: dict[int, str] = {}
        sent_s, empty, rounds = -RESEND_S, 0, 0
        while True:
            rounds += 1
            if everything and rounds == 1:  # the list says what was open, and the cancel does not wait for it
                everyone, sent_s = self.open_orders(then=self.global_cancel), begin_s
            else:
                everyone = self.open_orders()
            left = [order for order in everyone if in_scope(order)]
            seen |= {order.perm_id: order for order in left}
            if left and time.monotonic() - sent_s >= RESEND_S:
                self._send_cancels(left, everything=everything)
                sent_s = time.monotonic()
            empty = 0 if left or self._server_lost else empty + 1
            over = time.monotonic() - begin_s >= deadline_s
            if empty >= 2 or over:
                break
            self._pause(refused, seen)
        open_now = {order.perm_id for order in left}
        return CancelReport(
            verified=empty >= 2,
            cancelled=tuple(order for perm_id, order in seen.items() if perm_id not in open_now),
            left=tuple(left),
            others=tuple(order for order in everyone if order.perm_id not in open_now),
            refused={perm_id: text for perm_id, text in refused.items() if perm_id in open_now},
            reason="" if empty >= 2 else self._why(left),
            seconds=round(time.monotonic() - begin_s, 3),
            rounds=rounds,
        )

    def _send_cancels(self, orders: list[OpenOrder], *, everything: bool) -> None:
        if everything:
            self.global_cancel()
            return
        for order in orders:
            if order.client_id == self.client_id:
                self.cancel(order.order_id)

    def _pause(self, refused: dict[int, str], seen: dict[int, OpenOrder]) -> None:
        """Until the next look; what the broker says to the cancels meanwhile is kept."""
        self._talk.wait(lambda: False, AGAIN_S)
        perms = {order.order_id: perm_id for perm_id, order in seen.items() if order.client_id == self.client_id}
        for _, request_id, code, text, *_ in self._talk.errors():
            if request_id in perms and code != ORDER_CANCELED:
                refused[perms[request_id]] = f"{code} {text}"
        self._look_at_link()

    def _why(self, left: list[OpenOrder]) -> str:
        if self._server_lost:
            return f"the gateway has no connection to the broker's servers: {self._server_lost}"
        foreign = [order for order in left if order.client_id != self.client_id]
        if left and len(foreign) == len(left):
            return f"{len(left)} orders of other client ids are open: only a global cancel reaches them"
        return f"{len(left)} orders are still open" if left else "the list was empty only once"


def _read_order(entry: Any) -> OpenOrder | None:
    """An openOrder, as the library reads it or from its head; None for anything else, and for a what-if."""
    if entry[0] == HEAD:
        text = entry[1]
        return OpenOrder(
            order_id=integer_of(text[1]),
            client_id=integer_of(text[24]),
            perm_id=integer_of(text[25]),
            account=text[20],
            con_id=integer_of(text[2]),
            symbol=text[3],
            side=SIDES.get(text[13], SELL),
            qty_nanos=nanos_of(text[14]),
            order_ref=text[23],
        )
    if entry[0] != "openOrder" or entry[3].whatIf:
        return None
    _, order_id, contract, order, state = entry
    return OpenOrder(
        order_id=order_id,
        client_id=order.clientId,
        perm_id=order.permId,
        account=order.account,
        con_id=contract.conId,
        symbol=contract.symbol,
        side=SIDES.get(order.action, SELL),
        qty_nanos=nanos_of_float(order.totalQuantity),
        order_ref=order.orderRef,
        status=state.status,
    )
