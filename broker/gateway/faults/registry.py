"""Every fault as one row: its name, its parameters, and what carries it out. Read by the plan, the command line and the
documentation; does nothing itself.
"""

from decimal import Decimal, InvalidOperation
from typing import Final, Literal

import msgspec

from broker.gateway import part
from broker.gateway.requests import REQUESTS
from core.errors import ConfigError
from core.units import parse_nanos

EVERY: Final = -1  # client, or message: all of them
PPM: Final = 1_000_000
SECONDS_MAX: Final = 1_000_000
COUNT_MAX: Final = 1_000_000

# Messages to clients that faults can name; those of clients are in requests.py.
ANSWERS: Final = {
    "tickPrice": 1, "tickSize": 2, "orderStatus": 3, "error": 4, "openOrder": 5, "accountValue": 6, "portfolio": 7,
    "accountUpdateTime": 8, "nextValidId": 9, "contractDetails": 10, "execDetails": 11, "managedAccounts": 15,
    "historicalData": 17, "tickGeneric": 45, "tickString": 46, "currentTime": 49, "realtimeBar": 50,
    "contractDetailsEnd": 52, "openOrderEnd": 53, "accountDownloadEnd": 54, "execDetailsEnd": 55,
    "tickSnapshotEnd": 57, "marketDataType": 58, "commissionReport": 59, "position": 61, "positionEnd": 62,
    "accountSummary": 63, "accountSummaryEnd": 64, "accountUpdateMulti": 73, "accountUpdateMultiEnd": 74,
    "historicalDataUpdate": 90, "tickByTick": 99, "completedOrder": 101, "completedOrdersEnd": 102,
}  # fmt: skip

