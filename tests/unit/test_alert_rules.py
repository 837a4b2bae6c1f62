"""Alerts about what no journal tells, the catalogue's severities in force, and alerts that end by themselves."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from broker.ib.config import IbSettings, RestartWindow
from broker.ib.windows import Windows
from core.units import NANO
from daemon import cli
from daemon.alerts import facts
from daemon.alerts.catalogue import BY_CODE, kind_of
from daemon.alerts.desk import Alert, Desk
from daemon.alerts.left import leave, take_left
from daemon.alerts.seen import take_seen
from daemon.alerts.watch import Rule, Watch
from daemon.config.guarding import AlertSettings, AlertTarget
from daemon.lease import TraderLease
from daemon.lock import hold_lock
from daemon.state_dir import StateDirectory
from daemon.status import follower, guard
from daemon.status.alerts import LOCK_NAME as DELIVERY_LOCK
from daemon.status.alerts import DeliveryPicture, OpenPicture, TargetPicture, write_delivery
from daemon.status.follower import DatabasePicture, FollowerPicture, Part

T0 = 1_000 * NANO
DESK = AlertTarget(name="desk", command=("true",))
BOSS = AlertTarget(name="boss", command=("true",), least="critical")


def an_alert(code: str, severity: str = "warning", *, over: bool = False) -> Alert:
    """One of the trader's."""
    return Alert(code=code, severity=severity, text="t", source="trader", ts_ns=5, over=over)


def told(desk: Desk, now_ns: int) -> list[tuple[str, str]]:
    """Deliver everything due: target, title."""
    found = []
    while due := desk.due(now_ns):
        for target, message in due:
            found.append((target.name, message.title.removeprefix("quantd ")))
            desk.done(target.name, message, "", now_ns)
    return found


def test_what_ends_by_itself_is_told_once_to_whom_it_was_told() -> None:
    """Not to the others, not again; and not at all when it is raised again before."""
    desk = Desk(AlertSettings(to=(DESK, BOSS)))
    desk.take(an_alert("LINK_LOST"), T0)
    assert told(desk, T0) == [("desk", "warning: LINK_LOST")]
    desk.end(("LINK_LOST", "DISK_LOW"), T0 + 9 * NANO)
    assert told(desk, T0 + 9 * NANO) == [("desk", "over: LINK_LOST after 9 s")]
    assert told(desk, T0 + 10_000 * NANO) == []
    desk.take(an_alert("LINK_LOST"), T0)
    told(desk, T0)
    desk.end(("LINK_LOST",), T0 + NANO)
    desk.take(an_alert("LINK_LOST"), T0 + 2 * NANO)
    assert told(desk, T0 + 2 * NANO) == [("desk", "warning: LINK_LOST")]


def test_an_end_that_cannot_be_delivered_is_tried_again_after_what_is_open() -> None:
    """It is the least urgent of all."""
    desk = Desk(AlertSettings(to=(DESK,)))
    desk.take(an_alert("A"), T0)
    told(desk, T0)
    desk.end(("A",), T0 + NANO)
    desk.take(an_alert("B"), T0 + NANO)
    (first,) = desk.due(T0 + NANO)
    assert first[1].alert.code == "B"
    desk.done("desk", first[1], "", T0 + NANO)
    (over,) = desk.due(T0 + NANO)
    desk.done("desk", over[1], "no line", T0 + NANO)
    assert desk.due(T0 + NANO) == []
    assert told(desk, T0 + 2 * NANO) == [("desk", "over: A after 1 s")]


def test_the_config_s_severity_counts() -> None:
    """It may wake more people, or nobody; and a message names the runbook as the config does."""
    settings = AlertSettings(
        to=(DESK, BOSS), severity={"ORDER_REJECTED": "critical", "FEED_GAP": "info"}, runbook="https://wiki.example/r"
    )
    desk = Desk(settings)
    desk.take(an_alert("FEED_GAP"), T0)
    desk.take(an_alert("ORDER_REJECTED"), T0)
    due = desk.due(T0)
    assert [(target.name, message.where) for target, message in due] == [
        ("desk", "https://wiki.example/r#order_rejected"),
        ("boss", "https://wiki.example/r#order_rejected"),
    ]


