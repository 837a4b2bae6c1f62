"""What monitors, relays and people say to a running trader beside halts and kills, by the command line over its real
socket: `trigger`, `ack`, `lease`, `reset-peak`.
"""

import time
from pathlib import Path

import pytest

from core import commands as c
from core import events as e
from core import records as r
from daemon import cli
from daemon.control.client import connected, is_alive
from daemon.recovery import verify_replay
from tests.fakes.operators import ANN, give_key
from tests.fakes.process import TraderProcess
from tests.fakes.trader import Rig


@pytest.mark.slow
def test_commands_beside_halt_and_kill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each does what it says or is refused with words; all of it is in the journal with who said it, and replays."""
    rig = Rig(tmp_path, events_per_second=5.0)
    rig.config_path.write_text(rig.config_path.read_text().replace('speed = "max"', 'speed = "200x"'))

    def quantd(*arguments: str) -> tuple[int, str]:
        code = cli.main([*arguments, "--state", str(tmp_path)])
        told = capsys.readouterr()
        return code, (told.out + told.err).strip()

    with TraderProcess(rig.config_path) as trader:
        while not is_alive(tmp_path / "control.sock"):
            assert trader.process.poll() is None
            time.sleep(0.02)  # it needs the processor to start
        drift = quantd("trigger", "model-drift", "--reason", "psi", "--value", "0.4", "--limit", "0.2")
        assert drift == (0, "account REDUCING by OUTSIDE_MODEL_DRIFT")
        desk = quantd("trigger", "desk", "--reason", "news", "--level", "hard", "--symbol", "AAA")
        assert desk == (0, "symbol AAA HALTED by OUTSIDE_DESK")
        for wrong, says in ((("1st",), "name: a letter"), (("desk", "--symbol", "ZZZ"), "unknown symbol 'ZZZ'")):
            code, text = quantd("trigger", *wrong, "--reason", "r")
            assert (code, says in text) == (4, True), text
        with connected(tmp_path / "control.sock") as client:
            latches = {(latch.level, latch.scope, latch.state, latch.code) for latch in client.status().latches}
        assert latches == {
            ("account", "", "REDUCING", "OUTSIDE_MODEL_DRIFT"), ("symbol", "AAA", "HALTED", "OUTSIDE_DESK"),
        }  # fmt: skip
        assert quantd("ack", "OUTSIDE_MODEL_DRIFT") == (0, "acknowledged: OUTSIDE_MODEL_DRIFT")
        assert quantd("ack", "OUTSIDE_MODEL_DRIFT")[0] == 4
        assert quantd("ack", "--all") == (0, "acknowledged: OUTSIDE_DESK")
        assert quantd("ack")[0] == 2
        code, text = quantd("lease", "--holder", "pod-0", "--valid", "5")
        assert (code, "no broker to be kept from" in text) == (4, True)
        code, text = quantd("reset-peak", "--reason", "the loss is accepted")
        assert (code, "--as NAME" in text) == (4, True)
        give_key(tmp_path)
        code, text = quantd("reset-peak", "--reason", "the loss is accepted", "--as", "ann")
        assert (code, "from the present equity on" in text) == (0, True)
        trader.process.terminate()
        trader.summary()
    inputs = [x for _, x in rig.records(r.INPUT)]
    fired = [x for x in inputs if type(x) is e.TriggerFired]
    assert [(x.name, x.value, x.limit, x.reason, x.authority) for x in fired] == [
        ("OUTSIDE_MODEL_DRIFT", "0.4", "0.2", "psi", "peer"), ("OUTSIDE_DESK", "", "", "news", "peer"),
    ]  # fmt: skip
    refused = [x.command for x in inputs if type(x) is e.CommandRefused]
    assert refused == ["trigger", "trigger", "reset-peak"]
    (reset,) = [x for x in inputs if type(x) is e.HighWaterReset]
    assert (reset.operator, reset.authority) == ("ann", f"signed:{ANN.key_id}")
    closed = [x.codes for _, x in rig.records(r.COMMAND) if type(x) is c.CloseAlerts]
    assert closed == [("OUTSIDE_MODEL_DRIFT",), ("OUTSIDE_DESK",)]
    assert verify_replay(rig.journal).difference == ""
