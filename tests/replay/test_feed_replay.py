"""The recorded market: merge order, conversion, resuming and refusals, on small made-up tapes and on five real days."""

import tracemalloc
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.feeds.conditions import NOT_LAST_BITS
from broker.feeds.merge import ControlFact
from broker.feeds.replay import ReplayFeed, read_rows
from broker.feeds.spec import ReplaySpec, decode_spec
from core.errors import BrokerFault, ConfigError
from core.rows import NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.units import NANO
from tests.fakes.feed_tapes import OPEN_NS, joined, words, write_prints, write_quotes

SYMBOLS = {"IBM": 4, "BAC": 1}  # config order is not the order of the numbers


def real_spec(market_data: Path, **changes: Any) -> ReplaySpec:
    """Five days of BAC and IBM; the files stand in an order that is not the merge order."""
    files = tuple(
        str(market_data / "lean" / f"equity_tick_{kind}" / f"{symbol}_20131007_20131011.parquet")
        for kind in ("trades", "quotes")
        for symbol in ("BAC", "IBM")
    )
    return ReplaySpec(**{"files": files, "symbols": SYMBOLS, **changes})


def oracle(market_data: Path, *, first: int = 0, from_ns: int = 0, until_ns: int = 2**63 - 1) -> list[tuple[int, ...]]:
    """The same rows, one at a time, in plain Python and decimal arithmetic; `first` rows of each file, 0 = all."""
    found: list[tuple[tuple[int, int, int, int], tuple[int, ...]]] = []
    for path in real_spec(market_data).files:
        table = pq.read_table(path, filters=[("ts_ns", ">=", from_ns), ("ts_ns", "<", until_ns)])
        table = table.slice(0, first) if first else table
        for at, row in enumerate(table.to_pylist()):
            is_print = "price" in row
            key = (row["ts_ns"], int(is_print), list(SYMBOLS).index(row["symbol"]), at)
            found.append((key, _oracle_print(row) if is_print else _oracle_quote(row)))
    return [row for _, row in sorted(found)]


def _nanos(px: float | None) -> int:
    if px is None or px != px or px == 0:
        return 0
    return int(Decimal(repr(px)).quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN) * NANO)


def _packed(row: dict[Any, Any], kind: int, flags: int) -> int:
    inst: int = SYMBOLS[row["symbol"]]
    return inst + (kind << 32) + ((flags | (SUSPICIOUS if row["suspicious"] else 0)) << 48)


def _oracle_quote(row: dict[Any, Any]) -> tuple[int, ...]:
    bid, ask = _nanos(row["bid"]), _nanos(row["ask"])
    sizes = (row["bid_size"] * NANO if bid else 0, row["ask_size"] * NANO if ask else 0)
    return (row["ts_ns"], row["ts_ns"], _packed(row, QUOTE, 0), bid, ask, *sizes)


def _oracle_print(row: dict[Any, Any]) -> tuple[int, ...]:
    held_back = any(row["condition"] >> bit & 1 for bit in NOT_LAST_BITS)
    packed = _packed(row, PRINT, NOT_LAST if held_back else 0)
    return (row["ts_ns"], row["ts_ns"], packed, _nanos(row["price"]), 0, row["size"] * NANO, row["condition"])


@pytest.mark.slow
def test_first_rows_equal_the_slow_oracle(market_data: Path) -> None:
    """The first 50,000 merged rows of the real files equal those of an independent row-by-row program."""
    expected = oracle(market_data, first=50_000)[:50_000]
    found: list[list[int]] = []
    for batch in read_rows(real_spec(market_data)):
        found.extend(words(batch).tolist())
        if len(found) >= 50_000:
            break
    assert [tuple(row) for row in found[:50_000]] == expected


@pytest.mark.slow
def test_middle_of_a_session_equals_the_slow_oracle(market_data: Path) -> None:
    """Ten minutes around noon, cut by start and end in New York time, equal the independent program's."""
    noon = 1_381_334_400 * NANO  # 2013-10-09 16:00 UTC
    expected = oracle(market_data, from_ns=noon, until_ns=noon + 600 * NANO)
    spec = real_spec(market_data, start="2013-10-09T12:00", end="2013-10-09T12:10")
    assert [tuple(row) for row in words(joined(read_rows(spec))).tolist()] == expected
    assert len(expected) > 3_000


