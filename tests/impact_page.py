"""Writes docs/is_against_twap.md and its pictures from the newest records of the drills `impact` and `impact_fit`:
`python -m tests.impact_page`. Owns words, intervals and pictures; what was measured is the records'.
"""

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from execution.almgren_chriss import expected_cost, holdings, variance
from tests.drills import impact as drill
from tests.drills.impact_fit import TRUTH
from tests.fakes import impact_history as history
from tests.fakes.impact_world import ADV, DAY_S, PX

ROOT: Final = Path(__file__).resolve().parents[1]
RECORDS: Final = ROOT / "docs" / "drills"
PAGE: Final = ROOT / "docs" / "is_against_twap.md"
IMAGES: Final = ROOT / "docs" / "images"
BOOTSTRAPS: Final = 2_000
SEED: Final = 1
_DPI: Final = 80
_COLOURS: Final = ("#9db8d2", "#4a7fb0", "#1f3f66", "#d9822b")
Floats = NDArray[np.float64]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One way on one venue: a number per market."""

    impact: Floats  # dollars
    market: Floats
    exposure: Floats
    kappa: Floats


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The record of the drill `impact`."""

    record: dict[str, Any]
    cells: dict[tuple[str, str], Cell]
    square: float  # variance of a day's move, squared dollars
    spread: float
    markets: int


def newest(name: str) -> dict[str, Any]:
    """The last record of a drill."""
    path = sorted(RECORDS.glob(f"{name}-20*.json"))[-1]
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return found | {"file": path.name}


def read(record: dict[str, Any]) -> Found:
    """The numbers of a record."""
    texts: dict[tuple[str, str], list[str]] = {}
    squares, spreads = [], []
    for part in record["results"]:
        squares += part["square_of_a_day"]
        spreads += part["spread"]
        for venue, ways in part["outcomes"].items():
            for way, text in ways.items():
                texts.setdefault((venue, way), []).extend(text.split("; "))
    cells = {}
    for key, rows in texts.items():
        _, impact, market, exposure, kappa = np.array([row.split() for row in rows], np.float64).T
        cells[key] = Cell(impact=impact, market=market, exposure=exposure, kappa=kappa)
    return Found(
        record=record, cells=cells, square=float(np.mean(squares)), spread=float(np.mean(spreads)),
        markets=len(squares),
    )  # fmt: skip


# ---- statistics -------------------------------------------------------------------------------------------------
def interval(values: Floats) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval over markets."""
    chance = np.random.default_rng(SEED)
    means = values[chance.integers(0, len(values), (BOOTSTRAPS, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def spread_of(values: Floats) -> tuple[float, float, float]:
    """Standard deviation, likewise."""
    chance = np.random.default_rng(SEED)
    drawn = values[chance.integers(0, len(values), (BOOTSTRAPS, len(values)))].std(axis=1, ddof=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(values.std(ddof=1)), float(low), float(high)


def in_bp(size: float) -> float:
    """Basis points of the order's value for a dollar."""
    return 1e4 / (size * ADV * PX)


def objective(found: Found, venue: str, way: str, steepness: float, drawn: Any = None) -> Floats:
    """Mean + lambda x variance over the markets, or over each row of a drawing of them, in dollars. Variance: that of
    the market times what was left, squared, over time, and that of what the orders pushed, which differs from market to
    market as the plans do. Moves of the market have mean zero and are everybody's.
    """
    cell, times = found.cells[venue, way], drill.VENUES[venue][1]
    at = np.arange(len(cell.impact)) if drawn is None else drawn
    impact, exposure = cell.impact[at], cell.exposure[at]
    spread: Floats = found.square * times**2 * exposure.mean(axis=-1) + impact.var(axis=-1, ddof=1)
    whole: Floats = impact.mean(axis=-1) + drill.aversion(steepness) * spread
    return whole


def resampled(found: Found) -> Any:
    """Drawings of the markets, the same for everything that is compared."""
    return np.random.default_rng(SEED).integers(0, found.markets, (BOOTSTRAPS, found.markets))


