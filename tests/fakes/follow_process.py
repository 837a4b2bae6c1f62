"""A follower as a process of its own, to be killed: `python -m tests.fakes.follow_process JOURNAL URL BATCH [DIE_AT]`.
With DIE_AT it kills itself with SIGKILL at that many writes, in the middle of a transaction; else it runs until nothing
is new and prints one line per batch.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from daemon.follower.fault import DatabaseFault
from daemon.follower.postgres import PostgresDatabase
from daemon.follower.sql_follower import SqlFollower
from daemon.follower.sqlite import SqliteDatabase
from tests.fakes import forked

DEADLINE_S = 120.0


def start(journal: Path, url: str, *, batch: int, die_at: int = 0) -> "subprocess.Popen[str]":
    """The process, its lines on stdout."""
    command = ["tests.fakes.follow_process", str(journal), url, str(batch), str(die_at)]
    return forked.start(*command, stdout=subprocess.PIPE, text=True)


def die_at_write(number: int) -> None:
    """Have this process killed at its `number`-th write to a table: some rows of a batch are sent, none committed."""
    left = [number]
    for database in (SqliteDatabase, PostgresDatabase):
        for name in ("put", "put_ticks"):
            setattr(database, name, _counting(getattr(database, name), left))


def _counting(write: Any, left: list[int]) -> Any:
    def counted(*arguments: Any) -> None:
        write(*arguments)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return counted


def follow_to_end(follower: SqlFollower, batch: int, *, deadline_s: float = DEADLINE_S) -> None:
    """Until nothing is new, over any database fault; each batch is told on stdout."""
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            if not follower.run_once(batch):
                return
            print(*follower.position, flush=True)
        except DatabaseFault:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    if int(sys.argv[4]):
        die_at_write(int(sys.argv[4]))
    with closing(SqlFollower(Path(sys.argv[1]), sys.argv[2], record_ticks=True, timeout_s=5.0)) as one:
        follow_to_end(one, int(sys.argv[3]))
