"""What comes later never changes what was told before, for every feature."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.rows import BAR, DUPLICATE, NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.units import NANO
from strategies.features.catalogue import COUNT, NAMES
from tests.fakes.feature_tapes import CENT, LOT, OPEN_NS, batch, made_up_rows, new_run

ROWS = 2_500
TAPE = made_up_rows(ROWS, seed=11, mean_ns=NANO)
CLOSE_NS = OPEN_NS + 4_000 * NANO  # near enough that the minutes to it count down, far enough for `later`
TOLD = batch(new_run(close_ns=CLOSE_NS), TAPE)

CHANGES = {
    "price up": lambda tail: _add(tail, ("bid_px_nanos", "ask_px_nanos"), 7 * CENT),
    "price down": lambda tail: _add(tail, ("bid_px_nanos", "ask_px_nanos"), -3 * CENT),
    "size": lambda tail: _add(tail, ("bid_qty_nanos", "ask_qty_nanos"), 50 * LOT),
    "later": lambda tail: _add(tail, ("ts_ns",), 90 * NANO),
    "much later": lambda tail: _add(tail, ("ts_ns",), 1_000 * NANO),
    "next day": lambda tail: _add(tail, ("ts_ns",), 86_400 * NANO),
    "all prints": lambda tail: _put(tail, "kind", PRINT),
    "all quotes": lambda tail: _put(tail, "kind", QUOTE),
    "all bars": lambda tail: _put(tail, "kind", BAR),
    "one side empty": lambda tail: _put(tail, "ask_px_nanos", 0),
    "suspicious": lambda tail: _put(tail, "flags", SUSPICIOUS),
    "duplicates": lambda tail: _put(tail, "flags", DUPLICATE),
    "not last": lambda tail: _put(tail, "flags", NOT_LAST),
    "other instrument": lambda tail: _put(tail, "inst", 1 - tail["inst"]),
    "nothing": lambda tail: tail[:0],
}


def _add(tail: Any, names: tuple[str, ...], amount: int) -> Any:
    for name in names:
        tail[name] += amount
    return tail


def _put(tail: Any, name: str, value: Any) -> Any:
    tail[name] = value
    return tail


@settings(max_examples=60)
@given(k=st.integers(1, ROWS - 1), kind=st.sampled_from(sorted(CHANGES)))
def test_the_future_never_changes_the_past(k: int, kind: str) -> None:
    """Rows from k on changed in one of many ways: all that was emitted before k has equal bits, feature by feature."""
    changed = np.concatenate([TAPE[:k], CHANGES[kind](TAPE[k:].copy())])
    told = batch(new_run(close_ns=CLOSE_NS), changed)
    before = TOLD.at < k
    assert told.at[: before.sum()].tolist() == TOLD.at[before].tolist()
    assert told.masks[: before.sum()].tolist() == TOLD.masks[before].tolist()
    one, other = (run.values[: before.sum()].view(np.uint32) for run in (told, TOLD))
    different = [name for at, name in enumerate(NAMES) if (one[:, at] != other[:, at]).any()]
    assert different == []


def test_the_tape_exercises_every_feature() -> None:
    """A feature that is never ready here would be proven to keep the past by saying nothing."""
    assert int(np.bitwise_or.reduce(TOLD.masks)) == (1 << COUNT) - 1
    ready = (TOLD.masks[:, None] >> np.arange(COUNT)) & 1 == 1
    constant = [name for at, name in enumerate(NAMES) if len(np.unique(TOLD.values[ready[:, at], at])) < 3]
    assert constant == []
