"""The rules, run over this checkout."""

from collections.abc import Iterator

import pytest

from tests.tidy import shape
from tests.tidy.purity import PURE_PACKAGES, purity
from tests.tidy.source import ROOT, Rule, Source, all_sources, python_sources, repository_files


def check(rules: tuple[Rule, ...], sources: Iterator[Source]) -> None:
    """Fails with one line per violation, as file:line: message, so that an editor can jump there."""
    found = [
        f"{source.path}:{violation.line}: {violation.message}"
        for source in sources
        for rule in rules
        for violation in rule(source)
    ]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_the_rules_have_something_to_check() -> None:
    """A typing error in the file listing must not switch every rule off."""
    assert {source.package for source in python_sources()} >= PURE_PACKAGES


def test_modules_keep_their_shape() -> None:
    """Docstrings, sizes, names, broad handlers and constant asserts."""
    check(shape.SHAPE_RULES, python_sources())


def test_code_that_decides_is_deterministic() -> None:
    """No clock, chance, IO, set order or float money in the pure packages."""
    check((purity,), python_sources())


def test_files_are_small_and_name_no_machine() -> None:
    """Every file of the repository, whatever its type."""
    check(shape.FILE_RULES, all_sources())


def test_every_folder_of_modules_is_a_package() -> None:
    """Else the import rules would not see it."""
    assert shape.folders_without_init(repository_files()) == set()


def test_ratchet_entries_exist_and_give_their_reason() -> None:
    """An exception for a deleted file, or without a reason, is stale."""
    for path, (lines, reason) in shape.OVERSIZE_MODULES.items():
        assert (ROOT / path).is_file(), path
        assert lines <= shape.MODULE_LINES_HARD_MAX, path
        assert reason, path
