"""Attribution between real journals: runs of the trader in a plain market, with one thing changed at a time."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.feeds.client import Item
from broker.feeds.protocol import FeedEnd, RowsBatch
from core import commands as c
from core import events as e
from core import records as r
from core.errors import ConfigError
from core.fee_plans import COMMISSION, DEFAULT_PLANS
from core.latches import ACCOUNT
from core.reference import FeeRow
from core.rows import QUOTE
from core.units import NANO, parse_nanos
from daemon import cli, tape
from daemon.control.operations import TraderOperations
from daemon.diff.attribution import Row
from daemon.diff.compare import Comparison, compare
from daemon.diff.day import find_day
from daemon.diff.replay import replay_day
from daemon.diff.report import report
from daemon.summary import summarise
from tests.fakes.trader import DirectFeed, Rig, Slow, install

pytestmark = pytest.mark.slow
CENT = NANO // 100
PARTS = ("data", "signal", "timing", "fill", "cost")
TWAP = 'algo = "twap"\nparams = { duration_s = 240, slices = 4 }'


class PlainFeed(DirectFeed):
    """The synthetic market with a spread of one cent and size for everybody, so that arrival and price differ by half a
    cent always. The tape may end early, with its last seconds of quotes lifted.
    """

    until_ns = 1 << 62
    lift = 0

    async def next(self) -> Item:
        """The next item, plain."""
        item = await super().next()
        if not isinstance(item, RowsBatch):
            return item
        rows = item.rows
        quotes = rows["kind"] == QUOTE
        rows["bid_px_nanos"][quotes] = rows["bid_px_nanos"][quotes] // CENT * CENT
        rows["ask_px_nanos"][quotes] = rows["bid_px_nanos"][quotes] + CENT
        rows["bid_qty_nanos"][quotes] = rows["ask_qty_nanos"][quotes] = 1_000_000 * NANO
        rows["flags"][quotes] = 0
        late = quotes & (rows["ts_ns"] > self.until_ns - 10 * NANO)
        rows["bid_px_nanos"][late] += self.lift
        rows["ask_px_nanos"][late] += self.lift
        kept = rows[rows["ts_ns"] <= self.until_ns]
        return RowsBatch(kept) if len(kept) else FeedEnd(self._feed.totals)


NOTHING = FeeRow(name=COMMISSION, effective_from=20000101, per="share", rate_nanos=0, source="a test's")
Change = tuple[str, str]

LATE = "sync_seconds_soft = 1_000_000\nsync_seconds_hard = 1_000_000\n"  # where everything is late, no sync completes


@dataclasses.dataclass
class World:
    """Runs of the trader below one folder."""

    folder: Path

    def run(
        self, name: str, *changes: Change, more: str = "", lift: int = 0, until_ns: int = 1 << 62
    ) -> tuple[Rig, dict[str, Any]]:
        """One run; returns its rig and the summary."""
        more = more or 'fees = { plan = "free" }\n'
        rig = Rig(self.folder / name, events_per_second=0.15, mark_interval_s=5.0)
        text = rig.config_path.read_text().replace(TWAP, 'algo = "immediate"')
        text = text.replace('mode = "replay"\n', f'mode = "replay"\n{more}')
        text = text.replace("[limits.account]\n", f"[limits.account]\n{LATE}")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        rig.config_path.write_text(text)
        PlainFeed.lift, PlainFeed.until_ns = lift, until_ns
        ended = rig.run()
        return rig, summarise(ended)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Feeds and tables in this process, and a fee plan that charges nothing."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        patch.setattr(tape, "FeedClient", PlainFeed)
        patch.setitem(DEFAULT_PLANS, "free", (NOTHING,))
        yield World(tmp_path_factory.mktemp("diff"))


@pytest.fixture(scope="module")
def base(world: World) -> tuple[Rig, dict[str, Any]]:
    """What the others are compared with."""
    return world.run("base")


def totals(found: Comparison) -> dict[str, int]:
    """Each part over all rows, in nanos."""
    whole = Row(strategy="", inst=0)
    for row in found.rows:
        whole.parts += row.parts
    return whole.parts.nanos()


def only(found: Comparison, part: str) -> int:
    """The one part that is not zero; the sum must be the total."""
    amounts = totals(found)
    assert sum(amounts[name] for name in PARTS) == amounts["total"]
    assert {name for name in PARTS if amounts[name]} == {part}, amounts
    return amounts[part]


def earned(summary: dict[str, Any]) -> int:
    """Profit of a whole run by the trader's own books."""
    return parse_nanos(summary["equity"], field="equity") - 1_000_000 * NANO


