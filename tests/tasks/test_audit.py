"""What may spoil a comparison: found at the right lines, and only where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.tasks import load_task
from advisor.tasks.audit import audit
from advisor.tasks.findings import Finding
from advisor.tasks.material import Material

ROOT = Path(__file__).parents[2]
LONG = "The lender keeps the deposit until every key of the flat has come back to the desk"


def found(folder: Path, **options: float) -> dict[str, Finding]:
    task = load_task(folder, **options)  # type: ignore[arg-type]
    return {finding.code: finding for finding in audit(Material(task))}


def rows(*pairs: tuple[str, str]) -> list[dict[str, object]]:
    return [{"input": given, "target": target} for given, target in pairs]


@pytest.mark.parametrize("name", ["handbook-qa", "ticket-routing"])
def test_nothing_is_wrong_with_the_examples_but_their_size(name: str) -> None:
    assert set(found(ROOT / "examples" / name)) == {"small-test-set"}


def test_places_are_lines_of_files_though_some_are_empty(write) -> None:
    train = '{"input": "a", "target": "b"}\n\n\n{"input": "How late is it?", "target": "noon"}\n'
    test = '\n{"input": "how late is it?", "target": "noon"}\n'
    finding = found(write(train_jsonl=train, test_jsonl=test))["test-input-in-train"]
    assert [str(place) for place in finding.sights[0].places] == ["test.jsonl:2", "train.jsonl:4"]
    assert finding.lines == {"test.jsonl": [2]}
    assert (finding.severity, finding.count, finding.total, finding.share) == ("high", 1, 1, 1.0)


def test_a_split_of_train_names_the_lines_of_train(write) -> None:
    train = rows(*((f"question {n}", "same") for n in range(10)), ("question 3", "same"))
    findings = found(write(train_jsonl=train, test_jsonl=None), split=0.5)
    places = {str(p) for f in findings.values() for s in f.sights for p in s.places}
    assert {"train.jsonl:4", "train.jsonl:11"} <= places


def test_documents_in_a_folder_are_named_by_their_files(write) -> None:
    folder = write(**{"documents/a.md": LONG, "documents/b.txt": LONG.upper()})
    finding = found(folder)["repeated-document"]
    assert [str(place) for place in finding.sights[0].places] == ["documents/b.txt", "documents/a.md"]
    assert finding.lines == {"documents/b.txt": []}


def test_an_acceptable_answer_is_no_contradiction(write) -> None:
    train = [
        {"input": "q", "target": "nine", "targets": ["nine", "9"]},
        {"input": "q", "target": "9"},
        {"input": "r", "target": "ten"},
        {"input": "R", "target": "eleven"},
    ]
    finding = found(write(train_jsonl=train))["contradictory-answers"]
    assert finding.lines == {"train.jsonl": [3, 4]}
    assert finding.severity == "medium"


def test_what_is_near_but_of_another_answer_is_no_repetition(write) -> None:
    train = rows(("Is the side door of the office open at night in winter", "yes"))
    test = rows(("Is the side door of the office open at night in winters", "no"))
    assert "near-test-input-in-train" not in found(write(train_jsonl=train, test_jsonl=test))
    test = rows(("Is the side door of the office open at night in winters", "yes"))
    assert "near-test-input-in-train" in found(write(train_jsonl=train, test_jsonl=test))


def test_long_answers_of_test_that_stand_in_train(write) -> None:
    train = rows(("who keeps it", f"{LONG}."), ("b", "short"))
    findings = found(write(train_jsonl=train, test_jsonl=rows(("what happens to it", LONG), ("c", "short"))))
    assert findings["test-answer-in-train"].lines == {"test.jsonl": [1]}


def test_a_test_example_in_the_instruction(write) -> None:
    settings = '[task]\nname = "d"\nkind = "qa"\ninstruction = "Answer. Q: where do the visitors park? A: here"\n'
    test = rows(("Where do the visitors park?", "here"), ("b", "here"))
    finding = found(write(task_toml=settings, test_jsonl=test))["test-example-in-instruction"]
    assert finding.lines == {"test.jsonl": [1]}


def test_a_lopsided_test_set(write) -> None:
    train = rows(*((f"good thing {n}", "good") for n in range(9)), ("bad thing", "bad"))
    test = rows(*((f"nice thing {n}", "good") for n in range(9)), ("evil thing", "bad"))
    findings = found(write(kind="classification", train_jsonl=train, test_jsonl=test))
    assert findings["lopsided-labels"].count == 9
    assert "accuracy of 0.90" in findings["lopsided-labels"].meaning


def test_personal_data_is_shown_masked_in_every_finding(write) -> None:
    text = f"{LONG}, says ann.lee@posthut.org with card 4111 1111 1111 1111"
    findings = found(write(train_jsonl=rows((text, "yes")), test_jsonl=rows((text, "no"))))
    assert {"personal-email", "personal-card", "test-input-in-train", "contradictory-answers"} <= set(findings)
    for finding in findings.values():
        for sight in finding.sights:
            assert "ann.lee" not in sight.text and "4111 1111" not in sight.text
    assert "a***@p***.org" in findings["personal-email"].sights[0].text


def test_documents_in_another_language_than_the_inputs(write) -> None:
    german = "Der Schlüssel wird am Empfang abgegeben, bevor die Kaution zurückgezahlt werden kann."
    documents = [{"id": "a", "text": german}, {"id": "b", "text": f"Außerdem gilt: {german}"}]
    train = rows(("Where do I have to leave the key of the flat?", "at the desk"))
    findings = found(write(train_jsonl=train, test_jsonl=rows(("Who pays it back?", "we")), documents_jsonl=documents))
    assert findings["documents-in-another-language"].count == 2


def test_the_gravest_come_first_and_every_finding_can_be_read(write) -> None:
    train = rows((LONG, "yes"), (LONG, "no"), ("a", "YES"))
    task = load_task(write(kind="classification", train_jsonl=train, test_jsonl=rows((LONG, "maybe"))))
    findings = audit(Material(task))
    ranks = [("high", "medium", "low").index(finding.severity) for finding in findings]
    assert ranks == sorted(ranks) and len(set(ranks)) > 1
    for finding in findings:
        assert finding.what.endswith(".") and finding.meaning.endswith(".") and finding.hint.endswith(".")


def test_tiny_and_odd_tasks_are_looked_at_too(write) -> None:
    for text in ("?", "日本語の質問です", "a" * 30_000, "\N{PILE OF POO}", "\u0000x", "12345"):
        assert found(write(train_jsonl=rows((text, "!")), test_jsonl=rows((text, "?"))))


CODE = ["x + 1", "len(xs) - y", "a[0] * 2"]


def test_code_is_judged_by_a_metric_that_sees_operators_unless_another_is_named(write) -> None:
    train = rows(*((f"Write expression {n}", CODE[n % 3]) for n in range(6)))
    task = load_task(write(kind="generation", train_jsonl=train, test_jsonl=train))
    assert task.metric == "code_f1"
    assert any("judged by code_f1" in caveat for caveat in task.caveats)
    assert "code-judged-as-text" not in found(write(kind="generation", train_jsonl=train, test_jsonl=train))
    named = '[task]\nname = "a"\nkind = "generation"\ninstruction = "b"\nmetric = "rouge_l"\n'
    finding = found(write(task_toml=named, train_jsonl=train, test_jsonl=train))["code-judged-as-text"]
    assert (finding.severity, finding.count) == ("medium", 12)
    assert "12 of 12 answers look like code" in finding.what
    assert "code_f1" in finding.hint


def test_prose_is_judged_as_before(write) -> None:
    train = rows(("a", "The total is 5 + 3."), ("b", "Paris - France"), ("c", "and/or"), ("d", "x - 1"))
    task = load_task(write(kind="generation", train_jsonl=train, test_jsonl=train))
    assert (task.metric, task.caveats) == ("rouge_l", ())


@pytest.mark.parametrize("answers", [("三天", "下午"), ("ตีสาม", "วันพุธ"), ("みっか", "午後")])
def test_rules_that_part_words_at_white_space_do_not_suit_scripts_without(write, answers: tuple[str, str]) -> None:
    toml = '[task]\nname = "a"\nkind = "qa"\ninstruction = "b"\nmetric = "{}"\n'
    train, test = rows(("q", answers[0])), rows(("r", answers[1]))
    finding = found(write(task_toml=toml.format("squad_f1"), train_jsonl=train, test_jsonl=test))["words-not-parted"]
    assert (finding.severity, finding.count, "token_f1" in finding.hint) == ("medium", 2, True)
    assert "words-not-parted" not in found(write(task_toml=toml.format("token_f1"), train_jsonl=train, test_jsonl=test))
