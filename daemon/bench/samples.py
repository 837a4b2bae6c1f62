"""Times of single steps and what is said of them. Owns percentiles, the cost of the timer, and the line printed.

Rounds of different measurements are interleaved by the callers; the first samples of each round are dropped here,
because a cold cache is measured by `tick_to_order.paced` and not by chance.
"""

from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any, Final

DROPPED: Final = 50  # samples of a round that only warm it up
Line = dict[str, Any]


class Samples:
    """Nanoseconds per step, in rounds."""

    __slots__ = ("_dropped", "_skip", "kept")

    def __init__(self, *, dropped: int = DROPPED) -> None:
        self.kept: list[int] = []
        self._dropped = dropped
        self._skip = dropped

    def begin_round(self) -> None:
        """Drop the next few."""
        self._skip = self._dropped

    def add(self, ns: int) -> None:
        """Take one sample."""
        if self._skip:
            self._skip -= 1
        else:
            self.kept.append(ns)

    @property
    def times(self) -> dict[str, float]:
        """`p50_us` and `p99_us`; nothing without a sample."""
        return percentiles(self.kept)


def percentiles(ns: Iterable[int]) -> dict[str, float]:
    """Median and 99th percentile (nearest rank) in microseconds; empty without a sample."""
    ordered = sorted(ns)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {name: ordered[-(-last * part // 100)] / 1000 for name, part in (("p50_us", 50), ("p99_us", 99))}


def timer_us(rounds: int = 20_000) -> float:
    """What one pair of clock readings costs; it is part of every sample."""
    spent = []
    for _ in range(rounds):
        began = perf_counter_ns()
        spent.append(perf_counter_ns() - began)
    return percentiles(spent)["p50_us"]


def judged(line: Line, **goals: float) -> Line:
    """Add `goal` and `met`: a field named `per_s` must reach its goal, every other must not exceed it."""
    if not goals:
        return line
    texts = [f"{name} {'>=' if name == 'per_s' else '<='} {goal:g}" for name, goal in goals.items()]
    met = all(
        name in line and (line[name] >= goal if name == "per_s" else line[name] <= goal) for name, goal in goals.items()
    )
    return line | {"goal": ", ".join(texts), "met": met}


def reference_loop(additions: int = 230) -> int:
    """A fixed piece of interpreter work of about 5 us on the machine the goals were set on: what a machine is worth."""
    total = 0
    for number in range(additions):
        total += number & 7
    return total


def reference_line(rounds: int = 20_000) -> Line:
    """The reference loop, timed: divide by its 5 us to compare machines."""
    samples = Samples()
    for _ in range(rounds):
        began = perf_counter_ns()
        reference_loop()
        samples.add(perf_counter_ns() - began)
    return {"name": "reference", "samples": len(samples.kept), "timer_us": timer_us(), **samples.times}