Kind = Literal["seconds", "chance", "count", "yes_no", "answer", "request", "client", "text", "amount"]
# What carries a fault out: the line to and from clients; who is let in; the state of server and farms; a part, at the
# moment it is due; or the act itself, once.
Hook = Literal["line", "door", "server", "part", "once"]
Value = int | str | bool


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter; an empty default must be given."""

    name: str
    kind: Kind
    default: str
    doc: str
    choices: tuple[str, ...] = ()


class FaultKind(msgspec.Struct, frozen=True, kw_only=True):
    """One fault."""

    name: str
    hook: Hook
    doc: str
    parameters: tuple[Parameter, ...] = ()


def _chance(default: str = "1") -> Parameter:
    return Parameter(name="chance", kind="chance", default=default, doc="how often it strikes, 0 to 1")


def _delay(default: str, doc: str) -> Parameter:
    return Parameter(name="delay_s", kind="seconds", default=default, doc=doc)


_CLIENT: Final = Parameter(name="client", kind="client", default="all", doc="a client id, or all")
_ANSWER: Final = Parameter(name="message", kind="answer", default="all", doc="a message to clients, by name or id")
_REQUEST: Final = Parameter(name="message", kind="request", default="all", doc="a message of clients, by name or id")
_TIMES: Final = Parameter(name="times", kind="count", default="0", doc="strikes at most so often; 0 = no end")
_SKIP: Final = Parameter(name="skip", kind="count", default="0", doc="lets so many pass first")
_LINE: Final = (_CLIENT, _chance(), _SKIP, _TIMES)

KINDS: Final = (
    # ---- the line ----------------------------------------------------------------------------------------------
    FaultKind(name="drop", hook="line", doc="messages to clients are lost", parameters=(_ANSWER, *_LINE)),
    FaultKind(
        name="delay", hook="line", doc="messages to clients come later, and all later ones behind them",
        parameters=(_ANSWER, _delay("1", "how much later"), *_LINE),
    ),
    FaultKind(name="duplicate", hook="line", doc="messages to clients come twice", parameters=(_ANSWER, *_LINE)),
    FaultKind(
        name="reorder", hook="line", doc="messages to clients come later and are overtaken",
        parameters=(_ANSWER, _delay("0.2", "how much later"), *_LINE),
    ),
    FaultKind(name="drop_request", hook="line", doc="messages of clients are lost", parameters=(_REQUEST, *_LINE)),
    FaultKind(
        name="delay_request", hook="line", doc="messages of clients are read later, and all later ones behind them",
        parameters=(_REQUEST, _delay("1", "how much later"), *_LINE),
    ),
    FaultKind(
        name="half_open", hook="line", doc="the socket stays and nothing passes in either direction",
        parameters=(_CLIENT,),
    ),
    FaultKind(
        name="close_mid_frame", hook="line", doc="the connection ends in the middle of a message",
        parameters=(_ANSWER, _CLIENT),
    ),
    FaultKind(name="missing_status", hook="line", doc="orderStatus is not sent", parameters=_LINE),
    FaultKind(
        name="late_status", hook="line", doc="orderStatus comes late, after executions",
        parameters=(_delay("2", "how much later"), *_LINE),
    ),
    FaultKind(
        name="fill_before_ack", hook="line", doc="openOrder and orderStatus are overtaken by executions",
        parameters=(_delay("0.5", "how much later"), *_LINE),
    ),
    FaultKind(
        name="late_execution", hook="line", doc="execDetails comes late, after the order's last status",
        parameters=(_delay("0.5", "how much later"), *_LINE),
    ),
    FaultKind(
        name="late_commission", hook="line", doc="commissionReport comes late",
        parameters=(_delay("5", "how much later"), *_LINE),
    ),
    FaultKind(name="missing_commission", hook="line", doc="commissionReport is not sent", parameters=_LINE),
    FaultKind(name="missing_executions_end", hook="line", doc="execDetailsEnd is not sent", parameters=_LINE),
    # ---- the door ----------------------------------------------------------------------------------------------
    FaultKind(name="accept_silent", hook="door", doc="connections are taken and never answered"),
    FaultKind(name="accept_close", hook="door", doc="connections are taken and closed"),
    FaultKind(name="refuse", hook="door", doc="connections are refused"),
    FaultKind(
        name="client_id_stuck", hook="door", doc="the client id counts as in use: 326",
        parameters=(Parameter(name="client", kind="client", default="all", doc="a client id, or all"),),
    ),
    # ---- server and farms --------------------------------------------------------------------------------------
    FaultKind(
        name="server_lost", hook="server", doc="1100, then 1101 or 1102; no data meanwhile",
        parameters=(
            Parameter(name="data_lost", kind="yes_no", default="no", doc="ends with 1101: subscribe anew"),
            Parameter(
                name="hold_orders", kind="yes_no", default="yes",
                doc="orders sent meanwhile are queued and submitted at the end; else they are lost",
            ),
            Parameter(
                name="executions_wait", kind="yes_no", default="yes",
                doc="executions and statuses come after the end; else in the middle of it, as was seen too",
            ),
            Parameter(name="repeat_s", kind="seconds", default="0", doc="1100 is told again this often"),
        ),
    ),
    FaultKind(
        name="farm_broken", hook="server", doc="2103, 2105 or 2157 and their end; the data of that farm stop",
        parameters=(
            Parameter(
                name="farm", kind="text", default="market", doc="which", choices=("market", "history", "secdef")
            ),
            Parameter(name="dead", kind="yes_no", default="no", doc="subscriptions stay dead after it is OK again"),
        ),
    ),
    FaultKind(name="competing_session", hook="server", doc="10197: another session has the data; orders work"),
    FaultKind(
        name="nightly_reset", hook="server", doc="1100, then all connections end and new ones are refused",
        parameters=(
            Parameter(name="warning_s", kind="seconds", default="15", doc="from 1100 to the end of connections"),
            Parameter(name="roll_back", kind="count", default="0", doc="nextValidId is so much lower afterwards"),
        ),
    ),
    FaultKind(
        name="weekly_logout", hook="server", doc="the gateway waits for a login: connections end",
        parameters=(
            Parameter(
                name="how", kind="text", default="silent", doc="what new connections meet",
                choices=("silent", "close", "refuse"),
            ),
        ),
    ),
    FaultKind(
        name="clock_offset", hook="server", doc="the gateway's clock, as clients are told it, is off",
        parameters=(Parameter(name="offset_s", kind="seconds", default="5", doc="by how much; may be negative"),),
    ),
    # ---- parts -------------------------------------------------------------------------------------------------
    FaultKind(
        name=part.FILL_AFTER_CANCEL, hook="part", doc="a cancelled order turns out to be filled",
        parameters=(_chance(),),
    ),
    FaultKind(name=part.REJECT_CANCEL, hook="part", doc="a cancel is refused: 161", parameters=(_chance(), _TIMES)),
    FaultKind(name=part.REJECT_MODIFY, hook="part", doc="a modify is refused: 201", parameters=(_chance(),)),
    FaultKind(name=part.REJECT_ORDER, hook="part", doc="a good order is refused: 201", parameters=(_chance(),)),
    FaultKind(
        name=part.LOST_ORDER, hook="part", doc="an order is taken from the socket and never exists",
        parameters=(_chance(),),
    ),
    FaultKind(
        name=part.NASTY_STATUS, hook="part", doc="openOrder and orderStatus come more often than once",
        parameters=(_chance(),),
    ),
    # ---- once --------------------------------------------------------------------------------------------------
    FaultKind(name="disconnect", hook="once", doc="connections end", parameters=(_CLIENT,)),
    FaultKind(
        name="foreign_order", hook="once", doc="somebody places an order by hand",
        parameters=(
            Parameter(name="symbol", kind="text", default="", doc="of an instrument"),
            Parameter(name="side", kind="text", default="BUY", doc="BUY or SELL", choices=("BUY", "SELL")),
            Parameter(name="quantity", kind="amount", default="100", doc="shares"),
            Parameter(name="limit", kind="amount", default="0", doc="limit price; 0 = at market"),
        ),
    ),
)  # fmt: skip
BY_NAME: Final = {kind.name: kind for kind in KINDS}
INSTANT: Final = tuple(kind.name for kind in KINDS if kind.hook == "once")


def find_kind(name: str, *, field: str) -> FaultKind:
    """The fault of a name. Raises ConfigError."""
    if name not in BY_NAME:
        raise ConfigError(f"{field}: {name[:40]!r} is no fault; use one of {', '.join(BY_NAME)}")
    return BY_NAME[name]


def parse(kind: FaultKind, given: dict[str, str], *, field: str) -> dict[str, Value]:
    """Every parameter with its value. Raises ConfigError naming the first that is wrong."""
    known = {parameter.name: parameter for parameter in kind.parameters}
    for name in given:
        if name not in known:
            raise ConfigError(f"{field}.{name}: {kind.name} has no such parameter; it has {', '.join(known) or 'none'}")
    return {name: _value(parameter, given.get(name, ""), f"{field}.{name}") for name, parameter in known.items()}


def _value(parameter: Parameter, given: str, field: str) -> Value:
    text = given.strip() or parameter.default
    if not text:
        raise ConfigError(f"{field}: is missing; give {parameter.doc}")
    if parameter.choices and text not in parameter.choices:
        raise ConfigError(f"{field}: {text[:40]!r} is not one of {', '.join(parameter.choices)}")
    if parameter.kind == "text":
        return text
    if parameter.kind == "yes_no":
        return _yes_no(text, field)
    if parameter.kind in ("answer", "request"):
        return _message(text, parameter.kind, field)
    if parameter.kind == "client":
        return EVERY if text == "all" else _count(text, 2**31 - 1, field)
    if parameter.kind == "count":
        return _count(text, COUNT_MAX, field)
    return _number(parameter.kind, text, field)


def _number(kind: str, text: str, field: str) -> int:
    """Seconds and amounts as nanos, a chance in parts per million."""
    try:
        number = Decimal(text)
        if kind == "chance":
            if not 0 <= number <= 1:
                raise ValueError
            return int(number * PPM)
        if abs(number) > SECONDS_MAX:
            raise ValueError
        return parse_nanos(text, field=field)
    except (ValueError, InvalidOperation):
        wanted = "a number from 0 to 1" if kind == "chance" else f"a plain number up to {SECONDS_MAX}"
        raise ConfigError(f"{field}: {text[:40]!r} is not usable; give {wanted}") from None


def _count(text: str, most: int, field: str) -> int:
    if len(text) > 12 or not text.isascii() or not text.isdigit() or int(text) > most:
        raise ConfigError(f"{field}: {text[:40]!r} is not usable; give a whole number up to {most}")
    return int(text)


def _yes_no(text: str, field: str) -> bool:
    if text not in ("yes", "no"):
        raise ConfigError(f"{field}: {text[:40]!r} is not yes or no")
    return text == "yes"


def _message(text: str, kind: str, field: str) -> int:
    if text == "all":
        return EVERY
    names = ANSWERS if kind == "answer" else {request.name: msg_id for msg_id, request in REQUESTS.items()}
    if text in names:
        return names[text]
    if text.isascii() and text.isdigit() and len(text) < 4:
        return int(text)
    raise ConfigError(f"{field}: {text[:40]!r} is no message; use one of {', '.join(names)}, or an id")
