"""/api/v1: what a person reads with the command line, as JSON, for machines. There is no command here, and the trader
is asked rarely, one question at a time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import ConfigError, JournalError, Refused
from daemon.control.client import CommandFailed, NotReachable
from daemon.journal_fold import JournalFold
from daemon.ops.http.answers import Refusal, json_response
from daemon.ops.http.books import Books, Busy
from daemon.ops.view import ANSWERS, TooMany, View
from daemon.status.books import filled_rows, held_rows, order_rows, profit_rows, schedule_rows
from daemon.status.cash import cash_rows, lot_rows
from daemon.status.picture import Status, named

PREFIX: Final = "/api/v1"
ROWS_MAX: Final = 10_000
FILLS_USUAL: Final = 50
NAME_LENGTH_MAX: Final = 64
ANSWER_KEPT_S: Final = 1.0  # the trader is asked the same thing at most this often
ANSWERS_KEPT_MAX: Final = 64
SWITCH: Final = {"": True, "1": True, "true": True, "0": False, "false": False}

Endpoint = Callable[[Request], Awaitable[Any]]


class Api:
    """The endpoints over one view."""

    def __init__(self, view: View, books: Books) -> None:
        self._view = view
        self._books = books
        self._kept: OrderedDict[tuple[str, str | None, str | None], tuple[float, msgspec.Raw]] = OrderedDict()
        # (path, what it takes, what it answers, how). The first three are its own documentation.
        self._table: tuple[tuple[str, tuple[str, ...], str, Endpoint], ...] = (
            ("ping", (), "that the ops process answers, and whether the trader does", self._ping),
            ("version", (), "versions and digests of what runs", self._version),
            ("status", (), "the whole picture, as `quantd status --json`", self._status),
            ("pnl", (), "equity, cash, the day's profit, and profit by strategy", self._pnl),
            ("positions", (), "positions by strategy", self._positions),
            ("orders", ("all",), "working orders; all=true: ended ones too", self._orders),
            ("schedules", (), "live schedules", self._schedules),
            ("fills", ("limit",), "executions of two trading days, the newest `limit`", self._fills),
            ("cash", (), "cash by currency and kind", self._cash),
            ("lots", (), "open lots, first in first out", self._lots),
            ("alerts", (), "the newest alerts, and the codes that wait for `quantd ack`", self._alerts),
            ("latches", (), "what holds trading back: halts, kills, approvals that wait", self._latches),
            ("feed", (), "market data by symbol", self._feed),
            ("refusals", (), "the newest orders that the gate refused, and how many by control", self._refusals),
            ("why-not", ("symbol",), "everything that blocks a new order", self._why_not),
            ("limits", ("symbol", "strategy"), "limits as configured, changed and in force", self._limits),
            ("kills", (), "the report of every kill", self._kills),
        )

    def routes(self) -> list[Route]:
        """All of them; the prefix itself lists them."""
        found = [Route(PREFIX, self._index, methods=["GET"])]
        for path, takes, _, endpoint in self._table:
            found.append(Route(f"{PREFIX}/{path}", _answering(endpoint, takes), methods=["GET"]))
        return found

    async def _index(self, request: Request) -> Response:
        return json_response(
            [{"path": f"{PREFIX}/{path}", "takes": takes, "answers": says} for path, takes, says, _ in self._table]
        )

    # ---- from the view -----------------------------------------------------------------------------------------
    def _picture(self) -> Status:
        status = self._view.status
        if status is None:
            raise Refusal(503, f"the trader does not answer: {self._view.seen.fault}", "see /readyz")
        return status

    async def _ping(self, request: Request) -> Any:
        return {"ops": True, "trader": self._view.seen.trader == ANSWERS}

    async def _version(self, request: Request) -> Any:
        status = self._view.status
        return {"ops": metadata.version("quantd"), "trader": {} if status is None else status.running}

    async def _status(self, request: Request) -> Any:
        seen = self._view.seen
        follower = {"running": seen.follower_runs} | (named(seen.follower) or {})
        guard = {"running": seen.guard_runs} | (named(seen.guard) or {})
        return named(self._picture()) | {"follower": follower, "guard": guard}

    async def _pnl(self, request: Request) -> Any:
        status = self._picture()
        told = {"currency": status.currency, "equity": status.equity, "cash": status.cash, "day_pnl": status.day_pnl}
        return told | {"strategies": await self._from_books(lambda fold: profit_rows(fold.money, fold.mark_nanos))}

    async def _alerts(self, request: Request) -> Any:
        delivery = self._view.seen.delivery
        told = {"open": [], "targets": []} if delivery is None else named(delivery)
        return {"newest": named(self._picture().alerts), "open": told["open"], "targets": told["targets"]}

    async def _latches(self, request: Request) -> Any:
        status = self._picture()
        return {
            "ladder": status.ladder,
            "latches": named(status.latches),
            "kills": named(status.kills),
            "approvals": named(status.approvals),
            "strategies": named(status.strategies),
            "differences": status.differences,
            "unknown": status.unknown,
        }

    async def _feed(self, request: Request) -> Any:
        return named(self._picture().feed)

    async def _refusals(self, request: Request) -> Any:
        status = self._picture()
        return {"newest": named(status.refusals), "count": status.counters.refusals}

    # ---- from the books ----------------------------------------------------------------------------------------
    async def _from_books(self, rows: Callable[[JournalFold], Any]) -> Any:
        return named(await self._books.ask(rows))

    async def _positions(self, request: Request) -> Any:
        return await self._from_books(lambda fold: held_rows(fold.money, fold.mark_nanos))

    async def _orders(self, request: Request) -> Any:
        everything = _switch(request, "all")
        return await self._from_books(lambda fold: order_rows(fold.money, everything=everything)[-ROWS_MAX:])

    async def _schedules(self, request: Request) -> Any:
        return await self._from_books(lambda fold: schedule_rows(fold.money))

    async def _fills(self, request: Request) -> Any:
        most = _number(request, "limit", usual=FILLS_USUAL, most=ROWS_MAX)
        return await self._from_books(lambda fold: filled_rows(fold.money)[-most:])

    async def _cash(self, request: Request) -> Any:
        return await self._from_books(lambda fold: cash_rows(fold.money))

    async def _lots(self, request: Request) -> Any:
        return await self._from_books(lambda fold: lot_rows(fold.money)[-ROWS_MAX:])

    # ---- asked of the trader -----------------------------------------------------------------------------------
    async def _why_not(self, request: Request) -> Any:
        return await self._asked("why-not", _name(request, "symbol"), None)

    async def _limits(self, request: Request) -> Any:
        return await self._asked("limits", _name(request, "symbol"), _name(request, "strategy"))

    async def _kills(self, request: Request) -> Any:
        return await self._asked("kills", None, None)

    async def _asked(self, command: str, symbol: str | None, strategy: str | None) -> msgspec.Raw:
        """The trader's own answer; one of a moment ago is as good."""
        key, now_s = (command, symbol, strategy), asyncio.get_running_loop().time()
        kept = self._kept.get(key)
        if kept is not None and now_s - kept[0] < ANSWER_KEPT_S:
            return kept[1]
        fields = {name: value for name, value in (("symbol", symbol), ("strategy", strategy)) if value is not None}
        answer = msgspec.Raw(bytes(await self._view.ask(command, **fields)))
        self._kept[key] = (asyncio.get_running_loop().time(), answer)
        self._kept.move_to_end(key)
        while len(self._kept) > ANSWERS_KEPT_MAX:
            self._kept.popitem(last=False)
        return answer


