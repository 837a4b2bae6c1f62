"""The real gateway as a process of its own. Knows no assertion."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from daemon.control.client import connected
from tests.fakes import forked
from tests.fakes.built_tables import keep_all, lend_all
from tests.fakes.process import DEADLINE_S

CONFIG = """
state_dir = "state"

[gateway]
listen = ["127.0.0.1:0"]
{gateway}

[feed]
kind = "synthetic"
speed = "{speed}"

[feed.synthetic]
seed = {seed}
start_date = 2026-01-05
days = 2

[[instruments]]
symbol = "BAC"
con_id = 10098
primary_exchange = "NYSE"
tick = 0.01
round_lot = 100

[[instruments]]
symbol = "IBM"
con_id = 8314
primary_exchange = "NYSE"
tick = 0.01
round_lot = 100
"""


def write_config(folder: Path, *, gateway: str = "", speed: str = "1x", seed: int = 7) -> Path:
    """A gateway's file on a free port, its state beside it."""
    path = folder / "gateway.toml"
    path.write_text(CONFIG.format(gateway=gateway, speed=speed, seed=seed))
    return path


class GatewayProcess:
    """`python -m daemon.gateway`. Use as a context: whatever is left is killed."""

    def __init__(self, config: Path, *, environment: dict[str, str] | None = None) -> None:
        self._folder = config.parent
        self._state = config.parent / "state"
        lend_all(self._state)
        with (self._folder / "gateway.err").open("ab") as errors:
            self.process = forked.start(
                *("daemon.gateway", "--config", str(config), "--json"),
                environment=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.port = 0
        self.socket = Path()

    def __enter__(self) -> "GatewayProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        keep_all(self._state)

    def ready(self) -> "GatewayProcess":
        """Wait until it serves. Raises RuntimeError with its words when it does not."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(DEADLINE_S)
            raise RuntimeError(f"exit {self.process.returncode}: {self.errors()}")
        told = json.loads(line)
        self.port = int(told["addresses"][0].rpartition(":")[2])
        self.socket = Path(told["socket"])
        return self

    def errors(self) -> str:
        """What it said on stderr."""
        return (self._folder / "gateway.err").read_text()

    def command(self, command: str, /, **fields: Any) -> Any:
        """An operator's command; its result. Raises what the control client raises."""
        with connected(self.socket) as client:
            return msgspec.json.decode(bytes(client.request(command, **fields)))

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)
