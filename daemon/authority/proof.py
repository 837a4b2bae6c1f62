"""The proof on a command: what is signed, and the signing. Used by whoever sends a command; the trader verifies with
`signed_bytes` too. Everything that the command does is in the signed text, so that who relays it can change nothing.
"""

import base64
import secrets
import time
from typing import TYPE_CHECKING, Final

import msgspec

from daemon.authority.keys import key_id, public_text
from daemon.control.messages import AnyRequest
from daemon.control.request import Proof, Request

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VERSION: Final = "quantd command 1"
VALID_NS: Final = 30 * 10**9  # how long a signature of ours is good
NONCE_BYTES: Final = 16
ANY_RUN: Final = -1  # instead of an epoch, on what only cuts risk
_NOT_SIGNED: Final = ("id", "proof", "command")


def signed_bytes(
    request: AnyRequest | Request, *, account: str, epoch: int, operator: str, nonce: str, expires_ns: int
) -> bytes:
    """The text a signature is over: one JSON list with sorted keys. The epoch is the trader's run: after a restart an
    old signature is worth nothing, whatever the trader has forgotten.
    """
    fields = msgspec.to_builtins(request)
    command = fields["command"]
    for name in _NOT_SIGNED:
        fields.pop(name, None)
    return msgspec.json.encode(
        [VERSION, account, epoch, command, fields, operator, nonce, expires_ns], order="sorted"
    )  # fmt: skip


class Signer:
    """Signs with one operator's key."""

    def __init__(self, operator: str, key: "Ed25519PrivateKey") -> None:
        self.operator = operator
        self.key_id = key_id(public_text(key))
        self._key = key

    def prove(self, request: AnyRequest | Request, *, account: str, epoch: int, wall_ns: int = 0) -> Proof:
        """A signature for this request, this account and this run."""
        nonce, expires_ns = secrets.token_hex(NONCE_BYTES), (wall_ns or time.time_ns()) + VALID_NS
        text = signed_bytes(
            request, account=account, epoch=epoch, operator=self.operator, nonce=nonce, expires_ns=expires_ns
        )
        signature = base64.b64encode(self._key.sign(text)).decode()
        return Proof(operator=self.operator, signature=signature, nonce=nonce, expires_ns=expires_ns)


class CodeGiver:
    """Passes a one-time code on."""

    def __init__(self, operator: str, code: str) -> None:
        self.operator = operator
        self._code = code

    def prove(self, request: AnyRequest | Request, *, account: str, epoch: int, wall_ns: int = 0) -> Proof:
        """The code; it says nothing of the request."""
        return Proof(operator=self.operator, code=self._code)


Prover = Signer | CodeGiver