def gained(found: Found, venue: str, way: str, size: float, steepness: float) -> tuple[float, float, float]:
    """By how much a way's objective is above that of even parts, in bp: below zero = better."""
    even, bp = f"twap {size:g}", in_bp(size)
    value = objective(found, venue, way, steepness) - objective(found, venue, even, steepness)
    drawn = resampled(found)
    apart = objective(found, venue, way, steepness, drawn) - objective(found, venue, even, steepness, drawn)
    low, high = np.percentile(apart * bp, [2.5, 97.5])
    return float(value * bp), float(low), float(high)


def raw(found: Found, venue: str, way: str, size: float, steepness: float) -> tuple[float, float, float]:
    """The same from the costs as they came: sample means and sample variances of all of it."""
    costs = np.stack([found.cells[venue, name].impact + found.cells[venue, name].market for name in
                      (way, f"twap {size:g}")])  # fmt: skip
    weight = drill.aversion(steepness)

    def apart(of: Floats) -> Floats:
        whole: Floats = of.mean(axis=-1) + weight * of.var(axis=-1, ddof=1)
        difference: Floats = (whole[0] - whole[1]) * in_bp(size)
        return difference

    low, high = np.percentile(apart(costs[:, resampled(found)]), [2.5, 97.5])
    return float(apart(costs)), float(low), float(high)


def verdict(low: float, high: float) -> str:
    """In a word."""
    return "better" if high < 0.0 else "**worse**" if low > 0.0 else "either"


# ---- words ------------------------------------------------------------------------------------------------------
def page(found: Found, fits: dict[str, Any]) -> str:
    """The whole text."""
    return "\n".join([*_head(found), *_promised(found), *_against(found), *_losses(found), *_fitted(fits), ""])


def _head(found: Found) -> list[str]:
    return [
        "# Implementation shortfall against TWAP",
        "",
        f"Made by `python -m tests.impact_page` from docs/drills/{found.record['file']} (commit "
        f"{found.record['commit'][:12]}); not edited by hand. `make drill NAME=impact` makes the record again.",
        "",
        f"**What was done.** {found.markets} made-up markets (hidden random walk with calm and rough spells, about "
        f"{drill.VOLATILITY_BP:.0f} bp a day, a spread of {100 * found.spread:.2f} cents at {PX} dollars). In each of "
        f"them an order of {' and '.join(f'{100 * size:g} %' for size in drill.SIZES)} of the average day is worked "
        "for an hour in sixty slices that cross at once, bought in every second market and sold in the others: by "
        "`twap`, and by `is` at three risk aversions. All of them meet the same market, and none feels another. "
        "Engine, gate, executor, journal and simulated venue are the trader's own, in one process; the venue has "
        "`[venue.impact]` on.",
        "",
        "**As the model** is a venue with the impact that `is` assumes (docs/execution.md): one spread for one per "
        "cent of the average day traded in a day, gone before the next slice. The others are off it by a factor of "
        "two: the exponent of the flow (one half and two instead of one; even parts of the middle size cost the same), "
        "the decay of the temporary part (7.5 and 30 s instead of 15), the size of the impact, and the volatility of "
        "the market, which changes as the order arrives: `is` knows what it measured before.",
        "",
        "**How it is judged.** Mean + λ · variance of the cost against the arrival, fees apart, in basis points of "
        "the order. λ is the risk aversion that the schedule has; it is named by κT, how steep the optimal plan is at "
        "the usual spread and volatility. The mean is that of what the order itself did to its prices (the market "
        "without us is known here, and its own moves are zero on average); the variance is that of the market times "
        "the square of what was left, over time, and that of what the order did to its prices from market to market. "
        "Intervals: 95 %, bootstrap over markets, one fixed seed. The last column has the same from the costs just as "
        "they came, market and all: more noise, and nothing assumed.",
        "",
    ]


