"""The gateway's file: a `[gateway]` table beside the market tables of the trader's own file, with the same structs and
checks; and the environment of the usual container, which overrules it. Raises ConfigError with one line per problem.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from broker.gateway.faults.registry import find_kind, parse
from broker.gateway.market.settings import MADE_UP_HISTORY, NO_HISTORY
from broker.gateway.settings import GatewaySettings
from broker.sim.config import LatencyConfig, VenueConfig
from core.errors import ConfigError
from daemon.config import Config, config_of, parse_toml, read_config
from daemon.config.decode import Problems, decode_struct
from daemon.config.paths import absolute

TABLES: Final = ("gateway", "feed", "instruments", "venue", "fees", "control", "ib", "state_dir")
LIVE_PORTS: Final = (4001, 4003, 7496)  # what the usual gateways and containers listen on
PAPER_PORTS: Final = (4002, 4004, 7497)
OURS: Final = {  # what the trader's file calls otherwise
    "account.id": "gateway.upstream_account",
    "account.start_cash": "gateway.start_cash",
    "account.currency": "gateway.currency",
}
YES_NO: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A checked file."""

    gateway: GatewaySettings
    base: Config  # the market and the venue, as a trader's file would say it
    addresses: tuple[tuple[str, int], ...]  # to listen on

    @property
    def history_file(self) -> Path | None:
        """The operator's bars of days before the feed; None = history is made up, or there is none."""
        history = self.gateway.market.history
        return None if history in (MADE_UP_HISTORY, NO_HISTORY) else Path(history)

    @property
    def socket(self) -> Path:
        """The operator's socket."""
        return Path(self.base.control.socket)

    @property
    def state_dir(self) -> Path:
        """Where state is kept."""
        return Path(self.base.state_dir)


def is_gateway_file(path: Path) -> bool:
    """Whether a file is a gateway's and no trader's. Raises ConfigError when it cannot be read."""
    return "gateway" in parse_toml(read_config(path), file=str(path))


def load_gateway(path: Path, *, environment: Mapping[str, str] = os.environ) -> GatewayConfig:
    """Read and check a gateway's file. Raises ConfigError."""
    file, folder = str(path), path.resolve().parent
    raw = parse_toml(read_config(path), file=file)
    problems = Problems(file)
    for name in raw:
        if name not in TABLES:
            problems.add(name, "is no table of a gateway's file", f"remove it; known here: {', '.join(TABLES)}")
    settings = decode_struct(raw.get("gateway", {}), GatewaySettings, "gateway", problems)
    problems.stop()
    settings = _with_history(_overruled(settings, environment, problems), folder, problems)
    addresses = _addresses(settings, environment, problems)
    _check(settings, problems)
    problems.stop()
    base = _base({name: value for name, value in raw.items() if name != "gateway"}, settings, file, folder)
    _check_feed(base, settings, problems)
    problems.stop()
    return GatewayConfig(gateway=settings, base=base, addresses=addresses)


def _base(raw: dict[str, Any], settings: GatewaySettings, file: str, folder: Path) -> Config:
    """The rest of the file as a trader's config of the same account, in real time, without strategies."""
    upstream = isinstance(raw.get("feed"), dict) and raw["feed"].get("kind") == "ib"
    # A shadow: data from the broker's account, orders matched here.
    account = settings.upstream_account if upstream else settings.accounts[0]
    raw |= {
        "account": {"id": account, "tag": "gateway", "currency": settings.currency, "start_cash": settings.start_cash},
        "mode": "shadow" if upstream else "paper",
    }
    raw.setdefault("state_dir", "gateway-state")
    try:
        base = config_of(raw, file=file, folder=folder)
    except ConfigError as fault:
        text = str(fault)
        for name, ours in OURS.items():
            text = text.replace(f"{file}: {name}: ", f"{file}: {ours}: ")
        raise ConfigError(text) from fault
    return msgspec.structs.replace(base, venue=_venue(base.venue, settings))


def _venue(venue: VenueConfig, settings: GatewaySettings) -> VenueConfig:
    """Real delays come from the socket; what real gateways were seen to do, this one does."""
    times = settings.venue
    latency = LatencyConfig(
        up_ns=times.up_ns, up_jitter_ns=0, down_ns=times.down_ns, down_jitter_ns=0,
        commission_ns=times.commission_ns, commission_jitter_ns=0,
    )  # fmt: skip
    return msgspec.structs.replace(
        venue, latency=latency, fok_ends_inactive=True, silent_replace_of_filled=settings.orders.silent_modify_of_filled
    )


