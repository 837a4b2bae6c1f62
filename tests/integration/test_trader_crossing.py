"""The real trader with two strategies whose books cross, from its config file to its reports."""

from pathlib import Path
from typing import Any

import pytest

from core import records as r
from core.book_commands import CrossBooks
from daemon import cli
from daemon.journal_fold import JournalFold
from tests.fakes.trader import Rig, install

MORE = """
[execution]
cross_internally = true

[strategies.slow]
kind = "meanrev"
symbols = ["AAA", "CCC"]

[strategies.slow.params]
half_life_s = 900
enter_z = 1.2
leave_z = 0.2
position_dollars = 30_000
cadence_s = 5.0
warm_up_s = 600

[strategies.slow.execution]
algo = "twap"
params = { duration_s = 300, slices = 3 }
chase_s = 30
"""

pytestmark = pytest.mark.slow


def test_a_day_with_crosses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """They cross; the books add up and come back from the journal; the reports tell."""
    install(monkeypatch)
    rig = Rig(tmp_path / "state", more=MORE, events_per_second=0.1)
    run = rig.run()
    crosses = [(seq, one) for seq, one in rig.records(r.COMMAND) if isinstance(one, CrossBooks)]
    assert len(crosses) > 1
    assert {frozenset((one.buyer, one.seller)) for _, one in crosses} == {frozenset(("reversion", "slow"))}
    assert run.runner is not None
    money = run.runner.engine.money
    run.runner.engine.assert_invariants()
    fold = JournalFold(rig.journal, from_start=True).money
    assert [fold.ledger.positions[key] for key in fold.ledger.positions] == list(money.ledger.positions.values())
    assert (fold.ledger.cash, fold.ledger.realised_nanos) == (money.ledger.cash, money.ledger.realised_nanos)
    seq = crosses[-1][0]
    assert cli.main(["why", f"cross-{seq}", "--state", str(rig.folder)]) == 0
    assert "crossed: " in capsys.readouterr().out
    assert cli.main(["tca", "--state", str(rig.folder), "--json"]) == 0
    assert '"crossed"' in capsys.readouterr().out
