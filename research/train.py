"""`python -m research.train [--json]`, a TrainJob on stdin: feed to samples to labels to a model, validated, exported,
and written with its card. `quantd train` starts it. Exit status 0 done, 1 failed, 2 config.

Refuses to write a model whose features know the future. One that gains nothing out of fold is written as not tradable.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError, QuantdError
from research import leaks
from research.correlation import blocked_correlation
from research.crossval import OutOfFold, control_scores, leaky_scores, out_of_fold, purged_splits
from research.evaluate import Scored, Trades, blocks, calibration, metrics, trade, verdict
from research.export import OPSET, check_equal, to_onnx
from research.fit import Fitted, fit
from research.job import TrainJob, TrainSettings, decode_job
from research.progress import Bars, bars
from research.reading import MakeCollector, Read, collector_of, read_samples
from research.table import Table, training_table
from research.trials import Trial, encode_trials, read_trials, trials_path, with_trial
from strategies.models import card as c

LIBRARIES: Final = ("lightgbm", "onnx", "onnxmltools")
PROBES: Final = 5

Floats = NDArray[np.float64]


class Result(NamedTuple):
    """What a training makes."""

    card: c.ModelCard
    onnx: bytes
    trials: tuple[Trial, ...]
    unpurged_correlation: float
    shifted_z: float
    largest_difference: float  # between LightGBM and ONNX over all rows


def train(job: TrainJob, shown: Bars, *, make: MakeCollector | None = None) -> Result:
    """All of it but writing. `make` replaces how features are made, for tests of leaks. Raises ConfigError."""
    maker = make if make is not None else lambda expected: collector_of(job, expected=expected)
    settings, names = job.train, job.spec.names
    before = read_trials(trials_path(Path(settings.output)))
    read = read_samples(job, maker, shown)
    samples = read.tape.samples
    leaks.refuse(
        names,
        read_ahead=leaks.sees_future(read.begin, maker),
        fallen=leaks.cliffs(samples, read.tape.paths, horizon_ns=settings.horizon_ns),
    )
    table = training_table(read.tape, settings)
    splits = purged_splits(table, settings)
    told = shown.counter("trees", (2 * settings.folds + 2) * settings.trees_max)
    found = out_of_fold(table, settings, splits, told)
    trees = max(1, round(float(np.median(found.trees))))
    shifted_z = _check_control(table, settings, splits, trees, told)
    leaky = leaky_scores(table, settings, trees=trees, told=told)
    unpurged = _correlation(table, settings, leaky)[0]
    fitted = fit(settings, table, np.arange(len(table.ts_ns)), trees=trees, told=told).shrunk(found.shrink)
    onnx = to_onnx(fitted.booster, width=len(names))
    difference = check_equal(fitted.booster, onnx, table.values)
    scored = _scored(table, found.score_bp)
    trades = trade(scored, fee_bp=settings.fee_bp, enter_bp=settings.enter_bp)
    trials = with_trial(before, Trial(digest=job.trial_digest(read.digest), sharpe=trades.sharpe))
    card = _card(job, read, table, scored, trades, fitted, onnx, trials, found)
    return Result(card, onnx, trials, unpurged, shifted_z, difference)


def _correlation(table: Table, settings: TrainSettings, scores: Floats) -> tuple[float, float]:
    return blocked_correlation(scores, table.move_bp, blocks(table.ts_ns, settings.horizon_ns))


def _check_control(table: Table, settings: TrainSettings, splits: list[Any], trees: int, told: Any) -> float:
    """How far from chance a model of shifted labels is. Raises ConfigError when it is no chance."""
    split = splits[len(splits) // 2]
    moves = leaks.shifted_moves(table.inst, table.move_bp)
    scores = control_scores(table, settings, split, moves=moves, trees=trees, told=told)
    found, z = leaks.chance_z(table.inst[split.test], scores, moves[split.test])
    if abs(z) > leaks.SHIFTED_Z_MAX:
        raise ConfigError(
            f"train.embargo_s: a model of labels from another time scores {found:.3f} out of fold ({z:.1f} deviations "
            "of chance): training and test share information; lengthen embargo_s, or take more days"
        )
    return z


def _scored(table: Table, scores: Floats) -> Scored:
    return Scored(
        inst=table.inst, ts_ns=table.ts_ns, end_ns=table.end_ns, score_bp=scores, move_bp=table.move_bp,
        half_spread_bp=table.half_spread_bp,
    )  # fmt: skip


def _card(
    job: TrainJob, read: Read, table: Table, scored: Scored, trades: Trades, fitted: Fitted, onnx: bytes,
    trials: tuple[Trial, ...], validated: OutOfFold,
) -> c.ModelCard:  # fmt: skip
    settings, spec = job.train, job.spec
    found = metrics(
        scored, trades, correlation=_correlation(table, settings, validated.raw_bp),
        trial_sharpes=[trial.sharpe for trial in trials],
    )  # fmt: skip
    tradable, told = verdict(found, trades_min=settings.trades_min, confidence=settings.confidence)
    return c.ModelCard(
        version=c.CARD_VERSION, name=settings.model_name, kind=settings.model, score_unit="bp",
        inputs=c.Inputs(
            profile=spec.profile, names=spec.names, leader=spec.leader, external=spec.external, digest=spec.digest
        ),
        label=c.Label(
            kind=settings.label, horizon_ns=settings.horizon_ns, take_bp=settings.take_bp, stop_bp=settings.stop_bp
        ),
        gain_bp=fitted.gain_bp, loss_bp=fitted.loss_bp, shrink=validated.shrink,
        onnx_digest=c.digest_of(onnx), opset=OPSET,
        data=c.Window(
            from_ns=int(table.ts_ns[0]), until_ns=int(table.end_ns.max()) + 1, digest=read.digest,
            synthetic=job.synthetic, symbols=job.symbols, rows=len(table.ts_ns),
        ),
        costs=c.Costs(half_spread_bp=float(table.half_spread_bp.mean()), fee_bp=settings.fee_bp),
        metrics=found, trials=len(trials), tradable=tradable, verdict=told, placement="inline",
        code_revision=job.code_revision, seed=settings.seed, calibration=calibration(scored),
        probes=_probes(table, fitted, settings),
    )  # fmt: skip


def _probes(table: Table, fitted: Fitted, settings: TrainSettings) -> tuple[c.Probe, ...]:
    """Rows from the lowest score to the highest, and what the trainer says of them."""
    scores = fitted.scores(table.values, settings)
    order = np.argsort(scores, kind="stable")
    at = order[np.linspace(0, len(order) - 1, PROBES).astype(np.int64)]
    return tuple(
        c.Probe(inputs=tuple(table.values[row].tolist()), score_bp=float(scores[row])) for row in at.tolist()
    )  # fmt: skip


def write(output: Path, result: Result) -> None:
    """The list of trials first: a trial counts even if its model cannot be kept. Raises QuantdError."""
    stem = output.name.removesuffix(".onnx")
    files = (
        (trials_path(output), encode_trials(result.trials)),
        (output, result.onnx),
        (output.with_name(f"{stem}.card.json"), c.encode_card(result.card)),
    )
    for path, content in files:
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(content)
            os.replace(part, path)
        except OSError as fault:
            raise QuantdError(f"train.output: cannot write {path}: {fault.strerror}") from fault


def summary(output: Path, result: Result) -> dict[str, Any]:
    """What is told at the end."""
    card, found = result.card, result.card.metrics
    return {
        "model": str(output), "tradable": card.tradable, "verdict": card.verdict, "rows": card.data.rows,
        "inputs": card.width, "information_coefficient": found.information_coefficient,
        "information_coefficient_t": found.information_coefficient_t,
        "information_coefficient_unpurged": result.unpurged_correlation, "control_z": result.shifted_z,
        "trades": found.trades, "gross_bp": found.gross_bp, "net_bp": found.net_bp, "hit_rate": found.hit_rate,
        "sharpe_day": found.sharpe_day, "deflated_sharpe": found.deflated_sharpe, "trials": card.trials,
        "shrink": card.shrink, "onnx_bytes": len(result.onnx), "onnx_difference": result.largest_difference,
    }  # fmt: skip


def check_libraries() -> None:
    """Raise ConfigError when the training libraries are not installed."""
    for name in LIBRARIES:
        if find_spec(name) is None:
            raise ConfigError(
                f"train: {name} is not installed: run `make train-tools`, or pip install -r requirements-train.txt"
            )


def main(arguments: list[str]) -> int:
    """Entry point; returns the exit status."""
    as_json = "--json" in arguments
    try:
        check_libraries()
        job = decode_job(sys.stdin.buffer.read())
        output = Path(job.train.output)
        with bars(quiet=as_json) as shown:
            result = train(job, shown)
        write(output, result)
    except ConfigError as fault:
        for line in str(fault).splitlines():
            print(f"quantd: {line}", file=sys.stderr)
        return 2
    except QuantdError as fault:
        print(f"quantd: {fault}", file=sys.stderr)
        return 1
    told = summary(output, result)
    if as_json:
        print(msgspec.json.encode(told).decode())
    else:
        for name, value in told.items():
            print(f"{name:<34} {value:.4f}" if isinstance(value, float) else f"{name:<34} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
