"""What features know: the sampling grid, rank correlations, verdicts, the planted signal and the report."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from broker.feeds.spec import SyntheticInstrument
from broker.feeds.synthetic import read_rows
from broker.sim.conflator import conflate
from core.market import new_market
from core.profiles import L1_250, TBT
from core.units import NANO
from research.correlation import ranks
from research.information import (
    APPEARS,
    DIES,
    FEATURES,
    HORIZONS_S,
    LIVES,
    SILENT,
    STRONGER,
    WEAKER,
    Coefficient,
    Finding,
    coefficients,
    main,
    rank_ic,
    regular_hours,
)
from research.sampling import sample
from strategies.features.catalogue import COUNT, INDEX
from strategies.features.kernels import feature_emit, feature_step
from strategies.features.state import new_feature_state, set_session
from tests.fakes.feed_tapes import OPEN_NS, joined, synthetic_spec, write_prints, write_quotes

DAY_NS = 86_400 * NANO
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("profile", [TBT, L1_250])
@pytest.mark.parametrize("offset_ns", [0, NANO // 8])
def test_a_moment_sees_the_rows_until_then(profile: int, offset_ns: int) -> None:
    """Features and mids at a moment are those of stepping every row received until then, and none later."""
    spec = synthetic_spec(hours=0.02)
    rows = conflate(joined(read_rows(spec)), profile=profile)
    (day,) = sample(rows, profile=profile, leaders=(1, -1), sessions=spec.sessions, offset_ns=offset_ns)
    assert day.ts_ns.tolist() == list(range(OPEN_NS + offset_ns, spec.sessions[0][1], NANO))
    out = np.zeros(COUNT, np.float32)
    for at in (0, 1, 40, 71):
        market, state = new_market(2), new_feature_state(2, profile, (1, -1))
        for inst in range(2):
            set_session(state, inst, *spec.sessions[0])
        for k in range(int(np.searchsorted(rows["ts_ns"], day.ts_ns[at], side="right"))):
            feature_step(market, state, rows, k)
        for inst in range(2):
            assert feature_emit(state, market, inst, int(day.ts_ns[at]), out) == day.masks[at, inst]
            assert out.tobytes() == day.values[at, inst].tobytes()
            mid = (int(market[inst]["bid_px_nanos"]) + int(market[inst]["ask_px_nanos"])) / 2
            assert day.mids[at, inst] == mid if market[inst]["usable"] else np.isnan(day.mids[at, inst])


def test_days_are_cut_and_moves_stay_within_them() -> None:
    """Each session is one day of its own; the last moments have no move, and a move is mid to mid."""
    sessions = tuple((OPEN_NS + day * DAY_NS, OPEN_NS + day * DAY_NS + 60 * NANO) for day in range(3))
    days = sample(
        joined(read_rows(synthetic_spec(sessions=sessions[:2]))), profile=TBT, leaders=(-1, -1), sessions=sessions
    )
    assert [len(day.ts_ns) for day in days] == [60, 60, 60]
    moves = days[1].moves_bp(0, 5)
    assert np.isnan(moves[55:]).all()
    assert moves[30] == (days[1].mids[35, 0] / days[1].mids[30, 0] - 1.0) * 1e4
    assert not days[2].ready(0, INDEX["ret_1s"]).any()  # no row came: the old quote is of another session


def slow_ranks(values: NDArray[np.float64]) -> list[float]:
    """Mean place of each value among all, by counting."""
    return [float((values < v).sum() + ((values == v).sum() - 1) / 2) for v in values]


def test_rank_correlation_is_spearmans() -> None:
    """Ranks share ties; the coefficient is Pearson's of the ranks, 1 for any rising function, NaN for a constant."""
    rng = np.random.Generator(np.random.Philox(1))
    x, y = np.round(rng.normal(size=300), 1), np.round(rng.normal(size=300), 1)
    assert ranks(x).tolist() == slow_ranks(x)
    expected = np.corrcoef(slow_ranks(x + y), slow_ranks(y))[0, 1]
    assert rank_ic(x + y, y) == pytest.approx(expected, abs=1e-12)
    assert rank_ic(x, np.exp(x)) == pytest.approx(1.0)
    assert rank_ic(x, -(x**3)) == pytest.approx(-1.0)
    assert math.isnan(rank_ic(x, np.ones(300)))
    assert math.isnan(rank_ic(x[:50], y[:50]))


def test_standard_error_comes_from_the_days() -> None:
    """Five days: mean, error and the 5 % point of Student's t with four degrees of freedom; one day never speaks."""
    five = Coefficient((0.01, 0.02, 0.03, 0.04, 0.05), 1)
    assert five.mean == pytest.approx(0.03)
    assert five.error == pytest.approx(math.sqrt(0.00025 / 5))
    assert (five.limit, five.speaks) == (2.776, True)
    assert not Coefficient((-0.01, 0.02, 0.03, 0.04, 0.05), 1).speaks  # 2.48 errors
    assert not Coefficient((0.5,), 1).speaks
    assert math.isnan(Coefficient((), 0).mean)


STEADY = (0.10, 0.11, 0.10, 0.09, 0.10)


