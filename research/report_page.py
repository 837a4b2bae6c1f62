"""Writes the report on models that traded: docs page and plots. Owns wording and pictures, computes nothing new."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from core.units import NANO, decimal_text
from research.evaluate import Trades
from research.holdout import Holdout
from research.hours import utc_text
from research.report import Report
from research.traded import Account

PAGE: Final = "five_days.md"
_DPI: Final = 80


def write(report: Report, into: Path) -> None:
    """The page, and its plots in images/ beside it."""
    images = into / "images"
    images.mkdir(parents=True, exist_ok=True)
    if report.holdouts:
        _plot_calibration(report, images / "five_days_calibration.png")
    if report.runs:
        _plot_equity(report, images / "five_days_equity.png")
    (into / PAGE).write_text("\n".join([*_models(report), *_runs(report), *_days(report), ""]), encoding="utf-8")


# ---- words ------------------------------------------------------------------------------------------------------
def _models(report: Report) -> list[str]:
    lines = [
        "# Models on recorded days: what was promised, what came, what it cost",
        "",
        f"Symbols {', '.join(report.symbols)}. Made by `python -m research.report`; the numbers are whatever came out.",
        "",
        "## Held-out days: score against the mid",
        "",
        "Every model is scored on all samples of the days after its training window. IC is the mean over blocks of "
        "time of the rank correlation between score and the move of the mid; t by those blocks. *Trades* are the "
        "simplest that could be made: enter when the score exceeds entry and exit at half the spread plus fee, leave "
        "at the horizon.",
        "",
        "| model | trained on rows | in training: IC (t) | verdict in training | held out: samples | IC (t) | trades | "
        "gross bp | net bp | won |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, held in report.holdouts.items():
        m, trades = held.card.metrics, held.trades
        lines.append(
            f"| {name} | {held.card.data.rows:,} | {m.information_coefficient:.3f} "
            f"({m.information_coefficient_t:.1f}) | {'tradable' if held.card.tradable else 'not tradable'}: "
            f"{held.card.verdict} | {len(held.scored.ts_ns):,} | {held.information_coefficient:.3f} "
            f"({held.information_coefficient_t:.1f}) | {len(trades.ts_ns)} | {_mean(trades.gross_bp)} | "
            f"{_mean(trades.net_bp)} | {_share(trades)} |"
        )
    lines += ["", "If trading were free, entering on the strongest tenth of the scores:", ""]
    lines += ["| model | trades | bp each, at the mid | half spread + fee, both sides, bp |", "|---|---|---|---|"]
    for name, held in report.holdouts.items():
        cost = 2.0 * (float(held.scored.half_spread_bp.mean()) + held.card.costs.fee_bp)
        lines.append(
            f"| {name} | {len(held.gross_trades.ts_ns):,} | {_mean(held.gross_trades.gross_bp)} | {cost:.2f} |"
        )
    lines += ["", "Calibration, tenths of the held-out scores (bp: promised → came):", ""]
    lines += [f"| model | {' | '.join(str(at) for at in range(1, 11))} |", "|---|" + "---|" * 10]
    for name, held in report.holdouts.items():
        cells = [f"{part.score_bp:.2f} → {part.realised_bp:.2f}" for part in held.calibration]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, "", "![Calibration](images/five_days_calibration.png)", ""]


def _runs(report: Report) -> list[str]:
    if not report.runs:
        return []
    lines = [
        "## Traded by the daemon",
        "",
        "Each run is the whole daemon on the held-out days: features, model, targets, schedules, all risk checks, "
        "simulated venue, fees; read from the database its follower kept. gross = at the mid when each schedule "
        "began; gross − spread and impact − fees = net, exactly. bp are of the turnover; *won* counts round trips "
        "with a net gain.",
        "",
        "| run | decisions | refusals | fills | turnover | gross | spread, impact | fees | **net** | gross bp | "
        "cost bp | net bp | round trips | won |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, run in report.runs.items():
        trips = run.round_trips()
        won = f"{sum(trip.net_nanos > 0 for trip in trips) / len(trips):.0%}" if trips else "–"
        paid = run.shortfall_nanos + run.fees_nanos
        lines.append(
            f"| {name} | {run.decisions} | {run.refusals} | {len(run.fills)} | {_money(run.turnover_nanos, 0)} | "
            f"{_money(run.gross_nanos)} | {_money(run.shortfall_nanos)} | {_money(run.fees_nanos)} | "
            f"**{_money(run.net_nanos)}** | {run.per_turnover_bp(run.gross_nanos):.2f} | "
            f"{run.per_turnover_bp(paid):.2f} | {run.per_turnover_bp(run.net_nanos):.2f} | {len(trips)} | {won} |"
        )
    told = [text for note in report.notes for text in ("", note)]
    return [*lines, *told, "", "![Equity](images/five_days_equity.png)", ""]


def _days(report: Report) -> list[str]:
    lines = ["## Windows", "", "| model | trained from | until | held out from | until |", "|---|---|---|---|---|"]
    for name, held in report.holdouts.items():
        data, ts = held.card.data, held.scored.ts_ns
        times = (data.from_ns, data.until_ns, int(ts[0]), int(held.scored.end_ns.max()))
        lines.append(f"| {name} | {' | '.join(utc_text(moment) for moment in times)} |")
    return lines


def _mean(values: Any) -> str:
    if not len(values):
        return "–"
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{float(values.mean()):.2f} ± {error:.2f}"


def _share(trades: Trades) -> str:
    return f"{float((trades.net_bp > 0.0).mean()):.0%}" if len(trades.net_bp) else "–"


def _money(nanos: int, places: int = 2) -> str:
    return f"{float(decimal_text(nanos, places=places)):,.{places}f}"


# ---- pictures ---------------------------------------------------------------------------------------------------
def _figure(width: int, *, height: float = 3.6) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt.subplots(1, width, figsize=(4.6 * width, height), squeeze=False, layout="constrained")


def _plot_calibration(report: Report, path: Path) -> None:
    figure, axes = _figure(len(report.holdouts))
    for axis, (name, held) in zip(axes[0], report.holdouts.items(), strict=True):
        _draw_calibration(axis, name, held)
    figure.savefig(path, dpi=_DPI)


def _draw_calibration(axis: Any, name: str, held: Holdout) -> None:
    promised = [part.score_bp for part in held.calibration]
    came = [part.realised_bp for part in held.calibration]
    low, high = min(promised), max(promised)
    axis.plot([low, high], [low, high], color="0.7", label="as promised")
    axis.plot(promised, came, "o-", label="held out")
    trained = held.card.calibration
    axis.plot([p.score_bp for p in trained], [p.realised_bp for p in trained], ".--", color="0.4", label="out of fold")
    axis.axhline(0.0, color="0.85", linewidth=0.8)
    axis.set(title=name, xlabel="score, bp", ylabel="mid moved, bp")
    axis.legend(fontsize=8)


def _plot_equity(report: Report, path: Path) -> None:
    figure, axes = _figure(1, height=4.0)
    axis = axes[0][0]
    for name, run in report.runs.items():
        _draw_equity(axis, name, run)
    axis.set(xlabel="mark of equity, in order", ylabel="net gain, account currency")
    axis.legend(fontsize=7)
    figure.savefig(path, dpi=_DPI)


def _draw_equity(axis: Any, name: str, run: Account) -> None:
    gains = [(nanos - run.start_nanos) / NANO for _, nanos in run.equity]
    axis.plot(np.linspace(0.0, 1.0, len(gains)), gains, linewidth=1.0, label=name)
