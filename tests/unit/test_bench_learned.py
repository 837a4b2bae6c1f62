"""The benches of models and training in their smallest form."""

import pytest

from daemon.bench import learned
from daemon.bench import world as worlds
from daemon.bench.model import INPUTS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tables_built_once")]


@pytest.fixture(autouse=True)
def no_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without the recorded days."""
    monkeypatch.delenv(worlds.MARKET_DATA, raising=False)


def test_score_is_timed_on_rows_of_features() -> None:
    """The line holds what was scored, and the rows are a market's, not one row repeated."""
    line = learned.score(scores=500, rounds=1)
    assert line["samples"] == 450
    assert line["inputs"] == len(INPUTS)
    assert 0 < line["p50_us"] <= line["p99_us"]
    values, _ = learned.feature_rows(500)
    assert values.shape == (500, len(INPUTS))
    assert len({row.tobytes() for row in values}) > 400


def test_matrix_is_timed_from_the_feed_to_labels() -> None:
    """Events go in, samples with all inputs of the recipe come out."""
    (line,) = learned.matrix(profiles=("l1_250",))
    assert line["events"] > line["rows"] > line["samples"] > 10_000
    assert line["s"] > 0
