"""Where models come from: the laboratory, a folder or the hub; their identity, their labels, and asking them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.disk import file_sha256
from asa_bench.errors import BadInput, Unavailable, is_failure
from asa_bench.models.loading import check_folder
from asa_bench.tasks.base import Kind, Task

if TYPE_CHECKING:
    from asa_bench.victims import Victim

HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")
LOAD = re.compile(r"^(?P<name>[^@#=]+)(@(?P<task>[^#=]+))?(#(?P<seed>[^=]+))?=(?P<where>.+)$")
READ_FILES = (
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
)


@dataclass(frozen=True)
class ModelIdentity:
    """A model that exists: what it is called in tables, the checksums of its bytes, and where it lies.

    Attributes:
        title: the last part of its folder or hub id.
        reads: checksums of its files, or hub repository and revision; part of a cell's address.
        where: folder or hub id; never part of an address.
        revision: the hub's commit, None for a folder.
    """

    title: str
    reads: Mapping[str, Any]
    where: str
    revision: str | None = None


def identify(reference: str, said: str) -> ModelIdentity:
    """The identity of a model folder or hub id.

    Args:
        reference: a folder, or a hub id such as ``bert-base-uncased`` or ``owner/name``.
        said: where the user said it, for messages.

    Raises:
        BadInput: no such folder, no config, or weights in a format that can execute code.
        Unavailable: a hub id that cannot be reached.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return _identify_folder(folder, said)
    if folder.exists():
        raise BadInput(
            f"{said} {reference}: is a file; give the folder with config.json and model.safetensors"
        )
    if not HUB_ID.match(reference) or reference.startswith("."):
        raise BadInput(f"{said} {reference}: there is no such folder")
    return _identify_hub(reference, said)


def _identify_folder(folder: Path, said: str) -> ModelIdentity:
    present = check_folder(folder, said)
    shards = {name for name in present if name.endswith(".safetensors")}
    try:
        files = {name: file_sha256(folder / name) for name in sorted({*READ_FILES, *shards} & present)}
    except OSError as error:
        raise BadInput(f"{said} {error.filename}: cannot be read: {error.strerror}") from error
    return ModelIdentity(folder.resolve().name, {"files": files}, str(folder.resolve()))


def _identify_hub(repository: str, said: str) -> ModelIdentity:
    import os

    title = repository.rsplit("/", 1)[-1]
    help_ = f"check the name, or give a folder with {said} FOLDER"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        revision = _cached_revision(repository)
        if revision is None:
            raise Unavailable(
                f"{said} {repository}: not a folder, not in the hub cache, and HF_HUB_OFFLINE is set; {help_}"
            )
    else:
        from huggingface_hub import HfApi

        try:
            found = HfApi().model_info(repository, timeout=20).sha
        except (
            Exception
        ) as error:  # the hub client raises many kinds; every one means that it is not to be had
            revision = _cached_revision(repository)
            if revision is None:
                reason = " ".join(str(error).split())[:160] or type(error).__name__
                raise Unavailable(
                    f"{said} {repository}: not a folder, and the hub does not provide it ({reason}); {help_}"
                ) from error
        else:
            if found is None:
                raise Unavailable(f"{said} {repository}: the hub names no revision of it; {help_}")
            revision = found
    return ModelIdentity(title, {"repository": repository, "revision": revision}, repository, revision)


def _cached_revision(repository: str) -> str | None:
    from huggingface_hub.constants import HF_HUB_CACHE

    reference = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "refs" / "main"
    try:
        return reference.read_text("utf-8").strip() or None
    except OSError:
        return None


