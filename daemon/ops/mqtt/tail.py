"""Fills and alerts out of the trader's journal, each once, in their order, from the end it had when we began. Fills are
what core's own fold books, so a report that comes again is none. In a thread of its own: a disk that hangs holds up
nothing else.
"""

import asyncio
import contextlib
import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from core import commands as c
from core.errors import JournalError
from core.ids import SIDE_NAMES
from core.ledger import Execution
from core.records import COMMAND, decode
from core.units import exact_text
from daemon.alerts.tail import began_ns
from daemon.follower.books import Books, restored
from daemon.journal import JournalReader
from daemon.journal.layout import list_segments
from daemon.ops.mqtt import messages as m

TAIL_S: Final = 0.1  # between two looks at the journal
RECORDS_MAX: Final = 2_000  # looked at in one go: this process has a kill to pass on
TEXT_MAX: Final = 400  # of an alert

Told = m.Fill | m.Alert


class JournalTail:
    """`read` again and again. A journal that begins anew is read from its first record."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._run = secrets.token_hex(4)
        self._fills = self._alerts = 0
        self._began_ns = -1  # of the journal that is read; -1 = none was looked for yet
        self._seq = 0  # read up to here
        self._books = Books()
        self._reader: JournalReader | None = None
        self._known = 0  # executions of the books that were told, or were there when we began
        self._previous_seq = 0

    def read(self) -> list[Told]:
        """What is new. Raises JournalError; the next call then opens the journal anew and goes on behind this one."""
        try:
            return self._read()
        except OSError as fault:  # put aside under our hands
            raise JournalError(f"{self._directory}: {fault.strerror or fault}") from fault

    def _read(self) -> list[Told]:
        reader = self._reader or self._open()
        if reader is None:
            return []
        told: list[Told] = []
        looked = 0
        self._reader = None
        for record in itertools.islice(reader.messages(), RECORDS_MAX):
            looked += 1
            self._seq = record.seq
            message = decode(record.kind, record.payload)
            self._books.take(record.kind, record.seq, record.ts_ns, message)
            told += self._new_fills(record.seq)
            if record.kind == COMMAND and isinstance(message, c.RaiseAlert | c.CloseAlerts):
                told.append(self._alert(record.seq, record.ts_ns, message))
        deque(self._books.rows(), maxlen=0)  # it remembers what moved until it is asked
        if looked == RECORDS_MAX or began_ns(self._directory) in (0, self._began_ns):
            self._reader = reader
        return told

    def _open(self) -> JournalReader | None:
        found_ns = began_ns(self._directory)
        if self._began_ns < 0 and found_ns:  # what was there before we began is history: the journal has it
            last = list_segments(self._directory)[-1].first_seq
            self._seq = max((x.last_seq for x in JournalReader(self._directory, from_seq=last).records()), default=0)
        elif found_ns != self._began_ns:
            self._seq = 0
        self._began_ns = found_ns
        if not found_ns:
            return None
        self._books = restored(self._directory, self._seq)
        executions = self._executions()
        self._known = len(executions)
        self._previous_seq = max((x.seq for exec_id, x in executions.items() if x.exec_id == exec_id), default=0)
        return JournalReader(self._directory, from_seq=self._seq + 1)

    def _executions(self) -> dict[str, Execution]:
        return {} if self._books.money is None else self._books.money.ledger.executions

    def _new_fills(self, seq: int) -> list[Told]:
        executions = self._executions()
        new = list(itertools.islice(executions.items(), self._known, None)) if len(executions) > self._known else []
        self._known = len(executions)
        return [self._fill(seq, exec_id, execution) for exec_id, execution in new]

    def _fill(self, seq: int, exec_id: str, x: Execution) -> m.Fill:
        self._fills += 1
        corrects = x.exec_id if x.exec_id != exec_id else ""  # booked in the place of the first one
        fill = m.Fill(
            run=self._run,
            n=self._fills,
            seq=seq,
            previous_seq=self._previous_seq,
            ts_ns=x.ts_ns,
            corrects=corrects,
            exec_id=exec_id,
            order=x.order_id,
            strategy=x.strategy,
            symbol=self._books.symbol(x.inst),
            side=SIDE_NAMES[x.side],
            qty=exact_text(x.qty_nanos),
            px=exact_text(x.px_nanos),
        )
        if not corrects:
            self._previous_seq = seq
        return fill

    def _alert(self, seq: int, ts_ns: int, message: c.RaiseAlert | c.CloseAlerts) -> m.Alert:
        self._alerts += 1
        alert = m.Alert(run=self._run, n=self._alerts, seq=seq, ts_ns=ts_ns, kind="raised")
        if isinstance(message, c.CloseAlerts):
            return msgspec.structs.replace(alert, kind="acknowledged", codes=message.codes, by=message.by)
        text = m.one_line(message.text, TEXT_MAX)
        return msgspec.structs.replace(alert, severity=message.severity, code=message.code, text=text)


class TailThread:
    """Reads as long as the process lives, and hands on what is new."""

    def __init__(
        self,
        directory: Path,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[list[Told]], None],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._tail = JournalTail(directory)
        self._loop = loop
        self._take = take
        self._log = log
        self._fault = ""
        threading.Thread(target=self._run, name="mqtt journal", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so does the process
            while True:
                told = self._read()
                if told:
                    self._loop.call_soon_threadsafe(self._take, told)
                pause.wait(0.0 if told else TAIL_S)

    def _read(self) -> list[Told]:
        try:
            told = self._tail.read()
        except Exception as fault:  # edge: the thread outlives whatever it meets, and goes on behind it
            text = f"{type(fault).__name__}: {fault}"
            if text != self._fault:
                self._log.warning("mqtt journal", fault=text)
            self._fault = text
            return []
        self._fault = ""
        return told
