"""``asa-bench replay`` and its twin in Python: what they print, and how they refuse."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import command
from models_for_tests import tiny_bert

import asa_bench
from asa_bench import adversarial_sets
from asa_bench.adversarial_sets import AdversarialSet, Example, SetHeader
from asa_bench.judging import COLUMNS as JUDGED
from asa_bench.last_run import PlannedCell, PlannedRun
from asa_bench.quality import QualityGate, QualitySettings, describe
from asa_bench.reports.outcomes import Subject
from asa_bench.store import Store
from asa_bench.tasks.base import row_hash

HOSTILE = "minilm\x1b[31m"


def example(number: int, text: str, perturbed: str = "", status: str = "failed") -> Example:
    after = (perturbed,) if perturbed else ()
    return Example(f"r{number}", row_hash((text,))[:16], "positive", status, (text,), after)


def made(attack: str = "pruthi", **changes: Any) -> AdversarialSet:
    values: dict[str, Any] = {
        "task": "sst2",
        "split": "dev",
        "columns": ("sentence",),
        "labels": ("negative", "positive"),
        "attack_column": "sentence",
        "fingerprint": "f",
        "attack": attack,
        "attack_seed": 0,
        "recipe": "r",
        "query_budget": 50,
        "source": {"model": HOSTILE, "method": "naive", "train_task": "sst2", "seed": 1},
        "attack_cell": "a" * 20,
        "max_length": 16,
        "threads": 1,
    }
    examples = (
        example(0, "a good film", "a godo film", "successful"),
        example(1, "a fine film"),
        example(2, "a film", status="errored"),
        example(3, "bad", status="skipped"),
    )
    return AdversarialSet(SetHeader(**values | changes), examples)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "model", ["negative", "positive"])


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    adversarial_sets.write(made(), path)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    return command("replay", *arguments), *capsys.readouterr()


def test_models_are_faced_and_told(capsys: pytest.CaptureFixture[str], stored: Path, model: Path) -> None:
    load = ("--load", f"mine#1={model}", "--load", f"mine#2={model}")
    code, out, err = run(capsys, stored, *load)
    assert (code, err) == (0, "")
    assert "\x1b" not in out and "minilm\\x1b[31m" in out
    assert "4 examples, 1 perturbed; query budget 50" in out
    assert "mine seed 1" in out and "mine seed 2" in out and " of 4" in out
    code, out, _ = run(capsys, stored, *load, "--json")
    found = json.loads(out)
    first = found[0]
    assert [one["seed"] for one in found] == [1, 2]
    outcomes = first["outcomes"]
    assert sum(outcomes.values()) == first["examples"] == first["robust_accuracy"]["examples"] == 4
    assert first["robust_accuracy"]["hits"] == outcomes["robust"]
    assert first["clean_accuracy"]["hits"] == 4 - outcomes["wrong"]
    assert [row["id"] for row in first["rows"]] == ["r0", "r1", "r2", "r3"]
    assert first["set"]["address"] == made().address
    (again,) = asa_bench.replay(stored, [f"mine={model}"])
    assert again.replay.rows.to_dict("records") == first["rows"]


def test_a_model_and_its_opposite(stored: Path, model: Path) -> None:
    """With its labels exchanged a model is right where it was wrong."""
    (one,) = asa_bench.replay(stored, [f"m={model}"])
    (other,) = asa_bench.replay(stored, [f"m={model}"], label_map=["m=positive,negative"])
    assert one.replay.clean.hits + other.replay.clean.hits == 4
    # The search of r2 had errored: whoever is right about it has survived nothing.
    assert {each.replay.rows["outcome"].iloc[2] for each in (one, other)} == {"wrong", "unknown"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no model to face"),
        (["--load", "mine"], "expected NAME[@TASK]"),
        (["--load", "mine@mnli=MODEL"], "no set is of task 'mnli'"),
        (["--load", "mine=absent-folder/x/y"], "there is no such folder"),
        (["--load", "mine=MODEL", "--load", "mine=MODEL"], "given twice"),
        (["--load", "mine=MODEL", "--label-map", "other=negative,positive"], "no --load of that name"),
        (["--load", "mine=MODEL", "--label-map", "mine=no,yes"], "are not those of task 'sst2'"),
        (["--load", "mine=MODEL", "--device", "tpu"], "expected auto, cpu or cuda"),
    ],
)
def test_refusals_are_one_line(
    capsys: pytest.CaptureFixture[str], stored: Path, model: Path, arguments: list[str], words: str
) -> None:
    said = [argument.replace("MODEL", str(model)) for argument in arguments]
    code, out, err = run(capsys, stored, *said)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_sets_that_cannot_be_used_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    labels, unknown, torn = tmp_path / "labels.jsonl", tmp_path / "unknown.jsonl", tmp_path / "torn.parquet"
    adversarial_sets.write(made(labels=("positive", "negative")), labels)
    adversarial_sets.write(made(task="sst22"), unknown)
    torn.write_bytes(b"PAR1 and nothing else")
    for where, words in (
        (labels, "its labels ('positive', 'negative') is not that of task 'sst2'"),
        (unknown, "did you mean 'sst2'"),
        (torn, "cannot be read as Parquet"),
        (tmp_path / "absent.jsonl", "no such adversarial set"),
        (tmp_path, "not an output folder"),
        ("0" * 20, "holds an attack of this address"),
    ):
        code, out, err = run(capsys, where, "--load", f"mine={model}")
        assert (code, out) == (2, ""), where
        assert words in err
        assert len(err.strip().splitlines()) == 1 and "\x1b" not in err


def test_gated_robust_accuracy_stands_beside_the_raw_one(
    capsys: pytest.CaptureFixture[str], stored: Path, model: Path
) -> None:
    """r0's text has one of three words changed: it passes at 0.4 and not at 0.3."""
    load = ("--load", f"m={model}", "--label-map", "m=positive,negative")
    raw = [
        json.loads(run(capsys, stored, *part, "--json")[1])[0]
        for part in (load, (*load, "--gate", "max_words_changed=0.3"))
    ]
    assert raw[0]["gated_robust_accuracy"] == raw[0]["robust_accuracy"]
    fooled = raw[1]["outcomes"]["fooled"]
    assert raw[1]["gated_robust_accuracy"]["hits"] == raw[1]["robust_accuracy"]["hits"] + fooled
    assert raw[1]["quality"]["judges"]["similarity"] is None
    code, out, _ = run(capsys, stored, *load, "--similarity", model)
    assert code == 0 and "robust accuracy, gated" in out and "similarity by model" in out


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        ("min_similarity", "expected BOUND=VALUE"),
        ("min_similarty=0.9", "min_similarity"),
        ("min_similarity=7", "min_similarity=7: input should be less than or equal to 1"),
        ("max_edit_distance=few", "max_edit_distance=few: input should be a valid integer"),
    ],
)
def test_bounds_that_are_none_are_refused(
    capsys: pytest.CaptureFixture[str], stored: Path, bound: str, words: str
) -> None:
    code, out, err = run(capsys, stored, "--load", "m=absent", "--gate", bound)
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1


