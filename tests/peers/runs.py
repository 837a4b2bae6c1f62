"""Runs each peer's scenario against a gateway process of its own, all of them side by side. Knows no expected value."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
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
    program: str = "bin/python"  # what its environment must hold

    @property
    def possible(self) -> bool:
        """False where its language is not installed."""
        return self is not STOQEY or shutil.which("node") is not None

    def installed(self, *, folder: Path = FOLDER, ci: bool = os.environ.get("CI") == "true") -> Path:
        """Its program. Missing is a failure on a build machine and a skip elsewhere."""
        path = folder / self.name / self.program
        if not path.exists():
            missing = f"no environment of {self.name}: make .venv/.peers"
            if ci:
                pytest.fail(missing)
            pytest.skip(missing)
        return path


STOQEY: Final = Peer("stoqey", 178, "bridge_driver", "bridge.mjs")
PEERS: Final = (
    STOQEY,
    Peer("ib_async", 178, "insync_driver"),
    Peer("ib_insync", 176, "insync_driver"),
    Peer("ibapi", 157, "thread_driver"),
    Peer("nautilus_old", 176, "thread_driver"),
    Peer("nautilus_new", 178, "thread_driver"),
)


def run_all(folder: Path) -> dict[str, Report]:
    """Start every gateway, then every scenario; the reports by peer, without those whose language is not here."""
    peers = [peer for peer in PEERS if peer.possible]
    programs = {peer.name: str(peer.installed()) for peer in peers}
    running: list[subprocess.Popen[str]] = []
    try:
        _start_gateways([folder / peer.name for peer in peers], running)
        scenarios = []
        for peer in peers:
            program = programs[peer.name]
            python = sys.executable if peer is STOQEY else program
            command = [python, "-m", "tests.peers.scenario", peer.driver, *_address(folder / peer.name)]
            more = {"QUANTD_PEER_BRIDGE": program} if peer is STOQEY else {}
            scenarios.append(_start(command, folder / f"{peer.name}.log", running, more))
        deadline = time.monotonic() + SCENARIO_S
        reports = {}
        for peer, scenario in zip(peers, scenarios, strict=True):
            out, _ = scenario.communicate(timeout=max(1.0, deadline - time.monotonic()))
            reports[peer.name] = _report(peer, out, scenario.returncode, folder)
        return reports
    finally:
        for process in running:
            process.kill()
            process.communicate()


def _start(
    command: list[str], log: Path, running: list[subprocess.Popen[str]], more: Mapping[str, str]
) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    running.append(process)
    return process


def _start_gateways(folders: list[Path], running: list[subprocess.Popen[str]]) -> None:
    """All of them; the later ones are lent the first one's reference tables, which take a process to build."""
    first, *others = folders
    _start_gateway(first, running)
    _address(first)
    for other in others:
        shutil.copytree(first / "state" / "reference", other / "state" / "reference")
        _start_gateway(other, running)


def _start_gateway(folder: Path, running: list[subprocess.Popen[str]]) -> None:
    folder.mkdir(exist_ok=True)
    config = folder / "gateway.toml"
    config.write_text(GATEWAY.format(state=folder / "state"))
    command = [sys.executable, "-m", "daemon.gateway", "--config", str(config), "--json", "--parent", str(os.getpid())]
    _start(command, folder / "gateway.log", running, {})


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
