"""What a market-data line and a bar line leave of a tape, in small cases and on five real days."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from broker.feeds.columns import Rows
from broker.feeds.merge import HALT, ControlFact
from broker.feeds.process import open_feed
from broker.feeds.replay import read_rows
from broker.feeds.spec import FeedSpec, Profile, ReplaySpec, SyntheticSpec
from broker.sim.conflator import BAR_NS, QTY_NANOS_MAX, SLOT_NS, Conflator, conflate
from core.errors import Bug
from core.events import FeedGapped, HaltChanged
from core.profiles import BAR as BAR_PROFILE
from core.profiles import L1_250, PROFILES, TBT
from core.rows import BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO
from tests.fakes.feed_tapes import OPEN_NS, joined, synthetic_spec, words, write_prints, write_quotes

MS = 1_000_000
ROOT = Path(__file__).resolve().parents[2]


def quote(ms: int, bid: int, ask: int, *, inst: int = 0, flags: int = 0, size: int = 5) -> tuple[int, ...]:
    return (OPEN_NS + ms * MS, OPEN_NS + ms * MS - 7, inst, QUOTE, flags, bid, ask, size, size)


def trade(ms: int, px: int, qty: int, *, inst: int = 0, flags: int = 0, condition: int = 1) -> tuple[int, ...]:
    return (OPEN_NS + ms * MS, OPEN_NS + ms * MS - 7, inst, PRINT, flags, px, 0, qty, condition)


def halt(ms: int, *, inst: int = 0) -> tuple[int, ...]:
    return (OPEN_NS + ms * MS, OPEN_NS + ms * MS, inst, HALT, 0, 1, 0, 0, 0)


def served(*rows: tuple[int, ...], profile: int = L1_250) -> list[tuple[int, ...]]:
    """(milliseconds, instrument, kind, four numbers) of what leaves."""
    left = conflate(np.array(list(rows), ROW), profile=profile)
    assert not left["flags"].any()
    return [((row[0] - OPEN_NS) // MS, row[2], row[3], *row[5:]) for row in left.tolist()]


def test_one_quote_per_slot_and_the_print_before_it() -> None:
    """The last state of the slot leaves at its end, after the sum of its prints at the last of their prices."""
    assert served(quote(0, 10, 12), trade(10, 12, 3), quote(10, 11, 13), trade(240, 11, 4), quote(250, 9, 10)) == [
        (250, 0, PRINT, 11, 0, 7, 0),
        (250, 0, QUOTE, 11, 13, 5, 5),
        (500, 0, QUOTE, 9, 10, 5, 5),
    ]


def test_a_state_that_came_back_is_not_sent() -> None:
    """A quote that moves and returns within a slot, or is repeated, leaves nothing."""
    assert served(quote(0, 10, 12), quote(300, 11, 12), quote(400, 10, 12), quote(600, 10, 12)) == [
        (250, 0, QUOTE, 10, 12, 5, 5)
    ]


def test_any_instrument_closes_the_slot_of_all() -> None:
    """The slot of a silent instrument ends with the first row of another at its end, in the order of instruments."""
    assert served(quote(10, 1, 2, inst=2), quote(20, 3, 4), quote(999, 5, 6, inst=1)) == [
        (250, 0, QUOTE, 3, 4, 5, 5),
        (250, 2, QUOTE, 1, 2, 5, 5),
        (1000, 1, QUOTE, 5, 6, 5, 5),
    ]


def test_what_may_not_update_last_adds_no_volume() -> None:
    """Suspicious rows change nothing; prints that are not last, or without price or size, are no volume."""
    rows = [quote(0, 10, 12), quote(1, 90, 92, flags=SUSPICIOUS), trade(2, 99, 9, flags=NOT_LAST)]
    odd = [trade(3, 98, 9, flags=SUSPICIOUS), trade(4, 0, 9), trade(5, 97, 0)]
    assert served(*rows, *odd) == [(250, 0, QUOTE, 10, 12, 5, 5)]
    assert served(*odd, profile=BAR_PROFILE) == []


def test_a_halt_brings_out_what_is_held_and_forgets_what_was_sent() -> None:
    """Before a fact its own instrument speaks, at the fact's time; after it the same quote is sent again."""
    rows = [quote(0, 10, 12), quote(5, 3, 4, inst=1), trade(10, 12, 3), halt(100), quote(110, 10, 12)]
    assert served(*rows) == [
        (100, 0, PRINT, 12, 0, 3, 0),
        (100, 0, QUOTE, 10, 12, 5, 5),
        (100, 0, HALT, 1, 0, 0, 0),
        (250, 0, QUOTE, 10, 12, 5, 5),
        (250, 1, QUOTE, 3, 4, 5, 5),
    ]


