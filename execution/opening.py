"""What a schedule is expected to cost before it opens, and which algorithm `auto` becomes. Owns how what is known of a
market (execution/pacing.py) becomes the models' terms (execution/costs). Knows no order; what follows is the desk's.

What nobody knows is said in words and never guessed: without price, average volume, volatility or fees of the day there
is no estimate, and `auto` is even parts.
"""

from datetime import date as Date
from itertools import islice, pairwise
from typing import Any, Final

import msgspec

from core import commands as c
from core.errors import ConfigError
from core.fees import BY_MONTH, FeeTable
from core.ids import BUY, Side
from core.ledger import Execution
from core.ports import Context
from core.sessions import VOLUME_INTERVAL_NS
from core.units import BP, NANO
from core.volume import PPM
from execution.algos import AUTO, Algo, AlgoParams, AutoParams, Plan, ShortfallParams, Terms, find_algo, written
from execution.algos.plan import no_time, window
from execution.algos.shortfall import aversion_of
from execution.algos.vwap import curve_fault, volumes_until
from execution.costs import Choice, Conditions, Estimate, Order, Schedule, Situation, choose, estimate, weights_of
from execution.costs.choice import CHILD_S, IMMEDIATE_S, IS, KNOWN, POV, RESTING
from execution.settings import ExecutionSettings

VOLUME_SLOTS_MAX: Final = 24  # of the curve over the time that a choice looks at
STEPS_MAX: Final = 40  # of a plan, in its estimate
POV_LIMIT_BP: Final = 100.0  # where auto's parameters set none: a part of volume has one always
POV_INTERVAL_S: Final = 30
POV_INTERVALS_MAX: Final = 400
POV_S_MIN: Final = 60
_EPOCH: Final = Date(1970, 1, 1)
_KEPT: Final = ("after_open_s", "before_close_s", "limit_bp", "participation", "jitter", "must_complete")