@pytest.mark.parametrize(
    ("full", "line", "verdict"),
    [
        (STEADY, STEADY, LIVES),
        (STEADY, (0.101, 0.109, 0.102, 0.088, 0.1), LIVES),
        (STEADY, (0.09, 0.10, 0.09, 0.08, 0.09), WEAKER),
        (STEADY, (0.11, 0.12, 0.111, 0.10, 0.11), STRONGER),
        (STEADY, (0.04, 0.05, 0.04, 0.03, 0.04), DIES),  # less than half
        (STEADY, (-0.10, -0.11, -0.10, -0.09, -0.10), DIES),  # the sign turned
        (STEADY, (0.01, 0.09, 0.07, 0.08, 0.05), WEAKER),
        (STEADY, (-0.01, 0.09, 0.09, 0.09, 0.02), LIVES),  # silent, but so is the loss
        ((0.05, 0.15, 0.06, 0.16, 0.08), (0.01, 0.12, 0.02, 0.14, 0.04), DIES),  # silent after a steady loss
        ((0.1, -0.1, 0.05, -0.05, 0.0), (0.1, -0.1, 0.05, -0.05, 0.0), SILENT),
        ((0.1, -0.1, 0.05, -0.05, 0.0), STEADY, APPEARS),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_verdicts(full: tuple[float, ...], line: tuple[float, ...], verdict: str, sign: int) -> None:
    """Each verdict by its criterion, for coefficients of either sign."""
    both = (Coefficient(tuple(sign * day for day in days), 1) for days in (full, line))
    assert Finding("S", "f", 5, *both).verdict == verdict


def test_regular_hours_know_weekends_and_summer_time() -> None:
    """09:30 to 16:00 New York of weekdays that the tape touches; the UTC hour moves with summer time."""
    friday = 1_383_312_600 * NANO  # 2013-11-01 09:30 New York, two days before summer time ended
    hours = 6 * 3_600 * NANO + 1_800 * NANO
    monday = friday + 3 * DAY_NS + 3_600 * NANO
    assert regular_hours(friday - 1, monday) == [(friday, friday + hours), (monday, monday + hours)]
    assert regular_hours(friday + hours, monday - 1) == []
    assert regular_hours(friday + hours - 1, friday + hours) == [(friday, friday + hours)]


def planted(**changes: Any) -> NDArray[np.float64]:
    """Coefficient of the mean queue imbalance with the next 60 seconds, one day of eight securities."""
    instruments = tuple(
        SyntheticInstrument(
            symbol=f"S{inst}", inst=inst, px_nanos=50 * NANO, tick_nanos=NANO // 100, lot_nanos=100 * NANO,
            events_per_second=5.0, **changes,
        )
        for inst in range(8)
    )  # fmt: skip
    spec = synthetic_spec(hours=6.5, instruments=instruments)
    view = sample(joined(read_rows(spec)), profile=TBT, leaders=(-1,) * 8, sessions=spec.sessions)
    found = [coefficients([view], inst=inst, feature="queue_imbalance_64s", seconds=60)[0] for inst in range(8)]
    return np.array([one.mean for one in found])


@pytest.mark.slow
def test_the_planted_signal_has_its_size() -> None:
    """The recommended setting plants a coefficient of 0.03. Both markets consume the same draws, so that the chance of
    one day (0.03 by security) cancels in their difference; without a drift, leaning sizes say nothing.
    """
    silent, leaning = planted(), planted(signal_lean=0.5)
    added = planted(signal_lean=0.5, signal_bp_per_hour=60.0) - leaning
    assert added.mean() == pytest.approx(0.033, abs=0.012)
    assert added.std(ddof=1) / math.sqrt(8) < 0.008
    for nothing in (silent, leaning):
        assert abs(nothing.mean()) < 3.0 * nothing.std(ddof=1) / math.sqrt(8)


@pytest.mark.slow
def test_the_report_of_a_small_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command reads tapes, writes page and plots, and names what it cannot use; matplotlib is loaded only then."""
    monkeypatch.setattr("research.information.CONTROL_DAYS", 2)
    rng = np.random.Generator(np.random.Philox(2))
    files = []
    for symbol in ("AAA", "BBB"):
        quotes, prints = [], []
        for day in range(2):
            cents = 2_000
            for at in range(1_200):
                cents += int(rng.integers(-1, 2))
                ts_ns = OPEN_NS + day * DAY_NS + at * (NANO // 2)
                sizes = [int(size) for size in rng.integers(1, 9, 2)]
                quotes.append((ts_ns, symbol, cents / 100, (cents + 1) / 100, sizes[0], sizes[1], False))
                prints.append((ts_ns + 1, symbol, cents / 100, 100, 1, False))
        files += [write_quotes(tmp_path / f"q{symbol}", quotes), write_prints(tmp_path / f"p{symbol}", prints)]
    assert main(["--symbols", "AAA", "BBB", "--into", str(tmp_path), *files]) == 0
    text = (tmp_path / "information.md").read_text()
    assert "2 recorded days (2013-10-07 to 2013-10-08)" in text
    assert "| AAA | 2,400 | " in text
    assert text.count("| `queue_imbalance` |") >= 2
    for name in ("line", "horizons", "days"):
        image = (tmp_path / "images" / f"information-{name}.png").read_bytes()
        assert image.startswith(b"\x89PNG")
        assert len(image) < 100_000
    assert main(["--symbols", "ZZZ", "--into", str(tmp_path), *files]) == 2
    assert "no file holds ZZZ" in capsys.readouterr().err


def test_the_committed_page_tells_of_every_feature() -> None:
    """docs/information.md has the features, horizons and pictures of this release."""
    text = (ROOT / "docs" / "information.md").read_text()
    assert all(f"| `{feature}` |" in text for feature in FEATURES)
    assert "| feature | " + " | ".join(f"{seconds} s" for seconds in HORIZONS_S) in text
    for name in ("line", "horizons", "days"):
        assert f"images/information-{name}.png" in text
        assert 0 < (ROOT / "docs" / "images" / f"information-{name}.png").stat().st_size <= 100_000
    assert set(FEATURES) | {"day_fraction", "to_close"} == set(INDEX)
