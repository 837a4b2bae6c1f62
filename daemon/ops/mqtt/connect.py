"""The connection to the MQTT broker as the config describes it: TLS, name and password, last will. Secrets are read
each time it is made, so that a changed password needs no restart; they are never logged.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from core.errors import ConfigError
from daemon.authority.keys import read_secret
from daemon.config.mqtt import MqttSettings
from daemon.ops.mqtt.counters import denial_of
from daemon.ops.mqtt.messages import PAYLOAD_BYTES_MAX
from daemon.ops.mqtt.outbox import Message
from daemon.ops.mqtt.topics import Topics

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
# No small packet waits for the answer to the one before (RFC 896): delayed acknowledgements made a kill 40 ms later.
AT_ONCE: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
PACKET_BYTES_MAX: Final = PAYLOAD_BYTES_MAX + 1_024  # the broker keeps longer ones to itself


class Client(aiomqtt.Client):
    """The library's, with the broker's answer to what is published, which that keeps to itself. One publication at a
    time.
    """

    _answer: ReasonCode | None = None

    async def tell(self, message: Message) -> str:
        """Publish. "" = the broker has it, or was not asked (QoS 0); else why it does not take it (counters.DENIALS).
        Raises MqttError.
        """
        self._answer = None
        await self.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
        return "" if self._answer is None else denial_of(self._answer.value)

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        self._answer = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)


def client_of(mqtt: MqttSettings, topics: Topics, instance: str, take: Callable[[aiomqtt.Message], None]) -> Client:
    """A client that is not connected yet; `take` gets each message. Raises ConfigError on a secret or certificate that
    cannot be used.
    """
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = PACKET_BYTES_MAX
    return Client(
        mqtt.host,
        mqtt.port_used,
        identifier=mqtt.client_id or f"quantd-{instance}",
        username=mqtt.user or None,
        password=password_of(mqtt),
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,  # what was sent while we were away is not for us: commands run out, numbers grow old
        keepalive=mqtt.keepalive_s,
        timeout=mqtt.timeout_s,
        will=aiomqtt.Will(topics.availability, OFFLINE, qos=1, retain=True),
        queue_type=inbox_of(take),
        tls_context=tls_of(mqtt),
        properties=properties,
        logger=logging.getLogger(__name__),
        socket_options=AT_ONCE,
    )


def password_of(mqtt: MqttSettings) -> str | None:
    """Out of its file or variable. Raises ConfigError, without a word of it."""
    if mqtt.password_variable:
        password = os.environ.get(mqtt.password_variable, "")
        if not password:
            raise ConfigError(f"ops.mqtt.password_variable: ${mqtt.password_variable} is not set: export the password")
        return password
    if mqtt.password_file:
        try:
            return read_secret(Path(mqtt.password_file)).decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigError(f"ops.mqtt.password_file: {mqtt.password_file} is no text: write the password") from None
    return None


def tls_of(mqtt: MqttSettings) -> ssl.SSLContext | None:
    """The broker's certificate is checked, its name too. Raises ConfigError on files that cannot be used."""
    if not mqtt.tls:
        return None
    return tls_context(mqtt.ca_file, mqtt.certificate_file, mqtt.key_file, "ops.mqtt.")


def tls_context(ca_file: str, certificate_file: str, key_file: str, field: str) -> ssl.SSLContext:
    """TLS 1.2 or later. Raises ConfigError."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as fault:
        raise ConfigError(
            f"{field}ca_file: {ca_file}: {fault}: name a PEM file with the authority's certificate"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate_file:
        try:
            context.load_cert_chain(certificate_file, key_file)
        except (OSError, ssl.SSLError) as fault:
            raise ConfigError(
                f"{field}certificate_file: {certificate_file}: {fault}: name it and its key, PEM"
            ) from None
    return context


def inbox_of(take: Callable[[aiomqtt.Message], None]) -> type[asyncio.Queue[aiomqtt.Message]]:
    """What the client library takes for its queue of incoming messages: each is looked at where it is read from the
    socket. A queue would hold a kill back behind a flood, and cost a task for each message.
    """

    class Inbox(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            take(item)

    return Inbox
