"""The dry run that keeps the order path warm: it works, it stays small, and nothing of it reaches the trader."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from core import records as r
from daemon.bench.orders import MARKET, Seesaw
from daemon.bench.world import config_of, opened, tables_of
from daemon.config import Config
from daemon.journal import JournalReader
from daemon.log import open_log
from daemon.reference.tables import ReferenceTables
from daemon.warm import BEAT_S, KeepWarm, doze, keep_warm

pytestmark = pytest.mark.usefixtures("tables_built_once")


def _made(folder: Path, text: str = MARKET) -> tuple[Config, ReferenceTables]:
    config = config_of(text, folder)
    return config, tables_of(config)


@pytest.mark.slow
def test_every_other_beat_sends_an_order_to_nobody(tmp_path: Path) -> None:
    """Decision, schedule, gate and frame each time, and no state that grows with the beats."""
    made = _made(tmp_path)
    files = list(tmp_path.rglob("*"))
    warm = KeepWarm(*made)
    assert warm.fault == ""
    assert warm.orders == 1
    for _ in range(3000):
        warm.beat()
    runner = warm.runner
    assert warm.orders == runner.tally.children == 1501
    assert runner.tally.refusals == {}
    assert runner.machine.exchange is None
    money, engine = runner.money, runner.engine
    assert len(money.orders) + len(money.parents) <= 2 * 1100
    assert len(money.tats) <= 3
    assert len(money.duplicates.state()) <= 1
    assert len(engine.timers.state().wakes) <= 1
    assert not engine.retry
    assert list(tmp_path.rglob("*")) == files


@pytest.mark.slow
def test_a_journal_is_the_same_with_and_without_beats(tmp_path: Path) -> None:
    """A shadow that beats before every order leaves no trace in what the trader records."""
    config, tables = _made(tmp_path)
    frames = []
    for name, beats in (("without", 0), ("with", 3)):
        with opened(config, tables, tmp_path / name) as world:
            seesaw, warm = Seesaw(world), KeepWarm(config, tables)
            for _ in range(30):
                for _ in range(beats):
                    warm.beat()
                seesaw.order_ns()
            records = [record for frame in JournalReader(world.directory).frames() for record in frame]
            frames.append([(record.kind, record.seq, record.ts_ns, bytes(record.payload)) for record in records])
    assert frames[0] == frames[1]
    assert sum(kind == r.COMMAND for kind, *_ in frames[0]) > 90


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("[limits.account]", "ORDER_NOTIONAL"),
        ('kind = "meanrev"', "no strategy is enabled"),
    ],
)
def test_a_shadow_that_cannot_send_says_why(tmp_path: Path, change: str, reason: str) -> None:
    """Limits below one round lot, or no strategy: the trader goes on without it."""
    more = "order_notional_max = 10\n" if "limits" in change else "\nenabled = false"
    config, tables = _made(tmp_path, MARKET.replace(change, f"{change}\n{more}"))
    assert reason in KeepWarm(config, tables).fault
    asked = msgspec.structs.replace(config, engine=msgspec.structs.replace(config.engine, keep_warm=True))
    assert keep_warm(asked, tables, open_log()) is None


@pytest.mark.slow
def test_it_is_off_unless_asked_for_and_beats_only_with_time_to_spare(tmp_path: Path) -> None:
    """The default builds nothing; what is due within a beat's time is waited for without one."""
    config, tables = _made(tmp_path)
    assert keep_warm(config, tables, open_log()) is None
    asked = msgspec.structs.replace(config, engine=msgspec.structs.replace(config.engine, keep_warm=True))
    warm = keep_warm(asked, tables, open_log())
    assert warm is not None
    seq = warm.runner.engine.seq
    asyncio.run(doze(BEAT_S, warm))
    assert warm.runner.engine.seq == seq
    asyncio.run(doze(2 * BEAT_S, warm))
    assert warm.runner.engine.seq > seq
