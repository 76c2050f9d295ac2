"""The metrics that are built in, as a task has to know them. `advisor.measuring.metrics` computes them."""

from __future__ import annotations

import math

from advisor.tasks.metric_facts import RIGHT_OR_WRONG, MetricFacts, Parameter
from advisor.tasks.task import Kind

_DIALECT = {
    "dialect": Parameter(
        "any", "whose SQL it is, as sqlglot calls it: sqlite, postgres, mysql, tsql, ...; any: plain SQL"
    )
}
_ROUGE = "rouge_score 0.1.2 with its stemmer, on ASCII text; other scripts have words too"
_TEXTS: tuple[Kind, ...] = ("qa", "generation")
_WRITTEN: tuple[Kind, ...] = ("qa", "generation", "extraction")
_JUDGE = Parameter("", "alias of a model of the comparison, or by what another one is loaded", optional=False)
_RUBRIC = Parameter("", 'what to judge by, without commas; a longer one belongs into task.toml: [judge] rubric = "..."')

BUILT_IN: dict[str, MetricFacts] = {
    facts.name: facts
    for facts in (
        MetricFacts(
            name="accuracy",
            measures="Share of the examples whose label is right.",
            official="scikit-learn's accuracy_score",
            kinds=("classification",),
            spread=RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="macro_f1",
            measures="F1 of each label, averaged: rare labels weigh as much.",
            official="scikit-learn's f1_score",
            kinds=("classification",),
            spread=RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="exact_match",
            measures="Share of the answers that are acceptable, once normalised.",
            more="What does not count is chosen by normalise.",
            spread=RIGHT_OR_WRONG,
            parameters={
                "normalise": Parameter(
                    "answer",
                    "what does not count. answer: case, English articles and punctuation, but for signs that tell "
                    "answers apart (-5, 3.14, $5, C++), in any script; none: nothing; unicode: typography and surplus "
                    "white space; case: these and case; squad: case, English articles and all ASCII punctuation, as in "
                    "its script",
                    ("answer", "none", "unicode", "case", "squad"),
                )
            },
        ),
        MetricFacts(
            name="token_f1",
            measures="F1 of the words shared with the best acceptable answer.",
            more="In any script.",
        ),
        MetricFacts(
            name="squad_em",
            measures="Exact match as SQuAD's official script computes it.",
            spread=RIGHT_OR_WRONG,
            source="Rajpurkar et al. 2018",
            official="SQuAD's evaluation script, version 2.0",
        ),
        MetricFacts(
            name="squad_f1",
            measures="F1 of the words as SQuAD's official script computes it.",
            source="Rajpurkar et al. 2018",
            official="SQuAD's evaluation script, version 2.0",
        ),
        MetricFacts(
            name="rouge_l",
            measures="F1 of the longest common subsequence of words.",
            spread=0.15,
            source="Lin 2004",
            official=_ROUGE,
        ),
        MetricFacts(
            name="chrf",
            measures="F2 of character n-grams, as translations are judged.",
            spread=0.15,
            source="Popović 2015",
            official="sacrebleu 2.6",
        ),
        MetricFacts(
            name="code_exact",
            measures="Share of the answers with an acceptable one's tokens of code.",
            spread=RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="code_f1",
            measures="F1 of the tokens of code.",
            more="Every operator and bracket is one.",
            spread=0.3,
        ),
        MetricFacts(
            name="json_f1",
            measures="F1 of the leaves of JSON records, each with its path.",
            kinds=("extraction",),
        ),
        MetricFacts(
            name="judge",
            measures="The grade that a model gives, by a rubric and the reference.",
            more="From 0 to 1.",
            kinds=_WRITTEN,
            source="G-Eval, Liu et al. 2023; corrected by Angelopoulos, Duchi & Zrnic 2023 (PPI++)",
            sort="asked",
            parameters={
                "model": _JUDGE,
                "scale": Parameter(5, "grades, from 2 (no or yes) to 10", least=2),
                "passages": Parameter(False, "whether the judge sees the passages that the row was shown"),
                "rubric": _RUBRIC,
            },
        ),
        MetricFacts(
            name="judge-pairs",
            measures="How often a model prefers an answer to the best rival's.",
            more="Asked in both orders; a tie counts a half.",
            kinds=_WRITTEN,
            source="Zheng et al. 2023",
            sort="asked",
            beside=True,
            parameters={"model": _JUDGE, "rubric": _RUBRIC},
        ),
        MetricFacts(
            name="lift",
            measures="How much likelier an answer is with its passages, in nats.",
            more=(
                "Log-likelihood of a row's own answer with the passages less without: above 0 it was read in "
                "them, at 0 it was known."
            ),
            kinds=_WRITTEN,
            sort="asked",
            better="neither",
            least=-math.inf,
            most=math.inf,
        ),
        MetricFacts(
            name="rouge_1",
            measures="F1 of the words in common, stemmed.",
            spread=0.15,
            source="Lin 2004",
            official=_ROUGE,
        ),
        MetricFacts(
            name="rouge_2",
            measures="F1 of the pairs of words in common.",
            more="Texts without any are right where they are the same.",
            spread=0.15,
            source="Lin 2004",
            official=_ROUGE,
        ),
        MetricFacts(
            name="bleu",
            measures="Mean BLEU of the answers, each for itself.",
            more="Beside it BLEU of all answers together, as it is usually reported, with an interval by bootstrap.",
            kinds=_WRITTEN,
            spread=0.15,
            source="Papineni et al. 2002; of one answer with exponential smoothing (Chen & Cherry 2014)",
            official="sacrebleu 2.6: sentence_bleu, corpus_bleu",
        ),
        MetricFacts(
            name="numeric",
            measures="Share of the answers whose last number is right.",
            kinds=_WRITTEN,
            spread=RIGHT_OR_WRONG,
            source="Cobbe et al. 2021 (GSM8K)",
            official="GSM8K's extract_answer, where answers end in #### and a number; any other text is read too",
            parameters={
                "tolerance": Parameter(0.0, "how far a number may be off", least=0),
                "relative": Parameter(0.0, "how far it may be off as a share of the right one, 0.01 for 1 %", least=0),
            },
        ),
        MetricFacts(
            name="json_valid",
            measures="Share of the answers that are one JSON value.",
            more=(
                "By RFC 8259: NaN and Infinity are none, and a key may stand twice. A fence of backticks may "
                "stand around it, and nothing else."
            ),
            kinds=_WRITTEN,
            spread=RIGHT_OR_WRONG,
            official="Python's json.loads, which reads NaN and Infinity too",
        ),
        MetricFacts(
            name="json_exact",
            measures="Share of the answers that are an acceptable JSON value.",
            more="The order of keys does not count; of a key that stands twice the last value does.",
            kinds=_WRITTEN,
            spread=RIGHT_OR_WRONG,
            official="Python's json.loads; true is not 1 here",
        ),
        MetricFacts(
            name="python_valid",
            measures="Share of the answers that parse as Python.",
            more="Nothing is compiled or run.",
            kinds=_TEXTS,
            spread=RIGHT_OR_WRONG,
            official="Python's ast.parse",
        ),
        MetricFacts(
            name="python_exact",
            measures="Share of the answers with an acceptable one's syntax tree.",
            more="Comments do not count.",
            kinds=_TEXTS,
            spread=RIGHT_OR_WRONG,
            official="Python's ast.dump",
        ),
        MetricFacts(
            name="sql_valid",
            measures="Share of the answers that parse as SQL.",
            more="One or several statements (queries, changes of data or tables) in which nothing is missing.",
            kinds=_TEXTS,
            spread=RIGHT_OR_WRONG,
            official="sqlglot 30 (the extra sql), which also reads a lone name and SELECT FROM t",
            parameters=_DIALECT,
        ),
        MetricFacts(
            name="sql_exact",
            measures="Share of the answers with an acceptable one's syntax tree.",
            more="Whatever the case of what is not quoted, comments and blanks.",
            kinds=_TEXTS,
            spread=RIGHT_OR_WRONG,
            official="sqlglot 30 (the extra sql)",
            parameters=_DIALECT,
        ),
        MetricFacts(
            name="embedding_similarity",
            measures="Cosine to the nearest acceptable answer, by the embedder.",
            more="Of the vectors that the comparison's embedder makes; 0 where it is negative.",
            kinds=_TEXTS,
            spread=0.15,
            source="Reimers & Gurevych 2019",
            official="sentence-transformers' encode",
            sort="asked",
        ),
        MetricFacts(
            name="bertscore",
            measures="F1 of the best matches of tokens by their vectors.",
            more=(
                "In context, without idf weights or rescaling. The vectors are the embedder's, so values of "
                "another one are not comparable."
            ),
            kinds=_TEXTS,
            spread=0.1,
            source="Zhang et al. 2020",
            official="torchmetrics 1.9 with the same model",
            sort="asked",
            parameters={
                "model": Parameter(
                    "embedder", "whose vectors: embedder, the comparison's; or a folder or name as --embedder takes it"
                )
            },
        ),
        MetricFacts(
            name="reference_perplexity",
            measures="Perplexity of the reference under the row's prompts and weights.",
            more="By its tokens: how much what is right surprises the row. The geometric mean over examples.",
            kinds=("qa", "generation", "extraction", "classification"),
            source="Jelinek et al. 1977",
            better="lower",
            least=1.0,
            most=math.inf,
            sort="asked",
            geometric=True,
        ),
        MetricFacts(
            name="distinct_n",
            measures="Share of the n-grams of words that are different ones.",
            more="Over all answers: 1 where nothing is said twice.",
            kinds=_TEXTS,
            source="Li et al. 2016",
            better="neither",
            sort="set",
            parameters={"n": Parameter(2, "words of an n-gram", least=1)},
        ),
        MetricFacts(
            name="self_bleu",
            measures="Mean BLEU of each answer against all the others.",
            more="1 where all are alike.",
            kinds=_TEXTS,
            source="Zhu et al. 2018 (Texygen)",
            official="sacrebleu 2.6: sentence_bleu",
            better="neither",
            sort="set",
        ),
        MetricFacts(
            name="length_ratio",
            measures="Words of all answers over those of the references.",
            more="Of several references that nearest in length counts.",
            kinds=_TEXTS,
            better="neither",
            sort="set",
            most=math.inf,
        ),
        MetricFacts(
            name="refusals",
            measures="Share of the answers that decline in words of their own.",
            more=(
                'By phrases with which answers begin ("I cannot answer"), in several languages. "unanswerable" '
                "is an answer."
            ),
            kinds=_WRITTEN,
            better="lower",
        ),
        MetricFacts(
            name="format_failures",
            measures="Share of the answers that are not of the form asked for.",
            more="No label; no JSON; blank, or the same words again and again.",
            better="lower",
            by_kind=True,
        ),
    )
}
