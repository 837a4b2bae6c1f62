"""What the follower makes of messages and market rows, without a database."""

import json
import random
import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import psycopg
import pytest
from psycopg import pq

from core import events as e
from core import records as r
from core.commands import AnyCommand, AnyOutcome
from core.events import AnyEvent
from core.notes import AnyNote, Decision
from core.reference import AnyReference, ConfigResolved
from core.rows import BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO, notional_nanos
from daemon.follower import copy_binary
from daemon.follower.books import Books
from daemon.follower.market_bars import MINUTE_NS, bars_of, notional
from daemon.follower.messages import ORDER_EVENTS, RECORDS_ONLY, TO_ROWS
from daemon.follower.project import Batch, Place, Projection, frame_mark
from daemon.follower.schema import BARS, BY_NAME, TICKS
from daemon.follower.statements import conflict
from daemon.journal import JournalReader, Record
from tests.replay.messages_v1 import MESSAGES

SEGMENTS = Path(__file__).resolve().parents[1] / "replay" / "segments"
EDGES = (0, 1, -1, 999_999_999, 10**9, -(10**9), 10**13, 2**63 - 1, -(2**63) + 1, 139_100_000_000)


# ---- messages ----------------------------------------------------------------------------------------------------
def test_every_message_has_its_place() -> None:
    """A new type of message fails here until somebody decides where it goes."""
    known = {*TO_ROWS, *ORDER_EVENTS, *RECORDS_ONLY}
    unions = (AnyReference, AnyEvent, AnyNote, AnyCommand, AnyOutcome)
    assert known == {kind for union in unions for kind in get_args(union)}
    assert not RECORDS_ONLY & (TO_ROWS.keys() | ORDER_EVENTS)


def records(*messages: tuple[int, Any], first_seq: int = 1) -> list[Record]:
    """One frame of messages under consecutive seqs."""
    return [
        Record(kind, 0, seq, 1_000 + seq, seq - 1, memoryview(r.encode(message)))
        for seq, (kind, message) in enumerate(messages, start=first_seq)
    ]


def projected(*frames: list[Record], record_ticks: bool = True) -> Batch:
    """What a fresh follower makes of them."""
    projection = Projection(Books(), Place(), record_ticks=record_ticks)
    for frame in frames:
        projection.frame(frame)
    return projection.batch()


def test_every_message_of_the_first_release_becomes_rows_of_the_right_shape() -> None:
    """A row carries as many values as its table has fields, of the kind the field says, whatever the message."""
    messages = [(kind, message) for kind, found in MESSAGES for message in found]
    batch = projected(records(*messages))
    assert len(batch.rows["records"]) == len(messages)
    takes: dict[str, tuple[type, ...]] = {"big": (int,), "integer": (int,), "nanos": (int,), "text": (str,),
                                          "json": (str,), "real": (float, int), "flag": (bool,)}  # fmt: skip
    for name, rows in batch.rows.items():
        for row in rows:
            for field, value in zip(BY_NAME[name].fields, row, strict=True):
                assert value is None if field.nullable and value is None else isinstance(value, takes[field.kind]), name
    told = {row[-2]: json.loads(row[-1]) for row in batch.rows["records"]}
    assert told["QuoteChanged"]["bid_px_nanos"] == 13_910_000_000
    assert told["PlaceOrder"]["order"]["intent"]["strategy"] == "alpha"


def test_a_committed_segment_of_the_first_release_is_recorded_whole(tmp_path: Path) -> None:
    """Its config is none and its facts do not fit together: the record is complete all the same, and says so."""
    (tmp_path / "segment-00000000000000000001.qj").write_bytes((SEGMENTS / "v1.qj").read_bytes())
    batch = projected(*JournalReader(tmp_path).frames())
    assert batch.after.messages == len(batch.rows["records"]) > 80
    assert batch.after.market_rows == len(batch.ticks) > 0
    assert [row[2] for row in batch.rows["divergences"]] == ["fold"]


def test_bytes_this_release_cannot_read_are_kept_in_hex() -> None:
    """A record of a later release is a record."""
    later = Record(r.INPUT, 0, 1, 1_001, 0, memoryview(b"\x92\xcc\xff\x01"))
    batch = projected([later])
    assert batch.rows["records"] == [(1, 1_001, 0, "input", "?", '{"hex":"92ccff01"}')]
    assert batch.rows["divergences"][0][2] == "decode"


