"""What the market takes, for one order: the rule of core/volume.py applied to the gate's view. Owns no limit."""

from core.market import VOLUME_INTERVAL_NS
from core.sessions import REGULAR
from core.volume import traded_nanos
from risk.view import GateView


def entry_volume(v: GateView, inst: int) -> int:
    """Volume of the last five minutes as an entry is judged by, in share nanos."""
    traded = _traded(v)
    since, oldest = v.volume_since_ns, v.ts_ns - VOLUME_INTERVAL_NS
    if since and since <= oldest and (v.phase != REGULAR or v.rules.open_ns <= oldest):
        return traded
    expected = _expected(v, inst)
    return traded if traded > expected else expected


def exit_volume(v: GateView, inst: int) -> int:
    """The same for an exit: what usually trades counts where less did."""
    traded, expected = _traded(v), _expected(v, inst)
    return traded if traded > expected else expected


def _traded(v: GateView) -> int:
    return traded_nanos(v.ts_ns, v.slot_ns, v.slot_qty, v.slot_before)


def _expected(v: GateView, inst: int) -> int:
    return v.volumes.expected_nanos(inst, v.ts_ns, v.rules.open_ns, v.rules.close_ns)
