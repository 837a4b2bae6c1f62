"""The real trader in the test's own process: its stages, journal, engine and venue, with the feed process and the table
builder replaced by the same code called directly. Knows no assertion.
"""

import asyncio
import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.feeds.client import Item
from broker.feeds.merge import ControlFact
from broker.feeds.process import open_feed
from broker.feeds.protocol import FeedEnd, RowsBatch
from broker.feeds.spec import FeedHeader, FeedSpec
from core import records as r
from core.reference import CodeVersion
from daemon import digests, tape
from daemon.command_digest import command_digest
from daemon.config import load_config
from daemon.journal import JournalReader, JournalWriter, Record
from daemon.journal.layout import HEADER_BYTES, frames, list_segments
from daemon.journal.opening import map_segment
from daemon.recovery import Recovered, recover
from daemon.reference import tables as reference
from daemon.reference.tables import ReferenceTables, build_reference, covered_days
from daemon.summary import summarise
from daemon.trader import Trader
from tests.fakes import garbage
from tests.fakes.built_tables import built_table
from tests.fakes.operators import ONE_PERSON

CONFIG = (
    """
mode = "replay"
state_dir = "{state}"

[account]
id = "DU0000001"
tag = "du1"
start_cash = 1_000_000

[feed]
kind = "synthetic"
speed = "max"

[feed.synthetic]
seed = {seed}
start_date = 2026-10-05
halts_per_hour = {halts_per_hour}
halt_seconds = 120.0
gaps_per_hour = {halts_per_hour}

[[feed.synthetic.instruments]]
symbol = "AAA"
px = 25
events_per_second = {events_per_second}
reversion_ticks = 4.0

[[feed.synthetic.instruments]]
symbol = "CCC"
px = 180
events_per_second = {events_per_second}
reversion_ticks = 12.0

[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100

[[instruments]]
symbol = "CCC"
tick = 0.01
round_lot = 100

[strategies.reversion]
kind = "meanrev"
enabled = {reversion}
symbols = ["AAA", "CCC"]
on_disable = "{on_disable}"
on_stop = "{on_stop}"

[strategies.reversion.params]
half_life_s = 120
enter_z = 2.4
leave_z = 0.3
position_dollars = 40_000
cadence_s = 2.0
warm_up_s = 300

[strategies.reversion.execution]
algo = "twap"
params = {{ duration_s = 240, slices = 4 }}
chase_s = {chase_s}

[limits.account]
order_notional_max = 60_000
gross_max = 250_000
net_max = 250_000
feed_seconds_soft = 600 # this market has an event every few seconds, and a minute without one now and then
line_seconds_soft = 900
adv_min = 1_000 # and so little is traded in it that the size of every order would be refused
adv_order_bp_max = 10_000
participation_bp_max = 1_000_000

"""
    + ONE_PERSON.replace("persons = 1", "persons = {persons}")
    + """
[journal]
segment_mib = {segment_mib}
reserve_mib = 0
snapshot_every = {snapshot_every}

[engine]
mark_interval_s = {mark_interval_s}
reconcile_s = 300.0

[start]
after_crash = "{after_crash}"
{more}"""
)
DEFAULTS: dict[str, Any] = {
    "seed": 11,
    "mark_interval_s": 60.0,
    "chase_s": 2.0,
    "events_per_second": 0.3,
    "halts_per_hour": 0.0,
    "on_disable": "park",
    "on_stop": "park",
    "segment_mib": 1,
    "snapshot_every": 1_000_000,
    "after_crash": "as_latched",
    "reversion": "true",
    "persons": 1,
    "more": "",  # further tables
}


