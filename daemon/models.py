"""Reads models from disk: `<model>.onnx` and the card beside it, `<model>.card.json`. Owns paths, sizes and the digest
that the journal keeps; what a card means and how a model runs is strategies/models.
"""

from pathlib import Path
from typing import Final, NamedTuple

from core.errors import ConfigError
from core.reference import ModelLoaded
from strategies.models.card import ModelCard, decode_card, digest_of

SUFFIX: Final = ".onnx"
CARD_SUFFIX: Final = ".card.json"
ONNX_BYTES_MAX: Final = 64 << 20
CARD_BYTES_MAX: Final = 1 << 20


class ModelFile(NamedTuple):
    """One model as read: its card, its bytes, and one digest over both files."""

    path: str
    card: ModelCard
    onnx: bytes
    digest: str

    @property
    def record(self) -> ModelLoaded:
        """What the journal keeps of it, before the first input that it scores."""
        return ModelLoaded(name=self.card.name, digest=self.digest)


def card_path(model: Path) -> Path:
    """Where the card of a model stands."""
    return model.with_name(model.name.removesuffix(SUFFIX) + CARD_SUFFIX)


def read_model(path: Path, *, field: str) -> ModelFile:
    """Read a model and its card. Raises ConfigError naming the config field, the file and the remedy."""
    if not path.name.endswith(SUFFIX):
        raise ConfigError(f"{field}: {path} is no model file; name a {SUFFIX} file")
    onnx = _read(path, ONNX_BYTES_MAX, field)
    document = _read(card_path(path), CARD_BYTES_MAX, field)
    card = decode_card(document, field=field)
    return ModelFile(path=str(path), card=card, onnx=onnx, digest=digest_of(document, onnx))


def _read(path: Path, limit: int, field: str) -> bytes:
    """A whole file, never more than the limit in memory."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError as fault:
        raise ConfigError(f"{field}: {path} does not exist; train the model, or correct the path") from fault
    except OSError as fault:
        raise ConfigError(f"{field}: {path} cannot be read ({fault.strerror}); correct its permissions") from fault
    if len(content) > limit:
        raise ConfigError(f"{field}: {path} has more than {limit >> 20} MiB; train with fewer trees or leaves")
    if not content:
        raise ConfigError(f"{field}: {path} is empty; train the model again")
    return content
