"""The 48 risk controls this daemon is held to and one of our own (49), and where each of them is: `quantd risk
coverage` prints this table, and docs/risk.md is made from it and from the checks (`risk_page`; a test holds the file
to it). Decides nothing.
"""

from typing import Final

import msgspec

from core.latches import LEVEL_NAMES
from risk.checks import CHECKS
from risk.limit_rows import ACCOUNT_ROWS, BOOK_ROWS, FACTORY_CLASS, ORDER_ROWS, ROWS, Limit
from risk.triggers import TRIGGERS, Trigger

IN_FORCE: Final = "in force"
IN_PART: Final = "in part"
LATER: Final = "later"


class Control(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One control: its number, what it is called, the modules that hold it, and whether it is in force."""

    number: int
    name: str
    where: str = ""
    status: str = LATER
    note: str = ""  # what is missing, where it is not whole


def _row(number: int, name: str, where: str = "", note: str = "") -> Control:
    status = IN_PART if note else IN_FORCE if where else LATER
    return Control(number=number, name=name, where=where, status=status, note=note)


CONTROLS: Final = (
    _row(1, "max order quantity", "risk/checks/order_quantity.py"),
    _row(2, "max order notional", "risk/checks/order_notional.py"),
    _row(3, "price collar", "risk/checks/price_collar.py"),
    _row(4, "order validity", "risk/checks/order_validity.py"),
    _row(5, "max position", "risk/checks/position.py"),
    _row(6, "gross, net, leverage", "risk/checks/gross_exposure.py"),
    _row(7, "concentration", "risk/checks/concentration.py, core/concentration.py"),
    _row(8, "participation in volume", "risk/checks/participation.py, core/volume.py"),
    _row(9, "order rate", "risk/checks/order_rate.py"),
    _row(10, "short-window value cap", "core/money/counters.py, risk/checks/value_window.py"),
    _row(11, "repeated automated execution", "risk/checks/repeated_execution.py, risk/ladder.py"),
    _row(12, "duplicate order", "risk/history.py, risk/checks/duplicate_order.py"),
    _row(13, "max working orders", "risk/checks/working_orders.py"),
    _row(14, "message budget", "risk/checks/message_budget.py"),
    _row(15, "self-trade prevention", "risk/checks/self_trade.py"),
    _row(16, "restricted and allow list", "risk/checks/restricted.py"),
    _row(17, "short sale", "risk/checks/short_sale.py, core/engine/conditions.py"),
    _row(18, "margin and buying power", "risk/checks/margin.py, core/engine/conditions.py"),
    _row(19, "intraday margin", "risk/checks/intraday_margin.py, core/money/told.py"),
    _row(20, "session and calendar", "risk/checks/session_hours.py"),
    _row(21, "halts and bands", "risk/checks/price_bands.py, core/bands.py, core/engine/conditions.py"),
    _row(22, "stale or insane data", "risk/checks/market_quality.py"),
    _row(23, "connectivity loss", "risk/checks/link_ready.py, risk/ladder.py"),
    _row(24, "daily loss", "risk/ladder.py, risk/watch.py, risk/checks/day_loss.py"),
    _row(25, "drawdown", "risk/checks/drawdown.py, risk/ladder.py, risk/watch.py"),
    _row(26, "kill levels", "core/engine/kill.py, daemon/kill_switch.py, risk/checks/ladder_state.py"),
    _row(27, "kill is verified", "core/engine/kill.py, core/money/kills.py, daemon/killer/panic.py"),
    _row(28, "attribution", "core/commands.py, core/orders.py, core/engine/trading.py"),
    _row(29, "reduce-only state", "risk/checks/ladder_state.py, risk/view.py"),
    _row(30, "dead-man", "core/engine/disaster.py, daemon/lease.py, daemon/presence.py, daemon/killer/guard.py, "
         "daemon/killer/session.py"),
    _row(31, "latches survive", "core/latches.py, core/money/snapshot.py"),
    _row(32, "start sequence", "risk/checks/link_ready.py, core/money/syncs.py"),
    _row(33, "continuous reconciliation", "core/reconcile.py, risk/checks/unexplained_difference.py"),
    _row(34, "ambiguous send", "core/orders.py, risk/checks/unknown_order.py"),
    _row(35, "overfill and unknown fill", "core/ledger.py, core/money/state.py"),
    _row(36, "clock", "risk/checks/clock.py, broker/ib/offset.py"),
    _row(37, "heartbeats", "daemon/lease.py, daemon/presence.py, daemon/killer/guard.py",
         "the lease and its guard; no watchdog of the service manager yet"),
    _row(38, "alerts", "daemon/alerts/desk.py, daemon/alerts/delivery.py, core/engine/presence.py"),
    _row(39, "limit changes are audited", "core/engine/limits.py, core/limit_changes.py, risk/in_force.py"),
    _row(40, "override of a block", "risk/overrides.py, core/engine/limits.py"),
    _row(41, "two-person re-arm", "core/engine/authority.py, daemon/authority/verify.py"),
    _row(42, "deploy integrity", "daemon/authority/deploy.py, daemon/recovery.py, core/engine/ladder.py"),
    _row(43, "deployment limits", "risk/checks/deployment.py"),
    _row(44, "drills", "daemon/drill/kill.py, tests/drills/kill.py, tests/drills/stress.py"),
    _row(45, "self-assessment", "daemon/assessment.py, daemon/coverage.py, daemon/history.py"),
    _row(46, "surveillance", "daemon/surveil/patterns.py"),
    _row(47, "exclusive control", "risk/gate.py, core/ports.py"),
    _row(48, "fail closed", "risk/checks/fail_closed.py"),
    # Ours, beyond the checklist: value at risk, stress, days to exit.
    _row(49, "measured risk", "risk/checks/risk_measured.py, risk/measure.py, daemon/riskworker/client.py"),
)  # fmt: skip

_HEAD: Final = """# Risk: what stops an order, and who can lift it

Made from the code; `python -m tests.risk_page` writes it again. Ask the running trader first: `quantd why-not SYMBOL`.

Every order, an operator's and a kill's too, passes every check below, in this order. The refusal carries the code of
the first that failed and lists all of them. Cancels pass no check. An **exit** is an order after which position and all
other resting orders of its direction stay on the same side of zero, for the account and for the strategy; its terms:

- the loss, position, exposure, concentration and margin checks, a disabled strategy and a missing mark do not bind it;
- its collar is wider and may use an older price; stale or blind data leave it limit orders only; a halt holds it;
- it has order rates and working orders of its own; it is sliced, not refused, where it is too large for one order;
- link, contract rules, session, disk reserve, duplicate and self-trade bind it like any order.

REDUCING lets any exit pass. HALTED lets an exit pass only when an operator asked to flatten. While the link is not
READY nothing leaves but cancels. A strategy's day loss counts its open profit in full, that of earlier days included.
"""
_SCOPES: Final = """Scopes in the config: `[limits.account]`, `[limits.strategy.NAME]`, `[limits.class.etf]`,
`[limits.class.stock]`, `[limits.symbol.SYMBOL]`. Factory values are for replay and paper; live must set every limit."""

_TRIGGERS: Final = """The monitor looks at each mark of equity and latches what lies beyond its soft limit (exits only;
the latch's code ends in `_SOFT`) or its hard one (halted, `_HARD`). What lifts itself has its code alone."""


def risk_page() -> str:
    """The operator's page as Markdown."""
    lines = [_HEAD, "## Checks, in order", "", "| control | code | who lifts |", "|---|---|---|"]
    lines += [f"| {check.CONTROL} | `{check.CODE}` | {check.LIFT} |" for check in CHECKS]
    lines += ["", "## Triggers", "", _TRIGGERS, "", "| control | code | latches | what | limits | then |"]
    lines += ["|---|---|---|---|---|---|", *map(_trigger_line, TRIGGERS)]
    lines += [
        "",
        "## Limits",
        "",
        "Config table `[limits.account]`; factory values are for replay and paper, live must set all.",
    ]
    for title, rows in (("every scope; the tightest binds", ORDER_ROWS), ("account and strategy", BOOK_ROWS),
                        ("account", ACCOUNT_ROWS)):  # fmt: skip
        lines += ["", f"Scope: {title}.", "", "| control | limit | unit | factory | meaning |", "|---|---|---|---|---|"]
        lines += [_limit_line(row) for row in rows]
    tighter = "; ".join(
        f"{name} `{field}` {value}" for name, own in FACTORY_CLASS.items() for field, value in own.items()
    )
    lines += ["", f"Factory values of a class: {tighter}. Restrictions: `[[limits.deny]]` with `symbol`,"]
    lines += [
        "`con_id` or `issuer`, `exit_allowed` and `reason`; `allow = [...]` denies every symbol not named, and with",
        "`default_deny` an empty list denies all. Names that move together: `[[limits.cluster]]`.",
        "",
    ]
    lines += ["## All controls", "", "| control | name | status | where |", "|---|---|---|---|"]
    lines += [
        f"| {c.number} | {c.name} | {': '.join(filter(None, (c.status, c.note)))} | {c.where} |" for c in CONTROLS
    ]
    return "\n".join(lines) + "\n"


def _trigger_line(row: Trigger) -> str:
    scopes, limits = (
        ", ".join(LEVEL_NAMES[level] for level in row.levels),
        ", ".join(f"`{name}`" for name in row.limits),
    )
    then = "lifts itself" if row.lifts_itself else row.remedy
    return f"| {row.control} | `{row.code}` | {scopes} | {row.what} | {limits} | {then} |"


def _limit_line(row: Limit) -> str:
    plain = isinstance(row.factory, bool | str)
    factory = str(row.factory).lower() if plain else f"{row.factory:,}"
    return f"| {row.control} | `{row.name}` | {row.unit} | {factory} | {row.meaning} |"


def limits_of(control: int) -> list[str]:
    """Names of the limits that belong to a control."""
    return [row.name for row in ROWS.values() if row.control == control]
