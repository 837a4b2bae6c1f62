"""Requests about corporate actions and corrections of the books become facts here. Decides nothing: the engine does."""

import re
from datetime import date as calendar_date
from typing import Final

from core import events as e
from core.corporate import PPM, BookLine, Terms
from core.units import NANO
from daemon.control import messages as m
from daemon.control.fields import Unacceptable, amount_of, reason_of, signed_of

ID_LENGTH_MAX: Final = 80
_RATIO: Final = re.compile(r"(\d{1,5}):(\d{1,5})")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_KIND: Final = re.compile(r"[a-z][a-z0-9 -]{0,39}")


def corporate_applied(request: m.ApplyCorporate, operator: str, symbols: tuple[str, ...]) -> e.CorporateActionApplied:
    """One action with its terms; what a kind needs is there, what it does not know is not."""
    terms = Terms(action_id=_id("action_id", request.action_id), kind=request.kind)
    if request.kind == "split":
        ratio = _RATIO.fullmatch(request.ratio)
        if ratio is None:
            raise Unacceptable(f"ratio {request.ratio[:20]!r}: write new shares for old ones, as 2:1 or 1:10")
        terms = Terms(
            action_id=terms.action_id, kind=terms.kind, inst=_inst(request.symbol, symbols),
            ex_date=_date("ex_date", request.ex_date), num=int(ratio[1]), den=int(ratio[2]),
        )  # fmt: skip
    elif request.kind == "dividend":
        withheld = signed_of("withheld", request.withheld_percent)
        if not 0 <= withheld <= 100 * NANO or withheld % (NANO // 10_000):
            raise Unacceptable("withheld: a percentage from 0 to 100, with at most four decimals")
        terms = Terms(
            action_id=terms.action_id, kind=terms.kind, inst=_inst(request.symbol, symbols),
            ex_date=_date("ex_date", request.ex_date), pay_date=_date("pay_date", request.pay_date),
            per_share_nanos=amount_of("per_share", request.per_share), currency=_currency(request.currency),
            withheld_ppm=withheld * PPM // (100 * NANO),
        )  # fmt: skip
    return e.CorporateActionApplied(terms=terms, now=request.now, reason=reason_of(request.reason), operator=operator)


def books_corrected(request: m.CorrectBooks, operator: str, symbols: tuple[str, ...]) -> e.BooksCorrected:
    """All lines, each with its own id."""
    lines = tuple(_line(given, symbols) for given in request.lines)
    if len({line.line_id for line in lines}) != len(lines):
        raise Unacceptable("lines: two have the same line_id")
    return e.BooksCorrected(lines=lines, reason=reason_of(request.reason), operator=operator)


def _line(given: m.GivenLine, symbols: tuple[str, ...]) -> BookLine:
    if given.text and (len(given.text) > m.REASON_LENGTH_MAX or not given.text.isprintable()):
        raise Unacceptable(f"text of {given.line_id[:40]!r}: one plain line of at most {m.REASON_LENGTH_MAX}")
    return BookLine(
        kind=given.kind,
        line_id=_id("line_id", given.line_id),
        exec_id=_id("exec_id", given.exec_id) if given.exec_id else "",
        inst=_inst(given.symbol, symbols) if given.symbol else -1,
        side={"buy": 1, "sell": -1, "": 0}[given.side],
        qty_nanos=signed_of("qty", given.qty),
        px_nanos=signed_of("px", given.px),
        commission_nanos=signed_of("commission", given.commission),
        currency=_currency(given.currency) if given.currency else "",
        amount_nanos=signed_of("amount", given.amount),
        cash_kind=_kind("cash_kind", given.cash_kind) if given.cash_kind else "",
        other_currency=_currency(given.other_currency) if given.other_currency else "",
        other_nanos=signed_of("other", given.other),
        text=given.text,
        fees=tuple((_kind("fees", kind), signed_of("fees", amount)) for kind, amount in given.fees.items()),
    )


def _id(field: str, text: str) -> str:
    if not 0 < len(text) <= ID_LENGTH_MAX or not text.isprintable():
        raise Unacceptable(f"{field}: 1 to {ID_LENGTH_MAX} printable characters")
    return text


def _kind(field: str, kind: str) -> str:
    if not _KIND.fullmatch(kind):
        raise Unacceptable(f"{field} {kind[:40]!r}: plain small letters, as interest or dividend")
    return kind


def _inst(symbol: str, symbols: tuple[str, ...]) -> int:
    if symbol not in symbols:
        raise Unacceptable(f"unknown symbol {symbol[:40]!r}: this trader knows {', '.join(symbols[:20]) or 'none'}")
    return symbols.index(symbol)


def _date(field: str, date: int) -> int:
    try:
        calendar_date(date // 10_000, date // 100 % 100, date % 100)
    except ValueError:
        raise Unacceptable(f"{field} {date}: write a day as 20260115") from None
    return date


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise Unacceptable(f"currency {text[:20]!r}: three capital letters")
    return text
