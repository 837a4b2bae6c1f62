"""The registry of strategies: an explicit tuple; an unknown kind stops start-up."""

from typing import Any, Final

import msgspec

from core.errors import ConfigError
from core.ports import Context, Strategy
from strategies.guarded import Guarded
from strategies.meanrev.params import MeanReversionParams
from strategies.meanrev.strategy import MeanReversion
from strategies.pipeline import KernelPipeline, Slot


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of strategy: its config name, its parameters and its class."""

    name: str
    params_type: type[MeanReversionParams]
    strategy: type[MeanReversion]


STRATEGIES: Final = (Kind(name="meanrev", params_type=MeanReversionParams, strategy=MeanReversion),)
_BY_NAME: Final = {kind.name: kind for kind in STRATEGIES}


def find_kind(name: str, *, field: str = "kind") -> Kind:
    """The kind of a config name. Raises ConfigError with the known names."""
    kind = _BY_NAME.get(name)
    if kind is None:
        raise ConfigError(f"{field} is {name!r}: use one of {', '.join(_BY_NAME)}")
    return kind


def read_params(kind: Kind, raw: dict[str, Any], *, field: str) -> MeanReversionParams:
    """Parameters out of a config table. Raises ConfigError naming field and remedy."""
    try:
        params = msgspec.convert(raw, kind.params_type)
    except msgspec.ValidationError as fault:
        known = ", ".join(kind.params_type.__struct_fields__)
        raise ConfigError(f"{field}: {fault}; {kind.name} takes {known}") from fault
    params.validate(field)
    return params


def slot_of(*, strategy: str, slot: int, instruments: tuple[int, ...], params: MeanReversionParams) -> Slot:
    """The column of the feature array that a configured strategy gets."""
    return Slot(strategy=strategy, slot=slot, instruments=instruments, params=params.slot_params())


def build(kind: Kind, context: Context, slot: Slot, params: MeanReversionParams, pipeline: KernelPipeline) -> Strategy:
    """A strategy behind its guard."""
    return Guarded(kind.strategy(context, slot, params, pipeline.reader))
