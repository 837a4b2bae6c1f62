"""ONNX export: equal to LightGBM bit for bit on float32 rows, thresholds floored, the same bytes every time."""

from typing import Any, Literal

import numpy as np
import pytest

from core.errors import Bug
from research.export import check_equal, floor_float32, freeze_leaves, to_onnx
from strategies.models.scorer import Scorer
from tests.fakes.models import WIDTH, booster, made_rows, onnx_bytes

Objective = Literal["regression", "binary"]


def test_the_floor_is_the_largest_float32_not_above() -> None:
    """For values of every size the floor is at most the value and its successor is above it."""
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.standard_normal(2000) * 10.0 ** rng.integers(-38, 38, 2000), [0.0, -0.0, 1.0]])
    floored = floor_float32(values)
    assert (floored.astype(np.float64) <= values).all()
    assert (np.nextafter(floored, np.float32(np.inf)).astype(np.float64) > values).all()


def thresholds(found: bytes) -> list[float]:
    """The branch values of an ONNX file."""
    import onnx

    node = onnx.load_from_string(found).graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    pairs = zip(attributes["nodes_modes"], attributes["nodes_values"], strict=True)
    return [value for mode, value in pairs if mode != b"LEAF"]


def splits(node: dict[str, Any]) -> list[float]:
    """The thresholds of one LightGBM tree."""
    if "threshold" not in node:
        return []
    return [node["threshold"], *splits(node["left_child"]), *splits(node["right_child"])]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["regression", "binary"])
def test_rows_on_the_edge_of_every_split_go_the_same_way(objective: Objective) -> None:
    """At the floor of each threshold, one step above and one below, booster and ONNX give the same score; some floors
    are not the nearest float32.
    """
    model = booster(objective)
    trees = model.dump_model()["tree_info"]
    values = np.array([value for tree in trees for value in splits(tree["tree_structure"])])
    floored = floor_float32(values)
    edges = np.concatenate(
        [floored, np.nextafter(floored, np.float32(np.inf)), np.nextafter(floored, -np.float32(9e9))]
    )
    rows = np.repeat(edges[:, None], WIDTH, axis=1)
    assert check_equal(model, onnx_bytes(objective), rows) == 0.0
    assert sorted(thresholds(onnx_bytes(objective))) == sorted(floored.tolist())
    rounded_up = values.astype(np.float32).astype(np.float64) > values
    assert rounded_up.any(), "or this test shows nothing"


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["regression", "binary"])
def test_frozen_leaves_make_every_sum_exact(objective: Objective) -> None:
    """Log-odds and regression scores of all rows are equal, not merely near, and freezing again changes nothing."""
    model = booster(objective, trees=100)
    rows = made_rows(20_000, seed=5)
    before = model.predict(rows, raw_score=True)
    assert check_equal(model, to_onnx(model, width=WIDTH), rows) == 0.0
    freeze_leaves(model)
    assert (model.predict(rows, raw_score=True) == before).all()


@pytest.mark.slow
def test_the_same_booster_gives_the_same_bytes() -> None:
    """Nothing in the file depends on the run that wrote it."""
    assert to_onnx(booster(), width=WIDTH) == onnx_bytes()


@pytest.mark.slow
def test_a_difference_is_a_bug() -> None:
    """The check compares what it is given: another model's bytes fail it."""
    with pytest.raises(Bug, match="differs from LightGBM"):
        check_equal(booster(trees=11), onnx_bytes(), made_rows())


@pytest.mark.slow
def test_a_model_without_a_split_is_a_constant() -> None:
    """Labels that nothing explains give a tree of one leaf, and that is exported too."""
    import lightgbm

    params = {"objective": "regression", "verbose": -1, "num_threads": 1, "use_missing": False}
    rows = made_rows(200)
    flat = lightgbm.train(params, lightgbm.Dataset(rows, np.full(200, 2.5)), 3)
    freeze_leaves(flat)
    onnx = to_onnx(flat, width=WIDTH)
    assert check_equal(flat, onnx, rows) == 0.0
    assert Scorer(onnx, rows[0].copy()).score() == pytest.approx(2.5)
