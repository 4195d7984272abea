"""Recipes that need data: as textattack's own Attacker runs them, and what they need."""

from __future__ import annotations

import hashlib
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attack_victims import PAIR, SINGLE, KeywordVictim, pair_rows, single_rows

from asa_bench.attacks import ATTACKS, Attack, library
from asa_bench.attacks.adapter import VictimWrapper, prepare, textattack
from asa_bench.attacks.base import AttackOptions
from asa_bench.attacks.engine import attack_rows, resolve
from asa_bench.errors import BadInput, Unavailable
from asa_bench.measures import robust_at

WORDS = {"wonderful": ["terrific", "great"], "film": ["movie", "picture", "cinema"], "odd": ["strange"]}


class Graded(KeywordVictim):
    """Logits between the labels that every letter of a text moves a little: a search always has something to follow."""

    def __init__(self, labels: Any = ("positive", "negative"), **options: Any) -> None:
        super().__init__(labels, **options)

    def score(self, text: tuple[str, ...]) -> float:
        digest = hashlib.sha256(" ".join(text).encode()).digest()
        return (
            0.4 + digest[0] / 400 - 0.6 * len({*text[-1].split()} & {"movie", "terrific", "grand", "motion"})
        )


def build_neighbours_greedily(wrapper: VictimWrapper) -> Any:
    from asa_bench.attacks.builders import neighbour_lists

    return textattack.Attack(
        textattack.goal_functions.UntargetedClassification(wrapper),
        [textattack.constraints.pre_transformation.RepeatModification()],
        textattack.transformations.WordSwapEmbedding(
            max_candidates=8, embedding=neighbour_lists(wrapper.data_dir)
        ),
        textattack.search_methods.GreedySearch(),
    )


GREEDY_NEIGHBOURS = Attack(
    name="neighbours",
    title="Neighbours",
    recipe="test_attack_resources:build_neighbours_greedily",
    paper="none",
)
SENTENCES = [
    "a wonderful film with an odd hero",
    "the good doctor likes the big house",
    "nobody can believe this bad story",
    "the actor walks home quickly",
]


def by_attacker(
    attack: Attack,
    victim: Any,
    task: Any,
    texts: list[Any],
    label: int,
    groups: list[int],
    data_dir: Path | None,
) -> list[Any]:
    """What textattack's own Attacker makes of the same recipe, victim and examples, one after the other."""
    wrapper = VictimWrapper(victim, np.array(groups), data_dir=data_dir)
    built = prepare(attack, wrapper, task, AttackOptions())
    dataset = textattack.datasets.Dataset(
        [(text if len(text) > 1 else text[0], label) for text in texts],
        input_columns=list(task.columns),
    )
    arguments = textattack.AttackArgs(num_examples=-1, disable_stdout=True, silent=True)
    with library.offline_nltk(False, data_dir):
        return list(textattack.Attacker(built, dataset, arguments).attack_dataset())


def same(frame: pd.DataFrame, theirs: list[Any]) -> None:
    assert len(frame) == len(theirs)
    for row, result in zip(frame.to_dict("records"), theirs, strict=True):
        assert type(result).__name__ == f"{row['status'].capitalize()}AttackResult"
        assert row["queries"] == result.num_queries
        if row["status"] == "successful":
            found = result.perturbed_result.attacked_text.tokenizer_input
            assert json.loads(row["perturbed"]) == ([found] if isinstance(found, str) else list(found))


def data_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "counterfitting"
    folder.mkdir()
    (folder / "counterfitted_neighbors.json.xz").write_bytes(lzma.compress(json.dumps(WORDS).encode()))
    return tmp_path


def test_neighbours_as_the_attacker_runs_them(tmp_path: Path) -> None:
    folder = data_folder(tmp_path)
    rows = single_rows(*SENTENCES)
    ours = attack_rows(GREEDY_NEIGHBOURS, Graded(), SINGLE, rows, seed=1, data_dir=folder)  # type: ignore[arg-type]
    assert "successful" in set(ours["status"])
    texts = [(text,) for text in SENTENCES]
    same(ours, by_attacker(GREEDY_NEIGHBOURS, Graded(), SINGLE, texts, 1, [1, 0], folder))