def write_config(folder: Path, **changes: Any) -> Path:
    """A config file whose state lies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trader.toml"
    path.write_text(CONFIG.format(state=folder, **(DEFAULTS | changes)))
    return path


class DirectFeed:
    """broker.feeds.client.FeedClient without the process."""

    def __init__(self, spec: FeedSpec) -> None:
        self._feed = open_feed(spec)
        self._items: Iterator[Any] = self._feed.items()

    @property
    def header(self) -> FeedHeader:
        """As the process would send it."""
        return self._feed.header

    async def start(self) -> FeedHeader:
        """Nothing to start."""
        return self._feed.header

    async def next(self) -> Item:
        """The next batch, control fact or end."""
        for item in self._items:
            return item if isinstance(item, ControlFact) else RowsBatch(item.copy())
        return FeedEnd(self._feed.totals)

    async def aclose(self) -> None:
        """Nothing to end."""


_code: Callable[[], CodeVersion] = functools.lru_cache(digests.code_version)


class Slow(Trader):
    """A trader that shows itself to the test between slices of the tape."""

    def __init__(self, config: Any, path: Path, look: Callable[["Slow"], None]) -> None:
        super().__init__(config, path, quiet=True)
        self.look = look

    def tend(self) -> None:
        super().tend()
        self.look(self)


class Rig:
    """One state directory and the runs in it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.changes = changes
        self.config_path = write_config(folder, **changes)

    @property
    def journal(self) -> Path:
        """Its journal."""
        return self.folder / "journal"

    @property
    def tables(self) -> ReferenceTables:
        """Reference tables as the trader builds them."""
        config = load_config(self.config_path)
        first, last = covered_days(config)
        return build_reference(config, first=first, last=last)

    def recover(self) -> Recovered:
        """What the next start would begin with."""
        return recover(self.journal, load_config(self.config_path), self.tables)

    def run(self, look: Callable[[Slow], None] = lambda trader: None) -> Slow:
        """One run to its end; raises what the trader raises."""
        made = Slow(load_config(self.config_path), self.config_path, look)
        with garbage.left_alone():
            asyncio.run(made.run())
        return made

    def records(self, kind: int) -> list[tuple[int, Any]]:
        """(seq, message) of one kind of record."""
        return [
            (record.seq, r.decode(kind, record.payload))
            for record in JournalReader(self.journal).records(frozenset({kind}))
        ]

    def open_and_close(self) -> None:
        """Take the journal over as a start does: a torn tail is cut."""
        JournalWriter.open_existing(self.journal, segment_bytes=1 << 20, reserve_bytes=0, background=False).close()

    def keep(self, name: str = "whole") -> Path:
        """Put the journal of a finished run aside, for `cut`."""
        whole = self.folder / name
        self.journal.rename(whole)
        return whole

    def cut(self, whole: Path, frame: int, *, garbage: bytes = b"", into: int = 0) -> None:
        """Make the journal what a kill -9 left of `whole` after `frame` frames, with `into` bytes of the next one.

        In the same folder, because its path is part of the config and so of the config's digest.
        """
        for path in self.folder.glob("journal*"):
            shutil.rmtree(path)
        copy_until(whole, self.journal, frame, garbage=garbage, into=into)


def outcome(run: Trader) -> dict[str, Any]:
    """What two runs that decided the same have in common."""
    summary = summarise(run)
    names = ("rows", "decisions", "parents", "children", "fills", "equity", "cash", "realised", "fees", "positions",
             "marks", "latches", "open_orders", "command_digest")  # fmt: skip
    return {name: summary[name] for name in names}


def digest_of(rig: Rig) -> str:
    """Command digest of a journal."""
    return command_digest(rig.journal)


def frame_ends(journal: Path) -> list[tuple[Path, int, int]]:
    """(segment, start, end) of every frame, in order."""
    found = []
    for file in list_segments(journal):
        found += [(file.path, start, end) for start, end in frames(map_segment(file.path))]
    return found


def frame_records(journal: Path) -> list[list[Record]]:
    """Every frame's records."""
    return list(JournalReader(journal).frames())


def copy_until(source: Path, target: Path, count: int, *, garbage: bytes = b"", into: int = 0) -> None:
    """Copy a journal up to its `count`-th frame, with the first `into` bytes of the next, then `garbage`."""
    target.mkdir(parents=True)
    ends = frame_ends(source)
    last_path, at = (ends[count - 1][0], ends[count - 1][2]) if count else (ends[0][0], HEADER_BYTES)
    for file in list_segments(source):
        content = bytearray(file.path.read_bytes())
        if file.path == last_path:
            size = max(len(content), 1 << 20)
            content = content[: at + into] + garbage
            content += bytes(size - len(content))
        (target / file.path.name).write_bytes(content)
        if file.path == last_path:
            break
    last_seq = _last_seq(target)
    for path in source.glob("snapshot-*.qs"):
        if int(path.stem.removeprefix("snapshot-")) <= last_seq:
            shutil.copy(path, target)


def _last_seq(journal: Path) -> int:
    return max((record.last_seq for record in JournalReader(journal).records()), default=0)


def install(patch: pytest.MonkeyPatch) -> None:
    """Feeds and tables in this process; the socket is looked at every 64 rows."""
    assert threading.current_thread() is threading.main_thread()
    patch.setattr(tape, "FeedClient", DirectFeed)
    patch.setattr(tape, "SLICE_ROWS", 64)
    patch.setattr(reference, "build_in_child", built_table)
    patch.setattr(reference, "code_version", _code)
