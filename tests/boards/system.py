"""The board of the machinery: market data, link, journal, follower, guard, processes."""

from tests.boards.board import GREEN, RATE, RED, SEEN, YELLOW, Board, Chart, Row, number, states

NOW = Row(
    title="Now",
    charts=(
        number("Trader", "short", f"min(quantd_up{{{SEEN}}})", "1 = it answers.", (None, RED), (1, GREEN)),
        number(
            "Follower",
            "short",
            f"min(quantd_follower_up{{{SEEN}}})",
            "1 = decisions are compared and recorded.",
            (None, RED),
            (1, GREEN),
        ),
        number(
            "Guard",
            "short",
            f"min(quantd_guard_up{{{SEEN}}})",
            "1 = somebody cancels when the trader dies.",
            (None, RED),
            (1, GREEN),
        ),
        number(
            "Database",
            "short",
            f"min(quantd_follower_database_up{{{SEEN}}})",
            "0 = nothing is recorded in SQL; trading goes on and nothing is lost.",
            (None, RED),
            (1, GREEN),
        ),
        number(
            "Blind symbols",
            "short",
            f"sum(quantd_feed_blind{{{SEEN}}})",
            "No new risk on them: quantd why-not SYMBOL.",
            (None, GREEN),
            (1, RED),
        ),
        number(
            "Disk left",
            "bytes",
            f"min(quantd_disk_free_bytes{{{SEEN}}})",
            "Of the journal's disk. Below the reserve: no new orders.",
            (None, RED),
            (5e9, YELLOW),
            (2e10, GREEN),
        ),
    ),
)

DATA = Row(
    title="Market data and link",
    charts=(
        states(
            "Link",
            f"max by (state) (quantd_link_state{{{SEEN}}})",
            "{{state}}",
            "Orders leave in READY, cancels in READY and DEGRADED.",
        ),
        states(
            "Restart windows",
            f"max by (window) (quantd_restart_window_active{{{SEEN}}})",
            "{{window}}",
            "A restart known in advance: no order leaves, nobody is woken.",
        ),
        Chart(
            title="Age of market data",
            unit="s",
            lines=((f"quantd_feed_age_seconds{{{SEEN}}}", "{{symbol}}"),),
            says="Since the last proof of life of each line, in its session.",
            steps=((None, GREEN), (3, YELLOW), (60, RED)),
        ),
        Chart(
            title="Symbols by state",
            unit="short",
            lines=((f"sum by (state) (quantd_feed_symbols{{{SEEN}}})", "{{state}}"),),
            says="usable ones alone are decided on.",
        ),
        Chart(
            title="Rows and events",
            unit="ops",
            lines=(
                (f"sum(rate(quantd_market_rows_total{{{SEEN}}}[{RATE}]))", "market rows"),
                (f"sum(rate(quantd_events_total{{{SEEN}}}[{RATE}]))", "events"),
            ),
            says="Applied in a second.",
        ),
        Chart(
            title="Clock",
            unit="s",
            lines=((f"quantd_clock_offset_seconds{{{SEEN}}}", "{{instance}}"),),
            says="Ours less the broker's. Beyond two seconds sessions and cut-offs are wrong.",
        ),
        Chart(
            title="Until the next restart window",
            unit="s",
            lines=((f"min by (window) (quantd_restart_window_start_seconds{{{SEEN}}})", "{{window}}"),),
            says="After the weekly one somebody must log in.",
        ),
        Chart(
            title="Scores' age",
            unit="s",
            lines=((f"quantd_model_score_age_seconds{{{SEEN}}}", "{{strategy}} {{symbol}}"),),
            says="Since a model was last asked.",
        ),
    ),
)

RECORD = Row(
    title="Journal, follower, database",
    charts=(
        Chart(
            title="Journal",
            unit="Bps",
            lines=(
                (f"sum(rate(quantd_journal_written_bytes_total{{{SEEN}}}[{RATE}]))", "written"),
                (f"sum(rate(quantd_journal_synced_bytes_total{{{SEEN}}}[{RATE}]))", "on the device"),
            ),
            says="Two lines that part: the disk does not keep up.",
        ),
        Chart(
            title="Journal's size",
            unit="bytes",
            lines=(
                (f"quantd_journal_size_bytes{{{SEEN}}}", "journal"),
                (f"quantd_disk_free_bytes{{{SEEN}}}", "disk left"),
                (f"quantd_disk_reserve_bytes{{{SEEN}}}", "reserve"),
            ),
            says="quantd journal retain moves old market rows to Parquet.",
        ),
        Chart(
            title="Follower's lag",
            unit="s",
            lines=((f"quantd_follower_lag_seconds{{{SEEN}}}", "{{part}}"),),
            says="compare: stepped again; record: in the database.",
            steps=((None, GREEN), (10, YELLOW), (60, RED)),
        ),
        Chart(
            title="Records that wait",
            unit="short",
            lines=((f"quantd_follower_lag_records{{{SEEN}}}", "{{part}}"),),
            says="For the comparison and for the database.",
        ),
        Chart(
            title="Differences",
            unit="short",
            lines=((f"quantd_follower_differences_total{{{SEEN}}}", "{{instance}}"),),
            says="The same input gave another decision: quantd halt, then quantd journal show.",
            steps=((None, GREEN), (1, RED)),
        ),
        Chart(
            title="Since the last snapshot",
            unit="short",
            lines=((f"quantd_follower_snapshot_records{{{SEEN}}}", "{{instance}}"),),
            says="Records that a restart must step again.",
        ),
    ),
)

