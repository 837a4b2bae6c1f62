"""Runs each peer's scenario against a gateway process of its own, all of them side by side. Knows no expected value."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.peers.expected import Report

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".venv-peers"
# Far above what it takes, a few seconds each: a hang must end as a failure.
START_S: Final = 240.0
SCENARIO_S: Final = 300.0

GATEWAY: Final = """
state_dir = "{state}"

[gateway]
listen = ["127.0.0.1:0"]
accounts = ["DU7654321"]
start_cash = 1_000_000
stop_on_bug = true

[gateway.market]
depth_levels = 3

[feed]
kind = "synthetic"
speed = "20x"

[feed.synthetic]
seed = 3
start_date = 2026-10-05
jumps_per_hour = 0.0

[[feed.synthetic.instruments]]
symbol = "AAA"
px = 25
volatility_bp_per_hour = 5
reversion_ticks = 1.0

[[feed.synthetic.instruments]]
symbol = "BBB"
px = 100
volatility_bp_per_hour = 5

[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
reference = [{{ from = 20261005, previous_close = 24.90, adv = 5_000_000 }}]

[[instruments]]
symbol = "BBB"
tick = 0.01
round_lot = 100
reference = [{{ from = 20261005, previous_close = 99.50, adv = 2_000_000 }}]
"""


@dataclass(frozen=True)
class Peer:
    """A client library in its environment."""

    name: str
    version: int  # of the protocol that it and the gateway agree on
    driver: str

    def python(self, *, folder: Path = FOLDER, ci: bool = os.environ.get("CI") == "true") -> Path:
        """Its interpreter. Missing is a failure on a build machine and a skip elsewhere."""
        path = folder / self.name / "bin" / "python"
        if not path.exists():
            missing = f"no environment of {self.name}: make .venv/.peers"
            if ci:
                pytest.fail(missing)
            pytest.skip(missing)
        return path


PEERS: Final = (
    Peer("ib_async", 178, "insync_driver"),
    Peer("ib_insync", 176, "insync_driver"),
    Peer("ibapi", 157, "thread_driver"),
    Peer("nautilus_old", 176, "thread_driver"),
    Peer("nautilus_new", 178, "thread_driver"),
)


def run_all(folder: Path) -> dict[str, Report]:
    """Start every gateway, then every scenario; the reports by peer."""
    pythons = {peer.name: peer.python() for peer in PEERS}
    running: list[subprocess.Popen[str]] = []
    try:
        states = _start_gateways(folder, running)
        scenarios = []
        for peer in PEERS:
            host, port = _address(states[peer.name])
            command = [str(pythons[peer.name]), "-m", "tests.peers.scenario", peer.driver, host, port]
            scenarios.append(_start(command, folder / f"{peer.name}.log", running))
        deadline = time.monotonic() + SCENARIO_S
        reports = {}
        for peer, scenario in zip(PEERS, scenarios, strict=True):
            out, _ = scenario.communicate(timeout=max(1.0, deadline - time.monotonic()))
            reports[peer.name] = _report(peer, out, scenario.returncode, folder)
        return reports
    finally:
        for process in running:
            process.kill()
            process.communicate()


def _start(command: list[str], log: Path, running: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    running.append(process)
    return process


def _start_gateways(folder: Path, running: list[subprocess.Popen[str]]) -> dict[str, Path]:
    """All of them; the later ones are lent the first one's reference tables, which take a process to build."""
    first, *others = (folder / peer.name for peer in PEERS)
    _start_gateway(first, running)
    _address(first)
    for other in others:
        shutil.copytree(first / "state" / "reference", other / "state" / "reference")
        _start_gateway(other, running)
    return {peer.name: folder / peer.name for peer in PEERS}


def _start_gateway(folder: Path, running: list[subprocess.Popen[str]]) -> None:
    folder.mkdir(exist_ok=True)
    config = folder / "gateway.toml"
    config.write_text(GATEWAY.format(state=folder / "state"))
    command = [sys.executable, "-m", "daemon.gateway", "--config", str(config), "--json", "--parent", str(os.getpid())]
    _start(command, folder / "gateway.log", running)


def _address(folder: Path) -> tuple[str, str]:
    """Where it listens, once it does."""
    card, deadline = folder / "state" / "gateway.json", time.monotonic() + START_S
    while not card.exists():
        if time.monotonic() > deadline:
            raise TimeoutError((folder / "gateway.log").read_text()[-3000:])
        time.sleep(0.02)
    host, _, port = json.loads(card.read_text())["addresses"][0].rpartition(":")
    return host, port


def _report(peer: Peer, out: str, status: int, folder: Path) -> Report:
    report: dict[str, dict[str, Any]] = {}
    for line in out.splitlines():
        row = json.loads(line)
        report[row.pop("step")] = row
    if status != 0:
        words = (folder / f"{peer.name}.log").read_text()[-4000:]
        gateway = (folder / peer.name / "gateway.log").read_text()[-2000:]
        raise RuntimeError(f"{peer.name} ended with {status} after {list(report)[-1:]}:\n{words}\ngateway: {gateway}")
    return report
