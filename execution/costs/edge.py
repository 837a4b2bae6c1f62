"""Whether a trade is worth its cost: the edge a strategy states against the estimate, and what to do when it does not.
Pure; refusing an order is the gate's, telling is the engine's.
"""

from typing import Final, Literal

import msgspec

from core.units import decimal_text
from execution.costs.estimate import Estimate

EdgePolicy = Literal["warn", "refuse"]
NOT_STATED: Final = 0


class EdgeVerdict(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`pays`: the edge covers the cost, or nobody stated one. `refused`: the parent must not be opened."""

    pays: bool
    refused: bool
    text: str = ""  # "" = nothing to tell


def judge_edge(edge_bp_nanos: int, expected: Estimate | None, *, policy: EdgePolicy) -> EdgeVerdict:
    """An edge equal to the cost pays nothing, so it does not pay. A stated edge without an estimate is not known to
    pay: refused where refusing is the policy.
    """
    if edge_bp_nanos == NOT_STATED:
        return EdgeVerdict(pays=True, refused=False)
    refuses = policy == "refuse"
    stated = f"the edge of {decimal_text(edge_bp_nanos)} bp"
    if expected is None:
        return EdgeVerdict(pays=False, refused=refuses, text=f"{stated} cannot be compared: no estimate of the cost")
    if not expected.notional_nanos or edge_bp_nanos > expected.cost_bp_nanos:
        return EdgeVerdict(pays=True, refused=False)
    return EdgeVerdict(pays=False, refused=refuses, text=f"{stated} does not pay the expected cost, {expected.text()}")
