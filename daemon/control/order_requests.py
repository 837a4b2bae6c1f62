"""Requests about manual orders become facts here: texts into numbers, an algorithm and its parameters by the registry's
own checks. What the market, the ladder and the limits say of them is the engine's.
"""

import json
import re
from typing import Any, Final

from core import events as e
from core.commands import DAY, GTC
from core.errors import ConfigError
from core.ids import BUY, SELL
from core.manual import MANUAL
from daemon.control.fields import Unacceptable, amount_of, reason_of
from daemon.control.order_messages import GiveOrder, WithdrawOrder
from execution.algos import RESTING, AlgoParams, find_algo, read_params, written

ORDER_ID_MAX: Final = 1 << 62
_GROUP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,39}")
VALUE_LENGTH_MAX: Final = 40


def order_given(
    request: GiveOrder, operator: str, *, symbols: tuple[str, ...], strategies: tuple[str, ...]
) -> e.OrderGiven:
    """One order. Raises Unacceptable naming the field and what helps."""
    if request.symbol not in symbols:
        raise Unacceptable(f"symbol {request.symbol[:40]!r}: this trader knows {', '.join(symbols[:20])}")
    if request.strategy not in (MANUAL, *strategies):
        known = ", ".join(dict.fromkeys((MANUAL, *strategies)))
        raise Unacceptable(f"strategy {request.strategy[:40]!r}: no such book: one of {known[:200]}")
    algo, params = _how(request)
    return e.OrderGiven(
        strategy=request.strategy,
        inst=symbols.index(request.symbol),
        side=BUY if request.side == "buy" else SELL,
        qty_nanos=amount_of("qty", request.qty),
        algo=algo,
        params=params,
        tif=GTC if request.tif == "gtc" else DAY,
        limit_px_nanos=_price("limit", request.limit),
        take_profit_px_nanos=_price("take-profit", request.take_profit),
        stop_px_nanos=_price("stop", request.stop),
        oca_group=_group(request.oca),
        reason=reason_of(request.reason),
        operator=operator,
    )


def order_withdrawn(request: WithdrawOrder, operator: str) -> e.OrderWithdrawn:
    """One order by its number."""
    if not 0 < request.order_id < ORDER_ID_MAX:
        raise Unacceptable("ID: a positive number, as `quantd order list` shows it")
    return e.OrderWithdrawn(
        parent_id=request.order_id,
        reason=reason_of(request.reason),
        operator=operator,
        protection=request.protection,
    )


def _how(request: GiveOrder) -> tuple[str, str]:
    """Algorithm and parameters."""
    if not request.algo:
        if not request.limit:
            raise Unacceptable("limit: say how it is to trade: --limit PX, --market-style, or --algo NAME")
        if request.params:
            raise Unacceptable("params: belong to an algorithm: give --algo NAME, or leave them out")
        return RESTING.name, written(RESTING.params_type())
    if request.tif == "gtc":
        raise Unacceptable("tif gtc: is for an order that rests at --limit PX: an algorithm ends with the day")
    try:
        algo = find_algo(request.algo[:40], field="algo")
        if algo is RESTING and request.limit:
            raise Unacceptable("algo resting: is what --limit PX alone does: leave --algo out")
        return algo.name, written(_read(algo.name, request.params))
    except ConfigError as fault:
        raise Unacceptable(str(fault)) from None


def _read(name: str, given: tuple[str, ...]) -> AlgoParams:
    raw: dict[str, Any] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        if not equals or not _NAME.fullmatch(key) or not 0 < len(text) <= VALUE_LENGTH_MAX:
            raise Unacceptable(f"params {pair[:60]!r}: write NAME=VALUE")
        table, _, tag = key.rpartition(".")
        if table not in ("", "tags"):
            raise Unacceptable(f"params {pair[:60]!r}: only tags.NAME=VALUE has a dot in its name")
        place = raw.setdefault("tags", {}) if table else raw
        if tag in place:
            raise Unacceptable(f"params {key}: is given twice")
        place[tag] = _value(text)
    return read_params(find_algo(name), raw, field="params")


def _value(text: str) -> str | float | bool:
    """As a config file would hold it; what is neither number nor true or false is a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def _price(field: str, text: str) -> int:
    return amount_of(field, text) if text else 0


def _group(text: str) -> str:
    if text and not _GROUP.fullmatch(text):
        raise Unacceptable(f"oca {text[:40]!r}: a name of 1 to 16 letters, digits, - and _")
    return text
