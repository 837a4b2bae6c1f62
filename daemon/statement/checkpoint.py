"""The books before a period, so that a comparison need not fold the whole journal: the newest snapshot from before it,
of the trader's or of an earlier comparison. Kept beside the journal, the newest few; losing them costs time alone.
"""

import contextlib
from datetime import date as calendar_date
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from core.errors import JournalError
from core.money.snapshot import dump, load
from core.money.state import Money
from daemon.follower.books import Books
from daemon.journal import journal_identity
from daemon.journal.snapshot import read_snapshot, write_snapshot
from daemon.journal_fold import MONEY_PART, journal_settings

DAYS_BEFORE: Final = 9  # of a period: cash is found again up to a week apart, executions for two days
JOURNAL: Final = "journal"  # whose books a kept one holds


def day_before(date: int, days: int = DAYS_BEFORE) -> int:
    """A calendar day earlier, yyyymmdd."""
    day = calendar_date(date // 10_000, date // 100 % 100, date % 100) - timedelta(days=days)
    return day.year * 10_000 + day.month * 100 + day.day


def start(directory: Path, kept: Path | None, before: int) -> tuple[Books, int]:
    """The books as they stood on a trading day before `before`, as late as there is one, and the first seq after; else
    none, and 0: everything is folded.
    """
    identity = str(journal_identity(directory))
    found: tuple[Money | None, int] = (None, -1)
    for folder in (directory, *([] if kept is None else [kept])):
        for path in sorted(folder.glob("snapshot-*.qs")):
            with contextlib.suppress(JournalError, KeyError, msgspec.MsgspecError, OSError):
                snapshot = read_snapshot(path)
                if snapshot.seq <= found[1] or (folder == kept and snapshot.digests.get(JOURNAL) != identity):
                    continue
                money = load(journal_settings(directory, until_seq=snapshot.seq + 1), snapshot.parts[MONEY_PART])
                if 0 < money.trading_date < before:
                    found = (money, snapshot.seq)
    return Books(found[0]), found[1] + 1


def keep(directory: Path, kept: Path, money: Money, seq: int) -> None:
    """Remember the books as they stand after `seq`; a folder that cannot be written is no reason to stop."""
    with contextlib.suppress(OSError):
        write_snapshot(kept, seq, {MONEY_PART: dump(money)}, {JOURNAL: str(journal_identity(directory))})
