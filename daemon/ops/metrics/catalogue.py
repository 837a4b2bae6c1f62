"""Every metric of `/metrics`: name, kind, what it means, labels and how many values each label can have. Collector,
page (docs/metrics.md), alert rules and boards are held against this list; how a value is found is collect.py.

Names end in their unit (seconds, bytes, ratio; `_total` = a counter). Amounts of money have none: they are in the
account's currency, which `quantd_trader_info` names. No label has a value that grows with trading: no order, no price.
"""

from typing import Final, Literal

import msgspec

Kind = Literal["gauge", "counter", "histogram"]
# Where it comes from, and when it is absent: see ABSENT.
Source = Literal[
    "ops",
    "trader",
    "windows",
    "lease",
    "journal",
    "follower",
    "ship",
    "guard",
    "delivery",
    "mqtt",
    "cluster",
    "up",
    "beside",
]

ABSENT: Final[dict[Source, str]] = {
    "ops": "always there",
    "trader": "absent while `quantd_up` is 0: a number of a trader that does not answer would look alive",
    "windows": "absent without a broker, and in the time of a paper gateway while `quantd_up` is 0",
    "lease": "absent while no trader ever held a lease here (no broker)",
    "journal": "absent while there is no journal",
    "follower": "absent while no follower runs; `quantd_follower_up` and the count of differences stay",
    "ship": "absent where the journal was never shipped; while nobody ships only `quantd_ship_up` is there",
    "guard": "absent while no guard runs; `quantd_guard_up` stays",
    "delivery": "absent while nobody delivers alerts; `quantd_alert_delivery_up` stays",
    "mqtt": "absent without a bridge (`ops.mqtt.host`)",
    "cluster": "absent where no cluster is asked (`ops.cluster.lease`)",
    "up": "absent without `quantd up`",
    "beside": "absent of a process that does not run",
}

LINKS: Final = ("DOWN", "DEGRADED", "READY", "UNSYNCED")
LADDER: Final = ("ACTIVE", "REDUCING", "HALTED")
LEVELS: Final = ("process", "account", "symbol", "strategy")
STATES: Final = ("starting", "ready", "halted", "draining", "ended")
FEED_STATES: Final = ("usable", "blind", "unusable", "halted", "not ready")
FOLLOWER_STATES: Final = ("waiting", "following", "diverged", "not comparable")
GUARD_STATES: Final = ("idle", "watching", "acting", "done")
SEVERITIES: Final = ("info", "warning", "critical")
ORDER_STATES: Final = ("SENDING", "WORKING", "CANCELLING", "UNKNOWN", "INACTIVE")
REQUESTS: Final = ("place", "replace", "cancel", "cancel_all")
ANSWERS: Final = (
    "acknowledged", "replaced", "cancelled", "rejected", "replace_rejected", "cancel_rejected", "inactivated",
)  # fmt: skip
PROCESSES: Final = ("follower", "guard", "ship", "ops")
STATUSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
STAGES: Final = ("receive", "decide", "gate", "journal", "hold", "dispatch", "wire")
CAUSES: Final = ("market", "other")
QUEUES: Final = ("held_orders", "cancels", "synchronisation", "data_requests")
FOLLOWER_PARTS: Final = ("compare", "record")
LOGIN: Final = ("yes", "no")
MQTT_KINDS: Final = ("reply", "fill", "alert")
MQTT_REASONS: Final = (
    "topic", "retained", "too_big", "malformed", "not_taken", "unsigned", "forged", "stale", "replayed", "busy",
)  # fmt: skip
MQTT_DENIALS: Final = (
    "unspecified", "implementation", "not_authorized", "topic", "packet_identifier", "quota", "payload",
)  # fmt: skip


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One label: its closed set of values, or in words what bounds them."""

    name: str
    values: tuple[str, ...] = ()
    bound: str = ""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric."""

    name: str
    kind: Kind
    help: str
    source: Source = "trader"
    labels: tuple[Label, ...] = ()


def _label(name: str, *values: str, bound: str = "") -> Label:
    return Label(name=name, values=values, bound=bound)


