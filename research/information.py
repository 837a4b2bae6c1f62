"""How much each feature knows of the mid's next moves, tick by tick and on what a market-data line leaves of the ticks.

    python -m research.information --symbols BAC IBM --into docs FILE.parquet ...

Both profiles are read at the same moments, once a second in the middle of a slot of the line, where its last row is of
average age, and judged by the same moves, those of the full tape: what differs is what the conflation took. The number
is Spearman's rank correlation, one per day, symbol, feature and horizon; its standard error comes from the days alone,
because moves within a day overlap and its moments are not independent. Owns the numbers and the command;
information_page.py writes them down.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from broker.feeds.columns import Rows
from broker.feeds.replay import read_rows
from broker.feeds.spec import BATCH_ROWS_MAX, ReplaySpec, SyntheticInstrument, SyntheticSpec
from broker.feeds.synthetic import read_rows as synthetic_rows
from broker.sim.conflator import conflate
from core.errors import ConfigError, QuantdError
from core.profiles import L1_250, TBT
from core.rows import PRINT, QUOTE
from core.units import NANO
from research.correlation import ranks
from research.sampling import Day, Floats, sample
from strategies.features.catalogue import CATALOGUE, INDEX

HORIZONS_S: Final = (1, 5, 30, 60, 300)
# Time of day is no property of the order book.
FEATURES: Final = tuple(row.name for row in CATALOGUE if row.name not in ("day_fraction", "to_close"))
AGES_MS: Final = (0, 125, 240)  # from the end of a slot to nearly the next
MIDDLE_MS: Final = 125
AGED_FEATURES: Final = ("ret_1s", "micro_gap", "queue_imbalance", "ofi_4s", "trade_imbalance_4s")
PAIRS_MIN: Final = 100  # fewer moments than this on a day are no coefficient
# Two-sided 5 % points of Student's t for 1, 2, … degrees of freedom: on five days two standard errors are not enough.
_T_5_PERCENT: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_T_MANY: Final = 2.0
_HALF: Final = 0.5
_QUARTER: Final = 0.25
_ZONE: Final = "America/New_York"
_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = 1_000_000
_DAY_NS: Final = 86_400 * NANO
_SESSION_NS: Final = 23_400 * NANO
CONTROL_DAYS: Final = 10

Sessions = Sequence[tuple[int, int]]

SILENT, LIVES, WEAKER, STRONGER, DIES, APPEARS = "silent", "lives", "weaker", "stronger", "dies", "appears"


class Coefficient(NamedTuple):
    """A rank correlation by day, and their mean with its standard error."""

    days: tuple[float, ...]
    pairs: int  # moments of all days

    @property
    def mean(self) -> float:
        """Mean of the days; NaN without one."""
        return sum(self.days) / len(self.days) if self.days else float("nan")

    @property
    def error(self) -> float:
        """Standard error of the mean by day blocks; NaN with fewer than two days."""
        if len(self.days) < 2:
            return float("nan")
        return float(np.std(self.days, ddof=1)) / math.sqrt(len(self.days))

    @property
    def limit(self) -> float:
        """How many standard errors a mean must be away from zero; infinite with fewer than two days."""
        freedom = len(self.days) - 1
        if freedom < 1:
            return float("inf")
        return _T_5_PERCENT[freedom - 1] if freedom <= len(_T_5_PERCENT) else _T_MANY

    @property
    def speaks(self) -> bool:
        """Whether the mean differs from zero at 5 %, by the days alone."""
        return len(self.days) > 1 and abs(self.mean) > self.limit * self.error


class Finding(NamedTuple):
    """One feature of one symbol at one horizon, on both profiles."""

    symbol: str
    feature: str
    seconds: int
    full: Coefficient  # tick by tick
    line: Coefficient  # 250 ms

    @property
    def loss(self) -> Coefficient:
        """What the line takes away, day by day: positive when it weakens the coefficient of the full tape."""
        side = 1.0 if self.full.mean >= 0.0 else -1.0
        lost = (side * (full - line) for full, line in zip(self.full.days, self.line.days, strict=True))
        return Coefficient(tuple(lost), self.full.pairs)

    @property
    def verdict(self) -> str:
        """SILENT: speaks on neither. APPEARS: on the line only. DIES: on the full tape, but on the line less than half
        of it is left, or the sign turned, or it no longer speaks after a loss of a quarter that does. WEAKER,
        STRONGER: the loss speaks, either way. LIVES: all else.
        """
        if not self.full.speaks:
            return APPEARS if self.line.speaks else SILENT
        loss = self.loss
        lost = loss.mean / abs(self.full.mean)
        if lost > _HALF or (lost > _QUARTER and loss.speaks and not self.line.speaks):
            return DIES
        if loss.speaks:
            return WEAKER if loss.mean > 0.0 else STRONGER
        return LIVES


class Aged(NamedTuple):
    """The same coefficient with the line's last row so and so old."""

    age_ms: int
    finding: Finding


