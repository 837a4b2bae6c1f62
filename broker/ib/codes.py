"""What each error code of the gateway means for us. One table; a code that is not in it concludes nothing: with an
order's number it is a doubt that a synchronisation settles, else it is logged.

ib_async concludes "Cancelled" from any code it does not list, which is how live orders got lost by their owners
(10349, 201 on a modify, 104, 161, 10148): here a code ends an order only where the broker says so.
"""

from enum import IntEnum
from typing import Final


class Meaning(IntEnum):
    """Whom a code concerns and what follows."""

    NOTE = 1  # informational: the order, the line or the session goes on
    REFUSED = 2  # the order's last request was refused: the new order, the modify or the cancel, whichever is pending
    CANCELLED = 3  # the order is off the book
    CANCEL_REFUSED = 4  # the cancel was refused: the order is what its next status says
    DOUBT = 5  # about an order, and not conclusive
    LINK_LOST = 6  # the gateway has lost the broker's servers
    LINK_BACK = 7  # and has them again, data kept
    LINK_BACK_EMPTY = 8  # and has them again, subscriptions gone
    SOCKET = 9  # this connection is over
    FARM_BROKEN = 10  # a data farm is gone: data only, never the orders
    FARM_BACK = 11
    DATA = 12  # this request for data failed: the line is blind, the request is asked again
    DATA_NEVER = 13  # and asking again will not help soon: entitlement, contract
    HISTORY = 14  # a historical request failed
    PACING = 15  # too many messages or requests
    CLIENT_ID = 16  # the client id is taken
    READ_ONLY = 17  # the gateway takes no orders from the API
    ACCOUNT_DATA = 18  # account data changed hands


