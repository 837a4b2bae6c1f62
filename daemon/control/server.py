"""The trader's end of the control socket: who gives a command, and which fact it becomes. Decides nothing itself.

Bad input of any kind gets an error line and a count, and a line in the journal; it never raises.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, cast

import msgspec

from core import events as e
from core.latches import ACCOUNT, LEVEL_NAMES, PROCESS, STRATEGY, SYMBOL
from core.money.approvals import CODE
from daemon.authority.signatures import PEER, Unproven
from daemon.authority.verify import Authority, Identity
from daemon.control import messages as m
from daemon.control import order_messages as om
from daemon.control.allowance import Allowance
from daemon.control.book_requests import books_corrected, corporate_applied
from daemon.control.fields import Unacceptable, amount_of, reason_of, signed_of
from daemon.control.limit_requests import limit_changed, override_granted
from daemon.control.lines import LineServer
from daemon.control.order_requests import order_given, order_withdrawn
from daemon.control.request import Scoped
from daemon.control.trigger_requests import triggered
from daemon.lease import boottime_ns
from daemon.status.measures import Measures, encode_measures
from daemon.status.picture import Status, cut, encode_status

OUTCOMES: Final = ("lost", "cancelled", "filled")
ADOPTED_AT: Final = ("average", "mark")
FLOAT32_MAX: Final = 3.4028234663852886e38
FEATURE_AGE_S_MIN: Final = 0.001
CODE_LENGTH_MAX: Final = 64
HOLDER_LENGTH_MAX: Final = 253  # a host name, a pod's name
LEASE_S_MIN: Final = 1.0
LEASE_S_MAX: Final = 300.0
FEATURE_AGE_S_MAX: Final = 31_536_000.0
REFUSALS_PER_MINUTE_MAX: Final = 120  # journalled; the others are only answered
WHY_MAX: Final = 300

_log = logging.getLogger(__name__)


class Reply(msgspec.Struct, frozen=True):
    """What became of an operator's command; `text` is one line for a person."""

    ok: bool
    text: str


class Operations(Protocol):
    """What the daemon offers to the socket. Synchronous, called on the loop's thread."""

    def operate(self, event: e.AnyEvent) -> Reply:
        """Step one operator event; not ok = refused."""
        ...

    def refused(self, event: e.CommandRefused) -> None:
        """Journal a command that never became a fact."""
        ...

    def status(self) -> Status:
        """The picture of this moment."""
        ...

    def measures(self) -> Measures:
        """Counters and latencies."""
        ...

    def why_not(self, symbol: str | None) -> list[dict[str, Any]]:
        """Every blocker in gate order: value, limit, since when, who can lift it."""
        ...

    def limits(self, symbol: str | None, strategy: str | None) -> list[dict[str, Any]]:
        """Limits as configured, changed and in force (daemon/status/limits.py)."""
        ...

    def kills(self) -> list[dict[str, Any]]:
        """The report of every kill, oldest first (daemon/status/kills.py)."""
        ...

    def adoption(self) -> dict[str, Any]:
        """What the broker holds and our books lack (daemon/status/adoption.py)."""
        ...

    def corporate(self) -> list[dict[str, Any]]:
        """Corporate actions, oldest first (daemon/status/cash.py)."""
        ...

    def orders(self) -> list[dict[str, Any]]:
        """Manual orders, oldest first (daemon/status/manual.py)."""
        ...