def test_a_changed_fee_is_cost(world: World, base: tuple[Rig, dict[str, Any]]) -> None:
    """The same run with commissions: the difference is what they add up to, and it is the difference of the books."""
    rig, summary = world.run("fees", more='fees = { plan = "ibkr_pro_fixed" }\n')
    found = compare(base[0].journal, rig.journal, date=20261005)
    fees = parse_nanos(summary["fees"], field="fees")
    assert only(found, "cost") == fees > 0
    assert earned(base[1]) - earned(summary) == fees


def test_a_strategy_that_is_off_is_signal(world: World, base: tuple[Rig, dict[str, Any]]) -> None:
    """What only one run did is signal in whole: everything it earned."""
    rig, summary = world.run("off", ("enabled = true", "enabled = false"))
    assert summary["fills"] == 0
    found = compare(base[0].journal, rig.journal, date=0)
    assert only(found, "signal") == earned(base[1]) != 0
    back = compare(rig.journal, base[0].journal, date=0)
    assert only(back, "signal") == -earned(base[1])
    told = report(back, live="a", shadow="b", remarks=(), top=1)
    assert "only the shadow wanted to hold" in told["decisions"][0]["why"]


def test_an_order_that_comes_late_is_fill(world: World, base: tuple[Rig, dict[str, Any]]) -> None:
    """Orders that are half a minute on their way meet other prices: the same decisions at the same moments."""
    slow = "[venue.latency]\nup_ns = 30_000_000_000\n"
    rig, summary = world.run("late", ("[start]", f"{slow}\n[start]"), ("reconcile_s = 300.0", "ack_timeout_s = 100.0"))
    found = compare(base[0].journal, rig.journal, date=0)
    assert only(found, "fill") == earned(base[1]) - earned(summary) != 0


def test_a_market_that_ends_elsewhere_is_data(world: World, base: tuple[Rig, dict[str, Any]]) -> None:
    """The last quotes differ by two cents and nothing is traded on them: what was held is worth that much more."""
    until_ns = _first_schedule(base[0]) + 15 * NANO
    first, _ = world.run("short", until_ns=until_ns)
    rig, summary = world.run("lifted", until_ns=until_ns, lift=2 * CENT)
    found = compare(first.journal, rig.journal, date=0)
    held = sum(parse_nanos(p["qty"], field="qty") for p in summary["positions"])
    assert only(found, "data") == -held * 2 * CENT // NANO != 0


def test_a_link_that_was_away_is_timing(world: World, base: tuple[Rig, dict[str, Any]]) -> None:
    """One decision waits for the link: the same target, later, at the price of then."""
    decided = _first_schedule(base[0])
    links = f"links = [{{ at_ns = {decided - NANO}, duration_ns = {30 * NANO} }}]"
    rig, summary = world.run("away", ("[start]", f"[venue.faults]\n{links}\n\n[start]"))
    found = compare(base[0].journal, rig.journal, date=0, within_s=600.0)
    assert only(found, "timing") == earned(base[1]) - earned(summary) != 0
    told = report(found, live="a", shadow="b", remarks=(), top=5)
    assert "s earlier, at" in told["decisions"][0]["why"]


def _first_schedule(rig: Rig) -> int:
    """When the first schedule of a run began."""
    from daemon.journal import JournalReader

    for record in JournalReader(rig.journal).records(frozenset({r.COMMAND})):
        if type(r.decode(r.COMMAND, record.payload)) is c.OpenParent:
            return record.ts_ns
    raise AssertionError("nothing was traded")


def test_a_replay_of_the_same_venue_differs_in_nothing(world: World, base: tuple[Rig, dict[str, Any]]) -> None:
    """The journal's own rows on the simulated venue with the same settings: the same day again."""
    made = replay_day(find_day(base[0].journal, 0), world.folder / "again")
    found = compare(base[0].journal, made.journal, date=0)
    assert {name: amount for name, amount in totals(found).items() if amount} == {}
    assert sum(len(row.pairs) for row in found.rows) > 10
    assert sum(row.live for row in found.rows) == earned(base[1]) * NANO


