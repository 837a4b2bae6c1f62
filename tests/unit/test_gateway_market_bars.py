"""Historical and real-time bars: equal to bars computed from the raw rows by other code, and TWS's rules on them."""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from broker.feeds.conditions import CLOSING
from broker.gateway.market.settings import MarketSettings
from broker.gateway.market.synthetic import SyntheticHistory
from core.rows import NOT_LAST, PRINT, SUSPICIOUS
from tests.fakes.gateway_market import REFERENCE, DecodedClient, Market, history, stock
from tests.fakes.tape import CLOSE_S, OPEN_NS, SECOND, Tape, at, shares

EASTERN = ZoneInfo("US/Eastern")
NONE = MarketSettings(history="none", pacing=False)
KEPT = MarketSettings(pacing=False)


def busy(seconds: int = 900, *, seed: int = 3, start: float = 0.0) -> Tape:
    """A tape with gaps, odd prints and suspicious rows."""
    draw = np.random.default_rng(seed)
    tape = Tape().quote(start, 1000, 1002)
    px = 1000
    for second in np.sort(draw.uniform(start, start + seconds, seconds // 2)).round(3):
        px += int(draw.integers(-2, 3))
        flags = int(draw.choice([0, 0, 0, 0, NOT_LAST, SUSPICIOUS]))
        if draw.integers(0, 2):
            tape.quote(float(second), px - 1, px + 1, int(draw.integers(1, 9)) * 100, 100, flags=flags & SUSPICIOUS)
        else:
            tape.print(float(second), px, int(draw.integers(1, 400)), flags=flags)
    return tape


def prints_bars(tape: Tape, step_s: int, *, first_s: float = 0.0) -> list[tuple[float, ...]]:
    """(start, open, high, low, close, volume, count) of every interval with a print: a few plain lines."""
    found: dict[int, list[tuple[int, int]]] = {}
    for ts, _, inst, kind, flags, px, _, qty, _ in tape.rows:
        if kind == PRINT and inst == 0 and not flags & (NOT_LAST | SUSPICIOUS) and ts >= at(first_s):
            found.setdefault(ts // (step_s * SECOND) * step_s, []).append((px, qty))
    return [
        (start, *(px / 1e9 for px in (p[0][0], max(p)[0], min(p)[0], p[-1][0])), sum(q for _, q in p) / 1e9, len(p))
        for start, p in sorted(found.items())
    ]


def quote_bars(tape: Tape, step_s: int, value: Callable[[tuple[int, ...]], int]) -> list[tuple[float, ...]]:
    """(start, open, high, low, close) of a number of the quote, with the quote that stood at the start."""
    rows = [row for row in tape.rows if row[3] != PRINT and not row[4] & SUSPICIOUS]
    step = step_s * SECOND
    bars = []
    for start in range(rows[0][0] // step * step, tape.rows[-1][0] + 1, step):
        before = [value(row) for row in rows if row[0] < start][-1:]
        inside = before + [value(row) for row in rows if start <= row[0] < start + step]
        bars.append((start // SECOND, *(px / 1e9 for px in (inside[0], max(inside), min(inside), inside[-1]))))
    return bars


def told(client: DecodedClient) -> list[tuple[float, ...]]:
    """(start, open, high, low, close, volume, count) of the bars of an answer with epoch times."""
    return [
        (int(bar.date), bar.open, bar.high, bar.low, bar.close, bar.volume, bar.barCount)
        for _, _, bar in client.of("historicalData")
    ]


@pytest.mark.parametrize(("size", "step_s"), [("5 secs", 5), ("30 secs", 30), ("1 min", 60), ("3 mins", 180)])
def test_bars_of_trades_are_those_of_the_prints(size: str, step_s: int) -> None:
    """Every interval with a print, to the last share; the quiet ones are flat at the last print with volume 0."""
    tape = busy()
    market, client = Market(NONE).play(tape), DecodedClient()
    market.ask(client, 20, *history(1, size, "1 D", date_format=2))
    bars = told(client)
    assert [bar for bar in bars if bar[6]] == prints_bars(tape, step_s)
    for before, bar in pairwise(bars):
        assert bar[0] == before[0] + step_s
        if not bar[6]:
            assert bar[1:6] == (*[before[4]] * 4, 0.0)
    averages = {int(bar.date): bar.average for _, _, bar in client.of("historicalData") if bar.barCount}
    for start in averages:
        prints = [
            (row[5] / 1e9, row[7] / 1e9)
            for row in tape.rows
            if row[3] == PRINT and not row[4] and start <= row[0] / 1e9 < start + step_s
        ]
        value, volume = sum(px * qty for px, qty in prints), sum(qty for _, qty in prints)
        assert averages[start] == pytest.approx(value / volume, abs=1e-6)


@pytest.mark.parametrize("kind", ["BID", "ASK", "MIDPOINT"])
def test_bars_of_quotes_begin_with_the_quote_that_stood(kind: str) -> None:
    """Every interval has one, with or without a row of its own."""
    tape = busy(300)
    market, client = Market(NONE).play(tape), DecodedClient()
    values: dict[str, Callable[[tuple[int, ...]], int]] = {
        "BID": lambda row: row[5], "ASK": lambda row: row[6], "MIDPOINT": lambda row: (row[5] + row[6]) // 2,
    }  # fmt: skip
    market.ask(client, 20, *history(1, "5 secs", "1 D", kind=kind, date_format=2))
    assert [bar[:5] for bar in told(client)] == quote_bars(tape, 5, values[kind])
    assert {bar[5:] for bar in told(client)} == {(-1.0, -1)}


def test_bid_ask_bars_average_over_time() -> None:
    """Open is the average bid, close the average ask, each weighted by how long it stood."""
    tape = Tape().quote(60, 1000, 1010).quote(75, 1004, 1012).quote(105, 1002, 1006).quote(170, 1002, 1006)
    market, client = Market(NONE).play(tape), DecodedClient()
    market.ask(client, 20, *history(1, "1 min", "1 D", kind="BID_ASK"))
    bars = [bar for _, _, bar in client.of("historicalData")]
    assert bars[0].open == pytest.approx((10.00 * 15 + 10.04 * 30 + 10.02 * 15) / 60)
    assert bars[0].close == pytest.approx((10.10 * 15 + 10.12 * 30 + 10.06 * 15) / 60)
    assert (bars[0].high, bars[0].low) == (10.12, 10.0)
    assert (bars[1].open, bars[1].close) == (10.02, 10.06)


def test_seconds_come_from_the_raw_rows() -> None:
    """One-second bars reach back as far as rows are kept."""
    tape = busy(120)
    market, client = Market(NONE).play(tape), DecodedClient()
    market.ask(client, 20, *history(1, "1 secs", "60 S", date_format=2))
    bars = [bar for bar in told(client) if bar[6]]
    first = (tape.rows[-1][0] - 60 * SECOND - OPEN_NS) / SECOND
    expected = [bar for bar in prints_bars(tape, 1) if bar[0] >= (OPEN_NS / SECOND + first)]
    assert bars[1:] == expected[-len(bars[1:]) :]
    assert len(bars) >= len(expected)


def test_times_of_bars_by_version_and_format() -> None:
    """Local time with the instrument's zone, without it for old clients, the epoch, dates for days."""
    market = Market(NONE).play(busy(60))
    answers = {}
    for version in (178, 163, 157):
        client = DecodedClient(version)
        market.ask(client, 20, *history(1, "1 min", "1 D"))
        market.ask(client, 20, *history(2, "1 day", "1 D"))
        dates = [bar.date for _, _, bar in client.of("historicalData")]
        answers[version] = (dates[0], dates[-1], client.of("historicalDataEnd")[0][2])
    assert answers == {
        178: ("20260105 09:30:00 US/Eastern", "20260105", "20260105 09:30:00 US/Eastern"),
        163: ("20260105  09:30:00", "20260105", "20260105  09:30:00"),
        157: ("20260105  09:30:00", "20260105", "20260105  09:30:00"),
    }
    assert at(0) == int(datetime(2026, 1, 5, 9, 30, tzinfo=EASTERN).timestamp()) * SECOND


def test_ends_and_durations() -> None:
    """An end in any of TWS's spellings; seconds count trading time, days count sessions; extended hours on request."""
    tape = busy(600, start=-900)
    tape.rows += busy(600, seed=4).rows
    market, client = Market(NONE).play(tape), DecodedClient()

    def starts(length: str, end: str, *, regular: bool = True) -> list[str]:
        client.taken()
        market.ask(client, 20, *history(1, "1 min", length, end=end, regular=regular))
        return [bar.date[9:14] for _, _, bar in client.of("historicalData")]

    three = ["09:32", "09:33", "09:34"]
    assert starts("180 S", "20260105 09:35:00 US/Eastern") == three
    assert starts("180 S", "20260105-14:35:00") == three
    assert starts("180 S", "20260105 14:35:00 UTC") == three
    assert starts("180 S", "20260105  09:35:00") == three
    assert (1, 2174) in client.errors
    assert starts("180 S", "09:35:00 America/New_York") == three
    assert starts("1 D", "20260105-14:33:00") == ["09:30", "09:31", "09:32"]
    assert starts("1 D", "20260105-14:32:00", regular=False)[:2] == ["09:15", "09:16"]
    assert starts("1 W", "20260105-14:32:00") == ["09:30", "09:31"]
    for wrong in ("20260105 09:35:00 Eastern Standard Time", "2026-01-05 09:35:00", "20261305 09:35:00 UTC", "x"):
        client.taken()
        market.ask(client, 20, *history(1, "1 min", "1 D", end=wrong))
        assert client.errors == [(1, 10314)]


def test_bad_requests_and_what_nobody_has() -> None:
    """Each with its code; never silence."""
    market, client = Market(NONE).play(busy(60)), DecodedClient()
    market.ask(client, 20, *history(1, "7 mins", "1 D"))
    market.ask(client, 20, *history(2, "1 min", "D 1"))
    market.ask(client, 20, *history(3, "1 min", "1 D", kind="SOUP"))
    market.ask(client, 20, *history(4, "1 min", "1 D", kind="OPTION_IMPLIED_VOLATILITY"))
    market.ask(client, 20, *history(5, "1 min", "400 D"))
    market.ask(client, 20, *history(6, "1 min", "1 D", end="20260105-14:32:00", live=True))
    market.ask(client, 20, *history(7, "1 min", "1 D", end="20251231-14:32:00"))
    market.ask(client, 20, 8, *stock(exchange=""), False, "", "1 min", "1 D", True, "TRADES", 1, False, "")
    market.ask(client, 25, 1, 9)
    market.fault(history_stopped=True)
    market.ask(client, 20, *history(10, "1 min", "1 D"))
    assert client.errors == [
        (1, 321), (2, 321), (3, 321), (4, 162), (5, 321), (6, 321), (7, 162), (8, 321), (9, 366), (10, 162),
    ]  # fmt: skip


def test_pacing_of_history() -> None:
    """Identical requests, six of one contract in two seconds, sixty small ones in ten minutes; BID_ASK counts twice."""
    market, client = Market(MarketSettings(history="none")).play(busy(60)).until(at(60)), DecodedClient()
    market.ask(client, 20, *history(1, "1 min", "1 D"))
    market.ask(client, 20, *history(2, "1 min", "1 D"))
    assert client.errors == [(2, 162)]
    assert "pacing violation" in client.of("error")[0][3]
    for number in range(3, 7):
        market.ask(client, 20, *history(number, "1 min", f"{number} D"))
    assert len(client.errors) == 1
    market.ask(client, 20, *history(7, "1 min", "7 D"))
    assert client.errors[1:] == [(7, 162)]
    client.taken()
    for number in range(31):
        market.until(at(100 + 5 * number))
        end = f"20260105-14:31:{number:02d}"
        market.ask(client, 20, *history(number, "5 secs", "1 D", end=end, kind="BID_ASK"))
    assert client.errors == [(30, 162)]
    market.until(at(800))
    market.ask(client, 20, *history(99, "5 secs", "1 D"))
    assert len(client.errors) == 1


def test_real_time_bars_come_every_five_seconds() -> None:
    """Each the bar that has just ended, equal to the prints; quiet ones are flat; 420 when asked too often."""
    tape = busy(60)
    rows = tape.array()
    market, client = Market(MarketSettings(history="none")), DecodedClient()
    market.machine.run_rows(rows, 0, 1)
    market.ask(client, 50, 3, 1, *stock(), 5, "TRADES", True, "")
    market.ask(client, 50, 3, 2, *stock(), 5, "MIDPOINT", True, "")
    market.ask(client, 50, 3, 3, *stock(), 5, "TRADES", True, "")
    market.ask(client, 50, 3, 4, *stock(), 10, "TRADES", True, "")
    assert client.errors == [(3, 420), (4, 321)]
    market.machine.run_rows(rows, 1, len(rows))
    market.until(at(60))
    bars = [call[2:] for call in client.of("realtimeBar") if call[1] == 1]
    assert [(*bar[:6], bar[7]) for bar in bars if bar[7]] == prints_bars(tape, 5)
    mids = [call[2:7] for call in client.of("realtimeBar") if call[1] == 2]
    assert mids == quote_bars(tape, 5, lambda row: (row[5] + row[6]) // 2)[:12]
    market.ask(client, 51, 1, 1)
    market.ask(client, 51, 1, 2)
    client.taken()
    market.until(at(90))
    assert client.taken() == []
    market.ask(client, 51, 1, 1)
    assert client.errors == [(1, 300)]


def test_history_that_is_kept_up_to_date() -> None:
    """The newest bar every five seconds under the same time until it is complete; a cancel is answered with 162."""
    tape = busy(240)
    rows = tape.array()
    split = int(np.searchsorted(rows["ts_ns"], at(120)))
    market, client = Market(NONE), DecodedClient()
    market.machine.run_rows(rows, 0, split)
    market.until(at(120))
    market.ask(client, 20, *history(1, "1 min", "1 D", date_format=2, live=True))
    market.machine.run_rows(rows, split, len(rows))
    market.until(at(240))
    updates = [bar for _, _, bar in client.of("historicalDataUpdate")]
    assert len(updates) == 24
    complete = {
        int(bar.date): (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.barCount) for bar in updates
    }  # fmt: skip
    expected = {bar[0]: bar[1:] for bar in prints_bars(tape, 60)}
    assert complete == {start: expected[start] for start in sorted(expected)[2:]}
    market.ask(client, 25, 1, 1)
    assert client.errors == [(1, 162)]
    client.taken()
    market.until(at(300))
    assert client.calls == []


def made_up(*sizes: str) -> DecodedClient:
    """A client that has asked on the feed's first day for that day and the one before."""
    market, client = Market(KEPT, slow=REFERENCE), DecodedClient()
    market.machine.advance_to(at(86_400))
    market.play(busy(120, start=86_400))
    for req_id, size in enumerate(sizes):
        market.ask(client, 20, *history(req_id, size, "2 D"))
    return client


def test_made_up_history_is_marked_anchored_and_the_same_every_time() -> None:
    """It ends at the known close, has about the known volume, says that it is made up, once; real days are real."""
    client = made_up("1 min", "1 day")
    minutes = [bar for _, req_id, bar in client.of("historicalData") if req_id == 0]
    days = [bar for _, req_id, bar in client.of("historicalData") if req_id == 1]
    assert [bar.date for bar in days] == ["20260105", "20260106"]
    assert days[0].close == 10.0
    assert 0.3 * 2_000_000 < days[0].volume < 3 * 2_000_000
    notes = client.of("error")
    assert [note[1:3] for note in notes] == [(-1, 2199)]
    assert "made up" in notes[0][3]
    assert len(minutes) == 390 + 2
    assert (minutes[0].open, max(bar.high for bar in minutes[:390])) == (days[0].open, days[0].high)
    assert sum(bar.volume for bar in minutes[:390]) == days[0].volume
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in minutes)
    assert all(round(bar.open * 100, 6).is_integer() for bar in minutes)
    again = [bar for _, _, bar in made_up("1 min").of("historicalData")]
    assert [vars(bar) for bar in again] == [vars(bar) for bar in minutes]


def test_made_up_days_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again, as a client does that got no answer in time, costs the gateway nothing; today's bar moves on."""
    made: list[int] = []
    monkeypatch.setattr(SyntheticHistory, "minutes", _counted(SyntheticHistory.minutes, made))
    client = made_up("1 day", "1 day")
    answers = [[vars(bar) for _, req_id, bar in client.of("historicalData") if req_id == asked] for asked in (0, 1)]
    assert len(answers[0]) == 2
    assert answers[0] == answers[1]
    assert len(made) == 1


def _counted(method: Any, calls: list[int]) -> Any:
    def counting(self: SyntheticHistory, at: int) -> Any:
        calls.append(at)
        return method(self, at)

    return counting


def test_schedules_heads_and_histograms() -> None:
    """Sessions as text, the earliest moment, and volume by price."""
    market, client = Market(NONE).play(busy(120)), DecodedClient()
    market.ask(client, 20, *history(1, "1 day", "2 D", end="20260106-20:00:00", kind="SCHEDULE"))
    _, _, start, end, zone, sessions = client.of("historicalSchedule")[0]
    assert (start, end, zone) == ("20260105-09:30:00", "20260106-16:00:00", "US/Eastern")
    assert [each.refDate for each in sessions] == ["20260105", "20260106"]
    market.ask(client, 87, 2, *stock(), False, True, "TRADES", 1)
    market.ask(client, 87, 3, *stock(), False, True, "TRADES", 2)
    market.ask(client, 87, 4, *stock(1), False, True, "TRADES", 1)
    assert [call[1:] for call in client.of("headTimestamp")] == [
        (2, "20260105-14:30:00"), (3, str(OPEN_NS // SECOND)),
    ]  # fmt: skip
    market.ask(client, 88, 5, *stock(), False, True, "1 day")
    found = client.of("histogramData")[0][2]
    prints = [row for row in busy(120).rows if row[3] == PRINT and not row[4]]
    assert sum(item.count for item in found) == sum(row[7] for row in prints) // shares(1)
    market.ask(client, 88, 6, *stock(), False, True, "soon")
    market.ask(client, 90, 2)
    market.ask(client, 89, 5)
    assert client.errors == [(4, 162), (6, 321)]


def test_bars_outlive_a_restart() -> None:
    """Dumped in the middle and loaded into a new machine, the rest of the tape gives the same bars."""
    tape = busy(300)
    rows = tape.array()
    whole, first, second = Market(NONE), Market(NONE), Market(NONE)
    whole.machine.run_rows(rows, 0, len(rows))
    first.machine.run_rows(rows, 0, 70)
    second.part.load(first.part.dump())
    second.machine.run_rows(rows, 70, len(rows))
    assert second.part.dump() == whole.part.dump()
    client = DecodedClient()
    second.ask(client, 20, *history(1, "5 secs", "1 D", date_format=2))
    assert [bar for bar in told(client) if bar[6]] == prints_bars(tape, 5)


@pytest.mark.parametrize(("after", "code"), [("resume", 0), ("told", 10182), ("silent", 0)])
def test_bars_after_a_broken_farm(after: Literal["resume", "told", "silent"], code: int) -> None:
    """They go on, or they are gone, with a word or without, as on real gateways."""
    market, client = Market(MarketSettings(history="none", pacing=False, bars_after_break=after)), DecodedClient()
    market.play(busy(20)).until(at(20))
    market.ask(client, 50, 3, 1, *stock(), 5, "TRADES", True, "")
    market.ask(client, 20, *history(2, "1 min", "1 D", live=True))
    market.fault(market_stopped=True, history_stopped=True)
    market.until(at(30))
    market.fault(market_stopped=False, history_stopped=False)
    assert client.errors == ([(1, code), (2, code)] if code else [])
    client.taken()
    market.until(at(40))
    assert bool(client.of("realtimeBar")) == bool(client.of("historicalDataUpdate")) == (after == "resume")


def test_a_regular_day_ends_with_its_closing_auction() -> None:
    """The auction is printed seconds after the close: it belongs to the day's bar, not to the last minute's."""
    tape = Tape().print(1, 1000, 10).print(CLOSE_S - 1, 1001, 10).print(CLOSE_S + 3, 1010, 500)
    tape.rows[2] = (*tape.rows[2][:-1], CLOSING)
    tape.print(CLOSE_S + 9, 900, 7)
    market = Market(NONE).play(tape)
    for restarted in (False, True):
        client = DecodedClient()
        market.until(at(86_400)).play(Tape().print(86_401 + restarted, 1020, 1))
        market.ask(client, 20, *history(1, "1 day", "2 D", end="20260106-00:00:00"))
        market.ask(client, 20, *history(2, "1 min", "2 D", end="20260106-00:00:00"))
        bars = [(req, bar.close, bar.high, bar.low, bar.volume) for _, req, bar in client.of("historicalData")]
        assert bars[0] == (1, 10.10, 10.10, 10.0, 520.0)
        assert bars[-1] == (2, 10.01, 10.01, 10.01, 10.0)
        state = market.part.dump()
        market = Market(NONE)
        market.part.load(state)


def test_rings_forget_the_oldest_bars_only() -> None:
    """With room for one day of minutes, the last 960 are there, across a restart too."""
    tape = Tape()
    for minute in range(1_100):
        tape.print(60 * minute, 1000 + minute % 7, 10 + minute)
    settings = MarketSettings(history="none", pacing=False, history_days=1)
    market = Market(settings).play(tape)
    again = Market(settings)
    again.part.load(market.part.dump())
    for one in (market, again):
        one.until(at(60 * 1_100))
        client = DecodedClient()
        one.ask(client, 20, *history(1, "1 min", "2 D", regular=False, date_format=2))
        bars = [bar for bar in told(client) if bar[6]]
        expected = [bar for bar in prints_bars(tape, 60, first_s=60 * 140) if bar[0] < at(21 * 1_800) / SECOND]
        assert bars == expected
        assert one.part.tape.newest(0, 60 * SECOND, 1)["volume"].tolist() == [shares(1_109)]
