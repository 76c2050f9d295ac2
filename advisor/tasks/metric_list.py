"""The metrics that are built in, as a task has to know them. `advisor.measuring.metrics` computes them."""

from __future__ import annotations

from advisor.tasks.metric_facts import RIGHT_OR_WRONG, MetricFacts

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
    )
}
