"""Every limit written out, as a live account's config must have it: the factory values, as text of a config file."""

from risk.limit_rows import BOOK_ROWS, FACTORY_CLASS, OFF_WARN_DENY, ROWS, Limit
from risk.limits import factory_value, text_of


def live_limits(*strategies: str) -> str:
    """The tables of the account, the classes and these strategies."""
    lines = ["[limits.account]", *map(_line, ROWS.values())]
    for name, factory in FACTORY_CLASS.items():
        lines += [f"[limits.class.{name}]", *(f"{limit} = {value}" for limit, value in factory.items())]
    for strategy in strategies:
        lines += [f"[limits.strategy.{strategy}]", *map(_line, BOOK_ROWS)]
    return "\n".join(lines) + "\n"


def _line(row: Limit) -> str:
    value = text_of(row, factory_value(row))
    return f'{row.name} = "{value}"' if row.unit == OFF_WARN_DENY else f"{row.name} = {value}"
