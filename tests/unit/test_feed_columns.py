"""Columns to rows: the one conversion of recorded prices, sizes and flags."""

from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.feeds.columns import ODDITIES, print_rows, quote_rows, raise_receipts
from broker.feeds.conditions import KNOWN_MASK, LAST_BITS, NOT_LAST_BITS, NOT_LAST_MASK
from core.rows import NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO
from tests.fakes.feed_tapes import OPEN_NS

NAN = float("nan")
INF = float("inf")


def quotes(bid: float, ask: float, *, bid_size: float = 100, ask_size: float = 200) -> tuple[np.void, Counter[str]]:
    oddities: Counter[str] = Counter()
    columns = {
        "ts_ns": np.array([OPEN_NS]), "bid": np.array([bid]), "ask": np.array([ask]),
        "bid_size": np.array([bid_size]), "ask_size": np.array([ask_size]), "suspicious": np.array([False]),
    }  # fmt: skip
    return quote_rows(columns, np.array([3], np.int32), oddities)[0], oddities


def prints(price: float, *, size: float = 100, condition: int = 1) -> tuple[list[np.void], Counter[str]]:
    oddities: Counter[str] = Counter()
    columns = {
        "ts_ns": np.array([OPEN_NS]), "price": np.array([price]), "size": np.array([size]),
        "condition": np.array([condition]), "suspicious": np.array([True]),
    }  # fmt: skip
    return list(print_rows(columns, np.array([3], np.int32), oddities)), oddities


@given(st.integers(1, 10**12))
def test_price_of_six_decimals_survives_the_double(micros: int) -> None:
    """Every price on the grid of 1e-6 comes back exactly."""
    row, oddities = quotes(micros / 1_000_000, 10_000_000.0)
    assert int(row["bid_px_nanos"]) == micros * 1_000
    assert "absurd_px" not in oddities


@given(st.floats(0.0001, 10_000.0))
def test_price_rounds_half_even_to_micros(price: float) -> None:
    """Any double is rounded as decimal arithmetic rounds the product of that double and a million."""
    row, _ = quotes(price, 10_000_000.0)
    expected = Decimal(price * 1_000_000.0).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    assert int(row["bid_px_nanos"]) == int(expected) * 1_000


def test_quote_fields() -> None:
    """An ordinary quote fills every field and counts nothing."""
    row, oddities = quotes(13.68, 13.69)
    assert row["kind"] == QUOTE
    assert row["inst"] == 3
    assert row["exchange_ts_ns"] == OPEN_NS
    assert row.tolist()[5:] == (13_680_000_000, 13_690_000_000, 100 * NANO, 200 * NANO)
    assert row["flags"] == 0
    assert not oddities


@pytest.mark.parametrize(
    ("bid", "ask", "bid_size", "ask_size", "kinds"),
    [
        (NAN, 2.0, 100, 100, {"empty_bid"}),
        (2.0, 0.0, 100, 100, {"empty_ask"}),
        (NAN, 0.0, 100, 100, {"empty_bid", "empty_ask", "empty_both"}),
        (-1.0, 2.0, 100, 100, {"negative_px", "empty_bid"}),
        (2.0, INF, 100, 100, {"absurd_px", "empty_ask"}),
        (2.0, 1e9, 100, 100, {"absurd_px", "empty_ask"}),
        (-INF, 2.0, 100, 100, {"negative_px", "empty_bid"}),
        (1e-9, 2.0, 100, 100, {"absurd_px", "empty_bid"}),
        (2.0, 3.0, 0, 100, {"zero_size"}),
        (2.0, 3.0, -5, 100, {"negative_size", "zero_size"}),
        (2.0, 3.0, 100, 1e12, {"absurd_size", "zero_size"}),
        (2.0, 3.0, NAN, 100, {"absurd_size", "zero_size"}),
        (3.0, 2.0, 100, 100, {"crossed"}),
        (2.0, 2.0, 100, 100, {"locked"}),
    ],
)
def test_odd_quote_is_counted_and_passed(
    bid: float, ask: float, bid_size: float, ask_size: float, kinds: set[str]
) -> None:
    """Each oddity is counted by kind; a bad side is empty, price and size, and never negative."""
    row, oddities = quotes(bid, ask, bid_size=bid_size, ask_size=ask_size)
    assert set(oddities) == kinds
    assert kinds <= set(ODDITIES)
    for side in ("bid", "ask"):
        assert row[f"{side}_px_nanos"] >= 0
        assert row[f"{side}_qty_nanos"] >= 0
        if f"empty_{side}" in kinds:
            assert row[f"{side}_px_nanos"] == row[f"{side}_qty_nanos"] == 0


@pytest.mark.parametrize(
    ("price", "size", "kinds"),
    [
        (NAN, 100, {"missing_px"}),
        (0.0, 100, {"missing_px"}),
        (-2.0, 100, {"negative_px"}),
        (INF, 100, {"absurd_px"}),
        (2.0, 0, {"zero_size"}),
        (2.0, -1, {"negative_size"}),
        (2.0, 1e10, {"absurd_size"}),
    ],
)
def test_print_without_price_or_size_is_dropped(price: float, size: float, kinds: set[str]) -> None:
    """A print that names no trade is dropped with a count."""
    rows, oddities = prints(price, size=size)
    assert rows == []
    assert set(oddities) == kinds | {"suspicious"}


@pytest.mark.parametrize("bit", range(32))
def test_sale_condition_decides_not_last(bit: int) -> None:
    """Each bit sets NOT_LAST exactly if its table says so, and travels in the row."""
    (row,), oddities = prints(2.0, condition=1 << bit | 1)
    held_back = bit in NOT_LAST_BITS
    assert row["flags"] == SUSPICIOUS | (NOT_LAST if held_back else 0)
    assert row["kind"] == PRINT
    assert row["ask_qty_nanos"] == 1 << bit | 1
    assert ("not_last" in oddities) == held_back


def test_unknown_condition_bit_is_held_back() -> None:
    """A bit beyond the tables denies."""
    (row,), oddities = prints(2.0, condition=1 << 40)
    assert row["flags"] & NOT_LAST
    assert oddities["unknown_condition"] == 1


def test_condition_tables_are_disjoint_and_complete() -> None:
    """Every bit of the tape stands in exactly one table."""
    assert not set(NOT_LAST_BITS) & set(LAST_BITS)
    assert set(NOT_LAST_BITS) | set(LAST_BITS) == set(range(32))
    assert KNOWN_MASK & NOT_LAST_MASK == NOT_LAST_MASK


def test_fractional_size() -> None:
    """A size in parts of a share keeps nine decimals."""
    row, _ = quotes(2.0, 3.0, bid_size=0.123456789)
    assert row["bid_qty_nanos"] == 123_456_789


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(0, 60))
def test_receipt_is_the_running_maximum(times: list[int], running: int) -> None:
    """Receipt never goes backwards, exchange time is untouched, every raised row counts."""
    rows = np.zeros(len(times), ROW)
    rows["exchange_ts_ns"] = times
    oddities: Counter[str] = Counter()
    after = raise_receipts(rows, running, oddities)
    expected = [max(running, *times[: at + 1]) for at in range(len(times))]
    assert rows["ts_ns"].tolist() == expected
    assert rows["exchange_ts_ns"].tolist() == times
    assert after == expected[-1]
    assert oddities["backwards"] == sum(receipt > own for receipt, own in zip(expected, times, strict=True))
