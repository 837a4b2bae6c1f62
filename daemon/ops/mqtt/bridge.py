"""The part of the ops process that talks MQTT: connects, tells that it is there, publishes what waits, hands on what
comes in, and does it all again when the broker was gone. While there is no broker it knows less and costs nobody
anything.
"""

import asyncio
import contextlib
import random
import secrets
import time
from typing import Final

import aiomqtt
import structlog
from paho.mqtt.subscribeoptions import SubscribeOptions

from core.errors import ConfigError
from daemon.config import Config
from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt.connect import OFFLINE, ONLINE, Client, client_of, password_of, tls_of
from daemon.ops.mqtt.counters import Counters
from daemon.ops.mqtt.discovery import discovery
from daemon.ops.mqtt.incoming import Incoming
from daemon.ops.mqtt.outbox import ALERT, FILL, Message, Outbox
from daemon.ops.mqtt.standing import Standing
from daemon.ops.mqtt.tail import TailThread, Told
from daemon.ops.mqtt.telemetry import Pictures, heartbeat
from daemon.ops.mqtt.topics import ALERTS, FILLS, HEARTBEAT, topics_of
from daemon.ops.view import View

AGAIN_S_MIN: Final = 0.2  # before the next try to connect; doubled with each failure, with jitter
AGAIN_S_MAX: Final = 20.0
GOODBYE_S: Final = 1.0
DENIED_AGAIN_S: Final = 30.0  # what the broker did not take is tried again: somebody may have mended its rights
RIGHTS: Final = "give our user at the broker the rights of docs/mqtt.md"


