"""The conflator against a slow program written from its rules, and against itself for every way of cutting the tape."""

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker.feeds.columns import Rows
from broker.feeds.merge import GAP, HALT
from broker.sim.conflator import BAR_NS, SLOT_NS, conflate, conflated
from core.profiles import BAR as BAR_PROFILE
from core.profiles import L1_250
from core.rows import BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.units import NANO, div_half_even
from tests.fakes.feed_tapes import OPEN_NS, joined, words

Step = tuple[int, int, int, int, int, int]  # eighths of a slot to wait, instrument, kind, flags, price, size
Out = tuple[int, ...]

steps_strategy = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 3, 8, 50, 200]),
        st.integers(0, 2),
        st.sampled_from([QUOTE, QUOTE, QUOTE, PRINT, PRINT, HALT, GAP]),
        st.sampled_from([0, 0, 0, 0, NOT_LAST, SUSPICIOUS]),
        st.integers(0, 3),
        st.integers(0, 2),
    ),
    max_size=60,
)


def tape(steps: list[Step]) -> Rows:
    """Rows of three instruments, often at the edges of slots and bars."""
    rows = np.zeros(len(steps), ROW)
    ts_ns = OPEN_NS
    for at, (wait, inst, kind, flags, px, qty) in enumerate(steps):
        ts_ns += wait * (SLOT_NS // 8)
        px_nanos = px * NANO
        four = (px_nanos, px_nanos + 7 * (kind == QUOTE), qty * NANO, at if kind == PRINT else qty)
        rows[at] = (ts_ns, ts_ns - at, inst, kind, flags if kind in (QUOTE, PRINT) else 0, *four)
    return rows


def oracle(rows: Rows, profile: int) -> list[Out]:
    """Every row goes to the slot it lies in; slots end at the grid, or early at a row of another kind."""
    ranked: list[tuple[tuple[int, ...], list[Out]]] = []
    for inst in range(3):
        mine = [tuple(int(v) for v in row) for row in rows[rows["inst"] == inst].tolist()]
        places = np.flatnonzero(rows["inst"] == inst).tolist()
        quotes: dict[tuple[int, ...], list[Out]] = defaultdict(list)  # where a slot ends -> rows in it
        prints: dict[tuple[int, ...], list[Out]] = defaultdict(list)
        controls = [(row[0], 1, at) for row, at in zip(mine, places, strict=True) if row[3] not in (QUOTE, PRINT)]
        for row, at in zip(mine, places, strict=True):
            cuts = [cut for cut in controls if cut[2] > at]
            if row[3] not in (QUOTE, PRINT):
                ranked.append(((row[0], 1, at, 3), [row]))
            elif row[4] & SUSPICIOUS:
                continue
            elif row[3] == QUOTE:
                quotes[min([_end(row[0], SLOT_NS, inst), *cuts])].append(row)
            elif row[4] == 0 and row[5] > 0 and row[7] > 0:
                length_ns = BAR_NS if profile == BAR_PROFILE else SLOT_NS
                prints[min([_end(row[0], length_ns, inst), *cuts])].append(row)
        ranked += [((*end, 1), _printed(end[0], held, profile)) for end, held in prints.items()]
        ranked += [((*end, 2), held) for end, held in _changed(quotes, controls)]
    return [row for _, found in sorted(ranked) for row in found]


def _end(ts_ns: int, length_ns: int, inst: int) -> tuple[int, ...]:
    return (ts_ns // length_ns + 1) * length_ns, 0, inst


def _changed(
    quotes: dict[tuple[int, ...], list[Out]], controls: Sequence[tuple[int, ...]]
) -> list[tuple[tuple[int, ...], list[Out]]]:
    """The last quote of each slot, without those that repeat the one sent before; a control row forgets it."""
    found = []
    sent: tuple[int, ...] = ()
    for end in sorted({*quotes, *controls}):
        if end in quotes:
            last = quotes[end][-1]
            if last[5:] != sent:
                found.append((end, [(end[0], last[1], last[2], QUOTE, 0, *last[5:])]))
            sent = last[5:]
        if end in controls:
            sent = ()
    return found


def _printed(ts_ns: int, held: list[Out], profile: int) -> list[Out]:
    px, qty = [row[5] for row in held], [row[7] for row in held]
    head = (ts_ns, held[-1][1], held[0][2])
    if profile != BAR_PROFILE:
        return [(*head, PRINT, 0, px[-1], 0, sum(qty), 0)]
    mean = Fraction(sum(p * q for p, q in zip(px, qty, strict=True)), sum(qty))
    mean_nanos = div_half_even(mean.numerator, mean.denominator)
    return [
        (*head, BAR, 0, px[0], max(px), min(px), px[-1]),
        (*head, BAR_VOLUME, 0, mean_nanos, 0, sum(qty), len(held)),
    ]


@given(steps_strategy, st.sampled_from([L1_250, BAR_PROFILE]))
def test_every_row_follows_the_rules(steps: list[Step], profile: int) -> None:
    """Kind, time, numbers and order of every row equal those of the slow program."""
    rows = tape(steps)
    assert [tuple(row) for row in conflate(rows, profile=profile).tolist()] == oracle(rows, profile)


@given(steps_strategy, st.sampled_from([L1_250, BAR_PROFILE]), st.integers(1, 9))
def test_rows_do_not_depend_on_the_cut(steps: list[Step], profile: int, block: int) -> None:
    """The same rows leave, in time order, for every way of cutting the tape; no block is empty."""
    rows = tape(steps)
    blocks = (rows[at : at + block] for at in range(0, len(rows), block))
    found = list(conflated(blocks, profile=profile, instruments=3))
    assert all(len(one) for one in found)
    assert words(joined(found)).tolist() == words(conflate(rows, profile=profile)).tolist()
    assert (np.diff(joined(found)["ts_ns"]) >= 0).all()
