"""Folding requests about schedules into money state: opened, begun, replanned, paused, ended."""

from collections.abc import Callable
from typing import Any, Final

from core import commands as c
from core.money.state import Money
from core.parents import NO_ORDER, Parent, ParentState
from core.schedules import AS_CONFIGURED
from core.story import tell


def _open_parent(m: Money, command: c.OpenParent) -> None:
    parent = Parent(
        parent_id=command.parent_id,
        strategy=command.strategy,
        inst=command.inst,
        side=command.side,
        qty_nanos=command.qty_nanos,
        algo=command.algo,
        start_ts_ns=command.start_ts_ns,
        end_ts_ns=command.end_ts_ns,
        slices=command.slices,
        limit_px_nanos=command.limit_px_nanos,
        arrival_mid_nanos=command.arrival_mid_nanos,
        purpose=command.purpose,
        urgency=command.urgency,
        story=[(m.seq, m.ts_ns, "OPENED")],
        operator=command.operator,
        weights=command.weights,
        params=command.params,
        expected_cost_nanos=command.expected_cost_nanos,
        expected_risk_nanos=command.expected_risk_nanos,
        decision_mid_nanos=command.decision_mid_nanos,
        decision_ts_ns=command.decision_ts_ns,
        why=command.why,
        kappa_nanos=command.kappa_nanos,
        kappa_first_nanos=0 if AS_CONFIGURED in command.why else command.kappa_nanos,
        auction_ts_ns=command.auction_ts_ns,
    )
    if command.purpose == c.INTENT_SCHEDULE:
        m.counters.open(command.strategy)
    m.next_parent_id = command.parent_id + 1
    m.parents[parent.parent_id] = m.live_parents[parent.parent_id] = parent


# Looked up by number: the enum's own call and name take longer than all the rest of this fold.
_ENDED: Final = {int(state): (state, state.name) for state in ParentState}


def _end_parent(m: Money, command: c.EndParent) -> None:
    parent = m.parents[command.parent_id]
    parent.state, name = _ENDED[command.state]
    parent.reason = command.reason
    tell(parent.story, m.seq, m.ts_ns, name)
    if command.final:
        m.ledger.book_of(parent.strategy).given_up[parent.inst] = parent.parent_id
    if parent.child == NO_ORDER:
        m.retire_parent(parent.parent_id)
        m.prune()


def _pause_parent(m: Money, command: c.PauseParent) -> None:
    parent = m.parents[command.parent_id]
    parent.paused = command.paused
    parent.paused_reason = command.reason if command.paused else ""


def _advance_parent(m: Money, command: c.AdvanceParent) -> None:
    parent = m.parents[command.parent_id]
    parent.not_before_ns = command.next_ts_ns
    parent.chases = command.chases


def _replan_parent(m: Money, command: c.ReplanParent) -> None:
    parent = m.parents[command.parent_id]
    parent.weights = command.weights
    parent.kappa_nanos = command.kappa_nanos
    if not parent.kappa_first_nanos and AS_CONFIGURED not in command.reason:
        parent.kappa_first_nanos = command.kappa_nanos
    tell(parent.story, m.seq, m.ts_ns, f"REPLANNED from slice {command.from_slice}: {command.reason}")


def _begin_slice(m: Money, command: c.BeginSlice) -> None:
    parent = m.parents[command.parent_id]
    parent.slice_no = command.slice_no
    parent.others_nanos = command.others_nanos
    parent.volume_nanos = command.volume_nanos
    parent.slice_filled_nanos = parent.traded_nanos


SCHEDULES: Final[dict[type, Callable[[Money, Any], None]]] = {
    c.OpenParent: _open_parent,
    c.EndParent: _end_parent,
    c.PauseParent: _pause_parent,
    c.AdvanceParent: _advance_parent,
    c.ReplanParent: _replan_parent,
    c.BeginSlice: _begin_slice,
}
