"""Control 7: how much of the account may stand in one sector, country, issuer or cluster of names that move together,
positions, working orders (other clients' too) and this order added up without regard to their sides; and how much of
the account's gross one strategy may use (15c3-5: "more finely tuned by sector, security, or otherwise").

Names without a sector share one bucket with a cap of its own. Clusters are those of the config and those measured last.
"""

from core.commands import OrderIntent
from core.units import BP, decimal_text
from risk.view import GateView

CONTROL: int = 7
CODE: str = "CONCENTRATION"
LIFT: str = "operator: raise the limit in the config, or name sector and issuer; exits pass"


def check(o: OrderIntent, v: GateView) -> int:
    """While the whole account is within the tightest cap, so is every bucket: the ordinary case looks no further."""
    if v.reduce_only:
        return 0
    if v.exposure_new > v.equity_bp * v.crowds.tightest_bp[o.inst]:
        if v.crowded(o):
            return CONTROL
    share = v.bounds.book.gross_share_bp_max
    if share >= BP:
        return 0
    return CONTROL if (v.book_gross + v.reserved_book + v.notional_new) * BP > share * _account_gross(v) else 0


def _account_gross(v: GateView) -> int:
    """The gross that control 6 lets the account hold."""
    a = v.account
    return min(a.gross_max_nanos, v.equity_bp * a.gross_equity_bp_max)


def explain(o: OrderIntent, v: GateView) -> tuple[str, str]:
    """The first bucket past its cap, else the strategy's share."""
    found = v.crowded(o)
    if found is not None:
        bucket, value, cap = found
        return f"{bucket.kind} {bucket.name or 'unknown'} {decimal_text(value)}", decimal_text(cap)
    own = v.book_gross + v.reserved_book + v.notional_new
    return (
        f"strategy {o.strategy} gross {decimal_text(own)}",
        decimal_text(v.bounds.book.gross_share_bp_max * _account_gross(v) // BP),
    )
