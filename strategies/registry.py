"""Makes what the kinds of strategies/kinds.py trade with: slots, the pipeline they share and the strategies themselves;
models come in as bytes, read by the composition root.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from core.errors import Bug, ConfigError
from core.instruments import Instrument
from core.ports import Context, Strategy
from core.profiles import PROFILES
from strategies.guarded import Guarded
from strategies.kinds import Params
from strategies.meanrev.params import MeanReversionParams
from strategies.meanrev.strategy import MeanReversion
from strategies.models.card import ModelCard
from strategies.pipeline import KernelPipeline
from strategies.signal.params import SignalParams
from strategies.signal.state import SignalSlot
from strategies.signal.strategy import Signal
from strategies.slots import Slot


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy as configured: who it is, what it trades and how."""

    strategy: str
    instruments: tuple[int, ...]
    params: Params
    field: str  # of its parameters in the config


class Model(Protocol):
    """A trained model as its files hold it."""

    @property
    def card(self) -> ModelCard: ...

    @property
    def onnx(self) -> bytes: ...


def slots_of(
    seats: Sequence[Seat], models: Mapping[str, Model], instruments: Sequence[Instrument]
) -> tuple[Slot | SignalSlot, ...]:
    """The column that each strategy gets, in the order of the seats; every kind counts its own columns."""
    plain, signals = 0, 0
    slots: list[Slot | SignalSlot] = []
    for seat in seats:
        if isinstance(seat.params, SignalParams):
            slots.append(_signal_slot(seat, seat.params, signals, models, instruments))
            signals += 1
        else:
            slots.append(slot_of(strategy=seat.strategy, slot=plain, instruments=seat.instruments, params=seat.params))
            plain += 1
    return tuple(slots)


def slot_of(*, strategy: str, slot: int, instruments: tuple[int, ...], params: MeanReversionParams) -> Slot:
    """The column of the feature array that a mean reversion strategy gets."""
    return Slot(strategy=strategy, slot=slot, instruments=instruments, params=params.slot_params())


def _signal_slot(
    seat: Seat, params: SignalParams, slot: int, models: Mapping[str, Model], instruments: Sequence[Instrument]
) -> SignalSlot:
    model = models.get(seat.strategy)
    if model is None:
        raise Bug(f"strategy {seat.strategy} needs its model: hand it to build_machine")
    symbols = [instrument.symbol for instrument in instruments]
    if params.leader and params.leader not in symbols:
        raise ConfigError(f"{seat.field}.leader is {params.leader!r}: use one of {', '.join(symbols)}")
    return SignalSlot(
        strategy=seat.strategy,
        slot=slot,
        instruments=seat.instruments,
        params=params.slot_params(seat.field),
        leader=symbols.index(params.leader) if params.leader else -1,
        needs_volatility=params.volatility_target_bp > 0.0,
        card=model.card,
        onnx=model.onnx,
        field=f"{seat.field}.model",
    )


def build_pipeline(
    slots: Sequence[Slot | SignalSlot], *, market: Any, watch: Any, buffer: Any, profile: str
) -> KernelPipeline:
    """The pipeline of all slots. Feature kernels and the model runtime are loaded only when a model is served."""
    plain = [slot for slot in slots if isinstance(slot, Slot)]
    signals = [slot for slot in slots if isinstance(slot, SignalSlot)]
    if not signals:
        return KernelPipeline(market, watch, plain, buffer=buffer)
    from strategies.signal.pipeline import ScoredPipeline

    return ScoredPipeline(market, watch, plain, signals, profile=PROFILES[profile], buffer=buffer)


def build(slot: Slot | SignalSlot, params: Params, context: Context, pipeline: KernelPipeline) -> Strategy:
    """A strategy behind its guard."""
    if isinstance(slot, SignalSlot) and isinstance(params, SignalParams) and pipeline.signal_reader is not None:
        return Guarded(Signal(context, slot, params, pipeline.signal_reader))
    if isinstance(slot, Slot) and isinstance(params, MeanReversionParams):
        return Guarded(MeanReversion(context, slot, params, pipeline.reader))
    raise Bug(f"strategy {slot.strategy}: slot and parameters are of different kinds")
