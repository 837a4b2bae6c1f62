"""A bridge with both ends: a real MQTT broker on one side, the trader's real control socket on the other with recorded
operations behind it, and an observer who hears every topic. Knows no assertion.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import structlog

from daemon.authority.proof import ANY_RUN, Signer
from daemon.config import load_config
from daemon.control.messages import decode_request
from daemon.control.server import ControlServer
from daemon.ops.mqtt.bridge import MqttPart
from daemon.ops.mqtt.connect import AT_ONCE
from daemon.ops.view import View
from tests.fakes.operations import FakeOperations, a_status
from tests.fakes.operators import ACCOUNT, ANN, EPOCH, an_authority
from tests.fakes.trader import write_config

BASE = "quantd/du1"
DEADLINE_S = 60.0
LOOK_S = 0.05


def ops_table(port: int, more: str = "") -> str:
    """The config of a bridge to a broker on this machine."""
    return (
        '[ops]\nenabled = true\nport = 0\n[ops.mqtt]\nhost = "127.0.0.1"\n'
        f"port = {port}\ntelemetry_s = 0.5\nheartbeat_s = 0.5\n{more}\n"
    )


def payload(
    command: str, *, signer: Signer | None = ANN, account: str = ACCOUNT, epoch: int = ANY_RUN, number: str = "1",
    reply_to: str = "", wall_ns: int = 0, changed: dict[str, Any] | None = None, **fields: Any,
) -> bytes:  # fmt: skip
    """One command as it is published; `changed` = fields that differ from what was signed."""
    request = decode_request(json.dumps({"id": 0, "command": command} | fields).encode())
    if signer is not None:
        proof = signer.prove(request, account=account, epoch=epoch, wall_ns=wall_ns)
        request = msgspec.structs.replace(request, proof=proof)
    given = msgspec.to_builtins(request) | (changed or {})
    return msgspec.json.encode({"v": 1, "id": number, "reply_to": reply_to, "request": given})


class Bridge:
    """All of it, in one event loop."""

    def __init__(self, folder: Path, port: int, more: str = "") -> None:
        self.config = load_config(write_config(folder, more=ops_table(port, more)))
        self.operations = FakeOperations()
        self.operations.picture = a_status(epoch=EPOCH)
        self.control = ControlServer(
            Path(self.config.control.socket), self.operations, an_authority(), symbols=("AAA", "CCC"),
            strategies=("reversion",), features=("vix",), relayed=self.config.ops.mqtt.relayed,
        )  # fmt: skip
        self.part = MqttPart(self.config, structlog.get_logger())
        self.heard: list[aiomqtt.Message] = []
        self.client: aiomqtt.Client | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Bridge"]:
        """Control socket, view and part."""
        await self.control.start()
        try:
            async with View(self.config, look_s=LOOK_S) as view, going(self.part.run(view)):
                self.view = view
                yield self
        finally:
            await self.control.close()

    @contextlib.asynccontextmanager
    async def observed(self, **options: Any) -> AsyncIterator["Bridge"]:
        """Running, with an observer who was there before the bridge."""
        async with self.observer(**options), self.running():
            await self.until(lambda: bool(self.part.counted.connected))
            yield self

    @contextlib.asynccontextmanager
    async def observer(self, **options: Any) -> AsyncIterator[None]:
        """Hears everything from now on."""
        async with aiomqtt.Client("127.0.0.1", self.config.ops.mqtt.port, socket_options=AT_ONCE, **options) as client:
            await client.subscribe("#", qos=1)
            async with going(self._hear(client)):
                self.client = client
                yield

    async def trader_answers(self) -> bool:
        """Over the line that a kill would take."""
        assert self.part.incoming is not None
        return (await self.part.incoming.line.request("ping")).ok

    async def _hear(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for message in client.messages:
                self.heard.append(message)

    async def publish(self, content: bytes, topic: str = "command", *, retain: bool = False) -> None:
        """As anybody at the broker may."""
        assert self.client is not None
        await self.client.publish(f"{BASE}/{topic}", content, qos=1, retain=retain)

    def told(self, topic: str) -> list[Any]:
        """Payloads on one topic."""
        found = [x.payload for x in self.heard if x.topic.value == f"{BASE}/{topic}" and isinstance(x.payload, bytes)]
        return [x.decode() if topic == "availability" else json.loads(x) for x in found]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110  # of state on both sides of two sockets
                await asyncio.sleep(0.005)

    async def answer(self, content: bytes, number: str = "1") -> dict[str, Any]:
        """Publish a command and wait for the reply with its id."""
        await self.publish(content)
        await self.until(lambda: any(reply["id"] == number for reply in self.told("reply")))
        found: dict[str, Any] = [reply for reply in self.told("reply") if reply["id"] == number][-1]
        return found


@contextlib.asynccontextmanager
async def going(work: Any) -> AsyncIterator[None]:
    """A task as long as the block; its failure is the block's."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        _, left = await asyncio.wait({task}, timeout=DEADLINE_S)
        assert not left, "it does not end when it is cancelled"
