"""Reads the checkout for the tidy tests: which files count, their text, syntax tree and comments."""

import ast
import io
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Violation:
    """One broken rule at one line; the message says what to do instead."""

    line: int
    message: str


@dataclass(frozen=True)
class Source:
    """One Python file; `path` is relative to the checkout, with forward slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def comments(self) -> dict[int, str]:
        """Line -> comment. From tokens, so that a '#' inside a string is none."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]


Rule = Callable[[Source], Iterator[Violation]]


def repository_files() -> tuple[str, ...]:
    """Tracked files and new ones not ignored, so that work is checked before it is committed."""
    # safe.directory: a build machine may run the tests as another user than the one who cloned.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    return tuple(sorted(path for path in set(listed) if path and (ROOT / path).is_file()))


def python_sources() -> Iterator[Source]:
    """Every Python file outside tests/."""
    for path in repository_files():
        if path.endswith(".py") and not path.startswith("tests/"):
            yield Source(path, (ROOT / path).read_text(encoding="utf-8"))


def all_sources() -> Iterator[Source]:
    """Every file as it is on disk, one character per byte, so that binary files can be measured too."""
    for path in repository_files():
        yield Source(path, (ROOT / path).read_bytes().decode("latin-1"))