SYMBOL: Final = _label("symbol", bound="the configured symbols")
STRATEGY: Final = _label("strategy", bound="the configured strategies, the book of manual orders and that of nobody")
TARGET: Final = _label("target", bound="the configured targets of alerts, at most 16")
PART: Final = _label("part", bound="the parts of ops")
BESIDE: Final = _label("process", *PROCESSES)
ROUTE: Final = _label("route", bound="the paths of [ops](ops.md), and `other`")
PROCESS_NAME: Final = _label("process", bound="the processes of `quantd up`")
_WINDOW: Final = (_label("window", bound="the configured restart windows"), _label("login", *LOGIN))


def _gauge(name: str, text: str, *labels: Label, source: Source = "trader") -> Metric:
    return Metric(name=f"quantd_{name}", kind="gauge", help=text, labels=labels, source=source)


def _counter(name: str, text: str, *labels: Label, source: Source = "trader") -> Metric:
    return Metric(name=f"quantd_{name}_total", kind="counter", help=text, labels=labels, source=source)


def _histogram(name: str, text: str, *labels: Label, source: Source = "trader") -> Metric:
    return Metric(name=f"quantd_{name}_seconds", kind="histogram", help=text, labels=labels, source=source)


PRESENCE: Final = (
    _gauge("up", "1 = the trader has answered within the last seconds; 0 = it has not, and its metrics are absent.",
           source="ops"),
    _gauge("measures_up", "0 = the trader answers, and its measures are of another release: only what its status tells "
           "is there."),
    _gauge("status_age_seconds", "Since the trader answered last; absent before it first did.", source="ops"),
    _gauge("build_info", "Always 1. What runs: the version, and digests of code, config and models.",
           *(_label(name, bound="one") for name in ("version", "code", "config", "models"))),
    _gauge("trader_info", "Always 1. Mode, currency of all amounts, and whose time its clock shows.",
           *(_label(name, bound="one") for name in ("mode", "currency", "clock"))),
    _gauge("trader_state", "1 for the present state, 0 for the others.", _label("state", *STATES)),
    _gauge("trader_safe", "1 = SAFE: the same error stopped it twice; status and cancels only."),
    _gauge("trader_epoch", "Which start of this trader runs; each start adds one."),
    _gauge("trader_start_time_seconds", "When the process began, as a Unix time."),
)  # fmt: skip

LINK: Final = (
    _gauge("link_state", "1 for what the link to the broker allows now, 0 for the others.", _label("state", *LINKS)),
    _gauge("clock_offset_seconds", "Our clock less the broker's, as measured last; absent before."),
    _gauge("clock_offset_age_seconds", "Since that was measured; absent before."),
    _gauge("restart_window_active", "1 = a restart known in advance is on, or orders have stopped for it.", *_WINDOW,
           source="windows"),
    _gauge("restart_window_start_seconds", "Until orders stop for the next such window; 0 while one is on. After one "
           "with login yes somebody must log in.", *_WINDOW, source="windows"),
    _gauge("socket_unsent_bytes", "To the broker, not yet taken by the kernel."),
)  # fmt: skip

FEED: Final = (
    _gauge("feed_age_seconds", "Since the last proof of life of a symbol's line; absent before the first tick.",
           SYMBOL),
    _gauge("feed_blind", "1 = nothing may be decided on the symbol's market: silent, lost, or no tick ever.", SYMBOL),
    _gauge("feed_symbols", "Symbols by the state of their market.", _label("state", *FEED_STATES)),
    _gauge("feed_session", "1 = the symbol's regular session is on.", SYMBOL),
    _counter("market_rows", "Market rows applied."),
    _counter("events", "Rows and facts applied."),
)  # fmt: skip

LATENCY: Final = (
    _histogram("order_path", "One stage of an order's way, once for each step that makes an order (gate, wire: for "
               "each order). receive: from the socket read to the row or fact; decide: the engine's step, gate "
               "included; gate: one order through all controls; journal: its records until committed; hold: waiting "
               "for the disk (durability fsync); dispatch: until all has left; wire: one order into the socket.",
               _label("stage", *STAGES)),
    _histogram("tick_to_order", "From the socket read (or, for what no message caused, the step) until the order was "
               "handed to the socket. market: a market row woke the strategy; other: a fact, a timer, a person.",
               _label("cause", *CAUSES)),
    _histogram("socket_read", "One turn of reading from the broker, with everything that it caused."),
    _histogram("journal_sync", "One fsync of the journal."),
    _histogram("loop_lag", "How much later than planned the loop came to its regular look at everything."),
    _gauge("queue_length", "What waits. held_orders: for the disk; cancels, synchronisation, data_requests: "
           "for the message budget.", _label("queue", *QUEUES)),
)  # fmt: skip

