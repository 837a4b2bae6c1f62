"""The gateway as a process, with a real client library: it trades, dies, comes back the same, obeys its operator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ib_async import IB, LimitOrder, MarketOrder, Stock, StopOrder

from core.errors import Refused
from daemon.cli import main
from tests.fakes.gateway_process import GatewayProcess, write_config

pytestmark = pytest.mark.slow
DEADLINE_S = 30.0


@asynccontextmanager
async def connected_to(gateway: GatewayProcess, client_id: int) -> AsyncIterator[IB]:
    """A client whose start-up requests were all answered."""
    client = IB()
    await client.connectAsync(
        "127.0.0.1", gateway.port, clientId=client_id, timeout=DEADLINE_S, raiseSyncErrors=True
    )  # fmt: skip
    try:
        yield client
    finally:
        client.disconnect()


async def eventually(done: Callable[[], Any]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(DEADLINE_S):
        while not done():  # noqa: ASYNC110 - the conditions are the client library's own state
            await asyncio.sleep(0.005)


def orders_of(client: IB) -> dict[int, tuple[Any, ...]]:
    """Open orders as the client knows them, by permId; the gateway has told of them."""
    return {
        trade.order.permId: (
            trade.order.orderId, trade.order.orderRef, trade.order.lmtPrice, trade.order.parentId,
            trade.orderStatus.status, trade.orderStatus.filled,
        )
        for trade in client.openTrades()
        if trade.order.permId
    }  # fmt: skip


async def test_death_return_and_operator(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Killed right after its last word: same orders, ids, executions and positions; market time has gone on."""
    config = write_config(tmp_path)
    with GatewayProcess(config).ready() as gateway:
        async with connected_to(gateway, 5) as client:
            bac, ibm = Stock("BAC", "SMART", "USD"), Stock("IBM", "SMART", "USD")
            assert len(await client.qualifyContractsAsync(bac, ibm)) == 2
            bought = client.placeOrder(bac, MarketOrder("BUY", 100, tif="DAY", orderRef="first"))
            await eventually(lambda: bought.fills and bought.fills[0].commissionReport.execId)
            resting = client.placeOrder(ibm, LimitOrder("BUY", 10, 50.0, tif="GTC", orderRef="rests"))
            parent = client.client.getReqId()
            client.placeOrder(
                bac, LimitOrder("BUY", 10, 60.0, tif="DAY", orderId=parent, transmit=False, orderRef="parent")
            )
            client.placeOrder(bac, StopOrder("SELL", 10, 55.0, tif="DAY", parentId=parent, orderRef="child"))
            held = client.placeOrder(ibm, LimitOrder("BUY", 10, 51.0, tif="DAY", transmit=False, orderRef="never sent"))
            await eventually(lambda: resting.orderStatus.status == "Submitted")
            await eventually(lambda: len(orders_of(client)) == 3)
            orders = orders_of(client)
            executions = {fill.execution.execId for fill in client.fills()}
            time_before = await client.reqCurrentTimeAsync()
            gateway.kill()
    with GatewayProcess(config).ready() as gateway:
        async with connected_to(gateway, 5) as client:
            assert orders_of(client) == orders
            assert {fill.execution.execId for fill in client.fills()} == executions
            assert [(p.contract.symbol, p.position) for p in client.positions()] == [("BAC", 100)]
            assert client.client.getReqId() > max(row[0] for row in orders.values())
            assert held.order.orderId not in {row[0] for row in orders_of(client).values()}
            assert await client.reqCurrentTimeAsync() >= time_before
            for trade in client.openTrades():
                client.cancelOrder(trade.order)
            await eventually(lambda: not client.openTrades())
        await _operate(gateway)
        _command_line(config, capfd)
        _second(config)
        assert gateway.stop() == 0
    assert "Traceback" not in gateway.errors()


async def _operate(gateway: GatewayProcess) -> None:
    """Orders by hand, corrections and faults by command, and what clients see of them; a wrong command is refused."""
    async with connected_to(gateway, 0) as client:
        codes: list[int] = []
        client.errorEvent += lambda req_id, code, text, contract: codes.append(code)
        placed = gateway.command("place", symbol="BAC", side="BUY", quantity="100")
        perm_id = int(placed.split()[1].rstrip(":"))
        await eventually(lambda: client.fills() and client.fills()[-1].execution.permId == perm_id)
        row = gateway.command("executions")[-1]
        gateway.command("correct", exec_id=row["execId"], quantity="100", price="99.5")
        await eventually(lambda: client.fills()[-1].execution.price == 99.5)
        gateway.command("fault", name="server_lost", parameters={"data_lost": "yes"}, for_s=0.5)
        await eventually(lambda: codes[-2:] == [1100, 1101])
        gateway.command("fault", name="farm_broken", parameters={"farm": "history"})
        assert gateway.command("clear") == "cleared: 1"
        await eventually(lambda: codes[-2:] == [2105, 2106])
        with pytest.raises(Refused, match="no order of permId 7 is open"):
            gateway.command("cancel", perm_id=7)
        with pytest.raises(Refused, match="symbol 'MSFT' is unknown: one of BAC, IBM"):
            gateway.command("place", symbol="MSFT", side="BUY", quantity="1")
        status = gateway.command("status")
        assert [one["client_id"] for one in status["clients"]] == [0]
        assert status["faults"] == []
        gateway.command("fault", name="disconnect")
        await eventually(lambda: not client.isConnected())


def _command_line(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same by words, with exit codes."""
    state = ["--state", str(config.parent / "state")]
    said = {
        ("check", "-c", str(config)): (0, "ok"),
        ("gateway", "status", *state): (0, "for DU0000001"),
        ("gateway", "order", "place", "IBM", "BUY", "10", "--limit", "50", *state): (0, "placed"),
        ("gateway", "order", "list", *state): (0, "Submitted"),
        ("gateway", "order", "executions", *state): (0, "BAC"),
        ("gateway", "fault", "late_commission", "delay_s=1", "--for", "60", *state): (0, "late_commission"),
        ("gateway", "fault", "list", *state): (0, "delay_s=1"),
        ("gateway", "fault", "clear", *state): (0, "cleared: 1"),
        ("gateway", "fault", "kinds"): (0, "nightly_reset"),
        ("gateway", "order", "cancel", "--all", *state): (0, "cancel of all orders sent"),
        ("gateway", "order", "cancel", *state): (2, "give a PERMID, or --all"),
        ("gateway", "fault", "nothing", *state): (4, "'nothing' is no fault"),
        ("gateway", "fault", "drop", "chance", *state): (2, "is no NAME=VALUE"),
        ("gateway", "order", "bust", "0000.01", *state): (4, "is not of today"),
        ("gateway", "status", "--state", str(config.parent / "nowhere")): (3, "not reachable"),
        ("gateway",): (2, "name its file with -c"),
    }
    for words, (code, text) in said.items():
        assert main(words) == code, words
        told = capfd.readouterr()
        assert text in told.out + told.err, words


def _second(config: Path) -> None:
    """Another gateway in the same folder ends at once, with a line that says why."""
    with (
        GatewayProcess(config) as second,
        pytest.raises(RuntimeError, match=r"(?s)exit 2: .*a gateway is running there"),
    ):
        second.ready()
