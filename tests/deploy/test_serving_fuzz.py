"""Requests made up from the server's own description, good and bad: none breaks it, nothing of one reaches another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis

from advisor.deploy.serving.app import REFUSALS

CASES = 25  # of each route
NAMES = {"/v1/chat/completions": "rag:k=1", "/v1/embeddings": "words"}
SECRET = "xyzzy-of-another-caller"
ROUTES = ("/v1/chat/completions", "/v1/embeddings", "/answer", "/documents", "/v1/models/{model}", "/health", "/ready")


@pytest.fixture
def fuzzed(served: Any) -> Any:
    """A server that somebody has asked something before."""
    server = served("rag:k=1", key="sk-right", timeout=20.0).ready()
    assert server.chat(SECRET).status_code == 200
    return server


@pytest.mark.parametrize("route", ROUTES)
def test_no_request_breaks_the_server(route: str, fuzzed: Any, tmp_path: Path) -> None:
    schema = schemathesis.openapi.from_dict(fuzzed.http.get("/openapi.json").json())
    schema.app = fuzzed.app
    (operation,) = (one.ok() for one in schema.get_all_operations() if one.ok().path == route)
    statuses: list[int] = []
    files = set(tmp_path.rglob("*"))

    modes = schemathesis.GenerationMode
    strategy = (
        operation.as_strategy(generation_mode=modes.POSITIVE) | operation.as_strategy(generation_mode=modes.NEGATIVE)
        if operation.body or operation.path_parameters
        else operation.as_strategy()
    )

    @hypothesis.given(case=strategy)
    @hypothesis.settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case: Any) -> None:
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
            case.body["model"] = NAMES[route]  # else nearly all would be refused for that alone
        response = case.call(base_url="http://127.0.0.1", headers={"Authorization": "Bearer sk-right"})
        statuses.append(response.status_code)
        assert response.status_code == 200 or response.status_code in {*REFUSALS, 405, 409}, response.text
        assert response.status_code < 500
        assert SECRET not in response.text or SECRET in str(case.body)
        if response.status_code != 200:
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}

    ask()
    assert statuses
    assert set(tmp_path.rglob("*")) - files <= {tmp_path / "documents.jsonl"}
    assert fuzzed.chat("what of lunch").status_code == 200
