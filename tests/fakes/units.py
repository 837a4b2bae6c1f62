"""Runs the units of deploy/systemd as a manager of services would, where there is none: their command lines, their
order, a socket for what they say of themselves, a watchdog that ends who does not beat. Knows no assertion.
"""

import contextlib
import fcntl
import graphlib
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
PROGRAM = "/opt/quantd/current/bin/quantd"
DEADLINE_S = 240.0  # for anything that should take a moment: a hang must end as a failure
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid (unix(7))


class Service:
    """One unit and the process that runs for it."""

    def __init__(self, kind: str, folder: Path, files: dict[str, Path], *, watchdog_s: float | None = None) -> None:
        self.kind = kind
        self.text = (SOURCE / f"quantd-{kind}@.service").read_text(encoding="utf-8")
        self.watchdog_s = watchdog_s or float(self.value("WatchdogSec"))
        self.told: list[dict[str, str]] = []  # each datagram of the main process
        self.strangers = 0  # datagrams of other processes: NotifyAccess=main drops them
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._command = self._expanded(files)
        self._log = folder / f"{kind}.log"
        self._address = folder / f"{kind}.notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._address.unlink(missing_ok=True)
        self._socket.bind(str(self._address))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._unread: tuple[int, int] | None = None
        self._heard = threading.Condition()
        self._closing = False
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def value(self, key: str) -> str:
        """The last value of a key."""
        return str(re.findall(rf"^{key}=(.*)$", self.text, re.MULTILINE)[-1])

    @property
    def after(self) -> set[str]:
        """Which of our units it starts after."""
        return set(
            re.findall(r"quantd-(\w+)@%i\.service", " ".join(re.findall(r"^After=.*$", self.text, re.MULTILINE)))
        )

    def _expanded(self, files: dict[str, Path]) -> list[str]:
        words = self.value("ExecStart").split()
        assert words[0] == PROGRAM, words
        return [sys.executable, "-m", "daemon.cli", *(str(files.get(word, word)) for word in words[1:])]

    # ---- the process ------------------------------------------------------------------------------------------
    def nobody_reads(self) -> None:
        """From the next start on its stderr is a pipe that is full."""
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        self._unread = reader, writer

    def start(self) -> None:
        """As systemd does: WATCHDOG_PID names the process that was started, whatever it becomes by exec."""
        environment = os.environ | {
            "NOTIFY_SOCKET": str(self._address),
            "WATCHDOG_USEC": str(round(self.watchdog_s * 1e6)),
            "PYTHONPATH": str(SOURCE.parents[1]),
        }
        self.told.clear()
        shell = ["/bin/sh", "-c", 'export WATCHDOG_PID=$$; exec "$@"', "sh"]
        with self._log.open("ab") as log:
            errors: Any = log if self._unread is None else self._unread[1]
            self.process = subprocess.Popen(
                [*shell, *self._command], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=errors
            )
        self.starts += 1

    @property
    def pid(self) -> int:
        """Of the main process."""
        assert self.process is not None, f"{self.kind} was not started"
        return self.process.pid

    def signal(self, number: int) -> None:
        """One signal to the main process; who is stopped is let go on to take it."""
        os.kill(self.pid, number)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            os.kill(self.pid, signal.SIGCONT)

    def abort(self) -> int:
        """What the watchdog does: SIGABRT, and SIGKILL when TimeoutAbortSec= is over; the exit code."""
        assert self.process is not None
        self.signal(getattr(signal, self.value("WatchdogSignal")))
        try:
            return self.process.wait(timeout=float(self.value("TimeoutAbortSec")))
        except subprocess.TimeoutExpired:  # stacks for a reader that does not read
            self.signal(signal.SIGKILL)
            return self.end()

    def end(self) -> int:
        """Its exit code, once it has one."""
        assert self.process is not None
        return self.process.wait(timeout=DEADLINE_S)

    def restarts_after(self, code: int) -> bool:
        """What Restart= and RestartPreventExitStatus= say."""
        if str(code) in self.value("RestartPreventExitStatus").split():
            return False
        return self.value("Restart") == "always" or code != 0

    def close(self) -> None:
        """Nothing is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._closing = True
        self._listening.join(DEADLINE_S)
        self._socket.close()
        for fd in self._unread or ():
            os.close(fd)

    # ---- what it says ------------------------------------------------------------------------------------------
    def _listen(self) -> None:
        """Takes everything at once, as systemd does: a full queue would lose what a process says of itself."""
        while not self._closing:
            if not select.select([self._socket], [], [], 0.1)[0]:
                continue
            text, ancillary, _, _ = self._socket.recvmsg(8192, socket.CMSG_SPACE(CREDENTIALS.size))
            with self._heard:
                if CREDENTIALS.unpack(ancillary[0][2])[0] == self.pid:
                    self.told.append(dict(line.partition("=")[::2] for line in text.decode().splitlines()))
                else:
                    self.strangers += 1
                self._heard.notify_all()

    def until(self, key: str, *, times: int = 1) -> dict[str, str]:
        """The first datagram since the last start with this field, or the so many-th. RuntimeError when none comes."""

        def found() -> list[dict[str, str]]:
            return [fields for fields in self.told if key in fields]

        with self._heard:
            for _ in range(round(DEADLINE_S)):
                if self._heard.wait_for(lambda: len(found()) >= times, timeout=1.0):
                    return found()[times - 1]
                if self.process is None or self.process.poll() is not None:
                    break
        raise RuntimeError(f"{self.kind}: no {key}; last {self.told[-3:]}; {self.log()}")

    def silent(self) -> bool:
        """The watchdog: whether for as long as the unit allows no beat comes. One may have been on its way."""
        for _ in range(3):
            with self._heard:
                at = len(self.told)
                if not self._heard.wait_for(
                    lambda at=at: any("WATCHDOG" in fields for fields in self.told[at:]),  # type: ignore[misc]
                    timeout=self.watchdog_s,
                ):
                    return True
        return False

    def has_said(self, text: str) -> bool:
        """Whether it stands anywhere in what it wrote: stacks that follow it may be long."""
        return self._log.exists() and text in self._log.read_text(errors="replace")

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""


class Manager:
    """Services in the order of their units. Use as a context: whatever is left is killed."""

    def __init__(self, services: list[Service]) -> None:
        self._services = {service.kind: service for service in services}

    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._services.values():
            service.close()

    def order(self) -> list[Service]:
        """Of the start; a stop goes the other way."""
        graph = {kind: service.after & self._services.keys() for kind, service in self._services.items()}
        return [self._services[kind] for kind in graphlib.TopologicalSorter(graph).static_order()]