def test_by_the_gate_a_flip_counts_only_by_a_text_that_passes() -> None:
    import numpy as np
    import pandas as pd

    from asa_bench.judging import Judged
    from asa_bench.quality import QualityGate, describe
    from asa_bench.replaying import COLUMNS, Replay, worst_case

    outcomes = ["fooled", "fooled", "robust", "wrong", "unknown"]
    rows = pd.DataFrame({name: [f"{name}{i}" for i in range(5)] for name in COLUMNS})
    rows["outcome"] = outcomes

    def replayed(passes: list[bool]) -> Replay:
        return Replay(made(), rows, Judged(np.array(passes), QualityGate(), describe(None, None), rows))

    one, other = replayed([True, False, False, False, False]), replayed([False, True, True, True, True])
    assert one.gated is not None and (one.robust.hits, one.gated.hits) == (1, 2)
    assert other.gated is not None and other.gated.hits == 2
    assert worst_case([one, other]).hits == worst_case([one, other], by_gate=True).hits == 1
    bare = Replay(made(), rows)
    assert bare.gated is None and bare.to_json()["gated_robust_accuracy"] is None
    with pytest.raises(ValueError, match="not judged"):
        worst_case([one, bare], by_gate=True)


WHOM = Subject(model="minilm", method="naive", method_title="Naive", loaded=False, train_task="sst2", seed=1)
TEXTS = (
    ("the doctor was good", "the doctro was good"),
    ("a fine film", "a fien film"),
    ("bad actors here", "bda actors here"),
)
QUALITY_AT = "b" * 20


