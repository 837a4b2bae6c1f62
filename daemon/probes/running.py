"""Whether a running trader could trade now: by its own picture, and by what its follower and its guard say.
Opens nothing and asks nobody, so that it may be asked often: `quantd doctor` and /readyz share it.

The words are for anybody who may reach the probe: they name no symbol, no price and no position.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from daemon.config import Config
from daemon.probes.finding import Finding, fail, ok
from daemon.status.follower import FollowerNews, FollowerPicture, comparing_alarms, database_alarms, silence_alarms
from daemon.status.picture import Status

LINK_READY: Final = "READY"
RUNS: Final = ("ready", "halted")  # states of a trader whose start is over and whose stop has not begun
TRADABLE: Final = ("", "halted")  # of a symbol's feed: also while the exchange has halted it, it is seen
LADDER_REMEDY: Final = "quantd why-not, then `quantd resume` if it should trade"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen. `status` None = the trader does not answer, and `fault` says why."""

    config: Config
    status: Status | None
    fault: str = ""
    starting: bool = False  # it holds its lock and does not listen yet
    follower_runs: bool = False
    follower: FollowerPicture | None = None
    guard: FollowerNews | None = None


def check_trader(seen: Running) -> Finding:
    """It answers, and neither starts nor stops."""
    status = seen.status
    if status is None and seen.starting:
        return fail("trader", "starting: it reads its journal", "wait; its log says how far it is")
    if status is None:
        return fail("trader", f"does not answer: {seen.fault}", "is it running? read its log, then `quantd up -c FILE`")
    if status.safe:
        return fail(
            "trader", "SAFE: it failed twice in the same way", "docs/operator.md: only status, cancel and panic work"
        )
    if status.state not in RUNS:
        return fail("trader", status.state, "wait; it is on its way up or down")
    return ok("trader", f"{status.state}, mode {status.mode}, pid {status.pid}")


def check_link(status: Status) -> Finding:
    """Orders can be sent."""
    if status.link != LINK_READY:
        remedy = "orders wait for it; `quantd status` says since when, `quantd doctor -c FILE` looks at the gateway"
        return fail("link", f"{status.link}: {status.link_why or 'no reason told'}", remedy)
    return ok("link", LINK_READY)


def check_feed(status: Status) -> Finding:
    """Every symbol is seen."""
    bad = Counter(row.state for row in status.feed if row.state not in TRADABLE)
    total = len(status.feed) + status.more.get("feed", 0)
    if bad:
        told = ", ".join(f"{count} {state}" for state, count in sorted(bad.items()))
        return fail(
            "feed", f"of {total} symbols: {told}", "`quantd status` names them, `quantd why-not SYMBOL` says why"
        )
    return ok("feed", f"{total} symbols are seen")


def check_reconcile(status: Status) -> Finding:
    """Nothing at the broker is unexplained."""
    differences = len(status.differences) + status.more.get("differences", 0)
    unknown = len(status.unknown) + status.more.get("unknown", 0)
    if differences or unknown:
        text = f"{differences} difference(s) to the broker, {unknown} order(s) without an answer"
        return fail("reconcile", text, "`quantd status` shows them; `quantd acknowledge`, `quantd orders resolve`")
    return ok("reconcile", "books and broker agree")


def check_disk(status: Status) -> Finding:
    """The journal has room."""
    if not status.disk_available:
        return fail("disk", "no room for the journal: no new order leaves", "make room; `quantd doctor` says how much")
    return ok("disk", "the journal has room")


def check_ladder(status: Status) -> Finding:
    """Told and never failed: a halt is somebody's will, and a halted trader serves as it should."""
    held = f"{status.ladder}: {LADDER_REMEDY}" if status.ladder != "ACTIVE" else status.ladder
    return ok("ladder", held)


def check_follower(seen: Running) -> Finding:
    """Every decision is compared."""
    picture = seen.follower
    if not seen.follower_runs or picture is None:
        word = "starting" if seen.follower_runs else "not running"
        return fail("follower", f"{word}: no decision is compared or recorded", "start `quantd follow -c FILE`")
    alarms = [*silence_alarms(picture), *comparing_alarms(picture)]
    if picture.differences:
        alarms.append(f"{picture.differences} decision(s) came out differently")
    if alarms:
        return fail("follower", _told(alarms), "`quantd status` shows it, its log says more")
    return ok("follower", f"{picture.state}, {picture.restep.lag_s:.1f} s behind")


def check_record(seen: Running) -> Finding:
    """Everything gets into the database."""
    picture = seen.follower
    if not seen.follower_runs or picture is None:
        return fail("database", "nothing is recorded: no follower", "start `quantd follow -c FILE`")
    alarms = database_alarms(picture)
    if alarms:
        return fail("database", _told(alarms), "nothing is lost: it catches up; `quantd doctor --only database`")
    database = picture.database
    return ok("database", f"{database.edition or 'sql'}, {database.part.lag_s:.1f} s behind")


def check_guarded(seen: Running) -> Finding:
    """Somebody takes the orders off when the trader dies."""
    if not seen.config.guarded:
        return ok("guard", f"nothing to guard in mode {seen.config.mode}")
    if seen.guard is None:
        return fail("guard", "none runs", "start `quantd guard -c FILE`")
    if seen.guard.alarms:
        return fail("guard", _told(seen.guard.alarms), "`quantd doctor -c FILE --only guard`")
    return ok("guard", seen.guard.line)


def _told(alarms: Sequence[str]) -> str:
    return "; ".join(alarm.removeprefix("follower: ").removeprefix("guard: ") for alarm in alarms)


_BY_STATUS: Final[tuple[Callable[[Status], Finding], ...]] = (
    check_link, check_feed, check_reconcile, check_disk, check_ladder,
)  # fmt: skip


def examine_running(seen: Running) -> list[Finding]:
    """Every check that what was seen allows, in the order in which to mend things."""
    found = [check_trader(seen)]
    if seen.status is not None:
        found += [check(seen.status) for check in _BY_STATUS]
    return [*found, check_follower(seen), check_record(seen), check_guarded(seen)]