class ControlServer(LineServer):
    """`symbols` and `strategies` are the names a scope may have, `features` those from outside that a model reads,
    `relayed` the commands that may come over a network.
    """

    def __init__(
        self,
        path: Path,
        operations: Operations,
        authority: Authority,
        *,
        symbols: tuple[str, ...],
        strategies: tuple[str, ...],
        features: tuple[str, ...] = (),
        relayed: tuple[str, ...] = (),
    ) -> None:
        super().__init__(path)
        self.operations = operations
        self.authority = authority
        self._refusals = Allowance(REFUSALS_PER_MINUTE_MAX)
        self.symbols = symbols
        self.strategies = strategies
        self.features = features
        self.relayed = relayed

    def answer(self, line: bytes | bytearray, operator: str) -> bytes:
        """The reply line to one request line; never raises."""
        self.requests += 1
        try:
            request = m.decode_request(line)
        except m.BadRequest as fault:
            self.malformed += 1
            self._audit("malformed", operator, PEER, str(fault))
            return m.not_done(fault.request_id, str(fault), refused=False)
        try:
            return self._perform(request, operator)
        except Exception as fault:  # edge: the loop's handler decides (a Bug ends the trader), the client gets a line
            context = {"message": f"control command {type(request).__name__} failed", "exception": fault}
            asyncio.get_running_loop().call_exception_handler(context)
            return m.not_done(request.id, f"failed: {type(fault).__name__}: {fault}", refused=False)

    def _perform(self, request: m.AnyRequest, peer: str) -> bytes:
        if type(request) is m.Ping:
            return m.done(request.id, "pong")
        if type(request) is m.GetStatus:
            return m.done(request.id, msgspec.Raw(encode_status(self.operations.status())))
        if type(request) is m.GetMeasures:
            return m.done(request.id, msgspec.Raw(encode_measures(self.operations.measures())))
        if type(request) is m.GetChallenge:
            authority = self.authority
            return m.done(request.id, m.Challenge(account=authority.account, epoch=authority.epoch()))
        try:
            if type(request) is m.GetKills:
                return m.done(request.id, self.operations.kills())
            if type(request) is m.GetAdoption:
                return m.done(request.id, self.operations.adoption())
            if type(request) is m.GetCorporate:
                return m.done(request.id, self.operations.corporate())
            if type(request) is om.GetOrders:
                return m.done(request.id, self.operations.orders())
            if type(request) is m.GetLimits:
                self._check_name("strategy", request.strategy, self.strategies)
                self._check_name("symbol", request.symbol, self.symbols)
                return m.done(request.id, self.operations.limits(request.symbol, request.strategy))
            if type(request) is m.WhyNot:
                self._check_name("symbol", request.symbol, self.symbols)
                return m.done(request.id, self.operations.why_not(request.symbol))
        except Unacceptable as fault:
            return m.not_done(request.id, str(fault), refused=True)
        if type(request) is m.Relayed:
            return self._relayed(request)
        if type(request) is m.RelayRefused:
            why = f"{request.why} ({request.count} times)" if request.count > 1 else request.why
            self._audit(cut(request.refused), cut(request.claimed), request.origin, why)
            return m.done(request.id, "journalled")
        return self._command(request, peer)

    def _relayed(self, relayed: m.Relayed) -> bytes:
        """A command from a network: only of the kinds that the config lets in, and only signed."""
        try:
            request = m.decode_request(bytes(relayed.request))
        except m.BadRequest as fault:
            self._audit("malformed", relayed.origin, relayed.origin, str(fault))
            return m.not_done(relayed.id, str(fault), refused=False)
        command = str(request.__struct_config__.tag)
        if command not in self.relayed:
            why = f"{command} is not taken over {relayed.origin}: only {', '.join(self.relayed) or 'nothing'} is"
            self._audit(command, relayed.origin, relayed.origin, why)
            return m.not_done(relayed.id, why, refused=True)
        return self._command(msgspec.structs.replace(request, id=relayed.id), relayed.origin, relayed=True)

    def _command(self, request: m.AnyRequest, peer: str, *, relayed: bool = False) -> bytes:
        """Who gives it, what fact it is, and whether that person may; then the engine's answer."""
        command = str(request.__struct_config__.tag)
        who = Identity(operator=peer, authority=peer if relayed else PEER)
        try:
            authority = self.authority
            who = authority.identify_relayed(request, peer) if relayed else authority.identify(request, peer)
            event = self._event(request, who.operator)
            if request.ADDS_RISK:
                refusal = self.authority.why_not_at(who, LEVEL_NAMES[getattr(event, "level", ACCOUNT)])
                if refusal:
                    raise Unacceptable(refusal)
        except Unproven as fault:
            self._audit(command, fault.claimed, fault.authority, str(fault))
            return m.not_done(request.id, str(fault), refused=True)
        except Unacceptable as fault:
            self._audit(command, who.operator, who.authority, str(fault))
            return m.not_done(request.id, str(fault), refused=True)
        if "authority" in event.__struct_fields__:
            event = msgspec.structs.replace(event, authority=who.authority)
        reply = self.operations.operate(event)
        _log.info(
            "operator %s (%s): %s: ok=%s %s", who.operator, who.authority, type(event).__name__, reply.ok, reply.text
        )
        if not reply.ok:
            return m.not_done(request.id, reply.text, refused=True)
        return m.done(request.id, reply.text)

    def _audit(self, command: str, operator: str, authority: str, why: str) -> None:
        """Journal what was refused here, so many a minute: a flood of nonsense must not fill the disk. A command with a
        one-time code always is: the journal remembers that the code is spent.
        """
        if self._refusals.take(asyncio.get_running_loop().time()) or authority.startswith(CODE):
            refused = e.CommandRefused(command=command, operator=operator, authority=authority, why=cut(why, WHY_MAX))
            self.operations.refused(refused)

    def _event(self, request: m.AnyRequest, operator: str) -> e.AnyEvent:
        if type(request) is m.Trigger:
            return triggered(request, *self._scope(request), operator)
        if isinstance(request, Scoped):
            level, scope = self._scope(request)
            made = _SCOPED[type(request)]
            return made(level=level, scope=scope, reason=reason_of(request.reason), operator=operator)
        if type(request) is m.Resolve:
            return _resolved(request, operator)
        if isinstance(request, om.Steer):
            return _steered(request, operator)
        if type(request) is m.Acknowledge:
            reason = reason_of(request.reason)
            return e.DifferenceAcknowledged(sync_id=request.sync_id, reason=reason, operator=operator)
        if type(request) is m.Feature:
            return self._feature(request)
        if type(request) is m.Adopt:
            return self._adopted(request, operator)
        if isinstance(request, m.SetLimit | m.RevertLimit):
            return limit_changed(request, operator)
        if type(request) is m.Override:
            return override_granted(request, operator, symbols=self.symbols, strategies=self.strategies)
        if type(request) is m.ApplyCorporate:
            return corporate_applied(request, operator, self.symbols)
        if type(request) is m.CorrectBooks:
            return books_corrected(request, operator, self.symbols)
        if type(request) is om.GiveOrder:
            return order_given(request, operator, symbols=self.symbols, strategies=self.strategies)
        if type(request) is om.WithdrawOrder:
            return order_withdrawn(request, operator)
        if type(request) is m.ResetPeak:
            return e.HighWaterReset(reason=reason_of(request.reason), operator=operator)
        if type(request) is m.Ack:
            return e.AlertAcknowledged(code=_code(request.code), operator=operator, authority="peer")
        if type(request) is m.Lease:
            return _granted(request)
        arm = cast(m.Arm, request)
        if not arm.digest or len(arm.digest) > 128 or not arm.digest.isalnum():
            raise Unacceptable("digest: take the one that `quantd status` shows")
        return e.DeployArmed(digest=arm.digest, reason=reason_of(arm.reason), operator=operator)

    def _feature(self, request: m.Feature) -> e.ExternalFeatureReceived:
        self._check_name("feature", request.name, self.features)
        inst = (
            -1
            if request.symbol is None
            else self.symbols.index(self._check_name("symbol", request.symbol, self.symbols))
        )
        if not -FLOAT32_MAX <= request.value <= FLOAT32_MAX:
            raise Unacceptable(f"value: {request.value} is no number that a model can read")
        if not FEATURE_AGE_S_MIN <= request.age_s <= FEATURE_AGE_S_MAX:
            raise Unacceptable(f"age: set it between {FEATURE_AGE_S_MIN:g} and {FEATURE_AGE_S_MAX:g} seconds")
        age_ns = round(request.age_s * 1e9)
        return e.ExternalFeatureReceived(
            name=request.name, inst=inst, value=request.value, as_of_ns=0, age_ns_max=age_ns
        )

    def _adopted(self, request: m.Adopt, operator: str) -> e.AccountAdopted:
        if request.at not in ADOPTED_AT:
            raise Unacceptable(f"at {request.at[:40]!r}: one of {', '.join(ADOPTED_AT)}")
        positions = []
        for given in request.positions:
            inst = self.symbols.index(self._check_name("symbol", given.symbol, self.symbols))
            owner = self._check_name("strategy", given.strategy, ("", *self.strategies))
            positions.append((inst, signed_of("qty", given.qty), owner))
        return e.AccountAdopted(
            positions=tuple(positions),
            at=request.at,
            cash_nanos=signed_of("cash", request.cash),
            reason=reason_of(request.reason),
            operator=operator,
        )

    def _scope(self, request: Scoped) -> tuple[int, str]:
        if request.strategy is not None and request.symbol is not None:
            raise Unacceptable("give a strategy or a symbol, not both")
        if type(request) is m.Kill and request.process:
            if request.strategy is not None or request.symbol is not None:
                raise Unacceptable("the process is all of it: give no strategy and no symbol")
            return PROCESS, ""
        if request.strategy is not None:
            return STRATEGY, self._check_name("strategy", request.strategy, self.strategies)
        if request.symbol is not None:
            return SYMBOL, self._check_name("symbol", request.symbol, self.symbols)
        return ACCOUNT, ""

    def _check_name(self, field: str, name: str | None, known: tuple[str, ...]) -> str:
        if name is None or name in known:
            return name or ""
        shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        raise Unacceptable(f"unknown {field} {name[:40]!r}: this trader knows {shown or 'none'}")


