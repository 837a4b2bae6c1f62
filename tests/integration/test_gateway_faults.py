"""Faults of the whole gateway as a client meets them, over real sockets and at many times the wall's speed."""

from pathlib import Path
from typing import Any

import pytest
from ib_async import LimitOrder, MarketOrder, Order, Stock
from ib_async.client import Client as Encoder

from tests.fakes.gateway_built import random_rows
from tests.fakes.gateway_serving import Serving, serving
from tests.fakes.gateway_wire import WireClient, eventually

SPEED = 50.0
FARMS_KNOWN = ("4", "2", "-1", "2158")  # the last thing said at a session's start


def rows() -> Any:
    """Ten minutes of a market."""
    return random_rows(5, count=3_000, seconds=600)


def place(client: WireClient, order_id: int, order: Order) -> None:
    """placeOrder in the words of ib_async."""
    made: Any = Encoder
    encoder = made(None)
    encoder._serverVersion = client.version
    encoder.isConnected = lambda: True
    encoder.sendMsg = lambda text: client.send(*text.split("\0")[:-1])
    encoder.placeOrder(order_id, Stock("S0", "SMART", "USD"), order)


async def session(gateway: Serving, client_id: int) -> tuple[WireClient, int]:
    """A started client and its next order id."""
    client = await gateway.client(client_id)
    frames = await client.until(*FARMS_KNOWN)
    return client, int(next(frame for frame in frames if frame[0] == "9")[2])


async def refused(gateway: Serving) -> bool:
    """Whether nobody listens."""
    try:
        await gateway.dial()
    except ConnectionRefusedError:
        return True
    return False


async def test_a_nightly_reset(tmp_path: Path) -> None:
    """1100, the end of the connection, refusal, and a session whose ids were given out before; orders stay."""
    async with serving(tmp_path, rows(), speed=SPEED) as gateway:
        client, next_id = await session(gateway, 5)
        place(client, next_id, LimitOrder("BUY", 10, 9.0, tif="GTC"))
        await client.until("3", str(next_id), "Submitted")
        gateway.fault("nightly_reset", 8, warning_s="1", roll_back="1")
        assert (await client.until("4", "2", "-1", "1100"))[-1][4].startswith("Connectivity between IBKR and")
        await client.ended()
        assert await refused(gateway)
        await eventually(lambda: not gateway.run.built.faults.listed())
        await eventually(lambda: gateway.server.listening)
        again, rolled = await session(gateway, 5)
        assert rolled == next_id
        again.send(5, 1)
        frames = await again.until("53")
        assert [frame[1] for frame in frames if frame[0] == "5"] == [str(next_id)]


async def test_orders_of_an_outage_leave_at_its_end(tmp_path: Path) -> None:
    """What is sent between 1100 and 1102 is queued; its execution comes after the word that the server is back."""
    async with serving(tmp_path, rows(), speed=SPEED) as gateway:
        client, next_id = await session(gateway, 5)
        gateway.fault("server_lost", 10)
        place(client, next_id, MarketOrder("BUY", 10, tif="DAY"))
        frames = await client.until("59")
        kinds = [frame[3] if frame[0] == "4" else frame[0] for frame in frames]
        assert kinds.index("1100") < kinds.index("1102") < kinds.index("11")


async def test_messages_on_the_line(tmp_path: Path) -> None:
    """A fill before its acknowledgement, a status that never comes, a commission that comes late."""
    async with serving(tmp_path, rows(), speed=SPEED) as gateway:
        client, next_id = await session(gateway, 5)
        gateway.fault("fill_before_ack", delay_s="2", times="2")
        place(client, next_id, MarketOrder("BUY", 10, tif="DAY"))
        kinds = [frame[0] for frame in await client.until("5")]
        assert kinds.index("11") < kinds.index("5")
        gateway.run.built.faults.clear(0)
        gateway.fault("missing_status")
        gateway.fault("late_commission", delay_s="5")
        place(client, next_id + 1, MarketOrder("SELL", 10, tif="DAY"))
        frames = await client.until("11")
        client.send(49, 1)
        frames += await client.until("49")
        assert not [frame for frame in frames if frame[0] == "3" and frame[1] == str(next_id + 1)]
        late = [frame for frame in await client.until("59") if frame[0] == "59"]
        assert len(late) == 1


async def test_the_door_and_the_socket(tmp_path: Path) -> None:
    """Silence, closing, an id that stays stuck, a message cut in two, a line that is dead both ways."""
    async with serving(tmp_path, rows(), speed=SPEED) as gateway:
        gateway.fault("accept_close")
        closed = await gateway.dial()
        assert await closed.ended() == b""
        gateway.run.built.faults.clear(0)
        gateway.fault("client_id_stuck", client="5")
        stuck = await gateway.client(5)
        assert (await stuck.until("4", "2", "-1", "326"))[-1][0] == "4"
        gateway.run.built.faults.clear(0)
        client, _ = await session(gateway, 5)
        gateway.fault("half_open", client="5")
        client.send(49, 1)
        other, _ = await session(gateway, 6)
        other.send(49, 1)
        await other.until("49")
        gateway.run.built.faults.clear(0)
        client.send(8, 1, 1)
        assert [frame[0] for frame in await client.until("9")] == ["9"]
        gateway.fault("close_mid_frame", message="currentTime", client="6")
        other.send(49, 1)
        torn = await other.ended()
        assert 0 < len(torn) < 4 + int.from_bytes(torn[:4], "big")


@pytest.mark.parametrize("how", ["silent", "close"])
async def test_a_weekly_logout(tmp_path: Path, how: str) -> None:
    """Connections end; new ones meet silence or a closed door until it is over."""
    async with serving(tmp_path, rows(), speed=SPEED) as gateway:
        client, _ = await session(gateway, 5)
        gateway.fault("weekly_logout", how=how)
        gateway.flush()
        await client.ended()
        unheard = await gateway.dial()
        unheard.write(b"API\0\0\0\0\nv157..178")
        if how == "close":
            assert await unheard.ended() == b""
        gateway.run.built.faults.clear(0)
        await session(gateway, 5)
