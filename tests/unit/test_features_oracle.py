"""Every feature against an independent answer on a real day of BAC and IBM."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.units import NANO
from strategies.features.catalogue import CATALOGUE, INDEX, NAMES
from tests.fakes.feature_oracle import Oracle
from tests.fakes.feature_tapes import CLOSE_NS, OPEN_NS, Run, batch, new_run, recorded_day

SAMPLES = 150


@pytest.fixture(scope="module")
def day(market_data: Path) -> tuple[Any, Run, list[Oracle]]:
    rows = recorded_day(market_data)
    run = batch(new_run(leaders=(-1, 0)), rows, every_ns=NANO)
    leader = Oracle(rows, 0, OPEN_NS, CLOSE_NS)
    return rows, run, [leader, Oracle(rows, 1, OPEN_NS, CLOSE_NS, leader)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_feature_equals_its_definition(day: tuple[Any, Run, list[Oracle]], name: str) -> None:
    """At a sample of moments of both instruments, wherever the feature is ready; and it is ready once warm."""
    rows, run, oracles = day
    warm_ns = CATALOGUE[INDEX[name]].warm_ns
    for inst, oracle in enumerate(oracles):
        mine = np.flatnonzero(rows["inst"][run.at] == inst)
        ready = mine[run.masks[mine] >> INDEX[name] & 1 == 1]
        if name.startswith("leader_") and inst == 0:
            assert len(ready) == 0
            continue
        late = mine[rows["ts_ns"][run.at[mine]] >= OPEN_NS + warm_ns + 120 * NANO]
        assert np.isin(late, ready).mean() > 0.99, "hardly ever ready"
        some = np.random.default_rng(7).choice(ready, SAMPLES, replace=False)
        found = run.values[some, INDEX[name]].astype(np.float64)
        wanted = [oracle.answer(name, int(run.at[c]), int(rows["ts_ns"][run.at[c]])) for c in some]
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6 * max(1.0, float(np.std(wanted))))
        assert len(np.unique(found)) > 3, "a constant proves nothing"
