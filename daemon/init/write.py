"""Writes what `quantd init` was answered: the trader's file, and beside it what that one names. All or nothing, never
over a file that is there, readable by its owner alone. The trader's file is the last, once it would pass
`quantd check`.
"""

import contextlib
import os
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from daemon.config import Config, parse_config
from daemon.demo import MODEL
from daemon.digests import ROOT
from daemon.gateway.config import load_gateway
from daemon.init import plan
from daemon.init.checks import DEMO_MODEL
from daemon.init.commented import commented
from daemon.init.kinds import FILE, IB_PAPER, KIND, LIVE, PAPER, Answers

TOKEN_BYTES: Final = 32
MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

HEADS: Final = {
    PAPER: """\
A made-up market behind the paper gateway of {gateway}, in the place of a broker. `quantd up` starts both.""",
    IB_PAPER: """\
A paper account of IBKR, through TWS or IB Gateway (docs/live.md has the settings that no API can read).""",
    LIVE: """\
A live account, NOT ARMED: mode = "shadow" watches data and account of the broker, and every order goes to the
simulated venue in the process. To send orders, once `quantd doctor` has no FAIL and the shadow did what you expect:
  1. two persons, each at a machine of their own: quantd operator add NAME; both blocks go into this file
  2. read every limit below: each stands at the factory's value unless you were asked for it
  3. mode = "live", and in [ib] arm_live = "{account}"
  4. {check}
docs/live.md has the whole way. [[alerts.to]] says whom an alert wakes, panic.desk whom to call.""",
}


def write_all(answers: Answers) -> tuple[Config, list[Path]]:
    """Every file; returns the checked config and what was written. Raises ConfigError, and then nothing is left."""
    file: Path = answers[FILE]
    folder = file.absolute().parent
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        for path, content in _beside(answers, folder):
            _new(path, content, made)
        if answers[KIND] == PAPER:
            load_gateway(folder / plan.gateway_name(file))
        text = trader_text(answers)
        config = parse_config(text, file=str(file), folder=folder)
        _new(file.absolute(), text.encode(), made)
    except ConfigError:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    return config, made


def trader_text(answers: Answers) -> str:
    """The trader's file."""
    file: Path = answers[FILE]
    head = HEADS[answers[KIND]].format(
        gateway=plan.gateway_name(file), account=answers["account.id"], check=command("check", "-c", file)
    )
    return commented(
        Config, plan.trader_tables(answers), head=head, page="docs/configuration.md", params=plan.trader_params(answers)
    )


def command(*words: str | Path) -> str:
    """A command line as a person would type it."""
    return "quantd " + shlex.join(str(word) for word in words)


def next_steps(answers: Answers, config: Config) -> list[tuple[str, str]]:
    """Commands that work now, in their order, and what each is for."""
    file, state = answers[FILE], Path(config.state_dir)
    look = ("status", "--state", _near(state))
    doctor = (command("doctor", "-c", file), "ask the broker what can go wrong before it does")
    start = (command("up", "-c", file), "start everything; Ctrl-C ends it")
    watch = [
        (command(*look), "in another terminal: what it does"),
        (command(*look, "--watch"), "the same, all the time"),
        (
            command("halt", "--state", _near(state), "--reason", "TEXT"),
            "no new risk; kill instead of halt: everything off",
        ),
    ]
    check = (command("check", "-c", file), "after every change of the file")
    if answers[KIND] == PAPER:
        return [check, start, *watch, doctor]
    return [check, doctor, start, *watch]


def _near(path: Path) -> Path:
    """Relative where that is shorter."""
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd())
    return path


def _beside(answers: Answers, folder: Path) -> Iterator[tuple[Path, bytes]]:
    file: Path = answers[FILE]
    if answers[KIND] == PAPER:
        head = f"The paper gateway of {file.name}: a market that is made up, a venue and an account (docs/gateway.md)."
        tables = plan.gateway_tables(answers)
        text = commented(plan.GatewayFile, tables, head=head, page="docs/gateway_reference.md", params={})
        yield folder / plan.gateway_name(file), text.encode()
    if answers["ops.enabled"]:
        yield folder / plan.token_name(file), secrets.token_hex(TOKEN_BYTES).encode() + b"\n"
    if answers.get("strategies.params.model") == DEMO_MODEL:
        for name in MODEL:
            content = (ROOT / "examples" / "models" / name).read_bytes()
            if not (folder / name).is_file() or (folder / name).read_bytes() != content:
                yield folder / name, content


def _new(path: Path, content: bytes, made: list[Path]) -> None:
    """A file that was not there. Raises ConfigError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    except FileExistsError:
        raise ConfigError(f"{path}: is there already, and is not overwritten; give init another FILE") from None
    except OSError as fault:
        raise ConfigError(f"{path}: {fault.strerror}; give init a FILE in a folder that you can write") from fault
    made.append(path)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
