"""The drill `execution`: hundreds of schedules over the five BAC and IBM days, through the paper gateway and the
adapter over TCP: both sides, every algorithm, a tenth of a per cent to ten per cent of the average day.
At the end of a part every schedule is done or says why not, and children, books, journal and the venue's account agree
to the last share and cent. What is measured is whatever came out; tests/execution_page.py makes the report of it.
"""

import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq

from broker.feeds.conditions import NOT_LAST_MASK
from core.commands import OpenParent
from core.parents import ParentState
from core.units import NANO
from daemon.status.measures import decode_measures
from daemon.tca.measure import ParentRow, measure
from daemon.tca.reading import read
from tests.drills.execution_history import write_history
from tests.drills.execution_plan import Book, Window, books_of, gateway_of, strategies_of, trader_of
from tests.drills.gateway_crash import settle
from tests.drills.gateway_days import AFTER_NS, DAYS, wait_until
from tests.drills.kill9 import market_data
from tests.drills.measured import times_of
from tests.fakes.live_pair import Pair, ledger_differences, new_pair, recorded

SPEED: Final = 45
NEW_YORK: Final = ZoneInfo("America/New_York")
OPEN, CLOSE = "09:30", "16:00"
AFTER: Final = {CLOSE: "16:05"}
LEAD: Final = {OPEN: "09:18"}  # the market runs before the open: trader and gateway have met by then
SHOWN_MAX: Final = 50  # failures of one kind of a part
TRACE_S: Final = 300  # between two points of a picture
SYMBOLS: Final = ("BAC", "IBM")
STAGES: Final = ("market", "other", "receive", "decide", "gate", "journal", "dispatch", "wire")  # of orders


def run_part(number: int) -> dict[str, Any]:
    """All of one day."""
    return run_window(number, OPEN, CLOSE, speed=SPEED)


def run_window(day: int, start: str, end: str, *, speed: int) -> dict[str, Any]:
    """A stretch of one recorded day, local times."""
    date = DAYS[day]
    first, last = f"{date}T{LEAD.get(start, start)}", f"{date}T{AFTER.get(end, end)}"
    feed = recorded(first, last, speed=f"{speed}x")
    if feed is None:
        return {"counts": {}, "failures": ["no recorded market data: set QUANTD_MARKET_DATA"]}
    until_ns = _utc_s(date, end) * NANO + AFTER_NS
    folder = market_data()
    assert folder is not None, "there is a feed"
    tape = {symbol: prints_of(folder, symbol) for symbol in SYMBOLS}
    last_ns = _utc_s(date, last[-5:]) * NANO
    with tempfile.TemporaryDirectory(prefix="qh-") as name:
        history = Path(name) / "history.csv"
        adv = write_history(history, day, tape)
        window = Window(day=day, from_s=_utc_s(date, start), until_s=_utc_s(date, end), adv=adv)
        found = run_feed(window, feed, until_ns, max(until_ns, last_ns), speed=speed, tape=tape, history=history)
    found["from"], found["until"] = first, last
    found["pictures"] = _pictures(found.pop("rows"), tape)
    return found


