"""Commands to a running trader: what it does, why it does not, and how to hold, stop and settle it."""

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from daemon.cli import options as o
from daemon.control.client import ControlClient, connected
from daemon.state_dir import state_directory
from daemon.status.alerts import delivers, read_delivery
from daemon.status.follower import follower_news, is_running, read_picture
from daemon.status.guard import guard_runs, news_beside, read_guard
from daemon.status.picture import Status, named
from daemon.status.processes import read_up, up_runs
from daemon.status.ship import read_ship, ship_runs

Parent = Annotated[int, typer.Argument(metavar="ID", min=1, help="Its number, as `quantd status` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(status)
    app.command("why-not")(why_not)
    app.command()(halt)
    app.command()(resume)
    app.command()(acknowledge)
    app.command()(arm)
    app.command()(trigger)
    app.command("reset-peak")(reset_peak)
    app.command()(feature)
    parent_app = typer.Typer(help="Pause, resume or cancel one schedule.", no_args_is_help=True, rich_markup_mode=None)
    parent_app.command("pause")(parent_pause)
    parent_app.command("resume")(parent_resume)
    parent_app.command("cancel")(parent_cancel)
    app.add_typer(parent_app, name="parent")


def status(state: o.State = None, as_json: o.Json = False, watch: o.Watch = False) -> None:
    """Show what the trader is doing, and how far its follower is."""
    directory = state_directory(state)
    with connected(directory.socket_in_use()) as client:
        if watch and not as_json:
            from daemon.status.screen import watch_status

            watch_status(client.status, lambda: news_beside(directory.path))
            return
        _print_status(client.status(), directory.path, as_json=as_json)
        while watch:
            time.sleep(1.0)
            _print_status(client.status(), directory.path, as_json=as_json)


def _print_status(picture: Status, directory: Path, *, as_json: bool) -> None:
    if as_json:
        news = follower_news(directory)
        told = {"running": is_running(directory), "alarms": news.alarms} | (named(read_picture(directory)) or {})
        guard = {"running": guard_runs(directory)} | (named(read_guard(directory)) or {})
        alerts = {"running": delivers(directory)} | (named(read_delivery(directory)) or {})
        ship = {"running": ship_runs(directory)} | (named(read_ship(directory)) or {})
        up = {"running": up_runs(directory)} | (named(read_up(directory)) or {})
        beside = {"follower": told, "guard": guard, "delivery": alerts, "ship": ship, "up": up}
        o.print_json(named(picture) | beside)
        return
    from daemon.status.screen import print_status

    print_status(picture, news_beside(directory))


def why_not(
    symbol: Annotated[str | None, typer.Argument(metavar="[SYMBOL]")] = None,
    state: o.State = None,
    as_json: o.Json = False,
) -> None:
    """Show everything that blocks a new order now, in the order of the gate."""
    with connected(state_directory(state).socket_in_use()) as client:
        raw = client.request("why-not", symbol=symbol)
    blockers = json.loads(bytes(raw))
    if as_json:
        o.print_json(blockers)
        return
    if not blockers:
        print("nothing blocks a new order" + (f" in {symbol}" if symbol else ""))
        return
    from daemon.cli.tables import print_dicts

    print_dicts("blockers, in the order of the gate", blockers)


def _operate(state: Path | None, command: str, **fields: Any) -> None:
    with connected(state_directory(state).socket_in_use()) as client:
        o.print_raw(client.request(command, **fields))


def halt(reason: o.Reason, strategy: o.Strategy = None, symbol: o.Symbol = None, state: o.State = None) -> None:
    """Block new risk; working orders come off, except those that only reduce."""
    _operate(state, "halt", reason=reason, strategy=strategy, symbol=symbol)


def resume(
    reason: o.Reason,
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    state: o.State = None,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Lift a halt or kill."""
    with o.proving(state, name, code) as client:
        o.print_raw(client.request("resume", reason=reason, strategy=strategy, symbol=symbol))


def parent_pause(number: Parent, reason: o.Reason, state: o.State = None) -> None:
    """Cancel its order and let it wait; its end stands, and only `parent resume` lets it go on."""
    _operate(state, "parent-pause", parent_id=number, reason=reason)


def parent_resume(
    number: Parent, reason: o.Reason, state: o.State = None, name: o.As = None, code: o.Code = None
) -> None:
    """Let it go on where it stood; what it missed is due at once."""
    with o.proving(state, name, code) as client:
        o.print_raw(client.request("parent-resume", parent_id=number, reason=reason))


def parent_cancel(number: Parent, reason: o.Reason, state: o.State = None) -> None:
    """End it for good: its rest is given up until the strategy sets another target."""
    _operate(state, "parent-cancel", parent_id=number, reason=reason)


def acknowledge(
    reason: o.Reason,
    sync: Annotated[
        int | None, typer.Option("--sync", metavar="ID", help="The report you read; default the newest.")
    ] = None,
    state: o.State = None,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Confirm that you have read the difference report; it is shown."""
    with o.proving(state, name, code) as client:
        picture = client.status()
        for line in picture.differences:
            print(f"difference: {line}")
        sync_id = sync if sync is not None else picture.difference_sync_id
        o.print_raw(client.request("acknowledge", sync_id=sync_id, reason=reason))


def arm(
    reason: o.Reason,
    digest: Annotated[str | None, typer.Option("--digest", help="What to confirm; default what runs now.")] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="DIGEST", help="Must be among what runs: as `quantd check` showed it."),
    ] = None,
    state: o.State = None,
    name: o.As = None,
    code: o.Code = None,
) -> None:
    """Confirm changed code, config or models; what runs is shown."""
    with o.proving(state, name, code) as client:
        wanted = digest or _running_digest(client, expect or [])
        o.print_raw(client.request("arm", digest=wanted, reason=reason))


def _running_digest(client: ControlClient, expected: list[str]) -> str:
    """What runs, shown and compared with what was expected of it."""
    from daemon.authority.deploy import check_expected
    from daemon.digests import code_digest

    picture = client.status()
    for part, value in picture.running.items():
        print(f"running: {part} {value or 'none'}")
    check_expected(picture.running, expected, code_digest())
    if picture.changed:
        print(f"changed since the run before: {picture.changed}")
    return picture.deploy_digest


def trigger(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What fired, such as model-drift.")],
    reason: o.Reason,
    level: Annotated[
        Literal["soft", "hard"], typer.Option("--level", help="soft = exits only, hard = halted.")
    ] = "soft",
    value: Annotated[str, typer.Option("--value", metavar="TEXT", help="What was measured.")] = "",
    limit: Annotated[str, typer.Option("--limit", metavar="TEXT", help="What was allowed.")] = "",
    strategy: o.Strategy = None,
    symbol: o.Symbol = None,
    state: o.State = None,
) -> None:
    """Take risk off because a monitor outside says so; latched until `quantd resume`."""
    _operate(
        state, "trigger", name=name, reason=reason, severity=level, value=value, limit=limit, strategy=strategy,
        symbol=symbol,
    )  # fmt: skip


def reset_peak(reason: o.Reason, state: o.State = None, name: o.As = None, code: o.Code = None) -> None:
    """Let the drawdown count from the present equity on."""
    with o.proving(state, name, code) as client:
        o.print_raw(client.request("reset-peak", reason=reason))


def feature(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As the model's card names it.")],
    value: Annotated[float, typer.Argument(metavar="VALUE", help="The number; write -- before a negative one.")],
    age: Annotated[float, typer.Option("--age", metavar="SECONDS", help="Too old to trade on after this long.")],
    symbol: o.Symbol = None,
    state: o.State = None,
) -> None:
    """Tell the models a number from outside, for all symbols or for one; it is journalled."""
    _operate(state, "feature", name=name, value=value, age_s=age, symbol=symbol)
