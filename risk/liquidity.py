"""What the market takes, for one order: the rule of core/volume.py applied to the gate's view. Owns no limit."""

from core.market import VOLUME_INTERVAL_NS
from core.sessions import REGULAR
from core.volume import traded_nanos
from risk.view import GateView


def entry_volume(v: GateView, inst: int) -> int:
    """Volume of the last five minutes as an entry is judged by, in share nanos."""
    ts_ns = v.ts_ns
    since, oldest, rules = v.volume_since_ns, ts_ns - VOLUME_INTERVAL_NS, v.rules
    traded = traded_nanos(ts_ns, v.slot_ns, v.slot_qty, v.slot_before)
    if since and since <= oldest and (v.phase != REGULAR or rules.open_ns <= oldest):
        return traded
    expected = rules.expected_nanos if ts_ns < rules.expected_until_ns else _expect(v, inst)
    return traded if traded > expected else expected


def exit_volume(v: GateView, inst: int) -> int:
    """The same for an exit: what usually trades counts where less did."""
    traded = traded_nanos(v.ts_ns, v.slot_ns, v.slot_qty, v.slot_before)
    expected = v.rules.expected_nanos if v.ts_ns < v.rules.expected_until_ns else _expect(v, inst)
    return traded if traded > expected else expected


def _expect(v: GateView, inst: int) -> int:
    """Looked up once in every slot, and again when the reference changes: the rules are then made anew."""
    rules = v.rules
    expected = v.volumes.expected_nanos(inst, v.ts_ns, rules.open_ns, rules.close_ns)
    if v.phase == REGULAR:
        rules.expected_nanos = expected
        rules.expected_until_ns = min(v.ts_ns - v.ts_ns % VOLUME_INTERVAL_NS + VOLUME_INTERVAL_NS, rules.close_ns)
    return expected
