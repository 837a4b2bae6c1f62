"""Buckets of core/concentration.py with the shares of equity that they may hold: what control 7 compares. Knows no
order; the caps come with the limits, the buckets change when clusters are measured anew.
"""

from core.concentration import CLUSTER, COUNTRY, ISSUER, SECTOR, UNKNOWN, Bucket, Concentration
from risk.bounds import AccountBounds

Crowded = tuple[Bucket, int, int]  # the bucket, what would be in it, its cap


class Crowds:
    """Every instrument's buckets and caps, in basis points of equity."""

    __slots__ = ("_account", "_by_inst", "_concentration", "tightest_bp")

    def __init__(self, concentration: Concentration, account: AccountBounds) -> None:
        self._account = account
        self._concentration = concentration
        self.tightest_bp: list[int] = []  # by instrument: gross up to this share of equity can crowd no bucket
        self._by_inst: list[tuple[tuple[int, int], ...]] = []
        self.arrange()

    def take(self, account: AccountBounds) -> None:
        """Limits that changed."""
        self._account = account
        self.arrange()

    def arrange(self) -> None:
        """Look up the caps of all buckets."""
        concentration = self._concentration
        caps = [bucket_bp(self._account, bucket) for bucket in concentration.buckets]
        self._by_inst = [tuple((number, caps[number]) for number in numbers) for numbers in concentration.of]
        self.tightest_bp = [min(cap for _, cap in crowd) for crowd in self._by_inst]

    def crowded(self, inst: int, added_nanos: int, foreign: list[int], equity_bp: int) -> Crowded | None:
        """The first bucket past its share with so much more in it; None = all have room."""
        concentration = self._concentration
        used = concentration.used
        for number, bp in self._by_inst[inst]:
            value = used[number] + foreign[number] + added_nanos
            if value > equity_bp * bp:
                return concentration.buckets[number], value, equity_bp * bp
        return None


def bucket_bp(account: AccountBounds, bucket: Bucket) -> int:
    """The share of equity that a bucket may hold."""
    if bucket.kind == SECTOR:
        return account.sector_unknown_equity_bp_max if bucket.name == UNKNOWN else account.sector_equity_bp_max
    if bucket.kind == COUNTRY:
        return account.country_equity_bp_max
    if bucket.kind == ISSUER:
        return account.issuer_equity_bp_max
    if bucket.kind == CLUSTER:
        return account.cluster_bps.get(bucket.name, account.cluster_equity_bp_max)
    return account.cluster_equity_bp_max
