"""Requests about orders that people give by hand, and about what several books share. Part of core.commands' union;
none of it leaves.
"""

from core.command_base import Command


class KeepManualOrder(Command, frozen=True, tag=100):
    """Remember what belongs to a schedule that a person asked for (core/manual.py); comes with its `OpenParent`."""

    parent_id: int
    strategy: str
    inst: int
    side: int
    tif: int
    reason: str
    by: str
    authority: str = ""
    second: str = ""
    oca_group: str = ""
    take_profit_px_nanos: int = 0
    stop_px_nanos: int = 0


class EndProtection(Command, frozen=True, tag=101):
    """Nothing follows the fills of a manual order any more."""

    parent_id: int
    reason: str


class ShareExecution(Command, frozen=True, tag=102):
    """An execution of the account's own order is booked to the books that it closed, at its price, each with its part
    of the commission: no cash moves."""

    exec_id: str
    books: tuple[tuple[str, int], ...]  # (strategy, signed quantity); they add up to the execution


AnyManualCommand = KeepManualOrder | EndProtection | ShareExecution
