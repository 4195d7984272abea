"""``asa-bench compare``: known answers, what flips and its texts, hostile texts, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from command_line import command

import asa_bench
from asa_bench.cell import Subject
from asa_bench.errors import BadInput
from asa_bench.last_run import PlannedCell, PlannedRun
from asa_bench.store import Store
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source, row_hash
from asa_bench.tasks.loading import load

SIZE = 40


def folder(
    path: Path,
    right: dict[tuple[str, int | None], Sequence[int]],
    *,
    task: str = "sst2",
    fingerprint: str = "a" * 64,
    texts: Sequence[str] | None = None,
    id_of: str = "e{}",
    loaded: tuple[str, ...] = (),
) -> Path:
    """An output folder with one evaluation per (method, seed): 1 where the answer was right."""
    store, planned, described = Store(path), [], TASKS.get(task)
    good, bad = described.labels[1], described.labels[0]
    for number, ((method, seed), answers) in enumerate(right.items()):
        subject = Subject(
            model="m", method=method, method_title=method, loaded=method in loaded, train_task=task, seed=seed
        )
        size = len(answers)
        shown = texts or [f"text {i}" for i in range(size)]
        rows = pd.DataFrame(
            {
                "id": [id_of.format(i) for i in range(size)],
                "text_hash": [row_hash((text,))[:16] for text in shown],
                **dict.fromkeys(described.extra_columns, ""),
                "label": good,
                "prediction": [good if hit else bad for hit in answers],
                "logits": [[0.0, 1.0]] * size,
            }
        )
        result = {"fingerprint": fingerprint, "task": described.model_dump(mode="json")}
        address = f"{number:020x}"
        store.write("evaluate", address, {"spec": {"split": "dev"}, "result": result, "label": "x"}, rows, {})
        planned.append(
            PlannedCell(kind="evaluate", address=address, label="x", subject=subject, task=task, attack=None)
        )
    plan = PlannedRun(
        suite="s", title="S", profile="p", fingerprint="f" * 64, tasks=(task,), methods=("naive", "asa"),
        attacks=(), exposures={}, settings={}, cells=tuple(planned),
    )  # fmt: skip
    store.write_plan(plan.model_dump(mode="json"))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    return command("compare", *arguments), *capsys.readouterr()


def lost_and_gained(lost: int, gained: int) -> tuple[list[int], list[int]]:
    first = [1] * lost + [0] * gained + [1] * (SIZE - lost - gained)
    return first, [0] * lost + [1] * gained + first[lost + gained :]


@pytest.fixture
def both(tmp_path: Path) -> Path:
    naive, asa = lost_and_gained(2, 10)
    return folder(tmp_path / "run", {("naive", 1): naive, ("asa", 1): asa})


def test_known_answer_of_one_seed(capsys: pytest.CaptureFixture[str], both: Path) -> None:
    """12 flips, 2 against 10: the exact p is 2 (1 + 12 + 66) / 4096."""
    code, out, _ = run(capsys, both, "--methods", "naive", "asa", "--json")
    (cell,) = json.loads(out)["cells"]
    told = cell["comparison"]
    assert code == 0
    assert told["p"] == pytest.approx(2 * 79 / 4096) == told["adjusted_p"]
    assert (told["gained"], told["lost"], told["flipped"], told["examples"]) == (10, 2, 12, SIZE)
    assert told["difference"] == pytest.approx(8 / SIZE) and cell["means"] == pytest.approx([0.75, 0.95])
    assert told["odds"]["odds_ratio"] == pytest.approx(5)
    assert [len(cell["flips"][way]) for way in ("gained", "lost")] == [2, 2]
    first = cell["flips"]["lost"][0]
    assert (first["id"], first["gold"], first["said"]) == ("e0", "positive", ["positive", "negative"])


def test_what_is_printed(capsys: pytest.CaptureFixture[str], both: Path) -> None:
    code, out, _ = run(capsys, both, "--methods", "naive", "asa", "--flips", 1)
    assert code == 0
    assert "naive 75.0, asa 95.0: +20.0 [" in out and "p 0.039, Holm 0.039" in out and "one seed" in out
    assert "+ 10 examples that asa alone gets right" in out and "- 2 examples that naive alone" in out
    assert out.count("gold positive") == 2 and "--data-dir" in out


def test_where_nothing_could_be_found_that_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Two seeds that disagree: not even 100 points would have been found."""
    right, wrong = [1] * SIZE, [0] * SIZE
    seeds = {("naive", 1): right, ("naive", 2): wrong, ("asa", 1): wrong, ("asa", 2): right}
    _, out, _ = run(capsys, folder(tmp_path / "run", seeds), "--methods", "naive", "asa")
    assert "MDE none  -> cannot tell" in out


def test_methods_the_other_way_round_turn_the_sign(both: Path) -> None:
    there, back = (asa_bench.compare(both, methods=m).cells[0] for m in (("naive", "asa"), ("asa", "naive")))
    assert there.comparison.difference == -back.comparison.difference
    assert there.comparison.interval == pytest.approx([-value for value in back.comparison.interval[::-1]])
    assert there.comparison.p == back.comparison.p


