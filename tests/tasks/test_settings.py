"""Faults in task.toml, with lines and suggestions."""

from __future__ import annotations

import pytest

from advisor.tasks import load_task

HEAD = '[task]\nname = "desk"\nkind = "qa"\ninstruction = "Answer."\n'


@pytest.mark.parametrize(
    ("toml", "what", "hint"),
    [
        ("", "task.toml: the table [task] is missing", "add [task] with name, kind, instruction"),
        ('kind = "qa"\n', "task.toml: the table [task] is missing", "write [task] on a line above kind"),
        ("task = 3\n", 'task.toml:1: "task" is not a table', "write [task] on a line of its own"),
        (
            '# a\n[task]\nname = "a"\nkind = "qa"\n',
            'task.toml:2: "instruction" is missing in [task]',
            'add a line such as instruction = "Answer the question in a few words."',
        ),
        (
            '[task]\nname = "a"\nkind = "qa"\ninstructions = "x"\n',
            'task.toml:4: unknown key "instructions" in [task]',
            'did you mean "instruction"?',
        ),
        (
            '[task]\nname = "a"\nkind = "clasification"\ninstruction = "b"\n',
            'task.toml:3: unknown kind "clasification"',
            'did you mean "classification"? The kinds: classification, qa, generation, extraction',
        ),
        (
            f'{HEAD}metric = "rouge"\n',
            'task.toml:5: unknown metric "rouge"',
            'did you mean "rouge_l"? The metrics: accuracy, macro_f1, exact_match, token_f1, squad_em',
        ),
        (
            f'{HEAD}metric = "macro_f1"\n',
            'task.toml:5: the metric "macro_f1" needs kind "classification", not "qa"',
            'for qa use "token_f1", or leave the metric out',
        ),
        (
            f'{HEAD}labels = ["a"]\n',
            'task.toml:5: labels are given, but the kind is "qa"',
            "take the labels out",
        ),
        (
            '[task]\nname = 3\nkind = "qa"\ninstruction = "b"\n',
            'task.toml:2: "name" is 3, not a text',
            'name = "..."',
        ),
        (
            '[task]\nname = "a/b"\nkind = "qa"\ninstruction = "b"\n',
            'task.toml:2: the name "a/b" cannot be a folder\'s name',
            "results are kept in a folder of this name",
        ),
        (
            '[task]\nname = "a"\nkind = "qa"\ninstruction = " "\n',
            'task.toml:4: "instruction" is empty',
            "write the",
        ),
        (
            f"{HEAD}[limits]\np95 = 3\n",
            'task.toml:6: unknown key "p95" in [limits]',
            'did you mean "p95_ms"?',
        ),
        (
            f"{HEAD}[limits]\np95_ms = -1\n",
            'task.toml:6: "p95_ms" is -1, not above 0',
            "give a number above 0",
        ),
        (
            f"{HEAD}[limits]\nbudget_usd = 0\n",
            'task.toml:6: "budget_usd" is 0, not above 0',
            "leave the line out",
        ),
        (f"{HEAD}[limits]\nbudget_usd = nan\n", 'task.toml:6: "budget_usd" is nan, not above 0', "above 0"),
        (f'{HEAD}[limits]\np95_ms = "5"\n', 'task.toml:6: "p95_ms" is "5", not a number', "p95_ms = 1"),
        (f"{HEAD}[limits]\np95_ms = true\n", 'task.toml:6: "p95_ms" is true, not a number', "p95_ms = 1"),
        (
            f"{HEAD}[limits]\nmin_quality = 70\n",
            'task.toml:6: "min_quality" is 70, above 1',
            "min_quality = 0.7",
        ),
        (f'{HEAD}[compare]\nmodle = "x"\n', 'task.toml:6: unknown key "modle" in [compare]', 'mean "model"?'),
        (
            f'{HEAD}[compare]\napproaches = "rag"\n',
            'task.toml:6: "approaches" is not a list of texts',
            'write approaches = ["zero-shot", "few-shot"]',
        ),
        (
            f"{HEAD}metric = exact_match\n",
            "task.toml:5: not valid TOML: Invalid value at column 10: metric = exact_match",
            "texts need double quotes",
        ),
        (f"{HEAD}labels = [\n", "task.toml: not valid TOML", "close the last bracket or quote"),
    ],
)
def test_a_fault(write, report, toml, what, hint):
    seen, tried = report(write(task_toml=toml)).split("\n")
    assert seen.startswith(f"error: {what}")
    assert hint in tried


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ("[]", '"labels" is empty'),
        ('["a", " "]', "a label is empty"),
        ('["a", "b", "a "]', 'labels given twice: "a"'),
        ('["a", 1]', '"labels" is not a list of texts'),
    ],
)
def test_faulty_labels(write, report, labels, what):
    toml = f'[task]\nname = "a"\nkind = "classification"\ninstruction = "b"\nlabels = {labels}\n'
    rows = [{"input": "x", "target": "a"}]
    assert f"error: task.toml:5: {what}" in report(write(task_toml=toml, train_jsonl=rows, test_jsonl=rows))


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        ("classification", "accuracy"),
        ("qa", "token_f1"),
        ("generation", "rouge_l"),
        ("extraction", "json_f1"),
    ],
)
def test_the_metric_defaults_by_kind(write, kind, metric):
    rows = [{"input": "x", "target": "{}"}]
    assert load_task(write(kind=kind, train_jsonl=rows, test_jsonl=rows)).metric == metric


def test_a_table_that_looks_misspelt_is_a_caveat_and_others_are_the_users(write):
    task = load_task(write(task_toml=f"{HEAD}[limit]\np95_ms = 5\n[source]\na = 1\n"))
    assert task.caveats == ("the table [limit] of task.toml is not read; [limits] would be",)


def test_a_byte_order_mark_and_windows_line_ends(write):
    toml = b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode()
    assert load_task(write(task_toml=toml)).name == "desk"