PEOPLE = Row(
    title="Alerts and MQTT",
    charts=(
        Chart(
            title="Open alerts",
            unit="short",
            lines=((f"sum by (severity) (quantd_alert_delivery_open{{{SEEN}}})", "{{severity}}"),),
            says="Of all processes; nobody has acknowledged them: quantd ack CODE.",
        ),
        Chart(
            title="Not delivered",
            unit="short",
            lines=((f"quantd_alert_target_undelivered{{{SEEN}}}", "{{target}}"),),
            says="Somebody should have been told and was not: mend [alerts].",
            steps=((None, GREEN), (1, RED)),
        ),
        Chart(
            title="Deliveries fail since",
            unit="s",
            lines=((f"quantd_alert_target_failing_seconds{{{SEEN}}}", "{{target}}"),),
            says="0 = they do not.",
            steps=((None, GREEN), (60, RED)),
        ),
        Chart(
            title="Raised",
            unit="short",
            lines=((f"sum by (severity) (increase(quantd_alerts_raised_total{{{SEEN}}}[{RATE}]))", "{{severity}}"),),
            says="By the trader.",
        ),
        Chart(
            title="Told by MQTT",
            unit="ops",
            lines=(
                (f"sum(rate(quantd_mqtt_published_total{{{SEEN}}}[{RATE}]))", "told"),
                (f"sum by (kind) (rate(quantd_mqtt_dropped_total{{{SEEN}}}[{RATE}]))", "dropped {{kind}}"),
                (f"sum(quantd_mqtt_waiting{{{SEEN}}})", "waiting"),
            ),
            says="Dropped = never told: the broker was away for long. The journal has them.",
        ),
        Chart(
            title="MQTT broker",
            unit="s",
            lines=(
                (f"quantd_mqtt_away_seconds{{{SEEN}}}", "away"),
                (f"sum(rate(quantd_mqtt_connects_total{{{SEEN}}}[{RATE}]))", "sessions begun, a second"),
                (f"sum by (reason) (rate(quantd_mqtt_denied_total{{{SEEN}}}[{RATE}]))", "not taken: {{reason}}"),
            ),
            says="Away: since a session lasted. Many begun: another client with our name. Not taken: our rights there.",
            steps=((None, GREEN), (60, RED)),
        ),
        Chart(
            title="Taken and refused by MQTT",
            unit="ops",
            lines=(
                (f"sum(rate(quantd_mqtt_commands_total{{{SEEN}}}[{RATE}]))", "commands passed on"),
                (f"sum(rate(quantd_mqtt_commands_refused_total{{{SEEN}}}[{RATE}]))", "refused by the trader"),
                (f"sum by (reason) (rate(quantd_mqtt_refused_total{{{SEEN}}}[{RATE}]))", "refused: {{reason}}"),
            ),
            says="forged, replayed or unsigned: somebody who may write there is no operator. quantd audit.",
        ),
    ),
)

PROCESSES = Row(
    title="Processes",
    charts=(
        Chart(
            title="Memory of the trader",
            unit="bytes",
            lines=((f"quantd_process_resident_memory_bytes{{{SEEN}}}", "{{instance}}"),),
            says="Flat after the first hour, or something leaks.",
        ),
        Chart(
            title="Processor of the trader",
            unit="percentunit",
            lines=((f"rate(quantd_process_cpu_seconds_total{{{SEEN}}}[{RATE}])", "{{instance}}"),),
            says="1 = a whole core.",
        ),
        Chart(
            title="Handles, threads, tasks",
            unit="short",
            lines=(
                (f"quantd_process_open_fds{{{SEEN}}}", "handles"),
                (f"quantd_process_threads{{{SEEN}}}", "threads"),
                (f"quantd_process_tasks{{{SEEN}}}", "tasks"),
            ),
            says="Flat, or something leaks.",
        ),
        Chart(
            title="Memory beside the trader",
            unit="bytes",
            lines=((f"quantd_beside_resident_memory_bytes{{{SEEN}}}", "{{process}}"),),
            says="The follower's has parts of the journal in it, which the kernel takes back.",
        ),
        Chart(
            title="Processor beside the trader",
            unit="percentunit",
            lines=((f"rate(quantd_beside_cpu_seconds_total{{{SEEN}}}[{RATE}])", "{{process}}"),),
            says="1 = a whole core. None of them may have the trader's.",
        ),
        Chart(
            title="Handles and threads beside the trader",
            unit="short",
            lines=(
                (f"quantd_beside_open_fds{{{SEEN}}}", "{{process}} handles"),
                (f"quantd_beside_threads{{{SEEN}}}", "{{process}} threads"),
            ),
            says="Flat, or something leaks.",
        ),
        Chart(
            title="Requests to ops",
            unit="reqps",
            lines=(
                (
                    f"sum by (route, status) (rate(quantd_http_requests_total{{{SEEN}}}[{RATE}]))",
                    "{{route}} {{status}}",
                ),
                (f"sum(rate(quantd_http_wrong_tokens_total{{{SEEN}}}[{RATE}]))", "wrong tokens"),
                (f"sum(rate(quantd_http_malformed_total{{{SEEN}}}[{RATE}]))", "no requests"),
            ),
            says="5xx of /readyz and /livez is their answer; elsewhere the trader does not answer, or ops fails.",
        ),
        Chart(
            title="Answers of ops, slowest hundredth",
            unit="s",
            lines=(
                (
                    "histogram_quantile(0.99, sum by (route, le) "
                    f"(rate(quantd_http_request_seconds_bucket{{{SEEN}}}[{RATE}])))",
                    "{{route}}",
                ),
            ),
            says="Until the answer began. Paths that read the journal are the slow ones.",
        ),
        Chart(
            title="Lines of the log lost",
            unit="short",
            lines=((f"increase(quantd_log_lines_lost_total{{{SEEN}}}[{RATE}])", "{{instance}}"),),
            says="Of the trader's: nobody read them in time. The journal has everything.",
            steps=((None, GREEN), (1, YELLOW)),
        ),
        Chart(
            title="Garbage collections",
            unit="ops",
            lines=(
                (
                    f"sum by (generation) (rate(quantd_process_gc_collections_total{{{SEEN}}}[{RATE}]))",
                    "{{generation}}",
                ),
            ),
            says="None of generation 2 while it trades: it would stand still for 0.1 s.",
        ),
        Chart(
            title="Control socket",
            unit="ops",
            lines=(
                (f"sum(rate(quantd_control_requests_total{{{SEEN}}}[{RATE}]))", "requests"),
                (f"sum(rate(quantd_control_errors_total{{{SEEN}}}[{RATE}]))", "errors"),
            ),
            says="Errors: lines that were no request, clients turned away.",
        ),
        Chart(
            title="Starts of the trader",
            unit="short",
            lines=((f"quantd_trader_epoch{{{SEEN}}}", "{{instance}}"),),
            says="Each start adds one: a stair is a trader that dies again and again.",
        ),
        Chart(
            title="Faults of disk and record",
            unit="short",
            lines=(
                (f"quantd_journal_fault{{{SEEN}}}", "a sync of the journal failed"),
                (f"1 - quantd_disk_available{{{SEEN}}}", "the disk's reserve is touched"),
                (f"quantd_follower_snapshot_fault{{{SEEN}}}", "no snapshot can be taken"),
                (f"quantd_alert_delivery_fault{{{SEEN}}}", "alerts cannot be read"),
            ),
            says="0 = none. Each has its alert.",
            steps=((None, GREEN), (1, RED)),
        ),
        Chart(
            title="Parts of ops started again",
            unit="short",
            lines=((f"sum by (part) (increase(quantd_ops_part_restarts_total{{{SEEN}}}[{RATE}]))", "{{part}}"),),
            says="A part that fails is started again; its log line says why.",
        ),
        states(
            "Parts of ops", f"quantd_ops_part_up{{{SEEN}}}", "{{part}}", "A part that fails is started again.", width=8
        ),
        states(
            "What runs",
            f"quantd_build_info{{{SEEN}}}",
            "{{version}} code {{code}} config {{config}}",
            "Another line begins with another version, code or config.",
            width=24,
        ),
    ),
)

SYSTEM = Board(
    name="system",
    title="quantd: system",
    says="Market data, link, journal, follower, alerts and processes.",
    rows=(NOW, DATA, RECORD, PEOPLE, PROCESSES),
)
