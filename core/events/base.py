"""The base of all facts."""

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Base of all facts."""
