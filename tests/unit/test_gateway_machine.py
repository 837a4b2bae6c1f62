"""The gateway's machine: order of time, rows that concern nobody, inputs and their places, state."""

import pytest

from broker.gateway.machine import CLOSED, COMMAND, OPENED, REQUEST, Input, decode_state
from broker.gateway.part import NoFaults
from broker.gateway.wire import FieldReader
from core.commands import DAY, MKT
from core.errors import Bug
from core.events import FeedGapped, HaltChanged
from core.ids import BUY
from tests.fakes.gateway import RecordingClient, RecordingPart, new_machine, new_world
from tests.fakes.tape import Tape, at, cents, shares

TAPE = (
    Tape()
    .quote(1, 1000, 1001)
    .quote(2, 1002, 1003, inst=1)
    .quote(3, 1004, 1005)
    .print(3, 1005, 100)
    .quote(4, 1006, 1007)
)  # fmt: skip


class Lost(NoFaults):
    """The server is lost."""

    server_lost = True


def test_rows_nobody_wants_only_move_the_market() -> None:
    """No part is called, no stretch is missed by a tape, and the quotes stand where the rows left them."""
    world, watch = new_world()
    part, stretches = RecordingPart(world), []
    world.tapes.append(lambda rows, lo, hi: stretches.append((lo, hi)))
    machine = new_machine(world, watch, {"one": part})
    rows = TAPE.array()
    machine.run_rows(rows, 0, len(rows))
    assert part.told == []
    assert stretches == [(0, len(rows))]
    assert world.quotes["bid_px_nanos"].tolist() == [cents(1006), cents(1002)]
    assert world.quotes[0]["last_px_nanos"] == cents(1005)
    assert (machine.rows_done, world.now_ns) == (len(rows), at(4))


def test_wanted_rows_and_due_moments_come_in_the_order_of_time() -> None:
    """A moment between two rows meets the market of the first; a moment equal to a row's comes before it."""
    world, watch = new_world()
    part = RecordingPart(world)
    machine = new_machine(world, watch, {"one": part})
    world.wanted[0] = 1
    part.next_due_ns = at(3)
    rows = TAPE.array()
    machine.run_rows(rows, 0, len(rows))
    assert part.told == [
        ("row", at(1), 0, cents(1000)),
        ("due", at(3), cents(1000)),
        ("row", at(3), 0, cents(1004)),
        ("row", at(3), 0, cents(1005)),
        ("row", at(4), 0, cents(1006)),
    ]


def test_stretches_are_told_before_whatever_reads_them() -> None:
    """A tape has seen every row up to the one that is shown, and to the moment that is due."""
    world, watch = new_world()
    part, seen = RecordingPart(world), []
    world.tapes.append(lambda rows, lo, hi: seen.append(("tape", lo, hi, len(part.told))))
    machine = new_machine(world, watch, {"one": part})
    world.wanted[1] = 1
    part.next_due_ns = at(3)
    rows = TAPE.array()
    machine.run_rows(rows, 0, len(rows))
    assert seen == [("tape", 0, 2, 0), ("tape", 2, 5, 2)]
    part.next_due_ns = at(3.5)
    seen.clear()


def test_an_order_fills_on_rows_and_its_facts_reach_the_parts() -> None:
    """The exchange sees rows while it works an order, and only then."""
    world, watch = new_world()
    part = RecordingPart(world)
    machine = new_machine(world, watch, {"one": part})
    rows = TAPE.array()
    machine.run_rows(rows, 0, 1)
    world.exchange.foreign_order(
        inst=0, side=BUY, qty_nanos=shares(10), order_type=MKT, tif=DAY, ts_ns=world.now_ns
    )  # fmt: skip
    machine.run_rows(rows, 1, len(rows))
    assert [told[2] for told in part.told if told[0] == "fact"] == ["OrderFilled", "CommissionReported"]
    assert world.exchange.account.state.positions[0].qty_nanos == shares(10)
    assert watch.tolist() == [0, 0]


