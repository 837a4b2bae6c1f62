"""Rank correlations and their errors. Knows arrays only."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BLOCK_ROWS_MIN: Final = 30  # a smaller block says nothing
BLOCKS_MIN: Final = 8  # fewer have no error worth the name


def ranks(values: NDArray[np.floating]) -> Floats:
    """Ranks from 0, equal values sharing their mean rank."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else np.zeros(0, int)
    lengths = np.diff(np.append(starts, len(values)))
    found = np.empty(len(values))
    found[order] = np.repeat(starts + (lengths - 1) / 2.0, lengths)
    return found


def standardised(values: Floats) -> Floats:
    """Mean 0 and mean square 1; all 0 when there is nothing to tell apart."""
    away = values - values.mean() if len(values) else values
    scale = float(np.sqrt((away**2).mean())) if len(values) else 0.0
    return away / scale if scale > 0.0 else np.zeros(len(values))


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.float64]) -> float:
    """Spearman's; 0 when either side is constant."""
    if len(a) < 2:
        return 0.0
    return float((standardised(ranks(a)) * standardised(ranks(b))).mean())


def blocked_correlation(a: Floats, b: Floats, block: Ints) -> tuple[float, float]:
    """Mean rank correlation over blocks, and that mean by its standard error (0 with few blocks)."""
    found = [
        rank_correlation(a[block == number], b[block == number])
        for number in np.unique(block)
        if np.count_nonzero(block == number) >= BLOCK_ROWS_MIN
    ]
    if not found:
        return 0.0, 0.0
    error = float(np.std(found, ddof=1)) / len(found) ** 0.5 if len(found) >= BLOCKS_MIN else 0.0
    mean = float(np.mean(found))
    return mean, mean / error if error > 0.0 else 0.0