class Chosen(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the desk opens. `plan.fault`: it cannot."""

    algo: Algo
    params: AlgoParams
    plan: Plan
    expected: Estimate | None = None
    why: str = ""


def as_opening(chosen: Chosen) -> c.OpenParent:
    """What the plan says of a parent; whose and how much is the desk's to add."""
    plan, expected = chosen.plan, chosen.expected
    return c.OpenParent(
        parent_id=0,
        strategy="",
        inst=0,
        side=BUY,
        qty_nanos=0,
        algo=chosen.algo.name,
        start_ts_ns=plan.start_ns,
        end_ts_ns=plan.end_ns,
        slices=plan.slices,
        weights=plan.weights,
        params=written(chosen.params),
        expected_cost_nanos=0 if expected is None else expected.cost_nanos,
        expected_risk_nanos=0 if expected is None else expected.risk_nanos,
        why=chosen.why,
        kappa_nanos=plan.kappa_nanos,
        auction_ts_ns=plan.auction_ts_ns,
    )


class Opening:
    """Plans a need, with its estimate. Remembers nothing but the month's volume, which the ledger gives again."""

    __slots__ = ("_context", "_fees", "_months")

    def __init__(self, context: Context, fees: FeeTable) -> None:
        self._context = context
        self._fees = fees
        self._months = MonthVolume(context.money.ledger.executions)

    def plan(
        self, settings: ExecutionSettings, terms: Terms, *, inst: int, side: Side, qty_nanos: int, lot_nanos: int
    ) -> Chosen:
        """The plan of the configured algorithm, or of the cheapest."""
        order = self._order(inst, side, qty_nanos, lot_nanos)
        if settings.algo == AUTO.name:
            return self._choose(settings, terms, order)
        algo = find_algo(settings.algo)
        plan = algo.plan(settings.params, terms)
        if plan.fault:
            return Chosen(algo=algo, params=settings.params, plan=plan, why=plan.why)
        conditions = conditions_of(terms, 0.0)
        missing = self._missing(order, conditions)
        if missing:
            return Chosen(
                algo=algo, params=settings.params, plan=plan, why=_joined(plan.why, f"no estimate: {missing}")
            )
        schedule = schedule_of(algo, settings, plan, terms)
        model, told = settings.models.on(order.date), settings.models.told(order.date)
        expected = estimate(order, conditions, schedule, fees=self._fees, model=model)
        return Chosen(
            algo=algo, params=settings.params, plan=plan, expected=expected, why=_joined(plan.why, told)
        )  # fmt: skip

    def _choose(self, settings: ExecutionSettings, terms: Terms, order: Order) -> Chosen:
        own = settings.params
        assert isinstance(own, AutoParams), f"auto was given {type(own).__name__}"
        start, end = window(own, terms)
        if end <= start:
            return Chosen(algo=AUTO, params=own, plan=no_time(own))
        conditions = conditions_of(terms, own.volatility_bp)
        missing = self._missing(order, conditions)
        if missing:  # the choice without an estimate: even parts, whatever it is that lacks
            conditions = msgspec.structs.replace(conditions, volatility=0.0)
        situation = situation_of(settings, terms, start, end)
        choice = choose(order, conditions, situation, fees=self._fees, model=settings.models.on(order.date))
        algo = find_algo(choice.algo)
        params = params_of_choice(choice, own, terms)
        plan = algo.plan(params, terms)
        why = choice.why if not missing else f"{choice.algo} over {situation.horizon_s} s: no estimate, {missing}"
        why = _joined(why, settings.models.told(order.date), plan.why)
        return Chosen(algo=algo, params=params, plan=plan, expected=choice.expected, why=why)

    def _order(self, inst: int, side: Side, qty_nanos: int, lot_nanos: int) -> Order:
        money = self._context.money
        return Order(
            side=side,
            qty_nanos=qty_nanos,
            date=money.trading_date,
            lot_nanos=lot_nanos,
            month_before_nanos=self._months.before(money.trading_date) if self._by_month(money.trading_date) else 0,
            venue=self._context.instruments[inst].primary_exchange,
        )

    def _by_month(self, date: int) -> bool:
        try:
            return any(row.tiers and row.tier_by == BY_MONTH for row in self._fees.rows_on(date))
        except ConfigError:
            return False

    def _missing(self, order: Order, conditions: Conditions) -> str:
        """Why there can be no estimate, in words; "" = there can."""
        missing = conditions.missing()
        if missing:
            return f"nobody knows the {missing}"
        try:
            self._fees.rows_on(order.date)
        except ConfigError as fault:
            return str(fault)
        return ""


class MonthVolume:
    """Shares the account traded in the calendar month: what tiered commissions count. Reads only what is new, from the
    newest back; a correction makes it read the month again.
    """

    __slots__ = ("_executions", "_month", "_seen", "_total")

    def __init__(self, executions: dict[str, Execution]) -> None:
        self._executions = executions
        self._month = 0
        self._seen = 0
        self._total = 0

    def before(self, date: int) -> int:
        """Nanos of shares, up to now, in the month of a trading date (yyyymmdd)."""
        month = date // 100
        new = len(self._executions) - self._seen
        if month != self._month or new < 0 or not self._add(new, month):
            self._total = 0
            self._add(len(self._executions), month, whole=True)
        self._month, self._seen = month, len(self._executions)
        return self._total

    def _add(self, new: int, month: int, *, whole: bool = False) -> bool:
        """False when one of the newest corrects another: what was added before is no longer true."""
        first_ns, seen = month_start_ns(month), set[str]()
        for key, execution in islice(reversed(self._executions.items()), new):
            if execution.ts_ns < first_ns:
                break
            if key != execution.exec_id and not whole:
                return False
            if execution.exec_id not in seen:
                seen.add(execution.exec_id)
                self._total += execution.qty_nanos
        return True


def month_start_ns(month: int) -> int:
    """UTC, of a month written yyyymm: no exchange of ours trades within hours of it."""
    first = Date(month // 100, month % 100, 1) if month else _EPOCH
    return (first - _EPOCH).days * 86_400 * NANO


def conditions_of(terms: Terms, volatility_bp: float) -> Conditions:
    """The market as the models want it; the volatility as configured until it was measured."""
    measured = 0.0
    if terms.mid_nanos > 0:
        measured = terms.sigma_nanos / terms.mid_nanos  # det-ok: a market feature for the models
    return Conditions(
        mid_nanos=terms.mid_nanos,
        spread_nanos=round(terms.spread_nanos),
        adv_nanos=terms.adv_nanos,
        volatility=measured or volatility_bp / BP,
    )


def situation_of(settings: ExecutionSettings, terms: Terms, start_ns: int, end_ns: int) -> Situation:
    """What a choice looks at between start and end. Without a spread an implementation shortfall has no price of haste;
    a part of the volume needs a minute at least.
    """
    horizon_s = max((end_ns - start_ns) // NANO, 1)
    volume: tuple[float, ...] = ()
    if not curve_fault(terms):
        slots = min(VOLUME_SLOTS_MAX, -(-(end_ns - start_ns) // VOLUME_INTERVAL_NS))
        volume = volume_parts(terms, start_ns, end_ns, slots)
    left_out = (*((IS,) if terms.spread_nanos <= 0 else ()), *((POV,) if horizon_s < POV_S_MIN else ()))
    return Situation(
        horizon_s=horizon_s,
        volume=volume if sum(volume) > 0 else (),
        risk_weight=settings.risk_weight,
        must_complete=settings.params.must_complete,
        day_s=max((terms.close_ns - terms.open_ns) // NANO, 1),
        algos=tuple(name for name in KNOWN if name not in left_out),
    )


def params_of_choice(choice: Choice, own: AutoParams, terms: Terms) -> AlgoParams:
    """The chosen algorithm's parameters, within the bounds of the config's."""
    kept: dict[str, Any] = {name: getattr(own, name) for name in _KEPT}
    fields = kept | choice.params
    if choice.algo == POV:
        least = -(-fields["duration_s"] // POV_INTERVALS_MAX)
        fields |= {"limit_bp": max(own.limit_bp, 1.0) if own.limit_bp else POV_LIMIT_BP}
        fields |= {"interval_s": max(POV_INTERVAL_S, least)}
    kind = find_algo(choice.algo).params_type
    if choice.algo != IS:
        return kind(**fields)
    shortfall = ShortfallParams(volatility_bp=own.volatility_bp, **fields)
    step_ns = shortfall.duration_s * NANO / shortfall.slices
    kappa = choice.haste * (terms.close_ns - terms.open_ns) / (shortfall.duration_s * NANO)
    return msgspec.structs.replace(shortfall, risk_aversion=aversion_of(shortfall, terms, kappa, step_ns))


def schedule_of(algo: Algo, settings: ExecutionSettings, plan: Plan, terms: Terms) -> Schedule:
    """A plan as the models want it, in at most `STEPS_MAX` steps: more change the cost by less than it is worth. What
    is all due at its start and waits for something else (volume, its own fills) is taken as even; so is what the broker
    works, at the price of taking: nobody knows better.
    """
    orders = max(1, min(plan.slices, terms.lots))
    children = -(-orders // STEPS_MAX)
    blocks = orders // children
    at_once = algo.crosses_at_once and not algo.handed_over
    end_ns = min(plan.end_ns, plan.start_ns + IMMEDIATE_S * NANO) if at_once else plan.end_ns
    span_s = max((end_ns - plan.start_ns) / NANO, 1.0)
    weights = (1.0 / blocks,) * blocks
    if plan.weights and plan.weights[0] < NANO:
        last = len(plan.weights)
        weights = weights_of(tuple(plan.weights[(at + 1) * last // blocks - 1] for at in range(blocks)))
    waits = algo.handed_over or (bool(plan.weights) and plan.weights[0] == NANO)
    worked = 1.0 if waits else min(1.0, CHILD_S * orders / span_s)
    return Schedule(
        weights=weights,
        volume=tuple(part * worked for part in volume_parts(terms, plan.start_ns, end_ns, blocks)),
        slice_days=span_s * NANO / max(terms.close_ns - terms.open_ns, 1) / blocks,
        crossing=RESTING if algo.patience_nanos(settings.params, 0, orders, settings.patience_nanos) else 1.0,
        children=children,
    )


def volume_parts(terms: Terms, start_ns: int, end_ns: int, parts: int) -> tuple[float, ...]:
    """Share of the average day that trades in each of equal times, at the level of this day; evenly and as usual where
    no curve says.
    """
    span = end_ns - start_ns
    if curve_fault(terms):
        return (span / max(terms.close_ns - terms.open_ns, 1) / parts,) * parts
    upto = volumes_until(terms, start_ns, end_ns, parts)
    whole = PPM * VOLUME_INTERVAL_NS / terms.level
    return tuple([(after - before) / whole for before, after in pairwise(upto)])


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
