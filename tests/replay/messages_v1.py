"""The literal messages of tests/replay/segments/v1.qj: one of every reference, event, note, command and outcome.

A message whose type gains a field keeps its line here: the default must stand in for it for ever.
"""

from typing import Final

import msgspec

from core import book_commands as b
from core import commands as c
from core import events as e
from core import instruments as i
from core import manual_commands as mc
from core import notes as n
from core import reference as r
from core import sessions as s
from core.corporate import BookLine, Terms
from core.records import COMMAND, INPUT, NOTE, OUTCOME, REFERENCE, Message

PX: Final = 13_910_000_000
QTY: Final = 500_000_000_000

_INTENT = c.OrderIntent(
    order_id=1, parent_id=2, slice_no=3, strategy="alpha", inst=0, side=1, qty_nanos=QTY, order_type=c.STP_LMT,
    limit_px_nanos=PX, stop_px_nanos=PX - 1, tif=c.GTD, gtd_ts_ns=5, outside_rth=True, purpose=c.INTENT_MANUAL,
    algo="twap", operator="ops", version=1,
)  # fmt: skip
_ORDER = c.ApprovedOrder(
    intent=_INTENT, account="DU1", order_ref="q-a-1-z", reduce_only=True, notional_nanos=9, ladder_epoch=4
)

_GROUPED = msgspec.structs.replace(
    _ORDER, intent=msgspec.structs.replace(_INTENT, oca_group="q-a-g", oca_type=2, bracket=4, broker_algo="Twap")
)
_OVERRIDDEN = c.ApprovedOrder(
    intent=_INTENT, account="DU1", order_ref="q-a-1-y", reduce_only=False, notional_nanos=9, ladder_epoch=4, override=7
)

_SPLIT = Terms(
    action_id="s1", kind="split", inst=0, ex_date=20260703, num=2, den=1, per_share_nanos=3, currency="USD",
    pay_date=20260710, withheld_ppm=150_000,
)  # fmt: skip
_LINE = BookLine(
    kind="execution", line_id="t1", exec_id="x.01", inst=0, side=-1, qty_nanos=QTY, px_nanos=PX, commission_nanos=5,
    currency="USD", amount_nanos=-7, cash_kind="interest", other_currency="EUR", other_nanos=8, text="interest",
    fees=(("commission", 4), ("sec31", 1)),
)  # fmt: skip

REFERENCES: Final[tuple[Message, ...]] = (
    r.ConfigResolved(json='{"mode":"paper"}', digest="d0"),
    r.CodeVersion(version="0.1.0", source_digest="s0", kernel_digest="k0", platform="linux"),
    r.SessionsLoaded(
        table=s.SessionTable(
            calendar="XNYS", timezone="America/New_York", from_ns=1, until_ns=9, source="test",
            sessions=(
                s.Session(
                    date=20260703, pre_open_ns=1, open_ns=2, close_ns=3, post_close_ns=5, moc_cutoff_ns=2, half_day=True
                ),
            ),
        )
    ),
    r.InstrumentLoaded(
        instrument=i.Instrument(
            inst=0, symbol="BAC", con_id=10098, sec_type="STK", exchange="SMART", primary_exchange="NYSE",
            currency="USD", calendar="XNYS", etf=True, sector="banks", multiplier_nanos=2_000_000_000,
            ticks=(i.TickRule(effective_from=20200101, increments=((0, 100_000), (1_000_000_000, 10_000_000))),),
            lots=(
                i.LotRule(effective_from=20200101, round_lot_nanos=QTY, increment_nanos=1, minimum_nanos=2),
            ),
        )
    ),
    r.FeesLoaded(
        plan="tiered",
        rows=(
            r.FeeRow(
                name="sec", effective_from=20260404, per="value", rate_nanos=20_600, sell_only=True, minimum_nanos=1,
                cap_nanos=2, cap_value_ppm=3, source="notice", of="commission", tiers=((0, 5), (QTY, 4)),
                tier_by="month", venue="NYSE", liquidity=1,
            ),
        ),
    ),
    r.InstrumentReference(inst=0, effective_from=20260702, previous_close_nanos=PX, adv_nanos=QTY, source="hist"),
    r.ModelLoaded(name="m1", digest="md"),
    r.HistoryLoaded(inst=0, dates=(20260102, 20260105), closes_nanos=(10**11, 101 * 10**9)),
)  # fmt: skip

