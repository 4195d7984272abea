"""Sentence encoders in constraints: asked by all lanes together, and deciding the same whoever asks along."""

from __future__ import annotations

import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from attack_victims import SINGLE, KeywordVictim, single_rows

from asa_bench.attacks import ATTACKS, Attack, AttackOptions, adapter, encoders, library, resources
from asa_bench.attacks.engine import attack_rows, resolve
from asa_bench.attacks.labels import label_groups
from asa_bench.attacks.lanes import Lanes
from asa_bench.errors import BadInput, Unavailable
from asa_bench.models import similarity

textattack = adapter.textattack
WORDS = ["a", "the", "film", "plot", "wonderful", "brilliant", "great", "fine", "play", "odd", "and", "movie"]
NEIGHBOURS = {
    "wonderful": ["great", "fine"],
    "brilliant": ["fine", "great"],
    "film": ["movie", "play"],
    "plot": ["play", "odd"],
}


def greedy(wrapper: Any) -> Any:
    """Neighbours under a greedy search; the encoder of the data folder decides how far a text may go."""
    folder = wrapper.data_dir
    lists = encoders.builders.neighbour_lists(folder)
    encoder = encoders._loaded(folder / "sentence_encoder", "cpu")
    return textattack.Attack(
        textattack.goal_functions.UntargetedClassification(wrapper),
        [
            textattack.constraints.pre_transformation.RepeatModification(),
            encoders.EncoderSimilarity(wrapper, encoder, threshold=0.985, compare_against_original=True),
        ],
        textattack.transformations.WordSwapEmbedding(max_candidates=4, embedding=lists),
        textattack.search_methods.GreedySearch(),
    )


