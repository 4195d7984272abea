"""Runs one attack on a fixed list of examples against one victim, and records what became of each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.attacks.base import COLUMNS, Attack, AttackOptions, Status
from asa_bench.errors import BadInput
from asa_bench.tasks.base import row_hash

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.attacks.adapter import VictimWrapper
    from asa_bench.tasks.base import Task
    from asa_bench.victims import Victim

# Beyond these a search makes candidates by the gigabyte; such an example is recorded as errored.
MAX_CHARACTERS = 10_000
MAX_WORD = 200
# textattack joins the texts of a pair by this and splits what it made again, so no text may contain it.
_SEPARATOR = "<SPLIT>"


def attack_rows(
    attack: Attack,
    victim: Victim,
    task: Task,
    rows: pd.DataFrame,
    *,
    seed: int,
    options: AttackOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Attacks each row; what is recorded of one does not depend on the others nor on their order.

    What becomes of an example (`Status`):

    - ``skipped``: the victim was wrong before the attack, so there is nothing to flip.
    - ``successful``: a change was found that flips the victim, and a fresh forward pass at another batch size
      gives a wrong label too. ``perturbed_logits`` are those of that pass.
    - ``failed``: the search ended, or used up its query budget, without one.
    - ``errored``: neither, with the reason in ``error``: something raised an exception, the text is beyond
      what can be searched (`MAX_CHARACTERS`, `MAX_WORD`), or the fresh pass did not confirm the flip, which
      happens to near-ties. Nothing is known of the victim there: it counts as neither robust nor fooled.

    Args:
        attack: which recipe.
        victim: whom it faces. A label of the victim that is not the task's is mapped by ``task.label_map``;
            where several map to one, the largest logit counts, so predictions are the mapped predictions.
        task: what the rows are; for pairs only ``task.attack_column`` may change.
        rows: columns ``id``, the task's text columns, ``label`` (the task's names) and its slice columns.
        seed: the attack's seed. Every example's random numbers derive from it, the attack's name and the id.
        options: overrides.
        progress: called with (rows done, all rows) after each row.

    Returns:
        One row per input row, in their order: `asa_bench.attacks.base.COLUMNS` and the task's slice columns.
        ``original_logits`` and ``perturbed_logits`` are lists of floats in the order of ``victim.labels``,
        empty where there are none; ``queries`` is the library's count, the look at the original included.

    Raises:
        BadInput: the rows, the labels or the number of text columns do not fit.
        Unavailable: the recipe needs something that is not here.
    """
    import pandas as pd

    options = options or AttackOptions()
    groups = label_groups(victim.labels, task)
    _check_rows(attack, task, rows)

    from asa_bench.attacks import adapter, library

    wrapper = adapter.VictimWrapper(victim, groups)
    built = adapter.prepare(attack, wrapper, task, options)
    texts = list(zip(*(rows[column].tolist() for column in task.columns), strict=True))
    records = []
    with _random_state_kept(), adapter.words_remembered(), library.offline_nltk(False):
        for number, (identity, text, label) in enumerate(
            zip(rows["id"].tolist(), texts, rows["label"].tolist(), strict=True)
        ):
            _seed_everything(f"{seed}\n{attack.name}\n{identity}")
            record = {
                "id": identity,
                "text_hash": row_hash(text)[:16],
                "label": label,
                "original": json.dumps(text),
            }
            records.append(record | _attack_one(built, wrapper, task, text, task.labels.index(label)))
            if progress is not None:
                progress(number + 1, len(texts))
    frame: pd.DataFrame = pd.DataFrame.from_records(records, columns=list(COLUMNS))
    for column in task.slices:
        frame[column] = rows[column].tolist()
    return frame


def resolve(attack: Attack) -> dict[str, Any]:
    """What the recipe turns out to be when it is built, as plain data for the record.

    Every component with all its arguments; stop words and other word lists by count and sha256. For pairs the
    engine adds the constraints that lock the other column, which depend on the task and are not listed here.
    """
    from asa_bench.attacks import adapter, library

    built = adapter.build(attack, adapter.VictimWrapper(None, np.arange(2)))
    lists = [
        constraint.stopwords
        for constraint in built.pre_transformation_constraints
        if hasattr(constraint, "stopwords")
    ]
    return {
        "name": attack.name,
        "recipe": attack.recipe,
        "textattack": library.VERSION,
        "substitutes": list(attack.substitutes),
        "stop_words_sha256": library.words_sha256(list(lists[0])) if lists else "",
        "goal_function": adapter.describe(built.goal_function),
        "search_method": adapter.describe(built.search_method),
        "transformation": adapter.describe(built.transformation),
        "constraints": adapter.describe([*built.pre_transformation_constraints, *built.constraints]),
    }