def test_pairs_as_the_attacker_runs_them(tmp_path: Path) -> None:
    folder = data_folder(tmp_path)
    pairs = [("some film", text) for text in SENTENCES] + [("an odd film", "a wonderful odd film")]
    labels = ("entailment", "non-entailment")
    ours = attack_rows(GREEDY_NEIGHBOURS, Graded(labels), PAIR, pair_rows(*pairs), seed=1, data_dir=folder)  # type: ignore[arg-type]
    assert "successful" in set(ours["status"])
    assert all(json.loads(text)[0] in ("some film", "an odd film") for text in ours["perturbed"] if text)
    same(ours, by_attacker(GREEDY_NEIGHBOURS, Graded(labels), PAIR, pairs, 0, [0, 1], folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pwws+oewn2024", "textfooler+neighbours+nouse"])
def test_recipes_over_real_data_as_the_attacker_runs_them(name: str, shared: Path) -> None:
    attack, folder = ATTACKS.get(name), shared / "data"
    assert all(need.present for need in library.requirements(attack, folder))
    texts = [(text,) for text in SENTENCES]
    ours = attack_rows(attack, Graded(), SINGLE, single_rows(*SENTENCES), seed=1, data_dir=folder)  # type: ignore[arg-type]
    assert {"successful", "failed", "skipped"} >= set(ours["status"])
    assert ours["queries"].max() > 10
    same(ours, by_attacker(attack, Graded(), SINGLE, texts, 1, [1, 0], folder))
    found = resolve(attack, folder)
    assert set(found["resources"]) == set(attack.needs)


@pytest.mark.slow
def test_leap_runs_within_a_budget_and_tells_its_curve(shared: Path) -> None:
    def within(budget: int) -> pd.DataFrame:
        return attack_rows(
            ATTACKS.get("leap+oewn2024"),
            Graded(),  # type: ignore[arg-type]
            SINGLE,
            single_rows(*SENTENCES),
            seed=1,
            options=AttackOptions(query_budget=budget),
            data_dir=shared / "data",
        )

    whole = within(80)
    assert "successful" in set(whole["status"]) <= {"successful", "failed"}
    assert whole["queries"].max() <= 80
    intervals = [json.loads(found) for found in whole["success_budgets"]]
    for budget in (2, 3, 4, 10, 25, 50):
        expected = [status == "failed" for status in within(budget)["status"]]
        assert robust_at(whole["status"].tolist(), intervals, budget).tolist() == expected, budget


def test_resources_are_told_before_work(tmp_path: Path) -> None:
    attack = ATTACKS.get("textfooler+neighbours+nouse")
    missing = {need.name: need for need in library.requirements(attack, tmp_path)}
    neighbours = "file:counterfitting/counterfitted_neighbors.json.xz"
    assert not missing[neighbours].present and str(tmp_path) in missing[neighbours].where
    with pytest.raises(Unavailable, match="counterfitted_neighbors"):
        library.identify(attack, tmp_path)
    with pytest.raises(Unavailable, match="--data-dir"):
        library.identify(attack)
    folder = data_folder(tmp_path)
    assert {need.name: need.present for need in library.requirements(attack, folder)}[neighbours]
    only = attack.model_copy(update={"needs": (neighbours,)})
    before = library.identify(only, folder)
    assert list(before) == [neighbours]
    content = (folder / neighbours.removeprefix("file:")).read_bytes()
    assert before[neighbours] == hashlib.sha256(content).hexdigest()


def test_neighbour_lists(tmp_path: Path) -> None:
    from asa_bench.attacks.builders import NeighbourLists

    path = data_folder(tmp_path) / "counterfitting" / "counterfitted_neighbors.json.xz"
    lists = NeighbourLists(path)
    number = lists.word2index("film")
    assert [lists.index2word(i) for i in lists.nearest_neighbours(number, 2)] == ["movie", "picture"]
    assert lists.nearest_neighbours(lists.word2index("movie"), 5) == []
    assert (lists.words, lists.longest) == (3, 3)
    with pytest.raises(KeyError):
        lists.word2index("unknown")
    path.write_bytes(b"no archive")
    with pytest.raises(BadInput, match=r"counterfitted_neighbors\.json\.xz: must be a JSON object"):
        NeighbourLists(path)


def test_textfoolers_stop_words_are_the_librarys() -> None:
    from asa_bench.attacks.builders import _textfooler_stop_words

    module = textattack.attack_recipes.textfooler_jin_2019
    before = module.StopwordModification
    words = _textfooler_stop_words()
    assert module.StopwordModification is before
    assert {"a", "about", "yourselves", "mustn't"} <= words
    assert len(words) == 266 and "film" not in words


def test_the_checksum_of_a_model_of_the_hub_is_that_of_what_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    attack = Attack(name="a", title="A", recipe="none", paper="none", needs=("hub:bert-base-uncased",))
    with pytest.raises(
        Unavailable, match=r"hub:bert-base-uncased: not in the hub cache .*; `asa-bench fetch`"
    ):
        library.identify(attack)
    folder = tmp_path / "models--bert-base-uncased" / "snapshots" / "1"
    folder.mkdir(parents=True)
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs" / "main").write_text("1")
    seen = []
    for name in ("config.json", "model.safetensors", "vocab.txt", "README.md", "pytorch_model.bin"):
        (folder / name).write_text(name)
        library.resources._sha256.cache_clear()
        if name != "config.json":
            seen.append(library.identify(attack)["hub:bert-base-uncased"])
    assert seen[0] != seen[1] == seen[2] == seen[3]


def test_what_nltk_refuses_is_copied(tmp_path: Path) -> None:
    import nltk

    folder = tmp_path / "nltk_data" / "corpora" / "stopwords"
    folder.mkdir(parents=True)
    (folder / "english").write_text("the\nfilm\n")
    folder.parent.chmod(0o770)
    with pytest.raises((LookupError, OSError)):
        nltk.data.find("corpora/stopwords/english", [str(tmp_path / "nltk_data")])
    path = list(nltk.data.path)
    with library.offline_nltk(False, tmp_path, ["nltk:corpora/stopwords"]):
        assert Path(str(nltk.data.find("corpora/stopwords/english"))).read_text() == "the\nfilm\n"
    assert nltk.data.path == path
