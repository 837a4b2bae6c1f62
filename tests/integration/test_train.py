"""`quantd train` from the recipe to the model: what is found, what is refused, and the same bytes every time."""

import json
import subprocess
import sys
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

from core.errors import ConfigError
from daemon import cli
from daemon.models import card_path, read_model
from daemon.training import job_document
from research import leaks
from research.export import check_equal, to_onnx
from research.fit import fit
from research.job import TrainJob, decode_job
from research.progress import Bars
from research.reading import collector_of, read_samples
from research.table import training_table
from research.train import train, write
from research.trials import read_trials, trials_path
from strategies.models.card import check_card
from strategies.models.scorer import scorer_of
from tests.fakes.training import SIGNAL_SETTINGS, job, market, signal_market

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.slow
SMALL: dict[str, Any] = {"leaf_rows_min": 50, "trees_max": 20}


def trained(spec: TrainJob) -> Path:
    """Train and write; the model's path."""
    output = Path(spec.train.output)
    write(output, train(spec, Bars(None)))
    return output


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": "classification"},
        {"label": "triple_barrier", "take_bp": 6.0, "stop_bp": 6.0, "weights": "none"},
        {"features": "all", "leader": "BBB"},
    ],
    ids=["regression", "classification", "triple barrier", "all features"],
)
def test_what_training_writes_the_trader_can_run(tmp_path: Path, settings: dict[str, Any]) -> None:
    """The files read back, fit the spec of the run, answer their probes, and found that this market reverts."""
    spec = job(tmp_path / "m.onnx", market(hours=1.0), **(SMALL | settings))
    found = read_model(trained(spec), field="model")
    check_card(found.card, found.onnx, spec=spec.spec, mode="paper", field="model", allow_untradable=True)
    scorer_of(found.card, found.onnx, np.zeros(found.card.width, np.float32), field="model")
    assert found.card.metrics.information_coefficient > 0.1
    assert found.card.metrics.rows == found.card.data.rows > 5_000
    assert found.card.data.synthetic
    assert found.card.shrink > 0.0 or settings.get("features") == "all", "forty inputs are too many for two hours"


def test_the_bar_of_trees_ends_full(tmp_path: Path) -> None:
    """Every tree that was planned is told of once, whether it was needed or not."""
    progress = Progress(console=Console(file=StringIO(), force_terminal=True))
    train(job(tmp_path / "m.onnx", market(hours=0.5), **SMALL), Bars(progress))
    assert all(task.completed == task.total for task in progress.tasks), progress.tasks


def test_the_same_job_gives_the_same_bytes(tmp_path: Path) -> None:
    """ONNX and card, whatever stands where."""
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = trained(job(tmp_path / name / "m.onnx", market(hours=1.0), **SMALL))
        digests.append(read_model(path, field="model").digest)
    assert digests[0] == digests[1]


def test_a_small_planted_signal_is_found(tmp_path: Path) -> None:
    """A signal with a rank correlation of about 0.03 gives a model that gains net of costs, and says it may trade."""
    result = train(job(tmp_path / "m.onnx", signal_market(drift_bp=200.0, days=16), **SIGNAL_SETTINGS), Bars(None))
    found = result.card.metrics
    assert 0.015 < found.information_coefficient < 0.05
    assert found.net_bp > 0.0
    assert result.card.tradable
    assert "net of costs" in result.card.verdict


def test_pure_noise_is_not_tradable(tmp_path: Path) -> None:
    """The same market without the signal: nothing is promised, so nothing would be traded, and the card says no."""
    result = train(job(tmp_path / "m.onnx", signal_market(drift_bp=0.0, days=4), **SIGNAL_SETTINGS), Bars(None))
    assert not result.card.tradable
    assert (result.card.shrink, result.card.metrics.trades) == (0.0, 0)
    assert "promised more than its costs" in result.card.verdict


def test_trials_are_counted_once_each(tmp_path: Path) -> None:
    """Other settings are another trial, the same ones are not, wherever the model is written."""
    feed = market(hours=0.5)
    path = trained(job(tmp_path / "m.onnx", feed, **SMALL))
    trained(job(tmp_path / "m.onnx", feed, **SMALL, threads=2))
    assert len(read_trials(trials_path(path))) == 1
    trained(job(tmp_path / "m.onnx", feed, **(SMALL | {"leaves": 5})))
    assert len(read_trials(trials_path(path))) == read_model(path, field="model").card.trials == 2


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, market_data: Path) -> tuple[bytes, TrainJob, Any]:
    """Three real days of two shares, read once: the job as a document and as a struct, and its samples."""
    document = job_document(recorded_recipe(tmp_path_factory.mktemp("recorded"), market_data))
    spec = decode_job(document)
    return document, spec, read_samples(spec, lambda expected: collector_of(spec, expected=expected), Bars(None))


def test_onnx_equals_lightgbm_on_recorded_rows(recorded: tuple[bytes, TrainJob, Any]) -> None:
    """On more than 100,000 rows of real days, for a regression and for log-odds: not one score differs."""
    document, _spec, read = recorded
    tape = read.tape
    for model in ("regression", "classification"):
        settings = decode_job(document.replace(b'"regression"', f'"{model}"'.encode())).train
        table = training_table(tape, settings)
        assert len(table.ts_ns) > 100_000
        rows = np.arange(0, len(table.ts_ns), 4)
        booster = fit(settings, table, rows, trees=60).booster
        assert check_equal(booster, to_onnx(booster, width=table.values.shape[1]), table.values) == 0.0


