"""Runs the inputs that came after the snapshot once more, each at its place among the rows, with clients that hear
nothing: the machine comes to the state it had, and what it tells from then on fits what clients were told.
"""

import logging
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from broker.gateway.machine import CLOSED, COMMAND, FACT, OPENED, ROWS, GatewayMachine, Input
from broker.gateway.part import Field
from broker.gateway.registry import Registry
from broker.gateway.wire import FieldReader, Malformed
from core.errors import ConfigError, Refused
from core.events import AnyEvent
from core.rows import ROW
from daemon.gateway.turns import Cursor

_decode_event: Final = msgspec.msgpack.Decoder(AnyEvent).decode
_log: Final = logging.getLogger(__name__)


class Ghost:
    """A client of before the restart."""

    def __init__(self, given: Input) -> None:
        self.number = given.number
        self.client_id = given.client_id
        self.version = given.version

    def send(self, *fields: Field) -> None:
        """Nobody hears it."""

    def send_frame(self, frame: bytes, /) -> None:
        """Nobody hears it."""

    def error(self, req_id: int, code: int, text: str, reject_json: str = "") -> None:
        """Nobody hears it."""


async def run_again(machine: GatewayMachine, registry: Registry, tape: Cursor, inputs: Iterable[Input]) -> int:
    """Apply every input; then all ghosts are gone. Returns how many inputs there were."""
    ghosts: dict[int, Ghost] = {}
    count = 0
    for given in inputs:
        if given.kind >= ROWS:
            _apply_market(machine, given)
            continue
        while not tape.run_to(rows_done=given.rows_done, facts_done=given.facts_done):
            await tape.fill()
        machine.advance_to(given.ts_ns)
        ghost = ghosts.setdefault(given.number, Ghost(given))
        if given.kind == OPENED:
            registry.connect(ghost)
        elif given.kind == CLOSED:
            registry.disconnect(ghosts.pop(given.number))
        try:
            _apply(machine, ghost, given)
        except (Malformed, ConfigError, Refused):
            pass  # it was answered with an error then, and nothing was done
        except Exception as fault:  # edge: the server went on after it, so this does
            _log.error("a part failed again on a recorded input", exc_info=fault)
        count += 1
    for ghost in ghosts.values():
        registry.disconnect(ghost)
        machine.closed(ghost)
    return count


def _apply_market(machine: GatewayMachine, given: Input) -> None:
    """What a feed said that does not say it again."""
    if given.kind == FACT:
        machine.control(given.ts_ns, _decode_event(given.packed))
    else:
        rows = np.frombuffer(bytearray(given.packed), ROW)
        machine.run_rows(rows, 0, len(rows))


def _apply(machine: GatewayMachine, ghost: Ghost, given: Input) -> None:
    if given.kind == OPENED:
        machine.opened(ghost)
    elif given.kind == CLOSED:
        machine.closed(ghost)
    elif given.kind == COMMAND:
        machine.operate(given.fields[0])
    else:
        machine.handle(ghost, given.msg_id, FieldReader(given.fields))
