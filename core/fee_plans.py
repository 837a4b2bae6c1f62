"""The US schedules as dated rows: broker, clearing, exchange, SEC, FINRA, audit trail. Owns the numbers; what they mean
is core/fees.py. An account's own exchange fees come as further rows from the config.
"""

from typing import Final

from core.fees import ADDED, BY_MONTH, BY_PRICE, REMOVED
from core.reference import FeeRow
from core.units import NANO

COMMISSION: Final = "commission"
CLEARING: Final = "clearing"
NYSE: Final = "nyse"
FINRA: Final = "finra"
EXCHANGE: Final = "exchange"
SEC31: Final = "sec31"
TAF: Final = "taf"
CAT: Final = "cat"
OCC: Final = "occ"

_BACK = "; extended back to 2000-01-01, not the rate of those years"

_US_REGULATORY: Final = (
    FeeRow(
        name=SEC31, effective_from=20000101, per="value", rate_nanos=27_800, sell_only=True,
        source="SEC Section 31, 27.80 per million until 2025-05-13" + _BACK,
    ),
    FeeRow(
        name=SEC31, effective_from=20250514, per="value", rate_nanos=0, sell_only=True,
        source="SEC Section 31, 0.00 from 2025-05-14",
    ),
    FeeRow(
        name=SEC31, effective_from=20260404, per="value", rate_nanos=20_600, sell_only=True,
        source="SEC fee rate advisory 2026-2, 20.60 per million from 2026-04-04",
    ),
    FeeRow(
        name=TAF, effective_from=20000101, per="share", rate_nanos=166_000, sell_only=True, cap_nanos=8_300_000_000,
        source="FINRA TAF 2025, .000166 a share, cap 8.30 a trade" + _BACK,
    ),
    FeeRow(
        name=TAF, effective_from=20260101, per="share", rate_nanos=195_000, sell_only=True, cap_nanos=9_790_000_000,
        source="FINRA TAF 2026, .000195 a share, cap 9.79 a trade",
    ),
    FeeRow(
        name=TAF, effective_from=20261001, per="share", rate_nanos=0, sell_only=True,
        source="SR-FINRA-2026-021 (34-106409): 0 from 2026-10-01 to 2026-12-31; pass-through by the broker unverified",
    ),
    FeeRow(
        name=TAF, effective_from=20270101, per="share", rate_nanos=232_000, sell_only=True, cap_nanos=11_610_000_000,
        source="FINRA TAF schedule 2027, .000232 a share, cap 11.61 a trade",
    ),
    FeeRow(
        name=CAT, effective_from=20000101, per="share", rate_nanos=72_000,
        source="IBKR commission page 2025, .000072 a share" + _BACK,
    ),
    FeeRow(
        name=CAT, effective_from=20260501, per="share", rate_nanos=3_000,
        source="CAT 2026-1 .000001 + Historical 1A .000002 a share, from May 2026",
    ),
)  # fmt: skip

_TIERED_PAGE: Final = "IBKR commission page 2025, Tiered: "

_ACCESS: Final = (
    FeeRow(
        name=EXCHANGE, effective_from=20000101, per="share", rate_nanos=3_000_000, liquidity=REMOVED,
        source="17 CFR 242.610(c): the most a venue may take, .0030 a share: a bound until [[fees.venues]] says better",
    ),
    FeeRow(
        name=EXCHANGE, effective_from=20000101, per="share", rate_nanos=0, liquidity=ADDED,
        source="no rebate until [[fees.venues]] says one",
    ),
)  # fmt: skip

DEFAULT_PLANS: Final[dict[str, tuple[FeeRow, ...]]] = {
    "ibkr_pro_fixed": (
        FeeRow(
            name=COMMISSION, effective_from=20000101, per="share", rate_nanos=5_000_000,
            minimum_nanos=NANO, cap_value_ppm=10_000,
            source="IBKR commission page 2025, Fixed: .005 a share, min 1.00 an order, max 1 % of value" + _BACK,
        ),
        *_US_REGULATORY,
    ),
    "ibkr_pro_tiered": (
        FeeRow(
            name=COMMISSION, effective_from=20000101, per="share", rate_nanos=3_500_000,
            minimum_nanos=350_000_000, cap_value_ppm=10_000, tier_by=BY_MONTH,
            tiers=(
                (0, 3_500_000), (300_000 * NANO, 2_000_000), (3_000_000 * NANO, 1_500_000),
                (20_000_000 * NANO, 1_000_000), (100_000_000 * NANO, 500_000),
            ),
            source=_TIERED_PAGE + "by the month's shares, min .35 an order, max 1 % of value" + _BACK,
        ),
        FeeRow(
            name=CLEARING, effective_from=20000101, per="share", rate_nanos=200_000,
            source=_TIERED_PAGE + "NSCC, DTC .00020 a share" + _BACK,
        ),
        FeeRow(
            name=NYSE, effective_from=20000101, per="charge", of=COMMISSION, rate_nanos=175_000,
            source=_TIERED_PAGE + "NYSE pass-through, commission times .000175" + _BACK,
        ),
        FeeRow(
            name=FINRA, effective_from=20000101, per="charge", of=COMMISSION, rate_nanos=560_000,
            source=_TIERED_PAGE + "FINRA pass-through, commission times .00056" + _BACK,
        ),
        *_ACCESS,
        *_US_REGULATORY,
    ),
}  # fmt: skip

# No plan of a config: options are refused there. Kept because the schedule is one, and tested with it.
OPTION_ROWS: Final = (
    FeeRow(
        name=COMMISSION, effective_from=20000101, per="share", rate_nanos=650_000_000, minimum_nanos=NANO,
        tier_by=BY_PRICE, tiers=((0, 250_000_000), (NANO // 20, 500_000_000), (NANO // 10, 650_000_000)),
        source="IBKR options, a contract: .25 below a premium of .05, .50 below .10, else .65; min 1.00 an order",
    ),
    FeeRow(name=OCC, effective_from=20000101, per="share", rate_nanos=25_000_000, source="OCC .025 a contract"),
    FeeRow(
        name=TAF, effective_from=20260101, per="share", rate_nanos=3_290_000, sell_only=True,
        source="FINRA TAF 2026, options .00329 a contract",
    ),
)  # fmt: skip
