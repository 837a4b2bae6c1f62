"""What a config must mean beyond its types: names that exist, files, days, sums. Reports every problem it finds."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from broker.ib.config import check_account as check_ib_account
from broker.ib.config import check_lines
from core.errors import ConfigError
from core.manual import MANUAL
from core.units import CASH_NANOS_MAX, NANO
from daemon.alerts.catalogue import BY_CODE
from daemon.config.authority import check_authority
from daemon.config.contracts import contracts_of, nanos, reference_rows
from daemon.config.database_url import url_problem
from daemon.config.decode import FAULTY, Problems, decode_struct
from daemon.config.fee_rows import check_fees
from daemon.config.feed_spec import replay_spec
from daemon.config.mqtt_check import check_mqtt
from daemon.config.ops_check import check_ops
from daemon.config.paths import SOCKET_LENGTH_MAX, readable
from daemon.config.schema import (
    AccountSettings,
    Config,
    FeedSettings,
    RecordSettings,
    StrategySettings,
    SyntheticSettings,
)
from execution.algos import find_algo
from execution.settings import ExecutionConfig, resolve
from risk.limit_rows import ROWS
from risk.limits import OrderLimits, factory_value, set_value, text_of, unset
from risk.resolve import resolve as fold_limits

LIVE_DEFAULTS: Final = (("journal", "durability", "fsync"), ("start", "after_crash", "halted"))
RESUME_SYNC_AGE_SECONDS: Final = 60  # a halt is left only after a clean reconcile as young as this
DIRTY_SUM_MAX: Final = 0.5  # as the feed's own
TOLERANCE_NANOS_MAX: Final = 1_000_000 * NANO
FROM_ACCOUNT: Final = {"cash_nanos": "account.start_cash", "currency": "account.currency"}


def check_raw(raw: dict[str, Any], problems: Problems) -> None:
    """Keys that another table sets: two places for one number would drift apart."""
    venue = raw.get("venue")
    for name, instead in FROM_ACCOUNT.items():
        if isinstance(venue, dict) and name in venue:
            problems.add(f"venue.{name}", "is not set here", f"remove it and set {instead}")


def live_defaults(raw: dict[str, Any]) -> None:
    """What is on by default where money, or at least the broker, is real, unless the file says otherwise."""
    for table, name, value in LIVE_DEFAULTS if raw.get("mode") == "live" else ():
        settings = raw.setdefault(table, {})
        if isinstance(settings, dict):
            settings.setdefault(name, value)
    feed = raw.get("feed")
    if isinstance(feed, dict) and feed.get("kind") == "ib":
        limits = raw.setdefault("limits", {})
        account = limits.setdefault("account", {}) if isinstance(limits, dict) else None
        if isinstance(account, dict):
            account.setdefault("resume_sync_age_seconds_max", RESUME_SYNC_AGE_SECONDS)


def check(config: Config, problems: Problems) -> None:
    """Every check on a config whose types are right and whose paths are absolute."""
    if config.mode in ("live", "shadow") and not config.broker_feed:
        problems.add("mode", f'"{config.mode}" needs the broker\'s market data', 'set feed.kind = "ib"')
    check_account(config.account, problems)
    check_instruments(config, problems)
    if MANUAL in config.strategies:
        problems.add(f"strategies.{MANUAL}", "is the book of what people trade by hand", "give it another name")
    for name, strategy in config.strategies.items():
        before = len(problems.lines)
        check_strategy(strategy, config.symbols, f"strategies.{name}", problems)
        if len(problems.lines) == before and model_params(strategy.kind):
            check_model(config, strategy, f"strategies.{name}.params", problems)
    check_limits(config, problems)
    check_references(config, problems)
    check_feed(config, problems)
    check_record(config.record, problems)
    check_authority(config, problems)
    check_guard(config, problems)
    check_ops(config.ops, config.guard, problems)
    check_mqtt(config, problems)
    check_ship(config, problems)
    tolerance = config.engine.cash_tolerance
    nanos(tolerance, "engine.cash_tolerance", problems, low=Decimal(0), most_nanos=TOLERANCE_NANOS_MAX)
    check_fees(config, problems)
    if len(config.control.socket.encode()) > SOCKET_LENGTH_MAX:
        problems.add(
            "control.socket",
            f"{config.control.socket} is longer than the {SOCKET_LENGTH_MAX} bytes a socket may have",
            "set a shorter path",
        )
    check_live_limits(config, problems)


def check_live_limits(config: Config, problems: Problems) -> None:
    """Where money is real no limit has a value that nobody chose. Told when all else is right: there are many."""
    if config.mode != "live" or problems.lines:
        return
    for field in unset(config.limits, strategies=tuple(config.strategies)):
        row = ROWS[field.rpartition(".")[2]]
        factory = text_of(row, factory_value(row))
        problems.add(field, "is not set, and the account is live", f"choose it; a replay would use {factory}")


def check_references(config: Config, problems: Problems) -> None:
    """What else names an instrument or a file that a start would look for."""
    for field, symbol in (("market.index", config.market.index), ("risk.market", config.risk.market)):
        if symbol:
            check_symbols((symbol,), config.symbols, field, problems)
    check_histories(config, problems)
    if config.up.gateway:
        readable(config.up.gateway, "up.gateway", problems)


def check_histories(config: Config, problems: Problems) -> None:
    """Files of daily closes are there and can be read to their ends."""
    from daemon.reference.histories import read_history

    for at, settings in enumerate(config.instruments):
        if settings.history and os.path.isabs(settings.history):  # else a variable in it is not set: reported already
            try:
                read_history(Path(settings.history), inst=at, field=f"instruments[{at}].history")
            except ConfigError as fault:
                problems.add_whole(str(fault))


def check_guard(config: Config, problems: Problems) -> None:
    """Client ids are distinct, and every target of alerts can be reached by exactly one way."""
    if config.guard.client_id == config.ib.client_id:
        problems.add("guard.client_id", f"{config.ib.client_id} is the trader's too", "give the guard its own, e.g. 12")
    if config.panic.client_id in (config.ib.client_id, config.guard.client_id):
        problems.add("panic.client_id", f"{config.panic.client_id} is another's too", "give it its own, e.g. 14")
    names = [target.name for target in config.alerts.to]
    for at, target in enumerate(config.alerts.to):
        field = f"alerts.to[{at}]"
        ways = [bool(target.command), bool(target.urls_file), bool(target.urls_variable)]
        if sum(ways) != 1:
            problems.add(field, f"has {sum(ways)} ways", "give one of command, urls_file and urls_variable")
        if target.command and not target.command[0].strip():
            problems.add(f"{field}.command", "names no program", "write the program first, then its arguments")
        if target.urls_file:
            readable(target.urls_file, f"{field}.urls_file", problems)
        if target.name in names[:at]:
            problems.add(f"{field}.name", f"{target.name} is named twice", "give each its own name")
    for code in config.alerts.severity:
        if code not in BY_CODE:
            problems.add(f"alerts.severity.{code}", "is no alert", "take the code of a section of deploy/RUNBOOK.md")


def check_ship(config: Config, problems: Problems) -> None:
    """A copy inside what it is a copy of is lost with it."""
    if config.ship.to and Path(config.ship.to).is_relative_to(config.state_dir):
        problems.add("ship.to", "lies in state_dir", "name a folder on another machine's disk")


def check_record(record: RecordSettings, problems: Problems) -> None:
    """The database's URL, and at most one place for its password. The URL itself is not repeated."""
    problem = url_problem(record.database)
    if problem is not None:
        problems.add("record.database", *problem)
    if record.password_variable and record.password_file:
        problems.add("record.password_file", "is set beside record.password_variable", "keep one of the two")


