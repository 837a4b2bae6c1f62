"""Reading, checking and replaying a journal."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from core.errors import ConfigError, QuantdError
from daemon.cli import options as o
from daemon.state_dir import state_directory

FromSeq = Annotated[int, typer.Option("--from", min=0, metavar="SEQ", help="First record shown.")]
Kind = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="reference, input, note, command, outcome, rows.")
]
Limit = Annotated[int, typer.Option("--limit", min=0, help="So many records; 0 = all.")]
Days = Annotated[int, typer.Option("--days", min=1, max=36_500, help="Rows younger than this stay as they are.")]
Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The trader's config file.")]
New = Annotated[bool, typer.Option("--new", help="Begin a copy: make the folder `ship.to`, and nothing else.")]
Once = Annotated[bool, typer.Option("--once", help="End when the copy is all of the journal.")]
HashSeed = Annotated[
    int | None, typer.Option("--hash-seed", min=0, max=4294967295, help="Replay again in a process with this seed.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    journal_app = typer.Typer(help="Look into a journal.", no_args_is_help=True, rich_markup_mode=None)
    journal_app.command("show")(journal_show)
    journal_app.command("verify")(journal_verify)
    journal_app.command("retain")(journal_retain)
    journal_app.command("ship")(journal_ship)
    journal_app.command("restore")(journal_restore)
    app.add_typer(journal_app, name="journal")
    replay_app = typer.Typer(help="Replay a journal.", no_args_is_help=True, rich_markup_mode=None)
    replay_app.callback()(_replay)
    replay_app.command("verify")(replay_verify)
    app.add_typer(replay_app, name="replay")
    app.command()(why)


def _replay() -> None:
    """Replay a journal."""  # a callback keeps `verify` a sub-command although it is the only one


def journal_retain(directory: o.Directory, days: Days = 30, as_json: o.Json = False) -> None:
    """Move old market rows to Parquet, up to the oldest snapshot and what the follower has. Safe beside a trader."""
    from daemon.journal import oldest_snapshot_seq, retain

    journal = o.journal_below(directory)
    snapshot_seq = oldest_snapshot_seq(journal)
    follower_seq = _followed_seq(journal)
    shipped_seq = _shipped_seq(journal)
    written = retain(
        journal,
        keep_rows_days=days,
        now_ns=time.time_ns(),
        # Where no follower ever ran: what a snapshot covers, nobody else needs row by row.
        follower_seq=_least(follower_seq, shipped_seq, default=snapshot_seq),
        snapshot_seq=snapshot_seq,
    )
    names = [str(path) for path in written]
    if as_json:
        o.print_json({"written": names})
    else:
        print("\n".join(names) or "nothing to move: no closed segment is old enough and below the oldest snapshot")
        if not names and follower_seq is not None and follower_seq < (snapshot_seq or 0):
            print(f"the follower has everything up to seq {follower_seq} only: see `quantd status`")
        if not names and shipped_seq is not None and shipped_seq < (snapshot_seq or 0):
            print(f"shipped is everything up to seq {shipped_seq} only: see `quantd status`")


def _followed_seq(journal: Path) -> int | None:
    """What the follower of this journal's trader has compared and recorded; None = there is no follower."""
    from daemon.journal import journal_identity
    from daemon.status.follower import read_picture

    picture = read_picture(journal.parent)
    if picture is None:
        return None
    return picture.kept_seq if picture.journal == journal_identity(journal) else 0


def _shipped_seq(journal: Path) -> int | None:
    """What the copy elsewhere has of this journal; None = it was never shipped."""
    from daemon.journal import journal_identity
    from daemon.status.ship import read_ship

    picture = read_ship(journal.parent)
    if picture is None:
        return None
    return picture.part.seq if picture.journal == journal_identity(journal) else 0


def _least(*seqs: int | None, default: int | None) -> int | None:
    return min((seq for seq in seqs if seq is not None), default=default)


def journal_ship(
    config: Config, new: New = False, once: Once = False, state: o.State = None, as_json: o.Json = False
) -> None:
    """Copy the journal to `ship.to` as it grows, until Ctrl-C. Off the trader: beside it, or after its end."""
    if not config.is_file():
        raise ConfigError(f"{config}: no such file; name a config file with -c")
    if new:
        _begin_copy(config, state, as_json=as_json)
        return
    from daemon.commands import become, ship_command

    become(ship_command(config, state=state, once=once, as_json=as_json))


def _begin_copy(config: Path, state: Path | None, *, as_json: bool) -> None:
    from daemon.kernels import configure

    configure()
    from daemon.config import load_config
    from daemon.ship.card import make_card, on_same_disk

    settings = load_config(config, state_dir=state)
    if not settings.ship.to:
        raise ConfigError("ship.to: names no folder: set it in the config first")
    to, state_dir = Path(settings.ship.to), Path(settings.state_dir)
    card = make_card(to, account=settings.account.id, tag=settings.account.tag, state_dir=state_dir)
    same = on_same_disk(to, state_dir)
    if as_json:
        o.print_json({"to": str(to), "same_disk": same} | msgspec.to_builtins(card))
        return
    print(f"{to}: the copy of {card.account} (tag {card.tag}) begins here; now `quantd journal ship -c {config}`")
    if same:
        print("it is on the same disk as state_dir: lost with it, unless a tool of yours carries it away")


