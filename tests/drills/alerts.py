"""The drill `alerts`: from an event in a real trader to a person's program, delivered by a guard or by ops, each a
process of its own. A part raises alerts one after the other and notes, for each, how long its program took to begin.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from daemon.control.client import connected, is_alive
from tests.fakes.process import ROOT, TraderProcess
from tests.fakes.trader import Rig

EVENTS: Final = 20
WITHIN_S: Final = 5.0
DEADLINE_S: Final = 120.0
# The program writes when it began, by the same clock as the drill, and which alert it was given.
PROGRAM: Final = 'date +%s%N | tr "\\n" " " >> {out}; cat >> {out}'
ALERTS: Final = """
[alerts]
quiet_s = 0.0
[[alerts.to]]
name = "desk"
least = "info"
command = ["sh", "-c", '''{program}''']
[ops]
enabled = true
port = 0
"""


def run_part(number: int) -> dict[str, Any]:
    """Even parts by a guard, odd ones by ops."""
    by = "daemon.ops" if number % 2 else "daemon.killer"
    with tempfile.TemporaryDirectory(prefix="quantd-drill-") as folder:
        out = Path(folder) / "out"
        rig = Rig(Path(folder), events_per_second=5.0, more=ALERTS.format(program=PROGRAM.format(out=out)))
        rig.config_path.write_text(rig.config_path.read_text().replace('speed = "max"', 'speed = "1x"'))
        with TraderProcess(rig.config_path) as trader:
            _until(lambda: trader.process.poll() is not None or is_alive(Path(folder) / "control.sock"), "the trader")
            if trader.process.poll() is not None:
                trader.summary()  # raises, with its words
            command = [sys.executable, "-m", by, "--config", str(rig.config_path)]
            teller = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
            try:
                _until((Path(folder) / "delivery.json").exists, "whoever delivers")
                took_ms = [_one(Path(folder) / "control.sock", out, event) for event in range(EVENTS)]
            finally:
                teller.terminate()
                teller.wait(DEADLINE_S)
            trader.process.terminate()
            trader.summary()
    late = [f"event {at}: {ms:.0f} ms" for at, ms in enumerate(took_ms) if ms > WITHIN_S * 1e3]
    ordered = sorted(took_ms)
    return {
        "by": by, "events": EVENTS, "median_ms": round(median(ordered), 1), "worst_ms": round(ordered[-1], 1),
        "failures": late,
    }  # fmt: skip


def _one(socket: Path, out: Path, event: int) -> float:
    """Tighten a limit, which is told each time and needs nobody's proof."""
    value = 9_000 - event
    with connected(socket) as client:
        began_ns = time.time_ns()
        client.request(
            "limit-set", name="order_quantity_max", value=str(value), reason="drill", until="", strategy=None,
            symbol=None, instrument_class=None,
        )  # fmt: skip
    found: list[int] = []

    def told() -> bool:
        lines = out.read_text().splitlines() if out.exists() else []
        for line in lines:
            at, _, said = line.partition(" ")
            if said.endswith("}") and f"-> {value}" in json.loads(said)["text"].replace(",", ""):
                found.append(int(at))
                return True
        return False

    _until(told, f"event {event}")
    return (found[0] - began_ns) / 1e6


def _until(condition: Any, what: str) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end_s:
            raise RuntimeError(f"{what}: not within {DEADLINE_S:g} s")
        time.sleep(0.02)
