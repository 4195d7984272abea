"""Trains a model of any kind of task with a method, deterministically, and saves it as a plain checkpoint."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from asa_bench.encoding import encode
from asa_bench.errors import BadInput, StoreError
from asa_bench.models.loading import load_model, load_tokenizer, longest_input, name_labels, quiet
from asa_bench.parallel import ALONE, Crew
from asa_bench.tasks.base import Frozen, Task

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from asa_bench.methods.base import Method
    from asa_bench.trainer import Examples

__all__ = ["TrainingOptions", "TrainingSummary", "load_model", "load_tokenizer", "resolve_precision", "train"]


class TrainingOptions(Frozen):
    """How a model is trained; the same for every method that is compared."""

    epochs: float = Field(
        default=3, gt=0, description="passes over the rows; a fraction ends in the middle of one"
    )
    learning_rate: float = Field(
        default=2e-5, gt=0, lt=1, description="the highest; AdamW, linear warm-up and decay"
    )
    batch_size: int = Field(default=32, ge=1)
    max_length: int = Field(default=128, ge=4, description="tokens; longer inputs are truncated")
    padding: Literal["longest", "max_length"] = Field(
        default="longest",
        description="a batch is padded to its longest example, or always to max_length, as the released ASA code "
        "does: what its variant 'released' learns depends on that",
    )
    warmup_ratio: float = Field(default=0.06, ge=0, lt=1, description="part of the steps")
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(
        default=1.0,
        gt=0,
        description="the gradient of the model, and that of the method, is clipped at this norm",
    )
    precision: Literal["float32", "bf16"] = Field(
        default="float32", description="bf16: autocast, float32 weights"
    )
    seed: int = Field(default=0, ge=0)
    threads: int = Field(
        default=1, ge=1, description="of torch on a CPU; results depend on it in the last digits"
    )
    device: str = Field(default="cpu", description="'cpu' or 'cuda'")


class TrainingSummary(Frozen):
    """What a training leaves behind beside the checkpoint.

    All but `seconds` is the same for the same rows, options and machine.
    """

    steps: int
    examples: int
    epochs: float = Field(description="done: those asked for, times the method's own factor")
    tokens: int = Field(description="real tokens of one epoch, special tokens included")
    max_length: int = Field(
        description="tokens at which inputs were truncated: the model may hold fewer than asked"
    )
    precision: str
    parameters: int = Field(description="of the model")
    method_parameters: int = Field(description="of the method (adversaries); not part of the checkpoint")
    losses: Mapping[str, float] = Field(description="means over all steps: total and what the method logs")
    gradient_norms: Mapping[str, float] = Field(description="means over all steps, before clipping")
    largest_gradient_norms: Mapping[str, float]
    seconds: float = Field(description="of the training loop")

    def as_json(self) -> dict[str, Any]:
        """Everything but the timing."""
        return self.model_dump(mode="json", exclude={"seconds"})


def train(
    rows: pd.DataFrame,
    task: Task,
    method: Method,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    options: TrainingOptions,
    output_dir: Path,
    progress: Callable[[int, int], None] | None = None,
    crew: Crew = ALONE,
) -> TrainingSummary:
    """Train `model` in place on `rows` and save it to `output_dir`.

    The same rows in the same order, options and initial weights give bit-identical weights on the same
    machine. All methods see the same batches in the same order; one that trains for longer sees more of them
    after those. Global random state is left as it was.

    Args:
        rows: the task's text columns and ``label``, a label name.
        method: not attached yet; detached again when this returns or raises.
        model: as `load_model` returns it; as many labels as the task.
        output_dir: made if need be; gets config.json (with the task's label names), model.safetensors and the
            tokenizer's files, and what the method saves (see `Method.save`; most save nothing).
        progress: called with (steps done, steps in all) after each step.
        crew: the processes that share each batch, of which this is one; the one of rank 0 saves.

    Raises:
        BadInput: no rows, an unknown label, a number outside of the task's range, a model with another number
            of labels, a model that the method cannot train, or a loss that is no longer finite.
        StoreError: the checkpoint cannot be written.
    """
    import torch

    from asa_bench.trainer import MethodTrainer

    name_labels(model, task)
    max_length = min(options.max_length, longest_input(model, tokenizer))
    with quiet():
        examples = _encode(rows, task, tokenizer, max_length, whole=options.padding == "max_length")
    # Rounded, since a product like 1.1 * 3 = 3.3000000000000003 could cost a step that nobody asked for.
    options = options.model_copy(update={"epochs": round(options.epochs * method.epochs_factor, 6)})
    started = time.monotonic()
    with quiet(), settled(options):
        method.attach(model.to(options.device), seed=derived(options.seed, "method"))
        try:
            trainer = MethodTrainer(
                model,
                method,
                examples,
                options,
                str(output_dir),
                derived(options.seed, "order"),
                progress,
                crew,
            )
            torch.manual_seed(derived(options.seed, "dropout"))
            if crew.rank:  # each process has other examples, so what it draws for them is its own, too
                torch.manual_seed(derived(options.seed, f"dropout of process {crew.rank}"))
                for place, generator in enumerate(method.generators()):
                    generator.manual_seed(derived(options.seed, f"draws {place} of process {crew.rank}"))
            result = trainer.train()
            method_parameters = sum(parameter.numel() for parameter in method.extra_parameters())
            if crew.rank == 0:
                method.save(output_dir)
        finally:
            method.detach()
        losses = trainer.parts.means()
        if not math.isfinite(losses["total"]):
            raise BadInput(
                f"training on {task.name!r} with {method.name!r} diverged: the loss is not finite; "
                f"a learning rate below {options.learning_rate:g} may help"
            )
        seconds = time.monotonic() - started
        if crew.rank == 0:
            _save(model, tokenizer, output_dir)
    return TrainingSummary(
        steps=result.global_step,
        examples=len(rows),
        epochs=options.epochs,
        tokens=sum(examples.lengths),
        max_length=max_length,
        precision=options.precision,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        method_parameters=method_parameters,
        losses=losses,
        gradient_norms=trainer.gradient_norms.means(),
        largest_gradient_norms=trainer.gradient_norms.largest(),
        seconds=seconds,
    )


def resolve_precision(value: str, device: str) -> str:
    """``float32`` or ``bf16``: what ``auto`` means on this machine.

    On a CPU ``auto`` is bf16 where it multiplies bfloat16 itself (avx512_bf16, amx_bf16, or bf16 on ARM);
    elsewhere bf16 works but is slower than float32.

    Raises:
        BadInput: another value, or bf16 on a GPU that cannot.
    """
    if value not in ("auto", "float32", "bf16"):
        raise BadInput(f"precision {value!r}: expected auto, float32 or bf16")
    if value == "float32":
        return value
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16"
        if value == "bf16":
            raise BadInput("precision bf16: this GPU does not compute in bfloat16; use float32 or auto")
        return "float32"
    if value == "bf16":
        return value
    return "bf16" if _cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"


def _cpu_flags() -> set[str]:
    """The feature flags of the first processor; none where the system does not list them."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return set()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def derived(seed: int, purpose: str) -> int:
    """A 32-bit seed of its own for each purpose, so that one more draw for one changes nothing for another."""
    return int.from_bytes(hashlib.sha256(f"{purpose}/{seed}".encode()).digest()[:4], "big")


def _encode(rows: pd.DataFrame, task: Task, tokenizer: Any, max_length: int, whole: bool) -> Examples:
    from asa_bench.trainer import Examples

    if len(rows) == 0:
        raise BadInput(f"task {task.name!r}: there are no rows to train on")
    texts = list(zip(*(rows[column].tolist() for column in task.columns), strict=True))
    encoded = encode(tokenizer, task.kind, texts, max_length, whole=whole)
    labels: list[str] = rows["label"].tolist()
    if task.kind == "regression":
        return Examples(encoded, [_number(label, task) for label in labels])
    if task.kind == "token_classification":
        tags = [[_label_number(tag, task) for tag in label.split(" ")] for label in labels]
        try:
            return Examples(encoded, encoded.token_labels(tags))
        except ValueError as error:
            raise BadInput(f"task {task.name!r}, training rows: {error}") from None
    return Examples(encoded, [_label_number(label, task) for label in labels])


def _label_number(label: str, task: Task) -> int:
    if label not in task.labels:
        raise BadInput(
            f"task {task.name!r}: label {label!r} in the training rows; known: {', '.join(task.labels)}"
        )
    return task.labels.index(label)


def _number(label: str, task: Task) -> float:
    try:
        value = float(label)
    except ValueError:
        value = math.nan
    low, high = task.label_range or (-math.inf, math.inf)
    if not low <= value <= high:
        raise BadInput(
            f"task {task.name!r}: label {label!r} in the training rows is no number from {low:g} to {high:g}"
        )
    return value


@contextmanager
def settled(options: TrainingOptions) -> Iterator[None]:
    """Threads, deterministic algorithms and random state as a training needs them; put back afterwards."""
    import random
    import warnings

    import numpy as np
    import torch

    on_gpu = options.device.startswith("cuda")
    if on_gpu:  # cuBLAS reads it once, when it starts; without it some products are not deterministic
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with (
        torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            torch.set_num_threads(options.threads)
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.utils.deterministic.fill_uninitialized_memory = False
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            torch.utils.deterministic.fill_uninitialized_memory = fill
            random.setstate(python_state)
            np.random.set_state(numpy_state)


def _save(model: Any, tokenizer: Any, output_dir: Path) -> None:
    """Write the plain checkpoint."""
    from safetensors import SafetensorError

    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(output_dir, safe_serialization=True)
        tokenizer.save_pretrained(output_dir)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{output_dir}: the model cannot be saved: {' '.join(str(error).split())}"
        ) from error
