"""Questions to the broker what an order would bind: placeOrder with `whatIf` set, answered by one openOrder with
margins in its state, or by an error with its number. Nothing here can send an order: the one that is built is a
question by its own flag.
"""

from typing import Any, Final

from ib_async.order import Order

from broker.ib.codes import Meaning
from broker.ib.seam import Shell
from broker.ib.translate import ACTIONS, nanos_of, text_of
from core import commands as c
from core import events as e

OPEN_MAX: Final = 8  # questions without an answer; the oldest is forgotten first
TEXT_MAX: Final = 200


def what_if_order(command: c.AskWhatIf, account: str) -> Order:
    """The question as the library's order."""
    return Order(
        action=ACTIONS[command.side],
        totalQuantity=float(text_of(command.qty_nanos)),
        orderType="LMT" if command.limit_px_nanos else "MKT",
        lmtPrice=float(text_of(command.limit_px_nanos)) if command.limit_px_nanos else 0.0,
        tif="DAY",
        account=account,
        whatIf=True,
        transmit=True,  # without it the gateway refuses the question (413)
    )


class WhatIf:
    """Questions of one connection."""

    __slots__ = ("_open", "_shell")

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._open: dict[int, c.AskWhatIf] = {}

    def asked(self, command: c.AskWhatIf) -> None:
        """It leaves."""
        while len(self._open) >= OPEN_MAX:
            del self._open[next(iter(self._open))]
        self._open[command.order_id] = command

    def link_lost(self) -> None:
        """No answer comes any more; whoever waits has a deadline."""
        self._open.clear()

    def answered(self, wire_id: int, order: Any, state: Any) -> None:
        """The one openOrder; anything else of a what-if (another client's, an echo) is nobody's."""
        command = self._open.pop(wire_id, None)
        if command is None or order.action != ACTIONS[command.side]:
            return
        self._shell.fact(
            e.WhatIfAnswered(
                request_id=command.order_id,
                inst=command.inst,
                side=command.side,
                qty_nanos=command.qty_nanos,
                initial_margin_change_nanos=_amount(state.initMarginChange),
                maintenance_margin_change_nanos=_amount(state.maintMarginChange),
                equity_with_loan_nanos=_amount(state.equityWithLoanAfter),
                warning=(state.warningText or "")[:TEXT_MAX],
                initial_margin_after_nanos=_amount(state.initMarginAfter),
                maintenance_margin_after_nanos=_amount(state.maintMarginAfter),
            )
        )

    def refused(self, wire_id: int, code: int, text: str, meaning: Meaning | None) -> bool:
        """An error with the number of a question; False = it is none of ours."""
        if wire_id not in self._open:
            return False
        if meaning is not Meaning.NOTE:
            del self._open[wire_id]
            self._shell.fact(e.WhatIfRefused(request_id=wire_id, code=code, text=text[:TEXT_MAX]))
        return True


def _amount(text: Any) -> int:
    """Margins are decimal texts; unset and empty are 0."""
    return nanos_of(str(text))
