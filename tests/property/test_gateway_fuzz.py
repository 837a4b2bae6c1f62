"""Whatever comes over the socket, the gateway neither falls nor hangs, places no order, and serves the others."""

import pytest

from broker.gateway.registry import ClientLimits
from tests.fakes.fuzz_gateway import fuzz_gateway
from tests.fakes.gateway_wire import running_edge

UNPACED = ClientLimits(messages_per_s_max=100_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_garbage_ends_nothing_but_its_session(seed: int) -> None:
    """2,500 pieces: noise, cut, oversized and mutated frames; a bystander is answered after each session."""
    async with running_edge(limits=UNPACED) as edge:
        bystander = await edge.client(1)
        counts = await fuzz_gateway(edge.port, seed=seed, frames=2_500, bystander=bystander)
        assert counts["frames"] >= 2_500
        assert len(counts) > 15
        assert edge.server.counts["requests"] > 2_000
        assert [client.client_id for client in edge.server.clients] == [1]
