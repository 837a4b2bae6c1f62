"""Our own processes without the seconds of processor that their imports take: forked from one that has made them once.
A suite that starts some hundreds of traders, gateways and guards spends a good part of its time on nothing else.

They are what `python -m` makes of them: each has its own pid, environment, folder and output, runs its own main from
its first line, and dies of a kill -9. How a start itself goes is tested where commands are started as they are
(test_supervisor, test_init_up, test_trader_process, test_units).
"""

import atexit
import contextlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
SEED: Final = "PYTHONHASHSEED"
MESSAGE_BYTES_MAX: Final = 1 << 17
END_S: Final = 10.0
# What most of them need. None of it starts a thread, and none is run itself: those would be there twice.
MODULES: Final = (
    "daemon.trader", "daemon.summary", "daemon.follower.follower", "daemon.follower.sql_follower",
    "daemon.follower.reporter", "daemon.gateway.process", "daemon.killer.guard", "daemon.rerun", "uvloop",
)  # fmt: skip

in_use = False  # conftest.py: by the tests


# ---- in the test's process -------------------------------------------------------------------------------------
class Forked(subprocess.Popen[Any]):
    """One such process, used like any other."""

    def __init__(
        self, parent: "_Parent", pid: int, args: Sequence[str], out: IO[Any] | None, err: IO[Any] | None, *, text: bool
    ) -> None:
        self._parent = parent
        self._child_created = False  # nothing for the destructor: somebody else is its parent
        self._communication_started = False
        self._input = self.encoding = self.errors = None
        self.text_mode = text
        self.args, self.pid, self.returncode = list(args), pid, None
        self.stdin, self.stdout, self.stderr = None, out, err

    def poll(self) -> int | None:
        """Its exit code, None as long as it lives."""
        self.returncode = self._parent.code(self.pid, 0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises TimeoutExpired."""
        code = self._parent.code(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.returncode = code
        return code


def start(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    root: Path = ROOT,
    stdout: IO[Any] | int | None = None,
    stderr: IO[Any] | int | None = None,
    text: bool = False,
) -> subprocess.Popen[Any]:
    """`python -m module arguments` in the repository, its stdin empty, with more `environment` than ours. Output goes
    where ours does, to a file, or with subprocess.PIPE to its `stdout` and `stderr`. Another root, another hash seed, a
    module that is not the product's (it may change others before they are imported), or anybody but the suite (drills
    measure what a process holds): started as a command.
    """
    whole = {**os.environ, "PYTHONPATH": str(root), **(environment or {})}
    ours = root == ROOT and module.startswith("daemon.")
    if in_use and ours and whole.get(SEED) == os.environ.get(SEED):
        return _parent().start([module, *arguments], whole, stdout, stderr, text=text)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=root, env=whole, stdin=subprocess.DEVNULL, stdout=stdout,
        stderr=stderr, text=text,
    )  # fmt: skip


class _Parent:
    """Who forks them; one for this process, made when the first is wanted."""

    def __init__(self) -> None:
        self._wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.fakes.forked", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._asks = threading.Lock()
        self._told = threading.Condition()
        self._started: list[int] = []
        self._codes: dict[int, int | None] = {}
        self._over = False
        threading.Thread(target=self._read, name="forked", daemon=True).start()
        atexit.register(self._end)

    def start(
        self, argv: list[str], environment: dict[str, str], out: IO[Any] | int | None, err: IO[Any] | int | None,
        *, text: bool,
    ) -> Forked:  # fmt: skip
        """Have one made."""
        with contextlib.ExitStack() as stack:
            (out, ours_out), (err, ours_err) = (_output(stack, file, text=text) for file in (out, err))
            empty = stack.enter_context(open(os.devnull, "rb"))
            fds = [empty.fileno(), _fd(out, 1), _fd(err, 2)]
            message = json.dumps({"argv": argv, "environment": environment}).encode()
            with self._asks:
                socket.send_fds(self._wire, [message], fds)
                pid = self._next()
        return Forked(self, pid, [sys.executable, "-m", *argv], ours_out, ours_err, text=text)

    def _next(self) -> int:
        with self._told:
            self._told.wait_for(lambda: self._started or self._over)
            if not self._started:
                raise RuntimeError("the process that forks has ended")
            return self._started.pop()

    def code(self, pid: int, timeout: float | None) -> int | None:
        """The exit code, once it has ended."""
        with self._told:
            self._told.wait_for(lambda: self._codes[pid] is not None or self._over, timeout)
            return self._codes[pid]

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while message := self._wire.recv(MESSAGE_BYTES_MAX):
                pid, code = json.loads(message)
                with self._told:
                    if code is None:
                        self._started.append(pid)
                    self._codes[pid] = code
                    self._told.notify_all()
        with self._told:
            self._over = True
            self._told.notify_all()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._wire.shutdown(socket.SHUT_RDWR)
        self._process.wait(END_S)


def _output(
    stack: contextlib.ExitStack, file: IO[Any] | int | None, *, text: bool
) -> tuple[IO[Any] | int | None, IO[Any] | None]:
    """(where it writes to, what is read here of it)."""
    if file != subprocess.PIPE:
        return file, None
    reads, writes = os.pipe()
    stack.callback(os.close, writes)
    return writes, open(reads, "r" if text else "rb")  # the caller's to close, as Popen's


def _fd(file: IO[Any] | int | None, place: int) -> int:
    return place if file is None else file if isinstance(file, int) else file.fileno()


_made: list[_Parent] = []


def _parent() -> _Parent:
    if not _made:
        _made.append(_Parent())
    return _made[0]


# ---- in the process that forks -----------------------------------------------------------------------------------
def serve(wire: socket.socket) -> list[str]:
    """Fork whatever is asked for and tell its end. Returns in each child: what it shall run."""
    children: dict[int, int] = {}  # by pidfd
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd != wire.fileno():
                pid = children.pop(fd)
                poll.unregister(fd)
                os.close(fd)
                _tell(wire, pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                continue
            message, fds, _, _ = socket.recv_fds(wire, MESSAGE_BYTES_MAX, 3)
            if not message:
                sys.exit()
            pid = os.fork()
            if not pid:
                for other in (*children, wire.detach()):
                    os.close(other)
                return _become(json.loads(message), fds)
            for one in fds:
                os.close(one)
            _tell(wire, pid, None)
            pidfd = os.pidfd_open(pid)
            children[pidfd] = pid
            poll.register(pidfd, select.POLLIN)


def _tell(wire: socket.socket, pid: int, code: int | None) -> None:
    with contextlib.suppress(BrokenPipeError):
        wire.send(json.dumps([pid, code]).encode())


def _become(order: dict[str, Any], fds: list[int]) -> list[str]:
    for place, fd in enumerate(fds):
        os.dup2(fd, place)
        os.close(fd)
    os.environ.clear()
    os.environ.update(order["environment"])
    return list(order["argv"])


def main(fd: int) -> None:
    """Import, then fork; each child runs its module from here, with nothing below it."""
    from daemon.kernels import configure

    sys.modules["scipy"] = sys.modules["rich"] = None  # type: ignore[assignment]  # as in their own mains
    configure()
    for name in MODULES:
        import_module(name)
    argv = serve(socket.socket(fileno=fd))
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
