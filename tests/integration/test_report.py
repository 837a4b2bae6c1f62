"""The report's account of a run, from the follower's own database, against the trader's books."""

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.units import NANO, parse_nanos
from daemon.follower.address import read_address
from daemon.follower.sql_follower import SqlFollower
from daemon.follower.upgrade import upgrade
from daemon.summary import summarise
from research.traded import read_account
from tests.fakes.trader import Rig, install

START_NANOS = 1_000_000 * NANO


@pytest.mark.slow
def test_gross_less_costs_is_the_change_of_equity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fees are those of the trader's books to the nano; where it ends flat, round trips add up to what was realised."""
    install(monkeypatch)
    rig = Rig(tmp_path / "trader", events_per_second=0.5)
    summary = summarise(rig.run())
    database = tmp_path / "record.db"
    address = read_address(f"sqlite:///{database}")
    upgrade(address)
    with closing(SqlFollower(rig.journal, address, record_ticks=False)) as follower:
        while follower.run_once(20_000):
            pass
    account = read_account(database, start_nanos=START_NANOS)
    assert len(account.fills) == summary["fills"] > 20
    assert account.fees_nanos == parse_nanos(summary["fees"], field="fees")
    assert account.gross_nanos - account.shortfall_nanos - account.fees_nanos == account.net_nanos
    assert account.shortfall_nanos != 0
    marked = account.equity[-1][1]
    assert abs(Decimal(marked) / NANO - Decimal(summary["equity"])) < 1_000  # the last mark, not the end
    trips = account.round_trips()
    assert trips
    assert all(trip.begin_ns <= trip.end_ns for trip in trips)
    open_symbols = {position["symbol"] for position in summary["positions"] if Decimal(position["qty"])}
    if not open_symbols:
        realised = parse_nanos(summary["realised"], field="realised") - account.fees_nanos
        assert abs(sum(trip.net_nanos for trip in trips) - realised) < NANO


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    """Missing, or not a database of ours: one line that names it."""
    with pytest.raises(ConfigError, match="no such file"):
        read_account(tmp_path / "none.db", start_nanos=0)
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database at all, but long enough to look like one" * 20)
    with pytest.raises(ConfigError, match=r"other\.db"):
        read_account(other, start_nanos=0)
