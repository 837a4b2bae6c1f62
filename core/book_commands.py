"""Requests that change the books: splits, dividends, corrections. Part of core.commands' union; none of it leaves."""

from typing import Final

from core.command_base import Command
from core.corporate import BookLine, Terms

CROSS: Final = "cross"  # algo of a schedule that was opened for a cross, and is done with it


class KeepCorporateAction(Command, frozen=True, tag=90):
    """Remember a corporate action until it can be carried out; kind "withdraw" forgets one."""

    terms: Terms
    by: str
    reason: str
    now: bool = False


class SplitBooks(Command, frozen=True, tag=91):
    """The new quantity of every book in one instrument; costs stay. Reserves, lots and later corrections of earlier
    executions follow.
    """

    action_id: str
    inst: int
    num: int
    den: int
    books: tuple[tuple[str, int], ...]  # (strategy, quantity)
    rescaled: bool  # the day's reference numbers are brought to the new shares, too


class AccrueDividend(Command, frozen=True, tag=92):
    """A dividend is due on what the books hold at the beginning of its ex date."""

    action_id: str
    books: tuple[tuple[str, int, int], ...]  # (strategy, gross, withheld)


class PayDividend(Command, frozen=True, tag=93):
    """The broker has paid what was due."""

    action_id: str
    currency: str
    gross_nanos: int
    withheld_nanos: int
    reason: str


class SuspectSplit(Command, frozen=True, tag=94):
    """A person is told of a suspected split, once a day."""

    inst: int
    num: int
    den: int
    text: str


class CorrectBooks(Command, frozen=True, tag=95):
    """One line of a correction."""

    line: BookLine
    by: str
    reason: str


class CrossBooks(Command, frozen=True, tag=85):
    """One book buys from another of the same account, at the mid; nothing is sent. One beneficial owner on both sides:
    no trade that anyone reports, no cash, no commission. Both schedules have it as filled.
    """

    inst: int
    buyer: str
    seller: str
    qty_nanos: int
    px_nanos: int  # the mid
    bid_px_nanos: int  # of the quote it was taken from
    ask_px_nanos: int
    reason: str
    buyer_parent: int = 0  # the schedules it belongs to; 0 = none
    seller_parent: int = 0


AnyBookCommand = (
    KeepCorporateAction | SplitBooks | AccrueDividend | PayDividend | SuspectSplit | CorrectBooks | CrossBooks
)
