"""Digests of the program itself: all its source, and the source of its compiled kernels. Imports nothing it reads."""

import hashlib
import platform
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Final

from core.records import RECORDS_VERSION
from core.reference import CodeVersion

PACKAGES: Final = ("broker", "core", "daemon", "execution", "research", "risk", "strategies")
KERNEL_LIBRARIES: Final = ("llvmlite", "numba", "numpy")
DIGEST_BYTES: Final = 16
ROOT: Final = Path(__file__).resolve().parents[1]
MODULES_MAX: Final = 2_000  # whose imports are remembered by their text

# An import statement: at the start of a line or behind `;` or `:`, on one line or in brackets.
_IMPORT: Final = re.compile(
    rb"(?:^|[;:])[ \t]*(?:from[ \t]+(?P<package>\w[\w.]*)[ \t]+)?"
    rb"import\b[ \t]*(?P<names>\([^)]*\)|(?:\\\n|[^\n;])+)",
    re.MULTILINE,
)
_NO_NAME: Final = re.compile(rb"#[^\n]*|[()\\]")


def digest(pieces: Iterable[bytes]) -> str:
    """blake2b over length-prefixed pieces, as hex: moving a byte from one piece to the next changes it."""
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for piece in pieces:
        total.update(len(piece).to_bytes(8, "little"))
        total.update(piece)
    return total.hexdigest()


def source_files(root: Path = ROOT) -> list[Path]:
    """Every module of our packages, sorted by path."""
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def code_digest(root: Path = ROOT) -> str:
    """Of all source files by path and content; file times and compiled caches do not count."""
    return _digest_of(source_files(root), root)


def kernel_digest(root: Path = ROOT) -> str:
    """Of every source file whose text ends up in compiled kernels."""
    return _digest_of(kernel_files(root), root)


def kernel_modules(root: Path = ROOT) -> list[Path]:
    """Modules that import numba themselves. One in twenty names it at all: no other is looked through for imports."""
    return [
        path
        for path in source_files(root)
        if b"numba" in (text := path.read_bytes()) and "numba" in map(_top, imported(text))
    ]


def kernel_files(root: Path = ROOT) -> list[Path]:
    """Modules that import numba, and all of ours that these import, however far.

    numba freezes the globals of a kernel and inlines kernels of other files, but its own cache looks at the one file
    a kernel stands in: a constant changed elsewhere would leave old machine code in use.
    """
    ours = dict.fromkeys(source_files(root))
    waiting = kernel_modules(root)
    found: dict[Path, None] = {}
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += [module for name in imported(path.read_bytes()) if (module := _module(name, root)) in ours]
    return sorted(found)


def code_version(root: Path = ROOT) -> CodeVersion:
    """What runs, for the journal."""
    libraries = " ".join(f"{name}-{metadata.version(name)}" for name in (*KERNEL_LIBRARIES, "msgspec"))
    return CodeVersion(
        version=_version(),
        source_digest=code_digest(root),
        kernel_digest=kernel_digest(root),
        records=RECORDS_VERSION,
        platform=f"{sys.platform}-{platform.machine()} python-{platform.python_version()} {libraries}",
    )


def _version() -> str:
    try:
        return metadata.version("quantd")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"


def _digest_of(paths: list[Path], root: Path) -> str:
    return digest(piece for path in paths for piece in (path.relative_to(root).as_posix().encode(), path.read_bytes()))


@lru_cache(maxsize=MODULES_MAX)
def imported(text: bytes) -> tuple[str, ...]:
    """Dotted names a module imports; `from a import b` gives a and a.b, of which one is a module.

    A line of a text that looks like one is named too, which is harmless; parsing cost 0.6 s at each start of a process.
    """
    names: dict[str, None] = {}
    for found in _IMPORT.finditer(text):
        package = found["package"].decode() if found["package"] else ""
        if package:
            names[package] = None
        for one in _NO_NAME.sub(b"", found["names"]).split(b","):
            words = one.split()
            if words:
                name = words[0].decode(errors="replace")  # without `as`
                names[f"{package}.{name}" if package else name] = None
    return tuple(names)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _module(name: str, root: Path) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
