"""`quantd doctor`: every way to fail, each against a socket that fails so; and the real gateway."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon import cli
from daemon.killer.latch import LATCH_FILE, now_latch, write_latch
from daemon.probes import market, session
from daemon.probes.registry import CHECKS, NAMES
from daemon.status.guard import LOCK_NAME, GuardPicture, write_guard
from tests.fakes.live_limits import live_limits
from tests.fakes.operators import OPERATORS
from tests.fakes.scripted_gateway import (
    LOGGED_IN,
    Answer,
    RawGateway,
    ScriptedGateway,
    details,
    error,
    serving,
)

pytestmark = pytest.mark.slow
CONFIG = """
mode = "{mode}"
state_dir = "{folder}/state"

[account]
id = "{account}"
tag = "du1"

[feed]
kind = "ib"
profile = "l1_250"

[ib]
port = {port}
connect_timeout_s = 5.0
login_timeout_s = {patience}
{ib}

[[instruments]]
symbol = "BAC"
tick = {tick}
round_lot = 100
{instrument}
"""
DEFAULTS: dict[str, Any] = {
    "mode": "paper", "account": "DU0000001", "ib": "windows = []", "tick": 0.01, "instrument": "",
}  # fmt: skip
Found = dict[str, list[dict[str, str]]]
Doctor = Callable[..., tuple[int, Found]]
BRIEF = 0.15  # how long to wait for what will not come


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Runs the command; returns its exit code and the findings by check."""

    def run(port: int, *only: str, patience: float = 5.0, **changes: Any) -> tuple[int, Found]:
        for module, name in ((session, "ANSWER_S"), (market, "DATA_S"), (market, "CONTRACTS_S")):
            monkeypatch.setattr(module, name, patience)
        path = tmp_path / "trader.toml"
        path.write_text(CONFIG.format(folder=tmp_path, port=port, patience=patience, **(DEFAULTS | changes)))
        arguments = ["doctor", "-c", str(path), "--json"]
        for name in only:
            arguments += ["--only", name]
        code = cli.main(arguments)
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] == (code == 0)
        found: Found = {}
        for finding in told["findings"]:
            found.setdefault(finding["check"], []).append(finding)
            assert "\n" not in finding["text"] + finding["remedy"]
            assert finding["remedy"] or finding["status"] in ("ok", "skip")
        return code, found

    return run


def only(found: Found, check: str) -> tuple[str, str, str]:
    """Status, text and remedy of a check's one finding."""
    (finding,) = found[check]
    return finding["status"], finding["text"], finding["remedy"]


# ---- the connection --------------------------------------------------------------------------------------------
def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_port_that_nobody_listens_on(doctor: Doctor) -> None:
    """Refused; what needs the connection is skipped, what does not is told all the same."""
    code, found = doctor(free_port())
    assert code == 1
    assert list(found) == list(NAMES)
    status, text, remedy = only(found, "port")
    assert (status, "refuses" in text, "start TWS" in remedy) == ("FAIL", True, True)
    assert {only(found, name)[0] for name in ("account", "read-only", "clock", "contract", "data")} == {"skip"}
    assert only(found, "lines")[0] == "ok"
    assert {finding["status"] for finding in found["settings"]} == {"CONFIRM"}


@pytest.mark.parametrize(
    ("says", "hang_up", "text"),
    [
        (b"", True, "closes it at once"),
        (b"", False, "says nothing"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "does not speak the TWS protocol"),
        (b"\0\0\0\x05100\0\0", False, "does not speak the TWS protocol"),
    ],
    ids=["closes", "silent", "http", "version 100"],
)
def test_a_port_that_is_no_healthy_gateway(doctor: Doctor, says: bytes, hang_up: bool, text: str) -> None:
    """Each with its own words and a remedy."""
    with serving(RawGateway(says, hang_up=hang_up)) as gateway:
        code, found = doctor(gateway.port, "port", patience=BRIEF if "nothing" in text else 5.0)
    assert (code, only(found, "port")[0]) == (1, "FAIL")
    assert text in only(found, "port")[1]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda fields: [error(-1, 326, "Unable to connect as the client id is already in use.")], "326"),
        (lambda fields: None, "closes the connection after the log-in"),
        (lambda fields: [(15, 1, "DU0000001,")], "sends no order ids"),
        (lambda fields: [(9, 1, 1)], "sends no accounts"),
    ],
    ids=["326", "closed", "no ids", "no accounts"],
)
def test_a_login_that_goes_wrong(doctor: Doctor, answer: Answer, text: str) -> None:
    """The client id, a silent broker, a closed line: told apart."""
    with serving(ScriptedGateway({71: answer})) as gateway:
        code, found = doctor(gateway.port, "port", patience=0.5 if "sends no" in text else 5.0)
    assert (code, only(found, "port")[0]) == (1, "FAIL")
    assert text in only(found, "port")[1]


