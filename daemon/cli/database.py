"""The database of the record: upgrading it, and looking at it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli import options as o
from daemon.cli.trader import Config

if TYPE_CHECKING:
    from daemon.config import Config as Settings
    from daemon.follower.overview import Overview

State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Overrules the config's state directory.")]
GIB = 1 << 30
MIB = 1 << 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    database_app = typer.Typer(help="The database of the record.", no_args_is_help=True, rich_markup_mode=None)
    database_app.command("upgrade")(db_upgrade)
    database_app.command("status")(db_status)
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
