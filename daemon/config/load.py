"""Reads a config file: TOML in, checked Config with absolute paths out; and the resolved config as JSON and back.

Raises ConfigError with one line per problem, `<file>: <dotted.field>: what is wrong; remedy`. Changes nothing on disk.
"""

import json
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from core.errors import Bug, ConfigError
from core.units import parse_nanos
from daemon.config.check import check, check_raw, live_defaults, model_params, strategy_params
from daemon.config.database_url import SQLITE_PREFIX
from daemon.config.decode import FAULTY, Problems, decode_struct
from daemon.config.guarding import AlertTarget
from daemon.config.ops_check import with_ops_paths
from daemon.config.paths import absolute, expanded
from daemon.config.persons import AuthoritySettings
from daemon.config.schema import Config, CostSettings, StrategySettings
from daemon.digests import digest
from execution.algos import find_algo
from execution.costs import Fitted
from execution.settings import ExecutionConfig

SOCKET_NAME = "control.sock"
DATABASE_NAME = "quantd.db"


def load_config(path: Path, *, state_dir: Path | None = None) -> Config:
    """Read and check a file; `state_dir` overrules the file's (`--state`). Raises ConfigError."""
    return parse_config(read_config(path), file=str(path), folder=path.resolve().parent, state_dir=state_dir)


