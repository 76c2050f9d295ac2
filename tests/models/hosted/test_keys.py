"""Where keys come from, where they go, and where they never stand."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.commands.options import add_running, sources_of
from advisor.errors import UserError
from advisor.measuring.comparing import compare
from advisor.models import Decoding, Prompt
from advisor.models.hosted.keys import Scrubber, key_in, variables_of, without_secrets
from advisor.models.hosted.loading import load_embedder
from advisor.models.load import Loading, load_again, load_model
from advisor.tasks import Task

PLANTED = "sk-Pl4nted0123456789abcdefXYZ"
WORDS = Decoding(8, ("\n",))
ASKED = [Prompt("Say it again.", "x"), Prompt("Say it again.", "y")]
Load = Callable[..., Any]


def sent_keys(server: Any) -> set[str]:
    return {one.headers["Authorization"] for one in server.requests}


def test_the_variable_of_an_alias_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_in(variables_of("big-one", "OPENAI_API_KEY")) == ""
    for name, expected in (("OPENAI_API_KEY", "c"), ("ADVISOR_API_KEY", "b"), ("ADVISOR_API_KEY_BIG_ONE", "a")):
        monkeypatch.setenv(name, expected)
        assert key_in(variables_of("big-one", "OPENAI_API_KEY")) == expected
    assert key_in(variables_of("small")) == "b"


def test_what_cannot_be_a_key_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_API_KEY", f"{PLANTED}\nnext")
    with pytest.raises(UserError, match="ADVISOR_API_KEY holds characters that no key has") as caught:
        key_in(variables_of("x"))
    assert PLANTED not in str(caught.value)


def test_a_providers_own_key_goes_to_it_and_to_this_machine_alone(
    server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    load_served(server.name).generate(ASKED, WORDS)
    assert sent_keys(server) == {f"Bearer {PLANTED}"}
    server.requests.clear()
    monkeypatch.setattr("advisor.models.hosted.address.is_loopback", lambda host: False)
    load_served(server.name).generate(ASKED, WORDS)
    assert sent_keys(server) == {"Bearer none"}


def test_the_general_key_goes_to_no_server_that_a_file_names(
    server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a record nor task.toml can have it sent to a host of their choice; a key of the alias is meant for it."""
    monkeypatch.setenv("ADVISOR_API_KEY", PLANTED)
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    load_served(server.name, typed=False).generate(ASKED, WORDS)
    assert sent_keys(server) == {"Bearer none"}
    server.requests.clear()
    monkeypatch.setenv("ADVISOR_API_KEY_TOY", "of-the-alias")
    load_served(server.name, typed=False).generate(ASKED, WORDS)
    assert sent_keys(server) == {"Bearer of-the-alias"}
    server.requests.clear()
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.address}/v1")
    monkeypatch.delenv("ADVISOR_API_KEY_TOY")
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-provider")
    load_served("openai:toy", typed=False).generate(ASKED, WORDS)
    assert sent_keys(server) == {"Bearer of-the-provider"}


def test_a_model_of_a_record_takes_no_general_key(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the record says of it does not count."""
    monkeypatch.setenv("ADVISOR_API_KEY", PLANTED)
    monkeypatch.setattr(Loading, "load_embedder", lambda self: None)
    typed = load_model(server.name)
    assert typed.loaded_from and "typed" not in typed.loaded_from
    again = load_again({**typed.loaded_from, "typed": True})
    for model, key in ((typed, PLANTED), (again, "none")):
        server.requests.clear()
        model.generate(ASKED, WORDS)
        model.close()
        assert sent_keys(server) == {f"Bearer {key}"}


def test_models_of_a_task_folder_are_not_typed(light_task: Task) -> None:
    parser = argparse.ArgumentParser()
    add_running(parser, "runs/x", several=True)
    task = replace(light_task, defaults=replace(light_task.defaults, models=("https://evil.example/v1#m",)))
    assert [one.loading.typed for one in sources_of(parser.parse_args([]), task)] == [False]
    assert [one.loading.typed for one in sources_of(parser.parse_args(["--model", "embedded"]), task)] == [True]


@pytest.mark.parametrize("variable", ["ADVISOR_API_KEY", "ADVISOR_API_KEY_E"])
def test_no_key_goes_over_plain_http_to_another_machine(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, PLANTED)
    with pytest.raises(UserError, match=r"embedder http://lab:8080/v1#e: a key would be sent to lab:8080") as caught:
        load_embedder("http://lab:8080/v1#e", Loading())
    assert f"unset {variable}" in caught.value.hint and PLANTED not in str(caught.value)
    load_embedder("https://lab:8080/v1#e", Loading()).calls.close()
    load_embedder("http://127.0.0.1:8080/v1#e", Loading()).calls.close()
    monkeypatch.delenv(variable)
    load_embedder("http://lab:8080/v1#e", Loading()).calls.close()


def test_what_else_the_environment_holds_for_openai_goes_to_no_other_server(
    server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: gateway-secret\nAuthorization: Bearer other-secret")
    load_served(server.name).generate(ASKED, WORDS)
    assert "secret" not in json.dumps([one.headers for one in server.requests])


def test_a_key_is_not_carried_along_a_redirect(server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_API_KEY", PLANTED)
    server.elsewhere = f"http://localhost:{server.address.rsplit(':', 1)[1]}"
    with pytest.raises(UserError, match="a key is not carried there"):
        load_served(server.name).generate(ASKED, WORDS)
    assert all(one.headers["Host"].startswith("127.0.0.1") for one in server.requests)


def test_a_key_stands_in_no_message_record_or_log(
    server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server echoes it, whole and in part."""
    monkeypatch.setenv("ADVISOR_API_KEY_TOY", PLANTED)
    caplog.set_level(logging.DEBUG)
    model = load_served(server.name)
    with model.keeping_answers(tmp_path / "kept.jsonl"):
        answers = model.generate(ASKED, WORDS)
    server.key = "another"
    said = [repr(answers), json.dumps(model.describe()), repr(model.answered_by), repr(model.calls.peer)]
    said.append((tmp_path / "kept.jsonl").read_text())
    with pytest.raises(UserError) as caught:
        model.generate(ASKED, WORDS)
    error: BaseException | None = caught.value
    while error is not None:
        said += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    said += [record.getMessage() for record in caplog.records]
    whole = "\n".join(said)
    assert "[key]" in whole
    assert not [PLANTED[at : at + 8] for at in range(len(PLANTED) - 7) if PLANTED[at : at + 8] in whole]


def test_an_answer_that_says_the_key_is_kept_without_it(
    server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_API_KEY", PLANTED)
    server.answer = lambda messages: f"it is {PLANTED}."
    for prompts in (ASKED, ASKED[:1]):
        assert load_served(server.name).generate(prompts, WORDS)[0].text == "it is [key]."


def test_an_answer_keeps_words_that_are_secrets_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "postgres")
    monkeypatch.setenv("SIGNING_SECRET", "correct horse battery staple 42")
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "tok987654321abcdefg")
    monkeypatch.setenv("LONG_KEY", "internationalization")
    scrub = Scrubber(PLANTED, "")
    said = "use postgres 16, correct horse battery staple 42 and internationalization"
    assert scrub.out_of(said) == said
    assert scrub("use postgres 16, internationalization") == "use [key] 16, [key]"
    assert scrub.out_of("it is tok987654321abcdefg") == "it is [key]"


