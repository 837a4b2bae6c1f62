"""The board of what is allowed: latches, kills, limits, and whether somebody watches."""

from tests.boards.board import GREEN, RATE, RED, SEEN, YELLOW, Board, Chart, Row, number, states

NOW = Row(
    title="Now",
    charts=(
        number(
            "Halted",
            "short",
            f'max(quantd_ladder_state{{state="HALTED",{SEEN}}})',
            "1 = nothing new is sent.",
            (None, GREEN),
            (1, RED),
        ),
        number(
            "Latches",
            "short",
            f"sum(quantd_latches{{{SEEN}}})",
            "Causes that hold something down: quantd status.",
            (None, GREEN),
            (1, YELLOW),
        ),
        number(
            "Kills not verified",
            "short",
            f"sum(quantd_kills_open{{{SEEN}}})",
            "The broker still lists orders that should be gone: quantd status, else quantd panic.",
            (None, GREEN),
            (1, RED),
        ),
        number(
            "Guard",
            "short",
            f"min(quantd_guard_up{{{SEEN}}})",
            "1 = somebody cancels when the trader dies, and tells people.",
            (None, RED),
            (1, GREEN),
        ),
        number(
            "Unexplained differences",
            "short",
            f"sum(quantd_reconcile_differences{{{SEEN}}})",
            "Books and broker differ and nobody has acknowledged it.",
            (None, GREEN),
            (1, RED),
        ),
        number(
            "Second person awaited",
            "short",
            f"sum(quantd_approvals_waiting{{{SEEN}}})",
            "Commands that count once another operator gives them too.",
            (None, GREEN),
            (1, YELLOW),
        ),
    ),
)

LADDER = Row(
    title="Ladder and authority",
    charts=(
        states(
            "Ladder",
            f"max by (state) (quantd_ladder_state{{{SEEN}}})",
            "{{state}}",
            "The worst of process and account: ACTIVE, REDUCING (exits only), HALTED.",
        ),
        Chart(
            title="Latches",
            unit="short",
            width=12,
            lines=((f"quantd_latches{{{SEEN}}}", "{{level}} {{state}}"),),
            says="Causes that hold something down; nothing but a person lifts most of them.",
        ),
        Chart(
            title="Trader's lease",
            unit="s",
            lines=((f"quantd_lease_remaining_seconds{{{SEEN}}}", "{{instance}}"),),
            says="Below 0 no order leaves, and a second later the guard cancels.",
            steps=((None, RED), (0, GREEN)),
        ),
        Chart(
            title="Cluster's lease",
            unit="s",
            lines=(
                (f"quantd_cluster_lease_remaining_seconds{{{SEEN}}}", "{{instance}}"),
                (f"quantd_cluster_lease_fault{{{SEEN}}}", "the cluster does not confirm it"),
                (f"quantd_cluster_lease_untold{{{SEEN}}}", "the trader does not take it"),
            ),
            says="At 0 the trader sends nothing. Empty where no cluster is asked.",
            steps=((None, RED), (0, GREEN)),
        ),
        states(
            "Guard",
            f"max by (state) (quantd_guard_state{{{SEEN}}})",
            "{{state}}",
            "watching is usual with a broker; acting = it cancels the orders of a trader that died.",
            width=8,
        ),
        Chart(
            title="Age of the oldest open kill",
            unit="s",
            lines=((f"quantd_kill_unverified_seconds{{{SEEN}}}", "{{instance}}"),),
            says="A kill is done when a complete look at the broker shows nothing.",
            steps=((None, GREEN), (10, RED)),
        ),
    ),
)

REFUSED = Row(
    title="What was refused",
    charts=(
        Chart(
            title="Refusals by control",
            unit="ops",
            width=12,
            lines=(
                (
                    f"sum by (control, code) (rate(quantd_order_refusals_total{{{SEEN}}}[{RATE}]))",
                    "{{control}} {{code}}",
                ),
            ),
            says="Orders the gate refused, by the first control that said no: docs/risk.md.",
        ),
        Chart(
            title="Approved and not sent",
            unit="ops",
            width=12,
            lines=((f"rate(quantd_orders_not_sent_total{{{SEEN}}}[{RATE}])", "{{instance}}"),),
            says="Refused right before the socket: lease, ladder, link or message budget.",
        ),
    ),
)

BOOKS = Row(
    title="Truth and money",
    charts=(
        Chart(
            title="Since the last complete synchronisation",
            unit="s",
            lines=((f"quantd_reconcile_age_seconds{{{SEEN}}}", "{{instance}}"),),
            says="The broker's word on orders, positions and cash is as old as this.",
            steps=((None, GREEN), (90, YELLOW), (300, RED)),
        ),
        Chart(
            title="Since the last measurement of risk",
            unit="s",
            lines=((f"quantd_risk_measure_age_seconds{{{SEEN}}}", "{{instance}}"),),
            says="Value at risk, stress and days to exit are as old as this.",
            steps=((None, GREEN), (30, YELLOW), (60, RED)),
        ),
        Chart(
            title="Orders by state",
            unit="short",
            lines=((f"sum by (state) (quantd_orders_live{{{SEEN}}})", "{{state}}"),),
            says="UNKNOWN = without an answer: they may live, and their risk is counted.",
        ),
        Chart(
            title="Broker's funds",
            unit="short",
            lines=(
                (f"quantd_broker_available_funds{{{SEEN}}}", "available"),
                (f"quantd_broker_excess_liquidity{{{SEEN}}}", "excess liquidity"),
                (f"quantd_cash{{{SEEN}}}", "cash in our books"),
            ),
            says="Below zero excess liquidity the broker closes positions by itself.",
            steps=((None, RED), (0, GREEN)),
        ),
        Chart(
            title="Profit of the day",
            unit="short",
            lines=((f"quantd_day_profit{{{SEEN}}}", "{{instance}}"),),
            says="What the day's loss limits look at.",
            steps=((None, RED), (0, GREEN)),
        ),
        Chart(
            title="Below the peak",
            unit="percentunit",
            lines=((f"quantd_drawdown_ratio{{{SEEN}}}", "{{instance}}"),),
            says="What the drawdown limits look at.",
            steps=((None, GREEN), (0.05, YELLOW), (0.1, RED)),
        ),
    ),
)

RISK = Board(
    name="risk",
    title="quantd: risk",
    says="What holds orders back, who watches, and how old the truth is.",
    rows=(NOW, LADDER, REFUSED, BOOKS),
)
