"""promtool for tests: provisioned once by promtool.sh into a folder, or the one that QUANTD_PROMTOOL names. Checks what
Prometheus would read: an exposition, rules, their tests, a configuration.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from tests.servers.required import Unavailable

SCRIPT = Path(__file__).with_name("promtool.sh")
FOLDER_VARIABLE = "QUANTD_PROMTOOL_FOLDER"  # where it is provisioned; default in the temporary folder
PROGRAM_VARIABLE = "QUANTD_PROMTOOL"  # one that is there already
DEADLINE_S = 120.0


def provision() -> Path:
    """The program. Raises Unavailable with the script's words."""
    if PROGRAM_VARIABLE in os.environ:
        return Path(os.environ[PROGRAM_VARIABLE])
    folder = Path(os.environ.get(FOLDER_VARIABLE, Path(tempfile.gettempdir()) / f"quantd-promtool-{os.getuid()}"))
    done = subprocess.run([str(SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"no promtool: {' '.join((done.stderr or done.stdout).split())[-300:]}")
    return folder / "root" / "usr" / "bin" / "promtool"


class Promtool:
    """The program at work; every answer is "" or what it complains of."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def metrics(self, exposition: str) -> str:
        """Of an exposition: format, names, units."""
        return self._run("check", "metrics", stdin=exposition)

    def rules(self, *files: Path) -> str:
        """Of rule files."""
        return self._run("check", "rules", *map(str, files))

    def config(self, file: Path) -> str:
        """Of a configuration, with the rules it names."""
        return self._run("check", "config", str(file))

    def tests(self, *files: Path) -> str:
        """Of unit tests of rules."""
        return self._run("test", "rules", *map(str, files))

    def _run(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [str(self._program), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"