def test_what_is_called_a_secret_is_handed_to_no_program() -> None:
    secrets = ("HF_TOKEN", "my_api_key", "GH_PAT", "DB_PASSWD", "MYSQL_PWD", "GOOGLE_APPLICATION_CREDENTIALS")
    held = dict.fromkeys(secrets, "x") | {"DATABASE_URL": "postgres://me:pass@db/x", "https_proxy": "http://:p@w:1"}
    kept = dict.fromkeys(("PATH", "PWD", "OLDPWD", "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "KEYBOARD", "PATTERN"), "x")
    kept |= {"HTTP_PROXY": "http://proxy:80", "HOST": "me@there", "INDEX_URL": "https://me@there:80/x"}
    assert without_secrets({**held, **kept}) == kept


def test_a_scrubber_knows_passwords_in_addresses_and_no_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:hid%40den42@db/x")
    monkeypatch.setenv("SOME_KEY_FILE", str(tmp_path))
    monkeypatch.setenv("LONG_KEY", "/" + 999 * "0a1b2c")
    scrub = Scrubber(PLANTED)
    assert scrub("postgres says hid@den42 or hid%40den42") == "postgres says [key] or [key]"
    assert scrub(f"cannot read {tmp_path}") == f"cannot read {tmp_path}"


@pytest.mark.parametrize("part", [PLANTED, PLANTED.upper(), PLANTED[:9], PLANTED[5:15], PLANTED[-16:], PLANTED[:-1]])
def test_an_answer_keeps_no_part_of_the_key_that_was_sent(part: str) -> None:
    assert Scrubber(PLANTED).out_of(f"it is ({part}).") == "it is ([key])."


def test_an_answer_keeps_what_a_key_has_in_common_with_words() -> None:
    said = "a token-based login, 0123456789, abcdef, sk-"
    assert Scrubber("token-abc123").out_of(said) == Scrubber(PLANTED).out_of(said) == said
    assert Scrubber("token-abc123").out_of("token-abc123") == "[key]"


def test_a_comparison_leaves_no_key_behind(
    server: Any,
    load_served: Load,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    light_task: Task,
) -> None:
    """Neither in its records nor in what it shows, whether it works or fails."""
    monkeypatch.setenv("ADVISOR_API_KEY", PLANTED)
    model = load_served(server.name)
    done = compare(light_task, model, ["zero-shot"], out=tmp_path)
    server.key = "another"
    failed = compare(light_task, model, ["zero-shot", "few-shot:k=2"], out=tmp_path)
    assert [run.status for run in done.runs + failed.runs] == ["ok", "ok", "failed"]
    assert "[key]" in str(failed.runs[1].error)
    whole = "".join(path.read_text() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    shown = capfd.readouterr()
    assert "zero-shot" in whole and PLANTED[:8] not in whole + shown.out + shown.err


def test_a_scrubber_takes_out_what_is_left_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "tok-987654321")
    scrub = Scrubber(PLANTED)
    said = f"a key sk-Pl4nt****fXYZ ({PLANTED.upper()}), {PLANTED[5:15]}\nor tok-987654321 or key sk-abc***def"
    assert scrub(said) == "a key [key] ([key]), [key] or [key] or key [key]"
    assert scrub("\x1b[31mred\x07") == "red"
    assert len(scrub("long " * 1000)) < 400


@pytest.mark.parametrize(
    "name", ["http://user:hidden@host/v1#m", "https://hidden@host/v1#m", "http://h/v1?key=hidden#m"]
)
def test_an_address_with_a_secret_is_refused_without_showing_it(name: str, load_served: Load) -> None:
    with pytest.raises(UserError, match="would stand in every record") as caught:
        load_served(name)
    assert "hidden" not in str(caught.value)


def test_openai_itself_needs_a_key(load_served: Load) -> None:
    with pytest.raises(UserError, match="openai:gpt-5-mini: there is no key for it") as caught:
        load_served("openai:gpt-5-mini")
    assert "ADVISOR_API_KEY_GPT_5_MINI or ADVISOR_API_KEY or OPENAI_API_KEY" in caught.value.hint
