"""What the books hold beside orders, parents and positions, as rows of the state tables: lots, cash by kind, corporate
actions. Remembers what it told, so that only what moved is written again. Pure.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from core import events as e
from core.book_commands import AnyBookCommand
from core.corporate import Action
from core.ledger import Ledger
from core.money.state import Money
from core.positions import Position

Row = tuple[Any, ...]
SymbolOf = Any
MOVE_ACTIONS: Final = frozenset(AnyBookCommand.__args__) | {e.DayRolled}


class BookStates:
    """Of one journal. `actions_moved` when a record may have changed a corporate action."""

    def __init__(self) -> None:
        self.actions_moved = True
        self._lots: dict[tuple[str, int], tuple[int, int, int]] = {}
        self._told: dict[tuple[str, ...], Row] = {}

    def rows(self, money: Money, symbol: SymbolOf) -> Iterator[tuple[str, Row]]:
        """(table, row) of everything that is not as it was last time."""
        for owner, position in money.ledger.positions.items():
            mark = (position.qty_nanos, position.lots_cost_nanos, position.realised_fifo_nanos)
            if self._lots.get(owner) != mark:
                self._lots[owner] = mark
                yield "position_lots", _lots_row(position, symbol(position.inst))
        for row in cash_rows(money.ledger):
            yield from self._moved("cash_held", row, row[:2])
        if self.actions_moved:
            self.actions_moved = False
            for action in money.corporate.values():
                yield from self._moved("corporate_actions", _action_row(action, symbol(action.terms.inst)))

    def _moved(self, table: str, row: Row, key: tuple[str, ...] = ()) -> Iterator[tuple[str, Row]]:
        name = (table, *(key or row[:1]))
        if self._told.get(name) != row:
            self._told[name] = row
            yield table, row


def cash_rows(ledger: Ledger) -> Iterator[tuple[str, str, int]]:
    """(currency, kind, amount): `cash` is what is held, `due` a dividend not paid, `of commission …` a part of
    `commission` that a statement has named; all other kinds add up to `cash`.
    """
    base = ledger.currency
    yield base, "start", ledger.start_cash_nanos
    yield base, "trades", -ledger.spent_nanos
    yield base, "commission", -ledger.fees_nanos
    for kind, amount in ledger.fee_kinds.items():
        yield base, f"of commission: {kind}", -amount
    for (currency, kind), amount in ledger.flows.items():
        yield currency, f"flow: {kind}" if kind in ("commission", "start", "trades") else kind, amount
    for currency, held in ledger.cash.items():
        yield currency, "cash", held
    for currency, due in ledger.accrued.items():
        yield currency, "due", due


def _lots_row(position: Position, symbol: str) -> Row:
    lots = msgspec.json.encode(
        [{"qty": lot.qty_nanos, "cost": lot.cost_nanos, "seq": lot.seq} for lot in position.lots]
    ).decode()
    return (
        position.strategy, position.inst, symbol, position.qty_nanos, position.realised_fifo_nanos, lots,
    )  # fmt: skip


def _action_row(action: Action, symbol: str) -> Row:
    terms = action.terms
    return (
        terms.action_id, terms.kind, terms.inst, symbol, terms.ex_date, terms.num, terms.den, terms.per_share_nanos,
        terms.currency, terms.pay_date, terms.withheld_ppm, action.state, action.by, action.reason, action.since_ns,
        action.done_ns, action.gross_nanos, action.withheld_nanos,
    )  # fmt: skip
