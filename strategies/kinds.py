"""The registry of strategies: an explicit tuple; an unknown kind stops start-up. Knows names and parameters, and loads
no kernel: whoever only reads a config (the guard, `quantd panic`) must not wait for numba. What is built of a kind
stands in strategies/registry.py.
"""

from typing import Any, Final

import msgspec

from core.errors import ConfigError
from strategies.meanrev.params import MeanReversionParams
from strategies.signal.params import SignalParams

Params = MeanReversionParams | SignalParams


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of strategy: its config name, its parameters, and which of them are paths of model files."""

    name: str
    params_type: type[MeanReversionParams] | type[SignalParams]
    models: tuple[str, ...] = ()


STRATEGIES: Final = (
    Kind(name="meanrev", params_type=MeanReversionParams),
    Kind(name="signal", params_type=SignalParams, models=("model",)),
)
_BY_NAME: Final = {kind.name: kind for kind in STRATEGIES}


def find_kind(name: str, *, field: str = "kind") -> Kind:
    """The kind of a config name. Raises ConfigError with the known names."""
    kind = _BY_NAME.get(name)
    if kind is None:
        raise ConfigError(f"{field} is {name!r}: use one of {', '.join(_BY_NAME)}")
    return kind


def read_params(kind: Kind, raw: dict[str, Any], *, field: str) -> Params:
    """Parameters out of a config table. Raises ConfigError naming field and remedy."""
    try:
        params: Params = msgspec.convert(raw, kind.params_type)
    except msgspec.ValidationError as fault:
        known = ", ".join(kind.params_type.__struct_fields__)
        raise ConfigError(f"{field}: {fault}; {kind.name} takes {known}") from fault
    params.validate(field)
    return params
