"""Answers as bytes: JSON, always with a text that says what to do; and the headers that every one of them carries."""

import math
from email.utils import formatdate
from typing import Any, Final

import msgspec
from starlette.responses import Response

JSON: Final = "application/json"
SECURITY_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
HSTS: Final = "max-age=31536000"  # with TLS: never again without
_encode = msgspec.json.Encoder(order="deterministic").encode


class Refusal(Exception):
    """A request that is answered with an error, for whoever asked."""

    def __init__(self, status: int, text: str, remedy: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.remedy = remedy
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        """As it is sent."""
        return json_response({"error": str(self), "remedy": self.remedy}, status=self.status, headers=self.headers)


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """One value. What the daemon already sent as JSON goes through as it is (msgspec.Raw)."""
    return Response(_encode(value) + b"\n", status_code=status, media_type=JSON, headers=headers)


def too_often(after_s: float) -> Refusal:
    """429."""
    return Refusal(
        429, "too many requests", "ask less often; ops.requests_per_minute", retry_after=str(math.ceil(after_s))
    )


def every_header(*, tls: bool) -> list[tuple[bytes, bytes]]:
    """For any answer, malformed requests' included."""
    headers = (
        {"date": formatdate(usegmt=True)} | SECURITY_HEADERS | ({"strict-transport-security": HSTS} if tls else {})
    )
    return [(name.encode(), value.encode()) for name, value in headers.items()]