@pytest.mark.slow
@pytest.mark.parametrize(("symbol", "percent"), [("BAC", 99.73), ("IBM", 96.39)])
def test_prints_lie_inside_the_prevailing_quote(market_data: Path, symbol: str, percent: float) -> None:
    """The share of regular-hours prints inside the quote before them is the one measured on these files."""
    inside = total = 0
    for day in range(7, 12):
        spec = real_spec(market_data, start=f"2013-10-{day:02}T09:30", end=f"2013-10-{day:02}T16:00", batch_rows=32_768)
        rows = joined(read_rows(spec))
        rows = rows[rows["inst"] == SYMBOLS[symbol]]
        before = np.maximum.accumulate(np.where(rows["kind"] == QUOTE, np.arange(len(rows)), -1))
        at = np.flatnonzero((rows["kind"] == PRINT) & (before >= 0))
        quote, px = rows[before[at]], rows["bid_px_nanos"][at]
        inside += int(((px >= quote["bid_px_nanos"]) & (px <= quote["ask_px_nanos"])).sum())
        total += len(at)
    assert inside / total * 100 == pytest.approx(percent, abs=0.02)


@pytest.mark.slow
def test_five_days_whole(market_data: Path) -> None:
    """Every row of the four files arrives once, in time order, and the header's estimate is exact."""
    feed = ReplayFeed(real_spec(market_data))
    last_ns = count = 0
    for batch in feed.items():
        assert not isinstance(batch, ControlFact)
        ts = batch["ts_ns"]
        assert ts[0] >= last_ns
        assert (np.diff(ts) >= 0).all()
        last_ns, count = int(ts[-1]), count + len(ts)
    assert count == 2_363_384 == feed.header.rows_estimate == feed.totals.rows
    assert feed.header.last_ns == last_ns
    assert sum(source.oddities.get("suspicious", 0) for source in feed.totals.sources) == 3
    assert sum(source.oddities.get("empty_bid", 0) for source in feed.totals.sources) == 2


@pytest.fixture
def tapes(tmp_path: Path) -> ReplaySpec:
    """Two symbols, equal times within and across sources, several row groups."""
    rng = np.random.Generator(np.random.Philox(3))
    quotes: dict[str, list[Any]] = {"A": [], "B": []}
    prints: dict[str, list[Any]] = {"A": [], "B": []}
    for symbol in ("A", "B"):
        ts = OPEN_NS
        for at in range(300):
            ts += int(rng.integers(0, 3)) * 1_000_000
            quotes[symbol].append((ts, symbol, 10.0 + at / 100, 10.02 + at / 100, 100, 200, False))
            if at % 3 == 0:
                prints[symbol].append((ts, symbol, 10.01 + at / 100, 100 + at, 1, False))
    files = [write_prints(tmp_path / f"p{s}", prints[s], row_group_size=40) for s in "AB"]
    files += [write_quotes(tmp_path / f"q{s}", quotes[s], row_group_size=70) for s in "BA"]
    return ReplaySpec(files=tuple(files), symbols={"B": 0, "A": 1})


def changed(spec: ReplaySpec, **changes: Any) -> ReplaySpec:
    fields = {name: getattr(spec, name) for name in spec.__struct_fields__}
    return ReplaySpec(**{**fields, **changes})


def test_order_at_equal_times(tapes: ReplaySpec) -> None:
    """Equal times: quotes before prints, then symbols in config order, then source order."""
    rows = joined(read_rows(tapes))
    keys = [(int(r["ts_ns"]), int(r["kind"]), int(r["inst"]), int(r["bid_px_nanos"])) for r in rows]
    assert keys == sorted(keys)  # both tapes' prices rise with the row number
    assert len({key[0] for key in keys}) < len(keys)


@pytest.mark.parametrize("batch_rows", [1, 7, 64, 32_768])
def test_rows_do_not_depend_on_batch_size(tapes: ReplaySpec, batch_rows: int) -> None:
    """The same rows come for every batch size, and no batch is longer or empty."""
    batches = list(read_rows(changed(tapes, batch_rows=batch_rows)))
    assert all(0 < len(batch) <= batch_rows for batch in batches)
    assert (words(joined(batches)) == words(joined(read_rows(tapes)))).all()


@pytest.mark.parametrize("skip", [0, 1, 299, 800, 10_000])
def test_skip_rows_resumes_exactly(tapes: ReplaySpec, skip: int) -> None:
    """Skipping N rows gives exactly the rest."""
    whole = words(joined(read_rows(tapes)))
    assert words(joined(read_rows(changed(tapes, skip_rows=skip, batch_rows=13)))).tolist() == whole[skip:].tolist()


