"""All files by which a served row is watched, in one folder."""

from __future__ import annotations

from pathlib import Path

from advisor.deploy.watching.alerts import alert_rules
from advisor.deploy.watching.compose import container_files
from advisor.deploy.watching.dashboard import dashboard
from advisor.deploy.watching.reference import measured_row
from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.measuring.records import Comparison, Run

ALERTS = "prometheus/alerts.yml"
DASHBOARD = "grafana/dashboards/advisor.json"


def write_files(folder: str | Path, comparison: Comparison, run: Run) -> tuple[Path, ...]:
    """Write a dashboard, alert rules, and what starts the server with Prometheus and Grafana in containers.

    Args:
        folder: is made; it may be there if it is empty.
        run: whose row is served; thresholds are those of its record.

    Returns:
        The files.

    Raises:
        UserError: something lies in the folder, which may have been changed by hand.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--files {folder}: is not empty", "name a folder that is, or is not there yet")
    row = measured_row(comparison, run)
    texts = {**container_files(comparison, run, folder), ALERTS: alert_rules(row), DASHBOARD: dashboard(row)}
    for name, text in texts.items():
        write_whole(folder / name, text)
    return tuple(folder / name for name in texts)
