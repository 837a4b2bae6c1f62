"""The gateway's account pages: what they say, when they say it again, and how many may be open."""

from typing import Any

from ib_async import LimitOrder, MarketOrder

from core.units import NANO
from tests.fakes.gateway_peer import Peer, market_rig
from tests.fakes.tape import Tape

ACCOUNT = "DU0000001"


def values(peer: Peer) -> dict[str, str]:
    """Account values by key, those of the base currency."""
    return {args[0]: args[1] for args in peer.heard("updateAccountValue") if args[2] in ("", "USD")}


def trade(peer: Peer, order_id: int, side: str, size: float) -> None:
    """Trade at the market and wait for the costs."""
    peer.place(order_id, MarketOrder(side, size, tif="DAY"))
    peer.rig.wait(0.5)


def test_account_updates_say_everything_then_what_changed() -> None:
    """The download ends with its End and the time; a fill tells values and portfolio again, soon."""
    rig = market_rig()
    peer = rig.client()
    peer.ask.reqAccountUpdates(True, ACCOUNT)
    first = values(peer)
    assert (first["NetLiquidation"], first["AccountReady"], first["BuyingPower"]) == (
        "1000000.00",
        "true",
        "4000000.00",
    )
    assert peer.news()[-2:] == ["updateAccountTime", "accountDownloadEnd"]
    trade(peer, 1, "BUY", 100)
    told = values(peer)
    assert (told["GrossPositionValue"], told["InitMarginReq"], told["MaintMarginReq"]) == (
        "1001.00",
        "500.50",
        "250.25",
    )
    assert "AccountReady" not in told
    _, position, px, value, cost, unrealised, _, account = peer.heard("updatePortfolio")[-1]
    assert (position, px, value, cost, unrealised, account) == (100, 10.01, 1001, 10.02, -1, ACCOUNT)
    cash = rig.world.exchange.account.state.cash_nanos["USD"]
    assert float(told["TotalCashBalance"]) * NANO == cash
    peer.news()
    trade(peer, 2, "SELL", 100)
    assert peer.heard("updatePortfolio")[-1][1] == 0
    peer.news()
    peer.ask.reqAccountUpdates(False, ACCOUNT)
    trade(peer, 3, "BUY", 100)
    assert not [name for name in peer.news() if name.startswith("update")]


def test_account_updates_come_every_three_minutes() -> None:
    """What the market moved, without any fill."""
    rig = market_rig()
    peer = rig.client()
    trade(peer, 1, "BUY", 100)
    peer.ask.reqAccountUpdates(True, "")
    peer.news()
    rig.play(Tape().print(60, 1101, 100))
    assert peer.news() == []
    rig.until(200)
    assert values(peer)["GrossPositionValue"] == "1101.00"
    assert "NetLiquidation" in values(peer)


def test_one_account_at_a_time() -> None:
    """Another account takes the first one's place with 2100; an empty one is all zeros; an unknown one is refused."""
    rig = market_rig(accounts=(ACCOUNT, "DU0000002"))
    peer = rig.client()
    trade(peer, 1, "BUY", 0)
    peer.news()
    peer.ask.reqAccountUpdates(True, ACCOUNT)
    peer.news()
    peer.ask.reqAccountUpdates(True, "DU0000002")
    assert [args[1] for args in peer.heard("error")] == [2100]
    assert values(peer)["NetLiquidation"] == "0.00"
    peer.news()
    peer.ask.reqAccountUpdates(True, "DU9")
    assert peer.news() == ["error 321"]


def test_two_summaries_and_no_more() -> None:
    """322 at the third; a cancelled one makes room; tags in their order, the ledger by currency."""
    rig = market_rig()
    peer = rig.client()
    peer.ask.reqAccountSummary(1, "All", "BuyingPower,NetLiquidation,NoSuchTag")
    assert [args[2:] for args in peer.heard("accountSummary")] == [
        ("BuyingPower", "4000000.00", "USD"), ("NetLiquidation", "1000000.00", "USD"),
    ]  # fmt: skip
    assert peer.news()[-1] == "accountSummaryEnd"
    peer.ask.reqAccountSummary(2, "All", "$LEDGER")
    assert {args[4] for args in peer.heard("accountSummary")} == {"BASE"}
    peer.news()
    peer.ask.reqAccountSummary(3, "All", "NetLiquidation")
    peer.ask.reqAccountSummary(4, "Mine", "NetLiquidation")
    assert [args[:2] for args in peer.heard("error")] == [(3, 322), (4, 322)]
    peer.ask.cancelAccountSummary(2)
    peer.ask.cancelAccountSummary(2)
    peer.ask.reqAccountSummary(3, "All", "$LEDGER:ALL")
    peer.ask.reqAccountSummary(1, "All", "NetLiquidation")
    assert [args[:2] for args in peer.heard("error")][2:] == [(2, 300)]
    assert {args[4] for args in peer.heard("accountSummary")} == {"BASE", "USD"}


