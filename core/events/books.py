"""Facts that change the books by a person's word: corporate actions, and corrections from the broker's statement."""

from core.corporate import BookLine, Terms
from core.events.base import Event


class CorporateActionApplied(Event, frozen=True, tag=96):
    """An operator gives a split or a dividend, once; or takes one back that waits still."""

    terms: Terms
    reason: str
    operator: str
    now: bool = False  # do not wait for the broker's position to show the split
    authority: str = ""
    second: str = ""


class BooksCorrected(Event, frozen=True, tag=97):
    """An operator books what the broker's statement, or the broker itself, says and the books lack."""

    lines: tuple[BookLine, ...]
    reason: str
    operator: str
    authority: str = ""
    second: str = ""