def test_bar_and_its_volume_stand_together_at_the_end_of_the_bar() -> None:
    """Open, high, low, close, then mean price (half-even), volume and count; no prints, no bar."""
    rows = [trade(0, 11, 1), quote(4_900, 9, 10), trade(4_999, 13, 2), trade(20_000, 7, 1)]
    assert served(*rows, profile=BAR_PROFILE) == [
        (5_000, 0, BAR, 11, 13, 11, 13),
        (5_000, 0, BAR_VOLUME, 12, 0, 3, 2),  # 12.33 nanos
        (5_000, 0, QUOTE, 9, 10, 5, 5),
        (25_000, 0, BAR, 7, 7, 7, 7),
        (25_000, 0, BAR_VOLUME, 7, 0, 1, 1),
    ]
    assert served(trade(0, 10, 1), trade(1, 11, 2), profile=BAR_PROFILE)[1][3] == 11  # 10.67
    assert BAR_NS == 20 * SLOT_NS


def test_absurd_sizes_stop_at_a_bound() -> None:
    """A sum of sizes never turns negative."""
    assert served(*(trade(at, 10, 1 << 60) for at in range(12)))[0][5] == QTY_NANOS_MAX


def test_exchange_time_is_that_of_the_last_row() -> None:
    """Receipt is the slot's end; the exchange time that of the last quote or print behind the row."""
    left = conflate(np.array([quote(0, 1, 2), trade(3, 2, 1), quote(9, 2, 3)], ROW), profile=L1_250)
    assert (left["exchange_ts_ns"] - OPEN_NS).tolist() == [3 * MS - 7, 9 * MS - 7]


def test_foreign_rows_and_profiles_are_bugs() -> None:
    """An instrument outside the arrays is refused by number; tick-by-tick has no conflator."""
    with pytest.raises(Bug, match="instrument 3: it has 3"):
        Conflator(profile=L1_250, instruments=3).take(np.array([quote(0, 1, 2, inst=3)], ROW))
    with pytest.raises(Bug, match="profile 1 is not conflated"):
        Conflator(profile=TBT, instruments=1)
    assert get_args(Profile) == tuple(PROFILES)


@pytest.fixture
def recorded(tmp_path: Path) -> ReplaySpec:
    """Two symbols, quotes each 40 ms and prints each 100 ms for 20 seconds."""
    files = []
    for at, symbol in enumerate("AB"):
        quotes = [
            (OPEN_NS + ms * MS + at, symbol, 9.0 + ms % 7 / 100, 9.2, 100, 1, False) for ms in range(0, 20_000, 40)
        ]
        prints = [(OPEN_NS + ms * MS + at, symbol, 9.1 + ms % 3 / 100, 100, 1, False) for ms in range(0, 20_000, 100)]
        files += [write_quotes(tmp_path / f"q{symbol}", quotes), write_prints(tmp_path / f"p{symbol}", prints)]
    return ReplaySpec(files=tuple(files), symbols={"A": 3, "B": 1})


def changed(spec: Any, **changes: Any) -> Any:
    return type(spec)(**{**{name: getattr(spec, name) for name in spec.__struct_fields__}, **changes})


def everything(spec: FeedSpec) -> tuple[Rows, list[ControlFact]]:
    items = list(open_feed(spec).items())
    return joined(i for i in items if not isinstance(i, ControlFact)), [i for i in items if isinstance(i, ControlFact)]


@pytest.mark.parametrize("profile", ["l1_250", "bar"])
def test_a_conflated_replay_resumes_exactly(recorded: ReplaySpec, profile: str) -> None:
    """The feed serves what the conflator makes of the whole tape; skipping N counts conflated rows, for any batch."""
    whole, _ = everything(changed(recorded, profile=profile))
    assert words(whole).tolist() == words(conflate(joined(read_rows(recorded)), profile=PROFILES[profile])).tolist()
    assert 20 < len(whole) < 500
    for skip, batch_rows in ((1, 8_192), (17, 101), (len(whole) - 1, 64), (len(whole), 8_192)):
        rest, _ = everything(changed(recorded, profile=profile, skip_rows=skip, batch_rows=batch_rows))
        assert words(rest).tolist() == words(whole)[skip:].tolist()


