"""Telling a person: who is due what and when, the ways out, and the journal's alerts each once."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core import commands as c
from core import records as r
from core.errors import ConfigError
from core.units import NANO
from daemon.alerts.channels import channel_of
from daemon.alerts.delivery import Delivery
from daemon.alerts.desk import Alert, Desk, Message, Open
from daemon.alerts.seen import leave_seen, take_seen
from daemon.alerts.tail import _TAGS, AlertTail
from daemon.config.guarding import AlertSettings, AlertTarget
from daemon.journal import JournalWriter
from daemon.log import open_log
from daemon.state_dir import StateDirectory
from daemon.status.alerts import delivery_news, read_delivery

T0 = 1_000 * NANO
DESK = AlertTarget(name="desk", command=("true",))
BOSS = AlertTarget(name="boss", command=("true",), least="critical", after_s=300.0)


def an_alert(code: str = "LINK_LOST", severity: str = "warning", text: str = "t") -> Alert:
    """One of the trader's."""
    return Alert(code=code, severity=severity, text=text, source="trader", ts_ns=5)


def a_desk(*targets: AlertTarget) -> Desk:
    """With a quiet minute and a repeat after five."""
    return Desk(AlertSettings(to=targets or (DESK, BOSS), quiet_s=60.0, repeat_s=300.0))


def told(desk: Desk, now_ns: int, *, error: str = "") -> list[tuple[str, str, int, bool]]:
    """Deliver everything due: target, code, count, again."""
    found = []
    while due := desk.due(now_ns):
        for target, message in due:
            found.append((target.name, message.alert.code, message.count, message.again))
            desk.done(target.name, message, error, now_ns)
    return found


def test_at_once_then_quiet_then_again_until_it_is_seen() -> None:
    """The same code is counted; the next person hears of it when nobody has acknowledged it; seen, it is over."""
    desk = a_desk()
    desk.take(an_alert(), T0)
    assert told(desk, T0) == [("desk", "LINK_LOST", 1, False)]
    desk.take(an_alert(), T0 + NANO)
    desk.take(an_alert(), T0 + 2 * NANO)
    assert told(desk, T0 + 3 * NANO) == []
    assert told(desk, T0 + 60 * NANO) == [("desk", "LINK_LOST", 3, True)]
    assert told(desk, T0 + 300 * NANO) == [], "a warning is not the boss's"
    assert told(desk, T0 + 360 * NANO) == [("desk", "LINK_LOST", 3, True)]
    desk.take(an_alert(severity="critical"), T0 + 361 * NANO)
    assert told(desk, T0 + 361 * NANO) == [("desk", "LINK_LOST", 4, False), ("boss", "LINK_LOST", 4, True)]
    desk.take(an_alert(severity="warning"), T0 + 362 * NANO)
    assert desk.open["LINK_LOST"].alert.severity == "critical", "the worst so far stands"
    desk.close(("LINK_LOST",))
    assert told(desk, T0 + 10_000 * NANO) == []


def test_acknowledging_the_guard_s_latch_closes_what_the_guard_said() -> None:
    """The trader's GUARD and the guard's GUARD_FIRED are one thing; others stay; all closes all."""
    desk = a_desk(DESK)
    for code in ("GUARD", "GUARD_FIRED", "GUARD_DOWN"):
        desk.take(an_alert(code), T0)
    desk.close(("GUARD",))
    assert list(desk.open) == ["GUARD_DOWN"]
    desk.close_all()
    assert not desk.open


def test_info_is_told_once_to_whom_it_concerns() -> None:
    """And is never open after that."""
    listener = AlertTarget(name="log", command=("true",), least="info")
    desk = a_desk(DESK, listener)
    desk.take(an_alert("KILL_VERIFIED", "info"), T0)
    assert told(desk, T0) == [("log", "KILL_VERIFIED", 1, False)]
    assert not desk.open


def test_what_cannot_be_delivered_stays_due_and_shows() -> None:
    """Tried again after one second, two, four …; the worst and the oldest first; a success clears it."""
    desk = a_desk(DESK)
    desk.take(an_alert("A"), T0)
    desk.take(an_alert("B", "critical"), T0 + 1)
    (first,) = desk.due(T0 + 2)
    assert first[1].alert.code == "B"
    assert desk.due(T0 + 2) == [], "one at a time"
    desk.done("desk", first[1], "no line", T0 + 2)
    assert desk.due(T0 + NANO) == []
    (again,) = desk.due(T0 + NANO + 2)
    desk.done("desk", again[1], "no line", T0 + NANO + 2)
    assert (desk.undelivered("desk"), desk.targets["desk"].error) == (2, "no line")
    assert desk.due(T0 + 3 * NANO) == []
    assert [code for _, code, _, _ in told(desk, T0 + 4 * NANO)] == ["B", "A"]
    assert desk.undelivered("desk") == 0


