"""The trader's end of the risk worker: starts it, asks without waiting, hands answers on, and starts it again when it
is gone. Nothing here ever holds up the loop: one question is open at a time, and what cannot be asked now is asked with
the next measurement; the engine sees the age (risk/checks/risk_measured.py). Owns one process.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from core.engine import Engine
from daemon.riskworker.asking import Histories, Tell, book_of
from daemon.riskworker.frames import PREFIX, frame, length_of, read_answer
from risk.measure import Rules

ANSWER_S: Final = 20.0  # a worker that is silent for so long on a question hangs
IDLE_S: Final = 60.0  # between two looks while there is no question
BACKOFF_S: Final = 1.0  # before a dead worker is started again ...
BACKOFF_S_MAX: Final = 15.0  # ... twice as long each time that no answer came before
WRITTEN_MAX: Final = 1 << 25  # bytes that wait for the worker to read them; beyond it hangs
EXIT_S: Final = 5.0
_STREAM_BYTES: Final = 1 << 20
_ROOT: Final = str(Path(__file__).resolve().parents[2])


class RiskWorker:
    """Implements Measurer with a process. `run` keeps it going until cancelled; `close` ends both."""

    def __init__(self, rules: Rules, histories: Histories, tell: Tell, log: FilteringBoundLogger) -> None:
        self._rules = rules
        self._histories = histories
        self._tell = tell
        self._log = log
        self._process: Process | None = None
        self._asked = False
        self._answered = False  # since the last start
        self._task: asyncio.Task[None] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        """Of the process; 0 = none runs."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin to keep a process going."""
        self._task = asyncio.create_task(self.run(), name="risk worker")

    async def close(self) -> None:
        """End."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                async with asyncio.timeout(EXIT_S):
                    await task

    # ---- asking ------------------------------------------------------------------------------------------------
    def measure(self, engine: Engine, ts_ns: int) -> None:
        """Ask, if the last question is answered; the answer comes through `tell`."""
        process = self._process
        if process is None or process.stdin is None or self._asked:
            return
        pipe = process.stdin
        if pipe.is_closing() or pipe.transport.get_write_buffer_size() > WRITTEN_MAX:
            return
        for history in self._histories.new(engine):
            pipe.write(frame(history))
        pipe.write(frame(book_of(engine, ts_ns)))
        self._asked = True

    # ---- the process -------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Start it, listen, and start it again when it is gone."""
        wait_s = BACKOFF_S
        while True:
            reason = await self._live()
            wait_s = BACKOFF_S if self._answered else min(BACKOFF_S_MAX, 2 * wait_s)
            self._log.warning("risk worker ended", reason=reason, starts=self.starts, again_in_s=wait_s)
            await asyncio.sleep(wait_s)

    async def _live(self) -> str:
        """One life of the process; why it ended."""
        self.starts += 1
        self._answered = self._asked = False
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "daemon.riskworker",
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=_STREAM_BYTES, env=_environment(),
            )  # fmt: skip
        except OSError as fault:
            return f"not started: {fault.strerror}"
        assert process.stdin is not None
        try:
            self._histories.forget()
            process.stdin.write(frame(self._rules))
            self._process = process
            return await self._listen(process)
        finally:
            self._process = None
            await _end(process)

    async def _listen(self, process: Process) -> str:
        assert process.stdout is not None
        while True:
            asked = self._asked
            try:
                async with asyncio.timeout(ANSWER_S if asked else IDLE_S):
                    prefix = await process.stdout.readexactly(PREFIX)
                async with asyncio.timeout(ANSWER_S):
                    payload = await process.stdout.readexactly(length_of(prefix))
                answer = read_answer(payload)
            except TimeoutError:
                if asked:
                    return f"no answer within {ANSWER_S:g} s"
                continue
            except asyncio.IncompleteReadError:
                return f"gone, exit status {process.returncode}"
            except (ValueError, msgspec.DecodeError) as fault:
                return f"it does not speak our frames: {fault}"
            self._asked, self._answered = False, True
            self._tell(answer)


async def _end(process: Process) -> None:
    """Whatever state it is in."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(EXIT_S):
            await process.wait()


def _environment() -> dict[str, str]:
    """Of the worker: our own code first, and one thread: the loop's core is not its."""
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths)}