class MqttPart:
    """Implements daemon.ops.process.Part."""

    name = "mqtt"

    def __init__(self, config: Config, log: structlog.typing.FilteringBoundLogger) -> None:
        """Raises ConfigError on a secret or a certificate that cannot be used."""
        self._mqtt = config.ops.mqtt
        self._log = log
        self._topics = topics_of(config)
        self._instance = self._topics.base.rpartition("/")[2]
        self._run = secrets.token_hex(4)
        found = discovery(self._mqtt.home_assistant, self._topics, config.account.currency)
        self._discovery = found if self._mqtt.home_assistant else {}
        self.counted = Counters()
        password_of(self._mqtt)
        tls_of(self._mqtt)
        self.outbox = Outbox(self._mqtt.kept_max)
        self._pictures = Pictures(self._instance)
        self._tail: TailThread | None = None
        self.incoming: Incoming | None = None
        self._leaving = False
        self.standing = Standing(time.monotonic())

    async def run(self, view: View) -> None:
        """Until cancelled."""
        self._leaving = False
        incoming = self.incoming = Incoming(view, self._topics, self.outbox, self.counted)
        if self._tail is None:  # once: it goes on when this part is started again
            self._tail = TailThread(view.state.journal, asyncio.get_running_loop(), self._take, self._log)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (incoming.run(), self._connect_on(incoming), self._tell_pictures(view), self._beat(view)):
                    tasks.create_task(work)
        except ExceptionGroup as faults:
            raise first_of(faults) from None
        finally:
            self._lost()
            self._show(view)

    def _show(self, view: View) -> None:
        view.counted[self.name] = self.counted.told(self.outbox)
        view.mqtt = self.standing.picture(time.monotonic())

    def _lost(self, fault: str = "") -> None:
        self.counted.connected = 0
        self.standing.lost(time.monotonic(), fault)

    # ---- the broker --------------------------------------------------------------------------------------------
    async def _connect_on(self, incoming: Incoming) -> None:
        again_s = AGAIN_S_MIN
        while True:
            before = self.counted.connects
            try:
                await self._serve(incoming)
            except* (aiomqtt.MqttError, ConfigError, OSError, ValueError) as faults:
                fault = first_of(faults)
                text = m.one_line(f"{fault}: {fault.__cause__}" if fault.__cause__ else str(fault))
                self.counted.failures += 1
                self._lost(text)
                self._log.warning("mqtt broker", host=self._mqtt.host, fault=text, again_in_s=again_s)
            self._lost()
            if self._leaving:
                raise asyncio.CancelledError  # the good-bye failed, and the library's error took its place
            again_s = AGAIN_S_MIN if self.counted.connects > before else min(AGAIN_S_MAX, 2 * again_s)
            await asyncio.sleep(again_s * random.uniform(0.5, 1.5))

    async def _serve(self, incoming: Incoming) -> None:
        """One connection, until it ends."""
        topics, mqtt = self._topics, self._mqtt

        def take(message: aiomqtt.Message) -> None:
            incoming.take(message.topic.value, message.payload, retained=bool(message.retain))

        async with client_of(mqtt, topics, self._instance, take) as client:
            try:
                before = cancels()
                await self._begin(client)
                end_if_cancelled(before)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._publish_on(client))
                    tasks.create_task(self._try_denied_again())
                    tasks.create_task(_until_lost(client))
            except asyncio.CancelledError:
                self._leaving = True
                with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await client.publish(topics.availability, OFFLINE, qos=1, retain=True)
                raise

    async def _begin(self, client: Client) -> None:
        """Hear first, then say that we are there, then everything anew."""
        topics, mqtt = self._topics, self._mqtt
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        wanted = [(topics.command, options)] + ([(topics.features, options)] if mqtt.features else [])
        granted = await client.subscribe(wanted)
        if any(getattr(code, "is_failure", False) for code in granted):
            raise aiomqtt.MqttError(f"the broker lets us not subscribe: {RIGHTS}")
        self.outbox.again()
        birth = Message(topic=topics.availability, payload=ONLINE, retain=True)
        if not await self._tell(client, birth):  # commands are taken all the same: a kill must not wait for its rights
            self.outbox.show(birth)
            self.outbox.refused(birth)
        for topic, payload in self._discovery.items():
            self.outbox.show(Message(topic=topic, payload=payload, retain=True))
        self._pictures.forget()
        self.counted.connects += 1
        self.counted.connected = 1
        self.standing.connected(time.monotonic())
        self._log.info("mqtt broker", host=mqtt.host, connected=True, topics=topics.base)

    async def _publish_on(self, client: Client) -> None:
        while True:
            message = await self.outbox.next()
            if await self._tell(client, message):
                self.outbox.arrived(message)
            else:
                self.outbox.refused(message)
            end_if_cancelled(0)

    async def _tell(self, client: Client, message: Message) -> bool:
        """Publish one. False = the broker has said that it does not take it, and that shows."""
        reason, topic = await client.tell(message), self._topics.shown(message.topic)
        if not reason:
            self.standing.taken(topic)
            return True
        self.counted.denied[reason] += 1
        if self.standing.denied(topic, reason):
            self._log.warning("mqtt broker", host=self._mqtt.host, denies=topic, why=reason, remedy=RIGHTS)
        return False

    async def _try_denied_again(self) -> None:
        while True:
            await asyncio.sleep(DENIED_AGAIN_S)
            self.standing.keep_denied(self.outbox.held)
            self.outbox.again()

    # ---- what is told ------------------------------------------------------------------------------------------
    async def _tell_pictures(self, view: View) -> None:
        told_s = 0.0
        while True:
            seen = await view.next_look()
            self._show(view)
            now_s = time.monotonic()
            if not self.counted.connected or now_s - told_s < self._mqtt.telemetry_s:
                continue
            told_s = now_s
            for name, payload in self._pictures.news(seen).items():
                self.outbox.show(Message(topic=self._topics.of(name), payload=payload, retain=True))

    def _take(self, told: list[Told]) -> None:
        for one in told:
            kind, name = (FILL, FILLS) if isinstance(one, m.Fill) else (ALERT, ALERTS)
            self.outbox.put(kind, Message(topic=self._topics.of(name), payload=m.encode(one)))

    async def _beat(self, view: View) -> None:
        n = 0
        while True:
            n += 1
            counted = self.counted.told(self.outbox)
            payload = heartbeat(view, self._run, n, self._mqtt.heartbeat_s, counted)
            if self.counted.connected:
                self.outbox.show(Message(topic=self._topics.of(HEARTBEAT), payload=payload, qos=0))
            await asyncio.sleep(self._mqtt.heartbeat_s)


async def _until_lost(client: aiomqtt.Client) -> None:
    """Raises MqttError as soon as the connection is lost; what comes in goes elsewhere (connect.py)."""
    async for _ in client.messages:
        pass


def cancels() -> int:
    """How often this task was cancelled and did not end with it."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def end_if_cancelled(before: int) -> None:
    """In Python 3.11 `asyncio.wait_for`, which the client library waits with, swallows a cancellation that comes in the
    moment when what it waits for is done: without this a task would go on for ever.
    """
    if cancels() > before:
        raise asyncio.CancelledError


def first_of(faults: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first that is no group."""
    fault: BaseException = faults
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault
