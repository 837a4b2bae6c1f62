"""In front of every path: which methods there are, who may read, how often, for how long; and nothing but JSON leaves,
whatever breaks behind it. Knows the two kinds of path that want a token; not what is behind them.
"""

import asyncio
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.instruments import now_ns
from daemon.ops.http.answers import Refusal, every_header, too_often
from daemon.ops.http.counts import Counts
from daemon.ops.http.rates import Rates
from daemon.ops.http.tokens import Tokens

API: Final = "/api/"
METRICS: Final = "/metrics"
METHODS: Final = ("GET", "HEAD")
PATH_LENGTH_MAX: Final = 512
QUERY_LENGTH_MAX: Final = 512
ANSWER_S: Final = 10.0  # the longest one answer may take to be made
FAILURES_PER_MINUTE: Final = 20  # wrong tokens of one address; then it is only told to wait
FAILURES_LOGGED_PER_MINUTE: Final = 30  # of all; the others are counted
REALM: Final = 'Bearer realm="quantd"'


class Gate:
    """ASGI around an app."""

    def __init__(
        self,
        app: ASGIApp,
        log: structlog.typing.FilteringBoundLogger,
        *,
        tokens: Tokens,
        metrics_tokens: Tokens,
        per_minute: int,
        tls: bool,
    ) -> None:
        self._app = app
        self._log = log
        self._tokens = tokens
        self._metrics_tokens = metrics_tokens
        self._rates = Rates(per_minute)
        self._failures = Rates(FAILURES_PER_MINUTE)
        self._logged = Rates(FAILURES_LOGGED_PER_MINUTE)
        self._tls = tls
        self._quiet = 0
        self.counts = Counts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        status, began_ns = 0, now_ns()

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self.counts.answered(scope["path"], status, now_ns() - began_ns)
                message["headers"] = [*message.get("headers", []), *every_header(tls=self._tls)]
            await send(message)

        try:
            self._check(scope)
            async with asyncio.timeout(ANSWER_S):
                await self._app(scope, receive, tell)
        except Refusal as refusal:
            await refusal.response()(scope, receive, tell)
        except Exception as fault:  # edge: one request's failure is an answer and a line in the log
            self._log.error(
                "request failed", path=_shown(scope["path"]), fault=f"{type(fault).__name__}: {fault}"[:400]
            )
            if status:
                raise  # half an answer is out: only the line can be cut
            slow = isinstance(fault, TimeoutError)
            text = f"no answer within {ANSWER_S:g} s" if slow else "this request failed here"
            failed = Refusal(503 if slow else 500, text, "ask again; the log of the ops process says more")
            await failed.response()(scope, receive, tell)

    # ---- what may pass -----------------------------------------------------------------------------------------
    def _check(self, scope: Scope) -> None:
        if scope["method"] not in METHODS:
            told = f"{_shown(scope['method'])} is not taken"
            raise Refusal(405, told, "only GET and HEAD: nothing is commanded by HTTP", allow=", ".join(METHODS))
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if _has_body(headers):
            raise Refusal(413, "no request here has a body", "send none", connection="close")
        if len(scope["path"]) > PATH_LENGTH_MAX or len(scope["query_string"]) > QUERY_LENGTH_MAX:
            text = f"longer than {PATH_LENGTH_MAX} characters of path and {QUERY_LENGTH_MAX} of query"
            raise Refusal(414, text, "shorten it")
        if scope["path"].startswith(API):
            scope["state"]["who"] = self._admit(scope, headers)
        elif scope["path"] == METRICS and self._metrics_tokens:
            self._identify(scope, headers, self._metrics_tokens)

    def _admit(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> str:
        """Whoever may read the API."""
        if not self._tokens:
            raise Refusal(403, "the API is off: no token is configured", "name one in [ops.tokens] and restart ops")
        who = self._identify(scope, headers, self._tokens)
        after_s = self._rates.take(who, asyncio.get_running_loop().time())
        if after_s:
            raise too_often(after_s)
        return who

    def _identify(self, scope: Scope, headers: list[tuple[bytes, bytes]], tokens: Tokens) -> str:
        given = [value for name, value in headers if name == b"authorization"]
        kind, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        who = tokens.who(token.strip()) if kind.lower() == b"bearer" else ""
        if who:
            return who
        if not given:
            raise Refusal(401, "a token is asked for", "send Authorization: Bearer TOKEN", www_authenticate=REALM)
        raise self._wrong(scope)

    def _wrong(self, scope: Scope) -> Refusal:
        """A token of nobody: counted, told in the log as often as that can be read, and slowed down."""
        now_s, client = asyncio.get_running_loop().time(), scope.get("client")
        address = str(client[0]) if client else "unknown"
        self.counts.wrong_tokens += 1
        if self._logged.take("", now_s):
            self._quiet += 1
        else:
            self._log.warning("wrong token", address=address, path=_shown(scope["path"]), not_shown_before=self._quiet,
                              in_all=self.counts.wrong_tokens)  # fmt: skip
            self._quiet = 0
        after_s = self._failures.take(address, now_s)
        if after_s:
            return too_often(after_s)
        return Refusal(401, "wrong token", "send the token of a name in [ops.tokens]", www_authenticate=REALM)


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0") for name, value in headers
    )


def _shown(text: str) -> str:
    """Bounded, and nothing a terminal or a log reader would obey."""
    plain = "".join(char if char.isprintable() else "?" for char in text[:80])
    return plain + ("…" if len(text) > 80 else "")
