"""The gate as a user meets it: save, gate, update; verdicts, exit codes, and what cannot be compared."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gate_runs import ATTACK, answers, make_run

from asa_bench.cell import VERSIONS
from asa_bench.cli import main
from asa_bench.errors import BadInput
from asa_bench.gating import baseline as baselines
from asa_bench.gating import collect, decide, outputs
from asa_bench.gating import policy as policies
from asa_bench.reports.answers import Answers
from asa_bench.store import Store

KEY = "tiny/asa/sst2:accuracy"
TOTAL = 400


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    make_run(tmp_path / "old", {1: answers(TOTAL, range(40))})
    assert command("baseline", "save", str(tmp_path / "old"), "-o", str(tmp_path / "b.json")) == 0
    return tmp_path / "b.json"


def gate(folder: Path, baseline: Path, *more: str) -> int:
    return command("gate", str(folder), "--baseline", str(baseline), *more)


def test_a_missing_baseline_is_told_with_the_way_to_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "new", {1: answers(TOTAL)})
    assert gate(tmp_path / "new", tmp_path / "b.json") == 2
    assert "there is none yet; make it once with asa-bench baseline save DIR -o" in capsys.readouterr().err


def test_nothing_changed_passes(baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(baseline.parent / "old", baseline) == 0
    assert "passed: of 1 scores 0 failed" in capsys.readouterr().out


def test_the_same_weights_that_answer_worse_fail(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "new", {1: answers(TOTAL, range(90))})
    files = {name: tmp_path / name for name in ("s.md", "j.xml", "d.json")}
    options = [
        "--summary",
        str(files["s.md"]),
        "--junit",
        str(files["j.xml"]),
        "--json",
        str(files["d.json"]),
    ]
    assert gate(tmp_path / "new", baseline, *options, "--annotations") == 1
    out = capsys.readouterr().out
    assert "FAIL  tiny ASA, SST-2, accuracy: 90.0 -> 77.5" in out
    assert "\n::error title=asa-bench%3A tiny ASA%2C SST-2%2C accuracy::90.0 -> 77.5" in out
    assert "50 examples newly wrong, 0 newly right" in files["s.md"].read_text()
    root = ET.fromstring(files["j.xml"].read_text())
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None and "below the margin of −2 points" in failure.attrib["message"]
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "1")
    content = json.loads(files["d.json"].read_text())
    assert content["failed"] and content["judged"][0]["newly_broken"] == 50
    assert len(content["judged"][0]["broken"]) == 10
    found = f"{100 * content['judged'][0]['against']['detectable']:.1f}"
    assert f"| 2 | {found} |" in files["s.md"].read_text() and f"margin 2, MDE {found} beyond it" in out


def test_where_no_loss_could_be_found_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three examples: the loss of all of them would not be told from chance."""
    make_run(tmp_path / "old", {1: answers(3)})
    assert command("baseline", "save", str(tmp_path / "old"), "-o", str(tmp_path / "b.json")) == 0
    make_run(tmp_path / "new", {1: answers(3, range(1))})
    gate(tmp_path / "new", tmp_path / "b.json", "--summary", str(tmp_path / "s.md"))
    assert "MDE none beyond it" in capsys.readouterr().out
    assert "| 2 | none |" in (tmp_path / "s.md").read_text()


@pytest.mark.parametrize(("action", "code"), [("fail", 1), ("warn", 0), ("pass", 0)])
def test_what_nobody_can_tell_does_what_the_policy_says(
    baseline: Path, tmp_path: Path, action: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "new", {1: answers(TOTAL, range(46))})
    rules = tmp_path / "gate.yaml"
    rules.write_text(f"schema: 1\ndefaults: {{cannot_tell: {action}}}\n")
    assert gate(tmp_path / "new", baseline, "--policy", str(rules)) == code
    shown = capsys.readouterr().out
    assert ("examples instead of 400" in shown) == (action != "pass")


