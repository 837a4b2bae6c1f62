"""The drill `faults`: fault schedules by the thousand; see tests/simulation."""

from typing import Any, Final

from tests.simulation.run import report
from tests.simulation.schedule import make_schedule
from tests.simulation.shrink import failure_in, play

SEEDS_PER_PART: Final = 20
COUNTED: Final = (
    "crashes", "restarts", "PlaceOrder", "ReplaceOrder", "CancelOrder", "CancelAllOrders", "OrderFilled",
    "ExecutionCorrected", "OrderRejected", "LinkLost", "LinkDegraded", "SettleOrder", "OperatorHalted",
    "OperatorKilled", "OperatorFlattened", "OperatorResumed", "OrderResolved", "unexplained",
)  # fmt: skip
TWICE_EVERY: Final = 10  # so many schedules are run a second time, and must decide the same


def run_part(number: int) -> dict[str, Any]:
    """Seeds of one part; counts of commands and facts added up."""
    first = number * SEEDS_PER_PART
    failures: list[str] = []
    counts = dict.fromkeys(("schedules", "steps", *COUNTED), 0)
    for seed in range(first, first + SEEDS_PER_PART):
        schedule = make_schedule(seed)
        failure, watch = failure_in(schedule)
        counts["schedules"] += 1
        counts["steps"] += 0 if watch is None else watch.steps
        for name in COUNTED:
            counts[name] += 0 if watch is None else watch.counts.get(name, 0)
        if failure is not None:
            failures.append(report(schedule, failure))
            continue
        if seed % TWICE_EVERY == 0:
            failures += _differs(seed)
    return {"first_seed": first, "counts": counts, "failures": failures}


def _differs(seed: int) -> list[str]:
    first, second = (play(make_schedule(seed)).digest.hexdigest() for _ in range(2))
    return [] if first == second else [f"seed {seed} decides differently the second time"]