EVENTS: Final[tuple[Message, ...]] = (
    e.QuoteChanged(
        inst=0, bid_px_nanos=PX, ask_px_nanos=PX + 1, bid_qty_nanos=QTY, ask_qty_nanos=0, exchange_ts_ns=7, flags=1
    ),
    e.TradePrinted(inst=0, px_nanos=PX, qty_nanos=QTY, condition=3, exchange_ts_ns=7, flags=2),
    e.FeedGapped(inst=0, dropped=12, reason="overflow"),
    e.FeedEnded(rows=2_363_384),
    e.OrderAcknowledged(order_id=1, perm_id=77, status=e.PRE_SUBMITTED),
    e.OrderFilled(
        order_id=1, exec_id="x.01", side=-1, qty_nanos=QTY, px_nanos=PX, inst=0, perm_id=77, order_ref="q-a-1-z",
        exchange_ts_ns=8, liquidity=2,
    ),
    e.ExecutionCorrected(order_id=1, exec_id="x.02", corrects="x.01", qty_nanos=0, px_nanos=PX),
    e.CommissionReported(exec_id="x.01", commission_nanos=350_000_000, currency="EUR"),
    e.OrderCancelled(order_id=1, reason="202"),
    e.OrderRejected(order_id=1, code=201, text="margin"),
    e.OrderReplaced(order_id=1, version=2, qty_nanos=QTY, limit_px_nanos=PX),
    e.ReplaceRejected(order_id=1, version=3, code=110, text="tick"),
    e.CancelRejected(order_id=1, code=161, text="late"),
    e.OrderInactivated(order_id=1, reason="held"),
    e.SyncStarted(sync_id=5, reason="start"),
    e.OpenOrderReported(
        sync_id=5, order_id=0, order_ref="", perm_id=78, inst=0, side=1, qty_nanos=QTY, filled_nanos=1,
        status=e.SUBMITTED, limit_px_nanos=PX, client_id=9, broker_algo="Vwap", broker_params=(("maxPctVol", "0.1"),),
    ),
    e.CompletedOrderReported(
        sync_id=5, order_id=1, order_ref="q-a-1-z", perm_id=77, inst=0, side=1, qty_nanos=QTY, filled_nanos=QTY,
        status=e.STATUS_FILLED,
    ),
    e.ExecutionReported(
        sync_id=5, order_id=1, exec_id="x.01", side=1, qty_nanos=QTY, px_nanos=PX, inst=0, perm_id=77, order_ref="q"
    ),
    e.PositionReported(sync_id=5, inst=0, qty_nanos=-QTY, average_cost_nanos=PX),
    e.CashReported(sync_id=5, currency="USD", cash_nanos=-(1 << 40)),
    e.AccountValued(sync_id=5, equity_with_loan_nanos=4, available_nanos=3, excess_nanos=-2),
    e.SyncCompleted(sync_id=5, complete=False, missing="executions"),
    e.LinkRestored(reason="synced"),
    e.LinkDegraded(code=1100, reason="broker", until_ns=7),
    e.LinkLost(code=504, reason="socket"),
    e.OrderIdsSeen(order_id_next=801),
    e.ReferenceArrived(
        inst=0, effective_from=20260703, previous_close_nanos=PX, adv_nanos=QTY, curve_ppm=(9_000, 4_000),
        missing="volume curve", source="ib",
    ),
    e.CashAdjusted(currency="USD", amount_nanos=-5, kind="interest", reason="statement"),
    e.HaltChanged(inst=0, halted=2),
    e.ShortableChanged(inst=0, level_milli=3000, shares_nanos=QTY),
    e.BandChanged(inst=0, lower_px_nanos=1, upper_px_nanos=2, limit_state=True),
    e.WhatIfAnswered(
        request_id=6, inst=0, side=1, qty_nanos=QTY, initial_margin_change_nanos=1, maintenance_margin_change_nanos=2,
        equity_with_loan_nanos=3, warning="w",
    ),
    e.WhatIfRefused(request_id=6, code=201, text="margin"),
    e.ClockOffsetMeasured(offset_ns=-3, round_trip_ns=9),
    e.MarketRuleChanged(inst=0, rule_id=26, increments=((0, 100_000), (1_000_000_000, 10_000_000))),
    e.CorporateActionAnnounced(inst=0, kind="split", ex_date=20260801, ratio_num=4, ratio_den=1, cash_nanos=1),
    e.ExternalFeatureReceived(name="vix", inst=0, value=16.25, as_of_ns=3, age_ns_max=4),
    e.TriggerFired(name="drawdown", level=3, scope="all", state=2, value="-5", limit="-4"),
    e.LeaseGranted(holder="t1", until_ns=99),
    e.RiskMeasured(as_of_ns=1, var_nanos=2, cvar_nanos=3, worst_stress_nanos=4),
    e.RiskMeasured(
        as_of_ns=1,
        var_nanos=2,
        cvar_nanos=3,
        worst_stress_nanos=4,
        equity_nanos=5,
        gross_nanos=6,
        var95_nanos=1,
        cvar95_nanos=2,
        historical_var_nanos=2,
        weighted_var_nanos=1,
        worst_stress="market -10 %",
        stresses=(("market -10 %", 4),),
        days_to_exit_milli=7,
        slowest_inst=0,
        observations=250,
        assumed=(1,),
        clusters=((0, 1),),
    ),
    e.HighWaterReset(reason="new mandate", operator="ops"),
    e.TimeAdvanced(),
    e.DayRolled(date=20260703),
    e.OperatorHalted(level=1, scope="alpha", reason="look", operator="ops"),
    e.OperatorKilled(level=3, scope="all", reason="drill", operator="ops"),
    e.OperatorFlattened(level=2, scope="0", reason="close", operator="ops"),
    e.OperatorResumed(level=1, scope="alpha", reason="fine", operator="ops"),
    e.OrderResolved(order_id=1, outcome="filled", reason="called", operator="ops", qty_nanos=QTY, px_nanos=PX),
    e.ScheduleSteered(parent_id=3, action="cancel", reason="enough", operator="ops", authority="peer"),
    e.DifferenceAcknowledged(sync_id=5, reason="dividend", operator="ops"),
    e.AccountAdopted(
        positions=((0, QTY, "alpha"), (1, -QTY, "")), at="average", cash_nanos=7, reason="mine", operator="ops"
    ),
    e.DeployArmed(digest="d1", reason="release", operator="ops"),
    e.CommandRefused(command="resume", operator="ops", authority="peer", why="unsigned"),
    e.AuditSealed(count=3, digest="ab" * 32, rules=1),
    e.TraderStarted(
        epoch=3, mode="live", ended="crash", after_crash="halted", guard_fired=True, changed="code,model", safe=True,
        venue_in_process=True,
    ),
    e.TraderStopped(reason="operator"),
    e.StepFailed(failed_seq=9, error="KeyError: 'BAC'"),
    e.DiskReserveChanged(available=False, free_mb=12),
    e.LeaseLapsed(late_ms=1_500, guard_fired=True, reason="guard: lease over"),
    e.AlertAcknowledged(code="LINK_LOST", operator="ops", authority="peer"),
    e.LimitChanged(
        scope="account", name="gross_max", value="5", until_ns=9, reason="block", operator="ann",
        authority="signed:k1", second="bob",
    ),
    e.OverrideGranted(
        control=5, strategy="alpha", inst=0, side=-1, qty_nanos=QTY, px_nanos=PX, until_ns=9, reason="block",
        operator="ann", authority="signed:k1", second="bob",
    ),
    e.LeaseLapsed(late_ms=1_500, guard_fired=True, reason="guard: lease over"),
    e.AlertAcknowledged(code="LINK_LOST", operator="ops", authority="peer"),
    e.CorporateActionApplied(terms=_SPLIT, now=True, reason="notice", operator="ops", authority="code:7", second="bob"),
    e.BooksCorrected(lines=(_LINE,), reason="statement", operator="ops", authority="code:7", second="bob"),
    e.OrderGiven(
        strategy="manual", inst=0, side=1, qty_nanos=QTY, algo="resting", params="{}", tif=2, reason="by hand",
        operator="ops", limit_px_nanos=PX, take_profit_px_nanos=PX + 2, stop_px_nanos=PX - 2, oca_group="g",
        authority="code:7",
    ),
    e.OrderWithdrawn(
        parent_id=4, reason="over", operator="ops", authority="code:7", second="bob", protection=True
    ),
)  # fmt: skip

