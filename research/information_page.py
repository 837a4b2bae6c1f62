"""Writes docs/information.md and its plots from a report of information.py. Owns words and pictures, computes nothing
but what a table shows. matplotlib is imported by the functions that draw.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from research.information import (
    APPEARS,
    DIES,
    FEATURES,
    HORIZONS_S,
    SILENT,
    STRONGER,
    WEAKER,
    Coefficient,
    Finding,
    Report,
)

IMAGES: Final = "images"
DAYS_HORIZON_S: Final = 5  # of the table by day
MARKS: Final = {WEAKER: " ↓", STRONGER: " ↑", DIES: " †", APPEARS: " ○"}
_STRONGEST: Final = 6  # lines in the plot over horizons
_DPI: Final = 66
_FULL_COLOUR, _LINE_COLOUR = "#1f4e79", "#d9822b"

_HEAD: Final = """\
# What each feature knows, tick by tick and on a 250 ms line

Made by `python -m research.information --symbols {symbols} --into docs FILE ...`; not edited by hand. The numbers are
of {count} recorded days ({first} to {last}), regular hours: a description of these days, not a promise of others.

**How it is measured.** Once a second the 40 features are computed by the trader's own kernels from two tapes of the
same market: every tick (`tbt`), and what the conflator leaves of it (`l1_250`). The moments lie in the middle of a
slot, so that the line's last row is 125 ms old, its average age. The information coefficient is Spearman's rank
correlation of the feature with the mid's move over the next 1, 5, 30, 60 or 300 seconds, and the moves are those of
the full tape for both. One coefficient is taken per day; the table shows the mean of the days ± its standard error by
days, because within a day overlapping moves are not independent. n is the number of moments. A coefficient *speaks*
(bold) when it differs from zero at 5 % by Student's t on the days: with {count} days, {limit:.2f} standard errors.
The leader of each symbol is the next one.

**What the marks mean.** The loss is the coefficient's difference between the two tapes, day by day.

| mark | word | criterion |
|---|---|---|
| † | dies | speaks on every tick; on the line less than half left, the sign turned, or silent after losing a quarter |
| ↓ | weaker | speaks on every tick, and so does the loss |
| ↑ | stronger | speaks on every tick, and the line's is larger by a difference that speaks |
| ○ | appears | speaks on the line only: as a rule chance |
|  | lives | speaks on every tick, and the loss does not |

{cells} cells are tested: about {chance} would speak by chance alone if no feature knew anything.

**What the line does to a feature.** All volume of a slot is one print at the last price: trade imbalances give it one
sign. A quote that flickers within a slot is not seen: order-flow imbalances take net changes only. The touch is up to
250 ms old: whatever looks at the present queue or the last second is late. Means over minutes hardly notice.
"""

_SERVED: Final = """
## What the line leaves

| symbol | quotes, every tick | on the line | left | prints, every tick | on the line | left |
|---|---|---|---|---|---|---|
"""

_CAVEATS: Final = """
## What these numbers do not say

- A coefficient is no profit. A move of one second is mostly smaller than half the spread; see the cost of a trade
  before wishing for a feature.
