"""What the answers come to: the tables of the trader's file and of the paper gateway's, as they will stand in TOML.
Writes nothing.
"""

import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.gateway.settings import GatewaySettings
from daemon.config.check import RESUME_SYNC_AGE_SECONDS
from daemon.config.schema import FeedSettings, InstrumentSettings
from daemon.demo import CONFIG as DEMO
from daemon.demo import GATEWAY as DEMO_GATEWAY
from daemon.demo import MODEL
from daemon.init.checks import DEMO_MODEL
from daemon.init.commented import Kind
from daemon.init.kinds import FILE, IB_PAPER, KIND, LIVE, PAPER, Answers
from execution.algos import find_algo
from risk.limit_rows import BOOK_ROWS, FACTORY_CLASS, ROWS
from strategies.kinds import find_kind

ALGO: Final = "twap"
NAMES: Final = {"signal": "signal", "meanrev": "reversion"}  # of strategies, by their kind
MODES: Final = {PAPER: "paper", IB_PAPER: "paper", LIVE: "shadow"}  # a live account is armed by a person, not by us
TOKEN: Final = "console"
ADV: Final = 3_000_000  # of a made-up security that nobody described
PX: Final = 100
Tables = dict[str, Any]


class GatewayFile(msgspec.Struct, frozen=True, kw_only=True):
    """The paper gateway's file, for what its tables and keys mean."""

    gateway: GatewaySettings  # the gateway
    feed: FeedSettings  # the market that it serves
    instruments: tuple[InstrumentSettings, ...]  # what exists there
    state_dir: str = "gateway-state"  # orders, positions and socket of the gateway; relative to this file


def gateway_name(file: Path) -> str:
    """Of the paper gateway's file beside a trader's."""
    return f"{file.stem}.gateway.toml"


def token_name(file: Path) -> str:
    """Of the file with the token of [ops.tokens]."""
    return f"{file.stem}.ops.token"


def trader_tables(answers: Answers) -> Tables:
    """The trader's file."""
    kind = answers[KIND]
    tables: Tables = {
        "mode": MODES[kind],
        "state_dir": answers["state_dir"],
        "account": _below("account", answers),
        "feed": {"kind": "ib", "profile": "l1_250"},
        "ib": _ib(answers),
        "instruments": [{"symbol": symbol, **_LOT} for symbol in answers["instruments"]],
        "strategies": _strategies(answers),
        "limits": _limits(answers),
        "authority": {"persons": 2} if kind == LIVE else {"persons": 1, "unsigned": True},
    }
    if kind == LIVE:
        tables |= {"journal": {"durability": "fsync"}, "start": {"after_crash": "halted"}}
    if kind == PAPER:
        tables["up"] = {"gateway": gateway_name(answers[FILE])}
    tables["guard"] = {"lease_s": 10.0, "exclusive": answers.get("guard.exclusive", True)}
    tables["panic"] = {"desk": answers["panic.desk"]} if answers.get("panic.desk") else {}
    tables["alerts"] = _alerts(answers)
    tables["record"] = _record(answers)
    tables["ops"] = _ops(answers)
    return {name: value for name, value in tables.items() if value != {}}


def trader_params(answers: Answers) -> dict[str, Kind]:
    """Which structs the tables of free keys stand for."""
    kind = answers["strategies.kind"]
    name = NAMES[kind]
    return {
        f"strategies.{name}.params": find_kind(kind).params_type,
        f"strategies.{name}.execution.params": find_algo(ALGO).params_type,
    }


def gateway_tables(answers: Answers) -> Tables:
    """The paper gateway's file: the market of the demo, or securities by default where other symbols were named."""
    demo = tomllib.loads(DEMO_GATEWAY.read_text(encoding="utf-8"))
    symbols, start = answers["instruments"], demo["feed"]["synthetic"]["start_date"]
    described = {row["symbol"]: row for row in demo["feed"]["synthetic"].pop("instruments")}
    known = {row["symbol"]: row for row in demo["instruments"]}
    plain = {"reference": [{"from": int(start.replace("-", "")), "previous_close": PX, "adv": ADV}]}
    markets = [described.get(symbol, {"symbol": symbol, "px": PX}) for symbol in symbols]
    gateway = demo["gateway"] | {
        "listen": [f"127.0.0.1:{answers['ib.port']}"],
        "accounts": [answers["account.id"]],
        "start_cash": answers["account.start_cash"],
    }
    return {
        "state_dir": f"{answers['state_dir']}-gateway",
        "gateway": gateway,
        "feed": demo["feed"] | {
            "speed": answers["feed.speed"],
            "synthetic": demo["feed"]["synthetic"] | {"instruments": markets},
        },
        "instruments": [known.get(symbol, {"symbol": symbol, **_LOT, **plain}) for symbol in symbols],
    }  # fmt: skip


_LOT: Final = {"tick": 0.01, "round_lot": 100}


def _below(table: str, answers: Answers) -> Tables:
    return {name.rpartition(".")[2]: value for name, value in answers.items() if name.rpartition(".")[0] == table}


def _ib(answers: Answers) -> Tables:
    found: Tables = _below("ib", answers)
    if answers[KIND] == PAPER:
        return found | {"clock": "gateway"}
    return found | {"client_id": 11} | ({"arm_live": ""} if answers[KIND] == LIVE else {})


def _strategies(answers: Answers) -> Tables:
    kind = answers["strategies.kind"]
    size = {"position_dollars": answers["strategies.params.position_dollars"]}
    if kind == "signal":
        like = tomllib.loads(DEMO.read_text(encoding="utf-8"))["strategies"]["signal"]
        model = answers["strategies.params.model"]
        params = like["params"] | {"model": MODEL[0] if model == DEMO_MODEL else model} | size
        execution = like["execution"]
    else:
        params = {"half_life_s": 300.0, "enter_z": 2.5} | size
        execution = {"algo": ALGO, "params": {"duration_s": 120, "slices": 4}}
    return {
        NAMES[kind]: {
            "kind": kind, "symbols": list(answers["instruments"]), "params": params, "execution": execution,
        }
    }  # fmt: skip


def _limits(answers: Answers) -> Tables:
    """Those that were asked. For a live account all are written out: `quantd check` wants each of them chosen."""
    asked = _below("limits.account", answers)
    asked |= {"day_loss_soft_bp": asked["day_loss_hard_bp"] / 2, "net_max": asked["gross_max"]}
    if answers[KIND] != LIVE:
        return {"account": asked}
    factory: Tables = {name: row.factory for name, row in ROWS.items()}
    account = factory | {"resume_sync_age_seconds_max": RESUME_SYNC_AGE_SECONDS} | asked
    book = {row.name: account[row.name] for row in BOOK_ROWS}
    classes = {name: dict(limits) for name, limits in FACTORY_CLASS.items() if limits}
    return {"account": account, "class": classes, "strategy": {NAMES[answers["strategies.kind"]]: book}}


def _alerts(answers: Answers) -> Tables:
    file = answers["alerts.to.urls_file"]
    return {"to": [{"name": "desk", "urls_file": file}]} if file else {}


def _record(answers: Answers) -> Tables:
    return {name: value for name, value in _below("record", answers).items() if value}


def _ops(answers: Answers) -> Tables:
    if not answers["ops.enabled"]:
        return {"enabled": False}
    return {"enabled": True, "port": answers["ops.port"], "tokens": {TOKEN: token_name(answers[FILE])}}
