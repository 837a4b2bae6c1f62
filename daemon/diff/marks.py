"""What the market of a journal was at given moments: the mark the trader itself would have taken, from its own rows."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.records import ROWS
from core.rows import NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from daemon.follower.archived import ArchivedRows
from daemon.journal import JournalReader

CHUNK_ROWS: Final = 65_536
Moment = tuple[int, int]  # instrument, ts_ns


def marks_at(directory: Path, *, from_seq: int, moments: Iterable[Moment]) -> dict[Moment, int]:
    """The mark of an instrument after every row up to a moment; before its first price, that first price. 0 = none."""
    wanted: dict[int, list[int]] = {}
    for inst, ts_ns in sorted(set(moments)):
        wanted.setdefault(inst, []).append(ts_ns)
    seekers = {inst: _Seeker(times) for inst, times in wanted.items()}
    last_ns = max((times[-1] for times in wanted.values()), default=0)
    for rows in _chunks(directory, from_seq):
        if all(one.done for one in seekers.values()):
            break
        for inst, seeker in seekers.items():
            mine = rows[rows["inst"] == inst]
            if len(mine) and not (seeker.done and int(mine[0]["ts_ns"]) > last_ns):
                seeker.see(mine)
    return {(inst, ts_ns): mark for inst, seeker in seekers.items() for ts_ns, mark in seeker.found()}


def _chunks(directory: Path, from_seq: int) -> Iterator[Any]:
    """Rows in large arrays: blocks are small, and each look at one costs as much as at a thousand rows."""
    reader, archive = JournalReader(directory, from_seq=from_seq), ArchivedRows(directory)
    parts: list[bytes | memoryview] = []
    count = 0
    for record in reader.records(frozenset({ROWS})):
        payload: bytes | memoryview = record.payload
        if not payload:
            header = reader.header
            assert header is not None, "a record was read from a segment"
            payload = archive.rows(header.first_seq, record.seq, record.count)
        parts.append(payload)
        count += record.count
        if count >= CHUNK_ROWS:
            yield np.frombuffer(b"".join(parts), dtype=ROW)
            parts, count = [], 0
    if parts:
        yield np.frombuffer(b"".join(parts), dtype=ROW)


class _Seeker:
    """Marks of one instrument at ascending moments."""

    def __init__(self, times: list[int]) -> None:
        self._times = np.array(times, np.int64)
        self._marks = np.zeros(len(times), np.int64)
        self._next = 0  # moments before this one are answered, as far as there was a price
        self._mid = 0  # of the newest quote; 0 = it was not usable
        self._last = 0
        self._first = 0

    @property
    def done(self) -> bool:
        """No row can change an answer any more."""
        return self._next == len(self._times) and self._first > 0

    def see(self, rows: Any) -> None:
        """Rows of this instrument, in order."""
        marks = self._series(rows)
        if not self._first:
            priced = marks[marks > 0]
            self._first = int(priced[0]) if len(priced) else 0
        times = rows["ts_ns"]
        # Moments before this chunk's first row are answered by what stood before it.
        upto = int(np.searchsorted(self._times, times[-1], side="left"))
        at = np.searchsorted(times, self._times[self._next : upto], side="right") - 1
        self._marks[self._next : upto] = np.where(at >= 0, marks[np.maximum(at, 0)], self._standing)
        self._next = upto
        self._standing_after(rows)

    @property
    def _standing(self) -> int:
        return self._mid or self._last

    def _series(self, rows: Any) -> Any:
        """The mark after each row (core/market.py: mid of a usable quote, else the last print that counts)."""
        mid, is_quote, last, is_last = _prices(rows)
        mids = _filled(mid, is_quote, self._mid)
        lasts = _filled(last, is_last, self._last)
        return np.where(mids > 0, mids, lasts)

    def _standing_after(self, rows: Any) -> None:
        mid, is_quote, last, is_last = _prices(rows)
        if is_quote.any():
            self._mid = int(mid[is_quote][-1])
        if is_last.any():
            self._last = int(last[is_last][-1])

    def found(self) -> Iterator[tuple[int, int]]:
        """Every moment with its mark."""
        self._marks[self._next :] = self._standing
        for ts_ns, mark in zip(self._times.tolist(), self._marks.tolist(), strict=True):
            yield ts_ns, mark or self._first


def _prices(rows: Any) -> tuple[Any, Any, Any, Any]:
    """(mid or 0, is it a quote that was taken, print price, is it a print that counts) by row."""
    clean = (rows["flags"] & SUSPICIOUS) == 0
    bid, ask = rows["bid_px_nanos"], rows["ask_px_nanos"]
    sized = (rows["bid_qty_nanos"] > 0) & (rows["ask_qty_nanos"] > 0)
    usable = (bid > 0) & (ask > 0) & (bid <= ask) & sized
    is_quote = clean & (rows["kind"] == QUOTE)
    counts = (bid > 0) & (rows["bid_qty_nanos"] > 0) & ((rows["flags"] & NOT_LAST) == 0)
    is_last = clean & (rows["kind"] == PRINT) & counts
    return np.where(usable, (bid + ask) // 2, 0), is_quote, bid, is_last


def _filled(values: Any, valid: Any, before: int) -> Any:
    """Each row's newest valid value; `before` where there was none yet."""
    at = np.where(valid, np.arange(len(values)), -1)
    newest = np.maximum.accumulate(at)
    return np.where(newest >= 0, values[np.maximum(newest, 0)], before)
