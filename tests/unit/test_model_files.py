"""Model cards, the scorer, reading models from disk: what is refused and with which words, and what a score is."""

import json
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from core.errors import ConfigError
from core.reference import ModelLoaded
from daemon.models import CARD_BYTES_MAX, card_path, read_model
from strategies.models.card import (
    ModelCard,
    Probe,
    check_card,
    decode_card,
    digest_of,
    encode_card,
)
from strategies.models.scorer import Scorer, scorer_of
from tests.fakes.models import WIDTH, RunSpec, booster, made_rows, model_card, onnx_bytes

FIELD = "strategies.alpha.params.model"
pytestmark = pytest.mark.slow  # the first model of a process takes a second: LightGBM and the converter are loaded
Objective = Literal["regression", "binary"]


def checked(card: ModelCard, onnx: bytes, **changes: Any) -> None:
    """`check_card` as a paper run would call it."""
    given: dict[str, Any] = {"spec": RunSpec(), "mode": "paper", "field": FIELD}
    check_card(card, onnx, **(given | changes))


def test_a_card_that_fits_passes_and_reads_back() -> None:
    """A card of a matching model is accepted, and its file decodes to the same card and the same bytes."""
    onnx = onnx_bytes()
    card = model_card(onnx)
    checked(card, onnx)
    assert decode_card(encode_card(card), field=FIELD) == card
    assert encode_card(decode_card(encode_card(card), field=FIELD)) == encode_card(card)


@pytest.mark.parametrize(
    ("card", "changes", "words"),
    [
        ({}, {"spec": RunSpec(profile="tbt", digest="6" * 32)}, ("profile 'l1_250'", "'tbt'", "train again")),
        ({}, {"spec": RunSpec(leader="SPY", digest="6" * 32)}, ("leader ''", "'SPY'")),
        ({}, {"spec": RunSpec(names=("spread",), digest="6" * 32)}, ("names ret_1s", "spread")),
        ({}, {"spec": RunSpec(digest="6" * 32)}, ("computed differently", "5" * 32, "6" * 32)),
        ({"placement": "worker"}, {}, ("placement 'worker'", "inline")),
        ({"tradable": False, "verdict": "nothing gained"}, {}, ("not tradable", "nothing gained", "allow_untradable")),
        ({"tradable": False}, {"mode": "live", "allow_untradable": True}, ("not tradable", "train a better one")),
        ({"onnx_digest": "0" * 32}, {}, ("not the one its card describes", "matching pair")),
    ],
)  # fmt: skip
def test_what_a_card_does_not_vouch_for_is_refused(
    card: dict[str, Any], changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    """Every refusal names the config field, what is wrong and what to do."""
    onnx = onnx_bytes()
    with pytest.raises(ConfigError) as refusal:
        checked(model_card(onnx, **card), onnx, **changes)
    assert str(refusal.value).startswith(f"{FIELD}: ")
    for word in words:
        assert word in str(refusal.value)


def test_a_model_of_a_made_up_market_is_refused_live_only() -> None:
    """A synthetic window passes in replay and paper and is refused in live mode."""
    onnx = onnx_bytes()
    card = model_card(onnx)
    synthetic = msgspec.structs.replace(card, data=msgspec.structs.replace(card.data, synthetic=True))
    checked(synthetic, onnx)
    checked(synthetic, onnx, mode="replay")
    with pytest.raises(ConfigError, match="made-up market"):
        checked(synthetic, onnx, mode="live")


def test_an_untradable_model_may_be_watched_when_asked_for() -> None:
    """`allow_untradable` lets a model without a proven gain run outside live mode."""
    onnx = onnx_bytes()
    checked(model_card(onnx, tradable=False), onnx, allow_untradable=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 1}, "colour"),
        ({"seed": None}, "seed"),
        ({"version": 2}, "version"),
        ({"kind": "ranking"}, "kind"),
        ({"score_unit": "percent"}, "score_unit"),
        ({"onnx_digest": "xyz"}, "onnx_digest"),
        ({"probes": []}, "probes"),
        ({"kind": "classification"}, "gain_bp"),
        ({"data": {"from_ns": 5, "until_ns": 5, "digest": "0" * 32, "synthetic": False, "symbols": ["A"], "rows": 1}},
         "until_ns"),
    ],
)  # fmt: skip
def test_a_card_with_wrong_fields_is_refused(change: dict[str, Any], words: str) -> None:
    """Unknown, wrong and contradictory fields of a card are named."""
    document = json.loads(encode_card(model_card(onnx_bytes()))) | change
    with pytest.raises(ConfigError, match=words):
        decode_card(json.dumps(document).encode(), field=FIELD)


def test_a_card_without_a_field_is_refused() -> None:
    """Each field is required: a card cannot leave anything unsaid."""
    whole = json.loads(encode_card(model_card(onnx_bytes())))
    for name in whole:
        document = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(ConfigError, match=name):
            decode_card(json.dumps(document).encode(), field=FIELD)


def test_probes_must_have_the_width_of_the_model() -> None:
    """A probe row of another width is refused when the card is read."""
    card = model_card(onnx_bytes())
    short = msgspec.structs.replace(card, probes=(*card.probes, Probe(inputs=(1.0,), score_bp=0.0)))
    with pytest.raises(ConfigError, match=r"probes\[3\]"):
        decode_card(encode_card(short), field=FIELD)


