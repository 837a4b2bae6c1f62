"""The follower as a whole: comparing and recording side by side, what it says, and the process beside a real trader."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from core import records as r
from core.engine import clock
from daemon import cli, digests
from daemon.config import load_config
from daemon.follower.__main__ import main, recording_of
from daemon.follower.follower import Follower
from daemon.journal import JournalReader, journal_identity, oldest_snapshot_seq
from daemon.state_dir import StateDirectory
from daemon.status.follower import FollowerPicture, follower_news, is_running, read_picture
from tests.fakes.process import DEADLINE_S, ROOT, TraderProcess
from tests.fakes.trader import Rig, frame_records, install, write_config

CODE = digests.code_version()
pytestmark = pytest.mark.slow


class Followed:
    """A trader's rig with a follower of its state directory."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.rig = Rig(folder, **changes)
        self.logged: list[dict[str, Any]] = []
        self.follower: Follower | None = None

    def make(self) -> Follower:
        """A new follower, as its process makes it."""

        def keep(_logger: Any, level: str, event: MutableMapping[str, Any]) -> str:
            self.logged.append({**event, "level": level})
            return ""

        log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[keep])
        state = StateDirectory(self.folder)
        recording = recording_of(load_config(self.rig.config_path), state, log, upgrade=True)
        self.follower = Follower(state, CODE, recording, log)
        return self.follower

    def follow(self) -> FollowerPicture:
        """From here to the journal's end; what it says then."""
        follower = self.make()
        follower.stop()
        follower.run()
        return self.picture

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """A follower in a thread, up to the journal's end."""
        follower = self.make()
        thread = threading.Thread(target=follower.run)
        thread.start()
        try:
            yield
        finally:
            follower.stop()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    @property
    def picture(self) -> FollowerPicture:
        """What it says about itself."""
        found = read_picture(self.folder)
        assert found is not None
        return found

    def until(self, condition: Callable[[FollowerPicture], bool]) -> None:
        """Wait for it to say so."""
        wait_until(lambda: (found := read_picture(self.folder)) is not None and condition(found))

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of its database."""
        with contextlib.closing(sqlite3.connect(self.folder / "quantd.db")) as database:
            return database.execute(query).fetchall()

    @property
    def last_seq(self) -> int:
        """Of the newest record."""
        return frame_records(self.rig.journal)[-1][-1].last_seq


def wait_until(condition: Callable[[], bool]) -> None:
    """A hang ends as a failure."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.01)


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Followed:
    """Feeds and tables in this process."""
    install(monkeypatch)
    return Followed(tmp_path, snapshot_every=10_000)


# ---- in this process ---------------------------------------------------------------------------------------------
def test_it_compares_and_records_to_the_end(followed: Followed) -> None:
    """Both parts come to the last record; the record in SQL has every message of the journal."""
    followed.rig.run()
    picture = followed.follow()
    last = followed.last_seq
    assert (picture.state, picture.head_seq, picture.restep.seq, picture.restep.lag_records) == (
        "following",
        last,
        last,
        0,
    )
    assert (picture.database.part.seq, picture.database.edition, picture.database.fault) == (last, "sqlite", "")
    assert picture.journal == journal_identity(followed.rig.journal)
    assert picture.kept_seq == last
    messages = sum(1 for _ in JournalReader(followed.rig.journal).messages())
    assert followed.select("SELECT count(*) FROM records") == [(messages,)]
    assert not is_running(followed.folder)


def test_a_dead_database_stops_neither_comparing_nor_snapshots(followed: Followed) -> None:
    """It is shown, and once there is a database the record has everything."""
    followed.rig.run()
    for path in followed.rig.journal.glob("snapshot-*"):
        path.unlink()
    (followed.folder / "quantd.db").mkdir()
    picture = followed.follow()
    assert (picture.state, picture.restep.seq) == ("following", followed.last_seq)
    assert picture.snapshots > 1
    assert (picture.database.part.seq, picture.kept_seq) == (0, 0)
    assert picture.database.fault
    assert picture.database.retries > 0
    assert [x["text"] for x in followed.logged if x["level"] == "warning"] == [
        f"recording waits: {picture.database.fault}"
    ]
    (followed.folder / "quantd.db").rmdir()
    assert followed.follow().database.part.seq == followed.last_seq