def check_account(account: AccountSettings, problems: Problems) -> None:
    """The time zone exists, and the cash fits the journal's integers."""
    check_zone(account.timezone, "account.timezone", problems)
    nanos(account.start_cash, "account.start_cash", problems, most_nanos=CASH_NANOS_MAX)


def check_zone(name: str, field: str, problems: Problems) -> None:
    """A time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.add(field, f'"{name}" is no time zone', "use a name like America/New_York")


def check_instruments(config: Config, problems: Problems) -> None:
    """Each contract by itself, then symbols and contract ids against each other."""
    contracts_of(config, problems)
    for at, settings in enumerate(config.instruments):
        field = f"instruments[{at}]"
        reference_rows(settings, inst=at, field=field, problems=problems)
        if settings.currency != config.account.currency:
            problems.add(
                f"{field}.currency",
                f"{settings.currency} is not the account's {config.account.currency}",
                "this release converts no currency: trade instruments of the account's",
            )
        earlier = config.instruments[:at]
        if settings.symbol in [one.symbol for one in earlier]:
            problems.add(f"{field}.symbol", f"{settings.symbol} is declared twice", "remove one of the two tables")
        if settings.con_id and settings.con_id in [one.con_id for one in earlier]:
            problems.add(f"{field}.con_id", f"{settings.con_id} is declared twice", "look up the right contract id")


def check_strategy(strategy: StrategySettings, declared: tuple[str, ...], field: str, problems: Problems) -> None:
    """Its symbols, its parameters by kind, and its execution."""
    check_symbols(strategy.symbols, declared, f"{field}.symbols", problems)
    check_execution(strategy.execution, f"{field}.execution", problems)
    try:
        kind = strategy_params(strategy.kind, field=f"{field}.kind")
    except ConfigError as fault:
        problems.add_refused(str(fault), field, StrategySettings.__struct_fields__)
        return
    params = decode_struct(strategy.params, kind, f"{field}.params", problems)
    if params is not FAULTY:
        try:
            params.validate(f"{field}.params")
        except ConfigError as fault:
            problems.add_refused(str(fault), f"{field}.params", kind.__struct_fields__)


def strategy_params(name: str, *, field: str) -> type[msgspec.Struct]:
    """The parameters of a kind of strategy. Raises ConfigError."""
    from strategies.kinds import find_kind  # here: most commands read a config's paths alone, and need no numpy for it

    return find_kind(name, field=field).params_type


def model_params(kind: str) -> tuple[str, ...]:
    """Which parameters of a kind are paths of models; none of an unknown kind, which is reported elsewhere."""
    from strategies.kinds import STRATEGIES

    return next((known.models for known in STRATEGIES if known.name == kind), ())


def check_model(config: Config, strategy: StrategySettings, field: str, problems: Problems) -> None:
    """The model is there and may serve this run."""
    from daemon.serving import served_model

    try:
        served_model(config, strategy, field=field)
    except ConfigError as fault:
        problems.add_refused(str(fault), field, strategy_params(strategy.kind, field="kind").__struct_fields__)


def check_symbols(symbols: tuple[str, ...], declared: tuple[str, ...], field: str, problems: Problems) -> None:
    """Symbols in use must be declared, and named once."""
    for symbol, count in Counter(symbols).items():
        if symbol not in declared:
            problems.add(
                field, f"{symbol} is not declared", f"add an [[instruments]] table or use {', '.join(declared)}"
            )
        if count > 1:
            problems.add(field, f"{symbol} is named {count} times", "name it once")


def check_execution(execution: ExecutionConfig, field: str, problems: Problems) -> None:
    """The algo and its parameters exist; bounds are execution's own."""
    try:
        algo = find_algo(execution.algo, field=f"{field}.algo")
    except ConfigError as fault:
        problems.add_refused(str(fault), field, ExecutionConfig.__struct_fields__)
        return
    if decode_struct(execution.params, algo.params_type, f"{field}.params", problems) is FAULTY:
        return
    try:
        resolve(execution, field=field)
    except ConfigError as fault:
        params = str(fault).startswith(f"{field}.params")
        place, known = (f"{field}.params", algo.params_type) if params else (field, ExecutionConfig)
        problems.add_refused(str(fault), place, known.__struct_fields__)


