"""How many messages a plan will send, against what may be sent: a plan that needs more than account, strategy or symbol
are allowed is not begun. The gate counts what is really sent; this only refuses what could not end well.
"""

from typing import Final

from core.money.state import Money
from core.parents import Parent
from core.rates import NANOS_PER_SECOND, RateLimit
from execution.algos import Algo, Plan, algo_of

PER_SLICE: Final = 2  # rests, then crosses
MILLI: Final = 1_000


def order_rate_fault(money: Money, strategy: str, algo: Algo, plan: Plan) -> str:
    """Why a plan must not begin beside those that run; "" = it may."""
    own = planned_milli(algo, plan.slices, plan.end_ns - plan.start_ns)
    settings = money.settings
    whole = by_strategy = own
    for parent in money.live_parents.values():
        if parent.active:
            rate = _rate_milli(parent)
            whole += rate
            by_strategy += rate if parent.strategy == strategy else 0
    for what, planned, limit in (
        ("the account", whole, settings.rate_account),
        (f"strategy {strategy}", by_strategy, settings.rate_strategy),
        ("one symbol", own, settings.rate_symbol),
    ):
        most = _limit_milli(limit)
        if planned > most:
            return (
                f"the plan needs {own / MILLI:g} orders a second, {planned / MILLI:g} with those that run; "
                f"{what} may send {most / MILLI:g}: set fewer slices or a longer duration_s"
            )
    return ""


def planned_milli(algo: Algo, slices: int, span_ns: int) -> int:
    """Orders and replaces that a plan means to send, in thousandths a second, without chasing the market."""
    per_slice = 1 if algo.crosses_at_once or algo.clips else PER_SLICE
    return slices * per_slice * MILLI * NANOS_PER_SECOND // max(span_ns, NANOS_PER_SECOND)


def _rate_milli(parent: Parent) -> int:
    return planned_milli(algo_of(parent.algo), parent.slices, parent.end_ts_ns - parent.start_ts_ns)


def _limit_milli(limit: RateLimit) -> int:
    return limit.events * MILLI * NANOS_PER_SECOND // limit.window_ns
