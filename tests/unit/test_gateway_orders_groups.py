"""Orders that belong together: brackets, transmit, one-cancels-all groups; and what a what-if answers."""

from typing import Any

import pytest
from ib_async import LimitOrder, MarketOrder, Order, StopOrder

from tests.fakes.gateway_peer import Peer, Rig, market_rig
from tests.fakes.tape import Tape

OPEN = ["openOrder Submitted", "orderStatus Submitted"]


def bracket(
    peer: Peer, *, px: float = 10.02, size: float = 100, transmit: tuple[bool, ...] = (False, False, True)
) -> None:
    """Parent 1, profit taker 2, stop 3."""
    common: dict[str, Any] = {"tif": "DAY", "parentId": 1}
    peer.place(1, LimitOrder("BUY", size, px, tif="DAY", transmit=transmit[0]))
    peer.place(2, LimitOrder("SELL", size, 10.20, transmit=transmit[1], **common))
    peer.place(3, StopOrder("SELL", size, 9.80, transmit=transmit[2], **common))


def ends(peer: Peer) -> dict[int, str]:
    """The last status of every order."""
    return {args[0]: args[1] for args in peer.heard("orderStatus")}


def test_nothing_is_told_of_what_is_not_transmitted() -> None:
    """The last of a bracket lets all of it go; before, not even the gateway's lists show it."""
    rig = market_rig()
    peer = rig.client()
    bracket(peer, px=9.99, transmit=(False, False, False))
    rig.wait()
    peer.ask.reqAllOpenOrders()
    assert peer.news() == ["openOrderEnd"]
    peer.place(3, StopOrder("SELL", 100, 9.85, tif="DAY", parentId=1))
    rig.wait()
    assert ends(peer) == {1: "Submitted", 2: "PreSubmitted", 3: "PreSubmitted"}
    told = {args[0]: args[2] for args in peer.heard("openOrder")}
    assert (told[3].auxPrice, told[3].parentId, told[3].ocaGroup) == (9.85, 1, str(told[1].permId))
    assert {args[0]: args[9] for args in peer.heard("orderStatus")} == {1: "", 2: "child", 3: "child"}


def test_children_enter_when_the_parent_is_filled_and_one_cancels_the_other() -> None:
    """Profit taken: the stop is cancelled in the same moment."""
    rig = market_rig()
    peer = rig.client()
    bracket(peer)
    rig.wait()
    assert ends(peer) == {1: "Filled", 2: "Submitted", 3: "PreSubmitted"}
    rig.play(Tape().quote(3, 1021, 1023, 500, 500)).wait()
    assert ends(peer) == {1: "Filled", 2: "Filled", 3: "Cancelled"}
    assert rig.position == 0


def test_children_of_a_filled_parent_still_cancel_each_other() -> None:
    """A client that transmits the parent first sends its children too late to wait for it."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 100, tif="DAY"))
    rig.wait()
    peer.place(2, LimitOrder("SELL", 100, 10.20, tif="DAY", parentId=1))
    peer.place(3, StopOrder("SELL", 100, 9.80, tif="DAY", parentId=1))
    rig.wait()
    assert ends(peer) == {1: "Filled", 2: "Submitted", 3: "PreSubmitted"}
    rig.play(Tape().quote(3, 1021, 1023, 500, 500)).wait()
    assert (ends(peer), rig.position) == ({1: "Filled", 2: "Filled", 3: "Cancelled"}, 0)


def test_a_cancelled_parent_takes_its_children_along() -> None:
    """Each with its own 202."""
    rig = market_rig()
    peer = rig.client()
    bracket(peer, px=9.99)
    rig.wait()
    peer.ask.cancelOrder(1)
    rig.wait()
    assert ends(peer) == {1: "Cancelled", 2: "Cancelled", 3: "Cancelled"}
    assert sorted(args[0] for args in peer.heard("error") if args[1] == 202) == [1, 2, 3]


def test_a_parent_filled_in_part_leaves_its_children_that_part() -> None:
    """481 tells of the smaller size; what was bought keeps its stop."""
    rig = market_rig()
    peer = rig.client()
    bracket(peer, size=800)
    rig.wait()
    peer.ask.cancelOrder(1)
    rig.wait()
    sizes = {args[0]: args[2].totalQuantity for args in peer.heard("openOrder")}
    assert (sizes[2], sizes[3], rig.position) == (500, 500, 500)
    assert [args[0] for args in peer.heard("error") if args[1] == 481] == [2, 3]
    rig.play(Tape().quote(3, 978, 980, 900, 900).print(4, 979, 100)).wait()
    assert rig.position == 0


def test_a_day_s_child_ends_with_its_day() -> None:
    """The part of its parent that was filled keeps its GTC stop overnight, and loses its day order."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, LimitOrder("BUY", 800, 10.02, tif="DAY", transmit=False))
    peer.place(2, LimitOrder("SELL", 800, 10.50, tif="DAY", parentId=1, transmit=False))
    peer.place(3, StopOrder("SELL", 800, 9.80, tif="GTC", parentId=1))
    rig.wait().until(13 * 1800 + 1)
    assert ends(peer) == {1: "Cancelled", 2: "Cancelled", 3: "PreSubmitted"}


