"""Single ticks, historical ticks and depth, read by ib_async's decoder."""

import pytest

from broker.feeds.conditions import OPENING
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.tick_by_tick import conditions_text
from core.rows import NOT_LAST, SUSPICIOUS
from tests.fakes.gateway_market import REFERENCE, Call, DecodedClient, Market, stock
from tests.fakes.tape import Tape, at

FREE = MarketSettings(pacing=False, tick_by_tick_max=4)


def subscribe(
    market: Market,
    client: DecodedClient,
    req_id: int,
    kind: str,
    *,
    inst: int = 0,
    count: int = 0,
    prices: bool = False,
) -> None:
    """reqTickByTickData; `prices`: changes of sizes do not matter."""
    market.ask(client, 97, req_id, *stock(inst), kind, count, prices)


def values(calls: list[Call]) -> list[tuple[object, ...]]:
    """Ticks without their attribute objects."""
    return [tuple(value for value in call[1:] if isinstance(value, str | int | float)) for call in calls]


def test_every_kind_of_tick_as_its_row_comes() -> None:
    """Last leaves out what may not update last, AllLast marks it; quotes tick when they change, mids when they move."""
    market, client = Market(FREE), DecodedClient()
    for req_id, kind in enumerate(("Last", "AllLast", "BidAsk", "MidPoint"), start=1):
        subscribe(market, client, req_id, kind)
    assert market.world.wanted.tolist() == [4, 0]
    market.play(
        Tape()
        .quote(1, 1000, 1001, 300, 200)
        .quote(1.1, 1000, 1001, 300, 200)
        .quote(1.2, 1000, 1001, 100, 200)
        .quote(1.3, 1000, 1003, flags=SUSPICIOUS)
        .quote(1.4, 1000, 1003, inst=1)
        .print(2, 1001, 50)
        .print(2.1, 1000, 25, flags=NOT_LAST)
        .quote(3, 1001, 1003, 100, 200)
        .quote(4, 0, 1003, 0, 200)
    )
    one, two, three, four = (at(second) // 10**9 for second in (1, 2, 3, 4))
    trades = client.of("tickByTickAllLast")
    assert values(trades) == [
        (1, 1, two, 10.01, 50.0, "NYSE", ""),
        (2, 2, two, 10.01, 50.0, "NYSE", ""),
        (2, 2, two, 10.0, 25.0, "NYSE", ""),
    ]
    assert [call[6].unreported for call in trades] == [False, False, True]
    assert values(client.of("tickByTickBidAsk")) == [
        (3, one, 10.0, 10.01, 300.0, 200.0),
        (3, one, 10.0, 10.01, 100.0, 200.0),
        (3, three, 10.01, 10.03, 100.0, 200.0),
        (3, four, 0.0, 10.03, 0.0, 200.0),
    ]
    assert values(client.of("tickByTickMidPoint")) == [(4, one, 10.005), (4, three, 10.02)]


def test_quotes_beyond_the_day_are_marked_and_sizes_can_be_ignored() -> None:
    """bidPastLow and askPastHigh; with ignoreSize only prices tick."""
    market, client = Market(FREE), DecodedClient()
    market.play(Tape().quote(1, 1000, 1001).print(1, 1000, 10))
    subscribe(market, client, 1, "BidAsk", prices=True)
    market.play(Tape().quote(2, 1000, 1001, 700, 100).quote(3, 999, 1000).quote(4, 1000, 1002))
    told = client.of("tickByTickBidAsk")
    assert [(call[3], call[7].bidPastLow, call[7].askPastHigh) for call in told] == [
        (9.99, True, False), (10.0, False, True),
    ]  # fmt: skip


def test_the_last_ticks_come_first_when_asked_for() -> None:
    """As historical ticks under the same request."""
    market, client = Market(FREE), DecodedClient()
    market.play(Tape().quote(1, 1000, 1001).print(1, 1000, 10).print(2, 1001, 20).print(3, 1002, 30))
    subscribe(market, client, 1, "AllLast", count=2)
    subscribe(market, client, 2, "BidAsk", count=5)
    subscribe(market, client, 3, "MidPoint", count=5)
    _, req_id, ticks, done = client.of("historicalTicksLast")[0]
    assert (req_id, [(tick.price, tick.size) for tick in ticks], done) == (1, [(10.01, 20.0), (10.02, 30.0)], True)
    quotes = client.of("historicalTicksBidAsk")[0][2]
    assert [(tick.priceBid, tick.priceAsk, tick.sizeBid) for tick in quotes] == [(10.0, 10.01, 100.0)]
    assert [tick.price for tick in client.of("historicalTicks")[0][2]] == [10.005]


def test_limits_of_single_ticks() -> None:
    """Three over all clients, one of a kind per instrument in 15 s, permissions, unknown kinds, cancels."""
    market = Market(MarketSettings(entitlements={"S1": "delayed"})).until(at(0))
    client, other = DecodedClient(), DecodedClient(number=2)
    subscribe(market, client, 1, "Last")
    subscribe(market, client, 1, "BidAsk")
    subscribe(market, client, 2, "Last")
    subscribe(market, client, 3, "last")
    subscribe(market, client, 4, "Last", inst=1)
    subscribe(market, client, 5, "Last", count=5000)
    subscribe(market, client, 6, "BidAsk")
    subscribe(market, other, 1, "Last")
    subscribe(market, other, 2, "MidPoint")
    market.ask(client, 98, 9)
    assert client.errors == [(1, 102), (2, 10190), (3, 321), (4, 10189), (5, 321), (9, 300)]
    assert other.errors == [(2, 10190)]
    market.ask(client, 98, 1)
    market.until(at(1))
    market.machine.closed(other)
    subscribe(market, client, 7, "Last")
    market.until(at(20))
    subscribe(market, client, 8, "Last")
    assert client.errors[6:] == [(7, 10190)]
    market.machine.closed(client)
    assert market.world.wanted.tolist() == [0, 0]


def test_single_ticks_stop_with_the_farm() -> None:
    """And are gone when the session's data is lost; a competing session is told to each."""
    market, client = Market(FREE), DecodedClient()
    subscribe(market, client, 1, "BidAsk")
    market.fault(market_stopped=True)
    market.play(Tape().quote(1, 1000, 1001))
    assert client.taken() == []
    market.fault(market_stopped=True, competing=True)
    subscribe(market, client, 2, "BidAsk", inst=1)
    assert client.errors == [(1, 10197), (2, 10197)]
    market.fault(market_stopped=False, competing=False, data_lost=True)
    client.taken()
    market.play(Tape().quote(2, 1001, 1002))
    assert client.taken() == []


@pytest.mark.parametrize(("kind", "name"), [("TRADES", "historicalTicksLast"), ("BID_ASK", "historicalTicksBidAsk")])
def test_historical_ticks_by_start_or_end(kind: str, name: str) -> None:
    """The first from a moment, or the last before one; a second that is begun is told in full."""
    market, client = Market(FREE), DecodedClient()
    tape = Tape()
    for second in (1, 2, 3.1, 3.2, 3.3, 4, 5):
        tape.print(second, 1000 + second, 10).quote(second, 1000 + second, 1010)
    market.play(tape)
    text = "20260105-14:30:{:02d}"

    def ask(req_id: int, start: str, end: str, count: int) -> list[int]:
        market.ask(client, 96, req_id, *stock(), False, start, end, count, kind, True, False, "")
        found = client.of(name)[-1]
        assert found[1] == req_id
        return [int(tick.time.timestamp()) - at(0) // 10**9 for tick in found[2]]

    assert ask(1, text.format(2), "", 2) == [2, 3, 3, 3]
    assert ask(2, "", text.format(4), 2) == [3, 3, 3]
    assert ask(3, "", text.format(5), 2) == [3, 3, 3, 4]
    assert ask(4, text.format(30), "", 9) == []
    market.ask(client, 96, 5, *stock(), False, "", "", 9, kind, True, False, "")
    market.ask(client, 96, 6, *stock(), False, "1", "", 9, kind, True, False, "")
    market.ask(client, 96, 7, *stock(), False, text.format(1), "", 1001, kind, True, False, "")
    market.ask(client, 96, 8, *stock(), False, text.format(1), "", 10, "SOUP", True, False, "")
    assert client.errors == [(5, 321), (6, 10314), (7, 321), (8, 321)]


def test_sale_conditions_as_letters() -> None:
    """What the tape's bits say in the tape's own letters; nothing for a regular trade."""
    assert conditions_text(1) == ""
    assert conditions_text(OPENING | 1 << 5) == "F O"
    assert conditions_text(1 << 31 | 1 << 13) == "T I"


def depth(market: Market, client: DecodedClient, req_id: int, *, rows: int = 5, exchange: str = "SMART") -> None:
    """reqMktDepth."""
    market.ask(client, 10, 5, req_id, *stock(exchange=exchange), rows, exchange == "SMART", "")


def test_depth_is_the_best_bid_and_offer() -> None:
    """Inserted, updated and deleted row by row, with the venue's name in smart books."""
    market, client = Market(), DecodedClient()
    market.play(Tape().quote(1, 1000, 1001, 300, 200)).until(at(1.25))
    depth(market, client, 1)
    depth(market, client, 2, exchange="NYSE")
    assert client.of("updateMktDepthL2") == [
        ("updateMktDepthL2", 1, 0, "NYSE", 0, 0, 10.01, 200.0, True),
        ("updateMktDepthL2", 1, 0, "NYSE", 0, 1, 10.0, 300.0, True),
    ]
    assert client.of("updateMktDepth") == [
        ("updateMktDepth", 2, 0, 0, 0, 10.01, 200.0), ("updateMktDepth", 2, 0, 0, 1, 10.0, 300.0),
    ]  # fmt: skip
    client.taken()
    market.play(Tape().quote(2, 1000, 0, 100, 0)).until(at(2.25))
    assert client.of("updateMktDepth") == [
        ("updateMktDepth", 2, 0, 2, 0, 0.0, 0.0), ("updateMktDepth", 2, 0, 1, 1, 10.0, 100.0),
    ]  # fmt: skip
    market.ask(client, 11, 1, 1, True)
    market.ask(client, 11, 1, 1, True)
    assert client.errors == [(1, 310)]


def test_made_up_levels_lie_behind_the_real_one() -> None:
    """Only by setting, no more than the rows that were asked for."""
    market, client = Market(MarketSettings(depth_levels=10)), DecodedClient()
    market.play(Tape().quote(1, 1000, 1001, 300, 200)).until(at(1.25))
    depth(market, client, 1, rows=3)
    bids = [(call[2], call[6]) for call in client.of("updateMktDepthL2") if call[5] == 1]
    assert bids == [(0, 10.0), (1, 9.99), (2, 9.98)]


def test_limits_and_faults_of_depth() -> None:
    """309, 102, 354, 10092; halted and reset with the farm."""
    market = Market(MarketSettings(depth_max=1, entitlements={"S1": "none"}), slow=REFERENCE)
    client = DecodedClient()
    market.play(Tape().quote(1, 1000, 1001)).until(at(2))
    depth(market, client, 1)
    depth(market, client, 1)
    depth(market, client, 2)
    market.ask(client, 10, 5, 3, *stock(), 5, False, "")
    market.ask(client, 10, 5, 4, *stock(1), 5, True, "")
    market.ask(client, 10, 5, 5, *stock(), 0, True, "")
    assert client.errors == [(1, 102), (2, 309), (3, 10092), (4, 354), (5, 321)]
    client.taken()
    market.fault(market_stopped=True)
    market.play(Tape().quote(3, 1002, 1003)).until(at(4))
    market.fault(market_stopped=False)
    assert client.errors == [(1, 316), (1, 317)]
    assert [call[6] for call in client.of("updateMktDepthL2")] == [10.03, 10.02]