def check_limits(config: Config, problems: Problems) -> None:
    """Every value of every scope; then, when these and the contracts are sound, how they fold."""
    before = len(problems.lines)
    limits = config.limits
    scopes: list[tuple[str, OrderLimits]] = [
        ("limits.account", limits.account),
        ("limits.class.etf", limits.klass.etf),
        ("limits.class.stock", limits.klass.stock),
        *((f"limits.strategy.{name}", scope) for name, scope in limits.strategy.items()),
        *((f"limits.symbol.{name}", scope) for name, scope in limits.symbol.items()),
    ]
    for field, scope in scopes:
        for row in ROWS.values():
            try:
                set_value(scope, row, field)
            except ConfigError as fault:
                problems.add_refused(str(fault), field, scope.__struct_fields__)
    check_symbols(tuple(dict.fromkeys(limits.allow)), config.symbols, "limits.allow", problems)
    contracts = contracts_of(config, Problems(problems.file))
    if len(problems.lines) > before or contracts is None:
        return
    try:
        fold_limits(
            limits,
            instruments=contracts,
            strategies=(*config.strategies, MANUAL),
            currency=config.account.currency,
        )
    except ConfigError as fault:
        problems.add_whole(str(fault))


def check_feed(config: Config, problems: Problems) -> None:
    """The source of market data fits its kind."""
    feed = config.feed
    if feed.kind != "replay":
        what = "a synthetic market" if feed.kind == "synthetic" else "the broker's market"
        for name in ("quotes", "trades", "start", "end"):
            if getattr(feed, name):
                problems.add(f"feed.{name}", f"has no meaning for {what}", 'remove it, or set kind = "replay"')
    if feed.kind == "ib":
        check_broker(config, problems)
    elif feed.kind == "synthetic":
        check_synthetic(feed.synthetic, config.symbols, problems)
    else:
        check_replay(config, problems)


