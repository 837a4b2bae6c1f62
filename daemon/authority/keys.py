"""Operators' key files: made, found and read. The private key stays with the person; the config has the public one."""

import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.errors import ConfigError

if TYPE_CHECKING:  # the library takes 30 ms to import: nobody needs it who signs nothing
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUFFIX: Final = ".key"
FOLDER: Final = "operators"  # below a state directory: the keys that `quantd demo` makes
KEY_FILE_BYTES_MAX: Final = 4096
PASSPHRASE_VARIABLE: Final = "QUANTD_PASSPHRASE"


def new_key() -> "Ed25519PrivateKey":
    """A fresh key pair."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate()


def public_text(key: "Ed25519PrivateKey") -> str:
    """The public half, as the config takes it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def key_id(public_key: str) -> str:
    """A short name of a key, for the journal."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:12]


def write_key(key: "Ed25519PrivateKey", path: Path, passphrase: str = "") -> None:
    """A new file with mode 0600; never over one that is there. Raises ConfigError."""
    from cryptography.hazmat.primitives import serialization as s

    encryption = s.BestAvailableEncryption(passphrase.encode()) if passphrase else s.NoEncryption()
    content = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, encryption)
    write_secret(content, path)


def write_secret(content: bytes, path: Path) -> None:
    """The same for any secret."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path}: is there already: another name, or remove it when nobody uses it") from None
    except OSError as fault:
        raise ConfigError(f"{path}: {fault.strerror}: choose a folder you can write, with --out") from fault
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path, passphrase: str = "") -> "Ed25519PrivateKey":
    """The private key of a file. Raises ConfigError, also when others than its owner may read it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = read_secret(path)
    try:
        key = load_pem_private_key(content, passphrase.encode() if passphrase else None)
    except TypeError:
        what = "is not encrypted: give no passphrase" if passphrase else f"is encrypted: set ${PASSPHRASE_VARIABLE}"
        raise ConfigError(f"{path}: {what}") from None
    except ValueError:
        raise ConfigError(f"{path}: is no private key, or the passphrase is wrong") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: is no Ed25519 key: make one with `quantd operator add NAME`")
    return key


def read_secret(path: Path) -> bytes:
    """A secret file's bytes. Raises ConfigError, also when others than its owner may read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as fault:
        raise ConfigError(f"{path}: {fault.strerror}: name the key file of an operator") from fault
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others may read it (mode {stat.S_IMODE(mode):o}): chmod 600 it")
    if len(content) > KEY_FILE_BYTES_MAX:
        raise ConfigError(f"{path}: is larger than {KEY_FILE_BYTES_MAX} bytes: this is no key")
    return content


def own_folder() -> Path:
    """Where a person's keys lie: $XDG_CONFIG_HOME/quantd, else ~/.config/quantd."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "quantd"


def find_key(name: str, state: Path) -> Path | None:
    """The key file of an operator, or of the only one there is when no name is given; None = there is none."""
    for folder in (state / FOLDER, own_folder()):
        if name:
            path = folder / f"{name}{SUFFIX}"
            if path.is_file():
                return path
            continue
        found = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.stem for path in found)
            raise ConfigError(f"{folder}: has the keys of {names}: say who you are with --as NAME")
    return None
