"""Bearer tokens: one file each, readable by the process alone, compared in constant time. Knows no request."""

import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.errors import ConfigError

TOKEN_BYTES_MIN: Final = 32  # `openssl rand -hex 32` gives 64: nobody guesses it
TOKEN_BYTES_MAX: Final = 512
MAKE: Final = "openssl rand -hex 32 > FILE; chmod 600 FILE"


class Tokens:
    """Who may read, by the digest of each one's token: the tokens themselves are not kept."""

    def __init__(self, tokens: Mapping[str, bytes]) -> None:
        self._digests = {name: _digest(token) for name, token in tokens.items()}

    def __bool__(self) -> bool:
        return bool(self._digests)

    def who(self, given: bytes) -> str:
        """Whose token this is, "" = nobody's; it takes as long whichever it is."""
        digest, found = _digest(given), ""
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = name
        return found


def read_tokens(files: Mapping[str, str], field: str) -> Tokens:
    """Each name's token. Raises ConfigError, also on two names with one token: the log could not tell them apart."""
    tokens = {name: read_token(Path(path), f"{field}.{name}") for name, path in files.items()}
    names: dict[bytes, str] = {}
    for name, token in tokens.items():
        if token in names:
            raise ConfigError(f"{field}.{name}: has the token of {names[token]}: give each its own")
        names[token] = name
    return Tokens(tokens)


def read_token(path: Path, field: str) -> bytes:
    """The token in a file, without the spaces around it. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            token = file.read(TOKEN_BYTES_MAX + 1).strip()
    except OSError as fault:
        raise ConfigError(f"{field}: {path}: {fault.strerror}: make it with `{MAKE}`") from fault
    if others_may_read(status):
        raise ConfigError(
            f"{field}: {path}: others may read it (mode {stat.S_IMODE(status.st_mode):o}): chmod 600 it, and make a new"
        )
    if not TOKEN_BYTES_MIN <= len(token) <= TOKEN_BYTES_MAX or any(not 0x21 <= byte <= 0x7E for byte in token):
        text = f"is not {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} visible ASCII characters on one line"
        raise ConfigError(f"{field}: {path}: {text}: make it with `{MAKE}`")
    return token


def others_may_read(status: os.stat_result) -> bool:
    """Beyond the owner. A file that root gives to a group of ours is fine: so a cluster hands over a secret."""
    mode = status.st_mode
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        return True
    lent = status.st_uid == 0 != os.geteuid() and status.st_gid in (os.getegid(), *os.getgroups())
    return bool(mode & stat.S_IRWXG) and not lent


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
