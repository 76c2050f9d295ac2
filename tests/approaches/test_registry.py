"""Specs to approaches and back; what runs when nobody names an approach; other packages' approaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from advisor.approaches import (
    configuration,
    family,
    installed,
    kinds,
    named,
    parameters,
    parse,
    part,
    spec_of,
    suggested,
)
from advisor.errors import UserError
from advisor.tasks import Outline, Task
from rag import Rag

CANONICAL = [
    ("majority", "majority"),
    ("few-shot:k=8", "few-shot"),
    ("few-shot:k=4", "few-shot:k=4"),
    ("few-shot:select=nearest,k=4", "few-shot:k=4,select=nearest"),
    (" few-shot : k = 4 ", "few-shot:k=4"),
    ("few-shot:", "few-shot"),
    ("head:c=10", "head"),
    ("head:c=0.5", "head:c=0.5"),
    ("head:c=1e+16", "head:c=1e+16"),
    ("rag:k=3,chunk=160", "rag"),
    ("rag:overlap=5,chunk=80,k=5", "rag:k=5,chunk=80,overlap=5"),
    ("lora:lr=2e-3", "lora:lr=0.002"),
    ("lora:init=pissa,rslora=true,dora=true", "lora:dora=true,rslora=true,init=pissa"),
    ("ia3:lr=2e-2", "ia3:lr=0.02"),
    ("rag+ln", "rag+ln"),
    ("peft:vera", "peft:vera"),
    ("peft:kind=vera", "peft:vera"),
    ("rag:k=5 + peft: vera , lr=1e-2", "rag:k=5+peft:vera,lr=0.01"),
    ("lora+rag:k=5", "rag:k=5+lora"),
    ("rag:k=5 + lora:rank=4", "rag:k=5+lora:rank=4"),
    ("zero-shot+lora", "lora"),
    ("few-shot:k=2+lora:rank=16", "few-shot:k=2+lora"),
    ("oracle+lora", "oracle+lora"),
    ("zero-shot:cot=true", "zero-shot:cot=true"),
    ("few-shot:cot=true,search=4", "few-shot:search=4,cot=true"),
    ("rag:cot=false,k=2", "rag:k=2"),
    ("prompt-search:n=8,k=2+lora", "prompt-search:k=2+lora"),
    ("prompt:tokens=16,lr=0.1", "prompt:lr=0.1"),
    ("prompt:tokens=8 + lora:rank=4,epochs=2", "prompt:tokens=8+lora:rank=4,epochs=2"),
    ("prefix+rag:k=5+lora", "rag:k=5+prefix+lora"),
]

MISTAKES = [
    ("few-shto", "'few-shto' is unknown", "did you mean 'few-shot'?"),
    ("LoRA", "'LoRA' is unknown", "did you mean 'lora'?"),
    ("qlora+dora", "'dora' is no approach but a parameter of qlora", "qlora:dora=true"),
    ("cpt:augment=2", "cpt has no parameter 'augment'", "it accepts: on, rank, block"),
    ("lora+dpo:also=../other", "dpo has no parameter 'also'", "it accepts: loss, beta, pairs"),
    ("", "'' is unknown", "installed are "),
    ("rag+", "'' is unknown", "installed are"),
    ("rag:kk=3", "rag has no parameter 'kk'", "did you mean 'k'?"),
    ("zero-shot:k=3", "zero-shot has no parameter 'k'", "it accepts: cot"),
    ("rag:k", "'k' has no value", "k=3"),
    ("rag:k=", "'k' has no value", "k=3"),
    ("rag:k=1,k=2", "'k' is given twice", "once"),
    ("rag:k=many", "'k' is 'many', not int", "a whole number"),
    ("rag:k=2.5", "'k' is '2.5', not int", "a whole number"),
    ("head:c=nan", "'c' is 'nan', not float", "a number"),
    ("few-shot:select=best", "'select' is 'best'", "one of fixed, nearest"),
    ("few-shot:k=0", "k is 0", "advisor approaches"),
    ("few-shot:k=-1", "k is -1", "advisor approaches"),
    ("head:c=-1", "c is -1", "advisor approaches"),
    ("lora:rank=0", "rank", "advisor approaches"),
    ("lora:rank=3,init=orthogonal", "must be even", "advisor approaches"),
    ("lora:init=best", "'init' is 'best'", "one of default, gaussian, orthogonal, pissa"),
    ("peft", "peft needs a value for 'kind'", "peft:VALUE"),
    ("peft:lr=1e-2", "peft needs a value for 'kind'", "peft:VALUE"),
    ("peft:vera,vera", "peft has no parameter 'vera'", "it accepts: kind, targets, serve"),
    ("peft:vera,kind=oft", "'kind' is given twice", "once"),
    ("peft:verra", "near are vera, pvera", "advisor approaches"),
    ("peft:prefix_tuning", "a tuner of its own here: prefix", "advisor approaches peft says"),
    ("few-shot:8", "few-shot has no parameter '8'", "it accepts: k"),
    ("rag:k=0", "k=0", "at least 1"),
    ("rag+oracle", "does not combine", "one context builder and one tuner"),
    ("lora+lora", "does not combine", "one context builder and one tuner"),
    ("lora+prompt", "prompt does not go behind lora", "write prompt+lora"),
    ("prompt+prefix", "prefix does not go behind prompt", "one context builder and one tuner"),
    ("prompt+lora+lora", "lora does not go behind prompt+lora", "one context builder and one tuner"),
    ("ptuning+lora", "lora does not go behind ptuning", "one context builder and one tuner"),
    ("prompt:epochs=2+lora", "prompt+lora is trained as lora is: give epochs to lora", "advisor approaches"),
    ("prompt:tokens=0", "tokens must be positive", "advisor approaches"),
    ("majority+lora", "does not combine", "one context builder and one tuner"),
    ("head+rag", "does not combine", "one context builder and one tuner"),
    ("few-shot:cot=true+lora", "no reasoning to learn from", "few-shot:cot=true alone"),
    ("few-shot:search=1", "search is 1", "advisor approaches"),
    ("few-shot:search=4,select=nearest", "same for every query", "advisor approaches"),
    ("prompt-search:n=1", "n is 1", "advisor approaches"),
    ("prompt-search:k=-1", "k is -1", "advisor approaches"),
    ("prompt-search+rag", "does not combine", "one context builder and one tuner"),
]


@pytest.mark.parametrize(("given", "canonical"), CANONICAL)
def test_a_spec_is_written_in_one_way(given: str, canonical: str) -> None:
    assert spec_of(parse(given)) == canonical


@pytest.mark.parametrize("canonical", [c for _, c in CANONICAL])
def test_a_canonical_spec_reads_back_as_the_same_approach(canonical: str) -> None:
    assert parse(spec_of(parse(canonical))) == parse(canonical)


@pytest.mark.parametrize(("spec", "what", "hint"), MISTAKES)
def test_a_wrong_spec_is_a_user_error_that_says_what_fixes_it(spec: str, what: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(spec)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_the_configuration_names_every_hyper_parameter_of_each_part() -> None:
    found = configuration(parse("rag:k=5+lora:rank=4"))
    given = {"k": 5, "chunk": 160, "overlap": 30, "miss": 0.2, "retriever": "hybrid", "weight": 0.5, "least": None}
    assert found["rag"].items() >= given.items()
    assert found["rag"].keys() == {field.name for field in fields(Rag)}
    assert found["lora"]["rank"] == 4
    assert set(found) == {"rag", "lora"}
    joint = configuration(parse("prefix:tokens=4+lora:rank=4"))
    assert (joint["prefix"]["tokens"], joint["lora"]["rank"], set(joint)) == (4, 4, {"zero-shot", "prefix", "lora"})
    assert configuration(parse("majority")) == {"majority": {}}


def test_the_parameters_of_a_part_are_listed_with_type_and_default() -> None:
    assert parameters(part("few-shot")) == [
        ("k", "int", 8),
        ("select", "fixed|nearest", "fixed"),
        ("search", "int", 0),
        ("cot", "bool", False),
        ("calibrate", "bool", False),
    ]


@pytest.mark.parametrize(
    ("spec", "name"),
    [("peft:vera,lr=1e-2", "peft:vera"), ("rag:k=5+peft:kind=oft", "rag+peft:oft"), ("lora:rank=4", "lora")],
)
def test_a_family_keeps_what_changes_what_it_is(spec: str, name: str) -> None:
    assert family(spec) == name


def test_own_approaches_come_in_the_order_of_the_report() -> None:
    found = [kind.name for kind in kinds()]
    assert found[:7] == ["majority", "decision", "encoder", "head", "nearest", "probe", "setfit"]
    assert found[7:11] == ["zero-shot", "few-shot", "many-shot", "prompt-search"]
    assert found[11:14] == ["long-context", "rag", "oracle"]
    assert found[14:] == sorted(found[14:])
    assert "lora" in found[14:]


@pytest.mark.parametrize(
    ("spec", "control", "seeded", "uses_model"),
    [
        ("majority", True, False, False),
        ("nearest", False, False, False),
        ("head", False, False, False),
        ("probe", False, False, True),
        ("probe:unfreeze=4", False, True, True),
        ("setfit", False, True, False),
        ("encoder", False, True, False),
        ("zero-shot", False, False, True),
        ("few-shot", False, True, True),
        ("many-shot", False, True, True),
        ("long-context", False, False, True),
        ("rag", False, False, True),
        ("oracle", True, False, True),
        ("lora", False, True, True),
        ("rag+lora", False, True, True),
        ("oracle+lora", True, True, True),
    ],
)
def test_what_an_approach_says_of_itself(spec: str, control: bool, seeded: bool, uses_model: bool) -> None:
    approach = parse(spec)
    assert (approach.control, approach.seeded, approach.uses_model) == (control, seeded, uses_model)


def specs(task: Task) -> list[str]:
    return [spec_of(a) for a in suggested(task)]


def test_suggested_for_a_classification_without_documents(tickets: Task) -> None:
    prompted = ["zero-shot", "few-shot", "few-shot:select=nearest"]
    assert specs(tickets) == ["majority", "head", "nearest", *prompted, "lora", "few-shot+lora"]


def test_suggested_for_questions_with_documents_and_evidence(desk: Task) -> None:
    prompted = ["zero-shot", "few-shot", "few-shot:select=nearest"]
    assert specs(desk) == ["majority", "nearest", *prompted, "rag", "oracle", "lora", "rag+lora"]


def test_the_oracle_is_suggested_only_where_evidence_is_known(desk: Task) -> None:
    train, test = (tuple(replace(e, evidence=()) for e in split) for split in (desk.train, desk.test))
    assert "oracle" not in specs(replace(desk, train=train, test=test))
    assert "rag" in specs(replace(desk, train=train, test=test))


def test_few_shot_with_lora_is_suggested_only_without_documents(tickets: Task, desk: Task) -> None:
    assert "few-shot+lora" in specs(tickets)
    assert "few-shot+lora" not in specs(desk)
    assert "few-shot+lora" in specs(replace(desk, documents=()))


def test_without_training_examples_only_prompting_is_suggested(desk: Task) -> None:
    assert specs(replace(desk, train=())) == ["zero-shot", "rag", "oracle"]
    assert specs(replace(desk, train=(), documents=())) == ["zero-shot"]


def test_a_head_is_not_suggested_where_train_has_one_label(tickets: Task) -> None:
    one = replace(tickets, train=tuple(e for e in tickets.train if e.target == "card"))
    assert "head" not in specs(one)
    assert "fewer than two labels" in parse("head").unsuited(one)


def test_all_stands_for_everything_that_applies(tickets: Task, desk: Task) -> None:
    found = [spec_of(a) for a in named(["all"], desk)]
    more = {"few-shot+lora", "few-shot:select=nearest+lora", "oracle+lora", "prompt-search", "prompt-search+lora"}
    more |= {"many-shot", "many-shot+lora", "long-context", "long-context+lora"}
    assert set(found) >= {*specs(desk), *more}
    others = {spec for spec in found if spec not in {*specs(desk), *more}}
    assert {"prompt", "prefix", "ia3", "ln"} <= others and not any("+" in spec for spec in others), "tuners alone"
    assert "peft" not in " ".join(found)  # which has to be told what
    assert len(found) == len(set(found))
    assert "head" not in found  # the task has no labels
    assert [spec_of(a) for a in named(["rag:k=5", "lora"], desk)] == ["rag:k=5", "lora"]
    assert "rag" in [spec_of(a) for a in named(["all"], tickets)]  # over labelled examples, where it is asked for


def test_what_runs_unasked_is_the_same_of_a_task_and_of_its_outline(tickets: Task, desk: Task) -> None:
    for task in (tickets, desk, replace(desk, train=()), replace(desk, documents=())):
        assert [spec_of(a) for a in suggested(Outline.of(task))] == specs(task)


PLUGIN = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from advisor.approaches import Approach, ContextBuilder, Tuner

@dataclass(frozen=True)
class Parrot(Approach):
    """Says what was said."""
    words: int
    loud: bool = False
    name: ClassVar[str] = "parrot"
    def fit(self, task, model, seed): ...
    def restore(self, folder, task, model): ...

class NoApproach:
    name = "stone"
'''


def test_another_packages_approach_is_found_and_parsed(
    install: Callable[..., None], in_process: Callable[..., str]
) -> None:
    install("birds", PLUGIN, {"parrot": "birds:Parrot"})
    said = in_process(
        "from advisor.approaches import *\n"
        "a = parse('parrot:words=3,loud=true')\n"
        "print(list(installed())[-1], spec_of(a), a.words + 1, parameters(part('parrot')))\n"
    )
    assert said == "parrot parrot:words=3,loud=true 4 [('words', 'int', None), ('loud', 'bool', False)]\n"


POINTS = {"parrot": "birds:Parrot", "stone": "birds:NoApproach", "bird": "birds:Parrot", "gone": "no_such_module:X"}
THEIR_MISTAKES = {
    "parrot": "parrot needs a value for 'words'",
    "parrot:words=2,loud=yes": "parameter 'loud' is 'yes'",
    "parot:words=2": "did you mean 'parrot'?",
    "stone": "birds:NoApproach is registered as approach 'stone' but is none",
    "bird:words=1": "registered as approach 'bird' but its name is 'parrot'",
    "gone": "approach 'gone' (no_such_module:X) cannot be loaded: ModuleNotFoundError: No module named",
}
TELL = """
from advisor.approaches import parse
for spec in {specs}:
    try:
        parse(spec)
    except Exception as error:
        print(type(error).__name__, str(error).replace(chr(10), " "))
