"""The books in SQL, in SQLite and in a real TimescaleDB: a life with a split, dividends, and lines of a statement."""

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core import book_commands as b
from core import events as e
from core.corporate import BookLine
from core.units import NANO
from daemon.follower.address import Address
from daemon.follower.connect import connect
from daemon.follower.database import Database
from daemon.follower.sql_follower import SqlFollower
from tests.fakes import record
from tests.fakes.live import LiveWorld
from tests.unit.test_corporate import give, holding, sync

pytestmark = pytest.mark.slow


def lived(folder: Path) -> LiveWorld:
    """A split that was carried out, a dividend due and one withdrawn, and four lines of a statement."""
    world = holding(folder)
    give(world)
    sync(world, 3, 200)
    exec_id = next(iter(world.runner.money.ledger.executions))
    lines = (
        BookLine(kind="commission", line_id="c", exec_id=exec_id, commission_nanos=2 * NANO, currency="USD"),
        BookLine(
            kind="fees", line_id="f", exec_id=exec_id, commission_nanos=2 * NANO, currency="USD",
            fees=(("commission", 3 * NANO // 2), ("sec31", NANO // 2)),
        ),
        BookLine(kind="cash", line_id="i", currency="USD", amount_nanos=-NANO, cash_kind="interest"),
        BookLine(
            kind="conversion", line_id="x", currency="USD", amount_nanos=11 * NANO, other_currency="EUR",
            other_nanos=10 * NANO,
        ),
    )  # fmt: skip
    world.tell(e.BooksCorrected(lines=lines, reason="statement", operator="ann"))
    terms: dict[str, Any] = {
        "kind": "dividend", "per_share_nanos": NANO // 4, "currency": "USD", "withheld_ppm": 150_000,
        "ex_date": 20261006, "pay_date": 20261009,
    }  # fmt: skip
    give(world, action_id="d1", **terms)
    give(world, action_id="d2", **terms)
    world.runner.step(e.DayRolled(date=20261006), world.clock.ts_ns)
    give(world, action_id="d2", kind="withdraw")
    world.runner.flush()
    return world


def amount(database: Database, value: Any) -> int:
    """Nanos of either dialect."""
    return int(Decimal(value).scaleb(9)) if database.dialect == "postgresql" else int(value)


def test_everything_that_changed_the_books_can_be_asked_for(address: Address, tmp_path: Path) -> None:
    """Each step, what stands, lots one by one, cash that adds up, a commission by kind from both sources."""
    world = lived(tmp_path)
    with closing(SqlFollower(world.directory, address)) as follower:
        while follower.run_once():
            pass
    ledger = world.runner.money.ledger
    with closing(connect(address, timeout_s=30.0)) as database:
        assert database.select("SELECT text FROM divergences") == []
        found = record.contents(database, 1)
        assert [(row["action_id"], row["state"], row["gross_due"]) for row in found["corporate_actions"]] == [
            ("d1", "accrued", 50 * NANO), ("d2", "withdrawn", 0), ("s1", "done", 0)
        ]  # fmt: skip
        steps = [(row["what"], row["action_id"], row["symbol"]) for row in found["corporate_events"]]
        assert steps[:2] == [("KeepCorporateAction", "s1", "AAA"), ("SplitBooks", "s1", "AAA")]
        assert [what for what, *_ in steps].count(b.AccrueDividend.__name__) == 2
        body = next(row["body"] for row in found["corporate_events"] if row["what"] == "SplitBooks")
        assert (body if isinstance(body, dict) else json.loads(body))["num"] == 2
        assert [(row["kind"], row["line_id"], row["moved_by"]) for row in found["corrections"]] == [
            ("commission", "c", "ann"), ("fees", "f", "ann"), ("cash", "i", "ann"), ("conversion", "x", "ann")
        ]  # fmt: skip
        (lot,) = database.select("SELECT symbol, place, qty, cost FROM lots WHERE strategy = 'reversion'")
        assert (*lot[:2], amount(database, lot[2])) == ("AAA", 1, 200 * NANO)
        assert amount(database, lot[3]) == ledger.positions["reversion", 0].cost_nanos
        cash = {(row["currency"], row["kind"]): row["amount"] for row in found["cash_held"]}
        assert (cash["USD", "cash"], cash["EUR", "cash"]) == (ledger.cash["USD"], 10 * NANO)
        assert (cash["USD", "of commission: sec31"], cash["USD", "interest"]) == (-NANO // 2, -NANO)
        assert cash["USD", "due"] == ledger.accrued["USD"] > 0
        kinds = ("cash", "due")
        parts = [
            held for (name, kind), held in cash.items() if name == "USD" and kind not in kinds and "of " not in kind
        ]
        assert sum(parts) == ledger.cash["USD"]
        sources = [(row["source"], row["amount"]) for row in found["fee_parts"]]
        assert sum(nanos for source, nanos in sources if source == "estimate") == NANO + 2 * NANO, "as told, twice"
        newest = database.select("SELECT kind, source FROM fees ORDER BY kind")
        assert [tuple(row) for row in newest] == [("commission", "statement"), ("sec31", "statement")]
        events = [row["what"] for row in found["parent_events"]]
        assert events[0] == "OpenParent"
        assert "EndParent" in events
