"""The words of the control socket: one JSON object per line each way. Shared by server and client; no socket here.

request  {"id": 1, "command": "halt", "reason": "…", "strategy": "…"}
reply    {"id": 1, "ok": true, "result": …}  or  {"id": 1, "ok": false, "refused": true, "error": "…"}

`refused` = understood and not done. Without it the request itself was wrong. `id` is 0 when none could be read.
"""

from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from core.corporate import FEE_KINDS_MAX
from daemon.control.order_messages import (
    CancelSchedule,
    GetOrders,
    GiveOrder,
    PauseSchedule,
    ResumeSchedule,
    WithdrawOrder,
)
from daemon.control.request import Request, Scoped

LINE_BYTES_MAX: Final = 64 * 1024
REASON_LENGTH_MAX: Final = 400
ADOPTED_MAX: Final = 1_000  # positions taken over at once
LINES_MAX: Final = 100  # corrections of the books at once
CLAIMED_MAX: Final = 40  # characters of a name that is only claimed

Origin = Literal["mqtt"]


class Ping(Request, frozen=True, tag="ping"):
    """Is anybody there?"""


class GetStatus(Request, frozen=True, tag="status"):
    """The picture of daemon/status/picture.py."""


class GetMeasures(Request, frozen=True, tag="measures"):
    """Counters and latencies (daemon/status/measures.py)."""


class GetChallenge(Request, frozen=True, tag="challenge"):
    """What a signature must name besides the command: the account and the trader's run."""


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """Its answer."""

    account: str
    epoch: int


class WhyNot(Request, frozen=True, tag="why-not"):
    """Everything that blocks a new order in one symbol, or in all."""

    symbol: str | None = None


class Halt(Scoped, frozen=True, tag="halt"):
    """Block new risk; orders come off, except those that only reduce."""


class Resume(Scoped, frozen=True, tag="resume"):
    """Lift the block of a scope."""

    ADDS_RISK = True


class Kill(Scoped, frozen=True, tag="kill"):
    """Block, cancel and verify; `process` = the account, and the trader ends once that is verified."""

    process: bool = False


class GetKills(Request, frozen=True, tag="kills"):
    """The report of every kill (daemon/status/kills.py)."""


class Flatten(Scoped, frozen=True, tag="flatten"):
    """Close the positions of a scope."""


class Resolve(Request, frozen=True, tag="resolve"):
    """Settle an order without an answer: outcome lost, cancelled or filled (then with qty and px as decimal text)."""

    ADDS_RISK = True

    order_id: int
    outcome: str
    reason: str
    qty: str | None = None
    px: str | None = None


class Acknowledge(Request, frozen=True, tag="acknowledge"):
    """The difference report of this sync has been read."""

    ADDS_RISK = True

    sync_id: int
    reason: str


class GetAdoption(Request, frozen=True, tag="adoption"):
    """What the broker holds and our books lack, and whose it could be."""


class AdoptedPosition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One position to take over: signed quantity as decimal text; strategy "" = nobody's."""

    symbol: str
    qty: str
    strategy: str = ""


class Adopt(Request, frozen=True, tag="adopt"):
    """Take over these positions (at = average or mark) and this cash (decimal text), exactly as they were shown."""

    ADDS_RISK = True

    reason: str
    positions: Annotated[tuple[AdoptedPosition, ...], msgspec.Meta(max_length=ADOPTED_MAX)] = ()
    at: str = "average"
    cash: str = "0"


class ApplyCorporate(Request, frozen=True, tag="corporate-apply"):
    """Give a split (ratio NEW:OLD) or a dividend (a share, decimals as text), or withdraw one; once by its id."""

    ADDS_RISK = True

    action_id: str
    kind: Literal["split", "dividend", "withdraw"]
    reason: str
    symbol: str = ""
    ex_date: int = 0
    ratio: str = ""
    now: bool = False
    per_share: str = ""
    currency: str = ""
    pay_date: int = 0
    withheld_percent: str = "0"


class GetCorporate(Request, frozen=True, tag="corporate"):
    """Every corporate action that is remembered, and what waits."""


class GivenLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One correction (core.corporate.BookLine); decimals as text."""

    kind: Literal["execution", "correction", "commission", "cash", "conversion", "fees"]
    line_id: str
    exec_id: str = ""
    symbol: str = ""
    side: Literal["", "buy", "sell"] = ""
    qty: str = "0"
    px: str = "0"
    commission: str = "0"
    currency: str = ""
    amount: str = "0"
    cash_kind: str = ""
    other_currency: str = ""
    other: str = "0"
    text: str = ""
    fees: Annotated[dict[str, str], msgspec.Meta(max_length=FEE_KINDS_MAX)] = {}


class CorrectBooks(Request, frozen=True, tag="books-correct"):
    """Book what the broker's statement says and the books lack; each line once."""

    ADDS_RISK = True

    reason: str
    lines: Annotated[tuple[GivenLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]


class Ack(Request, frozen=True, tag="ack"):
    """The alerts of one code have been seen, or of all."""

    code: str | None = None


class Lease(Request, frozen=True, tag="lease"):
    """The cluster says who may trade this account, for `valid_s` seconds from now, or from `asked_ns` of this machine's
    CLOCK_BOOTTIME: a grant that waited on its way is not longer for that.
    """

    holder: str
    valid_s: float
    asked_ns: int = 0


class Arm(Request, frozen=True, tag="arm"):
    """Changed code, config or models with this digest may trade."""

    ADDS_RISK = True

    digest: str
    reason: str


class Feature(Request, frozen=True, tag="feature"):
    """A number from outside for the models that read it, of one symbol or of all; too old after `age_s` seconds."""

    name: str
    value: float
    age_s: float
    symbol: str | None = None


class Trigger(Scoped, frozen=True, tag="trigger"):
    """A monitor outside (drift of a model, a desk's own limit) takes risk off: soft = exits only, hard = halted."""

    name: str
    severity: Literal["soft", "hard"] = "soft"
    value: str = ""
    limit: str = ""


class ResetPeak(Request, frozen=True, tag="reset-peak"):
    """Let the drawdown count from the present equity on."""

    ADDS_RISK = True

    reason: str


class GetLimits(Request, frozen=True, tag="limits"):
    """Limits as configured, changed and in force: of the account and all that other scopes say, or what binds one
    strategy, one symbol or both.
    """

    strategy: str | None = None
    symbol: str | None = None


class SetLimit(Request, frozen=True, tag="limit-set"):
    """Change one limit. `until` = a duration (5m, 2h) or a time with its offset; a tightening may stand without one.
    What lets more pass is refused without a proof, so that a tightening needs none.
    """

    ADDS_RISK = True
    ENGINE_DECIDES = True

    name: str
    value: str
    reason: str
    until: str = ""
    strategy: str | None = None
    symbol: str | None = None
    instrument_class: str | None = None


class RevertLimit(Request, frozen=True, tag="limit-revert"):
    """Take all changes of one limit back."""

    ADDS_RISK = True
    ENGINE_DECIDES = True

    name: str
    reason: str
    strategy: str | None = None
    symbol: str | None = None
    instrument_class: str | None = None


class Override(Request, frozen=True, tag="override"):
    """Let one order of at most this quantity (and no worse price) fail one control, once; decimals as text."""

    ADDS_RISK = True

    control: int
    strategy: str
    symbol: str
    side: str
    qty: str
    reason: str
    px: str | None = None
    until: str = "5m"


class Relayed(Request, frozen=True, tag="relayed"):
    """A command that came over a network, passed on as it came; it counts only with a signature of its own."""

    origin: Origin
    request: msgspec.Raw


class RelayRefused(Request, frozen=True, tag="relay-refused"):
    """What a relay kept from the trader, for the audit: `count` commands of one kind, for one reason."""

    origin: Origin
    refused: Annotated[str, msgspec.Meta(max_length=CLAIMED_MAX)]
    claimed: Annotated[str, msgspec.Meta(max_length=CLAIMED_MAX)]
    why: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)]
    count: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)] = 1


AnyRequest = (
    Ping | GetStatus | GetMeasures
    | GetChallenge | WhyNot | Halt | Resume | Kill | Flatten | Resolve | Acknowledge | GetAdoption
    | Adopt | Arm | Feature | Ack | Lease | GetLimits | SetLimit | RevertLimit | Override | GetKills
    | PauseSchedule | ResumeSchedule | CancelSchedule
    | Trigger | ResetPeak | ApplyCorporate | GetCorporate | CorrectBooks | GiveOrder | WithdrawOrder | GetOrders
    | Relayed | RelayRefused
)  # fmt: skip
COMMANDS: Final = (
    "status", "measures",
    "why-not", "halt", "resume", "kill", "flatten", "resolve", "acknowledge", "adoption", "adopt", "arm",
    "feature", "ack", "lease", "kills", "ping", "challenge", "limits", "limit-set", "limit-revert", "override",
    "trigger", "reset-peak", "corporate-apply", "corporate", "books-correct",
    "parent-pause", "parent-resume", "parent-cancel",
    "order", "order-cancel", "order-list", "relayed", "relay-refused",
)  # fmt: skip
PROVEN: Final = frozenset(kind.__struct_config__.tag for kind in get_args(AnyRequest) if kind.ADDS_RISK)

_DECODER: Final = msgspec.json.Decoder(AnyRequest)
_encode = msgspec.json.Encoder().encode


class _Envelope(msgspec.Struct, frozen=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] = 0
    command: str = ""


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


class BadRequest(Exception):
    """A line that is no request; `request_id` is 0 when none could be read."""

    def __init__(self, request_id: int, text: str) -> None:
        super().__init__(text)
        self.request_id = request_id


def decode_request(line: bytes | bytearray) -> AnyRequest:
    """One request. Raises BadRequest with a line for the operator; never anything else, whatever the bytes."""
    try:
        request: AnyRequest = _DECODER.decode(line)
        return request
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        reason = "nested too deep" if isinstance(fault, RecursionError) else str(fault)
    try:
        envelope = _decode_envelope(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(0, f"not a request: {reason}") from None
    if envelope.command not in COMMANDS:
        reason = f"unknown command {envelope.command[:40]!r}: one of {', '.join(COMMANDS)}"
    raise BadRequest(envelope.id, reason)


def done(request_id: int, result: Any) -> bytes:
    """The line of a success; `result` may be msgspec.Raw."""
    return _encode({"id": request_id, "ok": True, "result": result}) + b"\n"


def not_done(request_id: int, error: str, *, refused: bool) -> bytes:
    """The line of a refusal or of a wrong request."""
    return _encode({"id": request_id, "ok": False, "refused": refused, "error": error}) + b"\n"
