"""The ladder's memory: who blocked what, why and since when. Latches survive crash, restart and upgrade (control 31).

Several causes may hold one scope; its state is the most severe. The rules of who may move it live in risk/ladder.py.
"""

from typing import Final

import msgspec

ACTIVE: Final = 0
REDUCING: Final = 1
HALTED: Final = 2
STATE_NAMES: Final = {ACTIVE: "ACTIVE", REDUCING: "REDUCING", HALTED: "HALTED"}

PROCESS: Final = 0
ACCOUNT: Final = 1
SYMBOL: Final = 2
STRATEGY: Final = 3
LEVEL_NAMES: Final = {PROCESS: "process", ACCOUNT: "account", SYMBOL: "symbol", STRATEGY: "strategy"}
LEVELS: Final = {name: level for level, name in LEVEL_NAMES.items()}


class Latch(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One cause holding one scope down. `scope` is "" (process, account), a symbol or a strategy name."""

    level: int
    scope: str
    code: str
    state: int
    reason: str
    by: str
    since_ns: int
    value: str = ""
    limit: str = ""
    asked_seq: int = 0  # the record that set it last: `since_ns` is of the first


class Latches:
    """All latches, with the effective state of every scope ready for the gate in O(1)."""

    __slots__ = ("_by_scope", "_held", "any_held", "everywhere", "moves")

    def __init__(self, latches: tuple[Latch, ...] = (), moves: int = 0) -> None:
        self._held: dict[tuple[int, str, str], Latch] = {}
        self._by_scope: dict[tuple[int, str], int] = {}
        self.any_held = False  # whether anything is latched at all
        self.everywhere = ACTIVE  # the worst of process and account
        self.moves = moves  # the ladder epoch: the port refuses an order approved under an older one
        for latch in latches:
            self._held[latch.level, latch.scope, latch.code] = latch
        self._derive()

    def move(self, latch: Latch) -> None:
        """Set (state > ACTIVE) or lift (ACTIVE) one cause. A cause that stands keeps its first `since_ns`."""
        key = (latch.level, latch.scope, latch.code)
        if latch.state == ACTIVE:
            self._held.pop(key, None)
        else:
            held = self._held.get(key)
            since = held.since_ns if held is not None and held.state == latch.state else latch.since_ns
            self._held[key] = msgspec.structs.replace(latch, since_ns=since)
        self.moves += 1
        self._derive()

    def _derive(self) -> None:
        self._by_scope = {}
        self.any_held = bool(self._held)
        for latch in self._held.values():
            scope = (latch.level, latch.scope)
            self._by_scope[scope] = max(self._by_scope.get(scope, ACTIVE), latch.state)
        self.everywhere = max((latch.state for latch in self._held.values() if latch.level <= ACCOUNT), default=ACTIVE)

    def scope_state(self, level: int, scope: str) -> int:
        """State of one scope alone."""
        return self._by_scope.get((level, scope), ACTIVE)

    def effective(self, *, strategy: str, symbol: str) -> int:
        """Most severe of process, account, symbol and strategy: what binds an order."""
        worst = self.everywhere
        if self._by_scope:
            by_scope = self._by_scope
            state = by_scope.get((SYMBOL, symbol), ACTIVE)
            worst = state if state > worst else worst
            state = by_scope.get((STRATEGY, strategy), ACTIVE)
            worst = state if state > worst else worst
        return worst

    def holds(self, level: int, scope: str, code: str) -> bool:
        """Whether this cause holds this scope."""
        return (level, scope, code) in self._held

    def held(self, level: int | None = None, scope: str | None = None) -> list[Latch]:
        """Latches in the order they were set, of one scope or of all."""
        return [
            latch
            for latch in self._held.values()
            if (level is None or latch.level == level) and (scope is None or latch.scope == scope)
        ]

    def binding(self, *, strategy: str, symbol: str) -> list[Latch]:
        """Every latch that binds an order of this strategy in this symbol."""
        return [
            latch
            for latch in self._held.values()
            if latch.level <= ACCOUNT
            or (latch.level == SYMBOL and latch.scope == symbol)
            or (latch.level == STRATEGY and latch.scope == strategy)
        ]
