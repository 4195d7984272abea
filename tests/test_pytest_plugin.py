"""The plugin of pytest, as a team uses it: a fixture in tests of its own, and nothing where it is not used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from models_for_tests import tiny_bert
from safetensors.torch import load_file, save_file
from stored_set_files import LABELS, TASK, stored
from transformers import AutoModelForSequenceClassification

import asa_bench

pytest_plugins = ["pytester"]
# Hypothesis' plugin would import all of Hypothesis anew in every inner session.
PLUGIN = ("-p", "asa_bench.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that calls everything positive, its opposite, and a stored set."""
    folder = tmp_path_factory.mktemp("team")
    words = ("actor", "park", "book", "music", "senator", "doctor", "question", "answer")
    pairs = [(f"a film {one} {other}", f"a flim {one} {other}") for one in words for other in words]
    stored(folder / "sets" / "swaps.jsonl", pairs)
    one = tiny_bert(folder / "one", LABELS)
    other = shutil.copytree(one, folder / "other")
    weights = load_file(other / "model.safetensors")
    turned = {name: -value if name.startswith("classifier") else value for name, value in weights.items()}
    save_file(turned, other / "model.safetensors", {"format": "pt"})
    (faced,) = asa_bench.replay(folder / "sets" / "swaps.jsonl", [f"m={one}"])
    good, bad = (one, other) if faced.replay.clean.value > 0.5 else (other, one)
    good.rename(folder / "good")
    bad.rename(folder / "bad")
    # Modules that an inner session imports first are forgotten behind it, and Arrow's types cannot be registered twice.
    AutoModelForSequenceClassification.from_pretrained(folder / "good")
    out = folder / "out"
    asa_bench.evaluate(folder / "good", "ci", task=TASK, output=out, settings={"eval_examples": 10})
    asa_bench.save_baseline(out, out / "baseline.json")
    asa_bench.gate(out, out / "baseline.json")
    return folder


def team(pytester: pytest.Pytester, made: Path, model: str, options: str = "") -> None:
    pytester.makepyfile(
        test_robust=f"""
        def test_robust(asa_bench):
            from transformers import AutoModelForSequenceClassification as Model, AutoTokenizer
            model = {model}
            asa_bench.gate(model, suite='ci', task={TASK!r}, settings={{'eval_examples': 40}},
                           replay={str(made / "sets")!r}{options})
        """
    )


def test_a_team_saves_a_baseline_and_gates_its_model(pytester: pytest.Pytester, made: Path) -> None:
    team(pytester, made, repr(str(made / "good")))
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(skipped=1)
    asked = (*PLUGIN, "--asa-bench-baseline", "b.json")
    missing = pytester.runpytest_inprocess(*asked)
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines(
        ["*b.json: there is no such baseline; write it with pytest --asa-bench-save"]
    )
    pytester.runpytest_inprocess(*asked, "--asa-bench-save").assert_outcomes(passed=1)
    assert "model/laboratory/sentiment:replay/swaps" in (pytester.path / "b.json").read_text()
    # The same model in memory is the same model.
    where = repr(str(made / "good"))
    team(pytester, made, f"(Model.from_pretrained({where}), AutoTokenizer.from_pretrained({where}))")
    pytester.runpytest_inprocess(*asked).assert_outcomes(passed=1)
    # Another one, as such.
    (pytester.path / "gate.yaml").write_text("schema: 1\ndefaults: {seeds: fixed, cannot_tell: pass}\n")
    team(pytester, made, repr(str(made / "bad")))
    pytester.makeini("[pytest]\nasa_bench_baseline = b.json\nasa_bench_policy = gate.yaml\n")
    failed = pytester.runpytest_inprocess(*PLUGIN)
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(
        ["The gate FAILED: of * scores*", "FAIL  model, Lab sentiment, robust accuracy on swaps*"]
    )
    assert "newly wrong: r" in failed.stdout.str() and "pytest_plugin.py" not in failed.stdout.str()
    # Without that policy nobody can tell what another training would give.
    pytester.makeini("[pytest]\nasa_bench_baseline = b.json\n")
    warned = pytester.runpytest_inprocess(*PLUGIN)
    warned.assert_outcomes(passed=1, warnings=1)
    warned.stdout.fnmatch_lines(["*GateWarning: The gate passed: of * that cannot be told*"])


def test_wrong_input_is_one_line(pytester: pytest.Pytester, made: Path) -> None:
    (pytester.path / "b.json").write_text("{}")
    pytester.makepyfile(
        f"""
        import pytest
        from transformers import AutoModelForSequenceClassification as Model

        GOOD = {str(made / "good")!r}

        @pytest.mark.parametrize(("model", "options"), [
            ("absent/folder/there", {{}}), (Model.from_pretrained(GOOD), {{}}), (GOOD, {{"profile": "huge"}})])
        def test_robust(asa_bench, model, options):
            asa_bench.gate(model, task={TASK!r}, **options)
        """
    )
    found = pytester.runpytest_inprocess(*PLUGIN, "--asa-bench-baseline", "b.json")
    found.assert_outcomes(failed=3)
    found.stdout.fnmatch_lines(
        [
            "--load model*: there is no such folder",
            "*a model in memory needs its tokenizer*",
            "*no profile 'huge'*",
        ]
    )
    assert "During handling" not in found.stdout.str() and "pytest_plugin.py" not in found.stdout.str()


def test_who_does_not_use_it_pays_nothing() -> None:
    """pytest loads the module wherever asa-bench is installed."""
    heavy = "{'torch', 'transformers', 'pandas', 'numpy', 'textattack', 'pydantic', 'asa_bench.api'}"
    program = f"import sys, asa_bench.pytest_plugin; print(*sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
