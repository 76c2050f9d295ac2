"""Metrics against their official implementations: on 200 generated pairs, and on recorded answers where there are some.

`ADVISOR_REAL_RUNS` names a folder of run folders; their answers and targets are judged too. Nothing of them is kept.
"""

from __future__ import annotations

import ast
import json
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from nltk import ngrams
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from advisor.measuring import metrics
from advisor.measuring.reading import read_comparison
from advisor.tasks.forms import unicode_form

NAMED = os.environ.get("ADVISOR_REAL_RUNS", "")
SENTENCES = """the a refund order takes five 5 days is not in Paris running runs, (which) was paid; and the customer's
invoice arrived late. No? yes! 3.14 1,000 of to it that e-mail U.S. running refunds"""
Pairs = tuple[list[str], list[list[str]]]
CLOSE = 1e-6


def _generated() -> Pairs:
    """Answers that share much, little or nothing with one to three targets."""
    rng, words = random.Random(28), SENTENCES.split()
    texts, targets = [], []
    for _ in range(200):
        right = [" ".join(rng.choices(words, k=rng.randint(1, 25))) for _ in range(rng.randint(1, 3))]
        kept = [word for word in rng.choice(right).split() if rng.random() < 0.7]
        for _ in range(rng.randint(0, 4)):
            kept.insert(rng.randint(0, len(kept)), rng.choice(words))
        texts.append(" ".join(kept) or "nothing")
        targets.append(right)
    return texts, targets


