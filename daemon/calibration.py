"""`quantd costs calibrate`: from the schedules of a journal to the few ratios that the fit wants, and from what it
found to the file that a config names. The fit itself is `python -m research.impact`, a process of its own: daemon and
research do not know each other's modules. Decides nothing and changes nothing that runs.

Of each schedule: how large it was, how fast against what others traded meanwhile, what it paid beyond half the spread,
and where the mid stood half an hour after its last execution (or five minutes, or one). A schedule of which one of
these is not known is left out and counted. The day's volatility is that of the minutes in which nothing of ours was
traded, nor shortly before: what we move is not the market's.
"""

from collections import Counter
from math import sqrt
from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core.errors import ConfigError, QuantdError
from core.sessions import Session
from core.units import BP, NANO
from daemon.tca.measure import LIVE, ParentRow, measure
from daemon.tca.reading import Findings, quotes
from daemon.tca.trail import Trail
from daemon.training import run_module
from execution.costs import Fitted
from execution.tca import HORIZONS_MIN

MODULE: Final = "research.impact"
FIT_SECONDS_MAX: Final = 600.0
SESSION_MINUTES: Final = 390  # where no session table says
USED_MAX: Final = 100_000
MINUTE_NS: Final = 60 * NANO
AFTER_NS: Final = 300 * NANO  # so long after a schedule its minutes do not count
MOVES_MIN: Final = 30  # fewer quiet minutes say nothing: then all of the day's count
_NAMES: Final = ("gamma", "eta", "beta", "y")


class Usable(msgspec.Struct, frozen=True, kw_only=True):
    """What the schedules of a journal give: the fit's input, its days, and why the others were left out."""

    trades: list[dict[str, float]]
    first: int
    last: int
    left_out: dict[str, int]


def usable(found: Findings, journal: Path) -> Usable:
    """The ratios of every schedule that has them."""
    volatility = quiet_volatility(found, journal)
    trades: list[dict[str, float]] = []
    dates: list[int] = []
    left_out: Counter[str] = Counter()
    for row, trail in zip(measure(found), found.trails, strict=True):
        trade = _trade(found, row, trail, volatility.get((trail.opening.inst, trail.date), 0.0))
        if isinstance(trade, str):
            left_out[trade] += 1
        elif len(trades) < USED_MAX:
            trades.append(trade)
            dates.append(row.date)
    return Usable(
        trades=trades, first=min(dates, default=0), last=max(dates, default=0),
        left_out=dict(sorted(left_out.items())),
    )  # fmt: skip


def fit(trades: list[dict[str, float]]) -> dict[str, Any]:
    """What the fit says. Raises QuantdError in its own words."""
    done = run_module(MODULE, document=msgspec.json.encode(trades), capture_output=True, timeout=FIT_SECONDS_MAX)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise QuantdError(f"costs calibrate: {lines[-1]}")
    told: dict[str, Any] = msgspec.json.decode(done.stdout)
    return told


def fitted(told: dict[str, Any], last: int) -> Fitted:
    """As the config carries it. Raises ConfigError when a parameter is one that no market has."""
    values: dict[str, Any] = {"until": last, "schedules": told["trades"]}
    for name in _NAMES:
        found = told[name]
        values |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
    for name in ("gamma", "eta"):
        if values[name] <= 0.0:
            raise ConfigError(f"{name} is {values[name]:.4g}: these schedules do not show their impact; bring more")
    return Fitted(**values)


def write(path: Path, table: Fitted, first: int) -> None:
    """The file, whole or not at all. Raises ConfigError."""
    lines = [
        f"# Impact parameters of own fills, by quantd costs calibrate: {table.schedules} schedules of {first} to "
        f"{table.until}; 95 % intervals.",
        *(f"{name} = {value!r}" for name, value in msgspec.structs.asdict(table).items()),
        "",
    ]
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_text("\n".join(lines), encoding="utf-8")
        draft.replace(path)
    except OSError as fault:
        raise ConfigError(f"--write {path}: {fault.strerror}: name a file that can be written") from fault


