"""The model card: what a model was trained on and may be used for, and the checks before it is used. Stands beside the
ONNX file as `<model>.card.json`; training writes it, the trader refuses whatever it does not vouch for.

Knows bytes and structs; reads no file, runs no model.
"""

from hashlib import blake2b
from math import isfinite
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from core.errors import ConfigError

CARD_VERSION: Final = 1
DIGEST_BYTES: Final = 16
PROBES_MIN: Final = 3
INPUTS_MAX: Final = 64  # the readiness mask of the features has as many bits

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Meta(ge=0, le=2**62)]
Positive = Annotated[int, Meta(ge=1, le=2**62)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a card's parts: no field may be missing, none may be unknown."""


class Inputs(Part, frozen=True):
    """What the model reads, in order: the fields of a FeatureSpec, and its digest, the spec hash."""

    profile: Name
    names: Annotated[tuple[str, ...], Meta(max_length=INPUTS_MAX)]
    leader: str
    external: Annotated[tuple[str, ...], Meta(max_length=INPUTS_MAX)]
    digest: Digest


class Label(Part, frozen=True):
    """What was predicted: the move of the mid after `horizon_ns`, or which of two barriers the mid touched first."""

    kind: Literal["fixed_horizon", "triple_barrier"]
    horizon_ns: Positive
    take_bp: float  # 0 without barriers
    stop_bp: float


class Window(Part, frozen=True):
    """The data of training and validation."""

    from_ns: Positive
    until_ns: Positive
    digest: Digest  # of the feed's own digests
    synthetic: bool
    symbols: Annotated[tuple[str, ...], Meta(min_length=1)]
    rows: Positive  # training rows


class Costs(Part, frozen=True):
    """What a change of position by one costs, in basis points of its value."""

    half_spread_bp: float  # mean over the rows
    fee_bp: float


class Metrics(Part, frozen=True):
    """Out of fold: every row is scored by a model that saw neither it nor a label that overlaps its own."""

    rows: Count
    information_coefficient: float  # rank correlation of score and move, mean over blocks of time
    information_coefficient_t: float  # that mean by its standard error
    hit_rate: float  # of trades, net
    trades: Count
    gross_bp: float  # per trade, one entry and one exit
    net_bp: float
    net_t: float
    sharpe_day: float  # of daily net results
    probabilistic_sharpe: float
    deflated_sharpe: float  # by the number of trials


class CalibrationBin(Part, frozen=True):
    """One tenth of the rows by score: what was promised and what came."""

    score_low_bp: float
    score_high_bp: float
    rows: Count
    score_bp: float
    realised_bp: float


class Probe(Part, frozen=True):
    """One input row and the score that training saw for it."""

    inputs: tuple[float, ...]
    score_bp: float


class ModelCard(Part, frozen=True):
    """Everything that is said of one model. Scores are expected moves of the mid over the horizon, in basis points."""

    version: Literal[1]
    name: Name
    kind: Literal["regression", "classification"]
    inputs: Inputs
    label: Label
    score_unit: Literal["bp"]
    gain_bp: float  # a classifier's score is p * gain - (1 - p) * loss; 0 and 0 for a regression
    loss_bp: float
    shrink: float  # all scores were multiplied by it: the part of them that came true out of fold, less its error
    onnx_digest: Digest
    opset: Positive  # of ai.onnx.ml
    data: Window
    costs: Costs
    metrics: Metrics
    trials: Positive  # configurations tried, this one included
    tradable: bool  # false: nothing is gained net of costs out of fold; see `verdict`
    verdict: str
    placement: str
    code_revision: str
    seed: Count
    calibration: tuple[CalibrationBin, ...]
    probes: Annotated[tuple[Probe, ...], Meta(min_length=PROBES_MIN)]

    @property
    def width(self) -> int:
        """Number of inputs."""
        return len(self.inputs.names) + len(self.inputs.external)


class Spec(Protocol):
    """What a card is compared with: the feature spec that the trader computes."""

    @property
    def profile(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def leader(self) -> str: ...

    @property
    def external(self) -> tuple[str, ...]: ...

    @property
    def digest(self) -> str: ...


_decoder: Final = msgspec.json.Decoder(ModelCard)


def digest_of(*pieces: bytes) -> str:
    """blake2b over length-prefixed pieces, as hex: of an ONNX file, and of a model as a whole (card, then ONNX)."""
    total = blake2b(digest_size=DIGEST_BYTES)
    for piece in pieces:
        total.update(len(piece).to_bytes(8, "little"))
        total.update(piece)
    return total.hexdigest()


def encode_card(card: ModelCard) -> bytes:
    """The card as it stands in its file: indented JSON, the same bytes for the same card."""
    return msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n"


def decode_card(document: bytes, *, field: str) -> ModelCard:
    """Read a card. Raises ConfigError naming the card's field when one is missing, unknown or out of bounds."""
    try:
        card = _decoder.decode(document)
    except msgspec.DecodeError as fault:
        raise ConfigError(f"{field}: the model card is not valid: {fault}; train the model again") from fault
    width = card.width
    if not 1 <= width <= INPUTS_MAX:
        raise ConfigError(f"{field}: the model card has {width} inputs; train with 1 to {INPUTS_MAX}")
    for at, probe in enumerate(card.probes):
        if len(probe.inputs) != width:
            raise ConfigError(
                f"{field}: probes[{at}] of the model card has {len(probe.inputs)} inputs, the model {width}; "
                "train the model again"
            )
    if card.data.until_ns <= card.data.from_ns:
        raise ConfigError(f"{field}: data.until_ns of the model card is not after from_ns; train the model again")
    if card.kind == "classification" and not (isfinite(card.gain_bp + card.loss_bp) and card.gain_bp + card.loss_bp):
        raise ConfigError(f"{field}: gain_bp and loss_bp of the model card say nothing; train the model again")
    return card


def check_card(
    card: ModelCard, onnx: bytes, *, spec: Spec, mode: str, field: str, allow_untradable: bool = False
) -> None:
    """Refuse a model that is not what its card says or not meant for this run. Raises ConfigError.

    `spec` is what this run computes, `mode` is replay, paper or live, `field` the config field that names the model.
    """
    if digest_of(onnx) != card.onnx_digest:
        raise ConfigError(f"{field}: the ONNX file is not the one its card describes; put the matching pair in place")
    _check_spec(card.inputs, spec, field)
    if card.placement != "inline":
        raise ConfigError(
            f"{field}: the card asks for placement {card.placement!r}; this release runs models inline only, train "
            'again with placement = "inline"'
        )
    if mode == "live" and card.data.synthetic:
        raise ConfigError(f"{field}: the model was trained on a made-up market; trade it in replay or paper mode only")
    if not card.tradable and (mode == "live" or not allow_untradable):
        remedy = "train a better one" if mode == "live" else "train a better one, or set allow_untradable to watch it"
        raise ConfigError(f"{field}: the card says not tradable: {card.verdict}; {remedy}")


def _check_spec(inputs: Inputs, spec: Spec, field: str) -> None:
    """The digest decides; the fields say what is different."""
    if inputs.digest == spec.digest:
        return
    for name in ("profile", "leader", "names", "external"):
        trained, here = getattr(inputs, name), getattr(spec, name)
        if trained != here:
            raise ConfigError(
                f"{field}: the model was trained with {name} {shown(trained)}, this run computes {shown(here)}; "
                "make them equal or train again"
            )
    raise ConfigError(
        f"{field}: the features are computed differently since the model was trained (spec hash {inputs.digest}, now "
        f"{spec.digest}); train it again"
    )


def shown(value: str | tuple[str, ...]) -> str:
    """A text or a list of names, cut to one line."""
    text = repr(value) if isinstance(value, str) else ", ".join(value) or "none"
    return text if len(text) <= 80 else text[:77] + "..."