def an_output_folder(
    where: Path, similarities: tuple[float, ...], gate: QualityGate | None = None, *, judged: bool = True
) -> Store:
    """What a run leaves behind that attacked one model and had a sentence encoder judge the texts."""
    store = Store(where)
    store.prepare()
    texts = [
        (
            f"r{i}",
            row_hash((before,))[:16],
            "positive",
            "successful",
            json.dumps([before]),
            json.dumps([after]),
        )
        for i, (before, after) in enumerate(TEXTS)
    ]
    rows = pd.DataFrame(texts, columns=["id", "text_hash", "label", "status", "original", "perturbed"])
    header = made().header
    spec = {
        **{
            name: getattr(header, name)
            for name in ("task", "split", "attack", "attack_column", "attack_seed")
        },
        **{"columns": ["sentence"], "labels": list(header.labels), "max_length": 16, "threads": 1},
        **{"subject": asdict(WHOM), "attack_options": {"query_budget": 50}},
    }
    result = {"fingerprint": "f", "recipe": {"fingerprint": "r"}}
    store.write("attack", "a" * 20, {"spec": spec, "result": result}, rows, {})
    numbers = [
        (*row[:4], 3, 1, 2, similarity, np.nan, np.nan)
        for row, similarity in zip(texts, similarities, strict=True)
    ]
    # The record's own order is another than the attack's: each text must get its own judgement.
    frame = pd.DataFrame(numbers[::-1], columns=list(JUDGED))
    manifest = {
        "spec": {"task": "sst2"},
        "waits": {"set": "a" * 20},
        "result": {"judges": describe("the-encoder", None)},
    }
    if judged:
        store.write("quality", QUALITY_AT, manifest, frame, {})
    cells = [("attack", "a" * 20), ("quality", QUALITY_AT)]
    plan = PlannedRun(
        suite="s",
        title="S",
        profile="p",
        fingerprint="f",
        tasks=("sst2",),
        methods=("naive",),
        attacks=("pruthi",),
        quality=QualitySettings(similarity="x", gate=gate or QualityGate()),
        exposures={},
        settings={},
        cells=tuple(
            PlannedCell(kind=kind, address=at, label=kind, subject=WHOM, task="sst2", attack="pruthi")
            for kind, at in cells
        ),
    )
    store.write_plan(plan.model_dump(mode="json"))
    return store


