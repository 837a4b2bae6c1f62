"""What the broker's own algorithms do with an order at the simulated venue: how much of it is let out by a moment, and
when one looks again. Pure; knows no book, no quote and no other order.

IBKR does not publish how they trade. These are plain models of what it says they are for, by the tags the order came
with: an even schedule, one that begins fast or slowly, a part of what others trade, parts of a size at a time. What is
let out is taken at the touch within the order's limit; an algorithm told not to take waits for prints at its own side.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from broker.sim.chance import PPM
from core.units import NANO

STEPS: Final = 60  # in which a schedule lets an order out
STEP_NS_MIN: Final = NANO
LOOK_NS: Final = 5 * NANO  # of those that have no schedule
DISPLAY: Final = 100  # shares at a time where the order names no size
# How long the ones without a time of their own take, as far as the market lets them.
HORIZONS_S: Final = {
    ("Adaptive", "Urgent"): 30,
    ("Adaptive", "Normal"): 120,
    ("Adaptive", "Patient"): 600,
    ("BalanceImpactRisk", ""): 1_800,
}
# Power by which the rest shrinks over the time: 1 is even, higher begins faster.
_HASTE: Final = {"Get Done": 4, "Aggressive": 3, "Neutral": 2, "Passive": 1}
_PATIENT_TWAP: Final = ("Matching Same Side", "Matching Last")
_SHARES: Final = ("PctVol", "PctVolPx", "PctVolSz", "PctVolTm")
_PARTS: Final = ("AD", "DarkIce")
_NO_PART: Final = 0


class Recipe(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """An algorithm by name, its tags as the client gave them, and its times where they name any."""

    strategy: str
    params: tuple[tuple[str, str], ...] = ()
    start_ns: int = 0
    end_ns: int = 0

    def tag(self, name: str) -> str:
        """A tag's value; "" = not given."""
        return next((value for tag, value in self.params if tag == name), "")

    def part_ppm(self, name: str) -> int:
        """A part, in ppm; 0 = not given."""
        text = self.tag(name)
        return round(float(text) * PPM) if text else _NO_PART

    def whole(self, name: str, default: int) -> int:
        """A whole number."""
        text = self.tag(name)
        return int(text) if text else default

    @property
    def is_patient(self) -> bool:
        """It never pays the spread."""
        return self.tag("noTakeLiq") == "1" or self.tag("strategyType") in _PATIENT_TWAP

    @property
    def ends_the_order(self) -> bool:
        """What is left when its time is over is cancelled."""
        return bool(self.end_ns) and self.tag("allowPastEndTime") != "1"