def test_a_replay_adopts_again(world: World) -> None:
    """An account that held something before: halted, adopted and resumed again at the same moments."""
    rig = Rig(world.folder / "held", events_per_second=0.15, mark_interval_s=5.0)
    held = "[venue]\npositions = [[0, 1_000_000_000_000, 24_500_000_000]]\n"
    rig.config_path.write_text(rig.config_path.read_text().replace("[start]", f"{held}\n[start]"))
    PlainFeed.lift, PlainFeed.until_ns = 0, 1 << 62
    steps: list[str] = []

    def look(run: Slow) -> None:
        engine = run.active_runner.engine
        operations = TraderOperations(run)
        if not steps and engine.money.differences and engine.market.mark_nanos(0):
            given = ((0, 1_000 * NANO, "reversion"),)
            adopted = e.AccountAdopted(positions=given, at="average", cash_nanos=0, reason="r", operator="ann")
            assert operations.operate(adopted).ok
            steps.append("adopted")
        elif steps == ["adopted"]:
            resume = e.OperatorResumed(level=ACCOUNT, scope="", reason="r", operator="ann")
            assert operations.operate(resume).ok
            steps.append("resumed")

    assert summarise(rig.run(look))["fills"] > 10
    assert steps == ["adopted", "resumed"]
    made = replay_day(find_day(rig.journal, 0), world.folder / "held-again")
    found = compare(rig.journal, made.journal, date=0)
    assert {name: amount for name, amount in totals(found).items() if amount} == {}
    assert len(found.live.carried) == len(found.shadow.carried) == 1


@pytest.fixture(scope="module")
def days(world: World) -> Rig:
    """Three days in one journal."""
    return world.run("days", ("start_date = 2026-10-05", "start_date = 2026-10-05\ndays = 3"))[0]


@pytest.mark.parametrize("snapshots", [True, False])
def test_a_later_day_replays_from_where_the_books_stood(world: World, days: Rig, snapshots: bool) -> None:
    """Warm, from a snapshot or from the beginning: positions and cash are carried in, the day comes out the same."""
    if not snapshots:
        for path in days.journal.glob("snapshot-*.qs"):
            path.unlink()
    span = find_day(days.journal, 20261006)
    made = replay_day(span, world.folder / f"second-{snapshots}")
    assert made.warm
    assert made.remarks == ()
    found = compare(days.journal, made.journal, date=20261006)
    assert {name: amount for name, amount in totals(found).items() if amount} == {}
    assert found.live.carried or found.live.decisions


def test_days_add_up_to_the_run(days: Rig) -> None:
    """The profits of its days, each by its own marks, and what moved overnight make the whole run."""
    spans = [find_day(days.journal, date) for date in (20261005, 20261006, 20261007)]
    assert [span.begins for span in spans] == [True, False, False]
    assert spans[0].end_ns == spans[1].start_ns
    assert spans[1].end_ns == spans[2].start_ns
    with pytest.raises(ConfigError, match="no trading day 20261008"):
        find_day(days.journal, 20261008)


def quantd(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = cli.main(arguments)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_tells_it_in_tables_and_in_json(
    base: tuple[Rig, dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`quantd diff` beside a stopped trader: both forms, and the replay's journal kept on request."""
    folder = str(base[0].folder)
    code, out, _ = quantd(capsys, "diff", "2026-10-05", "--live", folder, "--replay", "--json", "--keep", str(tmp_path))
    told = json.loads(out)
    assert (code, told["date"], told["total"]["total"]) == (0, 20261005, "0")
    assert parse_nanos(told["total"]["live"], field="live") == earned(base[1])
    code, out, _ = quantd(capsys, "diff", "last", "--live", folder, "--shadow", str(tmp_path / "journal"))
    assert code == 0
    assert "what makes the difference" in out
    assert "reversion" in out


Arguments = Callable[[str], list[str]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["last"], "exactly one of"),
        (["last", "--replay", "--shadow", "x"], "exactly one of"),
        (["someday", "--replay"], "is no day"),
        (["2026-10-09", "--replay"], "holds no trading day 20261009"),
    ],
)
def test_wrong_words_end_in_one_line(
    base: tuple[Rig, dict[str, Any]], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """Exit 2 and what to do."""
    code, out, err = quantd(capsys, "diff", *arguments, "--live", str(base[0].folder))
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