def test_a_name_of_a_monitor_outside_has_a_section_too() -> None:
    """Whatever it calls itself; levels of one trigger share theirs."""
    assert kind_of("SOMEBODYS_MONITOR").anchor == "outside"
    assert {kind_of(code).anchor for code in ("DAY_LOSS_SOFT", "DAY_LOSS_HARD")} == {"day_loss"}
    assert BY_CODE["DAY_LOSS_SOFT"].severity == "warning"


def test_what_is_wrong_for_long_enough_is_raised_once_and_ends() -> None:
    """A rule that cannot find out says nothing; one of which people know already is not raised anew."""
    state = {"A": "", "B": "wrong"}

    def broken() -> str:
        raise OSError

    watch = Watch((
        Rule("A", "warning", 5.0, lambda: state["A"]),
        Rule("B", "critical", 0.0, lambda: state["B"]),
        Rule("C", "critical", 0.0, broken),
    ))  # fmt: skip
    first = watch.look(0.0, ("B",))
    assert (first.begun, first.ended) == ((), ("A", "C"))
    state["A"] = "bad"
    assert not watch.look(1.0, ()).begun
    assert not watch.look(5.9, ()).begun
    assert [(rule.code, text) for rule, text in watch.look(6.0, ()).begun] == [("A", "bad")]
    assert not watch.look(7.0, ()).begun, "acknowledged: not again while it lasts"
    state["A"] = ""
    assert "A" in watch.look(8.0, ()).ended
    state["A"] = "bad"
    assert not watch.look(9.0, ()).begun
    assert watch.look(14.0, ()).begun


def test_an_end_can_be_left(tmp_path: Path) -> None:
    """One that comes before the alert was taken replaces it."""
    assert leave(tmp_path, an_alert("JOURNAL_SHIP_BEHIND"))
    assert leave(tmp_path, an_alert("JOURNAL_SHIP_BEHIND", over=True))
    assert [(one.code, one.over) for one in take_left(tmp_path)] == [("JOURNAL_SHIP_BEHIND", True)]


def test_processes_that_are_gone(tmp_path: Path) -> None:
    """A trader that gave its lease back is not missed; one that runs misses its guard, its follower and ops."""
    state = StateDirectory(tmp_path)
    beside: dict[str, Callable[[StateDirectory], str]] = {
        "guard": facts.guard_down, "follower": facts.follower_down, "ops": facts.ops_down,
    }  # fmt: skip
    assert [look(state) for look in (facts.trader_down, *beside.values())] == [""] * 4
    lease = TraderLease(tmp_path, lease_s=10.0, every_s=0.25)
    lease.begin(3, ladder=0, open_orders=2)
    assert "ended without a stop, with 2 orders open" in facts.trader_down(state)
    lease.end()
    assert facts.trader_down(state) == ""
    lease.begin(4, ladder=0, open_orders=0)
    state.lock()
    assert facts.trader_down(state) == ""
    assert facts.follower_down(state) == "", "nobody ever followed here"
    follower.write_picture(tmp_path, FollowerPicture(pid=1, wall_ns=time.time_ns()))
    assert all("the trader runs and" in look(state) for look in beside.values())
    for name in (guard.LOCK_NAME, follower.LOCK_NAME, facts.OPS_LOCK):
        hold_lock(tmp_path / name, "held")
    assert [look(state) for look in beside.values()] == [""] * 3


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (FollowerPicture(pid=1, wall_ns=0), "no word from the follower"),
        (
            FollowerPicture(pid=1, wall_ns=2**62, database=DatabasePicture(fault="refused")),
            "nothing is recorded: refused",
        ),
        (
            FollowerPicture(pid=1, wall_ns=2**62, database=DatabasePicture(part=Part(lag_records=9, lag_s=99.0))),
            "the database is 99 s and 9 records behind",
        ),
        (FollowerPicture(pid=1, wall_ns=2**62, restep=Part(lag_records=9, lag_s=99.0)), "comparing is 99 s"),
        (FollowerPicture(pid=1, wall_ns=2**62), ""),
    ],
)
def test_a_follower_that_does_not_keep_up(tmp_path: Path, picture: FollowerPicture, words: str) -> None:
    """Silent, without its database, or behind in one of its two jobs; one that does not run is another alert."""
    state = StateDirectory(tmp_path)
    follower.write_picture(tmp_path, picture)
    assert facts.follower_behind(state) == ""
    hold_lock(tmp_path / follower.LOCK_NAME, "held")
    found = facts.follower_behind(state)
    assert words in found
    assert bool(words) == bool(found)


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """By its part, and by what the journal keeps free."""
    assert facts.disk_low(tmp_path, 0.0, 0) == ""
    assert "free" in facts.disk_low(tmp_path, 100.0, 0)
    assert "free" in facts.disk_low(tmp_path, 0.0, 1 << 60)