def label_groups(labels: tuple[str, ...], task: Task) -> np.ndarray:
    """For each of the victim's labels the index of the task's label that it means, by name.

    Raises:
        BadInput: a label of the victim means none of the task's, or a label of the task is meant by none.
    """
    meant = [task.label_map.get(label, label) for label in labels]
    for label, name in zip(labels, meant, strict=True):
        if name not in task.labels:
            raise BadInput(
                f"task {task.name!r} has no label {name!r}, which the model's label {label!r} stands for; "
                f"its labels: {', '.join(task.labels)}"
            )
    for name in task.labels:
        if name not in meant:
            raise BadInput(
                f"no label of the model stands for {name!r} of task {task.name!r}; "
                f"the model's labels: {', '.join(labels)}"
            )
    return np.array([task.labels.index(name) for name in meant])


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


def _attack_one(
    built: Any, wrapper: VictimWrapper, task: Task, text: tuple[str, ...], label: int
) -> dict[str, Any]:
    """The outcome of one example: the columns of the record that the attack decides."""
    # Caches hold texts of other examples, whose equality ignores what was changed to get there.
    built.clear_cache()
    wrapper.reset()
    goal = built.goal_function
    goal.num_queries = 0
    status: Status = "errored"
    perturbed: tuple[str, ...] = ()
    logits: list[float] = []
    error = ""
    try:
        status, error, perturbed = _search(built, task, text, label)
        if status == "successful":
            logits, error = _verify(wrapper, text, perturbed, label)
            if error:
                status = "errored"
    except Exception as caught:  # a victim or a recipe may raise anything; the other examples go on
        status, error = "errored", _one_line(f"{type(caught).__name__}: {caught}")
    won = status == "successful"
    return {
        "status": status,
        "perturbed": json.dumps(perturbed) if won else "",
        "queries": int(goal.num_queries),
        "original_logits": [] if wrapper.first is None else wrapper.first.tolist(),
        "perturbed_logits": logits if won else [],
        "error": error,
    }


def _search(built: Any, task: Task, text: tuple[str, ...], label: int) -> tuple[Status, str, tuple[str, ...]]:
    """Status, error and, if successful, the perturbed texts."""
    from asa_bench.attacks.adapter import textattack

    example = textattack.shared.AttackedText(
        OrderedDict(zip(task.columns, text, strict=True)) if len(text) > 1 else text[0]
    )
    goal = built.goal_function
    refusal = _refusal(text)
    if refusal or goal.query_budget <= 1:
        # Only the look at the original: a search that may ask nothing more crashes in some search methods.
        first, _ = goal.init_attack_example(example, label)
        if first.goal_status == textattack.goal_function_results.GoalFunctionResultStatus.SKIPPED:
            return "skipped", "", ()
        return ("errored", refusal, ()) if refusal else ("failed", "", ())
    result = built.attack(example, label)
    results = textattack.attack_results
    if isinstance(result, results.SkippedAttackResult):
        return "skipped", "", ()
    if not isinstance(result, results.SuccessfulAttackResult):
        return "failed", "", ()
    found = result.perturbed_result.attacked_text.tokenizer_input
    return "successful", "", (found,) if isinstance(found, str) else tuple(found)


def _refusal(text: tuple[str, ...]) -> str:
    """Why these texts cannot be searched, or nothing."""
    if any(_SEPARATOR in part for part in text):
        return f"the text contains {_SEPARATOR}, which the library uses as its own mark"
    length = sum(map(len, text))
    if length > MAX_CHARACTERS:
        return f"the text has {length} characters; at most {MAX_CHARACTERS} are searched"
    longest = max((len(word) for part in text for word in part.split()), default=0)
    if longest > MAX_WORD:
        return f"the text has a word of {longest} characters; at most {MAX_WORD} are searched"
    return ""


def _verify(
    wrapper: VictimWrapper, text: tuple[str, ...], perturbed: tuple[str, ...], label: int
) -> tuple[list[float], str]:
    """Logits of a fresh forward pass at another batch size, and why they do not confirm, or nothing."""
    from asa_bench.attacks.adapter import pool

    if wrapper.victim is None:
        raise RuntimeError("there is no victim to verify with")
    seen = wrapper.batch_sizes(perturbed)
    size = next(size for size in (1, 2, 3) if size not in seen)
    batch = [perturbed, text, text][:size]
    logits = wrapper.victim.logits(batch, batch_size=size)
    if int(pool(logits[:1], wrapper.groups).argmax()) == label:
        return [], f"not confirmed: found at batch size {max(seen)}, but at {size} the victim is right"
    return logits[0].tolist(), ""


def _one_line(message: str) -> str:
    """A message that fits any file: one line, no lone surrogates, not long."""
    return " ".join(message.encode("utf-8", "backslashreplace").decode().split())[:500]


def _seed_everything(key: str) -> None:
    """Both generators that textattack draws from."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    random.seed(int.from_bytes(digest[:16], "big"))
    np.random.seed(int.from_bytes(digest[16:20], "big"))


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
