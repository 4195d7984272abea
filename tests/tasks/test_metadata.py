"""Every task says completely what it is; names are listed without importing anything heavy."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tiny import folder, rows, write

from asa_bench.errors import BadInput
from asa_bench.measures import METRICS
from asa_bench.tasks import TASKS, TaskRegistry
from asa_bench.tasks.base import Hub, Layout, Task
from asa_bench.tasks.loading import load

REAL = [name for name in TASKS.names() if not name.startswith("laboratory/")]


NO_SOURCE_TELLS_LABELS = {
    *(("qqp", "train"), ("qqp", "dev"), ("qnli", "train"), ("mnli", "dev_mismatched"), ("mnli-mm", "dev")),
    *((f"anli/r{n}-trained", split) for n in (1, 2, 3) for split in ("train", "dev")),
    *(("anli", "train"), ("anli", "dev"), ("paws_qqp+qqp", "train"), ("boolq", "train"), ("boolq", "dev")),
}
NOT_ON_THE_HUB = {
    *("paws_qqp", "paws_qqp+qqp", "contrast/boolq", "contrast/imdb", "mnli-noun", "mnli-verb"),
    *(f"cad/{what}{part}" for what in ("sentiment", "inference") for part in ("", "-original", "-combined")),
    *("checklist/sentiment", "checklist/qqp"),
}
NO_PUBLIC_SOURCE_TELLS_A_REVISION = {"hans", "wnut17", "conll2003"}


def test_all_promised_tasks_are_listed() -> None:
    assert {
        *("sst2", "qqp", "mnli", "qnli", "rte", "cola", "mrpc", "stsb", "wnli", "mnli-mm"),
        *(f"advglue/{part}" for part in ("sst2", "qqp", "mnli", "mnli-mm", "qnli", "rte")),
        *("paws_qqp", "paws_wiki", "paws_qqp+qqp", "anli/r1", "anli/r2", "anli/r3", "hans"),
        *("anli/r1-trained", "anli/r2-trained", "anli/r3-trained", "anli"),
        *("dream", "swag", "hellaswag", "wnut17", "conll2003"),
        *("imdb", "rotten_tomatoes", "ag_news", "boolq", "contrast/boolq", "contrast/imdb"),
        *("cad/sentiment", "cad/sentiment-original", "cad/sentiment-combined"),
        *("cad/inference", "cad/inference-original", "cad/inference-combined"),
        *("mnli-noun", "mnli-verb", "checklist/sentiment", "checklist/qqp"),
    } == set(REAL)


@pytest.mark.parametrize("name", REAL)
def test_no_field_is_empty(name: str) -> None:
    task = TASKS.get(name)
    assert task.name == name
    for field in (
        "title",
        "columns",
        "splits",
        "metrics",
        "exposure",
        "licence",
        "citation",
        "homepage",
        "note",
    ):
        assert getattr(task, field), field
    assert bool(task.labels) is (task.kind != "regression")
    assert (task.label_range is not None) is (task.kind == "regression")
    assert set(task.metrics) <= set(METRICS)
    assert set(task.extra_columns) >= {task.group, *task.slices} - {""}
    assert not set(task.extra_columns) & {"id", "label", *task.columns}
    assert not task.strata or (task.strata in task.slices and task.group)
    assert "http" in task.citation
    assert any(character.isdigit() for character in task.citation), "no year"
    assert task.homepage.startswith("https://")
    assert task.comparable
    assert task.attack_column in task.columns
    assert task.evaluation_split in task.splits
    assert all(":" in seen for seen in task.exposure)
    if task.role == "challenge":
        assert task.train_tasks
        for trained in task.train_tasks:
            names = TASKS.get(trained).labels
            assert {task.label_map.get(label, label) for label in names} == set(task.labels)
    else:
        assert "train" in task.splits


@pytest.mark.parametrize("name", REAL)
def test_published_counts_add_up(name: str) -> None:
    task = TASKS.get(name)
    for split, published in task.splits.items():
        assert published.rows, split
        if task.kind != "classification" or task.unlabelled:
            assert published.labels is None
            continue
        if (name, split) in NO_SOURCE_TELLS_LABELS:
            assert published.labels is None, "known now: take it off the list"
            continue
        assert published.labels is not None
        assert set(published.labels) == set(TASKS.get(name).labels)
        assert sum(published.labels.values()) == published.rows


@pytest.mark.parametrize("name", REAL)
def test_every_split_has_a_source(name: str) -> None:
    task = TASKS.get(name)
    layout = task.layout
    assert layout is not None
    assert set(layout.files) == set(task.splits)
    assert set(layout.labels.values()) == set(task.labels) or task.kind == "multiple_choice"
    assert layout.provided_by
    if task.name in NOT_ON_THE_HUB:
        assert task.hub is None
        assert "not on the hub" in layout.provided_by
        return
    hub = task.hub
    assert hub is not None
    assert set(hub.files) == set(task.splits)
    if task.kind != "multiple_choice":
        assert [hub.labels[str(number)] for number in range(len(task.labels))] == list(task.labels)
    assert set(hub.columns) >= {*task.columns, "label"}
    assert hub.repo.count("/") == 1
    assert hub.found.startswith("https://")
    assert hub.config
    assert (
        hub.revision is None if name in NO_PUBLIC_SOURCE_TELLS_A_REVISION else len(hub.revision or "") == 40
    )


@pytest.mark.parametrize("name", [name for name in REAL if TASKS.get(name).kind == "multiple_choice"])
def test_choices_follow_the_context_and_the_beginning_of_every_answer(name: str) -> None:
    task = TASKS.get(name)
    assert task.columns[2:] == task.choices == tuple(f"choice_{label}" for label in task.labels)


@pytest.mark.parametrize("name", [name for name in REAL if TASKS.get(name).kind == "token_classification"])
def test_every_entity_type_can_begin_and_go_on(name: str) -> None:
    outside, *tags = TASKS.get(name).labels
    assert outside == "O"
    assert [tag[2:] for tag in tags[::2]] == [tag[2:] for tag in tags[1::2]]
    assert {tag[:2] for tag in tags[::2]} == {"B-"}
    assert {tag[:2] for tag in tags[1::2]} == {"I-"}


def test_protocols_that_must_not_be_confused_say_so() -> None:
    zero_shot, trained = TASKS.get("paws_qqp"), TASKS.get("paws_qqp+qqp")
    assert "paws_qqp:train" in zero_shot.exposure
    assert "paws_qqp:train" not in trained.exposure
    assert zero_shot.title != trained.title
    assert "never to be ranked" in trained.note
    assert "imdb" not in TASKS.get("contrast/imdb").train_tasks
    assert "imdb:train" in TASKS.get("contrast/imdb").exposure


@pytest.mark.parametrize("model", [Task, Layout, Hub])
def test_every_optional_source_field_is_described(model: type[Task]) -> None:
    plain = {"family", "licence", "citation", "homepage"}
    for name, field in model.model_fields.items():
        assert field.description or name in plain, name


def test_listing_names_imports_nothing_heavy() -> None:
    code = (
        "import sys; from asa_bench.tasks import TASKS; assert 'hans' in TASKS.names(); TASKS.get('hans');"
        "heavy = {'pandas', 'datasets', 'torch', 'pyarrow', 'huggingface_hub', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_root()
    )
    assert done.stdout.strip() == "[]"


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def test_a_misspelled_task_is_told_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'paws_wiki'"):
        TASKS.get("paws_wikii")


FOREIGN = """
from asa_bench.tasks.base import Layout, Split, Task
from asa_bench.tasks.files import Row

