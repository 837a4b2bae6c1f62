"""The config file: its structs, reading and checking it, and what the journal keeps of it."""

from daemon.config.contracts import instruments_of, reference_of
from daemon.config.load import config_digest, config_from_json, load_config, parse_config, resolved_json
from daemon.config.schema import Config

__all__ = [
    "Config",
    "config_digest",
    "config_from_json",
    "instruments_of",
    "load_config",
    "parse_config",
    "reference_of",
    "resolved_json",
]
