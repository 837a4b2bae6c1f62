"""What works at present, by id and by instrument: a dict that is asked for one instrument without a look at the others.
Owns the index alone; knows no order and no schedule.
"""

from collections.abc import Collection, Iterable
from typing import Protocol, TypeVar


class InInstrument(Protocol):
    """Something of one instrument, which never changes."""

    @property
    def inst(self) -> int:
        """Number of the instrument."""
        ...


T = TypeVar("T", bound=InInstrument)


class ByInstrument(dict[int, T]):
    """Read as any dict; written by `[id] = …`, `del` and `take` alone. Within an instrument the oldest come first."""

    __slots__ = ("_within",)

    def __init__(self, entries: Iterable[tuple[int, T]] = ()) -> None:
        super().__init__()
        self._within: dict[int, dict[int, T]] = {}
        for key, value in entries:
            self[key] = value

    def __setitem__(self, key: int, value: T) -> None:
        dict.__setitem__(self, key, value)
        within = self._within.get(value.inst)
        if within is None:
            within = self._within[value.inst] = {}
        within[key] = value

    def __delitem__(self, key: int) -> None:
        self._leave(key, self[key])
        dict.__delitem__(self, key)

    def take(self, key: int) -> T | None:
        """Take one out; None = it was not in."""
        found = dict.pop(self, key, None)
        if found is not None:
            self._leave(key, found)
        return found

    def _leave(self, key: int, value: T) -> None:
        within = self._within[value.inst]
        del within[key]
        if not within:  # no dict is left behind that only ever grows
            del self._within[value.inst]

    def of(self, inst: int) -> Collection[T]:
        """Those of one instrument."""
        within = self._within.get(inst)
        return within.values() if within is not None else ()

    def assert_index(self) -> None:
        """Raise AssertionError when the index and the dict disagree."""
        indexed = {key: value for within in self._within.values() for key, value in within.items()}
        assert indexed == dict(self), "the index by instrument differs from what is in"
