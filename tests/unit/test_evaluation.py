"""What scores are worth: trades, costs, calibration, verdicts."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from research.evaluate import DAY_NS, Scored, Trades, calibration, daily, metrics, trade, verdict
from strategies.models.card import Metrics

SECOND = 10**9


def scored(score: list[float], move: list[float], **columns: list[int] | list[float]) -> Scored:
    """Samples a second apart of one instrument, labels known ten seconds later, half a spread of 1 bp."""
    n = len(score)
    ts = np.array(columns.get("ts", [k * SECOND for k in range(n)]), np.int64)
    return Scored(
        inst=np.array(columns.get("inst", [0] * n), np.int64), ts_ns=ts, end_ns=ts + 10 * SECOND,
        score_bp=np.array(score), move_bp=np.array(move), half_spread_bp=np.array(columns.get("half", [1.0] * n)),
    )  # fmt: skip


def test_a_trade_is_made_when_the_score_pays_both_sides() -> None:
    """Costs are two half spreads and two fees; a score must promise more, in either direction."""
    found = trade(scored([3.0, 3.1, -3.1], [5.0, 5.0, 5.0], inst=[0, 1, 2]), fee_bp=0.5, enter_bp=0.0)
    assert found.gross_bp.tolist() == [5.0, -5.0]
    assert found.net_bp.tolist() == [2.0, -8.0]
    assert len(trade(scored([3.1], [5.0]), fee_bp=0.5, enter_bp=0.2).net_bp) == 0


def test_a_wide_spread_is_not_traded() -> None:
    """The spread of the sample itself counts, not an average."""
    found = trade(scored([4.0, 4.0], [9.0, 9.0], inst=[0, 1], half=[1.0, 3.0]), fee_bp=0.0, enter_bp=0.0)
    assert found.net_bp.tolist() == [7.0]


def test_trades_of_an_instrument_do_not_overlap() -> None:
    """Until its label is known an instrument makes no other trade; another instrument does."""
    given = scored([9.0] * 24, [4.0] * 24, inst=[0] * 12 + [1] * 12, ts=[*range(12), *range(12)])
    given = given._replace(end_ns=given.ts_ns + 5)
    assert trade(given, fee_bp=0.0, enter_bp=0.0).ts_ns.tolist() == [0, 5, 10, 0, 5, 10]


def test_days_without_a_trade_count() -> None:
    """The daily results are of every day in the data."""
    trades = Trades(np.array([0, 1, 2 * DAY_NS]), np.array([1.0, 2.0, 5.0]), np.array([0.5, 1.0, 4.0]))
    assert daily(trades, np.array([0, DAY_NS, 2 * DAY_NS])).tolist() == [1.5, 0.0, 4.0]


def test_metrics_of_no_trade_are_numbers() -> None:
    """Nothing traded is nothing gained, not an error or a missing number."""
    given = scored([0.0] * 4, [1.0, -1.0, 2.0, 0.0])
    found = metrics(given, trade(given, fee_bp=0.5, enter_bp=0.0), correlation=(0.0, 0.0), trial_sharpes=[0.0])
    assert (found.trades, found.net_bp, found.deflated_sharpe) == (0, 0.0, 0.0)
    assert verdict(found, trades_min=2, confidence=0.95) == (False, "no score out of fold promised more than its costs")


def test_many_trials_deflate() -> None:
    """The same results are worth less as the best of twenty trials that differed."""
    rng = np.random.default_rng(1)
    move = 3.0 + 10.0 * rng.standard_normal(400)
    given = scored([9.0] * 400, move.tolist(), ts=[k * 20 * SECOND for k in range(400)])
    trades = trade(given, fee_bp=0.5, enter_bp=0.0)
    own = trades.sharpe
    one = metrics(given, trades, correlation=(0.0, 0.0), trial_sharpes=[own])
    many = metrics(given, trades, correlation=(0.0, 0.0), trial_sharpes=[own, *(0.08 * rng.standard_normal(19))])
    assert one.probabilistic_sharpe == one.deflated_sharpe == many.probabilistic_sharpe
    assert many.deflated_sharpe < one.deflated_sharpe


GOOD: dict[str, Any] = {
    "rows": 1000, "information_coefficient": 0.05, "information_coefficient_t": 4.0, "hit_rate": 0.6, "trades": 100,
    "gross_bp": 5.0, "net_bp": 2.0, "net_t": 3.0, "sharpe_day": 1.0, "probabilistic_sharpe": 0.99,
    "deflated_sharpe": 0.97,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "tradable", "words"),
    [
        ({}, True, "2.00 bp each net of costs"),
        ({"trades": 0}, False, "no score"),
        ({"trades": 29}, False, "30 are needed"),
        ({"net_bp": -0.1}, False, "nothing is gained"),
        ({"deflated_sharpe": 0.9}, False, "by chance with 0.10, allowed is 0.05"),
    ],
)
def test_the_verdict_names_its_reason(change: dict[str, Any], tradable: bool, words: str) -> None:
    """Too few, no gain, or a gain that may be luck: each is said."""
    found, told = verdict(Metrics(**(GOOD | change)), trades_min=30, confidence=0.95)
    assert found == tradable
    assert words in told


def test_calibration_compares_promise_and_outcome() -> None:
    """Ten bins of equal size by score; of a perfect score the two columns agree."""
    score = np.linspace(-5.0, 5.0, 1000)
    bins = calibration(scored(score.tolist(), score.tolist()))
    assert [one.rows for one in bins] == [100] * 10
    assert [one.score_bp for one in bins] == pytest.approx([one.realised_bp for one in bins])
    assert bins[0].score_low_bp == -5.0
    assert bins[-1].score_high_bp == 5.0
    assert all(one.score_high_bp < other.score_low_bp for one, other in pairwise(bins))
