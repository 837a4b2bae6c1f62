"""`quantd selfassess`: the pack an auditor asks for (RTS 6 article 9): which algos and strategies run, who may operate
them, every limit with its rationale and who owns its control, what tests and drills show, what was breached, changed
and overridden, and by what code, config and limits. Gathers; judges nothing.
"""

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import ConfigError
from daemon.config import Config, config_digest
from daemon.coverage import account_limits, coverage, moment
from daemon.digests import ROOT, code_version, digest
from daemon.history import History
from risk.in_force import own_value, rows_of
from risk.limit_rows import ROWS
from risk.limits import Limits, factory_value, set_value, text_of
from risk.resolve import scopes_of

FORMAT: Final = 1
DRILLS: Final = ROOT / "docs" / "drills"
EVIDENCE_MAX: Final = 1_000  # files of records looked into
NOT_NAMED: Final = "not named"


def assess(
    config: Config, history: History, *, ts_ns: int, audit: dict[str, Any], evidence: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """The pack as plain values. `audit` is the export of the audit trail; `evidence` = folders with records of drills
    (JSON) and test runs (JUnit XML).
    """
    limits = config.limits
    rows = coverage(history, account_limits(limits))
    for row in rows:
        row["owner"] = owner_of(config, row["control"])
    return {
        "format": FORMAT,
        "made": moment(ts_ns),
        "period": {"from": moment(history.first_ts_ns), "to": moment(history.last_ts_ns)},
        "account": config.account.id,
        "mode": config.mode,
        "digests": digests_of(config),
        "inventory": [_strategy(config, name) for name in config.strategies],
        "controls": rows,
        "not_in_force": [row["control"] for row in rows if row["status"] != "in force"],
        "limits": [_limit(limits, name) for name in ROWS],
        "scopes": _scopes(limits),
        "evidence": evidence_of((DRILLS, *evidence)),
        "orders": history.orders,
        "refusals": {str(control): _sign(sign) for control, sign in sorted(history.refusals.items())},
        "breaches": [_entry(entry) for entry in history.latches],
        "alerts": {code: _sign(sign) for code, sign in sorted(history.signs.items())},
        "limit_changes": [_entry(entry) for entry in history.limits],
        "overrides": [_entry(entry) for entry in history.overrides],
        "operator_commands": [_entry(entry) for entry in history.operators],
        "starts": [_entry(entry) for entry in history.starts],
        "left_out": history.left_out,
        "audit": audit,
    }


def digests_of(config: Config) -> dict[str, str]:
    """What runs: code, config and limits."""
    code = code_version()
    return {
        "version": code.version,
        "code": code.source_digest,
        "kernels": code.kernel_digest,
        "platform": code.platform,
        "config": config_digest(config),
        "limits": limits_digest(config.limits),
    }


def limits_digest(limits: Limits) -> str:
    """Of the limits as configured, factory values included: the same whatever the order of keys."""
    written = msgspec.json.encode(limits, order="deterministic")
    return digest([written, json.dumps(account_limits(limits), sort_keys=True).encode()])


def owner_of(config: Config, control: int = 0) -> str:
    """Who answers for a control; without a number, for all of them."""
    authority = config.authority
    return authority.control_owners.get(str(control)) or authority.owner or NOT_NAMED


def _strategy(config: Config, name: str) -> dict[str, Any]:
    strategy = config.strategies[name]
    scope = f"strategy.{name}"
    own = {row.name: own_value(config.limits, scope, row) for row in rows_of(scope)}
    return {
        "strategy": name,
        "kind": strategy.kind,
        "enabled": strategy.enabled,
        "symbols": list(strategy.symbols),
        "parameters": msgspec.to_builtins(strategy.params),
        "algo": strategy.execution.algo,
        "algo_parameters": msgspec.to_builtins(strategy.execution.params),
        "owner": owner_of(config),
        "approved_operators": sorted(config.authority.operators),
        "limits": {limit: text_of(ROWS[limit], value) for limit, value in own.items() if value is not None},
    }


def _limit(limits: Limits, name: str) -> dict[str, Any]:
    row = ROWS[name]
    ceiling = set_value(limits.ceiling, row, "limits.ceiling")
    return {
        "limit": name,
        "control": row.control,
        "unit": row.unit,
        "factory": text_of(row, factory_value(row)),
        "in_force": account_limits(limits)[name],
        "set": getattr(limits.account, name) is not None,
        "ceiling": "" if ceiling is None else text_of(row, ceiling),
        "rationale": row.meaning,
    }


def _scopes(limits: Limits) -> dict[str, dict[str, str]]:
    """What scopes below the account say."""
    found = {}
    for scope, _ in scopes_of(limits)[1:]:
        own = {row.name: own_value(limits, scope, row) for row in rows_of(scope)}
        found[scope] = {name: text_of(ROWS[name], value) for name, value in own.items() if value is not None}
    return {scope: said for scope, said in found.items() if said}


def _sign(sign: Any) -> dict[str, Any]:
    return {"count": sign.count, "last": moment(sign.last_ts_ns), "what": sign.last}


def _entry(entry: Any) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(entry.fields)
    return {"seq": entry.seq, "time": moment(entry.ts_ns), "what": entry.what} | fields


# ---- evidence --------------------------------------------------------------------------------------------------
def evidence_of(folders: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Records of drills and of test runs in these folders, by name, each with the digest of its file."""
    found = []
    for folder in folders:
        for path in sorted(folder.glob("*"))[:EVIDENCE_MAX]:
            read = {".json": _drill, ".xml": _tests}.get(path.suffix)
            if read is not None:
                said = read(path)
                found.append({"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} | said)
    return found


def _drill(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except ValueError as fault:
        raise ConfigError(f"{path}: is no record of a drill ({fault}); take it out of the folder") from fault
    if not isinstance(record, dict):
        return {"drill": path.stem, "failures": None}
    failures = record.get("failures")
    kept = {name: record.get(name) for name in ("drill", "commit", "started", "ended", "parts", "seconds", "counts")}
    return kept | {"failures": len(failures) if isinstance(failures, list | dict) else failures}


def _tests(path: Path) -> dict[str, Any]:
    """A JUnit report: what ran, and how it ended."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as fault:
        raise ConfigError(f"{path}: is no JUnit report ({fault}); take it out of the folder") from fault
    suites = root.findall("testsuite") if root.tag == "testsuites" else [root]
    totals = {
        name: sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    }
    return {"junit": path.stem, "ended": suites[0].get("timestamp", "") if suites else ""} | totals
