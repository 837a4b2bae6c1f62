"""The ways to reach a person: a program of the operator's, or the URLs of apprise. Blocking; each has a deadline, and
whatever goes wrong comes back as words without secrets.
"""

import os
import subprocess
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from core.errors import ConfigError
from daemon.alerts.desk import Message
from daemon.config.guarding import AlertTarget

ERROR_MAX: Final = 200


class Channel(Protocol):
    """One way out."""

    def deliver(self, message: Message) -> str:
        """Why it did not arrive; "" = it did. Never raises."""
        ...


class CommandChannel:
    """Runs a program with the alert as one line of JSON on its input; exit 0 = delivered."""

    def __init__(self, command: tuple[str, ...], timeout_s: float) -> None:
        self._command = command
        self._timeout_s = timeout_s

    def deliver(self, message: Message) -> str:
        """One run."""
        try:
            done = subprocess.run(
                self._command, input=line_of(message), capture_output=True, timeout=self._timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{self._command[0]}: not done within {self._timeout_s:g} s"
        except OSError as fault:
            return f"{self._command[0]}: {fault.strerror or fault}"
        if done.returncode == 0:
            return ""
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        return f"{self._command[0]}: exit {done.returncode} {said}"[:ERROR_MAX].strip()


class AppriseChannel:
    """All URLs of one target: every one of them must take it."""

    def __init__(self, name: str, urls: tuple[str, ...]) -> None:
        import apprise

        self._name = name
        self._types: dict[str, Any] = {
            "info": apprise.NotifyType.INFO,
            "warning": apprise.NotifyType.WARNING,
            "critical": apprise.NotifyType.FAILURE,
        }
        self._apprise = apprise.Apprise()
        for at, url in enumerate(urls):
            if not self._apprise.add(url):
                raise ConfigError(f"alerts.to {name}: URL {at + 1} is none that apprise knows; see its documentation")

    def deliver(self, message: Message) -> str:
        """One notification to each."""
        kind = self._types["info" if message.over else message.alert.severity]
        try:
            arrived = self._apprise.notify(title=message.title, body=body_of(message), notify_type=kind)
        except Exception as fault:  # edge: what a plug-in raises must not end the delivery of everything else
            return f"{self._name}: {type(fault).__name__}"
        return "" if arrived else f"{self._name}: apprise could not deliver it"


def body_of(message: Message) -> str:
    """What a person reads below the title: what has happened, what that means, and where it stands what to do."""
    return f"{message.alert.text or '-'}\n{message.meaning}\n{message.where}"


def line_of(message: Message) -> bytes:
    """The JSON a program gets."""
    return (
        msgspec.json.encode(
            msgspec.structs.asdict(message.alert)
            | {
                "title": message.title,
                "count": message.count,
                "open_s": message.open_s,
                "again": message.again,
                "over": message.over,
                "meaning": message.meaning,
                "runbook": message.where,
            }
        )
        + b"\n"
    )


def channel_of(target: AlertTarget) -> Channel:
    """The channel a target names. Raises ConfigError on a place of URLs that holds none."""
    if target.command:
        return CommandChannel(target.command, target.timeout_s)
    return AppriseChannel(target.name, _urls(target))


def _urls(target: AlertTarget) -> tuple[str, ...]:
    if target.urls_variable:
        found = tuple(os.environ.get(target.urls_variable, "").split())
        place = f"environment variable {target.urls_variable}"
    else:
        try:
            lines = Path(target.urls_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"alerts.to {target.name}: {target.urls_file} cannot be read: make it a text") from fault
        found = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
        place = target.urls_file
    if not found:
        raise ConfigError(f"alerts.to {target.name}: {place} holds no URL: write one a line")
    return found
