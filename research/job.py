"""What `python -m research.train` is asked for: one JSON document on stdin. Owns the [train] table: its keys, defaults
and bounds. Knows no data.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from broker.feeds.spec import FeedSpec, ReplaySpec
from core.errors import ConfigError
from core.profiles import PROFILES
from core.units import NANO
from strategies.features.catalogue import CATALOGUE
from strategies.features.spec import LEADER_FEATURES, FeatureSpec
from strategies.models.card import DIGEST_BYTES, digest_of

SUFFIX: Final = ".onnx"

Share = Annotated[float, Meta(gt=0.0, le=1.0)]
Bp = Annotated[float, Meta(ge=0.0, le=10_000.0)]


class TrainSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one model is trained."""

    output: Annotated[str, Meta(pattern=r"\.onnx$")]  # model file; card and list of trials are written beside it
    name: Annotated[str, Meta(max_length=64)] = ""  # of the model; empty = the file's name
    # Inputs: names of the feature catalogue, or "all" that the profile defines.
    features: Literal["all"] | Annotated[tuple[str, ...], Meta(min_length=1)] = "all"
    leader: str = ""  # symbol that the leader features look at; empty = these are left out of "all"
    sample_s: Annotated[float, Meta(ge=0.0, le=3_600.0)] = 0.0  # least time between two samples; 0 = each usable quote
    model: Literal["regression", "classification"] = "regression"  # of the move, or of the chance that it is up
    label: Literal["fixed_horizon", "triple_barrier"] = "fixed_horizon"  # what is predicted
    horizon_s: Annotated[float, Meta(ge=0.1, le=23_400.0)] = 60.0  # the label is known then at the latest
    take_bp: Bp = 0.0  # upper barrier above the mid, with triple_barrier
    stop_bp: Bp = 0.0  # lower barrier below the mid, with triple_barrier
    weights: Literal["uniqueness", "none"] = "uniqueness"  # overlapping labels count less, or all the same
    folds: Annotated[int, Meta(ge=2, le=50)] = 5  # of validation, runs of samples in time order
    embargo_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 300.0  # not trained on after a tested run
    trees_max: Annotated[int, Meta(ge=1, le=5_000)] = 200  # each fold keeps what serves it; the model, their median
    patience: Annotated[int, Meta(ge=1, le=1_000)] = 20  # trees without a gain on the held-out run, then it stops
    leaves: Annotated[int, Meta(ge=2, le=256)] = 15  # per tree
    learning_rate: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.05  # how much of its error each tree corrects
    leaf_rows_min: Annotated[int, Meta(ge=1, le=10_000_000)] = 200  # samples in a leaf, at least
    feature_share: Share = 0.7  # of the inputs, drawn per tree
    row_share: Share = 0.7  # of the rows, drawn per tree
    l2: Annotated[float, Meta(ge=0.0, le=1e6)] = 1.0  # pull of the leaves towards 0
    bins: Annotated[int, Meta(ge=15, le=255)] = 63  # split candidates per input
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 1  # of the draws
    threads: Annotated[int, Meta(ge=1, le=2)] = 1  # of LightGBM; the model is the same
    fee_bp: Bp = 0.5  # per side, of the value traded
    enter_bp: Bp = 0.0  # a trade must promise this much more than its costs
    trades_min: Annotated[int, Meta(ge=2, le=1_000_000)] = 30  # fewer trades out of fold prove nothing
    confidence: Annotated[float, Meta(ge=0.5, lt=1.0)] = 0.95  # of the deflated Sharpe ratio, or not tradable

    @property
    def horizon_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.horizon_s * NANO)

    @property
    def embargo_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.embargo_s * NANO)

    @property
    def sample_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.sample_s * NANO)

    @property
    def model_name(self) -> str:
        """Of the card."""
        return self.name or Path(self.output).name.removesuffix(SUFFIX)

    def validate(self) -> None:
        """Raise ConfigError on what single bounds do not say."""
        if self.label == "triple_barrier" and not (self.take_bp > 0.0 and self.stop_bp > 0.0):
            raise ConfigError("train.take_bp: a triple barrier needs take_bp and stop_bp above 0; set both")
        if self.label == "fixed_horizon" and (self.take_bp or self.stop_bp):
            raise ConfigError(
                'train.take_bp: a fixed horizon has no barriers; remove them, or label = "triple_barrier"'
            )
        folder = Path(self.output).parent
        if not folder.is_dir():
            raise ConfigError(f"train.output: there is no folder {folder}; make it, or name another one")


class TrainJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a training needs; nothing else is read but the feed's files and the list of trials."""

    train: TrainSettings
    feed: FeedSpec
    symbols: Annotated[tuple[str, ...], Meta(min_length=1)]  # by instrument row
    sessions: tuple[tuple[tuple[int, int], ...], ...]  # (open_ns, close_ns) by instrument row, ascending
    code_revision: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]

    @property
    def profile(self) -> str:
        """Of the feed, and so of the features."""
        return self.feed.profile

    @property
    def synthetic(self) -> bool:
        """Made-up data."""
        return not isinstance(self.feed, ReplaySpec)

    @property
    def spec(self) -> FeatureSpec:
        """The model's inputs."""
        names = self.train.features
        if names == "all":
            names = tuple(
                feature.name
                for feature in CATALOGUE
                if PROFILES[self.profile] in feature.profiles
                and (self.train.leader or feature.name not in LEADER_FEATURES)
            )
        leader = self.train.leader if any(name in LEADER_FEATURES for name in names) else ""
        return FeatureSpec(profile=self.profile, names=tuple(names), leader=leader)

    @property
    def leaders(self) -> tuple[int, ...]:
        """By instrument row: every instrument looks at the leader, also the leader itself."""
        leader = self.spec.leader
        return (self.symbols.index(leader) if leader else -1,) * len(self.symbols)

    def trial_digest(self, data_digest: str) -> str:
        """What makes this trial another one than any before: settings and data, not where files stand."""
        settings = msgspec.structs.replace(self.train, output="", name="", threads=1)
        parts: Any = [settings, self.spec.digest, self.symbols, self.sessions, data_digest]
        return digest_of(msgspec.json.encode(parts))


def decode_job(document: bytes) -> TrainJob:
    """Read and check a job. Raises ConfigError naming the field."""
    try:
        job = msgspec.json.decode(document, type=TrainJob)
    except msgspec.DecodeError as fault:
        raise ConfigError(f"{_field_first(str(fault))}; see docs/training.md") from fault
    job.train.validate()
    if len(job.sessions) != len(job.symbols):
        raise ConfigError(f"sessions: {len(job.sessions)} lists for {len(job.symbols)} symbols; give one each")
    if job.train.leader and job.train.leader not in job.symbols:
        raise ConfigError(f"train.leader: {job.train.leader} is no instrument of the recipe; add it, or name another")
    if not isinstance(job.feed, ReplaySpec) and job.feed.endless:
        raise ConfigError("feed.synthetic.endless: a training needs an end; set it to false and say how many days")
    job.spec.validate("train")
    return job


def _field_first(text: str) -> str:
    """msgspec says `wrong - at `$.train.x``: the field belongs in front."""
    wrong, _, place = text.partition(" - at `$")
    return f"{place.strip('.`')}: {wrong}" if place else text


assert DIGEST_BYTES * 2 == 32, "the patterns above say 32 hexadecimal digits"