# ---- the guard -----------------------------------------------------------------------------------------------
def guard_told(found: Found, status: str) -> str:
    """Every text of the guard's findings with this status."""
    return " | ".join(finding["text"] for finding in found["guard"] if finding["status"] == status)


def test_a_guard_that_is_missing_or_in_trouble(doctor: Doctor, tmp_path: Path) -> None:
    """None runs, its client id is taken, its latch is there, it is silent, it cannot tell anybody; not in a shadow."""
    state = tmp_path / "state"
    with serving(ScriptedGateway()) as gateway:
        code, found = doctor(gateway.port, "guard")
        assert (code, "none runs yet" in guard_told(found, "ok"), "as client 12" in guard_told(found, "ok")) == (
            0,
            True,
            True,
        )
        live = {
            "mode": "live",
            "account": "U0000001",
            "ib": 'windows = []\narm_live = "U0000001"',
            "instrument": OPERATORS + live_limits(),
        }
        code, found = doctor(gateway.port, "guard", **live)
        assert (code, "alerts.to names nobody" in guard_told(found, "FAIL")) == (1, True)
        assert "none runs: nobody cancels when the trader dies" in guard_told(found, "CONFIRM")
        state.mkdir()
        write_latch(state, now_latch(by="guard", reason="the lease ran out"))
        code, found = doctor(
            gateway.port, "guard", instrument='[[alerts.to]]\nname = "desk"\ncommand = ["no-such-program"]'
        )
        told = guard_told(found, "FAIL")
        assert code == 1
        assert "guard.latch is there: guard: the lease ran out" in told
        assert "alerts.to desk: no-such-program is no program here" in told
        (state / LATCH_FILE).unlink()
        with (state / LOCK_NAME).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            write_guard(state, GuardPicture(pid=7, wall_ns=time.time_ns(), state="watching", lease="epoch 3, pid 9"))
            assert "it runs: guard watching (epoch 3, pid 9)" in guard_told(doctor(gateway.port, "guard")[1], "ok")
            write_guard(state, GuardPicture(pid=7, wall_ns=time.time_ns() - 60 * 10**9, state="watching"))
            told = guard_told(doctor(gateway.port, "guard")[1], "FAIL")
            assert "guard: no look for 60 s (pid 7)" in told
        found = doctor(gateway.port, "guard", mode="shadow")[1]
        assert "nothing to guard" in only(found, "guard")[1]
    refused: dict[int, Answer] = {71: lambda fields: [error(-1, 326, "Unable to connect as the client id is in use.")]}
    with serving(ScriptedGateway(refused)) as gateway:
        code, found = doctor(gateway.port, "guard")
    assert (code, "client id 12: " in guard_told(found, "FAIL")) == (1, True)


# ---- the session -----------------------------------------------------------------------------------------------
def now_answer(offset_s: int) -> Answer:
    """reqCurrentTime by a clock that is off."""
    return lambda fields: [(49, 1, int(time.time()) + offset_s)]


def test_a_healthy_gateway(doctor: Doctor, tmp_path: Path) -> None:
    """Everything ok, exit 0; nothing but harmless requests was sent, under the doctor's own client id."""
    with serving(ScriptedGateway({49: now_answer(0)})) as gateway:
        code, found = doctor(gateway.port, ib="")
    assert {f["status"] for name in NAMES if name not in ("settings", "restart") for f in found[name]} == {"ok"}, found
    on = any(finding["status"] == "FAIL" for finding in found["restart"])  # by the wall: a window may be on
    assert code == (1 if on else 0)
    assert "BAC: conId 100, NYSE; market rule 26" in only(found, "contract")[1]
    assert only(found, "data")[1] == "BAC: live"
    assert [fields[:3] for fields in gateway.requests if fields[0] == "71"] == [["71", "2", "12"], ["71", "2", "13"]]
    assert {fields[0] for fields in gateway.requests} == {"71", "5", "49", "9", "91", "59", "1", "2"}
    assert not (tmp_path / "state").exists(), "a look makes nothing"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"account": "DU0000002"}, "DU0000002 is not in this log-in (DU0000001)"),
        ({"account": "U0000001", "mode": "shadow"}, "is not in this log-in"),
    ],
)
def test_another_account(doctor: Doctor, changes: dict[str, Any], text: str) -> None:
    """The log-in must have the account of the config."""
    with serving(ScriptedGateway()) as gateway:
        code, found = doctor(gateway.port, "account", **changes)
    assert (code, only(found, "account")[0]) == (1, "FAIL")
    assert text in only(found, "account")[1]


