"""Panels of a Grafana dashboard, as plain JSON.

The models of grafana-foundation-sdk know every field of Grafana's schema, and the tests read each dashboard with them;
writing the two dozen fields that are needed here takes no library of five megabytes where a server runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24  # of Grafana's grid
Kind = Literal["timeseries", "stat", "bargauge"]
_HEIGHT: dict[Kind, int] = {"timeseries": 8, "stat": 4, "bargauge": 8}


@dataclass(frozen=True)
class Panel:
    """A picture of some series.

    Attributes:
        unit: as Grafana calls it (`s`, `reqps`, `percentunit`, `currencyUSD`, `bytes`, `short`).
        queries: expressions of PromQL, each with the name of its series, which may hold `{{label}}`.
        said: what is seen, and against what to hold it.
        width: of 24 columns.
        line: where too much begins; drawn as a line. None draws none.
        both: whether the line is drawn below zero, too.
        stacked: whether series are drawn upon each other.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    said: str
    kind: Kind = "timeseries"
    width: int = 8
    line: float | None = None
    both: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class PanelSection:
    """Panels below a heading."""

    title: str
    panels: tuple[Panel, ...]


def placed(sections: Sequence[PanelSection]) -> list[dict[str, Any]]:
    """All panels, from left to right and from top to bottom, each section below a row of its own."""
    return list(_placed(sections))


def _placed(sections: Sequence[PanelSection]) -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for section in sections:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"type": "row", "id": number, "title": section.title, "collapsed": False, "gridPos": place, "panels": []}
        number, top, left, height = number + 1, top + 1, 0, 0
        for panel in section.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            height = max(height, _HEIGHT[panel.kind])
            place = {"x": left, "y": top, "w": panel.width, "h": _HEIGHT[panel.kind]}
            yield {"id": number, "gridPos": place, **_json(panel)}
            number, left = number + 1, left + panel.width
        top += height


def _json(panel: Panel) -> dict[str, Any]:
    at_once = panel.kind != "timeseries"
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.said,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": at_once,
                "range": not at_once,
            }
            for place, (expression, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"value": None, "color": "green"}]
    if panel.line is not None:
        if panel.both:
            steps = [{"value": None, "color": "red"}, {"value": -panel.line, "color": "green"}]
        steps.append({"value": panel.line, "color": "red"})
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        found["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 0,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if panel.line is None else "dashed"},
        }
    if panel.unit == "percentunit":
        found |= {"min": 0, "max": 1}
    return found


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    reduced = {"reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""}}
    if panel.kind == "bargauge":
        return {**reduced, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}
    named = "value" if len(panel.queries) == 1 and "{{" not in panel.queries[0][1] else "name"
    return {**reduced, "textMode": named, "graphMode": "none", "colorMode": "value" if panel.line else "none"}