def test_a_command_gets_the_alert_as_json(tmp_path: Path) -> None:
    """Exit 0 = delivered; anything else comes back in words: exit code, time, no such program."""
    out = tmp_path / "out"
    write = f"import sys; open({str(out)!r}, 'wb').write(sys.stdin.buffer.read())"
    message = Message(alert=an_alert(), count=2, open_s=1.5, again=True)
    assert channel_of(AlertTarget(name="a", command=(sys.executable, "-c", write))).deliver(message) == ""
    got = json.loads(out.read_text())
    assert (got["code"], got["count"], got["again"]) == ("LINK_LOST", 2, True)
    assert got["title"] == "quantd warning: LINK_LOST (2 times) UNACKNOWLEDGED for 2 s"
    failing = AlertTarget(name="a", command=("sh", "-c", "echo busy >&2; exit 3"))
    assert channel_of(failing).deliver(message) == "sh: exit 3 busy"
    slow = AlertTarget(name="a", command=("sleep", "60"), timeout_s=0.5)
    assert "not done within 0.5 s" in channel_of(slow).deliver(message)
    assert "No such file" in channel_of(AlertTarget(name="a", command=("/no/such",))).deliver(message)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what was posted, and when."""

    posted: ClassVar[list[dict[str, Any]]] = []
    arrived_s: ClassVar[list[float]] = []
    status = 200

    def do_POST(self) -> None:
        """One notification."""
        arrived_s = time.monotonic()
        Receiver.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        Receiver.arrived_s.append(arrived_s)  # last: whoever waits for it finds the other
        self.send_response(Receiver.status)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


def first_line(post: dict[str, Any]) -> str:
    """What has happened, of one notification."""
    return str(post["message"]).splitlines()[0]


@contextlib.contextmanager
def receiving() -> Iterator[HTTPServer]:
    """A receiver on a free port, which takes everything."""
    Receiver.posted.clear()
    Receiver.arrived_s.clear()
    Receiver.status = 200
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_urls_go_out_through_apprise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real notification over HTTP, from a file or a variable; a refusal and a bad place are told without the URL."""
    with receiving() as server:
        url = f"json://ann:secret@127.0.0.1:{server.server_port}/"
        urls = tmp_path / "urls"
        urls.write_text(f"# who\n{url}\n")
        message = Message(alert=an_alert(text="the line is gone"), count=1, open_s=0.0, again=False)
        assert channel_of(AlertTarget(name="a", urls_file=str(urls))).deliver(message) == ""
        assert Receiver.posted[0]["title"] == "quantd warning: LINK_LOST"
        assert Receiver.posted[0]["message"].splitlines()[0] == "the line is gone"
        assert Receiver.posted[0]["message"].endswith("deploy/RUNBOOK.md#link_lost")
        monkeypatch.setenv("QUANTD_TEST_URLS", url)
        Receiver.status = 500
        error = channel_of(AlertTarget(name="a", urls_variable="QUANTD_TEST_URLS")).deliver(message)
        assert error == "a: apprise could not deliver it"
    monkeypatch.setenv("QUANTD_TEST_URLS", "nosuchscheme://x")
    with pytest.raises(ConfigError, match="URL 1 is none that apprise knows"):
        channel_of(AlertTarget(name="a", urls_variable="QUANTD_TEST_URLS"))
    with pytest.raises(ConfigError, match="holds no URL"):
        channel_of(AlertTarget(name="a", urls_variable="QUANTD_TEST_NONE"))


class Book:
    """A journal to which alerts are written."""

    def __init__(self, folder: Path) -> None:
        self.state = StateDirectory(folder)
        self.folder = self.state.journal
        self._seq = 0
        self.begin(NANO)

    def begin(self, now_ns: int) -> None:
        """A new journal."""
        self.writer = JournalWriter(
            self.folder, now_ns=now_ns, segment_bytes=64 * 1024, reserve_bytes=0, background=False
        )

    def write(self, *commands: Any) -> None:
        """One frame each."""
        for command in commands:
            self._seq += 1
            self.writer.add(r.COMMAND, self._seq, 7, 0, r.encode(command))
            self.writer.commit()


def raised(code: str) -> c.RaiseAlert:
    """A critical one."""
    return c.RaiseAlert(code=code, severity="critical", text=code.lower())


def test_the_journal_s_alerts_come_once_each(tmp_path: Path) -> None:
    """From the end that a journal has when it is first read; on from there after a restart; and of the next journal."""
    assert {r.encode(message)[1] for message in (raised("A"), c.CloseAlerts(codes=(), by="x"))} == _TAGS
    book = Book(tmp_path)
    book.write(raised("OLD"))
    tail = AlertTail(book.folder, None)
    assert tail.read() == []
    book.write(raised("A"), c.MarkEquity(equity_nanos=1, unrealised_nanos=0), c.CloseAlerts(codes=("A",), by="ann"))
    assert [type(message).__name__ for _, message in tail.read()] == ["RaiseAlert", "CloseAlerts"]
    assert tail.read() == []
    book.write(raised("B"))
    again = AlertTail(book.folder, tail.place)
    assert again.read() == [(7, raised("B"))]
    book.writer.close()
    book.folder.rename(tmp_path / "journal-1")
    book.begin(2 * NANO)
    assert again.read() == []
    book.write(raised("C"))
    assert again.read() == [(7, raised("C"))]
    book.writer.close()
    early = AlertTail(tmp_path / "later", None)
    assert early.read() == []
    (tmp_path / "journal").rename(tmp_path / "later")
    assert early.read() == [(7, raised("C"))], "a journal that began after the first look is read whole"


