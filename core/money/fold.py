"""The only writers of money state: one function for each kind of record."""

from collections.abc import Callable
from typing import Any, Final, get_args

from core import commands as c
from core import events as e
from core.money import kills
from core.money.approvals import spend_code
from core.money.attempts import uncount
from core.money.inputs import INPUTS
from core.money.requests import REQUESTS
from core.money.state import Money
from core.money.syncs import SYNCS
from core.money.told import TOLD
from core.orders import Fact

Fold = Callable[[Money, Any], None]


def _spending(fold: Fold | None) -> Fold:
    """The fold of a command: its one-time code, if it came with one, is spent whatever becomes of it."""

    def spend(money: Money, event: Any) -> None:
        spend_code(money.code_steps, event)
        if fold is not None:
            fold(money, event)

    return spend


COMMANDED: Final = tuple(kind for kind in get_args(e.AnyEvent) if "authority" in kind.__struct_fields__)
_FACTS: Final[dict[type, Fold]] = INPUTS | SYNCS | TOLD
_FACTS.update({kind: _spending(_FACTS.get(kind)) for kind in COMMANDED})


def fold_input(money: Money, seq: int, ts_ns: int, event: Any) -> None:
    """Apply one fact. Raises Bug (with the order's story) on a fact the tables do not allow."""
    money.seq = seq
    money.ts_ns = ts_ns
    fold = _FACTS.get(type(event))
    if fold is not None:
        fold(money, event)


def fold_command(money: Money, seq: int, ts_ns: int, command: Any) -> None:
    """Apply one recorded command."""
    money.seq = seq
    money.ts_ns = ts_ns
    fold = REQUESTS.get(type(command))
    if fold is not None:
        fold(money, command)


def fold_outcome(money: Money, seq: int, ts_ns: int, outcome: c.AnyOutcome) -> None:
    """Apply what the port reported at once: an order that never left holds nothing."""
    money.seq = seq
    money.ts_ns = ts_ns
    if type(outcome) is not c.NotSent:
        return
    order = money.orders.get(outcome.order_id)
    if order is None:
        return
    if outcome.version and order.pending_version == outcome.version:
        money.drop_pending(order)
    else:
        if not outcome.version:
            uncount(money, order)
        money.advance_order(order, Fact.NOT_SENT)
    if money.kills:
        kills.refused(money.kills, outcome.order_id, outcome.reason)