NOTES: Final[tuple[Message, ...]] = (
    n.Decision(
        strategy="alpha", inst=0, features=(("imbalance", -0.5), ("spread_bp", 7.25)), score=0.125, target_nanos=QTY,
        bid_px_nanos=PX, ask_px_nanos=PX + 1,
    ),
    n.Refusal(
        order_id=1, parent_id=2, strategy="alpha", inst=0, side=1, qty_nanos=QTY, limit_px_nanos=PX,
        failures=(n.Failure(control=7, code="collar", value="15.00", limit="14.05", lift="operator"),),
    ),
    n.Blocked(strategy="alpha", inst=0, reason="warming up"),
    n.EquityMarked(equity_nanos=5, cash_nanos=4, unrealised_nanos=-1, realised_nanos=2, fees_nanos=3),
    n.DifferenceFound(sync_id=5, kind="position", text="BAC 100 there, 0 here"),
    n.Odd(order_id=1, what="fill after cancel"),
    n.Answered(command="OperatorResumed", operator="ops", authority="code:7", second="eve", ok=True, text="resumed"),
)  # fmt: skip

COMMANDS: Final[tuple[Message, ...]] = (
    c.PlaceOrder(order=_ORDER),
    c.ReplaceOrder(order=_ORDER),
    c.CancelOrder(order_id=1, reason="superseded"),
    c.CancelAllOrders(reason="kill"),
    c.RequestSync(reason="link"),
    c.AskWhatIf(order_id=9, parent_id=2, inst=0, side=1, qty_nanos=QTY, limit_px_nanos=PX, due_ns=5),
    c.RaiseAlert(code="disk", severity="critical", text="reserve lost"),
    c.SetTarget(strategy="alpha", inst=0, qty_nanos=-QTY),
    c.OpenParent(
        parent_id=2, strategy="alpha", inst=0, side=-1, qty_nanos=QTY, algo="twap", start_ts_ns=1, end_ts_ns=2,
        slices=6, limit_px_nanos=PX, arrival_mid_nanos=PX, purpose=c.INTENT_FLATTEN, urgency=2,
    ),
    c.EndParent(parent_id=2, state=3, reason="done"),
    c.PauseParent(parent_id=2, paused=True, reason="halt"),
    c.AdvanceParent(parent_id=2, next_ts_ns=8, chases=1),
    c.MoveLadder(level=3, scope="all", state=2, code="loss", reason="day loss", by="risk", value="-5", limit="-4"),
    c.SetStrategy(strategy="alpha", enabled=False, reason="error"),
    c.MarkEquity(equity_nanos=7, unrealised_nanos=-2),
    c.SettleOrder(order_id=1, outcome="filled", reason="seen", qty_nanos=QTY, px_nanos=PX),
    c.AdjustCash(currency="USD", amount_nanos=-7, reason="rounding"),
    c.DoubtOrder(order_id=1, reason="no answer"),
    c.VerifyKill(level=3, scope="all", sync_id=5),
    c.TransferPosition(inst=0, qty_nanos=-QTY, px_nanos=PX, reason="acknowledged"),
    c.TransferPosition(inst=0, qty_nanos=QTY, px_nanos=PX, reason="mine", strategy="alpha", deposit_nanos=9),
    c.CloseAlerts(codes=("LINK_LOST",), by="ops"),
    c.KeepApproval(digest="a1", what="resume account", operator="ops", authority="code:7", until_ns=9),
    c.SpendApproval(digest="a1", operator="ops", second="eve"),
    c.AdjustCash(currency="USD", amount_nanos=7, reason="mine", kind="deposit"),
    c.SetLimit(
        scope="symbol.BAC", name="order_quantity_max", value="500", old="100", until_ns=9, reason="block", by="ann",
        authority="signed:k1", second="bob", raises=True,
    ),
    c.RevertLimit(change_id=5, reason="its time is over", by="trader"),
    c.GrantOverride(
        control=5, strategy="alpha", inst=0, side=-1, qty_nanos=QTY, px_nanos=PX, until_ns=9, reason="block", by="ann",
        authority="signed:k1", second="bob",
    ),
    c.DropOverride(override_id=6, reason="its time is over"),
    c.PlaceOrder(order=_OVERRIDDEN),
    c.TellKill(level=1, scope="", left="#1 WORKING"),
    c.MeasureRisk(first=True),
    c.RestrictShorts(inst=0, until=20260704, low_px_nanos=PX, previous_close_nanos=2 * PX),
    c.TripBreaker(level=3, until_ns=6, px_nanos=PX, previous_close_nanos=2 * PX),
    c.CountRefusal(strategy="alpha", control=12),
    c.OpenParent(
        parent_id=3, strategy="alpha", inst=0, side=-1, qty_nanos=QTY, algo="immediate", start_ts_ns=1, end_ts_ns=2,
        slices=1, purpose=c.INTENT_FLATTEN, operator="ann",
    ),
    c.SetTarget(strategy="alpha", inst=0, qty_nanos=-QTY, mid_nanos=PX),
    c.OpenParent(
        parent_id=4, strategy="alpha", inst=0, side=1, qty_nanos=QTY, algo="is", start_ts_ns=1, end_ts_ns=9,
        slices=2, weights=(600_000_000, 1_000_000_000), params='{"duration_s":9}', expected_cost_nanos=3,
        expected_risk_nanos=4, decision_mid_nanos=PX, decision_ts_ns=1, why="urgent", kappa_nanos=5, auction_ts_ns=8,
    ),
    c.ReplanParent(parent_id=4, from_slice=1, weights=(600_000_000, 10**9), reason="faster", kappa_nanos=6),
    c.EndParent(parent_id=4, state=13, reason="out of time", final=True),
    c.BeginSlice(parent_id=4, slice_no=1, others_nanos=QTY, volume_nanos=2 * QTY),
    b.KeepCorporateAction(terms=_SPLIT, by="ann and bob", reason="notice", now=True),
    b.SplitBooks(
        action_id="s1", inst=0, num=2, den=1, books=(("alpha", QTY), ("", -QTY)), rescaled=True
    ),
    b.AccrueDividend(action_id="d1", books=(("alpha", 9, 2),)),
    b.PayDividend(action_id="d1", currency="USD", gross_nanos=9, withheld_nanos=2, reason="cash"),
    b.SuspectSplit(inst=0, num=1, den=10, text="139 after 13.9"),
    b.CorrectBooks(line=_LINE, by="ann", reason="statement"),
    b.CrossBooks(
        inst=0, buyer="alpha", seller="beta", qty_nanos=QTY, px_nanos=PX, bid_px_nanos=PX - 1, ask_px_nanos=PX + 1,
        reason="opposite targets", buyer_parent=8, seller_parent=9,
    ),
    c.PlaceOrder(order=_GROUPED),
    mc.KeepManualOrder(
        parent_id=4, strategy="manual", inst=0, side=1, tif=2, reason="by hand", by="ops", authority="code:7",
        second="bob", oca_group="g", take_profit_px_nanos=PX + 2, stop_px_nanos=PX - 2,
    ),
    mc.EndProtection(parent_id=4, reason="closed"),
    mc.ShareExecution(exec_id="x.01", books=(("alpha", -QTY), ("manual", QTY))),
)  # fmt: skip

OUTCOMES: Final[tuple[Message, ...]] = (
    c.NotSent(order_id=1, version=0, reason="lease"),
    c.Sent(order_id=1, version=2),
)

MESSAGES: Final = (
    (REFERENCE, REFERENCES),
    (INPUT, EVENTS),
    (NOTE, NOTES),
    (COMMAND, COMMANDS),
    (OUTCOME, OUTCOMES),
)

# ts_ns, exchange_ts_ns, inst, kind, flags, bid px, ask px, bid qty, ask qty
ROWS_V1: Final = [
    (1_000_000, 999_000, 0, 1, 0, PX, PX + 10_000_000, QTY, 2 * QTY),
    (1_000_500, 999_400, 1, 2, 3, PX, 0, QTY, 0x40),
    (1_000_500, 0, 0, 1, 4, 0, PX, 0, QTY),
]
