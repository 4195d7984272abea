"""Tables of tasks of every kind, and the published numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from made_up import SST2, task

from asa_bench.errors import BadInput
from asa_bench.measures import METRICS
from asa_bench.reports import latex, markdown
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import Evaluation, Subject
from asa_bench.reports.published import PAPER, PUBLISHED
from asa_bench.reports.tables import Table
from asa_bench.tasks.base import Task


def made(
    name: str, title: str, kind: str, labels: Sequence[str], metrics: Sequence[str], **more: Any
) -> Task:
    family: Any = {"regression": "similarity", "multiple_choice": "reading"}.get(kind, "entities")
    base = task(name, title, family, "train", labels)
    return base.model_copy(update={"kind": kind, "metrics": tuple(metrics), **more})


STSB = made("stsb", "STS-B", "regression", (), ("spearman", "pearson"))
DREAM = made("dream", "DREAM", "multiple_choice", ("0", "1", "2"), ("accuracy",))
WNUT = made("wnut17", "WNUT-17", "token_classification", ("O", "B-x", "I-x"), ("entity_f1", "token_f1"))
PAIRS = made("pairs", "Pairs", "classification", ("no", "yes"), ("accuracy", "consistency"), group="pair")


def evaluation(
    item: Task, gold: Sequence[str], said: Sequence[str], seed: int = 1, **extra: Any
) -> Evaluation:
    frame = pd.DataFrame(
        {
            "id": [f"{item.name}-{number}" for number in range(len(gold))],
            "text_hash": "0",
            "label": list(gold),
            "prediction": list(said),
            "logits": [[0.0]] * len(gold),
            **extra,
        }
    )
    return Evaluation(
        Subject("m", "naive", "Naive", False, item.name, seed), item, "validation", "f" * 64, frame
    )


def tables(*evaluations: Evaluation) -> dict[str, Table]:
    source = ReportInput("generalization", "Title", "laptop", evaluations=evaluations, methods=("naive",))
    return {table.name: table for table in build_tables(source)}


def cells(table: Table, row: int = 0) -> dict[str, str]:
    heads = [f"{column.group}: {column.head}" for column in table.columns]
    return {head: cell.text for head, cell in zip(heads, table.rows[row].cells, strict=True) if cell.text}


MIXED = (
    evaluation(STSB, ["1.0", "2.0", "3.0", "4.0"], ["0.2", "0.1", "0.4", "0.3"]),
    evaluation(DREAM, ["0", "1", "2", "2"], ["0", "1", "2", "0"]),
    evaluation(WNUT, ["O B-x I-x", "B-x"], ["O B-x O", "B-x"]),
    evaluation(PAIRS, ["no", "yes"] * 2, ["no", "yes", "no", "no"], pair=["a", "a", "b", "b"]),
)


def test_each_task_is_scored_by_its_own_metric() -> None:
    main = tables(*MIXED)["main"]
    assert cells(main) == {
        "Generalization: STS-B (Spearman)": "60.0⁽¹⁾",
        "Generalization: DREAM": "75.0⁽¹⁾",
        "Generalization: WNUT-17 (Entity F1)": "50.0⁽¹⁾",
        "Generalization: Pairs": "75.0⁽¹⁾",
        "Generalization: Average": "65.0⁽¹⁾",
    }
    assert main.caption.startswith(
        "Accuracy, or what a column names (Entity F1, Spearman), in percent or hundredths."
    )


def test_tasks_with_several_metrics_show_all() -> None:
    assert cells(tables(*MIXED)["metrics"]) == {
        "STS-B: Spearman": "60.0⁽¹⁾",
        "STS-B: Pearson": "60.0⁽¹⁾",
        "WNUT-17: Entity F1": "50.0⁽¹⁾",
        "WNUT-17: Token F1": "80.0⁽¹⁾",
        "Pairs: Acc.": "75.0⁽¹⁾",
        "Pairs: Consistency": "50.0⁽¹⁾",
    }


def test_a_rate_of_failures_counts_in_no_average(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    lower = dataclasses.replace(METRICS["accuracy"], name="failure", title="Failures", higher_is_better=False)
    monkeypatch.setitem(METRICS, "failure", lower)
    failing = evaluation(
        made("f", "F", "classification", ("no", "yes"), ("failure",)), ["no", "yes"], ["no", "no"]
    )
    main = tables(MIXED[0], MIXED[1], failing)["main"]
    assert cells(main)["Generalization: Average"] == "67.5⁽¹⁾"
    assert cells(main)["Generalization: F (Failures)"] == "50.0⁽¹⁾"


@pytest.mark.parametrize(
    ("item", "gold", "said", "message"),
    [
        (STSB, "1.0", "much", "prediction 'much' is no number"),
        (STSB, "nan", "1.0", "gold label 'nan' is no number"),
        (WNUT, "O O", "O B-y", "prediction 'B-y' is no label of the task"),
        (DREAM, "3", "1", "gold label '3' is no label of the task"),
    ],
)
def test_labels_of_another_kind_are_refused(item: Task, gold: str, said: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        tables(evaluation(item, [gold], [said]))


def test_an_unknown_metric_is_told() -> None:
    with pytest.raises(BadInput, match=r"unknown metric 'accurasy'; did you mean 'accuracy'\?"):
        tables(evaluation(made("x", "X", "multiple_choice", ("0",), ("accurasy",)), ["0"], ["0"]))


def test_the_papers_table_has_its_columns_and_published_rows() -> None:
    found = tables(MIXED[2], MIXED[1], MIXED[0], evaluation(SST2, ["negative"], ["negative"]), MIXED[3])
    paper = found["paper"]
    assert [column.head for column in paper.columns] == [
        "SST-2 (Acc.)",
        "STS-B (Spearman)",
        "WNUT-17 (Entity F1)",
        "DREAM (Acc.)",
        "Average",
    ]
    by_label = {row.label: [cell.text for cell in row.cells] for row in paper.rows if row.kind == "published"}
    assert by_label == {
        "ASA + BERT-base": ["94.1", "86.5", "49.8", "64.3", ""],
        "ASA + RoBERTa": ["96.3", "89.2", "57.3", "69.2", ""],
    }
    assert any("nobody measured here" in note for note in paper.notes)
    assert not any("encoder not told" in note for note in paper.notes)
    assert [column.n_examples for column in paper.columns] == [1, 4, 2, 4, None]
    text = latex.body(paper)
    assert text.count(r"\textcolor{gray}") == 2 * (1 + 4)
    assert "ASA + BERT-base" in markdown.render(paper)
    assert "paper" not in tables(MIXED[3])
    hellaswag = DREAM.model_copy(update={"name": "hellaswag", "title": "HellaSWAG"})
    other = tables(evaluation(hellaswag, ["0"], ["0"]))["paper"]
    assert [row.label for row in other.rows if row.kind == "published"] == ["ASA, encoder not told"]
    assert any("implausible" in note for note in other.notes)


def test_published_numbers_have_known_metrics_and_sources() -> None:
    assert {(number.task, number.metric) for number in PUBLISHED} == set(PAPER)
    assert all(number.metric in METRICS and 0 < number.value < 1 for number in PUBLISHED)
    assert all(number.source.startswith("https://") for number in PUBLISHED)
    assert len({(number.label, number.task) for number in PUBLISHED}) == len(PUBLISHED) == 17
