"""The made-up market: the same bits for the same spec, and the habits of a real market."""

import hashlib
from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact
from broker.feeds.spec import DirtyRates, SyntheticInstrument, SyntheticSpec
from broker.feeds.synthesis import DIRTY_KINDS, exponential, normal
from broker.feeds.synthesis import LOG_TABLE as TABLE
from broker.feeds.synthetic import DAY_NS, SyntheticFeed, read_rows, sessions
from core.errors import ConfigError
from core.events import FeedGapped, HaltChanged
from core.rows import NOT_LAST, PRINT, QUOTE, SUSPICIOUS
from core.units import NANO
from tests.fakes.feed_tapes import HOUR_NS, OPEN_NS, joined, synthetic_spec, words

DIRTY = DirtyRates(
    crossed=0.02, locked=0.02, one_sided=0.02, empty_both=0.02, zero_size=0.02, duplicate=0.02, suspicious=0.02,
    backwards=0.02, not_last=0.05,
)  # fmt: skip
TICK = NANO // 100


def digest(spec: SyntheticSpec) -> str:
    found = hashlib.sha256()
    for item in SyntheticFeed(spec).items():
        found.update(repr(item).encode() if isinstance(item, ControlFact) else item.tobytes())
    return found.hexdigest()


def busy(**changes: Any) -> SyntheticSpec:
    """Everything that can happen, often."""
    return synthetic_spec(halts_per_hour=6.0, halt_seconds=60.0, gaps_per_hour=10.0, dirty=DIRTY, **changes)


@pytest.fixture(scope="module")
def day() -> Rows:
    """One full session of one clean instrument."""
    instrument = SyntheticInstrument(
        symbol="S", inst=0, px_nanos=50 * NANO, tick_nanos=TICK, lot_nanos=100 * NANO, events_per_second=10.0
    )
    return joined(read_rows(synthetic_spec(hours=6.5, instruments=(instrument,), jumps_per_hour=0.0)))


@pytest.mark.parametrize("batch_rows", [1, 100, 8_192])
def test_rows_do_not_depend_on_batch_size(batch_rows: int) -> None:
    """The market of a spec is one sequence, however it is cut."""
    spec = busy(hours=0.05, batch_rows=batch_rows)
    whole = words(joined(read_rows(busy(hours=0.05, batch_rows=777))))
    assert words(joined(read_rows(spec))).tolist() == whole.tolist()
    assert len(whole) > 1_500


def test_digest_is_the_committed_one() -> None:
    """Bit for bit the market of this release: a change here makes every recorded synthetic run unrepeatable."""
    rows = joined(read_rows(busy()))
    assert (
        hashlib.sha256(rows.tobytes()).hexdigest() == "eec12381f24866712bbe6f7417d272418f948b3c9efb62e62b74ced4bea6ae46"
    )


def test_seed_decides() -> None:
    """Another seed is another market; the same seed the same one, facts included."""
    assert digest(busy(hours=0.2)) == digest(busy(hours=0.2))
    assert digest(busy(hours=0.2)) != digest(busy(hours=0.2, seed=8))


def test_instruments_do_not_disturb_each_other() -> None:
    """One instrument's rows are the same with or without the others."""
    both, one = joined(read_rows(synthetic_spec())), joined(read_rows(synthetic_spec(instruments=1)))
    assert words(both[both["inst"] == 0]).tolist() == words(one).tolist()


@pytest.mark.parametrize("skip", [1, 5_000])
def test_skip_rows_resumes_exactly(skip: int) -> None:
    """Skipping N rows gives exactly the rest."""
    whole = words(joined(read_rows(busy(hours=0.3))))
    assert words(joined(read_rows(busy(hours=0.3, skip_rows=skip)))).tolist() == whole[skip:].tolist()


def test_clean_rows_are_well_formed(day: Rows) -> None:
    """Ascending time inside the session, tick grid, whole lots, a spread of a tick or more, sizes above zero."""
    assert day["ts_ns"][0] >= OPEN_NS
    assert day["ts_ns"][-1] < OPEN_NS + int(6.5 * HOUR_NS)
    assert (np.diff(day["ts_ns"]) >= 0).all()
    quotes, prints = day[day["kind"] == QUOTE], day[day["kind"] == PRINT]
    assert (quotes["ask_px_nanos"] - quotes["bid_px_nanos"] >= TICK).all()
    for field in ("bid_px_nanos", "ask_px_nanos"):
        assert (quotes[field] > 0).all()
        assert (quotes[field] % TICK == 0).all()
    for rows, field in ((quotes, "bid_qty_nanos"), (quotes, "ask_qty_nanos"), (prints, "bid_qty_nanos")):
        assert (rows[field] > 0).all()
        assert (rows[field] % (100 * NANO) == 0).all()
    assert (prints["bid_px_nanos"] % TICK == 0).all()
    assert set(day["flags"].tolist()) == {0}
    assert 0.15 < len(prints) / len(day) < 0.35


