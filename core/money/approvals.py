"""What waits for a second person (control 41), which one-time codes are spent, and where the audit
trail stands: a crash forgets none of it.

The rules (who may be the second, what needs one) live in core/engine/authority.py and daemon/authority.
"""

from typing import Final, Protocol

import msgspec

APPROVALS_MAX: Final = 16  # pending at once; the oldest gives way
OPERATORS_MAX: Final = 64  # whose codes are remembered; a config has no more operators
CODE: Final = "code:"  # authority of a command given with a one-time code; its time step follows


class Approval(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One person's word for one command, until another person says the same."""

    digest: str  # of the command and of what it would act on
    what: str  # the same for people
    operator: str
    authority: str
    since_ns: int
    until_ns: int


class Seal(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The last seal of the audit trail: from here a start goes on with the chain."""

    count: int = 0
    digest: str = ""
    seq: int = 0


class Commanded(Protocol):
    """Any fact that carries an operator's word."""

    @property
    def operator(self) -> str: ...

    @property
    def authority(self) -> str: ...


def keep(approvals: list[Approval], approval: Approval) -> list[Approval]:
    """With one more; what is out of date, or was given before by the same person, makes room."""
    kept = [
        old
        for old in approvals
        if old.until_ns > approval.since_ns and (old.digest, old.operator) != (approval.digest, approval.operator)
    ]
    return [*kept, approval][-APPROVALS_MAX:]


def spend_code(steps: dict[str, int], fact: Commanded) -> None:
    """A one-time code is used once: its step, and every step before it, is spent for this operator."""
    if not fact.authority.startswith(CODE):
        return
    step = int(fact.authority.removeprefix(CODE))
    if step > steps.get(fact.operator, -1) and (fact.operator in steps or len(steps) < OPERATORS_MAX):
        steps[fact.operator] = step
