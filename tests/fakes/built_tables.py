"""Session tables that are built once for all tests: each build is a process of one and a half seconds. They lie in a
folder that the workers of a run share. Knows no assertion.
"""

import atexit
import functools
import os
import shutil
import tempfile
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pytest

from core.errors import ConfigError
from core.sessions import SessionTable
from daemon.config import load_config
from daemon.reference import tables as reference

SHARED: Final = "QUANTD_TEST_TABLES"  # the folder of this run; without it each process has its own
_build = reference.build_in_child  # before a test puts `built_table` in its place


@functools.cache
def _library() -> Path:
    if shared := os.environ.get(SHARED):
        return Path(shared)
    folder = Path(tempfile.mkdtemp(prefix="quantd-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.lru_cache
def built_table(calendar: str, *, first: date, last: date) -> SessionTable:
    """What `build_in_child` gives, from the folder where it was built before."""
    kept = _library() / reference.table_name(calendar, first=first, last=last)
    with suppress(OSError):
        return msgspec.json.decode(kept.read_bytes(), type=SessionTable)
    table = _build(calendar, first=first, last=last)
    _keep(kept, msgspec.json.encode(table))
    return table


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


def lend_all(state: Path) -> None:
    """Every table there is, for a process whose days only itself knows: a gateway, or a trader that asks one."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = state / "reference"
    folder.mkdir(exist_ok=True)
    for kept in _library().glob("sessions-*.json"):
        if not (folder / kept.name).exists():
            shutil.copyfile(kept, folder / kept.name)


def keep_all(state: Path) -> None:
    """What that process built itself, for the next."""
    for built in (state / "reference").glob("sessions-*.json"):
        if not (_library() / built.name).exists():
            _keep(_library() / built.name, built.read_bytes())


def _keep(path: Path, content: bytes) -> None:
    """Whole or not at all: other workers read at the same time."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
