"""What operators changed about limits while trading (controls 39 and 40): the records, and which of them is in force.

Knows nothing of what a limit means: names and values are text here, risk/ reads them against its table. Several
changes of one limit lie on each other; the newest that has not ended is in force, and below the last one lies the
config.
"""

from typing import Final

import msgspec

from core.rates import RateLimit
from core.units import NANO, parse_nanos

LIMIT_CHANGES_MAX: Final = 256  # in force at once; more is refused
OVERRIDES_MAX: Final = 8
NO_END: Final = 0  # as `until_ns`: until an operator reverts it
NEVER_NS: Final = (1 << 63) - 1


class LimitChange(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One limit of one scope, set by an operator."""

    change_id: int  # seq of the command that set it
    scope: str  # as the config writes it: account, strategy.NAME, class.NAME or symbol.SYMBOL
    name: str
    value: str
    old: str  # what was in force before, for people
    until_ns: int
    since_ns: int
    reason: str
    by: str
    authority: str = ""  # how the operator was verified
    second: str = ""  # the other person
    raises: bool = False  # lets more pass than before


class Override(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One order of at most this size may fail this one control, once, before `until_ns`."""

    override_id: int  # seq of the command that granted it
    control: int
    strategy: str
    inst: int
    side: int
    qty_nanos: int
    px_nanos: int  # no worse limit than this; 0 = any
    until_ns: int
    since_ns: int
    reason: str
    by: str
    authority: str = ""
    second: str = ""


class LimitChanges:
    """All changes and overrides in force. `version` moves with every change of a limit, so that whoever derived numbers
    from the limits sees with one comparison that they are old.
    """

    __slots__ = ("changes", "overrides", "until_ns", "version")

    def __init__(self) -> None:
        self.changes: list[LimitChange] = []  # oldest first
        self.overrides: list[Override] = []
        self.version = 0
        self.until_ns = NEVER_NS  # when the first of them ends

    def set(self, change: LimitChange) -> None:
        """A change on top. What lies below and could never come back is forgotten."""
        self.changes = [
            old
            for old in self.changes
            if (old.scope, old.name) != (change.scope, change.name) or _outlasts(old.until_ns, change.until_ns)
        ]
        self.changes.append(change)
        self._changed()

    def revert(self, change_id: int) -> None:
        """One change is over."""
        self.changes = [old for old in self.changes if old.change_id != change_id]
        self._changed()

    def grant(self, override: Override) -> None:
        """One more override."""
        self.overrides.append(override)
        self._set_until()

    def drop(self, override_id: int) -> None:
        """An override was used, or its time is over."""
        self.overrides = [old for old in self.overrides if old.override_id != override_id]
        self._set_until()

    def in_force(self) -> dict[tuple[str, str], LimitChange]:
        """The change that binds, by scope and name."""
        return {(change.scope, change.name): change for change in self.changes}

    def account_value(self, name: str) -> int:
        """What a change in force says of an account limit that the folds count by: nanos, or a whole number as nanos;
        -1 = nothing.
        """
        change = self.in_force().get(("account", name))
        return -1 if change is None else parse_nanos(change.value, field=name)

    def load(self, changes: list[LimitChange], overrides: list[Override], version: int) -> None:
        """From a snapshot."""
        self.changes, self.overrides, self.version = changes, overrides, version
        self._set_until()

    def _changed(self) -> None:
        self.version += 1
        self._set_until()

    def _set_until(self) -> None:
        ends = [change.until_ns for change in self.changes if change.until_ns != NO_END]
        ends += [override.until_ns for override in self.overrides]
        self.until_ns = min(ends, default=NEVER_NS)


def rate_in_force(changes: LimitChanges, kind: str, configured: RateLimit) -> RateLimit:
    """The rate the fold counts by: the config's, or what an operator made of it. `kind`: account, strategy, symbol."""
    orders = changes.account_value(f"rate_{kind}_orders")
    window_ns = changes.account_value(f"rate_{kind}_seconds")
    return RateLimit(
        configured.events if orders < 0 else orders // NANO, configured.window_ns if window_ns < 0 else window_ns
    )


def _outlasts(below_ns: int, above_ns: int) -> bool:
    """Whether a change below another comes back when the one above has ended."""
    return above_ns != NO_END and (below_ns == NO_END or below_ns > above_ns)


class ScaledLimit(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One limit of one symbol in shares, and what it is after a split."""

    scope: str
    name: str
    old: str
    value: str
    until_ns: int  # as long as the change that it is made of; NO_END = the config's
    refusal: str = ""  # why it stays as it is


class LimitVerdict(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What risk/ says of a change that an operator asks for."""

    refusal: str = ""  # why it cannot be; "" = it can
    old: str = ""
    value: str = ""  # as it will be recorded; "" = back to the config's
    raises: bool = False
