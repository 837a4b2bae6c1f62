"""The log of one process: structlog in front, the sink behind, and everything else that would speak beside it: the
logging of libraries, warnings, and exceptions nobody caught.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, TextIO

import msgspec
import structlog

from core.orders import Order
from daemon.log.line import Said
from daemon.log.orders import OrderLog
from daemon.log.out import JOURNAL_SOCKET, FileOut, JournalOut, Out, StreamOut, is_journal, say
from daemon.log.secrets import Redactor, secrets_of
from daemon.log.sink import CLOSE_S, Sink, Source

Log = structlog.typing.FilteringBoundLogger
LIBRARIES_FROM: Final = logging.WARNING  # what libraries say below it is no news
_LEVELS: Final = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_STDERR: Final = 2


class _Hand:
    """What structlog hands a finished line to: puts it into the sink."""

    def __init__(self, sink: Sink) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.msg = sink.put


def _said(logger: Any, method: str, fields: MutableMapping[str, Any]) -> tuple[tuple[Said], dict[str, Any]]:
    """The only processor: nothing is formatted where somebody speaks."""
    if fields.get("exc_info") is True:
        fields["exc_info"] = sys.exc_info()
    level = {"exception": "error", "warn": "warning"}.get(method, method)
    return (Said(level, time.time_ns(), fields),), {}


class Libraries(logging.Handler):
    """What libraries say by `logging`, in the same lines. Formatted by the writer."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(LIBRARIES_FROM)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        level = _LEVELS.get(record.levelno // 10 * 10, "info")
        fields: dict[str, Any] = {"record": record}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        self._sink.put(Said(level, round(record.created * 1e9), fields))


class ProcessLog:
    """What the main of a process holds: the logger, and what it knows of itself."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.log = _logger(sink)

    def add_source(self, source: Source) -> None:
        """More lines, asked for by the log's thread; not on a terminal, where they would run over everything else."""
        if not sys.stderr.isatty():
            self.sink.sources.append(source)

    def know(self, config: msgspec.Struct) -> None:
        """The secrets this config names are in no line from now on."""
        self.sink.redactor.add(secrets_of(config))

    def last_words(self, text: str, *, fd: int = _STDERR, seconds: float = CLOSE_S) -> None:
        """Plain text after the last line; who does not read it in time does not get it."""
        self.sink.close()
        say(self.sink.redactor.text(text), fd=fd, seconds=seconds)

    def bind(self, **fields: Any) -> None:
        """In every line from now on."""
        self.sink.common = {**self.sink.common, **fields}


def open_log(file: TextIO | None = None) -> Log:
    """A logger that writes at once: for tools, and for files of their own. On stderr unless told otherwise; stdout
    belongs to the summary.
    """
    file = file or sys.stderr
    return _logger(Sink(FileOut(file, terminal=file.isatty()), Redactor()))


def _logger(sink: Sink) -> Log:
    wrapper: Any = structlog.make_filtering_bound_logger(logging.INFO)
    logger: Log = wrapper(_Hand(sink), processors=[_said], context={})
    return logger


def tell_orders(process: ProcessLog, symbols: tuple[str, ...], orders: Iterable[Order]) -> OrderLog:
    """From now on the log of the process tells the life of every order; these are an earlier run's."""
    told = OrderLog(symbols)
    told.know(orders)
    process.add_source(told.lines)
    return told


@contextmanager
def process_log(name: str) -> Iterator[ProcessLog]:
    """The log of this process until the end of the block, which waits at most a second for whoever reads it."""
    sink = Sink(_Nowhere(), Redactor())
    sink._out = _out(name, sink)
    sink.common = {"process": name, "pid": os.getpid()}
    told = ProcessLog(sink)
    before = sys.excepthook, threading.excepthook, sys.unraisablehook
    libraries, root = Libraries(sink), logging.getLogger()
    root.addHandler(libraries)
    logging.captureWarnings(True)
    sys.excepthook, threading.excepthook, sys.unraisablehook = _hooks(sink)
    faulthandler.enable(_STDERR)  # an abort (a watchdog's) leaves where it hung
    sink.start()
    try:
        yield told
    except Exception as fault:  # edge: said as a line, whose secrets are taken out; then it ends the process as ever
        sink.say("critical", "ended by an error", exc_info=fault)
        raise SystemExit(1) from fault
    finally:
        sink.close()
        sys.excepthook, threading.excepthook, sys.unraisablehook = before
        logging.captureWarnings(False)
        root.removeHandler(libraries)
        faulthandler.disable()


class _Nowhere:
    def write(self, fields: Any) -> None:
        """Before there is an out."""


def _out(name: str, sink: Sink) -> Out:
    """The journal where stderr is connected to it, a terminal, or lines on stderr."""
    if sys.stderr.isatty():
        return FileOut(sys.stderr, terminal=True)
    journal = is_journal(_STDERR)
    stream = StreamOut(_STDERR, priorities=journal, given_up=lambda: sink.given_up)
    return JournalOut(JOURNAL_SOCKET, name, stream) if journal else stream


def _hooks(sink: Sink) -> tuple[Any, Any, Any]:
    """What Python does with exceptions nobody caught: a line instead of a text with who knows what in it."""

    def ended(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
        sink.say("critical", "ended by an error", exc_info=(kind, fault, trace))
        sink.close()

    def thread_ended(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit and args.exc_value is not None:
            name = "" if args.thread is None else args.thread.name
            exc_info = (args.exc_type, args.exc_value, args.exc_traceback)
            sink.say("error", "a thread ended by an error", thread=name, exc_info=exc_info)

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        exc_info = (args.exc_type, args.exc_value, args.exc_traceback)
        sink.say("error", args.err_msg or "an error where none can be raised", exc_info=exc_info)

    return ended, thread_ended, unraisable
