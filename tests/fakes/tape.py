"""A hand-made market for tests: one calendar of three days, cheap instruments, and a builder of market rows.

Prices are given in cents and sizes in shares, because that is what a reader checks by head; the rows hold nanos.
Times are seconds after the first regular open.
"""

import numpy as np
from numpy.typing import NDArray

from core.instruments import Instrument, LotRule, TickRule
from core.rows import PRINT, QUOTE, ROW
from core.sessions import Calendar, Session, SessionTable
from core.units import NANO

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
CENT = NANO // 100
OPEN_NS = 1_767_623_400 * SECOND  # 2026-01-05 14:30 UTC
DATES = (20260105, 20260106, 20260107)
CALENDAR = "XNYS"
QUOTES = np.dtype(
    [(name, np.int64) for name in ("bid_px_nanos", "ask_px_nanos", "bid_qty_nanos", "ask_qty_nanos", "last_px_nanos")]
)


def at(seconds: float) -> int:
    """UTC ns of a moment given in seconds after the first regular open."""
    return OPEN_NS + round(seconds * SECOND)


def shares(count: float) -> int:
    """Quantity nanos of a number of shares."""
    return round(count * NANO)


def cents(price: float) -> int:
    """Price nanos of a price in cents."""
    return round(price * CENT)


def session_table() -> SessionTable:
    """Three full days in a row: pre-open 5.5 h before the open, 6.5 h regular, 4 h after."""
    sessions = tuple(
        Session(
            date=date,
            pre_open_ns=OPEN_NS + number * DAY - 11 * HOUR // 2,
            open_ns=OPEN_NS + number * DAY,
            close_ns=OPEN_NS + number * DAY + 13 * HOUR // 2,
            post_close_ns=OPEN_NS + number * DAY + 21 * HOUR // 2,
            moc_cutoff_ns=OPEN_NS + number * DAY + 19 * HOUR // 3,
        )
        for number, date in enumerate(DATES)
    )
    return SessionTable(
        calendar=CALENDAR,
        timezone="America/New_York",
        sessions=sessions,
        from_ns=OPEN_NS - DAY,
        until_ns=OPEN_NS + 4 * DAY,
        source="made by hand",
    )


CLOSE_S = 13 * 3_600 / 2  # seconds after the open


def calendars() -> dict[str, Calendar]:
    """The one calendar, fresh: a Calendar remembers where it read last."""
    return {CALENDAR: Calendar(session_table())}


def instrument(inst: int, symbol: str = "") -> Instrument:
    """A stock with ticks of 0.0001 below one dollar and a cent above, whole shares, round lot 100."""
    return Instrument(
        inst=inst,
        symbol=symbol or f"S{inst}",
        con_id=1000 + inst,
        sec_type="STK",
        exchange="SMART",
        primary_exchange="NYSE",
        currency="USD",
        calendar=CALENDAR,
        ticks=(TickRule(effective_from=20000101, increments=((0, NANO // 10_000), (NANO, CENT))),),
        lots=(LotRule(effective_from=20000101, round_lot_nanos=shares(100), increment_nanos=NANO, minimum_nanos=NANO),),
    )


class Tape:
    """Rows in time order: `tape.quote(1.0, 1000, 1001).print(1.5, 1001, 200)`, then `array()`."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int, int, int, int, int, int]] = []

    def quote(
        self,
        seconds: float,
        bid: float,
        ask: float,
        bid_size: float = 100,
        ask_size: float = 100,
        *,
        inst: int = 0,
        flags: int = 0,
    ) -> "Tape":
        """A best bid and offer; price 0 = that side is empty."""
        ts = at(seconds)
        self.rows.append(
            (ts, ts, inst, QUOTE, flags, cents(bid), cents(ask), shares(bid_size), shares(ask_size))
        )  # fmt: skip
        return self

    def print(self, seconds: float, price: float, size: float, *, inst: int = 0, flags: int = 0) -> "Tape":
        """A trade."""
        ts = at(seconds)
        self.rows.append((ts, ts, inst, PRINT, flags, cents(price), 0, shares(size), 0))
        return self

    def array(self) -> NDArray[np.void]:
        """The rows as a core.rows.ROW array; raises ValueError if they go back in time."""
        times = [row[0] for row in self.rows]
        if times != sorted(times):
            raise ValueError("tape: rows go back in time; add them in order")
        return np.array(self.rows, dtype=ROW)
