"""One schedule measured: the trail and the market in, one flat row of numbers out. Money is exact nanos; bp are
billionths of a basis point, shares millionths; None = cannot be told. docs/tca.md says what each means.
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core import commands as c
from core.ids import SIDE_NAMES
from core.parents import ParentState
from core.units import NANO, div_half_even, notional_nanos, share_of
from daemon.tca.market import DayPrices, Point
from daemon.tca.reading import Findings
from daemon.tca.trail import CROSSED, FillTrail, OrderTrail, Trail
from execution import tca

LIVE: Final = "live"  # only there a tape prints our own executions
NO_DAY: Final = DayPrices()
LIQUIDITY_NAMES: Final = {1: "added", 2: "removed", 3: "routed", CROSSED: "crossed"}


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One execution."""

    order_id: int
    exec_id: str
    qty_nanos: int
    px_nanos: int
    fee_nanos: int
    liquidity: str
    told_ns: int  # our clock
    exchange_ns: int  # the broker's
    bid_px_nanos: int
    ask_px_nanos: int


class ParentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule of the report."""

    parent_id: int
    date: int
    strategy: str
    symbol: str
    venue: str
    side: str
    algo: str
    urgency: int
    hour: str
    state: str
    reason: str
    why: str
    operator: str
    decided_ns: int
    arrived_ns: int
    ended_ns: int
    qty_nanos: int
    filled_nanos: int
    decision_px_nanos: int
    arrival_px_nanos: int
    end_px_nanos: int
    average_px_nanos: int | None
    paper_nanos: int
    delay_nanos: int
    trading_nanos: int
    opportunity_nanos: int
    fees_nanos: int
    total_nanos: int
    delay_bp_nanos: int | None
    trading_bp_nanos: int | None
    opportunity_bp_nanos: int | None
    fees_bp_nanos: int | None
    total_bp_nanos: int | None
    against: dict[str, int | None]  # slippage by benchmark, bp nanos
    capture_ppm: int | None
    realised_bp_nanos: dict[str, int | None]
    reversion_bp_nanos: dict[str, int | None]
    participation_ppm: int | None
    fill_ppm: int | None
    size_ppm: int | None  # of the average day
    sigmas: float | None
    expected_cost_nanos: int | None
    expected_risk_nanos: int | None
    z: float | None
    orders: list[OrderTrail]
    executions: list[ExecutionRow]
    refusals: int
    refused: list[str]
    replans: int
    crossed_nanos: int = 0  # of what is filled: with another book of the account, without fees and spread
    crossed_px_nanos: int | None = None  # the average mid at which

    @property
    def unhappy(self) -> int:
        """Orders that were rejected or never left."""
        return sum(order.ending.startswith(("rejected", "not sent")) for order in self.orders)


def measure(found: Findings) -> list[ParentRow]:
    """Every schedule, in the order they began."""
    return [_Measuring(found, trail).row() for trail in found.trails]


class _Measuring:
    def __init__(self, found: Findings, trail: Trail) -> None:
        self.found, self.trail, self.opening = found, trail, trail.opening
        points = found.market.points
        self.arrival, self.end, decision = points[trail.arrival], points[trail.end], points[trail.decision]
        arrival_px = self.opening.arrival_mid_nanos or self.arrival.mid_nanos
        self.kept = [fill for fill in trail.fills if fill.execution.qty_nanos]  # a busted one is none
        self.task = tca.Task(
            side=self.opening.side,
            qty_nanos=self.opening.qty_nanos,
            decision_px_nanos=self._decision_px(decision) or arrival_px,
            arrival_px_nanos=arrival_px,
            end_px_nanos=self.end.mid_nanos or arrival_px,
            fills=tuple([self._fill(fill) for fill in self.kept]),
        )
        self.lost = tca.shortfall(self.task)
        pairs = list(zip(self.kept, self.task.fills, strict=True))
        self.traded = [known for fill, known in pairs if fill.liquidity != CROSSED]  # in the market
        self.crossed = [known for fill, known in pairs if fill.liquidity == CROSSED]

    def _decision_px(self, decision: Point) -> int:
        """The daemon's own word where it speaks of the same moment."""
        opening, trail = self.opening, self.trail
        if trail.decision == trail.arrival:
            return 0
        told = opening.decision_mid_nanos if opening.decision_ts_ns == trail.decision_ns else 0
        return told or decision.mid_nanos

    def _fill(self, fill: FillTrail) -> tca.Fill:
        market = self.found.market
        bid, ask = fill.met if fill.met[1] else market.mark(fill.quote)
        return tca.Fill(
            qty_nanos=fill.execution.qty_nanos,
            px_nanos=fill.execution.px_nanos,
            fee_nanos=fill.execution.commission_nanos,
            bid_px_nanos=bid,
            ask_px_nanos=ask,
            later_nanos=market.mids_nanos(fill.later),
        )

    def row(self) -> ParentRow:
        """All of it."""
        trail, opening, lost, task = self.trail, self.opening, self.lost, self.task
        instrument = self.found.tables.instruments.get(opening.inst)
        day = self.found.market.days.get((opening.inst, trail.date), NO_DAY)
        volume = self.end.volume_nanos - self.arrival.volume_nanos
        traded, crossed = _sum(self.traded), _sum(self.crossed)
        own = 0 if self.found.tables.mode == LIVE else traded[1]
        estimated = opening.expected_risk_nanos > 0 and not self.crossed  # it spoke of the market alone
        horizons = [(f"{minutes} min", at) for at, minutes in enumerate(tca.HORIZONS_MIN)]
        total = lost.bp_nanos(lost.total_nanos)
        last = self.traded[-1] if self.traded else None
        return ParentRow(
            parent_id=opening.parent_id,
            date=trail.date,
            strategy=opening.strategy,
            symbol=f"#{opening.inst}" if instrument is None else instrument.symbol,
            venue="" if instrument is None else instrument.primary_exchange or instrument.exchange,
            side=SIDE_NAMES[opening.side],
            algo=f"{opening.algo} (flatten)" if opening.purpose == c.INTENT_FLATTEN else opening.algo,
            urgency=opening.urgency,
            hour=self._hour(),
            state=ParentState(trail.state).name,
            reason=trail.reason,
            why=opening.why,
            operator=opening.operator,
            decided_ns=trail.decision_ns,
            arrived_ns=trail.opened_ns,
            ended_ns=trail.end_ns,
            qty_nanos=opening.qty_nanos,
            filled_nanos=lost.filled_nanos,
            decision_px_nanos=task.decision_px_nanos,
            arrival_px_nanos=task.arrival_px_nanos,
            end_px_nanos=task.end_px_nanos,
            average_px_nanos=lost.value_nanos * NANO // lost.filled_nanos if lost.filled_nanos else None,
            paper_nanos=lost.paper_nanos,
            delay_nanos=lost.delay_nanos,
            trading_nanos=lost.trading_nanos,
            opportunity_nanos=lost.opportunity_nanos,
            fees_nanos=lost.fees_nanos,
            total_nanos=lost.total_nanos,
            delay_bp_nanos=lost.bp_nanos(lost.delay_nanos),
            trading_bp_nanos=lost.bp_nanos(lost.trading_nanos),
            opportunity_bp_nanos=lost.bp_nanos(lost.opportunity_nanos),
            fees_bp_nanos=lost.bp_nanos(lost.fees_nanos),
            total_bp_nanos=total,
            against=self._against(day),
            capture_ppm=tca.capture_ppm(task.side, self.traded),
            realised_bp_nanos={name: tca.realised_bp_nanos(task.side, self.traded, at) for name, at in horizons},
            reversion_bp_nanos={
                name: None if last is None else tca.reversion_bp_nanos(task.side, last, at) for name, at in horizons
            },
            participation_ppm=tca.share_ppm(traded[1], volume + own),
            fill_ppm=tca.share_ppm(lost.filled_nanos, task.qty_nanos),
            size_ppm=tca.share_ppm(task.qty_nanos, self.found.adv_nanos.get((opening.inst, trail.date), 0)),
            sigmas=tca.in_sigmas(total, day.sigma_bp, (trail.end_ns - trail.decision_ns) / (60 * NANO)),
            expected_cost_nanos=opening.expected_cost_nanos if estimated else None,
            expected_risk_nanos=opening.expected_risk_nanos if estimated else None,
            z=tca.z_score(tca.arrival_cost_nanos(task, lost), opening.expected_cost_nanos, opening.expected_risk_nanos)
            if estimated
            else None,
            orders=trail.orders,
            executions=[self._execution(fill, known) for fill, known in zip(self.kept, task.fills, strict=True)],
            refusals=trail.refusals,
            refused=trail.refused,
            replans=trail.replans,
            crossed_nanos=crossed[1],
            crossed_px_nanos=div_half_even(crossed[0] * NANO, crossed[1]) if crossed[1] else None,
        )

    def _against(self, day: DayPrices) -> dict[str, int | None]:
        """Slippage by benchmark."""
        side, value, qty = self.task.side, self.lost.value_nanos, self.lost.filled_nanos
        turnover = self.end.turnover_nanos - self.arrival.turnover_nanos
        volume = self.end.volume_nanos - self.arrival.volume_nanos
        seconds = self.end.grid_seconds - self.arrival.grid_seconds
        doubled = self.end.grid_sum_nanos - self.arrival.grid_sum_nanos
        printed = self.found.tables.mode == LIVE
        own = _sum(self.traded)
        more = own if not printed else (0, 0)
        less = own if printed else (0, 0)
        return {
            "decision": tca.against_px_bp_nanos(side, value, qty, self.task.decision_px_nanos),
            "arrival": tca.against_px_bp_nanos(side, value, qty, self.task.arrival_px_nanos),
            "vwap": tca.slippage_bp_nanos(side, value, qty, turnover - less[0], volume - less[1]),
            "vwap with own": tca.slippage_bp_nanos(side, value, qty, turnover + more[0], volume + more[1]),
            "twap": tca.slippage_bp_nanos(side, value, qty, doubled, 2 * seconds * NANO),
            "open": tca.against_px_bp_nanos(side, value, qty, day.open_px_nanos),
            "close": tca.against_px_bp_nanos(side, value, qty, day.close_px_nanos),
            "next open": tca.against_px_bp_nanos(side, value, qty, self._next_open()),
        }

    def _next_open(self) -> int:
        table = self.found.tables.table_of(self.opening.inst)
        sessions = () if table is None else table.sessions
        date = next((session.date for session in sessions if session.date > self.trail.date), 0)
        px = self.found.market.days.get((self.opening.inst, date), NO_DAY).open_px_nanos
        for inst, day, num, den in self.found.splits:
            if inst == self.opening.inst and self.trail.date < day <= date:
                px = share_of(px, num, den)  # what a share of then opened at
        return px

    def _hour(self) -> str:
        """The exchange's own hour at the arrival."""
        table = self.found.tables.table_of(self.opening.inst)
        zone = ZoneInfo("UTC" if table is None else table.timezone)
        return f"{datetime.fromtimestamp(self.trail.opened_ns // NANO, zone).hour:02d}"

    def _execution(self, fill: FillTrail, known: tca.Fill) -> ExecutionRow:
        execution = fill.execution
        return ExecutionRow(
            order_id=execution.order_id,
            exec_id=execution.exec_id,
            qty_nanos=execution.qty_nanos,
            px_nanos=execution.px_nanos,
            fee_nanos=execution.commission_nanos,
            liquidity=LIQUIDITY_NAMES.get(fill.liquidity, ""),
            told_ns=fill.told_ns,
            exchange_ns=fill.exchange_ns,
            bid_px_nanos=known.bid_px_nanos,
            ask_px_nanos=known.ask_px_nanos,
        )


def _sum(fills: list[tca.Fill]) -> tuple[int, int]:
    """Value and quantity."""
    value = sum(notional_nanos(fill.px_nanos, fill.qty_nanos) for fill in fills)
    return value, sum(fill.qty_nanos for fill in fills)
