"""Writes docs/gateway_reference.md: settings, faults and requests of the gateway, from what the program itself reads.
`python -m daemon.gateway.page > docs/gateway_reference.md`; a test fails while the file is stale.
"""

from typing import Final

from broker.gateway.faults.registry import KINDS, FaultKind
from broker.gateway.requests import REQUESTS
from broker.gateway.settings import GatewaySettings
from daemon.config.page import sections

HEAD: Final = """\
# The paper gateway: reference

This page is generated from the program (`python -m daemon.gateway.page`): do not edit it. How to use the gateway is in
[gateway.md](gateway.md).
"""
SETTINGS: Final = """\
# Settings

The gateway's file holds the tables below, and `state_dir`, `[feed]`, `[[instruments]]`, `[venue]`, `[fees]` and
`[control]` as [configuration.md](configuration.md) describes them. A key that is not listed is refused.
"""
FAULTS: Final = """\
# Faults

By command: `quantd gateway fault NAME [PARAMETER=VALUE]... --for SECONDS`; by file: `[[gateway.faults]]`. Seconds are
of the gateway's time. Every fault ends by itself after `--for`, or by `quantd gateway fault clear`.

| fault | carried out by | what happens | parameters, with their defaults |
|---|---|---|---|"""
HOOKS: Final = {
    "line": "the line to and from clients",
    "door": "whoever lets clients in",
    "server": "the state of server and farms",
    "part": "the orders",
    "once": "at once; nothing stays active",
}
SERVED: Final = """\
# Requests

Every request of the protocol gets an answer; an id that is not listed is answered with error 320.

| id | request |
|---|---|"""


def page() -> str:
    """The whole page."""
    settings = [_lower(section) for section in sections(GatewaySettings, "gateway", many=False)]
    faults = "\n".join([FAULTS, *map(_fault_row, KINDS)])
    served = "\n".join([SERVED, *(f"| {msg_id} | {request.name} |" for msg_id, request in sorted(REQUESTS.items()))])
    return "\n\n".join([HEAD.rstrip(), SETTINGS.rstrip(), *settings, faults, served]) + "\n"


def _lower(section: str) -> str:
    """Under the page's own headings."""
    return f"#{section}" if section.startswith("#") else section


def _fault_row(kind: FaultKind) -> str:
    parameters = "; ".join(
        f"`{parameter.name}={parameter.default or '…'}` {parameter.doc}" for parameter in kind.parameters
    )
    return f"| `{kind.name}` | {HOOKS[kind.hook]} | {kind.doc} | {parameters or 'none'} |"


if __name__ == "__main__":
    print(page(), end="")
