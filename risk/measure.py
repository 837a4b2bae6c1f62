"""The slow numbers: value at risk and expected shortfall (historical, and exponentially weighted with lambda 0.94),
stress scenarios, days to exit, names that move together. A pure function of daily closes and of a book; floats live
here, as in features and models, and losses leave as whole cents. Runs in the risk worker, and in a tape's own process.

Losses are positive. A name without enough history is assumed to be as volatile as the limit says, to move against us
whatever its side, and together with all others of its kind: nothing offsets it.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.events import RiskMeasured
from core.units import BP, NANO
from risk.scenarios import SCENARIOS, Scenario

LAMBDA: Final = 0.94  # RiskMetrics, daily
DAYS_MIN: Final = 60  # fewer days of closes are no history
DAYS_MAX: Final = 260  # older ones are another market
HOLES_MAX: Final = 0.1  # part of the days on which a close may be missing; it is carried on
BETA_ASSUMED: Final = 1.5  # to the market, of a name without history, against us
# One day's loss in units of its standard deviation (normal): quantile, and mean beyond it.
NORMAL: Final = {950: (1.6448536269514722, 2.062712807507425), 990: (2.3263478740408408, 2.665214220345808)}
CENT: Final = NANO // 100


class Rules(msgspec.Struct, frozen=True, kw_only=True, tag="rules"):
    """What is measured, by instrument row where it is by instrument."""

    sectors: tuple[str, ...]
    market_inst: int  # whose returns are the market's; -1 = the mean of all
    participation_bp: int  # of a day's volume that may be ours on the way out
    cluster_correlation_bp: int  # names that correlate more move together
    assumed_volatility_bp: int
    scenarios: tuple[Scenario, ...] = SCENARIOS


class History(msgspec.Struct, frozen=True, kw_only=True, tag="history"):
    """Daily closes of one instrument, ascending by date (yyyymmdd)."""

    inst: int
    dates: tuple[int, ...]
    closes_nanos: tuple[int, ...]


class Holding(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One position: signed value, absolute quantity, the name's daily volume (0 = not known)."""

    inst: int
    value_nanos: int
    qty_nanos: int
    adv_nanos: int = 0


class Book(msgspec.Struct, frozen=True, kw_only=True, tag="book"):
    """The account at one moment."""

    as_of_ns: int
    equity_nanos: int
    gross_nanos: int
    holdings: tuple[Holding, ...] = ()


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """One day's loss at a confidence: the quantile, and the mean beyond it."""

    var: float
    cvar: float


def historical(profits: NDArray[np.float64], per_mille: int) -> Tail:
    """From days as they were. The quantile is the smallest loss that `per_mille` of the days do not exceed; the mean is
    over exactly the rest of the days, the last of them in part (Acerbi and Tasche 2002).
    """
    losses = -np.sort(profits)  # worst first
    days = len(losses)
    rest = days * (1_000 - per_mille)  # in thousandths of a day
    whole = rest // 1_000
    part = (rest - whole * 1_000) / 1_000
    worst = float(losses[:whole].sum()) + (part * float(losses[whole]) if part else 0.0)
    return Tail(var=max(0.0, float(losses[whole])), cvar=max(0.0, worst * 1_000 / rest))


def weighted(profits: NDArray[np.float64], per_mille: int) -> Tail:
    """Normal, mean zero, recent days weigh more; `profits` ascend by date."""
    weights = LAMBDA ** np.arange(len(profits) - 1, -1, -1, dtype=np.float64)
    sigma = float(np.sqrt((weights * profits * profits).sum() / weights.sum()))
    quantile, beyond = NORMAL[per_mille]
    return Tail(var=quantile * sigma, cvar=beyond * sigma)


