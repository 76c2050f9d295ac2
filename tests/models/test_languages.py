"""A task in a language that its model was not trained on says so; nothing is said of models that are not known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from advisor.models.languages import language_caveats
from advisor.models.local.packages import MINILM, SMOLLM2
from advisor.tasks import Defaults, Document, Example, Task

QUESTIONS = {
    "English": ("Where is the spare key kept?", "Who signs the travel form?", "When does the canteen open?"),
    "Russian": ("Где лежит запасной ключ?", "Кто подписывает командировку?", "Когда открывается столовая?"),
    "Chinese": ("备用钥匙放在哪里？", "谁签出差单？", "食堂几点开门？"),
    "Hindi": ("अतिरिक्त चाबी कहाँ रखी है?", "यात्रा पत्र पर कौन हस्ताक्षर करता है?", "भोजनालय कब खुलता है?"),
    "Arabic": ("أين يوجد المفتاح الاحتياطي؟", "من يوقع على استمارة السفر؟", "متى يفتح المطعم؟"),
    "Thai": ("กุญแจสำรองอยู่ที่ไหน", "ใครเซ็นใบเดินทาง", "โรงอาหารเปิดกี่โมง"),
    "German": (
        "Wo liegt der Ersatzschlüssel für den Keller?",
        "Wer unterschreibt den Reiseantrag?",
        "Wann öffnet die Kantine?",
    ),
}


@dataclass
class Named:
    """All that is asked of a model or an embedder here."""

    name: str
    embedder: Named | None = field(default=None)


def task(language: str, documents: str = "") -> Task:
    examples = tuple(Example(str(at), text, "yes") for at, text in enumerate(QUESTIONS[language]))
    pages = tuple(Document(str(at), "", text) for at, text in enumerate(QUESTIONS.get(documents, ())))
    return Task("t", "qa", "Answer.", "token_f1", test=examples, documents=pages)


@pytest.mark.parametrize("language", [name for name in QUESTIONS if name != "English"])
def test_the_embedded_models_are_english(language: str) -> None:
    (said,) = language_caveats(task(language))
    assert f"trained on English; this task is in {language} (100 % of its inputs)" in said
    assert SMOLLM2.id in said and MINILM.id in said


def test_an_english_task_says_nothing() -> None:
    assert language_caveats(task("English", "English")) == ()


def test_documents_in_another_language_are_named_beside_the_inputs() -> None:
    (said,) = language_caveats(task("English", "Russian"))
    assert "English (100 % of its inputs) and Russian (100 % of its documents)" in said


def test_of_other_models_nothing_is_known() -> None:
    stranger, minilm = Named("someone/polyglot", Named("someone/vectors")), Named(MINILM.id)
    assert language_caveats(task("Russian"), stranger) == ()  # type: ignore[arg-type]
    (said,) = language_caveats(task("Russian"), stranger, minilm)  # type: ignore[arg-type]
    assert said.startswith(f"The embedder {MINILM.id} was trained on English")
    assert "--model" not in said


@pytest.mark.parametrize("form", ["X{0:04d}-{1}", "{1:08x}", "DE-{1}-KL"])
def test_codes_with_a_few_words_among_them_are_in_no_language(form: str) -> None:
    codes = [form.format(at, at * 2654435761 % 2**32) for at in range(297)]
    examples = tuple(Example(str(at), text, "yes") for at, text in enumerate([*codes, *QUESTIONS["German"]]))
    assert language_caveats(Task("t", "qa", "Answer.", "token_f1", test=examples)) == ()


@pytest.mark.parametrize(("named", "says"), [("Qwen/Qwen2.5-0.5B-Instruct", False), ("Embedded", True), (None, True)])
def test_without_a_model_it_is_that_of_the_tasks_own_settings(named: str | None, says: bool) -> None:
    (said,) = language_caveats(replace(task("German"), defaults=Defaults((named,) if named else ())))
    assert (SMOLLM2.id in said) == says
    assert MINILM.id in said