def test_a_raised_alert_is_delivered_and_survives_a_restart(tmp_path: Path) -> None:
    """Journal to program, the guard's own too; what is open is known to the next process; seen, it is told no more."""
    out = tmp_path / "out"
    settings = AlertSettings(to=(AlertTarget(name="desk", command=("sh", "-c", f"cat >> {out}")),), repeat_s=3600.0)
    book = Book(tmp_path)

    def codes() -> list[str]:
        lines = out.read_text().splitlines() if out.exists() else []
        return [json.loads(line)["code"] for line in lines]

    def until(condition: Any) -> None:
        deadline = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < deadline, codes()
            time.sleep(0.005)

    log = open_log()
    first = Delivery(book.state, settings, log, by="guard")
    first.start()
    until(lambda: (tmp_path / "alerts.json").exists())
    book.write(raised("A"))
    until(lambda: codes() == ["A"])
    first.tell("GUARD_FIRED", "critical", "the lease ran out")
    until(lambda: codes() == ["A", "GUARD_FIRED"])
    until(lambda: first.picture().targets[0].delivered == 2)
    second = Delivery(book.state, settings, log, by="ops")
    second.start()
    second.tell("B", "warning", "of the one that waits for its turn")
    until(lambda: first.picture().targets[0].delivered == 2)
    assert not second.desk.open, "one delivers"
    first.close()
    until(lambda: codes() == ["A", "GUARD_FIRED", "B"])
    assert list(second.desk.open) == ["A", "GUARD_FIRED", "B"]
    book.write(c.CloseAlerts(codes=("A",), by="ann"))
    until(lambda: list(second.desk.open) == ["GUARD_FIRED", "B"])
    leave_seen(tmp_path, "--all", "ann")
    until(lambda: not second.desk.open)
    second.close()
    assert codes() == ["A", "GUARD_FIRED", "B"]
    assert take_seen(tmp_path) is None
    assert json.loads((tmp_path / "alerts.json").read_text())["opened"] == []
    book.writer.close()


@pytest.mark.slow
def test_from_the_journal_to_a_receiver_and_when_that_refuses(tmp_path: Path) -> None:
    """Over HTTP, each once. While it refuses, `quantd status` says who was not told of how much, and delivery goes on
    trying; when it takes them again, nothing is lost. Prints from event to receipt; the rule is 5 s (RTS 6 art. 16(5)).
    """
    urls, book, log = tmp_path / "urls", Book(tmp_path), open_log()
    with receiving() as server:
        urls.write_text(f"json://127.0.0.1:{server.server_port}/\n")
        target = AlertTarget(name="desk", urls_file=str(urls), timeout_s=2.0)
        delivery = Delivery(book.state, AlertSettings(to=(target,), repeat_s=3600.0), log, by="guard")

        def alarms() -> tuple[str, ...]:
            news = delivery_news(tmp_path)
            return () if news is None else news.alarms

        def until(condition: Any) -> None:
            deadline = time.monotonic() + 30.0
            while not condition():
                assert time.monotonic() < deadline, (Receiver.posted, alarms())
                time.sleep(0.002)

        delivery.start()
        until(lambda: (tmp_path / "alerts.json").exists())
        delays = []
        for number in range(1, 6):
            begun = time.monotonic()
            book.write(raised(f"A{number}"))
            until(lambda number=number: len(Receiver.arrived_s) == number)
            delays.append(Receiver.arrived_s[-1] - begun)
        print(f"event to receipt, ms: {[round(delay * 1e3, 1) for delay in delays]}")
        assert [first_line(post) for post in Receiver.posted] == [f"a{number}" for number in range(1, 6)]
        Receiver.status = 500
        book.write(raised("B"))
        until(lambda: any("alerts: 1 not delivered to desk" in alarm for alarm in alarms()))
        assert "apprise could not deliver it" in alarms()[0]
        assert f":{server.server_port}" not in alarms()[0], "a URL holds secrets"
        Receiver.status = 200
        until(lambda: not alarms())
        told = read_delivery(tmp_path)
        assert told is not None
        assert (told.by, told.targets[0].delivered, [one.code for one in told.open][-1]) == ("guard", 6, "B")
        delivery.close()
    assert {first_line(post) for post in Receiver.posted[5:]} == {"b"}
    book.writer.close()


def test_an_open_alert_is_kept_whole() -> None:
    """What is kept over a restart is what the desk knows."""
    one = Open(alert=an_alert(), since_ns=T0, count=3, told_ns={"desk": T0}, told_count={"desk": 2})
    desk = Desk(AlertSettings(to=(DESK,), quiet_s=60.0), (one,))
    assert told(desk, T0 + 60 * NANO) == [("desk", "LINK_LOST", 3, True)]
