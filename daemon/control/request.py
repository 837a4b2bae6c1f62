"""What every request on the control socket is made of: its number, and who gives it."""

from typing import Annotated, ClassVar, Final

import msgspec

PROOF_TEXT_MAX: Final = 128


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gives a command: a signature (with nonce and expiry) or a one-time code. The trader itself verifies it
    (daemon/authority); whoever passes the line on only passes it on.
    """

    operator: Annotated[str, msgspec.Meta(max_length=PROOF_TEXT_MAX)]
    signature: Annotated[str, msgspec.Meta(max_length=PROOF_TEXT_MAX)] = ""  # base64 of Ed25519, over `signed_bytes`
    nonce: Annotated[str, msgspec.Meta(max_length=PROOF_TEXT_MAX)] = ""  # never used before
    expires_ns: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0  # wall clock
    code: Annotated[str, msgspec.Meta(max_length=PROOF_TEXT_MAX)] = ""  # RFC 6238, instead of a signature


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="command"):
    """Base of all requests. Without a proof one that adds risk is refused, one that cuts risk is not."""

    ADDS_RISK: ClassVar[bool] = False
    ENGINE_DECIDES: ClassVar[bool] = False  # it may cut risk or add it: without a proof the engine lets it only cut

    id: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    proof: Proof | None = None


class Scoped(Request, frozen=True, kw_only=True):
    """A command on the whole account, on one strategy or on one symbol. A reason is always given."""

    reason: str
    strategy: str | None = None
    symbol: str | None = None
