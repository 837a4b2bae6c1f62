"""The base of all requests."""

import msgspec


class Command(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Base of all requests."""
