"""An operator afar: the real trader, the real ops process, a real broker, and `quantd mqtt` on the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import events as e
from core import records as r
from daemon import cli
from daemon.authority.keys import SUFFIX, write_key
from daemon.journal import JournalReader
from tests.fakes.mqtt import DEADLINE_S, ops_table
from tests.fakes.operators import KEYS
from tests.fakes.process import ROOT, TraderProcess
from tests.fakes.trader import write_config
from tests.servers.mosquitto import MosquittoServer

pytestmark = pytest.mark.slow


def until(condition: Callable[[], Any]) -> Any:
    """Wait for it; what it found."""
    deadline = time.monotonic() + 4 * DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_an_operator_afar(
    tmp_path: Path,
    mosquitto_server: MosquittoServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status, halt, resume and kill with nothing but a key; what is not signed is audited; ops killed -9 is seen."""
    state = tmp_path / "state"
    table = ops_table(mosquitto_server.port, 'instance = "afar"')
    config = write_config(state, more=table, events_per_second=1.0)
    config.write_text(config.read_text().replace('speed = "max"', 'speed = "20x"'))
    write_key(KEYS["ann"], tmp_path / "home" / "quantd" / f"ann{SUFFIX}")
    place = f"mqtt://127.0.0.1:{mosquitto_server.port}/quantd/afar"
    for name, value in (
        ("XDG_CONFIG_HOME", str(tmp_path / "home")),
        ("QUANTD_STATE", str(tmp_path / "nothing")),
        ("QUANTD_MQTT", place),
        ("QUANTD_ACCOUNT", "DU0000001"),
    ):
        monkeypatch.setenv(name, value)

    def mqtt(*arguments: str) -> tuple[int, str]:
        code = cli.main(["mqtt", *arguments])
        out, err = capsys.readouterr()
        return code, (out + err).strip()

    def told() -> dict[str, Any]:
        code, text = mqtt("status", "--json")
        return json.loads(text) if code == 0 else {}

    def inputs() -> list[Any]:
        return [r.decode(x.kind, x.payload) for x in JournalReader(state / "journal").records(frozenset({r.INPUT}))]

    def refused() -> list[e.CommandRefused]:
        return [x for x in inputs() if isinstance(x, e.CommandRefused)]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        TraderProcess(config),
        (tmp_path / "ops.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "daemon.ops", "--config", str(config), "--parent", str(os.getpid())],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        ) as ops,
    ):  # fmt: skip
        try:
            until(lambda: told().get("state") == "ready")
            assert mqtt("send", "halt", "--reason", "from a train", "--as", "ann") == (0, "account HALTED")
            until(lambda: told()["ladder"] == "HALTED")
            code, text = mqtt("send", "resume", "--reason", "home again", "--as", "ann")
            assert (code, "resumed" in text) == (0, True), text
            assert mqtt("send", "resume", "--reason", "old", "--as", "ann", "--epoch", "99")[0] == 4
            assert mqtt("send", "halt", "--reason", "not mine", "--account", "DU0000002")[0] == 4
            code, text = mqtt("send", "kill", "--reason", "enough")
            assert (code, text.startswith("account killed")) == (0, True), text
            assert mqtt("send", "halt", "--reason", "who", "--as", "eve")[0] == 2
            assert mqtt("send", "order", "--field", "symbol=AAA")[0] != 0
            found = until(lambda: len(refused()) >= 2 and refused())
            assert {(x.command, x.operator, x.authority) for x in found} == {
                ("resume", "ann", "mqtt"),
                ("halt", "ann", "mqtt"),
            }
            events = [
                r.decode(x.kind, x.payload) for x in JournalReader(state / "journal").records(frozenset({r.INPUT}))
            ]
            given = [x for x in events if isinstance(x, e.OperatorHalted | e.OperatorResumed | e.OperatorKilled)]
            assert [type(x) for x in given] == [e.OperatorHalted, e.OperatorResumed, e.OperatorKilled]
            assert all(x.operator == "ann" and x.authority.endswith("@mqtt") for x in given)
            assert told()["bridge"] == "online"
            ops.send_signal(signal.SIGKILL)
            ops.wait()
            assert until(lambda: told().get("bridge") == "offline")
        finally:
            ops.kill()