class RiskModel:
    """Returns, betas and clusters of one set of histories; `measure` looks at a book with them."""

    def __init__(self, rules: Rules, histories: Iterable[History]) -> None:
        self.rules = rules
        instruments = len(rules.sectors)
        usable = [found for found in histories if 0 <= found.inst < instruments and len(found.dates) > DAYS_MIN]
        dates, closes = _aligned(usable)
        whole = [at for at in range(len(usable)) if np.isfinite(closes[:, at]).all()] if len(dates) > DAYS_MIN else []
        self.instruments = tuple(usable[at].inst for at in whole)  # by column
        self.column = {inst: column for column, inst in enumerate(self.instruments)}
        prices = closes[:, whole]
        self.returns: NDArray[np.float64] = prices[1:] / prices[:-1] - 1.0 if whole else np.zeros((0, 0))
        self.observations = len(self.returns)
        self.betas = self._betas()
        self.clusters = self._clusters()

    def _betas(self) -> NDArray[np.float64]:
        if not self.instruments:
            return np.zeros(0)
        column = self.column.get(self.rules.market_inst)
        market = self.returns.mean(axis=1) if column is None else self.returns[:, column]
        market = market - market.mean()
        variance = float(market @ market)
        if variance <= 0.0:
            return np.ones(len(self.instruments))
        betas: NDArray[np.float64] = (self.returns - self.returns.mean(axis=0)).T @ market / variance
        return betas

    def _clusters(self) -> tuple[tuple[int, ...], ...]:
        """Names joined by correlations above the threshold, directly or through others."""
        if len(self.instruments) < 2:
            return ()
        moved = self.returns - self.returns.mean(axis=0)
        length = np.sqrt((moved * moved).sum(axis=0))
        moved = moved / np.where(length > 0.0, length, 1.0)
        close = moved.T @ moved > self.rules.cluster_correlation_bp / BP
        seen: dict[int, int] = {}
        groups: list[list[int]] = []
        for first in range(len(close)):
            if first in seen:
                continue
            group, waiting = [first], [first]
            seen[first] = len(groups)
            while waiting:
                for column in np.flatnonzero(close[waiting.pop()]).tolist():
                    if column not in seen:
                        seen[column] = len(groups)
                        group.append(column)
                        waiting.append(column)
            groups.append(group)
        return tuple(tuple(sorted(self.instruments[column] for column in group)) for group in groups if len(group) > 1)

    # ---- one look ----------------------------------------------------------------------------------------------
    def measure(self, book: Book) -> RiskMeasured:
        """All numbers of one book."""
        known = [holding for holding in book.holdings if holding.inst in self.column]
        assumed = [holding for holding in book.holdings if holding.inst not in self.column]
        columns = [self.column[holding.inst] for holding in known]
        values = np.array([holding.value_nanos for holding in known], np.float64)
        guess = sum(abs(holding.value_nanos) for holding in assumed) * self.rules.assumed_volatility_bp / BP
        profits = self.returns[:, columns] @ values if known else np.zeros(max(1, self.observations))
        tails: dict[int, tuple[float, float, Tail]] = {}
        for per_mille, (quantile, beyond) in NORMAL.items():
            days, recent = historical(profits, per_mille), weighted(profits, per_mille)
            more, far = quantile * guess, beyond * guess
            worse = Tail(var=max(days.var, recent.var) + more, cvar=max(days.cvar, recent.cvar) + far)
            tails[per_mille] = (days.var + more, recent.var + more, worse)
        worst = tails[990][2]
        stresses = tuple(
            (scenario.name, _cents(self._loss(scenario, known, columns, assumed, worst.var)))
            for scenario in self.rules.scenarios
        )
        name, loss = max(stresses, key=lambda one: one[1], default=("", 0))
        slowest, milli = self._exit(book.holdings)
        return RiskMeasured(
            as_of_ns=book.as_of_ns,
            var_nanos=_cents(worst.var),
            cvar_nanos=_cents(worst.cvar),
            worst_stress_nanos=loss,
            equity_nanos=book.equity_nanos,
            gross_nanos=book.gross_nanos,
            var95_nanos=_cents(tails[950][2].var),
            cvar95_nanos=_cents(tails[950][2].cvar),
            historical_var_nanos=_cents(tails[990][0]),
            weighted_var_nanos=_cents(tails[990][1]),
            worst_stress=name,
            stresses=stresses,
            days_to_exit_milli=milli,
            slowest_inst=slowest,
            observations=self.observations,
            assumed=tuple(holding.inst for holding in assumed),
            clusters=self.clusters,
        )

    def _loss(
        self, scenario: Scenario, known: list[Holding], columns: list[int], assumed: list[Holding], var: float
    ) -> float:
        """Of one scenario; a gain is no loss."""
        shock = scenario.shock_bp / BP
        if scenario.kind == "volatility":
            return shock * var
        if scenario.kind == "single":
            return max((-holding.value_nanos * shock for holding in (*known, *assumed)), default=0.0)
        if scenario.kind == "market":
            moved = sum(
                -holding.value_nanos * shock * float(self.betas[at]) for holding, at in zip(known, columns, strict=True)
            )
            return moved + sum(max(0.0, -holding.value_nanos * shock * BETA_ASSUMED) for holding in assumed)
        sectors = self.rules.sectors

        def sector(holding: Holding) -> str:
            return sectors[holding.inst]

        by_sector = groupby(sorted((*known, *assumed), key=sector), key=sector)
        return max((-sum(one.value_nanos for one in some) * shock for _, some in by_sector), default=0.0)

    def _exit(self, holdings: tuple[Holding, ...]) -> tuple[int, int]:
        """The position that takes longest at our part of the volume, and its time in thousandths of a day. A name whose
        volume is not known is left out: control 8 takes no entries in it.
        """
        slowest, most = -1, 0
        for holding in holdings:
            pace = holding.adv_nanos * self.rules.participation_bp
            if pace > 0:
                milli = -(-holding.qty_nanos * BP * 1_000 // pace)
                if milli > most:
                    slowest, most = holding.inst, milli
        return slowest, most


def _aligned(histories: list[History]) -> tuple[list[int], NDArray[np.float64]]:
    """Dates that half of the names know, and closes by date and name; holes are carried on, too many make a name
    unusable (NaN). A close carried on gives a day without move and then the whole of two days at once.
    """
    counts: dict[int, int] = {}
    for history in histories:
        for date in history.dates:
            counts[date] = counts.get(date, 0) + 1
    dates = sorted(date for date, count in counts.items() if 2 * count >= len(histories))[-DAYS_MAX:]
    row = {date: at for at, date in enumerate(dates)}
    closes: NDArray[np.float64] = np.full((len(dates), len(histories)), np.nan)
    for at, history in enumerate(histories):
        for date, close in zip(history.dates, history.closes_nanos, strict=True):
            if date in row and close > 0:
                closes[row[date], at] = close
    holes = np.isnan(closes)
    carried: Any = np.maximum.accumulate(np.where(holes, 0, np.arange(len(dates))[:, None]), axis=0)
    closes = np.take_along_axis(closes, carried, axis=0)
    closes[:, holes.mean(axis=0) > HOLES_MAX if len(dates) else slice(0)] = np.nan
    return dates, closes


def _cents(loss: float) -> int:
    """Up to whole cents: what differs by the last bit on another processor is the same number."""
    return -int(-max(0.0, loss) // CENT) * CENT