def quiet_volatility(found: Findings, journal: Path) -> dict[tuple[int, int], float]:
    """Standard deviation of a day's return, by instrument and date, from the minutes without us; in bp."""
    busy: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for trail in found.trails:
        busy.setdefault((trail.opening.inst, trail.date), []).append((trail.opened_ns, trail.end_ns + AFTER_NS))
    questions: list[tuple[int, int]] = []
    spans: list[tuple[tuple[int, int], int, bool]] = []  # key, first question, whether its move counts
    for key, windows in busy.items():
        session = _session(found, *key)
        if session is None:
            continue
        for minute_ns in range(session.open_ns, session.close_ns + 1, MINUTE_NS):
            quiet = not any(begin < minute_ns + MINUTE_NS and minute_ns < end for begin, end in windows)
            spans.append((key, len(questions), quiet and minute_ns + MINUTE_NS <= session.close_ns))
            questions.append((key[0], minute_ns))
    mids = [bid + ask for bid, ask in quotes(journal, questions)]
    squares: dict[tuple[int, int], list[float]] = {}
    for key, at, quiet in spans:
        if quiet and mids[at] and mids[at + 1]:
            squares.setdefault(key, []).append(((mids[at + 1] - mids[at]) / mids[at] * BP) ** 2)
    result = {}
    for key in busy:
        moves, day = squares.get(key, []), found.market.days.get(key)
        usual = 0.0 if day is None else day.sigma_bp
        minute = sqrt(sum(moves) / len(moves)) if len(moves) >= MOVES_MIN else usual
        result[key] = minute * sqrt(_minutes(found, *key))
    return result


def _trade(found: Findings, row: ParentRow, trail: Trail, sigma_bp: float) -> dict[str, float] | str:
    """The ratios of one schedule, or what is not known of it."""
    adv = found.adv_nanos.get((trail.opening.inst, trail.date), 0)
    if not row.filled_nanos:
        return "nothing was filled"
    if trail.opening.purpose == c.INTENT_FLATTEN:
        return "a flatten"
    if not adv or not row.arrival_px_nanos:
        return "no average volume or no price is known"
    if sigma_bp <= 0.0:
        return "no volatility is known"
    points = found.market.points
    volume = points[trail.end].volume_nanos - points[trail.arrival].volume_nanos
    others = volume - (row.filled_nanos if found.tables.mode == LIVE else 0)
    if others <= 0:
        return "nobody else traded meanwhile"
    later = _later(found, trail)
    if later is None:
        return "no quote after it"
    spread = _spread_paid(row)
    if spread is None:
        return "an execution without a quote"
    side, arrival = trail.opening.side, row.arrival_px_nanos
    minutes, mid = later
    value = sum(fill.qty_nanos * (fill.px_nanos - arrival) for fill in row.executions)
    return {
        "size": row.filled_nanos / adv,
        "days": others / adv,
        "wait_days": minutes / _minutes(found, trail.opening.inst, trail.date),
        "volatility": sigma_bp / BP,
        "cost": (side * value - spread) / row.filled_nanos / arrival,
        "stayed": side * (mid - arrival) / arrival,
    }


def _session(found: Findings, inst: int, date: int) -> Session | None:
    table = found.tables.table_of(inst)
    return next((session for session in (() if table is None else table.sessions) if session.date == date), None)


def _minutes(found: Findings, inst: int, date: int) -> float:
    session = _session(found, inst, date)
    return float(SESSION_MINUTES) if session is None else (session.close_ns - session.open_ns) / MINUTE_NS


def _later(found: Findings, trail: Trail) -> tuple[int, int] | None:
    """Minutes after the last execution and the mid then, as late as is known."""
    last = max(trail.fills, key=lambda fill: fill.told_ns)
    mids = found.market.mids_nanos(last.later)
    for minutes, mid in sorted(zip(HORIZONS_MIN, mids, strict=True), reverse=True):
        if mid > 0:
            return minutes, mid
    return None


def _spread_paid(row: ParentRow) -> float | None:
    """Half the spread of what took, less half of what rested: sum of quantity times price difference."""
    paid = 0.0
    for fill in row.executions:
        if fill.bid_px_nanos <= 0 or fill.ask_px_nanos <= 0:
            return None
        half = fill.qty_nanos * (fill.ask_px_nanos - fill.bid_px_nanos) / 2
        paid += -half if fill.liquidity == "added" else half
    return paid