def test_one_seed_trained_again_cannot_tell_until_a_second_is_there(baseline: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "new", {2: answers(TOTAL, range(200))}, weights="other")
    stored = baselines.read(baseline)
    found = decide(collect(Store(tmp_path / "new")), stored, policies.load(None)).judged[0]
    assert (found.verdict, found.action) == ("cannot tell", "warn")
    assert "2 seeds of this run" in found.reason and "'seeds: fixed' in the policy" in found.reason
    rules = tmp_path / "gate.yaml"
    rules.write_text("schema: 1\ndefaults: {seeds: fixed}\n")
    assert gate(tmp_path / "new", baseline, "--policy", str(rules)) == 1


def test_seeds_of_their_own_carry_their_spread(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)

    def run(name: str, first: int, rate: float) -> Path:
        rates = rate + generator.normal(0, 0.01, 5)
        seeds = {first + at: generator.random(2000) < chance for at, chance in enumerate(rates)}
        return make_run(tmp_path / name, seeds, weights=name)

    stored = baselines.of(collect(Store(run("old", 1, 0.9))))
    for name, first, rate, verdict in (("same", 6, 0.9, "pass"), ("worse", 1, 0.8, "fail")):
        found = decide(collect(Store(run(name, first, rate))), stored, policies.load(None)).judged[0]
        assert found.verdict == verdict, found.reason
        assert found.against is not None and "5 and 5 seeds of their own" in found.against.method


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"fingerprint": "e" * 64},
            "other data: the baseline has fingerprint ffffffffffff, this run fingerprint eeee",
        ),
        ({"identities": [f"test-{n}" for n in range(TOTAL)]}, "other examples"),
        (
            {"training": {"epochs": 2}},
            "other recipe, training.training.epochs: the baseline has '1', this run '2'",
        ),
        (
            {"exposures": {"tiny": "saw it all"}},
            "other exposure, said of the model: the baseline has 'nothing'",
        ),
        (
            {"trained_on": {"tiny": ("paws_wiki",)}},
            "other exposure, trained on: the baseline has 'nothing', this run 'paws_wiki:train'",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_until_updated(
    baseline: Path, tmp_path: Path, change: dict, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path / "new", {1: answers(TOTAL, range(40))}, **change)
    assert gate(folder, baseline) == 2
    error = capsys.readouterr().err
    assert said in error and "baseline update" in error
    assert command("baseline", "update", str(folder), "--baseline", str(baseline)) == 0
    assert "other " in capsys.readouterr().out
    assert gate(folder, baseline) == 0


def test_what_a_model_was_trained_on_is_told_of_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever side saw more, the gate names the tasks of both; the same ones in another order are the same."""
    runs = {"few": ("qqp",), "more": ("qqp", "paws_qqp"), "turned": ("paws_qqp", "qqp"), "untold": None}
    for name, tasks in runs.items():
        declared = None if tasks is None else {"tiny": tasks}
        make_run(tmp_path / name, {1: answers(TOTAL)}, trained_on=declared)
        saved = command("baseline", "save", str(tmp_path / name), "-o", str(tmp_path / f"{name}.json"))
        assert saved == 0
    capsys.readouterr()
    said = {"few": "'qqp:train'", "more": "'paws_qqp:train, qqp:train'", "untold": "'nothing'"}
    for before, now in (("few", "more"), ("more", "few"), ("more", "untold"), ("untold", "few")):
        assert gate(tmp_path / now, tmp_path / f"{before}.json") == 2
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1
        assert f"other exposure, trained on: the baseline has {said[before]}, this run {said[now]}" in told[0]
    assert gate(tmp_path / "turned", tmp_path / "more.json") == 0


def test_other_schema_is_refused(baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = VERSIONS["evaluate"]
    monkeypatch.setattr("gate_runs.VERSIONS", {"train": 1, "evaluate": 99})
    folder = make_run(tmp_path / "new", {1: answers(TOTAL, range(40))})
    with pytest.raises(
        BadInput, match=rf"other schema, evaluate: the baseline has '{before}', this run '99'"
    ):
        decide(collect(Store(folder)), baselines.read(baseline), policies.load(None))


def test_a_score_that_failed_to_be_measured_fails(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path / "new", {1: answers(TOTAL)}, fails=[1])
    assert gate(folder, baseline) == 1
    assert "Missing" in capsys.readouterr().out
    assert command("baseline", "save", str(folder), "-o", str(tmp_path / "holes.json")) == 2


def test_a_score_that_lacks_one_of_its_seeds_fails_and_the_others_do_not_stand_for_it(tmp_path: Path) -> None:
    seeds = {seed: answers(TOTAL, range(20)) for seed in (1, 2, 3)}
    stored = baselines.of(collect(Store(make_run(tmp_path / "old", seeds, robust=seeds))))
    new = make_run(tmp_path / "new", seeds, robust=seeds, fails=[2])
    judged = {one.key: one for one in decide(collect(Store(new)), stored, policies.load(None)).judged}
    assert judged["tiny/asa/sst2:accuracy"].verdict == "fail"
    assert "Missing" in judged["tiny/asa/sst2:accuracy"].reason
    assert judged[f"tiny/asa/sst2:{ATTACK}"].verdict == "pass", "its attack was measured with all seeds"


def test_floors_and_ignored_scores(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "gate.yaml"
    rules.write_text("schema: 1\nscores:\n  - {match: '*:accuracy', floor: 95}\n")
    assert gate(tmp_path / "old", baseline, "--policy", str(rules)) == 1
    assert "90.0 % is below the floor of 95 %" in capsys.readouterr().out
    rules.write_text("schema: 1\nscores:\n  - match: '*'\n    ignore: true\n")
    assert gate(tmp_path / "old", baseline, "--policy", str(rules)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "schema: 1\ndefaults:\n  margn: 1\n",
            "gate.yaml:3: unknown key 'defaults.margn'; did you mean 'margin'?",
        ),
        ("schema: 1\ndefaults:\n  cannot_tell: maybe\n", "gate.yaml:3: defaults.cannot_tell"),
        ("schema: 1\nscores:\n  - match: 'x/*'\n", "gate.yaml:3: match 'x/*' fits none of the scores"),
        ("schema: 1\ndefaults:\n  ignored_slices: heuristic\n", "is no pattern COLUMN=VALUE"),
        ("", "a policy is a mapping with defaults and scores"),
    ],
)
def test_a_mistake_in_a_policy_names_its_line(
    baseline: Path, tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gate.yaml").write_text(text)
    assert gate(tmp_path / "old", baseline, "--policy", str(tmp_path / "gate.yaml")) == 2
    assert said in capsys.readouterr().err


def test_slices_of_accuracy_and_of_robust_accuracy_are_gated_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Robust accuracy falls in one class and one length alone, which the whole does not show."""
    right, stands = answers(TOTAL, range(40)), answers(TOTAL, range(100))
    lost = [number for number in range(TOTAL // 2, TOTAL) if number % 2 and number % 8 < 4]  # positive, long
    make_run(tmp_path / "old", {1: right}, robust={1: stands})
    make_run(tmp_path / "new", {1: right}, robust={1: answers(TOTAL, [*range(100), *lost])})
    assert command("baseline", "save", str(tmp_path / "old"), "-o", str(tmp_path / "b.json")) == 0
    policy = tmp_path / "policy.yaml"

    def judged(text: str) -> dict[str, str]:
        policy.write_text(f"schema: 1\n{text}")
        told = tmp_path / "told.json"
        gate(tmp_path / "new", tmp_path / "b.json", "--policy", str(policy), "--json", str(told))
        return {one["key"]: one["verdict"] for one in json.loads(told.read_text())["judged"]}

    capsys.readouterr()
    whole = "defaults:\n  margin: 15\n"
    attacked = "tiny/asa/sst2:deepwordbug+stopwords"
    assert judged(whole)[attacked] != "fail"
    found = judged(f"{whole}slices: [class, length]\n")
    assert found[f"{attacked}[class=positive]"] == "fail"
    assert found[f"{attacked}[class=negative]"] == "pass"
    assert found[f"{attacked}[length=21-40 words]"] == "fail"
    assert found[f"{attacked}[length=1-10 words]"] == "pass"
    assert {found[f"{KEY}[class={name}]"] for name in ("positive", "negative")} == {"pass"}
    left = judged(f"{whole}scores:\n  - match: '*'\n    ignored_slices: length=21-40 words\n")
    assert left[attacked] == "pass"
    assert gate(tmp_path / "new", tmp_path / "b.json", "--policy", str(policy)) == 0
    policy.write_text("schema: 1\nslices: [lenght]\n")
    assert gate(tmp_path / "new", tmp_path / "b.json", "--policy", str(policy)) == 2
    assert "no score has slices by 'lenght'; did you mean 'length'?" in capsys.readouterr().err


def test_baselines_have_the_same_bytes_and_no_flipped_bit_is_read(baseline: Path, tmp_path: Path) -> None:
    again = baselines.of(collect(Store(tmp_path / "old"))).text()
    assert baseline.read_text() == again
    raw = baseline.read_bytes()
    for place in np.random.default_rng(0).integers(0, 8 * len(raw), 200).tolist():
        damaged = bytearray(raw)
        damaged[place // 8] ^= 1 << (place % 8)
        (tmp_path / "damaged.json").write_bytes(damaged)
        with pytest.raises(BadInput):
            baselines.read(tmp_path / "damaged.json")
    assert command("baseline", "save", str(tmp_path / "old"), "-o", str(baseline)) == 2


def test_ten_seeds_of_two_methods_with_hans_are_a_small_file(tmp_path: Path) -> None:
    """The sets of the robustness suite in full: one bit an example, whatever the answers are, and the same ones come back."""
    small = collect(Store(make_run(tmp_path / "small", {1: answers(TOTAL)})))
    like = small.scores[KEY]
    generator = np.random.default_rng(0)
    scores, right = {}, {}
    for method in ("naive", "asa"):
        for name, total in (
            ("sst2", 872),
            ("qqp", 2_000),
            ("mnli", 9_815),
            ("paws", 8_677),
            ("hans", 30_000),
        ):
            key = f"bert-base-uncased/{method}/{name}:accuracy"
            values = {str(seed): generator.random(total) < 0.8 for seed in range(10)}
            right[key] = values
            scores[key] = replace(
                like,
                key=key,
                values={seed: float(each.mean()) for seed, each in values.items()},
                answers=Answers(
                    np.arange(total).astype(object), {s: v.astype(float) for s, v in values.items()}
                ),
                weights=dict.fromkeys(values, "a" * 64),
                rows=dict.fromkeys(values, pd.DataFrame(index=range(total))),
            )
    path = tmp_path / "large.json"
    baselines.of(replace(small, scores=scores)).write(path)
    assert path.stat().st_size < 300_000
    stored = baselines.read(path)
    for key, values in right.items():
        for seed, each in values.items():
            assert np.array_equal(stored.scores[key].right(seed), each)


HOSTILE = [
    "::set-output name=x::y",
    "##[error]x",
    "a\n::error::b",
    "%0A::stop-commands::x",
    "<script>alert(1)</script>",
    "|x|`y`[z](javascript:1)",
    "\x00\x1b[2J\x08",
    "\u202egnp.exe",
    "]]>&lt;",
]


def test_hostile_names_are_harmless_everywhere(tmp_path: Path) -> None:
    names = [*HOSTILE, *(f"dev-{number}" for number in range(TOTAL - len(HOSTILE)))]
    make_run(tmp_path / "old", {1: answers(TOTAL)}, identities=names)
    stored = baselines.of(collect(Store(tmp_path / "old")))
    make_run(tmp_path / "new", {1: answers(TOTAL, range(TOTAL // 2))}, identities=names)
    decision = decide(collect(Store(tmp_path / "new")), stored, policies.load(None))
    assert decision.failed
    shown = "".join(example.id for example in decision.judged[0].broken)
    assert sum(name in shown for name in HOSTILE) >= 5
    for line in outputs.text(decision).splitlines():
        assert not line.lstrip().startswith("::") and "##[" not in line and line.isprintable()
    commands = list(outputs.workflow_commands(decision))
    assert len(commands) == 1 and commands[0].isprintable() and "##[" not in commands[0]
    assert commands[0].startswith("::error title=")
    root = ET.fromstring(outputs.junit(decision))
    assert "<script>" in (root.findtext("testsuite/testcase/failure") or "")
    text = outputs.markdown(decision)
    assert "<script" not in text and "\x1b" not in text and "](javascript" not in text
    json.loads(outputs.as_json(decision))
