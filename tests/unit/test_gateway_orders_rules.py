"""What the gateway refuses, with which code, and what it lets pass."""

from dataclasses import dataclass
from typing import Any

import pytest
from ib_async import Contract, Forex, Future, LimitOrder, MarketOrder, Order, Stock

from broker.gateway.orders.settings import OrderSettings
from broker.sim.config import VenueConfig
from core.units import NANO
from tests.fakes.gateway_peer import VENUE, market_rig
from tests.fakes.tape import Tape


def limit(**more: Any) -> Order:
    """A good order but for what is said."""
    terms: dict[str, Any] = {"action": "BUY", "totalQuantity": 100, "orderType": "LMT", "lmtPrice": 9.99, "tif": "DAY"}
    return Order(**(terms | more))


@dataclass
class Case:
    """An order and the one code it is refused with."""

    code: int
    order: Order
    words: str = ""
    order_id: int = 1
    contract: Contract | None = None


CASES = [
    Case(10149, limit(), "Invalid order id: 0", order_id=0),
    Case(200, limit(), "No security definition", contract=Stock("NOPE", "SMART", "USD")),
    Case(203, limit(), "EUR.USD", contract=Forex("EURUSD")),
    Case(200, limit(), "", contract=Future("NOPE", "209912", "CME")),
    Case(321, limit(account="DU9"), "Invalid account"),
    Case(321, limit(action="HOLD"), "side"),
    Case(321, limit(orderType="LIMIT"), "Invalid order type was entered"),
    Case(387, limit(orderType="MIDPRICE"), "Unsupported order type"),
    Case(387, limit(orderType="TRAIL LIMIT"), "Unsupported order type"),
    Case(387, limit(tif="DTC"), "time in force"),
    Case(321, limit(tif="FOREVER"), "time in force"),
    Case(111, limit(orderType="MOC", tif="GTC"), "incompatible"),
    Case(111, limit(orderType="STP", auxPrice=9, tif="OPG"), "incompatible"),
    Case(387, limit(tif="OPG"), "time in force"),  # the auction is over
    Case(434, limit(totalQuantity=0), "zero"),
    Case(321, limit(totalQuantity=-5), "size"),
    Case(10243, limit(totalQuantity=1.5), "Fractional"),
    Case(107, limit(lmtPrice=0), "incomplete"),
    Case(107, limit(orderType="STP"), "incomplete"),
    Case(107, limit(orderType="TRAIL"), "incomplete"),
    Case(110, limit(lmtPrice=9.991), "minimum price variation"),
    Case(321, limit(tif="GTD"), "good till"),
    Case(201, limit(tif="GTD", goodTillDate="20250101 10:00:00 US/Eastern"), "past"),
    Case(413, limit(whatIf=True, transmit=False), "transmit"),
    Case(10006, limit(parentId=77), "Missing parent"),
    Case(387, limit(allOrNone=True), "allOrNone"),
    Case(387, limit(goodAfterTime="20260105 11:00:00"), "goodAfterTime"),
    Case(387, limit(minQty=5), "minQty"),
    Case(387, limit(discretionaryAmt=0.05), "discretionaryAmt"),
    Case(387, limit(orderType="STP", auxPrice=9, triggerMethod=4), "triggerMethod"),
    Case(10243, limit(totalQuantity=0.25), "Fractional"),
    Case(321, limit(ocaGroup="g", ocaType=9), "OCA"),
    Case(201, limit(totalQuantity=500_000), "insufficient"),
    Case(383, limit(totalQuantity=1_000_001), "size limit"),
    Case(383, limit(totalQuantity=900_000, lmtPrice=9_000_000), "size limit"),
    Case(10149, limit(), "Invalid order id", order_id=2**31),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.words}")
def test_refusals(case: Case) -> None:
    """One error with the right code; nothing is on the books, and all but a 201 leave the id free."""
    rig = market_rig()
    peer = rig.client()
    peer.place(case.order_id, case.order, contract=case.contract)
    rig.wait()
    errors = peer.heard("error")
    assert [(args[0], args[1]) for args in errors] == [(case.order_id, case.code)]
    assert case.words in errors[0][2]
    if case.code != 201:
        assert len(peer.news()) == 1
    peer.news()
    peer.ask.reqAllOpenOrders()
    assert peer.news() == ["openOrderEnd"]
    assert rig.position == 0


def test_ids_go_up() -> None:
    """An id below the next one is 103; gaps are fine; the registry knows the next one, a what-if takes none."""
    rig = market_rig()
    peer = rig.client()
    peer.place(5, limit())
    rig.wait()
    peer.news()
    peer.place(4, limit())
    assert [args[1] for args in peer.heard("error")] == [103]
    peer.place(9, limit(whatIf=True))
    assert rig.registry.next_valid_id(11) == 6
    peer.place(9, limit())
    assert rig.registry.next_valid_id(11) == 10
    other = rig.client(3)
    other.place(1, limit())
    rig.wait()
    assert other.heard("error") == []