def test_mode_account_and_port_must_agree(doctor: Doctor) -> None:
    """What the config check refuses is a failure of the doctor too, with the file's own remedy."""
    code, found = doctor(4001)
    assert (code, list(found)) == (1, ["config"])
    assert "live port" in only(found, "config")[1]


READ_ONLY = "The API interface is currently in Read-Only mode."


@pytest.mark.parametrize(
    ("answer", "mode", "status", "text"),
    [
        (lambda fields: [error(-1, 321, READ_ONLY)], "paper", "FAIL", "321"),
        (lambda fields: [], "paper", "FAIL", "no answer to reqOpenOrders"),
        (lambda fields: [error(-1, 321, READ_ONLY)], "shadow", "ok", "a shadow can live with"),
    ],
)
def test_a_read_only_api(doctor: Doctor, answer: Answer, mode: str, status: str, text: str) -> None:
    """Refused or hanging; no order is placed to find out."""
    with serving(ScriptedGateway({5: answer})) as gateway:
        patience = 0.5 if "no answer" in text else 5.0
        code, found = doctor(gateway.port, "read-only", mode=mode, patience=patience)
        assert all(fields[0] != "3" for fields in gateway.requests)
    assert (code, only(found, "read-only")[0]) == (0 if status == "ok" else 1, status)
    assert text in only(found, "read-only")[1]


@pytest.mark.parametrize(("offset_s", "status"), [(-30, "FAIL"), (0, "ok"), (45, "FAIL")])
def test_the_clock(doctor: Doctor, offset_s: int, status: str) -> None:
    """More than two seconds off the broker's is a failure."""
    with serving(ScriptedGateway({49: now_answer(offset_s)})) as gateway:
        _, found = doctor(gateway.port, "clock")
    assert only(found, "clock")[0] == status


@pytest.mark.parametrize(("announced", "status"), [(True, "ok"), (False, "FAIL")])
def test_an_announced_clock(doctor: Doctor, announced: bool, status: str) -> None:
    """Where the config wants the gateway's clock, the gateway must have one; it is asked for by name."""
    clock = error(-1, 2999, "quantd-clock ts_ns=1767623400000000000 speed=20")
    told = [clock, *LOGGED_IN] if announced else LOGGED_IN
    with serving(ScriptedGateway({71: lambda fields: told})) as gateway:
        _, found = doctor(gateway.port, "clock", "restart", ib='clock = "gateway"')
        assert gateway.requests[0][3] == "quantd-clock"
    assert only(found, "clock")[0] == status
    if announced:
        assert "2026-01-05 14:30:00 UTC at 20x" in only(found, "clock")[1]
        assert [finding["text"].partition("; ")[2] for finding in found["restart"]] == [
            "orders stop 2026-01-06 04:44:00 UTC",
            "orders stop 2026-01-11 05:59:00 UTC",
        ]


def test_restart_windows(doctor: Doctor) -> None:
    """One that is on, and none at all, are failures."""
    always = 'windows = [{ name = "all day", start = "00:00", minutes = 1440 }]'
    with serving(ScriptedGateway()) as gateway:
        assert "all day" in only(doctor(gateway.port, "restart", ib=always)[1], "restart")[1]
        status, text, _ = only(doctor(gateway.port, "restart", ib="windows = []")[1], "restart")
    assert (status, text) == ("FAIL", "no restart window is known")


# ---- contracts and data ----------------------------------------------------------------------------------------
def two(fields: list[str]) -> list[Any]:
    """Two contracts of one name."""
    made = [details(fields[2], "BAC", con_id=number) for number in (100, 200)]
    return [*made, (52, 1, int(fields[2]))]


