"""What the gateway of the drill `execution` tells of the days before its tape: the minute bars of the *other* recorded
days, dated as the sessions before the day under test, in turn. So the trader's curve, average volume and closes come
from its ordinary requests, and nothing of the day itself is in them; but the days are not those that came before.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.sessions import SessionTable
from core.units import NANO
from daemon.gateway.history import COLUMNS
from daemon.reference.builder import build
from tests.drills.gateway_days import DAYS

SESSIONS: Final = 64  # the risk worker wants sixty days of closes
CURVE_DAYS: Final = 4  # the trader asks for so many days of minutes: each of the other days once
BACK: Final = timedelta(days=110)
MINUTE_NS: Final = 60 * NANO
CALENDAR: Final = "XNYS"

Prints = tuple[Any, Any, Any]  # times, prices, sizes


def write_history(path: Path, day: int, tape: dict[str, Prints]) -> dict[str, int]:
    """The file for one recorded day, by its number: as many sessions as wanted, the other days in turn. Returns the
    average volume of each name in it.
    """
    under_test = date.fromisoformat(DAYS[day])
    table = build(CALENDAR, first=under_test - BACK, last=date.fromisoformat(DAYS[-1]))
    dates = [session.date for session in table.sessions if session.date < _number(under_test)][-SESSIONS:]
    others = [_number(date.fromisoformat(other)) for other in DAYS if other != DAYS[day]]
    lines = [",".join(COLUMNS)]
    average: dict[str, int] = {}
    for symbol, prints in tape.items():
        bars = {other: minute_bars(table, other, prints) for other in others}
        volumes = [int(bar.rpartition(",")[2]) for other in others for bar in bars[other]]
        average[symbol] = sum(volumes) // len(others)
        for at, dated in enumerate(dates):
            # The last four sessions are the other four days in their own order.
            of = others[(at - len(dates)) % len(others)]
            lines += [f"{symbol},{dated},{bar}" for bar in bars[of]]
    path.write_text("\n".join(lines) + "\n")
    return average


def minute_bars(table: SessionTable, day: int, prints: Prints) -> list[str]:
    """The regular minutes of a day in which something traded, as the file has them after symbol and date."""
    session = next(each for each in table.sessions if each.date == day)
    ts_ns, price, size = prints
    edges = np.arange(session.open_ns, session.close_ns + 1, MINUTE_NS)
    places = np.searchsorted(ts_ns, edges)
    found = []
    for minute, (first, last) in enumerate(pairwise(places)):
        volume = int(size[first:last].sum())
        if volume:
            clock = 9 * 60 + 30 + minute  # of a regular day in New York
            cells: Sequence[float] = (
                price[first], price[first:last].max(), price[first:last].min(), price[last - 1],
            )  # fmt: skip
            found.append(
                f"{clock // 60:02d}:{clock % 60:02d}," + ",".join(f"{cell:.4f}" for cell in cells) + f",{volume}"
            )
    return found


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
