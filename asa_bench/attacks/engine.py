"""Runs one attack on a fixed list of examples against one victim, and records what became of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.attacks.base import (
    BF16_QUERIES,
    BF16_STATUS,
    COLUMNS,
    DRAWN,
    FLOAT32_STATUS,
    GRADIENT_NORM,
    Attack,
    AttackOptions,
)
from asa_bench.attacks.journal import Journal
from asa_bench.attacks.labels import label_groups
from asa_bench.errors import BadInput
from asa_bench.tasks.base import row_hash

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.tasks.base import Task
    from asa_bench.victims import Victim


# A search holds up to some candidates for each character of its text, each as long as the text. Measured with
# pruthi+stopwords (benchmarks/attack_memory.py): 36 to 63 bytes for each pair of characters. So its searches that run at once
# hold 2 GB at most, but for a text of more than 5,600 characters, which is searched alone. CLARE's held more, 108 bytes.
MOST_CHARACTERS_SQUARED = 32 * 1000**2


def attack_rows(
    attack: Attack,
    victim: Victim,
    task: Task,
    rows: pd.DataFrame,
    *,
    seed: int,
    options: AttackOptions | None = None,
    data_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    journal: Journal | None = None,
    temperature: float = 1.0,
) -> pd.DataFrame:
    """Attacks each row, many at once; what is recorded of one does not depend on the others nor on their order.

    What becomes of an example (`Status`):

    - ``skipped``: the victim was wrong before the attack, so there is nothing to flip.
    - ``successful``: a change was found that flips the victim, and a fresh forward pass at another batch size
      (the text alone) gives a wrong label too. ``perturbed_logits`` are those of that pass.
    - ``failed``: the search ended, or used up its query budget, without one.
    - ``errored``: neither, with the reason in ``error``: something raised an exception, the text is beyond
      what can be searched (`MAX_CHARACTERS`, `MAX_WORD`), or the fresh pass did not confirm the flip, which
      happens to near-ties. Nothing is known of the victim there: it counts as neither robust nor fooled.
    - ``timed_out``: ``options.time_limit_s`` was over before the search ended; counted like ``errored``. Which
      examples these are depends on the machine, so there is no limit unless one is asked for.

    Args:
        attack: which recipe.
        victim: whom it faces. A label of the victim that is not the task's is mapped by ``task.label_map``;
            where several map to one, the largest logit counts, so predictions are the mapped predictions.
        task: what the rows are; for pairs only ``task.attack_column`` may change.
        rows: columns ``id``, the task's text columns, ``label`` (the task's names) and its slice columns.
        seed: the attack's seed. Every example's random numbers derive from it, the attack's name and the id.
        options: overrides.
        data_dir: a folder in which the recipe's resources are looked for, see `asa_bench.attacks.library`.
        progress: called with (rows done, all rows) after each row.
        temperature: the search sees probabilities of logits that were divided by it; recorded logits are as the victim
            gave them.
        journal: of this very attack, victim, seed and options; examples in it are not attacked again.

    Returns:
        One row per input row, in their order: `asa_bench.attacks.base.COLUMNS` and the task's slice columns.
        ``original_logits`` and ``perturbed_logits`` are lists of floats in the order of ``victim.labels``,
        empty where there are none; ``queries`` is the library's count, the look at the original included.
        ``success_budgets`` is a JSON list of [from, to): at these query budgets, up to the one of `options`, the same
        search would have succeeded (``to`` is null for all further ones); empty text where the kind of search does
        not tell (see `asa_bench.attacks.budget`). Of a white-box attack also ``gradient_norm``: the l2 norm of the first
        gradient of a search, NaN where none was taken. Of a search in bf16 also ``bf16_status``: what came of it,
        ``denied`` where it had a success that float32 did not confirm; and ``bf16_queries``. Wherever that is not ``successful``,
        the rest of the row is a search in float32; but a failure stands where bf16 searches alone, whose rows have
        ``float32_status``, too: what a search in float32 came to, of one failure in `DRAWN`, else empty.

    Raises:
        BadInput: the rows, the labels or the number of text columns do not fit.
        Unavailable: the recipe needs something that is not here.
    """
    import pandas as pd

    options = options or AttackOptions()
    groups = label_groups(victim.labels, task)
    _check_rows(attack, task, rows)

    from asa_bench.attacks import adapter, library
    from asa_bench.attacks.lanes import Lanes, seeds
    from asa_bench.attacks.search import Searcher

    texts = list(zip(*(rows[column].tolist() for column in task.columns), strict=True))
    labels = rows["label"].tolist()
    names = rows["id"].tolist()
    journal = journal or Journal(None)
    records = _known(journal.read(), names, [row_hash(text)[:16] for text in texts])
    # Texts of like length share forward passes, and what takes longest does not come last.
    order = sorted(
        (row for row, record in enumerate(records) if not record),
        key=lambda i: (-sum(map(len, texts[i])), names[i]),
    )
    lanes: Lanes[dict[str, Any]] = Lanes(
        options.lanes, victim.steady_logits, options.time_limit_s, MOST_CHARACTERS_SQUARED
    )
    quick = None if options.search_precision == "float32" else victim.in_bf16().steady_logits
    alone = options.search_precision == "bf16_alone"
    searchers: dict[int, Searcher] = {}

    def searcher() -> Searcher:
        wrapper = adapter.VictimWrapper(victim, groups, lanes.ask, data_dir, temperature)
        return Searcher(adapter.prepare(attack, wrapper, task, options), wrapper, task, quick, alone)

    def identity(row: int) -> str:
        return f"{seed}\n{attack.name}\n{names[row]}"

    def work(job: int, lane: int) -> dict[str, Any]:
        row = order[job]
        drawn = alone and seeds(f"{identity(row)}\nfloat32")[0] % DRAWN == 0
        return searchers[lane](texts[row], task.labels.index(labels[row]), drawn)

    def ended(job: int, outcome: dict[str, Any]) -> None:
        row = order[job]
        records[row] = {
            "id": names[row],
            "text_hash": row_hash(texts[row])[:16],
            "label": labels[row],
            "original": json.dumps(texts[row]),
        } | outcome
        journal.write(records[row])
        if progress is not None:
            progress(sum(map(bool, records)), len(texts))

    reading = library.offline_nltk(False, data_dir, attack.needs, library.wordnet_of(attack))
    with adapter.words_remembered(), reading:
        for lane in range(max(1, min(options.lanes, len(order)))):
            searchers[lane] = searcher()
        lanes.run(
            len(order),
            work,
            lambda job: identity(order[job]),
            ended,
            lambda job: sum(map(len, texts[order[job]])) ** 2,
        )
    columns = [*COLUMNS, *((GRADIENT_NORM,) if attack.box == "white" else ())]
    columns += [] if quick is None else [BF16_STATUS, BF16_QUERIES]
    columns += [FLOAT32_STATUS] if alone else []
    frame: pd.DataFrame = pd.DataFrame.from_records(records, columns=columns)
    if attack.box == "white":
        frame[GRADIENT_NORM] = frame[GRADIENT_NORM].astype(float)
    for column in task.slices:
        frame[column] = rows[column].tolist()
    return frame


def _known(found: Mapping[str, dict[str, Any]], names: list[str], hashes: list[str]) -> list[dict[str, Any]]:
    """For each row its record from before, or an empty one where there is none of this text."""
    records = []
    for name, text_hash in zip(names, hashes, strict=True):
        record = found.get(name, {})
        records.append(record if record.get("text_hash") == text_hash else {})
    return records


def resolve(attack: Attack, data_dir: Path | None = None) -> dict[str, Any]:
    """What the recipe turns out to be when it is built, as plain data for the record.

    Every component with all its arguments; stop words and other word lists by count and sha256, files by sha256. For
    pairs the engine adds the constraints that lock the other column, which depend on the task and are not listed here.
    ``fingerprint`` is the sha256 (hex) of all the rest: two attacks of one fingerprint are the same attack.
    """
    from asa_bench.attacks import adapter, library

    built = adapter.build(attack, adapter.VictimWrapper(None, np.arange(2), data_dir=data_dir))
    lists = [
        constraint.stopwords
        for constraint in built.pre_transformation_constraints
        if hasattr(constraint, "stopwords")
    ]
    found = {
        "name": attack.name,
        "recipe": attack.recipe,
        "textattack": library.VERSION,
        "substitutes": list(attack.substitutes),
        "stop_words_sha256": library.words_sha256(list(lists[0])) if lists else "",
        "goal_function": adapter.describe(built.goal_function),
        "search_method": adapter.describe(built.search_method),
        "transformation": adapter.describe(built.transformation),
        "constraints": adapter.describe([*built.pre_transformation_constraints, *built.constraints]),
        "resources": library.identify(attack, data_dir),
    }
    return {**found, "fingerprint": fingerprint(found)}


def fingerprint(resolved: Mapping[str, Any]) -> str:
    """sha256 (hex) of a resolved recipe, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()


def _check_rows(attack: Attack, task: Task, rows: pd.DataFrame) -> None:
    if len(task.columns) not in attack.inputs:
        raise BadInput(
            f"attack {attack.name!r} cannot handle the {len(task.columns)} texts of task {task.name!r}"
        )
    if task.attack_column not in task.columns:
        raise BadInput(
            f"task {task.name!r}: attack_column {task.attack_column!r} is not one of its text columns"
        )
    for column in ("id", *task.columns, "label", *task.slices):
        if column not in rows:
            raise BadInput(f"rows of task {task.name!r} have no column {column!r}")
    for column in ("id", *task.columns):
        odd = [value for value in rows[column].tolist() if not isinstance(value, str)]
        if odd:
            raise BadInput(f"rows of task {task.name!r}: column {column!r} has {odd[0]!r}; it must be text")
    twice = rows["id"][rows["id"].duplicated()].tolist()
    if twice:
        raise BadInput(f"rows of task {task.name!r}: id {twice[0]!r} is there twice")
    for identity, label in zip(rows["id"].tolist(), rows["label"].tolist(), strict=True):
        if label not in task.labels:
            raise BadInput(
                f"row {identity!r} of task {task.name!r} has label {label!r}; known: {', '.join(task.labels)}"
            )
