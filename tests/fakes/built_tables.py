"""Session tables that are built once for all tests of a worker: each build is a process of one and a half seconds.
Knows no assertion.
"""

import functools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.sessions import SessionTable
from daemon.config import load_config
from daemon.reference import tables as reference

built_table: Callable[..., SessionTable] = functools.lru_cache(reference.build_in_child)


def lend_tables(path: Path) -> None:
    """Put the tables where the process of this config will look for kept ones; it builds what it does not find."""
    with suppress(ConfigError), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "build_in_child", built_table)
        config = load_config(path)
        first, last = reference.covered_days(config)
        for calendar in {instrument.calendar for instrument in config.instruments}:
            reference.session_table(
                calendar, first=first - reference.MARGIN, last=last + reference.MARGIN,
                folder=Path(config.state_dir) / "reference",
            )  # fmt: skip
