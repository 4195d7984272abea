"""Loads encoders for training: safetensors only, float32, a fresh head from a seed, errors in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput, Unavailable, is_failure

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from asa_bench.tasks.base import Kind, Task

PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth", "model.ckpt")


def head_class(kind: Kind) -> Any:
    """The transformers class that puts the head of a kind of task on an encoder."""
    import transformers

    return {
        "classification": transformers.AutoModelForSequenceClassification,
        "regression": transformers.AutoModelForSequenceClassification,
        "multiple_choice": transformers.AutoModelForMultipleChoice,
        "token_classification": transformers.AutoModelForTokenClassification,
    }[kind]


def _head_settings(task: Task) -> dict[str, Any]:
    """What the config of a model for `task` says of its head."""
    if task.kind == "multiple_choice":  # one score per choice, whatever their number
        return {}
    names = task.labels or ("score",)
    settings: dict[str, Any] = {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {label: number for number, label in enumerate(names)},
    }
    if task.kind == "classification":
        settings["problem_type"] = "single_label_classification"
    elif task.kind == "regression":
        settings["problem_type"] = "regression"
    return settings


def name_labels(model: PreTrainedModel, task: Task) -> None:
    """Write what the outputs mean into the model's config, so that its checkpoint says so.

    Raises:
        BadInput: the model has another number of outputs than the task has labels.
    """
    configuration: Any = model.config
    settings = _head_settings(task)
    if settings and configuration.num_labels != settings["num_labels"]:
        raise BadInput(
            f"the model has {configuration.num_labels} labels, task {task.name!r} has "
            f"{settings['num_labels']} ({', '.join(settings['id2label'].values())})"
        )
    for name, value in settings.items():
        if name != "num_labels":
            setattr(configuration, name, value)


def load_model(source: str | Path, task: Task, seed: int, revision: str | None = None) -> PreTrainedModel:
    """An encoder with a fresh head for a task.

    Args:
        source: a folder in Hugging Face layout, or a hub id.
        task: its kind decides the head, its labels, in the order of the logits, become the config's id2label and
            label2id.
        seed: everything that the checkpoint does not hold is initialized from it alone; a head that the
            checkpoint does hold is initialized anew. Global random state is left as it was.
        revision: of a hub id.

    Raises:
        BadInput: the folder lacks config.json, has its weights only as a pickle, does not hold the encoder that
            its config describes, or is of an architecture that has no head for this kind of task.
        Unavailable: a hub id that cannot be reached.
    """
    import torch

    check_source(source, revision)
    with quiet(), explained(source), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, info = pretrained(
            head_class(task.kind),
            source,
            revision,
            ignore_mismatched_sizes=True,  # of the head only, see below
            **_head_settings(task),
        )
        encoder = f"{model.base_model_prefix}."
        absent = [
            name for name in info["missing_keys"] if name.startswith(encoder) and ".pooler." not in name
        ]
        if absent:
            raise BadInput(f"model {source}: its weights lack {sorted(absent)[0]!r} of the encoder")
        wrong = [str(entry[0]) for entry in info["mismatched_keys"] if str(entry[0]).startswith(encoder)]
        if wrong:
            raise BadInput(
                f"model {source}: {sorted(wrong)[0]!r} has another shape than its config.json says"
            )
        torch.manual_seed(seed)
        for name, module in model.named_children():
            if name != model.base_model_prefix:
                for part in module.modules():
                    part._is_hf_initialized = False
                module.apply(model._init_weights)
    return model


def pretrained(
    kind: Any, source: str | Path, revision: str | None = None, **settings: Any
) -> tuple[Any, dict[str, Any]]:
    """A model in float32 from safetensors alone, without any code of the checkpoint's.

    Args:
        kind: one of the transformers' Auto classes.
        settings: more for its `from_pretrained`.

    Returns:
        The model, and the library's report: the names of weights that are missing, left over or of another shape.

    Raises:
        Exception: what the library raises; `explained` turns it into one line.
    """
    import torch

    found: tuple[Any, dict[str, Any]] = kind.from_pretrained(
        str(source),
        revision=revision,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=torch.float32,
        output_loading_info=True,
        **settings,
    )
    return found


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens the model and its tokenizer can hold."""
    configuration: Any = model.config
    positions = getattr(configuration, "max_position_embeddings", None) or tokenizer.model_max_length
    return int(min(positions, tokenizer.model_max_length))


