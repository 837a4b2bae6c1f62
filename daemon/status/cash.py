"""Cash by currency and kind, and corporate actions, as people and scripts read them. Folded from money state alone."""

from typing import Any

from core.corporate import Action
from core.money.state import Money
from core.units import exact_text
from daemon.status.rows import symbol_of


def corporate_rows(money: Money) -> list[dict[str, Any]]:
    """Every corporate action that is remembered, oldest first."""
    return [_action_row(money, action) for action in money.corporate.values()]


def _action_row(money: Money, action: Action) -> dict[str, Any]:
    terms = action.terms
    return {
        "id": terms.action_id,
        "kind": terms.kind,
        "symbol": symbol_of(money.settings.symbols, terms.inst),
        "ex_date": terms.ex_date,
        "terms": terms.ratio if terms.kind == "split" else f"{exact_text(terms.per_share_nanos)} {terms.currency}",
        "pay_date": terms.pay_date or "",
        "due": exact_text(action.gross_nanos - action.withheld_nanos),
        "state": action.state,
        "by": action.by,
        "reason": action.reason,
    }


def cash_rows(money: Money) -> list[dict[str, str]]:
    """One row for each currency and kind of what moved; trades and commissions are the base currency's."""
    ledger = money.ledger
    base = ledger.currency
    parts: list[tuple[str, str, int]] = [
        (base, "start", ledger.start_cash_nanos),
        (base, "trades", -ledger.spent_nanos),
        (base, "commissions", -ledger.fees_nanos),
        *((base, f"of commissions: {kind}", -amount) for kind, amount in ledger.fee_kinds.items()),
        *((currency, kind, amount) for (currency, kind), amount in ledger.flows.items()),
    ]
    rows = [
        {"currency": currency, "kind": kind, "amount": exact_text(amount)} for currency, kind, amount in sorted(parts)
    ]
    for currency, held in sorted(ledger.cash.items()):
        rows.append({"currency": currency, "kind": "= cash", "amount": exact_text(held)})
    for currency, due in sorted(ledger.accrued.items()):
        rows.append({"currency": currency, "kind": "dividends due", "amount": exact_text(due)})
    return rows


def lot_rows(money: Money) -> list[dict[str, str]]:
    """Every open lot, oldest first, below its position's profit by either count."""
    rows = []
    for position in money.ledger.positions.values():
        who = {"strategy": position.strategy, "symbol": symbol_of(money.settings.symbols, position.inst)}
        rows.append(
            who
            | {
                "qty": exact_text(position.qty_nanos),
                "cost": exact_text(position.cost_nanos),
                "seq": "",
                "realised_average": exact_text(position.realised_nanos),
                "realised_fifo": exact_text(position.realised_fifo_nanos),
            }
        )
        for lot in position.lots:
            numbers = {"qty": exact_text(lot.qty_nanos), "cost": exact_text(lot.cost_nanos), "seq": str(lot.seq)}
            rows.append(who | numbers | {"realised_average": "", "realised_fifo": ""})
    return rows
