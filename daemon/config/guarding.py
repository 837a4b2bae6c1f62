"""The tables `[guard]`, `[panic]` and `[alerts]`: who takes orders off the book without the trader, and who is told.
Decides nothing and reads no file.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

NAME: Final = r"^[A-Za-z0-9_]{1,24}$"


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lease of the trader, and the process that cancels its orders when it runs out; with a broker only."""

    # The trader sends no order unless its loop has turned well within this long; a second later the guard acts.
    lease_s: Annotated[float, Meta(ge=1.0, le=300.0)] = 10.0
    client_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 12  # of the guard's own session; not ib.client_id
    # Nobody else trades this log-in, by program or by hand: the guard then cancels everything at once. Else it takes
    # the trader's client id and cancels the trader's orders one by one.
    exclusive: bool = False
    # Not exclusive, and the trader's client id cannot be had (a trader that hangs keeps it): after this long everything
    # is cancelled all the same, strangers' orders included; 0 = never, the guard alerts and goes on trying.
    global_cancel_after_s: Annotated[float, Meta(ge=0.0, le=3_600.0)] = 5.0
    # Orders leave only while `quantd lease` (Kubernetes: whoever holds the Lease object) says that we are the trader.
    cluster_lease: bool = False
    holder: str = ""  # our name in that lease; empty = $QUANTD_HOLDER, else the machine's host name


class PanicSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`quantd panic`: everything off at the broker, without a trader."""

    client_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 14  # of its own session; nobody else's
    # Whom to call, with the number of the broker's trade desk; printed when orders or positions are left.
    desk: Annotated[str, Meta(max_length=400, examples=["IBKR trade desk +1 …"])] = ""
    deadline_s: Annotated[float, Meta(ge=1.0, le=3_600.0)] = 30.0  # it tries this long to see the list of orders empty


Severity = Literal["info", "warning", "critical"]


class AlertTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to reach a person. Give `command`, or a place of URLs."""

    name: Annotated[str, Meta(pattern=NAME, examples=["desk"])]  # in status and log
    command: tuple[str, ...] = ()  # a program and its arguments; it gets the alert as one line of JSON on its input
    # A file with one URL of apprise a line (mail, telephone, chat …), relative to this one; URLs hold secrets.
    urls_file: str = ""
    urls_variable: str = ""  # or an environment variable with URLs, separated by spaces
    least: Severity = "warning"  # alerts below it do not come here
    # Told only of what nobody has acknowledged for this long: 0 = at once, above 0 = the next person to wake.
    after_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 0.0
    timeout_s: Annotated[float, Meta(ge=0.5, le=60.0)] = 4.0  # for one delivery


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told, whatever becomes of the trader: by `quantd guard`, and by `quantd ops` where no guard is running."""

    to: Annotated[tuple[AlertTarget, ...], Meta(max_length=16)] = ()  # [[alerts.to]]
    # The same code again within this long is counted, and told when it is over; 0 = each one is told.
    quiet_s: Annotated[float, Meta(ge=0.0, le=3_600.0)] = 60.0
    # What is open and unacknowledged is told again this often: `quantd ack`.
    repeat_s: Annotated[float, Meta(ge=10.0, le=86_400.0)] = 300.0
    # Another severity for a code than the trader gives it, e.g. { FEED_GAP = "info", ORDER_REJECTED = "critical" }:
    # "info" is told once, to targets whose `least` is "info", and to nobody again.
    severity: dict[str, Severity] = {}
    # Where people find deploy/RUNBOOK.md, as a URL: each message ends with it and the section of its code.
    runbook: Annotated[str, Meta(max_length=400, examples=["https://wiki.example/quantd/RUNBOOK.md"])] = ""
    # LOGIN_DUE is told this long before a known restart after which somebody must log in; 0 = never.
    login_hours: Annotated[float, Meta(ge=0.0, le=168.0)] = 12.0
    # MODEL_STALE is told when the newest data that a model was trained on are older than this; 0 = never.
    model_days: Annotated[int, Meta(ge=0, le=3_650)] = 90
    # DISK_LOW is told when less than this part of the disk of `state_dir` is free, or less than thrice the reserve of
    # the journal; 0 = never.
    disk_percent: Annotated[float, Meta(ge=0.0, le=90.0)] = 10.0
