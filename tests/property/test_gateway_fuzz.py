"""Whatever comes over the socket, the gateway neither falls nor hangs, places no order, and serves the others."""

import random
from pathlib import Path
from typing import Any

import pytest

from broker.gateway.machine import GatewayMachine
from broker.gateway.wire import FieldReader, Malformed
from core.units import NANO
from daemon.gateway.build import build_gateway
from tests.fakes.fuzz_gateway import fuzz_gateway, running_gateway
from tests.fakes.gateway import RecordingClient
from tests.fakes.gateway_built import gateway_config, gateway_tables, random_rows
from tests.fakes.wire_fuzz import BAD_FIELDS, order_of_ib_async


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_garbage_ends_nothing_but_its_session(seed: int, tmp_path: Path) -> None:
    """2,500 pieces: noise, cut, oversized and mutated frames; a bystander is answered after each session; no order is
    there afterwards, and no part failed.
    """
    async with running_gateway(tmp_path) as edge:
        bystander = await edge.client(1)
        counts = await fuzz_gateway(
            edge.port, seed=seed, frames=2_500, bystander=bystander, between=lambda: edge.clock.move(10**9)
        )
        assert len(counts) > 15
        assert edge.server.counts["requests"] > 2_000
        assert [client.client_id for client in edge.server.clients] == [1]
        bystander.send(16, 1)
        bystander.send(99, 0)
        bystander.send(7, 3, 1, 0, "", "", "", "", "", "")
        frames = await bystander.until("55")
        assert {frame[0] for frame in frames} == {"53", "102", "55"}


@pytest.fixture
def machine(tmp_path: Path) -> GatewayMachine:
    """The whole machine in a market of 10.00."""
    machine = build_gateway(gateway_config(tmp_path), gateway_tables()).machine
    rows = random_rows(1, count=200, seconds=20)
    machine.run_rows(rows, 0, len(rows))
    return machine


def handled(machine: GatewayMachine, client: RecordingClient, fields: list[str]) -> bool:
    """Whether the message could be read."""
    try:
        machine.handle(client, int(fields[0]), FieldReader(fields, 1))
    except Malformed:
        return False
    return True


def open_orders(machine: GatewayMachine) -> list[Any]:
    """What reqAllOpenOrders tells."""
    asking = RecordingClient(99)
    machine.handle(asking, 16, FieldReader(["1"]))
    return asking.of(5)


@pytest.mark.slow
def test_an_order_that_is_cut_short_is_never_placed(machine: GatewayMachine) -> None:
    """At every one of its fields, and with any one field missing the order is another's or none: never half of one."""
    whole = order_of_ib_async("S0")
    client = RecordingClient()
    machine.opened(client)
    for length in range(1, len(whole)):
        assert not handled(machine, client, whole[:length]), length
    assert open_orders(machine) == client.of(5) == client.of(3) == []
    assert handled(machine, client, whole)
    machine.advance_to(machine.world.now_ns + 10**9)
    assert client.of(5)


@pytest.mark.slow
def test_an_order_with_any_one_field_broken(machine: GatewayMachine) -> None:
    """Every field of an order that would fill at once, with what a broken client could put there: refused or taken as
    TWS would, and never a fault of ours; the position is what the executions add up to.
    """
    client, chance = RecordingClient(), random.Random(7)
    machine.opened(client)
    order_id, ask_nanos = 0, int(machine.world.quotes[0]["ask_px_nanos"])
    for at in range(2, 114):
        for broken in chance.sample(BAD_FIELDS, 8):
            order_id += 1
            fields = order_of_ib_async("S0", order_id=order_id, px=(ask_nanos + NANO // 10) / NANO)
            fields[at] = broken
            handled(machine, client, fields)
        machine.handle(client, 58, FieldReader(["1"]))
        machine.advance_to(machine.world.now_ns + 10**9)
    executions = {fields[14]: fields for fields in client.of(11)}
    bought = sum(int(str(fields[19])) * (1 if fields[18] == "BOT" else -1) for fields in executions.values())
    machine.handle(client, 61, FieldReader(["1"]))
    assert [(fields[4], int(str(fields[14]))) for fields in client.of(61)] == [("S0", bought)]
    assert bought > 5_000
