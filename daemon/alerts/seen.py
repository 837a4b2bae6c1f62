"""What an operator has seen while there was no trader to tell it to: one small file, which the guard takes."""

import contextlib
import os
from pathlib import Path
from typing import Final

SEEN_FILE: Final = "alerts.seen"
EVERYTHING: Final = "--all"
SEEN_BYTES_MAX: Final = 400


def leave_seen(directory: Path, code: str, operator: str) -> None:
    """Leave it for the guard; a second one before that replaces the first."""
    draft = directory / f"{SEEN_FILE}.new"
    draft.write_text(f"{code} {operator}\n", encoding="utf-8")
    os.replace(draft, directory / SEEN_FILE)


def take_seen(directory: Path) -> tuple[str, str] | None:
    """(code or EVERYTHING, operator), once."""
    path = directory / SEEN_FILE
    try:
        with path.open("rb") as file:
            text = file.read(SEEN_BYTES_MAX).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    code, _, operator = text.strip().partition(" ")
    return code, operator
