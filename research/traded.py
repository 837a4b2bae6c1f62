"""What a run earned and what it paid, read from the follower's database (SQLite). Owns the arithmetic of gross, costs
and net; knows no model and no market data.

Exact: every amount is whole nanos until it is shown. Per account: gross - spread and impact - fees = net, where gross
is what the fills would have earned at the mid that stood when their schedule began (Perold's paper portfolio), spread
and impact what the fills were worse than that mid, and net the change of equity.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from core.errors import ConfigError
from core.units import NANO, notional_nanos

DAY_NS: Final = 86_400 * NANO
_EQUITY: Final = "SELECT ts_ns, equity FROM equity ORDER BY seq"
_FILLS: Final = (
    "SELECT t.ts_ns, t.strategy, t.inst, t.symbol, t.side, t.qty, t.px, p.arrival_mid, coalesce(t.commission, 0) "
    "FROM trades t JOIN orders o ON o.journal_id = t.journal_id AND o.order_id = t.order_id "
    "JOIN parents p ON p.journal_id = o.journal_id AND p.parent_id = o.parent_id ORDER BY t.ts_ns, t.seq"
)


class Fill(NamedTuple):
    """One execution with the mid its schedule began at. Amounts in nanos, side +1 or -1."""

    ts_ns: int
    strategy: str
    inst: int
    symbol: str
    side: int
    qty_nanos: int
    px_nanos: int
    arrival_nanos: int
    fee_nanos: int

    @property
    def value_nanos(self) -> int:
        """What changed hands."""
        return notional_nanos(self.px_nanos, self.qty_nanos)

    @property
    def shortfall_nanos(self) -> int:
        """How much worse than the arrival mid; below 0 = better."""
        return self.side * (self.value_nanos - notional_nanos(self.arrival_nanos, self.qty_nanos))


class RoundTrip(NamedTuple):
    """From flat to flat of one strategy in one instrument; net of fees."""

    begin_ns: int
    end_ns: int
    symbol: str
    net_nanos: int


class Account(NamedTuple):
    """A run as its database tells it."""

    equity: tuple[tuple[int, int], ...]  # (ts_ns, nanos)
    fills: tuple[Fill, ...]
    start_nanos: int
    decisions: int
    refusals: int

    @property
    def net_nanos(self) -> int:
        """Change of equity since the start."""
        return (self.equity[-1][1] if self.equity else self.start_nanos) - self.start_nanos

    @property
    def fees_nanos(self) -> int:
        """Commissions and third-party fees."""
        return sum(fill.fee_nanos for fill in self.fills)

    @property
    def shortfall_nanos(self) -> int:
        """Spread and impact."""
        return sum(fill.shortfall_nanos for fill in self.fills)

    @property
    def gross_nanos(self) -> int:
        """At arrival mids, without any cost."""
        return self.net_nanos + self.fees_nanos + self.shortfall_nanos

    @property
    def turnover_nanos(self) -> int:
        """Value of all fills, both sides."""
        return sum(fill.value_nanos for fill in self.fills)

    def per_turnover_bp(self, nanos: int) -> float:
        """An amount in basis points of the turnover; 0 without one."""
        return nanos / self.turnover_nanos * 1e4 if self.turnover_nanos else 0.0

    @property
    def days(self) -> int:
        """Days with a mark."""
        return len({ts_ns // DAY_NS for ts_ns, _ in self.equity})

    def round_trips(self) -> list[RoundTrip]:
        """Closed round trips in the order they ended; a fill through zero ends one and begins the next."""
        return [trip for _, trip in sorted((trip.end_ns, trip) for trip in self._trips())]

    def _trips(self) -> Iterator[RoundTrip]:
        held: dict[tuple[str, int], list[int]] = {}  # strategy, inst -> [qty, cash, begin]
        for fill in self.fills:
            book = held.setdefault((fill.strategy, fill.inst), [0, 0, fill.ts_ns])
            if book[0] == 0:
                book[1], book[2] = 0, fill.ts_ns
            book[0] += fill.side * fill.qty_nanos
            book[1] -= fill.side * fill.value_nanos + fill.fee_nanos
            if book[0] == 0:
                yield RoundTrip(book[2], fill.ts_ns, fill.symbol, book[1])


def read_account(database: Path, *, start_nanos: int) -> Account:
    """Raises ConfigError when the file is no database of the follower, or holds more than one journal."""
    if not database.is_file():
        raise ConfigError(f"{database}: no such file; run `quantd follow` on the state directory first")
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            journals = connection.execute("SELECT count(*) FROM journals").fetchone()[0]
            if journals != 1:
                raise ConfigError(
                    f"{database}: holds {journals} journals, a report needs one; use a database of its own"
                )
            counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _COUNTED]
            return Account(
                equity=tuple(connection.execute(_EQUITY)),
                fills=tuple(Fill(*row) for row in connection.execute(_FILLS)),
                start_nanos=start_nanos,
                decisions=counts[0],
                refusals=counts[1],
            )
    except sqlite3.DatabaseError as fault:
        raise ConfigError(f"{database}: {fault}; is it the follower's database of this release?") from fault


_COUNTED: Final = ("decisions", "refusals")
