"""Scores made ahead for batches of rows, in one call of the model instead of one per row.

When a score is due, and what its inputs are, depends on market rows, fences and numbers from outside alone, never on
what the strategy holds. So copies of market, features and signals run ahead over a batch, all inputs are scored at once
and the ordinary step finds each score at its row. Whatever comes in between and could change one (a gap, a halt, a
fence, a session, a number from outside, a row by another entry) throws the rest away. The result is, bit for bit, that
of scoring each row when it comes; a model that does not score a batch as it scores single rows is never run ahead.

One score costs 4 us alone and 0.7 us in a batch of a thousand.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from strategies.kernels import bind
from strategies.models.scorer import Scorer
from strategies.signal.kernels import AHEAD_SIGNATURE, KNOWN_SIGNATURE, look_ahead, run_known
from strategies.signal.state import INPUTS_MAX

ROWS_MAX: Final = 2048  # looked at once
_CHECK_ROWS: Final = 100


class LookAhead:
    """Runs one pipeline's arrays, in the order of the kernels."""

    def __init__(self, arrays: tuple[Any, ...], scorers: Sequence[Scorer], widths: Sequence[int], block: Any) -> None:
        slots = len(scorers)
        self._arrays = arrays
        self._scorers = scorers
        self._widths = widths
        market, _, _, state, signals, externals, values, plans, self._out = arrays
        copies = (market.copy(), state.copy(), signals.copy())
        # As bytes: numpy copies records field by field.
        self._copied = tuple(zip(map(_bytes, copies), map(_bytes, (market, state, signals)), strict=True))
        self._shadow = (*copies, externals, values.copy(), plans, np.zeros_like(self._out))
        self._inputs = np.zeros((slots, ROWS_MAX * INPUTS_MAX), np.float32)
        self._places = np.zeros((slots, ROWS_MAX), np.int64)
        self._volatilities = np.zeros((slots, ROWS_MAX))
        self._scores = np.zeros((slots, ROWS_MAX))
        self._counts = np.zeros(slots, np.int64)
        self._next = np.zeros(slots, np.int64)
        self._found = (self._inputs, self._places, self._volatilities, self._counts)
        self._known = (self._places, self._volatilities, self._scores, self._counts, self._next)
        self._ahead = bind(look_ahead, AHEAD_SIGNATURE, *self._shadow, block, *self._found)
        self._run = bind(run_known, KNOWN_SIGNATURE, *arrays, block, *self._known)
        self._rows: Any = None  # the batch that scores are known of: rows [_at, _until)
        self._at = 0
        self._until = 0

    def forget(self) -> None:
        """Something came that may change a score."""
        self._rows = None

    def run(self, rows: Any, lo: int, hi: int, stop_ts_ns: int) -> tuple[int, int]:
        """Rows [lo, hi) until one has a code or is at or past the stop; the first row not applied, and the code."""
        while True:
            if rows is not self._rows or lo != self._at or lo >= self._until:
                self._look(rows, lo)
            until = hi if hi < self._until else self._until
            lo = self._at = self._run(*self._arrays, rows, *self._known, lo, until, stop_ts_ns)
            code = int(self._out[0])
            if code or lo < until or lo == hi:
                return lo, code

    def _look(self, rows: Any, lo: int) -> None:
        """Know the scores of the next rows; a row that names no instrument is left to the ordinary step."""
        for copy, array in self._copied:
            copy[:] = array
        end: int = self._ahead(*self._shadow, rows, *self._found, lo, min(len(rows), lo + ROWS_MAX))
        for slot, count in enumerate(self._counts.tolist()):
            if count:
                width = self._widths[slot]
                inputs = self._inputs[slot, : count * width].reshape(count, width)
                self._scores[slot, :count] = self._scorers[slot].scores(inputs)
        self._next[:] = 0
        self._rows, self._at, self._until = rows, lo, max(end, lo + 1)


def _bytes(array: Any) -> Any:
    return array.view(np.uint8).reshape(-1)


def scores_alike(scorers: Sequence[Scorer], values: Sequence[Any]) -> bool:
    """Whether every model scores a batch as it scores its rows one by one. `values` are the rows that they read."""
    for scorer, row in zip(scorers, values, strict=True):
        steps = np.arange(_CHECK_ROWS * len(row), dtype=np.float32).reshape(_CHECK_ROWS, len(row))
        rows = (steps * np.float32(0.37) % np.float32(7.0) - np.float32(3.5)).astype(np.float32)
        kept, single = row.copy(), []
        for one in rows:
            row[:] = one
            single.append(scorer.score())
        row[:] = kept
        if not np.array_equal(np.array(single), scorer.scores(rows)):
            return False
    return True
