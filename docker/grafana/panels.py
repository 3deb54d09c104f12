"""The kinds of panels that the dashboards are made of."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import candlestick, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from infinity_query import SOURCE, InfinityQuery

LINE_HEIGHT = 4
CHART_HEIGHT = 9


def oldest_first(column: str) -> DataTransformerConfig:
    """Charts want rows in the order of time; the API gives the newest page."""
    return DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [{"field": column, "desc": False}]})


def figure(
    title: str, query: InfinityQuery, unit: str, description: str, steps: list[Threshold] | None = None
) -> stat.Panel:
    """One value, large; green until a threshold says otherwise."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query)
        .unit(unit)
        .height(LINE_HEIGHT)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/").values(False))
        .color_mode(BigValueColorMode.VALUE)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps or [Threshold(color="text")]))
    )


def yes_or_no(yes: str, no: str) -> list[ValueMapping]:
    """Texts and colours for a flag."""
    return [
        ValueMap(
            options={
                "true": ValueMappingResult(text=yes, color="green", index=0),
                "false": ValueMappingResult(text=no, color="red", index=1),
            }
        )
    ]


def lines(title: str, query: InfinityQuery, unit: str, description: str, *, bars: bool = False) -> timeseries.Panel:
    """Columns over time; as stacked bars where each value stands for itself."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query)
        .with_transformation(oldest_first(next(iter(query.columns))))
        .unit(unit)
        .height(CHART_HEIGHT)
        .show_points(VisibilityMode.NEVER)
        .legend(
            VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        )
    )
    if bars:
        panel = (
            panel.draw_style(GraphDrawStyle.BARS).fill_opacity(60).stacking(StackingConfig().mode(StackingMode.NORMAL))
        )
    return panel


def candles(title: str, query: InfinityQuery, description: str) -> candlestick.Panel:
    """Candles with volume; further columns, such as the VWAP, as lines."""
    return (
        candlestick.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query)
        .with_transformation(oldest_first(next(iter(query.columns))))
        .include_all_fields(True)
        .height(14)
    )


def rows(title: str, query: InfinityQuery, description: str, units: Mapping[str, str] | None = None) -> table.Panel:
    """A table of what the query gives."""
    panel = (
        table.Panel().title(title).description(description).datasource(SOURCE).with_target(query).height(CHART_HEIGHT)
    )
    for column, unit in (units or {}).items():
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    return panel
