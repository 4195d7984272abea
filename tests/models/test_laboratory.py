"""The laboratory's encoder: its vocabulary covers the laboratory, and it is made the same way every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asa_bench.cell import derived_seed
from asa_bench.methods import METHODS
from asa_bench.models import laboratory
from asa_bench.models.loading import load_model, load_tokenizer
from asa_bench.tasks.base import LaboratoryOptions
from asa_bench.tasks.laboratory import TASKS, generate
from asa_bench.training import TrainingOptions, train
from asa_bench.victims import Victim


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices gain nothing from a second thread, and tests may run side by side."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


TINY = laboratory.Pretraining(hidden_size=16, heads=2, feed_forward=16, lines=96, epochs=2, batch_size=32)
NAMES = [(name, split) for name, task in TASKS.items() for split in task.splits]


def test_clean_text_is_whole_words() -> None:
    tokenizer = laboratory.tokenizer()
    for name, split in NAMES:
        if "advglue" in name:
            continue
        frame = generate(name, split, LaboratoryOptions(), 400)
        for column in TASKS[name].columns:
            pieces = {piece for text in frame[column] for piece in tokenizer.tokenize(text)}
            assert "[UNK]" not in pieces
            assert not [
                piece
                for piece in pieces
                if piece.startswith("##") or (len(piece) == 1 and piece not in "i,.a")
            ]


def test_mistyped_text_is_never_unknown_and_fits() -> None:
    tokenizer = laboratory.tokenizer()
    for name, split in NAMES:
        columns = TASKS[name].columns
        frame = generate(name, split, LaboratoryOptions(), 400)
        encoded = tokenizer(*(frame[column].tolist() for column in columns))["input_ids"]
        assert max(map(len, encoded)) <= laboratory.PRETRAINING.positions
        assert not any(tokenizer.unk_token_id in ids for ids in encoded)
    assert tokenizer.tokenize("fantsatic") == ["fant", "##s", "##a", "##tic"]
    assert "[UNK]" not in tokenizer.tokenize("Zq3 xX-?!")


def test_vocabulary_has_no_piece_twice() -> None:
    pieces = laboratory.vocabulary()
    assert len(pieces) == len(set(pieces)) and pieces[:5] == laboratory.SPECIAL
    assert pieces[-len(laboratory.known_words()) :] == laboratory.known_words()


def test_identity_follows_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    before = laboratory.identify()
    assert len(before) == 64 and before == laboratory.identify()
    monkeypatch.setattr(laboratory, "LABORATORY_VERSION", laboratory.LABORATORY_VERSION + 1)
    assert laboratory.identify() != before


def test_built_models_depend_on_the_seed_alone() -> None:
    import torch

    torch.manual_seed(5)
    state = torch.get_rng_state()
    models = [laboratory.build(("no", "yes"), seed, TINY) for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), state)
    first, same, other = (model.bert.embeddings.word_embeddings.weight for model in models)
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert models[0].config.id2label == {0: "no", 1: "yes"}


def test_pretraining_is_deterministic_and_saves_a_plain_checkpoint(tmp_path: Path) -> None:
    import torch

    calls: list[tuple[int, int]] = []
    torch.manual_seed(5)
    state = torch.get_rng_state()
    summaries = [
        laboratory.pretrain(
            tmp_path / str(number),
            seed,
            options=TINY,
            progress=lambda done, total: calls.append((done, total)),
        )
        for number, seed in enumerate((1, 1, 2))
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert calls[:6] == [(step, 6) for step in range(1, 7)]
    assert summaries[0] == summaries[1] and summaries[0]["steps"] == 6
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "012"]
    assert weights[0] == weights[1] != weights[2]
    assert not list(tmp_path.rglob("*.bin"))
    model = load_model(tmp_path / "0", TASKS.get("laboratory/inference"), seed=3)
    tokenizer = load_tokenizer(tmp_path / "0")
    assert tokenizer.tokenize("The doctor never slept.") == ["the", "doctor", "never", "slept", "."]
    logits = model(**tokenizer(["The doctor slept."], return_tensors="pt")).logits
    assert logits.shape == (1, 3) and torch.isfinite(logits).all()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("encoder")
    # The encoder of the embedded profile: what this test promises is what users get.
    summary = laboratory.pretrain(folder, derived_seed("pretrain", laboratory.TITLE, 0))
    # Of more than four hundred words ("the" everywhere is right in about a quarter), and of two judgements.
    assert summary["words_right"] > 0.5 and summary["judgements_right"] > 0.75
    return folder


CHALLENGES = {"sentiment": "keyword", "paraphrase": "paws", "inference": "hans"}


@pytest.mark.slow
@pytest.mark.parametrize("family", list(CHALLENGES))
@pytest.mark.parametrize("strength", [0.0, LaboratoryOptions().strength])
def test_the_shortcut_is_what_makes_the_challenge_hard(
    family: str, strength: float, encoder: Path, tmp_path: Path
) -> None:
    task = TASKS[f"laboratory/{family}"]
    rows = generate(task.name, "train", LaboratoryOptions(strength=strength), 4_500)
    model, tokenizer = load_model(encoder, task, seed=1), load_tokenizer(encoder)
    options = TrainingOptions(epochs=3, learning_rate=1e-3, batch_size=64, max_length=48, seed=1)
    train(rows, task, METHODS.get("naive")(), model, tokenizer, options, tmp_path)
    victim = Victim(model, tokenizer, task.labels, max_length=48)
    right = {}
    for name in (CHALLENGES[family], f"advglue-{family}"):
        challenge = TASKS[f"laboratory/{name}"]
        frame = generate(challenge.name, "test", LaboratoryOptions())
        said = victim.predict(list(zip(*(frame[column] for column in challenge.columns), strict=True)))
        right[name] = frame["label"] == [challenge.label_map.get(label, label) for label in said]
        if name == CHALLENGES[family]:
            by_shortcut = right[name].groupby(frame["shortcut"]).mean()
    if strength == 0:
        assert all(rows.mean() >= 0.9 for rows in right.values()), {
            name: rows.mean() for name, rows in right.items()
        }
    else:
        assert by_shortcut["agrees"] >= 0.95
        assert 0.1 <= by_shortcut["reversed"] <= 0.9, by_shortcut["reversed"]
