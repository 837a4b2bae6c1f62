"""Writes docs/execution_report.md and its pictures from the record of the drill `execution`:
`python -m tests.execution_page docs/drills/execution-DATE.json [NOTE]`.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tests.drills.execution import LINE, PAIR_LINE
from tests.drills.execution_alone import compared
from tests.drills.execution_plan import LIMITS
from tests.drills.kill9 import market_data

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
IMAGES: Final = DOCS / "images"
SEED: Final = 20_131_007
SAMPLES: Final = 4_000
MEMBERS_MIN: Final = 5  # fewer have no interval
DPI: Final = 90
KINDS: Final = ("10m", "30m", "2h", "day")
NAMES: Final = {
    "10m": "10 minutes",
    "30m": "30 minutes",
    "1h": "1 hour",
    "2h": "2 hours",
    "day": "all day",
}

Row = dict[str, str]
Numbers = np.ndarray[Any, np.dtype[np.float64]]


def rows_of(record: dict[str, Any], key: str, names: Sequence[str]) -> list[Row]:
    """The lines of all parts, with the part's day."""
    found = []
    for part in record["results"]:
        day = str(part.get("from", ""))[:10]
        found += [{"day": day, **dict(zip(names, line.split(","), strict=True))} for line in part.get(key, [])]
    return found


