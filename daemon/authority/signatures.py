"""Whose signature a command carries, and whether it is fresh: known operator, right text, in date, never used before.
The trader believes nobody else's look at it; who relays commands uses the same to keep forgeries away from the trader.
"""

import base64
import binascii
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from daemon.authority.keys import key_id
from daemon.authority.proof import ANY_RUN, signed_bytes
from daemon.config.persons import AuthoritySettings
from daemon.control.messages import CLAIMED_MAX, AnyRequest
from daemon.control.request import Proof

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EXPIRY_NS_MAX: Final = 60 * 10**9
NONCE_LENGTH_MIN: Final = 16
NONCES_MAX: Final = 256  # used and not out of date yet; full = nobody may sign until some are
PEER: Final = "peer"
FORGED: Final = "forged"
STALE: Final = "stale"
REPLAYED: Final = "replayed"


class Unproven(Exception):
    """Refused, with the remedy. `claimed` is who it pretends to come from, `authority` what was true of it, `kind` in a
    word what is wrong.
    """

    def __init__(self, text: str, *, claimed: str, authority: str = PEER, kind: str = FORGED) -> None:
        super().__init__(text)
        self.claimed = claimed
        self.authority = authority
        self.kind = kind


class Signatures:
    """Of the operators of one trader. `epoch` is asked when needed."""

    def __init__(
        self,
        settings: AuthoritySettings,
        *,
        account: str,
        epoch: Callable[[], int],
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._operators = settings.operators
        self._account = account
        self._epoch = epoch
        self._wall_ns = wall_ns
        self._keys = {name: _public_key(o.public_key) for name, o in settings.operators.items() if o.public_key}
        self._nonces: dict[str, int] = {}  # used -> out of date at

    def check_known(self, name: str) -> None:
        """Raises Unproven for a stranger."""
        if name not in self._operators:
            known, shown = ", ".join(self._operators) or "none", name[:CLAIMED_MAX]
            raise Unproven(f"operator {shown!r} is not known here: this trader knows {known}", claimed=shown)

    def verify(self, request: AnyRequest, proof: Proof) -> str:
        """signed:KEYID; the signature is then used up. Raises Unproven.

        A command that only cuts risk may be signed for any run: whoever kills from afar need not know how often the
        trader was started. What a replay after a restart could repeat was asked for within the last minute.
        """
        self.check_known(proof.operator)
        name = proof.operator
        key = self._keys.get(name)
        if key is None:
            raise Unproven(f"{name} has no key here: give a one-time code with --code", claimed=name)
        epochs = (self._epoch(),) if request.ADDS_RISK else (ANY_RUN, self._epoch())
        if not any(self._is_over(key, request, proof, epoch) for epoch in epochs):
            raise Unproven(
                f"the signature is not that of {name} over this command, for account {self._account} in its present "
                f"run: sign it again with the key that belongs to the config (key {self._key_id(name)})",
                claimed=name,
            )
        self._use_nonce(proof)
        return f"signed:{self._key_id(name)}"

    def _is_over(self, key: "Ed25519PublicKey", request: AnyRequest, proof: Proof, epoch: int) -> bool:
        from cryptography.exceptions import InvalidSignature

        text = signed_bytes(
            request,
            account=self._account,
            epoch=epoch,
            operator=proof.operator,
            nonce=proof.nonce,
            expires_ns=proof.expires_ns,
        )
        try:
            key.verify(base64.b64decode(proof.signature, validate=True), text)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def _key_id(self, name: str) -> str:
        return key_id(self._operators[name].public_key)

    def _use_nonce(self, proof: Proof) -> None:
        """A signature is good once, and not for long. Only what was signed right may take up room here."""
        wall_ns = self._wall_ns()
        name, left_ns = proof.operator, proof.expires_ns - wall_ns
        if left_ns <= 0:
            text = "the signature is out of date: sign it again; is the clock right?"
            raise Unproven(text, claimed=name, kind=STALE)
        if left_ns > EXPIRY_NS_MAX:
            most = EXPIRY_NS_MAX // 10**9
            text = f"the signature is good for more than {most} s: sign for less; clock?"
            raise Unproven(text, claimed=name, kind=STALE)
        if len(proof.nonce) < NONCE_LENGTH_MIN:
            raise Unproven(f"the nonce is shorter than {NONCE_LENGTH_MIN}: draw a longer one", claimed=name)
        self._nonces = {nonce: until for nonce, until in self._nonces.items() if until > wall_ns}
        if proof.nonce in self._nonces:
            raise Unproven("this signature was used before: sign it again", claimed=name, kind=REPLAYED)
        if len(self._nonces) >= NONCES_MAX:
            raise Unproven("too many signatures in a minute: wait, then sign again", claimed=name)
        self._nonces[proof.nonce] = proof.expires_ns


def _public_key(text: str) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text))
