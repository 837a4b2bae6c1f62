"""A real TimescaleDB for tests: provisioned once by timescale.sh into a folder beside the checkout's cache, run as a
process of ours, killed and started again at will. Knows no table.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.servers.required import Unavailable

SCRIPT = Path(__file__).with_name("timescale.sh")
FOLDER_VARIABLE = "QUANTD_TIMESCALE_FOLDER"  # where it is provisioned; default in the temporary folder
URL_VARIABLE = "QUANTD_TEST_TIMESCALE"  # a server that runs already
DEADLINE_S = 60.0
SETTINGS = """
shared_preload_libraries = 'timescaledb'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
fsync = off
max_connections = 40
shared_buffers = 32MB
timescaledb.telemetry_level = off
"""


def provision() -> Path:
    """The folder with the server's files. Raises Unavailable with the script's words."""
    default = Path(tempfile.gettempdir()) / f"quantd-timescale-{os.getuid()}-client"
    folder = Path(os.environ.get(FOLDER_VARIABLE, default))
    done = subprocess.run([str(SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"no TimescaleDB: {' '.join((done.stderr or done.stdout).split())[-300:]}")
    return folder / "root" / "usr" / "lib" / "postgresql" / "17" / "bin"


class TimescaleServer:
    """One server with its own data. Use as a context: it is gone afterwards."""

    def __init__(self, programs: Path, data: Path) -> None:
        self._programs = programs
        self.data = data
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # The server refuses to run as root, and it ends with us however we end.
        nobody = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
        self._as = ["setpriv", *nobody, "--pdeathsig=KILL"]
        data.mkdir(parents=True)
        if nobody:
            shutil.chown(data, "nobody")
        data.chmod(0o700)
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        with (data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)

    def __enter__(self) -> "TimescaleServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """Of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it takes connections. After a kill the old server's children may hold on a moment."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            self._spawn()
            if self._answers(deadline):
                return
            if time.monotonic() > deadline:
                raise RuntimeError((self.data / "server.log").read_text()[-2000:])

    def _spawn(self) -> None:
        command = [*self._as, str(self._programs / "postgres"), "-D", str(self.data), "-p", str(self._port)]
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, "LC_ALL": "C"}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _answers(self, deadline: float) -> bool:
        """True once it answers, False when it ended."""
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=2).close()
                return True
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        """kill -9 of the whole server, as when the machine dies."""
        if self._process is None:
            return
        for pid in [*_children(self._process.pid), self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Every process of the server stands still, as on a machine that hangs."""
        assert self._process is not None
        pids = [self._process.pid, *_children(self._process.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self._programs / program), *arguments],
            env={**os.environ, "LC_ALL": "C"},
            check=True,
            capture_output=True,
        )


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    with contextlib.suppress(FileNotFoundError):
        return [int(word) for word in path.read_text().split()]
    return []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