def test_recorded_features_are_honest(recorded: tuple[bytes, TrainJob, Any]) -> None:
    """On three real days no feature of the catalogue knows the future, for labels of half a second to half an hour."""
    _document, spec, read = recorded
    assert len(spec.spec.names) == 40
    assert leaks.sees_future(read.begin, lambda expected: collector_of(spec, expected=expected)) == []
    for horizon_s in (0.5, 2.2, 5, 60, 300, 1800):
        samples, paths = read.tape.samples, read.tape.paths
        assert leaks.cliffs(samples, paths, horizon_ns=round(horizon_s * 1e9)) == []


def recorded_recipe(folder: Path, market_data: Path) -> Path:
    """Three days of two shares."""
    text = (EXAMPLES / "train_bac_ibm.toml").read_text(encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(
        text.replace("$QUANTD_MARKET_DATA", str(market_data)).replace("[train]", '[train]\nmodel = "regression"'),
        encoding="utf-8",
    )
    (folder / "models").mkdir()
    return path


def test_the_shipped_model_comes_from_its_recipe(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`quantd train -c examples/train_demo.toml` gives the shipped bytes again, and a card that differs in nothing but
    the revision of the code.
    """
    (tmp_path / "models").mkdir()
    recipe = tmp_path / "train_demo.toml"
    recipe.write_bytes((EXAMPLES / "train_demo.toml").read_bytes())
    assert cli.main(["train", "-c", str(recipe), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["tradable"]
    made, shipped = tmp_path / "models" / "demo.onnx", EXAMPLES / "models" / "demo.onnx"
    assert made.read_bytes() == shipped.read_bytes()
    assert trials_path(made).read_bytes() == trials_path(shipped).read_bytes()
    cards = [json.loads(card_path(path).read_bytes()) for path in (made, shipped)]
    for card in cards:
        del card["code_revision"]
    assert cards[0] == cards[1]
    assert shipped.stat().st_size < 200_000


def test_the_shipped_model_is_of_the_demo_s_market() -> None:
    """The recipe's instruments behave as those of the demo's config."""
    with (EXAMPLES / "train_demo.toml").open("rb") as one, (ROOT / "daemon" / "demo_gateway.toml").open("rb") as two:
        recipe, demo = tomllib.load(one), tomllib.load(two)
    assert recipe["feed"]["synthetic"]["instruments"] == demo["feed"]["synthetic"]["instruments"]
    assert recipe["feed"]["synthetic"]["start_date"] < demo["feed"]["synthetic"]["start_date"]
    assert recipe["feed"]["synthetic"]["seed"] != demo["feed"]["synthetic"]["seed"]


RECIPE = """
[feed]
kind = "synthetic"
profile = "l1_250"
[feed.synthetic]
days = 1
[[feed.synthetic.instruments]]
symbol = "AAA"
px = 25
events_per_second = 0.5
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[train]
output = "m.onnx"
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The job of RECIPE."""
    recipe = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    found: dict[str, Any] = json.loads(job_document(recipe))
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"output": "m.bin"}, "train.output: "),
        ({"output": "gone/m.onnx"}, "train.output: there is no folder gone"),
        ({"folds": 1}, "train.folds: "),
        ({"foldz": 5}, "foldz"),
        ({"features": ["ret_5s"]}, "'ret_5s' is unknown"),
        ({"features": []}, "train.features: "),
        ({"features": ["leader_ret_16s"]}, "train.leader: leader_ret_16s needs one"),
        ({"leader": "SPY"}, "train.leader: SPY"),
        ({"label": "triple_barrier"}, "train.take_bp: "),
        ({"take_bp": 5}, "train.take_bp: "),
        ({"confidence": 1.0}, "train.confidence: "),
    ],
)
def test_a_wrong_setting_is_named(document: dict[str, Any], change: dict[str, Any], words: str) -> None:
    """What the training's side finds wrong in [train] carries the field and a remedy."""
    with pytest.raises(ConfigError) as refusal:
        decode_job(json.dumps(document | {"train": document["train"] | change}).encode())
    assert words in str(refusal.value)
    assert ";" in str(refusal.value)


def test_an_endless_market_is_refused(document: dict[str, Any]) -> None:
    """A training needs an end."""
    with pytest.raises(ConfigError, match=r"feed\.synthetic\.endless: a training needs an end"):
        decode_job(json.dumps(document | {"feed": document["feed"] | {"endless": True}}).encode())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[train]", "[training]"), "training: a recipe has no such table"),
        (('output = "m.onnx"', ""), "train.output: a recipe says where"),
        (('profile = "l1_250"', 'profile = "l9"'), "feed.profile"),
        (("[train]", "[train]\nleaf_rows_min = 1000000"), "train.leaf_rows_min: "),
    ],
)
def test_a_wrong_recipe_is_one_line_and_status_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], change: tuple[str, str], words: str
) -> None:
    """Every fault names field and remedy, whichever of the two processes finds it; nothing is written."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace(*change), encoding="utf-8")
    assert cli.main(["train", "-c", str(recipe)]) == 2
    told = capfd.readouterr().err
    assert told.startswith("quantd: ")
    assert words in told
    assert len(told.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LightGBM the training says what to install."""
    from research import train as module

    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "lightgbm" else object())
    with pytest.raises(ConfigError, match=r"lightgbm is not installed: run `make train-tools`"):
        module.check_libraries()


def test_the_trader_s_side_needs_no_training_library() -> None:
    """Cards, scorer and reading models import neither the trainer nor the runtime."""
    code = (
        "import sys; import daemon.models, strategies.models.scorer; "
        "print([n for n in ('lightgbm', 'onnx', 'onnxruntime', 'onnxmltools', 'pandas') if n in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT, timeout=60)
    assert ended.stdout.decode().strip() == "[]"
