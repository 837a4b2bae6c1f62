"""The function made of all checks answers as the checks themselves do, whatever the view holds."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core.units import NANO
from risk.checks import CHECKS
from risk.holdings import Holdings
from risk.laid_down import LaidDown
from risk.limits import Limits
from risk.merge import merged
from risk.resolve import resolve
from risk.view import GateView
from tests.fakes.context import World, build_context

# objects, not numbers
OWN = ("account", "bounds", "crowds", "edges", "exposure", "foreign", "history", "levels", "money", "rules", "volumes")
SLOTS = (*GateView.__slots__, *Holdings.__slots__, *LaidDown.__slots__)
NUMBERS = [name for name in SLOTS if not name.startswith("_") and name not in OWN]
VALUES = st.one_of(
    st.sampled_from((0, 1, -1, 2, 3, 1 << 62)), st.integers(-(10**6), 10**6), st.integers(-(10**15), 10**15)
)
INTENTS = st.fixed_dictionaries(
    {
        "side": st.sampled_from((1, -1)),
        "qty_nanos": st.sampled_from((0, 1, NANO, 100 * NANO, 10**9 * NANO)),
        "order_type": st.integers(1, 7),
        "tif": st.integers(1, 7),
        "limit_px_nanos": st.sampled_from((0, 1, 100 * NANO, 100 * NANO + 1)),
        "stop_px_nanos": st.sampled_from((0, 0, 0, NANO)),
        "gtd_ts_ns": st.sampled_from((0, 0, 1 << 62)),
        "outside_rth": st.booleans(),
        "purpose": st.sampled_from((c.INTENT_SCHEDULE, c.INTENT_FLATTEN, c.INTENT_DISASTER)),
    }
)
SINGLE = tuple(check.check for check in CHECKS)


@cache
def ordinary() -> tuple[World, GateView]:
    """One world and its view: a refresh overwrites every field, so nothing of an example stays."""
    world = build_context()
    strategies = world.money.settings.strategies
    resolved = resolve(Limits(), instruments=world.context.instruments, strategies=strategies, currency="USD")
    return world, GateView(world.context, resolved)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(NUMBERS), VALUES, max_size=12), INTENTS)
def test_all_checks_in_one_say_what_each_says(changes: dict[str, int], fields: dict[str, int]) -> None:
    """The first single failure's control, or 0; from an ordinary order's view and with any numbers in it."""
    world, view = ordinary()
    intent = world.intent(**fields)
    view.refresh(intent, world.ts_ns)
    for name, value in changes.items():
        setattr(view, name, value)
    first = next((control for check in SINGLE if (control := check(intent, view))), 0)
    assert merged(SINGLE)(intent, view) == first
