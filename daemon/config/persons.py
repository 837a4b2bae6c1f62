"""The table `[authority]` as frozen structs: who may give commands that add risk. What it must mean: authority.py."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from daemon.config.guarding import NAME

Level = Literal["strategy", "symbol", "account", "process"]


class OperatorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One person who may give commands that add risk: with a key, with one-time codes, or with either."""

    public_key: str = ""  # Ed25519, as `quantd operator add NAME` prints it
    totp_secret_file: str = ""  # a file with the secret of an authenticator app; relative to this file
    totp_secret_variable: str = ""  # or the environment variable that holds it
    levels: tuple[Level, ...] = ("strategy", "symbol", "account", "process")  # where this person may add risk


class AuthoritySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may add risk. Halt, kill and flatten are taken from whoever may open the socket; resume, arm, acknowledge,
    adopt, resolve, a raised limit and an override carry a proof that the trader itself verifies.
    """

    operators: dict[Annotated[str, Meta(pattern=NAME, examples=["ann"])], OperatorSettings] = {}  # by name
    owner: str = ""  # who answers for the controls: named in the self-assessment
    control_owners: dict[str, str] = {}  # who answers for single ones instead, by the number of the control
    # At the levels of two_person_levels: 2 = another operator must give the same command within ten minutes.
    persons: Annotated[int, Meta(ge=1, le=2)] = 2
    two_person_levels: tuple[Level, ...] = ("account", "process")  # where two persons are needed
    # true = the user who runs the trader may add risk without a proof; never with a live account, only with persons = 1
    # and without operators.
    unsigned: bool = False
