"""The part for requests about the session and for all that no other part serves: a proper error or an empty list,
never silence, because clients wait for an answer. Keeps the order ids over restarts. Knows no order and no market.
"""

from collections.abc import Mapping
from typing import Final

from broker.gateway.part import Client, Fields, Handler, StillPart, World
from broker.gateway.registry import Registry
from broker.gateway.requests import NO_REQUEST, REQUESTS

INVALID: Final = 321
NO_FUNDAMENTALS: Final = 430
NO_NEWS: Final = 10276
NO_SCANNER: Final = 162
NO_SCANNER_FOUND: Final = 365

NEXT_VALID_ID, MANAGED_ACCOUNTS, SCANNER_PARAMETERS, CURRENT_TIME = 9, 15, 19, 49
DISPLAY_GROUPS, SOFT_DOLLAR_TIERS, FAMILY_CODES, NEWS_PROVIDERS, USER_INFO = 67, 77, 78, 85, 107

NO_SCANS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><ScanParameterResponse><InstrumentList varName="instrumentList"/>'
    '<LocationTree varName="locationTree"/><ScanTypeList varName="scanTypeList"/></ScanParameterResponse>'
)
# setServerLogLevel, and cancels of what cannot have been begun: bulletins, fundamentals, calculations, display groups,
# calendar (WSH) data.
NEEDS_NO_ANSWER: Final = (14, 13, 53, 56, 57, 70, 101, 103)
_FUNDAMENTALS: Final = "We are sorry, but fundamentals data for the security specified is not available.Not allowed"
_ADVISOR: Final = "FA data operations ignored for non FA customers."
_OPTIONS: Final = "Options are not traded here: nothing is calculated or exercised."
_VERIFICATION: Final = "Verification of the client program is not served."
_GROUPS: Final = "There are no display groups."
_NEWS: Final = "News feed is not allowed."
REFUSED: Final[dict[int, tuple[int, str]]] = {
    12: (INVALID, "News bulletins are not served."),
    18: (INVALID, _ADVISOR),
    19: (INVALID, _ADVISOR),
    21: (INVALID, _OPTIONS),
    52: (NO_FUNDAMENTALS, _FUNDAMENTALS),
    54: (INVALID, _OPTIONS),
    55: (INVALID, _OPTIONS),
    65: (INVALID, _VERIFICATION),
    66: (INVALID, _VERIFICATION),
    68: (INVALID, _GROUPS),
    69: (INVALID, _GROUPS),
    71: (INVALID, "The session was started already."),
    72: (INVALID, _VERIFICATION),
    73: (INVALID, _VERIFICATION),
    84: (NO_NEWS, _NEWS),
    86: (NO_NEWS, _NEWS),
    100: (NO_NEWS, _NEWS),
    102: (NO_NEWS, _NEWS),
}


class General(StillPart):
    """Answers from `world` and `registry` alone."""

    def __init__(self, world: World, registry: Registry) -> None:
        self._world = world
        self._registry = registry

    def handlers(self) -> Mapping[int, Handler]:
        """Requests it answers."""
        return {
            8: self._ids, 17: self._accounts, 49: self._time, 80: self._families,
            22: _scanner, 23: _no_scanner, 24: _scans, 67: _groups, 79: _tiers, 85: _providers, 104: _user,
            **dict.fromkeys(NEEDS_NO_ANSWER, _nothing),
            **{msg_id: _refusal(msg_id, code, text) for msg_id, (code, text) in REFUSED.items()},
        }  # fmt: skip

    # ---- what is known -----------------------------------------------------------------------------------------
    def _ids(self, client: Client, fields: Fields) -> None:
        client.send(NEXT_VALID_ID, 1, self._registry.next_valid_id(client.client_id))

    def _accounts(self, client: Client, fields: Fields) -> None:
        client.send(MANAGED_ACCOUNTS, 1, "".join(f"{account}," for account in self._world.accounts))

    def _time(self, client: Client, fields: Fields) -> None:
        client.send(CURRENT_TIME, 1, (self._world.now_ns + self._world.clock_offset_ns) // 10**9)

    def _families(self, client: Client, fields: Fields) -> None:
        accounts = self._world.accounts
        client.send(FAMILY_CODES, len(accounts), *(text for account in accounts for text in (account, "")))

    # ---- state -------------------------------------------------------------------------------------------------
    def dump(self) -> bytes:
        """The order ids."""
        return self._registry.dump()

    def load(self, state: bytes) -> None:
        """From `dump`."""
        self._registry.load(state)


def _nothing(client: Client, fields: Fields) -> None:
    """Nothing to tell, as at TWS."""


def _refusal(msg_id: int, code: int, text: str) -> Handler:
    """Answers with an error under the message's own id."""
    at = REQUESTS[msg_id].id_at

    def refuse(client: Client, fields: Fields) -> None:
        req_id = NO_REQUEST
        if 0 <= at < fields.left:
            fields.skip(at)
            req_id = fields.integer(NO_REQUEST)
        client.error(req_id, code, f"Error validating request.-'gw' : cause - {text}" if code == INVALID else text)

    return refuse


def _scanner(client: Client, fields: Fields) -> None:
    req_id = fields.integer()
    fields.skip(3)
    text = f"Historical Market Data Service error message:Scanner type with code {fields.text()} is disabled"
    client.error(req_id, NO_SCANNER, text)


def _no_scanner(client: Client, fields: Fields) -> None:
    fields.skip(1)
    req_id = fields.integer()
    client.error(req_id, NO_SCANNER_FOUND, f"No scanner subscription found for ticker id:{req_id}")


def _scans(client: Client, fields: Fields) -> None:
    client.send(SCANNER_PARAMETERS, 1, NO_SCANS)


def _groups(client: Client, fields: Fields) -> None:
    fields.skip(1)
    client.send(DISPLAY_GROUPS, 1, fields.integer(), "")


def _tiers(client: Client, fields: Fields) -> None:
    client.send(SOFT_DOLLAR_TIERS, fields.integer(), 0)


def _providers(client: Client, fields: Fields) -> None:
    client.send(NEWS_PROVIDERS, 0)


def _user(client: Client, fields: Fields) -> None:
    client.send(USER_INFO, fields.integer(), "")
