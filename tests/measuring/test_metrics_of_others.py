"""Metrics of other packages: named by a task, used to the report, refused where they give what is no score."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from advisor.errors import UserError
from advisor.measuring.metrics import score
from advisor.tasks import facts_of

WORDS_SHARED = '''
"""The share of words that an answer has in common with the best acceptable one."""

from advisor.tasks import Metric


def jaccard(text, targets):
    return max(shared(set(text.lower().split()), set(target.lower().split())) for target in targets)


def shared(found, wanted):
    return len(found & wanted) / len(found | wanted) if found | wanted else 1.0


def longest(texts, targets):
    return max(map(jaccard, texts, targets))


JACCARD = Metric(
    name="jaccard",
    measures="Words in common, of all words of both.",
    kinds=("qa", "generation"),
    score=jaccard,
    corpus=longest,
    source="Jaccard 1901",
)
'''
COMPARE = """
import json
from pathlib import Path
import advisor
from advisor.cli import main
from scripted import ScriptedModel

rows = [{"input": f"who is {n}", "target": f"the answer {n}"} for n in range(12)]
folder = Path("task")
folder.mkdir()
for split in ("train", "test"):
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in rows))
head = '[task]\\nname = "desk"\\nkind = "KIND"\\ninstruction = "Answer."\\n'
(folder / "task.toml").write_text(head + 'metric = "METRIC"\\n')
try:
    task = advisor.load_task(folder)
    comparison = advisor.compare(task, ScriptedModel(), ["nearest", "zero-shot"], out="run")
    decision = advisor.decide(comparison)
    print(advisor.profile(task).description.detectable > 0)
    print({row.spec: round(row.quality.value, 3) for row in decision.rows})
    print({row.spec: row.quality.low <= row.quality.value <= row.quality.high for row in decision.rows})
    print([note for row in decision.rows for note in row.notes if "corpus" in note])
    print("jaccard" in advisor.report(decision))
except advisor.UserError as error:
    print(error)
"""

Install = Callable[..., None]
Script = Callable[..., str]


def asked(metric: str = "jaccard", kind: str = "qa") -> str:
    return COMPARE.replace("METRIC", metric).replace("KIND", kind)


def test_a_metric_of_thirty_lines_judges_a_task_to_the_report(install: Install, in_process: Script) -> None:
    assert len(WORDS_SHARED.strip().splitlines()) <= 30
    install("shared", WORDS_SHARED, {"jaccard": "shared:JACCARD"}, group="advisor.metrics")
    detectable, qualities, within, notes, named = in_process(asked()).splitlines()
    assert detectable == named == "True"
    assert "'nearest': 1.0" in qualities  # train and test hold the same examples
    assert "'zero-shot': 0.0" not in qualities
    assert within == "{'nearest': True, 'zero-shot': True}"
    assert "corpus jaccard 1.000" in notes


def test_the_command_lists_it_with_where_it_comes_from(install: Install, in_process: Script) -> None:
    install("shared", WORDS_SHARED, {"jaccard": "shared:JACCARD"}, group="advisor.metrics")
    said = in_process("from advisor.cli import main\nmain(['metrics'])")
    assert said.index("accuracy\n") < said.index("jaccard\n    Words in common, of all words of both.\n")
    assert "for qa, generation; Jaccard 1901; from thirdparty 1.0" in said


def test_a_metric_that_is_not_there_is_a_fault_of_the_task(install: Install, in_process: Script) -> None:
    install("shared", WORDS_SHARED, {"jaccard": "shared:JACCARD"}, group="advisor.metrics")
    said = in_process(asked(metric="jacard"))
    assert 'unknown metric "jacard"' in said
    assert 'did you mean "jaccard"?' in said
    with pytest.raises(UserError, match='the metric "jacard" is unknown'):
        score("jacard", "yes", ["yes"])
    assert facts_of("token_f1").kinds


def test_a_metric_is_refused_for_a_kind_of_task_that_it_cannot_judge(install: Install, in_process: Script) -> None:
    install("shared", WORDS_SHARED, {"jaccard": "shared:JACCARD"}, group="advisor.metrics")
    assert 'the metric "jaccard" needs kind "qa" or "generation", not "extraction"' in in_process(
        asked(kind="extraction")
    )


WRONG = {
    "float('nan')": 'the metric "jaccard" of thirdparty 1.0 gives nan for the answer',
    "1.5": "gives 1.5 for the answer",
    "'high'": "gives 'high' for the answer",
    "None": "gives None for the answer",
    "1 / 0": "fails on the answer",
}


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_score_is_refused_by_the_name_of_its_metric(
    install: Install, in_process: Script, value: str
) -> None:
    code = f"from advisor.tasks import Metric\nW = Metric(name='jaccard', measures='x', score=lambda a, b: {value})\n"
    install("shared", code, {"jaccard": "shared:W"}, group="advisor.metrics")
    said = in_process(asked())
    assert said.startswith("error: ")
    assert WRONG[value] in said
    assert "try: fix or uninstall it, or name another metric" in said


REGISTERED = {
    "shared:NONE": "but it is no advisor.tasks.Metric",
    "shared:OTHER": 'but its name is "other"',
    "shared:KIND": "but its kinds are",
    "gone:X": "cannot be loaded: ModuleNotFoundError",
}
MADE = """
from dataclasses import replace
from advisor.tasks import Metric
NONE = len
OTHER = Metric(name="other", measures="x", score=lambda text, targets: 1.0)
KIND = replace(OTHER, name="jaccard", kinds=("poetry",))
"""


@pytest.mark.parametrize("where", REGISTERED)
def test_what_is_no_metric_is_a_fault_that_says_so(install: Install, in_process: Script, where: str) -> None:
    install("shared", MADE, {"jaccard": where}, group="advisor.metrics")
    said = in_process(asked())
    assert REGISTERED[where] in said
    assert "task.toml" in said


def test_a_measure_of_all_answers_with_a_parameter_stands_beside_the_metric(
    install: Install, in_process: Script
) -> None:
    code = (
        "from advisor.tasks import Metric, Parameter\n"
        "def longest(answers, targets, least):\n    return float(max(max(map(len, answers)), least))\n"
        "W = Metric(name='longest', measures='x', sort='set', corpus=longest, better='neither', most=1e9,\n"
        "           parameters={'least': Parameter(0, 'at least', least=0)})\n"
    )
    install("shared", code, {"longest": "shared:W"}, group="advisor.metrics")
    said = in_process(
        "from advisor.measuring.metrics import metric_of\n"
        "from advisor.tasks import check_metric\n"
        "from advisor.errors import UserError\n"
        "spec = check_metric('longest:least=7', 'qa', beside=True)\n"
        "print(spec, metric_of(spec).corpus(['abc'], [['a']]))\n"
        "print(metric_of('longest').corpus(['abc'], [['a']]))\n"
        "try:\n    check_metric('longest', 'qa')\nexcept UserError as error:\n    print(error.what)\n"
    )
    assert said.splitlines()[:2] == ["longest:least=7 7.0", "3.0"]
    assert "describes all answers together" in said
