"""Every alert that a person can be told of: how bad it is at its worst, what it means, and whether it closes by itself.
What to do about it is the section of the same name in deploy/RUNBOOK.md. A test holds that the code raises no alert
that is missing here, and that nothing is here that no code raises. Raises nothing itself.
"""

from typing import Final

import msgspec

from risk.triggers import TRIGGERS, Trigger

INFO: Final = "info"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
RUNBOOK: Final = "deploy/RUNBOOK.md"  # where the sections are, unless `alerts.runbook` says where to
EXTERNAL: Final = "OUTSIDE"  # codes of a monitor outside begin with it: `quantd trigger NAME`


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One code."""

    code: str
    severity: str  # at its worst
    meaning: str
    ends: str  # who closes it: PERSON or ITSELF
    part_of: str = ""  # acknowledged with that code: two processes tell of one thing
    anchor: str  # section of the runbook


PERSON: Final = "person"  # stays open until `quantd ack`, or until the latch of the same code is lifted
ITSELF: Final = "itself"  # closes, and says so, when its cause has passed


def _kind(code: str, severity: str, ends: str, meaning: str, *, part_of: str = "") -> Kind:
    return Kind(code=code, severity=severity, meaning=meaning, ends=ends, part_of=part_of, anchor=code.lower())


def _family(trigger: Trigger) -> tuple[Kind, ...]:
    """The levels of one trigger share a section."""
    return tuple(
        Kind(
            code=code,
            severity=CRITICAL if code.endswith("_HARD") else WARNING,
            meaning=f"{trigger.what}: {'nothing trades' if code.endswith('_HARD') else 'exits only'}",
            ends=ITSELF if trigger.lifts_itself else PERSON,
            anchor=trigger.code.lower(),
        )
        for code in trigger.codes
    )


KINDS: Final = (
    # ---- what an operator did, and what waits for one
    _kind("KILL", CRITICAL, PERSON, "a scope was killed: its orders are being cancelled"),
    _kind("KILL_VERIFIED", INFO, PERSON, "the broker lists no order of the killed scope any more"),
    _kind("KILL_UNVERIFIED", CRITICAL, ITSELF, "the broker still lists orders that the kill wants gone"),
    _kind("HALT", CRITICAL, PERSON, "an operator halted a scope"),
    _kind("FLATTEN", CRITICAL, PERSON, "positions of a scope are being closed on an operator's order"),
    _kind("APPROVAL", WARNING, PERSON, "one person's command waits for another's"),
    _kind("LIMIT_CHANGED", WARNING, PERSON, "a person changed a limit"),
    _kind("LIMIT_REVERTED", INFO, PERSON, "the time of a changed limit is over, or it was taken back"),
    _kind("OVERRIDE_GRANTED", CRITICAL, PERSON, "two persons let one order fail one control"),
    _kind("OVERRIDE_USED", CRITICAL, PERSON, "an order went that a control would have stopped"),
    _kind("OVERRIDE_ENDED", INFO, PERSON, "an override ended unused"),
    _kind("HIGH_WATER_RESET", WARNING, PERSON, "a person let the drawdown count anew"),
    _kind("BOOKS_CORRECTED", WARNING, PERSON, "an operator booked lines of the broker's statement"),
    _kind("MANUAL_REFUSED", WARNING, PERSON, "a manual order that had to wait was then refused, and has ended"),
    _kind("SPLIT", CRITICAL, PERSON, "a split of today waits: the symbol does not trade"),
    _kind("SPLIT_APPLIED", WARNING, PERSON, "a split is in the books; the symbol trades again"),
    _kind("SPLIT_SUSPECTED", CRITICAL, PERSON, "a price looks like a split that nobody announced"),
    _kind("DIVIDEND_DUE", INFO, PERSON, "a dividend's ex date has begun"),
    # ---- how a start went
    _kind("CRASH", CRITICAL, PERSON, "the trader died and came back halted"),
    _kind("RESTARTED", WARNING, PERSON, "the trader died, was started again and trades on"),
    _kind("UNKNOWN", CRITICAL, PERSON, "started with orders whose fate is not known"),
    _kind("DEPLOY", CRITICAL, PERSON, "code, config or a model is not what ran before"),
    _kind("SAFE", CRITICAL, PERSON, "the same error stopped the trader twice within an hour"),
    _kind("LIMIT_STORE", CRITICAL, PERSON, "a changed limit does not fit the config any more"),
    _kind("AUDIT", CRITICAL, PERSON, "the journal lacks records that were told of before"),
    _kind("GUARD", CRITICAL, PERSON, "the guard or a panic cancelled our orders while the trader was away"),
    _kind("LEASE", CRITICAL, PERSON, "the trader's loop stood still longer than its lease"),
    _kind("SECOND_TRADER", CRITICAL, PERSON, "another trader sends orders with our tag"),
    # ---- link, data, machine
    _kind("LINK_LOST", CRITICAL, ITSELF, "the connection to the gateway is gone"),
    _kind("LINK_DEGRADED", WARNING, ITSELF, "the gateway has lost the broker's server, or is about to restart"),
    _kind("LINK_AWAY", CRITICAL, ITSELF, "no link to the broker for long, and no known restart explains it"),
    _kind("FEED_GAP", WARNING, PERSON, "market data of a symbol were lost or are silent"),
    _kind("SYNC_INCOMPLETE", WARNING, ITSELF, "the broker left out a part of its answer"),
    _kind("DISK_RESERVE", CRITICAL, ITSELF, "no room for the next journal segment: no new orders"),
    _kind("MARKET_BREAKER", CRITICAL, ITSELF, "the index fell by a step of the market-wide breaker"),
    _kind("SHORTS_RESTRICTED", WARNING, ITSELF, "a symbol may not be sold short below the bid today"),
    # ---- orders, positions, money
    _kind("ORDERS_UNKNOWN", CRITICAL, ITSELF, "after a loss of the link, orders have no answer"),
    _kind("ORDER_UNANSWERED", WARNING, ITSELF, "the broker did not answer an order in time"),
    _kind("ORDER_LOST", WARNING, PERSON, "the broker has shown twice that an order is not there"),
    _kind("ORDER_REJECTED", WARNING, PERSON, "the broker refused an order"),
    _kind("EXECUTION_CORRECTED", WARNING, PERSON, "the broker changed an execution afterwards"),
    _kind("ODD_EXECUTION", CRITICAL, PERSON, "an execution that cannot be: of a lost order, or of more than ordered"),
    _kind("RECONCILE", CRITICAL, PERSON, "our books and the broker differ and no execution explains it"),
    _kind("CASH", WARNING, PERSON, "broker cash differs by more than the tolerance"),
    _kind("CASH_ADJUSTED", WARNING, PERSON, "a small difference of cash was booked"),
    _kind("DISASTER_STOP", CRITICAL, PERSON, "the stop order that stood at the broker was executed"),
    _kind("DISASTER_STOP_MISSING", CRITICAL, PERSON, "a held symbol has no stop order at the broker"),
    _kind("PROTECTION_MISSING", CRITICAL, PERSON, "what a manual order filled has no profit and stop order"),
    _kind("MARGIN_REFUSED", WARNING, PERSON, "the broker's what-if refused a schedule"),
    _kind("DAY_TRADES", WARNING, ITSELF, "a small account has made its day trades of five days"),
    # ---- strategies, models, costs
    _kind("STRATEGY_FAILED", CRITICAL, PERSON, "a strategy raised an exception and is disabled"),
    _kind("REPEATED_EXECUTION", CRITICAL, PERSON, "a strategy executed the same again and again without a person"),
    _kind("DUPLICATE_ORDER", CRITICAL, PERSON, "a strategy sent the same order too often"),
    _kind("EDGE_UNPAID", WARNING, PERSON, "the expected edge does not pay the estimated cost of a schedule"),
    _kind("COST_DRIFT", WARNING, PERSON, "a day's costs are not those of the days before, or of the estimates"),
    _kind("MODEL_DRIFT", WARNING, ITSELF, "a model's scores are not spread as they were out of fold"),
    _kind("MODEL_STALE", WARNING, ITSELF, "the data that a model was trained on are old"),
    # ---- processes
    _kind(
        "GUARD_FIRED", CRITICAL, PERSON, "the lease ran out: the trader's orders are being cancelled", part_of="GUARD"
    ),
    _kind("GUARD_VERIFIED", WARNING, PERSON, "the guard saw the broker's list empty", part_of="GUARD"),
    _kind(
        "GUARD_UNREACHABLE", CRITICAL, PERSON, "the guard cannot reach the broker and goes on trying", part_of="GUARD"
    ),
    _kind("GUARD_NOT_VERIFIED", CRITICAL, PERSON, "after the guard's cancels orders are open", part_of="GUARD"),
    _kind("TRADER_DOWN", CRITICAL, ITSELF, "the trader ended without a stop and has not come back"),
    _kind("GUARD_DOWN", CRITICAL, ITSELF, "no guard watches a trader that has orders at a broker"),
    _kind("FOLLOWER_DOWN", WARNING, ITSELF, "nobody compares decisions, nothing reaches SQL"),
    _kind("FOLLOWER_BEHIND", WARNING, ITSELF, "the follower or its database lags behind the journal"),
    _kind("OPS_DOWN", WARNING, ITSELF, "no metrics, probes or MQTT: the ops process is not running"),
    _kind("MQTT_LOST", WARNING, ITSELF, "the MQTT bridge has no broker: nothing is told, no command comes from afar"),
    _kind("MQTT_DENIED", WARNING, ITSELF, "the MQTT broker does not take what the bridge tells"),
    _kind("REPLAY_DIFFERS", CRITICAL, PERSON, "the same input gave another decision when it was stepped again"),
    _kind("NOT_COMPARABLE", WARNING, ITSELF, "trader and follower are not of the same code, config, model or platform"),
    _kind("JOURNAL_SHIP_BEHIND", CRITICAL, ITSELF, "the copy of the journal off this machine lags behind"),
    _kind("DISK_LOW", WARNING, ITSELF, "the disk of the state directory fills up"),
    _kind("LOGIN_DUE", WARNING, ITSELF, "somebody must log in to the gateway soon, with the second factor"),
    _kind("ALERT_UNDELIVERED", CRITICAL, ITSELF, "a way to reach a person does not work"),
    _kind("ALERTS_UNREAD", CRITICAL, ITSELF, "what the trader raises cannot be read from the journal"),
    *(kind for trigger in TRIGGERS for kind in _family(trigger)),
)
BY_CODE: Final = {kind.code: kind for kind in KINDS}
assert len(BY_CODE) == len(KINDS), "a code stands twice"


def kind_of(code: str) -> Kind:
    """The row of a code. A name that only a monitor outside knows is a trigger of its own."""
    return BY_CODE.get(code) or Kind(
        code=code, severity=CRITICAL, meaning="a monitor outside took risk off", ends=PERSON, anchor=EXTERNAL.lower()
    )