def test_verdicts_follow_the_rule(tmp_path: Path) -> None:
    sides = {"naive": [0] * 30 + [1] * 10, "asa": [1] * 40, "near": [0] * 32 + [1] * 8}
    run_ = folder(tmp_path / "run", {(m, s): right for m, right in sides.items() for s in (1, 2, 3, 4, 5)})
    found = asa_bench.compare(run_, methods=("naive", "asa")).cells[0]
    assert found.verdict == "better" and found.seeds == ("1", "2", "3", "4", "5")
    assert asa_bench.compare(run_, methods=("asa", "naive")).cells[0].verdict == "worse"
    assert asa_bench.compare(run_, methods=("naive", "near")).cells[0].verdict == "cannot tell"


def test_two_folders_are_compared_method_by_method(tmp_path: Path) -> None:
    naive, better = lost_and_gained(0, 9)
    old = folder(tmp_path / "old", {("naive", 1): naive, ("asa", 1): naive})
    new = folder(tmp_path / "new", {("naive", 1): naive, ("asa", 1): better})
    cells = {cell.second: cell for cell in asa_bench.compare(old, new).cells}
    assert cells["naive"].comparison.difference == 0 and cells["naive"].flips == ()
    assert cells["asa"].comparison.gained == 9 and cells["asa"].comparison.family == 2


def test_two_checkpoints_of_one_run_each(tmp_path: Path) -> None:
    first, second = lost_and_gained(3, 9)
    run_ = folder(tmp_path / "run", {("mine", None): first, ("theirs", 7): second}, loaded=("mine", "theirs"))
    (cell,) = asa_bench.compare(run_, methods=("mine", "theirs")).cells
    assert cell.seeds == ("none/7",) and "McNemar" in cell.comparison.method
    assert (cell.comparison.gained, cell.comparison.lost) == (9, 3)


def test_texts_are_made_again_by_the_laboratory(tmp_path: Path) -> None:
    data = load(TASKS.get("laboratory/sentiment"), "dev", Source(), SIZE)
    texts = data.frame["text"].tolist() if "text" in data.frame else data.frame[data.task.columns[0]].tolist()
    naive, asa = lost_and_gained(1, 2)
    run_ = folder(
        tmp_path / "run", {("naive", 1): naive, ("asa", 1): asa}, task="laboratory/sentiment", texts=texts
    )
    (cell,) = asa_bench.compare(run_, methods=("naive", "asa")).cells
    assert {flip.id: flip.texts for flip in cell.flips} == {f"e{i}": (texts[i],) for i in range(3)}


def test_hostile_names_reach_no_terminal_and_no_spreadsheet(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    naive, asa = lost_and_gained(1, 9)
    evil = "=cmd\x1b[2J\u202e{}"
    run_ = folder(tmp_path / "run", {("naive", 1): naive, ("=a\x1b[31m", 1): asa}, id_of=evil)
    file = tmp_path / "cells.csv"
    code, out, _ = run(capsys, run_, "--methods", "naive", "=a\x1b[31m", "--csv", file)
    assert code == 0 and "\x1b" not in out and "\u202e" not in out and r"\x1b[2J" in out
    (line,) = csv.DictReader(file.read_text().splitlines())
    assert line["second"].startswith("'=a") and float(line["difference"]) == pytest.approx(0.2)
    assert line["verdict"] and float(line["detectable"]) > 0 and line["family"] == "1"


def test_what_cannot_be_compared_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], both: Path, tmp_path: Path
) -> None:
    naive, asa = lost_and_gained(1, 2)
    other = folder(tmp_path / "other", {("naive", 1): naive, ("asa", 1): asa}, fingerprint="b" * 64)
    fewer = folder(tmp_path / "fewer", {("naive", 1): naive[:20], ("asa", 1): asa[:20]})
    for arguments, told in (
        ((both, other), "fingerprints aaaaaaaaaaaa, bbbbbbbbbbbb"),
        ((both, fewer), "other examples"),
        ((both,), "one folder alone"),
        ((both, "--methods", "naive", "naive"), "cannot differ from itself"),
        ((both, "--methods", "naive", "rdrop"), "no method 'rdrop'; recorded are naive, asa"),
        ((both, tmp_path), "not an output folder"),
        ((both, both, "--flips", "-1"), "0 or more"),
    ):
        code, out, err = run(capsys, *arguments)
        assert code == 2 and out == "" and told in err and err.count("\n") == 1, arguments
    assert str(other) in run(capsys, both, other)[2] and str(both) in run(capsys, both, other)[2]


def test_another_schema_is_refused(both: Path, tmp_path: Path) -> None:
    plan = json.loads((both / "plan.json").read_text()) | {"schema_version": 99}
    (both / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(Exception, match="schema version 99"):
        asa_bench.compare(both, methods=("naive", "asa"))


def test_no_seed_in_common_is_said(tmp_path: Path) -> None:
    naive, asa = lost_and_gained(1, 2)
    run_ = folder(
        tmp_path / "r", {("naive", 1): naive, ("naive", 2): naive, ("asa", 3): asa, ("asa", 4): asa}
    )
    with pytest.raises(BadInput, match="no training seed in common"):
        asa_bench.compare(run_, methods=("naive", "asa"))
