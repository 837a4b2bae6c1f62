"""The killers' own session against the real gateway over real sockets: what it lists, cancels and may call verified."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ib_async import LimitOrder

from broker.ib.config import IbSettings
from daemon.killer import session as killer
from daemon.killer.session import CancelReport, KillSession, OpenOrder
from daemon.probes.finding import Trouble
from daemon.probes.talk import ClientIdTaken
from tests.fakes.gateway_built import random_rows
from tests.fakes.gateway_serving import Serving, serving
from tests.integration.test_gateway_faults import place, session

pytestmark = pytest.mark.slow
SPEED = 50.0
TRADER, FOREIGN, GUARD = 11, 5, 12
OURS = "q-du1-3-"


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's time runs many times as fast: so do the killer's pauses."""
    monkeypatch.setattr(killer, "AGAIN_S", 0.03)
    monkeypatch.setattr(killer, "RESEND_S", 0.06)


async def orders_of_two(gateway: Serving) -> tuple[Any, Any]:
    """Two orders of the trader's client, two of another's; nothing of them can fill."""
    mine, next_id = await session(gateway, TRADER)
    for number in range(2):
        place(mine, next_id + number, LimitOrder("BUY", 10, 9.0, orderRef=f"{OURS}{number}", tif="GTC"))
        await mine.until("3", str(next_id + number), "Submitted")
    other, next_id = await session(gateway, FOREIGN)
    for number in range(2):
        place(other, next_id + number, LimitOrder("BUY", 10, 9.0, orderRef="", tif="GTC"))
        await other.until("3", str(next_id + number), "Submitted")
    return mine, other


def kill(gateway: Serving, client_id: int, **how: Any) -> CancelReport:
    """One whole session; called in a thread."""
    with KillSession(IbSettings(port=gateway.port), client_id=client_id) as there:
        return there.cancel_until_empty(**{"deadline_s": 5.0} | how)


def is_ours(order: OpenOrder) -> bool:
    """By its reference."""
    return order.order_ref.startswith(OURS)


async def test_one_by_one_and_then_everything(tmp_path: Path) -> None:
    """The trader's client id takes its own orders back and names the rest; a global cancel takes that too."""
    async with serving(tmp_path, random_rows(5, count=3_000, seconds=600), speed=SPEED) as gateway:
        gateway.server.download_open_orders = True  # as some gateways do: lists that nobody asked for
        mine, _ = await orders_of_two(gateway)
        with pytest.raises(ClientIdTaken, match="326"):
            await asyncio.to_thread(kill, gateway, TRADER, everything=False)
        await mine.close()
        ours = await asyncio.to_thread(kill, gateway, TRADER, everything=False, in_scope=is_ours)
        assert ours.verified
        assert [order.order_ref for order in ours.cancelled] == [f"{OURS}0", f"{OURS}1"]
        assert [order.client_id for order in ours.others] == [FOREIGN, FOREIGN]
        beyond = await asyncio.to_thread(kill, gateway, TRADER, everything=False, deadline_s=0.2)
        assert (beyond.verified, len(beyond.left)) == (False, 2)
        assert "only a global cancel reaches them" in beyond.reason
        rest = await asyncio.to_thread(kill, gateway, GUARD, everything=True)
        assert (rest.verified, len(rest.cancelled), rest.left, rest.others) == (True, 2, (), ())


async def test_a_lost_server_is_never_verified(tmp_path: Path) -> None:
    """Behind a gateway that has lost the broker an empty list proves nothing; a cut line is told as trouble."""
    async with serving(tmp_path, random_rows(5, count=3_000, seconds=600), speed=SPEED) as gateway:
        gateway.fault("server_lost", 0)
        report = await asyncio.to_thread(kill, gateway, GUARD, everything=True, deadline_s=0.3)
        assert not report.verified
        assert "no connection to the broker's servers" in report.reason
    with pytest.raises(Trouble):
        await asyncio.to_thread(kill, gateway, GUARD, everything=True)
