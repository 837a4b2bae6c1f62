"""`quantd trigger`: what a monitor outside the trader may say, and the fact it becomes. It only ever takes risk off."""

import re
from typing import Final

from core.events import TriggerFired
from core.latches import HALTED, REDUCING
from daemon.control import messages as m
from daemon.control.fields import Unacceptable, reason_of

OUTSIDE: Final = "OUTSIDE_"  # before the name: no latch of our own can be taken for it, nor lift itself
NUMBER_LENGTH_MAX: Final = 40
_NAME: Final = re.compile(r"^[A-Z][A-Z0-9_]{0,23}$")


def triggered(request: m.Trigger, level: int, scope: str, operator: str) -> TriggerFired:
    """The fact. Raises Unacceptable."""
    name = request.name.upper().replace("-", "_")
    if not _NAME.match(name):
        raise Unacceptable("name: a letter, then letters, digits, - or _, at most 24 in all")
    for field, text in (("value", request.value), ("limit", request.limit)):
        if len(text) > NUMBER_LENGTH_MAX or not text.isprintable():
            raise Unacceptable(f"{field}: at most {NUMBER_LENGTH_MAX} printable characters")
    return TriggerFired(
        name=OUTSIDE + name,
        level=level,
        scope=scope,
        state=HALTED if request.severity == "hard" else REDUCING,
        value=request.value,
        limit=request.limit,
        reason=reason_of(request.reason),
        operator=operator,
    )
