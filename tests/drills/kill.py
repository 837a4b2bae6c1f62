"""The drill `kill`: the scripted kill of `quantd drill kill` at real time, another market and other faults each part,
and hundreds of random runs around kills (tests/property/test_kill_monotone.py).
"""

from typing import Any, Final

import msgspec
from hypothesis import HealthCheck, given, seed, settings

from daemon.drill.kill import run_kill_drill
from tests.property.test_kill_monotone import ACTS, run_acts

RUNS: Final = 40  # random ones a part


def run_part(number: int) -> dict[str, Any]:
    """One scripted kill, and its share of the random runs."""
    report = run_kill_drill(speed=1, seed=5 + number)
    failures = [f"part {number}: {check.name}: {check.found}" for check in report.checks if not check.ok]
    failures += _random_runs(number)
    times = msgspec.to_builtins(report)
    del times["checks"]
    return {
        "counts": {
            "scripted kills": 1, "checks": len(report.checks), "orders open": report.orders_open,
            "others' orders open": report.others_open, "fills after": report.fills_after, "random runs": RUNS,
        },
        "failures": failures,
        "times": times,
    }  # fmt: skip


def _random_runs(number: int) -> list[str]:
    @seed(number)
    @settings(max_examples=RUNS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(acts=ACTS)
    def runs(acts: list[tuple[str, int]]) -> None:
        run_acts(acts)

    try:
        runs()
    except AssertionError as fault:
        return [f"part {number}: a random run: {fault}"[:400]]
    return []
