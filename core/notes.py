"""Notes: why something was or was not done. They explain; no fold reads them."""

import msgspec


class Note(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Base of all notes."""


class Decision(Note, frozen=True, tag=1):
    """A strategy decided: the features it read (name, value), the score and the target it asks for."""

    strategy: str
    inst: int
    features: tuple[tuple[str, float], ...]
    score: float
    target_nanos: int
    bid_px_nanos: int
    ask_px_nanos: int


class Failure(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """One check that said no: control number, stable code, the value, the limit, and who can lift it."""

    control: int
    code: str
    value: str
    limit: str
    lift: str


class Refusal(Note, frozen=True, tag=2):
    """An intent the gate refused, with every check that failed; the first is the one returned."""

    order_id: int
    parent_id: int
    strategy: str
    inst: int
    side: int
    qty_nanos: int
    limit_px_nanos: int
    failures: tuple[Failure, ...]


class Blocked(Note, frozen=True, tag=3):
    """A target or parent that waits, and for what."""

    strategy: str
    inst: int
    reason: str


class EquityMarked(Note, frozen=True, tag=4):
    """A sampled mark of the account."""

    equity_nanos: int
    cash_nanos: int
    unrealised_nanos: int
    realised_nanos: int
    fees_nanos: int


class DifferenceFound(Note, frozen=True, tag=5):
    """One line of a synchronisation's difference report."""

    sync_id: int
    kind: str
    text: str


class Odd(Note, frozen=True, tag=6):
    """A broker fact that is legal but unusual (fill after cancel, duplicate execution, foreign fill)."""

    order_id: int
    what: str


class Answered(Note, frozen=True, tag=20):
    """What became of an operator's command, as it was told to the operator."""

    command: str  # the fact's name
    operator: str
    authority: str
    second: str  # the other person, where two were needed and both have spoken
    ok: bool
    text: str


AnyNote = Decision | Refusal | Blocked | EquityMarked | DifferenceFound | Odd | Answered
