"""Whole small files beside the journal, on their way to the copy: written under another name, synced, renamed. Knows no
journal.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from daemon.journal.segment import sync_directory

COPY_BYTES: Final = 1 << 20


def copy_file(source: Path, target: Path) -> None:
    """Whole, durable, or not there. Raises OSError."""
    draft = target.with_name(f"{target.name}.part")
    with source.open("rb") as given, draft.open("wb") as out:
        shutil.copyfileobj(given, out, COPY_BYTES)
        out.flush()
        os.fsync(out.fileno())
    os.replace(draft, target)
    sync_directory(target.parent)


def set_aside(path: Path, why: str) -> Path:
    """Keep a file under a name nobody looks for; the new name."""
    aside = path.with_name(f"{why}-{path.name}")
    os.rename(path, aside)
    sync_directory(path.parent)
    return aside
