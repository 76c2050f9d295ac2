"""A task in numbers, worked out by hand for small ones."""

from __future__ import annotations

import pytest

from advisor.tasks import Document, Example, Task
from advisor.tasks.description import Description, Spread, describe
from advisor.tasks.material import Material
from advisor.tasks.power import detectable
from advisor.tasks.shapes import is_code, is_json, is_number, rigidity


def examples(*pairs: tuple[str, str], **more: tuple[str, ...]) -> tuple[Example, ...]:
    return tuple(Example(str(n), given, target, **more) for n, (given, target) in enumerate(pairs))


def described(kind: str = "qa", metric: str = "token_f1", **parts) -> Description:
    return describe(Material(Task("t", kind, "Do it.", metric, **parts)))  # type: ignore[arg-type]


def test_labels_and_their_baseline() -> None:
    train = examples(("a", "x"), ("b", "x"), ("c", "x"), ("d", "y"))
    test = examples(("e", "x"), ("f", "x"), ("g", "y"), ("h", "z"))
    found = described("classification", "accuracy", labels=("x", "y", "z"), train=train, test=test)
    assert (found.train, found.dev, found.test, found.labels, found.smallest_class) == (4, 0, 4, 3, 0)
    assert found.label_counts == {"x": 3, "y": 1, "z": 0}
    assert found.majority == 0.5
    assert found.majority_macro_f1 == pytest.approx((2 / 3) / 3)  # x has F1 2/3, y and z have 0
    assert found.label_entropy == pytest.approx(0.5119, abs=1e-3)
    assert found.answers_seen == 0.75
    assert found.rigidity == 1.0
    assert found.in_input is found.in_documents is None


def test_of_a_tie_both_baselines_are_those_of_the_first_answer_in_train() -> None:
    train = examples(("a", "y"), ("b", "x"))
    found = described("classification", "macro_f1", labels=("x", "y"), train=train, test=examples(("c", "x")))
    assert (found.majority, found.majority_macro_f1) == (0.0, 0.0)
    test = examples(("c", "y"))
    found = described("classification", "macro_f1", labels=("x", "y"), train=train, test=test)
    assert (found.majority, found.majority_macro_f1) == (1.0, 1.0)  # no other class is asked for or answered


def test_where_answers_stand() -> None:
    documents = (Document("d1", "Parking", "Visitors park on level two."), Document("d2", "", "Lunch is at noon."))
    test = (
        Example("1", "where do visitors park", "Level two", evidence=("d1",)),
        Example("2", "when is lunch, at noon?", "noon", evidence=("d1",)),
        Example("3", "how old is the house", "unanswerable"),
        Example("4", "who cooks", "Jo", targets=("Jo", "lunch")),
    )
    found = described(train=examples(("a", "noon")), test=test, documents=documents)
    assert found.in_input == pytest.approx(1 / 4)  # of 4 answerable ones, with that of train
    assert found.in_documents == pytest.approx(4 / 4)
    assert found.in_evidence == pytest.approx(1 / 2)
    assert found.unanswerable == pytest.approx(1 / 5)
    assert found.several_answers == pytest.approx(1 / 5)
    assert found.answers_seen == pytest.approx(1 / 4)
    assert found.evidence_first == pytest.approx(1 / 2)


def test_a_word_is_not_found_inside_another() -> None:
    assert described(train=examples(("the cart", "art")), test=examples(("art", "art"))).in_input == 0.5


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("来访者请把车停在地下二层。", "来访者把车停在哪里？", "地下二层"),
        ("Гости паркуются на втором этаже.", "Где паркуются гости?", "на втором этаже"),
        ("मेहमान दूसरी मंज़िल पर गाड़ी खड़ी करते हैं।", "मेहमान गाड़ी कहाँ खड़ी करते हैं?", "दूसरी मंज़िल पर"),
        ("ผู้มาเยือนจอดรถที่ชั้นสอง", "ผู้มาเยือนจอดรถที่ไหน", "ชั้นสอง"),
    ],
)
def test_answers_are_found_in_documents_of_every_script(text: str, question: str, answer: str) -> None:
    documents = (Document("d1", "", text), Document("d2", "", "Lunch is at noon."))
    found = described(test=(Example("1", question, answer, evidence=("d1",)),), documents=documents)
    assert (found.in_documents, found.in_evidence, found.in_input) == (1.0, 1.0, 0.0)
    assert found.question_overlap is not None and found.question_overlap > 0.4
    assert found.evidence_first == 1.0


def test_what_this_test_set_can_show_is_halved_by_four_times_the_examples() -> None:
    found = described(train=examples(("a", "b")), test=examples(*((f"q{n}", "r") for n in range(50))))
    assert found.examples_to_halve == 200
    assert found.detectable == pytest.approx(detectable(0.4 / 50**0.5))
    assert detectable(0.4 / 200**0.5) == pytest.approx(found.detectable / 2)


def test_lengths() -> None:
    assert Spread.of([]) is None
    assert Spread.of(list(range(1, 102))) == Spread(mean=51.0, p5=6.0, p50=51.0, p95=96.0, largest=101.0)


def test_languages() -> None:
    german = examples(
        ("Wann kommt die nächste Lieferung in unserem Lager an?", "morgen"),
        ("Welche Unterlagen brauche ich für die Anmeldung?", "keine"),
    )
    found = described(train=german, test=german, documents=(Document("d", "", "The office opens at nine."),))
    assert (found.language, found.language_share, found.document_language) == ("de", 1.0, "en")


@pytest.mark.parametrize(
    ("text", "number", "code", "json"),
    [
        ("1,250.50", True, False, False),
        ("$3", True, False, False),
        ("12 km", True, False, False),
        ("twelve", False, False, False),
        ("in 1999 or so", False, False, False),
        ("SELECT name FROM towns WHERE size > 3", False, True, False),
        ("torch.hub.load(repo='x', model='y')", False, True, False),
        ('{"a": 1}', False, False, True),
        ("[1, 2]", False, False, True),
        ("{not json", False, False, False),
    ],
)
def test_forms_of_answers(text: str, number: bool, code: bool, json: bool) -> None:
    assert (is_number(text), is_code(text), is_json(text)) == (number, code, json)


def test_rigidity() -> None:
    assert rigidity([]) == 0.0
    assert rigidity(["Jan 5, 1999", "Mar 17, 2001"]) == 1.0
    assert rigidity(['{"a": 1}', '{"b": "long text"}']) == 1.0
    assert rigidity(["It opens at nine.", "Nobody knows", "Ask the lady with the hat, please"]) < 0.5


def test_free_text_is_not_rigid_in_any_script() -> None:
    assert rigidity(["九点开门。", "没有人知道这件事", "请去问那位戴帽子的女士，谢谢您"]) < 0.5
    assert rigidity(["नौ बजे खुलता है।", "किसी को नहीं पता", "टोपी वाली महिला से पूछें"]) < 0.5
    assert rigidity(["1999年1月5日", "2001年3月17日"]) == 1.0
