"""Looking at everything a trader needs, before it starts or while it runs."""

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from core.errors import ConfigError
from daemon.cli import options as o
from daemon.cli.trader import Config

if TYPE_CHECKING:
    from daemon.probes.finding import Finding

Only = Annotated[list[str] | None, typer.Option("--only", metavar="CHECK", help="This check; repeat it.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(config: Config, only: Only = None, as_json: o.Json = False) -> int:
    """Check port, account, data, contracts, database, disk, models. Places no order. Any failure exits 1."""
    from daemon.kernels import configure

    configure()
    from daemon.config import load_config
    from daemon.probes.context import Look
    from daemon.probes.finding import fail
    from daemon.probes.registry import NAMES, examine, failed

    unknown = [name for name in only or [] if name not in NAMES]
    if unknown:
        raise ConfigError(f"--only {unknown[0]!r}: one of {', '.join(NAMES)}")
    try:
        loaded = load_config(config)
    except ConfigError as fault:
        findings = [fail("config", *_split(line)) for line in str(fault).splitlines()]
        return _told(findings, as_json=as_json)
    look = Look(loaded, now_ns=time.time_ns())
    findings = []
    try:
        for finding in examine(look, frozenset(only or NAMES)):
            findings.append(finding)
            if not as_json:
                print(_line(finding), flush=True)
    finally:
        look.close()
    if as_json:
        return _told(findings, as_json=True)
    if not loaded.broker_feed:
        print(f'{"":<8} {"broker":<10} not used: feed.kind is "{loaded.feed.kind}"')
    return 1 if failed(findings) else 0


def _split(line: str) -> tuple[str, str]:
    text, _, remedy = line.partition("; ")
    return text, remedy or "correct the file"


def _told(findings: list["Finding"], *, as_json: bool) -> int:
    from daemon.probes.registry import failed

    bad = failed(findings)
    if as_json:
        o.print_json({"ok": not bad, "findings": msgspec.to_builtins(findings)})
    else:
        for finding in findings:
            print(_line(finding))
    return 1 if bad else 0


def _line(finding: "Finding") -> str:
    """One line, whatever a gateway put into its texts."""
    line = f"{finding.status:<8} {finding.check:<10} {finding.text}" + (
        f"  -> {finding.remedy}" if finding.remedy else ""
    )
    return line if line.isprintable() else repr(line)[1:-1]
