"""Callbacks of the library's decoder: each appends what it was given to `inbox` and does nothing else. Whatever the
decoder swallows (it logs every exception and goes on, also over a lost fill) becomes an entry too.

The entries are tuples (name of the callback, its arguments); the adapter takes them at the end of a socket read.
"""

import sys
from typing import Any, Final

Entry = tuple[Any, ...]

FAULT: Final = "fault"
FAULT_TEXT_MAX: Final = 400

# What the decoder calls and we never ask for: bulletins, scanners, options, news, depth. Anything else is a fault.
_NOT_ASKED: Final = (
    "bondContractDetails", "connectionClosed", "deltaNeutralValidation", "displayGroupList", "displayGroupUpdated",
    "familyCodes", "fundamentalData", "headTimestamp", "histogramData", "historicalDataUpdate", "historicalNews",
    "historicalNewsEnd", "historicalSchedule", "historicalTicks", "historicalTicksBidAsk", "historicalTicksLast",
    "mktDepthExchanges", "newsArticle", "newsProviders", "orderBound", "pnl", "pnlSingle", "positionMulti",
    "positionMultiEnd", "receiveFA", "replaceFAEnd", "rerouteMktDataReq", "rerouteMktDepthReq", "scannerData",
    "scannerDataEnd", "scannerParameters", "securityDefinitionOptionParameter",
    "securityDefinitionOptionParameterEnd", "setEventsDone", "smartComponents", "softDollarTiers", "symbolSamples",
    "tickByTickAllLast", "tickByTickBidAsk", "tickByTickMidPoint", "tickEFP", "tickNews", "tickOptionComputation",
    "tickReqParams", "updateMktDepth", "updateMktDepthL2", "updateNewsBulletin", "userInfo", "verifyAndAuthCompleted",
    "verifyAndAuthMessageAPI", "verifyCompleted", "verifyMessageAPI", "wshEventData", "wshMetaData",
)  # fmt: skip
_TAKEN: Final = (
    "accountDownloadEnd", "accountSummary", "accountSummaryEnd", "accountUpdateMulti", "accountUpdateMultiEnd",
    "completedOrder", "completedOrdersEnd", "contractDetails", "contractDetailsEnd", "currentTime", "error",
    "execDetailsEnd", "historicalData", "historicalDataEnd", "managedAccounts", "marketDataType", "marketRule",
    "nextValidId", "openOrder", "openOrderEnd", "position", "positionEnd", "tickGeneric", "tickSnapshotEnd",
    "tickString", "updateAccountTime", "updateAccountValue", "updatePortfolio",
)  # fmt: skip


class Wrapper:
    """The inbox of one connection."""

    def __init__(self) -> None:
        self.inbox: list[Entry] = []
        for name in _TAKEN:
            setattr(self, name, self._taker(name))
        for name in _NOT_ASKED:
            setattr(self, name, _nothing)

    def _taker(self, name: str) -> Any:
        def take(*arguments: Any) -> None:
            self.inbox.append((name, *arguments))

        return take

    def fault(self, text: str) -> None:
        """Something that was not understood, in its place among the messages."""
        self.inbox.append((FAULT, text[:FAULT_TEXT_MAX]))

    def take(self) -> list[Entry]:
        """Everything since the last call, in order of receipt."""
        taken, self.inbox = self.inbox, []
        return taken


def _nothing(*_: Any) -> None:
    """For what we never ask for."""


class DecoderFaults:
    """Stands in for the decoder's logger: what it would only log is a fault."""

    def __init__(self, wrapper: Wrapper) -> None:
        self._wrapper = wrapper

    def exception(self, text: object, *_: object) -> None:
        """An exception the decoder has caught."""
        error = sys.exc_info()[1]
        self._wrapper.fault(f"{type(error).__name__}: {error}; {text}")

    def error(self, text: object, *_: object) -> None:
        """A message it refused."""
        self._wrapper.fault(str(text))

    warning = error

    def debug(self, *_: object) -> None:
        """Of no interest."""

    info = debug
