"""The kinds of file that `quantd init` writes, and what it was answered."""

from pathlib import Path
from typing import Any, Final, Literal

KindName = Literal["paper", "ib_paper", "live"]
PAPER: Final = "paper"
IB_PAPER: Final = "ib_paper"
LIVE: Final = "live"

# By the field of a question, in its type. The file and the kind are there before the others are asked.
Answers = dict[str, Any]
FILE: Final = "file"
KIND: Final = "kind"


def folder_of(answers: Answers) -> Path:
    """Where the file will lie, and so where relative paths start."""
    file: Path = answers[FILE]
    return file.absolute().parent
