"""`quantd demo`: a trader, a follower, one summary, nothing left behind. The quick tests use a stand-in trader."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon import cli, demo, supervisor
from daemon.config import config_digest, load_config
from daemon.gateway.config import load_gateway
from daemon.state_dir import StateDirectory
from daemon.status.follower import read_picture

WAITS = """
import json, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print(json.dumps({"fills": 3})), sys.exit(0)))
print("noise before the summary")
print("ready", file=sys.stderr, flush=True)
signal.pause()
"""
FAILS_AFTER_ITS_SUMMARY = "import sys; print('{}'); sys.exit(1)"
FAILS = "import sys; print('feed.quotes[0]: no such file', file=sys.stderr); sys.exit(2)"


def stand_in(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Start this program instead of the trader, and a follower that waits for its end."""

    def trader(config: Path, *, as_json: bool, parent: int) -> list[str]:
        return [sys.executable, "-S", "-E", "-c", program]

    def follower(config: Path, *, upgrade: bool, parent: int) -> list[str]:
        return [sys.executable, "-S", "-E", "-c", "import signal; signal.pause()"]

    monkeypatch.setattr(demo, "trader_command", trader)
    monkeypatch.setattr(demo, "follower_command", follower)
    monkeypatch.setattr(supervisor, "gateway_command", lambda config, parent: follower(config, upgrade=True, parent=0))
    monkeypatch.setattr(supervisor, "LISTEN_SECONDS_MAX", 0.0)  # it never will
    monkeypatch.setattr(supervisor, "RESTART_SECONDS_MIN", 0.001)
    monkeypatch.setattr(supervisor, "RESTART_SECONDS_MAX", 0.001)


def test_the_bundled_config_is_good_and_takes_another_seed(tmp_path: Path) -> None:
    """`--seed` changes the market and nothing else; state lies where the demo says."""
    state = StateDirectory(tmp_path)
    files = [load_config(demo.write_config(state, seed=seed)[0]) for seed in (1, 77)]
    markets = [load_gateway(Path(config.up.gateway), environment={}) for config in files]
    assert markets[1].base.feed.synthetic.seed == 77
    assert {config.ib.port for config in files} == {markets[1].addresses[0][1]}, "a second run finds the first one's"
    assert config_digest(files[0]) == config_digest(files[1]), "or its journal would be of another config"
    assert markets[0].base.symbols == files[0].symbols
    assert Path(files[1].state_dir) == tmp_path
    assert Path(files[1].control.socket) == state.control_socket


def test_a_child_that_fails_shows_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, the end of its log, nothing on stdout."""
    stand_in(monkeypatch, FAILS)
    assert cli.main(["demo", "--json", "--state", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "feed.quotes[0]: no such file" in err
    assert "Traceback" not in err


def test_a_summary_does_not_hide_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code counts, whatever was printed."""
    stand_in(monkeypatch, FAILS_AFTER_ITS_SUMMARY)
    assert cli.main(["demo", "--json", "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().out == ""


def test_ctrl_c_ends_it_with_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is ours and the child gets a SIGTERM; its JSON is all that stdout holds; exit 0."""
    stand_in(monkeypatch, WAITS)

    def interrupt(shown: demo.Demo, running: Callable[[], bool]) -> None:
        while not (shown.log.exists() and b"ready" in shown.log.read_bytes()):
            assert running()
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(demo, "_await_ready", interrupt)
    assert cli.main(["demo", "--json", "--state", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"fills": 3}


def test_a_running_trader_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second demo in the same directory would overwrite the first one's log."""
    monkeypatch.setattr(demo, "is_alive", lambda path: True)
    assert cli.main(["demo", "--state", str(tmp_path)]) == 2
    assert "a trader is running there" in capsys.readouterr().err
    assert not (tmp_path / "trader.log").exists()


@pytest.mark.slow
def test_a_short_demo_trades(tmp_path: Path) -> None:
    """The real thing for some seconds: fills, cash and positions that are the equity, and a journal that verifies."""
    command = [sys.executable, "-m", "daemon.cli", "demo", "--seconds", "20", "--json", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    assert summary["fills"] > 0
    assert summary["children"] >= summary["parents"] > 0
    picture = read_picture(tmp_path)
    assert picture is not None
    assert (picture.state, picture.differences, picture.restep.lag_records) == ("following", 0, 0)
    verified = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "replay", "verify", str(tmp_path), "--hash-seed", "5"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