def _real() -> list[Pairs]:
    """Up to 400 recorded answers of each run folder, spread over its runs."""
    found = []
    for folder in sorted(Path(NAMED).glob("*/comparisons.jsonl")):
        comparison = read_comparison(folder.parent)
        judged = [(p.answer, a) for run in comparison.runs for p in run.predictions if (a := comparison.answers[p.id])]
        step = max(1, len(judged) // 400)
        found.append(([text for text, _ in judged[::step]], [list(answer.targets) for _, answer in judged[::step]]))
    return found


@pytest.fixture(scope="module", params=["generated", "recorded"])
def pairs(request: pytest.FixtureRequest) -> list[Pairs]:
    if request.param == "generated":
        return [_generated()]
    real = _real() if NAMED else []
    if not real:
        pytest.skip("ADVISOR_REAL_RUNS names no folder of run folders")
    assert sum(len(texts) for texts, _ in real) >= 200
    return real


def _streams(targets: Sequence[Sequence[str]]) -> list[list[str | None]]:
    most = max(map(len, targets))
    return [[unicode_form(t[at]) if at < len(t) else None for t in targets] for at in range(most)]


def test_bleu_and_chrf_are_those_of_sacrebleu_of_texts_in_one_form(pairs: list[Pairs]) -> None:
    for texts, targets in pairs:
        plain = [unicode_form(text) for text in texts]
        for name, official, whole in (("bleu", BLEU(effective_order=True), BLEU()), ("chrf", CHRF(), CHRF())):
            for text, right in zip(plain, targets, strict=True):
                if not text:  # sacrebleu has no value for nothing against nothing
                    continue
                expected = official.sentence_score(text, [unicode_form(t) for t in right]).score / 100
                assert metrics.score(name, text, right) == pytest.approx(expected, abs=CLOSE), text
            found = metrics.metric_of(name).corpus
            assert found is not None
            expected = whole.corpus_score(plain, _streams(targets)).score / 100
            assert found(texts, targets) == pytest.approx(expected, abs=CLOSE)


def test_rouge_is_that_of_rouge_score_on_ascii_texts(pairs: list[Pairs]) -> None:
    official = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    compared = 0
    for texts, targets in pairs:
        for text, right in zip(texts, targets, strict=True):
            if not all(one.isascii() and re.search("[a-zA-Z0-9]", one) for one in (text, *right)):
                continue
            compared += 1
            expected = official.score_multi(right, text)
            assert metrics.score("rouge_1", text, right) == pytest.approx(expected["rouge1"].fmeasure, abs=CLOSE)
            assert metrics.score("rouge_l", text, right) == pytest.approx(expected["rougeL"].fmeasure, abs=CLOSE)
            if all(len(re.findall("[a-z0-9]+", one.lower())) > 1 for one in (text, *right)):
                assert metrics.score("rouge_2", text, right) == pytest.approx(expected["rouge2"].fmeasure, abs=CLOSE)
    assert compared >= 200
    assert metrics.score("rouge_2", "Paris", ["paris"]) == 1  # the stated difference: no pair of words


def test_squad_metrics_are_those_of_torchmetrics(pairs: list[Pairs]) -> None:
    squad = pytest.importorskip("torchmetrics.functional.text.squad").squad
    for texts, targets in pairs:
        for text, right in zip(texts, targets, strict=True):
            special = [one for one in (text, *right) if one == "unanswerable" or not re.search(r"\w{4}", one)]
            if special:  # those rules are of version 2.0
                continue
            asked = {"prediction_text": text, "id": "1"}, {"answers": {"text": right, "answer_start": [0]}, "id": "1"}
            expected = squad(*asked)
            assert metrics.score("squad_em", text, right) * 100 == pytest.approx(float(expected["exact_match"]))
            assert metrics.score("exact_match:normalise=squad", text, right) == metrics.score("squad_em", text, right)
            assert metrics.score("squad_f1", text, right) * 100 == pytest.approx(float(expected["f1"]), abs=1e-4)


def test_self_bleu_is_sacrebleu_against_all_other_answers(pairs: list[Pairs]) -> None:
    official = BLEU(effective_order=True)
    for texts, targets in pairs:
        plain = [unicode_form(text) for text in texts[:60]]
        others = [[other for j, other in enumerate(plain) if j != i] for i in range(len(plain))]
        each = [official.sentence_score(text, rest).score / 100 for text, rest in zip(plain, others, strict=True)]
        found = metrics.metric_of("self_bleu").corpus
        assert found is not None
        if all(plain):
            assert found(texts[:60], targets[:60]) == pytest.approx(np.mean(each), abs=CLOSE)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_distinct_n_counts_different_ngrams(pairs: list[Pairs], n: int) -> None:
    for texts, targets in pairs:
        chosen = [i for i, text in enumerate(texts) if text.isascii()]
        every = [gram for i in chosen for gram in ngrams(re.findall("[a-z0-9]+", texts[i].lower()), n)]
        found = metrics.metric_of(f"distinct_n:n={n}").corpus
        assert found is not None
        if not every:
            continue
        expected = len(set(every)) / len(every)
        assert found([texts[i] for i in chosen], [targets[i] for i in chosen]) == pytest.approx(expected, abs=CLOSE)


def test_length_ratio_is_that_of_the_sums_of_words() -> None:
    found = metrics.metric_of("length_ratio").corpus
    assert found is not None
    texts, targets = _generated()
    nearest = [
        min((len(t.split()) for t in right), key=lambda size: (abs(size - len(text.split())), size))
        for text, right in zip(texts, targets, strict=True)
    ]
    assert found(texts, targets) == pytest.approx(sum(len(text.split()) for text in texts) / sum(nearest))


GSM8K = re.compile(r"#### (\-?[0-9\.\,]+)")


def test_numbers_behind_gsm8ks_mark_are_those_of_its_script() -> None:
    rng = random.Random(8)
    for _ in range(300):
        value = rng.choice([rng.randint(-5, 5), rng.randint(-10_000_000, 10_000_000), round(rng.uniform(-99, 99), 2)])
        written = rng.choice([f"{value:,}", str(value)])
        other = rng.choice([value, value + 1, -value])
        text = f"He has {rng.randint(1, 99)} apples, so 2*3=6.\n#### {written}"
        target = f"So it is {other}.\n#### {other:,}"
        official = [GSM8K.search(one)[1].replace(",", "") for one in (text, target)]  # type: ignore[index]
        assert metrics.score("numeric", text, [target]) == float(official[0] == official[1]), (text, target)


@pytest.mark.parametrize(
    ("text", "target", "right"),
    [
        ("The answer is 1,234.50 dollars.", "1234.5", 1),
        ("€1.234,50", "1234.5", 1),
        ("3,5", "3.5", 1),
        ("1,234", "1234", 1),
        ("1'234'567 km", "1234567", 1),
        ("1 234 567 km", "1234567", 1),
        ("50 %", "0.5", 1),
        ("50 percent", "50", 1),
        ("0.5", "50%", 1),
        ("5", "50%", 0),
        ("1/2 of it", "0.5", 1),
        ("1 1/2 cups", "1.5", 1),
        ("\\boxed{\\frac{3}{4}}", "0.75", 1),
        ("-$5", "-5", 1),
        ("$-5", "-5", 1),
        ("−5", "-5", 1),
        ("5 - 3", "3", 1),
        ("COVID-19", "19", 1),
        ("first 12, then 13.", "13", 1),
        ("13 or 12", "13", 0),
        (".5", "0.5", 1),
        ("1.5e3", "1500", 1),
        ("18km", "18", 1),
        ("eighteen", "18", 0),
        ("yes", "Yes.", 1),
        ("no", "yes", 0),
        ("", "0", 0),
        ("1/0", "1", 0),
    ],
)
def test_the_last_number_counts_however_it_is_written(text: str, target: str, right: float) -> None:
    assert metrics.score("numeric", text, [target]) == right


def test_a_tolerance_is_absolute_or_relative() -> None:
    assert metrics.score("numeric", "3.1", ["3.14"]) == 0
    assert metrics.score("numeric:tolerance=0.05", "3.1", ["3.14"]) == 1
    assert metrics.score("numeric:relative=0.01", "3.1", ["3.14"]) == 0
    assert metrics.score("numeric:relative=0.02", "3.1", ["3.14"]) == 1


CODE = [
    "x=1",
    "def f(:",
    "print('a')  # b",
    "for i in x:\n  y",
    "lambda: (",
    "1 +",
    "",
    "é = '\\d'",
    "a b",
    "(" * 500,
    "-" * 9,
]
VALUES = ['{"a": 1}', "{'a': 1}", "[1, 2", "3", "null", '"x"', "", "{}", '{"a": 1} and', "NaN", "[" * 2000 + "]" * 2000]


def test_what_parses_is_told_as_the_official_parsers_do() -> None:
    def parses(parse: object, text: str) -> bool:
        try:
            return bool(text) and (parse(text), True)[1]  # type: ignore[operator]
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return False

    rng = random.Random(3)
    broken = [json.dumps({"a": [1, "x", None], "b": {"c": 2.5}}) for _ in range(200)]
    broken = [
        text if rng.random() < 0.3 else text[: rng.randint(0, 30)] + text[rng.randint(20, 40) :] for text in broken
    ]
    for text in [*VALUES[:-1], *broken]:
        right = text != "NaN" and parses(json.loads, text)  # which Python reads, and no other parser has to
        assert metrics.score("json_valid", text, ["{}"]) == right, text
    code = ["def f(a):\n    return [a[0], {'b': (a, 1)}]\n"] * 200
    code = [text if rng.random() < 0.3 else text[: rng.randint(0, 40)] + text[rng.randint(20, 45) :] for text in code]
    for text in [*CODE, *code]:
        assert metrics.score("python_valid", text, ["x"]) == parses(ast.parse, text.strip()), text
    assert metrics.score("json_valid", VALUES[-1], ["{}"]) == 0  # nested too deeply to be walked through
    assert metrics.score("python_valid", "x = 1\n" * 20_000, ["x"]) == 0  # too long to be parsed
    assert metrics.score("python_valid", "```python\nx = 1\n```", ["x"]) == 1


def test_equality_of_formal_texts_is_that_of_their_trees() -> None:
    assert metrics.score("json_exact", '{"b": 2, "a": 1.0}', ['{"a": 1, "b": 2}']) == 1
    assert metrics.score("json_exact", '{"a": true}', ['{"a": 1}']) == 0
    assert metrics.score("json_exact", "[1, 2]", ["[2, 1]"]) == 0
    assert metrics.score("json_exact", "{", ["{"]) == 0
    assert metrics.score("python_exact", "x = (1)  # one", ["x=1"]) == 1
    assert metrics.score("python_exact", "x = '1'", ['x = "1"']) == 1
    assert metrics.score("python_exact", "x = 1", ["y = 1"]) == 0


SQL = [
    ("SELECT a FROM t", 1),
    ("```sql\nselect count(*) from T where a <> 'b';\n```", 1),
    ("WITH x AS (SELECT 1) SELECT * FROM x", 1),
    ("INSERT INTO t VALUES (1)", 1),
    ("DROP TABLE t", 1),
    ("SELECT a FROM t; DELETE FROM t WHERE a = 1", 1),
    ("SELECT FROM", 0),
    ("SELECT * FORM t", 0),
    ("SELECT a b c FROM t", 0),
    ("I think SELECT a FROM t", 0),
    ("hello world", 0),  # an expression for sqlglot, and no statement
    ("", 0),
    ("SELECT (" * 3000, 0),
]
GAPS = """
select
SELECT FROM t
SELECT 1 FROM
SELECT 1,
SELECT a, FROM t
SELECT a,, b FROM t
SELECT DISTINCT FROM t
SELECT ALL FROM t
SELECT 1 FROM t garbage garbage
SELECT 1)
SELECT 1; garbage
SELECT 1; SELECT
SELECT * FROM t,
SELECT 1 FROM a, WHERE b = 1
SELECT * FROM (SELECT) t
SELECT EXISTS(SELECT)
SELECT f(1,)
SELECT f(, 1)
SELECT ()
SELECT 1 AS
SELECT 1 FROM t AS
SELECT * FROM t GROUP BY
SELECT * FROM t ORDER BY a,
SELECT * FROM a JOIN b ON
SELECT a FROM t WHERE a IN ()
FROM t
SELECT COUNT(DISTINCT) FROM t
INSERT INTO t
INSERT INTO t (a)
INSERT INTO t SELECT
INSERT INTO t VALUES (1,)
UPDATE t
UPDATE t SET
UPDATE t SET a
DELETE
DELETE t
CREATE TABLE t
CREATE TABLE t ()
CREATE TABLE t (a INT,)
CREATE VIEW v AS
CREATE INDEX i ON t
ALTER TABLE t DROP COLUMN
WITH a AS (SELECT) SELECT * FROM a
SELECT 1 UNION
"""
WHOLE = """
SELECT 1
SELECT a AS b, c FROM t AS x, u
SELECT DISTINCT a FROM t
SELECT COUNT(*), COUNT(DISTINCT a), MAX(b) FROM t
SELECT a, SUM(b) FROM t GROUP BY a HAVING SUM(b) > 2 ORDER BY 2 DESC, a LIMIT 5 OFFSET 1
SELECT a FROM t GROUP BY ()
SELECT t.* FROM t JOIN u ON t.a = u.a LEFT JOIN v USING (b) CROSS JOIN w
SELECT a FROM t GROUP BY ROLLUP (a, b)
SELECT a FROM t WHERE a IN (1, 2) AND b IN (SELECT c FROM u) OR NOT EXISTS (SELECT 1 FROM w WHERE w.a = t.a)
SELECT a FROM t UNION ALL SELECT b FROM u EXCEPT SELECT c FROM w INTERSECT SELECT 1
SELECT a IS DISTINCT FROM b FROM t
SELECT CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END AS c FROM t
SELECT CASE a WHEN 1 THEN 'x' END FROM t
WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 5) SELECT * FROM a
SELECT RANK() OVER (PARTITION BY a ORDER BY b DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT SUM(a) FILTER (WHERE b > 0) FROM t WINDOW w AS (PARTITION BY c)
SELECT CURRENT_TIMESTAMP
SELECT COALESCE(a, 'it''s') FROM t
SELECT EXTRACT(YEAR FROM d), SUBSTRING(s FROM 1 FOR 2), TRIM(BOTH ' ' FROM s), CAST(a AS DECIMAL(10, 2)), a::INT FROM t
SELECT d + INTERVAL '1' DAY, DATE '2024-01-01', a || b, -a, a % 2, NOT b, a BETWEEN 1 AND 2 FROM t
SELECT a LIKE '%x', a IS NOT NULL FROM t
SELECT * FROM (SELECT a FROM t) AS s (x)
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (n, s)
SELECT "from" FROM "select"
SELECT a FROM t FETCH FIRST 5 ROWS ONLY
SELECT a FROM t FOR UPDATE
SELECT (SELECT MAX(a) FROM u)
(SELECT 1) UNION (SELECT 2)
SELECT ARRAY[1, 2], NOW(), RANDOM() FROM t -- why
SELECT * FROM t, LATERAL (SELECT a FROM u) AS x
SELECT 1 /* (, */ ;
INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL)
INSERT INTO t SELECT * FROM u
INSERT INTO t DEFAULT VALUES
INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2 RETURNING a
INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING
UPDATE t SET a = 1, b = b + 1 WHERE c IS NULL
UPDATE t SET (a, b) = (1, 2)
UPDATE t SET a = u.a FROM u WHERE u.b = t.b
DELETE FROM t
DELETE FROM t WHERE a = 1
DELETE FROM t USING u WHERE t.a = u.a
TRUNCATE TABLE t
DROP TABLE IF EXISTS t CASCADE
CREATE TABLE t (a INT PRIMARY KEY, b CHAR(10) NOT NULL DEFAULT 'x', FOREIGN KEY (b) REFERENCES u (b) ON DELETE CASCADE)
CREATE TABLE t AS SELECT 1 AS a
CREATE TABLE t (LIKE u)
CREATE TABLE t LIKE u
CREATE VIEW v AS SELECT a FROM t
DROP VIEW v
CREATE UNIQUE INDEX i ON t (a, b DESC)
CREATE TEMPORARY TABLE t (a INT)
CREATE SCHEMA s
ALTER TABLE t ADD COLUMN a INT
ALTER TABLE t DROP COLUMN a
ALTER TABLE t RENAME TO u
MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = 1
SELECT 1; SELECT 2;
CREATE FUNCTION f(a INT) RETURNS INT AS 'SELECT a'
"""


@pytest.mark.parametrize("text", GAPS.strip().splitlines())
def test_sql_in_which_something_is_missing_is_not_valid(text: str) -> None:
    pytest.importorskip("sqlglot")
    assert metrics.score("sql_valid", text, ["SELECT 1"]) == 0
    assert metrics.score("sql_exact", text, [text]) == 0


@pytest.mark.parametrize("text", WHOLE.strip().splitlines())
def test_sql_in_which_nothing_is_missing_is_valid(text: str) -> None:
    pytest.importorskip("sqlglot")
    assert metrics.score("sql_valid", text, ["SELECT 1"]) == 1
    assert metrics.score("sql_exact", text, [text]) == 1


@pytest.mark.parametrize(
    ("dialect", "text", "valid"),
    [
        ("bigquery", "SELECT a, FROM t", 1),
        ("postgres", "SELECT a, FROM t", 0),
        ("duckdb", "FROM t", 1),
        ("sqlite", "SELECT a FROM t WHERE a IN ()", 1),
        ("mysql", "INSERT INTO t SET a = 1", 1),
        ("tsql", "SELECT TOP 5 [a] FROM t", 1),
        ("postgres", "SELECT DISTINCT ON (a) a, b FROM t", 1),
        ("sqlite", "CREATE TABLE t (a, b)", 1),
    ],
)
def test_what_a_dialect_lets_out_is_not_missing_there(dialect: str, text: str, valid: float) -> None:
    pytest.importorskip("sqlglot")
    assert metrics.score(f"sql_valid:dialect={dialect}", text, ["SELECT 1"]) == valid


@pytest.mark.parametrize("text", ["NaN", "Infinity", "[1, -Infinity]", '{"a": NaN}'])
def test_what_json_has_no_number_for_is_not_valid(text: str) -> None:
    assert metrics.score("json_valid", text, ["{}"]) == 0
    assert metrics.score("json_exact", text, [text]) == 0


def test_a_key_that_stands_twice_is_valid_json_and_its_last_value_counts() -> None:
    text = '{"a": 1, "a": 2}'
    assert metrics.score("json_valid", text, ["{}"]) == 1
    assert metrics.score("json_exact", text, ['{"a": 2}']) == 1
    assert metrics.score("json_valid", '{"a": "NaN"}', ["{}"]) == 1


@pytest.mark.parametrize(("text", "valid"), SQL)
def test_sql_is_valid_where_sqlglot_reads_a_statement(text: str, valid: float) -> None:
    pytest.importorskip("sqlglot")
    assert metrics.score("sql_valid", text, ["SELECT 1"]) == valid


def test_sql_is_the_same_but_for_case_and_blanks() -> None:
    pytest.importorskip("sqlglot")
    right = ["select Count(*) from T where a = 'B'"]
    assert metrics.score("sql_exact", "SELECT COUNT(*)\nFROM t -- all\nWHERE A = 'B';", right) == 1
    assert metrics.score("sql_exact", "SELECT COUNT(*) FROM t WHERE a = 'b'", right) == 0
    assert metrics.score("sql_exact", "nonsense", ["nonsense"]) == 0
    assert metrics.score("sql_exact:dialect=mysql", "SELECT `a` FROM t", ["select a from t"]) == 0


def test_exact_match_after_a_normaliser_of_choice() -> None:
    said = {
        "none": ("Paris", "Paris "),
        "unicode": ("Paris", "Paris "),
        "case": ("Paris", "PARIS"),
        "answer": ("P", "the P."),
    }
    assert metrics.score("exact_match:normalise=none", *_one(said["none"])) == 0
    assert metrics.score("exact_match:normalise=unicode", *_one(said["unicode"])) == 1
    assert metrics.score("exact_match:normalise=unicode", *_one(said["case"])) == 0
    assert metrics.score("exact_match:normalise=case", *_one(said["case"])) == 1
    assert metrics.score("exact_match:normalise=case", *_one(said["answer"])) == 0
    assert metrics.score("exact_match:normalise=answer", "the Paris.", ["paris"]) == 1


def _one(pair: tuple[str, str]) -> tuple[str, list[str]]:
    return pair[0], [pair[1]]


def test_vectors_of_tokens_give_torchmetrics_bertscore_and_vectors_of_texts_their_cosine() -> None:
    bert_score = pytest.importorskip("torchmetrics.functional.text.bert").bert_score
    from advisor.measuring.query_records import PredictionRecord
    from advisor.measuring.scoring import AnsweredExample, BertScore, EmbeddingSimilarity
    from advisor.models.load import load_embedder
    from advisor.tasks import Example

    texts, targets = (part[:50] for part in _generated())
    first = [right[0] for right in targets]
    given = [
        AnsweredExample(Example(str(i), "", right), PredictionRecord(str(i), text, (), None, 0, 0))
        for i, (text, right) in enumerate(zip(texts, first, strict=True))
    ]
    embedder = load_embedder(device="cpu", dtype="float32")
    inner = getattr(embedder, "embedder", embedder)
    model = inner._model

    how = {"model": model[0].auto_model, "user_tokenizer": model.tokenizer, "max_length": 48}
    # Pair by pair: of several it sorts answers and targets by length apart from each other.
    official = [float(bert_score([text], [right], **how)["f1"]) for text, right in zip(texts, first, strict=True)]
    found = BertScore(embedder).values(given, None)
    assert np.allclose(found, official, rtol=0, atol=CLOSE)
    one, other = (model.encode(batch, normalize_embeddings=True) for batch in (texts, first))
    expected = np.clip((one * other).sum(axis=1), 0, 1)
    assert np.allclose(EmbeddingSimilarity(embedder).values(given, None), expected, atol=1e-5)
