"""Multiple choice: DREAM (reading a dialogue), SWAG and HellaSWAG (how a situation goes on).

A model reads the context as its first segment, and the beginning of every answer with one choice as its second:
the dialogue, and question and answer; the sentence before, and the started sentence with one ending. This is how
BERT was first used on SWAG (Devlin et al. 2019, section 4.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Hub, Layout, Split, Task
from asa_bench.tasks.canonical import right_choice
from asa_bench.tasks.files import Row, plain_name, read_json, read_json_lines, shown


def read_dream(task: Task, split: str, path: Path) -> Iterator[Row]:
    """Every question of every dialogue of one of the authors' files, a JSON list of dialogues.

    Each dialogue is a list of its turns, its questions and its id. The turns are joined by spaces.

    Raises:
        BadInput: the file is not JSON or has another form, or not exactly one choice is the answer.
    """
    dialogues = read_json(path)
    if not isinstance(dialogues, list):
        raise BadInput(f"{shown(str(path), 300)}: expected a list of dialogues")
    for number, dialogue in enumerate(dialogues, start=1):
        place = f"dialogue {number}"
        match dialogue:
            case [[*turns], [*questions], *_] if turns and all(isinstance(turn, str) for turn in turns):
                pass
            case _:
                raise BadInput(
                    f"{shown(str(path), 300)}, {place}: expected a list of turns and a list of questions"
                )
        for count, question in enumerate(questions, start=1):
            where = f"{place}, question {count}"
            texts = _choices(path, where, question, "choice", len(task.choices))
            asked, answer = (_text(path, where, question, field) for field in ("question", "answer"))
            right = right_choice(answer, texts, f"{shown(str(path), 300)}, {where}")
            yield Row((" ".join(turns), asked, *texts), right, {}, where)


def read_hellaswag(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of the authors' ``hellaswag_val.jsonl``, or of a JSON file of re-keyed items.

    The latter, a sample, holds lists ``dev`` and ``test`` of items whose choices are keyed A to D and whose
    context is not divided: all of it is the first segment, and answers have no beginning.

    Raises:
        BadInput: a line or the file is not JSON, or an item has another form.
    """
    if plain_name(path).endswith(".jsonl"):
        for where, item in read_json_lines(path):
            endings = _choices(path, where, item, "endings", len(task.choices))
            context, start = (_text(path, where, item, field, empty=True) for field in ("ctx_a", "ctx_b"))
            slices = {"domain": str(item.get("split_type", "")), "source": _source(item.get("source_id"))}
            yield Row((context, start, *endings), str(item.get("label", "")), slices, where)
        return
    parts = read_json(path)
    for part in ("dev", "test"):
        items = parts.get(part) if isinstance(parts, Mapping) else None
        if not isinstance(items, list):
            raise BadInput(f"{shown(str(path), 300)}: no list {part!r}")
        for number, item in enumerate(items, start=1):
            where = f"item {number} of {part!r}"
            keyed = item.get("choices") if isinstance(item, Mapping) else None
            keys = sorted(keyed) if isinstance(keyed, Mapping) else []
            answer = _text(path, where, item, "answer")
            if len(keys) != len(task.choices) or answer not in keys:
                raise BadInput(
                    f"{shown(str(path), 300)}, {where}: expected {len(task.choices)} choices by letter, and "
                    "one of the letters as the answer"
                )
            texts = [_text(path, where, keyed, key) for key in keys]
            slices = {"domain": str(item.get("domain", "")), "source": ""}
            context = _text(path, where, item, "question")
            yield Row((context, "", *texts), str(keys.index(answer)), slices, where)


def _source(identity: object) -> str:
    """``activitynet`` or ``wikihow``, of ids such as ``activitynet~v_-lJS58hyo1c``."""
    return str(identity or "").partition("~")[0]


def _text(path: Path, where: str, item: Any, field: str, empty: bool = False) -> str:
    value = item.get(field) if isinstance(item, Mapping) else None
    if not isinstance(value, str) or not (empty or value.strip()):
        raise BadInput(f"{shown(str(path), 300)}, {where}: no field {field!r} with a text")
    return value


def _choices(path: Path, where: str, item: Any, field: str, count: int) -> list[str]:
    value = item.get(field) if isinstance(item, Mapping) else None
    if not isinstance(value, list) or len(value) != count or not all(isinstance(text, str) for text in value):
        raise BadInput(f"{shown(str(path), 300)}, {where}: {field!r} must be a list of {count} texts")
    return value


def _labels(count: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(count))


def _columns(*leading: str, count: int) -> tuple[str, ...]:
    return (*leading, *(f"choice_{number}" for number in range(count)))