def _promised(found: Found) -> list[str]:
    lines = [
        "## Predicted and realised, as the model",
        "",
        "| order | plan | n | predicted bp | realised bp | ratio | predicted sd bp | realised sd bp |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in drill.SIZES:
        for name in ("twap", *(f"is {steepness:g}" for steepness in drill.STEEPNESS)):
            cell = found.cells["as the model", f"{name} {size:g}"]
            cost, risk = predicted(found, cell, size)
            bp = in_bp(size)
            mean, low, high = interval(cell.impact * bp)
            ratio = interval(cell.impact / cost)
            deviation = spread_of((cell.impact + cell.market) * bp)
            lines.append(
                f"| {100 * size:g} % | {_named(name)} | {len(cost)} | {cost.mean() * bp:.2f} | "
                f"{mean:.2f} ({low:.2f} to {high:.2f}) | {ratio[0]:.3f} ({ratio[1]:.3f} to {ratio[2]:.3f}) | "
                f"{risk * bp:.1f} | {deviation[0]:.1f} ({deviation[1]:.1f} to {deviation[2]:.1f}) |"
            )
    return [
        *lines,
        "",
        "Predicted: Almgren and Chriss (2000), each plan at the decay it really had, with the average spread. What is "
        "left of the difference in cost is the tick, to which the venue rounds what a small order pushes, and the "
        "quote that an order meets: it was last told some seconds ago and shows more of the slice before than the "
        "market still has. The deviation holds that of the plans: each has the decay of the volatility it found.",
        "",
        "![Cost and risk as the model](images/is_frontier.png)",
        "",
    ]


def predicted(found: Found, cell: Cell, size: float) -> tuple[Floats, float]:
    """Expected cost of each plan and the standard deviation over all, in dollars."""
    whole, shares = drill.SECONDS / DAY_S, size * ADV
    costs, squares = [], []
    for kappa in cell.kappa:
        held = holdings(shares=shares, kappa=float(kappa), whole=whole, steps=drill.SLICES)
        costs.append(expected_cost(held=held, impact=drill.MODEL, whole=whole))
        squares.append(variance(held=held, sigma=found.square**0.5, whole=whole))
    return np.array(costs), float((np.mean(squares) + np.var(costs, ddof=1)) ** 0.5)


def _named(name: str) -> str:
    kind, _, steepness = name.partition(" ")
    return {"twap": "even"}.get(kind, f"{kind}, κT {steepness}")


def _rows(size: float) -> list[tuple[str, str, float]]:
    """Name of a way, in words, and its steepness."""
    rows = [(f"is {steepness:g} {size:g}", f"κT {steepness:g}", steepness) for steepness in drill.STEEPNESS]
    return [*rows, (f"live {drill.LIVE:g} {size:g}", f"κT {drill.LIVE:g}, plans anew", drill.LIVE)]


def _against(found: Found) -> list[str]:
    lines = ["## Against even parts", ""]
    for size in drill.SIZES:
        lines += [
            f"### {100 * size:g} % of the average day in an hour",
            "",
            "| venue | `is` | mean bp: TWAP → IS | mean + λ · variance: TWAP | IS − TWAP | `is` is | as they came |",
            "|---|---|---|---|---|---|---|",
        ]
        bp = in_bp(size)
        for venue in drill.VENUES:
            even = found.cells[venue, f"twap {size:g}"]
            for way, words, steepness in _rows(size):
                cell = found.cells[venue, way]
                mean, low, high = gained(found, venue, way, size, steepness)
                rough = raw(found, venue, way, size, steepness)
                whole = float(objective(found, venue, f"twap {size:g}", steepness)) * bp
                lines.append(
                    f"| {venue} | {words} | {even.impact.mean() * bp:.1f} → {cell.impact.mean() * bp:.1f} | "
                    f"{whole:.1f} | "
                    f"{mean:+.1f} ({low:+.1f} to {high:+.1f}) | {verdict(low, high)} | "
                    f"{rough[0]:+.0f} ({rough[1]:+.0f} to {rough[2]:+.0f}) |"
                )
        lines.append("")
    return [*lines, "![Implementation shortfall less TWAP by venue](images/is_against_twap.png)", ""]


def _losses(found: Found) -> list[str]:
    lost, open_ = [], []
    for size in drill.SIZES:
        for venue in drill.VENUES:
            for way, words, steepness in _rows(size):
                mean, low, high = gained(found, venue, way, size, steepness)
                text = f"{venue}, {100 * size:g} %, {words}: {mean:+.1f} bp ({low:+.1f} to {high:+.1f})"
                if low > 0.0:
                    lost.append(text)
                elif high >= 0.0:
                    open_.append(text)
    size = drill.SIZES[-1]
    wild = gained(found, "as the model", f"unbound {drill.LIVE:g} {size:g}", size, drill.LIVE)
    bound, first = (
        gained(found, "as the model", f"{name} {drill.LIVE:g} {size:g}", size, drill.LIVE) for name in ("live", "is")
    )
    return [
        "## Where implementation shortfall loses",
        "",
        *([f"- {text}" for text in lost] or ["- In none of these cells beyond its interval."]),
        "",
        "Cells that say neither: " + ("; ".join(open_) if open_ else "none") + ".",
        "",
        "- **It cannot tell its own footprints from the market's.** Volatility is measured from mids, and our own "
        "orders move them. Planned anew without bounds, the schedule took its own impact for risk, hurried, moved the "
        f"price more, and so on: {wild[0]:+.0f} bp ({wild[1]:+.0f} to {wild[2]:+.0f}) against even parts as the model, "
        f"{100 * size:g} %. That is why `replan_times` bounds a plan anew (1.5 by default): {bound[0]:+.1f} bp "
        f"({bound[1]:+.1f} to {bound[2]:+.1f}), where the first plan, kept to the end, has {first[0]:+.1f} "
        f"({first[1]:+.1f} to {first[2]:+.1f}). Plans anew pay where the market's volatility really changed, and "
        "cost where only we moved it; `replan_times = 1` keeps the first plan.",
        "- **Its price of haste is a rule of thumb.** One spread for one per cent of a day is not fitted to anything. "
        "Where the venue is twice as dear, or its impact rises faster than the rate (exponent two), the same λ trades "
        "too fast, and the more so the larger the order; where impact rises slower or fades slower it trades too "
        "slowly, which costs less.",
        "- **It acts on a volatility that it has measured for ten minutes.** Where κT 3 is meant, the plans have "
        f"{_steep(found, 10):.1f} to {_steep(found, 90):.1f} (the middle four fifths of the markets), because calm and "
        "rough spells come and go. What a plan costs then differs from market to market, and that is risk too: it is "
        "counted. A market that calms down as the order arrives was not worth the hurry.",
        "- **The mean alone is dearer than that of even parts** almost everywhere: somebody who does not mind risk "
        "should take `twap` (λ = 0 is the same plan).",
        "- **Not measured:** fees (each child pays its own minimum, the same number of children for both, fewer where "
        "the tail of a steep plan rounds to nothing), resting orders, other traders who react, impact that never "
        "fades or fades by a power law, and markets with a drift. The venue's law is ours: this is a proof of the "
        "program against its own model and against a wrong one, and no forecast of a real market.",
        "",
    ]


def _steep(found: Found, percentile: float) -> float:
    """Of the plans at the middle risk aversion."""
    kappa = found.cells["as the model", f"is {drill.LIVE:g} {drill.SIZES[-1]:g}"].kappa
    return float(np.percentile(kappa, percentile) * drill.SECONDS / DAY_S)


def _fitted(fits: dict[str, Any]) -> list[str]:
    counts, results = fits["counts"], fits["results"]
    lines = [
        "## Parameters from own fills",
        "",
        f"docs/drills/{fits['file']} (commit {fits['commit'][:12]}): {counts['histories']} histories of "
        f"{counts['schedules'] // counts['histories']} schedules each, on a venue whose impact is known, journalled by "
        "the trader and read by `quantd costs calibrate`.",
        "",
        "| parameter | venue | mean of the fits | sd of the fits | mean width of its 95 % | intervals that hold |",
        "|---|---|---|---|---|---|",
    ]
    for name, truth in TRUTH.items():
        values = np.array([result["fit"][name] for result in results])
        width = float((values[:, 2] - values[:, 1]).mean())
        lines.append(
            f"| {name} | {truth:g} | {values[:, 0].mean():.3f} | {values[:, 0].std(ddof=1):.3f} | {width:.3f} | "
            f"{counts[f'{name} held']} of {counts['histories']} |"
        )
    middle = (history.RATES[0] * history.RATES[1]) ** 0.5
    true = TRUTH["eta"] * middle ** TRUTH["beta"]
    priced = np.array([one["fit"]["eta"][0] * middle ** one["fit"]["beta"][0] / true for one in results])
    _, low, high = interval(priced)
    return [
        *lines,
        "",
        f"About one interval in twenty should miss; {counts['histories']} histories do not tell 95 % from 85. The "
        "temporary coefficient is the cost at a rate nobody traded (as much as all others together), so it leans with "
        f"the exponent; at the middle rate of these schedules, {middle:.2f}, the fitted cost is on average "
        f"{np.mean(priced):.3f} times the true one ({low:.3f} to {high:.3f}, bootstrap over histories). A quote is "
        "told with the next row, so a child meets a little more of the last child's push than the market still has. "
        "The permanent part is small beside what the market does in half an hour: so many schedules do not tell it "
        "from nothing, and the interval says so.",
    ]


# ---- pictures ---------------------------------------------------------------------------------------------------
def plot_against(found: Found) -> Any:
    """Differences by venue, the larger order."""
    from matplotlib.figure import Figure

    size = drill.SIZES[-1]
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for at, (way, words, steepness) in enumerate(_rows(size)):
        points = [gained(found, venue, way, size, steepness) for venue in drill.VENUES]
        scale = [float(objective(found, venue, f"twap {size:g}", steepness)) * in_bp(size) for venue in drill.VENUES]
        mean, low, high = (
            np.array([100 * point[part] / whole for point, whole in zip(points, scale, strict=True)])
            for part in range(3)
        )
        places = np.arange(len(points)) + (at - 1.5) * 0.18
        axes.errorbar(places, mean, yerr=[mean - low, high - mean], fmt="o", color=_COLOURS[at], label=words, capsize=2)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set_xticks(np.arange(len(drill.VENUES)), [venue.replace(" ", "\n", 1) for venue in drill.VENUES], fontsize=8)
    axes.set_ylabel("IS − TWAP, % of TWAP's mean + λ · variance", fontsize=8)
    axes.set_title(f"{100 * size:g} % of the average day in an hour; below zero IS is better", fontsize=10)
    axes.legend(fontsize=8)
    return figure


def plot_frontier(found: Found) -> Any:
    """Cost and risk of the plans as the model, on the model's own line."""
    from matplotlib.figure import Figure

    size, whole = drill.SIZES[-1], drill.SECONDS / DAY_S
    bp, shares = in_bp(size), size * ADV
    figure = Figure(figsize=(6.2, 4.2), layout="constrained")
    axes = figure.subplots()
    line = []
    for steep in np.linspace(0.0, 9.0, 60):
        held = holdings(shares=shares, kappa=float(steep) / whole, whole=whole, steps=drill.SLICES)
        risk = variance(held=held, sigma=found.square**0.5, whole=whole) ** 0.5
        line.append((risk * bp, expected_cost(held=held, impact=drill.MODEL, whole=whole) * bp))
    axes.plot(*np.array(line).T, color="#999999", label="Almgren and Chriss")
    names = ["twap", *(f"is {steepness:g}" for steepness in drill.STEEPNESS), f"live {drill.LIVE:g}"]
    for at, name in enumerate(names):
        cell = found.cells["as the model", f"{name} {size:g}"]
        risk = float((found.square * cell.exposure.mean()) ** 0.5)
        axes.plot(risk * bp, cell.impact.mean() * bp, "o", color=(*_COLOURS, "black")[at], label=_named(name))
    axes.set_xlabel("standard deviation, bp", fontsize=8)
    axes.set_ylabel("expected cost, bp", fontsize=8)
    axes.set_title(f"{100 * size:g} % of the average day in an hour, venue as the model", fontsize=10)
    axes.legend(fontsize=8)
    return figure


def write() -> None:
    """Overwrite page and pictures."""
    found = read(newest("impact"))
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, figure in (("is_against_twap.png", plot_against(found)), ("is_frontier.png", plot_frontier(found))):
        figure.savefig(IMAGES / name, dpi=_DPI, metadata={"Software": None})
    PAGE.write_text(page(found, newest("impact_fit")), encoding="utf-8")


if __name__ == "__main__":
    write()
