"""The transformers Trainer that asks a method for its loss, and is quiet, quick and deterministic.

Only `asa_bench.training` imports this module, inside functions: it loads torch and transformers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from asa_bench.encoding import IGNORED, Encoded
from asa_bench.memory import Parts
from asa_bench.methods.base import Loss, Method
from asa_bench.parallel import ALONE, Crew

if TYPE_CHECKING:
    from asa_bench.training import TrainingOptions

FLUSH = 256  # steps between two additions of the logged scalars to their sums


class Examples(Dataset):  # type: ignore[misc, type-arg]
    """Encoded examples with their labels; an item is an index, so that a batch is padded at once.

    Args:
        encoded: the inputs.
        labels: per example a label number, a number (regression), or an array of one label per token.
    """

    def __init__(self, encoded: Encoded, labels: Sequence[int] | Sequence[float] | list[np.ndarray]) -> None:
        self.encoded = encoded
        self.labels = labels
        self.lengths = encoded.lengths

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> int:
        return index

    def collate(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """The inputs of these examples (see `Encoded.batch`), and their labels.

        ``labels`` are int64 (batch,), for regression float32 (batch,), for token classification int64
        (batch, longest) with -100 where there is none.
        """
        batch = self.encoded.batch(indices)
        chosen: list[Any] = [self.labels[index] for index in indices]
        if self.encoded.words is not None:
            longest = batch["input_ids"].shape[-1]
            batch["labels"] = torch.from_numpy(self.encoded.padded(chosen, longest, IGNORED))
        else:
            kind = torch.float32 if isinstance(chosen[0], float) else torch.int64
            batch["labels"] = torch.tensor(chosen, dtype=kind)
        return batch


class Batches(Protocol):
    """What is trained on: examples by number, which become a batch."""

    lengths: Sequence[int]

    def __len__(self) -> int: ...

    def collate(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """The batch of these examples."""


class Means:
    """Means over steps of named scalars, which are read from the device only now and then."""

    def __init__(self) -> None:
        self._pending: dict[str, list[torch.Tensor]] = {}
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._largest: dict[str, float] = {}

    def add(self, values: dict[str, Any]) -> None:
        """Take in the scalars of one step."""
        for name, value in values.items():
            pending = self._pending.setdefault(name, [])
            pending.append(torch.as_tensor(value).detach())
            if len(pending) >= FLUSH:
                self._flush(name)

    def _flush(self, name: str) -> None:
        pending = self._pending[name]
        if pending:
            values = torch.stack([value.double() for value in pending])
            self._sums[name] = self._sums.get(name, 0.0) + float(values.sum())
            self._counts[name] = self._counts.get(name, 0) + len(pending)
            self._largest[name] = max(self._largest.get(name, float("-inf")), float(values.max()))
            pending.clear()

    def means(self) -> dict[str, float]:
        """Mean of each scalar over the steps in which it was given."""
        for name in self._pending:
            self._flush(name)
        return {name: self._sums[name] / self._counts[name] for name in self._sums}

    def largest(self) -> dict[str, float]:
        """Largest value of each scalar."""
        self.means()
        return dict(self._largest)

    def state(self) -> dict[str, dict[str, Any]]:
        """JSON, from which `restore` goes on to the same means to the last bit."""
        pending = {name: [float(value) for value in values] for name, values in self._pending.items()}
        return {
            "pending": pending,
            "sums": dict(self._sums),
            "counts": dict(self._counts),
            "largest": dict(self._largest),
        }

    def restore(self, state: Mapping[str, Mapping[str, Any]], device: torch.device) -> None:
        """Go on from what `state` returned; `device` is the one that scalars are added from."""
        self._pending = {
            name: [torch.tensor(value, dtype=torch.float64, device=device) for value in values]
            for name, values in state["pending"].items()
        }
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
        self._largest = dict(state["largest"])


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Tells steps done and steps in all after each step."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self.progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress(state.global_step, state.max_steps)


class _RandomState:
    """What dropout and the method draw from, so that a step can begin anew."""

    def __init__(self, method: Method) -> None:
        self.method_generators = list(method.generators())
        self.states = [generator.get_state() for generator in self.method_generators]
        self.torch_state = torch.get_rng_state()
        self.cuda_state = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    def restore(self) -> None:
        for generator, state in zip(self.method_generators, self.states, strict=True):
            generator.set_state(state)
        torch.set_rng_state(self.torch_state)
        if self.cuda_state is not None:
            torch.cuda.set_rng_state(self.cuda_state)


class MethodTrainer(Trainer):  # type: ignore[misc]
    """Trains `model` on the loss that `method` returns.

    The method is attached already. Batches hold examples of about one length, padded to the longest of them.
    The model's gradient and the method's own parameters' are clipped apart, each at the same norm: an
    adversary's gradient can be hundreds of times the model's, and clipping them together would leave the
    model almost no update. Nothing is printed, logged or saved.

    Attributes:
        parts: means of what the method logs, and of the total loss.
        gradient_norms: means of the norms before clipping: 'model' and, if it has parameters, 'method'.
        micro_batches: into how many parts a batch is cut; more than 1 once a batch did not fit into memory. Every
            method's loss is a mean over the examples of a batch, so the parts' losses, weighted by their sizes, add up to
            it; what is drawn at random (dropout) falls otherwise. In token tasks, whose means are over words, the words of
            a part with fewer words weigh more.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        method: Method,
        examples: Batches,
        options: TrainingOptions,
        output_dir: str,
        order_seed: int,
        progress: Callable[[int, int], None] | None = None,
        crew: Crew = ALONE,
    ) -> None:
        self.crew = crew
        self._shares: deque[float] = deque()  # of the batches that were collated and not yet trained on
        arguments = TrainingArguments(
            output_dir=output_dir,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            warmup_ratio=options.warmup_ratio,
            lr_scheduler_type="linear",
            optim="adamw_torch_fused",
            max_grad_norm=0.0,  # clipped in training_step
            seed=options.seed % 2**32,
            use_cpu=options.device == "cpu",
            logging_strategy="no",
            save_strategy="no",
            eval_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_nan_inf_filter=False,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        arguments._n_gpu = min(arguments.n_gpu, 1)  # never split batches over devices behind the user's back
        super().__init__(model=model, args=arguments, train_dataset=examples, data_collator=self._collate)
        self.remove_callback(PrinterCallback)
        if progress is not None:
            self.add_callback(_Progress(progress))
        self.model_accepts_loss_kwargs = False  # the method's loss is a mean already
        self.method = method
        self.options = options
        self.order = torch.Generator().manual_seed(order_seed)
        self.parts = Means()
        self.gradient_norms = Means()
        self.micro_batches = Parts()
        self._clipped = {"model": list(model.parameters())}
        extra = list(method.extra_parameters())
        if extra:
            self._clipped["method"] = extra

    def _collate(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """The batch of these examples, or the part of it that is this process's."""
        mine, share = self.crew.part(indices)
        if self.crew.size > 1:
            self._shares.append(share)
        batch: dict[str, torch.Tensor] = self.train_dataset.collate(mine)
        return batch

    def create_accelerator_and_postprocess(self) -> None:
        """The Trainer's accelerator, without what a single device does not need.

        Its `prepare` wraps the optimizer so that each step searches for packages and inspects signatures, and
        its `free_memory` collects garbage before every training: together a fifth of a tiny model's training.
        """
        super().create_accelerator_and_postprocess()
        self.accelerator.prepare = lambda *objects, **_: objects if len(objects) > 1 else objects[0]
        self.accelerator.free_memory = lambda *objects: objects

    def get_train_dataloader(self) -> Any:
        """Length-grouped batches, whose order comes from its own seed and so is the same for every method."""
        sampler = LengthGroupedSampler(
            self.options.batch_size, lengths=self.train_dataset.lengths, generator=self.order
        )
        return DataLoader(
            self.train_dataset,
            batch_size=self.options.batch_size,
            sampler=sampler,
            collate_fn=self.data_collator,
            # Without a generator of its own each epoch would draw a seed from the global random state.
            generator=torch.Generator().manual_seed(0),
        )

    def create_optimizer(self) -> Any:
        """AdamW over the model and, with the same learning rate and decay, the method's own parameters."""
        if self.optimizer is None:
            optimizer: Any = super().create_optimizer()
            extra = self._clipped.get("method", [])
            for decayed in (True, False):  # as for the model, vectors (biases) do not decay
                group = [parameter for parameter in extra if (parameter.dim() > 1) == decayed]
                if group:
                    decay = self.args.weight_decay if decayed else 0.0
                    optimizer.add_param_group({"params": group, "weight_decay": decay})
        return self.optimizer

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> torch.Tensor:
        """The method's loss of one batch."""
        return self.method_loss(model, inputs).total

    def method_loss(self, model: Any, inputs: Any) -> Loss:
        """What the method returns for one batch."""
        with torch.autocast(
            self.args.device.type, dtype=torch.bfloat16, enabled=self.options.precision == "bf16"
        ):
            return self.method.loss(model, inputs)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Loss, backward pass and clipping of one batch; the Trainer's own loop does the rest.

        A batch that does not fit into memory is cut into parts, whose gradients are added up: see `micro_batches`.
        """
        inputs = self._prepare_inputs(inputs)
        draws = _RandomState(self.method)

        def whole(bounds: list[tuple[int, int]]) -> tuple[dict[str, Any], frozenset[str]]:
            if len(bounds) > 1:  # perhaps not the first attempt at this step
                draws.restore()
                model.zero_grad()
            for parameter in self._clipped.get("method", []):  # the Trainer's loop clears the model's alone
                parameter.grad = None
            return self._backward(model, inputs, bounds)

        told, counts = self.micro_batches.attempt(len(inputs["input_ids"]), whole)
        share = self._shares.popleft() if self.crew.size > 1 else 1.0
        for parameters in self._clipped.values():
            self.crew.add_up(parameters, share)
        told = self.crew.told(told, counts, share)
        self.parts.add(told)
        self.gradient_norms.add(
            {
                name: torch.nn.utils.clip_grad_norm_(parameters, self.options.max_grad_norm, foreach=True)
                for name, parameters in self._clipped.items()
            }
        )
        return torch.as_tensor(told["total"])

    def _backward(
        self, model: Any, inputs: Any, bounds: list[tuple[int, int]]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """The scalars of the batch, and the names of those that count something."""
        counts: frozenset[str] = frozenset()
        if len(bounds) == 1:
            loss = self.method_loss(model, inputs)
            loss.total.backward()
            told, counts = {"total": loss.total.detach(), **loss.parts}, frozenset(loss.counts)
        else:
            told = {}
            for part, share in self.cut(inputs, bounds):
                loss = self.method_loss(model, part)
                (share * loss.total).backward()
                for name, value in {"total": loss.total.detach(), **loss.parts}.items():
                    told[name] = told.get(name, 0.0) + (value if name in loss.counts else share * value)
                counts = frozenset(loss.counts)
                del loss
        return told, counts

    def cut(self, inputs: Any, bounds: list[tuple[int, int]]) -> Iterator[tuple[dict[str, Any], float]]:
        """The parts of a batch, and the share of its mean loss that each has."""
        rows = len(inputs["input_ids"])
        for start, end in bounds:
            yield {name: value[start:end] for name, value in inputs.items()}, (end - start) / rows

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: the Trainer's count walks over all parameters at every step."""
        return 0