"""


def test_mistakes_with_another_packages_approach_are_user_errors(
    install: Callable[..., None], in_process: Callable[..., str]
) -> None:
    install("birds", PLUGIN, POINTS)
    told = in_process(TELL.format(specs=list(THEIR_MISTAKES))).splitlines()
    for line, said in zip(told, THEIR_MISTAKES.values(), strict=True):
        assert line.startswith("UserError error: ")
        assert said in line


def test_an_approach_that_needs_a_value_is_never_suggested(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tickets: Task
) -> None:
    install("birds", PLUGIN, {"parrot": "birds:Parrot"})
    monkeypatch.syspath_prepend(tmp_path)
    assert "parrot" in installed()
    assert "zero-shot" in specs(tickets)
    assert "parrot" not in " ".join(specs(tickets))


UNASKED = '''
from dataclasses import dataclass
from typing import ClassVar
from advisor.approaches import Approach, ContextBuilder

@dataclass(frozen=True)
class Quiet(ContextBuilder):
    """Says nothing of itself."""
    name: ClassVar[str] = "quiet"
    def build(self, task, model, seed): ...
    def restore(self, folder, task, model): ...

@dataclass(frozen=True)
class Eager(Approach):
    """Runs unasked where a training input is a question, which only the task's own texts can tell."""
    name: ClassVar[str] = "eager"
    unasked: ClassVar[bool] = True
    def unsuited(self, task):
        return "" if any(e.input.startswith("w") for e in task.train) else "no questions"
    def fit(self, task, model, seed): ...
    def restore(self, folder, task, model): ...
