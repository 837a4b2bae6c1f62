"""The daily report: one page and one line of numbers for each trading day that is over, and an alert where the day's
costs are not those of the days before or of the estimates. Written by a process of its own, never the trader's; what
fails here is told and done again next time.
"""

import os
import time
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from core import records as r
from core.errors import QuantdError
from core.events import DayRolled
from daemon.alerts.desk import Alert
from daemon.alerts.left import leave
from daemon.journal import JournalReader
from daemon.journal.layout import list_segments
from daemon.tca.document import Report, report_of

REPORTS: Final = "reports"  # folder in the state directory
KEPT_MAX: Final = 260  # days: a year of trading
CATCH_UP_MAX: Final = 5  # days written at once; older ones by `quantd tca --day`
COMPARED: Final = 20  # days before, for a drift
COMPARED_MIN: Final = 5
Z_SCHEDULES_MIN: Final = 20
Z_MEAN_MAX: Final = 0.5  # and beyond what so many independent estimates would show in sixteen thousand days
Z_SIGMAS_MAX: Final = 4.0
DRIFT_SIGMAS_MAX: Final = 4.0
DRIFT_BP_MIN: Final = 1.0  # less is nobody's money
_MAD: Final = 1.4826  # of a normal's standard deviation
CODE: Final = "COST_DRIFT"
DAY_ROLLED_TAG: Final = DayRolled.__struct_config__.tag  # second byte of its record


class DayLine(msgspec.Struct, frozen=True, kw_only=True):
    """`costs-DAY.json`: what the next days are compared with."""

    date: int
    schedules: int
    orders: int
    bad: int  # rejected, not sent, refused
    cost_nanos: int
    total_bp: float | None
    low_bp: float | None
    high_bp: float | None
    z: float | None
    z_n: int


def write_days(state_dir: Path, journal: Path) -> list[DayLine]:
    """Reports of the newest days that are over and have none yet, oldest first. Raises QuantdError, OSError."""
    folder = state_dir / REPORTS
    folder.mkdir(mode=0o700, exist_ok=True)
    due = [date for date in days_over(journal) if not _line_file(folder, date).exists()]
    made = [_write(state_dir, folder, journal, date) for date in due]
    for old in sorted(folder.glob("costs-*.json"))[:-KEPT_MAX]:
        old.with_suffix(".html").unlink(missing_ok=True)
        old.unlink()
    return made


def days_over(journal: Path) -> list[int]:
    """The newest trading days that another has followed, oldest first; from the newest segment backwards."""
    dates: dict[int, None] = {}
    end_seq = 1 << 63
    for file in reversed(list_segments(journal)):
        for record in JournalReader(journal, from_seq=file.first_seq).records(frozenset({r.INPUT})):
            if record.seq >= end_seq:
                break
            if record.payload[1] == DAY_ROLLED_TAG:
                message = r.decode(record.kind, record.payload)
                assert type(message) is DayRolled
                dates[message.date] = None
        if len(dates) > CATCH_UP_MAX:
            break
        end_seq = file.first_seq
    return sorted(dates)[:-1][-CATCH_UP_MAX:]


def _write(state_dir: Path, folder: Path, journal: Path, date: int) -> DayLine:
    report = report_of(journal, date)
    line = line_of(date, report)
    faults = judge(line, lines_before(folder, date))
    _replace(folder / f"costs-{date}.html", report.page(warnings=faults).encode())
    _replace(_line_file(folder, date), msgspec.json.encode(line))  # last: it says that the day is done
    if faults:
        text = f"{date}: {'; '.join(faults)}: see {REPORTS}/costs-{date}.html"
        leave(state_dir, Alert(code=CODE, severity="warning", text=text, source="report", ts_ns=time.time_ns()))
    return line


def line_of(date: int, report: Report) -> DayLine:
    """The day in numbers."""
    rows = report.rows
    whole = next((group for group in report.groups if group.by == "all"), None)
    return DayLine(
        date=date,
        schedules=len(rows),
        orders=sum(len(row.orders) for row in rows),
        bad=sum(row.unhappy + row.refusals for row in rows),
        cost_nanos=sum(row.total_nanos for row in rows),
        total_bp=None if whole is None else whole.total_bp,
        low_bp=None if whole is None else whole.low_bp,
        high_bp=None if whole is None else whole.high_bp,
        z=None if whole is None else whole.z,
        z_n=0 if whole is None else whole.z_n,
    )


def judge(line: DayLine, before: list[DayLine]) -> list[str]:
    """What a person should look at; [] = an ordinary day."""
    faults = []
    if line.z is not None and line.z_n >= Z_SCHEDULES_MIN:
        off = abs(line.z) * sqrt(line.z_n)
        if abs(line.z) > Z_MEAN_MAX and off > Z_SIGMAS_MAX:
            side = "dearer" if line.z > 0 else "cheaper"
            faults.append(f"trading was {side} than estimated: mean z {line.z:.2f} over {line.z_n} schedules")
    costs = [one.total_bp for one in before if one.total_bp is not None][-COMPARED:]
    if line.total_bp is not None and len(costs) >= COMPARED_MIN:
        usual = median(costs)
        spread = max(_MAD * median([abs(cost - usual) for cost in costs]), DRIFT_BP_MIN / DRIFT_SIGMAS_MAX)
        if line.total_bp - usual > DRIFT_SIGMAS_MAX * spread:
            faults.append(f"cost {line.total_bp:.2f} bp, usually {usual:.2f} over {len(costs)} days")
    return faults


def lines_before(folder: Path, date: int) -> list[DayLine]:
    """Earlier days, oldest first; one that cannot be read is passed over."""
    found = []
    for path in sorted(folder.glob("costs-*.json"))[-KEPT_MAX:]:
        try:
            line = msgspec.json.decode(path.read_bytes(), type=DayLine)
        except (OSError, msgspec.MsgspecError):
            continue
        if line.date < date:
            found.append(line)
    return found


def _line_file(folder: Path, date: int) -> Path:
    return folder / f"costs-{date}.json"


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_suffix(path.suffix + ".new")
    draft.write_bytes(content)
    try:
        os.replace(draft, path)
    except OSError as fault:
        raise QuantdError(f"{path}: {fault.strerror}") from fault
