"""PostgreSQL's own programs, which write and read a dump. Finds them, checks that they are new enough, runs them; the
password goes by the environment, never by the command line.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from daemon.follower.address import Address
from daemon.follower.fault import DatabaseFault

_VERSION: Final = re.compile(r"(\d+)(\.\d+)*")
VERSION_SECONDS_MAX: Final = 30.0
TEXT_MAX: Final = 600


class Program:
    """One of them. Raises ConfigError when it is not there or older than `least` (a major version)."""

    def __init__(self, name: str, folder: Path | None, *, least: int, why: str) -> None:
        found = shutil.which(name, path=None if folder is None else str(folder))
        if found is None:
            where = "on the PATH" if folder is None else f"in {folder}"
            raise ConfigError(
                f"{name}: is not {where}: install PostgreSQL's client programs, or name their folder with --programs"
            )
        self.path = found
        self.name = name
        told = self._ask("--version")
        match = _VERSION.search(told)
        if match is None:
            raise ConfigError(f"{name}: {found} says {told[:80]!r} of its version: name another with --programs")
        self.major = int(match[1])
        if self.major < least:
            raise ConfigError(
                f"{name}: {found} is of PostgreSQL {self.major}, {why} of {least}: "
                f"install the client programs of {least} or later, or name their folder with --programs"
            )

    def _ask(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [self.path, *words], capture_output=True, text=True, timeout=VERSION_SECONDS_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise ConfigError(f"{self.name}: {self.path} does not run: {fault}") from fault
        return done.stdout.strip() or done.stderr.strip()

    def run(self, address: Address, *words: str, timeout_s: float) -> None:
        """Run it on a database. Raises DatabaseFault with its words."""
        url = address.parts.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
        environment = {**os.environ, "PGCONNECT_TIMEOUT": "10", "PGTZ": "UTC"}
        if address.secret.reveal():
            environment["PGPASSWORD"] = address.secret.reveal()
        try:
            done = subprocess.run(
                [self.path, "--no-password", f"--dbname={url}", *words],
                env=environment, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise DatabaseFault(f"{self.name}: {fault}") from fault
        if done.returncode:
            told = " ".join(done.stderr.split())
            raise DatabaseFault(f"{self.name} ended with {done.returncode}: {told[-TEXT_MAX:]}")
