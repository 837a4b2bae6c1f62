"""Rows handed to the runner one by one leave what a batch of them leaves."""

from pathlib import Path

import msgspec
import pytest

from daemon.bench.tape import Tape
from daemon.bench.world import World, opened, tables_of
from daemon.command_digest import command_digest
from daemon.config import Config, load_config
from daemon.digests import ROOT
from daemon.journal import JournalReader
from daemon.machine import LIVE_ROWS_MAX
from daemon.recovery import verify_replay
from daemon.reference.tables import ReferenceTables

pytestmark = pytest.mark.usefixtures("tables_built_once")
ROWS = 60_000


def _config(folder: Path) -> Config:
    """The shipped made-up market, eager enough to trade within its first minutes."""
    config = load_config(ROOT / "examples" / "synthetic.toml", state_dir=folder)
    eager = {"enter_z": 1.2, "leave_z": 0.3, "warm_up_s": 30.0, "half_life_s": 60.0}
    strategy = config.strategies["reversion"]
    strategy = msgspec.structs.replace(strategy, params=strategy.params | eager)
    return msgspec.structs.replace(config, strategies={"reversion": strategy})


def _batches(config: Config, tables: ReferenceTables) -> list[object]:
    tape = Tape.__new__(Tape)
    tape.config, tape.tables = config, tables
    found, rows = [], 0
    for batch in tape.batches():
        found.append(batch)
        rows += len(batch)
        if rows >= ROWS:
            break
    return found


def _state(world: World) -> dict[str, bytes]:
    parts = world.machine.engine.dump()
    assert world.machine.exchange is not None
    return parts | {"exchange": world.machine.exchange.snapshot()}


@pytest.mark.slow
def test_rows_one_by_one_equal_a_batch(tmp_path: Path) -> None:
    """The same commands with the same seqs, the same state to the byte, and the live journal verifies."""
    config = _config(tmp_path)
    tables = tables_of(config)
    batches = _batches(config, tables)
    with opened(config, tables, tmp_path / "batch") as batch, opened(config, tables, tmp_path / "live") as live:
        for world in (batch, live):
            world.begin(int(batches[0][0]["ts_ns"]))  # type: ignore[index]
        for rows in batches:
            batch.runner.run_batch(rows, 0, len(rows))  # type: ignore[arg-type]
            for row in rows.tolist():  # type: ignore[attr-defined]
                live.runner.on_quote(*row)
        live.runner.flush()
        assert batch.runner.tally.children > 10, "too few orders to prove anything"
        assert live.runner.engine.seq == batch.runner.engine.seq
        assert live.runner.now_ns == batch.runner.now_ns
        assert _state(live) == _state(batch)
        assert command_digest(live.directory) == command_digest(batch.directory)
        blocks = [r.count for frame in JournalReader(live.directory).frames() for r in frame if r.count > 1]
    assert max(blocks) == LIVE_ROWS_MAX
    report = verify_replay(tmp_path / "live" / "journal")
    assert report.ok, report.difference


@pytest.mark.slow
def test_a_row_of_the_past_counts_as_received_now(tmp_path: Path) -> None:
    """Receipt times that go backwards never take the engine back, and seqs ascend without a gap."""
    config = _config(tmp_path)
    tables = tables_of(config)
    with opened(config, tables, tmp_path / "live") as world:
        open_ns = tables.sessions[0].table.sessions[0].open_ns
        world.begin(open_ns)
        world.runner.advance_to(open_ns + 4_000)  # what the session's open makes due
        first = world.runner.engine.seq
        for ts_ns in (open_ns + 5_000, open_ns + 1_000, open_ns + 6_000):
            world.runner.on_quote(ts_ns, ts_ns, 0, 1, 0, 25 * 10**9, 25 * 10**9 + 10**7, 10**11, 10**11)
        world.runner.flush()
        times = [
            [int(ts_ns) for ts_ns in record.rows()["ts_ns"]]
            for frame in JournalReader(world.directory).frames()
            for record in frame
            if record.seq > first and record.count
        ]
    assert times == [[open_ns + 5_000, open_ns + 5_000, open_ns + 6_000]]
    assert world.runner.engine.seq == first + 3
