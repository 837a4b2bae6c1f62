"""Builds the reference tables of a run: whatever its decisions read that is neither market data nor state, ready to be
journalled before the first input. Session tables come from a process of their own (`daemon.reference.builder`) and are
kept as files, because the trader must not import the calendar library. Decides nothing: a day without a row is denied
by whoever reads the tables.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import date, time, timedelta
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core.errors import ConfigError
from core.instruments import Instrument
from core.reference import (
    CodeVersion,
    ConfigResolved,
    FeeRow,
    FeesLoaded,
    HistoryLoaded,
    InstrumentLoaded,
    InstrumentReference,
    ModelLoaded,
    Reference,
    SessionsLoaded,
)
from core.sessions import Calendar, SessionTable
from daemon.config import Config, config_digest, fee_rows_of, instruments_of, reference_of, resolved_json
from daemon.digests import ROOT, code_version
from daemon.reference.histories import histories_of
from daemon.reference.hours import HOURS, day_of, local_day, local_ns, number_of
from daemon.reference.synthetic import synthetic_reference
from daemon.serving import model_records

MARGIN: Final = timedelta(days=7)  # around the days of the feed: weekends, holidays, and what is still working after it
ENDLESS_DAYS: Final = 366  # how far an endless feed's table reaches
BUILD_SECONDS_MAX: Final = 120.0
TABLE_FORMAT: Final = 1  # part of the file name: raised when hours.py changes
LIBRARY: Final = "exchange_calendars"


class ReferenceTables(msgspec.Struct, frozen=True, kw_only=True):
    """All reference records of one run."""

    config: ConfigResolved
    code: CodeVersion
    sessions: tuple[SessionsLoaded, ...]  # one per calendar in use, by name
    instruments: tuple[InstrumentLoaded, ...]  # by row
    fees: FeesLoaded
    slow: tuple[InstrumentReference, ...]  # previous closes and volumes, as far as they are known
    models: tuple[ModelLoaded, ...] = ()
    histories: tuple[HistoryLoaded, ...] = ()  # daily closes, where the config names a file

    def records(self) -> tuple[Reference, ...]:
        """In the order in which they are journalled."""
        return (
            self.config,
            self.code,
            *self.sessions,
            *self.instruments,
            self.fees,
            *self.slow,
            *self.models,
            *self.histories,
        )

    @property
    def contracts(self) -> tuple[Instrument, ...]:
        """The instruments, by row."""
        return tuple(loaded.instrument for loaded in self.instruments)

    @property
    def fee_rows(self) -> tuple[FeeRow, ...]:
        """The rows of the fee plan."""
        return self.fees.rows

    def session_table(self, calendar: str) -> SessionTable:
        """One calendar's table. Raises ConfigError."""
        for loaded in self.sessions:
            if loaded.table.calendar == calendar:
                return loaded.table
        raise ConfigError(f"calendar {calendar}: no session table; build the reference tables again")

    def calendars(self) -> tuple[Calendar, ...]:
        """A reader for each instrument's sessions; instruments of one calendar share it."""
        shared = {loaded.table.calendar: Calendar(loaded.table) for loaded in self.sessions}
        return tuple(shared[instrument.calendar] for instrument in self.contracts)

    def previous_close_nanos(self, day: int) -> list[int]:
        """Previous close of each instrument on exactly this day (yyyymmdd); 0 = not known."""
        return self._slow_on(day, "previous_close_nanos")

    def adv_nanos(self, day: int) -> list[int]:
        """Average daily volume of each instrument on exactly this day (yyyymmdd); 0 = not known."""
        return self._slow_on(day, "adv_nanos")

    def _slow_on(self, day: int, name: str) -> list[int]:
        # Exactly: yesterday's number on today's order would be a wrong number, not an old one. A row of the day itself
        # comes before one of many days.
        found = [0] * len(self.instruments)
        for row in self.slow:
            if row.effective_from <= day <= row.until:
                found[row.inst] = getattr(row, name)
        for row in self.slow:
            if row.effective_from == day and not row.until and getattr(row, name):
                found[row.inst] = getattr(row, name)
        return found

    def dates(self) -> list[int]:
        """The days of which slow numbers may be known, ascending."""
        found = {row.effective_from for row in self.slow}
        if any(row.until for row in self.slow):
            found |= {session.date for loaded in self.sessions for session in loaded.table.sessions}
        return sorted(found)


def build_reference(config: Config, *, first: date, last: date) -> ReferenceTables:
    """The tables for a feed that covers [first, last], as local days; a week is added at both ends.

    Raises ConfigError naming the calendar when it is unknown or does not cover the days.
    """
    folder = Path(config.state_dir) / "reference"
    calendars = sorted({instrument.calendar for instrument in config.instruments})
    tables = [session_table(name, first=first - MARGIN, last=last + MARGIN, folder=folder) for name in calendars]
    instruments = instruments_of(config)
    slow = reference_of(config)
    if config.feed.kind == "synthetic":
        slow += synthetic_reference(config, instruments, {table.calendar: table for table in tables})
    return ReferenceTables(
        config=ConfigResolved(json=resolved_json(config), digest=config_digest(config)),
        code=code_version(),
        sessions=tuple(SessionsLoaded(table=table) for table in tables),
        instruments=tuple(InstrumentLoaded(instrument=instrument) for instrument in instruments),
        fees=FeesLoaded(plan=config.fees.plan, rows=fee_rows_of(config)),
        slow=slow,
        models=model_records(config),
        histories=histories_of(config),
    )


