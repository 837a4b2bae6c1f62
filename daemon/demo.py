"""`quantd demo`: a state directory, a config, a trader of its own, the screen, and the summary at the end.

The trader is a child in its own process group, so that Ctrl-C reaches it as a clean stop only; it dies with us whatever
happens (PR_SET_PDEATHSIG). Its standard output holds its summary, its errors go to trader.log.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from core.errors import ConfigError, QuantdError
from daemon.commands import trader_command
from daemon.control.client import CommandFailed, ControlClient, NotReachable, is_alive
from daemon.state_dir import StateDirectory
from daemon.status.picture import Status

CONFIG: Final = Path(__file__).with_name("demo.toml")
START_SECONDS_MAX: Final = 180.0  # kernels may have to be compiled first
STOP_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.25
PLAIN_SECONDS: Final = 5.0  # between two lines where there is no terminal
LOG_LINES_SHOWN: Final = 12
PR_SET_PDEATHSIG: Final = 1


class Trader:
    """The child process and how to talk to it."""

    def __init__(self, state: StateDirectory, config: Path) -> None:
        self.state = state
        self.log = state.path / "trader.log"
        self.output = state.path / "summary.json"
        command = trader_command(config, as_json=True)
        with self.log.open("wb") as log, self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                process_group=0,
                preexec_fn=_die_with(os.getpid()),  # no thread of ours is running yet
            )
        self._client: ControlClient | None = None

    @property
    def running(self) -> bool:
        """Not ended yet."""
        return self.process.poll() is None

    def picture(self) -> Status | None:
        """None while it does not answer (starting, ending)."""
        try:
            if self._client is None:
                self._client = ControlClient(self.state.socket_in_use(), timeout_s=2.0)
            return self._client.status()
        except (NotReachable, CommandFailed):
            self._client = None
            return None

    def stop(self) -> None:
        """Ask it to end and wait; kill it when it does not."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise QuantdError(f"the trader did not end within {STOP_SECONDS_MAX:g} s; see {self.log}") from None

    def summary(self) -> dict[str, Any]:
        """The JSON object it printed last. Raises QuantdError with the end of its log when it failed."""
        code = self.process.returncode
        for line in reversed(self.output.read_text(encoding="utf-8", errors="replace").splitlines()):
            with contextlib.suppress(json.JSONDecodeError):
                found = json.loads(line)
                if isinstance(found, dict) and code == 0:
                    return found
        tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        for line in tail:
            print(line, file=sys.stderr)
        raise QuantdError(f"the trader ended with {code} and no summary; its log: {self.log}")


def run_demo(*, seconds: float, seed: int, state: Path | None, as_json: bool) -> int:
    """Run it; returns 0. Raises QuantdError when the trader fails."""
    directory = StateDirectory((state or Path(tempfile.mkdtemp(prefix="quantd-demo-"))).absolute())
    directory.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if is_alive(directory.control_socket):
        raise ConfigError(f"--state {directory.path}: a trader is running there: stop it, or name another directory")
    with _signals_interrupt():
        trader = Trader(directory, write_config(directory, seed=seed))
        try:
            with contextlib.suppress(KeyboardInterrupt):
                _await_ready(trader)
                _show(trader, seconds, as_json=as_json)
            trader.stop()
        finally:
            if trader.running:
                trader.process.kill()
                trader.process.wait()
    summary = trader.summary()
    if as_json:
        print(json.dumps(summary))
        return 0
    from daemon.status.screen import print_summary

    print_summary(summary, log=str(trader.log))
    return 0


def write_config(directory: StateDirectory, *, seed: int) -> Path:
    """The bundled config with this seed, in the state directory."""
    text, found = re.subn(r"^seed = \d+", f"seed = {seed}", CONFIG.read_text(encoding="utf-8"), count=1, flags=re.M)
    if not found:
        raise QuantdError(f"{CONFIG.name}: no line `seed = …` to set")
    path = directory.path / "demo.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _await_ready(trader: Trader) -> None:
    """Until it answers and is past its start."""
    deadline_s = time.monotonic() + START_SECONDS_MAX
    while trader.running:
        picture = trader.picture()
        if picture is not None and picture.state != "starting":
            return
        if time.monotonic() > deadline_s:
            raise QuantdError(f"the trader was not ready within {START_SECONDS_MAX:g} s; see {trader.log}")
        time.sleep(POLL_SECONDS / 5)


def _show(trader: Trader, seconds: float, *, as_json: bool) -> None:
    """The screen, or lines where there is no terminal, until the time is over or the trader has ended."""
    end_s = time.monotonic() + seconds if seconds else float("inf")

    def goes_on() -> bool:
        return trader.running and time.monotonic() < end_s

    if as_json:
        while goes_on():
            time.sleep(min(POLL_SECONDS, max(0.0, end_s - time.monotonic())))
    elif sys.stdout.isatty():
        from daemon.status.screen import run_screen

        run_screen(trader.picture, goes_on, title="quantd demo: a made-up market, a simulated broker; Ctrl-C ends it")
    else:
        _print_lines(trader.picture, goes_on)


def _print_lines(picture: Callable[[], Status | None], goes_on: Callable[[], bool]) -> None:
    next_s = 0.0
    while goes_on():
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + PLAIN_SECONDS
            now = picture()
            if now is not None:
                n = now.counters
                print(
                    f"{now.state} events {n.events} orders {n.children} fills {n.fills} equity {now.equity}", flush=True
                )
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo like Ctrl-C: cleanly, with its child."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _die_with(parent: int) -> Callable[[], None]:
    """Runs in the child: SIGTERM when the parent is gone, also if it went before this line."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask
