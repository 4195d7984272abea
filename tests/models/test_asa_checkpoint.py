"""What ASA leaves on disk: a plain checkpoint from a loop of one's own, and adversaries beside it on request."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from asa_bench.errors import BadInput, StoreError
from asa_bench.models import asa as asa_module
from asa_bench.models.adversaries import load_adversaries
from asa_bench.models.asa import attach

TINY = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
    "pad_token_id": 1,
    "num_labels": 3,
    "initializer_range": 0.3,
}


def tiny(model_type: str = "bert", **changes: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(model_type, **{**TINY, **changes})
    ).train()


def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real = torch.arange(7)[None] < torch.tensor([[7], [4]])
    ids = torch.randint(5, 40, (2, 7), generator=generator).masked_fill(~real, 1)
    return {"input_ids": ids, "attention_mask": real.long(), "labels": torch.tensor([2, 0])}


def moved(model: Any) -> Any:
    """Adversaries that mask some units, and not what a seed gives."""
    asa = attach(model, tau=0.3, seed=1)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(4)
        for parameter in asa.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return asa


WITHOUT_US = """
import sys
sys.modules["asa_bench"] = None  # from here on, importing it is an error
try:
    import asa_bench
except ImportError:
    pass
else:
    raise SystemExit("asa_bench can still be imported")
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification
model, info = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], output_loading_info=True)
assert not any(info.values()), info
with torch.no_grad():
    save_file({"logits": model(**load_file(sys.argv[2])).logits}, sys.argv[3])
"""


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names after the ten lines of the docstring, run as they stand, as a reader would paste them."""
    found = re.search(r"ten lines::\n\n((?: {4}.*\n)+)", asa_module.__doc__ or "")
    assert found
    text = textwrap.dedent(found[1])
    assert len(text.splitlines()) == 10
    names: dict[str, Any] = {"attach": attach, "model": tiny(), "torch": torch, "batches": [batch()] * 3}
    exec(text, names)
    return names


def test_the_ten_lines_of_the_docstring_train_model_and_adversaries(example: dict[str, Any]) -> None:
    before = tiny().state_dict()
    after = example["model"].state_dict()
    assert list(after) == list(before)
    assert not torch.equal(after["classifier.weight"], before["classifier.weight"])
    start = attach(tiny(), tau=0.5, seed=1).adversaries.state_dict()
    trained = example["asa"].adversaries.state_dict()
    assert not any(torch.equal(trained[name], start[name]) for name in start)
    with pytest.raises(BadInput, match="detached"):
        example["asa"].loss(**batch())


@pytest.mark.slow  # another process imports torch and transformers anew
def test_the_trained_model_loads_where_we_are_not_installed(example: dict[str, Any], tmp_path: Path) -> None:
    example["model"].save_pretrained(tmp_path / "checkpoint")
    example["asa"].save(tmp_path / "checkpoint")
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    save_file(inputs, tmp_path / "inputs")
    arguments = [str(tmp_path / name) for name in ("checkpoint", "inputs", "logits")]
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_US, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = example["model"].eval()(**inputs).logits
    assert torch.equal(load_file(tmp_path / "logits")["logits"], expected)


@pytest.mark.parametrize("model_type", ["bert", "albert", "modernbert"])
def test_adversaries_come_back_as_they_were_saved(model_type: str, tmp_path: Path) -> None:
    model = tiny(model_type)
    asa = moved(model)
    inputs = batch()
    expected = asa.masks(**inputs)
    total = (
        asa.loss(**inputs).total.item() if model_type == "modernbert" else None
    )  # the only one without dropout
    model.save_pretrained(tmp_path)
    asa.detach()
    path = asa.save(tmp_path)
    assert path == tmp_path / "adversaries.safetensors"
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {
            "format": "pt",
            "tau": "0.3",
            "variant": "padding_invariant",
            "model_type": model_type,
            "layers": "2",
            "hidden_size": "16",
        }
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert {name: value.tolist() for name, value in plain.state_dict().items()} == {
        name: value.tolist() for name, value in model.state_dict().items()
    }
    assert isinstance(AutoModel.from_pretrained(tmp_path), type(plain.base_model))
    again = load_adversaries(plain, tmp_path)
    assert (again.tau, again.variant) == (0.3, "padding_invariant")
    assert all(torch.equal(one, two) for one, two in zip(again.masks(**inputs), expected, strict=True))
    if total is not None:
        plain.train()
        assert again.loss(**inputs).total.item() == total


def test_masks_are_those_of_evaluation_mode_and_leave_the_modes_alone() -> None:
    model = tiny()
    model.bert.encoder.layer[0].eval()
    modes = [module.training for module in model.modules()]
    asa = moved(model)
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    first, second = asa.masks(**inputs), asa.masks(**inputs)
    assert [module.training for module in model.modules()] == modes
    assert [mask.shape for mask in first] == [(2, 7, 7)] * 2
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))  # no dropout
    assert 0.1 < torch.cat(first).mean() < 0.9
    assert not any(mask[1, :, 4:].any() for mask in first)  # padding
    model.eval()
    expected = asa.loss(**batch()).masks
    assert all(torch.equal(one, two) for one, two in zip(first, expected, strict=True))


def test_what_does_not_fit_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"adversaries.safetensors: no such file"):
        load_adversaries(tiny(), tmp_path)
    path = moved(tiny()).save(tmp_path)
    for model, message in (
        (tiny("roberta"), "model_type bert, this one has roberta"),
        (tiny(num_hidden_layers=3), "layers 2, this one has 3"),
        (tiny(hidden_size=32), "hidden_size 16, this one has 32"),
    ):
        with pytest.raises(BadInput, match=message):
            load_adversaries(model, tmp_path)
    weights = load_file(path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    save_file({**weights, "0.query.bias": torch.zeros(3)}, path, header)
    with pytest.raises(BadInput, match="its tensors are not the 8 of adversaries for this model"):
        load_adversaries(tiny(), tmp_path)
    save_file(weights, path, {**header, "tau": "much"})
    with pytest.raises(BadInput, match="not a file of adversaries: could not convert"):
        load_adversaries(tiny(), tmp_path)
    save_file(weights, path)
    with pytest.raises(BadInput, match="not a file of adversaries"):
        load_adversaries(tiny(), tmp_path)
    path.write_bytes(b"torn")
    with pytest.raises(BadInput, match="not a file of adversaries"):
        load_adversaries(tiny(), tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be saved"):
        moved(tiny()).save(tmp_path / "file")
