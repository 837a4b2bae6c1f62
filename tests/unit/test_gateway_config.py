"""The gateway's file: what it takes, what the container's environment overrules, one line for what is wrong."""

from pathlib import Path

import pytest

from core.errors import ConfigError
from core.units import NANO
from daemon.gateway.config import GatewayConfig, load_gateway

FEED = '[feed]\nkind = "synthetic"\nspeed = "{speed}"\n'
INSTRUMENT = '[[instruments]]\nsymbol = "BAC"\ncon_id = 10098\ntick = 0.01\nround_lot = 100\n'


def load(
    folder: Path, gateway: str = "", *, speed: str = "1x", more: str = "", environment: dict[str, str] | None = None
) -> GatewayConfig:
    """A file with these keys in [gateway]."""
    path = folder / "gateway.toml"
    path.write_text(f"{more}\n[gateway]\n{gateway}\n{FEED.format(speed=speed)}{INSTRUMENT}")
    return load_gateway(path, environment=environment or {})


def test_the_smallest_file(tmp_path: Path) -> None:
    """Paper port, one DU account with a million, state beside the file; real delays only at the socket."""
    config = load(tmp_path)
    assert config.addresses == (("127.0.0.1", 4002),)
    assert config.gateway.accounts == ("DU0000001",)
    assert config.base.venue.cash_nanos == 1_000_000 * NANO
    assert config.state_dir == tmp_path / "gateway-state"
    assert config.socket == tmp_path / "gateway-state" / "control.sock"
    assert (config.base.venue.latency.up_jitter_ns, config.base.venue.latency.down_jitter_ns) == (0, 0)


ALL_PORTS = 'listen = ["0.0.0.0:4001", "0.0.0.0:4002", "0.0.0.0:4003", "0.0.0.0:4004", "127.0.0.1:5000"]'


@pytest.mark.parametrize(
    ("mode", "ports"),
    [
        ("", [4001, 4002, 4003, 4004, 5000]),
        ("paper", [4002, 4004, 5000]),
        ("live", [4001, 4003, 5000]),
        ("both", [4001, 4002, 4003, 4004, 5000]),
    ],
)
def test_the_trading_mode_opens_its_ports(tmp_path: Path, mode: str, ports: list[int]) -> None:
    """Of the usual container's ports; others are opened in every mode. The account stays a DU number."""
    config = load(tmp_path, ALL_PORTS, environment={"TRADING_MODE": mode} if mode else {})
    assert [port for _, port in config.addresses] == ports
    assert config.gateway.accounts == ("DU0000001",)


def test_the_environment_overrules_the_file(tmp_path: Path) -> None:
    """As at the usual container."""
    environment = {"READ_ONLY_API": "yes", "TIME_ZONE": "Europe/Zurich", "TWS_MASTER_CLIENT_ID": "11"}
    config = load(tmp_path, "read_only = false\nmaster_client_id = 3", environment=environment)
    assert config.gateway.read_only
    assert (config.gateway.timezone, config.gateway.master_client_id) == ("Europe/Zurich", 11)
    assert not load(tmp_path, "read_only = true", environment={"READ_ONLY_API": "no"}).gateway.read_only
    assert load(tmp_path, "read_only = true").gateway.read_only


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        ('listen = ["4002"]', "gateway.listen[0]: '4002' is no address; write it as 127.0.0.1:4002"),
        ('listen = ["127.0.0.1:70000"]', "gateway.listen[0]: '127.0.0.1:70000' is no address"),
        ('timezone = "Mars/Olympus"', 'gateway.timezone: "Mars/Olympus" is no time zone'),
        ('accounts = ["DU1234567", "DU1234567"]', "gateway.accounts: names an account twice; list each once"),
        ('accounts = ["paper"]', 'gateway.accounts: ["paper"] does not fit'),
        ("start_cash = 0", "gateway.start_cash: 0 is out of bounds"),
        ('currency = "EUR"', "instruments[0].currency: USD is not the account's EUR"),
        ("ports = [4002]", "gateway.ports: unknown key"),
        ('[[gateway.faults]]\nname = "dropp"', "gateway.faults[0].name: 'dropp' is no fault"),
        (
            '[[gateway.faults]]\nname = "drop"\nparameters = { chance = "2" }',
            "gateway.faults[0].parameters.chance: '2'",
        ),
        ('[[gateway.faults]]\nname = "refuse"\nat = "9:5"', 'gateway.faults[0].at: "9:5" does not fit'),
        (
            '[[gateway.faults]]\nname = "refuse"\nat = "09:05"\nafter_s = 3',
            "gateway.faults[0].at: stands beside after_s; keep one of the two",
        ),
        ('clock = "wall"\n', ""),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, gateway: str, words: str) -> None:
    """With file, field and remedy; the last row is fine."""
    if not words:
        assert load(tmp_path, gateway).gateway.clock == "wall"
        return
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, gateway)
    assert str(caught.value).startswith(f"{tmp_path}/gateway.toml: {words}")


def test_a_gateway_needs_a_clock(tmp_path: Path) -> None:
    """As fast as possible is no speed a client could follow; the wall's clock has one speed."""
    with pytest.raises(ConfigError, match=r'feed.speed: "max" has no clock'):
        load(tmp_path, speed="max")
    with pytest.raises(ConfigError, match=r'feed.speed: "2x" is not the wall clock'):
        load(tmp_path, 'clock = "wall"', speed="2x")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TRADING_MODE": "demo"}, r"\$TRADING_MODE: 'demo' is unknown; set it to paper, live or both"),
        ({"TRADING_MODE": "live"}, "gateway.listen: has no port of the mode live; list one of 4001, 4003, 7496 too"),
        ({"READ_ONLY_API": "perhaps"}, r"\$READ_ONLY_API: 'perhaps' is not yes or no"),
        ({"TWS_MASTER_CLIENT_ID": "eleven"}, r"\$TWS_MASTER_CLIENT_ID: 'eleven' is no client id"),
        ({"TIME_ZONE": "Nowhere"}, 'gateway.timezone: "Nowhere" is no time zone'),
    ],
)
def test_a_wrong_environment_is_named(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    """The variable, what it says and what it may say."""
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, environment=environment)


def test_tables_of_the_trader_are_refused(tmp_path: Path) -> None:
    """A gateway has no limits and no strategies."""
    with pytest.raises(ConfigError, match="limits: is no table of a gateway's file; remove it"):
        load(tmp_path, more="[limits]\n")