def test_prints_agree_with_the_quote_before(day: Rows) -> None:
    """Every print lies at or inside the quote before it, and takes no more than that shows."""
    before = np.maximum.accumulate(np.where(day["kind"] == QUOTE, np.arange(len(day)), -1))
    at = np.flatnonzero(day["kind"] == PRINT)
    quote, px = day[before[at]], day["bid_px_nanos"][at]
    assert before[at[0]] >= 0
    assert (px >= quote["bid_px_nanos"]).all()
    assert (px <= quote["ask_px_nanos"]).all()
    at_bid = px == quote["bid_px_nanos"]
    assert (day["bid_qty_nanos"][at][at_bid] <= quote["bid_qty_nanos"][at_bid]).all()
    assert ((px > quote["bid_px_nanos"]) & (px < quote["ask_px_nanos"])).any()


def test_day_is_u_shaped(day: Rows) -> None:
    """The first and last half hours are busier than the middle."""
    per_half_hour = np.bincount((day["ts_ns"] - OPEN_NS) // (HOUR_NS // 2), minlength=13)
    middle = per_half_hour[5:8].mean()
    assert per_half_hour[0] > 1.5 * middle
    assert per_half_hour[12] > 1.5 * middle
    assert len(day) == pytest.approx(10 * 6.5 * 3_600 * 1.2, rel=0.15)


def test_arrivals_cluster(day: Rows) -> None:
    """Counts per second vary far more than a Poisson process's, whose index of dispersion is 1."""
    noon = day[(day["ts_ns"] > OPEN_NS + 3 * HOUR_NS) & (day["ts_ns"] < OPEN_NS + 4 * HOUR_NS)]
    per_second = np.bincount((noon["ts_ns"] - noon["ts_ns"][0]) // NANO)
    assert per_second.var() / per_second.mean() > 2.0


def middle_each(rows: Rows, seconds: int) -> NDArray[np.float64]:
    quotes = rows[rows["kind"] == QUOTE]
    grid = np.arange(OPEN_NS + 60 * NANO, OPEN_NS + int(6.4 * HOUR_NS), seconds * NANO)
    at = np.searchsorted(quotes["ts_ns"], grid, side="right") - 1
    middles: NDArray[np.float64] = (quotes["bid_px_nanos"][at] + quotes["ask_px_nanos"][at]) / 2.0
    return middles


def test_mid_price_reverts_at_its_scale() -> None:
    """Mid price changes at the reversion time are negatively correlated, but not without the transient part."""

    def correlation(reversion_ticks: float) -> float:
        instrument = SyntheticInstrument(
            symbol="S", inst=0, px_nanos=50 * NANO, tick_nanos=TICK, lot_nanos=100 * NANO,
            volatility_bp_per_hour=20.0, reversion_ticks=reversion_ticks,
        )  # fmt: skip
        changes = np.diff(middle_each(joined(read_rows(synthetic_spec(hours=6.5, instruments=(instrument,)))), 30))
        return float(np.corrcoef(changes[1:], changes[:-1])[0, 1])

    assert correlation(4.0) < -0.15
    assert correlation(0.0) > -0.12


def test_volatility_comes_in_regimes(day: Rows) -> None:
    """Absolute moves of five minutes differ more than those of one constant volatility would."""
    moves = np.abs(np.diff(middle_each(day, 60)))
    halves = moves[: len(moves) // 10 * 10].reshape(-1, 10).mean(axis=1)
    assert halves.max() > 2.0 * halves.min()


def test_halts_stop_quotes_and_gaps_are_told() -> None:
    """A halt begins and ends with a fact, nothing of that instrument comes in between; lost rows are counted."""
    halted: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    last_ns = 0
    for item in SyntheticFeed(busy(batch_rows=64)).items():
        if not isinstance(item, ControlFact):
            assert not any(halted[inst] for inst in set(item["inst"].tolist()))
            assert item["ts_ns"][0] >= last_ns
            last_ns = int(item["ts_ns"][-1])
            continue
        assert item.ts_ns >= last_ns
        last_ns = item.ts_ns
        if isinstance(item.event, HaltChanged):
            halted[item.event.inst] = item.event.halted
            kinds["halt" if item.event.halted else "resumed"] += 1
        else:
            assert isinstance(item.event, FeedGapped)
            kinds["gap"] += 1
            kinds["dropped"] += item.event.dropped
    assert kinds["halt"] == kinds["resumed"] > 3
    assert kinds["gap"] > 5
    assert kinds["dropped"] > kinds["gap"]


def test_gap_at_the_close_is_told() -> None:
    """Rows lost up to the last moment of the session are told before it ends."""
    spec = synthetic_spec(hours=0.05, instruments=1, gaps_per_hour=100_000.0, gap_seconds=10_000.0)
    *_, last = SyntheticFeed(spec).items()
    assert isinstance(last, ControlFact)
    assert isinstance(last.event, FeedGapped)
    assert last.event.dropped > 1_000
    assert last.ts_ns == spec.sessions[0][1] - 1


def test_every_dirty_row_appears_and_is_counted() -> None:
    """Each configured oddity is really in the rows, as often as the totals say."""
    feed = SyntheticFeed(synthetic_spec(instruments=1, dirty=DIRTY))
    rows = joined(feed.items())
    made = feed.totals.sources[0].oddities
    quotes = rows[rows["kind"] == QUOTE]
    bid, ask = quotes["bid_px_nanos"], quotes["ask_px_nanos"]
    seen = {
        "crossed": (bid > ask) & (ask > 0), "locked": (bid == ask) & (bid > 0), "one_sided": (bid == 0) & (ask > 0),
        "empty_both": (bid == 0) & (ask == 0), "zero_size": (quotes["ask_qty_nanos"] == 0) & (ask > 0),
        "duplicate": (words(quotes)[1:] == words(quotes)[:-1]).all(axis=1),
        "suspicious": quotes["flags"] == SUSPICIOUS, "backwards": quotes["exchange_ts_ns"] < quotes["ts_ns"],
        "not_last": (rows["flags"] & NOT_LAST) != 0,
    }  # fmt: skip
    assert set(made) == {*DIRTY_KINDS, "not_last"}
    assert {kind: int(mask.sum()) for kind, mask in seen.items()} == made
    assert min(made.values()) > 100


def test_latency_separates_receipt_from_exchange_time() -> None:
    """Receipt stands the configured time after the exchange's."""
    rows = joined(read_rows(synthetic_spec(hours=0.01, latency_ns=1_500)))
    assert set((rows["ts_ns"] - rows["exchange_ts_ns"]).tolist()) == {1_500}


def test_endless_market_goes_on_over_weekends() -> None:
    """After the last session the same hours of the next weekdays follow, Saturday and Sunday left out."""
    spec = synthetic_spec(hours=0.01, endless=True)  # the first session is a Monday
    opens = [(open_ns - OPEN_NS) // DAY_NS for open_ns, _ in islice(sessions(spec), 8)]
    assert opens == [0, 1, 2, 3, 4, 7, 8, 9]
    days: set[int] = set()
    for batch in read_rows(spec):
        days.update(((batch["ts_ns"] - OPEN_NS) // DAY_NS).tolist())
        if len(days) >= 7:
            break
    assert sorted(days)[:6] == [0, 1, 2, 3, 4, 7]


def test_draws_have_their_distributions() -> None:
    """The exponential draw has mean and variance 1 and the right tail; the normal draw mean 0 and variance 1."""
    stream = np.random.Philox(5).random_raw(20_000)
    waits = np.array([exponential(word, TABLE) for word in stream])
    assert waits.mean() == pytest.approx(1.0, abs=0.03)
    assert waits.var() == pytest.approx(1.0, abs=0.08)
    assert (waits > 3.0).mean() == pytest.approx(np.exp(-3.0), abs=0.006)
    steps = np.array([normal(word) for word in stream])
    assert steps.mean() == pytest.approx(0.0, abs=0.03)
    assert steps.var() == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sessions": ((OPEN_NS, OPEN_NS),)}, "sessions: "),
        ({"sessions": ((OPEN_NS + DAY_NS, OPEN_NS + DAY_NS + 9), (OPEN_NS, OPEN_NS + 9))}, "sort them by open"),
        ({"dirty": DirtyRates(crossed=0.4, locked=0.4)}, "dirty: the rates sum to 0.8"),
        ({"seed": -1}, r"\$.seed"),
        ({"print_share": 2.0}, r"\$.print_share"),
        ({"instruments": ()}, r"\$.instruments"),
    ],
)
def test_bad_spec_names_its_field(changes: dict[str, Any], expected: str) -> None:
    """A wrong spec is refused with its field."""
    with pytest.raises(ConfigError, match=expected):
        SyntheticFeed(synthetic_spec(**changes))
