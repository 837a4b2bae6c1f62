"""Properties of the gateway's orders under random requests, markets, faults and restarts."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ib_async import Order

from broker.gateway.orders.record import DONE, FILLED
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.part import FILL_AFTER_CANCEL, NASTY_STATUS, REJECT_MODIFY, REJECT_ORDER
from core.units import NANO, notional_nanos
from tests.fakes.gateway_peer import market_rig
from tests.fakes.tape import CLOSE_S, Tape

KINDS = ("LMT", "LMT", "LMT", "MKT", "STP", "STP LMT", "TRAIL", "MOC")
FATES = (FILL_AFTER_CANCEL, NASTY_STATUS, REJECT_MODIFY, REJECT_ORDER)


@dataclass(frozen=True)
class Step:
    """One thing that happens, a little after the last."""

    gap_ms: int
    what: str
    numbers: tuple[int, int, int, int]


STEPS = st.lists(
    st.builds(
        Step,
        st.integers(1, 2000),
        st.sampled_from(["quote", "quote", "print", "place", "place", "bracket", "group", "modify", "cancel", "all",
                         "restart", "fate", "lost", "back"]),
        st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(0, 11), st.integers(0, 11)),
    ),
    min_size=5,
    max_size=30,
)  # fmt: skip


class Script:
    """Plays steps with one client that always comes back, and remembers what it asked for."""

    def __init__(self) -> None:
        self.rig = market_rig(settings=OrderSettings(orders_per_side_max=1000))
        self.peer = self.rig.client()
        self.next_id = 1
        self.sizes: dict[int, int] = {}  # the largest size an order was ever to have
        self.groups: dict[str, list[int]] = {}
        self.now_s = 2.0

    def run(self, script: list[Step]) -> "Script":
        for step in script:
            self.now_s += step.gap_ms / 1000
            self.rig.until(self.now_s)
            getattr(self, f"do_{step.what}")(*step.numbers)
        self.do_back(0, 0, 0, 0)
        self.rig.until(CLOSE_S + 60)
        return self

    # ---- steps -------------------------------------------------------------------------------------------------
    def do_quote(self, mid: int, spread: int, bid: int, ask: int) -> None:
        self.rig.play(Tape().quote(self.now_s, 996 + mid, 997 + mid + spread // 4, 1 + 50 * bid, 1 + 50 * ask))

    def do_print(self, px: int, size: int, _: int, __: int) -> None:
        self.rig.play(Tape().print(self.now_s, 996 + px, 1 + 100 * size))

    def order(self, side: int, kind: int, px: int, size: int, **more: Any) -> Order:
        word = KINDS[kind % len(KINDS)]
        words: dict[str, Any] = {"action": "BUY" if side % 2 else "SELL", "orderType": word, "tif": "DAY"}
        words["totalQuantity"] = 1 + 60 * size
        if word in ("LMT", "STP LMT"):
            words["lmtPrice"] = (996 + px) / 100
        if word in ("STP", "STP LMT"):
            words["auxPrice"] = (996 + px) / 100
        if word == "TRAIL":
            words["auxPrice"] = (1 + px) / 100
        return Order(**(words | more))

    def send(self, order: Order) -> int:
        order_id = self.next_id
        self.next_id += 1
        self.sizes[order_id] = int(order.totalQuantity)
        self.peer.place(order_id, order)
        return order_id

    def do_place(self, side: int, kind: int, px: int, size: int) -> None:
        self.send(self.order(side, kind, px, size))

    def do_bracket(self, side: int, kind: int, px: int, size: int) -> None:
        parent = self.send(self.order(side, kind, px, size, transmit=False))
        for number, child in enumerate(("LMT", "STP")):
            more = {"parentId": parent, "transmit": number == 1}
            self.send(self.order(side + 1, KINDS.index(child), px + 3 * number, size, **more))

    def do_group(self, side: int, kind: int, px: int, size: int) -> None:
        name = f"g{self.next_id}"
        more = {"ocaGroup": name, "ocaType": 1 + size % 3}
        self.groups[name] = [self.send(self.order(side, kind + at, px + at, size, **more)) for at in range(3)]

    def do_modify(self, which: int, px: int, size: int, side: int) -> None:
        known = self.rig.orders.journal.of(11, which)
        if known is None or known.oca_group:
            return
        order = self.order(int(known.side > 0), KINDS.index(known.request.text("orderType")), px, size)
        self.sizes[which] = max(self.sizes[which], int(order.totalQuantity))
        self.peer.place(which, order)

    def do_cancel(self, which: int, _: int, __: int, ___: int) -> None:
        self.peer.ask.cancelOrder(which)

    def do_all(self, *_: int) -> None:
        self.peer.ask.reqGlobalCancel()

    def do_restart(self, *_: int) -> None:
        self.rig.restart()
        self.peer = self.rig.client()

    def do_fate(self, which: int, *_: int) -> None:
        self.rig.faults.due = [FATES[which % len(FATES)]]

    def do_lost(self, hold: int, *_: int) -> None:
        self.rig.faults.server_lost, self.rig.faults.hold_orders = True, hold % 2 == 0
        self.rig.machine.link_changed(data_lost=False)

    def do_back(self, *_: int) -> None:
        self.rig.faults.server_lost = False
        self.rig.machine.link_changed(data_lost=False)


class Days(Script):
    """Several days without a restart, orders of every time in force; the client hears everything and keeps score."""

    def __init__(self) -> None:
        super().__init__()
        self.trades: dict[str, tuple[int, int, int]] = {}  # order id, signed quantity, price in nanos
        self.costs: dict[str, int] = {}
        self.day = 0

    def run(self, script: list[Step]) -> "Days":
        for step in script:
            self.now_s += 30 * step.gap_ms / 1000
            self.rig.until(self.now_s)
            if step.what == "restart":
                self.do_night(*step.numbers)
            else:
                getattr(self, f"do_{step.what}")(*step.numbers)
            self.listen()
        self.do_back()
        self.rig.faults.due = []
        self.rig.wait(1)
        self.do_all()
        self.rig.wait(1)
        self.listen()
        return self

    def do_night(self, minutes: int, *_: int) -> None:
        """To a little before the next open; the table ends with the third day."""
        if self.day < 2:
            self.day += 1
            self.now_s = max(self.now_s, self.day * 86_400 - 60 * (minutes + 1))
            self.rig.until(self.now_s)

    def order(self, side: int, kind: int, px: int, size: int, **more: Any) -> Order:
        order = super().order(side, kind, px, size, **more)
        which = (side * 7 + px * 3 + size) % 6
        if which < 3 and order.orderType in ("LMT", "STP", "STP LMT", "TRAIL"):
            order.tif = "GTC"
        elif which == 3 and order.orderType in ("LMT", "MKT"):
            order.tif = "OPG"
        elif which == 4 and order.orderType == "LMT":
            order.outsideRth = True
        return order

    def listen(self) -> None:
        for name, arguments in self.peer.ears.heard:
            if name == "execDetails":
                fill = arguments[2]
                assert fill.execId not in self.trades
                quantity = round(fill.shares) * (1 if fill.side == "BOT" else -1)
                self.trades[fill.execId] = (fill.orderId, quantity, round(fill.price * NANO))
            elif name == "commissionReport":
                self.costs[arguments[0].execId] = round(arguments[0].commission * NANO)
        self.peer.ears.heard.clear()


@pytest.mark.slow
@settings(max_examples=30)
@given(script=STEPS)
def test_days_as_a_client_hears_them(script: list[Step]) -> None:
    """Over nights and auctions: what was told makes position and cash, sizes hold, and nothing stays behind."""
    played = Days().run(script)
    state = played.rig.world.exchange.account.state
    position = sum(quantity for _, quantity, _ in played.trades.values())
    assert sum(held.qty_nanos for held in state.positions.values()) == position * NANO
    assert played.costs.keys() == played.trades.keys()
    paid = sum(quantity * px for _, quantity, px in played.trades.values()) + sum(played.costs.values())
    assert state.cash_nanos["USD"] == played.rig.config.cash_nanos - paid
    traded = Counter[int]()
    for order_id, quantity, _ in played.trades.values():
        traded[order_id] += abs(quantity)
    assert all(quantity <= played.sizes[order_id] for order_id, quantity in traded.items())
    for members in played.groups.values():
        assert sum(traded[order_id] for order_id in members) <= played.sizes[members[0]]
    assert not [record for record in played.rig.orders.journal.live.values() if record.status]


@pytest.mark.slow
@settings(max_examples=40)
@given(script=STEPS)
def test_money_sizes_and_what_is_told(script: list[Step]) -> None:
    """Executions make position and cash; no order and no group trades more than was asked; records tell the truth."""
    played = Script().run(script)
    check_money(played)
    check_records(played)


def check_money(played: Script) -> None:
    """Cash and position are the executions; sizes hold."""
    state = played.rig.world.exchange.account.state
    cash, position, traded = played.rig.config.cash_nanos, 0, Counter[int]()
    for execution in state.executions.values():
        cash -= notional_nanos(execution.px_nanos, execution.side * execution.qty_nanos) + execution.commission_nanos
        position += execution.side * execution.qty_nanos
        record = played.rig.orders.journal.of_perm(execution.perm_id)
        assert record is not None
        traded[record.order_id] += execution.qty_nanos
    assert state.cash_nanos["USD"] == cash
    assert sum(held.qty_nanos for held in state.positions.values()) == position
    assert all(quantity <= played.sizes[order_id] * NANO for order_id, quantity in traded.items())
    for members in played.groups.values():
        assert sum(traded[order_id] for order_id in members) <= played.sizes[members[0]] * NANO


def check_records(played: Script) -> None:
    """After the close every order is done, as filled as its executions say; costs and lists agree."""
    rig = played.rig
    peer = rig.client(0)
    executions, journal = rig.world.exchange.account.state.executions.values(), rig.orders.journal
    for record in journal.records.values():
        executed = sum(execution.qty_nanos for execution in executions if execution.perm_id == record.perm_id)
        assert executed == record.filled_nanos == sum(fill.qty_nanos for fill in journal.fills_of(record.number))
        assert record.stage == DONE or not record.request.flag("transmit") or record.status == ""
        assert (record.status == FILLED) == (record.filled_nanos == record.qty_nanos > 0)
    told = [fill.commission_nanos for fill in journal.fills.values()]
    assert sum(told) == sum(execution.commission_nanos for execution in executions)
    peer.ask.reqAllOpenOrders()
    assert peer.news() == ["openOrderEnd"]
