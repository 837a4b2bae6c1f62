"""Which features a model is fed, and their meaning in one number: the spec hash. Owns the check that a choice of
features exists in a profile; knows no model and no kernel.
"""

import hashlib
import re
from typing import Final

import msgspec

from core.errors import ConfigError
from core.profiles import PROFILES
from strategies.features.catalogue import CATALOGUE, INDEX, NAMES, SPEC_VERSION

DIGEST_BYTES: Final = 16
EXTERNAL_NAME: Final = re.compile(r"ext\.[a-z][a-z0-9_]{0,59}")
EXTERNAL_MAX: Final = 64  # columns: the readiness mask of external features is one integer of 64 bits, sign apart
LEADER_FEATURES: Final = ("leader_correlation", "leader_ret_16s")


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inputs of a model in their order: catalogue features, then external ones named `ext.<name>`."""

    profile: str  # tbt, l1_250 or bar: what the features are computed from
    names: tuple[str, ...]
    leader: str = ""  # symbol whose returns the leader features look at; empty = none of them is used
    external: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all inputs in the order a model takes them."""
        return self.names + self.external

    @property
    def columns(self) -> tuple[int, ...]:
        """Places of `names` in the emitted vector."""
        return tuple(INDEX[name] for name in self.names)

    @property
    def ready_mask(self) -> int:
        """The bits of the readiness mask that must all be set before a model is asked."""
        return sum(1 << INDEX[name] for name in self.names)

    @property
    def digest(self) -> str:
        """The spec hash: of the catalogue's version and rows, profile, leader and external names, in their order."""
        rows = [[row.name, row.formula, row.cadence, row.warm_ns] for row in (CATALOGUE[at] for at in self.columns)]
        parts = [SPEC_VERSION, self.profile, self.leader, rows, list(self.external)]
        return hashlib.blake2b(msgspec.json.encode(parts), digest_size=DIGEST_BYTES).hexdigest()

    def validate(self, field: str) -> None:
        """Raises ConfigError, in the name of `field`, on whatever cannot be computed."""
        if self.profile not in PROFILES:
            raise ConfigError(f"{field}.profile: {self.profile!r} is unknown; use one of {', '.join(PROFILES)}")
        if not self.inputs:
            raise ConfigError(f"{field}.names: no feature; name at least one")
        for at, name in enumerate(self.names):
            _check_name(f"{field}.names[{at}]", name, self.profile)
        for at, name in enumerate(self.external):
            if not EXTERNAL_NAME.fullmatch(name):
                raise ConfigError(
                    f"{field}.external[{at}]: {name!r}; use ext.<name> in small letters, digits and underscores"
                )
        if len(self.external) >= EXTERNAL_MAX:
            raise ConfigError(f"{field}.external: {len(self.external)} features; at most {EXTERNAL_MAX - 1}")
        twice = [name for at, name in enumerate(self.inputs) if name in self.inputs[:at]]
        if twice:
            raise ConfigError(f"{field}: {twice[0]} stands twice; name it once")
        self._check_leader(field)

    def _check_leader(self, field: str) -> None:
        wanted = [name for name in self.names if name in LEADER_FEATURES]
        if wanted and not self.leader:
            raise ConfigError(f"{field}.leader: {wanted[0]} needs one; name a symbol")
        if self.leader and not wanted:
            raise ConfigError(f"{field}.leader: no feature looks at {self.leader}; leave it empty")


def _check_name(field: str, name: str, profile: str) -> None:
    if name not in INDEX:
        raise ConfigError(f"{field}: {name!r} is unknown; use one of {', '.join(NAMES)}")
    if PROFILES[profile] not in CATALOGUE[INDEX[name]].profiles:
        raise ConfigError(f"{field}: {name} is not defined in profile {profile}; choose another feature or profile")