def from_records(records: Iterable[Reference]) -> ReferenceTables:
    """The tables as a journal holds them; of config, code and fees the last record counts. Raises ConfigError."""
    by_type: dict[type[Reference], list[Reference]] = {}
    for record in records:
        by_type.setdefault(type(record), []).append(record)
    for kind in (ConfigResolved, CodeVersion, FeesLoaded):
        if kind not in by_type:
            raise ConfigError(f"journal: no {kind.__name__} record; its first segment is missing or another release's")
    return msgspec.convert(
        {
            "config": by_type[ConfigResolved][-1],
            "code": by_type[CodeVersion][-1],
            "sessions": by_type.get(SessionsLoaded, []),
            "instruments": by_type.get(InstrumentLoaded, []),
            "fees": by_type[FeesLoaded][-1],
            "slow": by_type.get(InstrumentReference, []),
            "models": by_type.get(ModelLoaded, []),
            "histories": by_type.get(HistoryLoaded, []),
        },
        ReferenceTables,
    )


def covered_days(config: Config, *, first_ns: int = 0, last_ns: int = 0) -> tuple[date, date]:
    """The local days a feed covers: of a synthetic market by config, of a tape by its header's first and last time.

    0 = the header does not say: then feed.start and feed.end must. Raises ConfigError.
    """
    if config.feed.kind == "synthetic":
        settings = config.feed.synthetic
        start = date.fromisoformat(settings.start_date)
        # 252 sessions in 365 days, rounded up, and room for a run of holidays.
        days = ENDLESS_DAYS if settings.endless else settings.days * 365 // 250 + 7
        return start, start + timedelta(days=days)
    zone = ZoneInfo(config.feed.timezone)
    return (
        _day(config.feed.start, first_ns, zone, field="feed.start"),
        _day(config.feed.end, last_ns, zone, field="feed.end"),
    )


def _day(text: str, ts_ns: int, zone: ZoneInfo, *, field: str) -> date:
    if text:
        return date.fromisoformat(text[: len("2013-10-07")])
    if ts_ns <= 0:
        raise ConfigError(f"{field}: the tape does not say which days it covers; set feed.start and feed.end")
    return local_day(ts_ns, zone)


def day_rolls(table: SessionTable, *, day_roll: str, timezone: str) -> tuple[tuple[int, int], ...]:
    """(ts_ns, trading date) of every roll, ascending: on the evening of a session the next session's day begins.

    The last session of the table has no roll: the day behind it is not known here.
    """
    moment, zone = time.fromisoformat(day_roll), ZoneInfo(timezone)
    days = [session.date for session in table.sessions]
    return tuple((local_ns(day_of(day), moment, zone), later) for day, later in pairwise(days))


def session_table(calendar: str, *, first: date, last: date, folder: Path) -> SessionTable:
    """One calendar's table for [first, last], from `folder` or built and kept there. Raises ConfigError."""
    hours = HOURS.get(calendar)
    if hours is None:
        raise ConfigError(f"instruments.calendar: {calendar!r} is unknown; use one of {', '.join(HOURS)}")
    path = folder / table_name(calendar, first=first, last=last)
    kept = _read(path)
    zone = ZoneInfo(hours.timezone)
    if kept is not None and kept.calendar == calendar and kept.from_ns == local_ns(first, time.min, zone):
        return kept
    built = build_in_child(calendar, first=first, last=last)
    _write(path, built)
    return built


def table_name(calendar: str, *, first: date, last: date) -> str:
    """Of the file that a table is kept in: whatever its content depends on."""
    version = metadata.version(LIBRARY)
    return f"sessions-{calendar}-{number_of(first)}-{number_of(last)}-{version}-{TABLE_FORMAT}.json"


def build_in_child(calendar: str, *, first: date, last: date, python: str = sys.executable) -> SessionTable:
    """One table, built in a process of its own. Raises ConfigError with the builder's own words."""
    command = [python, "-m", "daemon.reference.builder", calendar, first.isoformat(), last.isoformat()]
    place = f"instruments.calendar: sessions of {calendar} for {first}..{last}"
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        ended = subprocess.run(command, capture_output=True, timeout=BUILD_SECONDS_MAX, check=False, env=environment)
    except subprocess.TimeoutExpired as fault:
        raise ConfigError(f"{place}: not built within {BUILD_SECONDS_MAX:g} s; try again") from fault
    except OSError as fault:
        raise ConfigError(f"{place}: cannot start {python}: {fault.strerror}; install again") from fault
    if ended.returncode != 0:
        lines = ended.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {ended.returncode}"]
        text = lines[-1].removeprefix("calendar: ")
        raise ConfigError(f"{place}: {text}" if ";" in text else f"{place}: not built: {text}; install again")
    try:
        return msgspec.json.decode(ended.stdout, type=SessionTable)
    except msgspec.DecodeError as fault:
        raise ConfigError(f"{place}: the builder wrote no table ({fault}); install again") from fault


def _read(path: Path) -> SessionTable | None:
    """A kept table; None when there is none that can be read, which only costs building it again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=SessionTable)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, table: SessionTable) -> None:
    """Keep a table; whole or not at all, as another run may read at the same time. Raises ConfigError."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.encode(table))
        draft.replace(path)
    except OSError as fault:
        raise ConfigError(f"state_dir: cannot write {path}: {fault.strerror}; set it to a folder of yours") from fault


def date_at(tables: ReferenceTables, ts_ns: int) -> int:
    """The trading date of a moment before the first roll of the table."""
    for session in tables.sessions[0].table.sessions:
        if ts_ns < session.post_close_ns:
            return session.date
    return 0