def read_config(path: Path) -> str:
    """The text of a config file. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as fault:
        raise ConfigError(f"{path}: no such file; name a config file with -c") from fault
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(
            f"{path}: cannot be read: {' '.join(str(fault).split())}; name a config file with -c"
        ) from fault


def parse_config(text: str, *, file: str, folder: Path, state_dir: Path | None = None) -> Config:
    """Check a config text; `folder` is where relative paths start. Raises ConfigError."""
    return config_of(parse_toml(text, file=file), file=file, folder=folder, state_dir=state_dir)


def parse_toml(text: str, *, file: str, parse_float: Callable[[str], Any] = Decimal) -> dict[str, Any]:
    """The document of a text. Raises ConfigError."""
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except ValueError as fault:  # TOMLDecodeError is one, and so is a whole number of thousands of digits
        raise ConfigError(f"{file}: {' '.join(str(fault).split())}; correct the TOML") from fault


def config_of(raw: dict[str, Any], *, file: str, folder: Path, state_dir: Path | None = None) -> Config:
    """Check a document with decimals; `folder` is where relative paths start. Raises ConfigError."""
    problems = Problems(file)
    check_raw(raw, problems)
    live_defaults(raw)
    if state_dir is not None:
        raw["state_dir"] = str(state_dir.absolute())
    config = decode_struct(raw, Config, "", problems)
    problems.stop()
    config = _with_paths(config, folder, problems)
    check(config, problems)
    problems.stop()
    return _resolved(config)


def resolved_json(config: Config) -> str:
    """Everything that was decided, defaults included, as one line of JSON with a fixed order of keys.

    There are no secrets in it because the file can hold none: they come by path or environment.
    """
    return msgspec.json.encode(config, order="deterministic").decode()


def config_digest(config: Config) -> str:
    """Digest of the resolved config: the same whatever the order of keys or the spaces in the file."""
    return digest([resolved_json(config).encode()])


def config_from_json(text: str) -> Config:
    """The config of a journal, by an equal or later release. Checks types only: its files may be gone by now.

    Raises ConfigError.
    """
    problems = Problems("journalled config")
    config = decode_struct(json.loads(text), Config, "", problems)
    problems.stop()
    if not isinstance(config, Config):
        raise Bug("a config was given up without a problem")
    return config


def _with_paths(config: Config, folder: Path, problems: Problems) -> Config:
    state_dir = absolute(config.state_dir, folder, "state_dir", problems)
    feed = config.feed
    quotes = tuple(absolute(p, folder, f"feed.quotes[{at}]", problems) for at, p in enumerate(feed.quotes))
    trades = tuple(absolute(p, folder, f"feed.trades[{at}]", problems) for at, p in enumerate(feed.trades))
    named = config.control.socket
    socket = absolute(named, folder, "control.socket", problems) if named else str(Path(state_dir) / SOCKET_NAME)
    strategies = {
        name: _with_model_paths(strategy, folder, f"strategies.{name}", problems)
        for name, strategy in config.strategies.items()
    }
    record, gateway = config.record, config.up.gateway
    instruments = tuple(
        msgspec.structs.replace(one, history=absolute(one.history, folder, f"instruments[{at}].history", problems))
        if one.history
        else one
        for at, one in enumerate(config.instruments)
    )
    return msgspec.structs.replace(
        config,
        instruments=instruments,
        authority=_with_secret_paths(config.authority, folder, problems),
        strategies=strategies,
        record=msgspec.structs.replace(
            record,
            database=_database(record.database, folder, state_dir, problems),
            password_file=absolute(record.password_file, folder, "record.password_file", problems)
            if record.password_file
            else "",
        ),
        state_dir=state_dir,
        feed=msgspec.structs.replace(feed, quotes=quotes, trades=trades),
        control=msgspec.structs.replace(config.control, socket=socket),
        costs=_with_fitted(config.costs, folder, problems),
        ops=with_ops_paths(config.ops, folder, problems),
        ship=msgspec.structs.replace(config.ship, to=absolute(config.ship.to, folder, "ship.to", problems))
        if config.ship.to
        else config.ship,
        alerts=msgspec.structs.replace(config.alerts, to=_with_url_files(config, folder, problems)),
        up=msgspec.structs.replace(config.up, gateway=absolute(gateway, folder, "up.gateway", problems))
        if gateway
        else config.up,
    )


def _with_fitted(costs: CostSettings, folder: Path, problems: Problems) -> CostSettings:
    """With what the named file says: the journal holds the numbers, not only a path."""
    if costs.fitted.until:
        problems.add("costs.fitted", "is not written by hand", "name the file of quantd costs calibrate in costs.file")
        return costs
    if not costs.file:
        return costs
    path = absolute(costs.file, folder, "costs.file", problems)
    inner = Problems(path)
    try:
        fitted = decode_struct(parse_toml(read_config(Path(path)), file=path), Fitted, "", inner)
        inner.stop()
    except ConfigError as fault:
        problems.add("costs.file", " ".join(str(fault).split()), "make it anew: quantd costs calibrate --write")
        return costs
    return msgspec.structs.replace(costs, file=path, fitted=fitted)


def _with_secret_paths(authority: AuthoritySettings, folder: Path, problems: Problems) -> AuthoritySettings:
    operators = dict(authority.operators)
    for name, operator in operators.items():
        if operator.totp_secret_file:
            field = f"authority.operators.{name}.totp_secret_file"
            path = absolute(operator.totp_secret_file, folder, field, problems)
            operators[name] = msgspec.structs.replace(operator, totp_secret_file=path)
    return msgspec.structs.replace(authority, operators=operators)


def _with_url_files(config: Config, folder: Path, problems: Problems) -> tuple[AlertTarget, ...]:
    return tuple(
        msgspec.structs.replace(
            target, urls_file=absolute(target.urls_file, folder, f"alerts.to[{at}].urls_file", problems)
        )
        if target.urls_file
        else target
        for at, target in enumerate(config.alerts.to)
    )


def _with_model_paths(
    strategy: StrategySettings, folder: Path, field: str, problems: Problems
) -> StrategySettings:  # fmt: skip
    """With the paths of models made absolute; whatever is no text is left to the checks."""
    params = dict(strategy.params)
    for name in model_params(strategy.kind):
        if isinstance(params.get(name), str) and params[name].strip():
            params[name] = absolute(params[name], folder, f"{field}.params.{name}", problems)
    return msgspec.structs.replace(strategy, params=params)


def _database(url: str, folder: Path, state_dir: str, problems: Problems) -> str:
    """The URL with its variables, and SQLite's file by its whole path."""
    if not url:
        return SQLITE_PREFIX + str(Path(state_dir) / DATABASE_NAME)
    if url.startswith(SQLITE_PREFIX) and len(url) > len(SQLITE_PREFIX):
        return SQLITE_PREFIX + absolute(url.removeprefix(SQLITE_PREFIX), folder, "record.database", problems)
    return expanded(url, "record.database", problems)


def _resolved(config: Config) -> Config:
    """Fill in what other tables decide."""
    account = config.account
    start_cash_nanos = parse_nanos(str(account.start_cash), field="account.start_cash")
    return msgspec.structs.replace(
        config,
        venue=msgspec.structs.replace(config.venue, cash_nanos=start_cash_nanos, currency=account.currency),
        strategies={name: _complete(strategy) for name, strategy in sorted(config.strategies.items())},
    )


def _complete(strategy: StrategySettings) -> StrategySettings:
    """The strategy with every parameter written out, in plain types."""
    execution = strategy.execution
    params = _plain(execution.params, find_algo(execution.algo).params_type)
    own = _plain(strategy.params, strategy_params(strategy.kind, field="kind"))
    return msgspec.structs.replace(
        strategy, params=own, execution=ExecutionConfig(**{**msgspec.structs.asdict(execution), "params": params})
    )


def _plain(raw: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    params = decode_struct(raw, kind, "", Problems(""))
    if params is FAULTY:
        raise Bug(f"parameters passed the checks and then did not decode as {kind.__name__}")
    plain: dict[str, Any] = msgspec.to_builtins(params)
    return plain
