"""The merge: any sources, cut anywhere, come out in the one documented order."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker.feeds.columns import Rows
from broker.feeds.merge import CONTROL_KIND_MIN, GAP, HALT, ControlFact, cut, merge
from core.events import FeedGapped, HaltChanged
from core.rows import QUOTE, ROW

sources_strategy = st.lists(st.lists(st.integers(0, 12), max_size=25).map(sorted), min_size=1, max_size=5)


def source(times: list[int], rank: int, chunk: int) -> Iterator[Rows]:
    rows = np.zeros(len(times), ROW)
    rows["ts_ns"] = times
    rows["inst"] = rank
    rows["kind"] = QUOTE
    rows["bid_px_nanos"] = np.arange(len(times))
    for at in range(0, len(times), chunk):
        yield rows[at : at + chunk]


@given(sources_strategy, st.integers(1, 7))
def test_merge_order_is_time_rank_row(times: list[list[int]], chunk: int) -> None:
    """Merged rows equal a plain sort by (time, rank, row), for every chunk size."""
    slabs = list(merge([source(one, rank, chunk) for rank, one in enumerate(times)]))
    found = [(int(r["ts_ns"]), int(r["inst"]), int(r["bid_px_nanos"])) for slab in slabs for r in slab]
    assert found == sorted((ts, rank, at) for rank, one in enumerate(times) for at, ts in enumerate(one))
    assert all(len(slab) for slab in slabs)


@given(
    st.lists(st.sampled_from([QUOTE, QUOTE, HALT, GAP]), max_size=30),
    st.integers(1, 9), st.integers(0, 35), st.integers(1, 5),
)  # fmt: skip
def test_cut_keeps_facts_in_place(kinds: list[int], slab: int, skip: int, batch: int) -> None:
    """Rows and facts keep their order; exactly the first `skip` market rows and the facts among them are left out."""
    rows = np.zeros(len(kinds), ROW)
    rows["kind"] = kinds
    rows["ts_ns"] = np.arange(len(kinds))
    slabs = (rows[at : at + slab] for at in range(0, len(rows), slab))
    found: list[int] = []
    for item in cut(slabs, skip_rows=skip, batch_rows=batch):
        if isinstance(item, ControlFact):
            assert isinstance(item.event, HaltChanged if kinds[item.ts_ns] == HALT else FeedGapped)
            found.append(item.ts_ns)
        else:
            assert 0 < len(item) <= batch
            assert (item["kind"] < CONTROL_KIND_MIN).all()
            found.extend(item["ts_ns"].tolist())
    before = np.cumsum(np.array(kinds) == QUOTE).tolist()
    expected = [at for at, kind in enumerate(kinds) if before[at] - (kind == QUOTE) >= skip]
    assert found == expected
