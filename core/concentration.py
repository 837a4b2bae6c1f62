"""Buckets that names share (sector, country, issuer, cluster) and the gross value in each: positions at their last
marks and what our own working orders reserve, as running sums (control 7). Money and market state push their changes
here; the gate reads. Derived, never journalled. Knows no limit.

An instrument may stand in several clusters: those a person wrote down, and those a worker measured. The newest
measurement takes the place of the one before.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from core.instruments import Instrument

SECTOR: Final = "sector"
COUNTRY: Final = "country"
ISSUER: Final = "issuer"
CLUSTER: Final = "cluster"  # written down
MEASURED: Final = "measured cluster"
UNKNOWN: Final = ""  # the sector of everything whose sector nobody named: one bucket

Clusters = Iterable[tuple[str, tuple[int, ...]]]


class Bucket(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One bucket; its number is its place in `Concentration.buckets`."""

    kind: str
    name: str
    members: tuple[int, ...]  # instruments, ascending


class Concentration:
    """Gross value by bucket, in nanos of the base currency."""

    __slots__ = ("_by_inst", "_clusters", "_instruments", "_measured", "_watching", "buckets", "of", "used")

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self._instruments = instruments
        self._by_inst = [0] * len(instruments)  # what every instrument has in each of its buckets
        self._clusters: tuple[Bucket, ...] = ()
        self._measured: tuple[Bucket, ...] = ()
        self.buckets: tuple[Bucket, ...] = ()
        self.of: list[tuple[int, ...]] = []  # numbers of the buckets of an instrument
        self.used: list[int] = []  # by bucket; one list for good: the gate keeps hold of it
        self._watching: list[Callable[[], None]] = []
        self._arrange()

    def add(self, inst: int, change_nanos: int) -> None:
        """The gross value in one instrument changed."""
        self._by_inst[inst] += change_nanos
        used = self.used
        for bucket in self.of[inst]:
            used[bucket] += change_nanos

    def watch(self, look_again: Callable[[], None]) -> None:
        """Whoever keeps numbers of buckets is told when they change."""
        self._watching.append(look_again)

    def set_clusters(self, clusters: Clusters) -> None:
        """Clusters as written down, by name."""
        self._clusters = self._buckets_of(CLUSTER, clusters)
        self._arrange()

    def set_measured(self, clusters: Iterable[tuple[int, ...]]) -> None:
        """Clusters as measured last; single names bind nothing."""
        measured = self._buckets_of(
            MEASURED, ((str(number), rows) for number, rows in enumerate(clusters, start=1) if len(rows) > 1)
        )
        if measured != self._measured:
            self._measured = measured
            self._arrange()

    def _buckets_of(self, kind: str, clusters: Clusters) -> tuple[Bucket, ...]:
        known = range(len(self._instruments))
        return tuple(
            Bucket(kind=kind, name=name, members=tuple(inst for inst in known if inst in rows))
            for name, rows in clusters
        )

    def _arrange(self) -> None:
        """Number the buckets anew and sum what is in them."""
        groups: dict[tuple[str, str], list[int]] = {}
        for instrument in self._instruments:
            for key in (
                (SECTOR, instrument.sector),
                (COUNTRY, instrument.country),
                (ISSUER, instrument.issuer or instrument.symbol),
            ):
                groups.setdefault(key, []).append(instrument.inst)
        natural = tuple(
            Bucket(kind=kind, name=name, members=tuple(members)) for (kind, name), members in groups.items()
        )
        self.buckets = (*natural, *self._clusters, *self._measured)
        of: list[list[int]] = [[] for _ in self._instruments]
        for number, bucket in enumerate(self.buckets):
            for inst in bucket.members:
                of[inst].append(number)
        self.of = [tuple(numbers) for numbers in of]
        self.used[:] = [sum(self._by_inst[inst] for inst in bucket.members) for bucket in self.buckets]
        for look_again in self._watching:
            look_again()
