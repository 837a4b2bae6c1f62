"""Small recorded tapes and specs for the tests of the feeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from broker.feeds.columns import Rows
from broker.feeds.spec import SyntheticInstrument, SyntheticSpec
from core.rows import ROW
from core.units import NANO

OPEN_NS = 1_381_152_600 * NANO  # 2013-10-07 09:30 New York
HOUR_NS = 3_600 * NANO

Quote = tuple[int | None, str | None, float | None, float | None, Any, Any, bool | None]
Print = tuple[int | None, str | None, float | None, Any, int | None, bool | None]


def write_quotes(path: Path, rows: Sequence[Quote], *, size_type: Any = None, **options: Any) -> str:
    """Write (ts_ns, symbol, bid, ask, bid_size, ask_size, suspicious) as a tape of quotes."""
    size = size_type or pa.int64()
    kinds = [pa.int64(), pa.string(), pa.float64(), pa.float64(), size, size, pa.bool_()]
    names = ["ts_ns", "symbol", "bid", "ask", "bid_size", "ask_size", "suspicious"]
    return _write(path, names, kinds, rows, **options)


def write_prints(path: Path, rows: Sequence[Print], *, size_type: Any = None, **options: Any) -> str:
    """Write (ts_ns, symbol, price, size, condition, suspicious) as a tape of prints."""
    kinds = [pa.int64(), pa.string(), pa.float64(), size_type or pa.int64(), pa.int64(), pa.bool_()]
    names = ["ts_ns", "symbol", "price", "size", "condition", "suspicious"]
    return _write(path, names, kinds, rows, **options)


def _write(path: Path, names: list[str], kinds: list[Any], rows: Sequence[tuple[Any, ...]], **options: Any) -> str:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    pq.write_table(pa.table(dict(zip(names, arrays, strict=True))), path, **options)
    return str(path)


def joined(batches: Any) -> Rows:
    """All batches as one array."""
    return np.concatenate([np.zeros(0, ROW), *batches])


def words(rows: Rows) -> NDArray[np.int64]:
    """Rows as plain integers, for comparing whole rows."""
    return np.ascontiguousarray(rows).view(np.int64).reshape(-1, 7)


def synthetic_spec(
    *, hours: float = 1.0, instruments: int | tuple[SyntheticInstrument, ...] = 2, **changes: Any
) -> SyntheticSpec:
    """A small synthetic market of one session."""
    if isinstance(instruments, int):
        instruments = tuple(
            SyntheticInstrument(
                symbol=f"S{at}", inst=at, px_nanos=(20 + 30 * at) * NANO, tick_nanos=NANO // 100, lot_nanos=100 * NANO
            )
            for at in range(instruments)
        )
    fields: dict[str, Any] = {
        "seed": 7,
        "instruments": instruments,
        "sessions": ((OPEN_NS, OPEN_NS + int(hours * HOUR_NS)),),
    }
    return SyntheticSpec(**{**fields, **changes})
