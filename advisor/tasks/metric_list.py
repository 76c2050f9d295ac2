"""The metrics that are built in, as a task has to know them. `advisor.measuring.metrics` computes them."""

from __future__ import annotations

import math

from advisor.tasks.metric_facts import RIGHT_OR_WRONG, MetricFacts, Parameter
from advisor.tasks.task import Kind

_WRITTEN: tuple[Kind, ...] = ("qa", "generation", "extraction")
_JUDGE = Parameter("", "alias of a model of the comparison, or by what another one is loaded", optional=False)
_RUBRIC = Parameter("", 'what to judge by, without commas; a longer one belongs into task.toml: [judge] rubric = "..."')

BUILT_IN: dict[str, MetricFacts] = {
    facts.name: facts
    for facts in (
        MetricFacts(
            name="accuracy",
            measures="Share of the examples whose label is right.",
            kinds=("classification",),
            spread=RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="macro_f1",
            measures="F1 of each label, averaged, so that rare labels weigh as much as frequent ones.",
            kinds=("classification",),
            spread=RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="exact_match",
            measures="Share of the answers that are an acceptable one, but for case, articles and punctuation.",
            spread=RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="token_f1",
            measures="F1 of the words that an answer and the best acceptable one have in common, in any script.",
        ),
        MetricFacts(
            name="squad_em",
            measures="Exact match as SQuAD's official script computes it.",
            spread=RIGHT_OR_WRONG,
            source="Rajpurkar et al. 2018, evaluation script 2.0",
        ),
        MetricFacts(
            name="squad_f1",
            measures="F1 of the words as SQuAD's official script computes it.",
            source="Rajpurkar et al. 2018, evaluation script 2.0",
        ),
        MetricFacts(
            name="rouge_l",
            measures="F1 of the longest common subsequence of words.",
            spread=0.15,
            source="Lin 2004",
        ),
        MetricFacts(
            name="chrf",
            measures="F2 of character n-grams, as translations are judged.",
            spread=0.15,
            source="Popović 2015, by sacrebleu",
        ),
        MetricFacts(
            name="code_exact",
            measures="Share of the answers whose tokens of code are those of an acceptable one.",
            spread=RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="code_f1",
            measures="F1 of the tokens of code, every operator and bracket among them.",
            spread=0.3,
        ),
        MetricFacts(
            name="json_f1",
            measures="F1 of the leaves of JSON records, each with its path.",
            kinds=("extraction",),
        ),
        MetricFacts(
            name="judge",
            measures="The grade that a model gives an answer by a rubric and the reference, from 0 to 1.",
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
            measures="How often a model prefers an answer to the best rival's, in both orders; a tie counts a half.",
            kinds=_WRITTEN,
            source="Zheng et al. 2023",
            sort="asked",
            beside=True,
            parameters={"model": _JUDGE, "rubric": _RUBRIC},
        ),
        MetricFacts(
            name="lift",
            measures=(
                "Log-likelihood of a row's own answer with the passages less without: above 0 it was read in them, at "
                "0 it was known."
            ),
            kinds=_WRITTEN,
            sort="asked",
            better="neither",
            least=-math.inf,
            most=math.inf,
        ),
    )
}
