"""`quantd init`: writes a config after a few questions. What is asked and written is daemon/init."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

Text = str | None
File = Annotated[Path, typer.Argument(metavar="[FILE]", help="The config to write.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing: take the default of whatever no option says.")]
Kind = Annotated[
    Literal["paper", "ib_paper", "live"] | None,
    typer.Option(
        "--kind", help="paper = made-up market, simulated venue; ib_paper = paper account of IBKR; live = a live one."
    ),
]
# One option for each question of daemon/init/questions.py, by the field that it answers.
Account = Annotated[Text, typer.Option("--account", metavar="ID", help="account.id")]
Tag = Annotated[Text, typer.Option("--tag", metavar="TEXT", help="account.tag")]
Cash = Annotated[Text, typer.Option("--cash", metavar="AMOUNT", help="account.start_cash")]
StateDir = Annotated[Text, typer.Option("--state-dir", metavar="DIR", help="state_dir")]
Symbols = Annotated[Text, typer.Option("--symbols", metavar="A,B,…", help="instruments")]
Strategy = Annotated[Text, typer.Option("--strategy", metavar="KIND", help="strategies.NAME.kind")]
Model = Annotated[Text, typer.Option("--model", metavar="FILE", help="strategies.NAME.params.model")]
Position = Annotated[
    Text, typer.Option("--position", metavar="DOLLARS", help="strategies.NAME.params.position_dollars")
]
OrderMax = Annotated[Text, typer.Option("--order-max", metavar="AMOUNT", help="limits.account.order_notional_max")]
GrossMax = Annotated[Text, typer.Option("--gross-max", metavar="AMOUNT", help="limits.account.gross_max")]
DayLoss = Annotated[Text, typer.Option("--day-loss", metavar="BP", help="limits.account.day_loss_hard_bp")]
Host = Annotated[Text, typer.Option("--host", metavar="HOST", help="ib.host")]
Port = Annotated[Text, typer.Option("--port", metavar="PORT", help="ib.port")]
Speed = Annotated[Text, typer.Option("--speed", metavar="MULTIPLE", help="feed.speed of the paper gateway")]
Exclusive = Annotated[Text, typer.Option("--exclusive", metavar="YES|NO", help="guard.exclusive")]
Desk = Annotated[Text, typer.Option("--desk", metavar="TEXT", help="panic.desk")]
Alerts = Annotated[Text, typer.Option("--alerts", metavar="FILE", help="alerts.to.urls_file")]
Database = Annotated[Text, typer.Option("--database", metavar="URL", help="record.database")]
PasswordFile = Annotated[Text, typer.Option("--password-file", metavar="FILE", help="record.password_file")]
Ops = Annotated[Text, typer.Option("--ops", metavar="YES|NO", help="ops.enabled")]
OpsPort = Annotated[Text, typer.Option("--ops-port", metavar="PORT", help="ops.port")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    file: File = Path("quantd.toml"),
    yes: Yes = False,
    kind: Kind = None,
    account: Account = None,
    tag: Tag = None,
    cash: Cash = None,
    state_dir: StateDir = None,
    symbols: Symbols = None,
    strategy: Strategy = None,
    model: Model = None,
    position: Position = None,
    order_max: OrderMax = None,
    gross_max: GrossMax = None,
    day_loss: DayLoss = None,
    host: Host = None,
    port: Port = None,
    speed: Speed = None,
    exclusive: Exclusive = None,
    desk: Desk = None,
    alerts: Alerts = None,
    database: Database = None,
    password_file: PasswordFile = None,
    ops: Ops = None,
    ops_port: OpsPort = None,
) -> None:
    """Write a commented config after a few questions, with the paper gateway's file where it needs one. No file is ever
    overwritten. `docs/configuration.md` explains each field.
    """
    given = {
        "kind": kind,
        "account.id": account,
        "account.tag": tag,
        "account.start_cash": cash,
        "state_dir": state_dir,
        "instruments": symbols,
        "strategies.kind": strategy,
        "strategies.params.model": model,
        "strategies.params.position_dollars": position,
        "limits.account.order_notional_max": order_max,
        "limits.account.gross_max": gross_max,
        "limits.account.day_loss_hard_bp": day_loss,
        "ib.host": host,
        "ib.port": port,
        "feed.speed": speed,
        "guard.exclusive": exclusive,
        "panic.desk": desk,
        "alerts.to.urls_file": alerts,
        "record.database": database,
        "record.password_file": password_file,
        "ops.enabled": ops,
        "ops.port": ops_port,
    }
    _write(
        file, {field: text for field, text in given.items() if text is not None}, asks=not yes and sys.stdin.isatty()
    )


def _write(file: Path, given: dict[str, str], *, asks: bool) -> None:
    from daemon.kernels import configure

    configure()
    from daemon.init.ask import answer_all
    from daemon.init.write import next_steps, write_all

    answers = answer_all(given, file, _prompt if asks else None, lambda line: print(line, file=sys.stderr))
    config, made = write_all(answers)
    for path in made:
        print(f"wrote {path}")
    print("\nnext:")
    steps = next_steps(answers, config)
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        print(f"  {command:<{width}}  # {what}")


def _prompt(field: str, default: str | None) -> str:
    """One line from the terminal."""
    answer: str = typer.prompt(field, default=default, show_default=bool(default), err=True)
    return answer
