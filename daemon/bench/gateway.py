"""The paper gateway as a process on loopback: ticks a second to one client, and a hundred lines to each of eight.

The clients are sockets of this process that read and keep; what came is counted afterwards. `behind_ms` is how far the
gateway lagged its own clock at the worst look; `core` is the share of one processor that it used.
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from broker.gateway.wire import FrameReader, frame_of, framed
from core.errors import QuantdError
from daemon.bench.samples import Line, judged
from daemon.commands import gateway_command
from daemon.control.client import connected

LINES: Final = 100
TICKS: Final = (b"1", b"2", b"45", b"46")  # tickPrice, tickSize, tickGeneric, tickString
SECONDS: Final = 5.0
WARM_S: Final = 1.0
LOOK_S: Final = 0.5
START_S: Final = 60.0
FILE: Final = """
state_dir = "."
[gateway]
listen = ["127.0.0.1:0"]
[gateway.limits]
messages_per_s_max = 1_000
[feed]
kind = "synthetic"
speed = "{speed}x"
[feed.synthetic]
start_date = 2026-01-05
"""
# A security changes five times a second: more would only be conflated, and cost the feed's process.
INSTRUMENT: Final = """
[[instruments]]
symbol = "S{number}"
tick = 0.01
round_lot = 100
[[feed.synthetic.instruments]]
symbol = "S{number}"
events_per_second = 5
"""


def stream(*, seconds: float = SECONDS) -> Iterator[Line]:
    """The lines `gateway.one` and `gateway.eight`. The first market is so fast that its ticks are more than 50,000."""
    yield judged(measured("gateway.one", clients=1, speed=60, seconds=seconds), per_s=50_000)
    yield judged(measured("gateway.eight", clients=8, speed=1, seconds=seconds), behind_ms=50)


def measured(name: str, *, clients: int, speed: int, seconds: float, lines: int = LINES) -> Line:
    """One market of so many instruments, a line for each of them to every client."""
    with TemporaryDirectory() as folder, _gateway(Path(folder), speed, lines) as (process, card):
        host, _, port = card["addresses"][0].rpartition(":")
        readers = [_Reader((host, int(port)), client_id, lines) for client_id in range(1, clients + 1)]
        _read(readers, WARM_S)
        for reader in readers:
            reader.ticks()
        used, behind, began = _processor_s(process.pid), 0.0, time.perf_counter()
        with connected(Path(card["socket"])) as control:
            while time.perf_counter() - began < seconds:
                _read(readers, LOOK_S)
                status = msgspec.json.decode(bytes(control.request("status")))
                behind = max(behind, status["behind_ns"] / 1e6 / speed)
        lasted = time.perf_counter() - began
        share = (_processor_s(process.pid) - used) / lasted
        ticks = [reader.ticks() for reader in readers]
        for reader in readers:
            reader.socket.close()
    return {
        "name": name, "clients": clients, "lines": lines, "speed": speed, "per_s": sum(ticks) / lasted,
        "least_per_client_per_s": min(ticks) / lasted, "behind_ms": behind, "core": share,
    }  # fmt: skip


@contextmanager
def _gateway(folder: Path, speed: int, lines: int) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, Any]]]:
    """A gateway process, ready."""
    file = folder / "gateway.toml"
    file.write_text(FILE.format(speed=speed) + "".join(INSTRUMENT.format(number=n) for n in range(lines)))
    process = subprocess.Popen(
        gateway_command(file, as_json=True), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process, _card(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_S)
        if process.stdout is not None:
            process.stdout.close()


def _card(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout is not None, "stdout is a pipe"
    waiting = selectors.DefaultSelector()
    waiting.register(process.stdout, selectors.EVENT_READ)
    line = process.stdout.readline() if waiting.select(START_S) else b""
    waiting.close()
    if not line:
        raise QuantdError("bench gateway: the gateway did not start; run `quantd gateway` to see why")
    card: dict[str, Any] = json.loads(line)
    return card


class _Reader:
    """One client with a line for every instrument."""

    def __init__(self, address: tuple[str, int], client_id: int, lines: int) -> None:
        self.socket = socket.create_connection(address, START_S)
        self.received: list[bytes] = []
        self._frames = FrameReader()
        self.socket.sendall(b"API\0" + framed(b"v157..178"))
        self.socket.recv(1 << 16)
        self.socket.sendall(frame_of(71, 2, client_id, ""))
        for number in range(lines):
            contract = (0, f"S{number}", "STK", "", 0, "", "", "SMART", "", "USD", "", "")
            self.socket.sendall(frame_of(1, 11, number, *contract, 0, "233", 0, 0, ""))
        self.socket.setblocking(False)

    def ticks(self) -> int:
        """How many have come since the last call."""
        payloads = self._frames.feed(b"".join(self.received))
        self.received.clear()
        return sum(payload.split(b"\0", 1)[0] in TICKS for payload in payloads)


def _read(readers: list[_Reader], seconds: float) -> None:
    """Keep whatever comes, for so long."""
    until = time.perf_counter() + seconds
    with selectors.DefaultSelector() as waiting:
        for reader in readers:
            waiting.register(reader.socket, selectors.EVENT_READ, reader)
        while (left := until - time.perf_counter()) > 0:
            for key, _ in waiting.select(left):
                received = key.data.socket.recv(1 << 18)
                if not received:
                    raise QuantdError("bench gateway: a client was cut off")
                key.data.received.append(received)


def _processor_s(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
