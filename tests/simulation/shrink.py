"""Makes a failing schedule small: takes parts out, halves first, for as long as it fails in the same way."""

import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.simulation.checkers import Watch
from tests.simulation.rig import Rig
from tests.simulation.schedule import Schedule

TRIES_MAX: Final = 400
LISTS: Final = ("acts", "links", "messages", "switches")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How a run failed. Two failures are the same when they are raised at the same place."""

    kind: str
    place: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """What must stay the same while shrinking."""
        return self.kind, self.place


def play(schedule: Schedule) -> Watch:
    """Run a schedule in a folder that is gone afterwards. Raises what the run raises."""
    with tempfile.TemporaryDirectory(prefix="quantd-simulation-") as folder:
        return Rig(schedule, Path(folder) / "journal").play()


def failure_of(schedule: Schedule) -> Failure | None:
    """Run a schedule; None when all holds."""
    return failure_in(schedule)[0]


def failure_in(schedule: Schedule) -> tuple[Failure | None, Watch | None]:
    """Run a schedule: how it failed, or what was seen on the way."""
    try:
        return None, play(schedule)
    except Exception as fault:  # edge: whatever a broken trader raises is what we are looking for
        root: BaseException = fault
        while root.__cause__ is not None:
            root = root.__cause__
        last = traceback.extract_tb(root.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.name}"
        return Failure(kind=type(root).__name__, place=place, text=str(root)[:2000]), None


def shrink(schedule: Schedule, failure: Failure, *, tries: int = TRIES_MAX) -> Schedule:
    """The smallest schedule found that fails like `failure`."""
    budget = [tries]

    def fails(candidate: Schedule) -> bool:
        if budget[0] <= 0:
            return False
        budget[0] -= 1
        found = failure_of(candidate)
        return found is not None and found.key == failure.key

    while True:
        smaller = _pass(schedule, fails)
        if smaller == schedule or budget[0] <= 0:
            return smaller
        schedule = smaller


def _pass(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    for name in LISTS:
        schedule = _without_items(schedule, name, fails)
    for name in list(schedule.chances):
        rest = {key: ppm for key, ppm in schedule.chances.items() if key != name}
        schedule = _keep_if(schedule, fails, chances=rest)
    for at, rule in enumerate(schedule.messages):
        for part in ("drop_ppm", "delay_ppm", "duplicate_ppm", "reorder_ppm"):
            if getattr(schedule.messages[at], part):
                calmer = list(schedule.messages)
                calmer[at] = msgspec.structs.replace(calmer[at], **{part: 0})
                schedule = _keep_if(schedule, fails, messages=tuple(calmer))
        assert schedule.messages[at].kind == rule.kind, "rules stay in place here"
    return schedule


def _without_items(schedule: Schedule, name: str, fails: Callable[[Schedule], bool]) -> Schedule:
    """Take runs of items out: all, then halves, quarters, ... down to single ones."""
    size = len(getattr(schedule, name))
    while size:
        at = 0
        while at < len(getattr(schedule, name)):
            items = getattr(schedule, name)
            schedule = _keep_if(schedule, fails, **{name: items[:at] + items[at + size :]})
            at = at if len(getattr(schedule, name)) < len(items) else at + size
        size //= 2
    return schedule


def _keep_if(schedule: Schedule, fails: Callable[[Schedule], bool], **changes: Any) -> Schedule:
    smaller = msgspec.structs.replace(schedule, **changes)
    return smaller if fails(smaller) else schedule
