"""The Trainer of `asa_bench.trainer` on masked blocks of text, which can be interrupted at any step and goes on exactly.

Only `asa_bench.pretraining` imports this module, inside functions: it loads torch and transformers.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedModel, TrainerCallback

from asa_bench.errors import BadInput
from asa_bench.methods.base import Loss, Method
from asa_bench.models.masked import MaskedPlaces
from asa_bench.packing import Blocks, Ids, Vocabulary, generator, mask
from asa_bench.trainer import MethodTrainer
from asa_bench.training_state import TrainingState, read_state, write_state

if TYPE_CHECKING:
    from asa_bench.training import TrainingOptions


class MaskedBlocks(Dataset):  # type: ignore[misc, type-arg]
    """What a pre-training sees, from the first step to the last: example `i` is a block with masks of its own.

    All blocks come once per epoch, in an order that is drawn anew for each; an epoch may end within a batch.

    Args:
        blocks: the packed text.
        vocabulary: of the tokenizer.
        share: of the tokens that are masked.
        count: examples in all, steps times batch size.
        seed: of order and masks.
    """

    def __init__(self, blocks: Blocks, vocabulary: Vocabulary, share: float, count: int, seed: int) -> None:
        self.blocks, self.vocabulary, self.share = blocks, vocabulary, share
        self.count, self.seed = count, seed
        self.lengths: Sequence[int] = [blocks.ids.shape[1]] * count
        self._order = lru_cache(maxsize=2)(self._draw_order)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index

    def _draw_order(self, epoch: int) -> Ids:
        keys = generator("order", self.seed, epoch).random(len(self.blocks))
        return np.argsort(keys, kind="stable")

    def collate(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """The batch of these examples: see `masked_batch`."""
        places = [divmod(index, len(self.blocks)) for index in indices]
        chosen = [(epoch, int(self._order(epoch)[place])) for epoch, place in places]
        draws = [generator("mask", self.seed, epoch, block) for epoch, block in chosen]
        return masked_batch(self.blocks, [block for _, block in chosen], self.vocabulary, self.share, draws)


def masked_batch(
    blocks: Blocks,
    chosen: Sequence[int],
    vocabulary: Vocabulary,
    share: float,
    draws: Sequence[np.random.Generator],
) -> dict[str, torch.Tensor]:
    """Blocks with masks drawn from a generator each.

    Returns:
        ``input_ids`` and ``attention_mask`` (batch, length), ``labels`` (masked,) and ``places`` (masked,): where
        in the flattened batch the labels belong.
    """
    lengths = blocks.lengths[list(chosen)]
    width = int(lengths.max())
    ids = blocks.ids[list(chosen), :width].copy()
    places, labels = [], []
    for row, (length, draw) in enumerate(zip(lengths, draws, strict=True)):
        ids[row, :length], at, told = mask(ids[row, :length], vocabulary, share, draw)
        places.append(row * width + at)
        labels.append(told)
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy((np.arange(width) < lengths[:, None]).astype(np.int64)),
        "labels": torch.from_numpy(np.concatenate(labels)),
        "places": torch.from_numpy(np.concatenate(places)),
    }


def split_places(places: MaskedPlaces, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inputs of the model and its method, after telling `places` where the labels belong."""
    rest = dict(inputs)
    places.set(rest.pop("places"), rest["input_ids"].numel())
    return rest


@dataclass(frozen=True)
class Saving:
    """Where and how often a pre-training writes down where it stands.

    Attributes:
        folder: of the states; only this pre-training writes there.
        minutes: between two states.
        steps: between two states, in addition; None for by time alone.
    """

    folder: Path
    minutes: float = 2.0
    steps: int | None = None