def test_recording_is_tried_again(followed: Followed) -> None:
    """The database comes while the follower runs."""
    followed.rig.run()
    (followed.folder / "quantd.db").mkdir()
    with followed.beside():
        followed.until(lambda x: x.database.fault != "" and x.restep.seq == followed.last_seq)
        (followed.folder / "quantd.db").rmdir()
        followed.until(lambda x: x.database.fault == "" and x.database.part.seq == followed.last_seq)
    assert any("goes on after" in x.get("text", "") for x in followed.logged)


def test_an_empty_state_directory_is_waited_in(followed: Followed) -> None:
    """Then a trader begins, stops, and its tape's next run replaces the journal: both are followed to their ends."""
    with followed.beside():
        followed.until(lambda x: x.state == "waiting")
        followed.rig.run()
        first, last = journal_identity(followed.rig.journal), followed.last_seq
        followed.until(lambda x: x.journal == first and x.kept_seq == last)
        followed.rig.run()
        second = journal_identity(followed.rig.journal)
        assert second != first
        followed.until(lambda x: x.journal == second)
    picture = followed.picture
    assert (picture.state, picture.differences) == ("following", 0)
    assert (picture.journal, picture.kept_seq) == (second, followed.last_seq)
    assert followed.select("SELECT count(*) FROM journals") == [(2,)]
    assert [x for x in followed.logged if x["level"] != "info"] == []


