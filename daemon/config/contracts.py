"""Turns [[instruments]] into core's instruments: decimals become nanos, undated rules hold from 1900 on. The one place
where prices and sizes of the config become integers.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

from core.errors import Bug
from core.instruments import STK, Instrument, LotRule, TickRule, TierRule
from core.reference import InstrumentReference
from core.units import NANO, parse_nanos
from daemon.config.decode import Problems
from daemon.config.schema import Config, Dated, DatedLot, InstrumentSettings
from daemon.config.wording import shown
from daemon.reference.hours import HOURS, day_of

ALWAYS: Final = 19000101  # an undated rule's first day
DIGITS_MAX: Final = 20
NANOS_MAX: Final = 2**62  # records carry 64 bits


def instruments_of(config: Config) -> tuple[Instrument, ...]:
    """Core's instruments of a checked config, in file order."""
    problems = Problems("config")
    found = contracts_of(config, problems)
    if found is None:
        raise Bug(f"instruments of a config that was not checked: {problems.lines[0]}")
    return found


def contracts_of(config: Config, problems: Problems) -> tuple[Instrument, ...] | None:
    """Core's instruments; None after reporting a problem."""
    before = len(problems.lines)
    found = [
        contract(s, inst=at, field=f"instruments[{at}]", problems=problems) for at, s in enumerate(config.instruments)
    ]
    return tuple(found) if len(problems.lines) == before else None


def reference_of(config: Config) -> tuple[InstrumentReference, ...]:
    """The slow numbers of a checked config, in file order."""
    problems = Problems("config")
    return tuple(
        row
        for at, settings in enumerate(config.instruments)
        for row in reference_rows(settings, inst=at, field=f"instruments[{at}]", problems=problems)
    )


def contract(settings: InstrumentSettings, *, inst: int, field: str, problems: Problems) -> Instrument:
    """One instrument; reports what is wrong with it, after which the result is worthless."""
    if settings.sec_type != STK:
        problems.add(f"{field}.sec_type", f'"{settings.sec_type}" is not supported', f"this release trades {STK} only")
    if settings.calendar not in HOURS:
        problems.add(f"{field}.calendar", f'"{settings.calendar}" is unknown', f"use one of {', '.join(HOURS)}")
    return Instrument(
        inst=inst,
        symbol=settings.symbol,
        con_id=settings.con_id,
        sec_type=settings.sec_type,
        exchange=settings.exchange,
        primary_exchange=settings.primary_exchange,
        currency=settings.currency,
        calendar=settings.calendar,
        ticks=_ticks(settings, field, problems),
        lots=_lots(settings, field, problems),
        etf=settings.etf,
        sector=settings.sector,
        country=settings.country,
        issuer=settings.issuer,
        tiers=_tiers(settings, field, problems),
    )


def reference_rows(
    settings: InstrumentSettings, *, inst: int, field: str, problems: Problems
) -> tuple[InstrumentReference, ...]:
    """The dated slow numbers of one instrument."""
    _check_days(settings.reference, f"{field}.reference", problems)
    rows = []
    for at, dated in enumerate(settings.reference):
        place = f"{field}.reference[{at}]"
        close_nanos = nanos(dated.previous_close, f"{place}.previous_close", problems, low=Decimal(0))
        adv_nanos = nanos(dated.adv, f"{place}.adv", problems, low=Decimal(0))
        rows.append(
            InstrumentReference(
                inst=inst,
                effective_from=dated.effective_from,
                previous_close_nanos=close_nanos,
                adv_nanos=adv_nanos,
                source="config",
            )
        )
    return tuple(rows)


def nanos(
    value: Decimal, field: str, problems: Problems, *, low: Decimal | None = None, most_nanos: int = NANOS_MAX
) -> int:
    """A decimal as nanos; `low` None = must be above 0. Reports and returns 1 when it is not a usable number."""
    bound = "above 0" if low is None else f"of {low} or more"
    advice = f"give a number {bound}, at most {most_nanos // NANO}"
    if value.adjusted() > DIGITS_MAX:  # too long to be multiplied out
        problems.add(field, f"{shown(value)} is out of bounds", advice)
        return 1
    try:
        found = parse_nanos(str(value), field=field)
    except ValueError as fault:
        problems.add(field, str(fault).removeprefix(f"{field}: "), "write a plain number with at most nine decimals")
        return 1
    if (low is None and found <= 0) or (low is not None and value < low) or found > most_nanos:
        problems.add(field, f"{shown(value)} is out of bounds", advice)
        return 1
    return found


