"""The self-assessment as one Markdown page. Lays out what daemon/assessment.py gathered; adds nothing."""

from collections.abc import Iterable
from typing import Any, Final

LISTED_MAX: Final = 200  # of each list of events; the JSON beside the page has all


def page_of(pack: dict[str, Any]) -> str:
    """The page."""
    digests = pack["digests"]
    lines = [
        f"# Self-assessment of account {pack['account']}, {pack['made']}",
        "",
        f"Mode {pack['mode']}; journal from {pack['period']['from'] or 'never'} to {pack['period']['to'] or 'never'}; "
        f"{pack['orders']} orders sent. Version {digests['version']}, code {digests['code']}, config "
        f"{digests['config']}, limits {digests['limits']}.",
        "",
        "## Algorithms and strategies",
        "",
    ]
    for entry in pack["inventory"]:
        operators = ", ".join(entry["approved_operators"]) or "none named"
        lines.append(
            f"- **{entry['strategy']}** ({entry['kind']}, {'on' if entry['enabled'] else 'off'}) in "
            f"{', '.join(entry['symbols'])} by {entry['algo']}; owner {entry['owner']}; approved operators {operators};"
            f" own limits {_pairs(entry['limits'])}"
        )
    lines += ["", "## Controls", ""]
    lines += _table(
        ("control", "name", "status", "owner", "limits", "tests", "acted", "last"),
        (
            (
                row["control"], row["name"], row["status"], row["owner"], _pairs(row["limits"]), len(row["tests"]),
                row["triggers"], row["last_trigger"],
            )
            for row in pack["controls"]
        ),
    )  # fmt: skip
    lines += ["", "## Limits and their rationale", ""]
    lines += _table(
        ("control", "limit", "in force", "unit", "factory", "set", "ceiling", "rationale"),
        (
            (
                row["control"], row["limit"], row["in_force"], row["unit"], row["factory"],
                "yes" if row["set"] else "factory", row["ceiling"], row["rationale"],
            )
            for row in pack["limits"]
        ),
    )  # fmt: skip
    lines += [f"- {scope}: {_pairs(said)}" for scope, said in pack["scopes"].items()]
    lines += ["", "## Evidence", ""]
    lines += [f"- {_evidence(entry)}" for entry in pack["evidence"]] or ["none"]
    lines += ["", "## Refusals by control", ""]
    lines += [
        f"- {control}: {sign['count']}, last {sign['last']}: {sign['what']}"
        for control, sign in pack["refusals"].items()
    ] or ["none"]
    for title, name in (
        ("Breaches (moves of the ladder)", "breaches"),
        ("Changes of limits", "limit_changes"),
        ("Overrides", "overrides"),
        ("Operators' commands", "operator_commands"),
        ("Starts and ends", "starts"),
    ):
        lines += ["", f"## {title}", "", *_events(pack[name])]
    audit = dict(pack["audit"])
    entries = audit.pop("lines", [])
    lines += ["", "## Audit trail", "", _pairs(audit) or "none", "", *(_events(entries) if entries else ())]
    return "\n".join(lines)


def _events(entries: list[dict[str, Any]]) -> list[str]:
    shown = [
        f"- {entry['time']} #{entry['seq']} {entry['what']}: {_pairs(_rest(entry))}" for entry in entries[-LISTED_MAX:]
    ]
    if len(entries) > LISTED_MAX:
        shown.insert(0, f"The newest {LISTED_MAX} of {len(entries)}; all are in the JSON beside this page.")
    return shown or ["none"]


def _rest(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in ("time", "seq", "what")}


def _evidence(entry: dict[str, Any]) -> str:
    if "junit" in entry:
        return f"tests {entry['file']}: {entry['tests']} run, {entry['failures']} failed, {entry['errors']} errors"
    return f"drill {entry['drill']} ({entry['file']}): {entry['failures']} failures, commit {entry.get('commit')}"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in ("", None))


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
