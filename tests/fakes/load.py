"""How much a trader had to take and sent, by its journal: the highest counts of a second and of a minute. Knows no
assertion. A window begins anywhere, not with the clock's second: what a system must stand does not wait for one.
"""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from core import commands as c
from core import events as e
from core.records import COMMAND, INPUT, ROWS, decode
from core.units import NANO
from daemon.journal import JournalReader

SECOND_NS: Final = NANO
MINUTE_NS: Final = 60 * NANO
KINDS: Final = frozenset({COMMAND, INPUT, ROWS})
MESSAGES: Final = (c.PlaceOrder, c.ReplaceOrder, c.CancelOrder, c.CancelAllOrders)


class Most(msgspec.Struct, frozen=True, kw_only=True):
    """The highest counts of one kind."""

    second: int
    minute: int


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Market rows received, messages and orders sent, fills."""

    rows: Most
    messages: Most  # orders, replaces and cancels
    orders: Most
    fills: Most


def most_in(times_ns: NDArray[np.int64], span_ns: int) -> int:
    """The largest number of times in any half-open window [t, t + span); times ascending."""
    if not len(times_ns):
        return 0
    ends = np.searchsorted(times_ns, times_ns + span_ns, side="left")
    return int((ends - np.arange(len(times_ns))).max())


def load_of(journal: Path) -> Load:
    """The highest counts of a whole journal, by the trader's own time."""
    rows: list[NDArray[np.int64]] = []
    messages: list[int] = []
    orders: list[int] = []
    fills: list[int] = []
    for record in JournalReader(journal).records(KINDS):
        if record.kind == ROWS:
            rows.append(record.rows()["ts_ns"].astype(np.int64))
            continue
        kind = type(decode(record.kind, record.payload))
        if kind in MESSAGES:
            messages.append(record.ts_ns)
        if kind is c.PlaceOrder:
            orders.append(record.ts_ns)
        if kind is e.OrderFilled:
            fills.append(record.ts_ns)
    stamps = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    return Load(rows=_most(stamps), messages=_most(messages), orders=_most(orders), fills=_most(fills))


def higher(one: Load, other: Load) -> Load:
    """The highest of each count."""
    found = {}
    for kind in Load.__struct_fields__:
        a, b = getattr(one, kind), getattr(other, kind)
        found[kind] = Most(second=max(a.second, b.second), minute=max(a.minute, b.minute))
    return Load(**found)


def _most(times_ns: list[int] | NDArray[np.int64]) -> Most:
    ordered = np.sort(np.asarray(times_ns, np.int64))
    return Most(second=most_in(ordered, SECOND_NS), minute=most_in(ordered, MINUTE_NS))
