"""`python -m research.curves FILE.parquet ... --symbols BAC IBM`: how well a volume curve tells a day it has not seen.
Leave one day out: the curve of all other days of all names, of all other days of the name, and even parts, against what
the day traded. Prints the errors with n and claims nothing: a handful of days is a handful of days.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from broker.feeds.columns import Rows
from broker.feeds.replay import ReplayFeed, read_rows
from broker.feeds.spec import BATCH_ROWS_MAX, ReplaySpec
from core.curves import PPM, DayVolume, median_curve
from core.errors import ConfigError, QuantdError
from core.rows import PRINT
from research.hours import regular_hours, utc_text

SLOT_MINUTES = 30
SESSION_MINUTES = 390
SLOTS = SESSION_MINUTES // SLOT_MINUTES
SLOT_NS = SLOT_MINUTES * 60 * 10**9


class CurveError(msgspec.Struct, frozen=True, kw_only=True):
    """What one way to tell a day was off by. Shares are of a day, in per cent."""

    name: str
    days: int  # held out: one per name and day
    slots: int
    slot_error_median: float  # |share told - share traded| / share told
    tracking_error_mean: float  # |told so far - traded so far| at the ends of the slots


def day_volumes(rows: Iterable[Rows], sessions: Sequence[tuple[int, int]], symbols: int) -> list[list[DayVolume]]:
    """Volume by slot of every session in which a name printed, per name."""
    volume = np.zeros((symbols, len(sessions), SLOTS), np.int64)
    opens = np.array([session[0] for session in sessions], np.int64)
    closes = np.array([session[1] for session in sessions], np.int64)
    for batch in rows:
        prints = batch[(batch["kind"] == PRINT) & (batch["flags"] == 0)]
        day = np.searchsorted(opens, prints["ts_ns"], side="right") - 1
        prints, day = prints[day >= 0], day[day >= 0]
        inside = prints["ts_ns"] < closes[day]
        prints, day = prints[inside], day[inside]
        np.add.at(volume, (prints["inst"], day, (prints["ts_ns"] - opens[day]) // SLOT_NS), prints["bid_qty_nanos"])
    dates = [int(utc_text(open_ns)[:10].replace("-", "")) for open_ns, _ in sessions]
    return [
        [
            DayVolume(date=date, kind="full", slots=tuple(map(int, volume[name, at])))
            for at, date in enumerate(dates)
            if volume[name, at].any()
        ]
        for name in range(symbols)
    ]


def leave_one_day_out(names: Sequence[Sequence[DayVolume]]) -> tuple[CurveError, ...]:
    """The errors of each way. Raises ConfigError with fewer than two days of every name."""
    if any(len(days) < 2 for days in names):
        raise ConfigError("files: a name has fewer than two days; leave one out needs another")
    slot_errors: dict[str, list[float]] = {"pooled": [], "own": [], "even": []}
    tracking: dict[str, list[float]] = {name: [] for name in slot_errors}
    held_out = 0
    for days in names:
        for held in days:
            held_out += 1
            others = [day for each in names for day in each if day.date != held.date]
            own = [day for day in days if day.date != held.date]
            traded = np.array(held.slots) / sum(held.slots)
            for name, told in (("pooled", median_curve(others)), ("own", median_curve(own)), ("even", None)):
                curve = np.full(SLOTS, 1.0 / SLOTS) if told is None else np.array(told) / PPM
                slot_errors[name] += (np.abs(traded - curve) / curve).tolist()
                tracking[name] += np.abs(traded.cumsum() - curve.cumsum())[:-1].tolist()
    return tuple(
        CurveError(
            name=name, days=held_out, slots=SLOTS, slot_error_median=100.0 * float(np.median(slot_errors[name])),
            tracking_error_mean=100.0 * float(np.mean(tracking[name])),
        )
        for name in slot_errors
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m research.curves", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="+", metavar="FILE", help="Parquet tape of trades")
    parser.add_argument("--symbols", nargs="+", required=True, help="symbols in the files")
    options = parser.parse_args(arguments)
    places = {symbol: at for at, symbol in enumerate(options.symbols)}
    spec = ReplaySpec(
        files=tuple(options.files), symbols=places, other_symbols="skip", batch_rows=BATCH_ROWS_MAX
    )  # fmt: skip
    try:
        header = ReplayFeed(spec).header
        sessions = regular_hours(header.first_ns, header.last_ns)
        errors = leave_one_day_out(day_volumes(read_rows(spec), sessions, len(places)))
    except QuantdError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    for error in errors:
        sys.stdout.write(
            f"{error.name:7} n={error.days} days, {error.slots} slots of {SLOT_MINUTES} min: slot error "
            f"{error.slot_error_median:.1f} % (median), tracking error {error.tracking_error_mean:.2f} % of the day\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
