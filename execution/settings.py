"""How a strategy's parents are worked: its config table, and the exact form the executor and the desk read."""

from typing import Any, Literal

import msgspec

from core.errors import ConfigError
from core.events import OrderGiven
from core.units import NANO, exact_text, parse_nanos
from execution.algos import AlgoParams, find_algo, read_params
from execution.algos.plan import require_range
from execution.costs import DAYS_MAX, Fitted, Models, models_of

CROSS_TICKS_MAX = 100
CHILD_LOTS_MAX = 10_000
MILLISECOND_NS = 1_000_000
HOUR_NS = 3600 * NANO
EDGE_BP_MAX = 10_000
RISK_WEIGHT_MAX = 100

EdgePolicy = Literal["off", "warn", "refuse"]


class ExecutionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The config table of one strategy's execution; `params` belong to the algo."""

    algo: str = "twap"
    params: dict[str, Any] = {}
    patience: float = 0.5  # part of each slice in which the child rests at the near touch
    chase_s: float = 2.0  # a child is re-priced at most this often
    cross_ticks_max: int = 2  # how far beyond the far touch a crossing child may pay
    backoff_s: float = 5.0  # wait after a refusal, a reject or a lost child
    grace_s: float = 30.0  # how long it keeps crossing after the end
    flatten_participation: float = 0.1  # closing by flatten trades this part of the usual volume, if time allows
    child_lots_min: int = 1  # smaller children wait for the next slice, except in the last
    child_lots_max: int = 0  # a larger child is sent in parts, one after the other; 0 = any size
    model: str = "almgren"  # of impact, in the estimate of every schedule: almgren, square_root or istar
    risk_weight: float = 0.0  # what auto pays to be rid of one standard deviation of the cost
    edge_bp: float = 0.0  # what the strategy expects to earn by an entry, in basis points of its value; 0 = not stated
    edge_policy: EdgePolicy = "warn"  # an entry whose expected cost is not below its edge: off = nobody asks


class ExecutionSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The same, validated, in integers."""

    algo: str
    params: AlgoParams
    patience_nanos: int  # part of a slice, in billionths
    chase_ns: int
    cross_ticks_max: int
    backoff_ns: int
    grace_ns: int
    flatten_participation_nanos: int  # part of the usual volume, in billionths
    child_lots_min: int
    child_lots_max: int
    models: Models
    risk_weight: float
    edge_bp_nanos: int  # billionths of a basis point
    edge_policy: EdgePolicy


def resolve(
    config: ExecutionConfig, *, field: str, fitted: Fitted | None = None, days_max: int = DAYS_MAX
) -> ExecutionSettings:
    """Check every bound; `fitted`: impact parameters of own fills, which hold for `days_max`. Raises ConfigError naming
    the field (below `field`) and the remedy.
    """
    algo = find_algo(config.algo, field=f"{field}.algo")
    require_range(f"{field}.cross_ticks_max", config.cross_ticks_max, low=0, high=CROSS_TICKS_MAX)
    require_range(f"{field}.child_lots_min", config.child_lots_min, low=1, high=CHILD_LOTS_MAX)
    require_range(f"{field}.child_lots_max", config.child_lots_max, low=0, high=CHILD_LOTS_MAX)
    if 0 < config.child_lots_max < config.child_lots_min:
        raise ConfigError(
            f"{field}.child_lots_max is {config.child_lots_max}: set it to child_lots_min or more, or to 0"
        )
    require_range(f"{field}.risk_weight", config.risk_weight, low=0, high=RISK_WEIGHT_MAX)
    return ExecutionSettings(
        algo=algo.name,
        params=read_params(algo, config.params, field=f"{field}.params"),
        patience_nanos=_nanos(f"{field}.patience", config.patience, low=0, high=NANO),
        chase_ns=_nanos(f"{field}.chase_s", config.chase_s, low=100 * MILLISECOND_NS, high=HOUR_NS),
        cross_ticks_max=config.cross_ticks_max,
        backoff_ns=_nanos(f"{field}.backoff_s", config.backoff_s, low=100 * MILLISECOND_NS, high=HOUR_NS),
        grace_ns=_nanos(f"{field}.grace_s", config.grace_s, low=0, high=HOUR_NS),
        flatten_participation_nanos=_nanos(
            f"{field}.flatten_participation", config.flatten_participation, low=NANO // 1000, high=NANO
        ),
        child_lots_min=config.child_lots_min,
        child_lots_max=config.child_lots_max,
        models=models_of(config.model, fitted, days_max, field=f"{field}.model"),
        risk_weight=config.risk_weight,
        edge_bp_nanos=_nanos(f"{field}.edge_bp", config.edge_bp, low=0, high=EDGE_BP_MAX * NANO),
        edge_policy=config.edge_policy,
    )


def _nanos(field: str, value: float, *, low: int, high: int) -> int:
    try:
        nanos = parse_nanos(value, field=field)
    except ValueError as fault:
        raise ConfigError(str(fault)) from fault
    if not low <= nanos <= high:
        raise ConfigError(f"{field} is {value}: set it between {exact_text(low)} and {exact_text(high)}")
    return nanos


def by_hand(settings: ExecutionSettings, given: OrderGiven) -> ExecutionSettings:
    """The same, with the algorithm that a person named."""
    algo = find_algo(given.algo)
    params = msgspec.json.decode(given.params, type=algo.params_type) if given.params else algo.params_type()
    return msgspec.structs.replace(settings, algo=algo.name, params=params)


DEFAULT_SETTINGS = resolve(ExecutionConfig(), field="execution")
