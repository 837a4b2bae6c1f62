"""An account that held something, at a broker over a socket: the doctor looks, the trader halts, an operator adopts and
resumes, it trades with a shadow beside it; afterwards the day is explained, against the shadow and against a replay.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core import events as e
from core.latches import ACCOUNT
from core.ledger import UNCLAIMED
from core.units import NANO
from daemon.config import load_config
from daemon.diff.compare import Comparison, compare
from daemon.diff.day import find_day
from daemon.diff.replay import replay_day
from daemon.probes.context import Look
from daemon.probes.finding import CONFIRM, FAIL, OK, Finding
from daemon.probes.registry import examine
from daemon.recovery import verify_replay
from daemon.trader import Trader
from tests.fakes import operators
from tests.fakes.pair import DEADLINE_S, TRADER, Pair, install, run
from tests.fakes.wall import wall_limits

pytestmark = pytest.mark.slow
HELD = "[venue]\npositions = [[0, 1_000_000_000_000, 24_500_000_000], [1, -50_000_000_000, 181_000_000_000]]\n"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed and tables without processes of their own."""
    install(monkeypatch)


async def examined(pair: Pair) -> list[Finding]:
    """All the doctor says; it blocks, so it looks from a thread."""
    look = Look(load_config(pair.folder / "trader.toml"), now_ns=0)
    try:
        return await asyncio.to_thread(lambda: list(examine(look)))
    finally:
        look.close()


def shadow_config(pair: Pair, folder: Path) -> Path:
    """The trader's own, with its orders to the simulated venue."""
    folder.mkdir()
    path = folder / "trader.toml"
    text = TRADER.format(wall=wall_limits(pair.settings["speed"]), **(pair.settings | {"mode": "shadow"}))
    path.write_text(text.replace('clock = "gateway"', 'clock = "gateway"\nclient_id = 21'))
    return path


async def beside(pair: Pair, folder: Path) -> tuple[Trader, asyncio.Task[None]]:
    """A shadow of the trader, on the same gateway."""
    path = shadow_config(pair, folder)
    shadow = Trader(load_config(path), path, quiet=True)
    task = asyncio.create_task(shadow.run())
    await pair.until(lambda: task.done() or shadow.phase == "ready")
    return shadow, task


def texts(findings: list[Finding], check: str) -> list[str]:
    """What one check said."""
    return [finding.text for finding in findings if finding.check == check]


def ask(pair: Pair, command: str, **fields: Any) -> Any:
    """One signed request to the trader's own control server."""
    answer = operators.ask(pair.trader.control, command, **fields)
    assert answer["ok"], answer
    return answer["result"]


def test_from_an_account_with_positions_to_an_explained_day(tmp_path: Path) -> None:
    """Nothing trades before the resume, nothing adopted is profit, the parts of the difference are its sum."""

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        pair.write_trader()
        findings = await examined(pair)
        assert {finding.status for finding in findings} == {OK, CONFIRM}, [f for f in findings if f.status == FAIL]
        assert texts(findings, "data") == ["AAA: live", "CCC: live"]
        assert "at 20x" in texts(findings, "clock")[0]
        await pair.start_trader()
        await pair.until(lambda: bool(pair.money.differences))
        engine = pair.trader.active_runner.engine
        await pair.until(lambda: all(engine.market.mark_nanos(inst) for inst in (0, 1)))
        running = texts(await examined(pair), "data")
        assert all("running trader" in text for text in running)
        shown = ask(pair, "adoption")
        assert [(row["symbol"], row["new"], row["average_cost"]) for row in shown["positions"]] == [
            ("AAA", "1000", "24.5"),
            ("CCC", "-50", "181"),
        ]
        given = [{"symbol": "AAA", "qty": "1000", "strategy": "reversion"}, {"symbol": "CCC", "qty": "-50"}]
        ask(pair, "adopt", positions=given, at="average", cash=shown["cash_difference"], reason="first start")
        assert pair.money.equity_nanos == pair.money.day_base_equity_nanos == pair.money.high_water_nanos
        synced = pair.money.last_sync_id
        await pair.until(lambda: pair.money.last_sync_id > synced)
        assert not pair.money.differences
        assert not pair.trader.active_runner.tally.fills
        resume = e.OperatorResumed(level=ACCOUNT, scope="", reason="adopted", operator="ann")
        assert pair.operations.operate(resume).ok
        shadow, task = await beside(pair, tmp_path / "shadow")
        runs = (pair.trader, shadow)
        await pair.until(lambda: task.done() or all(run.active_runner.tally.fills >= 8 for run in runs))
        shadow.request_stop("test")
        async with asyncio.timeout(DEADLINE_S):
            await task
        await pair.settle()
        assert pair.money.ledger.held_nanos(UNCLAIMED, 1) == -50 * NANO
        pair.money.ledger.assert_identity()
        await pair.stop_trader()
        await pair.stop_gateway()

    run(tmp_path, story, more_gateway=HELD)
    journal = tmp_path / "journal"
    report = verify_replay(journal)
    assert report.ok, report.difference
    explained(compare(journal, tmp_path / "shadow" / "journal", date=0))
    made = replay_day(find_day(journal, 0), tmp_path / "again")
    found = compare(journal, made.journal, date=0)
    explained(found)
    assert [len(day.carried) for day in (found.live, found.shadow)] == [2, 2]
    for row in found.rows:
        assert row.parts.data == 0, "the same rows"
        assert row.strategy != UNCLAIMED or row.parts.total == 0


def explained(found: Comparison) -> None:
    """Both sides traded, and the parts are the difference."""
    assert all(sum(bool(one.executions) for one in day.decisions) > 2 for day in (found.live, found.shadow))
    assert any(pair.live and pair.shadow for row in found.rows for pair in row.pairs)
    for row in found.rows:
        assert row.parts.total == row.live - row.shadow
