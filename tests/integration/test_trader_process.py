"""The trader as a process: what it has imported once it runs, and how it ends on a config that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import app, cli
from tests.fakes.process import DEADLINE_S, ROOT
from tests.fakes.trader import write_config

HEAVY = ("pandas", "pyarrow", "sqlalchemy", "exchange_calendars", "lightgbm", "prometheus_client", "typer", "rich",
         "onnx", "onnxruntime")  # fmt: skip
SHOW_MODULES = """
import runpy, sys
try:
    runpy.run_module("daemon.app", run_name="__main__")
finally:
    print("modules", *sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None}))
"""


def test_the_trader_never_imports_what_is_heavy(tmp_path: Path) -> None:
    """A whole run from the first stage to the last: none of them was loaded in the process where orders are made."""
    config = write_config(tmp_path, events_per_second=0.1)
    command = [sys.executable, "-c", SHOW_MODULES, "run", "--config", str(config), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=DEADLINE_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    modules = done.stdout.splitlines()[-1].split()
    assert modules[0] == "modules"
    assert {"numba", "msgspec", "daemon"} <= set(modules), "the test looks at the wrong process"
    assert not set(HEAVY) & set(modules)


WRONG = [
    ("unknown key", 'speed = "max"', 'sped = "max"', "feed", "sped"),
    ("wrong type", "segment_mib = 1", 'segment_mib = "one"', "journal.segment_mib", "whole number"),
    ("out of bounds", "snapshot_every = 1000000", "snapshot_every = 3", "journal.snapshot_every", "from 1,000"),
    ("unknown strategy", 'kind = "meanrev"', 'kind = "moonrev"', "strategies.reversion.kind", "meanrev"),
    ("unsupported type", 'symbol = "AAA"\ntick', 'symbol = "AAA"\nsec_type = "FUT"\ntick', "sec_type", "STK"),
    ("missing account", '[account]\nid = "DU0000001"\n', "[account]\n", "account", "id"),
    ("unknown symbol", 'symbols = ["AAA", "CCC"]', 'symbols = ["AAA", "ZZZ"]', "strategies.reversion.symbols", "ZZZ"),
    ("unknown param", "enter_z", "entry_z", "strategies.reversion.params", "entry_z"),
    ("not TOML", "[account]", "[account", "trader.toml", "line"),
]


@pytest.mark.parametrize(
    ("right", "wrong", "field", "remedy"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_config_is_one_line_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    right: str, wrong: str, field: str, remedy: str, command: str,
) -> None:  # fmt: skip
    """Exit 2 with field and remedy on one line of stderr, before anything is created."""
    config = write_config(tmp_path / "state")
    text = config.read_text()
    assert right in text
    config.write_text(text.replace(right, wrong, 1))
    monkeypatch.chdir(tmp_path)
    begun = app.main(["run", "--config", str(config)]) if command == "run" else cli.main(["check", "-c", str(config)])
    assert begun == 2
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert field in line
    assert remedy in line
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["trader.toml"]


def test_a_missing_tape_is_one_line_and_nothing_else(tmp_path: Path) -> None:
    """A recorded file that is not there, by the trader process itself."""
    config = write_config(tmp_path / "state")
    text = config.read_text().replace('kind = "synthetic"', 'kind = "replay"\nquotes = ["nowhere.parquet"]', 1)
    config.write_text(text)
    command = [sys.executable, "-m", "daemon.app", "run", "--config", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "nowhere.parquet" in line
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["trader.toml"]


@pytest.mark.parametrize("command", [["status"], ["halt", "--reason", "r"], ["resume", "--reason", "r"], ["why-not"]])
def test_without_a_trader_the_exit_is_three(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """One line; nothing is created."""
    assert cli.main([*command, "--state", str(tmp_path)]) == 3
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
