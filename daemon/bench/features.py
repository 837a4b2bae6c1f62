"""The forty features: one instrument live through the raw entry points, and the batch over all days.

Live is what the trader does for a quote that a model looks at: the row into market and features, then all forty
numbers out. Batch is what training does: every row stepped, every usable quote emitted.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, perf_counter_ns
from typing import Any, Final

import numpy as np

from core.market import new_market
from core.profiles import TBT
from core.rows import QUOTE, ROW
from core.sessions import Session
from daemon.bench.orders import quiet_collector
from daemon.bench.samples import Line, Samples, judged, timer_us
from daemon.bench.tape import Tape
from strategies.features.catalogue import COUNT
from strategies.features.kernels import (
    EMIT_SIGNATURE,
    STEP_SIGNATURE,
    feature_emit,
    feature_matrix,
    feature_step,
)
from strategies.features.state import new_feature_state, set_session

ROOM: Final = 4096  # emissions at a time: the output stays in the cache, as a consumer's would
ROUNDS: Final = 5
WARM_NS: Final = 300 * 10**9  # of the session, not timed: afterwards every tick feature is ready
LIVE_ROWS: Final = 100_000


def features(*, live_rows: int = LIVE_ROWS, rounds: int = ROUNDS, rows_max: int = 1 << 62) -> Iterator[Line]:
    """The lines `features.live` and `features.batch`."""
    with TemporaryDirectory() as name:
        tape = Tape(Path(name))
        blocks, rows = [], 0
        for block in tape.batches():
            blocks.append(block)
            rows += len(block)
            if rows >= rows_max:
                break
        table = tape.tables.session_table(tape.config.instruments[0].calendar)
    days = _by_session(np.concatenate(blocks), table.sessions)
    with quiet_collector():
        yield _live(days[0][0], days[0][1], live_rows) | {"data": tape.source}
        yield _batch(days, rounds) | {"data": tape.source}


def _by_session(rows: Any, sessions: tuple[Session, ...]) -> list[tuple[Session, Any]]:
    """Rows of each regular session that has any."""
    found = []
    for session in sessions:
        lo, hi = np.searchsorted(rows["ts_ns"], (session.open_ns, session.close_ns))
        if hi > lo:
            found.append((session, rows[lo:hi]))
    return found


def _state(rows: Any) -> tuple[Any, Any]:
    """Market and features of all instruments, each led by the first."""
    instruments = int(rows["inst"].max()) + 1
    return new_market(instruments), new_feature_state(instruments, TBT, [0] * instruments)


def _enter(X: Any, session: Session) -> None:
    for inst in range(len(X)):
        set_session(X, inst, session.open_ns, session.close_ns)


def _entry(kernel: Any, signature: Any) -> Any:
    """The raw entry point, as the pipeline binds it."""
    return kernel.overloads[signature.args].entry_point


def _live(session: Session, rows: Any, live_rows: int) -> Line:
    """One usable quote after another of the busiest instrument, in and out; two calls into compiled code."""
    busiest = int(np.bincount(rows["inst"]).argmax())
    rows = rows[rows["inst"] == busiest]
    S, X = _state(rows)
    _enter(X, session)
    step, emit = _entry(feature_step, STEP_SIGNATURE), _entry(feature_emit, EMIT_SIGNATURE)
    buffer, out = np.zeros(1, ROW), np.zeros(COUNT, np.float32)
    warm = int(np.searchsorted(rows["ts_ns"], session.open_ns + WARM_NS))
    samples, ready = Samples(), 0
    for k in range(min(len(rows), warm + live_rows)):
        buffer[0] = rows[k]
        ts_ns, quote = int(rows["ts_ns"][k]), rows["kind"][k] == QUOTE
        began = perf_counter_ns()
        step(S, X, buffer, 0)
        mask = emit(X, S, busiest, ts_ns, out)
        ended = perf_counter_ns()
        if k >= warm and quote:
            samples.add(ended - began)
            ready += mask.bit_count()
    shown = {"samples": len(samples.kept), "ready": round(ready / max(1, len(samples.kept)), 1)}
    line: Line = {"name": "features.live", **shown, "timer_us": timer_us(), **samples.times}
    return judged(line, p50_us=0.8)


def _batch(days: list[tuple[Session, Any]], rounds: int) -> Line:
    """Rows per second, median of the rounds."""
    out, masks, at = np.zeros((ROOM, COUNT), np.float32), np.zeros(ROOM, np.int64), np.zeros(ROOM, np.int64)
    count = np.zeros(1, np.int64)
    rows = sum(len(block) for _, block in days)
    speeds, emitted = [], 0
    for _ in range(rounds):
        S, X = _state(days[0][1])
        due = np.zeros(len(X), np.int64)
        spent, emitted = 0.0, 0
        for session, block in days:
            _enter(X, session)
            lo = 0
            began = perf_counter()
            while lo < len(block):
                lo = feature_matrix(block, lo, len(block), S, X, 0, due, out, masks, at, count)
                emitted += int(count[0])
            spent += perf_counter() - began
        speeds.append(rows / spent)
    line: Line = {"name": "features.batch", "rows": rows, "emitted": emitted, "per_s": round(statistics.median(speeds))}
    return judged(line, per_s=10_000_000)
