"""What the market row keeps for schedules: the day's traded volume, and how much the mid moves."""

from typing import Any

import numpy as np
import pytest

from core.market import SAMPLE_GAP_NS, SAMPLE_NS, MarketReader, apply_row, new_market
from core.rows import NOT_LAST, PRINT, QUOTE, ROW
from core.units import NANO

START = 1_700_000_000 * NANO
CENT = NANO // 100


def feed(market: Any, kind: int, ts_ns: int, px: int, other: int, qty: int = 100 * NANO, flags: int = 0) -> None:
    row = np.array([(ts_ns, ts_ns, 0, kind, flags, px, other, qty, qty if kind == QUOTE else 0)], ROW)
    apply_row(market[0], row[0])


def test_the_days_volume_counts_every_last_print_and_starts_anew_with_the_session() -> None:
    """Prints that do not update "last" are none; the same session told again changes nothing."""
    market = new_market(1)
    reader = MarketReader(market)
    reader.set_session(0, START, START + NANO)
    for second in range(900):
        feed(market, PRINT, START + second * NANO, 1000 * CENT, 0)
    feed(market, PRINT, START + 900 * NANO, 1000 * CENT, 0, flags=NOT_LAST)
    assert reader.get(0, "volume_day_nanos") == 90_000 * NANO
    reader.set_session(0, START, START + NANO)
    assert reader.get(0, "volume_day_nanos") == 90_000 * NANO
    reader.set_session(0, START + NANO, START + 2 * NANO)
    assert reader.get(0, "volume_day_nanos") == 0


def test_the_variance_of_a_known_walk() -> None:
    """Three cents up or down each half minute: nine square cents in thirty seconds; the spread is two cents; what
    happens in between, and a silence of a night, count for nothing.
    """
    market = new_market(1)
    for sample in range(200):
        mid = 5000 + 3 * (sample % 2)
        at = START + sample * SAMPLE_NS
        feed(market, QUOTE, at, (mid - 1) * CENT, (mid + 1) * CENT)
        feed(market, QUOTE, at + NANO, (mid + 50) * CENT, (mid + 52) * CENT)
    row = market[0]
    assert row["samples"] == 199
    assert row["sample_square"] / row["sample_span_ns"] == pytest.approx(9 * CENT**2 / SAMPLE_NS)
    assert row["sample_spread"] == pytest.approx(2 * CENT)
    square = float(row["sample_square"])
    feed(market, QUOTE, START + 199 * SAMPLE_NS + SAMPLE_GAP_NS, 9000 * CENT, 9002 * CENT)
    assert (row["samples"], float(row["sample_square"])) == (199, square)
