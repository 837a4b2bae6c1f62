"""Who may add risk: the engine's part of it, so that a replay refuses what was refused. Control 41: at the levels that
the settings name, one person's command waits, and another person's same command carries it out.

Proofs are verified before a command becomes a fact (daemon/authority); here is only what the fact says of them.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from core import commands as c
from core.engine.trading import Trading
from core.money.approvals import Approval
from core.notes import Answered

APPROVAL_NS: Final = 600 * 10**9  # how long one person's word waits for the other's
UNSIGNED: Final = "unsigned"  # the config lets the socket's user add risk without a proof
VERIFIED: Final = ("signed:", "code:")
WHAT_LENGTH_MAX: Final = 160


class Command(Protocol):
    """A fact that carries an operator's word."""

    @property
    def operator(self) -> str: ...

    @property
    def authority(self) -> str: ...


def is_verified(command: Command) -> bool:
    """Whether a signature or a code says who gave it."""
    return command.authority.startswith(VERIFIED)


def may_add_risk(command: Command) -> bool:
    """Whether one person's word is worth anything here: verified, or where the config asks for no proof."""
    return command.authority == UNSIGNED or is_verified(command)


def confirmed(engine: Trading, command: Command, subject: str, *, level: int, state: str = "") -> str:
    """Who carries the command: one name, or two where two are needed. "" = it is not carried out, and the reply says
    what is missing.

    `subject` says for people what would be done, `state` what it would be done to: when that has changed in between,
    the second person confirms nothing of what the first one saw.
    """
    settings = engine.settings
    if settings.persons < 2 or level not in settings.two_person_levels:
        return command.operator
    if not is_verified(command):
        engine.reply = (False, f"{subject}: two operators must confirm it, each with a signature or a code")
        return ""
    digest = hashlib.blake2b(f"{type(command).__name__}|{subject}|{state}".encode(), digest_size=16).hexdigest()
    first = _first(engine, digest)
    if first is None:
        return _wait(engine, command, subject, digest)
    if first.operator == command.operator:
        engine.reply = (False, f"{first.what}: {command.operator} has confirmed it; another operator must give it too")
        return ""
    engine.emit(c.SpendApproval(digest=digest, operator=first.operator, second=command.operator))
    engine.second = first.operator
    return f"{first.operator} and {command.operator}"


def _first(engine: Trading, digest: str) -> Approval | None:
    for approval in engine.money.approvals:
        if approval.digest == digest and approval.until_ns > engine.ts_ns:
            return approval
    return None


def _wait(engine: Trading, command: Command, subject: str, digest: str) -> str:
    what = subject if len(subject) <= WHAT_LENGTH_MAX else subject[: WHAT_LENGTH_MAX - 1] + "…"
    engine.emit(
        c.KeepApproval(
            digest=digest,
            what=what,
            operator=command.operator,
            authority=command.authority,
            until_ns=engine.ts_ns + APPROVAL_NS,
        )
    )
    minutes = APPROVAL_NS // 60_000_000_000
    engine.alert("APPROVAL", "warning", f"{command.operator} asks for a second person within {minutes} min: {what}")
    engine.reply = (True, f"{what}: waiting for a second person: another operator gives the same within {minutes} min")
    return ""


def answered(handler: Callable[[Trading, Any], None]) -> Callable[[Trading, Any], None]:
    """The handler of an operator's command, with its answer journalled: a refusal is explained afterwards too."""

    def handle(engine: Trading, command: Any) -> None:
        engine.reply, engine.second = (True, "done"), ""
        handler(engine, command)
        ok, text = engine.reply
        engine.note(
            Answered(
                command=type(command).__name__,
                operator=command.operator,
                authority=command.authority,
                second=engine.second,
                ok=ok,
                text=text,
            )
        )

    return handle
