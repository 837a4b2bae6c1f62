"""What the processes of the drill `soak` hold, read from /proc while they run, and whether it stays flat from day to
day. Knows no trading.

Memory is judged by the medians of simulated hours: their robust slope (Theil and Sen: the median of the slopes of all
pairs), taken over the days after the warm-up. Handles, threads and tasks are whole numbers that come and go by one or
two: the least of each quarter of a day must not be more on the last day than it was in the same quarter of a day before
(the first one left out). What is left behind, and be it one, raises it for good.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from core.units import NANO

KIB: Final = 1_024
MIB: Final = 1 << 20
HOUR_NS: Final = 3_600 * NANO
DAY_HOURS: Final = 24
QUARTERS: Final = ("session", "evening", "night", "morning")  # of a day that begins with the open
QUARTER_HOURS: Final = DAY_HOURS // len(QUARTERS)
NAMES: Final = {  # of the processes that live as long as a trader; who comes and goes is not held against anybody
    "daemon.supervisor": "up", "daemon.app": "trader", "daemon.riskworker": "riskworker", "daemon.follower": "follower",
    "daemon.killer": "guard", "daemon.ops": "ops", "daemon.gateway": "gateway", "broker.feeds.process": "feed",
}  # fmt: skip

# Before the days that are judged everything that fills up to a bound (caches, pools, buffers, the thousand orders that
# are kept, the executions of two days and the one that runs) has had days and nights to do so. What then still grows by
# a thirtieth over all the other days together, or by 8 MiB where that is more (a big answer leaves the allocator with
# as much), doubles in months and not in weeks. It shows 2 KiB left behind by an order, or 60 bytes by a market row.
# Journal segments are files that every reader maps whole, the follower up to four at once: the drill's are so small
# that they do not hide this.
GROWTH_PART_MAX: Final = 0.03
GROWTH_BYTES_MAX: Final = 8 * MIB
COUNTED: Final = ("fds", "threads", "tasks")


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one process holds at one moment. `tasks` 0 = it does not tell."""

    pid: int
    rss: int  # bytes in memory, mapped files among them
    own: int  # of these, the ones that no file backs
    fds: int
    threads: int
    tasks: int = 0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """All processes at one moment of the market's clock."""

    ts_ns: int
    held: dict[str, Held]


# ---- reading -----------------------------------------------------------------------------------------------------
def held_below(pid: int) -> dict[str, Held]:
    """A process of ours and all it has started that are ours too, by name; what ends meanwhile is left out."""
    found: dict[str, Held] = {}
    for one in _tree(pid):
        with suppress(OSError, ValueError, KeyError):
            name = _name(one)
            if name and name not in found:  # a child that is about to become a program still bears its parent's name
                found[name] = read_held(one)
    return found


def read_held(pid: int) -> Held:
    """Raises OSError when it is gone."""
    folder = Path(f"/proc/{pid}")
    rows = (line.partition(":") for line in (folder / "status").read_text().splitlines())
    status = {name: value.split() for name, _, value in rows}
    return Held(
        pid=pid,
        rss=int(status["VmRSS"][0]) * KIB,
        own=int(status["RssAnon"][0]) * KIB,
        fds=len(os.listdir(folder / "fd")),
        threads=int(status["Threads"][0]),
    )


def _tree(pid: int) -> Iterator[int]:
    yield pid
    children: list[str] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            children += Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    for child in children:
        yield from _tree(int(child))