def _overruled(settings: GatewaySettings, environment: Mapping[str, str], problems: Problems) -> GatewaySettings:
    """With what the container's environment says."""
    changed: dict[str, Any] = {}
    if zone := environment.get("TIME_ZONE", ""):
        changed["timezone"] = zone
    if (flag := environment.get("READ_ONLY_API")) is not None:
        if flag.lower() not in YES_NO:
            problems.add("$READ_ONLY_API", f"{flag!r} is not yes or no", "set it to yes or no")
        changed["read_only"] = YES_NO.get(flag.lower(), False)
    if master := environment.get("TWS_MASTER_CLIENT_ID", ""):
        if not master.isascii() or not master.isdigit() or int(master) >= 2**31:
            problems.add("$TWS_MASTER_CLIENT_ID", f"{master!r} is no client id", "set it to a whole number")
        else:
            changed["master_client_id"] = int(master)
    return msgspec.structs.replace(settings, **changed)


def _with_history(settings: GatewaySettings, folder: Path, problems: Problems) -> GatewaySettings:
    """With the absolute path of the file of bars, where one is named."""
    market = settings.market
    if market.history in (MADE_UP_HISTORY, NO_HISTORY):
        return settings
    field = "gateway.market.history"
    path = absolute(market.history, folder, field, problems)
    if os.path.isabs(path) and not os.access(path, os.R_OK):
        remedy = f'give a CSV file of bars, "{MADE_UP_HISTORY}" or "{NO_HISTORY}"'
        problems.add(field, f'"{market.history}" is no file that can be read', remedy)
    return msgspec.structs.replace(settings, market=msgspec.structs.replace(market, history=path))


def _addresses(
    settings: GatewaySettings, environment: Mapping[str, str], problems: Problems
) -> tuple[tuple[str, int], ...]:
    """Where to listen: of the well-known ports those of the mode in $TRADING_MODE, of others all."""
    mode = environment.get("TRADING_MODE", "").lower()
    if mode not in ("", "live", "paper", "both"):
        problems.add("$TRADING_MODE", f"{mode!r} is unknown", "set it to paper, live or both")
    closed = {"paper": LIVE_PORTS, "live": PAPER_PORTS}.get(mode, ())
    found = []
    for at, text in enumerate(settings.listen):
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
            problems.add(f"gateway.listen[{at}]", f"{text!r} is no address", "write it as 127.0.0.1:4002")
        elif int(port) not in closed:
            found.append((host.removeprefix("[").removesuffix("]"), int(port)))
    if not found and not problems.lines:
        remedy = f"list one of {', '.join(map(str, PAPER_PORTS if mode == 'paper' else LIVE_PORTS))} too"
        problems.add("gateway.listen", f"has no port of the mode {mode}", remedy)
    return tuple(found)


def _check(settings: GatewaySettings, problems: Problems) -> None:
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.add("gateway.timezone", f'"{settings.timezone}" is no time zone', "use a name like America/New_York")
    for at, fault in enumerate(settings.faults):
        place = f"gateway.faults[{at}]"
        try:
            parse(find_kind(fault.name, field=f"{place}.name"), fault.parameters, field=f"{place}.parameters")
        except ConfigError as wrong:
            problems.add_whole(str(wrong))
        if fault.at and fault.after_s:
            problems.add(f"{place}.at", "stands beside after_s", "keep one of the two")
    if len(set(settings.accounts)) != len(settings.accounts):
        problems.add("gateway.accounts", "names an account twice", "list each once")


def _check_feed(base: Config, settings: GatewaySettings, problems: Problems) -> None:
    feed = base.feed
    if feed.kind == "ib":
        return
    if not feed.speed_factor:
        problems.add("feed.speed", '"max" has no clock that a client could follow', 'set it to "1x" or a multiple')
    elif settings.clock == "wall" and feed.speed_factor != 1.0:
        problems.add(
            "feed.speed", f'"{feed.speed}" is not the wall clock\'s', 'set it to "1x", or gateway.clock = "tape"'
        )
    if settings.clock == "wall" and feed.kind == "replay":
        problems.add("gateway.clock", "a recorded tape has a time of its own", 'set it to "tape"')
    if feed.profile != "tbt":
        problems.add(
            "feed.profile", "is what the gateway's clients subscribe to, not what it is fed", 'set it to "tbt"'
        )
