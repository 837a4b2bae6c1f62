"""An order that the broker's own algorithm works is judged as any other: every row of every check again, with the whole
parent as one order at its limit. What we cannot see inside the broker is bounded before it is sent.
"""

import msgspec
import pytest

from core.commands import INTENT_DISASTER, LMT, ApprovedOrder, OrderIntent
from core.units import NANO
from risk.checks import CHECKS
from risk.gate import Gate
from risk.limits import Limits
from tests.contract.test_checks import CASES as STATES
from tests.contract.test_checks import EXIT, IN, MISSING, OUT, Case
from tests.contract.test_counting_checks import CASES as COUNTS
from tests.fakes.context import ACCOUNT, TAG, World, build_context

TAGS = (("endTime", "20250307-18:00:00"), ("maxPctVol", "0.1"))
ROWS = (*STATES, *COUNTS)


def is_new(intent: OrderIntent) -> bool:
    """One that the broker could be given so: the only kind that the executor makes."""
    return intent.order_type == LMT and not intent.version and intent.purpose != INTENT_DISASTER


def row_of(code: str, kind: str) -> Case | None:
    """The first row of a check and kind that such an order can stand in."""
    return next((case for case in ROWS if (case.code, case.kind) == (code, kind) and is_new(fresh(case)[1])), None)


def fresh(case: Case) -> tuple[World, OrderIntent]:
    """The world of a row, and its order."""
    world = build_context(limits=case.limits, changes={0: case.instrument})
    return world, case.arrange(world)


@pytest.mark.parametrize("code", [check.CODE for check in CHECKS])
def test_every_control_holds_for_the_whole_parent(code: str) -> None:
    """Just inside passes, just outside or without what is asked for is refused, an exit by its own profile."""
    seen = []
    for kind in (IN, OUT, MISSING, EXIT):
        case = row_of(code, kind)
        if case is None:
            continue
        world, plain = fresh(case)
        order = msgspec.structs.replace(plain, broker_algo="Vwap", broker_params=TAGS)
        verdict = Gate(world.context, case.limits, ACCOUNT, TAG).approve(order, world.ts_ns, 7)
        failures = () if isinstance(verdict, ApprovedOrder) else verdict.failures
        assert (code in [failure.code for failure in failures]) is case.refused, case.name
        seen.append(case.refused)
    assert {*seen} == {True, False}, f"{code}: {seen}"


def test_a_replace_may_not_change_who_works_it() -> None:
    """Neither away from the broker's algorithm, nor to one, nor to other tags of it."""
    world = build_context()
    mine, theirs = world.intent(), world.intent(slice_no=50, broker_algo="Vwap", broker_params=TAGS)
    world.place(world.approved(mine))
    theirs = msgspec.structs.replace(theirs, order_id=world.money.next_order_id)
    world.place(world.approved(theirs))
    gate = Gate(world.context, Limits(), ACCOUNT, TAG)
    more = {"version": 1, "qty_nanos": 90 * NANO}
    for order, changes, legal in (
        (mine, {}, True), (mine, {"broker_algo": "Vwap"}, False), (theirs, {}, True),
        (theirs, {"broker_algo": "", "broker_params": ()}, False), (theirs, {"broker_params": TAGS[:1]}, False),
    ):  # fmt: skip
        verdict = gate.approve(msgspec.structs.replace(order, **more | changes), world.ts_ns, 9)
        assert isinstance(verdict, ApprovedOrder) is legal, verdict
