"""Pre-trains an encoder on masked words with any training method, interruptible at any step, and measures perplexity."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from asa_bench.corpus import Corpus, CorpusSettings
from asa_bench.errors import BadInput
from asa_bench.record import canonical_json
from asa_bench.tasks.base import Frozen

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from asa_bench.methods.base import Method
    from asa_bench.packing import Blocks, Vocabulary
    from asa_bench.pretraining_trainer import Saving

_COUNTED = 2  # blocks on which operations are counted
_ASKED = 32  # blocks of a batch when perplexity is measured


class PretrainingOptions(Frozen):
    """How a model is pre-trained; the same for every method that is compared."""

    steps: int | None = Field(default=None, ge=1, description="optimizer steps; either these or epochs")
    epochs: float | None = Field(
        default=None, gt=0, description="passes over the text; either these or steps"
    )
    block_length: int = Field(default=128, ge=8, le=8192, description="tokens of a block")
    batch_size: int = Field(default=32, ge=1, le=65536, description="blocks")
    learning_rate: float = Field(
        default=1e-4, gt=0, lt=1, description="the highest; AdamW, linear warm-up and decay"
    )
    warmup_ratio: float = Field(default=0.06, ge=0, lt=1, description="part of the steps")
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(
        default=1.0,
        gt=0,
        description="the gradient of the model, and that of the method, is clipped at this norm",
    )
    masked: float = Field(default=0.15, gt=0, lt=1, description="share of tokens that are to be told")
    held_out_blocks: int = Field(
        default=200, ge=1, description="at most so many blocks of held-out text are asked for perplexity"
    )

    @model_validator(mode="after")
    def _how_long(self) -> PretrainingOptions:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self


class PretrainingSettings(PretrainingOptions):
    """Further pre-training before fine-tuning: with which methods, on which text, for how long."""

    methods: Mapping[str, Mapping[str, Any]] = Field(
        min_length=1, description="methods to pre-train with, each with its hyperparameters"
    )
    corpus: CorpusSettings = Field(
        default=CorpusSettings(), description="the text; a name is short for its source"
    )
    from_scratch: Literal["own", "tiny", "mini", "small", "medium", "base"] | None = Field(
        default=None,
        description="start from random weights at this size, with the tokenizer and family of the model; "
        "'own' is the model's own size",
    )
    start: bool = Field(
        default=True, description="also fine-tune the encoder as it is, where it does not start from scratch"
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        description="one pre-training for all training seeds, with this seed; absent: one for each training seed",
    )

    @field_validator("corpus", mode="before")
    @classmethod
    def _named_corpus(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value

    @field_validator("methods", mode="before")
    @classmethod
    def _named_methods(cls, value: Any) -> Any:
        """A list of names is short for a mapping of names to no options."""
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
            if len(set(value)) < len(value):
                raise ValueError("a method is given twice")
            return {name: {} for name in value}
        if isinstance(value, Mapping):
            return {name: {} if options is None else options for name, options in value.items()}
        return value

    def options(self) -> PretrainingOptions:
        """What decides a pre-training beside model, text and method."""
        return PretrainingOptions(**{name: getattr(self, name) for name in PretrainingOptions.model_fields})


class Machine(Frozen):
    """Where a pre-training runs, and the seed of its order, masks and dropout."""

    seed: int = Field(ge=0)
    precision: Literal["float32", "bf16"] = "float32"
    device: str = "cpu"
    threads: int = Field(default=1, ge=1)


class PretrainingSummary(Frozen):
    """What a pre-training leaves behind beside the checkpoint.

    All but `tokens_per_second` is the same for the same text, options and machine, interrupted or not.
    """

    steps: int
    epochs: float = Field(description="passes over the text")
    blocks: int
    tokens: int = Field(description="of the text that is learned from, special tokens included")
    documents: int
    held_out_documents: int
    held_out_tokens: int = Field(description="masked tokens that perplexity is measured on")
    perplexity_before: float = Field(description="exp of the mean loss of held-out masked tokens, in nats")
    perplexity: float = Field(description="the same afterwards")
    operations: float = Field(
        description="floating-point operations of matrix products, forward and backward, per block"
    )
    relative_operations: float = Field(description="the same, as a multiple of naive training's")
    relative_compute: float = Field(
        description="of the whole pre-training, as a multiple of naive training's for the steps that were asked for"
    )
    parameters: int = Field(description="of the model")
    method_parameters: int = Field(description="of the method (adversaries); not part of the checkpoint")
    losses: Mapping[str, float] = Field(description="means over all steps: total and what the method logs")
    gradient_norms: Mapping[str, float] = Field(description="means over all steps, before clipping")
    largest_gradient_norms: Mapping[str, float]
    tokens_per_second: float = Field(description="of the steps done in this process")

    def as_json(self) -> dict[str, Any]:
        """Everything but the timing."""
        return self.model_dump(mode="json", exclude={"tokens_per_second"})


def pretrain(
    corpus: Corpus,
    method: Method,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    options: PretrainingOptions,
    machine: Machine,
    output_dir: Path,
    *,
    saving: Saving | None = None,
    pooler: Mapping[str, torch.Tensor] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PretrainingSummary:
    """Pre-train `model` in place on masked tokens and save it to `output_dir`.

    For one seed all methods see the same blocks, masks and order, from the same weights. An interrupted call that is
    made again with the same arguments and `saving` goes on from its last state, and ends with the same bits at the same
    number of threads. Global random state is left as it was.

    Args:
        method: not attached yet; detached again when this returns or raises. It trains `epochs_factor` times as long.
        model: as `asa_bench.models.masked.load_masked` returns it.
        output_dir: made if need be; gets config.json, model.safetensors and the tokenizer's files.
        saving: where to write states and look for one; None: cannot be interrupted.
        pooler: weights that are saved with the model's, see `asa_bench.models.masked.pooler_weights`.
        progress: called with (steps done, steps in all) after each step.

    Raises:
        BadInput: a block longer than the model can hold, a tokenizer of another vocabulary or without mask token, a
            text without tokens, a model that the method cannot train, or a loss that is no longer finite.
        StoreError: a state or the checkpoint cannot be written.
    """
    import torch

    from asa_bench import training
    from asa_bench.models.loading import quiet
    from asa_bench.models.masked import MaskedPlaces
    from asa_bench.packing import pack, vocabulary_of
    from asa_bench.pretraining_trainer import MaskedBlocks, PretrainingTrainer

    check_fit(model, tokenizer, options.block_length)
    vocabulary = vocabulary_of(tokenizer)
    seed = machine.seed
    with quiet():
        blocks = pack(corpus.train, tokenizer, options.block_length, training.derived(seed, "documents"))
        held_out = pack(corpus.held_out, tokenizer, options.block_length, None, options.held_out_blocks)
    asked = _steps(options, len(blocks), 1.0)
    steps = _steps(options, len(blocks), method.epochs_factor)
    same_for_all = training.TrainingOptions(
        epochs=1,  # of examples that are numbered from the first step to the last
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        max_length=options.block_length,
        warmup_ratio=options.warmup_ratio,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        precision=machine.precision,
        seed=seed,
        threads=machine.threads,
        device=machine.device,
    )
    examples = MaskedBlocks(
        blocks, vocabulary, options.masked, steps * options.batch_size, training.derived(seed, "examples")
    )
    identity = _identity(corpus, method, model, options, machine)
    with quiet(), training.settled(same_for_all):
        places = MaskedPlaces(model.to(machine.device))
        try:
            before, told = perplexity(model, places, held_out, vocabulary, options.masked)
            operations, naive = _operations(method, model, examples)
            method.attach(model, seed=training.derived(seed, "method"))
            trainer = PretrainingTrainer(
                model, method, examples, same_for_all, places, str(output_dir), saving, identity, progress
            )
            torch.manual_seed(training.derived(seed, "dropout"))
            started = time.monotonic()
            trainer.train()
            seconds = time.monotonic() - started
            trainer.check_finite()
            method_parameters = sum(parameter.numel() for parameter in method.extra_parameters())
            method.save(output_dir)
            method.detach()
            after, _ = perplexity(model, places, held_out, vocabulary, options.masked)
        finally:
            method.detach()
            places.remove()
        _save(model, tokenizer, pooler or {}, output_dir)
    seen = (steps - trainer.resumed_at) * options.batch_size * blocks.tokens / len(blocks)
    relative = operations / naive
    return PretrainingSummary(
        steps=steps,
        epochs=steps * options.batch_size / len(blocks),
        blocks=len(blocks),
        tokens=blocks.tokens,
        documents=len(corpus.train),
        held_out_documents=len(corpus.held_out),
        held_out_tokens=told,
        perplexity_before=before,
        perplexity=after,
        operations=operations,
        relative_operations=relative,
        relative_compute=relative * steps / asked,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        method_parameters=method_parameters,
        losses=trainer.parts.means(),
        gradient_norms=trainer.gradient_norms.means(),
        largest_gradient_norms=trainer.gradient_norms.largest(),
        tokens_per_second=seen / max(seconds, 1e-9),
    )


def _steps(options: PretrainingOptions, blocks: int, factor: float) -> int:
    if options.steps is not None:
        return max(1, round(options.steps * factor))
    return max(1, math.ceil((options.epochs or 1.0) * factor * blocks / options.batch_size))


def _identity(
    corpus: Corpus, method: Method, model: PreTrainedModel, options: PretrainingOptions, machine: Machine
) -> str:
    """sha256 of what decides a pre-training, so that a state of another one is not taken for its own."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    content = {
        "corpus": corpus.fingerprint,
        "method": [method.name, method.options.model_dump(mode="json")],
        "weights": digest.hexdigest(),
        "options": options.model_dump(mode="json"),
        "machine": machine.model_dump(mode="json"),
    }
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def check_fit(model: Any, tokenizer: Any, block_length: int) -> None:
    """Refuse a tokenizer of another vocabulary, and blocks that the model cannot hold.

    Raises:
        BadInput: names both numbers.
    """
    from asa_bench.models.loading import longest_input

    size = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > size:
        raise BadInput(
            f"the tokenizer has {len(tokenizer)} tokens, the model embeds {size}: they do not belong together"
        )
    longest = longest_input(model, tokenizer)
    if block_length > longest:
        raise BadInput(
            f"block_length {block_length}: the model and its tokenizer hold at most {longest} tokens"
        )


