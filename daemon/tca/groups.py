"""Schedules in groups: how many, what they cost by value, and how sure that is. The interval is a bootstrap over whole
schedules (percentiles of resampled means by value) with one fixed seed: a report can be made again to the last digit.
Schedules of one day are not independent: the interval is the least uncertainty, not all of it.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.units import BP
from daemon.tca.measure import ParentRow

Numbers = npt.NDArray[np.float64]

SEED: Final = 20_000
SAMPLES: Final = 1_000
CELLS_MAX: Final = 4_000_000  # drawn at once
MEMBERS_MIN: Final = 5  # fewer say nothing about their spread
SIZES: Final = ((1_000, "< 0.1 %"), (10_000, "0.1 to 1 %"), (50_000, "1 to 5 %"), (100_000, "5 to 10 %"))


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One group; bp of the paper value, weighted by it."""

    by: str
    name: str
    n: int
    filled: float | None  # share of what was wanted, by value
    delay_bp: float | None
    trading_bp: float | None
    opportunity_bp: float | None
    fees_bp: float | None
    total_bp: float | None
    low_bp: float | None  # 95 % interval of the total
    high_bp: float | None
    vwap_bp: float | None  # mean slippage by filled value
    z: float | None  # mean, and how many have an estimate
    z_n: int


def size_name(row: ParentRow) -> str:
    """Size against the average day."""
    if row.size_ppm is None:
        return "not known"
    return next((name for below, name in SIZES if row.size_ppm < below), "> 10 %")


BY: Final[dict[str, Callable[[ParentRow], str]]] = {
    "all": lambda row: "all",
    "algo": lambda row: row.algo,
    "urgency": lambda row: str(row.urgency),
    "size / ADV": size_name,
    "hour": lambda row: row.hour,
    "venue": lambda row: row.venue,
}


def group(rows: list[ParentRow]) -> list[Group]:
    """All groups, those of one kind together and by name."""
    found = []
    for by, key in BY.items():
        members: dict[str, list[ParentRow]] = {}
        for row in rows:
            members.setdefault(key(row), []).append(row)
        found += [_group(by, name, members[name]) for name in sorted(members)]
    return found


def _group(by: str, name: str, rows: list[ParentRow]) -> Group:
    cost = np.array([row.total_nanos for row in rows], float)
    paper = np.array([row.paper_nanos for row in rows], float)
    low, high = interval(cost, paper)
    scored = [row.z for row in rows if row.z is not None]
    filled = sum(row.filled_nanos * row.decision_px_nanos for row in rows)
    wanted = sum(row.qty_nanos * row.decision_px_nanos for row in rows)
    return Group(
        by=by,
        name=name,
        n=len(rows),
        filled=filled / wanted if wanted else None,
        delay_bp=_bp(sum(row.delay_nanos for row in rows), paper),
        trading_bp=_bp(sum(row.trading_nanos for row in rows), paper),
        opportunity_bp=_bp(sum(row.opportunity_nanos for row in rows), paper),
        fees_bp=_bp(sum(row.fees_nanos for row in rows), paper),
        total_bp=_bp(sum(row.total_nanos for row in rows), paper),
        low_bp=low,
        high_bp=high,
        vwap_bp=_against(rows, "vwap"),
        z=sum(scored) / len(scored) if scored else None,
        z_n=len(scored),
    )


def _bp(cost: int, paper: Numbers) -> float | None:
    base = float(paper.sum())
    return cost / base * BP if base > 0.0 else None


def _against(rows: list[ParentRow], name: str) -> float | None:
    pairs = [(row.against[name], row.filled_nanos * row.decision_px_nanos) for row in rows]
    known = [(bp, weight) for bp, weight in pairs if bp is not None]
    base = sum(weight for _, weight in known)
    return sum(bp * weight for bp, weight in known) / base / 1e9 if base else None


def interval(cost: Numbers, paper: Numbers) -> tuple[float | None, float | None]:
    """The middle 95 % of the total in bp over resampled schedules; (None, None) for fewer than MEMBERS_MIN."""
    n = len(cost)
    if n < MEMBERS_MIN or paper.sum() <= 0.0:
        return None, None
    random = np.random.default_rng(SEED)
    step = max(1, CELLS_MAX // n)
    means = []
    for begin in range(0, SAMPLES, step):
        drawn = random.integers(0, n, (min(step, SAMPLES - begin), n))
        means.append(cost[drawn].sum(axis=1) / np.maximum(paper[drawn].sum(axis=1), 1.0) * BP)
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return float(low), float(high)
