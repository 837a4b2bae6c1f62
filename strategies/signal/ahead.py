"""Many scores in one call of the model, for batches of rows: run ahead as if nothing would change, score what was due,
and where a score does leave its band go back and stop at that row. What comes out is, bit for bit, what scoring each
row when it comes gives; a model that does not score a batch as it scores single rows is never run ahead.

A model costs 4 us alone and 0.7 us in a batch of a hundred; the copies cost 1 us for two instruments.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from strategies.kernels import BAD_ROW, DECIDE, bind
from strategies.models.scorer import Scorer
from strategies.signal.kernels import AHEAD_SIGNATURE, RUN_SIGNATURE, put_scores, run_ahead, run_through
from strategies.signal.state import ASKED_SCORE, INPUTS_MAX, SCORE

ROWS_MAX: Final = 256  # run ahead at once
ROWS_MIN: Final = 16  # fewer are not worth the copies
QUIET_SCORES: Final = 4  # made one by one first: where rows are watched, most runs end sooner
_CHECK_ROWS: Final = 100


class LookAhead:
    """Runs one pipeline's arrays ahead. `arrays` in the order of the kernels; the fourth to seventh of them and the
    first two are what a step writes.
    """

    def __init__(self, arrays: tuple[Any, ...], scorers: Sequence[Scorer], widths: Sequence[int], block: Any) -> None:
        slots = len(scorers)
        self._arrays = arrays
        self._scorers = scorers
        self._widths = widths
        market, features, _, state, signals, _, values = arrays[:7]
        self._signals = signals
        self._out = arrays[-1]
        # As words: numpy copies records field by field.
        written = (market, features, state, signals, values)
        self._written = tuple(array.view(np.uint8).reshape(-1) for array in written)
        self._kept = tuple(array.copy() for array in self._written)
        self._inputs = np.zeros((slots, ROWS_MAX * INPUTS_MAX), np.float32)
        self._places = np.zeros((slots, ROWS_MAX, 2), np.int64)
        self._bands = np.zeros((slots, ROWS_MAX, 2), np.float64)
        self._counts = np.zeros(slots, np.int64)
        self._buffers = (self._inputs, self._places, self._bands, self._counts)
        self._ahead = bind(run_ahead, AHEAD_SIGNATURE, *arrays, block, *self._buffers)
        self._through = bind(run_through, RUN_SIGNATURE, *arrays, block)

    def run(self, rows: Any, lo: int, hi: int, stop_ts_ns: int) -> tuple[int, int]:
        """Rows [lo, hi) until one has a code or is at or past the stop; the first row not applied, and the code."""
        while True:
            until = min(hi, lo + ROWS_MAX)
            lo, code = self._run(rows, lo, until, stop_ts_ns)
            if code or lo < until or lo == hi:
                return lo, code

    def _run(self, rows: Any, lo: int, hi: int, stop_ts_ns: int) -> tuple[int, int]:
        for kept, array in zip(self._kept, self._written, strict=True):
            kept[...] = array
        end: int = self._ahead(*self._arrays, rows, *self._buffers, lo, hi, stop_ts_ns)
        code = int(self._out[0])
        counts = self._counts.tolist()
        scores = [self._score(slot, count) for slot, count in enumerate(counts)]
        firsts = [self._first_outside(slot, count, scores[slot]) for slot, count in enumerate(counts)]
        first = min(firsts)
        if first >= end:
            self._keep(scores, counts, end)
            return end, code
        if first < end - 1 or code == BAD_ROW:
            for kept, array in zip(self._kept, self._written, strict=True):
                array[...] = kept
            code = self._through(*self._arrays, rows, lo, first + 1, stop_ts_ns) & ~SCORE
        self._keep(scores, counts, first)
        for slot, at in enumerate(firsts):
            if at == first:
                row = self._signals[int(rows[first]["inst"]), slot]
                row["asked"] = ASKED_SCORE
                row["asks"] += 1
        return first + 1, code | DECIDE

    def _score(self, slot: int, count: int) -> Any:
        if not count:
            return None
        width = self._widths[slot]
        return self._scorers[slot].scores(self._inputs[slot, : count * width].reshape(count, width))

    def _first_outside(self, slot: int, count: int, scores: Any) -> int:
        """Row of the first score outside its band; a score that is no number is outside of every one."""
        if count:
            bands = self._bands[slot, :count]
            inside = (bands[:, 0] <= scores) & (scores <= bands[:, 1])
            if not inside.all():
                return int(self._places[slot, inside.argmin(), 0])
        return _NEVER

    def _keep(self, scores: list[Any], counts: list[int], last: int) -> None:
        for slot, count in enumerate(counts):
            if count:
                put_scores(self._signals, self._places, scores[slot], slot, count, last)


_NEVER: Final = 1 << 62


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
