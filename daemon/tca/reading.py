"""From a journal to its schedules and the market they met. Reads beside a live trader; market rows that retention moved
to Parquet are read there. One pass; `quotes` is a second one over the rows alone, for plots.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from core import records as r
from core.commands import OpenParent
from core.errors import QuantdError
from core.events import DayRolled, ReferenceArrived
from core.instruments import Instrument
from core.reference import ConfigResolved, FeesLoaded, InstrumentLoaded, InstrumentReference, SessionsLoaded
from core.rows import ROW_BYTES
from core.sessions import SessionTable
from core.units import NANO
from daemon.follower.archived import ArchivedRows
from daemon.journal import JournalReader, Record
from daemon.journal.layout import list_segments, unpack_header
from daemon.journal.opening import map_segment
from daemon.tca.market import Content, Market
from daemon.tca.trail import Trail, Unopened
from daemon.tca.trails import Walk

AROUND_NS: Final = 5 * 86_400 * NANO  # read before and after a day: what was open, and the next open after holidays


class Tables(msgspec.Struct, kw_only=True):
    """The reference records of a journal, the newest of each."""

    instruments: dict[int, Instrument] = {}
    sessions: dict[str, SessionTable] = {}  # by calendar
    volumes: list[InstrumentReference] = []
    fees: FeesLoaded | None = None
    mode: str = ""

    def table_of(self, inst: int) -> SessionTable | None:
        """The sessions of an instrument."""
        instrument = self.instruments.get(inst)
        return None if instrument is None else self.sessions.get(instrument.calendar)


class Findings(msgspec.Struct, kw_only=True):
    """What was read: schedules in the order they began, and the market to measure them against."""

    tables: Tables
    market: Market
    trails: list[Trail]
    unopened: list[Unopened]
    dates: list[int]
    adv_nanos: dict[tuple[int, int], int]  # by instrument and date
    splits: list[tuple[int, int, int, int]]  # instrument, trading date, new shares for old ones


class _Mode(msgspec.Struct):
    mode: str = ""


def read(journal: Path, date: int = 0) -> Findings:
    """All schedules, or those of one trading day. Raises QuantdError when the journal has no such day."""
    tables = _tables(journal)
    market = Market({inst: table for inst in tables.instruments if (table := tables.table_of(inst)) is not None})
    walk = Walk(market, max(tables.instruments, default=-1) + 1)
    volumes: dict[tuple[int, int], int] = {}
    for seq, ts_ns, message in _stream(journal, market, date):
        if type(message) is ReferenceArrived:
            if message.adv_nanos:
                volumes[message.inst, message.effective_from] = message.adv_nanos
        else:
            walk.take(seq, ts_ns, message)
    walk.finish()
    market.finish()
    dates = sorted(walk.dates)
    if date and date not in walk.dates:
        held = f"it holds {dates[0]} to {dates[-1]} around it" if dates else "it holds no trading day near it"
        raise QuantdError(f"{date}: no record of this day in {journal}: {held}")
    for day in dates:
        for row in tables.volumes:
            if row.adv_nanos and row.effective_from <= day <= (row.until or row.effective_from):
                volumes.setdefault((row.inst, day), row.adv_nanos)
    return Findings(
        tables=tables,
        market=market,
        trails=[trail for trail in walk.trails.values() if not date or trail.date == date],
        unopened=[lost for lost in walk.unopened if not date or lost.date == date],
        dates=[day for day in dates if not date or day == date],
        adv_nanos=volumes,
        splits=walk.splits,
    )


def quotes(journal: Path, questions: list[tuple[int, int]], date: int = 0) -> list[tuple[int, int]]:
    """Bid and ask of (instrument, time) each, by a pass over the rows alone; (0, 0) = none."""
    market = Market({})
    tickets = [market.ask_mark(inst, ts_ns) for inst, ts_ns in questions]
    for _ in _stream(journal, market, date, kinds=frozenset({r.ROWS})):
        pass
    market.finish()
    return [market.mark(ticket) for ticket in tickets]


def last_date(journal: Path) -> int:
    """The newest trading day on which a schedule began; 0 = none. Looks from the newest segment backwards."""
    orphans, end_seq = False, 0  # schedules of a later segment whose day began before it
    for file in reversed(list_segments(journal)):
        date = found = 0
        before = False
        for record in JournalReader(journal, from_seq=file.first_seq).records(frozenset({r.INPUT, r.COMMAND})):
            if end_seq and record.seq >= end_seq:
                break
            message = r.decode(record.kind, record.payload)
            if type(message) is DayRolled:
                date = message.date
            elif type(message) is OpenParent:
                found, before = date, before or not date
        if date and (orphans or found):
            return date if orphans else found
        orphans, end_seq = orphans or before, file.first_seq
    return 0


def _tables(journal: Path) -> Tables:
    tables = Tables()
    for record in JournalReader(journal).references():
        message = r.decode(record.kind, record.payload)
        if type(message) is InstrumentLoaded:
            tables.instruments[message.instrument.inst] = message.instrument
        elif type(message) is SessionsLoaded:
            tables.sessions[message.table.calendar] = message.table
        elif type(message) is InstrumentReference:
            tables.volumes.append(message)
        elif type(message) is FeesLoaded:
            tables.fees = message
        elif type(message) is ConfigResolved:
            tables.mode = msgspec.json.decode(message.json, type=_Mode).mode
    return tables


_KINDS: Final = frozenset({r.INPUT, r.NOTE, r.COMMAND, r.OUTCOME, r.ROWS})


def _stream(journal: Path, market: Market, date: int, kinds: frozenset[int] = _KINDS) -> Iterator[tuple[int, int, Any]]:
    """Messages in order; rows go to the market on the way."""
    from_seq, until_ns = _span(journal, date)
    reader = JournalReader(journal, from_seq=from_seq)
    archive = ArchivedRows(journal)
    decode = r.decode
    for record in reader.records(kinds):
        if until_ns and record.ts_ns > until_ns:
            return
        if record.kind == r.ROWS:
            market.take(record.seq, record.count, _content(reader, archive, record))
        else:
            yield record.seq, record.ts_ns, decode(record.kind, record.payload)


def _content(reader: JournalReader, archive: ArchivedRows, record: Record) -> Content:
    if len(record.payload) == record.count * ROW_BYTES:
        return record.payload
    assert reader.header is not None
    return archive.rows(reader.header.first_seq, record.seq, record.count)


def _span(journal: Path, date: int) -> tuple[int, int]:
    """First seq and last time to read for a day, generously; (0, 0) = everything."""
    if not date:
        return 0, 0
    day = datetime.strptime(str(date), "%Y%m%d").replace(tzinfo=UTC)
    middle_ns = (int(day.timestamp()) + 43_200) * NANO
    from_seq = 0
    for file in list_segments(journal):
        header = unpack_header(map_segment(file.path), name=file.path.name)
        if header.created_ts_ns <= middle_ns - AROUND_NS:
            from_seq = file.first_seq
    return from_seq, middle_ns + AROUND_NS