@pytest.fixture(scope="module")
def fooled(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Loads a model with weights large enough that some of `TEXTS` fools it."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("fooled")
    where = tiny_bert(folder / "fooled", ["negative", "positive"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = BertForSequenceClassification(BertConfig.from_pretrained(where, initializer_range=0.5))
    model.save_pretrained(where, safe_serialization=True)
    texts = [example(number, *pair, "successful") for number, pair in enumerate(TEXTS)]
    adversarial_sets.write(AdversarialSet(made().header, tuple(texts)), folder / "set.jsonl")
    (one,) = asa_bench.replay(folder / "set.jsonl", [f"m={where}"])
    assert one.replay.count("fooled")
    return ("--load", f"m={where}")


def faced(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    (found,) = json.loads(out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("record", [False, True])
def test_a_set_of_a_run_is_judged_as_that_run_judged_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fooled: tuple[str, ...], record: bool
) -> None:
    """The stored similarities decide, text by text, though no encoder is named or loaded."""
    hits = []
    for number, similarities in enumerate(((0.1, 0.1, 0.1), (0.95, 0.1, 0.1), (0.1, 0.95, 0.1), (0.95,) * 3)):
        store = an_output_folder(tmp_path / str(number), similarities)
        found = faced(capsys, store.folder("attack", "a" * 20) if record else store.root, *fooled)
        quality, outcomes = found["quality"], [row["outcome"] for row in found["rows"]]
        assert (quality["judged"], quality["run"]["quality_cell"]) == ("in the run", QUALITY_AT)
        assert quality["judges"] == describe("the-encoder", None) and quality["gate"]["min_similarity"] == 0.8
        counted = [o == "fooled" and s >= 0.8 for o, s in zip(outcomes, similarities, strict=True)]
        hits.append(found["gated_robust_accuracy"]["hits"])
        assert hits[-1] == len(TEXTS) - outcomes.count("wrong") - sum(counted)
    assert hits[0] > hits[-1]


def test_the_runs_own_bounds_are_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fooled: tuple[str, ...]
) -> None:
    gate = QualityGate(min_similarity=0.97)
    strict = faced(capsys, an_output_folder(tmp_path / "strict", (0.95,) * 3, gate).root, *fooled)
    loose = faced(capsys, an_output_folder(tmp_path / "loose", (0.95,) * 3).root, *fooled)
    assert strict["quality"]["gate"]["min_similarity"] == 0.97
    assert strict["gated_robust_accuracy"]["hits"] > loose["gated_robust_accuracy"]["hits"]


def test_whose_gate_it_was_stands_below(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, fooled: tuple[str, ...]
) -> None:
    folder = an_output_folder(tmp_path / "out", (0.95, 0.1, 0.1)).root
    _, out, _ = run(capsys, folder, *fooled)
    assert "Gated as judged in that run (suite s, profile p): a text counts only if" in out
    assert "similarity by the-encoder" in out and "not that of the run" not in out
    _, out, _ = run(capsys, folder, *fooled, "--gate", "max_words_changed=0.3")
    told = [line for line in out.splitlines() if "not that of the run (suite s, profile p)" in line]
    assert len(told) == 1 and "similarity of at least 0.8" in told[0] and "by the-encoder" in told[0]
    own = faced(capsys, folder, *fooled, "--similarity", model)["quality"]
    assert own["judged"] == "here" and own["judges"]["similarity"]["model"] == "model"
    assert own["run"]["judges"]["similarity"]["model"] == "the-encoder"


def test_of_a_file_the_bounds_that_nothing_measured_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, fooled: tuple[str, ...]
) -> None:
    folder, file = an_output_folder(tmp_path / "out", (0.95, 0.1, 0.1)).root, tmp_path / "set.jsonl"
    assert run(capsys, "export", folder, "-o", file)[0] == 0
    _, out, _ = run(capsys, file, *fooled)
    assert (
        "Not asked, because nothing measured it: similarity of at least 0.8; --similarity MODEL would." in out
    )
    assert "in that run" not in out
    assert faced(capsys, file, *fooled)["quality"]["run"] is None
    _, out, _ = run(capsys, file, *fooled, "--similarity", model, "--gate", "max_perplexity_ratio=2")
    assert "perplexity at most 2 times the original's; --fluency MODEL would." in out
    _, out, _ = run(capsys, file, *fooled, "--similarity", model)
    assert "Not asked" not in out


def test_without_a_recorded_judgement_it_is_measured_here(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fooled: tuple[str, ...]
) -> None:
    store = an_output_folder(tmp_path / "out", (0.1,) * 3, judged=False)
    assert faced(capsys, store.root, *fooled)["quality"]["judged"] == "here"
    (store.root / "plan.json").write_text("{")
    quality = faced(capsys, store.folder("attack", "a" * 20), *fooled)["quality"]
    assert (quality["judged"], quality["run"]) == ("here", None)


def test_a_damaged_judgement_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fooled: tuple[str, ...]
) -> None:
    store = an_output_folder(tmp_path / "out", (0.1,) * 3)
    (store.folder("quality", QUALITY_AT) / "rows.parquet").write_bytes(b"PAR1")
    code, out, err = run(capsys, store.root, *fooled)
    assert (code != 0, out) == (True, "")
    assert "the record is damaged; run its suite again" in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("judges", "similarity", "said"),
    [
        ({"similarity": {}}, 0.1, "does not say by what it was judged"),
        ({"similarity": {"model": 3}}, 0.1, "does not say by what it was judged"),
        ({"similarity": ["x"]}, 0.1, "does not say by what it was judged"),
        ("x", 0.1, "does not say by what it was judged"),
        (describe("e", None), "much", "is not a quality record of this form (ValueError: could not convert"),
        (describe("e", None), None, "is not a quality record of this form (KeyError: 'similarity')"),
    ],
)
def test_a_judgement_of_another_form_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    fooled: tuple[str, ...],
    judges: Any,
    similarity: float | str | None,
    said: str,
) -> None:
    """Its checksums fit, since anyone can compute those."""
    store = an_output_folder(tmp_path / "out", (0.1,) * 3)
    record = store.find("quality", QUALITY_AT)
    assert record is not None
    rows = record.rows().drop(columns="similarity")
    if similarity is not None:
        rows = rows.assign(similarity=similarity)
    shutil.rmtree(record.folder)
    manifest = {"spec": {"task": "sst2"}, "waits": {"set": "a" * 20}, "result": {"judges": judges}}
    Store(store.root).write("quality", QUALITY_AT, manifest, rows, {})  # the other one remembers the record
    code, out, err = run(capsys, store.root, *fooled)
    assert (code != 0, out) == (True, "")
    assert said in err and len(err.strip().splitlines()) == 1


def test_sets_that_were_judged_in_different_ways_have_no_gated_worst_case(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As in a folder with a control, which a run does not judge."""
    from asa_bench.cli.replay import _print
    from asa_bench.facing import Faced
    from asa_bench.judging import Judged
    from asa_bench.replaying import COLUMNS, Replay

    rows = pd.DataFrame({name: [f"{name}{i}" for i in range(2)] for name in COLUMNS})
    rows["outcome"] = ["fooled", "robust"]

    def one(attack: str, encoder: str | None) -> Faced:
        judged = Judged(np.array([False, False]), QualityGate(), describe(encoder, None), rows)
        return Faced("m", None, Replay(made(attack), rows, judged))

    _print([one("pruthi", "e"), one("pwws", "e"), one("random", None)])
    out = capsys.readouterr().out
    assert (
        "worst of 3 sets, m on sst2:  50.0 %" in out and "worst of 2 sets, gated, m on sst2: 100.0 %" in out
    )
    assert "worst of 3 sets, gated" not in out
    gates = [line for line in out.splitlines() if line.startswith(("Gated", "Not asked"))]
    assert [line.rpartition(" (")[2] for line in gates] == [
        "2 of the sets)",
        "random on sst2 against minilm\\x1b[31m naive seed 1)",
        "random on sst2 against minilm\\x1b[31m naive seed 1)",
    ]