def _name(pid: int) -> str:
    """Which of NAMES it is; "" = none of them."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return NAMES.get(words[words.index("-m") + 1], "") if "-m" in words else ""


# ---- judging -----------------------------------------------------------------------------------------------------
def theil_sen(points: list[tuple[float, float]]) -> float:
    """The median slope of all pairs: up to a quarter of the points may lie anywhere. 0 with fewer than two."""
    slopes = [(y - b) / (x - a) for (a, b), (x, y) in combinations(points, 2) if x != a]
    return median(slopes) if slopes else 0.0


def judged(samples: list[Sample], *, first_ns: int, anew: Collection[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """(what each process held, what is not flat). `first_ns` is when the first of the days that count begins: what was
    before is the warm-up. Days are counted from there, 24 hours each; of the last one only the hours that there are.
    Those that are started `anew` meanwhile are judged by what each has held at the same hours.
    """
    table: dict[str, Any] = {}
    failures: list[str] = []
    for name in sorted({name for sample in samples for name in sample.held}):
        rows = [(sample.ts_ns, held) for sample in samples if (held := sample.held.get(name)) is not None]
        failures += [] if name in anew else _same_process(name, samples, rows, first_ns)
        after = [(ts_ns, held) for ts_ns, held in rows if ts_ns >= first_ns]
        table[name], wrong = _memory(name, rows, after)
        failures += wrong
        for count in COUNTED:
            table[name][count], wrong = _counts(f"{name}: {count}", _hours(after, count), first_ns)
            failures += wrong
    return table, failures


def _same_process(name: str, samples: list[Sample], rows: list[tuple[int, Held]], first_ns: int) -> list[str]:
    """A slope over two processes means nothing."""
    pids = {held.pid for ts_ns, held in rows if ts_ns >= first_ns}
    there = sum(1 for sample in samples if sample.ts_ns >= first_ns)
    seen = sum(1 for ts_ns, _ in rows if ts_ns >= first_ns)
    wrong = [f"{name}: {len(pids)} processes one after the other"] if len(pids) > 1 else []
    return wrong + ([f"{name}: there in {seen} of {there} samples"] if seen < there else [])


def _memory(name: str, rows: list[tuple[int, Held]], after: list[tuple[int, Held]]) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    failures: list[str] = []
    for kind in ("rss", "own"):
        hours = _hours(after, kind)
        points = [(hour / DAY_HOURS, float(median(values))) for hour, values in hours.items()]
        days = max((day for day, _ in points), default=0.0) - min((day for day, _ in points), default=0.0)
        slope, level = theil_sen(points), median([value for _, value in points] or [0.0])
        growth, allowed = slope * days, max(GROWTH_PART_MAX * level, GROWTH_BYTES_MAX)
        found[kind] = {
            "first_mib": _mib(getattr(rows[0][1], kind)), "median_mib": _mib(level),
            "last_mib": _mib(getattr(rows[-1][1], kind)), "most_mib": _mib(max(getattr(h, kind) for _, h in rows)),
            "slope_kib_a_day": round(slope / KIB, 1), "growth_mib": _mib(growth), "allowed_mib": _mib(allowed),
        }  # fmt: skip
        if growth > allowed:
            failures.append(
                f"{name}: {kind} grew by {_mib(growth)} MiB in {days:.1f} days, {_mib(allowed)} are allowed"
            )
    return found, failures


def _counts(what: str, hours: dict[int, list[int]], first_ns: int) -> tuple[dict[str, Any], list[str]]:
    """The least number of each quarter day by day; the quarters in which it has grown in the end are failures."""
    begin = first_ns // HOUR_NS
    least: dict[int, dict[int, int]] = defaultdict(dict)
    for hour, values in sorted(hours.items()):
        day, quarter = divmod((hour - begin) // QUARTER_HOURS, len(QUARTERS))
        least[quarter][day] = min(*values, least[quarter].get(day, values[0]))
    told = {QUARTERS[quarter]: list(days.values()) for quarter, days in least.items()}
    grown = {quarter: days for quarter, days in told.items() if days[-1] > min(days)}
    most = max((value for values in hours.values() for value in values), default=0)
    return {"least": told, "most": most}, [f"{what} of the {quarter}: {days} by day" for quarter, days in grown.items()]


def _hours(rows: Iterable[tuple[int, Held]], kind: str) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for ts_ns, held in rows:
        found[ts_ns // HOUR_NS].append(getattr(held, kind))
    return found


def _mib(size: float) -> float:
    return round(size / MIB, 2)