@pytest.mark.parametrize("objective", ["regression", "binary"])
def test_one_score_is_a_batch_of_one_and_equals_the_trainer(objective: Objective) -> None:
    """`score` on the caller's row, `scores` on all rows and LightGBM agree: the first two bit for bit."""
    onnx = onnx_bytes(objective)
    card = model_card(onnx, objective=objective)
    row, rows = np.zeros(WIDTH, np.float32), made_rows()
    scorer = scorer_of(card, onnx, row, field=FIELD)
    singles = []
    for k in range(len(rows)):
        row[:] = rows[k]
        singles.append(scorer.score())
    assert singles == scorer.scores(rows).tolist()
    raw = booster(objective).predict(rows, raw_score=True)
    if objective == "binary":
        chance = 1.0 / (1.0 + np.exp(-raw))
        raw = chance * card.gain_bp - (1.0 - chance) * card.loss_bp
    assert np.abs(np.array(singles) - raw).max() <= 1e-6 * np.abs(raw).max()


def test_a_score_keeps_alive_what_it_reads() -> None:
    """The call alone may be kept: the row, the session and the buffers stay."""
    import gc

    row = made_rows()[0].copy()
    score = Scorer(onnx_bytes(), row).score
    wanted = score()
    del row
    gc.collect()
    _ = [np.full(WIDTH, 9.0, np.float32) for _ in range(1000)]
    assert score() == wanted


def test_a_model_of_another_width_is_refused() -> None:
    """Neither the card's nor the file's number of inputs may differ from the row of the run."""
    onnx = onnx_bytes()
    with pytest.raises(ConfigError, match=f"card has {WIDTH} inputs, this run gives 5"):
        scorer_of(model_card(onnx), onnx, np.zeros(5, np.float32), field=FIELD)
    with pytest.raises(ConfigError, match="needed are float32 and 5 columns"):
        Scorer(onnx, np.zeros(5, np.float32), field=FIELD)


def test_bytes_that_are_no_model_are_refused() -> None:
    """Rubbish and a torn file give one line that names the field."""
    for onnx in (b"rubbish", onnx_bytes()[:-100]):
        with pytest.raises(ConfigError, match=f"{FIELD}: not a model that can be run") as refusal:
            Scorer(onnx, np.zeros(WIDTH, np.float32), field=FIELD)
        assert "\n" not in str(refusal.value)


def test_a_model_that_answers_its_probes_otherwise_is_refused() -> None:
    """A score that training did not see, by the card, stops the start; the caller's row is left as it was."""
    onnx = onnx_bytes()
    card = model_card(onnx)
    wrong = Probe(inputs=card.probes[1].inputs, score_bp=card.probes[1].score_bp + 0.01)
    row = np.full(WIDTH, 7.0, np.float32)
    with pytest.raises(ConfigError, match=r"probes\[1\]"):
        scorer_of(msgspec.structs.replace(card, probes=(card.probes[0], wrong, card.probes[2])), onnx, row, field=FIELD)
    assert row.tolist() == [7.0] * WIDTH


def test_a_model_that_answers_no_number_is_refused() -> None:
    """A leaf that is not a number is found by the probes."""
    onnx, card = nan_model(), model_card(onnx_bytes())
    with pytest.raises(ConfigError, match="answers nan"):
        scorer_of(msgspec.structs.replace(card, onnx_digest=digest_of(onnx)), onnx, np.zeros(WIDTH, np.float32),
                  field=FIELD)  # fmt: skip


def nan_model() -> bytes:
    """The small model with every leaf replaced by NaN."""
    import onnx as library

    model = library.load_from_string(onnx_bytes())
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "target_weights":
            attribute.floats[:] = [float("nan")] * len(attribute.floats)
    found: bytes = model.SerializeToString()
    return found


class TestFiles:
    """Reading a model from disk."""

    def write(self, folder: Path) -> Path:
        onnx = onnx_bytes()
        path = folder / "small.onnx"
        path.write_bytes(onnx)
        card_path(path).write_bytes(encode_card(model_card(onnx)))
        return path

    def test_both_files_are_read_and_digested(self, tmp_path: Path) -> None:
        """The record carries the card's name and a digest that moves with either file."""
        path = self.write(tmp_path)
        found = read_model(path, field=FIELD)
        assert (found.onnx, found.card) == (onnx_bytes(), model_card(onnx_bytes()))
        assert found.record == ModelLoaded(name="small", digest=found.digest)
        card_path(path).write_bytes(card_path(path).read_bytes() + b"\n")
        assert read_model(path, field=FIELD).digest != found.digest

    def test_missing_empty_and_outsized_files_are_refused(self, tmp_path: Path) -> None:
        """Each refusal names the field and the file."""
        path = self.write(tmp_path)
        with pytest.raises(ConfigError, match=r"no model file; name a \.onnx file"):
            read_model(card_path(path), field=FIELD)
        card_path(path).write_bytes(b" " * (CARD_BYTES_MAX + 1))
        with pytest.raises(ConfigError, match=r"small\.card\.json has more than 1 MiB"):
            read_model(path, field=FIELD)
        card_path(path).unlink()
        with pytest.raises(ConfigError, match=r"small\.card\.json does not exist"):
            read_model(path, field=FIELD)
        path.write_bytes(b"")
        with pytest.raises(ConfigError, match=r"small\.onnx is empty"):
            read_model(path, field=FIELD)
