"""The settings of the broker connection: the table `[ib]`. Checks what one value or two of them say; what account, mode
and feed have to do with it is checked where the whole file is read.
"""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from core.errors import ConfigError

ONE_SECOND_NS: Final = 1_000_000_000
REQUEST_ID_FIRST: Final = 1_500_000_000  # ids of data requests; errors name them and orders in one namespace
MESSAGES_PER_SECOND: Final = 50  # of one client at 100 market-data lines; more breaks the session (code 100)
LIVE_PORTS: Final = (4001, 4003, 7496)
PAPER_PORTS: Final = (4002, 4004, 7497)
LIVE_PREFIXES: Final = ("U", "F")
PAPER_PREFIXES: Final = ("DU", "DF")
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME: Final = re.compile(r"^([01][0-9]|2[0-3]):[0-5][0-9]$")

Seconds = Annotated[float, Meta(ge=0.05, le=86_400.0)]


class RestartWindow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time of day at which the broker's servers or the gateway restart. No order leaves in it."""

    name: Annotated[str, Meta(min_length=1, max_length=40)] = "restart"
    days: tuple[str, ...] = WEEKDAYS  # days on which it begins
    start: str = "23:45"  # local time
    minutes: Annotated[int, Meta(ge=1, le=1_440)] = 60
    login: bool = False  # after it somebody must log in, with the second factor

    def __post_init__(self) -> None:
        if not _TIME.match(self.start):
            raise ConfigError(f'ib.windows.start: {self.start!r} is not a time of day; write it as "23:45"')
        for day in self.days:
            if day not in WEEKDAYS:
                raise ConfigError(f"ib.windows.days: {day!r} is not one of {', '.join(WEEKDAYS)}")
        if not self.days:
            raise ConfigError("ib.windows.days: names no day; leave the key out for every day")


NIGHTLY: Final = RestartWindow(name="nightly reset", start="23:45", minutes=60)
WEEKLY: Final = RestartWindow(name="weekly login", days=("sunday",), start="01:00", minutes=240, login=True)


class IbSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connection to TWS, IB Gateway or `quantd gateway`; read when feed.kind is "ib"."""

    host: str = "127.0.0.1"  # where the gateway listens
    port: Annotated[int, Meta(ge=1, le=65_535)] = 4002  # 4001, 4003, 7496: live; 4002, 4004, 7497: paper
    client_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 11  # the gateway's master client id; never 0
    # The account number once more, without which nothing is sent to a live account.
    arm_live: str = ""
    clock: Literal["wall", "gateway"] = "wall"  # gateway = the time a paper gateway announces; never live
    lines_max: Annotated[int, Meta(ge=1, le=10_000)] = 100  # market-data lines of the username
    lines_reserve: Annotated[int, Meta(ge=0, le=1_000)] = 5  # of them left for snapshots and for people
    tick_streams_max: Annotated[int, Meta(ge=1, le=1_000)] = 3  # tick-by-tick streams; profile tbt takes two a symbol
    connect_timeout_s: Seconds = 10.0  # for the TCP connection
    login_timeout_s: Seconds = 20.0  # from there to order ids and accounts
    ping_interval_s: Seconds = 10.0  # between two questions for the time
    ping_timeout_s: Seconds = 5.0  # an answer later than this: no orders, and a new connection
    sync_timeout_s: Seconds = 10.0  # for each End of a synchronisation
    fault_quiet_s: Seconds = 1.0  # without another fault before orders may leave again
    faults_max: Annotated[int, Meta(ge=1, le=1_000)] = 10  # faults in a minute; more = a new connection
    backoff_min_s: Seconds = 1.0  # before the first new attempt to connect; doubles
    backoff_max_s: Seconds = 30.0  # and grows no longer than this
    windows: tuple[RestartWindow, ...] = (NIGHTLY, WEEKLY)  # known restarts
    windows_timezone: str = "America/New_York"  # of their times
    window_lead_s: Annotated[float, Meta(ge=0.0, le=3_600.0)] = 60.0  # orders stop this long before one
    silence_s: Seconds = 3.0  # of a line in regular hours while nothing else proves it alive, before it is asked
    shared_life_s: Seconds = 60.0  # how long other lines' ticks prove a silent one alive
    snapshot_timeout_s: Seconds = 2.0  # for the answer of a line that was asked; later = blind
    repair_min_s: Seconds = 1.0  # before a blind line is subscribed again; doubles
    repair_max_s: Seconds = 60.0  # and grows no longer than this
    history_days: Annotated[int, Meta(ge=1, le=60)] = 30  # of minute bars; a volume curve wants 20 days of a kind

    def __post_init__(self) -> None:
        if self.lines_reserve >= self.lines_max:
            raise ConfigError(f"ib.lines_reserve: {self.lines_reserve} leaves nothing of lines_max {self.lines_max}")
        if self.backoff_min_s > self.backoff_max_s:
            raise ConfigError("ib.backoff_min_s: longer than ib.backoff_max_s")
        if self.repair_min_s > self.repair_max_s:
            raise ConfigError("ib.repair_min_s: longer than ib.repair_max_s")
        if self.ping_timeout_s >= self.ping_interval_s:
            raise ConfigError("ib.ping_timeout_s: must be below ib.ping_interval_s, or two questions overlap")


def ns(seconds: float) -> int:
    """Seconds of the file as nanoseconds."""
    return round(seconds * ONE_SECOND_NS)


def check_account(settings: IbSettings, *, account: str, mode: str) -> None:
    """Account, port and mode (paper, live, shadow) must agree before anything connects. Raises ConfigError.

    Shadow sends no order, so it may watch either kind of account through the matching port, unarmed.
    """
    paper = account.startswith(PAPER_PREFIXES)
    if not paper and not account.startswith(LIVE_PREFIXES):
        raise ConfigError(f"account.id: {account} is neither a paper (DU…) nor a live (U…) account number")
    if mode == "live" and paper:
        raise ConfigError(f'account.id: {account} is no live account; use mode = "paper", or the live number')
    if mode == "paper" and not paper:
        raise ConfigError(f'account.id: {account} is no paper account (DU…); use mode = "live", or the paper number')
    if paper and settings.port in LIVE_PORTS:
        raise ConfigError(f"ib.port: {settings.port} is a live port and {account} a paper account; use 4002 or 7497")
    if not paper and settings.port in PAPER_PORTS:
        raise ConfigError(f"ib.port: {settings.port} is a paper port and {account} a live account; use 4001 or 7496")
    if not paper and settings.clock != "wall":
        raise ConfigError('ib.clock: only "wall" exists for a live account')
    if mode == "live" and settings.arm_live != account:
        raise ConfigError(f'ib.arm_live: live trading needs the account number here once more: "{account}"')


def check_lines(settings: IbSettings, *, profile: str, instruments: int) -> None:
    """No more subscriptions than the username has lines, less the reserve. Raises ConfigError."""
    room = settings.lines_max - settings.lines_reserve
    if instruments > room:
        raise ConfigError(
            f"instruments: {instruments} need as many market-data lines, and ib.lines_max less ib.lines_reserve is "
            f"{room}; take instruments out, or raise ib.lines_max if the username has more"
        )
    if profile == "tbt" and 2 * instruments > settings.tick_streams_max:
        raise ConfigError(
            f'feed.profile: "tbt" takes two tick-by-tick streams a symbol, and ib.tick_streams_max is '
            f'{settings.tick_streams_max}; use "l1_250" or "bar", or fewer instruments'
        )
