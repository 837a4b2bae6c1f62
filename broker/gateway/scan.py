"""One compiled pass over market rows for a gateway in which most rows concern nobody: keeps the market state and stops
only at rows somebody asked for, or where time has something to do first. Knows rows; no order, client or part.
"""

from typing import Any

from numba import from_dtype, njit, types

from core.market import MARKET, apply_row
from core.rows import ROW

_i8 = types.int64
_markets = types.Array(from_dtype(MARKET), 1, "C")
_counts = types.Array(_i8, 1, "C")
_rows = types.Array(from_dtype(ROW), 1, "C")


@njit(_i8(_markets, _counts, _counts, _rows, _i8, _i8, _i8), cache=True, error_model="numpy")
def scan(quotes: Any, watch: Any, wanted: Any, rows: Any, lo: int, hi: int, due_ns: int) -> int:
    """Apply rows[lo:hi] to `quotes`. Returns k >= 0: rows[lo:k + 1] are applied and somebody wants rows[k]; `hi`: all
    are applied and nobody wants one; -1 - k: rows[lo:k] are applied, rows[k] is at or past `due_ns`.
    """
    for k in range(lo, hi):
        r = rows[k]
        if r["ts_ns"] >= due_ns:
            return -1 - k
        inst = r["inst"]
        apply_row(quotes[inst], r)
        if watch[inst] > 0 or wanted[inst] > 0:
            return k
    return hi