def test_how_the_rows_are_cut_changes_nothing() -> None:
    """One run, row by row, and with time moved on in between: the same state to the byte."""
    dumps = []
    for cuts in ([5], [1, 2, 3, 4, 5], [2, 5]):
        world, watch = new_world()
        machine = new_machine(world, watch, {"one": RecordingPart(world)})
        rows, lo = TAPE.array(), 0
        for number, hi in enumerate(cuts):
            machine.run_rows(rows, lo, hi)
            if not number:
                machine.advance_to(at(1) if hi == 1 else world.now_ns)
            lo = hi
        machine.advance_to(at(60))
        dumps.append(machine.dump())
    assert dumps[0] == dumps[1] == dumps[2]


def test_facts_wait_while_the_server_is_lost() -> None:
    """What happens meanwhile is told when it is back, in order, and survives a restart in between."""
    world, watch = new_world()
    part = RecordingPart(world)
    machine = new_machine(world, watch, {"one": part})
    machine.run_rows(TAPE.array(), 0, 1)
    world.faults = Lost()
    world.exchange.foreign_order(inst=0, side=BUY, qty_nanos=shares(10), order_type=MKT, tif=DAY, ts_ns=at(1))
    machine.advance_to(at(10))
    assert part.told == []
    state = decode_state(machine.dump())
    world, watch = new_world(state=state.exchange)
    part = RecordingPart(world)
    machine = new_machine(world, watch, {"one": part})
    machine.load(state)
    assert world.now_ns == at(10)
    machine.link_changed(True)
    assert [told[2] for told in part.told] == ["OrderFilled", "CommissionReported", True]


def test_halts_and_gaps_reach_venue_market_and_parts() -> None:
    """A control fact moves time, the market state and every part."""
    world, watch = new_world()
    part = RecordingPart(world)
    machine = new_machine(world, watch, {"one": part})
    machine.run_rows(TAPE.array(), 0, 5)
    machine.control(at(5), HaltChanged(inst=0, halted=1))
    machine.control(at(6), FeedGapped(inst=1, dropped=3, reason="test"))
    assert (world.quotes[0]["halted"], world.quotes[1]["blind"], machine.facts_done) == (1, 1, 2)
    assert part.told == [("fact", at(5), "HaltChanged"), ("fact", at(6), "FeedGapped")]


def test_lasting_inputs_are_recorded_with_their_place() -> None:
    """Sessions, orders and commands; what only asks is not recorded, an unknown id is told."""
    world, watch = new_world()
    asked: list[list[str]] = []
    part = RecordingPart(world, {3: lambda _, fields: asked.append(fields.rest()), 49: lambda *_: None})
    machine = new_machine(world, watch, {"one": part})
    inputs: list[Input] = []
    machine.record = inputs.append
    machine.command = lambda text: f"did {text}"
    machine.catch_up = lambda: machine.advance_to(at(2))
    machine.run_rows(TAPE.array(), 0, 1)
    client = RecordingClient(7)
    machine.opened(client)
    assert machine.handle(client, 3, FieldReader(["3", "1", "x"], 1))
    assert machine.handle(client, 49, FieldReader(["49", "1"], 1))
    assert not machine.handle(client, 1234, FieldReader(["1234"], 1))
    assert machine.operate("{}") == "did {}"
    machine.closed(client)
    assert asked == [["1", "x"]]
    assert [(one.kind, one.rows_done, one.ts_ns, one.fields) for one in inputs] == [
        (OPENED, 1, at(2), []),
        (REQUEST, 1, at(2), ["1", "x"]),
        (COMMAND, 1, at(2), ["{}"]),
        (CLOSED, 1, at(2), []),
    ]


def test_two_parts_never_answer_the_same_request() -> None:
    """The second is named."""
    world, watch = new_world()
    both = {name: RecordingPart(world, {3: lambda *_: None}) for name in ("orders", "other")}
    with pytest.raises(Bug, match="id 3 are answered by orders and by other"):
        new_machine(world, watch, both)


def test_a_part_that_stays_due_is_a_bug() -> None:
    """Else time would stand still for ever."""
    world, watch = new_world()
    part = RecordingPart(world)
    part.advance = lambda ts_ns: None  # type: ignore[method-assign]
    part.next_due_ns = at(1)
    with pytest.raises(Bug, match="due at"):
        new_machine(world, watch, {"one": part}).advance_to(at(2))
