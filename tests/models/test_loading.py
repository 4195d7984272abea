"""Loading models: new heads, precision, and what is told of a folder that is no model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_training import TASK, run, saved_encoder
from transformers import BertModel

from asa_bench.errors import BadInput, Unavailable
from asa_bench.models.loading import load_model, load_tokenizer

THREE = TASK.model_copy(update={"labels": ("a", "b", "c")})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_encoder(tmp_path_factory.mktemp("encoder"))


def test_a_head_comes_from_the_seed_alone(encoder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = load_model(encoder, TASK, 5)
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    two = load_model(str(encoder), TASK, 5)
    assert torch.equal(torch.rand(1), expected)
    three = load_model(encoder, TASK, 6)
    assert torch.equal(one.classifier.weight, two.classifier.weight)
    assert not torch.equal(one.classifier.weight, three.classifier.weight)
    run(encoder, tmp_path, "naive")  # a checkpoint with a trained head of two labels
    assert torch.equal(load_model(tmp_path, TASK, 5).classifier.weight, one.classifier.weight)
    assert load_model(tmp_path, THREE, 5).classifier.weight.shape == (3, 16)


def test_weights_stored_in_half_precision_are_loaded_as_float32(encoder: Path, tmp_path: Path) -> None:
    BertModel.from_pretrained(encoder).half().save_pretrained(tmp_path)
    model = load_model(tmp_path, TASK, 0)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_unusable_models_are_told_in_one_line(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def folder(name: str, *keep: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        for file in keep:
            (made / file).write_bytes((encoder / file).read_bytes())
        return made

    with pytest.raises(BadInput, match=r"no config.json in it"):
        load_model(folder("empty"), TASK, 0)
    pickled = folder("pickled", "config.json")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(BadInput, match=r"pytorch_model.bin is a pickle.*safe_serialization=True"):
        load_model(pickled, TASK, 0)
    with pytest.raises(BadInput, match=r"no model.safetensors in it"):
        load_model(folder("bare", "config.json"), TASK, 0)
    torn = folder("torn", "config.json", "model.safetensors")
    (torn / "model.safetensors").write_bytes((encoder / "model.safetensors").read_bytes()[:500])
    with pytest.raises(BadInput, match="torn: cannot be loaded") as caught:
        load_model(torn, TASK, 0)
    assert "\n" not in str(caught.value)
    partial = folder("partial", "config.json")
    weights = load_file(encoder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if ".layer.1." not in name}
    save_file(kept, partial / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"its weights lack 'bert.encoder.layer.1"):
        load_model(partial, TASK, 0)
    with pytest.raises(BadInput, match="there is no such folder"):
        load_model(tmp_path / "nowhere", TASK, 0)
    with pytest.raises(BadInput, match="is a file"):
        load_model(encoder / "config.json", TASK, 0)
    with pytest.raises(Unavailable, match="not a folder, and the hub does not provide it"):
        load_model("nobody/nothing-such", TASK, 0)
    with pytest.raises(Unavailable, match="not a folder, and the hub does not provide it"):
        load_tokenizer("nobody/nothing-such")
