"""Settings of `[[gateway.contracts]]`: contracts that exist by name only, and what is known of the traded ones besides.

Ships a few well-known ones, so that a client's connection and contract requests meet what they expect.
"""

from itertools import pairwise
from typing import Final, Literal

import msgspec

from core.errors import ConfigError
from core.units import parse_nanos

CON_ID_MAX: Final = 2**31 - 1
STRIKES_MAX: Final = 64  # of one chain: with its months and two rights the most contracts one entry makes


class ContractSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """One contract, or with `months` a family of them: clients find it, but it has no market here.

    An entry with the symbol of a configured instrument (sec_type "STK", no con_id) adds long name, ISIN and industry.
    """

    symbol: str  # as clients ask for it
    sec_type: Literal["STK", "FUT", "OPT", "CASH", "IND"]  # what it is
    exchange: str = "SMART"  # valid exchanges, the first is the usual one: "CBOE,SMART"
    primary_exchange: str = ""  # of stocks
    currency: str = "USD"  # it is quoted in
    con_id: int = 0  # 0 = made from the description, the same every time; of a family always so
    long_name: str = ""  # shown in details and found by symbol search
    isin: str = ""  # clients may ask by it
    industry: str = ""  # shown in details
    local_symbol: str = ""  # "" = the symbol, or as usual for futures and options
    trading_class: str = ""  # "" = the symbol
    multiplier: str = ""  # of futures and options
    min_tick: str = "0.01"  # price step
    months: Literal["", "monthly", "quarterly"] = ""  # futures and options: the next four expiries, on third Fridays
    strikes: tuple[str, ...] = ()  # options: the chain's strikes, ascending
    underlying: str = ""  # options: symbol of the underlying

    def __post_init__(self) -> None:
        field = f"gateway.contracts {self.symbol}"
        if not self.symbol or not self.exchange:
            raise ConfigError("gateway.contracts: symbol and exchange must not be empty")
        if not 0 <= self.con_id <= CON_ID_MAX:
            raise ConfigError(f"{field}.con_id: {self.con_id} is out of bounds; use 0 to {CON_ID_MAX}")
        if (self.sec_type in ("FUT", "OPT")) != bool(self.months):
            raise ConfigError(f'{field}.months: "monthly" or "quarterly" for FUT and OPT, and only for those')
        if (self.sec_type == "OPT") != bool(self.strikes) or len(self.strikes) > STRIKES_MAX:
            raise ConfigError(f"{field}.strikes: one to {STRIKES_MAX} for OPT, and only for those")
        if (self.sec_type == "OPT") != bool(self.underlying):
            raise ConfigError(f"{field}.underlying: its symbol for OPT, and only for those")
        try:
            strikes = [parse_nanos(strike, field=f"{field}.strikes") for strike in self.strikes]
            step = parse_nanos(self.min_tick, field=f"{field}.min_tick")
        except ValueError as fault:
            raise ConfigError(f"{fault}; write a decimal number as text") from fault
        if step <= 0 or any(strike <= 0 for strike in strikes) or any(b <= a for a, b in pairwise(strikes)):
            raise ConfigError(f"{field}: min_tick and strikes must be positive, and strikes ascend")


WELL_KNOWN: Final = (
    ContractSettings(
        symbol="ES", sec_type="FUT", exchange="CME", long_name="E-mini S&P 500", multiplier="50", min_tick="0.25",
        months="quarterly",
    ),
    ContractSettings(
        symbol="EUR", sec_type="CASH", exchange="IDEALPRO", con_id=12087792, long_name="European Monetary Union Euro",
        local_symbol="EUR.USD", trading_class="EUR.USD", min_tick="0.00005",
    ),
    ContractSettings(
        symbol="SPX", sec_type="IND", exchange="CBOE", con_id=416904, long_name="S&P 500 Stock Index",
    ),
    ContractSettings(
        symbol="SPX", sec_type="OPT", exchange="SMART,CBOE", long_name="S&P 500 Stock Index", multiplier="100",
        min_tick="0.05", months="monthly", underlying="SPX",
        strikes=tuple(str(strike) for strike in range(5000, 7001, 100)),
    ),
)  # fmt: skip