def _answering(endpoint: Endpoint, takes: tuple[str, ...]) -> Callable[[Request], Awaitable[Response]]:
    """With faults of ours turned into answers."""

    async def answer(request: Request) -> Response:
        for name in request.query_params:
            if name not in takes:
                told = f"it takes {', '.join(takes)}" if takes else "it takes none"
                raise Refusal(400, f"unknown parameter {name[:NAME_LENGTH_MAX]!r}", told)
        try:
            return json_response(await endpoint(request))
        except (TooMany, Busy) as fault:
            raise Refusal(429, str(fault), "ask less often", retry_after="1") from fault
        except NotReachable as fault:
            raise Refusal(503, str(fault), "see /readyz") from fault
        except Refused as fault:
            raise Refusal(400, str(fault), "correct the parameter") from fault
        except CommandFailed as fault:
            raise Refusal(502, str(fault), "are ops and trader of one release? restart ops") from fault
        except (ConfigError, JournalError) as fault:
            raise Refusal(503, f"no books: {fault}", "has a trader run with this state directory?") from fault

    return answer


def _name(request: Request, field: str) -> str | None:
    given = request.query_params.get(field)
    if given is not None and not (0 < len(given) <= NAME_LENGTH_MAX and given.isprintable()):
        raise Refusal(400, f"{field}: not a name", f"give 1 to {NAME_LENGTH_MAX} printable characters")
    return given


def _number(request: Request, field: str, *, usual: int, most: int) -> int:
    given = request.query_params.get(field, str(usual))
    if not (given.isascii() and given.isdigit() and len(given) <= 9 and 1 <= int(given) <= most):
        raise Refusal(400, f"{field}: not a number", f"give 1 to {most}")
    return int(given)


def _switch(request: Request, field: str) -> bool:
    given = request.query_params.get(field, "0")
    if given not in SWITCH:
        raise Refusal(400, f"{field}: not a switch", "give true or false")
    return SWITCH[given]
