"""Checkpoints: identity, safety, labels by name, and the probe of inference models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models_for_tests import tiny_bert

from asa_bench import checkpoints
from asa_bench.errors import BadInput, Unavailable
from asa_bench.tasks import TASKS


def test_identity_is_of_the_bytes_not_the_place(tmp_path: Path) -> None:
    first = checkpoints.identify(str(tiny_bert(tmp_path / "one" / "model", ["a", "b"])), "--model")
    second = checkpoints.identify(str(tiny_bert(tmp_path / "two" / "model", ["a", "b"])), "--model")
    other = checkpoints.identify(str(tiny_bert(tmp_path / "three" / "model", ["a", "b"], seed=1)), "--model")
    assert first.reads == second.reads
    assert first.reads != other.reads
    assert first.title == "model"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(first.reads["files"])


def test_what_cannot_be_a_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04")
    for name, expected in (
        ("file", "is a file"),
        ("empty", "no config.json"),
        ("pickled", "pytorch_model.bin is a pickle, which can execute code"),
        ("bare", "no model.safetensors"),
        ("absent/deeper/still", "there is no such folder"),
    ):
        with pytest.raises(BadInput, match=expected) as caught:
            checkpoints.identify(str(tmp_path / name), "--model")
        assert "\n" not in str(caught.value)


def test_a_hub_id_without_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match="not in the hub cache"):
        checkpoints.identify("nobody/has-this-model", "--model")


@pytest.mark.parametrize(
    ("text", "name", "task", "seed", "where"),
    [
        ("mine=out/model", "mine", None, None, "out/model"),
        ("mine@sst2=x", "mine", "sst2", None, "x"),
        ("mine@advglue/sst2#3=/a/b=c", "mine", "advglue/sst2", 3, "/a/b=c"),
        ("mine#0=owner/name", "mine", None, 0, "owner/name"),
    ],
)
def test_load_option(text: str, name: str, task: str | None, seed: int | None, where: str) -> None:
    assert checkpoints.parse_load(text) == checkpoints.LoadRequest(name, task, seed, where)


@pytest.mark.parametrize("text", ["", "mine", "=x", "mine=", "mine@=x", "mine#=x", "mine#a=x"])
def test_a_wrong_load_option_is_told(text: str) -> None:
    with pytest.raises(BadInput, match="--load"):
        checkpoints.parse_load(text)


def test_label_map_option() -> None:
    assert checkpoints.parse_label_maps(["m=a, b", "n@t=c,d"]) == {"m": ("a", "b"), "n@t": ("c", "d")}
    for text in ("m", "m=", "m=a", "=a,b", "m=a,,b"):
        with pytest.raises(BadInput, match="--label-map"):
            checkpoints.parse_label_maps([text])


def test_labels_are_matched_by_name_not_by_place() -> None:
    task = TASKS.get("mnli")
    found = checkpoints.match_labels(
        ["CONTRADICTION", "Neutral", "entailment"], task, "--load m", explicit=False
    )
    assert found == ("contradiction", "neutral", "entailment")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["LABEL_0", "LABEL_1", "LABEL_2"], "say what they mean with --label-map NAME="),
        (["entailment", "neutral"], "has 2 labels, task 'mnli' has 3"),
        (["entailment", "neutral", "other"], "are not those of task 'mnli'"),
        (["entailment", "neutral", "Neutral"], "are not those of task 'mnli'"),
    ],
)
def test_labels_that_say_nothing_or_something_else_are_told(labels: list[str], expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        checkpoints.match_labels(labels, TASKS.get("mnli"), "--load m", explicit=False)
    assert expected in str(caught.value)


def test_a_checkpoint_is_asked_in_its_own_label_order(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "m", ["positive", "negative"])
    identity = checkpoints.identify(str(folder), "--load m")
    labels = checkpoints.match_labels(
        checkpoints.model_labels(identity), TASKS.get("sst2"), "--load m", explicit=False
    )
    victim = checkpoints.load_victim(
        identity.where, None, labels, max_length=32, device="cpu", said="--load m"
    )
    logits = victim.logits([("the film is good",), ("a bad movie",)])
    assert victim.predict([("the film is good",)]) == [("positive", "negative")[int(logits[0].argmax())]]


def test_logits_do_not_depend_on_company(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "m", ["a", "b"])
    victim = checkpoints.load_victim(str(folder), None, ("a", "b"), max_length=32, device="cpu", said="m")
    texts = [("film",), ("the doctor who helped a senator near the park was fine",), ("",), ("good " * 100,)]
    together = victim.logits(texts)
    alone = np.concatenate([victim.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.shape == (4, 2)
    assert victim.logits([]).shape == (0, 2)


def test_a_damaged_or_wrong_checkpoint_is_one_line(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "m", ["a", "b"])
    with pytest.raises(BadInput, match="has 2 outputs, 3 labels"):
        checkpoints.load_victim(
            str(folder), None, ("a", "b", "c"), max_length=32, device="cpu", said="--load m"
        )
    (folder / "model.safetensors").write_bytes(b"not a tensor file")
    with pytest.raises(BadInput, match="cannot be loaded") as caught:
        checkpoints.load_victim(str(folder), None, ("a", "b"), max_length=32, device="cpu", said="--load m")
    assert "\n" not in str(caught.value)


class _Says:
    """A victim that gives one answer to everything."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.labels = ("entailment", "neutral", "contradiction")

    def predict(self, texts: list[tuple[str, str]]) -> list[str]:
        assert all(premise == hypothesis for premise, hypothesis in texts)
        return [self.label] * len(texts)


def test_the_probe_of_inference_models() -> None:
    checkpoints.probe_inference(_Says("entailment"), ["a", "b"], "--load m")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="says 'contradiction' of 2 of 2 premises as their own hypotheses"):
        checkpoints.probe_inference(_Says("contradiction"), ["a", "b"], "--load m")  # type: ignore[arg-type]