@pytest.mark.parametrize(
    ("answers", "changes", "text"),
    [
        ({9: lambda fields: [error(fields[2], 200, "No security definition has been found")]}, {}, "code 200"),
        ({9: two}, {}, "is ambiguous"),
        ({9: lambda fields: []}, {}, "no answer within"),
        ({9: lambda fields: [details(fields[2], "BAC", currency="CAD"), (52, 1, int(fields[2]))]}, {}, "is not what"),
        ({}, {"tick": 0.005}, "increments of 0.005 from 1 on, the broker's are 0.01"),
        ({}, {"instrument": "lot = 0.00005"}, "lots of 0.00005"),
        (
            {9: lambda fields: [details(fields[2], "BAC", least="10", step="1"), (52, 1, int(fields[2]))]},
            {},
            "orders from 1 on, the broker takes 10",
        ),
    ],
    ids=["unknown", "ambiguous", "silent", "currency", "tick", "lot", "minimum"],
)
def test_contracts_that_do_not_fit(
    doctor: Doctor, answers: dict[int, Answer], changes: dict[str, Any], text: str
) -> None:
    """Each symbol is one contract whose prices and sizes the config's conform to."""
    with serving(ScriptedGateway(answers)) as gateway:
        patience = 0.5 if "no answer" in text else 5.0
        code, found = doctor(gateway.port, "contract", patience=patience, **changes)
    assert (code, only(found, "contract")[0]) == (1, "FAIL")
    assert text in only(found, "contract")[1]


@pytest.mark.parametrize(
    ("answer", "text", "remedy"),
    [
        (lambda fields: [error(fields[2], 354, "Requested market data is not subscribed.")], "354", "subscribe"),
        (lambda fields: [error(fields[2], 10197, "Competing live session")], "10197", "other session"),
        (lambda fields: [error(fields[2], 101, "Max number of tickers has been reached")], "101", "no line is left"),
        (lambda fields: [(58, 1, int(fields[2]), 3)], "delayed", "live data"),
        (lambda fields: [(1, 6, int(fields[2]), 66, "25.1", "100", 1)], "delayed", "live data"),
        (lambda fields: [], "nothing came", "farms"),
    ],
    ids=["354", "competing", "no line", "delayed", "delayed ticks", "silent"],
)  # fmt: skip
def test_data_that_nobody_may_trade_on(doctor: Doctor, answer: Answer, text: str, remedy: str) -> None:
    """None, delayed, or taken by another session; the line is given back."""
    with serving(ScriptedGateway({1: answer})) as gateway:
        code, found = doctor(gateway.port, "data", patience=0.5 if text == "nothing came" else 5.0)
        asked = [fields[2] for fields in gateway.requests if fields[0] == "1"]
    assert (code, only(found, "data")[0]) == (1, "FAIL")
    assert text in only(found, "data")[1]
    assert remedy in only(found, "data")[2]
    assert asked == [fields[2] for fields in gateway.requests if fields[0] == "2"]


# ---- this machine ----------------------------------------------------------------------------------------------
def test_the_machine(doctor: Doctor, tmp_path: Path) -> None:
    """Disk, database, state directory, journal lock: as they are, and broken."""
    from daemon.lock import hold_lock

    checks = ("state", "disk", "database", "models")
    code, found = doctor(4002, *checks)
    assert (code, [only(found, name)[0] for name in checks]) == (0, ["ok"] * 4)
    journal = tmp_path / "state" / "journal"
    journal.mkdir(parents=True)
    held = hold_lock(journal / "lock", "held")
    assert f"held by process {os.getpid()}" in only(doctor(4002, "state")[1], "state")[1]
    os.close(held)
    assert only(doctor(4002, "state")[1], "state")[0] == "ok"
    (tmp_path / "state" / "quantd.db").write_bytes(b"no database at all" * 100)
    assert only(doctor(4002, "database")[1], "database")[0] == "FAIL"


def test_a_config_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each problem of the file is a failure; an unknown check is a usage error."""
    (tmp_path / "bad.toml").write_text("mode = 7\n")
    assert cli.main(["doctor", "-c", str(tmp_path / "bad.toml")]) == 1
    assert "FAIL     config" in capsys.readouterr().out
    assert cli.main(["doctor", "-c", str(tmp_path / "bad.toml"), "--only", "luck"]) == 2


def test_names_are_unique() -> None:
    """A check is picked by its name."""
    assert len(set(NAMES)) == len(CHECKS)
