"""`quantd demo`: one trader child, one summary, nothing left behind. The quick tests use a stand-in trader."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import strategies.registry  # noqa: F401  # checking a config loads its kernels; once, and not inside a test
from daemon import cli, demo
from daemon.config import load_config
from daemon.state_dir import StateDirectory

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
    """Start this program instead of the trader."""
    monkeypatch.setattr(demo, "trader_command", lambda config, *, as_json: [sys.executable, "-c", program])


def test_the_bundled_config_is_good_and_takes_another_seed(tmp_path: Path) -> None:
    """`--seed` changes the market and nothing else; state lies where the demo says."""
    state = StateDirectory(tmp_path)
    bundled = load_config(demo.CONFIG)
    other = load_config(demo.write_config(state, seed=77))
    assert (bundled.feed.synthetic.seed, other.feed.synthetic.seed) == (1, 77)
    assert Path(other.state_dir) == tmp_path
    assert Path(other.control.socket) == state.control_socket


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
    """The child gets SIGTERM, not our Ctrl-C; its JSON is all that stdout holds; exit 0."""
    stand_in(monkeypatch, WAITS)

    def interrupt(trader: demo.Trader) -> None:
        while b"ready" not in trader.log.read_bytes():
            assert trader.running
        assert os.getpgid(trader.process.pid) == trader.process.pid, "Ctrl-C must not reach the child"
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_await_ready", interrupt)
    assert cli.main(["demo", "--json", "--state", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"fills": 3}


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    """kill -9 of the command line leaves no trader behind."""
    program = (
        "import subprocess, sys, os; from daemon import demo;"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'],"
        " preexec_fn=demo._die_with(os.getpid())); print(child.pid, flush=True); child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        handle = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert select.select([handle], [], [], 10)[0], "the child outlived its parent"
    finally:
        os.close(handle)


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
    command = [sys.executable, "-m", "daemon.cli", "demo", "--seconds", "10", "--json", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    assert summary["fills"] > 0
    assert summary["children"] >= summary["parents"] > 0
    verified = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "replay", "verify", str(tmp_path), "--hash-seed", "5"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.slow
def test_sigterm_ends_a_demo_like_ctrl_c(tmp_path: Path) -> None:
    """A supervisor's stop leaves a summary too."""
    command = [sys.executable, "-m", "daemon.cli", "demo", "--json", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        while not (tmp_path / "trader.json").exists():
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    assert json.loads(out)["stopped_by"] == "SIGTERM"
