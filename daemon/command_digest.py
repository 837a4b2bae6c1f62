"""The digest of what a run decided: every order-affecting command with its time, without what a restart must change
(epoch, seq, order reference). Two runs that decided the same have the same digest, however often they were restarted.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import records as r
from core.book_commands import CrossBooks
from core.manual_commands import EndProtection, KeepManualOrder, ShareExecution
from daemon.journal import JournalReader

DECIDING: Final = (
    c.PlaceOrder, c.ReplaceOrder, c.CancelOrder, c.CancelAllOrders, c.SetTarget, c.OpenParent, c.EndParent,
    c.PauseParent, c.MoveLadder, c.SettleOrder, c.SetStrategy, c.TransferPosition, c.AdjustCash, c.SetLimit,
    c.RevertLimit, c.GrantOverride, c.DropOverride, c.ReplanParent, c.BeginSlice,
    CrossBooks, KeepManualOrder, EndProtection, ShareExecution,
)  # fmt: skip
_encode: Final = msgspec.msgpack.Encoder().encode


def command_digest(directory: Path) -> str:
    """blake2b-128 over a journal's deciding commands, in order."""
    total = hashlib.blake2b(digest_size=16)
    for record in JournalReader(directory).records(frozenset({r.COMMAND})):
        message = r.decode(r.COMMAND, record.payload)
        if isinstance(message, DECIDING):
            total.update(_encode((record.ts_ns, type(message).__name__, _content(message))))
    return total.hexdigest()


def _content(message: Any) -> Any:
    if isinstance(message, c.PlaceOrder | c.ReplaceOrder):
        approved = message.order
        return (approved.intent, approved.notional_nanos, approved.reduce_only)
    return message
