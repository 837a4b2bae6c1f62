"""The books folded from a journal: with and without snapshot, beside a live writer, with marks from its rows."""

import json
from pathlib import Path

import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.errors import JournalError
from core.money.snapshot import dump
from core.reference import ConfigResolved
from core.rows import PRINT, QUOTE
from core.units import NANO
from daemon.journal import write_snapshot
from daemon.journal_fold import JournalFold, journal_settings
from daemon.status.rows import position_rows
from tests.fakes.journal_book import CONFIG, Book


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A journal with one working order."""
    made = Book(tmp_path / "journal")
    made.begin()
    return made


def test_the_fold_gives_orders_and_positions(book: Book) -> None:
    """Straight from inputs and commands, no engine."""
    book.fill("x1")
    money = JournalFold(book.directory).money
    assert money.ledger.held_nanos("meanrev", 0) == 4 * NANO
    assert (money.ledger.cash["USD"], list(money.live_orders)) == (920 * NANO, [1])


def test_it_goes_on_beside_a_live_writer(book: Book) -> None:
    """`--watch` folds what is new and says whether there was anything."""
    fold = JournalFold(book.directory)
    assert not fold.advance()
    book.fill("x1")
    assert fold.advance()
    assert fold.money.ledger.held_nanos("meanrev", 0) == 4 * NANO


def test_a_snapshot_and_its_tail_give_the_same_books(book: Book) -> None:
    """Nothing before the snapshot is folded twice, nothing after it is missed."""
    book.fill("x1")
    early = JournalFold(book.directory)
    write_snapshot(book.directory, book.seq, {"money": dump(early.money)}, {})
    book.fill("x2")
    with_snapshot = JournalFold(book.directory)
    without = JournalFold(book.directory, from_start=True)
    assert dump(with_snapshot.money) == dump(without.money)
    assert with_snapshot.money.ledger.held_nanos("meanrev", 0) == 8 * NANO


def test_a_snapshot_of_another_release_is_passed_over(book: Book) -> None:
    """The journal itself stays readable for ever; a snapshot need not."""
    book.fill("x1")
    write_snapshot(book.directory, book.seq, {"money": b"\xc0 nothing we know"}, {})
    assert JournalFold(book.directory).money.ledger.held_nanos("meanrev", 0) == 4 * NANO


def test_marks_come_from_the_newest_usable_rows(book: Book) -> None:
    """Mid of the last usable quote; a print where there is none; also rows older than the snapshot."""
    book.fill("x1")
    book.add_rows((0, QUOTE, 10, 12), (0, QUOTE, 20, 24), (0, QUOTE, 30, 28), (0, QUOTE, 0, 40), (1, PRINT, 7, 0))
    fold = JournalFold(book.directory)
    write_snapshot(book.directory, book.seq, {"money": dump(fold.money)}, {})
    book.add_rows((1, PRINT, 8, 0))
    fold = JournalFold(book.directory)
    assert [fold.mark_nanos(inst) for inst in range(3)] == [22, 8, 0]
    assert position_rows(fold.money, fold.mark_nanos)[0].mark == "0.000000022"
    book.add_rows((0, QUOTE, 40, 44))
    fold.advance()
    assert fold.mark_nanos(0) == 42


def test_an_instrument_that_left_the_config_keeps_its_fills(book: Book) -> None:
    """The newest config names fewer symbols than the books hold."""
    book.add(
        r.INPUT, e.OrderFilled(order_id=9, exec_id="f", side=1, qty_nanos=NANO, px_nanos=NANO, inst=1, order_ref="man")
    )
    shorter = CONFIG | {"instruments": [{"symbol": "BAC"}]}
    book.add(r.REFERENCE, ConfigResolved(json=json.dumps(shorter), digest="e"))
    fold = JournalFold(book.directory)
    assert fold.money.ledger.holdings[1] == NANO
    assert position_rows(fold.money, fold.mark_nanos)[0].symbol == "#1"


def test_the_newest_config_is_found_across_segments(book: Book) -> None:
    """It may have been written many segments ago."""
    for number in range(1500):
        book.add(r.INPUT, e.LinkLost(code=number, reason="x" * 100))
    assert len(list(book.directory.glob("segment-*.qj"))) > 2
    assert journal_settings(book.directory).account == "DU1"


def test_a_folder_without_config_is_named(tmp_path: Path) -> None:
    """The wrong folder ends in a line, not in empty books."""
    Book(tmp_path / "journal").add(r.INPUT, e.LinkLost())
    with pytest.raises(JournalError, match="no config in this journal"):
        JournalFold(tmp_path / "journal")


def test_a_record_that_cannot_be_folded_is_named(book: Book) -> None:
    """The line gives its seq; `journal show --from` goes there."""
    seq = book.add(r.COMMAND, c.EndParent(parent_id=77, state=10, reason="never opened"))
    with pytest.raises(JournalError, match=f"record {seq} cannot be folded"):
        JournalFold(book.directory)
