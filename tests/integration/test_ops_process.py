"""`quantd ops` and `quantd up` as real processes: they answer while the trader runs, and end as they should."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import cli
from daemon.alerts.facts import OPS_LOCK
from daemon.ops.__main__ import main
from daemon.status.follower import is_locked
from tests.fakes import forked
from tests.fakes.built_tables import lend_tables
from tests.fakes.ops import TOKEN, give_token
from tests.fakes.trader import write_config

DEADLINE_S = 240.0
TABLE = '[ops]\nenabled = true\nport = 0\n[ops.tokens]\nconsole = "console.token"\n'


def config_with_ops(folder: Path, **changes: Any) -> Path:
    """A config file with a token."""
    give_token(folder / "console.token", TOKEN)
    return write_config(folder, more=TABLE, **changes)


class Running:
    """A command of ours as a process of its own; its log is read all the while. What is left is killed."""

    def __init__(self, *arguments: str) -> None:
        self.process = forked.start("daemon.cli", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put("")

    def told(self, event: str) -> dict[str, Any]:
        """The next line of the log with this event."""
        before = []
        while line := self._lines.get(timeout=DEADLINE_S):
            before.append(line)
            if f'"{event}"' in line and (found := json.loads(line))["event"] == event:
                return dict(found)
        raise RuntimeError(f"{event} was not told: {before[-5:]}")

    def end(self) -> tuple[int, str]:
        """Ask for the end and wait for it: exit code and stdout."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        return code, self.process.stdout.read()


def ready_when(client: httpx.Client, good: Any) -> httpx.Response:
    """Ask until the answer is as wanted."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not good(answer := client.get("/readyz")):
        if time.monotonic() > deadline_s:
            raise RuntimeError(answer.text)
        time.sleep(0.05)
    return answer


@pytest.mark.slow
def test_up_starts_it_and_a_kill_of_it_changes_nothing(tmp_path: Path) -> None:
    """With trader and follower it becomes ready; killed with -9 it comes back and says the same; SIGTERM ends all."""
    config = config_with_ops(tmp_path)
    config.write_text(config.read_text().replace('speed = "max"', 'speed = "20x"'))
    lend_tables(config)
    with Running("up", "-c", str(config), "--json") as up:
        with httpx.Client(base_url=f"http://127.0.0.1:{up.told('http')['port']}", trust_env=False) as client:
            answer = ready_when(client, lambda answer: answer.json()["checks"][0]["status"] == "ok")
            checks = {one["check"]: one["status"] for one in answer.json()["checks"]}
            assert (checks["link"], checks["reconcile"], checks["disk"]) == ("ok", "ok", "ok")
            status = client.get("/api/v1/status", headers={"Authorization": f"Bearer {TOKEN}"}).json()
            assert b"quantd_" in client.get("/metrics").content
        (ops,) = _children(up.process.pid, "daemon.ops")
        os.kill(ops, signal.SIGKILL)
        with httpx.Client(base_url=f"http://127.0.0.1:{up.told('http')['port']}", trust_env=False) as client:
            ready_when(client, lambda answer: answer.json()["checks"][0]["status"] == "ok")
            same = client.get("/api/v1/status", headers={"Authorization": f"Bearer {TOKEN}"}).json()
        assert (same["pid"], same["epoch"]) == (status["pid"], status["epoch"])
        code, out = up.end()
    assert (code, json.loads(out)["stopped_by"]) == (0, "SIGTERM")
    assert not is_locked(tmp_path / OPS_LOCK)


def _children(pid: int, module: str) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if module in Path(f"/proc/{child}/cmdline").read_text().split("\0")]


@pytest.mark.slow
def test_ops_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It serves without a trader, refuses a second one beside it, and ends well on SIGTERM."""
    config = config_with_ops(tmp_path)
    with Running("ops", "-c", str(config)) as ops:
        with httpx.Client(base_url=f"http://127.0.0.1:{ops.told('http')['port']}", trust_env=False) as client:
            assert client.get("/livez").status_code == 200
            assert client.get("/readyz").status_code == 503
        assert main(["--config", str(config)]) == 1
        assert "another ops process" in capfd.readouterr().err
        assert cli.main(["up", "-c", str(config)]) == 2
        assert "an ops process is running there" in capfd.readouterr().err
        assert ops.end()[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("", "ops.enabled: is false"),
        ('[ops]\nenabled = true\nhost = "0.0.0.0"\n', "ops.host: 0.0.0.0 can be reached"),
        (TABLE, "ops.tokens.console: "),
    ],
)
def test_ops_with_a_wrong_config(tmp_path: Path, table: str, wrong: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One line, exit 2."""
    config = write_config(tmp_path, more=table)
    assert main(["--config", str(config)]) == 2
    assert wrong in capfd.readouterr().err
