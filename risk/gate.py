"""The last hop before the port: every check is asked of every order, and only here does an `ApprovedOrder` come to be
(a tidy test holds that). Owns no state beyond caches; what is counted or reserved is folded by core from its answers.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from core.commands import LMT, ApprovedOrder, OrderIntent
from core.errors import Bug
from core.ids import BUY, SELL, SIDE_NAMES, Side, order_ref
from core.instruments import rule_on
from core.latches import LEVEL_NAMES, STATE_NAMES, Latch
from core.limit_changes import LimitVerdict, ScaledLimit
from core.notes import Failure, Refusal
from core.ports import Context, Wish
from core.sessions import REGULAR
from core.units import NANO, round_down
from risk import crossing
from risk.checks import CHECKS, Check, ladder_state, participation
from risk.in_force import LimitsInForce
from risk.ladder import who_lifts
from risk.limits import Limits
from risk.merge import merged
from risk.ordinary import Ordinary
from risk.overrides import matching, why_not_override
from risk.view import GateView

_NO_SLICE: Final = -1  # a slice number no schedule uses: a trial order is nobody's duplicate


class Gate:
    """Implements core.ports.Gate over one context. Pure: same state, same verdict."""

    __slots__ = (
        "_account",
        "_account_tag",
        "_ask",
        "_by_control",
        "_changes",
        "_checks",
        "_context",
        "_limits",
        "_ordinary",
        "_view",
    )

    def __init__(self, context: Context, limits: Limits, account: str, account_tag: str) -> None:
        """Resolve the limits. Raises ConfigError on a bad one."""
        self._limits = LimitsInForce(context, limits)
        self._changes = context.money.limit_changes
        self._context = context
        self._account = account
        self._account_tag = account_tag
        resolved = self._limits.resolved()
        self._view = GateView(context, resolved)
        self._ordinary = Ordinary(context, self._view, resolved)
        self._bind()
        self._checks = tuple(check.check for check in CHECKS)
        self._ask = merged(self._checks)
        self._by_control: dict[int, Check] = {check.CONTROL: check for check in CHECKS}

    def approve(self, intent: OrderIntent, ts_ns: int, seq: int) -> ApprovedOrder | Refusal:
        """Ask every check. `seq` is the command's own: it makes the order reference."""
        if self._limits.version != self._changes.version:
            self._bind()
        reduce_only, override = False, 0
        notional = self._ordinary.value(intent, ts_ns)
        if not notional:
            view = self._view
            view.refresh(intent, ts_ns)
            if self._ask(intent, view):
                failed = [control for check in self._checks if (control := check(intent, view))]
                override = matching(self._changes.overrides, intent, failed, ts_ns)
                if not override:
                    return self._refuse(intent, failed)
            else:
                self._ordinary.learn(intent)
            reduce_only, notional = view.reduce_only == 1, view.notional
        money = self._context.money
        if intent.version:
            ref = money.orders[intent.order_id].order_ref  # the broker knows the order by its first one
        else:
            ref = order_ref(self._account_tag, money.epoch, seq)
        return ApprovedOrder(
            intent=intent,
            account=self._account,
            order_ref=ref,
            reduce_only=reduce_only,
            notional_nanos=notional,
            ladder_epoch=money.latches.moves,
            override=override,
        )

    def _bind(self) -> None:
        """Read the limits again: an operator changed one, or such a change ended."""
        resolved, fault = self._limits.resolved(), self._limits.fault
        self._view.bind(resolved, fault)
        self._ordinary.bind(resolved, fault)

    def disaster_stop_bp(self, strategy: str, inst: int) -> int:
        """How far from the mark a disaster stop stands; 0 = none is asked for."""
        resolved = self._limits.resolved()
        return resolved.by_strategy.get(strategy, resolved.strangers)[inst].disaster_stop_bp

    @property
    def disaster_stops(self) -> bool:
        """Whether any limit asks for a disaster stop."""
        return self._limits.resolved().disaster_stops

    @property
    def outlives_day(self) -> bool:
        """Whether GTC orders are legal."""
        return self._limits.resolved().account.good_till_cancelled == 1

    @property
    def limit_fault(self) -> str:
        """Why changes of limits could not be applied; "" = they are."""
        self._bind()
        return self._limits.fault

    def judge_limit(self, scope: str, name: str, value: str) -> LimitVerdict:
        """What an operator's change of a limit would do."""
        return self._limits.judge(scope, name, value)

    def limits_after_split(self, symbol: str, num: int, den: int) -> list[ScaledLimit]:
        """The symbol's own limits in shares, in new ones."""
        return self._limits.after_split(symbol, num, den)

    def overridable(self, control: int) -> str:
        """Why a control may not be overridden; "" = it may."""
        return why_not_override(control)

    def _refuse(self, o: OrderIntent, failed: list[int]) -> Refusal:
        if not failed:
            raise Bug(f"order {o.order_id}: all checks in one refuse what no single check does")
        return Refusal(
            order_id=o.order_id,
            parent_id=o.parent_id,
            strategy=o.strategy,
            inst=o.inst,
            side=o.side,
            qty_nanos=o.qty_nanos,
            limit_px_nanos=o.limit_px_nanos,
            failures=tuple(self._failure(control, o) for control in failed),
        )

    def _failure(self, control: int, o: OrderIntent) -> Failure:
        check = self._by_control[control]
        value, limit = check.explain(o, self._view)
        return Failure(control=control, code=check.CODE, value=value, limit=limit, lift=check.LIFT)

    def slice_max_nanos(self, strategy: str, inst: int, side: Side, ts_ns: int) -> int:
        """Largest quantity controls 1, 2 and 8 let pass in one order now: what the engine slices an exit by.

        At least the smallest legal order; 0 when price or lot rule is not known.
        """
        self._bind()
        self._view.refresh(self._trial(inst, strategy, side, ts_ns), ts_ns, entry=True)
        view = self._view
        lot = view.rules.lot_increment
        if lot <= 0 or view.value_px <= 0:
            return 0
        by_value = view.bounds.order_notional_max_nanos * NANO // view.value_px
        most = view.bounds.order_quantity_max_nanos
        by_volume = participation.exit_room(view, inst)
        most = round_down(min(by_value, most, by_volume), lot)
        return most if most > view.rules.lot_minimum else view.rules.lot_minimum

    # ---- between two books -------------------------------------------------------------------------------------
    def cross_max_nanos(self, wish: Wish, inst: int, ts_ns: int) -> int:
        """Largest whole-lot quantity that controls 1 and 2 let one order of this book be; 0 when price or lot is not
        known.
        """
        self._bind()
        self._view.refresh(self._trial(inst, wish.strategy, wish.side, ts_ns), ts_ns, entry=True)
        return crossing.largest(self._view)

    def cross_failure(self, wish: Wish, inst: int, qty_nanos: int, px_nanos: int, ts_ns: int) -> Failure | None:
        """The first control that forbids one side of a cross (risk/crossing.py says which are asked)."""
        self._bind()
        side = msgspec.structs.replace(
            self._trial(inst, wish.strategy, wish.side, ts_ns),
            parent_id=wish.parent_id,
            qty_nanos=qty_nanos,
            limit_px_nanos=px_nanos,
        )
        check = crossing.forbidding(side, self._view, ts_ns)
        return None if check is None else self._failure(check.CONTROL, side)

    # ---- why-not -----------------------------------------------------------------------------------------------
    def blockers(self, inst: int, strategy: str, ts_ns: int) -> list[Failure]:
        """What stops a new one-lot order at the near touch, entry profile, in gate order; "BUY: ..." = only buys."""
        self._bind()
        bought = self._try(self._trial(inst, strategy, BUY, ts_ns), ts_ns)
        sold = self._try(self._trial(inst, strategy, SELL, ts_ns), ts_ns)
        found: list[Failure] = []
        for check in CHECKS:
            buy, sell = bought.get(check.CONTROL), sold.get(check.CONTROL)
            if check.CONTROL == ladder_state.CONTROL and buy is not None:
                found.extend(self._latches(inst, strategy))
            elif buy is not None and sell is not None:
                found.append(buy)
            elif buy is not None or sell is not None:
                found.append(_one_sided(buy, sell))
        return found

    def _trial(self, inst: int, strategy: str, side: Side, ts_ns: int) -> OrderIntent:
        """One round lot at the near touch; without a quote at the last trade, else the previous close."""
        context = self._context
        market = context.market
        session = context.calendars[inst].session(ts_ns)
        px = market.get(inst, "bid_px_nanos" if side > 0 else "ask_px_nanos")
        px = px or market.get(inst, "last_px_nanos") or context.previous_close_nanos[inst]
        rules = context.instruments[inst].lots
        lot = (rule_on(rules, session.date) if session is not None else None) or (rules[-1] if rules else None)
        return OrderIntent(
            order_id=context.money.next_order_id,
            parent_id=0,
            slice_no=_NO_SLICE,
            strategy=strategy,
            inst=inst,
            side=side,
            qty_nanos=NANO if lot is None else lot.round_lot_nanos,
            order_type=LMT,
            limit_px_nanos=px,
            outside_rth=session is not None and context.calendars[inst].phase(ts_ns) != REGULAR,
        )

    def _try(self, trial: OrderIntent, ts_ns: int) -> dict[int, Failure]:
        view = self._view
        view.refresh(trial, ts_ns, entry=True)
        if trial.limit_px_nanos:
            tick = view.rules.increment_at(trial.limit_px_nanos)
            if tick and trial.limit_px_nanos % tick:  # the last trade may lie between two ticks
                trial = msgspec.structs.replace(trial, limit_px_nanos=round_down(trial.limit_px_nanos, tick))
                view.refresh(trial, ts_ns, entry=True)
        failed = [control for check in self._checks if (control := check(trial, view))]
        if not trial.limit_px_nanos and 4 in failed:
            failed.remove(4)  # a missing price is the market's fault; 22 and 3 say so
        return {control: self._failure(control, trial) for control in failed}

    def _latches(self, inst: int, strategy: str) -> Iterator[Failure]:
        """Each latch that binds, on its own line: several may hold one scope."""
        symbol = self._context.instruments[inst].symbol
        for latch in self._context.money.latches.binding(strategy=strategy, symbol=symbol):
            yield Failure(
                control=ladder_state.CONTROL,
                code=latch.code,
                value=_latch_text(latch),
                limit=latch.limit,
                lift=who_lifts(latch.code),
            )


def _one_sided(buy: Failure | None, sell: Failure | None) -> Failure:
    side, failure = (BUY, buy) if buy is not None else (SELL, sell)
    assert failure is not None, "called with a failure of one side"
    return Failure(
        control=failure.control,
        code=failure.code,
        value=f"{SIDE_NAMES[side]}: {failure.value}",
        limit=failure.limit,
        lift=failure.lift,
    )


def _latch_text(latch: Latch) -> str:
    """Where, what, why, since when and by whom, on one line."""
    scope = f"{LEVEL_NAMES[latch.level]} {latch.scope}".strip()
    since = datetime.fromtimestamp(latch.since_ns // NANO, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    value = f" ({latch.value})" if latch.value else ""
    return f"{scope} {STATE_NAMES[latch.state]} since {since} by {latch.by}: {latch.reason}{value}"
