"""Instruments: what an order must know about a security. Tick and lot are dated; nothing here is a constant."""

from typing import TypeVar

import msgspec

from core.units import NANO

R = TypeVar("R", "TickRule", "LotRule", "TierRule")

STK = "STK"  # stocks and ETFs; the only security type in scope so far


class TickRule(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Price increments valid from a day: (low edge, increment) pairs in nanos, ascending (IB marketRule)."""

    effective_from: int  # yyyymmdd
    increments: tuple[tuple[int, int], ...]


class LotRule(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Round lot and order size increment valid from a day, in share nanos."""

    effective_from: int
    round_lot_nanos: int
    increment_nanos: int
    minimum_nanos: int


class TierRule(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Limit Up / Limit Down tier (1 or 2) valid from a day."""

    effective_from: int
    tier: int


class Instrument(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """One security; `inst` is its row in every per-instrument array of this run."""

    inst: int
    symbol: str
    con_id: int
    sec_type: str
    exchange: str
    primary_exchange: str
    currency: str
    calendar: str  # session table key, e.g. XNYS
    ticks: tuple[TickRule, ...]
    lots: tuple[LotRule, ...]
    etf: bool = False
    sector: str = ""
    multiplier_nanos: int = NANO
    country: str = "US"  # of the issuer
    issuer: str = ""  # "" = the symbol is the only security of its issuer here
    tiers: tuple[TierRule, ...] = ()  # none for the day = tier 2


def increment_at(rule: TickRule, px_nanos: int) -> int:
    """The price increment that applies at a price."""
    found = rule.increments[0][1]
    for low_edge, increment in rule.increments:
        if px_nanos < low_edge:
            break
        found = increment
    return found


def rule_on(rules: tuple[R, ...], date: int) -> R | None:
    """The dated rule in force on a day (yyyymmdd); None before the first: the caller denies."""
    found: R | None = None
    for rule in rules:
        if rule.effective_from <= date:
            found = rule
    return found