def test_no_text_carries_a_nul() -> None:
    """PostgreSQL takes none, neither in a text nor in JSON."""
    batch = projected(records((r.INPUT, e.TraderStopped(reason="a\0b"))))
    assert batch.rows["run_ends"][0][-1] == "a\u2400b"
    assert json.loads(batch.rows["records"][0][-1])["reason"] == "a\u2400b"


def test_a_score_that_is_no_number_is_null() -> None:
    """SQLite would make NULL of it silently; PostgreSQL would not."""
    note = Decision(
        strategy="s", inst=0, features=(("x", float("nan")),), score=float("nan"), target_nanos=1, bid_px_nanos=1,
        ask_px_nanos=2,
    )  # fmt: skip
    row = projected(records((r.NOTE, note))).rows["decisions"][0]
    assert (row[6], json.loads(row[-1])) == (None, {"x": None})


def test_a_fact_the_books_cannot_take_is_told_and_recorded() -> None:
    """As the trader's own recovery leaves such an input out, so does the follower; nothing stops."""
    config = ConfigResolved(json='{"account":{"id":"DU1","tag":"a"},"instruments":[{"symbol":"BAC"}]}', digest="d")
    fill = e.OrderFilled(order_id=1, exec_id="x.01", side=1, qty_nanos=NANO, px_nanos=NANO, inst=999)
    batch = projected(records((r.REFERENCE, config), (r.INPUT, fill)))
    assert batch.rows["divergences"] == [(2, 1_002, "fold", "OrderFilled cannot be folded: list index out of range")]
    assert [row[4] for row in batch.rows["records"]] == ["ConfigResolved", "OrderFilled"]


def test_a_frame_is_known_by_its_messages_and_not_by_the_bytes_of_its_rows() -> None:
    """Retention takes the rows out of a segment; the follower must still find its place."""
    rows = np.zeros(3, ROW)
    whole = Record(r.ROWS, 3, 5, 1, 0, memoryview(rows.tobytes()))
    assert frame_mark([whole]) == frame_mark([whole._replace(payload=memoryview(b""))])
    assert frame_mark([whole]) != frame_mark([whole._replace(seq=6)])
    one, two = records((r.INPUT, e.TraderStopped(reason="a"))), records((r.INPUT, e.TraderStopped(reason="b")))
    assert frame_mark(one) != frame_mark(two)


# ---- bars --------------------------------------------------------------------------------------------------------
def rows_of(*rows: tuple[int, int, int, int, int, int, int, int]) -> Any:
    """(ts_ns, inst, kind, flags, four numbers)."""
    made = np.zeros(len(rows), ROW)
    for place, (ts_ns, inst, kind, flags, *numbers) in enumerate(rows):
        made[place] = (ts_ns, ts_ns, inst, kind, flags, *numbers)
    return made


def test_a_bar_counts_what_it_should() -> None:
    """First, highest, lowest and last of the prints that may; volume of all; nothing of suspicious rows."""
    m = MINUTE_NS
    found = bars_of(
        rows_of(
            (m + 1, 0, QUOTE, 0, 10, 12, NANO, NANO),
            (m + 2, 0, PRINT, 0, 11 * NANO, 0, 2 * NANO, 0),
            (m + 3, 0, PRINT, NOT_LAST, 99 * NANO, 0, 5 * NANO, 0),
            (m + 4, 0, PRINT, SUSPICIOUS, 1, 0, 7 * NANO, 0),
            (m + 4, 1, QUOTE, 0, 0, 5, 0, NANO),
            (m + 5, 0, PRINT, 0, 9 * NANO, 0, NANO, 0),
            (m + 6, 0, QUOTE, 0, 0, 13, 0, NANO),
            (2 * m, 0, PRINT, 0, 10 * NANO, 0, NANO, 0),
        ),
        {0: "AAA", 1: "BBB"},
        m,
    )
    assert found == [
        (0, m, "AAA", 11 * NANO, 11 * NANO, 9 * NANO, 9 * NANO, 8 * NANO, 22 + 495 + 9, 0, 3, 10, 13, 2),
        (1, m, "BBB", None, None, None, None, 0, 0, 0, 0, None, 5, 1),
        (0, 2 * m, "AAA", 10 * NANO, 10 * NANO, 10 * NANO, 10 * NANO, NANO, 10, 0, 1, None, None, 0),
    ]


