"""The fee table of a config: its plan's rows, and the account's own exchange fees in place of the plan's bound. Charges
nothing: what rows mean is core/fees.py.
"""

from decimal import Decimal
from typing import Final

from core.fee_plans import DEFAULT_PLANS, EXCHANGE
from core.fees import ADDED, REMOVED
from core.reference import FeeRow
from core.units import NANO
from daemon.config.contracts import nanos
from daemon.config.decode import Problems
from daemon.config.schema import Config, VenueFee
from daemon.reference.hours import day_of

A_SHARE_MAX: Final = Decimal("0.05")  # no exchange charges or pays anything like it


def fee_rows_of(config: Config) -> tuple[FeeRow, ...]:
    """All rows of a checked config."""
    given = config.fees.venues
    everywhere = {row.liquidity for fee in given if not fee.venue for row in _rows(fee)}
    plan = DEFAULT_PLANS[config.fees.plan]
    kept = tuple(row for row in plan if row.name != EXCHANGE or row.liquidity not in everywhere)
    return kept + tuple(row for fee in given for row in _rows(fee))


def check_fees(config: Config, problems: Problems) -> None:
    """The plan is known, passes exchange fees on where some are given, and every fee is a usable one."""
    plan = config.fees.plan
    if plan not in DEFAULT_PLANS:
        problems.add("fees.plan", f'"{plan}" is unknown', f"use one of {', '.join(DEFAULT_PLANS)}")
    elif config.fees.venues and not any(row.name == EXCHANGE for row in DEFAULT_PLANS[plan]):
        problems.add("fees.venues", f"{plan} passes no exchange fees on", "remove them, or take ibkr_pro_tiered")
    seen: set[tuple[str, int]] = set()
    for at, fee in enumerate(config.fees.venues):
        place = f"fees.venues[{at}]"
        try:
            day_of(fee.effective_from)
        except ValueError:
            problems.add(f"{place}.from", f"{fee.effective_from} is no day", "write it as yyyymmdd")
        if (fee.venue, fee.effective_from) in seen:
            problems.add(f"{place}.from", f"{fee.effective_from} is given twice for it", "keep one of them")
        seen.add((fee.venue, fee.effective_from))
        for name in ("added", "removed"):
            most = int(A_SHARE_MAX * NANO)
            nanos(getattr(fee, name), f"{place}.{name}", problems, low=-A_SHARE_MAX, most_nanos=most)


def _rows(fee: VenueFee) -> tuple[FeeRow, FeeRow]:
    added, removed = (
        FeeRow(
            name=EXCHANGE,
            effective_from=fee.effective_from,
            per="share",
            rate_nanos=int(rate * NANO),
            venue=fee.venue,
            liquidity=liquidity,
            source="config",
        )
        for rate, liquidity in ((fee.added, ADDED), (fee.removed, REMOVED))
    )
    return added, removed
