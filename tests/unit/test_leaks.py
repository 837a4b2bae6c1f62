"""Leak checks: a column that knows the future is refused by name, honest columns pass."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import ConfigError
from research import leaks
from research.dataset import Collector, Tape, collect
from research.job import TrainJob
from research.progress import Bars
from research.reading import collector_of
from research.train import train
from strategies.features.catalogue import CATALOGUE
from tests.fakes.training import FEATURES, job, market, rows_of

FEED = market()
PLANTED = "ofi_4s"
COLUMN = FEATURES.index(PLANTED)
pytestmark = pytest.mark.slow


class LeakyCollector(Collector):
    """Replaces one feature by noise and a little of what is still to come."""

    job: TrainJob
    share: float

    def finish(self) -> Tape:
        tape = super().finish()
        samples = tape.samples
        rng = np.random.default_rng(3)
        for inst, path in enumerate(tape.paths):
            mine = np.flatnonzero(samples.inst == inst)
            later = np.searchsorted(path.ts_ns, samples.ts_ns[mine] + self.job.train.horizon_ns, side="right") - 1
            move = 1e4 * (path.close[later] / samples.mid[mine] - 1.0)
            noise = rng.standard_normal(len(mine)) * move.std()
            samples.values[mine, COLUMN] = self.share * move + (1.0 - self.share) * noise
        return tape


def leaky(spec: TrainJob, share: float) -> LeakyCollector:
    """A collector with a planted leak."""
    plain = collector_of(spec, expected=1)
    made = LeakyCollector.__new__(LeakyCollector)
    made.__dict__.update(plain.__dict__)
    made.job, made.share = spec, share
    return made


def tape_of(collector: Collector) -> Tape:
    """The whole market through a collector."""
    return collect(iter([rows_of(FEED)]), collector)


def test_a_planted_leak_stops_training_by_name(tmp_path: Path) -> None:
    """A feature that holds a part of the coming move is refused with its name, and nothing is written."""
    spec = job(tmp_path / "m.onnx", FEED)
    with pytest.raises(ConfigError, match=f"{PLANTED} knows the future") as refusal:
        train(spec, Bars(None), make=lambda _: leaky(spec, 0.2))
    assert "ret_4s" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_an_altered_future_betrays_exactly_the_leaky_column() -> None:
    """However small the part: the check compares bits."""
    spec = job(Path("m.onnx"), FEED)
    rows = rows_of(FEED)[:40_000]
    assert leaks.sees_future(rows, lambda _: leaky(spec, 0.001)) == [COLUMN]
    assert leaks.sees_future(rows, lambda _: collector_of(spec, expected=1)) == []


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
def test_a_cliff_betrays_a_column_that_cannot_be_made_again(share: float) -> None:
    """By statistics alone: what knows the label's window and nothing after it falls off at its end."""
    spec = job(Path("m.onnx"), FEED)
    tape = tape_of(leaky(spec, share))
    found = leaks.cliffs(tape.samples, tape.paths, horizon_ns=spec.train.horizon_ns)
    assert [cliff.column for cliff in found] == [COLUMN]
    assert found[0].before > 2.0 * found[0].after


@pytest.mark.parametrize("horizon_s", [2.0, 20.0, 120.0])
def test_honest_features_have_no_cliff(horizon_s: float) -> None:
    """All features of the catalogue on a market that reverts within half a minute: none falls off, at any horizon."""
    spec = job(Path("m.onnx"), FEED, features=tuple(f.name for f in CATALOGUE if "leader" not in f.name))
    tape = tape_of(collector_of(spec, expected=1))
    assert leaks.cliffs(tape.samples, tape.paths, horizon_ns=round(horizon_s * 1e9)) == []


def test_shifted_labels_keep_their_values() -> None:
    """The control has each instrument's own labels, at other places."""
    inst = np.array([0, 1, 0, 1, 0, 0])
    moves = np.arange(6.0)
    shifted: NDArray[np.float64] = leaks.shifted_moves(inst, moves)
    for number in (0, 1):
        assert sorted(shifted[inst == number]) == sorted(moves[inst == number])
    assert shifted.tolist() == [4.0, 3.0, 5.0, 1.0, 0.0, 2.0]
