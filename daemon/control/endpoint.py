"""The socket file: mode 0600 from its first moment, taken over from a dead daemon only, removed when it is ours."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import ConfigError

ADDRESS_BYTES_MAX: Final = 107  # sun_path of Linux, less its closing zero
PROBE_SECONDS: Final = 1.0


def bind_control(path: Path) -> tuple[socket.socket, int]:
    """A bound, not yet listening, non-blocking socket and the inode of its file.

    Raises ConfigError when another daemon answers there, or when the path is something else than a socket.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_way(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(bound.fileno(), 0o600)  # before bind: the file never exists with more rights
        with reachable(path) as address:
            bound.bind(address)
        bound.setblocking(False)
        return bound, path.stat().st_ino
    except OSError as fault:
        bound.close()
        raise ConfigError(f"control socket {path}: {fault.strerror}: choose a state directory you can write") from fault


def connect_control(path: Path, timeout_s: float) -> socket.socket:
    """A connected blocking socket. Raises OSError."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connected.settimeout(timeout_s)
        with reachable(path) as address:
            connected.connect(address)
    except OSError:
        connected.close()
        raise
    return connected


def peer_is_trusted(uid: int) -> bool:
    """Only our own user and root give orders."""
    return uid in (os.geteuid(), 0)


def remove_own_socket(path: Path, inode: int) -> None:
    """Remove the file unless another daemon has put its own there since."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_ino == inode:
            path.unlink()


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """An address for the path even where it is longer than the kernel takes: through a handle on its folder."""
    if len(os.fsencode(path)) <= ADDRESS_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _make_way(path: Path) -> None:
    """Remove what a dead daemon left; refuse to touch anything else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"control socket {path}: there is something else by that name: remove it")
    try:
        connect_control(path, PROBE_SECONDS).close()
    except OSError as fault:
        if fault.errno != errno.ECONNREFUSED:
            raise ConfigError(f"control socket {path}: {fault}: see who owns it, then remove it") from fault
        path.unlink(missing_ok=True)
        return
    raise ConfigError(f"control socket {path}: a running trader answers there: stop it, or use another --state")
