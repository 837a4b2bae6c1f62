"""Historical ticks, from the raw rows that are still kept. Knows rows and one message; no subscription."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.gateway.market import ticks
from broker.gateway.market.tape import MarketTape
from broker.gateway.market.windows import Windows
from broker.gateway.part import Client, Field
from broker.gateway.versions import FRACTIONAL_SIZES
from core.rows import NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.units import NANO

_MID, _BID_ASK, _LAST = 96, 97, 98
KINDS: Final = ("TRADES", "BID_ASK", "MIDPOINT")
TICKS_MAX: Final = 1_000
_UNREPORTED: Final = 2


class PastTicks:
    """Answers; keeps nothing."""

    def __init__(self, tape: MarketTape, places: tuple[str, ...]) -> None:
        """`places`: what a print's exchange is called, by instrument."""
        self._tape = tape
        self._places = places

    def send(
        self, client: Client, req_id: int, inst: int, kind: str, count: int, *, ignore_size: bool, start_ns: int = 0,
        end_ns: int = 0, regular: bool = False,
    ) -> None:  # fmt: skip
        """The first `count` ticks from `start_ns` on, else the last ones before `end_ns`, else the last ones. All ticks
        of the second in which the count is reached belong to them, as TWS does.
        """
        rows = self._of_kind(inst, kind, ignore_size=ignore_size)
        if regular:
            rows = rows[_in_sessions(rows["ts_ns"], self._tape.windows_of(inst))]
        times = rows["ts_ns"]
        if start_ns:
            rows = rows[np.searchsorted(times, start_ns) :]
            if len(rows) > count:
                second = int(rows["ts_ns"][count - 1]) // NANO
                rows = rows[: np.searchsorted(rows["ts_ns"], (second + 1) * NANO)]
        else:
            rows = rows[: np.searchsorted(times, end_ns)] if end_ns else rows
            if len(rows) > count:
                second = int(rows["ts_ns"][-count]) // NANO
                rows = rows[np.searchsorted(rows["ts_ns"], second * NANO) :]
        self._answer(client, req_id, inst, kind, rows)

    def _of_kind(self, inst: int, kind: str, *, ignore_size: bool) -> NDArray[np.void]:
        rows = self._tape.rows(inst)
        rows = rows[(rows["kind"] == (PRINT if kind == "TRADES" else QUOTE)) & (rows["flags"] & SUSPICIOUS == 0)]
        if kind == "TRADES":
            found: NDArray[np.void] = rows[(rows["bid_px_nanos"] > 0) & (rows["bid_qty_nanos"] > 0)]
            return found
        bid, ask = rows["bid_px_nanos"], rows["ask_px_nanos"]
        if kind == "MIDPOINT":
            rows = rows[(bid > 0) & (ask > 0)]
            changed = np.diff(rows["bid_px_nanos"] + rows["ask_px_nanos"], prepend=0) != 0
        elif ignore_size:
            changed = (np.diff(bid, prepend=-1) != 0) | (np.diff(ask, prepend=-1) != 0)
        else:
            changed = np.ones(len(rows), np.bool_)
        kept: NDArray[np.void] = rows[changed]
        return kept

    def _answer(self, client: Client, req_id: int, inst: int, kind: str, rows: NDArray[np.void]) -> None:
        old = client.version < FRACTIONAL_SIZES
        out: list[Field] = [{"TRADES": _LAST, "BID_ASK": _BID_ASK, "MIDPOINT": _MID}[kind], req_id, len(rows)]
        for row in rows.tolist():
            if kind == "TRADES":
                out += _trade(row, self._places[inst], old=old)
            elif kind == "BID_ASK":
                _, exchange_ns, _, _, _, bid, ask, bid_qty, ask_qty = row
                out += [exchange_ns // NANO, 0, ticks.plain(bid), ticks.plain(ask)]
                out += [size_text(bid_qty, old=old), size_text(ask_qty, old=old)]
            else:
                out += [row[1] // NANO, 0, ticks.plain((row[5] + row[6]) // 2), 0]
        client.send(*out, 1)


def size_text(qty: int, *, old: bool) -> str:
    """A size in shares; whole for clients that know no others."""
    return str(qty // NANO) if old else ticks.plain(qty)


def _trade(row: tuple[Any, ...], place: str, *, old: bool) -> list[Field]:
    _, exchange_ns, _, _, flags, px, _, qty, _ = row
    mask = _UNREPORTED if flags & NOT_LAST else 0
    return [exchange_ns // NANO, mask, ticks.plain(px), size_text(qty, old=old), place, ""]


def _in_sessions(times: NDArray[np.int64], windows: Windows) -> NDArray[np.bool_]:
    """Which moments lie in regular sessions."""
    inside = np.zeros(len(times), np.bool_)
    for window in windows.every(True):
        inside |= (times >= window.start_ns) & (times < window.end_ns)
    return inside