def _ticks(settings: InstrumentSettings, field: str, problems: Problems) -> tuple[TickRule, ...]:
    if not _one_of(settings.tick is not None, bool(settings.ticks), "tick", "ticks", field, problems):
        return ()
    if settings.tick is not None:
        return (TickRule(effective_from=ALWAYS, increments=((0, nanos(settings.tick, f"{field}.tick", problems)),)),)
    _check_days(settings.ticks, f"{field}.ticks", problems)
    rules = []
    for at, dated in enumerate(settings.ticks):
        place = f"{field}.ticks[{at}].increments"
        steps = tuple(
            (nanos(edge, place, problems, low=Decimal(0)), nanos(step, place, problems))
            for edge, step in dated.increments
        )
        edges = [edge for edge, _ in steps]
        if edges[0] != 0 or any(later <= edge for edge, later in pairwise(edges)):
            problems.add(place, "the low edges do not ascend from 0", "write [[0, 0.0001], [1, 0.01]]")
        rules.append(TickRule(effective_from=dated.effective_from, increments=steps))
    return tuple(rules)


def _lots(settings: InstrumentSettings, field: str, problems: Problems) -> tuple[LotRule, ...]:
    if not _one_of(settings.round_lot is not None, bool(settings.lots), "round_lot", "lots", field, problems):
        return ()
    if settings.round_lot is not None:
        minimum = settings.lot if settings.minimum is None else settings.minimum
        dated = DatedLot(effective_from=ALWAYS, round_lot=settings.round_lot, lot=settings.lot, minimum=minimum)
        return (_lot(dated, field, problems),)
    if settings.minimum is not None or settings.lot != 1:
        problems.add(f"{field}.lots", "comes with lot or minimum beside it", "write them into each entry of lots")
    _check_days(settings.lots, f"{field}.lots", problems)
    return tuple(_lot(dated, f"{field}.lots[{at}]", problems) for at, dated in enumerate(settings.lots))


def _tiers(settings: InstrumentSettings, field: str, problems: Problems) -> tuple[TierRule, ...]:
    if settings.luld_tier is not None:
        if settings.luld_tiers:
            problems.add(f"{field}.luld_tier", "stands beside luld_tiers", "keep one of them")
        return (TierRule(effective_from=ALWAYS, tier=settings.luld_tier),)
    _check_days(settings.luld_tiers, f"{field}.luld_tiers", problems)
    return tuple(TierRule(effective_from=dated.effective_from, tier=dated.tier) for dated in settings.luld_tiers)


def _lot(dated: DatedLot, field: str, problems: Problems) -> LotRule:
    rule = LotRule(
        effective_from=dated.effective_from,
        round_lot_nanos=nanos(dated.round_lot, f"{field}.round_lot", problems),
        increment_nanos=nanos(dated.lot, f"{field}.lot", problems),
        minimum_nanos=nanos(dated.minimum, f"{field}.minimum", problems),
    )
    for name, value in (("round_lot", rule.round_lot_nanos), ("minimum", rule.minimum_nanos)):
        if value % rule.increment_nanos:
            problems.add(f"{field}.{name}", f"is no multiple of lot {dated.lot:f}", "make it one")
    return rule


def _one_of(single: bool, many: bool, one: str, other: str, field: str, problems: Problems) -> bool:
    if single and many:
        problems.add(f"{field}.{one}", f"stands beside {other}", "keep one of them")
    elif not single and not many:
        problems.add(f"{field}.{one}", "is missing", f"add {one}, or {other} with dates")
    return single != many


def _check_days(rows: Sequence[Dated], field: str, problems: Problems) -> None:
    """Dates must exist and ascend: the first row that does not apply yet ends the search for the one in force."""
    before = 0
    for at, row in enumerate(rows):
        place = f"{field}[{at}].from"
        try:
            day_of(row.effective_from)
        except ValueError:
            problems.add(place, f"{row.effective_from} is no day", "write it as yyyymmdd")
        if row.effective_from <= before:
            problems.add(place, f"{row.effective_from} does not come after {before}", "sort the rows by day")
        before = row.effective_from
