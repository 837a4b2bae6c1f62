"""From a classifier's log-odds to basis points. Compiled, so that one score and a batch have the same bits; knows no
model.
"""

from typing import Any

from numba import njit, types

from strategies.decay import exp_minus


@njit(types.float64(types.float64), cache=True, error_model="numpy")
def probability(margin: float) -> float:
    """The logistic function, without the C library's exp."""
    if margin >= 0.0:
        return 1.0 / (1.0 + exp_minus(margin))
    e = exp_minus(-margin)
    return e / (1.0 + e)


@njit(types.float64(types.float64, types.float64, types.float64), cache=True, error_model="numpy")
def expected_bp(margin: float, gain_bp: float, loss_bp: float) -> float:
    """p * gain - (1 - p) * loss."""
    p = probability(margin)
    return p * gain_bp - (1.0 - p) * loss_bp


@njit(
    types.void(types.Array(types.float32, 1, "C"), types.float64, types.float64, types.Array(types.float64, 1, "C")),
    cache=True,
    error_model="numpy",
)
def expected_bp_rows(margins: Any, gain_bp: float, loss_bp: float, out: Any) -> None:
    """The same for many."""
    for k in range(margins.shape[0]):
        out[k] = expected_bp(margins[k], gain_bp, loss_bp)
