"""Plans: which cells a suite becomes, and what their addresses depend on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from models_for_tests import tiny_bert

from asa_bench.cell import Cell, derived_seed
from asa_bench.errors import BadInput
from asa_bench.plan import resolve_threads, select_tasks
from asa_bench.request import Request


def _addresses(**overrides: object) -> dict[str, str]:
    request = Request(overrides={key.replace("__", "."): (value, key) for key, value in overrides.items()})
    return {cell.label: cell.address for cell in request.plan()[0].cells}


def test_the_embedded_suite_becomes_these_cells() -> None:
    plan, folder = Request().plan()
    kinds = [cell.kind for cell in plan.cells]
    assert kinds.count("pretrain") == 1
    assert kinds.count("train") == 3 * 2 * 3
    assert kinds.count("evaluate") == 18 + 3 * 2 * 6
    assert kinds.count("calibrate") == 18
    assert kinds.count("attack") == 18 * (
        2 + 1 + 1
    )  # two attacks, one of them calibrated, too, and a control
    assert kinds.count("replay") == 18 * 3  # no control is faced by others,
    assert kinds.count("quality") == 18 * 3  # nor judged
    assert folder == Path("reports/runs/robustness-embedded")
    assert len({cell.address for cell in plan.cells}) == len(plan.cells)


def test_cells_stand_behind_what_they_wait_for() -> None:
    plan, _ = Request().plan()
    seen: set[str] = set()
    for cell in plan.cells:
        assert set(cell.waits.values()) <= seen
        assert cell.kind == "pretrain" or cell.waits
        seen.add(cell.address)


def test_the_same_request_has_the_same_addresses() -> None:
    assert _addresses() == _addresses()
    assert Request().plan()[0].fingerprint == Request().plan()[0].fingerprint


def test_a_change_touches_only_what_depends_on_it() -> None:
    base = _addresses()
    asa = _addresses(methods__asa__tau=0.25)
    changed = {label for label in base if base[label] != asa[label]}
    assert changed == {label for label in base if " asa " in label}
    attacked = _addresses(attack_examples=7)
    assert {label for label in base if base[label] != attacked[label]} == {
        label for label in base if label.startswith(("attack", "quality", "replay"))
    }


def test_every_model_faces_what_was_made_against_the_others_of_its_seed() -> None:
    plan, _ = Request(overrides={"methods": (["naive", "asa", "rdrop"], "methods")}).plan()
    attacks = {
        cell.address: cell
        for cell in plan.cells
        if cell.kind == "attack" and not cell.spec["attack"].endswith("+random")  # a control
    }
    replays = [cell for cell in plan.cells if cell.kind == "replay"]
    assert len(replays) == 2 * len(attacks)
    for cell in replays:
        source = attacks[cell.waits["set"]]
        assert cell.subject is not None and source.subject is not None
        assert cell.subject.method != source.subject.method
        assert cell.subject.seed == source.subject.seed
        assert cell.spec["source"]["method"] == source.subject.method
        assert [cell.spec[key] for key in ("task", "attack")] == [
            source.spec[key] for key in ("task", "attack")
        ]
        own = next(one for one in attacks.values() if one.subject == cell.subject)
        assert cell.waits["model"] == own.waits["model"]
    without, _ = Request(overrides={"transfer": (False, "--set transfer")}).plan()
    assert not any(cell.kind == "replay" for cell in without.cells)


def test_quality_depends_on_who_judges_and_not_on_the_gate(tmp_path: Path) -> None:
    base = _addresses()
    assert _addresses(quality__gate__min_similarity=0.98) == base
    without = _addresses(quality__fluency=None)
    assert {label for label in base if base[label] != without[label]} == {
        label for label in base if label.startswith("quality")
    }
    judge = str(tiny_bert(tmp_path / "judge", ["negative", "positive"]))
    plan, _ = Request(overrides={"quality.similarity": (judge, "q"), "quality.fluency": (None, "q")}).plan()
    for cell in plan.cells:
        if cell.kind == "quality":
            assert (cell.spec["similarity"], cell.spec["fluency"]) == ("judge", None)
            assert "model.safetensors" in cell.reads["similarity"]["files"] and set(cell.waits) == {"set"}
            assert judge not in str((cell.spec, cell.reads))
    with pytest.raises(BadInput, match=r"quality.similarity .*there is no such folder"):
        Request(overrides={"quality.similarity": ("absent/x/y", "q")}).plan()
    with pytest.raises(BadInput, match="min_similarity: input should be less than or equal to 1"):
        Request(overrides={"quality.gate.min_similarity": (2, "--set")}).plan()


def test_loaded_models_alone_are_judged_by_the_laboratory_too(tmp_path: Path) -> None:
    model = tiny_bert(tmp_path / "m", ["negative", "positive"])
    plan, _ = Request(
        overrides={"methods": ([], "methods"), "attacks": (["pruthi+stopwords"], "attacks")},
        load=(f"mine@laboratory/sentiment={model}",),
    ).plan()
    kinds = [cell.kind for cell in plan.cells]
    assert kinds[0] == "pretrain" and kinds.count("pretrain") == 1
    assert plan.cells[-1].kind == "quality" and plan.cells[-1].waits["encoder"] == plan.cells[0].address


def test_an_ensemble_follows_the_attacks() -> None:
    def ensemble(**overrides: object) -> tuple[str, ...]:
        return Request(overrides={k: (v, k) for k, v in overrides.items()}).settings()[2].ensemble

    assert ensemble() == ("deepwordbug+stopwords", "pruthi+stopwords")
    assert ensemble(attacks=["pruthi+stopwords"]) == ensemble(attacks=[]) == ()
    assert (
        ensemble(attacks={"pruthi+stopwords": {}, "deepwordbug+stopwords": {"query_budget": 9}}) == ensemble()
    )
    with pytest.raises(BadInput, match="not among the attacks"):
        ensemble(ensemble=["pwws", "pruthi+stopwords"])
    with pytest.raises(BadInput, match="at least two"):
        ensemble(ensemble=["pruthi+stopwords"])


def test_a_temperature_is_fitted_on_rows_that_no_training_uses() -> None:
    plan, _ = Request(overrides={"calibration_examples": (50, "c")}).plan()
    fits = {cell.address: cell for cell in plan.cells if cell.kind == "calibrate"}
    trainings = {cell.address: cell for cell in plan.cells if cell.kind == "train"}
    assert len(fits) == len(trainings) == 18
    assert all("held_out" not in cell.spec for cell in trainings.values())
    for cell in plan.cells:
        if cell.kind == "attack":
            calibrated = cell.spec["attack"].endswith("+calibrated")
            assert (cell.waits.get("calibration") in fits) == calibrated
            assert "victim" not in cell.spec["attack_options"]
    everything = {"train_examples": (None, "t"), "calibration_examples": (50, "c")}
    whole, _ = Request(overrides=everything).plan()
    assert {cell.spec["held_out"] for cell in whole.cells if cell.kind == "train"} == {50}
    base = _addresses(attacks=["pruthi+stopwords"], ensemble=[], calibration_examples=None)
    fitted = _addresses(attacks=["pruthi+stopwords"], ensemble=[])
    assert {label for label in fitted if label not in base} == {c.label for c in fits.values()}
    assert all(fitted[label] == base[label] for label in base)


def test_a_search_in_bf16_is_an_attack_of_its_own() -> None:
    def attacks(**options: Any) -> dict[str, Cell]:
        asked = {"attacks": ({"pruthi+stopwords": options}, "test"), "ensemble": ([], "test")}
        plan, _ = Request(overrides=asked).plan()
        return {cell.label: cell for cell in plan.cells if cell.kind == "attack"}

    exact, quick = attacks(), attacks(search_precision="bf16")
    assert attacks(search_precision="float32").keys() == exact.keys()
    assert {cell.spec["attack"] for cell in quick.values()} == {"pruthi+stopwords+bf16"}
    assert not {cell.address for cell in exact.values()} & {cell.address for cell in quick.values()}
    for one, other in zip(exact.values(), quick.values(), strict=True):
        assert one.spec | {"attack": ""} == other.spec | {"attack": ""}
    with pytest.raises(BadInput, match="search_precision"):
        attacks(search_precision="int4")


def test_a_calibrated_victim_needs_rows_to_fit_on() -> None:
    with pytest.raises(BadInput, match="needs calibration_examples, such as 500"):
        Request(overrides={"calibration_examples": (None, "--set calibration_examples")}).plan()
    with pytest.raises(BadInput, match="greater than or equal to 20"):
        Request(overrides={"calibration_examples": (5, "--set calibration_examples")}).plan()


@pytest.mark.parametrize(
    "change", [{"threads": 2}, {"training__epochs": 7}, {"training__learning_rate": 0.5}]
)
def test_every_training_depends_on(change: dict[str, object]) -> None:
    base, other = _addresses(), _addresses(**change)
    trainings = [label for label in base if label.startswith("train")]
    assert trainings
    assert all(base[label] != other[label] for label in trainings)


def test_the_strength_of_the_shortcut_is_part_of_the_data() -> None:
    base, other = _addresses(), _addresses(laboratory__strength=0.5)
    assert all(base[label] != other[label] for label in base if label.startswith("train"))


def test_addresses_do_not_depend_on_the_process() -> None:
    program = "from asa_bench.request import Request; print(Request().plan()[0].fingerprint)"
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_planning_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom asa_bench.request import Request\nRequest().plan()\n"
        "heavy = {'torch', 'transformers', 'textattack', 'datasets', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_methods_share_the_seed_of_a_training() -> None:
    assert derived_seed("train", "sst2", 1) == derived_seed("train", "sst2", 1)
    assert derived_seed("train", "sst2", 1) != derived_seed("train", "sst2", 2)
    assert derived_seed("train", "sst2", 1) != derived_seed("train", "qqp", 1)
    assert 0 <= derived_seed("x") < 2**31


TRAIN, CHALLENGES = ("sst2", "qqp", "mnli"), ("advglue/sst2", "paws_qqp", "hans", "advglue/mnli")


@pytest.mark.parametrize(
    ("wanted", "train", "challenges"),
    [
        (["sst2"], ("sst2",), ("advglue/sst2",)),
        (["hans"], ("mnli",), ("hans",)),
        (["mnli", "hans"], ("mnli",), ("hans",)),
        (["sst2", "hans"], ("sst2", "mnli"), ("hans", "advglue/sst2")),
        (["sst2", "sst2"], ("sst2",), ("advglue/sst2",)),
    ],
)
def test_tasks_can_be_chosen(wanted: list[str], train: tuple[str, ...], challenges: tuple[str, ...]) -> None:
    assert select_tasks(TRAIN, CHALLENGES, wanted) == (train, challenges)


def test_a_challenge_that_nothing_can_face_is_told() -> None:
    with pytest.raises(BadInput, match="needs a model trained on one of rte"):
        select_tasks(TRAIN, CHALLENGES, ["advglue/rte"])
    with pytest.raises(BadInput, match="unknown task 'hnas'"):
        select_tasks(TRAIN, CHALLENGES, ["hnas"])


def test_nothing_to_do_is_told() -> None:
    with pytest.raises(BadInput, match="nothing to do"):
        Request(overrides={"methods": ([], "--methods")}).plan()


def test_threads_are_resolved_to_a_number() -> None:
    assert resolve_threads(3) == 3
    assert resolve_threads("auto") >= 1


def test_what_is_on_no_hub_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PAWS-QQP must be generated from QQP; a run from the hub goes without it unless it is asked for by name."""
    from asa_bench.errors import Unavailable
    from asa_bench.tasks import loading

    folder = tiny_bert(tmp_path / "model", ["a", "b"])
    real = loading.identify
    monkeypatch.setattr(
        loading,
        "identify",
        lambda task, split, source: {"kind": "hub"} if task.hub else real(task, split, source),
    )
    overrides = {
        "models": ([str(folder)], "--model"),
        "device": ("cpu", "--device"),
        "precision": ("float32", "-"),
    }
    plan, _ = Request(profile="laptop", overrides=overrides).plan()
    assert plan.left_out == ("paws_qqp",)
    tasks = {cell.spec["task"] for cell in plan.cells}
    assert "paws_qqp" not in tasks
    assert {"paws_wiki", "hans", "advglue/qqp"} <= tasks
    with pytest.raises(Unavailable, match="paws_qqp"):
        Request(profile="laptop", overrides=overrides, tasks=["paws_qqp"]).plan()


def test_random_masks_come_behind_the_training_whose_fractions_they_read() -> None:
    order = {"random_mask": {}, "naive": {}, "asa": {"tau": 0.3}}
    plan, _ = Request(overrides={"methods": (order, "methods")}).plan()
    trains = [cell for cell in plan.cells if cell.kind == "train"]
    by_address = {cell.address: cell for cell in trains}
    masked = [cell for cell in trains if cell.spec["method"] == "random_mask"]
    assert len(masked) == 9
    for cell in masked:
        before = by_address[cell.waits["measured"]]
        assert before.spec["method"] == "asa" and before.spec["method_options"]["tau"] == 0.3
        assert (before.spec["task"], before.spec["seed"]) == (cell.spec["task"], cell.spec["seed"])
        assert trains.index(before) < trains.index(cell)
    with pytest.raises(
        BadInput, match="method 'random_mask' reads what 'asa' logs in the same run; add 'asa'"
    ):
        Request(overrides={"methods": (["naive", "random_mask"], "methods")}).plan()
    alone = {"random_mask": {"kept_fraction": 0.9}}
    cells = Request(overrides={"methods": (alone, "methods")}).plan()[0].cells
    assert all("measured" not in cell.waits for cell in cells)
