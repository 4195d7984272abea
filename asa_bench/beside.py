"""A scored system beside the models of an output folder: the same examples, the same intervals, paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench import gathering
from asa_bench.errors import BadInput
from asa_bench.measures import METRICS, Comparison, Share, compare_all, share
from asa_bench.reports.answers import Answers, paired
from asa_bench.reports.exposure import exposure
from asa_bench.reports.gather import Gathered
from asa_bench.reports.keys import MethodRow, TaskColumn
from asa_bench.reports.scores import scored_rows
from asa_bench.scoring import Predictions, Score, as_label
from asa_bench.stores import open_store
from asa_bench.tasks import files
from asa_bench.tasks.base import row_hash

if TYPE_CHECKING:
    from asa_bench.tasks.base import Task, TaskData


@dataclass(frozen=True)
class Beside:
    """One row of an output folder beside the scored system.

    Attributes:
        model, method, train_task: the row, see `asa_bench.cell.Subject`.
        metric: the task's first metric, which is compared.
        accuracy: of the row by that metric, over its seeds.
        scored: of the system on the row's examples; None where they could not be joined.
        exposure: what the row's models saw of the data that the task must not share.
        comparison: the system minus the row, all rows being one family; None where it is not tested.
        untested: why it is not; "" where it is.
    """

    model: str
    method: str
    train_task: str
    accuracy: Share
    scored: Share | None
    exposure: str
    comparison: Comparison | None = None
    untested: str = ""
    metric: str = "accuracy"

    def to_json(self) -> dict[str, Any]:
        """As plain values; what is not finite, such as the odds of flips in one direction alone, is null."""
        from asa_bench.comparing_folders import plain

        made: dict[str, Any] = plain(asdict(self))
        return made


def beside(
    predictions: Predictions,
    found: Score,
    task: Task,
    data: TaskData | None,
    folder: Path,
    trained_on: Sequence[str] | None = None,
) -> tuple[Beside, ...]:
    """The rows of an output folder that faced the same split, each beside the scored system.

    The system is one model, asked once: it stands against every seed of a row, and nothing is said about its other trainings.

    Args:
        data: the rows that were scored; None where the authors' order of HANS stood in for them. Its ids are not those of
            any copy of the data, so nothing is paired by them.
        trained_on: what the system was trained on; None where nobody said. Only equals are compared.

    Raises:
        BadInput: not an output folder, nothing recorded of this split, or recorded of other data.
    """
    shown = files.shown(str(folder), 200)
    gathered = Gathered(gathering.gather(open_store(folder)))
    columns = [c for c in gathered.columns if (c.task.name, c.split) == (found.task, found.split)]
    places = [(row, c) for c in columns for row in gathered.rows if gathered.evaluations(row, c)]
    if not places:
        raise BadInput(f"--beside {shown}: nothing recorded there of {found.task}, {found.split}")
    mine = exposure(task, found.split, trained_on)
    made: list[Beside] = []
    pairs = {}
    for row, column in places:
        answers = gathered.answers(row, column)
        if answers is None:
            raise BadInput(f"--beside {shown}: {task.metrics[0]} of {found.task} cannot be tested")
        seen = gathered.exposure(row, column)
        lowest = METRICS[task.metrics[0]].lowest
        own = None if data is None else _own(predictions, data, gathered, row, column, answers, shown)
        one = Beside(
            row.model, row.method, column.train_task, _share(answers, lowest), None if own is None else _share(own, lowest), seen,
            untested="the authors' ids are never joined with those of another copy of the data", metric=task.metrics[0],
        )  # fmt: skip
        if own is not None:
            unlike = f"never one ranking, because they were not exposed alike ({mine}; {seen})"
            one = replace(one, untested=unlike if mine != seen else "")
            pair = paired(answers, _repeated(own, answers.values))
            if mine == seen and pair is not None:
                pairs[len(made)] = pair
        made.append(one)
    compared = compare_all(pairs) if pairs else {}
    return tuple(replace(one, comparison=compared.get(at)) for at, one in enumerate(made))


def _own(
    predictions: Predictions,
    data: TaskData,
    gathered: Gathered,
    row: MethodRow,
    column: TaskColumn,
    answers: Answers,
    shown: str,
) -> Answers | None:
    """What the system answered to the examples of a row, joined by id where the texts are the same.

    None where the metric of its answers is undefined.
    """
    record = next(iter(gathered.evaluations(row, column).values())).rows
    texts = zip(*(data.frame[name].astype(str).tolist() for name in data.task.columns), strict=True)
    lines = zip(data.frame["id"].astype(str), data.frame["label"].astype(str), texts, strict=True)
    known = {name: (gold, row_hash(text)[:16]) for name, gold, text in lines}
    for name, text_hash in zip(record["id"].astype(str), record["text_hash"].astype(str), strict=True):
        if known.get(name, ("", ""))[1] != text_hash[:16]:
            raise BadInput(
                f"--beside {shown}: example {files.shown(name)} of {column.task.name}, {column.split} is recorded with "
                "another text than in the data that is scored, or is not there; give the same --data-dir"
            )
    gold = np.array([known[str(name)][0] for name in answers.ids], dtype=object)
    said = np.array(
        [
            as_label(data.task, predictions.labels[str(name)], own, str(predictions.path), str(name))
            for name, own in zip(answers.ids, gold, strict=True)
        ],
        dtype=object,
    )
    made = METRICS[data.task.metrics[0]].values
    if not answers.linear or made is None:
        return replace(answers, values={"": np.asarray(gold == said, dtype=np.float64)})
    rows = data.frame.set_index(data.frame["id"].astype(str)).loc[[str(name) for name in answers.ids]]
    values = made(scored_rows(data.task, rows, gold, said))
    return None if values is None else replace(answers, values={"": values}, said={"": said})


def _repeated(own: Answers, seeds: Iterable[str]) -> Answers:
    """The same answers for every seed of a row."""
    names = list(seeds)
    said = None if own.said is None else dict.fromkeys(names, own.said[""])
    return replace(own, values=dict.fromkeys(names, own.values[""]), said=said)


def _share(answers: Answers, lowest: float) -> Share:
    return share(
        np.stack(list(answers.values.values())),
        clusters=answers.clusters,
        strata=answers.strata,
        linear=answers.linear,
        lowest=lowest,
    )
