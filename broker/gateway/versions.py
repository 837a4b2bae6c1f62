"""Protocol versions of the TWS socket API: what this gateway speaks and what changes on the wire from which version on.

Everything older than `VERSION_MIN` is always on. No other module writes one of these numbers.
"""

from typing import Final

VERSION_MIN: Final = 157  # ibapi 9.81, the oldest client served
VERSION_MAX: Final = 178  # ib_async 2.1's newest; from 201 on the protocol is protobuf by family

DURATION: Final = 158  # placeOrder and openOrder: + duration
POST_TO_ATS: Final = 160  # + postToAts
AUTO_CANCEL_PARENT: Final = 162  # + autoCancelParent
# Sizes may be fractional; below, sizes and volumes must be integer text: ibapi 9.81 does int("300.0"), and the
# ValueError ends its reader loop and the connection.
FRACTIONAL_SIZES: Final = 163
SIZE_RULES: Final = 164  # contractDetails: no version field and no mdSizeMultiplier, tail of three sizes
HISTORICAL_SCHEDULE: Final = 165
ADVANCED_REJECT: Final = 166  # error: + advancedOrderRejectJson; placeOrder: + advancedErrorOverride
USER_INFO: Final = 167
MANUAL_ORDER_TIME: Final = 169  # placeOrder: + manualOrderTime; cancelOrder: + manualOrderCancelTime
PEGGED_BEST: Final = 170  # placeOrder: conditional fields; openOrder and completedOrder: tail of five
BAR_TIMEZONE: Final = 174  # times of bars carry their zone
BOND_ISSUER: Final = 176  # reqContractDetails: + issuerId; symbolSamples: + description, issuerId
NO_FA_PROFILE: Final = 177  # faProfile is gone from placeOrder, openOrder, completedOrder
PENDING_PRICE_REVISION: Final = 178  # execDetails: + pendingPriceRevision


def agreed(client_min: int, client_max: int) -> int:
    """The version both sides speak; 0 = there is none, the connection is closed."""
    if client_min > VERSION_MAX or client_max < VERSION_MIN or client_min > client_max:
        return 0
    return min(VERSION_MAX, client_max)
