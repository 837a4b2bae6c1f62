"""The limits in force: what the config says and what operators changed since (control 39), resolved again whenever the
money state says that a change came or ended. Decides whether a change is legal; who may ask for it is the engine's.

A change that no longer fits the table or its ceiling (another release, another config) is a fault of the limit store:
the config's own limits bind, and the gate denies entries until somebody has looked (15c3-5: never silently off).
"""

from typing import Final

import msgspec

from core.errors import ConfigError
from core.limit_changes import LIMIT_CHANGES_MAX, NO_END, LimitVerdict, ScaledLimit
from core.manual import MANUAL
from core.ports import Context
from core.units import NANO
from risk.bounds import Resolved
from risk.limit_rows import BOOK_ROWS, FACTORY_CLASS, ORDER_ROWS, ROWS, SHARES, YES_NO, Limit, Number
from risk.limits import Limits, OrderLimits, StrategyLimits, factory_value, looser, set_value, text_of, whole
from risk.resolve import resolve

ACCOUNT: Final = "account"
VALUE_LENGTH_MAX: Final = 32
_WORDS: Final = {"true": True, "false": False}
_RESOLVED_WITH_CONFIG: Final = -1


class LimitsInForce:
    """One reader's view of the limits: gate and ladder have one each, so that neither waits for the other."""

    __slots__ = ("_config", "_context", "_resolved", "fault", "limits", "version")

    def __init__(self, context: Context, limits: Limits) -> None:
        """Resolve the config's limits. Raises ConfigError on a bad one."""
        self._context = context
        self._config = limits
        self.limits = limits
        self.fault = ""  # why the changes could not be applied; "" = they are
        self._resolved = self._resolve(limits)
        self.version = _RESOLVED_WITH_CONFIG

    def resolved(self) -> Resolved:
        """What binds now."""
        if self.version != self._context.money.limit_changes.version:
            self._read_changes()
        return self._resolved

    def _resolve(self, limits: Limits) -> Resolved:
        money = self._context.money
        return resolve(
            limits,
            instruments=self._context.instruments,
            strategies=(*money.settings.strategies, MANUAL),
            currency=money.ledger.currency,
        )

    def _read_changes(self) -> None:
        changes = self._context.money.limit_changes
        self.version = changes.version
        self.limits = self._config
        self.fault = ""
        try:
            for change in changes.in_force().values():
                self.limits = with_limit(self.limits, change.scope, change.name, change.value)
            self._resolved = self._resolve(self.limits)
        except ConfigError as refused:
            self.fault = str(refused)
            self.limits = self._config
            self._resolved = self._resolve(self._config)

    # ---- changes -----------------------------------------------------------------------------------------------
    def judge(self, scope: str, name: str, value: str) -> LimitVerdict:
        """What a change would do: whether it is legal, what is in force before, and whether it lets more pass."""
        self.resolved()
        try:
            return self._judged(scope, name, value)
        except ConfigError as refused:
            return LimitVerdict(refusal=str(refused))

    def _judged(self, scope: str, name: str, value: str) -> LimitVerdict:
        row = self._row(scope, name)
        changes = self._context.money.limit_changes
        if value and len(changes.changes) >= LIMIT_CHANGES_MAX:
            raise ConfigError(f"{LIMIT_CHANGES_MAX} changes are in force: take one back first")
        if not value and (scope, name) not in changes.in_force():
            raise ConfigError(f"limits.{scope}.{name}: no change is in force: there is nothing to take back")
        wanted = own_value(self._config, scope, row)
        if value:
            self._resolve(with_limit(self.limits, scope, name, value))  # ceilings, and what must fit together
            wanted = whole(row, number_of(row, value), f"limits.{scope}.{name}")
        before = own_value(self.limits, scope, row)
        return LimitVerdict(
            old="none" if before is None else text_of(row, before),
            value="" if not value else text_of(row, wanted or 0),
            raises=before is not None and (wanted is None or looser(row, wanted, before)),
        )

    # ---- splits ------------------------------------------------------------------------------------------------
    def after_split(self, symbol: str, num: int, den: int) -> list[ScaledLimit]:
        """Each limit in shares that the symbol's own scope sets, in whole new shares: first what the config says, then
        the change on top of it, so that the config's scaled value is what a change leaves behind when it ends.
        """
        self.resolved()
        scope = f"symbol.{symbol}"
        changes = self._context.money.limit_changes.in_force()
        found: list[ScaledLimit] = []
        for row in ORDER_ROWS:
            if row.unit != SHARES:
                continue
            change = changes.get((scope, row.name))
            lasting = change is not None and change.until_ns == NO_END
            layers = [] if lasting else [(own_value(self._config, scope, row), NO_END)]
            if change is not None:
                layers.append((own_value(self.limits, scope, row), change.until_ns))
            found += [self._scaled(scope, row, value, until_ns, num, den) for value, until_ns in layers if value]
        return found

    def _scaled(self, scope: str, row: Limit, value: int, until_ns: int, num: int, den: int) -> ScaledLimit:
        wanted = text_of(row, max(NANO, value * num // (den * NANO) * NANO))
        refusal = ""
        try:
            self._resolve(with_limit(self.limits, scope, row.name, wanted))
        except ConfigError as refused:
            refusal = str(refused)
        return ScaledLimit(
            scope=scope, name=row.name, old=text_of(row, value), value=wanted, until_ns=until_ns, refusal=refusal
        )

    def _row(self, scope: str, name: str) -> Limit:
        row = ROWS.get(name)
        if row is None:
            raise ConfigError(f"limit {name[:40]!r} is unknown: `quantd limits show` lists them")
        kind, _, of = scope.partition(".")
        context = self._context
        known = {
            "strategy": (*context.money.settings.strategies, MANUAL),
            "symbol": tuple(instrument.symbol for instrument in context.instruments),
            "class": tuple(FACTORY_CLASS),
        }
        if scope != ACCOUNT and of not in known.get(kind, ()):
            raise ConfigError(f"limits.{scope[:60]}: no such scope: name a configured strategy, symbol or class")
        if row not in rows_of(scope):
            raise ConfigError(f"limits.{scope}.{name}: is no limit of this scope: set it for the account")
        return row


def rows_of(scope: str) -> tuple[Limit, ...]:
    """The limits that may stand in a scope."""
    if scope == ACCOUNT:
        return tuple(ROWS.values())
    return (*ORDER_ROWS, *BOOK_ROWS) if scope.startswith("strategy.") else ORDER_ROWS


def number_of(row: Limit, text: str) -> Number:
    """A value as typed, as the config would hold it. Raises ConfigError."""
    if len(text) > VALUE_LENGTH_MAX:
        raise ConfigError(f"{row.name}: {len(text)} characters are no value: give {row.unit}")
    return _WORDS.get(text, text) if row.unit == YES_NO else text


def scope_limits(limits: Limits, scope: str) -> OrderLimits:
    """What a scope says; one that is silent has empty limits."""
    kind, _, of = scope.partition(".")
    if kind == "strategy":
        return limits.strategy.get(of, StrategyLimits())
    if kind == "symbol":
        return limits.symbol.get(of, OrderLimits())
    found: OrderLimits = getattr(limits.klass, of) if kind == "class" else limits.account
    return found


def own_value(limits: Limits, scope: str, row: Limit) -> int | None:
    """What a scope itself asks for, factory values included; None = it does not bind."""
    value = set_value(scope_limits(limits, scope), row, f"limits.{scope}")
    if value is None and scope == ACCOUNT:
        return factory_value(row)
    if value is None and scope.startswith("class."):
        return FACTORY_CLASS[scope.removeprefix("class.")].get(row.name)
    return value


def with_limit(limits: Limits, scope: str, name: str, value: str) -> Limits:
    """The limits with one value of one scope replaced. Raises ConfigError on a name or scope that does not exist."""
    row = ROWS.get(name)
    kind, _, of = scope.partition(".")
    if row is None or row not in rows_of(scope) or (kind == "class" and of not in FACTORY_CLASS):
        raise ConfigError(f"limits.{scope}.{name}: no such limit in this release: take the change back")
    changed = msgspec.structs.replace(scope_limits(limits, scope), **{name: number_of(row, value)})
    if kind == "strategy":
        return msgspec.structs.replace(limits, strategy=limits.strategy | {of: changed})
    if kind == "symbol":
        return msgspec.structs.replace(limits, symbol=limits.symbol | {of: changed})
    if kind == "class":
        return msgspec.structs.replace(limits, klass=msgspec.structs.replace(limits.klass, **{of: changed}))
    return msgspec.structs.replace(limits, account=changed)


def binding(limits: Limits, row: Limit, scopes: list[str]) -> tuple[str, int]:
    """Which of the scopes binds, and by which value: the tightest; of equal ones the first."""
    found = [(scope, own_value(limits, scope, row)) for scope in scopes if row in rows_of(scope)]
    best_scope, best = found[0][0], found[0][1] or 0
    for scope, value in found[1:]:
        if value is not None and looser(row, best, value):
            best_scope, best = scope, value
    return best_scope, best
