"""What comes in by MQTT: commands, looked at, passed on to the trader, its answer sent back; and numbers from outside.
Everything else is refused, counted, and told to the trader for its audit trail.

The look at a signature here keeps forgeries and floods away from the trader. It decides nothing: the trader looks
again, and what this process might make up carries no signature.
"""

import asyncio
import time
from pathlib import Path
from typing import Final, Literal

import msgspec

from daemon.authority.signatures import Signatures, Unproven
from daemon.control.allowance import Allowance
from daemon.control.client import NotReachable
from daemon.control.messages import AnyRequest, BadRequest, Kill, decode_request
from daemon.ops.mqtt import counters as n
from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt.features import Features
from daemon.ops.mqtt.line import TraderLine
from daemon.ops.mqtt.outbox import REPLY, Message, Outbox
from daemon.ops.mqtt.refusals import Refusals, Refused
from daemon.ops.mqtt.topics import Topics
from daemon.ops.view import View

AT_ONCE_MAX: Final = 16  # commands that wait for the trader's answer
REFUSALS_PER_S_MAX: Final = 20  # that are answered: a flood must not fill the way back
NO_RUN: Final = -2  # while no trader answers: no signature names it


class Incoming:
    """`take` each message: it never waits, and never raises for what is in it. `run` does the rest."""

    def __init__(self, view: View, topics: Topics, outbox: Outbox, counted: n.Counters) -> None:
        config = view.config
        self._view = view
        self._topics = topics
        self._outbox = outbox
        self._counted = counted
        self._commands = config.ops.mqtt.commands
        self._signatures = Signatures(config.authority, account=config.account.id, epoch=self._epoch)
        self._tasks: asyncio.TaskGroup | None = None
        self._at_once = 0
        self._answers = Allowance(REFUSALS_PER_S_MAX, 1.0)
        # Two lines: the trader bounds the requests of each, and numbers must never stand in the way of a kill.
        socket = Path(config.control.socket)
        self.line, self._other = TraderLine(socket), TraderLine(socket)
        self._refusals = Refusals(self._other)
        self._features = Features(config, topics, self._other, counted)

    async def run(self) -> None:
        """As long as the bridge runs, also while there is no broker."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for work in (self.line.keep, self._other.keep, self._refusals.tell, self._features.tell):
                tasks.create_task(work())

    def take(self, topic: str, payload: object, *, retained: bool) -> None:
        """One message."""
        self._counted.received += 1
        content = payload if isinstance(payload, bytes) else b""
        try:
            if len(content) > m.PAYLOAD_BYTES_MAX:
                raise Refused(n.TOO_BIG, f"{len(content)} bytes: at most {m.PAYLOAD_BYTES_MAX}")
            if topic == self._topics.command:
                self._command(content, retained=retained)
            else:
                self._features.take(topic, content, retained=retained)
        except Refused as fault:
            self._refuse(fault)

    def _refuse(self, fault: Refused) -> None:
        self._counted.refused[fault.reason] += 1
        self._refusals.add(fault)

    def _command(self, content: bytes, *, retained: bool) -> None:
        given = _decoded(content)
        reply_topic = self._topics.answered_on(given.reply_to)
        if reply_topic is None:
            raise Refused(n.MALFORMED, f"reply_to: must be below {self._topics.reply}/")
        try:
            request = _request_of(given.request)
            self._check(request, retained=retained)
        except Refused as fault:
            if self._answers.take(time.monotonic()):
                self._reply(reply_topic, given.id, fault.command, ok=False, text=str(fault), by="bridge")
            else:
                self._counted.unsaid += 1
            self._refuse(fault)
            return
        assert self._tasks is not None, "nothing comes in before `run`"
        self._at_once += 1
        self._tasks.create_task(self._relay(given.id, request, reply_topic))

    def _check(self, request: AnyRequest, *, retained: bool) -> None:
        """Raises Refused for what the trader would refuse too, and for what only we can see."""
        command, proof = _name_of(request), request.proof
        claimed = proof.operator if proof is not None else ""

        def refused(reason: str, text: str) -> Refused:
            return Refused(reason, text, command=command, claimed=claimed)

        if retained:
            raise refused(n.RETAINED, "a command must not be retained: publish it without the retain flag")
        if command not in self._commands:
            known = ", ".join(self._commands) or "no command"
            raise refused(n.NOT_TAKEN, f"{command} is not taken here: ops.mqtt.commands lets {known} in")
        if proof is None or not proof.signature:
            raise refused(n.UNSIGNED, "by MQTT every command is signed: quantd mqtt send COMMAND --as NAME")
        if self._at_once >= AT_ONCE_MAX:
            raise refused(n.BUSY, f"{AT_ONCE_MAX} commands wait for the trader: send it again")
        try:
            self._signatures.verify(request, proof)
        except Unproven as fault:
            raise refused(fault.kind, str(fault)) from None

    async def _relay(self, number: str, request: AnyRequest, reply_topic: str) -> None:
        """Pass it on and send the answer back, whatever it is."""
        command = _name_of(request)
        self._counted.relayed += 1
        try:
            answer = await self.line.request("relayed", origin="mqtt", request=request)
        except NotReachable as fault:
            self._counted.unanswered += 1
            self._reply(reply_topic, number, command, ok=False, text=f"{fault}{self._left(request)}", by="bridge")
        else:
            self._counted.relayed_refused += not answer.ok
            text = _text_of(answer.result) if answer.ok else answer.error
            self._reply(reply_topic, number, command, ok=answer.ok, text=text, by="trader")
        finally:
            self._at_once -= 1

    def _left(self, request: AnyRequest) -> str:
        """A trader that hangs, or starts later, finds the kill file, as with `quantd kill`; a kill of less than the
        account is not widened.
        """
        if type(request) is not Kill or request.strategy or request.symbol or request.proof is None:
            return ""
        state = self._view.state
        reason = m.one_line(f"{request.proof.operator} by mqtt: {request.reason}")
        if state.card_file.exists() and state.leave_kill_file(reason):
            return f"; left {state.kill_file.name}: the trader latches when it next looks"
        return "; no kill file could be left. Cancel at the broker without the trader: quantd panic"

    def _reply(
        self, topic: str, number: str, command: str, *, ok: bool, text: str, by: Literal["trader", "bridge"]
    ) -> None:
        told = m.one_line(text, m.TEXT_MAX)
        reply = m.Reply(id=number, command=command, ok=ok, text=told, by=by, wall_ns=time.time_ns())
        self._outbox.put(REPLY, Message(topic=topic, payload=m.encode(reply)))

    def _epoch(self) -> int:
        status = self._view.status
        return NO_RUN if status is None else status.epoch


def _decoded(content: bytes) -> m.Command:
    try:
        return m.decode_command(content)
    except m.DECODE_FAULTS as fault:
        text = "nested too deep" if isinstance(fault, RecursionError) else str(fault)
        raise Refused(n.MALFORMED, f"not a command: {text}") from None


def _request_of(raw: msgspec.Raw) -> AnyRequest:
    try:
        return decode_request(bytes(raw))
    except BadRequest as fault:
        raise Refused(n.MALFORMED, f"request: {fault}") from None


def _name_of(request: AnyRequest) -> str:
    return str(request.__struct_config__.tag)


def _text_of(result: msgspec.Raw) -> str:
    try:
        return str(msgspec.json.decode(result))
    except m.DECODE_FAULTS:
        return bytes(result).decode("utf-8", "replace")
