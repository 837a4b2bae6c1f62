"""The command line against a fake daemon: exit codes, one-line errors, JSON, and what each command sends."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import events as e
from core.latches import ACCOUNT, STRATEGY, SYMBOL
from daemon import cli
from daemon.control.client import NotReachable, connected
from daemon.control.server import ControlServer, Reply
from daemon.state_dir import StateDirectory, TraderCard
from daemon.status.picture import LatchRow
from tests.fakes.operations import FakeOperations, a_status
from tests.fakes.operators import an_authority, give_key

WHO = ("operator", "authority", "second")


class Running:
    """A control server in a thread of its own, as a daemon would be in a process of its own."""

    def __init__(self, path: Path) -> None:
        self.operations = FakeOperations()
        names: dict[str, tuple[str, ...]] = {"strategies": ("meanrev",), "features": ("ext.heat",)}
        self.server = ControlServer(path, self.operations, an_authority(), symbols=("BAC", "IBM"), **names)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.on_loop(self.server.start())

    def on_loop(self, work: Any) -> None:
        """Run a coroutine over there."""
        asyncio.run_coroutine_threadsafe(work, self.loop).result(5)

    def close(self) -> None:
        """End the server and its thread."""
        self.on_loop(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A running fake; $QUANTD_STATE points at it."""
    monkeypatch.setenv("QUANTD_STATE", str(tmp_path))
    give_key(tmp_path)
    running = Running(tmp_path / "control.sock")
    yield running
    running.close()