M = Meaning
CODES: Final[dict[int, Meaning]] = {
    # ---- link ----
    1100: M.LINK_LOST,
    2110: M.LINK_LOST,  # TWS to server broken, restores itself
    1101: M.LINK_BACK_EMPTY,
    1102: M.LINK_BACK,
    1300: M.SOCKET,  # the port has changed
    502: M.SOCKET,
    503: M.SOCKET,
    504: M.SOCKET,
    507: M.SOCKET,
    326: M.CLIENT_ID,
    # ---- farms: never the order channel ----
    2103: M.FARM_BROKEN,
    2105: M.FARM_BROKEN,
    2157: M.FARM_BROKEN,
    2104: M.FARM_BACK,
    2106: M.FARM_BACK,
    2158: M.FARM_BACK,
    2107: M.NOTE,  # inactive, there on demand
    2108: M.NOTE,
    2119: M.NOTE,  # connecting
    # ---- session ----
    100: M.PACING,
    2100: M.ACCOUNT_DATA,
    2101: M.NOTE,
    2102: M.REFUSED,  # the order is still being processed: the modify was not taken
    2109: M.NOTE,  # outsideRth ignored
    2137: M.NOTE,  # cross side
    2168: M.NOTE,
    2169: M.NOTE,
    2174: M.NOTE,  # time zone of a request
    # ---- orders ----
    103: M.REFUSED,  # duplicate order id
    104: M.REFUSED,  # modify of a filled order
    105: M.REFUSED,  # modify does not match
    106: M.REFUSED,
    107: M.REFUSED,
    109: M.REFUSED,
    110: M.REFUSED,  # price increment
    111: M.REFUSED,  # type and time in force clash
    113: M.REFUSED,
    115: M.REFUSED,
    116: M.REFUSED,
    117: M.REFUSED,
    118: M.REFUSED,
    119: M.REFUSED,
    120: M.REFUSED,
    121: M.REFUSED,
    122: M.REFUSED,
    125: M.REFUSED,
    126: M.REFUSED,
    129: M.REFUSED,
    131: M.REFUSED,
    132: M.REFUSED,
    133: M.REFUSED,
    135: M.REFUSED,  # cannot find the order
    136: M.CANCEL_REFUSED,
    137: M.REFUSED,
    140: M.REFUSED,
    141: M.REFUSED,
    144: M.REFUSED,
    145: M.REFUSED,
    146: M.REFUSED,
    147: M.REFUSED,
    148: M.REFUSED,
    151: M.REFUSED,
    152: M.REFUSED,
    153: M.REFUSED,
    154: M.REFUSED,  # halted
    156: M.REFUSED,
    157: M.REFUSED,
    158: M.REFUSED,
    159: M.REFUSED,
    160: M.REFUSED,
    161: M.CANCEL_REFUSED,  # not in a cancellable state
    163: M.REFUSED,  # price percentage
    164: M.NOTE,  # no market data to check the price with
    168: M.NOTE,
    200: M.REFUSED,  # no security definition, or an ambiguous one (also of data requests)
    201: M.REFUSED,
    202: M.CANCELLED,
    203: M.REFUSED,
    311: M.REFUSED,
    312: M.REFUSED,
    313: M.REFUSED,
    314: M.REFUSED,
    325: M.REFUSED,
    328: M.REFUSED,
    329: M.REFUSED,  # modify: cannot change to the new order type
    320: M.REFUSED,
    321: M.REFUSED,
    322: M.REFUSED,  # also of an account request beyond its limit
    327: M.REFUSED,
    335: M.REFUSED,
    336: M.REFUSED,
    355: M.REFUSED,
    361: M.REFUSED,
    382: M.REFUSED,
    383: M.REFUSED,
    387: M.REFUSED,
    388: M.REFUSED,
    389: M.REFUSED,
    391: M.REFUSED,
    399: M.NOTE,  # order message; "will not be placed at the exchange until …"
    404: M.NOTE,  # held while shares are located
    413: M.REFUSED,
    432: M.REFUSED,
    434: M.DOUBT,  # size zero: of an order that is live the library calls it a warning
    435: M.REFUSED,
    436: M.REFUSED,
    439: M.REFUSED,
    441: M.REFUSED,
    461: M.REFUSED,
    463: M.REFUSED,
    481: M.NOTE,  # size reduced: the openOrder that follows says to what
    492: M.NOTE,
    10006: M.REFUSED,  # missing parent
    10147: M.CANCEL_REFUSED,  # not found
    10148: M.CANCEL_REFUSED,
    10149: M.REFUSED,
    10268: M.REFUSED,
    10349: M.NOTE,  # time in force set by preset
    # ---- data ----
    101: M.DATA_NEVER,  # no line left
    102: M.DATA,  # duplicate ticker id
    300: M.NOTE,  # cancel of a line that is gone
    309: M.DATA_NEVER,  # depth, which is not asked for
    316: M.NOTE,
    317: M.NOTE,
    310: M.NOTE,
    354: M.DATA_NEVER,
    10089: M.DATA_NEVER,
    10090: M.DATA_NEVER,
    10091: M.DATA_NEVER,
    10167: M.DATA_NEVER,  # the stream goes on, delayed: never trade on it
    10168: M.DATA_NEVER,
    10182: M.DATA,  # live updates disconnected
    10186: M.DATA_NEVER,
    10189: M.DATA_NEVER,
    10190: M.DATA_NEVER,
    10197: M.DATA,  # a competing session has the data
    10225: M.DATA,  # bust event: bars must be subscribed again
    420: M.DATA,
    162: M.HISTORY,
    165: M.NOTE,
    366: M.NOTE,  # cancel of a historical request that has ended
    10314: M.HISTORY,
}

READ_ONLY_TEXT: Final = "Read-Only"  # 321 in words: no code of its own


def meaning_of(code: int, text: str) -> Meaning | None:
    """What a code says; None = not in the table."""
    if code == 321 and READ_ONLY_TEXT.lower() in text.lower():
        return M.READ_ONLY
    return CODES.get(code)