class PretrainingTrainer(MethodTrainer):
    """`MethodTrainer` over `MaskedBlocks`, that goes on from the newest state in `saving.folder`.

    Attributes:
        resumed_at: steps that were done before this object began; 0 for a fresh start.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        method: Method,
        examples: MaskedBlocks,
        options: TrainingOptions,
        places: MaskedPlaces,
        output_dir: str,
        saving: Saving | None,
        identity: str,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(model, method, examples, options, output_dir, order_seed=0, progress=progress)
        self.places = places
        self.saving = saving
        self.identity = identity
        self._found = read_state(saving.folder, identity) if saving is not None else None
        self.resumed_at = self._found.step if self._found is not None else 0
        self.add_callback(_Interruptible(self))

    def get_train_dataloader(self) -> Any:
        """The examples in their order, from the first that was not seen yet."""
        return DataLoader(
            self.train_dataset,
            batch_size=self.options.batch_size,
            sampler=_From(len(self.train_dataset), self.resumed_at * self.options.batch_size),
            collate_fn=self.data_collator,
            generator=torch.Generator().manual_seed(0),
        )

    def method_loss(self, model: Any, inputs: Any) -> Loss:
        """What the method returns for one batch, on the masked places."""
        return super().method_loss(model, split_places(self.places, inputs))

    def cut(self, inputs: Any, bounds: list[tuple[int, int]]) -> Iterator[tuple[dict[str, Any], float]]:
        """The parts of a batch with their masked places; the loss is a mean over these, and so are the shares."""
        width, places = inputs["input_ids"].shape[-1], inputs["places"]
        for start, end in bounds:
            inside = (places >= start * width) & (places < end * width)
            part = {name: inputs[name][start:end] for name in ("input_ids", "attention_mask")}
            labels = inputs["labels"][inside]
            yield (
                {**part, "labels": labels, "places": places[inside] - start * width},
                len(labels) / len(places),
            )

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Called by the Trainer once optimizer and schedule exist; its own would read pickles."""
        if self._found is None:
            return
        tensors, values = self._found.tensors, self._found.values
        with torch.no_grad():
            for name, tensor in self._weights().items():
                tensor.copy_(tensors[name])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "optimizer":
                number, _, key = rest.partition("/")
                state.setdefault(int(number), {})[key] = tensor
        self.optimizer.load_state_dict({"state": state, "param_groups": values["parameter_groups"]})
        self.lr_scheduler.load_state_dict(values["schedule"])
        self.parts.restore(values["parts"], self.args.device)
        self.gradient_norms.restore(values["gradient_norms"], self.args.device)
        self.micro_batches.number = values["micro_batches"]

    def restore_random_state(self) -> None:
        """Random state as it was after the last step that the state knows."""
        if self._found is None:
            return
        tensors, values = self._found.tensors, self._found.values
        torch.set_rng_state(tensors["random/torch"])
        if "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.args.device)
        for number, own in enumerate(self.method.generators()):
            own.set_state(tensors[f"random/method/{number}"])
        version, numbers, gauss = values["python"]
        random.setstate((version, tuple(numbers), gauss))
        kind, keys, *others = values["numpy"]
        np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), *others))
        self._found = None  # its tensors are as large as model and optimizer together

    def write_state(self, folder: Path, step: int) -> None:
        """Write down where the training stands after `step` steps.

        Raises:
            BadInput: a logged value is not finite: the training has diverged.
            StoreError: the state cannot be written.
        """
        self.check_finite()
        optimizer = self.optimizer.state_dict()
        tensors = dict(self._weights())
        for number, entry in optimizer["state"].items():
            tensors |= {f"optimizer/{number}/{key}": value for key, value in entry.items()}
        tensors["random/torch"] = torch.get_rng_state()
        if self.args.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.args.device)
        for number, own in enumerate(self.method.generators()):
            tensors[f"random/method/{number}"] = own.get_state()
        numbers: Any = np.random.get_state()
        kind, keys, *others = numbers
        values = {
            "parameter_groups": optimizer["param_groups"],
            "schedule": self.lr_scheduler.state_dict(),
            "parts": self.parts.state(),
            "gradient_norms": self.gradient_norms.state(),
            "micro_batches": self.micro_batches.number,
            "python": random.getstate(),
            "numpy": [kind, keys.tolist(), *others],
        }
        write_state(folder, TrainingState(step, tensors, values), self.identity)

    def check_finite(self) -> None:
        """Raises BadInput where the training has diverged."""
        for means in (self.parts, self.gradient_norms):
            state = means.state()
            numbers = [
                *state["sums"].values(),
                *(value for list_ in state["pending"].values() for value in list_),
            ]
            if not all(map(math.isfinite, numbers)):
                raise BadInput(
                    f"pre-training with {self.method.name!r} diverged: the loss or a gradient is not finite; "
                    f"a learning rate below {self.options.learning_rate:g} may help"
                )

    def _weights(self) -> dict[str, torch.Tensor]:
        """Everything of model and method that training changes; what is tied comes once."""
        kept = set(self.model.state_dict())
        found = {f"model/{name}": value for name, value in self.model.named_parameters()}
        found |= {f"model/{name}": value for name, value in self.model.named_buffers() if name in kept}
        own = enumerate(self.method.extra_parameters())
        return found | {f"method/{number}": value for number, value in own}


class _From(Sampler):  # type: ignore[misc, type-arg]
    """Numbers from `start` on. It tells the length of the whole, from which the Trainer reckons the schedule."""

    def __init__(self, count: int, start: int) -> None:
        self.count, self.start = count, start

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.count))


class _Interruptible(TrainerCallback):  # type: ignore[misc]
    """Begins where the last state ends, and writes states."""

    def __init__(self, trainer: PretrainingTrainer) -> None:
        self.trainer = trainer
        self.written = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        state.global_step = self.trainer.resumed_at
        self.trainer.restore_random_state()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        saving = self.trainer.saving
        if saving is None or state.global_step >= state.max_steps:
            return
        by_steps = saving.steps is not None and state.global_step % saving.steps == 0
        if by_steps or time.monotonic() - self.written > 60 * saving.minutes:
            self.trainer.write_state(saving.folder, state.global_step)
            self.written = time.monotonic()
