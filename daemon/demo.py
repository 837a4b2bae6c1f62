"""`quantd demo`: a state directory, a config and a paper gateway's, `quantd up` on them, the screen, and the trader's
summary at the end.

What the trader prints is its summary; what all of them say goes to files in the state directory.
"""

import asyncio
import contextlib
import getpass
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigError, QuantdError
from daemon.authority.keys import FOLDER, SUFFIX, new_key, public_text, read_key, write_key
from daemon.commands import follower_command, trader_command
from daemon.config.guarding import GuardSettings
from daemon.control.client import CommandFailed, ControlClient, NotReachable, is_alive
from daemon.digests import ROOT
from daemon.log import open_log
from daemon.state_dir import StateDirectory
from daemon.status.guard import news_beside
from daemon.status.picture import Status
from daemon.supervisor import EXIT_DONE, Child, Supervisor, gateway_child, guard_child

CONFIG: Final = Path(__file__).with_name("demo.toml")
GATEWAY: Final = Path(__file__).with_name("demo_gateway.toml")
PORT: Final = "4002"  # in both files
MODEL: Final = ("demo.onnx", "demo.card.json")
START_SECONDS_MAX: Final = 180.0  # kernels may have to be compiled first
POLL_SECONDS: Final = 0.25
PLAIN_SECONDS: Final = 5.0  # between two lines where there is no terminal
LOG_LINES_SHOWN: Final = 12


class Demo:
    """The children's files, and how to ask the trader."""

    def __init__(self, state: StateDirectory, config: Path, port: int) -> None:
        self.state = state
        self.log = state.path / "trader.log"
        self.output = state.path / "summary.json"
        follower_log, gateway_log = state.path / "follower.log", state.path / "gateway.log"
        guard_log = state.path / "guard.log"
        for path in (self.log, self.output, follower_log, guard_log, gateway_log):
            path.unlink(missing_ok=True)
        parent = os.getpid()
        self.trader = Child(
            name="trader",
            command=lambda: trader_command(config, as_json=True, parent=parent),
            output=self.output,
            errors=self.log,
        )
        follower = Child(
            name="follower",
            command=lambda: follower_command(config, upgrade=True, parent=parent),
            output=follower_log,
            errors=follower_log,
        )
        guard = guard_child(config, parent, lease_s=GuardSettings().lease_s, output=guard_log)
        gateway = gateway_child(state.path / GATEWAY.name, parent, listens=("127.0.0.1", port), output=gateway_log)
        self.beside = (follower, guard, gateway)
        self._client: ControlClient | None = None

    def picture(self) -> Status | None:
        """None while it does not answer (starting, ending)."""
        try:
            if self._client is None:
                self._client = ControlClient(self.state.socket_in_use(), timeout_s=2.0)
            return self._client.status()
        except (NotReachable, CommandFailed):
            self._client = None
            return None

    def summary(self, code: int | None) -> dict[str, Any]:
        """The JSON object the trader printed last. Raises QuantdError with the end of its log when it failed."""
        for line in reversed(_lines(self.output)):
            with contextlib.suppress(json.JSONDecodeError):
                found = json.loads(line)
                if isinstance(found, dict) and code == EXIT_DONE:
                    return found
        for line in _lines(self.log)[-LOG_LINES_SHOWN:]:
            print(line, file=sys.stderr)
        raise QuantdError(f"the trader ended with {code} and no summary; its log: {self.log}")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def run_demo(*, seconds: float, seed: int, state: Path | None, as_json: bool) -> int:
    """Run it; returns 0. Raises QuantdError when the trader fails."""
    directory = StateDirectory((state or Path(tempfile.mkdtemp(prefix="quantd-demo-"))).absolute())
    directory.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if is_alive(directory.control_socket):
        raise ConfigError(f"--state {directory.path}: a trader is running there: stop it, or name another directory")
    demo = Demo(directory, *write_config(directory, seed=seed))
    code = asyncio.run(_supervise(demo, seconds, as_json=as_json))
    summary = demo.summary(code)
    if as_json:
        print(json.dumps(summary))
        return EXIT_DONE
    from daemon.status.screen import print_summary

    print_summary(summary, log=str(demo.log))
    return EXIT_DONE


