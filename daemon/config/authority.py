"""What the table `[authority]` must mean: keys that are keys, nobody twice, and enough persons for what needs two."""

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from core.money.approvals import OPERATORS_MAX
from daemon.config.decode import Problems
from daemon.config.paths import readable
from daemon.config.persons import AuthoritySettings, OperatorSettings
from daemon.config.schema import Config

KEY_BYTES: Final = 32
CONTROL_NUMBERS: Final = tuple(str(number) for number in range(1, 50))
RESERVED: Final = ("guard", "kill_file", "monitor", "trader")  # who acts where no operator does
ADD: Final = "run `quantd operator add NAME` and put the block it prints into this file"


def check_authority(config: Config, problems: Problems) -> None:
    """Every operator, then whether what they may do together is enough."""
    authority = config.authority
    for name, operator in authority.operators.items():
        check_operator(name, operator, problems)
    for field, value, names in _shared(authority):
        problems.add(field, f"{value} belongs to {' and '.join(names)}", "two persons have two keys: make another one")
    if len(authority.operators) > OPERATORS_MAX:
        problems.add("authority.operators", f"are {len(authority.operators)}", f"keep at most {OPERATORS_MAX}")
    for number in authority.control_owners:
        if number not in CONTROL_NUMBERS:
            problems.add(f"authority.control_owners.{number}", "is no control", "name one by its number, 1 to 49")
    if authority.unsigned:
        check_unsigned(config, problems)
    elif not authority.operators:
        if config.mode == "live":
            problems.add("authority.operators", "are none, and the account is live", ADD)
    elif authority.persons == 2:
        check_pairs(authority, problems)


def check_operator(name: str, operator: OperatorSettings, problems: Problems) -> None:
    """A name of a person, and something that proves it is this person."""
    field = f"authority.operators.{name}"
    if name in RESERVED:
        problems.add(field, "is who acts where no operator does", "choose the name of a person")
    if operator.public_key and not is_key(operator.public_key):
        problems.add(f"{field}.public_key", "is no Ed25519 public key", "copy it from `quantd operator add`")
    if operator.totp_secret_file and operator.totp_secret_variable:
        problems.add(f"{field}.totp_secret_variable", "is set beside totp_secret_file", "keep one of the two")
    if operator.totp_secret_file:
        readable(operator.totp_secret_file, f"{field}.totp_secret_file", problems)
    if not (operator.public_key or operator.totp_secret_file or operator.totp_secret_variable):
        problems.add(field, "has neither a key nor a secret", f"set public_key: {ADD}")


def is_key(text: str) -> bool:
    """Base64 of 32 bytes."""
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def check_unsigned(config: Config, problems: Problems) -> None:
    """Nobody proves anything: not where money is real, and not beside what asks for a proof."""
    field = "authority.unsigned"
    if config.mode == "live":
        problems.add(field, "is true, and the account is live", f"remove it, and {ADD}")
    if config.authority.operators:
        problems.add(field, "is true beside operators", "remove it, or the operators")
    if config.authority.persons != 1:
        problems.add(field, "is true, but two persons are asked for", "set authority.persons = 1, or remove it")


def check_pairs(authority: AuthoritySettings, problems: Problems) -> None:
    """What needs two persons needs two who may."""
    for level in authority.two_person_levels:
        able = [name for name, operator in authority.operators.items() if level in operator.levels]
        if len(able) < 2:
            who = able[0] if able else "nobody"
            problems.add(
                "authority.persons",
                f"is 2, but only {who} may act at level {level}",
                "add another operator, or set persons = 1",
            )


def _shared(authority: AuthoritySettings) -> Iterator[tuple[str, str, list[str]]]:
    """Keys and secrets that more than one person has: (field, value, names)."""
    for field in ("public_key", "totp_secret_file", "totp_secret_variable"):
        owners: dict[str, list[str]] = {}
        for name, operator in authority.operators.items():
            value = getattr(operator, field)
            if value:
                owners.setdefault(value, []).append(name)
        for value, names in owners.items():
            if len(names) > 1:
                yield f"authority.operators.{names[1]}.{field}", value, names
