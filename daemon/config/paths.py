"""Paths of a config file: $VARIABLES and ~ expanded, relative to the file's folder, made absolute."""

import os
import re
from pathlib import Path
from typing import Final

from daemon.config.decode import Problems

SOCKET_LENGTH_MAX: Final = 107  # bytes of a unix socket's path on Linux
_VARIABLE: Final = re.compile(r"\$(\w+|\{\w+\})")


def absolute(text: str, folder: Path, field: str, problems: Problems) -> str:
    """The absolute path; reports a variable that is not set."""
    found = os.path.expanduser(expanded(text, field, problems, what="the path"))
    return text if _VARIABLE.search(found) else os.path.normpath(folder / found)


def expanded(text: str, field: str, problems: Problems, *, what: str = "it") -> str:
    """The text with its variables; reports one that is not set."""
    found = os.path.expandvars(text)
    missing = _VARIABLE.search(found)
    if missing:
        problems.add(field, f"{missing[0]} is not set", f"export {missing[0].strip('${}')} or write {what} out")
    return found


def readable(path: str, field: str, problems: Problems) -> None:
    """Report a file that is not there or cannot be read."""
    if not os.path.isabs(path):
        return  # a variable in it is not set: reported already
    if not os.path.isfile(path):
        problems.add(field, f"{path} does not exist", "correct the path, or fetch the file")
    elif not os.access(path, os.R_OK):
        problems.add(field, f"{path} cannot be read", "correct its permissions")
