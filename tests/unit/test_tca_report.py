"""`quantd tca`: every number of a day that can be worked out on paper; archived rows; live tapes; words and errors."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core import book_commands as b
from core import commands as c
from core import events as e
from core import records as r
from core.corporate import BookLine
from core.parents import ParentState
from core.units import BP, NANO
from daemon import cli
from daemon.journal import retain
from daemon.tca import market as markets
from daemon.tca.groups import interval
from daemon.tca.measure import measure
from daemon.tca.reading import read
from tests.fakes.cost_story import CLOSE_NS, DAY, OPENING, CostStory, at


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with the told day."""
    CostStory(tmp_path / "journal").tell()
    return tmp_path


def report(capsys: pytest.CaptureFixture[str], state: Path, *options: str) -> Any:
    """What `--json` says."""
    capsys.readouterr()
    assert cli.main(["tca", "--state", str(state), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def in_bp(amount: float, base: float) -> Any:
    """As the report counts, to a millionth."""
    return pytest.approx(amount / base * BP * NANO, abs=1_000)


def test_the_parts_of_both_schedules(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cents by hand; the second is decided where the first left its rest undone, so no move counts twice."""
    one, two = report(capsys, state)["schedules"]
    assert (one["decision_px_nanos"], one["arrival_px_nanos"]) == (100_010_000_000, 100_030_000_000)
    assert (one["end_px_nanos"], one["filled_nanos"]) == (100_070_000_000, 200 * NANO)
    parts = [one[f"{part}_nanos"] // NANO for part in ("delay", "trading", "opportunity", "fees", "total", "paper")]
    assert parts == [4, 3, 6, 2, 15, 30_003]
    assert one["total_bp_nanos"] == in_bp(15, 30_003)
    assert (two["decided_ns"], two["decision_px_nanos"]) == (one["ended_ns"], one["end_px_nanos"])
    assert [two[f"{part}_nanos"] // NANO for part in ("delay", "trading", "opportunity", "total")] == [0, 0, 4, 4]
    assert (two["state"], two["reason"], two["average_px_nanos"]) == ("CANCELLED", "KILL: enough", None)


def test_benchmarks_and_what_came_after(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bought 200 for 20,009: against each benchmark; suspicious quotes and odd prints count for nothing."""
    one = report(capsys, state)["schedules"][0]
    against = one["against"]
    paid = 20_009 / 200
    assert against["vwap"] == in_bp(paid - 100.06, 100.06)
    with_own = (40_024 + 20_009) / 600
    assert against["vwap with own"] == in_bp(paid - with_own, with_own)
    twap = (20 * 100.03 + 40 * 100.07) / 60
    assert against["twap"] == in_bp(paid - twap, twap)
    assert against["open"] == in_bp(paid - 100.01, 100.01)
    assert against["close"] == in_bp(paid - 100.20, 100.20)
    assert against["next open"] == in_bp(paid - 100.31, 100.31)
    assert one["capture_ppm"] == 500_000  # one at the bid, one (as corrected) at the mid
    later = 2 * (100 * (100.02 - 100.11) + 100 * (100.07 - 100.11))
    assert one["realised_bp_nanos"]["1 min"] == in_bp(later, 100 * 100.03 + 100 * 100.07)
    assert one["reversion_bp_nanos"]["5 min"] == in_bp(100.07 - 100.11, 100.07)
    assert one["participation_ppm"] == 333_333
    assert (one["fill_ppm"], one["size_ppm"]) == (666_667, 10_000)
    assert one["z"] == pytest.approx((3 + 2 + 4 - 10) / 5)
    minute_bp = ((BP * math.log(100.07 / 100.01)) ** 2 + (BP * math.log(100.11 / 100.07)) ** 2) / 390
    assert one["sigmas"] == pytest.approx(15 / 30_003 * BP / math.sqrt(minute_bp * 80 / 60))


def test_orders_that_came_to_nothing_are_in_it(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rejected by the broker, refused by the gate, killed, and a target that never became a schedule; all times."""
    said = report(capsys, state)
    one, two = said["schedules"]
    assert [order["ending"] for order in one["orders"]] == ["filled", "filled", "rejected: 201 no margin"]
    assert (one["refusals"], one["refused"]) == (1, ["2 ORDER_NOTIONAL: 10007 against 10000"])
    assert [order["ending"] for order in two["orders"]] == ["cancelled"]
    assert [(lost["strategy"], lost["why"]) for lost in said["unopened"]] == [("two", "ladder REDUCING")]
    order, execution = one["orders"][0], one["executions"][0]
    assert (one["decided_ns"], one["arrived_ns"], order["sent_ns"]) == (at(10), at(30), at(30))
    assert (order["acknowledged_ns"], execution["exchange_ns"]) == (at(30.01), at(40.75))
    assert (execution["told_ns"], execution["liquidity"]) == (at(41), "added")
    assert (one["hour"], one["venue"]) == ("09", "NYSE")


def test_a_live_tape_holds_our_own_trades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There the volume-weighted price without our own is the tape less what we did."""
    CostStory(tmp_path / "journal", mode="live").tell()
    one = report(capsys, tmp_path)["schedules"][0]
    others = (40_024 - 20_009) / 200
    assert one["against"]["vwap"] == in_bp(20_009 / 200 - others, others)
    assert one["against"]["vwap with own"] == in_bp(20_009 / 200 - 100.06, 100.06)
    assert one["participation_ppm"] == 500_000


def test_a_split_between_two_schedules_costs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two new shares for one overnight: the first schedule's next open is in its own shares, what goes on afterwards is
    decided where it arrives, and the statement's later word on cost and kinds counts.
    """
    story = CostStory(tmp_path / "journal")
    story.say(r.INPUT, -60, e.DayRolled(date=DAY))
    story.quote(0, 10_000, 10_002)
    story.say(r.COMMAND, 10, c.SetTarget(strategy="sig", inst=1, qty_nanos=300 * NANO))
    story.open(30, 1, 300)
    story.fill(41, story.send(30, 1, 10_002), 10_002, liquidity=2, exec_id="x1.01")
    story.say(r.INPUT, 24_000, e.DayRolled(date=DAY + 1))
    story.say(r.COMMAND, 24_000, c.EndParent(parent_id=1, state=int(ParentState.CANCELLED), reason="split 2:1"))
    split = b.SplitBooks(action_id="s", inst=1, num=2, den=1, books=(("sig", 200 * NANO),), rescaled=True)
    story.say(r.COMMAND, 24_000, split)
    story.say(r.COMMAND, 24_000, c.SetTarget(strategy="sig", inst=1, qty_nanos=600 * NANO))
    story.quote(86_400, 5_006, 5_008)
    story.print(86_401, 5_007, 100, condition=OPENING)
    story.open(86_500, 2, 400)
    line = {"exec_id": "x1.01", "commission_nanos": 2 * NANO, "currency": "USD"}
    fees = (("commission", NANO), ("taf", NANO))
    for number, more in enumerate(({"kind": "commission"}, {"kind": "fees", "fees": fees})):
        found = BookLine(line_id=f"f{number}", **line, **more)  # type: ignore[arg-type]
        story.say(r.COMMAND, 86_600, b.CorrectBooks(line=found, by="ann", reason="statement"))
    story.writer.close()
    one, two = report(capsys, tmp_path)["schedules"]
    assert one["against"]["next open"] == in_bp(100.02 - 100.14, 100.14)
    assert one["fees_nanos"] == 2 * NANO
    assert two["decision_px_nanos"] == two["arrival_px_nanos"] == 50_070_000_000
    assert (two["decided_ns"], two["delay_nanos"]) == (two["arrived_ns"], 0)


def test_archived_rows_and_small_chunks_change_nothing(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows out of Parquet, and taken one by one: the same report to the last digit."""
    before = report(capsys, state)
    monkeypatch.setattr(markets, "CHUNK_ROWS", 1)
    assert report(capsys, state) == before
    monkeypatch.undo()
    journal = state / "longer"
    CostStory(journal).tell(padding=800)
    whole = _read(journal)
    assert msgspec.to_builtins(whole) == before["schedules"]
    retain(journal, keep_rows_days=1, now_ns=CLOSE_NS * 2, follower_seq=1 << 60, snapshot_seq=1 << 60)
    assert sorted(journal.glob("rows-*.parquet"))
    assert _read(journal) == whole


def _read(journal: Path) -> Any:
    return measure(read(journal))


def test_days_and_strategies_are_chosen(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One day, the newest with a schedule, one strategy; a day that is not there says which are."""
    everything = report(capsys, state)
    assert everything["days"] == [DAY, DAY + 1]
    assert report(capsys, state, "--day", "2023-11-14")["schedules"] == everything["schedules"]
    assert report(capsys, state, "--day", "last")["days"] == [DAY]
    assert report(capsys, state, "--strategy", "two")["schedules"] == []
    assert cli.main(["tca", "--state", str(state), "--day", "20231113"]) == 1
    assert f"it holds {DAY} to {DAY + 1}" in capsys.readouterr().err
    assert cli.main(["tca", "--state", str(state), "--day", "yesterday"]) == 2
    assert cli.main(["tca", "--state", str(state), "--html", str(state / "no" / "file.html")]) == 2
    assert "name a file that can be written" in capsys.readouterr().err


class _Tags(HTMLParser):
    """Whether every element ends, and what is asked of elsewhere."""

    VOID = ("meta", "rect", "line", "circle")

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.counts: dict[str, int] = {}
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opened."""
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.outside += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opened and closed."""
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        """Closed."""
        assert tag in self.VOID or self.stack.pop() == tag


def test_the_page_holds_everything_itself(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Well-formed, a picture of each schedule with its executions, nothing loaded from elsewhere; words as text."""
    file = state / "costs.html"
    assert cli.main(["tca", "--state", str(state), "--html", str(file)]) == 0
    out = capsys.readouterr().out
    assert "dearest first (2 of 2" in out
    assert "target -50 of two never became a schedule: ladder REDUCING" in out
    text = file.read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(text)
    assert tags.stack == []
    assert (tags.outside, tags.counts["svg"]) == ([], 2)
    assert tags.counts["circle"] == 2
    for words in ("= 5.00 bp (15.00)", "rejected: 201 no margin", "KILL: enough", "ladder REDUCING", "no estimate"):
        assert words in text, words


def test_intervals_are_seeded_and_hold_the_mean() -> None:
    """The same schedules, the same interval; too few have none; equal costs have no width."""
    random = np.random.default_rng(7)
    paper = np.full(400, 1e13)
    cost = random.normal(5e9, 2e10, 400)
    low, high = interval(cost, paper)
    assert (low, high) == interval(cost, paper)
    assert low is not None
    assert high is not None
    mean = cost.sum() / paper.sum() * BP
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * 20 / 400**0.5, rel=0.15)
    assert interval(cost[:4], paper[:4]) == (None, None)
    assert list(interval(np.full(9, 1e9), np.full(9, 1e12))) == [pytest.approx(10.0)] * 2
