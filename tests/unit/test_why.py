"""`quantd why`: from an order back to the quote and on to its end, in a journal written by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.book_commands import CROSS, CrossBooks
from core.errors import QuantdError
from core.reference import ConfigResolved
from core.rows import QUOTE, ROW
from core.units import NANO
from daemon import cli
from daemon.journal import JournalWriter, retain
from daemon.why import why

CONFIG = {"account": {"id": "DU1", "tag": "t"}, "instruments": [{"symbol": "AAA"}, {"symbol": "BBB"}],
          "strategies": {"sig": {}}}  # fmt: skip
START_NS = 1_700_000_000 * NANO
CENT = NANO // 100


def approved(order_id: int, slice_no: int, parent_id: int = 7) -> c.ApprovedOrder:
    """A buy of 50 shares for the schedule."""
    intent = c.OrderIntent(
        order_id=order_id, parent_id=parent_id, slice_no=slice_no, strategy="sig", inst=1, side=1, qty_nanos=50 * NANO,
        order_type=c.LMT, limit_px_nanos=1001 * CENT,
    )  # fmt: skip
    return c.ApprovedOrder(
        intent=intent, account="DU1", order_ref=f"q-t-1-{order_id}", reduce_only=False, notional_nanos=1, ladder_epoch=0
    )


class Book:
    """A journal being written: each call is a frame."""

    def __init__(self, directory: Path) -> None:
        self.writer = JournalWriter(
            directory, now_ns=START_NS, segment_bytes=1 << 16, reserve_bytes=0, background=False
        )
        self.seq = 0
        self.ts_ns = START_NS

    def frame(self, *messages: tuple[int, Any], rows: int = 0) -> int:
        """Rows (quotes of both instruments in turn) or the first message cause the rest; returns the cause's seq."""
        self.ts_ns += NANO
        cause = 0
        if rows:
            block = np.zeros(rows, ROW)
            block["ts_ns"], block["kind"], block["inst"] = self.ts_ns, QUOTE, np.arange(rows) % 2
            block["bid_px_nanos"], block["ask_px_nanos"] = 999 * CENT + np.arange(rows) * CENT, 1001 * CENT
            block["bid_qty_nanos"], block["ask_qty_nanos"] = 100 * NANO, 200 * NANO
            self.writer.add_rows(self.seq + 1, memoryview(block.tobytes()), rows, self.ts_ns)
            self.seq += rows
            cause = self.seq
        for kind, message in messages:
            self.seq += 1
            self.writer.add(kind, self.seq, self.ts_ns, cause, r.encode(message))
            cause = cause or self.seq
        self.writer.commit()
        return cause


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A decision on a quote, two slices, the second by a timer; another strategy's orders around them."""
    folder = tmp_path / "journal"
    book = Book(folder)
    book.frame((r.REFERENCE, ConfigResolved(json=json.dumps(CONFIG), digest="0")))
    decision = n.Decision(
        strategy="sig", inst=1, features=(("z_64s", -2.5), ("hurdle_bp", 3.0)), score=3.75, target_nanos=100 * NANO,
        bid_px_nanos=1000 * CENT, ask_px_nanos=1001 * CENT,
    )  # fmt: skip
    target = c.SetTarget(strategy="sig", inst=1, qty_nanos=100 * NANO)
    opening = c.OpenParent(
        parent_id=7, strategy="sig", inst=1, side=1, qty_nanos=100 * NANO, algo="twap", start_ts_ns=1, end_ts_ns=2,
        slices=2,
    )  # fmt: skip
    book.frame(
        (r.NOTE, decision), (r.COMMAND, target), (r.NOTE, n.Blocked(strategy="sig", inst=1, reason="link")), rows=4
    )
    other = c.PlaceOrder(order=approved(3, 0, parent_id=6))
    book.frame((r.INPUT, e.TimeAdvanced()), (r.COMMAND, other))
    book.frame((r.INPUT, e.TimeAdvanced()), (r.COMMAND, opening), (r.COMMAND, c.PlaceOrder(order=approved(4, 0))))
    book.frame((r.INPUT, e.OrderAcknowledged(order_id=4)))
    book.frame((r.INPUT, e.TimeAdvanced()), (r.COMMAND, c.PlaceOrder(order=approved(5, 1))))
    book.frame((r.INPUT, e.OrderAcknowledged(order_id=5)), (r.INPUT, e.OrderAcknowledged(order_id=4)))
    fill = e.OrderFilled(order_id=5, exec_id="x.01", side=1, qty_nanos=50 * NANO, px_nanos=1000 * CENT, inst=1)
    done = c.EndParent(parent_id=7, state=10, reason="done")
    book.frame((r.INPUT, fill), (r.COMMAND, done))
    book.frame((r.INPUT, e.CommissionReported(exec_id="x.01", commission_nanos=NANO)))
    book.frame((r.INPUT, e.CommissionReported(exec_id="y.01", commission_nanos=NANO)))
    book.frame((r.COMMAND, c.CancelAllOrders(reason="later")))
    for _ in range(60):
        book.frame(rows=40)  # the next segments
    book.writer.close()
    return folder


