"""What must never be in a line of the log, and taking it out: by the name of a field, by the shape of a URL with a
password in it, and by every secret value this process was configured with, however it got into the text.

Reads the files and variables a config names. Never repeats one of them, not even in an error.
"""

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

import msgspec

MASK: Final = "***"
SECRET_LENGTH_MIN: Final = 4  # a shorter one would be found in every word
PART_LENGTH_MIN: Final = 8  # of a URL that is a secret as a whole: a token, no host
SECRETS_MAX: Final = 256
FILE_BYTES_MAX: Final = 65_536
# The name of a field whose value is masked whatever it is; and of config keys that name a file or a variable with one.
SECRET_NAME: Final = re.compile(
    r"pass(?:word|wd|phrase)?(?:$|_)|secret|token|totp|credential|authori[sz]ation$|api_?key|private_?key|one_time",
    re.IGNORECASE,
)
NAMED: Final = re.compile(r"(?:pass(?:word|phrase)?|secret|token|urls|(?:^|_)key|credential)s?_(file|variable)$")
# user:password@ of any URL. Linear: a text full of colons must not hold up who waits for the interpreter.
CREDENTIALS: Final = re.compile(r"(?<=://)[^\s/@:\"'<>]*:[^\s/\"'<>]*(?=@)")


class Redactor:
    """Takes known secrets out of texts. `add` may be called while another thread redacts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know these from now on, in every spelling a log may hold them in."""
        with self._lock:
            for secret in secrets:
                if len(secret) >= SECRET_LENGTH_MIN and len(self._secrets) < SECRETS_MAX:
                    self._secrets.add(secret)
            spelled = {form for secret in self._secrets for form in _spellings(secret)}
            longest_first = sorted(spelled, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """The text without them."""
        pattern = self._pattern
        if pattern is not None:
            text = pattern.sub(MASK, text)
        return CREDENTIALS.sub(MASK, text) if "://" in text else text


def _spellings(secret: str) -> Iterator[str]:
    """As it is, as Python and JSON write it, and as a URL holds it."""
    for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret)):
        for escaped in (form, repr(form)[1:-1], json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1]):
            if len(escaped) >= SECRET_LENGTH_MIN:
                yield escaped


def secrets_of(config: msgspec.Struct) -> Iterator[str]:
    """Every secret a config names, as far as this process can read it; whose business it is to complain does so."""
    for value in _named(config):
        yield from parts_of(value)


def parts_of(value: str) -> Iterator[str]:
    """A secret's lines; of a line that is a URL, its password and whatever may be a token, too."""
    for line in value.splitlines():
        line = line.strip()
        for part in line.split() if "://" in line else (line,):
            if part and not part.startswith("#"):
                yield part
                yield from _url_parts(part)


def _url_parts(url: str) -> Iterator[str]:
    if "://" not in url:
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    if parts.password:
        yield unquote(parts.password)
    for part in re.split(r"[/:@?&=,]+", url.partition("://")[2]):
        if len(part) >= PART_LENGTH_MIN and "." not in part:
            yield unquote(part)


def _named(value: Any, name: str = "") -> Iterator[str]:
    """The texts of all files and variables that are named under a key for a secret."""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _named(getattr(value, field), field)
    elif isinstance(value, dict):
        for key, inner in value.items():  # `tokens`: a file for each name
            yield from _named(inner, f"{name}_file" if SECRET_NAME.search(name) else str(key))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _named(inner, name)
    elif isinstance(value, str) and value and (found := NAMED.search(name)) is not None:
        yield os.environ.get(value, "") if found[1] == "variable" else _read(value)


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
