"""What runs, in a few digests that a person can compare (control 42): printed by `check` for a reviewed file, shown by
the running trader, and compared when it is armed.
"""

import functools
import json

import msgspec

from core.errors import Refused
from daemon.digests import digest
from daemon.recovery import deploy_digest, digests
from daemon.reference.tables import ReferenceTables


@functools.lru_cache(maxsize=4)
def limits_digest(resolved: str) -> str:
    """Of the limits alone, out of a resolved config."""
    return digest([msgspec.json.encode(json.loads(resolved)["limits"], order="sorted")])


def running(tables: ReferenceTables) -> dict[str, str]:
    """Version, and the digest of each part."""
    found = digests(tables)
    return {
        "version": tables.code.version,
        "deploy": deploy_digest(tables),
        "code": found["code"],
        "config": found["config"],
        "limits": limits_digest(tables.config.json),
        "models": found.get("models", ""),
    }


def check_expected(shown: dict[str, str], expected: list[str], own_code: str) -> None:
    """What runs is what was reviewed, and this program is of the same code. Raises Refused."""
    if shown.get("code", own_code) != own_code:
        raise Refused(
            f"mixed versions: this program's code is {own_code}, the trader's {shown['code']}: arm with the version "
            "that runs, or start the one that was meant to"
        )
    for wanted in expected:
        if wanted not in shown.values():
            told = ", ".join(f"{name} {value}" for name, value in shown.items() if value)
            raise Refused(f"--expect {wanted[:64]}: does not run; what runs is {told}")
