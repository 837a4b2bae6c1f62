"""Market-data lines: what they start with, what they send, their limits, faults and delayed forms."""

import numpy as np

from broker.gateway.market.settings import MarketSettings
from broker.sim.conflator import conflate
from core.events import HaltChanged
from core.profiles import L1_250
from core.rows import PRINT, QUOTE
from tests.fakes.gateway_market import REFERENCE, DecodedClient, Market, line, stock
from tests.fakes.tape import Tape, at, cents, shares


def started() -> Market:
    """Two instruments, the first of which has traded."""
    return Market(slow=REFERENCE).play(
        Tape().quote(1, 1000, 1001, 300, 200).print(1.1, 1001, 100).print(1.15, 1000, 50).quote(2, 1000, 1002, 300, 100)
    )


def test_a_line_begins_with_everything_it_shows() -> None:
    """Parameters, type, quote, last, volume, range, previous close, halt; prices with their sizes inline."""
    market, client = started(), DecodedClient()
    market.until(at(2.5))
    market.ask(client, 1, *line(7))
    assert client.taken() == [
        ("tickReqParams", 7, 0.0001, "9c0001", 3),
        ("marketDataType", 7, 1),
        ("priceSizeTick", 7, 1, 10.0, 300.0),
        ("tickSize", 7, 0, 300.0),
        ("priceSizeTick", 7, 2, 10.02, 100.0),
        ("tickSize", 7, 3, 100.0),
        ("tickString", 7, 45, str(at(1) // 10**9)),
        ("priceSizeTick", 7, 4, 10.0, 50.0),
        ("tickSize", 7, 5, 50.0),
        ("tickSize", 7, 8, 150.0),
        ("priceSizeTick", 7, 6, 10.01, 0.0),
        ("priceSizeTick", 7, 7, 10.0, 0.0),
        ("priceSizeTick", 7, 14, 10.01, 0.0),
        ("priceSizeTick", 7, 9, 10.0, 0.0),
        ("tickGeneric", 7, 49, 0.0),
    ]


def test_ticks_come_at_the_end_of_their_slot_and_only_for_what_changed() -> None:
    """A slot of 250 ms sends its prints as one and its last quote; an empty side is -1."""
    market, client = started(), DecodedClient()
    market.ask(client, 1, *line(7))
    client.taken()
    market.until(at(2.25))
    client.taken()
    market.play(Tape().quote(2.3, 1001, 1002, 300, 100).print(2.4, 1002, 10).print(2.41, 1002, 20))
    assert client.taken() == []
    market.until(at(2.5))
    assert client.taken() == [
        ("tickString", 7, 45, str(at(2) // 10**9)),
        ("priceSizeTick", 7, 4, 10.02, 30.0),
        ("tickSize", 7, 5, 30.0),
        ("tickSize", 7, 8, 180.0),
        ("priceSizeTick", 7, 6, 10.02, 0.0),
        ("priceSizeTick", 7, 1, 10.01, 300.0),
    ]
    market.play(Tape().quote(2.6, 0, 1002, 0, 60)).until(at(2.75))
    assert client.taken() == [
        ("priceSizeTick", 7, 1, -1.0, 0.0),
        ("tickSize", 7, 0, 0.0),
        ("tickSize", 7, 3, 60.0),
    ]


def test_what_a_line_sends_is_what_the_conflator_leaves() -> None:
    """On a random tape, played in pieces, a client that applies the ticks holds the conflated quotes and volumes."""
    draw = np.random.default_rng(5)
    tape = Tape().quote(0.01, 1000, 1002).print(0.02, 1001, 7)
    times = np.sort(draw.uniform(0.3, 60, 900)).round(3)
    for second, kind, px in zip(times, draw.integers(0, 3, 900), draw.integers(990, 1010, 900), strict=True):
        if kind:
            tape.quote(float(second), int(px), int(px) + 1, int(draw.integers(1, 9)) * 100, 100)
        else:
            tape.print(float(second), int(px), int(draw.integers(1, 500)))
    rows = tape.array()
    market, client = Market(), DecodedClient()
    market.play(rows[:2]).until(at(0.26))
    market.ask(client, 1, *line(7))
    for lo in range(2, len(rows), 37):
        market.machine.run_rows(rows, lo, min(lo + 37, len(rows)))
    market.until(at(61))
    expected = conflate(rows, profile=L1_250)
    prints = expected[expected["kind"] == PRINT]
    sizes = [call[4] for call in client.of("priceSizeTick") if call[2] == 4]
    volumes = [call[3] for call in client.of("tickSize") if call[2] == 8]
    assert volumes == [float(v) for v in np.cumsum(prints["bid_qty_nanos"]) // 10**9]
    assert len(sizes) > 50
    bids = [(round(call[3] * 100), call[4]) for call in client.of("priceSizeTick") if call[2] == 1]
    quotes = expected[expected["kind"] == QUOTE]
    changed = np.flatnonzero(np.diff(quotes["bid_px_nanos"], prepend=0))
    assert bids == [
        (int(quotes[k]["bid_px_nanos"]) // cents(1), int(quotes[k]["bid_qty_nanos"]) / 1e9) for k in changed
    ]  # fmt: skip


def test_two_clients_share_a_line_and_a_late_one_starts_where_the_other_is() -> None:
    """The newcomer is shown the state of the last slot, not what the market has become since."""
    market, first, second = started(), DecodedClient(), DecodedClient(157, number=2)
    market.until(at(2.25))
    market.ask(first, 1, *line(7))
    market.play(Tape().quote(2.3, 1001, 1003))
    market.ask(second, 1, *line(9))
    assert ("priceSizeTick", 9, 1, 10.0, 300.0) in second.calls
    first.taken(), second.taken()
    market.until(at(2.5))
    assert [call[2:] for call in first.calls] == [call[2:] for call in second.calls]
    assert [call[2:] for call in first.calls] == [
        (1, 10.01, 100.0), (0, 100.0), (2, 10.03, 100.0),
    ]  # fmt: skip


def test_snapshots_end_when_complete_or_after_eleven_seconds() -> None:
    """A market that is known answers at once; one without a trade is waited for, and its line ends anyway."""
    market, client = started(), DecodedClient()
    market.play(Tape().quote(2.1, 2000, 2001, inst=1)).until(at(3))
    market.ask(client, 1, *line(7, snapshot=True))
    assert client.calls[-1] == ("tickSnapshotEnd", 7)
    market.ask(client, 1, *line(8, inst=1, snapshot=True))
    market.until(at(13.9))
    assert client.of("tickSnapshotEnd") == [("tickSnapshotEnd", 7)]
    market.until(at(14))
    assert client.calls[-1] == ("tickSnapshotEnd", 8)
    market.play(Tape().quote(15, 2000, 2002, inst=1)).until(at(16))
    assert client.calls[-1] == ("tickSnapshotEnd", 8)
    market.ask(client, 2, 2, 8)
    assert client.errors == [(8, 300)]


def test_generic_ticks_are_what_the_market_knows() -> None:
    """RTVolume, shortable, mark, counts and rates; a number nobody knows is an error."""
    market, client = started(), DecodedClient()
    market.until(at(2.5))
    market.ask(client, 1, *line(7, generics="233,236,165,293,232,mdoff"))
    market.ask(client, 1, *line(8, generics="9999"))
    assert client.errors == [(7, 321), (8, 321)]
    market.ask(client, 1, *line(9, generics="233,236,165,293,232"))
    assert client.calls[-5:] == [
        ("tickSize", 9, 21, 2_000_000.0),
        ("tickGeneric", 9, 46, 3.0),
        ("tickSize", 9, 89, 10_000_000.0),
        ("priceSizeTick", 9, 37, 10.0, 0.0),
        ("tickGeneric", 9, 54, 2.0),
    ]
    client.taken()
    market.play(Tape().print(2.6, 1002, 50)).until(at(2.75))
    strings = [call for call in client.taken() if call[0] == "tickString" and call[2] == 48]
    assert strings == [("tickString", 9, 48, f"10.02;50;{at(2.6) // 10**6};200;10.01;true")]
    client.taken()
    market.play(Tape().quote(20 * 3_600, 1000, 1002)).until(at(20 * 3_600 + 1))  # the next day, with the lender's list
    assert [call for call in client.taken() if call[2] in (46, 89)] == [
        ("tickGeneric", 9, 46, 3.0),
        ("tickSize", 9, 89, 10_000_000.0),
    ]


def test_limits_and_errors_of_lines() -> None:
    """101 counts instruments over all clients; 102, 300, 200, 321 as TWS."""
    market = Market(MarketSettings(lines_max=1))
    client, other = DecodedClient(), DecodedClient(number=2)
    market.ask(client, 1, *line(1))
    market.ask(other, 1, *line(1))
    market.ask(other, 1, *line(2, inst=1))
    market.ask(client, 1, *line(1))
    market.ask(client, 2, 2, 99)
    market.ask(
        client, 1, 11, 3, 0, "NOPE", "STK", "", 0, "", "", "SMART", "", "USD", "", "", False, "", False, False, ""
    )
    market.ask(client, 1, 11, 4, *stock(exchange=""), False, "", False, False, "")
    market.ask(client, 1, 11, 5, *stock(), False, "", False, True, "")
    market.ask(
        client, 1, 11, 6, 0, "ES", "CONTFUT", "", 0, "", "", "CME", "", "USD", "", "", False, "", False, False, ""
    )
    assert other.errors == [(2, 101)]
    assert client.errors == [(1, 102), (99, 300), (3, 200), (4, 321), (5, 321), (6, 354)]
    market.machine.closed(client)
    market.machine.closed(other)
    market.ask(other, 1, *line(2, inst=1))
    assert other.errors == [(2, 101)]


def test_entitlements_answer_with_their_codes() -> None:
    """No data, delayed data after reqMarketDataType(3), partial data."""
    codes = {}
    for entitled in ("delayed", "delayed_off", "partial", "none"):
        market = Market(MarketSettings(entitlements={"S0": entitled}), slow=REFERENCE)
        market.play(Tape().quote(1, 1000, 1001).print(1, 1000, 5)).until(at(2))
        client = DecodedClient()
        market.ask(client, 1, *line(1))
        streams = [bool(client.of("marketDataType"))]
        market.ask(client, 59, 1, 3)
        market.ask(client, 1, *line(2))
        streams.append(("marketDataType", 2) in [call[:2] for call in client.of("marketDataType")])
        codes[entitled] = ([code for _, code in client.errors], streams)
        if entitled == "partial":
            assert {call[2] for call in client.of("priceSizeTick", "tickSize")} == {8, 9}
    assert codes == {
        "delayed": ([10089, 10167], [False, True]),
        "delayed_off": ([354, 10168], [False, False]),
        "partial": ([10090, 10090], [True, True]),
        "none": ([354, 10168], [False, False]),
    }


def test_delayed_lines_show_the_market_of_fifteen_minutes_ago() -> None:
    """Other tick ids, steps of five seconds, nothing newer than the delay."""
    market = Market(MarketSettings(entitlement="delayed"), slow=REFERENCE)
    client = DecodedClient()
    market.ask(client, 59, 1, 3)
    market.play(Tape().quote(1, 1000, 1001, 300, 200).print(1.1, 1001, 100)).until(at(600))
    market.ask(client, 1, *line(1))
    assert client.errors == [(1, 10167)]
    assert {call[2] for call in client.of("priceSizeTick", "tickSize", "tickGeneric")} == {75, 90}
    client.taken()
    market.until(at(904))
    assert client.taken() == []
    market.until(at(905))
    assert client.taken() == [
        ("priceSizeTick", 1, 66, 10.0, 300.0),
        ("tickSize", 1, 69, 300.0),
        ("priceSizeTick", 1, 67, 10.01, 200.0),
        ("tickSize", 1, 70, 200.0),
        ("tickString", 1, 88, str(at(5) // 10**9)),
        ("priceSizeTick", 1, 68, 10.01, 100.0),
        ("tickSize", 1, 71, 100.0),
        ("tickSize", 1, 74, 100.0),
        ("priceSizeTick", 1, 72, 10.01, 0.0),
        ("priceSizeTick", 1, 73, 10.01, 0.0),
        ("priceSizeTick", 1, 76, 10.01, 0.0),
    ]


def test_halts_and_frozen_data() -> None:
    """A halt is told at once; type 2 is told as frozen only while the market is closed."""
    market, client = started(), DecodedClient()
    market.ask(client, 59, 1, 2)
    market.ask(client, 1, *line(1))
    assert client.of("marketDataType") == [("marketDataType", 1, 1)]
    client.taken()
    market.machine.control(at(2.1), HaltChanged(inst=0, halted=2))
    assert client.taken()[-1] == ("tickGeneric", 1, 49, 2.0)
    market.until(at(11 * 3600))
    market.ask(client, 1, *line(2))
    assert client.of("marketDataType") == [("marketDataType", 2, 2)]


def test_broken_farms_stop_lines_and_the_return_shows_everything_again() -> None:
    """Silence while it lasts; subscriptions of a session that lost its data are gone without a word; 10197 tells."""
    market, client = started(), DecodedClient()
    market.ask(client, 1, *line(1))
    client.taken()
    market.fault(market_stopped=True)
    market.play(Tape().quote(3, 1005, 1006).print(3, 1006, 10)).until(at(4))
    market.ask(client, 1, *line(3))
    assert client.taken() == []
    market.fault(market_stopped=False)
    calls = client.taken()
    assert [call[:2] for call in calls if call[0] in ("tickReqParams", "marketDataType")] == [
        ("tickReqParams", 3), ("marketDataType", 3),
    ]  # fmt: skip
    assert ("priceSizeTick", 1, 1, 10.05, 100.0) in calls
    assert ("tickSize", 1, 8, 160.0) in calls
    market.fault(market_stopped=True, competing=True)
    market.ask(client, 1, *line(2))
    assert client.errors == [(1, 10197), (3, 10197), (2, 10197)]
    market.fault(market_stopped=False, competing=False, data_lost=True)
    client.taken()
    market.play(Tape().quote(5, 1007, 1008)).until(at(6))
    assert client.taken() == []
    market.ask(client, 2, 2, 1)
    assert client.errors == [(1, 300)]


def test_fractional_sizes_are_whole_for_clients_that_know_no_others() -> None:
    """Below 163 a size must be an integer's text."""
    market, new, old = Market(), DecodedClient(178), DecodedClient(157, number=2)
    market.play(Tape().quote(1, 1000, 1001, 100.5, 200).print(1, 1000, 0.25)).until(at(1.25))
    for client in (new, old):
        market.ask(client, 1, *line(1))
    assert [call[3] for call in new.of("tickSize")] == [100.5, 200.0, 0.25, 0.25]
    assert [call[3] for call in old.of("tickSize")] == [100.0, 200.0, 0.0, 0.0]
    assert shares(0.25) == 250_000_000


def test_a_new_day_begins_with_another_close_and_no_volume() -> None:
    """Yesterday's last slot still counts for yesterday; the close is what the day is compared with."""
    market, client = started(), DecodedClient()
    market.ask(client, 1, *line(1))
    market.play(Tape().print(3, 1003, 10))
    client.taken()
    market.play(Tape().quote(80_000, 1010, 1011).print(80_001, 1011, 5)).until(at(80_002))
    calls = client.taken()
    assert [call for call in calls if call[2] in (8, 9)] == [
        ("tickSize", 1, 8, 160.0),
        ("tickSize", 1, 8, 0.0),
        ("tickSize", 1, 8, 5.0),
    ]
    assert Market(slow=()).play(Tape().print(1, 1007, 5).quote(80_000, 1010, 1011)).part.tape.days[0][
        "previous_close"
    ] == cents(1007)
