"""Metrics against the official implementations, SQuAD's by hand from the rules of its script, and in every script."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Sequence
from itertools import permutations

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.chrf import CHRF
from sklearn.metrics import accuracy_score, f1_score

from advisor.errors import UserError
from advisor.measuring import metrics
from advisor.measuring.answers import longest_common
from advisor.tasks import MetricFacts
from advisor.tasks.metrics import BUILT_IN

FORMAL = ("json", "pyth", "sql_")  # metrics of texts in a formal language

TEXTS = [
    "The refund takes five working days.",
    "refunds are taking 5 days",
    "",
    "Straße nach Genève",
    "no no no",
    "Running runners ran; the refunded refund.",
]


@pytest.mark.parametrize(
    ("text", "targets", "exact", "f1"),
    [
        ("Paris", ["Paris"], 1, 1),
        ("the Eiffel Tower!", ["Eiffel tower"], 1, 1),
        ("An apple a day", ["apple day"], 1, 1),
        ("U.S.A.", ["USA"], 1, 1),
        ("well-known", ["wellknown"], 1, 1),
        ("well known", ["well-known"], 0, 0),
        ("Genève", ["geneve"], 0, 0),
        ("“Paris”", ["Paris"], 0, 0),  # only ASCII punctuation is removed
        ("in Paris France", ["Paris"], 0, 2 * (1 / 3) * 1 / (1 / 3 + 1)),
        ("no no no", ["no"], 0, 2 * (1 / 3) * 1 / (1 / 3 + 1)),
        ("no no", ["no no no no"], 0, 2 * 1 * 0.5 / 1.5),
        ("cat dog", ["bird", "dog"], 0, 2 / 3),
        ("theater", ["the ater"], 0, 0),
        ("", ["Paris"], 0, 0),
        ("", [""], 1, 1),
        ("the", [""], 1, 1),  # both normalise to nothing
        ("the", ["a", "Paris"], 0, 0),  # an empty target counts only where there is no other
        ("Paris", ["the"], 0, 0),
        ("Unanswerable.", ["unanswerable"], 1, 1),
        ("unanswerable question", ["unanswerable"], 0, 0),
        ("unanswerable", ["an unanswerable question"], 0, 0),
        ("an unanswerable riddle", ["unanswerable question"], 0, 0.5),
        ("two  \t days\n", ["two days"], 1, 1),
        ("-5", ["5"], 1, 1),
        ("3.14", ["314"], 1, 1),
        ("C++", ["C#"], 1, 1),
        ("a 1,000 %", ["1000"], 1, 1),
        ("今天天气很好。", ["今天天气很好"], 0, 0),  # 。 is not ASCII, and no white space parts words
        ("l’été", ["l'été"], 0, 0),
    ],
)
def test_squad_metrics_follow_the_official_rules(text: str, targets: list[str], exact: float, f1: float) -> None:
    assert metrics.score("squad_em", text, targets) == exact
    assert metrics.score("squad_f1", text, targets) == pytest.approx(f1)


# One acceptable answer a row: what any metric must give 1 to itself.
ANSWERS = [
    *("naïve Façade", "Việt Nam", "Ødegård", "ß", "İstanbul", "Москва — столица", "Ёлка", "Αθήνα", "ὀδύσσεια"),
    *("السلام عليكم", "قَالَ", "۱۲۳", "שָׁלוֹם", "בית־ספר", "नमस्ते दुनिया", "कि", "क्ष", "தமிழ்", "বাংলা", "తెలుగు"),
    *("สวัสดีครับ", "ไม่เป็นไร", "ភាសាខ្មែរ", "မြန်မာ", "ພາສາລາວ", "བོད་ཡིག", "አማርኛ", "ქართული", "հայերեն"),
    *("今天天气很好。", "，", "東京タワー", "ひらがな", "カタカナー", "ｶﾀｶﾅ", "안녕하세요", "한", "𠮷野家", "ᠮᠣᠩᠭᠣᠯ"),
    *("😀", "👨‍👩‍👧", "🇩🇪", "❤️", "1️⃣", "👍🏽", "great 😀", "→", "©"),
    *(
        "x = y + 1",
        "SELECT COUNT(*) FROM t WHERE a <> 'b';",
        "ls -la | wc -l",
        "++",
        "{}",
        "[]",
        "a[0]",
        "\\frac{1}{2}",
    ),
    *("-5", "5", "3.14", ".5", "1,000", "1e-3", "½", "10²", "٣", "%", "5 %", "$", "<5", "∞"),
    *(
        "a",
        "A",
        "the",
        "an",
        "The a",
        "I",
        "Z",
        "_",
        "-",
        ".",
        "...",
        "?!",
        "'",
        '"',
        "`",
        "``",
        "。",
        "—",
        "¿?",
        "\u00ad-",
    ),
    *("unanswerable", "a" * 300, "word " * 300, "天" * 500, "line one\nline two", "\ttab\tand  blanks "),
]


QUALITIES = [m for m, facts in BUILT_IN.items() if facts.decides and facts.sort == "example" and m[:4] not in FORMAL]


@pytest.mark.parametrize("metric", QUALITIES)
def test_an_answer_equal_to_its_target_is_right_in_every_script_and_form(metric: str) -> None:
    for text in ANSWERS:
        for form in ("NFC", "NFD", "NFKC"):
            answer = text if metric in ("squad_em", "squad_f1") else unicodedata.normalize(form, text)
            if form == "NFKC" and unicodedata.normalize("NFC", text) != answer:
                continue  # compatibility forms may say another thing: 10² is not 102
            assert metrics.score(metric, answer, [text]) == pytest.approx(1), (text, form)
            if metric not in ("squad_em", "squad_f1"):  # they leave out a target of punctuation beside another
                assert metrics.score(metric, text, ["something else", text]) == pytest.approx(1), text
    assert metrics.scores(metric, ANSWERS, [[text] for text in ANSWERS]).mean() == pytest.approx(1)


@pytest.mark.parametrize("metric", ["exact_match", "token_f1", "rouge_l", "chrf", "code_exact", "code_f1", "accuracy"])
def test_how_a_text_is_stored_does_not_count(metric: str) -> None:
    for one, other in [
        ("crème brûlée", unicodedata.normalize("NFD", "crème brûlée")),
        ("Москва́ й", unicodedata.normalize("NFD", "Москва́ й")),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("Ｈａｌｌ　９", "Hall 9"),
        ("it’s “new”", 'it\'s "new"'),
        ("قر\u200fيب", "قريب"),
        ("❤\ufe0f", "❤"),
        ("blue\u00a0sky", "blue sky"),
        ("blue\u200bsky", "bluesky"),
    ]:
        assert metrics.score(metric, one, [other]) == pytest.approx(1), one
        assert metrics.score(metric, other, [one]) == pytest.approx(1), one


@pytest.mark.parametrize("metric", ["exact_match", "token_f1"])
def test_answers_that_differ_in_a_sign_are_not_the_same(metric: str) -> None:
    for one, other in [
        *[("-5", "5"), ("3.14", "314"), ("C++", "C#"), ("C", "C++"), ("<5", ">5"), ("A", ""), ("the", "A")],
        *[("कि", "की"), ("ไม่", "ไม้"), ("قَالَ", "قِيلَ"), ("は", "ば"), ("é", "e"), ("?", "!"), ("😀", "😡")],
    ]:
        assert metrics.score(metric, one, [other]) < 1, (one, other)
        assert metrics.score(metric, other, [one]) < 1, (one, other)


@pytest.mark.parametrize(
    ("text", "target", "f1"),
    [
        ("天气很好", "今天天气很好", 2 * 4 / 10),
        ("天气很好。", "天气很好", 1),
        ("東京タワー", "東京", 2 * 2 / 7),
        ("ตีสาม", "ตีสอง", 2 * 2 / 8),
        ("ລາວ", "ລາ", 2 * 2 / 5),
        ("в новом доме", "новом доме", 2 * 2 / 5),
        ("घर में", "घर", 2 / 3),
        ("서울 시청", "서울", 2 / 3),
        ("the price is $5", "$5", 2 * 1 / 4),
        ("$5", "$7", 0),  # a sign alone earns nothing
        ("$5", "5", 2 / 3),
        ("8 %", "8", 2 / 3),
        ("", "今天", 0),
        ("unanswerable question", "unanswerable", 0),
    ],
)
def test_token_f1_counts_words_or_characters_where_no_spaces_part_words(text: str, target: str, f1: float) -> None:
    assert metrics.score("token_f1", text, [target]) == pytest.approx(f1)


ENGLISH = [
    ("Paris", ["Paris"], 1),
    ("the Eiffel Tower!", ["Eiffel tower"], 1),
    ("in Paris France", ["Paris"], 0.5),
    ("no no", ["no no no no"], 2 / 3),
    ("cat dog", ["bird", "dog"], 2 / 3),
    ("U.S.A.", ["USA"], 1),
    ("an unanswerable riddle", ["unanswerable question"], 0.5),
]


@pytest.mark.parametrize(("text", "targets", "f1"), ENGLISH)
def test_on_plain_english_token_f1_is_that_of_squad(text: str, targets: list[str], f1: float) -> None:
    assert metrics.score("token_f1", text, targets) == pytest.approx(f1)
    assert metrics.score("squad_f1", text, targets) == pytest.approx(f1)


def test_rouge_l_of_english_is_that_of_the_package_with_stemming_and_the_best_target() -> None:
    official = RougeScorer(["rougeL"], use_stemmer=True)
    words = [
        "The",
        "cats",
        "were",
        "Running,",
        "running;",
        "2",
        "well-known",
        "U.S.",
        "(5%",
        "don't",
        "a_b",
        "Mondays!",
    ]
    rng = random.Random(0)
    texts = [t for t in TEXTS if t.isascii()] + [" ".join(rng.choices(words, k=rng.randint(1, 40))) for _ in range(60)]
    for text in texts:
        targets = rng.sample(texts, 3)
        expected = max(official.score(t, text)["rougeL"].fmeasure for t in targets)
        assert metrics.score("rouge_l", text, targets) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("новая книга лежит", "книга лежит здесь", 2 / 3),
        ("الكتاب على الطاولة", "الكتاب تحت الطاولة", 2 / 3),
        ("घर में किताब", "घर में कलम", 2 / 3),
        ("το σπίτι", "το βιβλίο", 1 / 2),
        ("今天下雨", "明天下雨", 3 / 4),
        ("ตีสาม", "ตีสอง", 2 / 4),
        ("café del Niño", "cafe del Nino", 1 / 3),
        ("running cafés", "runs cafés", 1),  # English words are stemmed, others are not
        ("great 😀", "great 😡", 1 / 2),
        ("l’été", "l'été", 1),
        ("ха", "хи", 0),
    ],
)
def test_rouge_l_knows_the_words_of_every_script(text: str, target: str, expected: float) -> None:
    assert metrics.score("rouge_l", text, [target]) == pytest.approx(expected)


def test_the_longest_common_subsequence_is_that_of_the_table() -> None:
    def table(first: str, second: str) -> int:
        row = [0] * (len(second) + 1)
        for one in first:
            last, row = row, [0]
            for at, other in enumerate(second):
                row.append(last[at] + 1 if one == other else max(last[at + 1], row[at]))
        return row[-1]

    rng = random.Random(1)
    for _ in range(300):
        first, second = ("".join(rng.choices("abcd", k=rng.randint(0, 90))) for _ in range(2))
        assert longest_common(first, second) == table(first, second)


def test_chrf_is_that_of_sacrebleu_scaled_to_one() -> None:
    for text in TEXTS:
        targets = [t for t in TEXTS if t != text][:3]
        expected = CHRF().sentence_score(text, targets).score / 100
        assert metrics.score("chrf", text, targets) == pytest.approx(expected)
    assert metrics.score("chrf", "the same", ["the same"]) == pytest.approx(1)


def test_corpus_chrf_is_that_of_sacrebleu_with_as_many_references_as_there_are() -> None:
    texts = ["The refund takes five days.", "refunds are slow", "天气很好"]
    targets = [["The refund takes 5 days.", "five days"], ["refunds take long"], ["今天天气很好"]]
    references = [[t[0] for t in targets], ["five days", None, None]]
    assert metrics.metric_of("chrf").corpus(texts, targets) == pytest.approx(
        CHRF().corpus_score(texts, references).score / 100
    )
    assert metrics.metric_of("chrf").corpus(texts, [[text] for text in texts]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "target", "exact", "f1"),
    [
        ("x - 1", "x + 1", 0, 2 / 3),
        ("x+1", "x + 1", 1, 1),
        ("a<=b", "a < = b", 0, 2 * 2 / 7),
        ("f(x)", "f[x]", 0, 2 * 2 / 8),
        ("Foo()", "foo()", 0, 2 * 2 / 6),
        ("SELECT name FROM users;", "select name  from users", 1, 1),
        ("select 1 where a = 'X'", "select 1 where a = 'x'", 0, 2 * 7 / 16),
        ("```python\nreturn 1.5\n```", "return 1.5", 1, 1),
        ("return 1.5", "return 15", 0, 1 / 2),
        ("ls | wc -l", "ls || wc -l", 0, 2 * 4 / 10),
        ("größe += 1", "größe += 1", 1, 1),
        ("печать(х)", "печать(у)", 0, 3 / 4),
        ("", "x", 0, 0),
    ],
)
def test_metrics_of_code_see_operators_and_brackets(text: str, target: str, exact: float, f1: float) -> None:
    assert metrics.score("code_exact", text, [target]) == exact
    assert metrics.score("code_f1", text, [target]) == pytest.approx(f1)


def test_accuracy_ignores_white_space_around_a_label_and_nothing_else() -> None:
    assert metrics.score("accuracy", " refund \n", ["refund"]) == 1
    assert metrics.score("accuracy", "Refund", ["refund"]) == 0
    assert metrics.score("accuracy", "b", ["a", "b"]) == 1


def macro_f1(texts: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    return float(metrics.confusion(texts, targets, metrics.label_set(texts, targets)).macro_f1()[0])


def test_macro_f1_and_accuracy_are_those_of_scikit_learn() -> None:
    rng = random.Random(3)
    for labels, n in (("ab", 40), ("abcdefgh", 25), ("abc", 3)):
        true = [rng.choice(labels) for _ in range(n)]
        predicted = [rng.choice([t, *labels, "other"]) for t in true]
        targets = [(t,) for t in true]
        expected = f1_score(true, predicted, average="macro", zero_division=0)
        assert macro_f1(predicted, targets) == pytest.approx(expected)
        assert metrics.scores("accuracy", predicted, targets).mean() == pytest.approx(accuracy_score(true, predicted))


def test_labels_are_compared_in_one_form_and_signs_tell_them_apart() -> None:
    written, other_form = "café ☀\ufe0f", "cafe\u0301 ☀"
    assert metrics.score("accuracy", written, [other_form]) == 1
    assert macro_f1([written, "C++"], [(other_form,), ("C++",)]) == 1
    for one, other in [("C", "C++"), ("-1", "1"), ("कि", "की"), ("А", "A")]:
        assert metrics.score("accuracy", one, [other]) == 0


def test_macro_f1_takes_any_acceptable_label_as_true() -> None:
    assert macro_f1(["a", "b"], [("b", "a"), ("b",)]) == 1
    assert metrics.score("macro_f1", "a", ["b", "a"]) == 1


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("{}", "{}", 1),
        ('{"city": "Bern"}', '{"city": "bern "}', 1),
        ('Here you are: ```json\n{"city": "Bern"}\n``` done', '{"city": "Bern"}', 1),
        ('{"tags": ["a", "b"]}', '{"tags": ["b", "c"]}', 0.5),
        ('{"n": 3, "ok": true}', '{"n": "3", "ok": "true"}', 1),
        ('{"city": "Bern", "zip": "3000"}', '{"city": "Bern"}', 2 / 3),
        ('{"who": {"name": "Ada"}}', '{"who": {"name": "ADA"}}', 1),
        ('{"a": "x"}', '{"b": "x"}', 0),
        ("{}", '{"a": "x"}', 0),
        ('{"a": "x"}', "{}", 0),
        ("no JSON at all", "{}", 0),
        ('{"a": "x"', '{"a": "x"}', 0),
        ("[1, 2]", '{"a": "x"}', 0),
        ("{" * 5000, '{"a": "x"}', 0),
        ('{"a":' * 3000, '{"a": "x"}', 0),
        ('{"n": 5}', '{"n": 5.0}', 1),
        ('{"n": "5"}', '{"n": 5}', 1),
        ('{"n": "5.0"}', '{"n": 5.0}', 1),
        ('{"n": 5e2}', '{"n": 500}', 1),
        ('{"n": "5"}', '{"n": "5.0"}', 0),  # texts are compared as texts: 1.1 and 1.10 may be versions
        ('{"n": -5}', '{"n": 5}', 0),
        ('{"n": true}', '{"n": 1}', 0),
        ('{"n": NaN}', '{"n": NaN}', 1),
        ('{"n": null}', '{"n": 0}', 0),
        ('{"stadt": "ZÜRICH"}', '{"stadt": "Zu\u0308rich"}', 1),
        ('{"città": 1}', '{"citta\u0300": 1}', 1),
        ('{"город": "Мо\u200bсква"}', '{"город": "москва"}', 1),
        ('{"tag": "a"}', '{"tag": ["a"]}', 1),
        ('{"p": [{"n": "Ada", "a": 3}, {"n": "Bo", "a": 5}]}', '{"p": [{"n": "Bo", "a": 5}, {"n": "Ada", "a": 3}]}', 1),
        (
            '{"p": [{"n": "Ada", "a": 5}, {"n": "Bo", "a": 3}]}',
            '{"p": [{"n": "Ada", "a": 3}, {"n": "Bo", "a": 5}]}',
            0.5,
        ),
        ('{"p": [[1, 2], [3]]}', '{"p": [[1], [2, 3]]}', 2 / 3),
        ('[{"t": "Oslo"}, {"t": "Riga"}]', '[{"t": "riga"}, {"t": "oslo"}]', 1),
        ('Found: [{"t": "Oslo"}]', '[{"t": "Oslo"}, {"t": "Riga"}]', 2 / 3),
        ('{"t": "Oslo"}', '[{"t": "Oslo"}, {"t": "Riga"}]', 2 / 3),
        ("[]", "[]", 1),
        ("[]", '[{"t": "Oslo"}]', 0),
        ("none", "[]", 0),
        ('["京都", "東京"]', '["東京", "京都", "大阪"]', 4 / 5),
        ("[1, true]", "[true, 1.0]", 1),
    ],
)
def test_json_f1_compares_key_value_pairs(text: str, target: str, expected: float) -> None:
    assert metrics.score("json_f1", text, [target]) == pytest.approx(expected)


def test_records_are_matched_so_that_as_much_as_can_agrees() -> None:
    rng = random.Random(2)
    for _ in range(40):
        found, wanted = ([{k: rng.choice("xyz") for k in "abc"} for _ in range(rng.randint(1, 4))] for _ in range(2))
        longer, shorter = sorted((found, wanted), key=len, reverse=True)
        hits = max(
            sum(one[k] == other[k] for one, other in zip(order, shorter, strict=False) for k in "abc")
            for order in permutations(longer)
        )
        expected = 2 * hits / (3 * len(found) + 3 * len(wanted))
        assert metrics.score("json_f1", json.dumps(found), [json.dumps(wanted)]) == pytest.approx(expected)


def test_json_f1_takes_the_best_target() -> None:
    assert metrics.score("json_f1", '{"a": "y"}', ['{"a": "x"}', '{"a": "y"}']) == 1


@pytest.mark.parametrize("metric", [m for m in QUALITIES if m != "macro_f1"] + ["json_f1", "json_exact"])
def test_scores_lie_between_0_and_1(metric: str) -> None:
    texts, targets = ['{"a": "x"}', '{"a": "z"}'], [['{"a": "x"}'], ['{"a": "y"}']]
    each = metrics.scores(metric, texts, targets)
    assert each[0] == pytest.approx(1)
    assert 0 <= each[1] < 1


def test_what_cannot_be_judged_is_an_error_and_never_a_score() -> None:
    with pytest.raises(UserError, match="unknown"):
        metrics.score("blue", "a", ["a"])
    with pytest.raises(UserError, match="without any target"):
        metrics.score("accuracy", "a", [])
    with pytest.raises(UserError, match="no JSON object or list"):
        metrics.score("json_f1", "{}", ["Bern"])


def test_the_number_behind_the_mark_counts_whatever_a_model_goes_on_with() -> None:
    """As GSM8K's own expression finds it."""
    assert metrics.score("numeric", "step 1: 3\nstep 2: 4\n#### 12\n\nQuestion: 5", ["12"]) == 1.0
    assert metrics.score("numeric", "#### 7 and 8", ["#### 7"]) == 1.0
    assert metrics.score("numeric", "#### 7 and 8", ["8"]) == 0.0


def test_a_dialect_of_sql_that_nobody_knows_is_a_mistake() -> None:
    pytest.importorskip("sqlglot")
    assert metrics.score("sql_valid:dialect=sqlite", "SELECT 1", ["x"]) == 1.0
    with pytest.raises(UserError, match='the SQL dialect "klingon" is unknown'):
        metrics.score("sql_valid:dialect=klingon", "SELECT 1", ["x"])


@pytest.mark.parametrize("facts", BUILT_IN.values(), ids=lambda facts: facts.name)
def test_what_a_metric_measures_has_room_in_one_line(facts: MetricFacts) -> None:
    assert len(facts.measures) <= 66 and facts.measures.endswith(".") and facts.measures.count(". ") == 0