def test_positions_are_told_at_once_and_as_they_change() -> None:
    """All, then the End; a flat one is told once more with 0; positionsMulti the same under its id."""
    rig = market_rig()
    peer = rig.client()
    peer.ask.reqPositions()
    peer.ask.reqPositionsMulti(5, ACCOUNT, "")
    assert peer.news() == ["positionEnd", "positionMultiEnd"]
    trade(peer, 1, "BUY", 100)
    trade(peer, 2, "SELL", 100)
    assert [args[2] for args in peer.heard("position")] == [100, 0]
    assert [(args[0], args[4]) for args in peer.heard("positionMulti")] == [(5, 100), (5, 0)]
    peer.news()
    peer.ask.cancelPositions()
    peer.ask.cancelPositionsMulti(5)
    trade(peer, 3, "SELL", 100)
    assert not [name for name in peer.news() if name.startswith("position")]
    peer.ask.reqPositions()
    assert peer.heard("position")[0][2] == -100


def test_values_of_several_accounts_by_id() -> None:
    """accountUpdateMulti; of a model there is nothing but the End."""
    peer = market_rig().client()
    peer.ask.reqAccountUpdatesMulti(6, ACCOUNT, "", True)
    keys = {args[3] for args in peer.heard("accountUpdateMulti")}
    assert {"NetLiquidation", "CashBalance"} <= keys
    assert "BuyingPower" not in keys
    assert peer.news()[-1] == "accountUpdateMultiEnd"
    peer.ask.reqAccountUpdatesMulti(7, ACCOUNT, "model", False)
    assert peer.news() == ["accountUpdateMultiEnd"]
    peer.ask.cancelAccountUpdatesMulti(6)
    peer.ask.cancelAccountUpdatesMulti(6)
    assert peer.news() == ["error 300"]


def test_profit_is_told_each_second_while_it_moves() -> None:
    """Daily = unrealised + realised on a day that began flat; a new day begins at midnight, over a restart too."""
    rig = market_rig()
    peer = rig.client()
    trade(peer, 1, "BUY", 100)
    trade(peer, 2, "SELL", 40)
    peer.news()
    peer.ask.reqPnL(1, ACCOUNT, "")
    peer.ask.reqPnLSingle(2, ACCOUNT, "", 1000)
    (_, daily, unrealised, realised), single = peer.heard("pnl")[0], peer.heard("pnlSingle")[0]
    assert round(daily - unrealised - realised, 9) == 0
    assert (single[1], round(single[2] - daily, 9), single[5]) == (60, 0, 600.6)
    peer.news()
    rig.wait(5)
    assert peer.news() == []
    rig.play(Tape().print(10, 1101, 10)).wait(1)
    assert peer.heard("pnl")[-1][2] == round(60 * (11.01 - 10.02), 9)
    peer.ask.cancelPnL(1)
    peer.ask.cancelPnLSingle(2)
    rig.until(15 * 3600).restart()
    peer = rig.client()
    peer.ask.reqPnL(1, ACCOUNT, "")
    assert peer.heard("pnl")[-1][1] == 0
    peer.ask.reqPnLSingle(3, ACCOUNT, "", 99)
    assert [args[:2] for args in peer.heard("error")] == [(3, 321)]


def test_a_realised_profit_is_the_same_everywhere() -> None:
    """Commission report, portfolio and account value: proceeds less cost less the commission, exact."""
    rig = market_rig()
    peer = rig.client()
    trade(peer, 1, "BUY", 100)
    rig.play(Tape().quote(3, 1050, 1052, 500, 500).print(3, 1050, 100))
    peer.place(2, LimitOrder("SELL", 100, 10.5, tif="DAY"))
    rig.wait(0.5)
    report: Any = peer.heard("commissionReport")[-1][0]
    assert round(report.realizedPNL, 9) == round(100 * (10.50 - 10.02) - report.commission, 9)
    cash = rig.world.exchange.account.state.cash_nanos["USD"]
    costs = sum(args[0].commission for args in peer.heard("commissionReport"))
    assert cash == 1_000_000 * NANO + 48 * NANO - round(costs * NANO)


def test_pages_close_with_their_client() -> None:
    """Nothing is due for a client that is gone but the next midnight."""
    rig = market_rig()
    quiet = rig.client(2)
    peer = rig.client()
    before = rig.account.next_due_ns
    peer.ask.reqPnL(1, ACCOUNT, "")
    peer.ask.reqAccountUpdates(True, "")
    assert rig.account.next_due_ns < before
    rig.machine.closed(peer)
    assert rig.account.next_due_ns == before
    rig.wait(400)
    assert quiet.news() == []