def hub_cache() -> Path:
    """Where the hub's client keeps what it fetched."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def cached(repository: str) -> Path | None:
    """The folder of a hub model in the cache, if what loading it takes is there; asks no network."""
    revision = _cached_revision(repository)
    if revision is None:
        return None
    folder = hub_cache() / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
    try:
        index = folder / "model.safetensors.index.json"
        shards = ["model.safetensors"]
        if index.exists():
            shards = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        whole = all((folder / name).is_file() for name in ("config.json", *shards))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return folder if whole else None


def fetch(repository: str) -> list[Path]:
    """Get what loading a hub model takes into the cache of the hub's client, which shows its progress.

    Raises:
        Unavailable: the hub does not answer, or does not have it as safetensors.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        # Asked first because it fails at once when the network does; downloads would retry.
        HfApi().model_info(repository, timeout=20)
        folder = Path(
            snapshot_download(
                repository, allow_patterns=[*READ_FILES, "model-*-of-*.safetensors"], etag_timeout=20
            )
        )
    except Exception as error:  # see _identify_hub
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise Unavailable(f"{repository}: the hub does not provide it ({reason})") from error
    if cached(repository) is None:
        raise Unavailable(f"{repository}: the hub has no config.json and model.safetensors of it")
    return sorted(path for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class LoadRequest:
    """One ``--load NAME[@TASK][#SEED]=PATH_OR_HUB_ID``."""

    name: str
    task: str | None
    seed: int | None
    where: str


def parse_load(text: str) -> LoadRequest:
    """Reads the value of ``--load``.

    Raises:
        BadInput: it has another form, or the seed is not a number.
    """
    match = LOAD.match(text)
    if match is None:
        raise BadInput(
            f"--load {text!r}: expected NAME[@TASK][#SEED]=FOLDER_OR_HUB_ID, such as mine@sst2#1=out/model"
        )
    seed = match["seed"]
    if seed is not None and not seed.isdecimal():
        raise BadInput(f"--load {text!r}: seed {seed!r} is not a whole number")
    return LoadRequest(
        match["name"].strip(), match["task"], None if seed is None else int(seed), match["where"]
    )


def parse_label_maps(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Reads values of ``--label-map NAME[@TASK]=LABEL,LABEL,...`` (in the order of the model's logits)."""
    maps: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, labels = text.partition("=")
        parts = tuple(part.strip() for part in labels.split(","))
        if not equals or not name or len(parts) < 2 or not all(parts):
            raise BadInput(f"--label-map {text!r}: expected NAME=LABEL,LABEL,... in the order of the logits")
        maps[name] = parts
    return maps


def normalized(label: str) -> str:
    """A label name without case and punctuation: ``NOT_ENTAILMENT`` and ``not-entailment`` are one name."""
    return re.sub(r"[^a-z0-9]", "", label.lower())


def model_labels(identity: ModelIdentity) -> tuple[str, ...]:
    """The label names in a checkpoint's config, in the order of its logits; transformers' LABEL_0, ... if unnamed."""
    if identity.revision is not None:
        from huggingface_hub import hf_hub_download

        try:
            path = Path(hf_hub_download(identity.where, "config.json", revision=identity.revision))
        except Exception as error:  # see _identify_hub
            raise Unavailable(
                f"--load {identity.where}: its config.json cannot be fetched from the hub"
            ) from error
    else:
        path = Path(identity.where) / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
        names = {int(index): str(name) for index, name in (config.get("id2label") or {}).items()}
        count = int(config.get("num_labels") or len(names) or 2)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadInput(f"{path}: is not a model config: {error}") from error
    if not names:
        return tuple(f"LABEL_{index}" for index in range(count))
    if sorted(names) != list(range(len(names))):
        raise BadInput(f"{path}: id2label numbers its labels {sorted(names)}, expected 0 to {len(names) - 1}")
    return tuple(names[index] for index in range(len(names)))


def match_labels(labels: Sequence[str], task: Task, said: str, explicit: bool) -> tuple[str, ...]:
    """The task's own label names in the order of a checkpoint's logits.

    Args:
        labels: the checkpoint's names, or those of ``--label-map``.
        explicit: whether they come from ``--label-map``.

    A regression has no label names, and the choices of a multiple choice are named by their place: both are
    what the task says.

    Raises:
        BadInput: another number of labels, names that say nothing (``LABEL_0``), or names of other things.
    """
    if task.kind in ("regression", "multiple_choice"):
        return task.labels
    known = {normalized(label): label for label in task.labels}
    wanted = ", ".join(task.labels)
    if len(labels) != len(task.labels):
        raise BadInput(
            f"{said}: has {len(labels)} labels, task {task.name!r} has {len(task.labels)} ({wanted})"
        )
    found = [known.get(normalized(label)) for label in labels]
    if None in found or len(set(found)) != len(found):
        option = "--label-map" if not explicit else "its order and spelling"
        if not explicit and all(re.fullmatch(r"LABEL_\d+", label) for label in labels):
            raise BadInput(
                f"{said}: its config only says {', '.join(labels)}; "
                f"say what they mean with --label-map NAME={','.join(task.labels)} (in the order of the logits)"
            )
        raise BadInput(
            f"{said}: labels {', '.join(labels)} are not those of task {task.name!r} ({wanted}); see {option}"
        )
    return tuple(label for label in found if label is not None)


def load_victim(
    where: str,
    revision: str | None,
    labels: Sequence[str],
    *,
    kind: Kind = "classification",
    max_length: int,
    device: str,
    said: str,
) -> Victim:
    """A checkpoint as a victim, float32, in eval mode.

    Args:
        labels: the task's label names in the order of the checkpoint's logits; none for regression.
        kind: what it gives.

    Raises:
        BadInput: it has not the head that `kind` asks for, or not so many labels, or no usable tokenizer.
    """
    from transformers import AutoTokenizer

    from asa_bench.models.loading import check_config, head_class, longest_input, pretrained
    from asa_bench.victims import Victim

    what = {"classification": "sequence classifier", "regression": "sequence regressor"}.get(
        kind, kind.replace("_", "-") + " model"
    )
    try:
        check_config(where, revision)
        tokenizer = AutoTokenizer.from_pretrained(where, revision=revision, trust_remote_code=False)
        model, info = pretrained(head_class(kind), where, revision)
    except BadInput:
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadInput(f"{said}: cannot be loaded as a {what}: {reason}") from error
    if info["missing_keys"]:
        raise BadInput(
            f"{said}: its weights lack {sorted(info['missing_keys'])[0]!r}; it is not a fine-tuned {what}"
        )
    outputs = 1 if kind == "regression" else len(labels)
    if kind != "multiple_choice" and model.config.num_labels != outputs:
        raise BadInput(f"{said}: has {model.config.num_labels} outputs, {outputs} labels are expected")
    try:  # a config can describe a model that is made and then cannot compute
        limit = min(max_length, longest_input(model, tokenizer))
        victim = Victim(model.to(device), tokenizer, labels, kind=kind, max_length=limit)
        if kind == "token_classification":
            victim.token_logits([("a",)])
        else:
            victim.logits([("a",) * (2 + len(labels) if kind == "multiple_choice" else 1)])
    except BaseException as error:
        if not is_failure(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadInput(f"{said}: is loaded, but cannot be asked: {reason}") from error
    return victim


def probe_inference(victim: Victim, premises: Sequence[str], said: str) -> None:
    """Asks an inference model about premises as their own hypotheses; a text entails itself.

    A weak model is unsure of that and passes; one that calls more than three quarters of them something else
    is sure of the opposite, which is what swapped labels look like.

    Raises:
        BadInput: the labels are probably swapped.
    """
    said_of_itself = Counter(victim.predict([(text, text) for text in premises]))
    label, count = said_of_itself.most_common(1)[0]
    if label != "entailment" and 4 * count > 3 * len(premises):
        raise BadInput(
            f"{said}: says {label!r} of {count} of {len(premises)} premises as their own hypotheses; its labels are "
            f"probably not in the order {', '.join(victim.labels)}; give --label-map"
        )