async def _supervise(demo: Demo, seconds: float, *, as_json: bool) -> int | None:
    """The children, and the screen in a thread beside them; the trader's exit code."""
    with (demo.state.path / "up.log").open("w", encoding="utf-8") as log:
        supervisor = Supervisor(demo.trader, demo.beside, open_log(log))
        supervising = asyncio.create_task(supervisor.run())
        try:
            await asyncio.to_thread(_show, demo, lambda: supervisor.running, seconds, as_json=as_json)
        finally:
            supervisor.stop()
            await supervising
    return supervisor.trader_exit


def write_config(directory: StateDirectory, *, seed: int) -> tuple[Path, int]:
    """The bundled files with this seed and a free port, and the model it trades, in the state directory: the trader's
    file, and the port. A market that was begun there goes on; only its seed is still the old one's.
    """
    path = directory.path / CONFIG.name
    port = _port(path)
    trader = _with(CONFIG, rf"^port = {PORT}", f"port = {port}") + _operator(directory.path)
    path.write_text(trader, encoding="utf-8")
    seeded = _with(GATEWAY, r"^seed = \d+", f"seed = {seed}")
    listening, found = re.subn(rf":{PORT}\"", f':{port}"', seeded, count=1)
    if not found:
        raise QuantdError(f"{GATEWAY.name}: no port {PORT} to set")
    (directory.path / GATEWAY.name).write_text(listening, encoding="utf-8")
    for name in MODEL:
        shutil.copyfile(ROOT / "examples" / "models" / name, directory.path / name)
    return path, port


def _operator(state: Path) -> str:
    """The table of the person at this machine; the key lies in the state directory, where `quantd resume` finds it."""
    name = re.sub(r"\W", "_", getpass.getuser(), flags=re.ASCII)[:24]
    path = state / FOLDER / f"{name}{SUFFIX}"
    if not path.exists():
        write_key(new_key(), path)
    return f'\n[authority.operators.{name}]\npublic_key = "{public_text(read_key(path))}"\n'


def _with(file: Path, pattern: str, line: str) -> str:
    text, found = re.subn(pattern, line, file.read_text(encoding="utf-8"), count=1, flags=re.M)
    if not found:
        raise QuantdError(f"{file.name}: no line {pattern} to set")
    return text


def _port(config: Path) -> int:
    """A port of the loopback that nobody has now: the one of the run before (another one would be another config, which
    an operator has to arm), else any.
    """
    before = re.search(r"^port = (\d+)", config.read_text(encoding="utf-8"), re.M) if config.exists() else None
    for wanted in (int(before[1]) if before else 0, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            port: int = probe.getsockname()[1]
            return port
    raise QuantdError("no free port on the loopback: end what holds them")


def _await_ready(demo: Demo, running: Callable[[], bool]) -> None:
    """Until the trader answers and is past its start."""
    deadline_s = time.monotonic() + START_SECONDS_MAX
    while running():
        picture = demo.picture()
        if picture is not None and picture.state != "starting":
            return
        if time.monotonic() > deadline_s:
            raise QuantdError(f"the trader was not ready within {START_SECONDS_MAX:g} s; see {demo.log}")
        time.sleep(POLL_SECONDS / 5)


def _show(demo: Demo, running: Callable[[], bool], seconds: float, *, as_json: bool) -> None:
    """The screen, or lines where there is no terminal, until the time is over or the trader has ended."""
    _await_ready(demo, running)
    end_s = time.monotonic() + seconds if seconds else float("inf")

    def goes_on() -> bool:
        return running() and time.monotonic() < end_s

    if as_json:
        while goes_on():
            time.sleep(min(POLL_SECONDS, max(0.0, end_s - time.monotonic())))
    elif sys.stdout.isatty():
        from daemon.status.screen import run_screen

        title = "quantd demo: a made-up market, a paper gateway on TCP; Ctrl-C ends it"
        run_screen(demo.picture, lambda: news_beside(demo.state.path), goes_on, title=title)
    else:
        _print_lines(demo, goes_on)


def _print_lines(demo: Demo, goes_on: Callable[[], bool]) -> None:
    next_s = 0.0
    while goes_on():
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + PLAIN_SECONDS
            now = demo.picture()
            if now is not None:
                n = now.counters
                told = f"{now.state} events {n.events} orders {n.children} fills {n.fills} equity {now.equity}"
                print(f"{told}; {news_beside(demo.state.path).line}", flush=True)
        time.sleep(POLL_SECONDS)