ORDERS: Final = (
    _counter("decisions", "Decisions of strategies."),
    _counter("schedules", "Schedules (parent orders) opened."),
    _counter("order_requests", "What was sent to the broker, or recorded to be sent.", _label("kind", *REQUESTS)),
    _counter("order_answers", "What the broker answered.", _label("kind", *ANSWERS)),
    _counter("orders_not_sent", "Approved, and refused right before the socket: lease, ladder, link, message budget."),
    _counter("order_refusals", "Orders the gate refused, by the first control that said no.",
             _label("control", bound="the controls"), _label("code", bound="one for each control")),
    _counter("fills", "Executions booked."),
    _gauge("orders_live", "Orders that may still execute, by state.", _label("state", *ORDER_STATES)),
    _gauge("order_unanswered_seconds", "Age of the oldest request that the broker has not answered; 0 = none."),
    _gauge("schedules_live", "Schedules that run."),
    _gauge("strategy_enabled", "0 = the strategy raised an exception and is disabled.", STRATEGY),
)  # fmt: skip

MODELS: Final = (
    _gauge("model_score", "The last score, in basis points over the model's horizon.", STRATEGY, SYMBOL),
    _gauge("model_score_age_seconds", "Since that score; absent outside the hours in which the model is asked.",
           STRATEGY, SYMBOL),
    _counter("model_scores", "Scores computed.", STRATEGY),
    _gauge("model_trained_age_seconds", "Since the newest data that the model was trained on.", STRATEGY, source="ops"),
    _gauge("model_drift_ratio", "Population stability index of the last two thousand sampled scores against the scores "
           "of the training rows: 0 = the same, above 0.25 = another distribution. Absent until there are 500.",
           STRATEGY, source="ops"),
)  # fmt: skip

MONEY: Final = (
    _gauge("equity", "Of the account, at the newest marks."),
    _gauge("cash", "In the account's currency."),
    _gauge("day_profit", "Equity less what it was when the trading day began; below 0 = a loss."),
    _gauge("drawdown_ratio", "How far equity is below its peak, as a part of the peak."),
    _gauge("gross_exposure", "Values of all positions without their signs."),
    _gauge("net_exposure", "Values of all positions with their signs."),
    _gauge("position_value", "The account's position in a symbol, with its sign.", SYMBOL),
    _gauge("strategy_exposure", "Values of a strategy's positions without their signs.", STRATEGY),
    _gauge("strategy_unrealised_profit", "Open profit of a strategy at the newest marks.", STRATEGY),
    _gauge("strategy_realised_profit", "Closed profit of a strategy, before fees.", STRATEGY),
    _gauge("strategy_fees", "Commissions and fees of a strategy.", STRATEGY),
    _gauge("broker_available_funds", "For new positions, as the broker said last; absent before."),
    _gauge("broker_excess_liquidity", "Before the broker closes positions, as it said last; absent before."),
    _gauge("broker_funds_age_seconds", "Since the broker said so."),
)  # fmt: skip

RISK: Final = (
    _gauge("ladder_state", "1 for the worst state of process and account, 0 for the others.", _label("state", *LADDER)),
    _gauge("latches", "Causes that hold something down.", _label("level", *LEVELS),
           _label("state", "REDUCING", "HALTED")),
    _gauge("kills_open", "Kills whose scope has not been seen empty at the broker."),
    _gauge("kill_unverified_seconds", "Age of the oldest of these; 0 = none."),
    _gauge("reconcile_age_seconds", "Since the last complete synchronisation began; absent before the first."),
    _gauge("reconcile_differences", "Lines of the difference report that nobody has acknowledged."),
    _gauge("risk_measure_age_seconds", "Since the newest measurement of risk, or since one is waited for; absent while "
           "none is asked for."),
    _gauge("approvals_waiting", "Commands that wait for a second person."),
    _gauge("lease_remaining_seconds", "Until the trader's lease on the account ends; below 0 = it has ended.",
           source="lease"),
    _gauge("cluster_lease_held", "1 = the cluster says that this trader is the one.", source="cluster"),
    _gauge("cluster_lease_remaining_seconds", "Of the cluster's word, as far as it was confirmed.", source="cluster"),
    _gauge("cluster_lease_fault", "1 = the last request to the cluster came to nothing: what holds runs out.",
           source="cluster"),
    _gauge("cluster_lease_untold", "1 = the trader did not take the cluster's word, or could not be told.",
           source="cluster"),
    _gauge("lease_announced", "1 = the lease was given back on purpose: nothing is to be done.", source="lease"),
)  # fmt: skip