def journal_restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="The copy that was shipped (`ship.to`).")],
    directory: Annotated[Path, typer.Argument(metavar="STATE_DIR", help="The state directory to make; a new one.")],
    as_json: o.Json = False,
) -> None:
    """Make a state directory from a shipped copy. The lost trader must be dead; the new one starts HALTED."""
    from daemon.cli.tables import clock
    from daemon.ship.restore import restore

    found = restore(source, directory)
    if as_json:
        o.print_json(msgspec.to_builtins(found))
        return
    print(f"{directory}: account {found.card.account} up to record {found.last_seq} of {clock(found.last_ns)} UTC")
    print(f"{found.segments} segments verified; snapshot {found.snapshot_seq or 'none'}; epoch {found.epoch}")
    if found.torn_bytes:
        print(f"left out: {found.torn_bytes} bytes of a frame that was not whole")
    print("the trader starts HALTED here: it books what happened since from the broker; compare, then `quantd resume`")


def journal_show(
    directory: o.Directory, from_seq: FromSeq = 0, kind: Kind = None, limit: Limit = 100, as_json: o.Json = False
) -> None:
    """Print records, one line each."""
    from core.records import KIND_NAMES
    from daemon.journal import JournalReader, describe

    numbers = {name: number for number, name in KIND_NAMES.items()}
    if kind is not None and kind not in numbers:
        raise ConfigError(f"--kind {kind!r}: one of {', '.join(numbers)}")
    wanted = frozenset(numbers.values() if kind is None else (numbers[kind],))
    reader = JournalReader(o.journal_below(directory), from_seq=from_seq)
    for shown, record in enumerate(reader.records(wanted), start=1):
        described = describe(record)
        if as_json:
            o.print_json(described)
        else:
            print(_line(described))
        if shown == limit:
            break


def _line(described: dict[str, Any]) -> str:
    from daemon.cli.tables import clock

    fields = described.get("fields")
    if isinstance(fields, dict):
        told = " ".join(f"{name}={value}" for name, value in fields.items())
    else:
        told = " ".join(f"{name}={described[name]}" for name in described if name not in ("seq", "ts_ns", "kind"))
    cause = f" <{described['cause_seq']}" if described.get("cause_seq") else ""
    kind, name = described["kind"], described.get("type", "")
    line = f"{described['seq']:>10}{cause} {clock(int(described['ts_ns']))} {kind} {name} {told}"
    return line if line.isprintable() else repr(line)[1:-1]


def journal_verify(directory: o.Directory, as_json: o.Json = False) -> int:
    """Check every byte: checksums, sequence, chain of digests."""
    from daemon.journal import verify

    report = verify(o.journal_below(directory))
    if as_json:
        o.print_json({"ok": report.ok} | msgspec.to_builtins(report))
    else:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(report.records.items()))
        print(f"{report.segments} segments, {report.frames} frames; {told}; {report.rows} rows")
        print(f"seq {report.first_seq} to {report.last_seq}; {report.gap_count} gaps")
        for before, after in report.gaps:
            print(f"gap: {before} is followed by {after}")
        if report.torn_tail is not None:
            print(f"torn tail: {report.torn_tail[0]} at {report.torn_tail[1]}")
        for problem in report.problems:
            print(f"problem: {problem}")
        print("ok" if report.ok else "NOT ok")
    return 0 if report.ok else 1


def replay_verify(directory: o.Directory, hash_seed: HashSeed = None, as_json: o.Json = False) -> int:
    """Step every input again and compare every command with the journal."""
    from daemon.kernels import configure

    configure()
    from daemon.recovery import verify_replay

    journal = o.journal_below(directory)
    found = verify_replay(journal)
    report: dict[str, Any] = {"ok": found.ok} | msgspec.to_builtins(found)
    if hash_seed is not None:
        same = _replay_elsewhere(journal, hash_seed) == report
        report |= {"ok": found.ok and same, "hash_seed": hash_seed, "same_under_hash_seed": same}
    if as_json:
        o.print_json(report)
    else:
        for name, value in report.items():
            print(f"{name}: {value}")
    return 0 if report["ok"] else 1


def _replay_elsewhere(journal: Path, hash_seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "daemon.cli", "replay", "verify", str(journal), "--json"]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    try:
        report: dict[str, Any] = msgspec.json.decode(done.stdout, type=dict[str, Any])
    except msgspec.DecodeError as fault:
        raise QuantdError(f"replay under PYTHONHASHSEED={hash_seed} ended with {done.returncode}: {fault}") from fault
    return report


def why(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its number, its order reference q-..., or cross-SEQ.")],
    state: o.State = None,
    as_json: o.Json = False,
) -> None:
    """Tell why an order was made, or two books crossed, back to the quote that caused it, and what became of it."""
    from daemon.why import why as walk

    story = walk(state_directory(state).journal_in_use(), order)
    if as_json:
        o.print_json(story)
        return
    from daemon.cli.tables import clock

    what = f"order {story.order_id} {story.order_ref}" if story.order_id else story.order_ref
    print(f"{what} of {story.strategy or 'nobody'} in {story.symbol}")
    for title, steps in (("because", story.because), ("afterwards", story.afterwards)):
        print(f"{title}:")
        for step in steps:
            line = f"{step.seq:>10} {clock(step.ts_ns)} {step.what}"
            print(line if line.isprintable() else repr(line)[1:-1])