BECAUSE = [
    (5, "quote BBB 10.02 x 100 / 10.01 x 200"),
    (6, "sig decides on BBB: score 3.75, target 100; z_64s -2.5, hurdle_bp 3"),
    (7, "target of sig is 100"),
    (8, "waits: link"),
    (11, "TimeAdvanced"),
    (12, "schedule 7 (twap, 2 slices): BUY 100"),
    (15, "TimeAdvanced"),
    (16, "order 5 sent: BUY 50 LMT 10.01, slice 1 (q-t-1-5)"),
]
AFTERWARDS = [
    (17, "OrderAcknowledged: status 2"),
    (19, "OrderFilled: exec_id x.01, side BUY, qty 50, px 10"),
    (20, "EndParent: parent_id 7, state 10, reason done"),
    (21, "CommissionReported: exec_id x.01, commission 1, currency USD"),
]


@pytest.mark.parametrize("order", ["5", "q-t-1-5"])
def test_an_order_is_walked_back_to_its_quote_and_on_to_its_end(directory: Path, order: str) -> None:
    """By number and by reference; the slice was placed by a timer, the quote stands behind its schedule."""
    story = why(directory, order)
    assert (story.order_id, story.order_ref, story.strategy, story.symbol) == (5, "q-t-1-5", "sig", "BBB")
    assert [(step.seq, step.what) for step in story.because] == BECAUSE
    assert [(step.seq, step.what) for step in story.afterwards] == AFTERWARDS
    assert story.because[0].ts_ns == START_NS + 2 * NANO
    assert story.because[0].fields["ask_qty_nanos"] == 200 * NANO
    assert dict(story.because[1].fields["features"]) == {"z_64s": -2.5, "hurdle_bp": 3.0}


def test_rows_in_parquet_are_found_there_and_their_absence_is_said(directory: Path) -> None:
    """Retention has moved the row: the Parquet file is read; without it the rest is told all the same."""
    retain(directory, keep_rows_days=1, now_ns=START_NS * 2, follower_seq=1 << 60, snapshot_seq=1 << 60)
    files = sorted(directory.glob("rows-*.parquet"))
    assert files
    assert [(step.seq, step.what) for step in why(directory, "5").because] == BECAUSE
    for path in files:
        path.unlink()
    story = why(directory, "5")
    assert "moved to Parquet" in story.because[0].what
    assert [(step.seq, step.what) for step in story.because[1:]] == BECAUSE[1:]


def test_an_order_without_a_schedule_is_told_by_its_own_cause(directory: Path) -> None:
    """Its schedule began before this journal: what is there is told."""
    story = why(directory, "3")
    assert [step.seq for step in story.because] == [9, 10]