DREAM = Task(
    name="dream",
    title="DREAM",
    family="reading",
    kind="multiple_choice",
    role="train",
    columns=_columns("dialogue", "question", count=3),
    labels=_labels(3),
    splits={
        "train": Split(rows=6_116),
        "dev": Split(rows=2_040),
        "test": Split(rows=2_041),
    },
    evaluation_split="test",
    layout=Layout(
        folders=("dream", "DREAM", "dream/data"),
        files={split: (f"{split}.json",) for split in ("train", "dev", "test")},
        columns={},
        labels={},
        reader="asa_bench.tasks.choices:read_dream",
        provided_by="data/*.json of https://github.com/nlpdata/dream, or the hub data set dataset-org/dream",
    ),
    hub=Hub(
        repo="dataset-org/dream",
        config="plain_text",
        files={
            "train": "plain_text/train/*.parquet",
            "dev": "plain_text/validation/*.parquet",
            "test": "plain_text/test/*.parquet",
        },
        columns={
            "dialogue": "dialogue",
            "question": "question",
            **{f"choice_{number}": f"choice[{number}]" for number in range(3)},
            "label": "=answer",
        },
        labels={},
        revision="ca4c45feaf089ecfc37579eb2c594375f70dbfd5",
        branch="refs/convert/parquet",
        found="https://huggingface.co/datasets/dataset-org/dream (id, script; public code pins this commit of "
        "the branch refs/convert/parquet with plain_text/validation/0000.parquet)",
    ),
    attack_column="dialogue",
    exposure=("dream:test",),
    licence="non-commercial research only",
    citation=(
        "Sun et al., DREAM: A Challenge Dataset and Models for Dialogue-Based Reading Comprehension, TACL 2019, "
        "https://doi.org/10.1162/tacl_a_00264"
    ),
    homepage="https://dataset.org/dream/",
    note="Every question of every dialogue; the released ASA code keeps the first question of each only (1,287 "
    "of the 2,041 in test).",
)

SWAG = Task(
    name="swag",
    title="SWAG",
    family="commonsense",
    kind="multiple_choice",
    role="train",
    columns=_columns("sent1", "sent2", count=4),
    labels=_labels(4),
    splits={"train": Split(rows=73_546), "dev": Split(rows=20_006)},
    evaluation_split="dev",
    layout=Layout(
        folders=("swag", "SWAG", "swagaf/data"),
        files={"train": ("train.csv",), "dev": ("val.csv",)},
        columns={
            "sent1": ("sent1",),
            "sent2": ("sent2",),
            **{f"choice_{number}": (f"ending{number}",) for number in range(4)},
            "label": ("label",),
        },
        labels={},
        provided_by="data/*.csv of https://github.com/rowanz/swagaf, or the hub data set allenai/swag",
    ),
    hub=Hub(
        repo="allenai/swag",
        config="regular",
        files={"train": "regular/train-*.parquet", "dev": "regular/validation-*.parquet"},
        columns={
            "sent1": "sent1",
            "sent2": "sent2",
            **{f"choice_{number}": f"ending{number}" for number in range(4)},
            "label": "label",
        },
        labels={},
        revision="dc48148372b3853a9c7bae7bb06c161b46d8364a",
        found="https://huggingface.co/datasets/allenai/swag/commits/main/regular/train-00000-of-00001.parquet",
    ),
    attack_column="sent1",
    exposure=("swag:dev",),
    licence="not stated by its authors (repository: MIT)",
    citation=(
        "Zellers et al., SWAG: A Large-Scale Adversarial Dataset for Grounded Commonsense Inference, EMNLP 2018, "
        "https://doi.org/10.18653/v1/D18-1009"
    ),
    homepage="https://rowanzellers.com/swag/",
    note="Evaluated on the validation set: the labels of the test set are not public.",
)

HELLASWAG = Task(
    name="hellaswag",
    title="HellaSWAG",
    family="commonsense",
    kind="multiple_choice",
    role="train",
    columns=_columns("ctx_a", "ctx_b", count=4),
    labels=_labels(4),
    splits={"train": Split(rows=39_905), "dev": Split(rows=10_042)},
    evaluation_split="dev",
    layout=Layout(
        folders=("hellaswag", "HellaSWAG", "hellaswag/data", ""),
        files={
            "train": ("hellaswag_train.jsonl",),
            "dev": ("hellaswag_val.jsonl", "hellaswag_val_sample.json"),
        },
        columns={},
        labels={},
        reader="asa_bench.tasks.choices:read_hellaswag",
        provided_by="data/hellaswag_*.jsonl of https://github.com/rowanz/hellaswag, or the hub data set "
        "Rowan/hellaswag",
    ),
    hub=Hub(
        repo="Rowan/hellaswag",
        config="default",
        files={"train": "data/train-*.parquet", "dev": "data/validation-*.parquet"},
        columns={
            "ctx_a": "ctx_a",
            "ctx_b": "ctx_b",
            **{f"choice_{number}": f"endings[{number}]" for number in range(4)},
            "label": "label",
            "domain": "split_type",
        },
        labels={},
        revision="218ec52e09a7e7462a5400043bb9a69a41d06b76",
        found="https://huggingface.co/datasets/Rowan/hellaswag (public code pins this commit with "
        "data/validation-00000-of-00001.parquet and its 10,042 rows)",
    ),
    attack_column="ctx_a",
    slices=("domain", "source"),
    exposure=("hellaswag:dev",),
    licence="MIT",
    citation=(
        "Zellers et al., HellaSwag: Can a Machine Really Finish Your Sentence?, ACL 2019, "
        "https://doi.org/10.18653/v1/P19-1472"
    ),
    homepage="https://rowanzellers.com/hellaswag/",
    note="Evaluated on the validation set: the labels of the test set are not public. Wrong endings were written "
    "by a model and kept where they fooled BERT.",
)

TASKS = {task.name: task for task in (DREAM, SWAG, HELLASWAG)}