class Report(NamedTuple):
    """Everything the page tells."""

    symbols: tuple[str, ...]
    days: tuple[str, ...]
    findings: tuple[Finding, ...]
    aged: tuple[Aged, ...]  # a few features at the shortest horizon
    control: tuple[Finding, ...]  # a made-up market without memory, at the longest horizon
    quotes: dict[str, tuple[int, int]]  # symbol -> within regular hours, tick by tick and on the line
    prints: dict[str, tuple[int, int]]


def rank_ic(feature: NDArray[np.floating], move: NDArray[np.floating]) -> float:
    """Spearman's rank correlation; NaN when either side never changes or there are too few."""
    if len(feature) < PAIRS_MIN:
        return float("nan")
    return _correlation(ranks(feature), ranks(move))


def _correlation(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 0.0 else float("nan")


def coefficients(views: Sequence[Sequence[Day]], *, inst: int, feature: str, seconds: int) -> list[Coefficient]:
    """One coefficient per view of the same days, over the moments at which every view can tell the feature. Moves are
    the first view's.
    """
    at = INDEX[feature]
    found: list[list[float]] = [[] for _ in views]
    pairs = 0
    for day in zip(*views, strict=True):
        moves = day[0].moves_bp(inst, seconds)
        told = ~np.isnan(moves)
        for view in day:
            told &= view.ready(inst, at)
        each = [rank_ic(view.values[told, inst, at], moves[told]) for view in day]
        if not any(np.isnan(each)):
            pairs += int(told.sum())
            for kept, one in zip(found, each, strict=True):
                kept.append(one)
    return [Coefficient(tuple(kept), pairs) for kept in found]


def regular_hours(first_ns: int, last_ns: int) -> list[tuple[int, int]]:
    """09:30 to 16:00 New York of every weekday from one moment to another: ordinary days; it knows no holiday."""
    zone = ZoneInfo(_ZONE)
    found = []
    day = (_EPOCH + timedelta(microseconds=first_ns // 1_000)).astimezone(zone).date()
    while (open_ns := _at(day, _OPEN, zone)) <= last_ns:
        if day.weekday() < 5 and _at(day, _CLOSE, zone) > first_ns:
            found.append((open_ns, _at(day, _CLOSE, zone)))
        day += timedelta(days=1)
    return found


def _at(day: date, moment: time, zone: ZoneInfo) -> int:
    return (datetime.combine(day, moment, tzinfo=zone) - _EPOCH) // timedelta(microseconds=1) * 1_000


def measure(rows: Rows, *, symbols: Sequence[str], sessions: Sessions) -> Report:
    """Every feature of every symbol at every horizon. Symbol i is instrument i; each one's leader is the next."""
    leaders = [(at + 1) % len(symbols) if len(symbols) > 1 else -1 for at in range(len(symbols))]
    line = conflate(rows, profile=L1_250)
    findings: list[Finding] = []
    aged: list[Aged] = []
    for age_ms in AGES_MS:
        views = [
            sample(tape, profile=profile, leaders=leaders, sessions=sessions, offset_ns=age_ms * _MS)
            for tape, profile in ((rows, TBT), (line, L1_250))
        ]
        aged += [Aged(age_ms, one) for one in _findings(views, symbols, AGED_FEATURES, HORIZONS_S[:1])]
        if age_ms == MIDDLE_MS:
            findings = list(_findings(views, symbols, FEATURES, HORIZONS_S))
    return Report(
        symbols=tuple(symbols),
        days=tuple(datetime.fromtimestamp(open_ns // NANO, UTC).date().isoformat() for open_ns, _ in sessions),
        findings=tuple(findings),
        aged=tuple(aged),
        control=control(days=CONTROL_DAYS),
        quotes=_counts((rows, line), QUOTE, symbols, sessions),
        prints=_counts((rows, line), PRINT, symbols, sessions),
    )


def control(*, days: int) -> tuple[Finding, ...]:
    """Every feature at the longest horizon in a made-up market whose value is a random walk: what speaks here is the
    measure's own doing, or the rounding of the value to a price.
    """
    open_ns = _at(date(2026, 1, 5), _OPEN, ZoneInfo(_ZONE))
    sessions = tuple((open_ns + day * _DAY_NS, open_ns + day * _DAY_NS + _SESSION_NS) for day in range(days))
    instruments = tuple(
        SyntheticInstrument(
            symbol=symbol, inst=inst, px_nanos=px * NANO, tick_nanos=NANO // 100, lot_nanos=100 * NANO,
            reversion_ticks=0.0,
        )
        for inst, (symbol, px) in enumerate((("A", 14), ("B", 180)))
    )  # fmt: skip
    market = SyntheticSpec(seed=1, instruments=instruments, sessions=sessions, batch_rows=BATCH_ROWS_MAX)
    rows = np.concatenate(list(synthetic_rows(market)))
    view = sample(rows, profile=TBT, leaders=(1, 0), sessions=sessions)
    return tuple(_findings((view, view), ("A", "B"), FEATURES, HORIZONS_S[-1:]))


def _findings(
    views: Sequence[Sequence[Day]], symbols: Sequence[str], features: Sequence[str], horizons_s: Sequence[int]
) -> Iterator[Finding]:
    for inst, symbol in enumerate(symbols):
        for feature in features:
            for seconds in horizons_s:
                full, line = coefficients(views, inst=inst, feature=feature, seconds=seconds)
                yield Finding(symbol, feature, seconds, full, line)


def _counts(tapes: Sequence[Rows], kind: int, symbols: Sequence[str], sessions: Sessions) -> dict[str, tuple[int, int]]:
    edges = np.array(sessions).reshape(-1)
    counted = []
    for rows in tapes:
        inside = np.searchsorted(edges, rows["ts_ns"], side="right") % 2 == 1
        counted.append(np.bincount(rows["inst"][inside & (rows["kind"] == kind)], minlength=len(symbols)).tolist())
    return {symbol: (counted[0][at], counted[1][at]) for at, symbol in enumerate(symbols)}


def read_tape(files: Sequence[str], symbols: Sequence[str]) -> Rows:
    """All rows of recorded files as one array. Raises ConfigError naming the file or symbol."""
    spec = ReplaySpec(
        files=tuple(files), symbols={symbol: at for at, symbol in enumerate(symbols)}, other_symbols="skip",
        batch_rows=BATCH_ROWS_MAX,
    )  # fmt: skip
    batches = list(read_rows(spec))
    if not batches:
        raise ConfigError(f"{files[0]}: no row of {', '.join(symbols)}: name other files or symbols")
    return np.concatenate(batches)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `python -m research.information`."""
    parser = argparse.ArgumentParser(prog="python -m research.information", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="+", metavar="FILE", help="Parquet tape of quotes or trades")
    parser.add_argument("--symbols", nargs="+", required=True, help="symbols in the files")
    parser.add_argument("--into", type=Path, required=True, help="folder that gets information.md and images/")
    chosen = parser.parse_args(arguments)
    from research.information_page import write  # imports matplotlib

    try:
        rows = read_tape(chosen.files, chosen.symbols)
        sessions = regular_hours(int(rows["ts_ns"][0]), int(rows["ts_ns"][-1]))
        if not sessions:
            raise ConfigError(f"{chosen.files[0]}: no row within regular hours of a weekday: name other files")
        write(measure(rows, symbols=chosen.symbols, sessions=sessions), chosen.into)
    except QuantdError as fault:
        print(fault, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
