"""Small real models, trained on made-up rows, with cards that fit them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from strategies.models import card as c

WIDTH = 4
NAMES = ("ret_1s", "spread", "queue_imbalance", "ofi_4s")
SPEC_HASH = "5" * 32


@dataclass(frozen=True)
class RunSpec:
    """What a run computes, as the checks read it."""

    profile: str = "l1_250"
    names: tuple[str, ...] = NAMES
    leader: str = ""
    external: tuple[str, ...] = ()
    digest: str = SPEC_HASH


@lru_cache
def made_rows(count: int = 3000, width: int = WIDTH, seed: int = 1) -> NDArray[np.float32]:
    """Rows whose first column matters."""
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


@lru_cache
def booster(objective: Literal["regression", "binary"] = "regression", width: int = WIDTH, trees: int = 12) -> Any:
    """A frozen booster."""
    import lightgbm

    from research.export import freeze_leaves

    rows = made_rows(width=width)
    label = rows[:, 0] + np.sin(rows[:, 1].astype(np.float64)) + np.random.default_rng(2).standard_normal(len(rows))
    if objective == "binary":
        label = (label > 0).astype(np.float64)
    params = {
        "objective": objective, "num_leaves": 15, "num_threads": 1, "deterministic": True, "force_row_wise": True,
        "use_missing": False, "verbose": -1, "seed": 1,
    }  # fmt: skip
    found = lightgbm.train(params, lightgbm.Dataset(rows, label), trees)
    freeze_leaves(found)
    return found


@lru_cache
def onnx_bytes(objective: Literal["regression", "binary"] = "regression", width: int = WIDTH, trees: int = 12) -> bytes:
    """The same as ONNX."""
    from research.export import to_onnx

    return to_onnx(booster(objective, width, trees), width=width)


def model_card(onnx: bytes, *, objective: Literal["regression", "binary"] = "regression", **fields: Any) -> c.ModelCard:
    """A card that fits the bytes; `fields` replace what a test is about."""
    kind: Literal["regression", "classification"] = "regression" if objective == "regression" else "classification"
    label = c.Label(kind="fixed_horizon", horizon_ns=30_000_000_000, take_bp=0.0, stop_bp=0.0)
    payoff = {"gain_bp": 0.0, "loss_bp": 0.0} if kind == "regression" else {"gain_bp": 8.0, "loss_bp": 6.0}
    given = {
        "version": 1, "name": "small", "kind": kind, "label": label, "score_unit": "bp", **payoff, "opset": 3,
        "inputs": c.Inputs(profile="l1_250", names=NAMES, leader="", external=(), digest=SPEC_HASH),
        "onnx_digest": c.digest_of(onnx), "shrink": 1.0,
        "data": c.Window(
            from_ns=1, until_ns=2, digest="0" * 32, synthetic=False, symbols=("AAA",), rows=3000
        ),
        "costs": c.Costs(half_spread_bp=1.0, fee_bp=0.5),
        "metrics": c.Metrics(
            rows=3000, information_coefficient=0.05, information_coefficient_t=3.0, hit_rate=0.5, trades=10,
            gross_bp=5.0, net_bp=2.0, net_t=2.5, sharpe_day=0.5, probabilistic_sharpe=0.99, deflated_sharpe=0.97,
        ),
        "trials": 1, "tradable": True, "verdict": "net of costs above 0", "placement": "inline",
        "code_revision": "0" * 32, "seed": 1, "calibration": (), "probes": probes_of(onnx, objective),
    }  # fmt: skip
    return c.ModelCard(**(given | fields))


def probes_of(onnx: bytes, objective: Literal["regression", "binary"]) -> tuple[c.Probe, ...]:
    """Three rows and what LightGBM itself says of them."""
    rows = made_rows()[:3]
    raw = booster(objective).predict(rows, raw_score=True)
    if objective == "binary":
        chance = 1.0 / (1.0 + np.exp(-raw))
        raw = chance * 8.0 - (1.0 - chance) * 6.0
    pairs = zip(rows.tolist(), raw.tolist(), strict=True)
    return tuple(c.Probe(inputs=tuple(inputs), score_bp=score) for inputs, score in pairs)
