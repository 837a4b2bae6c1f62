"""Runs a drill, or all: `python -m tests.drills [NAME] [--parts FIRST:LAST] [--state DIR] [--fresh]`.

Progress is kept by commit in a folder outside the checkout, so that a drill that was broken off goes on, and one on
other code starts over. The record goes to docs/drills/<name>-<date>.json. Exit code 1 when anything failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from daemon.digests import code_version
from daemon.kernels import configure

configure()  # before a drill imports numba, which reads its settings once

import msgspec  # noqa: E402 - after configure

from tests.drills import DRILLS, Drill, PartResult  # noqa: E402

ROOT: Final = Path(__file__).resolve().parents[2]


class Progress(msgspec.Struct, kw_only=True):
    """What is done so far; `code` is the digest of the sources it was done with."""

    drill: str
    commit: str
    code: str
    started: str
    seconds: float = 0.0
    parts: dict[int, PartResult] = {}


def main(arguments: list[str]) -> int:
    """Run or go on with one drill."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[drill.name for drill in DRILLS])
    parser.add_argument("--parts", help="FIRST:LAST, the last excluded")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / f"quantd-drills-{os.getuid()}")
    parser.add_argument("--fresh", action="store_true", help="forget earlier progress")
    options = parser.parse_args(arguments)
    wanted = [drill for drill in DRILLS if options.name in (None, drill.name)]
    return max([_drill(drill, options) for drill in wanted])


def _drill(drill: Drill, options: argparse.Namespace) -> int:
    print(f"{drill.name}: {drill.meaning}")
    first, last = 0, drill.parts
    if options.parts:
        first, last = (int(number) for number in options.parts.split(":"))
    progress = _load(drill, options.state, fresh=options.fresh)
    _run(drill, progress, options.state, range(first, last))
    path = _record(progress, ROOT / "docs" / "drills", whole=(first, last) == (0, drill.parts))
    failures = [text for result in progress.parts.values() for text in result.get("failures", [])]
    for text in failures:
        print(text)
    print(f"{drill.name}: {len(progress.parts)} parts, {len(failures)} failures, {progress.seconds:.0f} s: {path}")
    return 1 if failures else 0


def _run(drill: Drill, progress: Progress, state: Path, parts: range) -> None:
    for number in parts:
        if number in progress.parts:
            continue
        began = time.monotonic()
        progress.parts[number] = drill.part(number)
        progress.seconds += time.monotonic() - began
        _save(progress, state)
        failed = sum(len(result.get("failures", [])) for result in progress.parts.values())
        print(f"\r{drill.name}: part {number + 1} of {parts.stop}, {failed} failures", end="", file=sys.stderr)
    print(file=sys.stderr)


def _load(drill: Drill, state: Path, *, fresh: bool) -> Progress:
    code = code_version().source_digest
    path = state / f"{drill.name}.json"
    if path.exists() and not fresh:
        kept = msgspec.json.decode(path.read_bytes(), type=Progress)
        if (kept.commit, kept.code) == (_commit(), code):
            return kept
    return Progress(drill=drill.name, commit=_commit(), code=code, started=datetime.now(UTC).isoformat())


def _save(progress: Progress, state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    path = state / f"{progress.drill}.json"
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(progress))
    beside.replace(path)  # a drill killed while it writes keeps what it had


def _record(progress: Progress, folder: Path, *, whole: bool) -> Path:
    counts: dict[str, int] = {}
    for result in progress.parts.values():
        for name, count in result.get("counts", {}).items():
            counts[name] = counts.get(name, 0) + count
    record: dict[str, Any] = {
        "drill": progress.drill,
        "commit": progress.commit,
        "code": progress.code,
        "started": progress.started,
        "ended": datetime.now(UTC).isoformat(),
        "whole": whole,
        "parts": len(progress.parts),
        "seconds": round(progress.seconds, 1),
        "counts": counts,
        "failures": [text for result in progress.parts.values() for text in result.get("failures", [])],
        "results": [
            {"part": number} | {name: value for name, value in result.items() if name not in ("counts", "failures")}
            for number, result in sorted(progress.parts.items())
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{progress.drill}-{datetime.now(UTC).date().isoformat()}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    return path


def _commit() -> str:
    """The commit, with a mark when the tree differs from it in more than the records that drills write."""
    commit = _git("rev-parse", "HEAD") or "unknown"
    return f"{commit}-dirty" if _git("status", "--porcelain", "--", ".", ":!docs/drills") else commit


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
