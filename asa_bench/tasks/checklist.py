"""CheckList's suites for sentiment and duplicate questions: small cases that probe one capability at a time.

A test has many cases, and a case one row or several. What is asked of a case is told by the rows' ``expectation``:

- ``label``: the row must be predicted as its gold label (minimum functionality tests, MFT);
- ``same``: all such rows of the case must be predicted alike (invariance tests, INV; no gold label);
- ``given``: the case counts only if this row is predicted as its gold label (directional tests, DIR, of pairs that
  must be duplicates before a change).

A case fails if one of its rows does not meet what is asked of it; `asa_bench.measures.behaviour` counts failures.

The authors publish the suites as pickles, which run code when they are opened and are never opened here. The
files read are their content as JSON lines, one test each: ``test``, ``type``, ``capability``, ``labels`` (one for
all cases, a list, or null) and ``data``. The expectation functions are code and are not in them; they are named
below, by test, after the authors' notebooks. What cannot be judged from labels alone is left out (`LEFT_OUT`):

- sentiment: tests that compare confidences (intensifiers, reducers, added phrases, "used to"), and cases that
  must be neutral. The suite has three classes; its authors give a two-way model a neutral class by taking
  probabilities of 'positive' between 1/3 and 2/3 for it, which labels do not tell. Where "not negative" is asked,
  a two-way model must say positive. Three tests have no texts in the file.
- duplicates: "Testing implications" needs to know which of the given pairs are truly duplicates, which the file
  does not tell; a synonym test has a single row per case, with nothing to compare it to; "Order does matter for
  asymmetric relations" is labelled as duplicate in the file, against its own name.

The authors let an invariance case pass if the prediction changes but its confidence moves by less than 0.1; here
a changed label is a failure, so that failure rates are a little higher than theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Layout, Split, Task
from asa_bench.tasks.files import Row, read_json_lines, shown

_NOT_NEGATIVE = {
    "simple negations: not negative",
    "simple negations: I thought x was negative, but it was not (should be neutral or positive)",
    "Hard: Negation of negative with neutral stuff in the middle (should be positive or neutral)",
}
_NOT_NEGATIVE_WHERE_NEUTRAL = {"Q & A: no"}

_MUST_DIFFER = {
    "Change first name in one of the questions",
    "Change first and last name in one of the questions",
    "Change location in one of the questions",
    "Change numbers in one of the questions",
}
_ALL_BUT_FIRST = {"(q, paraphrase(q))": "1", "Keep entitites, fill in with gibberish": "0"}

LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "checklist/sentiment": {
        "intensifiers": "compares confidences",
        "reducers": "compares confidences",
        "add positive phrases": "compares confidences",
        "add negative phrases": "compares confidences",
        '"used to" should reduce': "compares confidences",
    },
    "checklist/qqp": {
        "(question, f(question)) where f(question) replaces synonyms?": "one row per case",
        "Testing implications": "needs gold labels that the file does not have",
        "Order does matter for asymmetric relations": "its label contradicts its name",
    },
}


def read(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of all cases that labels can judge.

    Raises:
        BadInput: a line is not JSON, or a test has another form, an unknown type or directional expectation.
    """
    for number, (where, test) in enumerate(read_json_lines(path), start=1):
        name, kind, capability = (_text(path, where, test, key) for key in ("test", "type", "capability"))
        cases = test.get("data")
        if not isinstance(cases, list) or kind not in {"MFT", "INV", "DIR"}:
            raise BadInput(
                f"{shown(str(path), 300)}, {where}: expected a list 'data' and a 'type' MFT, INV or DIR"
            )
        if name in LEFT_OUT[task.name]:
            continue
        labels = test.get("labels")
        if isinstance(labels, list) and len(labels) != len(cases):
            raise BadInput(f"{shown(str(path), 300)}, {where}: {len(cases)} cases, but {len(labels)} labels")
        for count, case in enumerate(cases):
            if case is None:
                continue
            place = f"{where}, case {count + 1}"
            written = labels[count] if isinstance(labels, list) else labels
            asked = _asked(task, path, place, name, kind, _rows(task, path, place, case), written)
            for texts, label, expectation in asked:
                yield Row(
                    texts,
                    label,
                    {
                        "capability": capability,
                        "test": name,
                        "type": kind,
                        "expectation": expectation,
                        "case": f"{number}.{count + 1}",
                    },
                    place,
                )


