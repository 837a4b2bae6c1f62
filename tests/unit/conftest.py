"""Fixtures of the unit tests."""

from collections.abc import Iterator

import pytest

from daemon.reference import tables as reference
from tests.fakes.built_tables import built_table


@pytest.fixture(scope="module")
def tables_built_once() -> Iterator[None]:
    """For modules that build a trader in every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "build_in_child", built_table)
        yield