def test_start_and_end_cut_by_receipt(tapes: ReplaySpec) -> None:
    """Start is included, end excluded, and what lies far before or after is not even read."""
    whole = joined(read_rows(tapes))
    low, high = int(whole["ts_ns"][400]), int(whole["ts_ns"][550])  # moments that rows have
    start, end = ((ts - OPEN_NS) // 1_000_000 for ts in (low, high))
    feed = ReplayFeed(
        changed(tapes, start=f"2013-10-07T09:30:00.{start}", end=f"2013-10-07T13:30:00.{end}+00:00", batch_rows=10)
    )
    rows = joined(feed.items())
    assert words(rows).tolist() == words(whole[(whole["ts_ns"] >= low) & (whole["ts_ns"] < high)]).tolist()
    assert len(rows) > 50
    assert feed.totals.sources[0].rows_read < 100  # of 300: groups before and batches after are not read


def test_dates_cover_whole_days(tapes: ReplaySpec) -> None:
    """A start date begins and an end date finishes at midnight of the exchange."""
    assert len(joined(read_rows(changed(tapes, start="2013-10-07", end="2013-10-07")))) == 800
    assert len(joined(read_rows(changed(tapes, start="2013-10-08")))) == 0


def test_backwards_time_is_raised_and_counted(tmp_path: Path) -> None:
    """A row that goes back keeps its exchange time, gets the running maximum as receipt, across batches."""
    times = [OPEN_NS, OPEN_NS + 5, OPEN_NS + 2, OPEN_NS + 3, OPEN_NS + 9]
    path = write_quotes(tmp_path / "q", [(ts, "A", 1.0, 2.0, 1, 1, False) for ts in times], row_group_size=2)
    for batch_rows in (1, 2, 100):
        feed = ReplayFeed(ReplaySpec(files=(path,), symbols={"A": 0}, batch_rows=batch_rows))
        rows = joined(feed.items())
        assert (rows["ts_ns"] - OPEN_NS).tolist() == [0, 5, 5, 5, 9]
        assert rows["exchange_ts_ns"].tolist() == times
        assert feed.totals.sources[0].oddities == {"backwards": 2}


def test_nulls_and_foreign_rows_are_counted(tmp_path: Path) -> None:
    """Nulls anywhere and unknown symbols are counted, never a crash; sizes may be fractional."""
    quotes = write_quotes(
        tmp_path / "q",
        [
            (OPEN_NS, "A", None, 2.0, 0.5, 1.0, None), (None, "A", 1.0, 2.0, 1.0, 1.0, False),
            (OPEN_NS, None, 1.0, 2.0, 1.0, 1.0, False), (OPEN_NS, "Z", 1.0, 2.0, 1.0, 1.0, False),
            (OPEN_NS + 1, "A", 1.0, None, None, None, True), (5, "A", 1.0, 2.0, 1.0, 1.0, False),
        ],
        size_type=pa.float64(),
    )  # fmt: skip
    prints = write_prints(tmp_path / "p", [(OPEN_NS, "A", None, 5, None, None), (OPEN_NS, "A", 1.5, None, 1, False)])
    feed = ReplayFeed(ReplaySpec(files=(prints, quotes), symbols={"A": 0}, other_symbols="skip"))
    rows = joined(feed.items())
    assert rows["bid_px_nanos"].tolist() == [0, NANO]
    assert rows["ask_qty_nanos"].tolist() == [NANO, 0]
    by_name = {source.name: source.oddities for source in feed.totals.sources}
    assert by_name[quotes] == {
        "absurd_ts": 2, "other_symbol": 2, "empty_bid": 1, "empty_ask": 1, "suspicious": 1, "zero_size": 1,
        "absurd_size": 2,
    }  # fmt: skip
    assert by_name[prints] == {"missing_px": 1, "zero_size": 1}


def test_empty_tape_gives_no_rows(tmp_path: Path) -> None:
    """A tape without rows beside one with rows is no error."""
    full = write_quotes(tmp_path / "q", [(OPEN_NS, "A", 1.0, 2.0, 1, 1, False)])
    empty = write_prints(tmp_path / "p", [])
    assert len(joined(read_rows(ReplaySpec(files=(empty, full), symbols={"A": 0})))) == 1


def test_unknown_symbol_is_refused(tapes: ReplaySpec) -> None:
    """A symbol that no file holds, and a file's symbol that is not asked for, are named with a remedy."""
    with pytest.raises(ConfigError, match="no file holds ZZZ: add its files"):
        ReplayFeed(changed(tapes, symbols={"A": 0, "B": 1, "ZZZ": 2}))
    with pytest.raises(ConfigError, match="holds symbol B, which is not in symbols: add it"):
        ReplayFeed(changed(tapes, symbols={"A": 0}))
    rows = joined(read_rows(changed(tapes, symbols={"A": 5}, other_symbols="skip")))
    assert set(rows["inst"].tolist()) == {5}
    assert len(rows) == 400


def test_missing_truncated_and_foreign_files_are_refused(tmp_path: Path, tapes: ReplaySpec) -> None:
    """Every unusable file is one line that names it."""
    truncated, text = tmp_path / "truncated", tmp_path / "text"
    truncated.write_bytes(Path(tapes.files[0]).read_bytes()[:-100])
    text.write_text("ts_ns,symbol\n")
    for path, expected in (
        (tmp_path / "none", "no such file"),
        (truncated, "not a readable"),
        (text, "not a readable"),
    ):
        with pytest.raises(ConfigError, match=expected) as caught:
            ReplayFeed(changed(tapes, files=(str(path),)))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_page_damage_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    """Damage behind a whole footer is found while reading and named; no row is made up."""
    rows = [(OPEN_NS + at, "A", 1.0 + at / 7, 2.0 + at / 3, at, at, False) for at in range(5_000)]
    path = tmp_path / "q"
    write_quotes(path, rows, compression="zstd", use_dictionary=["symbol"])
    raw = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    at = column.data_page_offset + column.total_compressed_size // 2
    raw[at : at + 2_000] = bytes(2_000)
    path.write_bytes(raw)
    feed = ReplayFeed(ReplaySpec(files=(str(path),), symbols={"A": 0}))
    with pytest.raises(BrokerFault, match="not a readable Parquet file"):
        list(feed.items())


def test_wrong_columns_are_refused(tmp_path: Path) -> None:
    """Missing columns, wrong types and quotes without sizes are each named."""
    whole = pa.table(
        {
            "ts_ns": pa.array([OPEN_NS]), "symbol": ["A"], "bid": [1.0], "ask": [2.0], "bid_size": [1], "ask_size": [1],
            "suspicious": [False],
        }
    )  # fmt: skip
    cases = [
        (whole.drop_columns(["suspicious"]), "column suspicious is missing"),
        (whole.drop_columns(["bid_size"]), r"quotes without sizes \(FX\)"),
        (whole.replace_schema_metadata({"size": "not reported (0)"}), r"quotes without sizes \(FX\)"),
        (whole.drop_columns(["bid"]), "column bid is missing"),
        (whole.drop_columns(["bid", "ask"]), "column price is missing"),
        (whole.set_column(2, "bid", pa.array(["1.0"])), "column bid has type string"),
        (whole.set_column(0, "ts_ns", pa.array([1.5])), "column ts_ns has type double"),
        (whole.set_column(1, "symbol", pa.array([1])), "column symbol has type int64"),
    ]
    for at, (table, expected) in enumerate(cases):
        path = tmp_path / str(at)
        pq.write_table(table, path)
        with pytest.raises(ConfigError, match=expected):
            ReplayFeed(ReplaySpec(files=(str(path),), symbols={"A": 0}))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"kind":"replay","files":[],"symbols":{"A":0}}', r"\$.files"),
        (b'{"kind":"replay","files":["a"],"symbols":{"A":-1}}', r"\$.symbols"),
        (b'{"kind":"replay","files":["a"],"symbols":{"A":0},"colour":1}', "colour"),
        (b'{"kind":"replay","files":["a"],"symbols":{"A":0,"B":0}}', "share one instrument row"),
        (b'{"kind":"replay","files":["a"],"symbols":{"A":0},"start":"soon"}', "start: 'soon'"),
        (b'{"kind":"replay","files":["a"],"symbols":{"A":0},"start":"2013-10-08","end":"2013-10-07"}', "end: "),
        (b'{"kind":"replay","files":["a"],"symbols":{"A":0},"timezone":"Mars"}', "timezone: 'Mars'"),
        (b'{"kind":"replay","files":["a"],"symbols":{"A":0},"batch_rows":0}', r"\$.batch_rows"),
        (b'{"kind":"live"}', r"\$.kind"),
        (b"hello", "feed spec: "),
    ],
)
def test_bad_spec_names_its_field(document: bytes, expected: str) -> None:
    """A wrong spec is refused before any file is touched."""
    with pytest.raises(ConfigError, match=expected):
        decode_spec(document)


def test_spec_built_in_python_is_checked_too(tapes: ReplaySpec) -> None:
    """Bounds hold for a spec that never was JSON."""
    with pytest.raises(ConfigError, match="batch_rows"):
        ReplayFeed(changed(tapes, batch_rows=0))


def test_memory_is_bounded_by_batches(tmp_path: Path) -> None:
    """Reading keeps a few batches of rows, however long the tape."""
    rows = [(OPEN_NS + at, "A", 1.0, 2.0, 1, 1, False) for at in range(20_000)]
    path = write_quotes(tmp_path / "q", rows, use_dictionary=True)
    feed = ReplayFeed(ReplaySpec(files=(path,), symbols={"A": 0}, batch_rows=256))
    next(feed.items())
    tracemalloc.start()
    try:
        for _ in islice(feed.items(), 60):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 256 * 56
