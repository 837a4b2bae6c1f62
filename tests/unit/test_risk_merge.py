"""What the translation of checks into one function understands, keeps and refuses."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.commands import OrderIntent
from core.errors import Bug
from risk.merge import merged
from risk.view import GateView

CONTROL = 41
LIMIT = 3
NAMES = {"a": 1}


def branching(o: OrderIntent, v: GateView) -> int:
    """An early pass in one branch, a rest that both others share."""
    if v.px:
        if v.px > LIMIT:
            return 0
        found = NAMES.get("a", 0)
    else:
        found = 2
    most = max(found, v.last)
    return CONTROL if most > 1 else 0


def assigned(o: OrderIntent, v: GateView) -> int:
    """An annotated assignment is not a plain one."""
    found: int = v.px
    return CONTROL if found else 0


def plain(o: OrderIntent, v: GateView) -> int:
    """The same names as others use."""
    found = v.px
    return CONTROL if found == LIMIT else 0


def looping(o: OrderIntent, v: GateView) -> int:
    """A loop."""
    for _ in range(2):
        pass
    return 0


def other_number(o: OrderIntent, v: GateView) -> int:
    """A number that is not the control."""
    return 7 if v.px else 0


def endless(o: OrderIntent, v: GateView) -> int:  # type: ignore[return]
    """No return at the end."""
    if v.px:
        return CONTROL


def renamed(order: OrderIntent, view: GateView) -> int:
    """Other arguments."""
    return 0


def view_of(px: int, last: int) -> GateView:
    """A view of two numbers."""
    return cast(GateView, SimpleNamespace(px=px, last=last))


@pytest.mark.parametrize("px", [0, 1, 3, 4])
@pytest.mark.parametrize("last", [0, 1, 2])
@pytest.mark.parametrize("checks", [(branching,), (plain, branching), (branching, plain), (plain, plain)])
def test_one_function_keeps_every_branch(checks: tuple[Any, ...], px: int, last: int) -> None:
    """An early pass ends its own check and no other; equal names of two checks do not meet."""
    order = cast(OrderIntent, SimpleNamespace())
    view = view_of(px, last)
    first = next((control for check in checks if (control := check(order, view))), 0)
    assert merged(checks)(order, view) == first


@pytest.mark.parametrize(
    ("check", "word"),
    [
        (looping, "cannot be merged"),
        (assigned, "cannot be merged"),
        (other_number, "0 or CONTROL"),
        (endless, "without a return"),
        (renamed, "check\\(o, v\\)"),
    ],
)
def test_what_is_not_understood_stops_the_start(check: Callable[[OrderIntent, GateView], int], word: str) -> None:
    """A check that the translation might get wrong is refused by name."""
    with pytest.raises(Bug, match=word):
        merged((check,))
