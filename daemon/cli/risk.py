"""Limits and the proof that they hold: `limits`, `override`, `risk coverage`, `selfassess`."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.control.client import NotReachable, connected
from daemon.state_dir import StateDirectory, state_directory

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `quantd limits show` lists it.")]
Class = Annotated[str | None, typer.Option("--class", metavar="CLASS", help="This class only: etf or stock.")]
Until = Annotated[
    str,
    typer.Option("--until", metavar="WHEN", help="5m, 2h, or a time with its offset; a raise needs one, at most 1d."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    limits_app = typer.Typer(help="Limits in force, and changes of them.", no_args_is_help=True, rich_markup_mode=None)
    limits_app.command("show")(limits_show)
    limits_app.command("set")(limits_set)
    limits_app.command("revert")(limits_revert)
    app.add_typer(limits_app, name="limits")
    app.command()(override)
    risk_app = typer.Typer(
        help="The controls, and the proof that they hold.", no_args_is_help=True, rich_markup_mode=None
    )
    risk_app.callback()(_risk)
    risk_app.command("coverage")(risk_coverage)
    app.add_typer(risk_app, name="risk")
    app.command()(selfassess)


def _risk() -> None:
    """The controls, and what shows them."""  # a callback keeps `coverage` a sub-command although alone


def limits_show(
    symbol: o.Symbol = None, strategy: o.Strategy = None, state: o.State = None, as_json: o.Json = False
) -> None:
    """Show limits: factory, config, in force, ceiling, until when and by whom; with a symbol or strategy what binds."""
    with connected(state_directory(state).socket_in_use()) as client:
        lines = json.loads(bytes(client.request("limits", symbol=symbol, strategy=strategy)))
    if as_json:
        o.print_json(lines)
        return
    from daemon.cli.tables import print_dicts

    print_dicts("limits", lines)


def limits_set(
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="As the config would write it.")],
    reason: o.Reason,
    until: Until = "",
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    instrument_class: Class = None,
    state: o.State = None,
    who: o.As = None,
    code: o.Code = None,
) -> None:
    """Change one limit of the account, a strategy, a symbol or a class; it holds from the next order on."""
    _ask(
        state,
        who,
        code,
        "limit-set",
        name=name,
        value=value,
        reason=reason,
        until=until,
        strategy=strategy,
        symbol=symbol,
        instrument_class=instrument_class,
    )


def limits_revert(
    name: Name,
    reason: o.Reason,
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    instrument_class: Class = None,
    state: o.State = None,
    who: o.As = None,
    code: o.Code = None,
) -> None:
    """Take all changes of one limit back: what the config says holds again."""
    _ask(
        state,
        who,
        code,
        "limit-revert",
        name=name,
        reason=reason,
        strategy=strategy,
        symbol=symbol,
        instrument_class=instrument_class,
    )


def override(
    control: Annotated[int, typer.Argument(metavar="CONTROL", help="Number of the control that refuses.")],
    strategy: Annotated[str, typer.Option("--strategy", metavar="NAME", help="Whose order.")],
    symbol: Annotated[str, typer.Option("--symbol", metavar="SYMBOL", help="In what.")],
    side: Annotated[str, typer.Option("--side", metavar="SIDE", help="buy or sell.")],
    qty: Annotated[str, typer.Option("--qty", metavar="QTY", help="At most so many shares.")],
    reason: o.Reason,
    px: Annotated[str | None, typer.Option("--px", metavar="PX", help="No worse limit price than this.")] = None,
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help="At most 5m.")] = "5m",
    state: o.State = None,
    who: o.As = None,
    code: o.Code = None,
) -> None:
    """Let one order fail one control, once; it needs a second person, and is journalled."""
    _ask(
        state,
        who,
        code,
        "override",
        control=control,
        strategy=strategy,
        symbol=symbol,
        side=side,
        qty=qty,
        px=px,
        until=until,
        reason=reason,
    )


def risk_coverage(state: o.State = None, as_json: o.Json = False) -> None:
    """Show every control: status, limits in force, where it is, what tests it, when it last acted."""
    from daemon.coverage import configured_limits, coverage, read_journal

    directory = state_directory(state)
    history = read_journal(_journal_of(directory))
    rows = coverage(history, _limits_in_force(directory) or configured_limits(history))
    if as_json:
        o.print_json(rows)
        return
    from daemon.cli.tables import print_dicts

    shown = [
        {
            "control": row["control"],
            "name": row["name"],
            "status": row["status"],
            "limits": ", ".join(f"{name} {value}" for name, value in row["limits"].items()),
            "where": row["where"],
            "tests": len(row["tests"]),
            "acted": row["triggers"],
            "last": row["last_trigger"],
        }
        for row in rows
    ]
    print_dicts("controls", shown)


def _journal_of(directory: StateDirectory) -> Path | None:
    try:
        return directory.journal_in_use()
    except ConfigError:
        return None


def _limits_in_force(directory: StateDirectory) -> dict[str, str]:
    """The account's limits of a running trader; none = it does not run."""
    try:
        with connected(directory.socket_in_use()) as client:
            lines = json.loads(bytes(client.request("limits")))
    except (NotReachable, ConfigError):
        return {}
    return {line["limit"]: line["in_force"] for line in lines if line["scope"] == "account"}


def selfassess(
    config: Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The config that is assessed.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write; default: below the state directory."),
    ] = None,
    evidence: Annotated[
        list[Path] | None,
        typer.Option("--evidence", metavar="DIR", help="Folder of drill records (JSON) and test reports (JUnit XML)."),
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Write the self-assessment of this day: one JSON and one Markdown file."""
    from daemon.kernels import configure

    configure()
    from daemon.assessment import assess
    from daemon.assessment_page import page_of
    from daemon.authority.report import audit_export
    from daemon.config import load_config
    from daemon.coverage import moment, read_journal

    settings = load_config(config)
    directory = state_directory(Path(settings.state_dir))
    now_ns = time.time_ns()
    journal = _journal_of(directory)
    audit = {} if journal is None else audit_export(journal)
    pack = assess(settings, read_journal(journal), ts_ns=now_ns, audit=audit, evidence=tuple(evidence or ()))
    folder = out or directory.path / "selfassess"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"selfassessment-{moment(now_ns)[:10]}"
    written = [folder / f"{name}.json", folder / f"{name}.md"]
    written[0].write_text(json.dumps(pack, indent=1) + "\n", encoding="utf-8")
    written[1].write_text(page_of(pack), encoding="utf-8")
    if as_json:
        o.print_json({"written": [str(path) for path in written], "not_in_force": pack["not_in_force"]})
    else:
        print("\n".join(str(path) for path in written))


def _ask(state: Path | None, who: str | None, code: str | None, command: str, **fields: Any) -> None:
    with o.proving(state, who, code) as client:
        o.print_raw(client.request(command, **fields))
