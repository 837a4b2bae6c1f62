"""Taking old rows out of the record, as `[record]` says. Ages are measured from the newest record of the journal, so
that a recording of years ago is not old while it is played.
"""

from collections.abc import Mapping
from typing import Final

from daemon.follower.database import Database
from daemon.follower.schema import BY_NAME
from daemon.journal.retain import DAY_NS

TABLES_OF: Final[dict[str, tuple[str, ...]]] = {  # what a setting means
    "ticks_days": ("ticks",),
    "records_days": ("records",),
    "bars_days": ("bars",),
}


def drop_old(database: Database, journal_id: int, keep_days: Mapping[str, int], now_ns: int, *, chunks: bool) -> int:
    """Drop rows older than their setting's days (0 = keep); `chunks` = by whole hypertable chunks, of every journal.

    Returns how many rows or chunks went.
    """
    gone = 0
    for setting, days in keep_days.items():
        if not days:
            continue
        before_ns = now_ns - days * DAY_NS
        for name in TABLES_OF[setting]:
            if chunks and BY_NAME[name].chunk_days:
                statement = f"SELECT drop_chunks('{name}', older_than => to_timestamp(?::float8))"
                gone += len(database.select(statement, (before_ns // 1_000_000_000,)))
            else:
                with database.transaction():
                    statement = f"DELETE FROM {name} WHERE journal_id = ? AND ts_ns < ?"
                    gone += database.execute(statement, (journal_id, before_ns))
    return gone