def test_a_refused_parent_refuses_the_bracket() -> None:
    """No child is left alone at the venue."""
    rig = market_rig()
    peer = rig.client()
    bracket(peer, size=500_000)
    rig.wait()
    assert ends(peer) == {1: "Inactive", 2: "Cancelled", 3: "Cancelled"}
    peer.ask.reqAllOpenOrders()
    assert peer.news()[-1] == "openOrderEnd"


def test_untransmitted_orders_are_modified_and_cancelled_silently() -> None:
    """A new price replaces the old one; a cancel is ApiCancelled, with what was attached."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, LimitOrder("BUY", 100, 9.9, tif="DAY", transmit=False))
    peer.place(1, LimitOrder("BUY", 100, 9.8, tif="DAY", transmit=False))
    peer.place(2, LimitOrder("SELL", 100, 11, tif="DAY", transmit=False, parentId=1))
    assert peer.news() == []
    peer.ask.cancelOrder(1)
    assert ends(peer) == {1: "ApiCancelled", 2: "ApiCancelled"}
    peer.news()
    peer.place(3, LimitOrder("BUY", 100, 9.8, tif="DAY", transmit=False))
    peer.place(3, LimitOrder("BUY", 100, 9.7, tif="DAY"))
    rig.wait()
    assert peer.heard("openOrder")[0][2].lmtPrice == 9.7


def test_a_child_that_waits_is_modified_and_cancelled() -> None:
    """Its new price is told at once; its cancel leaves parent and brother."""
    rig = market_rig()
    peer = rig.client()
    bracket(peer, px=9.99)
    rig.wait()
    peer.news()
    peer.place(2, LimitOrder("SELL", 100, 10.3, tif="DAY", parentId=1))
    assert peer.heard("openOrder")[0][2].lmtPrice == 10.3
    peer.ask.cancelOrder(3)
    assert ends(peer)[3] == "Cancelled"
    rig.play(Tape().quote(3, 995, 999, 500, 500)).wait()
    assert ends(peer)[2] == "Submitted"


def group(rig: Rig, peer: Peer, oca_type: int) -> None:
    """Two bids of 600 on both stocks; the first trades 200 at once."""
    rig.play(Tape().quote(2, 1000, 1002, 500, 500, inst=1).quote(3, 1000, 1002, 500, 200))
    peer.place(1, LimitOrder("BUY", 600, 10.00, tif="DAY", ocaGroup="g", ocaType=oca_type), symbol="S1")
    peer.place(2, LimitOrder("BUY", 600, 10.02, tif="DAY", ocaGroup="g", ocaType=oca_type))
    rig.wait()


def test_type_one_cancels_the_others_at_the_first_execution() -> None:
    """Even at a part of the size; a late comer to the group is refused."""
    rig = market_rig()
    peer = rig.client()
    group(rig, peer, 1)
    assert ends(peer) == {1: "Cancelled", 2: "Submitted"}
    peer.place(3, LimitOrder("BUY", 10, 9, tif="DAY", ocaGroup="g", ocaType=1))
    rig.wait()
    assert [(args[0], args[1]) for args in peer.heard("error")][-1] == (3, 201)


@pytest.mark.parametrize("oca_type", [2, 3])
def test_types_two_and_three_reduce_the_others(oca_type: int) -> None:
    """By the part that traded; all of it traded cancels them."""
    rig = market_rig()
    peer = rig.client()
    group(rig, peer, oca_type)
    sizes = {args[0]: args[2].totalQuantity for args in peer.heard("openOrder")}
    assert sizes == {1: 400, 2: 600}
    rig.play(Tape().quote(6, 998, 1000, 500, 500)).wait()
    assert ends(peer)[1] == "Cancelled"
    assert (ends(peer)[2], rig.position) == ("Filled", 600)


def test_a_what_if_answers_margins_and_changes_nothing() -> None:
    """One openOrder; a sale that closes frees margin, a short one binds it."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, MarketOrder("BUY", 100, tif="DAY"))
    rig.wait(1)
    peer.news()
    for side, size, change in (("BUY", 100, 500.5), ("SELL", 100, -500.5), ("SELL", 200, 0.0), ("SELL", 300, 500.5)):
        peer.place(2, MarketOrder(side, size, tif="DAY", whatIf=True))
        state = peer.heard("openOrder")[0][3]
        assert float(state.initMarginChange) == change
        assert float(state.initMarginAfter) == 500.5 + change
        assert state.commission >= 1.0
        assert state.commissionCurrency == "USD"
        assert peer.news() == ["openOrder PreSubmitted"]
    rig.wait(1)
    assert (peer.news(), rig.position) == ([], 100)


def test_a_group_may_join_market_close_orders() -> None:
    """A limit and a market-on-close order: whichever trades, the day's size is traded once."""
    rig = market_rig()
    peer = rig.client()
    peer.place(1, LimitOrder("BUY", 100, 9.99, tif="DAY", ocaGroup="day", ocaType=2))
    peer.place(2, Order(action="BUY", totalQuantity=100, orderType="MOC", tif="DAY", ocaGroup="day", ocaType=2))
    rig.wait().until(13 * 1800 + 1)
    assert ends(peer) == {1: "Cancelled", 2: "Filled"}
    assert rig.position == 100
