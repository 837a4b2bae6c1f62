"""Digests of the program, and the kernel cache that hangs on them."""

import ast
import os
import sys
from pathlib import Path

import pytest

from core.errors import Bug, ConfigError
from daemon import kernels
from daemon.digests import ROOT, code_digest, code_version, digest, imported, kernel_digest, kernel_files, source_files

TREE = {
    "core/rows.py": "WIDTH = 56\n",
    "core/market.py": "from numba import njit\nfrom core.rows import WIDTH\n",
    "strategies/kernels.py": "import numba\nfrom core import market\n",
    "risk/gate.py": "import core.rows\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small program: two modules with kernels, one that they read, one that they do not."""
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_kernel_files_are_those_that_import_numba_and_what_they_import(tree: Path) -> None:
    """Followed as far as imports go; a module that only shares an import is not one."""
    names = [path.relative_to(tree).as_posix() for path in kernel_files(tree)]
    assert names == ["core/market.py", "core/rows.py", "strategies/kernels.py"]


def test_a_constant_that_kernels_read_changes_the_kernel_digest(tree: Path) -> None:
    """The trap of numba's own cache: the constant stands in another file than the kernel."""
    before, code = kernel_digest(tree), code_digest(tree)
    (tree / "risk" / "gate.py").write_text("import core.rows  # changed\n", encoding="utf-8")
    assert kernel_digest(tree) == before
    assert code_digest(tree) != code
    (tree / "core" / "rows.py").write_text("WIDTH = 64\n", encoding="utf-8")
    assert kernel_digest(tree) != before


def parsed_imports(text: str) -> set[str]:
    """The names as Python's own parser finds them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{one.name}" for one in node.names}
    return names


IMPORTS = """import a, b.c as d; import e
from f.g import (  # why
    h as i,
    j,  # k, l
)
try: import m
except ImportError: from n import o, \\
    p
def q():
    if q: from r import s
    from .s import t
"""


def test_imports_are_found_without_parsing() -> None:
    """In every form; in each of our modules the parser finds the same."""
    assert parsed_imports(IMPORTS) <= set(imported(IMPORTS.encode()))
    for path in source_files():
        text = path.read_text(encoding="utf-8")
        if "numba" in text or path.parent.name == "kernels":
            assert set(imported(text.encode())) == parsed_imports(text), path


def test_file_times_do_not_count(tree: Path) -> None:
    """A fresh checkout of the same source has the same digest."""
    before = code_digest(tree)
    os.utime(tree / "core" / "rows.py", ns=(1, 1))
    assert code_digest(tree) == before


def test_pieces_cannot_be_shifted() -> None:
    """Neither a file's name nor its neighbour can take over bytes unseen."""
    assert digest([b"ab", b"c"]) != digest([b"a", b"bc"])
    assert digest([b"ab"]) != digest([b"ab", b""])


def test_the_real_program_is_covered() -> None:
    """The kernels and the row layout are in the kernel digest; the version record carries both digests."""
    names = {path.relative_to(ROOT).as_posix() for path in kernel_files()}
    assert names >= {"core/market.py", "core/rows.py", "strategies/kernels.py", "broker/feeds/synthesis.py"}
    assert "daemon/reference/tables.py" not in names
    found = code_version()
    assert (found.source_digest, found.kernel_digest) == (code_digest(), kernel_digest())
    assert "numba-" in found.platform


def test_the_cache_folder_follows_the_setting_and_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$QUANTD_CACHE first, then the user's cache; other sources, another folder."""
    monkeypatch.setenv("QUANTD_CACHE", str(tmp_path))
    folder = kernels.cache_folder()
    assert folder.parent == tmp_path / "numba"
    monkeypatch.setattr(kernels, "kernel_digest", lambda: "other")
    assert kernels.cache_folder() != folder
    monkeypatch.delenv("QUANTD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert kernels.cache_folder().parent == tmp_path / "xdg" / "quantd" / "numba"


def test_configure_sets_what_numba_reads_and_keeps_what_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty environment is filled and the folder made; a value that is there stays."""
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.delenv(kernels.NUMBA_CACHE, raising=False)
    monkeypatch.setenv(kernels.NUMBA_NO_SVML, "0")
    monkeypatch.setenv("QUANTD_CACHE", str(tmp_path))
    folder = kernels.configure()
    assert folder.is_dir()
    assert os.environ[kernels.NUMBA_CACHE] == str(folder)
    assert os.environ[kernels.NUMBA_NO_SVML] == "0"
    monkeypatch.setenv(kernels.NUMBA_CACHE, str(tmp_path / "mine"))
    assert kernels.configure() == tmp_path / "mine"


def test_configure_after_numba_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """numba reads its settings once: too late must not pass in silence."""
    monkeypatch.setitem(sys.modules, "numba", sys)
    monkeypatch.delenv(kernels.NUMBA_CACHE, raising=False)
    with pytest.raises(Bug, match="came after the first import of numba"):
        kernels.configure()


def test_a_cache_that_cannot_be_made_is_a_config_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line with the variable to set."""
    (tmp_path / "file").touch()
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.delenv(kernels.NUMBA_CACHE, raising=False)
    monkeypatch.setenv("QUANTD_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"^\$QUANTD_CACHE: cannot make .*; set it to a folder"):
        kernels.configure()