def check_broker(config: Config, problems: Problems) -> None:
    """Account, port, mode, time and lines agree before anything connects."""
    ib = config.ib
    if config.mode == "replay":
        problems.add("mode", '"replay" has a tape, not a broker', 'use "paper", "shadow" or "live"')
    if config.feed.speed not in ("max", "1x"):
        problems.add("feed.speed", "is the gateway's to say", "remove it; a paper gateway's own file has it")
    check_zone(ib.windows_timezone, "ib.windows_timezone", problems)
    checks: tuple[Callable[[], None], ...] = (
        lambda: check_ib_account(ib, account=config.account.id, mode=config.mode),
        lambda: check_lines(ib, profile=config.feed.profile, instruments=len(config.instruments)),
    )
    for refuses in checks:
        try:
            refuses()
        except ConfigError as fault:
            problems.add_whole(str(fault))


def check_replay(config: Config, problems: Problems) -> None:
    """There are files, they exist, and the span of time makes sense."""
    feed = config.feed
    if not feed.quotes:
        problems.add("feed.quotes", "is empty", "name at least one Parquet file of quotes")
    for name in ("quotes", "trades"):
        for at, path in enumerate(getattr(feed, name)):
            readable(path, f"feed.{name}[{at}]", problems)
    if feed.quotes:
        try:
            replay_spec(config)
        except ConfigError as fault:
            problems.add_refused(str(fault), "feed", FeedSettings.__struct_fields__)


def check_synthetic(settings: SyntheticSettings, declared: tuple[str, ...], problems: Problems) -> None:
    """Its first day, its symbols and prices, and the sum of the dirty rates."""
    field = "feed.synthetic"
    try:
        date.fromisoformat(settings.start_date)
    except ValueError:
        problems.add(f"{field}.start_date", f"{settings.start_date} is no day", "write it as 2026-01-05")
    symbols = [market.symbol for market in settings.instruments]
    for at, market in enumerate(settings.instruments):
        check_symbols((market.symbol,), declared, f"{field}.instruments[{at}].symbol", problems)
        nanos(market.px, f"{field}.instruments[{at}].px", problems)
        if market.symbol in symbols[:at]:
            problems.add(f"{field}.instruments[{at}].symbol", f"{market.symbol} is named twice", "merge the two tables")
    total = sum(msgspec.structs.astuple(settings.dirty)) - settings.dirty.not_last
    if total > DIRTY_SUM_MAX:
        problems.add(f"{field}.dirty", f"the rates sum to {total:g}", f"keep them at {DIRTY_SUM_MAX} or less")
