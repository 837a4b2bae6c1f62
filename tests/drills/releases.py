"""The drill `releases`: a state directory goes from an earlier release to this one and back, each by its own code,
killed with kill -9 on the way. Whoever takes it up must have the books to the cent and be HALTED until it is armed, or
refuse before it writes a byte; and an earlier follower must refuse a database that was upgraded beyond it.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from core import commands as c
from core import events as e
from core import records as r
from core.latches import HALTED
from core.money.state import Money
from daemon.follower.address import read_address
from daemon.follower.upgrade import upgrade
from daemon.journal import JournalReader
from daemon.journal.layout import HEADER_BYTES, frames, list_segments
from daemon.journal.opening import map_segment
from daemon.journal_fold import JournalFold
from tests.fakes.process import TraderProcess
from tests.replay.make_state import DAY, ROOT, check_out

# Commits that stand for releases: as they were when what the changelog says of them was done, newest first.
RELEASES: Final = ("8cfc7f0", "2c1017b", "1325ba4")
STEP: Final = 100_000  # bytes of the journal that each of them writes before it is killed
LONG_DAY: Final = DAY | {"events_per_second": 0.3}
SPEED: Final = 'speed = "1000x"'  # half a minute for the day: nobody comes to its end before the kill
SECONDS_MAX: Final = 3_600.0
WENT_ON: Final = "went on"
WRITE: Final = """
from daemon.kernels import configure
configure()
from pathlib import Path
from tests.fakes.trader import write_config
print(write_config(Path("{state}"), **{day}))
"""


def run_part(number: int) -> dict[str, Any]:
    """One earlier release, by its place in RELEASES."""
    return run_release(RELEASES[number % len(RELEASES)])


def run_release(commit: str) -> dict[str, Any]:
    """There and back, and once more; whoever refuses leaves it to the next."""
    began = time.monotonic()
    failures: list[str] = []
    told: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="qr-") as name:
        state = Path(name)
        try:
            code = checked_out(commit)
            config = config_of(code, state)
            last: Path | None = None  # whose code ran last
            for at, (turn, taker) in enumerate({"old": code, "new": ROOT, "back": code, "again": ROOT}.items(), 1):
                told[turn] = take_up(config, taker, state / "journal", failures, at * STEP, last=last)
                if told[turn] == WENT_ON:
                    last = taker
                elif taker == ROOT or last is None:
                    raise RuntimeError(f"{turn} {told[turn]}")
            told["database"] = follow_upgraded(config, code, state, failures)
        except RuntimeError as fault:
            failures.append(str(fault))
    return {
        "commit": commit,
        "seconds": round(time.monotonic() - began, 1),
        "told": told,
        "failures": [f"{commit}: {text}" for text in failures],
    }


def checked_out(commit: str) -> Path:
    """That commit's files with its kernels compiled: a minute of work, kept where the next part or run finds it."""
    code = Path(tempfile.gettempdir()) / f"quantd-release-{os.getuid()}-{commit}"
    if not (code / "pyproject.toml").exists():
        code.mkdir(exist_ok=True)
        check_out(commit, code)
    done = run(code, "-m", "daemon.cli", "warm")
    if done.returncode:
        raise RuntimeError(f"warm: {done.stderr[-800:]}")
    return code


def config_of(code: Path, state: Path) -> Path:
    """The file as that release knows it: who upgrades keeps theirs, and puts it back to go back."""
    done = run(code, "-c", WRITE.format(state=state, day=LONG_DAY))
    if done.returncode:
        raise RuntimeError(f"its config: {done.stderr[-800:]}")
    config = Path(done.stdout.strip())
    config.write_text(config.read_text().replace('speed = "max"', SPEED))
    return config


def run(code: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Python with a checkout, to its end."""
    command = [sys.executable, *words]
    environment = {"PYTHONPATH": str(code), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    return subprocess.run(
        command, cwd=code, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )


def take_up(config: Path, code: Path, journal: Path, failures: list[str], until: int, *, last: Path | None) -> str:
    """A trader of this code goes on until the journal is so large, and is killed there; what became of it. `last` is
    the code that ran before, None when nothing did.
    """
    before = None if last is None else JournalFold(journal).money
    there = contents(journal)
    last_seq = 0 if last is None else end_of(journal)
    with TraderProcess(config, root=code) as trader:
        killed = trader.kill_at(journal, until)
        if not killed and trader.process.returncode:
            told = trader.errors().splitlines()
            if contents(journal) != there:
                failures.append(f"it refused after it had written: {told[-1:]}")
            return f"refused with {trader.process.returncode}: {told[-1][:300] if told else ''}"
    if not killed:
        raise RuntimeError("the tape ended before the kill: a longer one is needed on this machine")
    if before is not None:
        failures += differences(before, JournalFold(journal).money, journal, last_seq, other=code != last)
    return WENT_ON


def contents(journal: Path) -> dict[str, bytes]:
    """Whole frames and snapshots as they are. Not what a kill tore: releases of before cut it, with a copy, before
    they look at the rest.
    """
    if not journal.exists():
        return {}
    found = {path.name: path.read_bytes() for path in journal.glob("*.qs")}
    for file in list_segments(journal):
        view = map_segment(file.path)
        *_, (_, end) = [(0, HEADER_BYTES), *frames(view)]
        found[file.path.name] = bytes(view[:end])
    return found


def end_of(journal: Path) -> int:
    """Newest seq."""
    return max(record.last_seq for record in JournalReader(journal).records())


def differences(before: Money, after: Money, journal: Path, last_seq: int, *, other: bool) -> list[str]:
    """Nothing that was in the books may be gone, nothing may be sent before it is armed."""
    found = []
    ours, theirs = before.ledger.executions, after.ledger.executions
    found += [f"execution {name} is not what it was" for name in ours if theirs.get(name) != ours[name]]
    if after.latches.everywhere != HALTED:
        found.append("it is not HALTED")
    new = JournalReader(journal, from_seq=last_seq + 1)
    messages = [r.decode(record.kind, record.payload) for record in new.records({r.INPUT, r.COMMAND})]
    started = [one for one in messages if isinstance(one, e.TraderStarted)]
    if not started or ("code" in started[0].changed) != other:
        found.append(f"it did not start as {'other' if other else 'the same'} code: {started}")
    sent = [one for one in messages if isinstance(one, c.PlaceOrder)]
    return found + ([f"{len(sent)} orders were placed before it was armed"] if sent else [])


def follow_upgraded(config: Path, code: Path, state: Path, failures: list[str]) -> str:
    """The earlier follower on a database that this release has upgraded: the same schema, or it refuses."""
    address = read_address(f"sqlite:///{state}/quantd.db")
    schema = upgrade(address).after
    done = run(code, "-m", "daemon.cli", "db", "status", "-c", str(config), "--json")
    if done.returncode not in (0, 1):
        failures.append(f"db status: {done.stderr[-400:]}")
        return "failed"
    usable = '"usable":true' in done.stdout
    known = run(code, "-m", "daemon.cli", "db", "upgrade", "-c", str(config))
    if usable != (known.returncode == 0):
        failures.append(f"usable {usable}, and upgrade ended with {known.returncode}: {known.stderr[-400:]}")
    return f"schema {schema}: {'the same' if usable else known.stderr.strip()[:300]}"