def load_tokenizer(source: str | Path, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or hub id.

    Raises:
        BadInput: the folder has no usable tokenizer.
        Unavailable: a hub id that cannot be reached.
    """
    from transformers import AutoTokenizer

    check_source(source, revision)
    with quiet(), explained(source):
        tokenizer = AutoTokenizer.from_pretrained(str(source), revision=revision, trust_remote_code=False)
    return tokenizer


def check_source(source: str | Path, revision: str | None) -> None:
    """Refuse what cannot be a model before anything is loaded.

    Raises:
        BadInput: no such folder, or one without a config or with weights that are no safetensors.
        Unavailable: a hub id that cannot be reached.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        looks_like_path = isinstance(source, Path) or str(source).startswith((".", "/", "~"))
        if folder.exists():
            raise BadInput(
                f"model {source}: is a file; give the folder with config.json and model.safetensors"
            )
        if looks_like_path or str(source).count("/") > 1:
            raise BadInput(f"model {source}: there is no such folder")
        _check_hub(str(source), revision)
    else:
        check_folder(folder, "model")
    with quiet(), explained(source):
        check_config(source, revision)


def check_config(source: str | Path, revision: str | None = None) -> None:
    """Refuse a config that names a kernel on the hub: transformers would fetch and execute it, whatever it was told of trust.

    Raises:
        BadInput: it does.
    """
    from transformers import PretrainedConfig

    config, _ = PretrainedConfig.get_config_dict(str(source), revision=revision)
    inner: list[Any] = [config]
    while inner:
        value = inner.pop()
        if isinstance(value, dict):
            for key, named in value.items():
                wanted = named.values() if isinstance(named, dict) else [named]
                if "attn_implementation" in str(key) and any("/" in str(each) for each in wanted):
                    raise BadInput(
                        f"model {source}: its config.json names {key} {str(named)[:100]!r}, which is code on the hub; take it out"
                    )
            inner += value.values()
        elif isinstance(value, list):
            inner += value


def check_folder(folder: Path, said: str) -> set[str]:
    """The names of the files in a model folder that can be loaded safely.

    Args:
        said: what messages call the model, e.g. ``"--load mine"``.

    Raises:
        BadInput: it cannot be read, has no config.json, is an adapter, or its weights are no safetensors.
    """
    try:
        names = {path.name for path in folder.iterdir() if path.is_file()}
    except OSError as error:
        raise BadInput(f"{said} {folder}: cannot be read: {error.strerror or error}") from error
    if "adapter_config.json" in names:
        raise BadInput(
            f"{said} {folder}: adapter_config.json is of an adapter, which changes another model; merge both and save that"
        )
    if "config.json" not in names:
        raise BadInput(f"{said} {folder}: no config.json in it; a folder saved by save_pretrained is needed")
    if not any(name.endswith(".safetensors") for name in names):
        pickles = [name for name in PICKLES if name in names]
        if pickles:
            raise BadInput(
                f"{said} {folder}: {pickles[0]} is a pickle, which can execute code; if you trust it, load it "
                "with transformers and save it again with save_pretrained(folder, safe_serialization=True)"
            )
        raise BadInput(f"{said} {folder}: no model.safetensors in it")
    return names


def _check_hub(source: str, revision: str | None) -> None:
    """Ask once whether the hub has the model: from_pretrained asks for each file, several times, for minutes."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(source, "config.json", revision=revision), str):
        return
    with explained(source):
        HfApi().model_info(source, revision=revision, timeout=20)


@contextmanager
def explained(source: str | Path) -> Iterator[None]:
    """Turns what from_pretrained raises into one line."""
    try:
        yield
    except (BadInput, Unavailable, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if Path(source).expanduser().is_dir():
            raise BadInput(f"model {source}: cannot be loaded: {reason}") from error
        raise Unavailable(
            f"model {source}: not a folder, and the hub does not provide it with safetensors weights "
            f"({reason}); check the name and the network, or give a folder"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No messages and progress bars of transformers, and no conversion of weights on the hub, while open."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    conversion = os.environ.get("DISABLE_SAFETENSORS_CONVERSION")
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "true"
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if conversion is None:
            del os.environ["DISABLE_SAFETENSORS_CONVERSION"]
        else:
            os.environ["DISABLE_SAFETENSORS_CONVERSION"] = conversion
