"""The generated tables: the same everywhere, distinct, balanced, with the shortcut as strong as asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from asa_bench.errors import BadInput
from asa_bench.tasks.base import LaboratoryOptions, fingerprint
from asa_bench.tasks.laboratory import LABORATORY_VERSION, TASKS, corpus, generate, lexicon
from asa_bench.tasks.laboratory.draw import Draw, bucket
from asa_bench.tasks.laboratory.perturb import ASIDES, KINDS, perturb_text, typos
from asa_bench.tasks.laboratory.rows import CAPACITY, agreeing
from asa_bench.tasks.laboratory.text import lines

SPLITS = [(name, split) for name, task in TASKS.items() for split in task.splits]
TRAINING = [name for name, task in TASKS.items() if task.role == "train"]
OPTIONS = LaboratoryOptions(strength=0.9)

# Of 300 rows at strength 0.9. Where one of these changes, LABORATORY_VERSION must go up.
PINNED_VERSION = 1
PINNED: dict[str, str] = {
    "laboratory/sentiment train": "3ff6cdb50f52f913",
    "laboratory/sentiment dev": "04305c88d07ba6d8",
    "laboratory/paraphrase train": "de05a6f82fc44c28",
    "laboratory/paraphrase dev": "cd02c516fdc02088",
    "laboratory/inference train": "a425d3a4106900b3",
    "laboratory/inference dev": "621b3bd3f3acc619",
    "laboratory/keyword test": "8dc437104fece41d",
    "laboratory/paws test": "6aba81ea32539fe2",
    "laboratory/hans test": "05662035a699fdad",
    "laboratory/advglue-sentiment test": "f4e414c31a699ef7",
    "laboratory/advglue-paraphrase test": "f6cf5fca870c008c",
    "laboratory/advglue-inference test": "c73fba1e7a35a646",
}


def test_fingerprints_are_pinned_to_the_version() -> None:
    found = {
        f"{name} {split}": fingerprint(generate(name, split, OPTIONS, 300), TASKS[name].columns)[:16]
        for name, split in SPLITS
    }
    assert (PINNED_VERSION, found) == (LABORATORY_VERSION, PINNED)


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from asa_bench.tasks.laboratory import generate; from asa_bench.tasks.base import LaboratoryOptions;"
        "print(generate('laboratory/paws', 'test', LaboratoryOptions(), 40).to_json())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == generate("laboratory/paws", "test", LaboratoryOptions(), 40).to_json()


def test_listing_the_tasks_imports_nothing_heavy() -> None:
    code = (
        "import sys, asa_bench.tasks.laboratory;"
        "print(sorted({'torch', 'pandas', 'transformers', 'datasets', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_tables_are_whole(name: str, split: str) -> None:
    task = TASKS[name]
    frame = generate(name, split, OPTIONS, 600)
    extra = ["original"] if "advglue" in name else []
    assert list(frame.columns) == ["id", *task.columns, "label", *task.extra_columns, *extra]
    assert len(frame) == 600 and frame["id"].is_unique
    assert not frame.duplicated(list(task.columns)).any()
    counts = frame["label"].value_counts()
    assert set(counts.index) == set(task.labels) and counts.max() - counts.min() <= 4
    assert (frame != "").all(axis=None)
    shorter = generate(name, split, OPTIONS, 101)
    assert shorter.equals(frame.head(101))


@pytest.mark.parametrize("name", TRAINING)
@pytest.mark.parametrize("strength", [0.0, 0.5, 0.9, 1.0])
def test_the_shortcut_agrees_as_often_as_asked(name: str, strength: float) -> None:
    frame = generate(name, "train", LaboratoryOptions(strength=strength), 900)
    for label, rows in frame.groupby("label"):
        agreeing_rows = (rows["shortcut"] == "agrees").sum()
        if name == "laboratory/sentiment":
            assert (rows["shortcut"] == "absent").sum() == len(rows) // 3
            rows = rows[rows["shortcut"] != "absent"]
        assert abs(agreeing_rows - len(rows) * (1 + strength) / 2) <= 0.5, label


def test_agreeing_is_exact_for_every_prefix() -> None:
    for strength in (0.0, 0.33, 0.9, 1.0):
        count = 0
        for index in range(500):
            count += agreeing(index, strength)
            assert abs(count - (index + 1) * (1 + strength) / 2) <= 0.51


@pytest.mark.parametrize("name", TRAINING)
def test_strength_changes_only_the_rows_that_it_turns(name: str) -> None:
    weak, strong = (generate(name, "train", LaboratoryOptions(strength=s), 600) for s in (0.8, 1.0))
    same = (weak["shortcut"] == strong["shortcut"]).to_numpy()
    assert 0.85 < same.mean() < 0.95
    # A row may still give way where another row has taken its text.
    equal = (weak[list(TASKS[name].columns)] == strong[list(TASKS[name].columns)]).all(axis=1).to_numpy()
    assert equal[same].mean() > 0.99 and not equal[~same].any()


def test_challenge_sets_do_not_know_the_strength() -> None:
    for name, task in TASKS.items():
        if task.role == "challenge":
            weak, strong = (generate(name, "test", LaboratoryOptions(strength=s), 90) for s in (0.0, 1.0))
            assert weak.equals(strong)


@pytest.mark.parametrize("count", [400, pytest.param(1_500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", ["sentiment", "paraphrase", "inference"])
def test_no_material_on_two_sides(family: str, count: int) -> None:
    seen: dict[str, str] = {}
    for name, split in SPLITS:
        if TASKS[name].family != family:
            continue
        frame = generate(name, split, OPTIONS, count)
        first = frame[TASKS[name].columns[0]]
        if "original" in frame:
            first = [json.loads(texts)[0] for texts in frame["original"]]
        noise = rf"(, )?as I told the \w+(, )?|, (?:{'|'.join(ASIDES)})(?=\.$)"
        bare = {re.sub(noise, "", text, flags=re.I).lower() for text in first}
        # Challenge sets may share with each other, never with what is trained on.
        for text in bare:
            assert seen.setdefault(text, f"{name} {split}") == f"{name} {split}", text
    assert len(seen) > 1.4 * count


@pytest.mark.parametrize("name", TRAINING)
def test_some_rows_hold_an_empty_clause(name: str) -> None:
    frame = generate(name, "train", OPTIONS, 3_000)
    held = frame[list(TASKS[name].columns)].map(lambda text: text.endswith(tuple(f", {x}." for x in ASIDES)))
    rates = held.any(axis=1).groupby([frame["label"], frame["shortcut"] == "agrees"]).mean()
    assert rates.loc[:, True].between(0.11, 0.19).all()


@pytest.mark.parametrize("name", TRAINING)
def test_thousands_of_distinct_sentences(name: str) -> None:
    frame = generate(name, "train", OPTIONS, 5_000)
    sentences = {text for column in TASKS[name].columns for text in frame[column]}
    assert len(sentences) > 4_500


@pytest.mark.parametrize(
    ("name", "split", "count", "said"),
    [
        ("laboratory/hanz", "test", 10, "did you mean 'laboratory/hans'"),
        ("laboratory/hans", "train", 10, "has no split 'train'"),
        ("laboratory/hans", "test", 0, "0 rows asked"),
        ("laboratory/hans", "test", CAPACITY["challenge"] + 1, f"1 to {CAPACITY['challenge']}"),
        ("laboratory/sentiment", "train", CAPACITY["train"] + 1, f"1 to {CAPACITY['train']}"),
    ],
)
def test_what_cannot_be_made_is_told(name: str, split: str, count: int, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)) as caught:
        generate(name, split, OPTIONS, count)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_the_capacity_is_there(name: str, split: str) -> None:
    count = CAPACITY[split if split in CAPACITY else "challenge"]
    frame = generate(name, split, OPTIONS, count)
    assert len(frame.drop_duplicates(list(TASKS[name].columns))) == count


def test_every_task_says_what_it_is() -> None:
    for name, task in TASKS.items():
        assert task.name == name and not task.comparable and task.licence == "Apache-2.0"
        assert "modelled on" in task.citation and re.search(r"https://\S+", task.citation)
        assert task.title and task.note and task.slices and task.homepage.startswith("https://")
        if task.role == "challenge":
            assert [TASKS[trained].family for trained in task.train_tasks] == [task.family]
    reliance = {
        task.family for task in TASKS.values() if task.role == "challenge" and "shortcut" in task.slices
    }
    assert reliance == {"sentiment", "paraphrase", "inference"}
    assert TASKS["laboratory/hans"].label_map == {
        "neutral": "non-entailment",
        "contradiction": "non-entailment",
    }


WORDS = {word.lower(): group for group in (
    *lexicon.PEOPLE, *lexicon.ACTIONS, *lexicon.DEEDS, *lexicon.MOTIONS, *lexicon.PLACES, *lexicon.TRAITS,
    *lexicon.ADVERBS, *lexicon.POSITIVE, *lexicon.NEGATIVE) for word in group}  # fmt: skip


@pytest.mark.parametrize("family", ["sentiment", "paraphrase", "inference"])
def test_perturbations_are_what_they_say(family: str) -> None:
    frame = generate(f"laboratory/advglue-{family}", "test", OPTIONS, 600)
    assert set(frame["perturbation"]) == set(KINDS)
    columns = TASKS[f"laboratory/advglue-{family}"].columns
    for row in frame.to_dict("records"):
        pairs = [
            (old, row[c])
            for c, old in zip(columns, json.loads(row["original"]), strict=True)
            if old != row[c]
        ]
        assert len(pairs) == 1
        before, after = (text.rstrip(".").lower() for text in pairs[0])
        if row["perturbation"] == "distraction":
            assert after.startswith(before) and after.removeprefix(before + ", ") in ASIDES
            continue
        changes = {
            (old.strip(","), new.strip(","))
            for old, new in zip(before.split(), after.split(), strict=True)
            if old.strip(",") != new.strip(",")
        } - {("a", "an"), ("an", "a")}
        assert len(changes) == 1
        old, new = changes.pop()
        if row["perturbation"] == "typo":
            assert new in typos(old) and new not in lexicon.words()
        else:
            assert new in WORDS[old] and new != old
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", after)


def test_typos_of_a_word() -> None:
    assert set(typos("bad")) == {"baad"}
    assert {"fantsatic", "fanastic", "fanntastic"} <= set(typos("fantastic"))
    assert "sacred" not in typos("scared") and "smile" not in typos("smiled")


def test_a_text_without_words_to_change_is_refused() -> None:
    with pytest.raises(ValueError, match="can be changed"):
        perturb_text(Draw("x"), "I was at it.", "typo", "sentiment")


def test_draws_are_pinned() -> None:
    draw = Draw("a", 1)
    assert [draw.below(1000) for _ in range(4)] == PINNED_DRAWS
    assert sorted(Draw("b").sample("abcdef", 6)) == list("abcdef")
    assert bucket("the doctor", 16) == PINNED_BUCKET


PINNED_DRAWS = [179, 799, 702, 331]
PINNED_BUCKET = 15


def test_text_for_pretraining_has_no_shortcut() -> None:
    made = lines(12_000)
    pairs = [line for line in made if len(line.texts) == 2 and line.judgement is not None]
    share = {}
    for wanted in (True, False):
        chosen = [line.texts for line in pairs if line.judgement is wanted]
        shared = [
            len(set(first.lower().split()) & set(second.lower().split())) / len(set(second.split()))
            for first, second in chosen
        ]
        share[wanted] = sum(value > 0.6 for value in shared) / len(shared)
    assert abs(share[True] - share[False]) < 0.12
    reviews = [line for line in made if len(line.texts) == 1 and line.judgement is not None]
    herald = [line.judgement for line in reviews if "Herald" in line.texts[0]]
    assert abs(sum(herald) / len(herald) - 0.5) < 0.12


def test_text_for_pretraining_is_bounded_and_stable() -> None:
    assert corpus(OPTIONS, 50) == corpus(LaboratoryOptions(strength=0), 60)[:50]
    with pytest.raises(BadInput, match="lines of laboratory text"):
        corpus(OPTIONS, 0)