def read(task, split, path):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text, label = line.split("|")
        yield Row((text,), label, {}, f"line {number}")

TASK = Task(
    name="foreign", title="Foreign", family="sentiment", role="challenge", columns=("text",),
    labels=("bad", "good"), splits={"test": Split(rows=2)}, evaluation_split="test", attack_column="text",
    licence="MIT", citation="nobody", homepage="https://example.org",
    layout=Layout(files={"test": ("foreign.txt",)}, columns={}, labels={"-": "bad", "+": "good"},
                  reader="foreign_tasks:read", provided_by="its package"),
)
"""


def test_another_package_brings_a_task_with_its_own_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "foreign_tasks.py", FOREIGN)
    write(tmp_path / "data" / "foreign.txt", "fine|+\npoor|-\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = TaskRegistry("task", "asa_bench.tasks", {})
    point = metadata.EntryPoint("foreign", "foreign_tasks:TASK", "asa_bench.tasks")
    monkeypatch.setattr(registry, "_foreign", {"foreign": point})
    data = load(registry.get("foreign"), "test", folder(tmp_path / "data"))
    assert rows(data) == [("fine", "good"), ("poor", "bad")]


def test_an_entry_point_that_is_no_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = TaskRegistry(
        "task", "asa_bench.tasks", {"odd": "json:dumps", "sst2": "asa_bench.tasks.glue:RTE"}
    )
    with pytest.raises(BadInput, match=r"'odd'.*must be an"):
        registry.get("odd")
    with pytest.raises(BadInput, match="but is 'rte'"):
        registry.get("sst2")