- Horizons below one second were not measured. They are where every tick must be worth most.
- The line is our conflator's, whose slots are one grid for all symbols. A broker's line may tick at other phases.
- Time of day is not in the table: it is known to everyone at all times.
"""


def write(report: Report, folder: Path) -> None:
    """Write information.md and images/information-*.png below `folder`."""
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    plots = [
        ("information-line.png", plot_line(report), "Every tick against the line, by feature"),
        ("information-horizons.png", plot_horizons(report), "The strongest features over the horizons"),
        ("information-days.png", plot_days(report), "The strongest features day by day"),
    ]
    for name, figure, _ in plots:
        figure.savefig(folder / IMAGES / name, dpi=_DPI, metadata={"Software": None})
    pictures = "".join(f"\n![{title}]({IMAGES}/{name})\n" for name, _, title in plots)
    (folder / "information.md").write_text(page(report, pictures), encoding="utf-8")


def page(report: Report, pictures: str = "") -> str:
    """The whole text."""
    cells = len(report.findings)
    head = _HEAD.format(
        symbols=" ".join(report.symbols), count=len(report.days), first=report.days[0], last=report.days[-1],
        limit=report.findings[0].full.limit, cells=cells, chance=round(cells * 0.05),
    )  # fmt: skip
    parts = [head, "\n## What dies\n\n", *_verdicts(report), _SERVED, *_served(report), pictures]
    for symbol in report.symbols:
        parts += [f"\n## {symbol}\n\n", *_table(report, symbol)]
    parts += [*_ages(report), *_by_day(report), *_control(report), _CAVEATS]
    return "".join(parts)


def _verdicts(report: Report) -> Iterator[str]:
    """Who dies, fades and gains, by symbol; one line each."""
    for symbol in report.symbols:
        mine = [one for one in report.findings if one.symbol == symbol]
        spoke = [one for one in mine if one.full.speaks]
        yield f"**{symbol}**: {len(spoke)} of {len(mine)} cells speak on every tick.\n\n"
        for verdict, word in ((DIES, "die"), (WEAKER, "are weaker"), (STRONGER, "are stronger")):
            found = [one for one in spoke if one.verdict == verdict]
            yield f"- {len(found)} {word} on the line{': ' if found else ''}{_listed(found)}.\n"
        kept = sum(abs(one.line.mean) for one in spoke) / (sum(abs(one.full.mean) for one in spoke) or 1.0)
        yield f"- Of the absolute coefficients that speak, the line keeps {100.0 * kept:.0f} %.\n\n"
    silent = [f for f in FEATURES if not any(one.full.speaks for one in report.findings if one.feature == f)]
    if silent:
        yield f"Features that say nothing on every tick, for any symbol or horizon: {', '.join(silent)}.\n"


def _listed(findings: Sequence[Finding]) -> str:
    """Feature, horizons and what is left of the coefficient, in the order of the catalogue."""
    listed = []
    for name in dict.fromkeys(one.feature for one in findings):
        mine = [one for one in findings if one.feature == name]
        left = sorted(round(100.0 * one.line.mean / one.full.mean) for one in mine)
        share = f"{left[0]} %" if left[0] == left[-1] else f"{left[0]}–{left[-1]} %"
        listed.append(f"`{name}` at {', '.join(str(one.seconds) for one in mine)} s ({share} left)")
    return "; ".join(listed)


def _served(report: Report) -> Iterator[str]:
    for symbol in report.symbols:
        (quotes, quotes_left), (prints, prints_left) = report.quotes[symbol], report.prints[symbol]
        yield (
            f"| {symbol} | {quotes:,} | {quotes_left:,} | {100 * quotes_left / max(quotes, 1):.1f} % "
            f"| {prints:,} | {prints_left:,} | {100 * prints_left / max(prints, 1):.1f} % |\n"
        )


def _table(report: Report, symbol: str) -> Iterator[str]:
    """Every tick → line, one row per feature."""
    yield "Every tick → line.\n\n"
    yield "| feature | " + " | ".join(f"{seconds} s" for seconds in HORIZONS_S) + " | n at 1 s |\n"
    yield "|---|" + "---|" * (len(HORIZONS_S) + 1) + "\n"
    for feature in FEATURES:
        mine = [one for one in report.findings if one.symbol == symbol and one.feature == feature]
        if any(one.full.days for one in mine):
            cells = " | ".join(f"{_shown(one.full)} → {_shown(one.line)}{MARKS.get(one.verdict, '')}" for one in mine)
            yield f"| `{feature}` | {cells} | {mine[0].full.pairs:,} |\n"


def _shown(one: Coefficient) -> str:
    if not one.days:
        return "–"
    number = f"{one.mean:+.3f}"
    return f"**{number}** ±{one.error:.3f}" if one.speaks else f"{number} ±{one.error:.3f}"


def _ages(report: Report) -> Iterator[str]:
    """The same features right after the line spoke, and right before it speaks again."""
    ages = sorted({one.age_ms for one in report.aged})
    yield "\n## How much is age\n\nThe coefficient at 1 s, every tick → line, by the age of the line's last slot.\n\n"
    yield (
        "| symbol | feature | " + " | ".join(f"{age} ms" for age in ages) + " |\n|---|---|" + "---|" * len(ages) + "\n"
    )
    for first in (one.finding for one in report.aged if one.age_ms == ages[0]):
        cells = [
            f"{one.finding.full.mean:+.3f} → {one.finding.line.mean:+.3f}"
            for one in report.aged
            if (one.finding.symbol, one.finding.feature) == (first.symbol, first.feature)
        ]
        yield f"| {first.symbol} | `{first.feature}` | {' | '.join(cells)} |\n"


def _by_day(report: Report) -> Iterator[str]:
    yield f"\n## Day by day, {DAYS_HORIZON_S} s\n\nWhat speaks on every tick. Every tick → line.\n\n"
    yield "| symbol | feature | " + " | ".join(report.days) + " |\n|---|---|" + "---|" * len(report.days) + "\n"
    for one in report.findings:
        if one.seconds == DAYS_HORIZON_S and one.full.speaks and len(one.full.days) == len(report.days):
            cells = " | ".join(f"{a:+.3f} → {b:+.3f}" for a, b in zip(one.full.days, one.line.days, strict=True))
            yield f"| {one.symbol} | `{one.feature}` | {cells} |\n"


def _control(report: Report) -> Iterator[str]:
    """What speaks where nothing can be known."""
    spoke = [one for one in report.control if one.full.speaks]
    days = max((len(one.full.days) for one in report.control), default=0)
    yield (
        f"\n## What pure noise shows\n\nThe same measure at {HORIZONS_S[-1]} s on two made-up securities whose value "
        f"is a random walk, {days} days: {len(spoke)} of {len(report.control)} cells speak all the same. Seen from the "
        "end of a day, a price that stood above the day's mean on the whole came down, so that whatever follows the "
        "level of the price (the gap to the session's VWAP; the spread in basis points, when it is one tick all day) "
        "seems to know the way. And a mid on a grid of cents, coarse at 14 dollars, swings around the value behind it. "
        "Numbers of this size for these features are no evidence of a profit.\n\n"
    )
    yield "| feature | at 14 dollars | at 180 dollars |\n|---|---|---|\n"
    for feature in dict.fromkeys(one.feature for one in spoke):
        mine = [_shown(one.full) for one in report.control if one.feature == feature]
        yield f"| `{feature}` | {' | '.join(mine)} |\n"


def _strongest(report: Report, symbol: str, seconds: int, count: int) -> list[Finding]:
    mine = [one for one in report.findings if one.symbol == symbol and one.seconds == seconds and one.full.days]
    return sorted(mine, key=lambda one: -abs(one.full.mean))[:count]


def _panels(report: Report, height: float, width: float) -> tuple[Any, Sequence[Any]]:
    """One panel per symbol, side by side, without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * len(report.symbols), height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(report.symbols), squeeze=False)[0]
    for axis, symbol in zip(axes, report.symbols, strict=True):
        axis.set_title(symbol, fontsize=11)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    return figure, axes


