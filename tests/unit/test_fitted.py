"""Impact parameters of own fills: whose estimates use them, for how long, and what a config says of a bad file."""

from pathlib import Path

import pytest

from core import commands as c
from core.errors import ConfigError, QuantdError
from daemon.calibration import fit, fitted, write
from daemon.config import config_from_json, parse_config, resolved_json
from execution.costs import Fitted, models_of
from execution.desk import NettingDesk
from execution.settings import ExecutionConfig, resolve
from tests.fakes.trading_context import DATE, FEES, SHARE, Bench
from tests.unit.test_config import GOOD
from tests.unit.test_opening import MEASURED

OWN = Fitted(until=20240301, schedules=412, gamma=0.4, eta=0.3, beta=0.5, y=0.8)


def opened(algo: str, *, days_max: int, model: str = "almgren") -> c.OpenParent:
    """A schedule of the desk with own parameters three days old."""
    bench = Bench()
    bench.quote(0, 1000, 1002, **MEASURED)
    bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=10_000 * SHARE))
    settings = resolve(ExecutionConfig(algo=algo, model=model), field="x", fitted=OWN, days_max=days_max)
    plan = NettingDesk(bench.context, settings={}, default=settings, fees=FEES).plan("alpha", 0, bench.ts_ns)
    assert plan is not None
    assert plan.open is not None
    return plan.open


@pytest.mark.parametrize("algo", ["twap", "auto"])
def test_own_parameters_price_a_schedule_until_they_are_old(algo: str) -> None:
    """Twice the temporary impact is more than the published; too old, the published again, and the schedule says so."""
    fresh, stale = opened(algo, days_max=3), opened(algo, days_max=2)
    assert fresh.expected_cost_nanos > stale.expected_cost_nanos
    assert "older than" not in fresh.why
    assert "own impact parameters of 20240301 are older than 2 days: the published ones" in stale.why
    assert DATE == 20240304


def test_what_has_no_fit_keeps_its_published_parameters() -> None:
    """I-Star, and any model without own fills; a fit is of its own model."""
    assert models_of("istar", OWN, 90).on(20240302).name == "istar"
    assert models_of("almgren", Fitted(), 90).on(20240302).name == "almgren"
    assert models_of("almgren", None, 90).told(20300101) == ""
    assert models_of("square_root", OWN, 90).on(20240302).temporary(size=0.01, volatility=0.02, rate=1.0) == (
        pytest.approx(0.8 * 0.02 * 0.1)
    )
    assert models_of("square_root", OWN, 90).on(0).name == "square_root", "no trading day yet: nothing is known of age"


def test_the_file_is_read_into_the_journalled_config(tmp_path: Path) -> None:
    """The numbers, not only their path: a run can be told again when the file is gone."""
    write(tmp_path / "impact.toml", OWN, 20231201)
    config = parse_config(f'{GOOD}\n[costs]\nfile = "impact.toml"\n', file="x", folder=tmp_path)
    assert config.costs.fitted == OWN
    (tmp_path / "impact.toml").unlink()
    assert config_from_json(resolved_json(config)).costs.fitted == OWN


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no such file"),
        ("eta = -1.0\n", "eta: is -1.0"),
        ("version = 2\n", "this release reads 1"),
        ("etta = 0.1\n", "unknown key"),
        ("eta = \n", "correct the TOML"),
    ],
)
def test_a_bad_file_stops_the_start(tmp_path: Path, text: str | None, says: str) -> None:
    """One line that names costs.file and how to make it anew."""
    if text is not None:
        (tmp_path / "impact.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"costs\.file: ") as caught:
        parse_config(f'{GOOD}\n[costs]\nfile = "impact.toml"\n', file="x", folder=tmp_path)
    assert says in str(caught.value)
    assert "quantd costs calibrate --write" in str(caught.value)


def test_parameters_are_not_written_by_hand(tmp_path: Path) -> None:
    """A table in the config itself is refused."""
    with pytest.raises(ConfigError, match=r"costs\.fitted: is not written by hand"):
        parse_config(f"{GOOD}\n[costs.fitted]\nuntil = 20240101\n", file="x", folder=tmp_path)


def test_a_fit_that_no_market_has_is_not_written() -> None:
    """Impact that pays is noise."""
    told = {name: {"value": 0.5, "low": 0.1, "high": 0.9} for name in ("gamma", "eta", "beta", "y")} | {"trades": 40}
    assert fitted(told, 20240301).eta_high == 0.9
    with pytest.raises(ConfigError, match=r"gamma is -0\.2: these schedules do not show their impact"):
        fitted(told | {"gamma": {"value": -0.2, "low": -1.0, "high": 0.9}}, 20240301)


@pytest.mark.slow
def test_too_few_schedules_say_nothing() -> None:
    """The fit's own words."""
    with pytest.raises(QuantdError, match="costs calibrate: trades: 0 are too few for three parameters; bring 30"):
        fit([])
