"""Typed identifiers and the two closed vocabularies every message uses (side, scope level). Knows no state."""

from typing import Final, NewType

Seq = NewType("Seq", int)  # one counter for every journalled record
OrderId = NewType("OrderId", int)  # ours, 1-based, never reused; the broker's own numbers live in the adapter
ParentId = NewType("ParentId", int)
InstrumentId = NewType("InstrumentId", int)  # row number in every per-instrument array
StrategyId = NewType("StrategyId", str)
AccountId = NewType("AccountId", str)
ExecId = NewType("ExecId", str)  # the broker's execution id
PermId = NewType("PermId", int)  # the broker's permanent order id; 0 = not known yet
OrderRef = NewType("OrderRef", str)  # q-<account tag>-<epoch>-<seq base36>, at most 32 characters

# A side is a sign, so that `side * qty_nanos` is the position change it causes.
Side = int
BUY: Final = 1
SELL: Final = -1
SIDE_NAMES: Final = {BUY: "BUY", SELL: "SELL"}

ORDER_REF_LENGTH_MAX: Final = 32
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


_PAIRS = [high + low for high in _BASE36 for low in _BASE36]  # two digits at a time: this is on the order path


def base36(number: int) -> str:
    """Write a non-negative integer in base 36, lower case, without leading zeros."""
    if number < 0:
        raise ValueError(f"base36 takes a non-negative integer, was {number}")
    digits = ""
    while number >= 1296:
        number, rest = divmod(number, 1296)
        digits = _PAIRS[rest] + digits
    return (_PAIRS[number] if number >= 36 else _BASE36[number]) + digits


def order_ref(account_tag: str, epoch: int, seq: int) -> OrderRef:
    """Build the one order field of ours that survives at IBKR: unique by epoch even with a lost tail."""
    ref = f"q-{account_tag}-{epoch}-{base36(seq)}"
    if len(ref) > ORDER_REF_LENGTH_MAX:
        raise ValueError(f"orderRef {ref!r} is longer than {ORDER_REF_LENGTH_MAX} characters: shorten account.tag")
    return OrderRef(ref)


def oca_name(account_tag: str, group: str) -> str:
    """What the broker knows a one-cancels-all group by: a person at its screen may use the same words."""
    return f"q-{account_tag}-{group}"


def epoch_of_ref(ref: str) -> int:
    """The epoch in a reference of ours; -1 = it has none."""
    parts = ref.split("-")
    return int(parts[2]) if len(parts) == 4 and parts[2].isdecimal() and parts[2].isascii() else -1


def is_own_ref(ref: str, account_tag: str) -> bool:
    """Tell whether a broker order carries our tag, from this or any earlier epoch."""
    return ref.startswith(f"q-{account_tag}-")
