"""Keeps the adversaries of a trained model beside its checkpoint, and attaches them again: for attention maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from asa_bench.errors import BadInput, StoreError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from asa_bench.models.asa import AdversarialSelfAttention

# The adversaries' file beside a checkpoint; transformers reads model.safetensors and leaves it alone.
FILE_NAME = "adversaries.safetensors"


def save_adversaries(asa: AdversarialSelfAttention, folder: str | Path) -> Path:
    """Write the adversaries as ``adversaries.safetensors`` into a folder, such as that of the checkpoint.

    The header holds tau, variant, model type, layers and width. Works after `detach`, too.

    Returns:
        the file's path.

    Raises:
        StoreError: the file cannot be written.
    """
    from safetensors.torch import save

    weights = {name: value.detach().cpu() for name, value in asa.adversaries.state_dict().items()}
    header = {"format": "pt", "tau": repr(asa.tau), "variant": asa.variant, **belonging(asa)}
    path = Path(folder) / FILE_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(weights, header))
    except OSError as error:
        raise StoreError(f"{path}: the adversaries cannot be saved: {error}") from error
    return path


def load_adversaries(model: PreTrainedModel, folder: str | Path) -> AdversarialSelfAttention:
    """Attach the adversaries that `save_adversaries` wrote beside a checkpoint.

    Args:
        model: the one that was trained with them, or another of the same family and size.

    Raises:
        BadInput: no such file, not one of ours, or for a model of another family, depth or width.
    """
    from safetensors import SafetensorError, safe_open

    from asa_bench.models.asa import attach

    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise BadInput(f"{path}: no such file; `save_adversaries` writes it")
    try:
        with safe_open(path, framework="pt") as file:
            said = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dictionary
        asa = attach(model, tau=float(said["tau"]), variant=said["variant"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BadInput(f"{path}: not a file of adversaries: {' '.join(str(error).split())}") from error
    for name, expected in belonging(asa).items():
        if said.get(name) != expected:
            raise BadInput(
                f"{path}: adversaries of a model with {name} {said.get(name)}, this one has {expected}"
            )
    shapes = {name: value.shape for name, value in asa.adversaries.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != shapes:
        raise BadInput(f"{path}: its tensors are not the {len(shapes)} of adversaries for this model")
    asa.adversaries.load_state_dict(weights)
    return asa


def belonging(asa: AdversarialSelfAttention) -> dict[str, str]:
    """What the adversaries belong to, as it is written into the file's header."""
    return {
        "model_type": str(asa.config.model_type),
        "layers": str(len(asa.adversaries)),
        "hidden_size": str(asa.config.hidden_size),
    }
