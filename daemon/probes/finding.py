"""What a check says: one line, and what to do about it."""

from typing import Final

import msgspec

OK: Final = "ok"
FAIL: Final = "FAIL"
CONFIRM: Final = "CONFIRM"  # nothing can read it: a person must look
SKIP: Final = "skip"  # could not be looked at, because something before it failed


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line. A FAIL and a CONFIRM always name their remedy."""

    check: str
    status: str
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """As it must be."""
    return Finding(check=check, status=OK, text=text)


def fail(check: str, text: str, remedy: str) -> Finding:
    """Not as it must be."""
    return Finding(check=check, status=FAIL, text=text, remedy=remedy)


def skip(check: str, text: str) -> Finding:
    """Not looked at."""
    return Finding(check=check, status=SKIP, text=text)


class Trouble(Exception):
    """Why the broker cannot be talked to: what was seen, and what to do."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy
