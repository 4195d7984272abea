"""Adversarial sets: what they hold, their files, and facing models with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attack_victims import PAIR, SINGLE, THREE_WAY, KeywordVictim, make_task, pair_rows, single_rows

from asa_bench import adversarial_sets
from asa_bench.adversarial_sets import AdversarialSet
from asa_bench.attacks import ATTACKS, AttackOptions
from asa_bench.attacks.engine import attack_rows
from asa_bench.errors import BadInput, StoreError, Unavailable
from asa_bench.replaying import replay, worst_case
from asa_bench.store import Store

DEEPWORDBUG = ATTACKS.get("deepwordbug+stopwords")
HOSTILE = 'a wonderful "film",\n=1+1 \x1b[31m \ud800 \u202e</script>'


class Stumbling(KeywordVictim):
    """Raises where a text has the word 'stumble' with a letter changed, as a model may under attack."""

    def logits(self, texts: Any, batch_size: int | None = None) -> Any:
        if any("houses" in text[-1] and "wonderful" not in text[-1] for text in texts):
            raise RuntimeError("stumbled")
        return super().logits(texts, batch_size)


def rows_of_every_status() -> Any:
    return single_rows(
        "a wonderful film",
        "a dull film",
        "wonderful and brilliant and splendid actors, wonderful brilliant splendid",
        "wonderful houses",
        "wonderful " * 1200,
        HOSTILE,
    )


def stored(
    folder: Path, victim: Any, task: Any, rows: Any, budget: int | None = 12, **changes: Any
) -> AdversarialSet:
    """An attack's record as a run leaves it, read as a set."""
    frame = attack_rows(DEEPWORDBUG, victim, task, rows, seed=1, options=AttackOptions(query_budget=budget))
    if "timed_out" in changes:
        frame.loc[frame["id"] == changes["timed_out"], ["status", "perturbed"]] = ["timed_out", ""]
    spec = {
        "task": task.name,
        "split": "dev",
        "columns": list(task.columns),
        "labels": list(task.labels),
        "attack_column": task.attack_column,
        "attack": DEEPWORDBUG.name,
        "attack_seed": 1,
        "attack_options": {"query_budget": budget},
        "subject": {"model": "m", "method": "naive", "train_task": task.name, "seed": 1},
        "max_length": 128,
        "threads": 1,
    }
    store = Store(folder)
    store.prepare()
    manifest = {"spec": spec, "result": {"fingerprint": "f", "recipe": {"fingerprint": "r"}}}
    return adversarial_sets.of_record(store.write("attack", "a" * 20, manifest, frame, {}))


@pytest.fixture
def found(tmp_path: Path) -> AdversarialSet:
    return stored(tmp_path, Stumbling(), SINGLE, rows_of_every_status(), timed_out="r5")


def test_a_replay_of_the_attacked_model_gives_its_robust_accuracy(found: AdversarialSet) -> None:
    statuses = [example.status for example in found.examples]
    assert set(statuses) == {"successful", "failed", "skipped", "errored", "timed_out"}
    again = replay(found, KeywordVictim(), SINGLE)
    assert again.robust.hits == statuses.count("failed") == 1
    assert again.robust.examples == again.clean.examples == len(statuses)
    outcomes = dict(zip(again.rows["status"], again.rows["outcome"], strict=True))
    assert outcomes == {
        "successful": "fooled",
        "failed": "robust",
        "skipped": "wrong",
        "errored": "unknown",
        "timed_out": "unknown",
    }
    assert again.clean.hits == 5
    assert again.transfer is not None and again.transfer.value == 1.0


def test_pairs_and_mapped_labels(tmp_path: Path) -> None:
    rows = pair_rows(("The doctor slept .", "A wonderful doctor slept ."), ("No actor", "splendid actor"))
    victim = KeywordVictim(THREE_WAY)
    made = stored(tmp_path, victim, PAIR, rows, None)
    assert [example.status for example in made.examples] == ["successful"] * 2
    assert replay(made, victim, PAIR).robust.hits == 0
    # A model that looks for something else in the texts is not fooled by misspelling these words.
    assert replay(made, KeywordVictim(THREE_WAY, bias=1.0), PAIR).robust.hits == 2


def test_each_text_is_asked_once(found: AdversarialSet) -> None:
    victim = KeywordVictim()
    replay(found, victim, SINGLE)
    asked = [text for texts, _ in victim.asked for text in texts]
    assert len(asked) == len(set(asked)) == len(found.examples) + 1


@pytest.mark.parametrize("name", ["set.jsonl", "set.parquet"])
def test_a_file_holds_the_set(found: AdversarialSet, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    adversarial_sets.write(found, path)
    again = adversarial_sets.read(path)
    assert again == found
    assert again.address == found.address
    assert again.examples[-1].original == (HOSTILE,)
    before = path.read_bytes()
    adversarial_sets.write(again, path)
    assert path.read_bytes() == before


def test_the_address_is_the_content(found: AdversarialSet) -> None:
    first = found.examples[0]
    for other in (
        replace(found, examples=found.examples[:-1]),
        replace(found, header=found.header.model_copy(update={"recipe": "another"})),
        replace(found, examples=(replace(first, perturbed=("a wonderfull film",)), *found.examples[1:])),
    ):
        assert other.address != found.address


def _line(number: int, **changes: Any) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        return [*lines[:number], json.dumps(json.loads(lines[number]) | changes), *lines[number + 1 :]]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_line(1, label="negative"), "was changed"),
        (_line(0, recipe="other"), "was changed"),
        (_line(1, label="good"), "label 'good' is none of negative, positive"),
        (_line(1, status="won"), "unknown status 'won'"),
        (_line(2, perturbed='["x"]'), "belongs to a successful attack"),
        (_line(1, original='["x"]'), "text_hash is not that of its texts"),
        (_line(1, original='["x", "y"]'), "2 texts for the columns sentence"),
        (_line(1, original="["), "no adversarial set"),
        (_line(0, format=9), "has format 9"),
        (_line(0, max_length="many"), "max_length"),
        (lambda lines: [*lines, lines[1]], "occurs twice"),
        (lambda lines: lines[:-1], "was changed"),
        (lambda lines: lines[:1], "there are no examples"),
        (lambda lines: [*lines[:-1], "{"], "line 7 is not JSON"),
        (lambda lines: ["[]"], "no JSON object"),
    ],
)
def test_damaged_files_are_told(
    found: AdversarialSet, tmp_path: Path, change: Callable[[list[str]], list[str]], expected: str
) -> None:
    path = tmp_path / "set.jsonl"
    adversarial_sets.write(found, path)
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(BadInput) as caught:
        adversarial_sets.read(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_other_files_are_refused(found: AdversarialSet, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no such adversarial set"):
        adversarial_sets.read(tmp_path / "absent.jsonl")
    with pytest.raises(BadInput, match=r"ends in .jsonl or .parquet"):
        adversarial_sets.write(found, tmp_path / "set.pickle")
    torn = tmp_path / "torn.parquet"
    adversarial_sets.write(found, torn)
    torn.write_bytes(torn.read_bytes()[:-40])
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        adversarial_sets.read(torn)
    rows = tmp_path / "cells" / "attack" / ("a" * 20) / "rows.parquet"
    with pytest.raises(BadInput, match="has no header"):
        adversarial_sets.read(rows)
    store = Store(tmp_path)
    store.prepare()
    record = store.write("evaluate", "b" * 20, {"spec": {}, "result": {}}, None, {})
    with pytest.raises(StoreError, match="not of an attack"):
        adversarial_sets.of_record(record)


def test_only_the_attacked_column_may_differ(tmp_path: Path) -> None:
    made = stored(tmp_path, KeywordVictim(THREE_WAY), PAIR, pair_rows(("One .", "A wonderful day")), None)
    path = tmp_path / "set.jsonl"
    adversarial_sets.write(made, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(_line(1, perturbed=json.dumps(["Two .", "A dull day"]))(lines)) + "\n")
    with pytest.raises(BadInput, match="column 'premise' was changed"):
        adversarial_sets.read(path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "other"}, "its task 'toy' is not that of task 'other'"),
        ({"labels": ("positive", "negative")}, "its labels"),
        ({"columns": ("text",), "attack_column": "text"}, "its text columns"),
    ],
)
def test_a_set_of_another_task_is_refused(
    found: AdversarialSet, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(BadInput) as caught:
        replay(found, KeywordVictim(), make_task(**changes))
    assert expected in str(caught.value)


def test_a_model_with_other_labels_is_refused(found: AdversarialSet) -> None:
    with pytest.raises(BadInput, match="has no label 'entailment'"):
        replay(found, KeywordVictim(THREE_WAY), SINGLE)


def test_the_worst_case_survives_every_set(found: AdversarialSet) -> None:
    one = replay(found, KeywordVictim(), SINGLE)
    other = replay(found, KeywordVictim(bias=1.0), SINGLE)
    assert other.robust.hits > one.robust.hits
    assert worst_case([one, other]).hits == one.robust.hits == worst_case([one]).hits
    shorter = replay(replace(found, examples=found.examples[1:]), KeywordVictim(), SINGLE)
    with pytest.raises(ValueError, match="different examples"):
        worst_case([one, shorter])


def test_replaying_imports_no_attack_library() -> None:
    program = (
        "import sys, asa_bench.replaying\nsys.exit('textattack' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