def test_an_id_of_a_cancelled_order_is_used_up() -> None:
    """Unless the gateway gives it out again, as real ones did after restarts."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, limit())
    rig.wait()
    peer.ask.cancelOrder(1)
    rig.wait()
    peer.news()
    peer.place(1, limit())
    assert [args[1] for args in peer.heard("error")] == [103]
    rig.registry.roll_back(11, 1)
    peer.place(1, limit(lmtPrice=9.5))
    rig.wait()
    assert peer.news()[-1] == "orderStatus Submitted"


def test_twenty_orders_on_one_side() -> None:
    """The twenty-first of a contract, side and account is refused; the other side and other contracts are not."""
    rig = market_rig().play(Tape().quote(2, 1000, 1002, inst=1))
    peer = rig.client()
    for order_id in range(1, 22):
        peer.place(order_id, limit(totalQuantity=1))
    rig.wait()
    assert [(args[0], args[1]) for args in peer.heard("error")] == [(21, 201)]
    peer.place(22, limit(action="SELL", lmtPrice=10.5, totalQuantity=1))
    peer.place(23, limit(totalQuantity=1), symbol="S1")
    peer.ask.cancelOrder(1)
    rig.wait()
    peer.place(24, limit(totalQuantity=1))
    rig.wait()
    assert [args[0] for args in peer.heard("error")] == [21, 1]


def test_several_accounts_must_be_told_apart() -> None:
    """435 without one; the ones that do not trade carry nothing."""
    rig = market_rig(accounts=("DU0000001", "DU0000002"))
    peer = rig.client()
    peer.place(1, limit())
    peer.place(2, limit(account="DU0000002"))
    peer.place(3, limit(account="DU0000001"))
    rig.wait()
    assert [args[1] for args in peer.heard("error")] == [435, 201]


def test_margin_counts_positions_and_working_orders() -> None:
    """Half of a long position's value; what only closes always passes; a short sale binds as well."""
    poor = VenueConfig(latency=VENUE.latency, cash_nanos=1_000 * NANO)
    rig = market_rig(config=poor)
    peer = rig.client()
    peer.place(1, limit(totalQuantity=150))  # 750.75 of 1000
    peer.place(2, limit(totalQuantity=100))  # 1251.25
    rig.wait()
    assert [(args[0], args[1]) for args in peer.heard("error")] == [(2, 201)]
    peer.ask.cancelOrder(1)
    rig.wait()
    peer.place(3, MarketOrder("BUY", 190, tif="DAY"))
    rig.wait(1)
    assert rig.position == 190
    peer.place(4, limit(totalQuantity=50))
    peer.place(5, limit(action="SELL", totalQuantity=190, lmtPrice=10))
    peer.place(6, limit(action="SELL", totalQuantity=390, lmtPrice=10.5))
    rig.wait()
    assert [args[0] for args in peer.heard("error") if args[1] == 201] == [2, 4, 6]
    assert rig.position == 0


def test_margin_can_be_switched_off() -> None:
    """For those who test something else."""
    rig = market_rig(settings=OrderSettings(margin_check=False))
    peer = rig.client()
    peer.place(1, limit(totalQuantity=500_000))
    rig.wait()
    assert peer.news()[-1] == "orderStatus Submitted"


def test_a_price_precaution_can_be_overridden() -> None:
    """109 beyond the preset's percentage, unless the order says that it means it."""
    rig = market_rig(settings=OrderSettings(price_precaution_ppm=50_000))
    peer = rig.client()
    peer.place(1, limit(lmtPrice=9))
    assert [args[1] for args in peer.heard("error")] == [109]
    peer.place(1, limit(lmtPrice=9, overridePercentageConstraints=True))
    peer.place(2, limit(lmtPrice=9.6))
    rig.wait()
    assert [args[1] for args in peer.heard("error")] == [109]


def test_outside_hours_is_ignored_where_it_means_nothing() -> None:
    """2109 is a warning: the order lives."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 10, tif="DAY", outsideRth=True))
    rig.wait()
    assert [args[1] for args in peer.heard("error")] == [2109]
    assert rig.position == 10


def test_contracts_by_id_and_exchange() -> None:
    """A contract id is enough; the echo keeps the exchange the client named."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, LimitOrder("BUY", 10, 9.9, tif="DAY"), contract=Contract(conId=1001, exchange="NYSE"))
    rig.wait()
    contract = peer.heard("openOrder")[0][1]
    assert (contract.symbol, contract.exchange) == ("S1", "NYSE")
