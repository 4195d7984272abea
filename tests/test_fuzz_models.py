"""Hostile checkpoints: damaged or malicious configs, weights and tokenizers are told in one line; nothing in them is executed."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Draw, clear, each, enough
from models_for_tests import tiny_bert

from asa_bench import checkpoints
from asa_bench.errors import AsaBenchError, BadInput
from asa_bench.tasks import TASKS

pytestmark = pytest.mark.slow


class _Malicious:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


class _Folder:
    """A checkpoint to damage, and how often it could be used.

    Attributes:
        canary: what exists once something in a checkpoint was executed.
    """

    def __init__(self, root: Path) -> None:
        self.good = tiny_bert(root / "good", ["negative", "positive"])
        self.canary = root / "executed"
        self.where = root / "model"
        self.told = self.used = 0

    def fresh(self) -> Path:
        shutil.rmtree(self.where, ignore_errors=True)
        shutil.copytree(self.good, self.where)
        return self.where

    def load(self) -> None:
        try:
            identity = checkpoints.identify(str(self.where), "--load x")
            labels = checkpoints.match_labels(
                checkpoints.model_labels(identity), TASKS.get("sst2"), "--load x", False
            )
            victim = checkpoints.load_victim(
                str(self.where), None, labels, max_length=32, device="cpu", said="--load x"
            )
            victim.predict([("a good film",)])
            self.used += 1
        except AsaBenchError as error:
            clear(error)
            self.told += 1


@pytest.fixture
def folder(tmp_path: Path) -> _Folder:
    return _Folder(tmp_path)


def test_configs(folder: _Folder) -> None:
    config = json.loads((folder.good / "config.json").read_text())

    def check(draw: Draw) -> None:
        content = draw.altered(config)
        # No model of another size: that is to be refused, and not to fill this machine.
        if max((abs(number) for number in _numbers(content)), default=0) > 1_000_000:
            return
        (folder.fresh() / "config.json").write_text(json.dumps(content))
        folder.load()

    each(250, check)
    assert enough(folder.told, 50) and enough(folder.used, 5)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [number for each in inner for number in _numbers(each)]
    return [float(value)] if isinstance(value, int) and not isinstance(value, bool) else []


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_tokenizers(folder: _Folder, name: str) -> None:
    whole = (folder.good / name).read_text()
    content = json.loads(whole)

    def check(draw: Draw) -> None:
        damaged = draw.damaged(whole) if draw.random() < 0.3 else json.dumps(draw.altered(content)).encode()
        (folder.fresh() / name).write_bytes(damaged)
        folder.load()

    each(250, check)
    assert enough(folder.told, 20) and enough(folder.used, 5)


def test_weights(folder: _Folder) -> None:
    whole = (folder.good / "model.safetensors").read_bytes()

    def check(draw: Draw) -> None:
        content = bytearray(whole)
        for _ in range(draw.randint(1, 4)):  # the first bytes are the header, which can lie
            content[draw.randint(0, 400)] = draw.randrange(256)
        cut = draw.choice([len(content), draw.randint(0, len(content))])
        (folder.fresh() / "model.safetensors").write_bytes(bytes(content[:cut]))
        folder.load()

    each(150, check)
    assert enough(folder.told, 50)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "model.pt",
        "model.ckpt",
        "adapter_model.bin",
        "training_args.bin",
        "tokenizer.pkl",
    ],
)
def test_no_pickle_is_read(folder: _Folder, name: str) -> None:
    for beside in (False, True):
        (folder.fresh() / name).write_bytes(pickle.dumps(_Malicious(folder.canary)))
        if not beside:
            (folder.where / "model.safetensors").unlink()
        folder.load()
    assert folder.used == 1 and folder.told == 1
    assert not folder.canary.exists()


CODE = "import pathlib\npathlib.Path({path!r}).touch()\nclass Evil:\n    pass\n"


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("config.json", {"auto_map": {"AutoModelForSequenceClassification": "evil.Evil"}}, None),
        ("config.json", {"auto_map": {"AutoConfig": "evil.Evil"}, "model_type": "evil"}, "cannot be loaded"),
        ("config.json", {"_attn_implementation": "evil/kernel"}, "code on the hub"),
        ("config.json", {"_attn_implementation_internal": "evil/kernel@main:f"}, "code on the hub"),
        ("config.json", {"text_config": {"attn_implementation": "evil/kernel"}}, "code on the hub"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}, None),
        (
            "tokenizer_config.json",
            {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"},
            "cannot be loaded",
        ),
        ("adapter_config.json", {"base_model_name_or_path": "evil/base"}, "merge both"),
    ],
)
def test_no_code_is_run(
    folder: _Folder, name: str, changes: dict[str, Any], said: str | None, tmp_path: Path
) -> None:
    path = folder.fresh() / name
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | changes))
    (folder.where / "evil.py").write_text(CODE.format(path=str(folder.canary)))
    if said is None:
        folder.load()
    else:
        with pytest.raises(BadInput, match=said):
            checkpoints.identify(str(folder.where), "--load x")
            checkpoints.load_victim(
                str(folder.where),
                None,
                ("negative", "positive"),
                max_length=32,
                device="cpu",
                said="--load x",
            )
    assert not folder.canary.exists()


def test_a_pickle_is_refused_by_name(folder: _Folder) -> None:
    (folder.fresh() / "model.safetensors").unlink()
    (folder.where / "pytorch_model.bin").write_bytes(pickle.dumps(_Malicious(folder.canary)))
    with pytest.raises(BadInput, match=r"pytorch_model\.bin is a pickle"):
        checkpoints.identify(str(folder.where), "--load x")
