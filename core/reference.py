"""Reference records: whatever a decision reads that is not market data or state. Frozen, journalled before the first
input that uses them. No row for the day means deny. Built by daemon/reference/tables.py.
"""

import msgspec

from core.instruments import Instrument
from core.sessions import SessionTable


class Reference(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Base of all reference records."""


class ConfigResolved(Reference, frozen=True, tag=1):
    """The resolved config without secrets, as JSON, and its digest."""

    json: str
    digest: str


class CodeVersion(Reference, frozen=True, tag=2):
    """What ran: version, source digest (all modules), kernel digest, python and library versions."""

    version: str
    source_digest: str
    kernel_digest: str
    platform: str
    records: int = 1  # the vocabulary it wrote with: core.records.RECORDS_VERSION


class SessionsLoaded(Reference, frozen=True, tag=3):
    """One session table."""

    table: SessionTable


class InstrumentLoaded(Reference, frozen=True, tag=4):
    """One contract with its market rules."""

    instrument: Instrument


class FeeRow(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """One fee rate valid from a day. `per` = share, value, order or charge; rates and caps are nanos."""

    name: str
    effective_from: int  # yyyymmdd
    per: str
    rate_nanos: int
    sell_only: bool = False
    minimum_nanos: int = 0
    cap_nanos: int = 0  # 0 = none
    cap_value_ppm: int = 0  # cap as parts per million of trade value; 0 = none
    source: str = ""
    of: str = ""  # per = charge: the row whose charge it is a part of
    tiers: tuple[tuple[int, int], ...] = ()  # (edge, rate from there on), from 0 up, in place of rate_nanos
    tier_by: str = ""  # month or price
    venue: str = ""  # primary exchange; "" = every other
    liquidity: int = 0  # 1 = adds, 2 = takes; 0 = both


class FeesLoaded(Reference, frozen=True, tag=5):
    """The dated fee table."""

    plan: str
    rows: tuple[FeeRow, ...]


class InstrumentReference(Reference, frozen=True, tag=6):
    """Dated slow numbers of one instrument: previous close and average daily volume (20 days)."""

    inst: int
    effective_from: int
    previous_close_nanos: int = 0
    adv_nanos: int = 0
    source: str = ""
    until: int = 0  # last day on which it holds; 0 = the first is the only one


class ModelLoaded(Reference, frozen=True, tag=7):
    """One model file by digest."""

    name: str
    digest: str


class HistoryLoaded(Reference, frozen=True, tag=8):
    """Daily closes of one instrument from a file, ascending by date (yyyymmdd): for the risk worker."""

    inst: int
    dates: tuple[int, ...]
    closes_nanos: tuple[int, ...]


AnyReference = (
    ConfigResolved
    | CodeVersion
    | SessionsLoaded
    | InstrumentLoaded
    | FeesLoaded
    | InstrumentReference
    | ModelLoaded
    | HistoryLoaded
)
