"""The drill `mqtt_kill`: how long a kill takes from a publish at an MQTT broker to the record in the trader's journal,
alone and while the broker is flooded with garbage, and by the control socket beside it. Real Mosquitto, real ops
process, real trader on a synthetic market at real time. A part is one round of all three.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import aiomqtt

from core import events as e
from core import records as r
from daemon.commands import ops_command, trader_command
from daemon.journal import JournalReader
from daemon.ops.mqtt.connect import AT_ONCE
from tests.fakes.built_tables import lend_tables
from tests.fakes.mqtt import BASE, ops_table, payload
from tests.fakes.process import ROOT
from tests.fakes.trader import write_config
from tests.servers.mosquitto import MosquittoServer, provision

KILLS: Final = 60
WARM: Final = 5
EVERY_S: Final = 0.1
FLOOD_PER_S: Final = 1_000
LIMIT_MS: Final = {"mqtt": 50.0, "mqtt flooded": 50.0, "socket": 10.0}
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(ROOT)}
START_S: Final = 300.0
WAIT_S: Final = 60.0


def run_part(number: int) -> dict[str, Any]:
    """One round."""
    with tempfile.TemporaryDirectory(prefix="quantd-mqtt-kill-") as name, ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(MosquittoServer(provision(), folder / "broker"))
        config = write_config(folder / "state", more=ops_table(server.port), events_per_second=5, seed=number + 1)
        config.write_text(config.read_text().replace('speed = "max"', 'speed = "1x"'))
        lend_tables(config)
        for command in (trader_command(config, as_json=True), ops_command(config, parent=os.getpid())):
            with (folder / "log").open("ab") as log:  # a pipe that nobody reads would hold them up
                process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
        found = asyncio.run(_measure(server.port, folder / "state"))
    failures = [
        f"part {number}: {way}: p99 {times['p99_ms']} ms is above {LIMIT_MS[way]:g} ms"
        for way, times in found.items()
        if times["p99_ms"] > LIMIT_MS[way]
    ]
    counts = {f"kills by {way}": int(times["kills"]) for way, times in found.items()}
    return {"counts": counts, "failures": failures, "times": found}


class Watch:
    """When each kill's record is found in the journal, by its reason; looked for all the time."""

    def __init__(self, journal: Path) -> None:
        self._reader = JournalReader(journal)
        self._found: dict[str, int] = {}
        self.look()

    def look(self) -> None:
        """Everything new."""
        for record in self._reader.records(frozenset({r.INPUT})):
            message = r.decode(record.kind, record.payload)
            if isinstance(message, e.OperatorKilled):
                self._found[message.reason] = time.perf_counter_ns()

    async def wait(self, reason: str) -> int:
        """The moment it was there."""
        async with asyncio.timeout(WAIT_S):
            while reason not in self._found:
                self.look()
                await asyncio.sleep(0.0005)
        return self._found[reason]


async def _measure(port: int, state: Path) -> dict[str, dict[str, float]]:
    async with aiomqtt.Client("127.0.0.1", port, socket_options=AT_ONCE) as client:
        await client.subscribe(f"{BASE}/state")
        async with asyncio.timeout(START_S):
            async for message in client.messages:
                if isinstance(message.payload, bytes) and json.loads(message.payload).get("state") == "ready":
                    break
        await client.unsubscribe(f"{BASE}/state")
        watch = Watch(state / "journal")

        async def publish(reason: str) -> None:
            await client.publish(f"{BASE}/command", payload("kill", reason=reason), qos=1)

        reader, writer = await asyncio.open_unix_connection(state / "control.sock")

        async def tell(reason: str) -> None:
            writer.write(json.dumps({"id": 1, "command": "kill", "reason": reason}).encode() + b"\n")
            async with asyncio.timeout(WAIT_S):
                answer = await reader.readline()
            if b'"ok":true' not in answer:
                raise RuntimeError(f"kill by socket: {answer!r}")

        found = {"mqtt": await _kills("mqtt", publish, watch)}
        command = [sys.executable, "-m", "tests.drills.mqtt_kill", str(port)]
        flood = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=ENVIRONMENT)
        try:
            found["mqtt flooded"] = await _kills("flooded", publish, watch)
            assert flood.returncode is None, "the flood ended"
        finally:
            flood.kill()
            await flood.wait()
        found["socket"] = await _kills("socket", tell, watch)
        writer.close()
    return found


async def _kills(name: str, send: Any, watch: Watch) -> dict[str, float]:
    took_ms: list[float] = []
    for number in range(WARM + KILLS):
        await asyncio.sleep(EVERY_S)
        reason = f"{name} {number}"
        began_ns = time.perf_counter_ns()
        sending = asyncio.ensure_future(send(reason))
        ended_ns = await watch.wait(reason)
        await sending
        if number >= WARM:
            took_ms.append((ended_ns - began_ns) / 1e6)
    took_ms.sort()
    p50, p99 = (took_ms[int(part * len(took_ms))] for part in (0.5, 0.99))
    return {"kills": len(took_ms), "p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": round(took_ms[-1], 3)}


async def _flood(port: int) -> None:
    """Garbage at a steady rate: nonsense, forgeries with a signature over another account, big ones."""
    kinds = (b"\xff" * 40, payload("kill", reason="forged", account="DU0000009"), b"[" * 4_000)
    async with aiomqtt.Client("127.0.0.1", port, socket_options=AT_ONCE) as client:
        began_s, sent = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began_s) * FLOOD_PER_S)
            for number in range(sent, due):
                await client.publish(f"{BASE}/command", kinds[number % len(kinds)], qos=0)
            sent = max(sent, due)
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(_flood(int(sys.argv[1])))
