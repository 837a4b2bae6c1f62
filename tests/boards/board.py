"""What a board is made of, and how Grafana's library turns it into JSON. Knows no metric: the boards beside it do.

Queries are PromQL with Grafana's variables: SEEN selects the traders that are looked at, RATE the span of a rate.
"""

import json
from pathlib import Path
from typing import Any, Literal

import msgspec
from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "boards"
SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="quantd-prometheus")
# One Prometheus may look at several traders. An ops process serves one account: its instance is the account's.
SEEN = 'instance=~"$account"'
STRATEGY = f'{SEEN},strategy=~"$strategy"'
RATE = "$__rate_interval"
# Where Grafana serves the runbook from: compose.yaml puts it there.
RUNBOOK = "/public/quantd/RUNBOOK.md"
ALERTS = f'ALERTS{{alertstate="firing",{SEEN}}}'
HEIGHT = 8

Kind = Literal["lines", "number", "states"]
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One panel. `lines`: query and legend. `steps`: from this value on this colour, the first from minus infinity.
    `says`: what an operator reads from it.
    """

    title: str
    unit: str  # of Grafana: s, bytes, percentunit, short …
    lines: tuple[tuple[str, str], ...]
    says: str
    kind: Kind = "lines"
    width: int = 8  # of 24
    height: int = HEIGHT
    steps: tuple[tuple[float | None, str], ...] = ((None, GREEN),)
    decimals: int | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Charts under one heading."""

    title: str
    charts: tuple[Chart, ...]


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """One dashboard; `name` is its file and the end of its address."""

    name: str
    title: str
    says: str
    rows: tuple[Row, ...]


def number(title: str, unit: str, query: str, says: str, *steps: tuple[float | None, str], legend: str = "") -> Chart:
    """A chart that is one number now."""
    steps = steps or ((None, BLUE),)
    return Chart(
        title=title, unit=unit, lines=((query, legend),), says=says, kind="number", width=4, height=4, steps=steps
    )


def states(title: str, query: str, legend: str, says: str, *, width: int = 12) -> Chart:
    """A chart of what was on when: each line is 0 or 1."""
    return Chart(title=title, unit="short", lines=((query, legend),), says=says, kind="states", width=width)


def json_of(board: Board) -> str:
    """The file of a board, ending in a newline."""
    text = json.dumps(_built(board), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
    return text + "\n"


def queries_of(board: Board) -> list[str]:
    """Every query that it sends, with those of variables and annotations."""
    lines = [query for row in board.rows for chart in row.charts for query, _ in chart.lines]
    return [*lines, ALERTS, "quantd_up", f"quantd_strategy_enabled{{{SEEN}}}"]


def _built(board: Board) -> dashboard.Dashboard:
    made = (
        d.Dashboard(board.title)
        .uid(f"quantd-{board.name}")
        .description(board.says)
        .tags(["quantd"])
        .readonly()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .timezone("utc")
        .refresh("5s")
        .variables([_variable("account", "Account", "label_values(quantd_up, instance)"),
                    _variable("strategy", "Strategy", f"label_values(quantd_strategy_enabled{{{SEEN}}}, strategy)")])
        .annotation(
            d.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color(RED).expr(ALERTS)
        )
        .link(d.DashboardLink("Boards").type(dashboard.DashboardLinkType.DASHBOARDS).tags(["quantd"]).as_dropdown(False)
              .include_vars(True).keep_time(True).icon("dashboard").tooltip("The other boards"))
        .link(d.DashboardLink("Runbook").type(dashboard.DashboardLinkType.LINK).url(RUNBOOK).icon("doc")
              .tooltip("What to do about each alert").target_blank(True))
    )  # fmt: skip
    for row in board.rows:
        made = made.with_row(d.Row(row.title))
        for chart in row.charts:
            made = made.with_panel(_panel(chart))
    return made.build()


def _variable(name: str, label: str, query: str) -> d.QueryVariable:
    return (
        d.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
    )


def _panel(chart: Chart) -> Any:
    """The library's panels share their methods by name, not by type."""
    kinds: dict[Kind, Any] = {"lines": timeseries.Panel, "number": stat.Panel, "states": statetimeline.Panel}
    made = kinds[chart.kind]()
    made = made.title(chart.title).description(chart.says).datasource(SOURCE).unit(chart.unit)
    made = made.span(chart.width).height(chart.height).thresholds(_thresholds(chart))
    if chart.decimals is not None:
        made = made.decimals(chart.decimals)
    for at, (query, legend) in enumerate(chart.lines):
        target = prometheus.Dataquery().expr(query).legend_format(legend or "__auto").ref_id(chr(ord("A") + at))
        made = made.with_target(target.instant() if chart.kind == "number" else target.range())
    if chart.kind == "lines":
        return _lines(made, chart)
    return _number(made) if chart.kind == "number" else _states(made)


def _number(made: Any) -> Any:
    """The newest value; what is not known says so."""
    newest = common_builder.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    made = made.reduce_options(newest).graph_mode(common.BigValueGraphMode.NONE)
    return made.color_mode(common.BigValueColorMode.VALUE).no_value("absent")


def _lines(made: Any, chart: Chart) -> Any:
    made = made.line_width(1).fill_opacity(5).show_points(common.VisibilityMode.NEVER).span_nulls(False)
    made = made.legend(
        common_builder.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
        .show_legend(True)
    )
    if len(chart.steps) > 1:
        style = common.GraphTresholdsStyleMode.DASHED
        made = made.thresholds_style(common_builder.GraphThresholdsStyleConfig().mode(style))
    return made


def _states(made: Any) -> Any:
    on = dashboard.ValueMap(
        options={
            "0": dashboard.ValueMappingResult(text=" ", color="transparent", index=0),
            "1": dashboard.ValueMappingResult(text="on", color=BLUE, index=1),
        }
    )
    return made.mappings([on]).show_value(common.VisibilityMode.NEVER).row_height(0.8).merge_values(True)


def _thresholds(chart: Chart) -> d.ThresholdsConfig:
    steps = [dashboard.Threshold(value=value, color=colour) for value, colour in chart.steps]
    return d.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)
