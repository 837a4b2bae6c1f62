"""Daily closes from the files that a config names: plain CSV, because the trader reads no Parquet. Decides nothing."""

import csv
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from core.reference import HistoryLoaded
from core.units import parse_nanos
from daemon.config import Config
from daemon.reference.hours import day_of

DAYS_MAX: Final = 2_000  # of one file; the newest count


def histories_of(config: Config) -> tuple[HistoryLoaded, ...]:
    """Those of all instruments with a file. Raises ConfigError naming file and line."""
    return tuple(
        read_history(Path(settings.history), inst=inst, field=f"instruments[{inst}].history")
        for inst, settings in enumerate(config.instruments)
        if settings.history
    )


def read_history(path: Path, *, inst: int, field: str) -> HistoryLoaded:
    """One file: lines of `yyyymmdd,close`, ascending, at most one of them a heading. Raises ConfigError."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [(number, row) for number, row in enumerate(csv.reader(lines), start=1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise ConfigError(f"{field}: {path} cannot be read ({fault}); correct the path or the file") from fault
    if rows and not rows[0][1][0].isdigit():
        rows = rows[1:]
    dates: list[int] = []
    closes: list[int] = []
    for number, row in rows:
        place = f"{field}: {path} line {number}"
        try:
            day, price = (cell.strip() for cell in row)
            close = parse_nanos(price, field="close")
            day_of(int(day))
        except ValueError as fault:
            raise ConfigError(f"{place}: not `yyyymmdd,close` ({fault}); correct the line") from fault
        if close <= 0 or (dates and int(day) <= dates[-1]):
            raise ConfigError(f"{place}: closes must be above 0 and days ascend; correct the line")
        dates.append(int(day))
        closes.append(close)
    return HistoryLoaded(inst=inst, dates=tuple(dates[-DAYS_MAX:]), closes_nanos=tuple(closes[-DAYS_MAX:]))
