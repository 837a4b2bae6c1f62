"""Requests about limits and overrides become facts here. Decides nothing: engine and risk/ do."""

from typing import Final

from core import events as e
from daemon.control import messages as m
from daemon.control.fields import Unacceptable, amount_of, end_of, reason_of

SIDES: Final = {"buy": 1, "sell": -1}
CLASSES: Final = ("etf", "stock")
NAME_LENGTH_MAX: Final = 60


def limit_changed(request: m.SetLimit | m.RevertLimit, operator: str) -> e.LimitChanged:
    """A value for one scope, or none: back to the config's."""
    value, until_ns, lasts_ns = "", 0, 0
    if type(request) is m.SetLimit:
        value = request.value.strip()
        if not value:
            raise Unacceptable("value: is missing; `quantd limits revert` takes a change back")
        until_ns, lasts_ns = end_of(request.until)
    if len(request.name) > NAME_LENGTH_MAX:
        raise Unacceptable(f"name: {len(request.name)} characters are no limit")
    return e.LimitChanged(
        scope=_scope(request),
        name=request.name,
        value=value,
        until_ns=until_ns,
        lasts_ns=lasts_ns,
        reason=reason_of(request.reason),
        operator=operator,
    )


def _scope(request: m.SetLimit | m.RevertLimit) -> str:
    """As the config names it below [limits]; whether it exists is for risk/ to say."""
    given = {
        "strategy": request.strategy,
        "symbol": request.symbol,
        "class": request.instrument_class,
    }
    named = [f"{kind}.{name}" for kind, name in given.items() if name is not None]
    if len(named) > 1:
        raise Unacceptable("give one of strategy, symbol and class")
    return named[0] if named else "account"


def override_granted(
    request: m.Override, operator: str, *, symbols: tuple[str, ...], strategies: tuple[str, ...]
) -> e.OverrideGranted:
    """One order of one strategy in one symbol."""
    if request.symbol not in symbols:
        raise Unacceptable(f"unknown symbol {request.symbol[:40]!r}")
    if request.strategy not in strategies:
        raise Unacceptable(f"unknown strategy {request.strategy[:40]!r}")
    if request.side not in SIDES:
        raise Unacceptable(f"side {request.side[:40]!r}: buy or sell")
    until_ns, lasts_ns = end_of(request.until)
    return e.OverrideGranted(
        control=request.control,
        strategy=request.strategy,
        inst=symbols.index(request.symbol),
        side=SIDES[request.side],
        qty_nanos=amount_of("qty", request.qty),
        px_nanos=0 if request.px is None else amount_of("px", request.px),
        until_ns=until_ns,
        lasts_ns=lasts_ns,
        reason=reason_of(request.reason),
        operator=operator,
    )