@pytest.mark.parametrize("profile", ["l1_250", "bar"])
def test_a_conflated_market_keeps_its_facts(profile: str) -> None:
    """Halts and gaps of a made-up market come as before, in time order with the conflated rows, for any batch."""
    spec: SyntheticSpec = synthetic_spec(hours=0.3, halts_per_hour=20.0, halt_seconds=9.0, gaps_per_hour=40.0)
    rows, facts = everything(changed(spec, profile=profile))
    _, before = everything(spec)
    assert facts == before
    assert Counter(type(fact.event) for fact in facts)[HaltChanged] > 5
    assert Counter(type(fact.event) for fact in facts)[FeedGapped] > 5
    last_ns = 0
    for item in open_feed(changed(spec, profile=profile, batch_rows=11)).items():
        first_ns, end_ns = (item.ts_ns,) * 2 if isinstance(item, ControlFact) else item["ts_ns"][[0, -1]].tolist()
        assert first_ns >= last_ns
        last_ns = end_ns
    again, _ = everything(changed(spec, profile=profile, batch_rows=11))
    assert words(again).tolist() == words(rows).tolist()


@pytest.mark.parametrize("profile", ["tbt", "l1_250", "bar"])
@pytest.mark.parametrize("rate", [1.0, 10.0])
def test_the_header_knows_about_how_many_rows_come(profile: str, rate: float) -> None:
    """The estimate of a made-up market lies within a quarter, and no row comes after the last moment."""
    spec = synthetic_spec(hours=6.5, instruments=1)
    feed = open_feed(
        changed(spec, profile=profile, instruments=(changed(spec.instruments[0], events_per_second=rate),))
    )
    rows = joined(i for i in feed.items() if not isinstance(i, ControlFact))
    assert feed.header.rows_estimate == pytest.approx(len(rows), rel=0.25)
    assert rows["ts_ns"][-1] <= feed.header.last_ns


@pytest.mark.slow
def test_what_a_market_data_line_leaves_of_five_days(market_data: Path) -> None:
    """250 ms slots with a quote are 14 % of BAC's quote updates and 31 % of IBM's; fewer of them differ from the one
    before. Volume and the range of prices are untouched, and each slot holds at most one row of a kind.
    """
    lean = market_data / "lean"
    files = [str(lean / f"equity_tick_{kind}" / f"{symbol}_20131007_20131011.parquet")
             for kind in ("quotes", "trades") for symbol in ("BAC", "IBM")]  # fmt: skip
    spec = ReplaySpec(files=tuple(files), symbols={"BAC": 0, "IBM": 1}, batch_rows=32_768)
    whole = joined(read_rows(spec))
    left = joined(read_rows(changed(spec, profile="l1_250")))
    for inst, slots_percent, sent_percent in ((0, 14.41, 13.82), (1, 31.45, 26.85)):
        before, after = whole[whole["inst"] == inst], left[left["inst"] == inst]
        quotes, sent = before[before["kind"] == QUOTE], after[after["kind"] == QUOTE]
        slots = len(np.unique(quotes["ts_ns"] // SLOT_NS))
        assert slots / len(quotes) * 100 == pytest.approx(slots_percent, abs=0.01)
        assert len(sent) / len(quotes) * 100 == pytest.approx(sent_percent, abs=0.01)
        eligible = before[(before["kind"] == PRINT) & (before["flags"] == 0)]
        prints = after[after["kind"] == PRINT]
        assert prints["bid_qty_nanos"].sum() // NANO == eligible["bid_qty_nanos"].sum() // NANO
        for rows in (sent, prints):
            assert (np.diff(rows["ts_ns"]) >= SLOT_NS).all()
            assert not (rows["ts_ns"] % SLOT_NS).any()


@pytest.mark.slow
def test_only_a_conflated_replay_loads_numba(recorded: ReplaySpec) -> None:
    """A tick-by-tick replay stays without the compiler; one that conflates has it."""
    code = (
        "import sys; from broker.feeds.process import open_feed; from broker.feeds.spec import decode_spec;"
        "list(open_feed(decode_spec(sys.argv[1].encode())).items()); print('numba' in sys.modules)"
    )
    for profile, expected in (("tbt", "False"), ("l1_250", "True")):
        document = msgspec.json.encode(changed(recorded, profile=profile)).decode()
        shown = subprocess.run([sys.executable, "-c", code, document], cwd=ROOT, capture_output=True, check=True)
        assert shown.stdout.decode().strip() == expected
