"""Small models over real features, written as the trader reads them: a LightGBM booster that learned one line."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from daemon.models import card_path
from strategies.features.spec import FeatureSpec
from strategies.models import card as c
from tests.fakes.models import model_card

NAMES = ("z_64s", "spread", "queue_imbalance", "ret_4s")


@lru_cache
def line_booster(slope: float, width: int, trees: int, leaves: int) -> Any:
    """Scores about `slope` times the first input, a little of the second, nothing of the others."""
    import lightgbm

    from research.export import freeze_leaves

    chance = np.random.default_rng(5)
    rows = (chance.standard_normal((4000, width)) * 3.0).astype(np.float32)
    label = slope * rows[:, 0] + (0.01 * rows[:, 1] if width > 1 else 0.0)
    params = {"objective": "regression", "num_leaves": leaves, "num_threads": 1, "deterministic": True, "seed": 1,
              "force_row_wise": True, "use_missing": False, "verbose": -1, "learning_rate": 0.3}  # fmt: skip
    found = lightgbm.train(params, lightgbm.Dataset(rows, label), trees)
    freeze_leaves(found)
    return found


@lru_cache
def line_onnx(slope: float = -1.5, width: int = 4, trees: int = 8, leaves: int = 15) -> bytes:
    """The same as ONNX."""
    from research.export import to_onnx

    return to_onnx(line_booster(slope, width, trees, leaves), width=width)


@lru_cache
def line_card(
    *,
    slope: float = -1.5,
    profile: str = "tbt",
    names: tuple[str, ...] = NAMES,
    leader: str = "",
    external: tuple[str, ...] = (),
    horizon_s: int = 30,
    tradable: bool = True,
) -> c.ModelCard:
    """A card that vouches for it."""
    spec = FeatureSpec(profile=profile, names=names, leader=leader, external=external)
    width = len(spec.inputs)
    onnx = line_onnx(slope, width)
    rows = (np.random.default_rng(6).standard_normal((3, width)) * 3.0).astype(np.float32)
    scores = line_booster(slope, width, 8, 15).predict(rows).tolist()
    probes = [c.Probe(inputs=tuple(row), score_bp=score) for row, score in zip(rows.tolist(), scores, strict=True)]
    return model_card(
        onnx,
        name="line",
        inputs=c.Inputs(profile=profile, names=names, leader=leader, external=external, digest=spec.digest),
        label=c.Label(kind="fixed_horizon", horizon_ns=horizon_s * 10**9, take_bp=0.0, stop_bp=0.0),
        probes=tuple(probes),
        tradable=tradable,
    )


def write_model(folder: Path, *, name: str = "line", slope: float = -1.5, **fields: Any) -> Path:
    """`<name>.onnx` and its card in a folder."""
    card = line_card(slope=slope, **fields)
    path = folder / f"{name}.onnx"
    path.write_bytes(line_onnx(slope, card.width))
    card_path(path).write_bytes(c.encode_card(card))
    return path


SIGNAL_TABLE = """
[strategies.sig]
kind = "signal"
symbols = ["AAA", "CCC"]

[strategies.sig.params]
model = "line.onnx"
profile = "tbt"
position_dollars = 30_000
enter_bp = 2.0
cost_multiple = 0.0
hold_s = 60
{params}

[strategies.sig.execution]
algo = "twap"
params = {{ duration_s = 60, slices = 2 }}
"""


def signal_changes(folder: Path, *, params: str = "", **model: Any) -> dict[str, Any]:
    """What makes tests/fakes/trader.py's config a trader with a model alone; the model lies beside the config."""
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder, **model)
    return {"reversion": "false", "more": SIGNAL_TABLE.format(params=params)}
