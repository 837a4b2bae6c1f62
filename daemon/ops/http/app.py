"""What is answered at which path. Knows nothing but the view."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from daemon.ops.view import View


def build_app(view: View) -> Starlette:
    """The whole application."""

    async def live(request: Request) -> Response:
        return JSONResponse({"ok": True, "trader": view.seen.trader})

    return Starlette(routes=[Route("/livez", live)])