def test_a_difference_is_logged_shown_and_recorded(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, also over a restart; the trader's journal is untouched, and recording goes on to the end."""
    followed.rig.run()
    for path in followed.rig.journal.glob("snapshot-*"):
        path.unlink()
    monkeypatch.setattr(clock, "SYNC_OVERLAP_NS", clock.SYNC_OVERLAP_NS + 1)
    seqs = []
    for _ in range(2):
        picture = followed.follow()
        assert (picture.state, picture.differences) == ("diverged", 1)
        assert picture.last_difference is not None
        assert "RequestSync" in picture.last_difference.text
        assert picture.database.part.seq == followed.last_seq
        seqs.append(picture.last_difference.seq)
    alerts = [x for x in followed.logged if x["level"] == "critical"]
    assert [(x["code"], x["seq"]) for x in alerts] == [("REPLAY_DIFFERS", seqs[0])]
    assert seqs[0] == seqs[1]
    assert followed.select("SELECT seq, source FROM divergences") == [(seqs[0], "restep")]
    assert any("RequestSync" in alarm for alarm in follower_news(followed.folder).alarms)


def test_a_restart_goes_on_where_it_stood(followed: Followed) -> None:
    """The next process begins at a snapshot not above what was compared."""
    followed.rig.run()
    followed.follow()
    followed.follow()
    begun = [x["compared"] for x in followed.logged if x["event"] == "journal"]
    assert begun == [0, followed.last_seq]
    assert followed.picture.differences == 0


def test_retention_keeps_what_the_follower_lacks(
    followed: Followed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`journal retain` cuts up to the snapshots only as far as both parts have come."""
    followed.rig.run()
    picture = followed.follow()
    snapshot_seq = oldest_snapshot_seq(followed.rig.journal)
    assert snapshot_seq is not None
    given: list[int | None] = []

    def retain(directory: Path, *, follower_seq: int | None, **_: Any) -> list[Path]:
        given.append(follower_seq)
        return []

    monkeypatch.setattr("daemon.journal.retain", retain)
    assert cli.main(["journal", "retain", str(followed.folder)]) == 0
    assert "the follower" not in capsys.readouterr().out
    behind = json.loads((followed.folder / "follower.json").read_text())
    behind["database"]["part"]["seq"] = 3
    (followed.folder / "follower.json").write_text(json.dumps(behind))
    assert cli.main(["journal", "retain", str(followed.folder)]) == 0
    assert "up to seq 3 only" in capsys.readouterr().out
    behind["journal"] += 1
    (followed.folder / "follower.json").write_text(json.dumps(behind))
    assert cli.main(["journal", "retain", str(followed.folder)]) == 0
    (followed.folder / "follower.json").unlink()
    assert cli.main(["journal", "retain", str(followed.folder)]) == 0
    assert given == [picture.kept_seq, 3, 0, snapshot_seq]


# ---- as a process ------------------------------------------------------------------------------------------------
WRAPPED = """
import sys
from daemon.kernels import configure
configure()
from core.engine import clock
clock.SYNC_OVERLAP_NS += 1
from daemon.follower.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@contextlib.contextmanager
def follower(config: Path, *, program: str = "") -> "Iterator[subprocess.Popen[str]]":
    """`python -m daemon.follower`, or a program that changes something in it first. Whatever is left is killed."""
    how = ["-c", program] if program else ["-m", "daemon.follower"]
    command = [sys.executable, *how, "--config", str(config), "--upgrade"]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def ended(running: "subprocess.Popen[str]") -> str:
    """Ask it to end at the journal's end; what it said."""
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 0, said
    return said


def picture_of(folder: Path) -> FollowerPicture:
    """What it says about itself; nothing yet counts as waiting."""
    return read_picture(folder) or FollowerPicture(pid=0, wall_ns=0)


def test_a_changed_constant_is_reported_and_trading_goes_on(tmp_path: Path) -> None:
    """The same files, another constant at run time: the difference is told while the trader still runs."""
    config = write_config(tmp_path, events_per_second=1.0)
    config.write_text(config.read_text().replace('speed = "max"', 'speed = "600x"'))
    with follower(config, program=WRAPPED) as running, TraderProcess(config) as trader:
        wait_until(lambda: picture_of(tmp_path).differences > 0)
        assert trader.process.poll() is None
        assert is_running(tmp_path)
        (alarm,) = [x for x in follower_news(tmp_path).alarms if "difference" in x]
        assert "RequestSync" in alarm
        trader.process.send_signal(signal.SIGTERM)
        assert trader.summary()["stopped_by"] == "SIGTERM"
        said = [json.loads(line) for line in ended(running).splitlines()]
    (alert,) = [line for line in said if line.get("code") == "REPLAY_DIFFERS"]
    found = picture_of(tmp_path)
    assert found.last_difference is not None
    assert alert["seq"] == found.last_difference.seq
    with contextlib.closing(sqlite3.connect(tmp_path / "quantd.db")) as database:
        assert database.execute("SELECT seq FROM divergences").fetchall() == [(alert["seq"],)]


def test_a_killed_follower_goes_on(tmp_path: Path) -> None:
    """kill -9 twice while the journal grows; at the end everything was compared and every row is there once."""
    config = write_config(tmp_path, events_per_second=1.5, snapshot_every=5_000)
    with TraderProcess(config) as trader:
        for _ in range(2):
            with follower(config) as running:
                before = picture_of(tmp_path).restep.seq
                wait_until(lambda at=before: picture_of(tmp_path).restep.seq > at)  # type: ignore[misc]
                running.kill()
        with follower(config) as running:
            trader.summary()
            wait_until(lambda: picture_of(tmp_path).pid == running.pid)
            ended(running)
    found = picture_of(tmp_path)
    last = max(record.last_seq for record in JournalReader(tmp_path / "journal").records())
    assert (found.state, found.differences, found.kept_seq) == ("following", 0, last)
    messages = [(x.seq, r.KIND_NAMES[x.kind]) for x in JournalReader(tmp_path / "journal").messages()]
    with contextlib.closing(sqlite3.connect(tmp_path / "quantd.db")) as database:
        assert database.execute("SELECT seq, kind FROM records ORDER BY seq").fetchall() == messages
    assert {kind for _, kind in messages} >= {"input", "note", "command"}


def test_one_follower_per_state_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second ends with one line that names the first; exit 1. A signal ends the first where nothing is yet."""
    config = write_config(tmp_path)
    with follower(config) as running:
        wait_until(lambda: is_running(tmp_path))
        again = subprocess.run(
            [sys.executable, "-m", "daemon.follower", "--config", str(config)],
            cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert again.returncode == 1
        (line,) = again.stderr.splitlines()
        assert f"pid {running.pid}" in line
        ended(running)
    assert picture_of(tmp_path).state == "waiting"


def test_a_wrong_config_ends_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit 2 and one line, before anything is created."""
    config = write_config(tmp_path / "state")
    config.write_text(config.read_text().replace("segment_mib = 1", 'segment_mib = "one"'))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert main(["--config", str(config)]) == 2
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    (line,) = capfd.readouterr().err.splitlines()
    assert "journal.segment_mib" in line
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["trader.toml"]
