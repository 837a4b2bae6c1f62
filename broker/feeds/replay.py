"""A recorded market: Parquet tapes of quotes and prints as batches of market rows, in true time order.

Imports pyarrow, so only the feed process, tests and research may import it. Bad files raise ConfigError before the
first row and BrokerFault after it, in one line that names the file. Rows are no reason to crash: `columns.ODDITIES`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from broker.feeds.columns import (
    TS_NS_MAX,
    TS_NS_MIN,
    Oddities,
    Rows,
    count,
    print_rows,
    quote_rows,
    raise_receipts,
)
from broker.feeds.merge import ControlFact, cut, merge
from broker.feeds.profile import TAIL_NS, as_served, recorded_estimate
from broker.feeds.spec import PROTOCOL_VERSION, FeedHeader, FeedTotals, ReplaySpec, SourceTotals, span_ns, validated
from core.errors import BrokerFault, ConfigError, QuantdError

QUOTE_COLUMNS: Final = ("ts_ns", "symbol", "bid", "ask", "bid_size", "ask_size", "suspicious")
PRINT_COLUMNS: Final = ("ts_ns", "symbol", "price", "size", "condition", "suspicious")
_WHOLE: Final = {"ts_ns", "condition"}
_HASH_BYTES: Final = 1 << 20


class Tape:
    """One Parquet file as a source of rows. `symbols` is what the file holds of the spec."""

    def __init__(self, path: str, spec: ReplaySpec) -> None:
        self.path = path
        self.oddities: Oddities = Counter()
        self.rows_read = 0
        self.rows = 0
        self._spec = spec
        self._from_ns, self._until_ns = span_ns(spec)
        with _blame(path, ConfigError):
            self._file = pq.ParquetFile(path, memory_map=True)
            self.digest = _sha256(path)
            self.columns = _columns_of(path, self._file.schema_arrow)
            self.symbols = self._symbols_held()
        self.is_quotes = self.columns is QUOTE_COLUMNS
        self.groups = [group for group in range(self._file.num_row_groups) if self._in_span(group)]

    @property
    def rows_estimate(self) -> int:
        """Rows of the row groups that touch the span."""
        return sum(self._file.metadata.row_group(group).num_rows for group in self.groups)

    @property
    def bounds_ns(self) -> tuple[int, int] | None:
        """First and last time by the file's statistics, cut to the span; None without rows or statistics."""
        bounds = [found for group in self.groups if (found := self._statistics(group)) is not None]
        if not bounds:
            return None
        low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
        return max(low, self._from_ns), min(high, self._until_ns - 1)

    def chunks(self) -> Iterator[Rows]:
        """Yield the rows within the span, source order, at most `batch_rows` at a time, never an empty chunk."""
        running_ns = 0
        with _blame(self.path, BrokerFault):
            for batch in self._batches():
                self.rows_read += len(batch)
                rows = self._convert(batch)
                running_ns = raise_receipts(rows, running_ns, self.oddities)
                ts = rows["ts_ns"]
                low, high = np.searchsorted(ts, (self._from_ns, self._until_ns))
                if high > low:
                    self.rows += int(high - low)
                    yield rows[low:high]
                if high < len(rows):
                    return

    def _batches(self) -> Iterator[Any]:
        # One thread: the other core is the trader's.
        return iter(
            self._file.iter_batches(
                batch_size=self._spec.batch_rows, row_groups=self.groups, columns=list(self.columns), use_threads=False
            )
        )

    def _convert(self, batch: Any) -> Rows:
        inst = self._instruments(batch.column("symbol"))
        columns = {name: _array(batch.column(name), name) for name in self.columns if name != "symbol"}
        ts = columns["ts_ns"]
        timely = (ts >= TS_NS_MIN) & (ts < TS_NS_MAX)
        known = inst >= 0
        if not (timely.all() and known.all()):
            count(self.oddities, "absurd_ts", ~timely)
            count(self.oddities, "other_symbol", ~known)
            kept = timely & known
            inst = inst[kept]
            columns = {name: values[kept] for name, values in columns.items()}
        return (quote_rows if self.is_quotes else print_rows)(columns, inst, self.oddities)

    def _instruments(self, column: Any) -> NDArray[np.int32]:
        """Instrument row of each element, -1 for a symbol that was not asked for."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        table = [self._spec.symbols.get(symbol, -1) for symbol in column.dictionary.to_pylist()]
        indices = pc.fill_null(column.indices.cast(pa.int64()), len(table)).to_numpy(zero_copy_only=False)
        found: NDArray[np.int32] = np.array([*table, -1], np.int32)[indices]
        return found

    def _symbols_held(self) -> tuple[str, ...]:
        """The symbols of the spec that the file really holds, spec order; refuses others if the spec says so."""
        held: set[str] = set()
        for batch in self._file.iter_batches(columns=["symbol"], use_threads=False):
            held.update(symbol for symbol in pc.unique(batch.column(0)).to_pylist() if symbol is not None)
        others = sorted(held - set(self._spec.symbols))
        if others and self._spec.other_symbols == "refuse":
            raise ConfigError(
                f"{self.path}: holds symbol {others[0]}, which is not in symbols: add it or set other_symbols = skip"
            )
        return tuple(symbol for symbol in self._spec.symbols if symbol in held)

    def _in_span(self, group: int) -> bool:
        # Only groups wholly before the start are left out: they cannot lift a later receipt into the span. A group
        # that starts after the end may hold rows that went backwards, so reading stops at the first receipt past it.
        bounds = self._statistics(group)
        return bounds is None or bounds[1] >= self._from_ns

    def _statistics(self, group: int) -> tuple[int, int] | None:
        column = self._file.metadata.row_group(group).column(self._file.schema_arrow.names.index("ts_ns"))
        found = column.statistics
        return (found.min, found.max) if found is not None and found.has_min_max else None


class ReplayFeed:
    """A merged replay: header at once, then items, then totals."""

    def __init__(self, spec: ReplaySpec) -> None:
        self._spec = validated(spec)
        self._rows = 0
        tapes = [Tape(path, spec) for path in spec.files]
        for symbol in spec.symbols:
            if not any(symbol in tape.symbols for tape in tapes):
                raise ConfigError(f"symbols: no file holds {symbol}: add its files or take it out of symbols")
        place = {symbol: at for at, symbol in enumerate(spec.symbols)}
        # Quotes before prints, so that a print meets the quote of its own moment; then symbols in config order.
        self._tapes = sorted(
            tapes, key=lambda tape: (not tape.is_quotes, min((place[s] for s in tape.symbols), default=len(place)))
        )

    @property
    def header(self) -> FeedHeader:
        """What is known before the first row is read."""
        bounds = [found for tape in self._tapes if (found := tape.bounds_ns) is not None]
        rows = recorded_estimate(sum(tape.rows_estimate for tape in self._tapes), self._spec.profile)
        last_ns = max((high for _, high in bounds), default=0)
        return FeedHeader(
            version=PROTOCOL_VERSION, kind="replay", rows_estimate=max(rows - self._spec.skip_rows, 0),
            first_ns=min((low for low, _ in bounds), default=0),
            last_ns=last_ns + TAIL_NS[self._spec.profile] if last_ns else 0,
            digests={tape.path: tape.digest for tape in self._tapes},
        )  # fmt: skip

    def items(self) -> Iterator[Rows | ControlFact]:
        """Yield row batches (a replay has no control facts). Raises BrokerFault when a file turns out broken."""
        merged = merge([tape.chunks() for tape in self._tapes])
        instruments = max(self._spec.symbols.values()) + 1
        slabs = as_served(merged, profile=self._spec.profile, instruments=instruments)
        for item in cut(slabs, skip_rows=self._spec.skip_rows, batch_rows=self._spec.batch_rows):
            if not isinstance(item, ControlFact):
                self._rows += len(item)
            yield item

    @property
    def totals(self) -> FeedTotals:
        """Counts so far; complete once `items` is exhausted."""
        sources = tuple(
            SourceTotals(name=tape.path, rows_read=tape.rows_read, rows=tape.rows, oddities=dict(tape.oddities))
            for tape in self._tapes
        )
        digest = hashlib.sha256("".join(tape.digest for tape in self._tapes).encode()).hexdigest()
        return FeedTotals(rows=self._rows, sources=sources, digest=digest)


def read_rows(spec: ReplaySpec) -> Iterator[Rows]:
    """Batches of market rows, in this process: for tests, benches and research."""
    for item in ReplayFeed(spec).items():
        if not isinstance(item, ControlFact):
            yield item


@contextmanager
def _blame(path: str, fault_type: type[QuantdError]) -> Iterator[None]:
    """Turn whatever pyarrow and the disk raise into one line that names the file."""
    try:
        yield
    except FileNotFoundError as fault:
        raise fault_type(f"{path}: no such file: correct files in the feed spec") from fault
    except (pa.ArrowException, OSError) as fault:
        text = (str(fault).splitlines() or ["unreadable"])[0][:200]
        raise fault_type(f"{path}: not a readable Parquet file ({text}): fetch or convert it again") from fault


def _columns_of(path: str, schema: Any) -> tuple[str, ...]:
    """The quote or print columns, by what the file has. Raises ConfigError when it is neither or has wrong types."""
    names = set(schema.names)
    metadata = schema.metadata or {}
    quotes = "bid" in names or "ask" in names
    sizeless = not {"bid_size", "ask_size"} <= names or metadata.get(b"size", b"").startswith(b"not reported")
    if quotes and sizeless:
        raise ConfigError(
            f"{path}: quotes without sizes (FX) are not supported: replay a tape that has bid_size, ask_size"
        )
    wanted = QUOTE_COLUMNS if quotes else PRINT_COLUMNS
    missing = [name for name in wanted if name not in names]
    if missing:
        word = "quotes" if quotes else "prints"
        raise ConfigError(f"{path}: column {missing[0]} is missing: a tape of {word} has {', '.join(wanted)}")
    for name in wanted:
        if not _fits(schema.field(name).type, name):
            raise ConfigError(f"{path}: column {name} has type {schema.field(name).type}: convert the file again")
    return wanted


def _fits(kind: Any, name: str) -> bool:
    if name == "symbol":
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))
    if name == "suspicious":
        return bool(pa.types.is_boolean(kind))
    if name in _WHOLE:
        return bool(pa.types.is_signed_integer(kind))
    if name.endswith("size"):
        return bool(pa.types.is_signed_integer(kind) or pa.types.is_floating(kind))
    return bool(pa.types.is_floating(kind))


def _array(column: Any, name: str) -> NDArray[Any]:
    """A column as numpy: a missing price is NaN, any other missing value 0 or False."""
    if column.null_count and not pa.types.is_floating(column.type):
        column = pc.fill_null(column, False if name == "suspicious" else 0)
    if pa.types.is_floating(column.type) and column.type != pa.float64():
        column = column.cast(pa.float64())
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_HASH_BYTES):
            digest.update(block)
    return digest.hexdigest()
