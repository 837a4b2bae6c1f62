"""What the gate passes without asking its checks, every check passes: whatever one number of the state is changed to,
and when several change at once. The edge of each comparison is looked for, and the checks are asked right there.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core.commands import OrderIntent
from core.market import FIELDS, INDEX
from core.units import NANO
from risk.checks import CHECKS
from risk.limits import AccountLimits, Limits
from risk.merge import merged
from risk.ordinary import Ordinary
from risk.resolve import resolve
from risk.view import GateView
from tests.fakes.context import CENT, HOUR, SECOND, build_context

ASK = merged(tuple(check.check for check in CHECKS))
FURTHEST = 61  # a number is moved by up to two to the power of it
LIMITS = Limits(account=AccountLimits(risk_seconds_soft=3_600))
PARTS = ("money", "conditions", "counters", "reservations", "ledger", "exposure", "market", "order")
# Not read by any order: what is journalled, kept for display or config.
LEFT_OUT = ("alerts", "approvals", "audit", "executions", "orders", "settings", "limit_changes", "parents", "kills")

Put = Callable[[Any], None]
Leaf = tuple[str, int, Put]  # where, the number, how to change it


class Twin:
    """A world with an ordinary order of one side, the envelope learned from it, and a second view to ask the checks."""

    def __init__(self, side: int) -> None:
        self.world = world = build_context(limits=LIMITS)
        world.money.risk_since_ns = world.ts_ns
        for order_side, px in ((1, 99 * NANO), (-1, 101 * NANO)):
            world.rest(side=order_side, limit_px_nanos=px, qty_nanos=3 * NANO)
            world.rest(side=order_side, limit_px_nanos=px, qty_nanos=5 * NANO, strategy="beta")
        world.hold(0, side * 100)
        world.print_trade(0, 100 * NANO, size=1_000_000)
        world.ts_ns += 2 * SECOND
        parent = c.OpenParent(
            parent_id=1, strategy="alpha", inst=0, side=side, qty_nanos=500 * NANO, algo="twap",
            start_ts_ns=world.ts_ns, end_ts_ns=world.ts_ns + HOUR, slices=5,
        )  # fmt: skip
        world.command(parent)
        world.quote(0, 100 * NANO - CENT, 100 * NANO + CENT)
        world.mark()
        context, money = world.context, world.money
        resolved = resolve(
            LIMITS, instruments=context.instruments, strategies=money.settings.strategies, currency="USD"
        )
        self.view = GateView(context, resolved)
        self.other = GateView(context, resolved)
        self.ordinary = Ordinary(context, self.other, resolved)
        self.order = world.intent(side=side, parent_id=1)
        self.learn()

    def learn(self) -> None:
        """Take the envelope from the order as things are."""
        self.other.refresh(self.order, self.world.ts_ns)
        assert not ASK(self.order, self.other)
        self.ordinary.learn(self.order)

    def passes(self) -> bool:
        """Whether the order passes without a look."""
        return self.ordinary.value(self.order, self.world.ts_ns) > 0

    def holds(self) -> None:
        """The checks say the same of what just passed."""
        value = self.ordinary.value(self.order, self.world.ts_ns)
        self.view.refresh(self.order, self.world.ts_ns)
        assert ASK(self.order, self.view) == 0
        assert (self.view.notional, self.view.reduce_only) == (value, 0)

    def leaves(self, part: str) -> Iterator[Leaf]:
        """Every number of one part of the state."""
        context, money = self.world.context, self.world.money
        if part == "order":
            yield "time", self.world.ts_ns, lambda at: setattr(self.world, "ts_ns", at)
            for leaf in numbers(self.order, lambda order: setattr(self, "order", order), "order"):
                if leaf[0] not in ("order.inst", "order.side"):  # other orders: below
                    yield leaf
        elif part == "market":
            view = context.market.view
            for name, at in INDEX.items():
                if at < FIELDS and name not in ("move_var", "band_sums", "band_counts"):
                    yield name, view[at], _putter(view, at)
            yield from numbers(context.volumes.adv_nanos, None, "adv")
            yield from numbers(context.reference_dates, None, "reference")
            yield from numbers(context.previous_close_nanos, None, "close")
        elif part == "money":
            named = ("conditions", "counters", "reservations", "ledger", *LEFT_OUT)
            for name in type(money).__slots__:
                if not name.startswith("_") and name not in named:
                    yield from numbers(getattr(money, name), _attribute(money, name), name)
        else:
            yield from numbers(context.exposure if part == "exposure" else getattr(money, part), None, part)


def _putter(target: Any, at: Any) -> Put:
    return lambda value: target.__setitem__(at, value)


def _attribute(target: Any, name: str) -> Put:
    return lambda value: setattr(target, name, value)


def _replaced(struct: Any, name: str, put: Put) -> Put:
    """Put back is the very same object: others are told apart by what they are, not by what they say."""
    start = getattr(struct, name)
    return lambda value: put(struct if value == start else msgspec.structs.replace(struct, **{name: value}))


def numbers(node: Any, put: Put | None, where: str) -> Iterator[Leaf]:
    """The integers below a node; `put` replaces the node itself."""
    if isinstance(node, int):
        if put is not None:
            yield where, node, put
    elif isinstance(node, list):
        for at, below in enumerate(node):
            yield from numbers(below, _putter(node, at), f"{where}[{at}]")
    elif isinstance(node, dict):
        for key, below in node.items():
            yield from numbers(below, _putter(node, key), f"{where}[{key}]")
    elif isinstance(node, msgspec.Struct) and type(node).__struct_config__.frozen:
        for name in node.__struct_fields__ if put is not None else ():
            yield from numbers(getattr(node, name), _replaced(node, name, put), f"{where}.{name}")  # type: ignore[arg-type]
    elif type(node).__module__.startswith("core."):
        names = node.__struct_fields__ if isinstance(node, msgspec.Struct) else type(node).__slots__
        for name in names:
            if name not in LEFT_OUT and name != "concentration":
                yield from numbers(getattr(node, name), _attribute(node, name), f"{where}.{name}")


def edge(twin: Twin, start: int, put: Put, sign: int) -> Iterator[int]:
    """Values in one direction that pass without a look: the last of them, and some before."""
    near, far = 0, 0
    for power in range(FURTHEST):
        put(start + sign * (1 << power))
        if twin.passes():
            near = 1 << power
        else:
            far = 1 << power
            break
    yield start + sign * (near >> 7)
    while far - near > 1:
        middle = (near + far) // 2
        put(start + sign * middle)
        near, far = (middle, far) if twin.passes() else (near, middle)
    yield start + sign * near


@pytest.fixture(scope="module", autouse=True)
def _made_once() -> None:
    """The checks in one function, and what a first world compiles."""
    Twin(1)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("side", [1, -1])
def test_what_passes_without_a_look_passes_every_check(side: int, part: str) -> None:
    """Each number by itself, up and down to where the short way no longer takes it."""
    twin = Twin(side)
    assert twin.passes()
    for where, start, put in list(twin.leaves(part)):
        for sign in (1, -1):
            for value in edge(twin, start, put, sign):
                put(value)
                try:
                    if twin.passes():
                        twin.holds()
                except AssertionError as wrong:
                    raise AssertionError(f"{where} at {value} from {start}") from wrong
        put(start)
        assert twin.passes(), f"{where}: put back to {start}"


CHANGES = st.lists(
    st.tuples(st.sampled_from(PARTS), st.integers(0, 400), st.integers(0, 56), st.sampled_from((1, -1)), st.booleans()),
    max_size=6,
)


@settings(max_examples=60)
@given(st.sampled_from((1, -1)), CHANGES)
def test_several_changes_at_once(side: int, changes: list[tuple[str, int, int, int, bool]]) -> None:
    """Some numbers move together; where the checks still pass, the bounds may be taken again from there."""
    twin = Twin(side)
    for part, at, power, sign, again in changes:
        leaves = list(twin.leaves(part))
        _, start, put = leaves[at % len(leaves)]
        put(start + sign * (1 << power))
        if twin.passes():
            twin.holds()
        twin.other.refresh(twin.order, twin.world.ts_ns)
        if again and not ASK(twin.order, twin.other):
            twin.ordinary.learn(twin.order)
            if twin.passes():
                twin.holds()


def test_orders_that_are_not_plain_are_looked_at() -> None:
    """Anything but a new limit order for the day, and anything of a strategy, side or instrument not seen before."""
    twin = Twin(1)
    plain = twin.order
    changes: tuple[dict[str, Any], ...] = (
        {"order_type": c.MKT}, {"tif": c.GTC}, {"version": 1}, {"outside_rth": True}, {"stop_px_nanos": 1},
        {"gtd_ts_ns": 1}, {"side": -1}, {"side": 2}, {"inst": 1}, {"inst": -1}, {"inst": 7}, {"strategy": "beta"},
        {"strategy": ""},
    )  # fmt: skip
    assert twin.ordinary.value(plain, twin.world.ts_ns)
    for change in changes:
        other: OrderIntent = msgspec.structs.replace(plain, **change)
        assert not twin.ordinary.value(other, twin.world.ts_ns), change


def test_the_short_way_lasts_over_orders_fills_and_quotes() -> None:
    """It is of use only if what orders themselves change does not end it."""
    twin = Twin(1)
    world = twin.world
    for number in range(20):
        world.ts_ns += SECOND
        world.quote(0, 100 * NANO - CENT, 100 * NANO + CENT, size=1_000 + number)
        twin.order = world.intent(qty_nanos=(1 + number) * NANO)
        assert twin.passes(), number
        twin.holds()
        world.fill(world.place(world.approved(twin.order)), (1 + number) * NANO, 100 * NANO)
        world.mark()
