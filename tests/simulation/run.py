"""Run fault schedules by hand: `python -m tests.simulation.run --seed N`, `--seeds 0:500`, or `--schedule FILE.json`.

A failure prints its seed, the whole schedule, the shortest one that fails alike, and how to run both again.
"""

import argparse
import sys
from pathlib import Path

from daemon.kernels import configure

configure()  # before anything imports numba, which reads its settings once

import msgspec  # noqa: E402 - after configure

from tests.simulation.schedule import Schedule, make_schedule  # noqa: E402
from tests.simulation.shrink import Failure, failure_of, play, shrink  # noqa: E402


def main(arguments: list[str]) -> int:
    """0 = every schedule held."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", help="FIRST:LAST, the last excluded")
    parser.add_argument("--schedule", type=Path, help="a schedule as printed after a failure")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args(arguments)
    bad = 0
    for schedule in _schedules(options):
        failure = failure_of(schedule)
        if failure is not None:
            bad += 1
            print(report(schedule, failure, shrinking=not options.no_shrink), flush=True)
        elif options.seed is not None or options.schedule:
            watch = play(schedule)
            print(f"seed {schedule.seed} holds: {watch.steps} steps, commands {watch.digest.hexdigest()}")
    return 1 if bad else 0


def _schedules(options: argparse.Namespace) -> list[Schedule]:
    if options.schedule:
        return [msgspec.json.decode(options.schedule.read_bytes(), type=Schedule)]
    if options.seeds:
        first, _, last = options.seeds.partition(":")
        return [make_schedule(seed) for seed in range(int(first), int(last))]
    return [make_schedule(0 if options.seed is None else options.seed)]


def report(schedule: Schedule, failure: Failure, *, shrinking: bool = True) -> str:
    """What a person needs to find the fault."""
    lines = [
        f"seed {schedule.seed} FAILED: {failure.kind} at {failure.place}: {failure.text}",
        f"again: python -m tests.simulation.run --seed {schedule.seed}",
        f"schedule: {msgspec.json.encode(schedule).decode()}",
    ]
    if shrinking:
        small = shrink(schedule, failure)
        lines += [
            f"smallest: {msgspec.json.encode(small).decode()}",
            "again: save that line and run python -m tests.simulation.run --schedule FILE",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