def perplexity(
    model: Any, places: Any, blocks: Blocks, vocabulary: Vocabulary, share: float
) -> tuple[float, int]:
    """exp of the mean loss (nats) of masked tokens, and how many they are.

    The masks are the same for every model with this tokenizer, method and seed. Dropout is off, and the precision is
    float32.

    Args:
        places: of this model.
    """
    import torch

    from asa_bench.packing import generator
    from asa_bench.pretraining_trainer import masked_batch, split_places

    loss, count = 0.0, 0
    training = model.training
    model.eval()
    with torch.no_grad():
        for start in range(0, len(blocks), _ASKED):
            chosen = range(start, min(start + _ASKED, len(blocks)))
            draws = [generator("held-out", block) for block in chosen]
            batch = masked_batch(blocks, chosen, vocabulary, share, draws)
            inputs = split_places(places, {name: value.to(model.device) for name, value in batch.items()})
            labels = inputs.pop("labels")
            logits = model(**inputs).logits.float()
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum").double())
            count += len(labels)
    model.train(training)
    # A model that was never trained on words can be sure of the wrong ones; 700 nats still fit a float.
    return math.exp(min(loss / count, 700.0)), count


def _operations(method: Method, model: Any, examples: Any) -> tuple[float, float]:
    """Floating-point operations of matrix products of one step per block: with the method, and naively.

    Counted by torch on a copy of the model, forward and backward; random state and the method are left alone.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from asa_bench.methods.naive import Naive
    from asa_bench.models.masked import MaskedPlaces
    from asa_bench.pretraining_trainer import split_places

    size = min(_COUNTED, len(examples))
    batch = {name: value.to(model.device) for name, value in examples.collate(list(range(size))).items()}
    found = []
    for counted in (type(method)(method.options.model_dump()), Naive()):
        twin = copy.deepcopy(model).train()
        twin.get_output_embeddings()._forward_pre_hooks.clear()  # copied along, it knows the other model's places
        places = MaskedPlaces(twin)
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), FlopCounterMode(display=False) as counter:
            counted.attach(twin, seed=0)
            # The fused kernels are not known to the counter; written out they are matrix products.
            with sdpa_kernel(SDPBackend.MATH):
                counted.loss(twin, split_places(places, batch)).total.backward()
            counted.detach()
        found.append(counter.get_total_flops() / size)
    return found[0], found[1]


def _save(model: Any, tokenizer: Any, pooler: Mapping[str, torch.Tensor], output_dir: Path) -> None:
    """Write the plain checkpoint: the encoder, its head for masked tokens, and the pooler where there is one."""
    from safetensors import SafetensorError

    from asa_bench.errors import StoreError

    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        state = {**model.state_dict(), **{name: value.to(model.device) for name, value in pooler.items()}}
        model.save_pretrained(output_dir, state_dict=state, safe_serialization=True)
        tokenizer.save_pretrained(output_dir)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{output_dir}: the model cannot be saved: {' '.join(str(error).split())}"
        ) from error
