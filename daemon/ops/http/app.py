"""What is answered at which path. Knows the view and nothing of how a request came in."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemon.ops.http.answers import Refusal, json_response
from daemon.ops.http.api import PREFIX, Api
from daemon.ops.http.books import Books
from daemon.ops.http.probes import liveness, own_liveness, readiness
from daemon.ops.metrics.collect import CONTENT_TYPE, MetricsPage
from daemon.ops.view import View

PATHS: Final = f"/livez, /livez/ops, /readyz, /metrics, {PREFIX}"


def build_app(view: View, books: Books) -> Starlette:
    """The whole application."""
    routes = [
        Route("/livez", _probe(view, liveness), methods=["GET"]),
        Route("/livez/ops", _own, methods=["GET"]),
        Route("/readyz", _probe(view, readiness), methods=["GET"]),
        Route("/metrics", _metrics(MetricsPage(view)), methods=["GET"]),
        *Api(view, books).routes(),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused})
    app.router.redirect_slashes = False
    return app


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


async def _refused(request: Request, fault: Exception) -> Response:
    """What the router refuses: the error pages of the library would be plain text."""
    status = fault.status_code if isinstance(fault, HTTPException) else 500
    headers = dict(fault.headers or {}) if isinstance(fault, HTTPException) else {}
    with suppress(KeyError):
        del headers["content-type"]
    text = {404: "no such path", 405: "this method is not taken here"}.get(status, "refused")
    return Refusal(status, text, f"there are {PATHS}", **headers).response()
