"""A paper gateway and a trader as processes of their own, with a relay between them, in a folder that goes with them.
Whatever is left at the end is killed; nothing outside the folder and the loopback is touched.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import QuantdError, Refused
from daemon.authority.keys import new_key, public_text
from daemon.authority.proof import Signer
from daemon.commands import gateway_command, trader_command
from daemon.control.client import CommandFailed, NotReachable, connected
from daemon.drill.relay import Relay
from daemon.status.picture import Status

START_S: Final = 120.0  # kernels may have to be compiled
LOOK_S: Final = 0.02
ANSWER_S: Final = 30.0  # for one command: a machine that others use starts processes beside it
SOURCES: Final = Path(__file__).resolve().parents[2]


class DrillFailed(QuantdError):
    """The drill could not be carried out; nothing is proven either way."""


class Pair:
    """Use as a context. `gateway_text` is the gateway's file, `trader_text` makes the trader's of two operators' keys;
    both have {port} and {state} in them."""

    def __init__(self, folder: Path, *, gateway_text: str, trader_text: Callable[..., str]) -> None:
        self.folder = folder
        self.state = folder / "trader"
        self.gateway_port = _free_port()
        self.relay = Relay(("127.0.0.1", self.gateway_port))
        self._gateway_file = folder / "gateway.toml"
        self.trader_file = folder / "trader.toml"
        self._gateway_file.write_text(gateway_text.format(port=self.gateway_port, state=folder / "gateway"))
        self.key = new_key()
        text = trader_text(key=public_text(self.key), other_key=public_text(new_key()))
        self.trader_file.write_text(text.format(port=self.relay.port, state=self.state))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Pair":
        self.relay.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.relay.__exit__()

    # ---- processes ---------------------------------------------------------------------------------------------
    def start_gateway(self) -> None:
        """Until it listens."""
        self._launch("gateway", gateway_command(self._gateway_file, as_json=True, parent=os.getpid()))
        self.wait(self._listens, "the gateway listens")

    def start_trader(self, *, ready: bool = True) -> None:
        """Until it answers, and its link is READY unless told otherwise."""
        self._launch("trader", trader_command(self.trader_file, as_json=True, parent=os.getpid()))
        self.wait(lambda: self.status() is not None, "the trader answers")
        if ready:
            self.wait(lambda: (told := self.status()) is not None and told.link == "READY", "the link is READY")

    def _launch(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=SOURCES, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM; the exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=START_S)

    def wait(self, condition: Callable[[], bool], what: str, *, seconds: float = START_S) -> None:
        """Until a condition holds. Raises DrillFailed with the end of the logs when it does not in time."""
        deadline_s = time.monotonic() + seconds
        while not condition():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise DrillFailed(f"drill: {name} ended with {process.returncode}: {self.last_words(name)}")
            if time.monotonic() > deadline_s:
                raise DrillFailed(f"drill: not within {seconds:g} s: {what}: {self.last_words('trader')}")
            time.sleep(LOOK_S)

    def last_words(self, name: str) -> str:
        """The end of a log, on one line."""
        path = self.folder / f"{name}.log"
        return " ".join(path.read_text(errors="replace").split())[-600:] if path.exists() else ""

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.gateway_port), timeout=1.0).close()
            return True
        return False

    # ---- words -------------------------------------------------------------------------------------------------
    def status(self) -> Status | None:
        """The trader's picture; None while nobody answers."""
        with (
            contextlib.suppress(NotReachable, CommandFailed, OSError, msgspec.DecodeError),
            connected(self.state / "control.sock", timeout_s=2.0) as client,
        ):
            return client.status()
        return None

    def command(self, name: str, /, **fields: Any) -> Any:
        """One command to the trader; raises what the control client raises."""
        with connected(self.state / "control.sock", timeout_s=ANSWER_S) as client:
            return msgspec.json.decode(bytes(client.request(name, **fields)))

    def resume(self, operator: str) -> str:
        """Ask the trader to trade again, signed by an operator or unsigned; what it says."""
        prover = Signer(operator, self.key) if operator else None
        try:
            with connected(self.state / "control.sock", timeout_s=ANSWER_S, prover=prover) as client:
                return str(msgspec.json.decode(bytes(client.request("resume", reason="drill"))))
        except Refused as fault:
            return f"refused: {fault}"

    def gateway_command(self, name: str, /, **fields: Any) -> Any:
        """One command to the gateway."""
        with connected(self.folder / "gateway" / "control.sock", timeout_s=ANSWER_S) as client:
            return msgspec.json.decode(bytes(client.request(name, **fields)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