def interval(values: Numbers, clusters: Sequence[str]) -> tuple[float, float] | None:
    """The middle 95 % of the mean over resampled clusters: schedules of one symbol and day are not independent."""
    names = sorted(set(clusters))
    if len(names) < MEMBERS_MIN:
        return None
    of = np.array([names.index(name) for name in clusters])
    sums = np.bincount(of, weights=values, minlength=len(names))
    counts = np.bincount(of, minlength=len(names))
    drawn = np.random.default_rng(SEED).integers(0, len(names), (SAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def root_interval(vwap: Numbers, twap: Numbers, clusters: Sequence[str]) -> tuple[float, float] | None:
    """The same of the difference of two root mean squares."""
    names = sorted(set(clusters))
    if len(names) < MEMBERS_MIN:
        return None
    of = np.array([names.index(name) for name in clusters])
    drawn = np.random.default_rng(SEED).integers(0, len(names), (SAMPLES, len(names)))
    counts = np.bincount(of, minlength=len(names))[drawn].sum(axis=1)
    first, second = (
        np.sqrt(np.bincount(of, weights=each**2, minlength=len(names))[drawn].sum(axis=1) / counts)
        for each in (vwap, twap)
    )
    low, high = np.percentile(second - first, (2.5, 97.5))
    return float(low), float(high)


def _numbers(rows: Sequence[Row], name: str) -> Numbers:
    return np.array([float(row[name]) for row in rows if row[name] != ""], float)


def _range(found: tuple[float, float] | None, places: int = 2) -> str:
    return "–" if found is None else f"{found[0]:.{places}f} to {found[1]:.{places}f}"


# ---- tables ----------------------------------------------------------------------------------------------------
def pair_table(pairs: Sequence[Row], what: str) -> list[str]:
    """VWAP against TWAP, same symbol, side, size and slices; `what`: error (as executed) or plan."""
    lines = [
        "| length | n | days × symbols | mean distance: vwap | twap | twap − vwap | 95 % | vwap nearer "
        "| root mean square: vwap | twap | twap − vwap | 95 % | deviation: vwap | twap |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in (*KINDS, ""):
        mine = [row for row in pairs if kind in ("", row["kind"]) and row[f"vwap_{what}_bp"] != ""]
        if not mine:
            continue
        signed = [_numbers(mine, f"{name}_{what}_bp") for name in ("vwap", "twap")]
        vwap, twap = (np.abs(each) for each in signed)
        clusters = [f"{row['day']} {row['symbol']}" for row in mine]
        symbols = np.array([row["symbol"] for row in mine])
        won, even = int((vwap < twap).sum()), int((vwap == twap).sum())
        roots = [float(np.sqrt((each**2).mean())) for each in signed]
        spread = [_deviation(each, symbols) for each in signed]
        lines.append(
            f"| {NAMES.get(kind, '**all**')} | {len(mine)} | {len(set(clusters))} | {vwap.mean():.2f} bp "
            f"| {twap.mean():.2f} bp | {(twap - vwap).mean():+.2f} bp | {_range(interval(twap - vwap, clusters))} "
            f"| {won} of {len(mine)}{f', {even} even' if even else ''} | {roots[0]:.2f} bp | {roots[1]:.2f} bp "
            f"| {roots[1] - roots[0]:+.2f} bp | {_range(root_interval(signed[0], signed[1], clusters))} "
            f"| {spread[0]:.2f} bp | {spread[1]:.2f} bp |"
        )
    return lines


def first_table(pairs: Sequence[Row]) -> list[str]:
    """Whether it matters who begins."""
    lines = ["| first | n | vwap: mean distance | twap: mean distance | twap − vwap |", "|---|---|---|---|---|"]
    for algo in ("vwap", "twap"):
        mine = [row for row in pairs if row["first"] == algo]
        if mine:
            vwap, twap = (np.abs(_numbers(mine, f"{name}_error_bp")) for name in ("vwap", "twap"))
            lines.append(
                f"| {algo} | {len(mine)} | {vwap.mean():.2f} bp | {twap.mean():.2f} bp "
                f"| {(twap - vwap).mean():+.2f} bp |"
            )
    return lines


def left_out(record: dict[str, Any]) -> str:
    """The pairs that are in no table, each with why."""
    found = [f"{part.get('from', '')[:10]} {text}" for part in record["results"] for text in part.get("left_out", [])]
    if not found:
        return "No planned pair is left out."
    return "\n".join(["Pairs that are left out, each for a reason that does not depend on its prices:", ""] + [
        f"- {text}" for text in found
    ])  # fmt: skip


MONEY: Final = ("executed", "over-filled", "the books hold", "the broker says", "unknown to the broker", "done with")


def _failures(found: Sequence[str]) -> str:
    """In a sentence; the record lists them."""
    if not found:
        return "Failures: none."
    money = sum(any(word in text for word in MONEY) for text in found)
    return f"""Failures: {len(found)}, in the record; {money} of them of sums or ledgers, the others of schedules
that were held up. The machine was shared: where it did something else for seconds the market went on for minutes, data
had gaps and answers were late. What was held up went on, or was cut off at the end; such pairs do not count."""


def alone_table(found: Sequence[tuple[str, str, str, float, float]]) -> list[str]:
    """Weights by the curve against even ones."""
    lines = [
        "| length | windows | vwap: mean distance | twap: mean distance | twap − vwap | 95 % | vwap nearer |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(length for length, *_ in found):
        mine = [each for each in found if each[0] == kind]
        curve, even = (np.array([each[at] for each in mine]) for at in (3, 4))
        clusters = [f"{day} {symbol}" for _, symbol, day, *_ in mine]
        lines.append(
            f"| {NAMES.get(kind, kind)} | {len(mine)} | {curve.mean():.3f} bp | {even.mean():.3f} bp "
            f"| {(even - curve).mean():+.3f} bp | {_range(interval(even - curve, clusters), 3)} "
            f"| {int((curve < even).sum())} of {len(mine)} |"
        )
    return lines


def _deviation(values: Numbers, symbols: Any) -> float:
    """Standard deviation about each symbol's own mean: what the spread costs on average is no tracking error."""
    left = np.concatenate([values[symbols == name] - values[symbols == name].mean() for name in set(symbols.tolist())])
    return float(np.sqrt((left**2).mean()))


def algo_table(rows: Sequence[Row]) -> list[str]:
    """What became of the schedules of each algorithm."""
    lines = [
        "| algo | n | bought, sold | size, % of the average day | filled whole | orders, executions (median) "
        "| against arrival, bp | 95 % | against VWAP, bp | all in, bp |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for algo in sorted({row["algo"] for row in rows}):
        mine = [row for row in rows if row["algo"] == algo]
        traded = [row for row in mine if row["arrival_bp"] != ""]
        sizes = _numbers(mine, "size_bp") / 100
        arrival = _numbers(traded, "arrival_bp")
        clusters = [f"{row['day']} {row['symbol']}" for row in traded]
        vwap, total = _numbers(mine, "vwap_bp"), _numbers(mine, "total_bp")
        bought = sum(row["side"] == "BUY" for row in mine)
        lines.append(
            f"| `{algo}` | {len(mine)} | {bought}, {len(mine) - bought} | {sizes.min():.2f} to {sizes.max():.2f} "
            f"| {sum(float(row['filled_pct'] or 0) == 100 for row in mine)} "
            f"| {np.median(_numbers(mine, 'orders')):.0f}, {np.median(_numbers(mine, 'executions')):.0f} "
            f"| {arrival.mean():.2f} | {_range(interval(arrival, clusters))} | {vwap.mean():.2f} | {total.mean():.2f} |"
            if len(traded) and len(vwap)
            else f"| `{algo}` | {len(mine)} | | | | | | | | |"
        )
    return lines


def unfilled_table(rows: Sequence[Row]) -> list[str]:
    """Those that ended with a rest, by book."""
    rest = [row for row in rows if float(row["filled_pct"] or 0) != 100]
    names = sorted({row["book"].split("_", 1)[1] for row in rest})
    lines = ["| book | n | ended | filled (median) | why |", "|---|---|---|---|---|"]
    for name in names:
        mine = [row for row in rest if row["book"].split("_", 1)[1] == name]
        states = ", ".join(sorted({row["state"].lower() for row in mine}))
        filled = np.median([float(row["filled_pct"] or 0) for row in mine])
        lines.append(f"| {name} | {len(mine)} | {states} | {filled:.1f} % | {WHY.get(name, 'time')} |")
    return lines if rest else ["None."]


WHY: Final = {
    "pov": "time: a tenth of the volume was less than the order",
    "capped": "its cap of 3 % of the volume, and it need not complete",
    "limited": "its limit, 3 bp from the arrival, and it need not complete",
}


def day_table(record: dict[str, Any]) -> list[str]:
    """The parts."""
    lines = [
        "| from | until | schedules | orders | executions | market rows | refusals by control | failures |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part in record["results"]:
        refusals = ", ".join(f"{name}: {count}" for name, count in part.get("refusals", {}).items()) or "none"
        of = part.get("of", {})
        orders = sum(int(line.split(",")[LINE.index("orders")]) for line in part.get("schedules", []))
        lines.append(
            f"| {part.get('from', '').replace('T', ' ')} | {part.get('until', '')[11:]} "
            f"| {of.get('schedules', 0)} | {orders:,} "
            f"| {of.get('fills', 0):,} | {of.get('rows', 0):,} | {refusals} | {of.get('failures', 0)} |"
        )
    return lines


# ---- pictures --------------------------------------------------------------------------------------------------
def _figure(width: int, height: float) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt.subplots(1, width, figsize=(4.6 * width, height), squeeze=False, layout="constrained")


def draw_days(record: dict[str, Any], path: Path) -> None:
    """How far ahead of the market's volume the two all-day schedules of each symbol were: the first day there is."""
    part = next(part for part in record["results"] if part.get("pictures"))
    figure, axes = _figure(len(part["pictures"]), 3.6)
    for axis, (symbol, lines) in zip(axes[0], part["pictures"].items(), strict=True):
        cells = [line.split(",") for line in lines]
        hours = [int(clock[:2]) + int(clock[3:5]) / 60 for clock, *_ in cells]
        market, vwap, twap = (np.array([float(cell[at]) for cell in cells]) * 100 for at in (1, 2, 3))
        axis.plot(hours, market, color="0.6", linewidth=4.0, label="volume of the market")
        axis.plot(hours, vwap, linewidth=1.4, label="vwap")
        axis.plot(hours, twap, "--", linewidth=1.4, label="twap")
        axis.set(title=f"{symbol}, {part['from'][:10]}", xlabel="hour, New York", ylabel="done, %")
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=DPI)


def draw_pairs(pairs: Sequence[Row], path: Path) -> None:
    """Every pair: the two errors."""
    figure, axes = _figure(2, 4.2)
    for axis, symbol in zip(axes[0], ("BAC", "IBM"), strict=True):
        most = 0.1
        for kind in KINDS:
            mine = [row for row in pairs if row["symbol"] == symbol and row["kind"] == kind]
            vwap, twap = (np.abs(_numbers(mine, f"{name}_error_bp")) for name in ("vwap", "twap"))
            axis.plot(twap, vwap, "o", markersize=4, alpha=0.7, label=NAMES[kind])
            most = max([most, *vwap, *twap])
        axis.plot([0, most], [0, most], color="0.7", linewidth=0.8)
        axis.set(
            title=f"{symbol}: below the line vwap is nearer", xlabel="error of twap, bp", ylabel="error of vwap, bp"
        )
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=DPI)


def draw_costs(rows: Sequence[Row], path: Path) -> None:
    """What each schedule cost against its arrival, by size; and what it was expected to."""
    figure, axes = _figure(2, 4.2)
    algos = sorted({row["algo"] for row in rows})
    for axis, symbol in zip(axes[0], ("BAC", "IBM"), strict=True):
        for algo in algos:
            mine = [row for row in rows if row["symbol"] == symbol and row["algo"] == algo and row["arrival_bp"] != ""]
            axis.plot(_numbers(mine, "size_bp") / 100, _numbers(mine, "arrival_bp"), ".", label=algo)
        axis.axhline(0.0, color="0.7", linewidth=0.8)
        axis.set(title=symbol, xlabel="size, % of the average day", ylabel="against arrival, bp", xscale="log")
    axes[0][1].legend(fontsize=6, ncols=2)
    figure.savefig(path, dpi=DPI)


# ---- page ------------------------------------------------------------------------------------------------------
def page(record: dict[str, Any], alone: Sequence[str], *, name: str, note: str = "") -> str:
    """The report's text."""
    rows, pairs = rows_of(record, "schedules", LINE), rows_of(record, "pairs", PAIR_LINE)
    counts = record["counts"]
    speeds = sorted({part.get("speed", 0) for part in record["results"]})
    days = sorted({row["day"] for row in rows})
    sizes = _numbers(rows, "size_bp") / 100
    filled = sum(float(row["filled_pct"] or 0) == 100 for row in rows)
    sections: list[tuple[str, Callable[[], list[str]]]] = [
        ("By algorithm", lambda: algo_table(rows)),
        ("With a rest", lambda: unfilled_table(rows)),
        ("By day", lambda: day_table(record)),
    ]
    head = f"""\
# Schedules on recorded days, through the gateway

Made by `python -m tests.execution_page` from
[drills/{name}](drills/{name}), the record of `make drill NAME=execution` at commit {record["commit"][:12]}; the
numbers are whatever came out.

{len(rows)} schedules in BAC and IBM on {len(days)} recorded days ({days[0]} to {days[-1]}): {sizes.min():.2f} to
{sizes.max():.2f} % of the average day, both sides. Those below a tenth of a per cent go on with the rest of one that
had to complete. Trader and paper gateway are two processes that meet over TCP, at
{" and ".join(f"{speed:g}" for speed in speeds)} times real time; every control is on.
{filled} were filled whole. {int(_numbers(rows, "orders").sum()):,} orders, {counts.get("fills", 0):,} executions:
for every schedule the sum of its children's executions is its progress in the books, the sum over schedules is the
position, the books are the journal's, and positions, cash and every execution are the venue's account's.
{_failures(record["failures"])}{note and chr(10) + note}

## VWAP against TWAP, traded

A pair is two books that trade the same quantity on the same side over the same time, in as many slices and with the
same execution settings. One begins half a slice after the other, so that its slices lie between the other's and it
does not find the size at the touch that the other has just taken; who is first alternates from pair to pair. Every
planned pair counts whose second began within a slice of its first and of which both were filled whole. As executed:
the average price against the market's volume-weighted price between the schedule's own arrival and end, without our
trades. *Distance* is its size, *deviation* its standard deviation about the mean of the symbol, because what the
spread costs on average is not a matter of tracking. The intervals are a bootstrap over days and symbols: pairs of one
day and symbol see one market.

{chr(10).join(pair_table(pairs, "error"))}

{left_out(record)}

{chr(10).join(first_table(pairs))}

The schedules alone, as if each slice had traded at the market's own volume-weighted price of its time, by the recorded
trades that may move "last": what the weights do, without spread and luck.

{chr(10).join(pair_table(pairs, "plan"))}

![Errors](images/execution_pairs.png)

![All day](images/execution_days.png)

The trader's volume curve, average volume and closes came the ordinary way, by historical requests. The gateway answered
them with the minute bars of the **other four** recorded days, dated as the sessions before the day under test
(`[gateway.market] history`): nothing of a day is in its own curve, but the four are not the days that came before it;
some came after. A curve wants twenty days; of four it is their median.

## VWAP against TWAP, weights alone

Every window of a length on the five days, without a venue: the trader's own `vwap` weights by the median volume curve
of the other four days of the name, against even parts, each slice at the market's volume-weighted price of its time.

{chr(10).join(alone)}

Five days of two names are ten days times symbols: the intervals are over these ten, and ten days prove little.
"""
    tail = f"""
![Costs](images/execution_costs.png)

Costs are against the recorded quotes: the venue fills against displayed size, which counts as shown again a second
after we took it, and knows no lasting impact. What so much volume would have moved is not in these numbers.

## Limits

Set as an operator would for these sizes, on an account of four billion; limits that compare the market's clock with
this machine's time, and time-outs, were multiplied by the speed. All others have their factory value.

```toml
{LIMITS.strip()}
```
"""
    middle = "".join(f"\n## {title}\n\n{chr(10).join(lines())}\n" for title, lines in sections)
    return head + middle + tail


def main(arguments: Sequence[str]) -> int:
    """Write it all."""
    source = Path(arguments[0])
    record = msgspec.json.decode(source.read_bytes())
    rows, pairs = rows_of(record, "schedules", LINE), rows_of(record, "pairs", PAIR_LINE)
    draw_days(record, IMAGES / "execution_days.png")
    draw_pairs(pairs, IMAGES / "execution_pairs.png")
    draw_costs(rows, IMAGES / "execution_costs.png")
    folder = market_data()
    alone = ["No recorded market data here."] if folder is None else alone_table(list(compared(folder)))
    (DOCS / "execution_report.md").write_text(page(record, alone, name=source.name, note=" ".join(arguments[1:])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
