"""Our end of the protocol against a hostile server: no crash, no hang, no order."""

import asyncio
from collections import deque

import pytest

from broker.ib.session import Phase
from core import events as e
from tests.fakes.ib_fuzz import EncodingSink, storm
from tests.fakes.ib_script import scripted_rig


@pytest.mark.slow
async def test_ten_thousand_broken_frames() -> None:
    """Whatever comes: everything told fits the journal, nothing but look-ups and subscriptions leaves, and after it
    the adapter is READY again and trades.
    """
    failed: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(str(context)))
    async with scripted_rig(settings={"fault_quiet_s": 0.05}) as rig:
        rig.place(limit=1000)
        rig.place(limit=999)
        await rig.sent(3, 2)
        rig.adapter.session._faults = deque(maxlen=1_000_000)  # else ten faults a minute would end every session
        told, rig.adapter._sink = rig.sink, EncodingSink()
        pieces, sessions = await storm(rig, seed=20260105, frames=10_000)
        sink, rig.adapter._sink = rig.adapter._sink, told
        assert isinstance(sink, EncodingSink)
        assert pieces == 10_000
        assert sessions > 20
        assert sink.told["LinkDegraded"] > 10
        assert sink.rows > 10
        assert len(rig.script.of(3)) == 2
        assert not rig.script.of(4)
        assert not rig.script.of(58)
        rig.script.hang_up()
        await rig.until(lambda: rig.adapter.session.phase is Phase.UP and rig.adapter.link == 2)
        before = len(rig.sink.of(e.OrderAcknowledged))
        await rig.working()
        assert len(rig.sink.of(e.OrderAcknowledged)) == before + 1
    assert failed == []
