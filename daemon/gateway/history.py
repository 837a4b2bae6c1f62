"""The operator's file of bars for days before the feed: CSV, one row for a minute in which something traded. Reads and
checks it; knows no client. Raises ConfigError with the line and what to do about it.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from broker.gateway.market.recorded import RecordedDays, recorded_bars
from core.errors import ConfigError
from core.instruments import Instrument
from core.sessions import Session, SessionTable
from core.units import NANO, parse_nanos

FIELD: Final = "gateway.market.history"
COLUMNS: Final = ("symbol", "date", "time", "open", "high", "low", "close", "volume")
ROWS_MAX: Final = 1_000_000  # a year of minutes of ten instruments
VOLUME_MAX: Final = 1_000_000_000 * NANO  # of one bar: a day of many still fits in nanos
PRICE_MAX: Final = 1_000_000_000 * NANO

Bar = tuple[int, int, int, int, int, int]  # start ns, open, high, low, close, volume


class _Name(NamedTuple):
    """What is known of an instrument of the file."""

    inst: int
    zone: ZoneInfo
    sessions: Mapping[int, Session]  # by date
    first: int  # of the session table; what is before is not looked at


def read_bars(
    path: Path, instruments: Sequence[Instrument], calendars: Mapping[str, SessionTable]
) -> tuple[RecordedDays, ...]:
    """Bars by date, for each instrument. Names that are not configured are passed over."""
    known = {instrument.symbol: _name(instrument, calendars) for instrument in instruments}
    found: list[dict[int, list[Bar]]] = [{} for _ in instruments]
    try:
        with path.open(newline="", encoding="utf-8") as text:
            for line, row in _rows(path, text):
                name = known.get(row[0])
                if name is not None:
                    _take(found[name.inst], name, row, f"{FIELD}: {path} line {line}")
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise ConfigError(f"{FIELD}: {path} cannot be read ({fault}); give a CSV file of bars") from fault
    for instrument, days in zip(instruments, found, strict=True):
        if not days:
            raise ConfigError(f"{FIELD}: {path} has no bar of {instrument.symbol}; add its bars, or take another file")
    return tuple({date: recorded_bars(bars) for date, bars in days.items()} for days in found)


def _name(instrument: Instrument, calendars: Mapping[str, SessionTable]) -> _Name:
    table = calendars[instrument.calendar]
    return _Name(
        inst=instrument.inst, zone=ZoneInfo(table.timezone), sessions={each.date: each for each in table.sessions},
        first=table.sessions[0].date if table.sessions else 0,
    )  # fmt: skip


def _rows(path: Path, text: Any) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells, in the order of `COLUMNS`."""
    reader = csv.reader(text, strict=True)
    head = next(reader, [])
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        raise ConfigError(f"{FIELD}: {path} lacks the columns {', '.join(missing)}; its first line names them")
    at = [head.index(name) for name in COLUMNS]
    for count, row in enumerate(reader):
        if count >= ROWS_MAX:
            raise ConfigError(f"{FIELD}: {path} has more than {ROWS_MAX:,} bars; leave out the oldest")
        if len(row) != len(head):
            raise ConfigError(
                f"{FIELD}: {path} line {reader.line_num}: {len(row)} cells, {len(head)} are named; fix it"
            )
        yield reader.line_num, [row[place] for place in at]


def _take(days: dict[int, list[Bar]], name: _Name, row: Sequence[str], place: str) -> None:
    """One checked bar more."""
    symbol, date, clock, *numbers = row
    try:
        start = datetime.strptime(f"{date} {clock}", "%Y%m%d %H:%M").replace(tzinfo=name.zone)
    except ValueError as fault:
        raise ConfigError(f"{place}: {date} {clock} is no date and time; write 20131007 and 09:30") from fault
    day = int(date)
    if day not in name.sessions:
        if day < name.first:
            return
        raise ConfigError(f"{place}: {date} is no session of {symbol}; remove its bars")
    try:
        opening, high, low, close, volume = (
            parse_nanos(text, field=column) for column, text in zip(COLUMNS[3:], numbers, strict=True)
        )
    except ValueError as fault:
        raise ConfigError(f"{place}: {fault}; give a plain number") from fault
    if not 0 < low <= min(opening, close) <= max(opening, close) <= high <= PRICE_MAX:
        raise ConfigError(f"{place}: open, high, low and close are {', '.join(numbers[:4])}; low is the least, above 0")
    if not 0 < volume <= VOLUME_MAX:
        raise ConfigError(f"{place}: volume is {numbers[4]}; give shares above 0, and leave out minutes without trades")
    start_ns, session, bars = int(start.timestamp()) * NANO, name.sessions[day], days.setdefault(day, [])
    if not session.pre_open_ns <= start_ns < session.post_close_ns:
        raise ConfigError(f"{place}: {clock} is outside the hours of {symbol}; give the exchange's own time")
    if bars and bars[-1][0] >= start_ns:
        raise ConfigError(f"{place}: is not after the bar before it; sort by date and time, and give each minute once")
    bars.append((start_ns, opening, high, low, close, volume))
