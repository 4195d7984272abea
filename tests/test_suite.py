"""Suite files: the built-in ones are right, and every mistake is told with its line and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench import suite as suites
from asa_bench.errors import BadInput
from asa_bench.methods import METHODS
from asa_bench.settings import TrainingSettings
from asa_bench.tasks import TASKS

GOOD = """\
schema: 1
name: mine
title: Mine
description: A test.
defaults:
  methods: [naive, asa]
default_profile: small
profiles:
  small:
    train: [laboratory/sentiment]
    challenges: [laboratory/keyword]
    attacks: [deepwordbug+stopwords]
    training:
      epochs: 1
"""


def _load(tmp_path: Path, text: str) -> suites.Suite:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return suites.load(path)


@pytest.mark.parametrize("key", sorted(suites.SELECTING))
def test_a_suite_that_selects_by_scores_is_refused(tmp_path: Path, key: str) -> None:
    """There is no split on which anything is chosen, so none of those that are reported can be it."""
    with pytest.raises(BadInput, match=f"'training.{key}' would select a model by its score") as told:
        _load(tmp_path, GOOD.replace("epochs: 1", f"epochs: 1\n      {key}: dev", 1)).settings()
    assert "mine.yaml" in str(told.value) and "\n" not in str(told.value)
    assert key not in TrainingSettings.model_fields


@pytest.mark.parametrize("path", list(suites.suite_files()), ids=lambda path: path.stem)
def test_every_builtin_suite_is_valid_in_every_profile(path: Path) -> None:
    suite = suites.load(path.stem)
    assert suite.name == path.stem
    assert suite.file.title
    assert suite.file.description
    assert suite.profile_names() == ["embedded", "laptop", "paper"]
    assert suite.file.default_profile == "embedded"
    for profile in suite.profile_names():
        settings = suite.settings(profile)
        assert settings.train
        if suite.name == "rivals":
            assert list(settings.methods) == METHODS.names()
        elif settings.pretraining is None:
            assert set(settings.methods) == {"naive", "asa"}
        else:  # compared is what came before fine-tuning
            assert set(settings.pretraining.methods) == {"naive", "naive_longer", "asa"}
            assert set(settings.methods) == {"naive"}
        assert (settings.source == "laboratory") == (profile == "embedded")


def test_the_builtin_suites_are_the_promised_ones() -> None:
    assert {path.stem for path in suites.suite_files()} == {
        *("robustness", "generalization", "pretraining", "rivals", "behaviour", "glue", "ci")
    }


def test_profiles_lie_over_defaults(tmp_path: Path) -> None:
    settings = _load(tmp_path, GOOD).settings()
    assert settings.methods == {"naive": {}, "asa": {}}
    assert settings.training.epochs == 1
    assert settings.training.batch_size == 32
    assert settings.seeds == (1, 2, 3)


def test_overrides_lie_over_profiles(tmp_path: Path) -> None:
    suite = _load(tmp_path, GOOD)
    settings = suite.settings(
        None,
        {
            "seeds": ([4, 7], "--seeds"),
            "training.epochs": (2, "--set"),
            "methods.asa.tau": (0.3, "--set"),
            "attacks": ([], "--attacks"),
        },
    )
    assert settings.seeds == (4, 7)
    assert settings.training.epochs == 2
    assert settings.methods == {"naive": {}, "asa": {"tau": 0.3}}
    assert settings.attacks == {}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title: Mine", "titel: Mine", "mine.yaml:3: unknown key 'titel'; did you mean 'title'?"),
        ("    train: [", "    trian: [", "mine.yaml:10: unknown key 'trian'; did you mean 'train'?"),
        (
            "      epochs: 1",
            "      epoch: 1",
            "mine.yaml:14: unknown key 'training.epoch'; did you mean 'epochs'?",
        ),
        (
            "      epochs: 1",
            "      epochs: many",
            "mine.yaml:14: training.epochs: input should be a valid number",
        ),
        (
            "      epochs: 1",
            "      epochs: 0",
            "mine.yaml:14: training.epochs: input should be greater than 0",
        ),
        ("    training:\n      epochs: 1", "    training: 3", "mine.yaml:13: training"),
        (
            "laboratory/sentiment",
            "laboratory/sentimnt",
            "mine.yaml:10: unknown task 'laboratory/sentimnt'; did you mean",
        ),
        (
            "laboratory/keyword",
            "laboratory/hans",
            "mine.yaml:11: no training task of this run can face 'laboratory/hans'",
        ),
        ("laboratory/keyword", "hans", "mine.yaml:11: 'hans' cannot come from source 'laboratory'"),
        (
            "[laboratory/keyword]",
            "[laboratory/inference]",
            "mine.yaml:11: 'laboratory/inference' is a train task",
        ),
        ("[naive, asa]", "[naive, aas]", "mine.yaml:6: unknown method 'aas'; did you mean 'asa'?"),
        ("[naive, asa]", "{asa: {tua: 1}}", "mine.yaml:6: unknown key 'tua'; did you mean 'tau'?"),
        ("[naive, asa]", "[naive, naive]", "mine.yaml:6: methods: 'naive' is given twice"),
        ("deepwordbug+stopwords", "deepwordbg+stopwords", "did you mean 'deepwordbug+stopwords'?"),
        (
            "default_profile: small",
            "default_profile: smal",
            "mine.yaml:7: no profile 'smal'; did you mean 'small'?",
        ),
        ("schema: 1", "schema: 2", "mine.yaml:1: schema"),
        ("schema: 1\n", "", "mine.yaml: key 'schema' is missing"),
        ("name: mine", "name: ../mine", "mine.yaml:2: name '../mine'"),
        ("  small:", "  ../small:", "profile"),
        (
            "      epochs: 1",
            "      epochs: 1\n    seeds: 0",
            "mine.yaml:15: seeds: the number of seeds must be",
        ),
        ("      epochs: 1", "      epochs: 1\n    seeds: [1, 1]", "mine.yaml:15: seeds: 1 is given twice"),
        ("      epochs: 1", "      epochs: 1\n    seeds: true", "mine.yaml:15: seeds"),
        ("      epochs: 1", "      epochs: 1\n    models: []", "mine.yaml:15: models"),
        ("      epochs: 1", "      epochs: 1\n    source: hub", "cannot come from source 'hub'"),
        ("      epochs: 1", "      epochs: 1\n    threads: 0", "mine.yaml:15: threads"),
        ("      epochs: 1", "      epochs: 1\n    attack_tasks: [sst2]", "attack_tasks"),
        ("      epochs: 1", "      epochs: 1\n    train_examples: {sst: 1}", "unknown task 'sst'"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(BadInput) as caught:
        _load(tmp_path, GOOD.replace(old, new, 1)).settings()
    message = str(caught.value).replace(str(tmp_path / "mine.yaml"), "mine.yaml")
    assert expected in message
    assert "\n" not in message


def test_an_override_is_told_by_its_option(tmp_path: Path) -> None:
    suite = _load(tmp_path, GOOD)
    with pytest.raises(BadInput, match=r"^--seeds: seeds: the number of seeds"):
        suite.settings(None, {"seeds": (0, "--seeds")})
    with pytest.raises(BadInput, match=r"^--set training.epochs.x: training.epochs is a single value"):
        suite.settings(None, {"training.epochs.x": (0, "--set training.epochs.x")})
    with pytest.raises(BadInput, match="has no profile 'big'"):
        suite.settings("big")


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'robustness'"):
        suites.load("robustnes")
    with pytest.raises(BadInput, match="there is no such suite file"):
        suites.load("absent.yaml")


def test_every_builtin_task_is_in_a_suite() -> None:
    named: set[str] = set()
    for path in suites.suite_files():
        for profile in ("embedded", "paper"):
            settings = suites.load(path.stem).settings(profile)
            named |= {*settings.train, *settings.challenges}
    # These are there for `--tasks`.
    alone = {"swag", "conll2003", "ag_news", "anli/r1-trained", "anli/r2-trained", "anli/r3-trained"}
    assert set(TASKS.names()) - named == alone
