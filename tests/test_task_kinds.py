"""Every kind of task is learned and asked: regression, multiple choice, token classification."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from models_for_tests import tiny_bert
from transformers import AutoModelForMultipleChoice, AutoModelForTokenClassification, AutoTokenizer

from asa_bench import checkpoints
from asa_bench.errors import BadInput
from asa_bench.measures import METRICS, Scored
from asa_bench.methods import METHODS
from asa_bench.tasks.base import Split, Task
from asa_bench.training import TrainingOptions, load_model, load_tokenizer, train

COMMON: dict[str, Any] = {
    "role": "train",
    "splits": {"train": Split(), "dev": Split()},
    "evaluation_split": "dev",
    "licence": "none",
    "citation": "none",
    "homepage": "none",
}
SIMILARITY = Task(
    name="toy/similarity", title="Toy", family="similarity", kind="regression", columns=("one", "two"), labels=(),
    label_range=(0, 5), metrics=("spearman", "pearson"), attack_column="two", **COMMON,
)  # fmt: skip
CHOICE = Task(
    name="toy/choice", title="Toy", family="reading", kind="multiple_choice", labels=("0", "1", "2"),
    columns=("context", "question", "choice_0", "choice_1", "choice_2"), attack_column="question", **COMMON,
)  # fmt: skip
ENTITIES = Task(
    name="toy/entities", title="Toy", family="entities", kind="token_classification", columns=("words",),
    labels=("O", "B-person", "I-person"), metrics=("entity_f1", "token_f1"), attack_column="words", **COMMON,
)  # fmt: skip
WORDS = ["the", "film", "was", "good", "bad", "near", "that", "book", "music", "answer", "question"]
OPTIONS = TrainingOptions(epochs=12, learning_rate=5e-3, batch_size=16, max_length=24, seed=3)


def rows(task: Task, count: int) -> pd.DataFrame:
    """Rows that a tiny model can learn: how many words are 'good'; which choice is 'good'; who is a person."""
    draw = random.Random(task.name)
    made: list[tuple[str, ...]] = []
    for _ in range(count):
        if task is SIMILARITY:
            good = draw.randint(0, 4)
            text = draw.sample(["good"] * good + ["bad"] * (4 - good), 4)
            made.append((" ".join(text), "the film", str(float(good))))
        elif task is CHOICE:
            right = draw.randrange(3)
            choices = ["good" if number == right else "bad" for number in range(3)]
            made.append((draw.choice(WORDS), "the film was", *choices, str(right)))
        else:
            words, tags = [], []
            for _ in range(draw.randint(1, 4)):
                words += [draw.choice(WORDS)]
                tags += ["O"]
                if draw.random() < 0.6:
                    words += ["actor", "zyx"][: draw.randint(1, 2)]
                    tags += ["B-person", "I-person"][: len(words) - len(tags)]
            made.append((" ".join(words), " ".join(tags)))
    frame = pd.DataFrame(made, columns=[*task.columns, "label"])
    frame["id"] = [str(number) for number in range(count)]
    return frame


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("tiny"), ("a", "b"))


def trained(task: Task, method: str, encoder: Path, output: Path, **changes: Any) -> Any:
    options = OPTIONS.model_copy(update=changes)
    model = load_model(encoder, task, 3)
    summary = train(
        rows(task, 160), task, METHODS.get(method)(), model, load_tokenizer(encoder), options, output
    )
    assert summary.losses["total"] > 0
    return checkpoints.load_victim(
        str(output), None, task.labels, kind=task.kind, max_length=24, device="cpu", said="m"
    )


def score(task: Task, victim: Any, metric: str) -> float:
    test = rows(task, 200).iloc[160:]
    texts = list(zip(*(test[column] for column in task.columns), strict=True))
    if task.kind == "token_classification":
        said = [" ".join(map(victim.said, logits)) for logits in victim.token_logits(texts)]
    else:
        said = victim.predict(texts)
    gold, none = test["label"].to_numpy(dtype=object), np.full(len(test), "", dtype=object)
    scored = Scored(gold, np.array(said, dtype=object), task.labels, none, {})
    found: Any = METRICS[metric].compute(scored)
    return float(getattr(found, "value", found))


@pytest.mark.parametrize("method", [pytest.param("naive", marks=pytest.mark.slow), "asa"])
@pytest.mark.parametrize("task", [SIMILARITY, CHOICE, ENTITIES], ids=lambda task: task.kind)
def test_a_tiny_model_learns_each_kind(task: Task, method: str, encoder: Path, tmp_path: Path) -> None:
    victim = trained(task, method, encoder, tmp_path)
    assert score(task, victim, task.metrics[0]) > 0.9


@pytest.mark.parametrize("task", [SIMILARITY, CHOICE, ENTITIES], ids=lambda task: task.kind)
def test_answers_do_not_depend_on_batch_size_or_order(task: Task, encoder: Path, tmp_path: Path) -> None:
    victim = trained(task, "naive", encoder, tmp_path, epochs=1)
    test = rows(task, 30)
    texts = list(zip(*(test[column] for column in task.columns), strict=True))
    ask = victim.token_logits if task.kind == "token_classification" else victim.logits
    together, alone = ask(texts), ask(texts[::-1], batch_size=1)[::-1]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    expected = {"regression": (1,), "multiple_choice": (3,)}.get(task.kind)
    for one, (*_, text) in zip(together, texts, strict=True):
        assert one.shape == (expected or (len(text.split(" ")), 3))


def test_checkpoints_load_as_plain_models(encoder: Path, tmp_path: Path) -> None:
    """What a researcher does with the checkpoint, without asa-bench."""
    trained(CHOICE, "asa", encoder, tmp_path / "choice", epochs=0.2)
    trained(ENTITIES, "asa", encoder, tmp_path / "entities", epochs=0.2)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "choice")
    model = AutoModelForMultipleChoice.from_pretrained(tmp_path / "choice").eval()
    inputs = tokenizer(["the film"] * 3, ["was good", "was bad", "near"], padding=True, return_tensors="pt")
    logits = model(**{name: value[None] for name, value in inputs.items()}).logits[0].detach().numpy()
    victim = checkpoints.load_victim(
        str(tmp_path / "choice"),
        None,
        CHOICE.labels,
        kind="multiple_choice",
        max_length=24,
        device="cpu",
        said="m",
    )
    np.testing.assert_allclose(
        victim.logits([("the film", "was", "good", "bad", "")])[0][:2], logits[:2], atol=1e-5
    )
    tagger = AutoModelForTokenClassification.from_pretrained(tmp_path / "entities")
    assert tagger.config.id2label == {0: "O", 1: "B-person", 2: "I-person"}


def test_regression_trains_on_numbers(encoder: Path, tmp_path: Path) -> None:
    """The head has one output and the loss is the squared error, so constant labels are learned as a constant."""
    model = load_model(encoder, SIMILARITY, 3)
    assert model.config.num_labels == 1 and model.config.problem_type == "regression"
    frame = rows(SIMILARITY, 64).assign(label="3.5")
    options = OPTIONS.model_copy(update={"epochs": 30, "learning_rate": 1e-2})
    train(frame, SIMILARITY, METHODS.get("naive")(), model, load_tokenizer(encoder), options, tmp_path)
    model.eval()
    tokens = load_tokenizer(encoder)("good bad", "the film", return_tensors="pt")
    assert torch.allclose(model(**tokens).logits, torch.tensor([[3.5]]), atol=0.2)


@pytest.mark.parametrize(
    ("task", "label", "message"),
    [
        (SIMILARITY, "good", "label 'good' in the training rows is no number from 0 to 5"),
        (SIMILARITY, "nan", "label 'nan' in the training rows is no number"),
        (SIMILARITY, "7", "label '7' in the training rows is no number"),
        (CHOICE, "3", "label '3' in the training rows; known: 0, 1, 2"),
        (ENTITIES, "O B-place", "label 'B-place' in the training rows; known: O, B-person, I-person"),
        (ENTITIES, "O O O O O O O O O O O O", r"training rows: example 0 has \d+ words, but 12 labels"),
    ],
)
def test_labels_that_do_not_fit_are_told(
    task: Task, label: str, message: str, encoder: Path, tmp_path: Path
) -> None:
    frame = rows(task, 4).assign(label=label)
    with pytest.raises(BadInput, match=message):
        train(
            frame,
            task,
            METHODS.get("naive")(),
            load_model(encoder, task, 0),
            load_tokenizer(encoder),
            OPTIONS,
            tmp_path,
        )


def test_a_checkpoint_of_another_kind_is_refused(encoder: Path) -> None:
    with pytest.raises(BadInput, match="it is not a fine-tuned token-classification model"):
        checkpoints.load_victim(
            str(_without_head(encoder)),
            None,
            ("O", "B-x"),
            kind="token_classification",
            max_length=8,
            device="cpu",
            said="m",
        )


def _without_head(encoder: Path) -> Path:
    from transformers import AutoModel

    folder = encoder.parent / "headless"
    AutoModel.from_pretrained(encoder).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder
