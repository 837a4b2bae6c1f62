"""The board of the order path: how fast, how much, and what the broker answers."""

from tests.boards.board import GREEN, RATE, RED, SEEN, YELLOW, Board, Chart, Row, number


def quantile(share: float, metric: str, by: str = "", where: str = SEEN) -> str:
    """Of a histogram over the last moments."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({metric}_bucket{{{where}}}[{RATE}])))"


MARKET = f'cause="market",{SEEN}'

NOW = Row(
    title="Now",
    charts=(
        number(
            "Tick to order, half",
            "s",
            quantile(0.5, "quantd_tick_to_order_seconds", where=MARKET),
            "From the socket read of a market row to the order in the socket.",
        ),
        number(
            "Tick to order, 99 %",
            "s",
            quantile(0.99, "quantd_tick_to_order_seconds", where=MARKET),
            "Within a factor of two: buckets double.",
            (None, GREEN),
            (0.005, YELLOW),
            (0.05, RED),
        ),
        number("Orders live", "short", f"sum(quantd_orders_live{{{SEEN}}})", "That may still execute."),
        number("Schedules live", "short", f"sum(quantd_schedules_live{{{SEEN}}})", "That run."),
        number(
            "Unknown",
            "short",
            f'sum(quantd_orders_live{{state="UNKNOWN",{SEEN}}})',
            "Without an answer: settled by evidence only.",
            (None, GREEN),
            (1, RED),
        ),
        number(
            "Oldest without an answer",
            "s",
            f"max(quantd_order_unanswered_seconds{{{SEEN}}})",
            "Beyond engine.ack_timeout_s an order is UNKNOWN.",
            (None, GREEN),
            (2, YELLOW),
            (5, RED),
        ),
    ),
)

FAST = Row(
    title="How fast",
    charts=(
        Chart(
            title="Tick to order",
            unit="s",
            width=12,
            lines=tuple(
                (quantile(share, "quantd_tick_to_order_seconds", "cause"), f"{{{{cause}}}} {share:.0%}")
                for share in (0.5, 0.99)
            ),
            says="market: a row woke the strategy; other: a fact, a timer, a person.",
        ),
        Chart(
            title="Stages, 99 %",
            unit="s",
            width=12,
            lines=((quantile(0.99, "quantd_order_path_seconds", "stage"), "{{stage}}"),),
            says="receive, decide (with gate), journal, hold (for the disk), dispatch, wire: docs/metrics.md.",
        ),
        Chart(
            title="Loop lag",
            unit="s",
            lines=(
                (quantile(0.5, "quantd_loop_lag_seconds"), "50 %"),
                (quantile(0.99, "quantd_loop_lag_seconds"), "99 %"),
            ),
            says="How late the loop comes to its regular look. Rises with a busy machine.",
            steps=((None, GREEN), (0.05, YELLOW), (0.5, RED)),
        ),
        Chart(
            title="One read of the socket",
            unit="s",
            lines=(
                (quantile(0.5, "quantd_socket_read_seconds"), "50 %"),
                (quantile(0.99, "quantd_socket_read_seconds"), "99 %"),
            ),
            says="With everything that it caused: decisions, orders, journal.",
        ),
        Chart(
            title="One sync of the journal",
            unit="s",
            lines=(
                (quantile(0.5, "quantd_journal_sync_seconds"), "50 %"),
                (quantile(0.99, "quantd_journal_sync_seconds"), "99 %"),
            ),
            says="With durability fsync an order waits for it; a cancel does not.",
            steps=((None, GREEN), (0.02, YELLOW), (0.2, RED)),
        ),
    ),
)

TOLD = Row(
    title="What is sent and answered",
    charts=(
        Chart(
            title="Requests",
            unit="ops",
            lines=((f"sum by (kind) (rate(quantd_order_requests_total{{{SEEN}}}[{RATE}]))", "{{kind}}"),),
            says="In a second. The broker takes 50 messages of all kinds.",
        ),
        Chart(
            title="Answers",
            unit="ops",
            lines=((f"sum by (kind) (rate(quantd_order_answers_total{{{SEEN}}}[{RATE}]))", "{{kind}}"),),
            says="rejected: quantd why ORDER has the broker's words.",
        ),
        Chart(
            title="Refusals by control",
            unit="ops",
            lines=((f"sum by (control) (rate(quantd_order_refusals_total{{{SEEN}}}[{RATE}]))", "{{control}}"),),
            says="The first control that said no.",
        ),
        Chart(
            title="Orders by state",
            unit="short",
            lines=((f"sum by (state) (quantd_orders_live{{{SEEN}}})", "{{state}}"),),
            says="That may still execute.",
        ),
        Chart(
            title="What waits",
            unit="short",
            lines=((f"sum by (queue) (quantd_queue_length{{{SEEN}}})", "{{queue}}"),),
            says="cancels that wait: the message budget is used up.",
        ),
        Chart(
            title="Not yet taken by the kernel",
            unit="bytes",
            lines=((f"quantd_socket_unsent_bytes{{{SEEN}}}", "{{instance}}"),),
            says="The gateway reads slowly, or the line is full.",
            steps=((None, GREEN), (4096, YELLOW), (65536, RED)),
        ),
        Chart(
            title="Fills",
            unit="ops",
            width=24,
            lines=((f"sum by (instance) (rate(quantd_fills_total{{{SEEN}}}[{RATE}]))", "{{instance}}"),),
            says="Executions booked in a second. What they cost: quantd tca.",
        ),
    ),
)

EXECUTION = Board(
    name="execution",
    title="quantd: execution",
    says="The way of an order: how fast it is, what the broker answers, what waits.",
    rows=(NOW, FAST, TOLD),
)