class Progress(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """Where the algorithm stands with one order."""

    recipe: Recipe
    begun_ns: int = 0  # 0 = not yet
    ends_ns: int = 0
    step_ns: int = 0  # when it looks next; a look at another moment is out of date
    base_nanos: int = 0  # filled before it began this day
    printed_nanos: int = 0  # by everybody since it began

    @property
    def gap_ns(self) -> int:
        """From one look to the next."""
        kind = self.recipe.strategy
        if kind == "AD":
            return self.recipe.whole("timeBetweenOrders", 60) * NANO
        if kind in _SHARES or kind in _PARTS:
            return LOOK_NS
        return max(STEP_NS_MIN, (self.ends_ns - self.begun_ns) // STEPS)


def recipe_of(strategy: str, params: tuple[tuple[str, str], ...], moment: Callable[[str], int | None]) -> Recipe | str:
    """The recipe, its times read by `moment`; else the tag whose time is none, or lies before the other."""
    times = {"start": 0, "end": 0}
    for tag, value in params:
        which = {"startTime": "start", "activeTimeStart": "start", "endTime": "end", "activeTimeEnd": "end"}.get(tag)
        if which is not None:
            found = moment(value)
            if found is None:
                return f"{tag} is {value[:40]!r}: write yyyymmdd-HH:MM:SS in UTC"
            times[which] = found
    if times["end"] and times["end"] <= times["start"]:
        return "the end is not after the start"
    return Recipe(strategy=strategy, params=params, start_ns=times["start"], end_ns=times["end"])


def begin(progress: Progress, *, ts_ns: int, close_ns: int, filled_nanos: int) -> None:
    """The order's hours have come: the algorithm begins now or at its start."""
    recipe = progress.recipe
    progress.begun_ns = progress.step_ns = max(ts_ns, recipe.start_ns)
    kind = recipe.strategy, recipe.tag("adaptivePriority") or ("Normal" if recipe.strategy == "Adaptive" else "")
    horizon_s = HORIZONS_S.get(kind, 0)
    last_ns = progress.begun_ns + horizon_s * NANO if horizon_s else recipe.end_ns or close_ns
    progress.ends_ns = min(last_ns, close_ns)
    progress.base_nanos, progress.printed_nanos = filled_nanos, 0


def due_nanos(progress: Progress, *, qty_nanos: int, filled_nanos: int, increment_nanos: int, ts_ns: int) -> int:
    """How much of the order may have traded by a moment, in whole increments but for the last."""
    recipe = progress.recipe
    if not progress.begun_ns or ts_ns < progress.begun_ns:
        return filled_nanos
    rest = qty_nanos - progress.base_nanos
    over = ts_ns >= progress.ends_ns
    if over and (recipe.tag("forceCompletion") == "1" or recipe.tag("allowPastEndTime") == "1"):
        return qty_nanos
    due = min(rest, _wanted(progress, rest, filled_nanos - progress.base_nanos, ts_ns), _capped(progress))
    return qty_nanos if due >= rest else progress.base_nanos + due // increment_nanos * increment_nanos


def _wanted(progress: Progress, rest: int, done: int, ts_ns: int) -> int:
    """By the algorithm's own idea, of what was left when it began."""
    recipe, kind = progress.recipe, progress.recipe.strategy
    if kind in _SHARES:
        return _of_volume(progress.printed_nanos, _share_ppm(progress, rest, done, ts_ns))
    if kind == "AD":
        size = recipe.whole("componentSize", DISPLAY) * NANO
        steps = 1 + (ts_ns - progress.begun_ns) // progress.gap_ns
        return done + size if recipe.tag("waitForFill") == "1" else size * steps
    if kind == "DarkIce":
        return done + recipe.whole("displaySize", DISPLAY) * NANO
    ahead = ts_ns + progress.gap_ns  # the first part is due at once, the last one step before the end
    if ahead >= progress.ends_ns:
        return rest
    left_ppm = PPM - (ahead - progress.begun_ns) * PPM // (progress.ends_ns - progress.begun_ns)
    done_ppm = PPM - left_ppm
    if kind == "ClosePx":
        return rest * (done_ppm * done_ppm // PPM) // PPM
    power = _HASTE.get(recipe.tag("riskAversion"), 2) if kind in ("ArrivalPx", "BalanceImpactRisk") else 1
    for _ in range(1, power):
        done_ppm = PPM - (PPM - done_ppm) * left_ppm // PPM
    return rest * done_ppm // PPM


def _share_ppm(progress: Progress, rest: int, done: int, ts_ns: int) -> int:
    """The part of all that trades, now."""
    recipe = progress.recipe
    if recipe.strategy in ("PctVol", "PctVolPx"):
        return recipe.part_ppm("pctVol") or PPM // 10
    first = recipe.part_ppm("startPctVol") or PPM // 10
    last = recipe.part_ppm("endPctVol") or first
    if recipe.strategy == "PctVolSz":
        return first + (last - first) * done // rest if rest else last
    passed = min(ts_ns, progress.ends_ns) - progress.begun_ns
    return first + (last - first) * passed // max(1, progress.ends_ns - progress.begun_ns)


def _capped(progress: Progress) -> int:
    """The most that `maxPctVol` allows so far."""
    most_ppm = progress.recipe.part_ppm("maxPctVol")
    return _of_volume(progress.printed_nanos, most_ppm) if most_ppm else 1 << 62


def _of_volume(others_nanos: int, part_ppm: int) -> int:
    """To be a part of all that trades, beside what others trade."""
    return others_nanos * part_ppm // (PPM - part_ppm)
