"""Locks that end with their process."""

import fcntl
import os
from pathlib import Path

import pytest

from core.errors import JournalError
from daemon.lock import hold_lock


def test_who_only_looks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trader must not refuse its start because somebody asks at that moment whether one runs."""
    path = tmp_path / "trader.lock"
    looking = os.open(path, os.O_RDONLY | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
    monkeypatch.setattr("daemon.lock.time.sleep", lambda _: os.close(looking))
    held = hold_lock(path, "held", patience_s=60.0)
    assert path.read_text() == f"{os.getpid()}\n"
    os.close(held)


@pytest.mark.parametrize("patience_s", [0.0, 0.05])
def test_who_stays_is_named(tmp_path: Path, patience_s: float) -> None:
    """The holder's pid is in the refusal, and the file is its own still."""
    path = tmp_path / "trader.lock"
    held = hold_lock(path, "held")
    with pytest.raises(JournalError, match=f"a trader \\(pid {os.getpid()}\\) is there: stop it first"):
        hold_lock(path, "a trader (pid {pid}) is there", patience_s=patience_s)
    assert path.read_text() == f"{os.getpid()}\n"
    os.close(held)
    os.close(hold_lock(path, "held", patience_s=0.0))
