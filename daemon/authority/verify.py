"""The trader's own look at a proof: who gives this command, and may this person. Nothing that lies on the way (relay,
console, bridge) is trusted with it. Bounded in what it remembers and in how often it lets anybody try.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from daemon.authority.keys import read_secret
from daemon.authority.signatures import PEER, Signatures, Unproven
from daemon.authority.totp import decode_secret, find_step
from daemon.config.persons import AuthoritySettings, OperatorSettings
from daemon.control.messages import CLAIMED_MAX, AnyRequest, Feature
from daemon.control.request import Proof

FAILURES_FREE: Final = 5  # wrong proofs in a row, by operator and kind, until the first wait
WAIT_NS: Final = 30 * 10**9  # then, doubled with each further one
WAIT_NS_MAX: Final = {"signature": WAIT_NS, "code": 3_600 * 10**9}  # a signature cannot be guessed, a code can

UNSIGNED: Final = "unsigned"
RELAYED: Final = "over {origin} every command needs a signature: send it with `quantd mqtt send COMMAND --as NAME`"
SIGN: Final = "sign it: quantd COMMAND --as NAME, with the key of an operator in [authority.operators]"
NO_OPERATORS: Final = (
    "this trader knows no operators: `quantd operator add NAME`, then put the block it prints into the config; or, "
    "where no money is real, authority.unsigned = true and authority.persons = 1"
)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who gives a command, and how we know."""

    operator: str
    authority: str


class _Failures(msgspec.Struct):
    count: int = 0
    until_ns: int = 0


class Authority:
    """Verifies proofs for one trader. `epoch` and `spent_step` are asked when needed: the books know them."""

    def __init__(
        self,
        settings: AuthoritySettings,
        *,
        account: str,
        epoch: Callable[[], int],
        spent_step: Callable[[str], int],
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Reads keys and secrets. Raises ConfigError naming the field."""
        self.settings = settings
        self.account = account
        self.epoch = epoch
        self._spent_step = spent_step
        self._wall_ns = wall_ns
        self._signatures = Signatures(settings, account=account, epoch=epoch, wall_ns=wall_ns)
        self._secrets = {name: secret for name, o in settings.operators.items() if (secret := _secret(name, o))}
        self._failures: dict[tuple[str, str], _Failures] = {}

    @property
    def told(self) -> str:
        """Who may add risk, for people."""
        settings = self.settings
        if settings.unsigned:
            return "UNSIGNED: whoever may open the control socket may add risk; only where no money is real"
        if not settings.operators:
            return "no operators: nobody may add risk"
        return f"{settings.persons} of {', '.join(settings.operators)} at {', '.join(settings.two_person_levels)}"

    def identify(self, request: AnyRequest, peer: str) -> Identity:
        """Who gives this command. Raises Unproven where a proof is needed and what was given is none.

        A command that cuts risk is taken in any case, as its peer's when the proof is worth nothing.
        """
        try:
            # A feature's fact names nobody: it could not say that a code is spent.
            if request.proof is not None and type(request) is not Feature:
                return self._verified(request, request.proof)
            if request.ADDS_RISK and not request.ENGINE_DECIDES and not self.settings.unsigned:
                raise Unproven(SIGN if self.settings.operators else NO_OPERATORS, claimed=peer)
        except Unproven:
            if request.ADDS_RISK:
                raise
            return Identity(operator=peer, authority=PEER)
        unsigned = self.settings.unsigned and request.ADDS_RISK
        return Identity(operator=peer, authority=UNSIGNED if unsigned else PEER)

    def identify_relayed(self, request: AnyRequest, origin: str) -> Identity:
        """The same where the command came over a network: no user of this machine stands behind it, so every one needs
        a signature, also one that cuts risk. A one-time code says nothing of the command it comes with: not taken.

        Wrong ones lock nobody out: whoever may write to the network could else keep an operator from everything.
        """
        proof = request.proof
        if proof is None or not proof.signature:
            claimed = origin if proof is None else proof.operator[:CLAIMED_MAX]
            raise Unproven(RELAYED.format(origin=origin), claimed=claimed, authority=origin)
        try:
            verified = self._signatures.verify(request, proof)
            return Identity(operator=proof.operator, authority=f"{verified}@{origin}")
        except Unproven as fault:
            raise Unproven(str(fault), claimed=fault.claimed, authority=origin) from None

    def why_not_at(self, identity: Identity, level: str) -> str:
        """Why this person may not add risk at a level; "" = may."""
        if identity.authority in (PEER, UNSIGNED):
            return ""
        levels = self.settings.operators[identity.operator].levels
        if level in levels:
            return ""
        return f"{identity.operator} may act at level {', '.join(levels) or 'none'}, not {level}: ask another operator"

    def _verified(self, request: AnyRequest, proof: Proof) -> Identity:
        name, kind = proof.operator, "signature" if proof.signature else "code"
        self._signatures.check_known(name)
        failures = self._failures.setdefault((name, kind), _Failures())
        wall_ns = self._wall_ns()
        if wall_ns < failures.until_ns:
            wait_s = (failures.until_ns - wall_ns) // 10**9 + 1
            text = f"{failures.count} wrong {kind}s of {name}: wait {wait_s} s, or prove it the other way"
            raise Unproven(text, claimed=name)
        try:
            signed = proof.signature
            authority = self._signatures.verify(request, proof) if signed else self._verify_code(proof, wall_ns)
        except Unproven:
            failures.count += 1
            if failures.count >= FAILURES_FREE:
                failures.until_ns = wall_ns + min(WAIT_NS << min(failures.count - FAILURES_FREE, 20), WAIT_NS_MAX[kind])
            raise
        failures.count = 0
        return Identity(operator=name, authority=authority)

    def _verify_code(self, proof: Proof, wall_ns: int) -> str:
        name = proof.operator
        secret = self._secrets.get(name)
        if secret is None:
            raise Unproven(f"{name} has no authenticator here: sign with the key", claimed=name)
        step = find_step(secret, proof.code, wall_ns)
        if step is None:
            raise Unproven("the code is wrong or out of date: give the present one; is the clock right?", claimed=name)
        if step <= self._spent_step(name):
            raise Unproven("this code was used before: wait for the next one", claimed=name)
        return f"code:{step}"


def _secret(name: str, operator: OperatorSettings) -> bytes:
    """The secret of an operator's authenticator; empty = none. Raises ConfigError, without a word of it."""
    field = f"authority.operators.{name}.totp_secret"
    if operator.totp_secret_file:
        return decode_secret(read_secret(Path(operator.totp_secret_file)).decode("ascii", "replace"), f"{field}_file")
    if operator.totp_secret_variable:
        text = os.environ.get(operator.totp_secret_variable, "")
        if not text:
            raise ConfigError(f"{field}_variable: ${operator.totp_secret_variable} is not set: export the secret")
        return decode_secret(text, f"{field}_variable")
    return b""
