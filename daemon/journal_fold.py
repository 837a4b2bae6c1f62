"""The books as a journal tells them: newest snapshot plus tail through core's own fold. Works beside a live trader and
after its death; runs no strategy and needs no market kernels. Market rows are skipped but for the newest prices.

The settings come from the journalled config by name, not through the config's schema of this release, so that an old
journal stays readable.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core.errors import Bug, JournalError
from core.money.fold import fold_command, fold_input, fold_outcome
from core.money.snapshot import load
from core.money.state import Money, MoneySettings
from core.rates import RateLimit
from core.records import COMMAND, INPUT, OUTCOME, REFERENCE, ROWS, decode
from core.reference import ConfigResolved
from core.rows import PRINT, QUOTE, ROW
from core.units import parse_nanos
from daemon.journal import JournalReader, Record, Snapshot, latest_snapshot
from daemon.journal.layout import list_segments
from daemon.vocabulary import check_vocabulary

MONEY_PART: Final = "money"  # its name in a snapshot
MARK_ROWS_BEFORE: Final = 100_000  # seqs read before a snapshot, for marks of what it holds
BLOCKS_KEPT_MAX: Final = 50_000  # row blocks looked through for marks, newest first

INSTRUMENTS_GONE_MAX: Final = 64  # room for instruments that left the config and still have positions or fills

_FOLDS: Final[dict[int, Callable[[Money, int, int, Any], None]]] = {
    INPUT: fold_input,
    COMMAND: fold_command,
    OUTCOME: fold_outcome,
}


class _Account(msgspec.Struct):
    id: str
    tag: str
    currency: str = "USD"
    start_cash: Decimal = Decimal(1_000_000)


class _Instrument(msgspec.Struct):
    symbol: str


class _Resolved(msgspec.Struct):
    account: _Account
    instruments: tuple[_Instrument, ...]
    strategies: dict[str, Any] = {}


class JournalFold:
    """Money state of a journal; `advance` takes in what the trader wrote since.

    `from_start` ignores snapshots. Raises JournalError when the journal holds no config or cannot be folded.
    """

    def __init__(self, directory: Path, *, from_start: bool = False) -> None:
        snapshot = None if from_start else latest_snapshot(directory)
        self._folded_seq = 0
        self._blocks: deque[memoryview] = deque(maxlen=BLOCKS_KEPT_MAX)
        self._mids: dict[int, int] = {}
        self._prints: dict[int, int] = {}
        settings = journal_settings(directory)
        money = None if snapshot is None else _from_snapshot(settings, snapshot)
        if money is not None and snapshot is not None:
            self._folded_seq = snapshot.seq
        self.money = Money(settings) if money is None else money
        self.last_ts_ns = self.money.ts_ns
        self._reader = JournalReader(directory, from_seq=max(0, self._folded_seq - MARK_ROWS_BEFORE))
        self.advance()

    def advance(self) -> bool:
        """Fold what is new; False when nothing was."""
        before = self._folded_seq
        for record in self._reader.records():
            if record.kind == ROWS:
                self._blocks.append(record.payload)
            if record.last_seq > self._folded_seq:
                self._fold(record)
        return self._folded_seq != before

    def _fold(self, record: Record) -> None:
        self._folded_seq = record.last_seq
        self.last_ts_ns = max(self.last_ts_ns, record.ts_ns)
        if record.kind == REFERENCE:
            check_vocabulary(record)
        fold = _FOLDS.get(record.kind)
        if fold is None:
            return
        try:
            fold(self.money, record.seq, record.ts_ns, decode(record.kind, record.payload))
        except (Bug, msgspec.DecodeError, KeyError, IndexError) as fault:
            raise JournalError(f"record {record.seq} cannot be folded: {fault}") from fault
        self.money.odds.clear()

    def mark_nanos(self, inst: int) -> int:
        """Mid of the newest usable quote, else the newest print, among the rows kept; 0 = none seen."""
        while self._blocks:
            self._take_marks(self._blocks.popleft())
        return self._mids.get(inst) or self._prints.get(inst, 0)

    def _take_marks(self, payload: memoryview) -> None:
        rows = np.frombuffer(payload, dtype=ROW)
        bid, ask = rows["bid_px_nanos"], rows["ask_px_nanos"]
        usable = (rows["kind"] == QUOTE) & (bid > 0) & (ask >= bid)
        mids = (bid[usable] + ask[usable]) // 2
        self._mids |= dict(zip(rows["inst"][usable].tolist(), mids.tolist(), strict=True))
        printed = (rows["kind"] == PRINT) & (bid > 0)
        self._prints |= dict(zip(rows["inst"][printed].tolist(), bid[printed].tolist(), strict=True))


def journal_settings(directory: Path, *, until_seq: int | None = None) -> MoneySettings:
    """What the fold needs of the newest journalled config (below a seq, if given). Raises JournalError when there is
    none.
    """
    return money_settings(_newest_config(directory, until_seq))


def money_settings(config: ConfigResolved) -> MoneySettings:
    """What the fold needs of a journalled config. Raises msgspec.DecodeError when this release cannot read it."""
    resolved = msgspec.json.decode(config.json, type=_Resolved)
    symbols = [instrument.symbol for instrument in resolved.instruments]
    gone = [f"#{inst}" for inst in range(len(symbols), len(symbols) + INSTRUMENTS_GONE_MAX)]
    nothing = RateLimit(events=1, window_ns=1)  # rates decide in the gate, never in the books
    return MoneySettings(
        account=resolved.account.id,
        account_tag=resolved.account.tag,
        currency=resolved.account.currency,
        start_cash_nanos=parse_nanos(str(resolved.account.start_cash), field="account.start_cash"),
        symbols=(*symbols, *gone),
        strategies=tuple(resolved.strategies),
        duplicate_window_ns=1,
        rate_account=nothing,
        rate_strategy=nothing,
        rate_symbol=nothing,
    )


def account_of(config: ConfigResolved) -> tuple[str, str]:
    """Account and tag of a journalled config; empty when this release cannot read it."""
    try:
        account = msgspec.json.decode(config.json, type=_Resolved).account
    except msgspec.DecodeError:
        return "", ""
    return account.id, account.tag


def _newest_config(directory: Path, end_seq: int | None) -> ConfigResolved:
    """Looks from the newest segment backwards: a run writes its config when it starts, maybe many segments ago."""
    for file in reversed(list_segments(directory)):
        found: ConfigResolved | None = None
        for record in JournalReader(directory, from_seq=file.first_seq).records():
            if end_seq is not None and record.seq >= end_seq:
                break
            if record.kind == REFERENCE:
                message = decode(REFERENCE, record.payload)
                found = message if type(message) is ConfigResolved else found
        if found is not None:
            return found
        end_seq = file.first_seq if end_seq is None else min(end_seq, file.first_seq)
    raise JournalError(f"{directory}: no config in this journal: is it the right folder?")


def _from_snapshot(settings: MoneySettings, snapshot: Snapshot) -> Money | None:
    """None when another release wrote it: the whole journal is then read."""
    try:
        return load(settings, snapshot.parts[MONEY_PART])
    except (KeyError, msgspec.DecodeError):
        return None