JOURNAL: Final = (
    _counter("journal_records", "Records of the journal: its newest sequence number."),
    _counter("journal_written_bytes", "Committed by this process."),
    _counter("journal_synced_bytes", "Of these, on the device for sure."),
    _gauge("journal_fault", "1 = a sync has failed; nothing after it is known to be on the device."),
    _gauge("disk_available", "0 = the reserve of disk space is touched: no new orders."),
    _gauge("journal_segments", "Segment files of the present journal.", source="journal"),
    _gauge("journal_size_bytes", "Of these files.", source="journal"),
    _gauge("disk_free_bytes", "Free on the journal's disk for an ordinary process.", source="journal"),
    _gauge("disk_reserve_bytes", "What must stay free (`journal.reserve_mib`).", source="ops"),
)  # fmt: skip

FOLLOWER: Final = (
    _gauge("follower_up", "1 = a follower runs and reports.", source="ops"),
    _gauge("follower_state", "1 for the present state, 0 for the others.", _label("state", *FOLLOWER_STATES),
           source="follower"),
    _gauge("follower_lag_seconds", "How long the oldest record has waited. compare: to be stepped again; record: to be "
           "written into the database.", _label("part", *FOLLOWER_PARTS), source="follower"),
    _gauge("follower_lag_records", "How many records wait.", _label("part", *FOLLOWER_PARTS), source="follower"),
    _counter("follower_differences", "Records that came out differently when they were stepped again.",
             source="follower"),
    _gauge("follower_database_up", "0 = nothing reaches the database.", source="follower"),
    _gauge("follower_database_retries", "Tries since the last batch that was committed.", source="follower"),
    _gauge("follower_snapshot_records", "Records since the newest snapshot: what a restart must step again.",
           source="follower"),
    _gauge("follower_snapshot_fault", "1 = the last snapshot could not be taken.", source="follower"),
)  # fmt: skip

SHIP: Final = (
    _gauge("ship_up", "1 = a process ships the journal off this machine and reports.", source="ship"),
    _gauge("ship_lag_seconds", "How long the oldest record that the copy lacks has been there.", source="ship"),
    _gauge("ship_lag_records", "How many records it lacks.", source="ship"),
    _gauge("ship_lag_bytes", "How many bytes it lacks.", source="ship"),
    _gauge("ship_fault", "1 = the last round failed.", source="ship"),
    _counter("ship_bytes", "Shipped by this process.", source="ship"),
)  # fmt: skip

GUARD: Final = (
    _gauge("guard_up", "1 = a guard runs and reports.", source="ops"),
    _gauge("guard_state", "1 for the present state, 0 for the others.", _label("state", *GUARD_STATES),
           source="guard"),
    _counter("alerts_raised", "Alerts of the trader.", _label("severity", *SEVERITIES)),
    _gauge("alerts_open", "Alerts of the trader that nobody has acknowledged.", _label("severity", *SEVERITIES)),
    _gauge("alert_delivery_up", "1 = a process delivers alerts to people and reports.", source="ops"),
    _gauge("alert_delivery_fault", "1 = the journal's alerts cannot be read: nobody is told of them.",
           source="delivery"),
    _gauge("alert_delivery_open", "Alerts of all processes that nobody has acknowledged.",
           _label("severity", *SEVERITIES), source="delivery"),
    _gauge("alert_target_undelivered", "Open alerts that a target should have been told of.", TARGET,
           source="delivery"),
    _gauge("alert_target_failing_seconds", "Since when deliveries to it fail; 0 = they do not.", TARGET,
           source="delivery"),
    _counter("alert_target_delivered", "Alerts delivered by the process that delivers now.", TARGET,
             source="delivery"),
)  # fmt: skip