def _asked(
    task: Task, path: Path, where: str, name: str, kind: str, rows: list[tuple[str, ...]], written: Any
) -> list[tuple[tuple[str, ...], str, str]]:
    """Texts, gold label as written and expectation of every row of a case that is to be judged."""
    if kind == "INV":
        return [(texts, "", "same") for texts in rows]
    if kind == "MFT":
        label = _gold(task, name, written)
        return [(texts, label, "label") for texts in rows] if label else []
    if name in _MUST_DIFFER:
        return [(rows[0], "1", "given"), *((texts, "0", "label") for texts in rows[1:])]
    if name in _ALL_BUT_FIRST:
        return [(texts, _ALL_BUT_FIRST[name], "label") for texts in rows[1:]]
    raise BadInput(
        f"{shown(str(path), 300)}, {where}: no expectation is known of the directional test {shown(name)}"
    )


def _gold(task: Task, name: str, written: Any) -> str:
    """The label of a minimum functionality case as a two-way model can meet it, "" where it cannot."""
    if task.family != "sentiment":
        return str(written)
    if name in _NOT_NEGATIVE or (name in _NOT_NEGATIVE_WHERE_NEUTRAL and written == 1):
        return "2"
    return "" if written == 1 else str(written)


def _rows(task: Task, path: Path, where: str, case: Any) -> list[tuple[str, ...]]:
    """A case's rows: one text (or pair of texts), or a list of them."""
    pair = len(task.columns) == 2

    def is_row(value: Any) -> bool:
        if not pair:
            return isinstance(value, str)
        return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)

    rows = [case] if is_row(case) else case
    if not isinstance(rows, list) or not rows or not all(map(is_row, rows)):
        raise BadInput(
            f"{shown(str(path), 300)}, {where}: expected {'pairs of texts' if pair else 'texts'}, got {shown(case)}"
        )
    return [tuple(row) if pair else (row,) for row in rows]


def _text(path: Path, where: str, test: Any, key: str) -> str:
    value = test.get(key) if isinstance(test, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{shown(str(path), 300)}, {where}: no field {key!r} with a text")
    return value


def _task(
    part: str,
    title: str,
    columns: tuple[str, ...],
    labels: Mapping[str, str],
    rows: int,
    train_tasks: tuple[str, ...],
    note: str,
) -> Task:
    return Task(
        name=f"checklist/{part}",
        title=title,
        family="sentiment" if part == "sentiment" else "paraphrase",
        role="challenge",
        columns=columns,
        labels=tuple(labels.values()),
        metrics=("failure_rate",),
        group="case",
        strata="test",
        unlabelled=True,
        splits={"test": Split(rows=rows)},
        evaluation_split="test",
        train_tasks=train_tasks,
        layout=Layout(
            folders=("checklist", "CheckList", ""),
            files={"test": (f"{part}_suite.jsonl",)},
            columns={},
            labels=labels,
            reader="asa_bench.tasks.checklist:read",
            provided_by=f"release_suites/{part}_suite.tar.gz of https://github.com/marcotcr/checklist, whose pickle "
            f"must be written as {part}_suite.jsonl, one test a line (it is not on the hub)",
        ),
        attack_column=columns[-1],
        slices=("capability", "test", "type", "expectation"),
        exposure=(f"checklist/{part}:test",),
        licence="MIT",
        citation=(
            "Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP Models with CheckList, ACL 2020, "
            "https://doi.org/10.18653/v1/2020.acl-main.442"
        ),
        homepage="https://github.com/marcotcr/checklist",
        note=note,
    )


TASKS = {
    task.name: task
    for task in (
        _task(
            "sentiment",
            "CheckList sentiment",
            ("text",),
            {"0": "negative", "2": "positive"},
            139_693,
            ("sst2", "imdb", "rotten_tomatoes", "cad/sentiment-original", "cad/sentiment-combined"),
            "Lower is better. 65,903 of the 86,420 cases: 8,149 that must be neutral and 9,368 that compare "
            "confidences cannot be judged by the labels of a two-way model, and 3,000 have no text in the file.",
        ),
        _task(
            "qqp",
            "CheckList QQP",
            ("question1", "question2"),
            {"0": "not_duplicate", "1": "duplicate"},
            180_303,
            ("qqp", "paws_qqp+qqp"),
            "Lower is better. 53,574 of the 63,216 cases: 8,328 need gold labels that the file does not have, 326 "
            "have one row to compare with nothing, and the label of 988 contradicts their test's name.",
        ),
    )
}
