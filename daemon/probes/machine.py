"""Checks of this machine: the trader that runs, database, disk, state directory and socket, models."""

import fcntl
import os
import shutil
from pathlib import Path

from core.errors import ConfigError, JournalError
from daemon.probes.context import Look
from daemon.probes.finding import Finding, fail, ok
from daemon.probes.running import Running, examine_running
from daemon.status.follower import is_running, read_picture
from daemon.status.guard import guard_news

LOCK_NAME = "lock"
MIB = 1 << 20


def check_database(look: Look) -> list[Finding]:
    """The record can be written by this release's follower."""
    from daemon.follower.address import address_of
    from daemon.follower.fault import DatabaseFault
    from daemon.follower.overview import overview

    record = look.config.record
    try:
        address = address_of(record)
        found = overview(address, None, timeout_s=record.timeout_s)
    except DatabaseFault as fault:
        return [fail("database", str(fault), "start it, check record.database and its password")]
    except ConfigError as fault:
        return [fail("database", str(fault), "correct [record]")]
    if not found.usable and not found.revision and address.is_sqlite:
        return [
            ok("database", f"no file yet at {address.path}: `quantd up` makes it, else `quantd db upgrade -c FILE`")
        ]
    if not found.usable:
        text = f"{found.edition}: schema {found.revision or 'none'}, this release writes {found.wanted}"
        return [fail("database", text, "quantd db upgrade -c FILE")]
    return [ok("database", f"{found.edition}, schema {found.revision}")]


def check_disk(look: Look) -> list[Finding]:
    """Room for the journal beyond its reserve: without it no order leaves."""
    settings = look.config.journal
    folder = existing(look.state_dir)
    free_mib = shutil.disk_usage(folder).free // MIB
    needed = settings.reserve_mib + 2 * settings.segment_mib
    text = f"{free_mib:,} MiB free at {folder}, {settings.reserve_mib:,} MiB are the reserve"
    if free_mib < needed:
        return [fail("disk", text, f"make room: at least {needed:,} MiB, or no order leaves")]
    return [ok("disk", text)]


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return path if path.is_dir() else existing(path.parent) if path != path.parent else path


def check_state(look: Look) -> list[Finding]:
    """The state directory and the journal are ours to write, or a trader has them and answers on its socket."""
    folder, socket = look.state_dir, Path(look.config.control.socket)
    running = look.running
    if running is not None:
        return [ok("state", f"a trader runs here (pid {running.pid}, {running.state}) and answers on {socket}")]
    for place in (existing(folder), existing(socket.parent)):
        if not os.access(place, os.W_OK | os.X_OK):
            return [fail("state", f"{place} cannot be written", "run as its owner, or change its rights")]
    journal = folder / "journal"
    holder = lock_holder(journal)
    if holder:
        remedy = f"end process {holder}: it holds the journal and does not answer on the socket"
        return [fail("state", f"{journal} is held by process {holder}", remedy)]
    try:
        from daemon.journal import journal_identity

        there = journal.is_dir() and journal_identity(journal) > 0
    except JournalError as fault:
        return [fail("state", str(fault), f"quantd journal verify {journal}")]
    kept = "a journal is there and free" if there else "no journal yet"
    return [ok("state", f"{folder}: {kept}; no trader runs")]


def lock_holder(journal: Path) -> str:
    """Process that writes a journal; "" = nobody. Takes the lock for a moment, makes nothing."""
    try:
        fd = os.open(journal / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(fd, 20).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(fd)
    return ""


def check_running(look: Look) -> list[Finding]:
    """Whether the trader that runs could trade now: what /readyz answers, too."""
    status, folder = look.running, look.state_dir
    if status is None:
        return [ok("running", "no trader runs with this state directory")]
    seen = Running(
        config=look.config,
        status=status,
        follower_runs=is_running(folder),
        follower=read_picture(folder),
        guard=guard_news(folder),
    )
    return [
        Finding(check="running", status=one.status, text=f"{one.check}: {one.text}", remedy=one.remedy)
        for one in examine_running(seen)
    ]


def check_models(look: Look) -> list[Finding]:
    """Each model with its card, and that it may serve this run."""
    from daemon.serving import served_models

    try:
        models = served_models(look.config)
    except ConfigError as fault:
        return [fail("models", str(fault), "put the model and its card back, or train again")]
    if not models:
        return [ok("models", "no strategy uses one")]
    return [ok("models", f"{name}: {model.path} digest {model.digest}") for name, model in models.items()]
