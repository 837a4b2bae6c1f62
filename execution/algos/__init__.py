"""The registry of execution algorithms: an explicit tuple; an unknown name stops start-up."""

from typing import Any, Final

import msgspec

from core.errors import ConfigError
from execution.algos.immediate import Immediate, ImmediateParams
from execution.algos.plan import Algo, AlgoParams, Plan
from execution.algos.twap import Twap, TwapParams

IMMEDIATE: Final[Algo] = Immediate()
TWAP: Final[Algo] = Twap()
ALGOS: Final[tuple[Algo, ...]] = (IMMEDIATE, TWAP)
_BY_NAME: Final = {algo.name: algo for algo in ALGOS}


def find_algo(name: str, *, field: str = "algo") -> Algo:
    """The algorithm of a config name. Raises ConfigError with the known names."""
    algo = _BY_NAME.get(name)
    if algo is None:
        raise ConfigError(f"{field} is {name!r}: use one of {', '.join(_BY_NAME)}")
    return algo


def algo_of(name: str) -> Algo:
    """The algorithm of a parent in the books. A name that an older release knew trades as the even schedule it left:
    the parent carries its own times and slices, and dropping it would leave its position half done.
    """
    return _BY_NAME.get(name, TWAP)


def read_params(algo: Algo, raw: dict[str, Any], *, field: str) -> AlgoParams:
    """An algorithm's parameters out of a config table. Raises ConfigError naming field and remedy."""
    try:
        params = msgspec.convert(raw, algo.params_type)
    except msgspec.ValidationError as fault:
        known = ", ".join(algo.params_type.__struct_fields__)
        raise ConfigError(f"{field}: {fault}; {algo.name} takes {known}") from fault
    params.validate(field)
    return params


__all__ = [
    "ALGOS",
    "IMMEDIATE",
    "TWAP",
    "Algo",
    "AlgoParams",
    "ImmediateParams",
    "Plan",
    "TwapParams",
    "algo_of",
    "find_algo",
    "read_params",
]
