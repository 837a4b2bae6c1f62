"""The operator's end of the bridge: a place, a signed command, its answer, the trader's state. Knows no config and no
state directory: it runs on any machine that has the operator's key.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec

from core.errors import ConfigError, Refused
from daemon.authority.proof import ANY_RUN, Signer
from daemon.config.mqtt import PORT, TLS_PORT
from daemon.config.ops_check import is_loopback
from daemon.control.client import CommandFailed, NotReachable
from daemon.control.messages import BadRequest, decode_request
from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt.connect import AT_ONCE, tls_context
from daemon.ops.mqtt.topics import STATE, Topics

PASSWORD_VARIABLE: Final = "QUANTD_MQTT_PASSWORD"
WAIT_S: Final = 10.0
EXAMPLE: Final = "mqtts://ann@mqtt.example/quantd/paper1"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Which bridge, at which broker."""

    host: str
    port: int
    tls: bool
    user: str
    topics: Topics
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


def place_of(url: str, *, ca_file: str = "", certificate_file: str = "", key_file: str = "") -> Place:
    """Of mqtts://USER@HOST:PORT/PREFIX/INSTANCE. Raises ConfigError; never repeats a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"--to: is no URL: write it like {EXAMPLE}") from None
    base = parts.path.strip("/")
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or base.count("/") < 1:
        raise ConfigError(f"--to: is no place of a bridge: write it like {EXAMPLE}")
    if parts.password is not None:
        raise ConfigError(f"--to: holds a password: take it out and export {PASSWORD_VARIABLE}")
    tls = parts.scheme == "mqtts"
    if not tls and not is_loopback(parts.hostname):
        raise ConfigError("--to: mqtt:// to another machine can be read on the way: write mqtts://")
    return Place(
        host=parts.hostname, port=port or (TLS_PORT if tls else PORT), tls=tls, user=unquote(parts.username or ""),
        topics=Topics(base), ca_file=ca_file, certificate_file=certificate_file, key_file=key_file,
    )  # fmt: skip


def signed_command(
    fields: dict[str, Any], *, signer: Signer, account: str, epoch: int | None, topics: Topics
) -> tuple[bytes, str]:
    """(payload, its id). `epoch` None = the command must be one that only cuts risk. Raises CommandFailed."""
    try:
        request = decode_request(msgspec.json.encode({"id": 0} | fields))
    except BadRequest as fault:
        raise CommandFailed(str(fault)) from None
    if request.ADDS_RISK and epoch is None:
        raise CommandFailed(f"{fields['command']}: adds risk: its signature names the trader's run: give --epoch")
    run = epoch if request.ADDS_RISK and epoch is not None else ANY_RUN
    proof = signer.prove(request, account=account, epoch=run)
    number = secrets.token_hex(8)
    given = msgspec.to_builtins(msgspec.structs.replace(request, proof=proof))
    given = {name: value for name, value in given.items() if value is not None}
    return m.encode({"v": m.VERSION, "id": number, "reply_to": reply_topic(topics, number), "request": given}), number


def reply_topic(topics: Topics, number: str) -> str:
    """Where the answer to one command is waited for."""
    return f"{topics.reply}/{number}"


def adds_risk(fields: dict[str, Any]) -> bool:
    """Whether the signature must name the run. Raises CommandFailed."""
    try:
        return decode_request(msgspec.json.encode({"id": 0} | fields)).ADDS_RISK
    except BadRequest as fault:
        raise CommandFailed(str(fault)) from None


async def send(
    place: Place, fields: dict[str, Any], *, signer: Signer, account: str, epoch: int | None = None,
    wait_s: float = WAIT_S,
) -> str:  # fmt: skip
    """One command and its answer. Raises Refused, NotReachable, CommandFailed."""
    needs_run = adds_risk(fields)
    async with _connected(place, wait_s) as client:
        if needs_run and epoch is None:
            epoch = _epoch_of(await _state(client, place, wait_s))
        payload, number = signed_command(fields, signer=signer, account=account, epoch=epoch, topics=place.topics)
        topic = reply_topic(place.topics, number)
        await client.subscribe(topic, qos=1)
        await client.publish(place.topics.command, payload, qos=1)
        try:
            async with asyncio.timeout(wait_s):
                reply = await _reply(client, topic, number)
        except TimeoutError:
            raise NotReachable(
                f"no answer within {wait_s:g} s: is the bridge there (quantd mqtt status)? It may have been taken"
            ) from None
    if not reply.ok:
        raise Refused(reply.text)
    return reply.text


async def status(place: Place, *, wait_s: float = WAIT_S) -> dict[str, Any]:
    """The retained state, and whether the bridge is there. Raises NotReachable."""
    async with _connected(place, wait_s) as client:
        return await _state(client, place, wait_s)


async def _state(client: aiomqtt.Client, place: Place, wait_s: float) -> dict[str, Any]:
    topics = place.topics
    await client.subscribe([(topics.availability, 1), (topics.of(STATE), 1)])
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(wait_s):
            async for message in client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                if message.topic.value == topics.availability:
                    found["availability"] = payload.decode("utf-8", "replace")
                elif message.topic.value == topics.of(STATE):
                    found["state"] = msgspec.json.decode(payload)
                if len(found) == 2:
                    break
    except TimeoutError:
        raise NotReachable(
            f"nothing is told on {topics.base}/{STATE}: is the name right, did a bridge ever run?"
        ) from None
    except msgspec.DecodeError as fault:
        raise CommandFailed(f"{topics.of(STATE)}: another language: {fault}") from None
    return {"bridge": found["availability"]} | dict(found["state"])


def _epoch_of(state: dict[str, Any]) -> int:
    epoch = state.get("epoch")
    if state["bridge"] != "online" or not isinstance(epoch, int):
        raise NotReachable(
            f"bridge {state['bridge']}, trader {state.get('trader')}: its run is not known: give --epoch"
        )
    return epoch


async def _reply(client: aiomqtt.Client, topic: str, number: str) -> m.Reply:
    async for message in client.messages:
        if message.topic.value == topic and isinstance(message.payload, bytes):
            with contextlib.suppress(msgspec.DecodeError):
                reply = msgspec.json.decode(message.payload, type=m.Reply)
                if reply.id == number:
                    return reply
    raise NotReachable("the broker hung up")


@contextlib.asynccontextmanager
async def _connected(place: Place, wait_s: float) -> AsyncIterator[aiomqtt.Client]:
    tls = tls_context(place.ca_file, place.certificate_file, place.key_file, "--") if place.tls else None
    client = aiomqtt.Client(
        place.host,
        place.port,
        username=place.user or None,
        password=os.environ.get(PASSWORD_VARIABLE) or None,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=tls,
        timeout=wait_s,
        socket_options=AT_ONCE,
    )
    try:
        async with client:
            yield client
    except aiomqtt.MqttError as fault:
        raise NotReachable(f"MQTT broker {place.host}:{place.port}: {fault}") from None