MQTT: Final = (
    _gauge("mqtt_connected", "1 = the bridge has a session with the MQTT broker.", source="mqtt"),
    _gauge("mqtt_away_seconds", "Since the last session that lasted five seconds; 0 = the present one does.",
           source="mqtt"),
    _counter("mqtt_connects", "Sessions begun.", source="mqtt"),
    _counter("mqtt_failures", "Connections that failed or ended.", source="mqtt"),
    _counter("mqtt_published", "Messages told.", source="mqtt"),
    _gauge("mqtt_waiting", "Messages that wait to be told.", source="mqtt"),
    _counter("mqtt_dropped", "Messages that were never told, because what waited was full.",
             _label("kind", *MQTT_KINDS), source="mqtt"),
    _counter("mqtt_denied", "Messages that the broker did not take, by its answer. They are tried again, replies are "
             "not.", _label("reason", *MQTT_DENIALS), source="mqtt"),
    _gauge("mqtt_topics_denied", "Topics that the broker does not take now.", source="mqtt"),
    _counter("mqtt_received", "Messages that came in.", source="mqtt"),
    _counter("mqtt_refused", "Of these, refused by the bridge.", _label("reason", *MQTT_REASONS), source="mqtt"),
    _counter("mqtt_commands", "Commands passed on to the trader.", source="mqtt"),
    _counter("mqtt_commands_refused", "Of these, refused by the trader.", source="mqtt"),
    _counter("mqtt_commands_unanswered", "Of these, without an answer.", source="mqtt"),
    _counter("mqtt_features", "Numbers for models passed on.", source="mqtt"),
)  # fmt: skip

PROCESS: Final = (
    _counter("control_requests", "Lines on the control socket."),
    _counter("control_errors", "Lines that were no valid request, and clients that were turned away."),
    _counter("log_lines_lost", "Lines of the trader's log that nobody read in time."),
    _gauge("process_resident_memory_bytes", "Of the trader."),
    _gauge("process_open_fds", "Of the trader."),
    _gauge("process_threads", "Of the trader."),
    _gauge("process_tasks", "Tasks of the trader's loop."),
    _counter("process_cpu_seconds", "Of the trader, user and system."),
    _counter("process_gc_collections", "Of the trader's garbage collector.", _label("generation", "0", "1", "2")),
    _gauge("process_up", "1 = the process runs, as `quantd up` sees it.", PROCESS_NAME, source="up"),
    _counter("process_restarts", "How often `quantd up` started it again.", PROCESS_NAME, source="up"),
    _gauge("beside_resident_memory_bytes", "Of a process beside the trader, as it says itself.", BESIDE,
           source="beside"),
    _gauge("beside_open_fds", "Of the same.", BESIDE, source="beside"),
    _gauge("beside_threads", "Of the same.", BESIDE, source="beside"),
    _counter("beside_cpu_seconds", "Of the same, user and system.", BESIDE, source="beside"),
    _gauge("ops_part_up", "1 = the part of ops runs.", PART, source="ops"),
    _counter("ops_part_restarts", "How often the part failed and was started again.", PART, source="ops"),
)  # fmt: skip

HTTP: Final = (
    _counter("http_requests", "Requests that ops answered.", ROUTE, _label("status", *STATUSES), source="ops"),
    _histogram("http_request", "From a request until its answer began.", ROUTE, source="ops"),
    _counter("http_wrong_tokens", "Tokens of nobody.", source="ops"),
    _counter("http_malformed", "What came and was no request.", source="ops"),
)  # fmt: skip

GROUPS: Final[tuple[tuple[str, tuple[Metric, ...]], ...]] = (
    ("Is it there", PRESENCE),
    ("The broker's link and clock", LINK),
    ("Market data", FEED),
    ("Latency and queues", LATENCY),
    ("Orders", ORDERS),
    ("Models", MODELS),
    ("Money", MONEY),
    ("Risk and authority", RISK),
    ("Journal and disk", JOURNAL),
    ("Follower and database", FOLLOWER),
    ("The copy of the journal", SHIP),
    ("Guard and alerts", GUARD),
    ("MQTT", MQTT),
    ("Processes", PROCESS),
    ("Ops by HTTP", HTTP),
)
METRICS: Final[dict[str, Metric]] = {metric.name: metric for _, group in GROUPS for metric in group}
