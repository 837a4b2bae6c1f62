"""The real trader as a process of its own, and how far its journal has grown. Knows no assertion."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from daemon.journal.layout import HEADER_BYTES, frame_end, list_segments
from daemon.journal.opening import map_segment
from tests.fakes import forked
from tests.fakes.built_tables import lend_tables

ROOT = forked.ROOT
DEADLINE_S = 480.0  # far above what any of this takes: a hang must end as a failure
LOOK_S = 0.002  # between two looks at a journal that grows: a look costs a tenth of that


class TraderProcess:
    """`python -m daemon.app run`. Use as a context: whatever is left is killed. What it says goes to files: of a pipe
    that is read at the end only it would lose what comes after the pipe is full.
    """

    def __init__(self, config: Path, *, hash_seed: int | None = None, root: Path = ROOT) -> None:
        lend_tables(config)
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - as long as this lives
        self.process = forked.start(
            *("daemon.app", "run", "--config", str(config), "--json"),
            environment={} if hash_seed is None else {forked.SEED: str(hash_seed)},
            root=root,
            stdout=self._out,
            stderr=self._err,
        )

    def __enter__(self) -> "TraderProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()

    def summary(self) -> dict[str, Any]:
        """Wait for the end; the JSON it printed. Raises RuntimeError with its words when it failed."""
        if self.process.wait(timeout=DEADLINE_S) != 0:
            raise RuntimeError(f"exit {self.process.returncode}: {self.errors() or _whole(self._out)}")
        found: dict[str, Any] = json.loads(_whole(self._out))
        return found

    def errors(self) -> str:
        """What it has said on stderr so far."""
        return _whole(self._err)

    def kill_at(self, journal: Path, offset: int) -> bool:
        """kill -9 as soon as the journal has grown past `offset` bytes; False when it ended before."""
        size = JournalSize(journal)
        deadline = time.monotonic() + DEADLINE_S
        exited = os.pidfd_open(self.process.pid)
        try:
            while size.bytes() < offset:
                if select.select([exited], [], [], LOOK_S)[0]:
                    self.process.wait()  # its exit code is known from here on
                    return False
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the journal did not grow to {offset} bytes")
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        finally:
            os.close(exited)
        return True


def _whole(file: IO[bytes]) -> str:
    """Its text so far. By position: the process writes at the place it shares with us."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace").strip()


class JournalSize:
    """Bytes of whole frames in a journal that is being written; each look goes on where the last one ended."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._name = ""
        self._before = 0
        self._at = 0

    def bytes(self) -> int:
        """All frames so far."""
        if not self._journal.is_dir():
            return 0
        for file in list_segments(self._journal):
            if file.path.name < self._name:
                continue
            if file.path.name > self._name:
                self._before += self._at
                self._name, self._at = file.path.name, HEADER_BYTES
            with contextlib.suppress(FileNotFoundError):
                self._walk(map_segment(file.path))
        return self._before + self._at

    def _walk(self, view: memoryview) -> None:
        while len(view) > self._at:
            end = frame_end(view, self._at)
            if end <= 0:
                return
            self._at = end


SAME = ("rows", "decisions", "parents", "children", "fills", "refusals", "equity", "cash", "realised", "fees",
        "positions", "marks", "oddities", "latches", "open_orders", "command_digest")  # fmt: skip


def common(summary: dict[str, Any]) -> dict[str, Any]:
    """What two runs that decided the same have in common."""
    return {name: summary[name] for name in SAME}


def verify(journal: Path, *, hash_seed: int | None = None) -> dict[str, Any]:
    """`quantd replay verify` in a process of its own, never forked: its hashes are seeded otherwise than the trader's.
    Raises RuntimeError with its words when it finds a difference.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if hash_seed is not None:
        environment["PYTHONHASHSEED"] = str(hash_seed)
    command = [sys.executable, "-m", "daemon.cli", "replay", "verify", str(journal), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"replay verify: exit {done.returncode}: {done.stderr.strip()} {done.stdout.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_whole(config: Path, *, hash_seed: int | None = None) -> dict[str, Any]:
    """One run from start to end; its summary."""
    with TraderProcess(config, hash_seed=hash_seed) as trader:
        return trader.summary()


def run_killed(config: Path, journal: Path, offsets: list[int]) -> tuple[dict[str, Any], list[bool]]:
    """A run that is killed at each journal size in turn and started again; the last summary, and which kills hit."""
    hits = []
    for offset in offsets:
        with TraderProcess(config) as trader:
            hits.append(trader.kill_at(journal, offset))
    return run_whole(config), hits
