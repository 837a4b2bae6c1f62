"""The drill `kill9`: the real trader is killed with kill -9 at random sizes of its journal and started again; its end
must be that of a run nobody interrupted. On the five BAC and IBM days where they are, else on a made-up day.
"""

import functools
import os
import random
import tempfile
from pathlib import Path
from typing import Any

from tests.fakes.process import ROOT, JournalSize, common, run_killed, run_whole, verify
from tests.fakes.trader import write_config

POINTS_PER_PART = 1
EXAMPLE = ROOT / "examples" / "bac_ibm_2013.toml"
MADE_UP: dict[str, Any] = {"events_per_second": 5.0, "mark_interval_s": 1.0}
EDGE_BYTES = 8192  # not before the first records, not after the last


def market_data() -> Path | None:
    """The folder of recorded data, as tests/conftest.py finds it."""
    folder = Path(os.environ.get("QUANTD_MARKET_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "lean").is_dir() else None


def drill_config(folder: Path) -> Path:
    """The shipped example with its state in `folder` and more snapshots, or a made-up day."""
    recorded = market_data()
    if recorded is None:
        return write_config(folder, snapshot_every=200_000, **MADE_UP)
    text = EXAMPLE.read_text()
    text = text.replace('state_dir = "../state/bac_ibm_2013"', f'state_dir = "{folder}"')
    text = text.replace("$QUANTD_MARKET_DATA", str(recorded))
    path = folder / "trader.toml"
    path.write_text(text + "\n[journal]\nsnapshot_every = 500_000\n")
    return path


@functools.lru_cache
def _whole() -> tuple[dict[str, Any], int]:
    with tempfile.TemporaryDirectory(prefix="quantd-kill9-") as name:
        summary = run_whole(drill_config(Path(name)))
        return common(summary), JournalSize(Path(name) / "journal").bytes()


def run_part(number: int) -> dict[str, Any]:
    """One random point, by the part's number; every fourth part is killed a second time after its restart."""
    expected, size = _whole()
    chance = random.Random(number)
    points = sorted(chance.randrange(EDGE_BYTES, size - EDGE_BYTES) for _ in range(2 if number % 4 == 3 else 1))
    with tempfile.TemporaryDirectory(prefix="quantd-kill9-") as name:
        journal = Path(name) / "journal"
        summary, hits = run_killed(drill_config(Path(name)), journal, points)
        failures = _differences(expected, common(summary), number)
        try:
            replayed = verify(journal)
        except RuntimeError as fault:
            replayed = {}
            failures.append(f"part {number}, killed at {points}: {fault}")
    return {
        "market": "BAC and IBM, 7 to 11 October 2013" if market_data() else "made up",
        "journal_bytes": size,
        "points": points,
        "hits": hits,
        "command_digest": summary["command_digest"],
        "equity": summary["equity"],
        "frames_verified": replayed.get("frames", 0),
        "counts": {"kills": sum(hits), "fills": summary["fills"]},
        "failures": failures,
    }


def _differences(expected: dict[str, Any], found: dict[str, Any], number: int) -> list[str]:
    wrong = [name for name in expected if expected[name] != found[name]]
    return [f"part {number}: {name} is {found[name]}, uninterrupted {expected[name]}" for name in wrong]
