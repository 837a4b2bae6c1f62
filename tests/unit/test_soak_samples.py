"""The soak drill's judgement: what leaks is found, what only breathes is not; and what it reads of a real process."""

import os
import threading
from collections.abc import Callable

import pytest

from core.units import NANO
from tests.drills.soak_samples import MIB, Held, Sample, held_below, judged, read_held, theil_sen

FIRST_NS = 2_000 * 86_400 * NANO
MINUTES = 20


def samples(days: int, change: Callable[[int], dict[str, int]]) -> list[Sample]:
    """A day of warm-up that fills, then so many of one process; `change` of the minutes after the warm-up."""
    flat = {"pid": 7, "rss": 200 * MIB, "own": 90 * MIB, "fds": 30, "threads": 4, "tasks": 12}
    found = []
    for minute in range(-24 * 60, days * 24 * 60, MINUTES):
        warm = {"rss": 150 * MIB + 30_000 * minute} if minute < 0 else {}
        held = Held(**(flat | {"rss": flat["rss"] + minute % 7 * MIB} | warm | change(minute)))
        found.append(Sample(ts_ns=FIRST_NS + minute * 60 * NANO, held={"trader": held}))
    return found


def test_a_process_that_breathes_is_flat() -> None:
    """Noise of some MiB, a peak at the open of each day and more handles every noon are no growth."""

    def breathe(minute: int) -> dict[str, int]:
        of_day = minute % (24 * 60)
        return {"fds": 35 if 150 <= of_day < 300 else 30} | ({"own": 300 * MIB} if of_day < 40 else {})

    table, failures = judged(samples(4, breathe), first_ns=FIRST_NS)
    assert failures == []
    assert table["trader"]["fds"]["most"] == 35
    assert table["trader"]["fds"]["least"] == dict.fromkeys(("session", "evening", "night", "morning"), [30] * 4)
    assert table["trader"]["rss"]["growth_mib"] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("kind", ["rss", "own"])
def test_a_leak_of_some_mebibytes_a_day_is_found(kind: str) -> None:
    """3 MiB a day are above the tolerance after four days, 1 MiB is below."""
    for a_day, found in ((3, True), (1, False)):
        flat = {"rss": 200 * MIB, "own": 90 * MIB}[kind]
        leak = lambda minute: {kind: flat + minute * a_day * MIB // 1_440} if minute > 0 else {}  # noqa: B023, E731
        _, failures = judged(samples(4, leak), first_ns=FIRST_NS)
        assert [text.startswith(f"trader: {kind} grew by 1") for text in failures] == [True] * found, failures


@pytest.mark.parametrize("count", ["fds", "threads", "tasks"])
def test_one_more_each_night_is_found(count: str) -> None:
    """A handle, thread or task that a night leaves behind shows in every quarter of the next days."""
    flat = {"fds": 30, "threads": 4, "tasks": 12}[count]
    _, failures = judged(samples(3, lambda minute: {count: flat + max(0, minute) // 1_440}), first_ns=FIRST_NS)
    told = f"[{flat}, {flat + 1}, {flat + 2}] by day"
    assert failures == [f"trader: {count} of the {name}: {told}" for name in ("session", "evening", "night", "morning")]


def test_a_process_that_was_started_again_is_no_soak() -> None:
    """Another pid, or a sample without it, is a failure."""
    told = samples(2, lambda minute: {"pid": 8 if minute > 600 else 7})
    told[-1] = Sample(ts_ns=told[-1].ts_ns, held={})
    _, failures = judged(told, first_ns=FIRST_NS)
    assert failures == ["trader: 2 processes one after the other", "trader: there in 143 of 144 samples"]


def test_the_slope_is_not_moved_by_a_fifth_of_outliers() -> None:
    """Theil and Sen's estimate: the median over all pairs."""
    points = [(float(x), 3.0 * x + (1e6 if x % 5 == 0 else 0.0)) for x in range(50)]
    assert theil_sen(points) == pytest.approx(3.0, abs=0.5)
    assert theil_sen(points[:1]) == 0.0


def test_a_thread_and_a_handle_are_counted() -> None:
    """What /proc says of this very process; a program that is none of ours is not in the crew."""
    before, over = read_held(os.getpid()), threading.Event()
    thread = threading.Thread(target=over.wait)
    with open(os.devnull) as _:
        thread.start()
        now = read_held(os.getpid())
        over.set()
    thread.join()
    assert (now.fds, now.threads) == (before.fds + 1, before.threads + 1)
    assert before.rss > before.own > MIB
    assert "trader" not in held_below(os.getpid())
