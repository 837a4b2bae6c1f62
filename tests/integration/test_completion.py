"""At a TAB: real shells complete the command by the script that `quantd completion` prints, and it answers at once."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.process import ROOT
from tests.servers.required import Unavailable, required

DEADLINE_S = 240.0  # for a thing that takes seconds: a hang must end as a failure
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
BASH = """
eval "$(quantd completion bash)"
type complete compopt > /dev/null
COMP_WORDS=(quantd ha) COMP_CWORD=1
$(complete -p quantd | sed 's/.*-F \\([^ ]*\\) .*/\\1/') quantd ha quantd
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = 'quantd completion fish | source; complete -C "quantd ha"'


def with_command(folder: Path) -> dict[str, str]:
    """An environment whose PATH has `quantd`, as an installation would."""
    command = folder / "quantd"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m daemon.cli "$@"\n')
    command.chmod(0o755)
    return {**ENVIRONMENT, "PATH": f"{folder}:{os.environ['PATH']}"}


def shell(name: str) -> str:
    """Where it is."""

    def found() -> str:
        path = shutil.which(name)
        if path is None:
            raise Unavailable(f"no {name} on this machine: apt-get install {name}")
        return path

    return required(found)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "words"), [("bash", ("--norc", "-c", BASH)), ("fish", ("--no-config", "-c", FISH))])
def test_a_real_shell_completes(tmp_path: Path, name: str, words: tuple[str, ...]) -> None:
    """`quantd ha<TAB>` is halt; fish shows what it is for beside it."""
    done = subprocess.run(
        [shell(name), *words], env=with_command(tmp_path), cwd=tmp_path, capture_output=True, text=True,
        timeout=DEADLINE_S, check=True,
    )  # fmt: skip
    assert (done.stdout.rstrip("\n").split("\t")[0], done.stderr) == ("halt", "")


@pytest.mark.slow
def test_a_real_zsh_completes(tmp_path: Path) -> None:
    """The same, typed at a terminal: it has no other way to be asked."""
    zsh, environment = shell("zsh"), with_command(tmp_path) | {"TERM": "dumb", "HOME": str(tmp_path)}
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [zsh, "-f", "-i"], env=environment, cwd=tmp_path, stdin=inside, stdout=inside, stderr=inside,
        start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    try:
        type_at(terminal, "autoload -Uz compinit && compinit -u\n")
        type_at(terminal, 'eval "$(quantd completion zsh)"; echo "rea""dy"\n', until="ready")
        type_at(terminal, "quantd ha\t", until="quantd halt ")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE_S)
        os.close(terminal)


def type_at(terminal: int, text: str, *, until: str = "") -> None:
    """Type, and read until the terminal shows it."""
    os.write(terminal, text.encode())
    shown, deadline = "", time.monotonic() + DEADLINE_S
    while until not in shown:
        assert time.monotonic() < deadline, f"no {until!r} in {shown!r}"
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4_096).decode(errors="replace")


@pytest.mark.slow
def test_the_command_line_starts_without_what_a_kill_does_not_need() -> None:
    """`quantd kill` must be quick: no arrays, no frames, no kernels."""
    program = "import sys, daemon.cli; print(sorted({'numpy', 'numba', 'pandas', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
