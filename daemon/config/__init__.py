"""The config file: its structs, reading and checking it, and what the journal keeps of it."""

from daemon.config.contracts import instruments_of, reference_of
from daemon.config.fee_rows import fee_rows_of
from daemon.config.load import (
    config_digest,
    config_from_json,
    config_of,
    load_config,
    parse_config,
    parse_toml,
    read_config,
    resolved_json,
)
from daemon.config.schema import Config

__all__ = [
    "Config",
    "config_digest",
    "config_from_json",
    "config_of",
    "fee_rows_of",
    "instruments_of",
    "load_config",
    "parse_config",
    "parse_toml",
    "read_config",
    "reference_of",
    "resolved_json",
]