def quantd(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = cli.main(arguments)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        (["halt", "--reason", "r"], e.OperatorHalted(level=ACCOUNT, scope="", reason="r", operator="")),
        (
            ["kill", "--reason", "r", "--symbol", "BAC", "--no-wait"],
            e.OperatorKilled(level=SYMBOL, scope="BAC", reason="r", operator=""),
        ),
        (
            ["flatten", "--reason", "r", "--strategy", "meanrev"],
            e.OperatorFlattened(level=STRATEGY, scope="meanrev", reason="r", operator=""),
        ),
        (["resume", "--reason", "r"], e.OperatorResumed(level=ACCOUNT, scope="", reason="r", operator="")),
        (
            ["orders", "resolve", "7", "--lost", "--reason", "r"],
            e.OrderResolved(order_id=7, outcome="lost", reason="r", operator=""),
        ),
        (
            ["orders", "resolve", "7", "--cancelled", "--reason", "r"],
            e.OrderResolved(order_id=7, outcome="cancelled", reason="r", operator=""),
        ),
        (
            ["orders", "resolve", "7", "--filled", "5@2.5", "--reason", "r"],
            e.OrderResolved(
                order_id=7, outcome="filled", reason="r", operator="", qty_nanos=5 * 10**9, px_nanos=2_500_000_000
            ),
        ),
        (
            ["parent", "pause", "3", "--reason", "r"],
            e.ScheduleSteered(parent_id=3, action="pause", reason="r", operator=""),
        ),
        (
            ["parent", "resume", "3", "--reason", "r"],
            e.ScheduleSteered(parent_id=3, action="resume", reason="r", operator=""),
        ),
        (
            ["parent", "cancel", "3", "--reason", "r"],
            e.ScheduleSteered(parent_id=3, action="cancel", reason="r", operator=""),
        ),
        (
            ["acknowledge", "--reason", "r", "--sync", "4"],
            e.DifferenceAcknowledged(sync_id=4, reason="r", operator=""),
        ),
        (["acknowledge", "--reason", "r"], e.DifferenceAcknowledged(sync_id=9, reason="r", operator="")),
        (["arm", "--reason", "r"], e.DeployArmed(digest="abc", reason="r", operator="")),
        (
            ["feature", "ext.heat", "0.5", "--age", "30"],
            e.ExternalFeatureReceived(name="ext.heat", inst=-1, value=0.5, as_of_ns=0, age_ns_max=30 * 10**9),
        ),
        (
            ["feature", "--age", "0.5", "--symbol", "IBM", "ext.heat", "--", "-2"],
            e.ExternalFeatureReceived(name="ext.heat", inst=1, value=-2.0, as_of_ns=0, age_ns_max=500_000_000),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_reach_the_daemon(
    daemon: Running, capsys: pytest.CaptureFixture[str], arguments: list[str], event: Any
) -> None:
    """Words on the command line become the fact they name, exit 0."""
    daemon.operations.picture = a_status(difference_sync_id=9, differences=("BAC: 1, 2",), deploy_digest="abc")
    code, out, _ = quantd(capsys, *arguments)
    (sent,) = daemon.operations.events
    expected = {name: getattr(event, name) for name in event.__struct_fields__ if name not in WHO}
    assert type(sent) is type(event)
    assert {name: getattr(sent, name) for name in expected} == expected
    assert (code, out.splitlines()[-1].partition(" (")[0]) == (0, "done")


HELD = {"symbol": "BAC", "broker": "100", "ours": "0", "nobodys": "7", "new": "100", "average_cost": "20", "mark": "21"}


def test_adopt_shows_first_and_does_what_it_showed(daemon: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --yes nothing is sent; with it the quantities and the cash that were shown are."""
    daemon.operations.account = {"positions": [HELD], "cash_difference": "12.5", "cash_broker": "17.5"}
    code, out, _ = quantd(capsys, "adopt", "--give", "BAC=meanrev")
    assert (code, daemon.operations.events) == (0, [])
    assert "would adopt 107 BAC for meanrev at its average" in out
    assert "would book 12.5 USD as a deposit" in out
    code, out, _ = quantd(capsys, "adopt", "--json", "--keep-cash")
    shown = json.loads(out)["would_adopt"]
    assert shown == {"positions": [{"symbol": "BAC", "qty": "100", "strategy": ""}], "cash": "0", "at": "average"}
    assert quantd(capsys, "adopt", "--yes", "--give", "BAC=meanrev", "--at", "mark", "--reason", "r")[0] == 0
    (sent,) = daemon.operations.events
    assert isinstance(sent, e.AccountAdopted)
    assert (sent.positions, sent.at, sent.cash_nanos) == (((0, 107 * 10**9, "meanrev"),), "mark", 12_500_000_000)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--yes"], "--reason"),
        (["--give", "BAC"], "SYMBOL=STRATEGY"),
        (["--give", "IBM=meanrev"], "no position in IBM"),
        (["--give", "BAC=a", "--give", "BAC=b"], "twice"),
    ],
)
def test_adopt_refuses_what_makes_no_sense(
    daemon: Running, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """One line that says what to give; nothing is sent."""
    daemon.operations.account = {"positions": [HELD]}
    code, out, err = quantd(capsys, "adopt", *arguments)
    assert (code, out, daemon.operations.events) == (2, "", [])
    assert says in err


def test_status_in_words_and_in_json(daemon: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Both show the block that stands."""
    latch = LatchRow(level="account", scope="", state="HALTED", code="KILL", reason="why", by="ann", since_ns=1)
    daemon.operations.picture = a_status(latches=(latch,))
    code, out, _ = quantd(capsys, "status", "--json")
    shown = json.loads(out)
    assert (code, shown["latches"][0]["by"]) == (0, "ann")
    assert shown["follower"] == {"running": False, "alarms": ["follower not running: start `quantd follow -c FILE`"]}
    code, out, _ = quantd(capsys, "status")
    assert code == 0
    assert "KILL: why (by ann" in out
    assert "follower not running" in out


def test_why_not_in_words_and_in_json(daemon: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Every blocker with its value, limit and who can lift it."""
    code, out, _ = quantd(capsys, "why-not", "BAC", "--json")
    assert (code, json.loads(out)[0]["code"]) == (0, "HALTED")
    code, out, _ = quantd(capsys, "why-not")
    assert code == 0
    assert "operator" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["resume", "--reason", "  "], "reason"),
        (["halt", "--reason", "x", "--strategy", "nobody"], "meanrev"),
        (["kill", "--reason", "x", "--symbol", "MSFT"], "BAC, IBM"),
        (["why-not", "MSFT"], "BAC, IBM"),
        (["feature", "heat", "1", "--age", "5"], "ext.heat"),
        (["feature", "ext.heat", "1", "--age", "5", "--symbol", "MSFT"], "BAC, IBM"),
        (["feature", "ext.heat", "1", "--age", "0"], "age: set it between"),
        (["feature", "ext.heat", "1e39", "--age", "5"], "value: 1e+39"),
    ],
)
def test_refusals_end_with_four(
    daemon: Running, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """One line on stderr, nothing on stdout."""
    code, out, err = quantd(capsys, *arguments)
    assert (code, out, len(err.splitlines())) == (4, "", 1)
    assert says in err


def test_the_engines_refusal_ends_with_four(daemon: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Not every refusal is the socket's."""
    daemon.operations.reply = Reply(False, "a kill is not verified yet")
    assert quantd(capsys, "resume", "--reason", "x")[0] == 4


def test_a_daemon_that_fails_ends_with_one(daemon: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Reached, understood, broken."""
    daemon.loop.set_exception_handler(lambda loop, context: None)
    daemon.operations.fault = RuntimeError("broken")
    code, _, err = quantd(capsys, "halt", "--reason", "x")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "broken" in err


@pytest.mark.parametrize("arguments", [["status"], ["kill", "--reason", "x"], ["why-not"], ["status", "--watch"]])
def test_no_daemon_ends_with_three(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """A missing socket, and one whose daemon is dead."""
    code, out, err = quantd(capsys, *arguments, "--state", str(tmp_path))
    assert (code, out, len(err.splitlines())) == (3, "", 1)
    assert "not reachable" in err


def test_a_daemon_that_does_not_answer_is_not_reachable(daemon: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is the client's, whatever the daemon does."""
    monkeypatch.setattr(ControlServer, "answer", lambda self, line, operator: b"")
    told = pytest.raises(NotReachable, match="did not answer within")
    with connected(daemon.server.path, timeout_s=0.02) as client, told:
        client.status()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["halt"], "--reason"),
        (["sell-all"], "sell-all"),
        (["halt", "--reason"], "argument"),
        (["orders", "resolve", "x", "--lost", "--reason", "r"], "ID"),
        (["orders", "resolve", "7", "--reason", "r"], "exactly one"),
        (["orders", "resolve", "7", "--lost", "--cancelled", "--reason", "r"], "exactly one"),
        (["orders", "resolve", "7", "--filled", "100", "--reason", "r"], "QTY@PX"),
        (["check"], "-c"),
        (["check", "-c", "nowhere.toml"], "no such file"),
        (["run", "-c", "nowhere.toml"], "no such file"),
        (["demo", "--seconds", "-1"], "--seconds"),
        (["positions", "--state", "nowhere"], "no journal"),
        (["journal", "verify", "nowhere"], "no journal"),
        (["status", "--nonsense"], "--nonsense"),
    ],
)
def test_usage_errors_end_with_two(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    """One line that names what is wrong; no traceback, nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    code, out, err = quantd(capsys, *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
    assert "Traceback" not in err


def test_help_needs_no_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    """`quantd --help` lists every command; `quantd` alone shows it as an error of use."""
    code, out, _ = quantd(capsys, "--help")
    assert code == 0
    commands = (
        "run follow up demo status orders positions fills why-not halt resume kill flatten acknowledge arm feature "
        "drill adopt diff doctor journal replay why check train db warm bench version"
    )
    for command in commands.split():
        assert f"  {command} " in out, command
    assert quantd(capsys)[0] == 2


def test_ctrl_c_is_clean(daemon: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Watching ends with 130 and no traceback."""

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    code, out, err = quantd(capsys, "status", "--json", "--watch")
    assert (code, err) == (130, "")
    assert json.loads(out)["state"] == "ready"


def test_run_leaves_the_command_line_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trader's process is replaced, so that typer and rich are not in it."""
    config = tmp_path / "c.toml"
    config.write_text("", encoding="utf-8")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.append(command))
    assert cli.main(["run", "-c", str(config), "--json"]) == 0
    assert started[0][1:] == ["-m", "daemon.app", "run", "--config", str(config), "--json"]


def test_the_card_leads_to_a_socket_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`control.socket` of the config need not lie in the state directory."""
    running = Running(tmp_path / "elsewhere.sock")
    state = StateDirectory(tmp_path / "state")
    state.write_card(TraderCard(pid=1, socket=str(tmp_path / "elsewhere.sock"), journal="j", config="c"))
    assert quantd(capsys, "halt", "--reason", "x", "--state", str(state.path))[0] == 0
    running.close()


def test_a_broken_card_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a file by a foreign hand ends in a line."""
    (tmp_path / "trader.json").write_text("{", encoding="utf-8")
    code, _, err = quantd(capsys, "status", "--state", str(tmp_path))
    assert code == 2
    assert "trader.json" in err