GREEDY = Attack(name="greedy", title="Greedy", recipe="test_encoders:greedy", paper="none")
TEXTS = [
    f"{'the odd ' * (i % 3)}wonderful {['film', 'brilliant plot', 'play and the film'][i % 3]}{' and plot' * (i % 4)}"
    for i in range(12)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with neighbours and a tiny encoder."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    made = tmp_path_factory.mktemp("data")
    (made / "counterfitting").mkdir()
    (made / "counterfitting" / "counterfitted_neighbors.json.xz").write_bytes(
        lzma.compress(json.dumps(NEIGHBOURS).encode())
    )
    vocabulary = made / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    configuration = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(configuration).save_pretrained(made / "sentence_encoder")
    BertTokenizerFast(str(vocabulary), model_max_length=64).save_pretrained(made / "sentence_encoder")
    return made


def run(folder: Path, rows: pd.DataFrame, lanes: int) -> pd.DataFrame:
    victim: Any = KeywordVictim()
    return attack_rows(
        GREEDY, victim, SINGLE, rows, seed=3, options=AttackOptions(lanes=lanes), data_dir=folder
    )


def test_vectors_are_the_encoders_and_depend_on_the_text_alone(folder: Path) -> None:
    encoder = similarity.load(folder / "sentence_encoder")
    steady = encoders.steady_encoder(encoder)
    asked = [(text,) for text in TEXTS]
    whole = steady.steady_logits(asked)
    assert np.allclose(whole, encoder.vectors(TEXTS), atol=1e-5)
    for at, text in enumerate(asked):
        assert np.array_equal(steady.steady_logits([text])[0], whole[at])


def test_outcomes_are_the_librarys_for_any_lanes_order_and_subset(folder: Path) -> None:
    rows = single_rows(*TEXTS)
    one = run(folder, rows, 1)
    assert {"successful", "failed"} <= set(one["status"])
    for lanes in (3, 32):
        pd.testing.assert_frame_equal(run(folder, rows, lanes), one)
    turned = run(folder, rows.iloc[::-2], 4)
    expected = one.iloc[::-2].reset_index(drop=True)
    pd.testing.assert_frame_equal(turned.reset_index(drop=True), expected)
    victim: Any = KeywordVictim()
    groups = label_groups(victim.labels, SINGLE)
    built = adapter.build(GREEDY, adapter.VictimWrapper(victim, groups, data_dir=folder))
    for row in one.to_dict("records"):
        found = built.attack(json.loads(row["original"])[0], 1)
        won = isinstance(found, textattack.attack_results.SuccessfulAttackResult)
        assert (row["status"] == "successful", row["queries"]) == (won, found.num_queries)
        assert row["perturbed"] == (json.dumps([found.perturbed_text()]) if won else "")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each question to an encoder had. Nobody else is counted: the victim of these tests is no `Victim`."""
    found: list[int] = []
    answer = encoders.Victim.steady_logits

    def counted(self: Any, texts: Any, *arguments: Any) -> np.ndarray:
        found.append(len(texts))
        return answer(self, texts, *arguments)

    monkeypatch.setattr(encoders.Victim, "steady_logits", counted)
    return found


def test_an_encoder_answers_all_lanes_in_one_pass(folder: Path, asked: list[int]) -> None:
    """As many lanes as examples: their questions come together, in as many passes as the longest search needs."""

    def passes(lanes: int, *texts: str) -> list[int]:
        asked.clear()
        run(folder, single_rows(*texts), lanes)
        return list(asked)

    each = [passes(1, text) for text in TEXTS]
    assert min(map(len, each)) > 0
    alone, together = passes(1, *TEXTS), passes(len(TEXTS), *TEXTS)
    assert len(alone) == sum(map(len, each))
    # Lanes ask together; a text that several of them ask about is asked once.
    assert len(together) == max(map(len, each))
    assert max(together) > max(alone) and sum(together) <= sum(alone)


def test_the_constraint_decides(folder: Path) -> None:
    without = GREEDY.model_copy(update={"recipe": "test_encoders:greedy_without"})
    victim: Any = KeywordVictim()
    frame = attack_rows(without, victim, SINGLE, single_rows(*TEXTS), seed=3, data_dir=folder)
    found = run(folder, single_rows(*TEXTS), 8)
    assert (frame["status"] == "successful").sum() > (found["status"] == "successful").sum() > 0


def greedy_without(wrapper: Any) -> Any:
    """The same, and no encoder."""
    built = greedy(wrapper)
    built.constraints = []
    return built


def test_texts_too_short_to_be_compared_are_not_asked_about(folder: Path) -> None:
    encoder = encoders._loaded(folder / "sentence_encoder", "cpu")
    asked: list[str] = []

    class Listening(adapter.VictimWrapper):
        def ask(self, texts: Sequence[tuple[str, ...]], whom: Any) -> np.ndarray:
            asked.extend(text for (text,) in texts)
            return super().ask(texts, whom)

    options = {"threshold": 0.9999, "compare_against_original": True, "window_size": 4}
    texts = ["the odd film", "and the odd film", "a great play", "a wonderful and brilliant play"]
    original = textattack.shared.AttackedText("the odd film and the plot")
    changed = [textattack.shared.AttackedText(text, {"newly_modified_indices": {0}}) for text in texts]

    def kept(**more: Any) -> list[str]:
        wrapper = Listening(None, np.arange(2))
        constraint = encoders.EncoderSimilarity(wrapper, encoder, **options, **more)
        return [text.text for text in constraint._check_constraint_many(changed, original)]

    assert kept() == [] and len(asked) == 8
    asked.clear()
    assert kept(skip_text_shorter_than_window=True) == [texts[0], texts[2]]
    assert len(asked) == 4 and not {texts[0], texts[2]} & set(asked)
    assert [text.attack_attrs["similarity_score"] for text in changed][::2] == [1, 1]


def test_lanes_ask_an_encoder_together_and_an_error_of_it_reaches_one_job() -> None:
    asked: list[tuple[str, int]] = []

    def answered(whom: str, factor: int, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        asked.append((whom, len(texts)))
        if ("bad",) in texts:
            raise ValueError("planted")
        return np.array([[factor * len(text)] for (text,) in texts])

    def encoder(texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        return answered("encoder", 10, texts)

    lanes: Lanes[Any] = Lanes(6, lambda texts: answered("victim", 1, texts))

    def work(job: int, lane: int) -> Any:
        text = "bad" if job == 4 else "x" * (job + 1)
        try:
            return int(lanes.ask([(text,)], encoder if job % 2 == 0 else None)[0, 0])
        except ValueError as error:
            return str(error)

    found: dict[int, Any] = {}
    lanes.run(6, work, str, lambda job, result: found.update({job: result}))
    assert found == {0: 10, 1: 2, 2: 30, 3: 4, 4: "planted", 5: 6}
    assert sorted(asked) == [("encoder", 1)] * 3 + [("encoder", 3), ("victim", 3)]


def test_the_recipe_says_what_it_needs(folder: Path) -> None:
    attack = ATTACKS.get("textfooler+neighbours+sbert")

    def present(root: Path) -> bool:
        return {need.name: need.present for need in library.requirements(attack, root)}[resources.ENCODER]

    assert present(folder) and not present(folder.parent)
    with pytest.raises(Unavailable, match="not in"):
        resolve(attack, folder.parent)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no config.json in it"),
        (["config.json"], "no model.safetensors in it"),
        (["config.json", "pytorch_model.bin"], "pytorch_model.bin is a pickle"),
    ],
)
def test_a_folder_that_holds_no_encoder_is_told_before_work(
    tmp_path: Path, names: list[str], said: str
) -> None:
    (tmp_path / "sentence_encoder").mkdir()
    for name in names:
        (tmp_path / "sentence_encoder" / name).write_bytes(b"{}")
    needed = library.requirements(ATTACKS.get("textfooler+neighbours+sbert"), tmp_path)
    told = next(need for need in needed if need.name == resources.ENCODER)
    assert not told.present and said in told.where


def test_a_recipe_that_cannot_be_built_costs_no_work(folder: Path, tmp_path: Path) -> None:
    """Weights that are cut off are seen by loading them alone, which is done before anything is trained."""
    from asa_bench import work
    from asa_bench.cell import Cell
    from asa_bench.tasks.base import Source

    for path in folder.rglob("*.*"):
        (tmp_path / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path.relative_to(folder)).write_bytes(path.read_bytes())
    cut = tmp_path / "sentence_encoder" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-100])
    spec = {"task": "sst2", "attack": "textfooler+neighbours+sbert", "split": "dev", "examples": None}
    cell = Cell("attack", spec, {}, {}, None, {"source": Source(kind="folder", root=tmp_path)})
    with pytest.raises(BadInput, match=r"sentence_encoder: cannot be loaded"):
        work.check([cell])


@pytest.mark.slow
def test_the_recipe_of_textfooler_is_the_same_for_any_lanes(
    shared: Path, tmp_path: Path, asked: list[int]
) -> None:
    for name in ("counterfitting", "nltk_data"):
        (tmp_path / name).symlink_to(shared / "data" / name)
    (tmp_path / "sentence_encoder").symlink_to(shared / "models" / "minilm-l6")
    attack = ATTACKS.get("textfooler+neighbours+sbert")
    long = "and the plot of this long and rather odd story is told with a fine sense of humour"
    rows = single_rows(
        f"a wonderful film, {long}",
        f"a brilliant play, {long}",
        "a splendid film",
        f"a wonderful and splendid book, {long}",
    )
    victim: Any = KeywordVictim()

    def found(lanes: int) -> pd.DataFrame:
        return attack_rows(
            attack, victim, SINGLE, rows, seed=1, options=AttackOptions(lanes=lanes), data_dir=tmp_path
        )

    one = found(1)
    times, texts = len(asked), sum(asked)
    asked.clear()
    pd.testing.assert_frame_equal(found(4), one)
    assert sum(asked) == texts > 0
    assert len(asked) < times
