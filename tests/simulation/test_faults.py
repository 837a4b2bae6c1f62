"""Seeded fault schedules against the whole trader; see checkers.py for what must hold.

A failure prints its seed, the schedule and the shortest one that fails alike. More of them: `make drill NAME=faults`.
"""

import msgspec
import pytest

from tests.simulation.run import report
from tests.simulation.schedule import Schedule, make_schedule
from tests.simulation.shrink import failure_in, failure_of, play

CHUNKS = 45
CHUNK = 1
IDLE = {33}  # flattened at its second second and halted from then on: nobody may trade in it
# Shortest schedules of faults that were found and mended (those of the books: tests/unit/test_money_faults.py).
FOUND = {
    "a trading halt meets a venue that has done what was due": (
        '{"seed":2248,"acts":[{"at_ms":3980,"kind":"trading halt","choice":977},'
        '{"at_ms":30911,"kind":"restart","choice":120}]}'
    ),
}
SAMPLE = (0, 1, 5, 12, 24, 188)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_schedules_hold(chunk: int) -> None:
    """Every schedule of the chunk runs to its end, trades, and nothing it must keep is broken."""
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        schedule = make_schedule(seed)
        failure, watch = failure_in(schedule)
        assert failure is None, report(schedule, failure)
        assert watch is not None
        traded = watch.counts.get("PlaceOrder", 0) > 0
        assert traded is (seed not in IDLE), f"seed {seed} ({schedule.venue}): {watch.counts}"


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str) -> None:
    """The schedule that showed the fault runs to its end."""
    schedule = msgspec.json.decode(FOUND[name], type=Schedule)
    failure = failure_of(schedule)
    assert failure is None, report(schedule, failure)


@pytest.mark.parametrize("seed", SAMPLE)
def test_a_seed_decides_the_same_twice(seed: int) -> None:
    """The same schedule gives the same commands at the same times."""
    schedule = make_schedule(seed)
    assert make_schedule(seed) == schedule
    assert play(schedule).digest.digest() == play(schedule).digest.digest()


def test_a_schedule_survives_json() -> None:
    """What a failure prints can be run again."""
    for seed in range(50):
        schedule = make_schedule(seed)
        assert msgspec.json.decode(msgspec.json.encode(schedule), type=Schedule) == schedule