def plot_line(report: Report) -> Any:
    """Coefficient at 5 s of every feature that speaks, every tick and line, with standard errors."""
    figure, axes = _panels(report, 6.0, 5.5)
    for axis, symbol in zip(axes, report.symbols, strict=True):
        shown = [one for one in _strongest(report, symbol, DAYS_HORIZON_S, len(FEATURES)) if one.verdict != SILENT]
        shown.reverse()
        places = range(len(shown))
        for colour, shift, word in ((_FULL_COLOUR, 0.15, "every tick"), (_LINE_COLOUR, -0.15, "250 ms line")):
            side = [one.full if word == "every tick" else one.line for one in shown]
            axis.errorbar(
                [one.mean for one in side], [at + shift for at in places], xerr=[one.error for one in side],
                fmt="o", markersize=4, color=colour, label=word,
            )  # fmt: skip
        axis.set_yticks(list(places), [one.feature for one in shown])
        axis.axvline(0.0, color="black", linewidth=0.8)
        axis.set_xlabel(f"information coefficient at {DAYS_HORIZON_S} s, ± standard error by days", fontsize=9)
        axis.legend(fontsize=8)
    return figure


def plot_horizons(report: Report) -> Any:
    """Coefficient over the horizon of the strongest features; every tick full, line dashed."""
    figure, axes = _panels(report, 4.0, 5.5)
    for axis, symbol in zip(axes, report.symbols, strict=True):
        for at, best in enumerate(_strongest(report, symbol, DAYS_HORIZON_S, _STRONGEST)):
            mine = [one for one in report.findings if one.symbol == symbol and one.feature == best.feature]
            seconds = [one.seconds for one in mine]
            axis.plot(seconds, [one.full.mean for one in mine], "o-", color=f"C{at}", markersize=4, label=best.feature)
            axis.plot(seconds, [one.line.mean for one in mine], "x--", color=f"C{at}", markersize=5)
        axis.set_xscale("log")
        axis.set_xticks(HORIZONS_S, [str(seconds) for seconds in HORIZONS_S])
        axis.axhline(0.0, color="black", linewidth=0.8)
        axis.set_xlabel("seconds ahead (every tick: dots, line: crosses)", fontsize=9)
        axis.legend(fontsize=7)
    return figure


def plot_days(report: Report) -> Any:
    """Coefficient at 5 s on each day of the strongest features; every tick and line."""
    figure, axes = _panels(report, 4.0, 5.5)
    for axis, symbol in zip(axes, report.symbols, strict=True):
        for at, one in enumerate(_strongest(report, symbol, DAYS_HORIZON_S, _STRONGEST)):
            days = range(len(one.full.days))
            axis.plot(days, one.full.days, "o-", color=f"C{at}", markersize=4, label=one.feature)
            axis.plot(days, one.line.days, "x--", color=f"C{at}", markersize=5)
        axis.set_xticks(range(len(report.days)), [day[5:] for day in report.days])
        axis.axhline(0.0, color="black", linewidth=0.8)
        axis.set_xlabel(f"information coefficient at {DAYS_HORIZON_S} s, by day", fontsize=9)
        axis.legend(fontsize=7)
    return figure
