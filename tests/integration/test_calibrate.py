"""From fills on a venue whose impact is known to parameters that the trader's estimates use: nothing in between is made
up. The drill `impact_fit` asks how often the intervals hold.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from daemon import cli
from daemon.config import Config, parse_config
from execution.settings import ExecutionConfig, resolve
from tests.fakes import impact_history as history
from tests.unit.test_config import GOOD


@pytest.mark.slow
def test_the_venue_s_impact_comes_back_from_the_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """32 schedules, journalled by the trader: the command's intervals hold the venue's parameters and are narrow enough
    to refuse half and twice of the temporary one; the file it writes is the config's, and the estimates'.
    """
    wanted = history.made(tmp_path, seed=0, instruments=4)
    file = tmp_path / "impact.toml"
    capsys.readouterr()
    assert cli.main(["costs", "calibrate", "--state", str(tmp_path), "--write", str(file), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["left_out"], told["fit"]["trades"]) == ({}, wanted)
    for name, truth in (("gamma", history.GAMMA), ("eta", history.ETA), ("beta", history.BETA)):
        assert told["fit"][name]["low"] <= truth <= told["fit"][name]["high"], name
    assert told["fit"]["eta"]["low"] > history.ETA / 2
    assert told["fit"]["eta"]["high"] < history.ETA * 2
    fitted = configured(file).costs.fitted
    assert (fitted.schedules, fitted.until) == (wanted, told["last"])
    assert fitted.eta == told["fit"]["eta"]["value"]
    models = resolve(ExecutionConfig(), field="x", fitted=fitted, days_max=30).models
    assert models.on(fitted.until).name == f"almgren, fitted to {wanted} own schedules"
    assert models.on(fitted.until).temporary(size=0.1, volatility=0.02, rate=1.0) == fitted.eta * 0.02


def configured(file: Path) -> Config:
    return parse_config(f'{GOOD}\n[costs]\nfile = "{file}"\n', file="x", folder=file.parent)
