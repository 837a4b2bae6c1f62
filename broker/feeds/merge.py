"""Merges market rows of several sources into one order, and cuts the result into batches and control facts.

The order is (receipt time, rank of the source, row within the source): stable, and no source is ever re-sorted. A
control fact of a synthetic source travels as a row of a private kind, so that its place is exact; it never leaves this
module as a row. Memory is bounded by one chunk per source.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from broker.feeds.columns import Rows
from core.events import AnyEvent, FeedGapped, HaltChanged
from core.rows import ROW, ROW_BYTES

# Private row kinds: the value stands in `bid_px_nanos`.
CONTROL_KIND_MIN: Final = 100
HALT: Final = 100  # value: HaltChanged.halted
GAP: Final = 101  # value: rows lost
_WORDS: Final = ROW_BYTES // 8


class ControlFact(NamedTuple):
    """A core event that is no market row, with its receipt time."""

    ts_ns: int
    event: AnyEvent


def merge(sources: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """Yield slabs of merged rows. `sources` stand in rank order; their chunks are non-empty, `ts_ns` ascending."""
    heads: list[Rows | None] = [next(source, None) for source in sources]
    while True:
        live = [(rank, head) for rank, head in enumerate(heads) if head is not None]
        if not live:
            return
        # No row still unread can come before the earliest last row; of equals, the lowest rank.
        horizon_ns, limit = min((int(head["ts_ns"][-1]), rank) for rank, head in live)
        parts: list[Rows] = []
        for rank, head in live:
            at = _cut(head, horizon_ns, rank=rank, limit=limit)
            if at:
                parts.append(head[:at])
            heads[rank] = head[at:] if at < len(head) else next(sources[rank], None)
        yield _in_order(parts)


def _cut(head: Rows, horizon_ns: int, *, rank: int, limit: int) -> int:
    """How many rows of `head` come before every unread row of the limiting source."""
    if rank == limit:
        return len(head)
    return int(np.searchsorted(head["ts_ns"], horizon_ns, side="right" if rank < limit else "left"))


def _in_order(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    slab = np.concatenate(parts)
    order = np.argsort(slab["ts_ns"], kind="stable")
    # As plain words: numpy copies those in one go, a structured row field by field.
    return np.take(slab.view(np.int64).reshape(-1, _WORDS), order, axis=0).view(ROW).reshape(-1)


def cut(slabs: Iterator[Rows], *, skip_rows: int, batch_rows: int) -> Iterator[Rows | ControlFact]:
    """Drop the first `skip_rows` market rows, then yield batches of at most `batch_rows`, with control facts in place.

    A fact that stands right after the last skipped row is delivered (again): facts are states, not changes.
    """
    left = skip_rows
    for slab in slabs:
        marks = np.flatnonzero(slab["kind"] >= CONTROL_KIND_MIN).tolist()
        start = 0
        for mark in (*marks, len(slab)):
            dropped = min(left, mark - start)
            left -= dropped
            for at in range(start + dropped, mark, batch_rows):
                yield slab[at : min(at + batch_rows, mark)]
            if mark < len(slab) and not left:
                yield _fact(slab[mark])
            start = mark + 1


def _fact(row: Any) -> ControlFact:
    inst, value = int(row["inst"]), int(row["bid_px_nanos"])
    if row["kind"] == HALT:
        return ControlFact(int(row["ts_ns"]), HaltChanged(inst=inst, halted=value))
    return ControlFact(int(row["ts_ns"]), FeedGapped(inst=inst, dropped=value, reason="synthetic gap"))
