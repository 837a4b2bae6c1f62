"""The trader's own look at a proof: who gives this command, and may this person. Nothing that lies on the way (relay,
console, bridge) is trusted with it. Bounded in what it remembers and in how often it lets anybody try.
"""

import base64
import binascii
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from core.errors import ConfigError
from daemon.authority.keys import key_id, read_secret
from daemon.authority.proof import signed_bytes
from daemon.authority.totp import decode_secret, find_step
from daemon.config.persons import AuthoritySettings, OperatorSettings
from daemon.control.messages import AnyRequest, Feature
from daemon.control.request import Proof

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EXPIRY_NS_MAX: Final = 60 * 10**9
NONCE_LENGTH_MIN: Final = 16
NONCES_MAX: Final = 256  # used and not out of date yet; full = nobody may sign until some are
FAILURES_FREE: Final = 5  # wrong proofs in a row, by operator and kind, until the first wait
WAIT_NS: Final = 30 * 10**9  # then, doubled with each further one
WAIT_NS_MAX: Final = {"signature": WAIT_NS, "code": 3_600 * 10**9}  # a signature cannot be guessed, a code can

PEER: Final = "peer"
UNSIGNED: Final = "unsigned"
SIGN: Final = "sign it: quantd COMMAND --as NAME, with the key of an operator in [authority.operators]"
NO_OPERATORS: Final = (
    "this trader knows no operators: `quantd operator add NAME`, then put the block it prints into the config; or, "
    "where no money is real, authority.unsigned = true and authority.persons = 1"
)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who gives a command, and how we know."""

    operator: str
    authority: str


class Unproven(Exception):
    """Refused, with the remedy. `claimed` is who it pretends to come from, `authority` what was true of it."""

    def __init__(self, text: str, *, claimed: str, authority: str = PEER) -> None:
        super().__init__(text)
        self.claimed = claimed
        self.authority = authority


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
        self._keys = {name: _public_key(o.public_key) for name, o in settings.operators.items() if o.public_key}
        self._secrets = {name: secret for name, o in settings.operators.items() if (secret := _secret(name, o))}
        self._nonces: dict[str, int] = {}  # used -> out of date at
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
        if name not in self.settings.operators:
            known = ", ".join(self.settings.operators) or "none"
            raise Unproven(f"operator {name[:40]!r} is not known here: this trader knows {known}", claimed=name[:40])
        failures = self._failures.setdefault((name, kind), _Failures())
        wall_ns = self._wall_ns()
        if wall_ns < failures.until_ns:
            wait_s = (failures.until_ns - wall_ns) // 10**9 + 1
            text = f"{failures.count} wrong {kind}s of {name}: wait {wait_s} s, or prove it the other way"
            raise Unproven(text, claimed=name)
        try:
            verify = self._verify_signature if proof.signature else self._verify_code
            authority = verify(request, proof, wall_ns)
        except Unproven:
            failures.count += 1
            if failures.count >= FAILURES_FREE:
                failures.until_ns = wall_ns + min(WAIT_NS << min(failures.count - FAILURES_FREE, 20), WAIT_NS_MAX[kind])
            raise
        failures.count = 0
        return Identity(operator=name, authority=authority)

    def _verify_signature(self, request: AnyRequest, proof: Proof, wall_ns: int) -> str:
        from cryptography.exceptions import InvalidSignature

        name = proof.operator
        key = self._keys.get(name)
        if key is None:
            raise Unproven(f"{name} has no key here: give a one-time code with --code", claimed=name)
        text = signed_bytes(
            request,
            account=self.account,
            epoch=self.epoch(),
            operator=name,
            nonce=proof.nonce,
            expires_ns=proof.expires_ns,
        )
        try:
            key.verify(base64.b64decode(proof.signature, validate=True), text)
        except (InvalidSignature, binascii.Error, ValueError):
            raise Unproven(
                f"the signature is not that of {name} over this command, for account {self.account} in its present "
                f"run: sign it again with the key that belongs to the config (key {self._key_id(name)})",
                claimed=name,
            ) from None
        self._use_nonce(proof, wall_ns)
        return f"signed:{self._key_id(name)}"

    def _key_id(self, name: str) -> str:
        return key_id(self.settings.operators[name].public_key)

    def _use_nonce(self, proof: Proof, wall_ns: int) -> None:
        """A signature is good once, and not for long. Only what was signed right may take up room here."""
        name, left_ns = proof.operator, proof.expires_ns - wall_ns
        if left_ns <= 0:
            raise Unproven("the signature is out of date: sign it again; is the clock right?", claimed=name)
        if left_ns > EXPIRY_NS_MAX:
            most = EXPIRY_NS_MAX // 10**9
            raise Unproven(f"the signature is good for more than {most} s: sign for less; clock?", claimed=name)
        if len(proof.nonce) < NONCE_LENGTH_MIN:
            raise Unproven(f"the nonce is shorter than {NONCE_LENGTH_MIN}: draw a longer one", claimed=name)
        self._nonces = {nonce: until for nonce, until in self._nonces.items() if until > wall_ns}
        if proof.nonce in self._nonces:
            raise Unproven("this signature was used before: sign it again", claimed=name)
        if len(self._nonces) >= NONCES_MAX:
            raise Unproven("too many signatures in a minute: wait, then sign again", claimed=name)
        self._nonces[proof.nonce] = proof.expires_ns

    def _verify_code(self, request: AnyRequest, proof: Proof, wall_ns: int) -> str:
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


def _public_key(text: str) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text))


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
