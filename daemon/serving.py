"""Which model each configured strategy is served with, and whether it may be: card, spec hash, the journal's digest.
Reads the files through `daemon.models`; runs no model.
"""

from collections.abc import Iterable
from pathlib import Path

from core.errors import ConfigError
from core.reference import ModelLoaded
from daemon.config.schema import Config, StrategySettings
from daemon.models import ModelFile, read_model
from strategies.features.spec import FeatureSpec
from strategies.kinds import find_kind, read_params
from strategies.models.card import check_card
from strategies.signal.params import SignalParams


def served_models(config: Config) -> dict[str, ModelFile]:
    """The model of every enabled strategy that has one, by strategy. Raises ConfigError on one that may not serve."""
    found = {}
    for name, strategy in config.strategies.items():
        field = f"strategies.{name}.params"
        if strategy.enabled and find_kind(strategy.kind).models:
            found[name] = served_model(config, strategy, field=field)
    return found


def served_model(config: Config, strategy: StrategySettings, *, field: str) -> ModelFile:
    """One strategy's model, checked against what this run computes. Raises ConfigError."""
    params = read_params(find_kind(strategy.kind), strategy.params, field=field)
    assert isinstance(params, SignalParams), "the only kind with a model"
    if params.profile != config.feed.profile:
        raise ConfigError(
            f"{field}.profile is {params.profile!r}: the feed serves {config.feed.profile!r} (feed.profile); make them "
            "equal"
        )
    if params.leader and params.leader not in config.symbols:
        raise ConfigError(f"{field}.leader is {params.leader!r}: use one of {', '.join(config.symbols)}")
    model = read_model(Path(params.model), field=f"{field}.model")
    inputs = model.card.inputs
    spec = FeatureSpec(
        profile=params.profile, names=inputs.names, leader=params.leader, external=inputs.external
    )  # fmt: skip
    check_card(
        model.card,
        model.onnx,
        spec=spec,
        mode=config.mode,
        field=f"{field}.model",
        allow_untradable=params.allow_untradable,
    )
    spec.validate(f"{field}.model")
    return model


def model_records(config: Config) -> tuple[ModelLoaded, ...]:
    """What the journal keeps of the models, each once. Raises ConfigError."""
    return tuple(dict.fromkeys(model.record for model in served_models(config).values()))


def models_as_recorded(config: Config, recorded: Iterable[ModelLoaded]) -> dict[str, ModelFile]:
    """The models of a run whose reference records are given. Raises ConfigError on a file that is another by now."""
    digests = [record.digest for record in recorded]
    models = served_models(config)
    for name, model in models.items():
        if model.digest not in digests:
            raise ConfigError(
                f"strategies.{name}.params.model: {model.path} (with its card, digest {model.digest}) is not the model "
                f"this run loaded ({', '.join(digests) or 'none'}); put that one back"
            )
    return models
