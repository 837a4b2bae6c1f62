"""The record against the journal, row by row, in SQLite and in a real TimescaleDB; and what may happen on the way."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.follower.address import Address
from daemon.follower.connect import connect
from daemon.follower.sql_follower import SqlFollower
from tests.fakes import record
from tests.fakes.trader import Rig

pytestmark = pytest.mark.slow


@contextmanager
def following(journal: Path, address: Address, **options: Any) -> Iterator[SqlFollower]:
    """A follower that is closed at the end."""
    with closing(SqlFollower(journal, address, **({"record_ticks": True} | options))) as follower:
        yield follower


def follow_all(follower: SqlFollower, max_records: int = 20_000) -> int:
    """Until nothing is new; the records taken."""
    taken = 0
    while now := follower.run_once(max_records):
        taken += now
    return taken


def differences(address: Address, journal: Path, journal_id: int = 1, *, ticks: bool = True) -> list[str]:
    """SQL against journal."""
    with closing(connect(address, timeout_s=10.0)) as database:
        return record.differences(database, journal_id, journal, ticks=ticks)


def contents(address: Address, journal_id: int = 1) -> dict[str, list[record.Row]]:
    """All rows of a journal."""
    with closing(connect(address, timeout_s=10.0)) as database:
        return record.contents(database, journal_id)


def test_sql_is_the_journal_row_by_row(address: Address, journal_rig: Rig) -> None:
    """Every record, tick, bar, order, parent, position and segment, read back and compared with the journal itself."""
    with following(journal_rig.journal, address) as follower:
        taken = follow_all(follower)
    assert differences(address, journal_rig.journal) == []
    found = contents(address)
    assert taken == len(found["records"]) + len(found["ticks"])
    assert {"decisions", "refusals", "orders", "executions", "commissions", "equity", "runs", "run_ends"} <= {
        name for name, rows in found.items() if rows
    }
    assert len(found["segments"]) > 1


def test_how_the_journal_is_cut_into_batches_does_not_matter(address: Address, journal_rig: Rig) -> None:
    """A follower that starts anew after every few hundred records leaves the same rows as one that never stopped."""
    with following(journal_rig.journal, address) as whole:
        follow_all(whole)
    expected = contents(address)
    with closing(connect(address, timeout_s=10.0)) as database:
        database.execute("UPDATE journals SET tag = 'before'")
    while True:
        with following(journal_rig.journal, address) as follower:
            if sum(follower.run_once(size) for size in (397, 1, 911, 2_000)) == 0:
                break
    assert contents(address, 2) == expected
