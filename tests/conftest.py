"""Settings that every test shares."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from daemon.kernels import configure
from tests.fakes import built_tables, forked
from tests.fakes.recordings import recordings

forked.in_use = True
configure()  # before any test module imports numba, which reads its settings once
gc.disable()  # until all is collected: modules leave next to nothing, and every look at them costs more than the last

# deadline: no test may depend on the speed of the machine. print_blob: a failure prints what reproduces it.
# More examples than every commit can afford: QUANTD_EXAMPLES=1000 make test.
EXAMPLES = int(os.environ.get("QUANTD_EXAMPLES", "40"))
settings.register_profile("quantd", deadline=None, print_blob=True, max_examples=EXAMPLES)
settings.load_profile("quantd")


def pytest_collection_finish() -> None:
    """What was loaded stays: no collection during a test looks through two million objects of pytest and libraries."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def shared_tables(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One folder of session tables for all workers of this run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "session-tables"
    folder.mkdir(exist_ok=True)
    os.environ[built_tables.SHARED] = str(folder)


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of recorded market data; the test is skipped where it is absent."""
    folder = recordings()
    if folder is None:
        pytest.skip("no recorded market data: set QUANTD_MARKET_DATA")
    return folder
