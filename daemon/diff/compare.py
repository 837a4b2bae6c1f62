"""Two journals and a day: the common span, both runs' decisions and markets, the attribution."""

from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from daemon.diff.attribution import Row, Side, attribute, moments
from daemon.diff.day import Day, Span, find_day, read_day
from daemon.diff.marks import marks_at

WITHIN_S: Final = 60.0  # two decisions further apart answer to different signals


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Both days over the span they have in common, and why their profits differ."""

    date: int
    start_ns: int
    end_ns: int
    live: Day
    shadow: Day
    rows: list[Row]


def compare(live: Path, shadow: Path, *, date: int, within_s: float = WITHIN_S) -> Comparison:
    """Compare two journals over one trading day. Raises ConfigError, JournalError."""
    here = find_day(live, date)
    there = find_day(shadow, here.date)
    start_ns, end_ns = max(here.start_ns, there.start_ns), min(here.end_ns, there.end_ns)
    if start_ns >= end_ns:
        raise ConfigError(f"{shadow}: has no moment of day {here.date} in common with {live}")
    ours = read_day(here, start_ns=start_ns, end_ns=end_ns)
    theirs = read_day(there, start_ns=start_ns, end_ns=end_ns)
    if ours.symbols != theirs.symbols or ours.currency != theirs.currency:
        raise ConfigError(f"{shadow}: declares other instruments or another currency than {live}")
    wanted = [*moments(ours, start_ns=start_ns, end_ns=end_ns), *moments(theirs, start_ns=start_ns, end_ns=end_ns)]
    sides = [_side(span, day, wanted, end_ns) for span, day in ((here, ours), (there, theirs))]
    rows = attribute(sides[0], sides[1], within_ns=round(within_s * 1e9))
    return Comparison(date=here.date, start_ns=start_ns, end_ns=end_ns, live=ours, shadow=theirs, rows=rows)


def _side(span: Span, day: Day, wanted: list[tuple[int, int]], end_ns: int) -> Side:
    marks = marks_at(span.directory, from_seq=span.from_seq, moments=wanted)
    return Side(day=day, mark=lambda inst, ts_ns: marks[inst, ts_ns], end_ns=end_ns)
