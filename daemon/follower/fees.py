"""Commissions by kind beside the record: of each execution what the statement says, else what the dated fee table
estimates (core/fee_split.py). Reads the books that the follower folds; knows no database.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from core import events as e
from core.book_commands import CorrectBooks
from core.errors import ConfigError
from core.fee_split import split_of
from core.fees import FeeTable
from core.ledger import Execution, Ledger
from core.records import REFERENCE, decode
from core.reference import FeesLoaded
from daemon.journal import JournalReader
from daemon.journal.layout import list_segments

TELLS: Final = frozenset({e.CommissionReported, e.OrderFilled, e.ExecutionReported, CorrectBooks})
Told = tuple[bool, int, tuple[tuple[str, int], ...]]
Row = tuple[Any, ...]


class FeeSplits:
    """Which commission has become known or changed, and its parts. Executions are found by their order."""

    def __init__(self, table: FeeTable | None = None) -> None:
        self._table = table
        self._by_order: dict[int, list[Execution]] | None = None  # None = to be made from the ledger again

    def load(self, fees: FeesLoaded) -> None:
        """Another run's table; one that this release cannot use is none."""
        self._table = table_of(fees)

    def forget(self) -> None:
        """The ledger has let executions go, or was made anew."""
        self._by_order = None

    def booked(self, execution: Execution) -> None:
        """One more execution."""
        if self._by_order is not None:
            self._by_order.setdefault(execution.order_id, []).append(execution)

    def told(self, ledger: Ledger, exec_id: str) -> Told:
        """What is known of a commission, to be compared before and after a record."""
        x = _execution(ledger, exec_id)
        return (False, 0, ()) if x is None else (x.commission_known, x.commission_nanos, x.fees)

    def parts(self, ledger: Ledger, exec_id: str, date: int) -> Iterator[tuple[str, str, int]]:
        """(kind, source, amount) of a commission as it is known now."""
        x = _execution(ledger, exec_id)
        if x is None or not x.commission_known:
            return
        if self._by_order is None:
            self._by_order = {}
            for one in {id(one): one for one in ledger.executions.values()}.values():
                self._by_order.setdefault(one.order_id, []).append(one)
        same_order = self._by_order.get(x.order_id, []) if x.order_id > 0 else []
        at = next((at for at, one in enumerate(same_order) if one is x), -1)
        source, parts = split_of(self._table, date, same_order if at >= 0 else [x], max(at, 0))
        for kind, amount in parts:
            yield kind, source, amount


def _execution(ledger: Ledger, exec_id: str) -> Execution | None:
    """Of a correction we have not heard of, the cost is the earlier one's."""
    return ledger.executions.get(exec_id) or ledger.executions.get(ledger.version_before(exec_id))


def exec_of(message: Any) -> str:
    """The execution whose commission a record may tell; "" = none."""
    if type(message) is CorrectBooks:
        return str(message.line.exec_id)
    return str(message.exec_id) if type(message) in TELLS else ""


def table_of(fees: FeesLoaded) -> FeeTable | None:
    """None for rows that this release refuses."""
    try:
        return FeeTable(fees.rows)
    except ConfigError:
        return None


def newest_fees(directory: Path, until_seq: int) -> FeeTable | None:
    """The table in force at a seq, from the newest segment backwards."""
    for file in reversed(list_segments(directory)):
        if file.first_seq > until_seq:
            continue
        found: FeesLoaded | None = None
        for record in JournalReader(directory, from_seq=file.first_seq).records(frozenset({REFERENCE})):
            if record.seq > until_seq:
                break
            message = decode(REFERENCE, record.payload)
            found = message if type(message) is FeesLoaded else found
        if found is not None:
            return table_of(found)
        until_seq = file.first_seq - 1
    return None
