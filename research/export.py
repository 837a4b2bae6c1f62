"""From a LightGBM booster to the ONNX bytes that the trader runs, equal to it bit for bit on float32 inputs.

Two things keep them equal. A branch asks `x <= threshold` in float32 there and in double here: every threshold is
floored to float32 (the converter rounds to nearest, half of them upwards, and a row between the two takes the other
branch). And leaves are summed in float32 there: `freeze_leaves` moves every leaf to a multiple of a power of two so
coarse that no partial sum needs more than 24 bits, which makes the sums exact in float32 and in double, in any order.
The model is frozen before anything is measured, so the metrics are those of what is served.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import Bug, QuantdError
from strategies.models.scorer import INPUT, OUTPUT, Scorer

OPSET: Final = 3  # of ai.onnx.ml: trees as plain lists
_MAIN_OPSET: Final = 15
_IR_VERSION: Final = 8
_CONVERTER_OPSET: Final = 15
_FLOAT32_BITS: Final = 24
_BRANCH: Final = b"BRANCH_LEQ"
_LEAF: Final = b"LEAF"
_DROPPED: Final = ("nodes_hitrates", "nodes_missing_value_tracks_true")  # not read where no input is missing
EQUAL_BOUND: Final = 1e-6  # of the largest score

Rows = NDArray[np.float32]


def freeze_leaves(booster: Any) -> float:
    """Round every leaf so that all partial sums are exact in float32; returns the step. In place, and once more
    changes nothing.
    """
    trees = [tree["num_leaves"] for tree in booster.dump_model()["tree_info"]]
    leaves = [[booster.get_leaf_output(tree, leaf) for leaf in range(count)] for tree, count in enumerate(trees)]
    largest = sum(max(abs(value) for value in values) for values in leaves)
    if not math.isfinite(largest):
        raise QuantdError("export: a leaf of the model is not finite; look at the labels and the learning rate")
    if largest == 0.0:
        return 0.0
    # Half a step more per tree: a leaf may be rounded up.
    step = 2.0 ** math.ceil(math.log2(largest / (2**_FLOAT32_BITS - len(trees))))
    for tree, values in enumerate(leaves):
        for leaf, value in enumerate(values):
            booster.set_leaf_output(tree, leaf, round(value / step) * step)
    return step


def floor_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each value: `x <= floor` and `x <= value` agree for every float32 x."""
    near = values.astype(np.float32)
    floored: NDArray[np.float32] = np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)
    return floored


def to_onnx(booster: Any, *, width: int) -> bytes:
    """The ONNX bytes of a frozen booster: raw scores, for a classifier log-odds. The same booster, the same bytes."""
    from onnx import TensorProto, helper

    attributes = _converted(booster, width)
    _replace_thresholds(attributes, booster.dump_model()["tree_info"])
    node = helper.make_node("TreeEnsembleRegressor", [INPUT], [OUTPUT], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node],
        "model",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", _MAIN_OPSET), helper.make_opsetid("ai.onnx.ml", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="quantd")
    found: bytes = model.SerializeToString(deterministic=True)
    return found


def check_equal(booster: Any, onnx: bytes, rows: Rows) -> float:
    """The largest difference between booster and ONNX over the rows. Raises Bug when it is beyond the bound."""
    wanted = booster.predict(rows, raw_score=True)
    scorer = Scorer(onnx, np.zeros(rows.shape[1], np.float32))
    largest = float(np.abs(scorer.scores(rows) - wanted).max(initial=0.0))
    bound = EQUAL_BOUND * float(np.abs(wanted).max(initial=0.0))
    if not largest <= bound:
        raise Bug(f"export: ONNX differs from LightGBM by {largest:.3g} on {len(rows)} rows, allowed is {bound:.3g}")
    return largest


def _converted(booster: Any, width: int) -> dict[str, Any]:
    """The attributes of the converter's tree ensemble."""
    import lightgbm
    from onnx import helper
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    # As a regression: a classifier's own form costs two outputs, a map and the C library's exp in the trader.
    lines = booster.model_to_string().split("\n")
    plain = ["objective=regression" if line.startswith("objective=") else line for line in lines]
    model = convert_lightgbm(
        lightgbm.Booster(model_str="\n".join(plain)),
        initial_types=[(INPUT, FloatTensorType([None, width]))],
        target_opset=_CONVERTER_OPSET,
    )
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    if len(nodes) != 1:
        raise Bug(f"export: the converter made {len(nodes)} tree ensembles of one booster")
    found = {a.name: helper.get_attribute_value(a) for a in nodes[0].attribute if a.name not in _DROPPED}
    return {name: list(value) if not isinstance(value, bytes | int) else value for name, value in found.items()}


def _replace_thresholds(attributes: dict[str, Any], trees: list[dict[str, Any]]) -> None:
    """Put the floored thresholds in place, branch by branch, and check that the converter kept every tree."""
    index = {
        key: at for at, key in enumerate(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True))
    }
    weights = {
        (tree, node): weight
        for tree, node, weight in zip(
            attributes["target_treeids"], attributes["target_nodeids"], attributes["target_weights"], strict=True
        )
    }
    visited = 0
    for tree, shape in enumerate(trees):
        waiting = [(0, shape["tree_structure"])]
        while waiting:
            number, node = waiting.pop()
            at = index[tree, number]
            visited += 1
            if "leaf_value" in node:
                _expect(attributes["nodes_modes"][at] == _LEAF and weights[tree, number] == node["leaf_value"], tree)
                continue
            same = attributes["nodes_featureids"][at] == node["split_feature"]
            _expect(same and attributes["nodes_modes"][at] == _BRANCH and node["decision_type"] == "<=", tree)
            _expect(node["missing_type"] == "None", tree)
            attributes["nodes_values"][at] = float(floor_float32(np.array([node["threshold"]]))[0])
            waiting.append((attributes["nodes_truenodeids"][at], node["left_child"]))
            waiting.append((attributes["nodes_falsenodeids"][at], node["right_child"]))
    _expect(visited == len(index), len(trees))


def _expect(holds: bool, tree: int) -> None:
    if not holds:
        raise Bug(f"export: the converter changed tree {tree}; it is not the version this release was made with")