'''
TELL_UNASKED = """
import advisor
from advisor.approaches import Lengths, named, parse, spec_of, suggested
from advisor.tasks import Outline
question = advisor.Example("1", "who?", "me")
task = advisor.Task("small", "qa", "Answer.", "token_f1", train=(question,), test=(question,))
other = advisor.Task("small", "qa", "Answer.", "token_f1", test=(question,))
for one in (task, other, Outline.of(task)):
    print([s for a in suggested(one) if (s := spec_of(a)) in ("quiet", "eager", "quiet+lora")])
print([s for a in named(["all"], task) if (s := spec_of(a)) in ("quiet", "eager", "quiet+lora")])
lengths = Lengths.of(task, None)
print([parse(spec).load(Outline.of(task), lengths) for spec in ("quiet", "eager", "quiet+lora")])
"""


def test_another_packages_approach_runs_unasked_only_if_it_says_so(
    install: Callable[..., None], in_process: Callable[..., str]
) -> None:
    """`unsuited` that looks into examples is asked of tasks; nothing is foreseen of what says nothing of itself."""
    install("shy", UNASKED, {"quiet": "shy:Quiet", "eager": "shy:Eager"})
    told = in_process(TELL_UNASKED).splitlines()
    assert told == ["['eager']", "[]", "['eager']", "['eager', 'quiet', 'quiet+lora']", "[None, None, None]"]
