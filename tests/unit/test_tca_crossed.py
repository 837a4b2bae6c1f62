"""`quantd tca` on a cross between two books: who got how much, at which price, free; and what it is no part of."""

import json
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.book_commands import CROSS, CrossBooks
from core.parents import ParentState
from core.units import BP, NANO
from daemon import cli
from daemon.calibration import usable
from daemon.diff.day import find_day, read_day
from daemon.tca.fees import by_kind, table_of
from daemon.tca.reading import read
from tests.fakes.cost_story import CENT, DAY, CostStory, at


def tell(journal: Path, *, mode: str = "replay") -> None:
    """`sig` wants 300, begun at a mid of 100.01: 100 come from `two` at 100.06, 100 are bought at the offer, 100.08."""
    story = CostStory(journal, mode=mode)
    story.say(r.INPUT, -60, e.DayRolled(date=DAY))
    story.quote(0, 10_000, 10_002)
    story.say(r.COMMAND, 10, c.SetTarget(strategy="sig", inst=1, qty_nanos=300 * NANO))
    story.open(30, 1, 300, expected_cost_nanos=10 * NANO, expected_risk_nanos=5 * NANO)
    story.quote(35, 10_004, 10_008)
    story.print(36, 10_006, 300)
    story.say(r.COMMAND, 40, c.SetTarget(strategy="two", inst=1, qty_nanos=-100 * NANO))
    story.say(r.COMMAND, 40, c.OpenParent(
        parent_id=2, strategy="two", inst=1, side=-1, qty_nanos=100 * NANO, algo=CROSS, start_ts_ns=at(40),
        end_ts_ns=at(40), slices=1,
    ))  # fmt: skip
    story.say(r.COMMAND, 40, CrossBooks(
        inst=1, buyer="sig", seller="two", qty_nanos=100 * NANO, px_nanos=10_006 * CENT, bid_px_nanos=10_004 * CENT,
        ask_px_nanos=10_008 * CENT, reason="opposite wants", buyer_parent=1, seller_parent=2,
    ))  # fmt: skip
    story.say(r.COMMAND, 40, c.EndParent(parent_id=2, state=int(ParentState.DONE), reason="crossed"))
    order = story.send(50, 1, 10_008)
    story.fill(51, order, 10_008, liquidity=2, exec_id="x1.01")
    story.say(r.COMMAND, 90, c.EndParent(parent_id=1, state=int(ParentState.SUPERSEDED), reason="target changed"))
    story.quote(100, 10_004, 10_008)
    story.quote(2_000, 10_004, 10_008)
    story.writer.close()


def report(capsys: pytest.CaptureFixture[str], state: Path, *options: str) -> Any:
    """What `--json` says of the schedules."""
    capsys.readouterr()
    assert cli.main(["tca", "--state", str(state), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)["schedules"]


def test_a_cross_is_a_fill_without_fees_spread_and_volume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts towards the quantity and the price; capture, participation and reversion speak of the market alone."""
    tell(tmp_path / "journal")
    one, two = report(capsys, tmp_path)
    assert (one["filled_nanos"], one["crossed_nanos"], one["crossed_px_nanos"]) == (
        200 * NANO,
        100 * NANO,
        10_006 * CENT,
    )
    assert [one[f"{part}_nanos"] // NANO for part in ("delay", "trading", "opportunity", "fees", "total")] == [
        0, 12, 5, 1, 18,
    ]  # fmt: skip
    assert one["capture_ppm"] == -1_000_000
    assert one["participation_ppm"] == 250_000  # 100 beside the tape's 300
    assert one["z"] is None  # the estimate spoke of the market alone
    assert [(x["order_id"], x["liquidity"], x["fee_nanos"] // NANO) for x in one["executions"]] == [
        (0, "crossed", 0),
        (1, "removed", 1),
    ]
    assert (one["executions"][0]["bid_px_nanos"], one["executions"][0]["ask_px_nanos"]) == (
        10_004 * CENT,
        10_008 * CENT,
    )
    assert (two["strategy"], two["side"], two["algo"], two["state"]) == ("two", "SELL", CROSS, "DONE")
    assert (two["filled_nanos"], two["crossed_nanos"], two["fees_nanos"]) == (100 * NANO, 100 * NANO, 0)
    assert (two["trading_nanos"], two["total_nanos"]) == (0, 0)  # decided and done at the same mid
    assert (two["capture_ppm"], two["z"], two["participation_ppm"]) == (None, None, None)
    assert two["orders"] == []


def test_it_is_not_on_a_live_tape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There our prints are taken out of the volume-weighted price: a cross never was in it."""
    tell(tmp_path / "journal", mode="live")
    one, _ = report(capsys, tmp_path)
    paid, others = (10_006 + 10_008) / 200, (300 * 100.06 - 10_008) / 200
    assert one["against"]["vwap"] == pytest.approx((paid - others) / others * BP * NANO, abs=1_000)
    assert one["participation_ppm"] == 333_333


def test_people_see_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the table and on the page, with its price; the picture of a cross alone draws no plan."""
    tell(tmp_path / "journal")
    page = tmp_path / "report.html"
    assert cli.main(["tca", "--state", str(tmp_path), "--html", str(page)]) == 0
    assert "crossed" in capsys.readouterr().out
    text = page.read_text()
    assert "100 crossed with another book of the account at 100.06: no fees, no spread" in text
    assert 'class="crossed"' in text


def test_a_cross_is_of_the_decision_it_belongs_to(tmp_path: Path) -> None:
    """`quantd diff` counts it as executed, at the mid and without a cost, for both strategies."""
    tell(tmp_path / "journal")
    span = find_day(tmp_path / "journal", DAY)
    day = read_day(span, start_ns=span.start_ns, end_ns=span.end_ns)
    assert day.carried == []
    found = {one.strategy: (one.qty_nanos // NANO, one.cost_nanos, len(one.executions)) for one in day.decisions}
    assert found == {"sig": (200, NANO, 2), "two": (-100, 0, 1)}
    assert day.uncharged == 0


def test_neither_fees_nor_impact_are_read_out_of_a_cross(tmp_path: Path) -> None:
    """The kinds of fees are those of the order, and the calibration leaves such schedules out, and says so."""
    tell(tmp_path / "journal")
    found = read(tmp_path / "journal")
    assert sum(kind.amount_nanos for kind in by_kind(found.trails, table_of(None))) == NANO
    assert usable(found, tmp_path / "journal").left_out == {"crossed with another book of the account": 2}
