"""The board of the day: what the account holds, earns and does."""

from tests.boards.board import GREEN, RATE, RED, SEEN, STRATEGY, YELLOW, Board, Chart, Row, number, states

NOW = Row(
    title="Now",
    charts=(
        number(
            "Trader",
            "short",
            f"min(quantd_up{{{SEEN}}})",
            "1 = it answers; 0 = nothing below is of this moment.",
            (None, RED),
            (1, GREEN),
        ),
        number(
            "Link ready",
            "short",
            f'min(quantd_link_state{{state="READY",{SEEN}}})',
            "1 = orders may leave. 0 in a known restart window is usual.",
            (None, RED),
            (1, GREEN),
        ),
        number(
            "Halted",
            "short",
            f'max(quantd_ladder_state{{state="HALTED",{SEEN}}})',
            "1 = nothing new is sent until somebody resumes: the board Risk says why.",
            (None, GREEN),
            (1, RED),
        ),
        number("Equity", "short", f"sum(quantd_equity{{{SEEN}}})", "At the newest marks, in the account's currency."),
        number(
            "Today",
            "short",
            f"sum(quantd_day_profit{{{SEEN}}})",
            "Equity less that of the day's begin.",
            (None, RED),
            (0, GREEN),
        ),
        number(
            "Alerts open",
            "short",
            f"sum(quantd_alert_delivery_open{{{SEEN}}})",
            "Nobody has acknowledged them: quantd ack.",
            (None, GREEN),
            (1, YELLOW),
            (5, RED),
        ),
    ),
)

MONEY = Row(
    title="Money",
    charts=(
        Chart(
            title="Equity",
            unit="short",
            lines=((f"quantd_equity{{{SEEN}}}", "{{instance}}"),),
            says="Of the account, at the newest marks; amounts are in its currency.",
        ),
        Chart(
            title="Profit of the day",
            unit="short",
            lines=((f"quantd_day_profit{{{SEEN}}}", "{{instance}}"),),
            says="Deposits are no profit. The limit of the day's loss halts: docs/risk.md.",
            steps=((None, RED), (0, GREEN)),
        ),
        Chart(
            title="Below the peak",
            unit="percentunit",
            lines=((f"quantd_drawdown_ratio{{{SEEN}}}", "{{instance}}"),),
            says="How far equity is below its peak. Its limits reduce, then halt.",
            steps=((None, GREEN), (0.05, YELLOW), (0.1, RED)),
        ),
        Chart(
            title="Open profit by strategy",
            unit="short",
            lines=((f"quantd_strategy_unrealised_profit{{{STRATEGY}}}", "{{strategy}}"),),
            says="Of what is held, at the newest marks.",
        ),
        Chart(
            title="Closed profit by strategy",
            unit="short",
            lines=((f"quantd_strategy_realised_profit{{{STRATEGY}}}", "{{strategy}}"),),
            says="Before fees.",
        ),
        Chart(
            title="Fees by strategy",
            unit="short",
            lines=((f"quantd_strategy_fees{{{STRATEGY}}}", "{{strategy}}"),),
            says="Commissions and fees so far.",
        ),
    ),
)

HELD = Row(
    title="What is held",
    charts=(
        Chart(
            title="Exposure",
            unit="short",
            lines=(
                (f"quantd_gross_exposure{{{SEEN}}}", "gross {{instance}}"),
                (f"quantd_net_exposure{{{SEEN}}}", "net {{instance}}"),
            ),
            says="Values of all positions, without and with their signs.",
        ),
        Chart(
            title="Positions",
            unit="short",
            lines=((f"quantd_position_value{{{SEEN}}}", "{{symbol}}"),),
            says="Value of each symbol's position, with its sign.",
        ),
        Chart(
            title="Exposure by strategy",
            unit="short",
            lines=((f"quantd_strategy_exposure{{{STRATEGY}}}", "{{strategy}}"),),
            says="Without signs.",
        ),
    ),
)

DONE = Row(
    title="What is done",
    charts=(
        Chart(
            title="Decisions, schedules, fills",
            unit="ops",
            lines=(
                (f"sum(rate(quantd_decisions_total{{{SEEN}}}[{RATE}]))", "decisions"),
                (f"sum(rate(quantd_schedules_total{{{SEEN}}}[{RATE}]))", "schedules"),
                (f"sum(rate(quantd_fills_total{{{SEEN}}}[{RATE}]))", "fills"),
            ),
            says="In a second. Decisions without schedules: the gate, the costs or a latch hold them: quantd why-not.",
        ),
        Chart(
            title="Model scores",
            unit="short",
            lines=((f"quantd_model_score{{{STRATEGY}}}", "{{strategy}} {{symbol}}"),),
            says="In basis points over the model's horizon.",
        ),
        Chart(
            title="Drift of scores",
            unit="short",
            lines=((f"quantd_model_drift_ratio{{{STRATEGY}}}", "{{strategy}}"),),
            says="Stability index against the training rows: above 0.25 the model sees another world.",
            steps=((None, GREEN), (0.1, YELLOW), (0.25, RED)),
            decimals=3,
        ),
        states(
            "Strategies that run",
            f"quantd_strategy_enabled{{{STRATEGY}}}",
            "{{strategy}}",
            "Off = an exception disabled it: quantd resume --strategy NAME, once it is mended.",
            width=24,
        ),
    ),
)

TRADING = Board(
    name="trading",
    title="quantd: trading",
    says="What the account holds, earns and does. What is not known now is absent, never old.",
    rows=(NOW, MONEY, HELD, DONE),
)
