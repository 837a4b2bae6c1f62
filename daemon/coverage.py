"""`quantd risk coverage`: one row per control: status, limits in force, where it is, what tests it, when it last acted.

Reads the table of controls, the limits (of a running trader, else of the journalled config) and the journal.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from core.units import NANO
from daemon.history import History, Sign
from risk.checks import CHECKS
from risk.controls import CONTROLS, Control, limits_of
from risk.evidence import CONTRACT, CONTROL_TESTS, COUNTED, COUNTING, SIGNS
from risk.in_force import ACCOUNT, own_value
from risk.limit_rows import ROWS
from risk.limits import Limits, text_of

BREAKER_CONTROL: Final = 21
_CODES: Final = {check.CONTROL: check.CODE for check in CHECKS}


def coverage(history: History, in_force: dict[str, str]) -> list[dict[str, Any]]:
    """The rows, by control; `in_force` = the account's limits by name."""
    rows = [_row(control, history, in_force) for control in CONTROLS]
    for row in rows:
        if row["control"] == BREAKER_CONTROL:
            row["limits"]["market.index"] = _index_of(history)
    return rows


def _row(control: Control, history: History, in_force: dict[str, str]) -> dict[str, Any]:
    sign = _last_sign(control.number, history)
    return {
        "control": control.number,
        "name": control.name,
        "status": control.status,
        "note": control.note,
        "code": _CODES.get(control.number, ""),
        "limits": {name: in_force.get(name, "") for name in limits_of(control.number)},
        "where": control.where,
        "tests": list(tests_of(control.number)),
        "triggers": sign.count,
        "last_trigger": moment(sign.last_ts_ns),
        "last": sign.last,
    }


def tests_of(control: int) -> tuple[str, ...]:
    """Ids of the tests that hold a control: the contract rows of its check, then those named beside them."""
    code = _CODES.get(control)
    table = COUNTING if control in COUNTED else CONTRACT
    own = () if code is None else (f"{table}[{code}-*]",)
    return own + CONTROL_TESTS.get(control, ())


def _last_sign(control: int, history: History) -> Sign:
    """Refusals and signs of a control together: how many, and the newest."""
    found = [history.refusals.get(control)] + [history.signs.get(code) for code in SIGNS.get(control, ())]
    seen = [sign for sign in found if sign is not None]
    if not seen:
        return Sign()
    newest = max(seen, key=lambda sign: sign.last_ts_ns)
    return Sign(count=sum(sign.count for sign in seen), last_ts_ns=newest.last_ts_ns, last=newest.last)


def moment(ts_ns: int) -> str:
    """A time for people and machines; "" = never."""
    return datetime.fromtimestamp(ts_ns // NANO, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if ts_ns else ""


def account_limits(limits: Limits) -> dict[str, str]:
    """The account's limits by name, factory values where the config is silent."""
    return {name: text_of(row, own_value(limits, ACCOUNT, row) or 0) for name, row in ROWS.items()}


class _Market(msgspec.Struct, frozen=True):
    index: str = ""


class _Journalled(msgspec.Struct):
    limits: Limits = Limits()
    market: _Market = _Market()


def _index_of(history: History) -> str:
    """The proxy by which the market-wide breaker is seen coming; without one, that the exchange's halts are all."""
    none = "none: only the exchange's own halts stop trading"
    if history.config is None:
        return none
    try:
        return msgspec.json.decode(history.config.json, type=_Journalled).market.index or none
    except msgspec.DecodeError:
        return none


def configured_limits(history: History) -> dict[str, str]:
    """The same as the newest journalled config has them; of a config that this release cannot read, none."""
    if history.config is None:
        return account_limits(Limits())
    try:
        return account_limits(msgspec.json.decode(history.config.json, type=_Journalled).limits)
    except msgspec.DecodeError:
        return {}


def read_journal(journal: Path | None) -> History:
    """The history of a journal; an empty one where there is none."""
    from daemon.history import read_history

    return History() if journal is None else read_history(journal)
