"""What `quantd init` wrote really runs: `quantd up` on it, with every process killed in turn."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import QuantdError
from daemon import cli
from daemon.alerts.facts import OPS_LOCK
from daemon.control.client import connected
from daemon.status.follower import read_picture
from daemon.status.guard import read_guard
from daemon.status.picture import Status
from daemon.status.processes import ENDED, RUNNING, read_up
from tests.fakes import trader
from tests.fakes.built_tables import keep_all, lend_all
from tests.fakes.gateway_process import GatewayProcess, write_config
from tests.fakes.live_pair import free_port
from tests.fakes.process import ROOT, verify

DEADLINE_S = 240.0  # for a thing that takes seconds: a hang must end as a failure
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Up:
    """`quantd up` as a process of its own, and what it and its children say. Use as a context: nothing is left."""

    def __init__(self, config: Path) -> None:
        self.state = config.parent / "state"
        self._states = (self.state, config.parent / "state-gateway")
        for state in self._states:
            lend_all(state)
        self._told = config.parent / "up.log"
        with self._told.open("wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", "up", "-c", str(config), "--json"],
                cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=told, text=True,
            )  # fmt: skip

    def __enter__(self) -> "Up":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for state in self._states:
            keep_all(state)

    def until(self, what: str, true: Callable[[], bool]) -> None:
        """Wait for a condition, with the end of the log when it does not come."""
        end_s = time.monotonic() + DEADLINE_S
        while not true():
            assert self.process.poll() is None, f"{what}: it ended: {self._told.read_text()[-2_000:]}"
            assert time.monotonic() < end_s, f"{what}: not within {DEADLINE_S:g} s: {self._told.read_text()[-2_000:]}"
            time.sleep(0.02)

    def status(self) -> Status | None:
        """The trader's picture; None while it does not answer."""
        with suppress(QuantdError, OSError), connected(self.state / "control.sock") as client:
            return client.status()
        return None

    def trades(self, *, beyond: int = 0) -> bool:
        """The trader is past its start, linked, and has taken more than so many events."""
        now = self.status()
        return now is not None and now.state == "ready" and now.link == "READY" and now.counters.events > beyond

    def pids(self) -> dict[str, int]:
        """Of the processes that are up."""
        picture = read_up(self.state)
        return {one.name: one.pid for one in picture.processes if one.state == RUNNING} if picture else {}

    def at_work(self) -> dict[str, int]:
        """Of those beside the trader that do their work, by what each of them writes."""
        follower, guard, lock = read_picture(self.state), read_guard(self.state), self.state / OPS_LOCK
        return {
            "follower": follower.pid if follower and follower.footprint else 0,
            "guard": guard.pid if guard and guard.footprint else 0,
            "ops": int(lock.read_text() or 0) if lock.exists() else 0,
        }

    def stop(self) -> dict[str, object]:
        """SIGTERM; the trader's summary."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0, self._told.read_text()[-2_000:]
        summary: dict[str, object] = json.loads(out)
        return summary


@pytest.mark.slow
def test_up_on_a_new_paper_config_lives_through_a_kill_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five processes; whichever is killed comes back and does its work, while the others go on. All end in order, the
    follower when it has compared the whole journal.
    """
    file = tmp_path / "quantd.toml"
    assert cli.main(["init", str(file), "--yes", "--port", str(free_port()), "--ops-port", "0"]) == 0
    told = capsys.readouterr().out
    file.write_text(file.read_text().replace("lease_s = 10\n", "lease_s = 300\n"))  # a slow restart is no dead man here
    with Up(file) as up:
        names = {"trader", "follower", "guard", "ops", "gateway"}
        up.until("everything is up", lambda: up.trades() and set(up.pids()) == names and all(up.at_work().values()))
        for name in ("ops", "guard", "follower", "gateway", "trader"):
            before, now = up.pids(), up.status()
            assert now is not None
            os.kill(before[name], signal.SIGKILL)
            up.until(f"{name} is started again", lambda: up.pids().get(name, before[name]) != before[name])  # noqa: B023
            up.until(f"{name} works again", lambda: up.at_work().get(name, 0) in (0, up.pids().get(name)))  # noqa: B023
            past = 0 if name == "trader" else now.counters.events
            up.until("the trader trades", lambda: up.trades(beyond=past))  # noqa: B023
            assert {other: pid for other, pid in up.pids().items() if other != name} == {
                other: pid for other, pid in before.items() if other != name
            }
        _next_steps(told, capsys)
        assert up.stop()["stopped_by"] == "SIGTERM"
    picture = read_up(up.state)
    assert picture is not None
    assert {one.name: (one.state, one.restarts) for one in picture.processes} == dict.fromkeys(names, (ENDED, 1))
    followed = read_picture(up.state)
    assert followed is not None
    assert (followed.state, followed.differences, followed.restep.lag_records) == ("following", 0, 0)
    assert verify(up.state / "journal")["difference"] == ""


def _next_steps(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What `quantd init` printed as next, each typed as it stands: but for what goes on until Ctrl-C."""
    commands = [shlex.split(line)[1:] for line in re.findall(r"^  (quantd .*?) +# ", told, flags=re.M)]
    once = [words for words in commands if words[0] != "up" and "--watch" not in words]
    assert [words[0] for words in once] == ["check", "status", "halt", "doctor"]
    for words in once:
        code = cli.main(words)
        out = capsys.readouterr().out
        if words[0] == "doctor":  # a slow machine may have it say FAIL about the market
            assert re.search(r"^ok +port", out, flags=re.M)
        else:
            assert code == 0, out


@pytest.mark.slow
def test_up_on_a_new_ib_paper_config_reaches_a_gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our own gateway at the wall clock's time stands for IBKR's: the trader is linked, with the account's money."""
    market = tmp_path / "market"
    market.mkdir()
    with GatewayProcess(write_config(market, gateway='accounts = ["DU7654321"]\nclock = "wall"')).ready() as gateway:
        file = tmp_path / "quantd.toml"
        options = ["--kind", "ib_paper", "--account", "DU7654321", "--port", str(gateway.port), "--ops-port", "0"]
        assert cli.main(["init", str(file), "--yes", *options]) == 0
        assert "warning" not in capsys.readouterr().err
        with Up(file) as up:
            up.until("the trader is linked", lambda: (now := up.status()) is not None and now.link == "READY")
            now = up.status()
            assert now is not None
            assert (now.equity, now.clock, set(up.pids())) == (
                "1000000",
                "wall",
                {"trader", "follower", "guard", "ops"},
            )
            up.stop()


@pytest.mark.slow
def test_a_config_is_checked_without_kernels(tmp_path: Path) -> None:
    """The guard, ops and `quantd panic` read one, strategies and all, and must not wait for numba."""
    config = trader.write_config(tmp_path)
    program = (
        "import sys; from pathlib import Path; from daemon.config import load_config;"
        "print(list(load_config(Path(sys.argv[1])).strategies), 'numba' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(config)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == "['reversion'] False\n"
