"""The list of trials beside a model: what was tried on these data before, so that the best of many is not taken for
skill. A trial is a set of settings on one set of data; to run the same again adds nothing.
"""

from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError

TRIALS_MAX: Final = 10_000
SUFFIX: Final = ".trials.json"


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of the list."""

    digest: str
    sharpe: float  # of its trades out of fold


def trials_path(output: Path) -> Path:
    """Where the list of a model stands."""
    return output.with_name(output.name.removesuffix(".onnx") + SUFFIX)


def read_trials(path: Path) -> tuple[Trial, ...]:
    """The trials so far, none when there is no list. Raises ConfigError on a list that cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Trial, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as fault:
        raise ConfigError(f"train.output: {path} cannot be read ({fault}); restore it: it counts the trials") from fault


def with_trial(trials: tuple[Trial, ...], trial: Trial) -> tuple[Trial, ...]:
    """The list with this trial in it, once. Raises ConfigError when it is full."""
    others = tuple(one for one in trials if one.digest != trial.digest)
    if len(others) >= TRIALS_MAX:
        raise ConfigError(f"train.output: {TRIALS_MAX} trials on one model; name another one and new data")
    place = next((at for at, one in enumerate(trials) if one.digest == trial.digest), len(others))
    return (*others[:place], trial, *others[place:])


def encode_trials(trials: tuple[Trial, ...]) -> bytes:
    """The bytes of the list."""
    return msgspec.json.format(msgspec.json.encode(trials), indent=1) + b"\n"
