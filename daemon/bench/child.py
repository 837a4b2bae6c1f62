"""What must be measured in a process of its own: the whole trader, and its memory. `python -m daemon.bench.child`.

The child imports what the trader imports and nothing else; its last line of output is one JSON object.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from core.errors import QuantdError
from daemon.digests import ROOT

SECONDS_MAX: Final = 120.0
WEEK_NS: Final = 7 * 86_400 * 10**9
MIB: Final = 1 << 20
BATCH_ROWS: Final = 2048
LOOKS: Final = 50  # at the memory, up to the first mark and at that pace from there on
AROUND: Final = 0.1  # growth compares the medians of this share of the events around each mark


def in_child(*arguments: str) -> dict[str, Any]:
    """Run one of the measurements below; returns what it found. Raises QuantdError with its own last words."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "daemon.bench.child", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ended = subprocess.run(command, capture_output=True, timeout=SECONDS_MAX, check=False, env=environment)
    lines = ended.stdout.decode().strip().splitlines()
    if ended.returncode or not lines:
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {ended.returncode}"]
        raise QuantdError(f"bench {arguments[0]}: {last[0]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def replay(state_dir: Path, *, model: bool) -> dict[str, Any]:
    """One run of the trader from an empty state directory; with `model`, of the bench's signal strategy alone."""
    import uvloop

    from daemon.bench.world import shipped_config
    from daemon.summary import summarise
    from daemon.trader import Trader

    config, _ = shipped_config(state_dir)
    if model:
        from daemon.bench.model import with_model
        from daemon.bench.scored import NATURAL

        config = with_model(config, state_dir, **NATURAL)
    trader = Trader(config, Path("bench"), quiet=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(trader.run())
    summary = summarise(trader)
    wanted = ("events", "rows", "decisions", "parents", "children", "fills", "command_digest")
    return {"per_s": summary["events_per_s"], "s": summary["run_s"]} | {name: summary[name] for name in wanted}


def memory(state_dir: Path, rows: Path, first: int, last: int) -> dict[str, Any]:
    """Memory of a trader fed row by row from a file of rows, week after week, at `first` and `last` events."""
    import gc

    import daemon.trader  # noqa: F401 - what the trader's process holds
    from daemon.bench.world import World, shipped_config, tables_of

    config, _ = shipped_config(state_dir)
    begin_ns, end_ns = _span(rows)
    tables = tables_of(config, first_ns=begin_ns, last_ns=end_ns + 2 * WEEK_NS)
    world = World(config, tables, state_dir)
    runner, seen = world.runner, []
    due = 0
    world.begin(begin_ns)
    gc.collect()
    gc.freeze()
    gc.disable()
    for batch in _weeks(rows):
        for row in batch.tolist():
            runner.on_quote(*row)
        events = runner.tally.events
        if events >= due:
            seen.append((events, *_resident()))
            due = events + first // LOOKS
        if events >= last * (1 + AROUND):
            break
    world.close()
    tally = runner.tally
    return {"events": tally.events, "orders": tally.children} | _growth(seen, first, last)


def _growth(seen: list[tuple[int, float, float]], first: int, last: int) -> dict[str, Any]:
    """Medians around the two marks: the mapped segments come and go, so one look would show their tide."""

    def median(mark: int, column: int) -> float:
        around = [look[column] for look in seen if mark * (1 - AROUND) <= look[0] <= mark * (1 + AROUND)]
        return statistics.median(around)

    private = [median(mark, 1) for mark in (first, last)]
    total = [median(mark, 2) for mark in (first, last)]
    return {
        "mb": round(total[1], 1),
        "growth_mb": round(total[1] - total[0], 1),
        "private_mb": round(private[1], 1),
        "private_growth_mb": round(private[1] - private[0], 1),
    }


def _resident() -> tuple[float, float]:
    """Private and total resident memory in MiB; the difference are mapped files, the journal's segments above all."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("RssAnon", "VmRSS")))
    return tuple(int(fields[name].split()[0]) * 1024 / MIB for name in ("RssAnon", "VmRSS"))  # type: ignore[return-value]


def _span(path: Path) -> tuple[int, int]:
    import numpy as np

    from core.rows import ROW, ROW_BYTES

    end = path.stat().st_size - ROW_BYTES
    return tuple(int(np.fromfile(path, ROW, 1, offset=at)[0]["ts_ns"]) for at in (0, end))  # type: ignore[return-value]


def _weeks(path: Path) -> Iterator[Any]:
    """The rows of a file over and over, each time a week later, through one small buffer."""
    import numpy as np

    from core.rows import ROW

    week = 0
    while True:
        with path.open("rb") as file:
            while len(batch := np.fromfile(file, ROW, BATCH_ROWS)):
                batch["ts_ns"] += week * WEEK_NS
                batch["exchange_ts_ns"] += week * WEEK_NS
                yield batch
        week += 1


def main(arguments: list[str]) -> int:
    """Entry point: `replay STATE`, `replay_model STATE` or `memory STATE ROWS FIRST LAST`."""
    from daemon.kernels import configure

    configure()
    if arguments[0] in ("replay", "replay_model"):
        found = replay(Path(arguments[1]), model=arguments[0] == "replay_model")
    else:
        found = memory(Path(arguments[1]), Path(arguments[2]), int(arguments[3]), int(arguments[4]))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