def test_an_unknown_order_is_an_error_with_a_remedy(directory: Path) -> None:
    """One line."""
    with pytest.raises(QuantdError, match=r"order 77: not in .*quantd orders --all"):
        why(directory, "77")


def test_the_command_prints_lines_or_json(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a clear error with exit code 1."""
    state = ("--state", str(directory.parent))
    assert cli.main(["why", "5", *state]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "order 5 q-t-1-5 of sig in BBB"
    assert lines[1] == "because:"
    assert [line.split(None, 3)[3] for line in lines[2:10]] == [what for _, what in BECAUSE]
    assert lines[10] == "afterwards:"
    assert cli.main(["why", "q-t-1-5", *state, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [step["seq"] for step in told["because"]] == [seq for seq, _ in BECAUSE]
    assert cli.main(["why", "99", *state]) == 1
    assert capsys.readouterr().err.startswith("quantd: order 99: not in ")


def test_a_cross_is_told_of_both_sides_and_of_the_order_for_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`cross-SEQ` goes back to both targets and their quote; the net order's story holds the cross."""
    folder = tmp_path / "journal"
    book = Book(folder)
    book.frame((r.REFERENCE, ConfigResolved(json=json.dumps(CONFIG), digest="0")))
    opened: dict[str, Any] = {"inst": 1, "start_ts_ns": 1, "end_ts_ns": 1, "slices": 1}
    cross = CrossBooks(
        inst=1, buyer="sig", seller="two", qty_nanos=40 * NANO, px_nanos=1001 * CENT, bid_px_nanos=1000 * CENT,
        ask_px_nanos=1002 * CENT, reason="opposite wants", buyer_parent=8, seller_parent=9,
    )  # fmt: skip
    book.frame(
        (r.COMMAND, c.SetTarget(strategy="sig", inst=1, qty_nanos=90 * NANO)),
        (r.COMMAND, c.SetTarget(strategy="two", inst=1, qty_nanos=-40 * NANO)),
        (r.COMMAND, c.OpenParent(parent_id=8, strategy="sig", side=1, qty_nanos=40 * NANO, algo=CROSS, **opened)),
        (r.COMMAND, c.OpenParent(parent_id=9, strategy="two", side=-1, qty_nanos=40 * NANO, algo=CROSS, **opened)),
        (r.COMMAND, cross),
        (r.COMMAND, c.EndParent(parent_id=8, state=10, reason="crossed")),
        (r.COMMAND, c.EndParent(parent_id=9, state=10, reason="crossed")),
        (r.COMMAND, c.OpenParent(parent_id=7, strategy="sig", side=1, qty_nanos=50 * NANO, algo="twap", **opened)),
        (r.COMMAND, c.PlaceOrder(order=approved(1, 0))),
        rows=2,
    )
    book.writer.close()
    told = "crossed: sig bought 40 from two at 10.01, the mid of 10 / 10.02; opposite wants"
    story = why(folder, "cross-8")
    assert (story.order_id, story.order_ref, story.strategy, story.symbol) == (0, "cross-8", "sig and two", "BBB")
    assert [(step.seq, step.what) for step in story.because] == [
        (3, "quote BBB 10 x 100 / 10.01 x 200"),
        (4, "target of sig is 90"),
        (5, "target of two is -40"),
        (6, "schedule 8 (cross, 1 slices): BUY 40"),
        (7, "schedule 9 (cross, 1 slices): SELL 40"),
        (8, told),
    ]
    assert [step.seq for step in story.afterwards] == [9, 10]
    assert (8, told) in [(step.seq, step.what) for step in why(folder, "1").because]
    assert cli.main(["why", "cross-8", "--state", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("cross-8 of sig and two in BBB\n")
    with pytest.raises(QuantdError, match="order cross-9: not in"):
        why(folder, "cross-9")
