"""Alerts on their way: over a real MQTT broker, past a target that is gone, and by ops where no guard is running."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from core import commands as c
from core import records as r
from core.units import NANO
from daemon.alerts import delivery as delivering
from daemon.alerts.delivery import Delivery
from daemon.config.guarding import AlertSettings, AlertTarget
from daemon.journal import JournalWriter
from daemon.log import open_log
from daemon.ops import alerts as part
from daemon.ops.alerts import AlertsPart
from daemon.state_dir import StateDirectory
from daemon.status.alerts import delivers
from tests.fakes.live import config_of
from tests.fakes.metrics_view import a_view, full_seen
from tests.servers.mosquitto import MosquittoServer

DEADLINE_S = 60.0


def until(condition: Callable[[], Any]) -> None:
    """Wait for it."""
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.005)


@pytest.fixture
def heard(mosquitto_server: MosquittoServer) -> Iterator[list[bytes]]:
    """What arrives under alerts/#."""
    found: list[bytes] = []
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda *arguments: found.append(arguments[-1].payload)
    client.on_subscribe = lambda *arguments: ready.set()
    client.connect("127.0.0.1", mosquitto_server.port)
    client.subscribe("alerts/#", qos=1)
    client.loop_start()
    assert ready.wait(DEADLINE_S)
    yield found
    client.disconnect()
    client.loop_stop()


def program(out: Path, name: str, **fields: Any) -> AlertTarget:
    """A target that writes each alert as a line."""
    return AlertTarget(name=name, command=("sh", "-c", f"cat >> {out}"), **fields)


def lines(out: Path) -> list[tuple[str, bool]]:
    """(code, over) of what came there."""
    text = out.read_text().splitlines() if out.exists() else []
    return [(found["code"], found["over"]) for found in map(json.loads, text)]


@pytest.mark.slow
def test_over_mqtt_and_past_a_target_that_is_gone(
    tmp_path: Path, mosquitto_server: MosquittoServer, heard: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apprise publishes it with title, text and section of the runbook; who cannot be reached is told of by the others,
    and over when it can. Nothing is lost for it, and its URL is in no word of ours.
    """
    monkeypatch.setattr(delivering, "UNREACHED_S", 0.2)
    good = f"mqtt://127.0.0.1:{mosquitto_server.port}/alerts/quantd?qos=1"
    monkeypatch.setenv("QUANTD_TEST_URLS", good)
    out = tmp_path / "out"
    lame = tmp_path / "lame"
    settings = AlertSettings(
        to=(
            AlertTarget(name="mqtt", urls_variable="QUANTD_TEST_URLS"),
            program(out, "desk"),
            AlertTarget(name="lame", command=("sh", "-c", f"cat > /dev/null; test -e {lame}")),
        )
    )
    state = StateDirectory(tmp_path)
    told = Delivery(state, settings, open_log(), by="guard")
    told.start()
    try:
        told.tell("GUARD_FIRED", "critical", "the lease ran out")
        until(lambda: heard)
        assert b"GUARD_FIRED" in heard[0]
        assert b"the lease ran out" in heard[0]
        assert heard[0].endswith(b"deploy/RUNBOOK.md#guard_fired")
        until(lambda: ("ALERT_UNDELIVERED", False) in lines(out))
        picture = told.picture()
        assert {one.name: bool(one.undelivered) for one in picture.targets} == {
            "mqtt": False,
            "desk": False,
            "lame": True,
        }
        assert str(mosquitto_server.port) not in "".join(one.error + one.name for one in picture.targets)
        lame.touch()
        until(lambda: ("ALERT_UNDELIVERED", True) in lines(out))
        assert told.picture().targets[2].undelivered == 0
    finally:
        told.close()


@pytest.mark.slow
async def test_ops_delivers_while_there_is_no_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes over a while after the guard is gone, knows what that one knew, says that it is gone; steps back."""
    monkeypatch.setattr(part, "TAKE_OVER_S", 0.0)
    monkeypatch.setattr(part, "LOOK_S", 0.01)
    monkeypatch.setattr("daemon.alerts.facts.GUARD_DOWN_S", 0.0)
    out = tmp_path / "out"
    config = config_of(tmp_path)
    assert config.guarded
    config = msgspec.structs.replace(config, alerts=AlertSettings(to=(program(out, "desk"),)))
    state = StateDirectory(tmp_path)
    state.lock()  # a trader runs
    journal = JournalWriter(state.journal, now_ns=NANO, segment_bytes=64 * 1024, reserve_bytes=0, background=False)
    guard = Delivery(state, config.alerts, open_log(), by="guard")
    guard.start()
    guard.tell("GUARD_UNREACHABLE", "critical", "nothing listens")
    until(lambda: ("GUARD_UNREACHABLE", False) in lines(out))
    guard.close()
    view = a_view(config, full_seen(guard_runs=False))
    running = asyncio.create_task(AlertsPart(config, open_log()).run(view))
    await asyncio.to_thread(until, lambda: ("GUARD_DOWN", False) in lines(out))
    journal.add(r.COMMAND, 1, 7, 0, r.encode(c.RaiseAlert(code="KILL", severity="critical", text="t")))
    journal.commit()
    await asyncio.to_thread(until, lambda: ("KILL", False) in lines(out))
    assert lines(out).count(("GUARD_UNREACHABLE", False)) == 1
    view._seen = full_seen(guard_runs=True)
    await asyncio.to_thread(until, lambda: not delivers(tmp_path))
    view._seen = full_seen(guard_runs=False)
    await asyncio.to_thread(until, lambda: delivers(tmp_path))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not delivers(tmp_path)
    journal.close()
    state.unlock()