def test_a_log_in_is_due_before_the_weekly_restart_and_until_it_is_over() -> None:
    """Twelve hours before Sunday 01:00 in New York, by the config's own windows."""
    logins = [window for window in IbSettings().windows if window.login]
    windows = Windows(IbSettings(windows=tuple(logins)))

    def due(day: int, hour: int) -> str:
        at = datetime(2026, 1, day, hour, 30, tzinfo=UTC)
        return facts.login_due(windows, int(at.timestamp()) * NANO, 12 * 3_600 * NANO)

    assert due(10, 17) == "", "Saturday 12:30 in New York"
    assert "weekly login" in due(10, 18)
    assert "second factor" in due(11, 9), "in it"
    assert due(11, 10) == ""
    assert not RestartWindow().login


def test_a_model_of_old_data() -> None:
    """Each model by itself."""
    trained = {"a: old": T0, "b: new": T0 + 300 * facts.DAY_NS}
    text = facts.model_stale(trained, T0 + 301 * facts.DAY_NS, 90)
    assert text == "a: old was trained on data that end 301 days ago"


def test_an_alert_without_the_newest_field_is_read() -> None:
    """What an older release left."""
    old = b'{"code":"A","severity":"warning","text":"t","source":"report","ts_ns":5}'
    assert not msgspec.json.decode(old, type=Alert).over


def test_an_operator_sees_what_is_open_and_acknowledges_it_without_a_trader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list names the section that says what to do; nobody there to be told is an error, not silence."""

    def quantd(*arguments: str) -> tuple[int, str]:
        code = cli.main([*arguments, "--state", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out + said.err

    code, said = quantd("ack", "DISK_LOW")
    assert (code, "neither a trader nor a guard or ops is running" in said) == (2, True)
    opened = OpenPicture(code="DISK_LOW", severity="warning", text="5 MiB", source="guard", since_ns=T0, count=1)
    target = TargetPicture(name="desk", undelivered=1, failing_s=9.0, error="no line")
    write_delivery(tmp_path, DeliveryPicture(pid=1, by="guard", wall_ns=T0, open=(opened,), targets=(target,)))
    assert "nobody delivers alerts" in quantd("alerts")[1]
    hold_lock(tmp_path / DELIVERY_LOCK, "held")
    code, said = quantd("alerts")
    assert code == 0
    assert all(word in said for word in ("DISK_LOW", "deploy/RUNBOOK.md#disk_low", "no line"))
    assert json.loads(quantd("alerts", "--json")[1])["open"][0]["code"] == "DISK_LOW"
    assert quantd("ack", "DISK_LOW") == (0, "whoever delivers alerts is told that DISK_LOW was seen\n")
    seen = take_seen(tmp_path)
    assert seen is not None
    assert seen[0] == "DISK_LOW"
