"""Grades of a task folder: read, checked, kept from approaches, and no reason to measure anything anew."""

from __future__ import annotations

from dataclasses import replace

from advisor.tasks import Grade, load_task
from advisor.tasks.grades import by_answer

TEST = [{"id": "q1", "input": "Where am I?", "target": "here"}, {"id": "q2", "input": "And now?", "target": "there"}]


def test_grades_are_read_and_belong_to_no_fingerprint(write):
    rows = [{"id": "q1", "answer": "here", "grade": 1}, {"id": "q2", "answer": "Nowhere", "grade": 0.25, "input": "x"}]
    task = load_task(write(test_jsonl=TEST, grades_jsonl=rows))
    assert task.grades == (Grade("q1", "here", 1.0), Grade("q2", "Nowhere", 0.25))
    assert str(task.grades[1].place).startswith("grades.jsonl:2")
    assert task.fingerprint == replace(task, grades=()).fingerprint
    assert task.for_fitting().grades == ()


def test_open_grades_are_left_out_and_that_is_said(write):
    rows = [{"id": "q1", "answer": "here", "grade": None}, {"id": "q2", "answer": "there", "grade": 1}]
    task = load_task(write(test_jsonl=TEST, grades_jsonl=rows))
    assert [grade.id for grade in task.grades] == ["q2"]
    assert any("1 of 2 answers in grades.jsonl are not graded yet" in caveat for caveat in task.caveats)
    none = [{**row, "grade": None} for row in rows]
    task = load_task(write(test_jsonl=TEST, grades_jsonl=none))
    assert not task.grades
    assert any(
        "2 of 2 answers in grades.jsonl are not graded yet: their grade is null, first on line 1" in caveat
        for caveat in task.caveats
    )


def test_faults_are_told_by_file_and_line(write, report):
    rows = [
        {"id": "q1", "answer": "here", "grade": 7},
        {"id": "q1", "answer": "here", "score": 1},
        {"id": "q1", "answer": ["here"], "grade": "good"},
    ]
    text = report(write(test_jsonl=TEST, grades_jsonl=rows))
    assert 'grades.jsonl:1: "grade" is 7' in text and "from 0 (wrong) to 1" in text
    assert 'grades.jsonl:2: "grade" is missing' in text
    assert 'grades.jsonl:3: "answer" is a list' in text
    stray = [{"id": "q3", "answer": "here", "grade": 1}]
    assert 'grades.jsonl:1: no test example has the id "q3"' in report(write(test_jsonl=TEST, grades_jsonl=stray))
    assert "the file holds no grades" in report(write(test_jsonl=TEST, grades_jsonl=""))


def test_several_grades_of_one_answer_are_averaged_whatever_its_spacing():
    given = [Grade("q1", "Five  days", 1.0), Grade("q1", "five days", 0.5), Grade("q2", "five days", 0.0)]
    assert by_answer(given) == {("q1", "five days"): 0.75, ("q2", "five days"): 0.0}


def test_the_rubric_is_of_the_table_judge(write, report):
    settings = '[task]\nname = "desk"\nkind = "qa"\ninstruction = "Answer."\n[judge]\n{}\n'
    assert load_task(write(task_toml=settings.format('rubric = "Be strict."'))).rubric == "Be strict."
    assert 'unknown key "rubrik" in [judge]' in report(write(task_toml=settings.format('rubrik = "Be strict."')))