def run_feed(
    window: Window, feed: str, until_ns: int, last_ns: int, *, speed: int, tape: dict[str, Any] | None = None,
    history: Path | None = None, books: list[Book] | None = None, instruments: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The same on any market: all books of the window (or these), and what became of their schedules."""
    books = books or books_of(window)
    began = time.monotonic()
    with new_pair(
        feed=feed, gateway=gateway_of(history), trader=trader_of(speed), strategy=strategies_of(books, speed=speed),
        module="tests.fakes.planned_trader", instruments=instruments,
    ) as pair:  # fmt: skip
        text = pair.trader_file.read_text()
        pair.trader_file.write_text(text.replace("start_cash = 1_000_000", "start_cash = 4_000_000_000"))
        pair.start("trader", "gateway")
        wait_until(pair, until_ns, speed=speed)
        pair.wait(lambda: _over(pair, last_ns), "the last schedule has ended", running="trader", deadline_s=900)
        settle(pair)
        status = pair.status()
        measured = decode_measures(pair.command("measures"))
        code = pair.stop("trader")
        failures = [] if code == 0 else [f"the trader ended with {code}: {pair.logs()}"]
        differences = ledger_differences(pair)
        failures += differences[:SHOWN_MAX]
        judged = _judged(pair, books, tape or {})
    refusals = {} if status is None else status.counters.refusals
    judged["failures"] = [f"day {window.day}: {text}" for text in failures + judged["failures"]]
    judged["counts"]["rows"] = 0 if status is None else status.counters.rows
    judged["counts"]["alerts"] = 0 if status is None else status.counters.alerts
    judged["of"] = dict(judged["counts"])  # of this part; the record adds up all
    return {
        "seconds": round(time.monotonic() - began, 1),
        "speed": speed,
        "equity": "" if status is None else status.equity,
        "refusals": refusals,
        "times": {name: times_of(measured, name) for name in STAGES},
    } | judged


def _over(pair: Pair, last_ns: int) -> bool:
    """No schedule is under way, or the market's rows are at their end."""
    status = pair.status()
    time.sleep(0.2)  # the picture costs the trader time
    return status is not None and (not status.parents or status.ts_ns >= last_ns)


# ---- what must hold --------------------------------------------------------------------------------------------
def _judged(pair: Pair, books: list[Book], tape: dict[str, Any]) -> dict[str, Any]:
    journal = pair.trader_state / "journal"
    money = pair.books().money
    told = read(journal)
    rows = measure(told)
    by_book = {book.name: book for book in books}
    failures = [f"halted by {latch}" for latch in money.latches.held() if latch.state > 1 and latch.code != "HALT"]
    failures += _sums(rows, money)
    failures += _planned(rows, by_book)
    failures += _ends(rows, by_book)
    openings = {trail.opening.parent_id: trail.opening for trail in told.trails}
    pairs, left_out = _pairs(rows, by_book, openings, tape)
    held = Counter(row.state for row in rows)
    return {
        "counts": {
            "schedules": len(rows),
            "planned": sum(len(book.moments_s) for book in books),
            "filled": sum(row.filled_nanos == row.qty_nanos for row in rows),
            "orders": sum(len(row.orders) for row in rows),
            "fills": len(money.ledger.executions),
            "pairs": len(pairs),
            "pairs_left_out": len(left_out),
            "failures": len(failures),
        },
        "states": dict(held),
        "most_at_once": most_at_once(rows),
        "alerts": sorted(money.alerts),
        "refused": dict(Counter(text for row in rows for text in row.refused).most_common(SHOWN_MAX)),
        "schedules": [",".join(map(str, _line(row, by_book))) for row in rows],
        "pairs": [",".join(map(str, pair_)) for pair_ in pairs],
        "left_out": left_out,
        "failures": failures[:SHOWN_MAX],
        "rows": rows,
    }


def _sums(rows: Sequence[ParentRow], money: Any) -> list[str]:
    """Children's executions = schedule = books, share by share; no schedule has more than it was opened for."""
    found = []
    symbols = money.settings.symbols
    held: Counter[str] = Counter()
    of_order: Counter[int] = Counter()
    for execution in money.ledger.executions.values():
        of_order[execution.order_id] += execution.qty_nanos
    for row in rows:
        executed = sum(execution.qty_nanos for execution in row.executions)
        parent = money.parents.get(row.parent_id)
        booked = None if parent is None else parent.filled_nanos
        children = sum(of_order[order.order_id] for order in row.orders)
        if not executed == row.filled_nanos == children or booked not in (None, executed):
            found.append(f"schedule {row.parent_id}: executed {executed}, children {children}, booked {booked}")
        if executed > row.qty_nanos:
            found.append(f"schedule {row.parent_id}: over-filled, {executed} of {row.qty_nanos}")
        held[row.symbol] += executed * (1 if row.side == "BUY" else -1)
    for inst, qty in enumerate(money.ledger.holdings):
        if held[symbols[inst]] != qty:
            found.append(f"{symbols[inst]}: schedules filled {held[symbols[inst]]}, the books hold {qty}")
    return found


def _planned(rows: Sequence[ParentRow], books: dict[str, Book]) -> list[str]:
    """Every line of a list became a schedule of exactly its size; more only where one had to go on with a rest."""
    found = []
    for name, book in books.items():
        mine = [row for row in rows if row.strategy == name]
        first = _opened(mine)
        sizes = [row.qty_nanos // NANO * (1 if row.side == "BUY" else -1) for row in first]
        if sizes != book.shares:
            found.append(f"{name}: planned {book.shares}, opened {sizes}")
    return found


def most_at_once(rows: Sequence[ParentRow]) -> int:
    """How many schedules were under way in the busiest moment."""
    changes = sorted([(row.arrived_ns, 1) for row in rows] + [(row.ended_ns, -1) for row in rows])
    return max(accumulate(change for _, change in changes), default=0)


def _opened(mine: Sequence[ParentRow]) -> list[ParentRow]:
    """The schedules of a book that its list asked for, in order."""
    return [row for row in mine if not _goes_on(row, mine) and not _asked_again(row, mine)]


def _goes_on(row: ParentRow, mine: Sequence[ParentRow]) -> bool:
    """Whether a schedule continues the one before, which had to complete and could not in its time."""
    before = [other for other in mine if other.parent_id < row.parent_id]
    if not before or before[-1].state == "DONE" or before[-1].reason.startswith("MARGIN"):
        return False
    return row.qty_nanos == before[-1].qty_nanos - before[-1].filled_nanos and row.decided_ns == before[-1].ended_ns


def _asked_again(row: ParentRow, mine: Sequence[ParentRow]) -> bool:
    """Whether the broker's what-if was not answered in time, and the same need was opened once more."""
    after = [other for other in mine if other.parent_id > row.parent_id]
    refused = row.reason.startswith("MARGIN: no answer") and not row.orders
    return refused and bool(after) and after[0].qty_nanos == row.qty_nanos


def _ends(rows: Sequence[ParentRow], books: dict[str, Book]) -> list[str]:
    """Done is all of it; what is not done ran out of time, and may only where it need not complete, or goes on."""
    found = []
    for row in rows:
        filled = row.filled_nanos == row.qty_nanos
        if row.state == ParentState.DONE.name:
            if not filled:
                found.append(f"schedule {row.parent_id} of {row.strategy}: done with {row.filled_nanos}")
            continue
        mine = [other for other in rows if other.strategy == row.strategy]
        if _asked_again(row, mine):
            continue
        if row.state != ParentState.EXPIRED.name:
            found.append(f"schedule {row.parent_id} of {row.strategy}: {row.state}, {row.reason}")
            continue
        completes = books[row.strategy].params.get("must_complete", row.algo != "pov")
        gone_on = any(_goes_on(other, mine) for other in mine if other.parent_id > row.parent_id)
        if completes and not gone_on:
            found.append(f"schedule {row.parent_id} of {row.strategy}: had to complete, {row.reason}")
    return found


# ---- what is measured ------------------------------------------------------------------------------------------
LINE: Final = (
    "book", "algo", "symbol", "side", "arrived", "minutes", "shares", "size_bp", "filled_pct", "state", "orders",
    "executions", "refusals", "participation_pct", "vwap_bp", "arrival_bp", "total_bp", "expected_bp", "capture",
)  # fmt: skip
# `error`: the schedule's average price against the interval's VWAP. `plan`: the same of the schedule alone, as if each
# slice had traded at the market's own VWAP of its time; it knows neither spread nor luck. Only of recorded days.
PAIR_LINE: Final = (
    "kind", "symbol", "side", "first", "arrived", "size_bp", "vwap_error_bp", "twap_error_bp", "vwap_plan_bp",
    "twap_plan_bp",
)  # fmt: skip


def _line(row: ParentRow, books: dict[str, Book]) -> tuple[Any, ...]:
    """One schedule as the record keeps it; see `LINE`."""
    expected = None
    if row.expected_cost_nanos is not None and row.paper_nanos:
        expected = row.expected_cost_nanos / row.paper_nanos * 10_000
    return (
        row.strategy, row.algo, row.symbol, row.side, _clock(row.arrived_ns),
        round((row.ended_ns - row.arrived_ns) / 60 / NANO, 1), row.qty_nanos // NANO, _scaled(row.size_ppm, 100, 1),
        _scaled(row.fill_ppm, 10_000, 2), row.state, len(row.orders), len(row.executions), row.refusals,
        _scaled(row.participation_ppm, 10_000, 2), _scaled(row.against["vwap"], NANO, 3),
        _scaled(row.against["arrival"], NANO, 2), _scaled(row.total_bp_nanos, NANO, 2),
        "" if expected is None else round(expected, 2), _scaled(row.capture_ppm, 1_000_000, 2),
    )  # fmt: skip


def _scaled(value: int | None, scale: int, places: int) -> float | str:
    return "" if value is None else round(value / scale, places)


def _clock(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NANO, NEW_YORK).strftime("%H:%M:%S")


def _pairs(
    rows: Sequence[ParentRow], books: dict[str, Book], openings: dict[int, OpenParent], tape: dict[str, Any]
) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Both of a pair: their slippage against the interval's VWAP, signed; the error is its size. See `PAIR_LINE`. And
    every pair that is not among them, with why: it counts when both began as planned and were filled whole.
    """
    found, left_out = [], []
    for book in books.values():
        if not book.pair or book.algo != "vwap":
            continue
        twin = next(each for each in books.values() if each.pair == book.pair and each.algo == "twap")
        mine, others = (_opened([row for row in rows if row.strategy == each.name]) for each in (book, twin))
        for at, planned in enumerate(book.shares):
            both = [*mine[at : at + 1], *others[at : at + 1]]
            why = _uneven(both, (book if book.first else twin).behind_s * (1 if book.first else -1))
            if why:
                left_out.append(f"{book.name} {at + 1}, {planned} shares: {why}")
                continue
            vwap = both[0]
            found.append(
                (
                    book.kind, vwap.symbol, vwap.side, "vwap" if book.first else "twap", _clock(vwap.arrived_ns),
                    _scaled(vwap.size_ppm, 100, 1), *(_scaled(row.against["vwap"], NANO, 3) for row in both),
                    *(_plan_bp(openings[row.parent_id], tape.get(row.symbol)) for row in both),
                )
            )  # fmt: skip
    return found, left_out


def _uneven(both: Sequence[ParentRow], behind_s: int) -> str:
    """Why a pair cannot be compared; "" = it can. `behind_s`: of the second after the first."""
    if len(both) < 2:
        return "not opened"
    vwap, twap = both
    late_s = (twap.arrived_ns - vwap.arrived_ns) / NANO - behind_s
    if abs(late_s) > abs(behind_s):  # the wrong one is first, or more than a slice lies between
        return f"twap began {late_s:.0f} s beside its time"
    if any(row.filled_nanos != row.qty_nanos for row in both):
        return "filled " + " and ".join(f"{row.filled_nanos / row.qty_nanos:.1%}" for row in both)
    return "" if all(row.against["vwap"] is not None for row in both) else "no volume to compare with"


def _plan_bp(opening: OpenParent, prints: Any) -> float | str:
    """Cost of a schedule's own weights against the VWAP of all its time; see `PAIR_LINE`."""
    if prints is None:
        return ""
    ts_ns, price, size = prints
    slices, span = opening.slices, opening.end_ts_ns - opening.start_ts_ns
    edges = opening.start_ts_ns + np.arange(slices + 1) * span // slices
    places = np.searchsorted(ts_ns, edges)
    value, volume = np.concatenate(([0.0], np.cumsum(price * size))), np.concatenate(([0.0], np.cumsum(size)))
    traded, turned = np.diff(volume[places]), np.diff(value[places])
    due = np.array(opening.weights, float) / NANO if opening.weights else np.arange(1, slices + 1) / slices
    parts = np.diff(np.concatenate(([0.0], due)))
    good = traded > 0
    own = float((parts[good] * turned[good] / traded[good]).sum() / parts[good].sum())
    market = float(turned.sum() / traded.sum())
    return round(opening.side * (own / market - 1.0) * 10_000, 3)


# ---- pictures --------------------------------------------------------------------------------------------------
def _pictures(rows: Sequence[ParentRow], tape: dict[str, Any]) -> dict[str, list[str]]:
    """Of the first pair of each symbol that took the whole day: every five minutes the part of the window's volume that
    had traded on the tape, and the parts that both schedules had done.
    """
    found = {}
    for row in rows:
        if row.symbol in found or not re.search(r"_day_\d[vt]_vwap$", row.strategy):
            continue
        of_pair = row.strategy.removesuffix("vwap")
        twin = next((other for other in rows if other.strategy == f"{of_pair}twap"), None)
        if twin is None:
            continue
        until_ns = max(row.ended_ns, twin.ended_ns)
        times = np.arange(row.arrived_ns, until_ns + TRACE_S * NANO, TRACE_S * NANO)
        market = _traded(tape[row.symbol], times)
        columns = [market, *(_done(each, times) for each in (row, twin))]
        found[row.symbol] = [
            ",".join([_clock(int(ts_ns)), *(f"{column[at]:.4f}" for column in columns)])
            for at, ts_ns in enumerate(times)
        ]
    return found


def _done(row: ParentRow, times: Any) -> Any:
    told = np.array([execution.told_ns for execution in row.executions], np.int64)
    shares = np.cumsum([execution.qty_nanos for execution in row.executions]) / row.qty_nanos
    return np.concatenate(([0.0], shares))[np.searchsorted(told, times, side="right")]


def _traded(prints: Any, times: Any) -> Any:
    """Part of the volume between the first and the last time that the recording had by each."""
    ts_ns, _, size = prints
    total = np.concatenate(([0.0], np.cumsum(size)))
    at = total[np.searchsorted(ts_ns, times, side="right")]
    return (at - at[0]) / max(at[-1] - at[0], 1.0)


def prints_of(folder: Path, symbol: str) -> tuple[Any, Any, Any]:
    """Times, prices and sizes of the recorded trades that may move "last"."""
    path = folder / "lean" / "equity_tick_trades" / f"{symbol}_20131007_20131011.parquet"
    table = pq.read_table(path, columns=["ts_ns", "price", "size", "condition"])
    ts_ns, price, size, condition = (table[name].to_numpy() for name in ("ts_ns", "price", "size", "condition"))
    good = (condition.astype(np.int64) & NOT_LAST_MASK) == 0
    return ts_ns[good], price[good], size[good]


def _utc_s(date: str, clock: str) -> int:
    return int(datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=NEW_YORK).timestamp())
