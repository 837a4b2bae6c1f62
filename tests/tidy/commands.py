"""The `quantd …` command lines that a page quotes, and whether the command line knows them."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

from daemon.cli import app

SPAN = re.compile(r"`(quantd [^`]+)`")
# What stands for a value, where the command wants one of another form.
VALUES = {"ID": "1", "DAY": "20260105", "SEQ": "1", "RATIO": "4:1", "DATE": "20260105", "N": "30"}


def quoted(path: Path) -> Iterator[tuple[int, str]]:
    """(line, command line): in code spans, which may go over a line's end, and in fenced blocks of a shell."""
    fenced = False
    prose = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        if fenced and line.startswith("quantd "):
            yield number, line.partition(" #")[0].strip()
        prose.append("" if fenced else line)
    text = "\n".join(prose)
    for found in SPAN.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, " ".join(found[1].split())


@cache
def _root() -> Any:
    return typer.main.get_command(app)  # of the command library that typer brings along


def fault_of(line: str) -> str:
    """Why the command line does not take it; "" = it does. Nothing runs."""
    words = [VALUES.get(word, word) for word in shlex.split(line)[1:]]
    command = _root()
    while hasattr(command, "commands"):
        if not words and command.invoke_without_command:
            return ""
        if not words or words[0] not in command.commands:
            return f"there is no command {words[0] if words else ''}"
        command = command.commands[words.pop(0)]
    try:
        command.make_context(command.name, words)
    except SystemExit:
        return "it asks for help"
    except Exception as fault:  # edge: a test tells any refusal in words
        return str(fault.format_message()) if hasattr(fault, "format_message") else f"{type(fault).__name__}: {fault}"
    return ""
