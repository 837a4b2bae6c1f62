"""The highest counts of a second and of a minute."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import events as e
from core import records as r
from core.rows import ROW, ROW_BYTES
from core.units import NANO
from daemon.journal import JournalWriter
from tests.fakes.load import Load, Most, higher, load_of, most_in

BEGIN_NS = 1_767_000_000 * NANO


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([5], 1),
        ([0, 9, 10], 2),  # the window's end is not in it
        ([7, 8, 12, 16, 17], 4),  # the fullest lies across a round number
        ([3, 3, 3, 40], 3),
    ],
)
def test_the_fullest_window(times: list[int], most: int) -> None:
    """It begins at any time, and what comes exactly one span later is outside."""
    assert most_in(np.array(times, np.int64), 10) == most


def test_a_journal_tells_its_load(tmp_path: Path) -> None:
    """Rows and facts are counted by their own times, whichever blocks they were written in."""
    rows: Any = np.zeros(6, ROW)
    rows["ts_ns"] = BEGIN_NS + np.array([0, 900_000_000, 1_100_000_000, 1_800_000_000, 30 * NANO, 61 * NANO])
    journal = JournalWriter(tmp_path, now_ns=BEGIN_NS, segment_bytes=1 << 16, reserve_bytes=0, background=False)
    for lo, hi in ((0, 1), (1, 6)):
        block = memoryview(rows[lo:hi].view(np.uint8)).cast("B")
        assert len(block) == (hi - lo) * ROW_BYTES
        journal.add_rows(lo + 1, block, hi - lo, int(rows["ts_ns"][lo]))
        journal.commit()
    for seq, at_ns in ((7, 62 * NANO), (8, 63 * NANO)):
        journal.add(r.INPUT, seq, BEGIN_NS + at_ns, 0, r.encode(e.LinkRestored(reason="")))
        journal.commit()
    journal.close()
    load = load_of(tmp_path)
    assert load.rows == Most(second=3, minute=5)
    assert load.orders == load.messages == load.fills == Most(second=0, minute=0)


def test_the_higher_of_each() -> None:
    """Several days or journals have one peak: the highest of each count, wherever it was."""
    zero = Most(second=0, minute=0)
    one = Load(rows=Most(second=9, minute=20), messages=zero, orders=zero, fills=Most(second=1, minute=4))
    other = Load(rows=Most(second=8, minute=30), messages=Most(second=2, minute=3), orders=zero, fills=zero)
    both = Load(rows=Most(second=9, minute=30), messages=Most(second=2, minute=3), orders=zero, fills=one.fills)
    assert higher(one, other) == higher(other, one) == both
