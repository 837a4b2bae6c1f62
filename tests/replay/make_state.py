"""Writes the committed state directory of a release: `python -m tests.replay.make_state COMMIT`.

A day of the made-up market traded by that commit's own code, killed with kill -9 in the middle of a schedule: journal,
snapshot and epoch, packed. Made once for each release; it is history from then on.
"""

import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from daemon.kernels import configure

configure()  # before anything imports numba

from daemon.journal.layout import HEADER_BYTES, frames, list_segments  # noqa: E402 - after configure
from daemon.journal.opening import map_segment  # noqa: E402
from tests.fakes.process import TraderProcess  # noqa: E402
from tests.fakes.trader import write_config  # noqa: E402

ROOT: Final = Path(__file__).resolve().parents[2]
STATES: Final = Path(__file__).parent / "states"
KILLED_AT: Final = 320_000  # bytes of the journal
DAY: Final = {"events_per_second": 0.06, "halts_per_hour": 0.5, "snapshot_every": 1_000}


def check_out(commit: str, folder: Path) -> None:
    """That commit's files. Raises CalledProcessError where the history does not have it."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)


def make(code: Path, target: Path) -> None:
    """Run the code of a checkout and pack what it leaves."""
    with TemporaryDirectory() as name:
        state = Path(name)
        with TraderProcess(write_config(state, **DAY), root=code) as trader:
            assert trader.kill_at(state / "journal", KILLED_AT), "it ended before"
        for file in list_segments(state / "journal"):
            view = map_segment(file.path)
            *_, (_, end) = [(0, HEADER_BYTES), *frames(view)]
            del view
            with file.path.open("rb+") as segment:
                segment.truncate(end)
        target.parent.mkdir(exist_ok=True)
        with tarfile.open(target, "w:xz") as packed:
            for path in sorted([*state.glob("epoch"), *state.glob("journal/*.qj"), *state.glob("journal/*.qs")]):
                packed.add(path, path.relative_to(state).as_posix(), filter=_of_nobody)


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    commit = sys.argv[1]
    with TemporaryDirectory() as folder:
        check_out(commit, Path(folder))
        make(Path(folder), STATES / f"{commit}.tar.xz")
