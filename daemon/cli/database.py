"""The database of the record: upgrading it, and looking at it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.cli.trader import Config

if TYPE_CHECKING:
    from daemon.config import Config as Settings
    from daemon.follower.backup import Manifest
    from daemon.follower.overview import Overview

State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Overrules the config's state directory.")]
BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
Programs = Annotated[
    Path | None, typer.Option("--programs", metavar="DIR", help="Where pg_dump and pg_restore are; default: the PATH.")
]
GIB = 1 << 30
MIB = 1 << 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    database_app = typer.Typer(help="The database of the record.", no_args_is_help=True, rich_markup_mode=None)
    database_app.command("upgrade")(db_upgrade)
    database_app.command("status")(db_status)
    database_app.command("backup")(db_backup)
    database_app.command("restore")(db_restore)
    app.add_typer(database_app, name="db")


def db_upgrade(config: Config, state: State = None, as_json: o.Json = False) -> None:
    """Bring the database to the schema of this release. Stop other releases' followers first."""
    settings = _load(config, state)
    import msgspec

    from daemon.follower.address import address_of
    from daemon.follower.upgrade import upgrade

    done = upgrade(address_of(settings.record))
    if as_json:
        o.print_json(msgspec.to_builtins(done))
        return
    print(f"{done.edition}: schema {done.before or 'none'} -> {done.after}")
    if done.remark:
        print(f"plain PostgreSQL: {done.remark}")


def db_status(config: Config, state: State = None, as_json: o.Json = False) -> int:
    """Show revision, edition, how far each journal is recorded, lag and sizes. Ends with 1 unless it can be written."""
    settings = _load(config, state)
    import msgspec

    from daemon.follower.address import address_of
    from daemon.follower.overview import overview

    journal = Path(settings.state_dir) / "journal"
    found = overview(address_of(settings.record), journal, timeout_s=settings.record.timeout_s)
    if as_json:
        o.print_json({"usable": found.usable} | msgspec.to_builtins(found))
    else:
        _show(found)
    return 0 if found.usable else 1


def db_backup(
    file: BackupFile, config: Config, programs: Programs = None, state: State = None, as_json: o.Json = False
) -> None:
    """Write the whole record into FILE, with FILE.json beside it. The follower may go on meanwhile."""
    settings = _load(config, state)
    from daemon.follower.address import address_of
    from daemon.follower.backup import backup

    _told(backup(address_of(settings.record), file, programs=programs), f"{file}: backed up", as_json=as_json)


def db_restore(
    file: BackupFile, config: Config, programs: Programs = None, state: State = None, as_json: o.Json = False
) -> None:
    """Read FILE into an empty database and compare every row with what was backed up. Stop the follower first."""
    settings = _load(config, state)
    from daemon.follower.address import address_of
    from daemon.follower.backup import restore
    from daemon.status.follower import is_running

    if is_running(Path(settings.state_dir)):
        raise ConfigError(f"state_dir {settings.state_dir}: a follower is running there: stop it first")
    _told(restore(address_of(settings.record), file, programs=programs), f"{file}: restored", as_json=as_json)


def _told(manifest: "Manifest", what: str, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        o.print_json(msgspec.to_builtins(manifest))
        return
    facts = manifest.facts
    rows = sum(facts.rows.values())
    print(f"{what}, {manifest.edition}, schema {facts.revision}: {rows} rows in {len(facts.rows)} tables, compared")


def _load(config: Path, state: Path | None) -> "Settings":
    from daemon.kernels import configure

    configure()
    from daemon.config import load_config

    return load_config(config, state_dir=state)


def _show(found: "Overview") -> None:
    from daemon.cli.tables import clock

    print(f"{found.edition}: schema {found.revision or 'none'}")
    if not found.usable:
        print(f"NOT usable: this release writes schema {found.wanted}; see `quantd db upgrade`")
    for one in found.journals:
        branch = f" branch {one.branch}" if one.branch else ""
        print(
            f"journal {one.journal_id} {one.account} {one.tag} of {clock(one.created_ts_ns)}{branch}: seq {one.seq}, "
            f"{one.messages} records, {one.market_rows} market rows; written {clock(one.written_ns)}"
        )
    if found.lag is not None:
        lag = found.lag
        print(f"behind the journal by {lag.records} records, {lag.seconds:.3f} s (its last seq is {lag.journal_seq})")
    for name, size in sorted(found.sizes.items(), key=lambda one: -one[1]):
        if size >= MIB:
            print(f"{name:<16} {size / GIB:8.3f} GiB")
