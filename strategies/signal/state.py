"""State of the signal slots and of the features from outside, and the rule that turns a score into a side.

Knows no kernel and no model: the compiled code and the strategy meet over these arrays.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from strategies.models.card import ModelCard

SCORE: Final = 4  # a row's code bit: `out` says which instrument and, as a mask, which slots

ON_QUOTE: Final = 1  # a changed quote
ON_PRINT: Final = 2  # a print that may update "last"
ON_BAR: Final = 4  # a whole trade bar
TRIGGERS: Final = {"quote": ON_QUOTE, "print": ON_PRINT, "bar": ON_BAR}

ASKED_SCORE: Final = 1  # the score left the band of the present side
ASKED_STALE: Final = 2  # no score for too long

FOREVER_NS: Final = (1 << 63) - 1
SLOTS_MAX: Final = 32  # of one trader: a mask of them is one integer
INPUTS_MAX: Final = 64  # of one model
VALUES_WIDTH: Final = 64  # floats in a row of the value array: a whole number of cache lines

# One row per (instrument, slot). All fields are eight bytes wide: Python reads them one by one through two memoryviews.
SIGNAL: Final = np.dtype(
    [
        ("enabled", np.int64),  # the slot's strategy trades this instrument
        ("side", np.int64),  # side the strategy stands on: -1, 0, 1; written by the strategy
        ("since_ns", np.int64),  # when it took that side
        ("score", np.float64),  # last score, basis points over the model's horizon
        ("low", np.float64),  # a score within [low, high] changes nothing
        ("high", np.float64),
        ("hurdle_bp", np.float64),  # a score beyond it pays for entering and leaving
        ("half_spread_bp", np.float64),  # at the last score
        ("volatility", np.float64),  # at the last score, basis points per square root of a second
        ("scored_ns", np.int64),
        ("scores", np.int64),
        ("asked", np.int64),  # why the strategy is asked; 0 from its answer on
        ("asks", np.int64),
        ("next_ns", np.int64),  # no score before
        ("from_ns", np.int64),  # scores only within [from, until)
        ("until_ns", np.int64),
        ("on", np.int64),  # which rows are worth a score
        ("cadence_ns", np.int64),
        ("hold_ns", np.int64),  # a side is kept at least this long
        ("stale_ns", np.int64),  # a side without a score for longer is left; 0 = never
        ("cost_multiple", np.float64),
        ("fee_bp", np.float64),
        ("enter_bp", np.float64),
        ("leave_bp", np.float64),
        ("short_side", np.int64),  # -1 = may go short, 0 = long only
    ]
)
SIGNAL_FIELDS: Final = len(SIGNAL.names or ())
SIGNAL_INDEX: Final = {name: at for at, name in enumerate(SIGNAL.names or ())}

# What a slot's model reads, one int64 row per slot: readiness bits it needs, number of inputs, then for each input the
# place of a feature in the catalogue, or EXTERNAL_FROM and more for one from outside.
NEEDED: Final = 0
COUNT: Final = 1
FIRST: Final = 2
EXTERNAL_FROM: Final = 1000


class SignalSlotParams(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Parameters of one slot, in kernel units; fields as in `SIGNAL`."""

    on: int
    cadence_ns: int
    hold_ns: int
    stale_ns: int
    cost_multiple: float
    fee_bp: float
    enter_bp: float
    leave_bp: float
    short_side: int


class SignalSlot(msgspec.Struct, frozen=True, kw_only=True):
    """One signal strategy's column, what its model reads and how long the model looks ahead."""

    strategy: str
    slot: int
    instruments: tuple[int, ...]
    params: SignalSlotParams
    leader: int  # instrument, -1 = none
    needs_volatility: bool
    card: ModelCard
    onnx: bytes
    field: str  # of the config, for what is refused

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs, in its order."""
        return (*self.card.inputs.names, *self.card.inputs.external)


def wanted_side(score: float, side: int, hurdle_bp: float, leave_bp: float, short_side: int) -> int:
    """Enter where the score pays the hurdle, stay while it is not against the side, else flat."""
    if score > hurdle_bp:
        return 1
    if score < -hurdle_bp:
        return short_side
    if side > 0:
        return 1 if score >= leave_bp else 0
    if side < 0:
        return -1 if score <= -leave_bp else 0
    return 0


def new_signals(instruments: int, slots: int) -> Any:
    """Signal state, shape (instruments, slots): nothing enabled, nothing scored."""
    signals = np.zeros((instruments, slots), SIGNAL)
    signals["until_ns"] = FOREVER_NS
    return signals


def new_values(slots: int) -> Any:
    """Scratch in rows of VALUES_WIDTH: the first takes all features of an emit, number 1 + slot the inputs of a slot's
    model, in its own order.
    """
    return np.zeros((1 + slots) * VALUES_WIDTH, np.float32)


def inputs_of(values: Any, slot: int, count: int) -> Any:
    """The row of the scratch that a slot's model reads."""
    at = (1 + slot) * VALUES_WIDTH
    return values[at : at + count]


class SignalReader:
    """Reads and writes single fields of the signal array, through two views of the one block."""

    __slots__ = ("_slots", "floats", "ints", "values")

    def __init__(self, signals: Any, values: Any) -> None:
        assert signals.dtype == SIGNAL, "the reader needs a signal array"
        assert signals.flags.c_contiguous, "one contiguous block"
        block = memoryview(signals.view(np.int64)).cast("B")
        self.ints = block.cast("q")
        self.floats = block.cast("d")
        self.values = values
        self._slots = signals.shape[1]

    def place(self, inst: int, slot: int) -> int:
        """Where the fields of one instrument and slot begin, in both views."""
        return (inst * self._slots + slot) * SIGNAL_FIELDS

    def field(self, inst: int, slot: int, name: str) -> int:
        """Where one field is, in both views."""
        return self.place(inst, slot) + SIGNAL_INDEX[name]

    def integer(self, inst: int, slot: int, name: str) -> int:
        """One integer field."""
        return self.ints[self.field(inst, slot, name)]

    def number(self, inst: int, slot: int, name: str) -> float:
        """One field that is no integer."""
        return self.floats[self.field(inst, slot, name)]

    def put(self, inst: int, slot: int, name: str, value: int) -> None:
        """Write one integer field."""
        self.ints[self.field(inst, slot, name)] = value

    def inputs(self, slot: int, count: int) -> Sequence[float]:
        """The inputs of a slot's model as they were at its last score on any instrument."""
        found: list[float] = inputs_of(self.values, slot, count).tolist()
        return found
