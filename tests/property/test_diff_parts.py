"""Attribution on any two days: the parts are the difference to the last nano of a nano; matching is the best there is;
marks are the trader's own.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ledger import Execution
from core.market import MarketReader, apply_row, new_market
from core.rows import BAR, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from daemon.diff.align import SAME_TARGET_BONUS, align
from daemon.diff.attribution import Side, attribute
from daemon.diff.day import Carried, Day, Decision, Span
from daemon.diff.marks import marks_at
from daemon.journal import JournalWriter

pytestmark = pytest.mark.slow
WITHIN_NS = 100
END_NS = 10_000
SPAN = Span(directory=Path(), date=1, from_seq=0, state=b"", start_ns=0, end_ns=END_NS, begins=True)
Quantities = st.integers(-(10**13), 10**13)
Prices = st.integers(1, 10**12)
Moments = st.integers(1, 400)


@st.composite
def executions(draw: st.DrawFn) -> Execution:
    """One execution of any size, fractions of a share too."""
    return Execution(
        exec_id="x", order_id=1, strategy="s", inst=0, side=draw(st.sampled_from((1, -1))),
        qty_nanos=draw(st.integers(0, 10**13)), px_nanos=draw(Prices), ts_ns=1, seq=1,
        commission_nanos=draw(st.integers(-(10**9), 10**10)),
    )  # fmt: skip


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    """One decision; without a schedule it executed nothing."""
    began = draw(st.booleans())
    ts_ns = draw(Moments)
    return Decision(
        strategy=draw(st.sampled_from(("s", ""))), inst=draw(st.integers(0, 1)), ts_ns=ts_ns,
        change_nanos=draw(Quantities), target_nanos=draw(st.integers(-3, 3)),
        open_ns=ts_ns + draw(st.integers(0, 50)) if began else 0,
        arrival_nanos=draw(st.one_of(st.just(0), Prices)) if began else 0,
        executions=draw(st.lists(executions(), max_size=4)) if began else [],
        carried=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def days(draw: st.DrawFn) -> Side:
    """One run: any decisions, any positions, cash moved, and a market that is a table of its own."""
    table = draw(st.lists(Prices, min_size=8, max_size=8))
    carried = [
        Carried(strategy="s", inst=inst, ts_ns=ts, qty_nanos=qty)
        for inst, ts, qty in draw(st.lists(st.tuples(st.integers(0, 1), Moments, Quantities), max_size=3))
    ]
    moved = [(1, amount, "fee") for amount in draw(st.lists(st.integers(-(10**9), 10**9), max_size=2))]
    day = Day(span=SPAN, symbols=("A", "B"), currency="USD", carried=carried, moved=moved)
    day.decisions = draw(st.lists(decisions(), max_size=8))
    return Side(day=day, mark=lambda inst, ts_ns: table[(ts_ns * 3 + inst) % 8], end_ns=END_NS)


@given(days(), days())
@settings(max_examples=150)
def test_the_parts_are_the_difference(live: Side, shadow: Side) -> None:
    """Exactly, for every row; in whole nanos they still add up; each profit is that of the books."""
    for row in attribute(live, shadow, within_ns=WITHIN_NS):
        assert row.parts.total == row.live - row.shadow
        nanos = row.parts.nanos()
        assert sum(amount for name, amount in nanos.items() if name != "total") == nanos["total"]
        assert abs(nanos["total"] * 10**9 - row.parts.total) <= 5 * 10**8
    total = sum(row.live for row in attribute(live, live, within_ns=WITHIN_NS))
    ours = sum(one.qty_nanos * live.end(one.inst) - one.paid - one.cost_nanos * 10**9 for one in live.day.decisions)
    ours += sum(one.qty_nanos * (live.end(one.inst) - live.mark(one.inst, one.ts_ns)) for one in live.day.carried)
    assert total == ours + sum(amount for _, amount, _ in live.day.moved) * 10**9


@given(days())
@settings(max_examples=60)
def test_a_run_compared_with_itself_differs_in_nothing(live: Side) -> None:
    """Every part of every row is zero."""
    for row in attribute(live, live, within_ns=WITHIN_NS):
        assert set(row.parts.nanos().values()) == {0}


def plain(ts_ns: int, change: int, target: int) -> Decision:
    """A decision as the matching sees it."""
    return Decision(strategy="s", inst=0, ts_ns=ts_ns, change_nanos=change, target_nanos=target)


Plain = st.builds(plain, st.integers(0, 300), st.sampled_from((-1, 1)), st.integers(-1, 1))
Plains = st.lists(Plain, max_size=5).map(lambda found: sorted(found, key=lambda one: one.ts_ns))


def weight(one: Decision, other: Decision) -> int:
    """What a pair is worth; 0 = it may not be."""
    distance = abs(one.ts_ns - other.ts_ns)
    if one.change_nanos != other.change_nanos or distance >= WITHIN_NS:
        return 0
    return WITHIN_NS - distance + (WITHIN_NS // SAME_TARGET_BONUS if one.target_nanos == other.target_nanos else 0)


@given(Plains, Plains)
@settings(max_examples=150)
def test_no_other_matching_is_better(live: list[Decision], shadow: list[Decision]) -> None:
    """Against every matching in order there is."""
    pairs = align(live, shadow, within_ns=WITHIN_NS)
    assert pairs == sorted(pairs)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    weights = [weight(live[a], shadow[b]) for a, b in pairs]
    assert all(weights)
    best = 0
    for size in range(min(len(live), len(shadow)) + 1):
        for ours in combinations(range(len(live)), size):
            for theirs in combinations(range(len(shadow)), size):
                found = [weight(live[a], shadow[b]) for a, b in zip(ours, theirs, strict=True)]
                best = max(best, sum(found) if all(found) else 0)
    assert sum(weights) == best


def random_rows(seed: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Two instruments: good and bad quotes, prints that count and others, several rows at one time."""
    chance = np.random.default_rng(seed)
    rows = np.zeros(count, ROW)
    rows["ts_ns"] = np.sort(chance.integers(100, 100 + count, count))
    rows["inst"] = chance.integers(0, 2, count)
    rows["kind"] = chance.choice((QUOTE, PRINT, BAR), count)
    rows["flags"] = chance.choice((0, 0, 0, SUSPICIOUS, NOT_LAST), count)
    rows["bid_px_nanos"] = chance.integers(-1, 12, count)
    rows["ask_px_nanos"] = chance.integers(0, 14, count)
    rows["bid_qty_nanos"] = chance.integers(0, 4, count)
    rows["ask_qty_nanos"] = chance.integers(0, 4, count)
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_marks_are_those_of_the_trader(tmp_path: Path, seed: int) -> None:
    """At every moment the price that the trader's own market state gives; before the first one, that first one."""
    rows = random_rows(seed, 400)
    writer = JournalWriter(tmp_path / "j", now_ns=1, segment_bytes=1 << 20, reserve_bytes=0, background=False)
    for at in range(0, len(rows), 37):
        block = np.ascontiguousarray(rows[at : at + 37])
        writer.add_rows(at + 1, block.data.cast("B"), len(block), int(block[0]["ts_ns"]))
        writer.commit()
    writer.close()
    expected = {}
    market = new_market(2)
    reader = MarketReader(market)
    moments = [(inst, ts) for inst in (0, 1) for ts in range(95, 510)]
    done = 0
    for ts in range(95, 510):
        while done < len(rows) and rows[done]["ts_ns"] <= ts:
            apply_row(market[rows[done]["inst"]], rows[done])
            done += 1
        for inst in (0, 1):
            expected[inst, ts] = reader.mark_nanos(inst)
    found = marks_at(tmp_path / "j", from_seq=0, moments=moments)
    for inst in (0, 1):
        first = next(mark for (row, _), mark in expected.items() if row == inst and mark)
        assert [found[inst, ts] for ts in range(95, 510)] == [expected[inst, ts] or first for ts in range(95, 510)]
