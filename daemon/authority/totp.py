"""One-time codes of an authenticator app (RFC 6238 over RFC 4226: SHA-1, six digits, thirty seconds). Pure."""

import base64
import binascii
import hmac
import struct
from typing import Final
from urllib.parse import quote

from core.errors import ConfigError

STEP_NS: Final = 30 * 10**9
DIGITS: Final = 6
STEPS_ACCEPTED: Final = 1  # before and after the present one: clocks differ, and people type slowly
SECRET_BYTES_MIN: Final = 16  # RFC 4226 section 4: at least 128 bits
_MODULUS: Final = 10**DIGITS


def code_at(secret: bytes, step: int) -> str:
    """The code of one time step: dynamic truncation as in RFC 4226 section 5.3."""
    mac = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % _MODULUS:0{DIGITS}}"


def step_at(wall_ns: int) -> int:
    """The time step of a moment."""
    return wall_ns // STEP_NS


def find_step(secret: bytes, code: str, wall_ns: int) -> int | None:
    """Which of the accepted steps the code is of; None = of none. Compares every one of them, in constant time."""
    now = step_at(wall_ns)
    given = code.encode()
    found = None
    for step in range(now - STEPS_ACCEPTED, now + STEPS_ACCEPTED + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), given):
            found = step
    return found


def decode_secret(text: str, field: str) -> bytes:
    """A secret in base32, as apps take it; spaces and case do not matter. Raises ConfigError, without the secret."""
    plain = "".join(text.split()).upper().rstrip("=")
    try:
        secret = base64.b32decode(plain + "=" * (-len(plain) % 8))
    except binascii.Error:
        raise ConfigError(f"{field}: is no base32 secret: make one with `quantd operator code`") from None
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigError(
            f"{field}: the secret has {len(secret)} bytes, at least {SECRET_BYTES_MIN} are needed: "
            "make one with `quantd operator code`"
        )
    return secret


def encode_secret(secret: bytes) -> str:
    """Base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def app_uri(name: str, secret: bytes) -> str:
    """The address an authenticator app reads from a QR code."""
    return f"otpauth://totp/quantd:{quote(name)}?secret={encode_secret(secret)}&issuer=quantd"