def test_a_five_second_bar_of_the_feed_counts_as_what_it_sums_up() -> None:
    """Its time is its end: the one that ends with the minute belongs to it."""
    m = MINUTE_NS
    found = bars_of(
        rows_of(
            (2 * m, 0, BAR, 0, 10 * NANO, 12 * NANO, 9 * NANO, 11 * NANO),
            (2 * m, 0, BAR_VOLUME, 0, 10 * NANO, 0, 30 * NANO, 4),
        ),
        {0: "AAA"},
        m,
    )
    assert found == [(0, m, "AAA", 10 * NANO, 12 * NANO, 9 * NANO, 11 * NANO, 30 * NANO, 300, 0, 4, None, None, 0)]


def test_the_turnover_of_a_busy_day_does_not_overflow() -> None:
    """A thousand prints of a billion each are a hundred times what 64 bits of nanos hold; still exact."""
    print_of = (1, 0, PRINT, 0, 500 * NANO + 1, 0, 2_000_000 * NANO, 0)
    (bar,) = bars_of(rows_of(*[print_of] * 1_000), {0: "AAA"}, MINUTE_NS)
    assert bar[8] * NANO + bar[9] == 1_000 * notional_nanos(500 * NANO + 1, 2_000_000 * NANO) > 2**63


def test_no_rows_make_no_bars() -> None:
    """Nor do rows of kinds that are private to feeds."""
    assert bars_of(np.empty(0, ROW), {}, MINUTE_NS) == []
    assert bars_of(rows_of((1, 0, 100, 0, 1, 1, 1, 1)), {}, MINUTE_NS) == []


def test_turnover_rounds_as_core_does() -> None:
    """Half to even, on amounts whose product is far beyond 64 bits."""
    chance = random.Random(1)
    px = [chance.randrange(10**12) for _ in range(500)] + [1, 3, 5, NANO // 2]
    qty = [chance.randrange(10**12) for _ in range(500)] + [NANO // 2, NANO // 2, NANO // 10, 1]
    expected = [notional_nanos(p, q) for p, q in zip(px, qty, strict=True)]
    assert notional(np.array(px), np.array(qty)).tolist() == expected
    assert expected[-4:] == [round(Fraction(p * q, NANO)) for p, q in zip(px[-4:], qty[-4:], strict=True)]


def test_what_a_bar_does_with_one_that_is_there() -> None:
    """Prices keep the first, the extremes and the last; amounts add up; in both dialects."""
    for dialect, least in (("sqlite", "min(coalesce"), ("postgresql", "least(")):
        words = conflict(BARS[0], dialect)  # type: ignore[arg-type]
        assert "open_px = coalesce(bars.open_px, excluded.open_px)" in words
        assert "close_px = coalesce(excluded.close_px, bars.close_px)" in words
        assert "volume = bars.volume + excluded.volume" in words
        assert f"low_px = {least}" in words
    assert conflict(TICKS, "sqlite") == ""


# ---- binary COPY -------------------------------------------------------------------------------------------------
def _loaded(content: bytes) -> Decimal:
    """By the driver's own reader of the same format."""
    numeric = psycopg.adapters.types["numeric"].oid
    read = psycopg.adapters.get_loader(numeric, pq.Format.BINARY)
    assert read is not None
    value: Decimal = read(numeric).load(content)
    return value


@pytest.mark.parametrize("nanos", [*EDGES, 10**24 + 7, -(10**30) - 123_456_789])
def test_an_amount_goes_over_the_wire_exactly(nanos: int) -> None:
    """Read back by the driver's own reader of the format."""
    content = copy_binary.numeric(nanos)
    assert struct.unpack(">i", content[:4]) == (len(content) - 4,)
    assert _loaded(content[4:]) == Decimal(f"{nanos}e-9")


def test_an_array_of_amounts_is_written_as_each_of_them() -> None:
    """Every column of ticks has the bytes of the single numbers."""
    chance = random.Random(2)
    nanos = [*EDGES, *(chance.randrange(-(2**62), 2**62) for _ in range(200))]
    words = copy_binary.numerics(np.array(nanos)).astype(">u2")
    assert [b"\0\0\0\x14" + row.tobytes() for row in words] == [copy_binary.numeric(one) for one in nanos]


def test_ticks_as_arrays_are_the_same_bytes_as_ticks_row_by_row() -> None:
    """One COPY made in two ways."""
    market = rows_of(
        (1_700_000_000_123_456_789, 3, QUOTE, 4, 5, 6, 7, 8), (946_684_799_999_999_999, 0, PRINT, 0, 1, 0, 2, 9)
    )
    rows = [(11, *row) for row in market.tolist()]
    assert copy_binary.ticks(5, np.array([11, 11]), market) == copy_binary.rows(TICKS, 5, rows)