_SCOPED: Final[dict[type, Callable[..., e.AnyEvent]]] = {
    m.Halt: e.OperatorHalted,
    m.Resume: e.OperatorResumed,
    m.Kill: e.OperatorKilled,
    m.Flatten: e.OperatorFlattened,
}


def _code(code: str | None) -> str:
    if code is not None and not (0 < len(code) <= CODE_LENGTH_MAX and code.isprintable()):
        raise Unacceptable("code: take one that `quantd status` shows, or none for all")
    return code or ""


def _granted(request: m.Lease) -> e.LeaseGranted:
    if not 0 < len(request.holder) <= HOLDER_LENGTH_MAX or not request.holder.isprintable():
        raise Unacceptable(f"holder: a name of 1 to {HOLDER_LENGTH_MAX} printable characters")
    if not LEASE_S_MIN <= request.valid_s <= LEASE_S_MAX:
        raise Unacceptable(f"valid_s: set it between {LEASE_S_MIN:g} and {LEASE_S_MAX:g} seconds")
    now_ns = boottime_ns()
    if request.asked_ns and not now_ns - round(LEASE_S_MAX * 1e9) <= request.asked_ns <= now_ns:
        raise Unacceptable("asked_ns: no moment of this machine's boot clock within the last minutes")
    return e.LeaseGranted(holder=request.holder, until_ns=(request.asked_ns or now_ns) + round(request.valid_s * 1e9))


