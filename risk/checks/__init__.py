"""The checks, in the order they are asked: cheap and certain first. All are asked; the first failure gives the code.

Each module owns one control: CONTROL (number), CODE (stable), LIFT (who can lift it), `check` (0 = pass, else
CONTROL) and `explain` (value and limit as text, asked only on failure). A new control is one module and one entry
here.
"""

from typing import Final, Protocol

from core.commands import OrderIntent
from risk.checks import (
    clock,
    concentration,
    day_loss,
    deployment,
    drawdown,
    duplicate_order,
    fail_closed,
    gross_exposure,
    intraday_margin,
    ladder_state,
    link_ready,
    margin,
    market_quality,
    message_budget,
    order_notional,
    order_quantity,
    order_rate,
    order_validity,
    participation,
    position,
    price_bands,
    price_collar,
    repeated_execution,
    restricted,
    risk_measured,
    self_trade,
    session_hours,
    short_sale,
    unexplained_difference,
    unknown_order,
    value_window,
    working_orders,
)
from risk.view import GateView


class Check(Protocol):
    """What a module in this folder must offer."""

    CONTROL: int
    CODE: str
    LIFT: str

    def check(self, o: OrderIntent, v: GateView) -> int:
        """0 = pass, else CONTROL."""
        ...

    def explain(self, o: OrderIntent, v: GateView) -> tuple[str, str]:
        """Value and limit as text."""
        ...


CHECKS: Final[tuple[Check, ...]] = (
    # state
    ladder_state,
    day_loss,
    drawdown,
    fail_closed,
    link_ready,
    unexplained_difference,
    unknown_order,
    clock,
    # permission
    restricted,
    deployment,
    # validity, session, data
    order_validity,
    session_hours,
    price_bands,
    market_quality,
    # size, price
    order_quantity,
    order_notional,
    price_collar,
    # repetition
    duplicate_order,
    self_trade,
    order_rate,
    value_window,
    repeated_execution,
    working_orders,
    # borrow
    short_sale,
    message_budget,
    # what it may add up to
    position,
    gross_exposure,
    concentration,
    participation,
    margin,
    intraday_margin,
    risk_measured,
)
