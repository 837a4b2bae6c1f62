"""What is answered at which path. Knows the view and nothing of how a request came in."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from daemon.ops.http.answers import Refusal, json_response
from daemon.ops.http.api import PREFIX, Api
from daemon.ops.http.books import Books
from daemon.ops.http.probes import liveness, own_liveness, readiness
from daemon.ops.metrics.collect import CONTENT_TYPE, MetricsPage
from daemon.ops.view import View

PATHS: Final = f"/livez, /livez/ops, /readyz, /metrics, {PREFIX}"


def build_app(view: View, books: Books) -> Router:
    """Every path, and no middleware of the library's: the gate in front answers for all that goes wrong here."""
    routes = [
        Route("/livez", _probe(view, liveness), methods=["GET"]),
        Route("/livez/ops", _own, methods=["GET"]),
        Route("/readyz", _probe(view, readiness), methods=["GET"]),
        Route("/metrics", _metrics(MetricsPage(view)), methods=["GET"]),
        *Api(view, books).routes(),
    ]
    return Router(routes, redirect_slashes=False, default=_nowhere)


def _probe(view: View, look: Callable[[View], tuple[bool, dict[str, Any]]]) -> Callable[[Request], Awaitable[Response]]:
    """200 or 503."""

    async def answer(request: Request) -> Response:
        good, body = look(view)
        return json_response(body, status=200 if good else 503)

    return answer


def _metrics(page: MetricsPage) -> Callable[[Request], Awaitable[Response]]:
    """What Prometheus scrapes."""

    async def answer(request: Request) -> Response:
        return Response(page.render(), media_type=CONTENT_TYPE)

    return answer


async def _own(request: Request) -> Response:
    return json_response(own_liveness())


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    raise Refusal(404, "no such path", f"there are {PATHS}")
