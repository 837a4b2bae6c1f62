"""The registry of execution algorithms: an explicit tuple; an unknown name stops start-up."""

from functools import lru_cache
from typing import Any, Final

import msgspec

from core.errors import ConfigError
from core.parents import Parent
from execution.algos.adaptive import Adaptive, AdaptiveParams
from execution.algos.auto import Auto, AutoParams
from execution.algos.close import Close, CloseParams
from execution.algos.iceberg import Iceberg, IcebergParams
from execution.algos.immediate import Immediate, ImmediateParams
from execution.algos.native import NATIVES
from execution.algos.plan import Algo, AlgoParams, Plan, Terms
from execution.algos.pov import Pov, PovParams
from execution.algos.resting import Resting, RestingParams
from execution.algos.shortfall import Shortfall, ShortfallParams
from execution.algos.twap import Twap, TwapParams
from execution.algos.vwap import Vwap, VwapParams

IMMEDIATE: Final[Algo] = Immediate()
TWAP: Final[Algo] = Twap()
AUTO: Final[Algo] = Auto()
RESTING: Final[Algo] = Resting()
ALGOS: Final[tuple[Algo, ...]] = (
    IMMEDIATE,
    TWAP,
    Vwap(),
    Pov(),
    Shortfall(),
    Iceberg(),
    Adaptive(),
    Close(),
    RESTING,
    AUTO,
    *NATIVES,
)
_BY_NAME: Final = {algo.name: algo for algo in ALGOS}
READ_MAX: Final = 256  # sets of parameters that are remembered: those of the config, and what was chosen by itself


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


def written(params: AlgoParams) -> str:
    """Parameters as a parent carries them: canonical JSON, every one written out."""
    return msgspec.json.encode(params, order="deterministic").decode()


def params_of(parent: Parent) -> AlgoParams:
    """A parent's own parameters; the defaults of its algo where it carries none, or those of another release."""
    return _read(parent.algo, parent.params)


@lru_cache(READ_MAX)
def _read(algo: str, text: str) -> AlgoParams:
    kind = algo_of(algo).params_type
    try:
        return msgspec.json.decode(text, type=kind) if text else kind()
    except msgspec.DecodeError:
        return kind()


__all__ = [
    "ALGOS",
    "AUTO",
    "IMMEDIATE",
    "RESTING",
    "TWAP",
    "AdaptiveParams",
    "Algo",
    "AlgoParams",
    "AutoParams",
    "CloseParams",
    "IcebergParams",
    "ImmediateParams",
    "Plan",
    "PovParams",
    "RestingParams",
    "ShortfallParams",
    "Terms",
    "TwapParams",
    "VwapParams",
    "algo_of",
    "find_algo",
    "params_of",
    "read_params",
    "written",
]