def _steered(request: om.Steer, operator: str) -> e.ScheduleSteered:
    if not 0 < request.parent_id < 1 << 62:
        raise Unacceptable("parent_id: must be a positive number, as `quantd status` shows it")
    return e.ScheduleSteered(
        parent_id=request.parent_id, action=request.ACTION, reason=reason_of(request.reason), operator=operator
    )


def _resolved(request: m.Resolve, operator: str) -> e.OrderResolved:
    if request.outcome not in OUTCOMES:
        raise Unacceptable(f"outcome {request.outcome[:40]!r}: one of {', '.join(OUTCOMES)}")
    if not 0 < request.order_id < 1 << 62:
        raise Unacceptable("order_id: must be a positive order number, as `quantd orders` shows it")
    qty = px = 0
    if request.outcome == "filled":
        if request.qty is None or request.px is None:
            raise Unacceptable("filled: needs a quantity and a price: --filled QTY@PX")
        qty, px = amount_of("qty", request.qty), amount_of("px", request.px)
    elif request.qty is not None or request.px is not None:
        raise Unacceptable(f"{request.outcome}: takes no quantity and no price")
    return e.OrderResolved(
        order_id=request.order_id,
        outcome=request.outcome,
        reason=reason_of(request.reason),
        operator=operator,
        qty_nanos=qty,
        px_nanos=px,
    )
