"""A victim: a trained or loaded model that is ready to be asked. Texts in, logits out."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from asa_bench.encoding import encode
from asa_bench.memory import Parts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from asa_bench.encoding import Encoded
    from asa_bench.models.unpadded import Unpadded
    from asa_bench.tasks.base import Kind

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], None]

# Texts are padded to a multiple of this many tokens, which decides how many different lengths there are, and so passes. With
# MiniLM on SST-2, 1, 2, 4 and 8 took 6.8, 6.4, 6.2 and 5.6 s in float32, 5.1, 4.8, 4.2 and 3.7 s in bf16 (32 examples of
# deepwordbug+stopwords, processor time of one busy core, best of three), with 100, 95, 93 and 88 % of real tokens.
STEADY_LENGTHS = 8
# Tokens of a pass without padding, about, unless one text has more: it bounds the memory, and more are no faster
# (MiniLM: 0.27 ms a token with 1,800 tokens, 0.26 with 7,200).
PASS_TOKENS = 2048
# Nor is a pass divided between threads below so many tokens.
_FEWEST_TOKENS = 64


@contextlib.contextmanager
def threads_apart() -> Iterator[int]:
    """While inside, torch computes with one thread, so that passes can be given to several; yields how many there were."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def at_once(
    work: Callable[[T], R], items: Sequence[T], threads: int, stack: contextlib.ExitStack
) -> Iterable[R]:
    """What `work` makes of each item, in their order, by several threads where there are several and more than one item.

    Give what takes longest first, so that no thread is left with it at the end. The threads are daemons that nobody waits
    for: one that hangs, with a time limit, ends neither the others nor the process.

    Args:
        stack: ends the threads when it is left.
    """
    if threads < 2 or len(items) < 2:
        return map(work, items)
    return stack.enter_context(ThreadPool(threads)).imap(work, items)


def _parts(
    alike: list[list[int]], lengths: Sequence[int], most: int, threads: int
) -> Iterator[list[list[int]]]:
    """Cuts texts into passes without padding, as few as may be, with about as many tokens for each thread.

    Args:
        alike: the examples of each text.
        lengths: of the examples.
        most: tokens of a pass, about; one text may have more.
    """
    tokens = [lengths[same[0]] for same in alike]
    shares = threads * -(-sum(tokens) // (threads * most))
    enough = max(min(_FEWEST_TOKENS, most), sum(tokens) / max(shares, 1))
    start, held = 0, 0
    for end, length in enumerate(tokens):
        # Cut where that comes nearest to `enough`, so that no thread gets a remainder of its own.
        if end > start and held + length / 2 > enough:
            yield alike[start:end]
            start, held = end, 0
        held += length
    if start < len(alike):
        yield alike[start:]


class Victim:
    """A fine-tuned model in eval mode, asked in batches that are padded no further than they need.

    Args:
        model: a transformers model with the head of its `kind`; put into eval mode here.
        tokenizer: its tokenizer.
        labels: label names in the order of the logits (the task's names, already mapped from the model's own);
            none for regression, '0', '1', ... for multiple choice.
        kind: what it gives.
        max_length: texts are truncated to this many tokens (the longer of two texts first).
        batch_size: examples per forward pass; of passes without padding (`steady_logits`), tokens for so many of
            `max_length`, up to `PASS_TOKENS`. Results may differ in the last float32 digits between batch sizes.

    Attributes:
        parts: into how many parts batches are cut; more than 1 once one did not fit into memory.
        bf16: whether passes are computed under bf16 autocast; see `in_bf16`.
        products: the model's linear layers, computed so that rows do not change each other.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        *,
        kind: Kind = "classification",
        max_length: int = 128,
        batch_size: int = 64,
    ) -> None:
        from asa_bench.models import unpadded
        from asa_bench.models.products import SteadyProducts

        self.model: Any = model.eval()
        self.tokenizer: Any = tokenizer
        self.labels = tuple(labels)
        self.kind: Kind = kind
        self.max_length = max_length
        self.batch_size = batch_size
        self.parts = Parts()
        self.bf16 = False
        self.products = SteadyProducts(self.model)
        self._unpadded = unpadded.of(self.model) if self.kind == "classification" else None

    def in_bf16(self) -> Victim:
        """The same model and tokenizer, asked under bf16 autocast: for searches only, never for what is reported."""
        quick = copy.copy(self)
        quick.bf16 = True
        return quick

    @property
    def apart(self) -> bool:
        """Whether texts of as many tokens do not change each other where `products` are used: of a family that is known to."""
        return self._unpadded is not None and self.model.device.type == "cpu"

    def logits(
        self,
        texts: Sequence[tuple[str, ...]],
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Logits of each example.

        Args:
            texts: one tuple per example: one text or two, or those of a multiple choice (see `encode`).
            batch_size: overrides the victim's own.
            progress: called with (examples done, examples) after each batch.

        Returns:
            float32 array, in the order of `texts`: (examples, labels); (examples, choices) of multiple choice;
            (examples, 1) of regression.

        Raises:
            ValueError: the victim labels tokens, whose number differs; ask `token_logits`.
        """
        if self.kind == "token_classification":
            raise ValueError("a token classifier has logits per word; ask token_logits")
        width = 1 if self.kind == "regression" else len(self.labels)
        result = np.empty((len(texts), width), dtype=np.float32)
        if texts:
            encoded = encode(self.tokenizer, self.kind, texts, self.max_length)
            for chosen, logits in self._batches(encoded, batch_size, progress):
                result[chosen] = logits
        return result

    def steady_logits(self, texts: Sequence[tuple[str, ...]], batch_size: int | None = None) -> np.ndarray:
        """Logits that depend on each text alone, to the last bit, whatever else is asked with it.

        In an ordinary batch the padding and the number of rows change the last digits of a text's logits, and a search
        that compares them then branches differently. Here a text is not padded at all (`asa_bench.models.unpadded`), or, for
        families of models that cannot do without, as far as its own length tells (`STEADY_LENGTHS`) and together with texts
        of that padded length only. A linear layer's row depends on that row alone (`asa_bench.models.products`). Texts with
        the same tokens are computed once. On other devices than the processor, whose kernels depend on the shape, every pass
        is filled up with copies to `batch_size` texts, so there the logits still depend on that number.

        Threads divide the rows of a product among them, which shows in the last digits, too. So each pass is computed by
        one thread, and several passes at once where torch has several threads: the logits are those of one thread.

        Args:
            texts: one tuple per example, of a classifier.
            batch_size: rows per forward pass; overrides the victim's own.

        Returns:
            float32 array of shape (examples, labels), in the order of `texts`.
        """
        import torch

        from asa_bench.models.products import STEADY_ROWS
        from asa_bench.models.unpadded import INPUTS

        result = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        if not texts:
            return result
        size = batch_size or self.batch_size
        on_processor = self.model.device.type == "cpu"
        encoded = encode(self.tokenizer, self.kind, texts, self.max_length)
        unpadded = self._unpadded if on_processor and encoded.columns.keys() <= INPUTS else None

        def asked(chosen: list[list[int]], length: int) -> tuple[list[list[int]], np.ndarray]:
            rows = [same[0] for same in chosen]
            with torch.inference_mode():  # of this thread alone
                if unpadded is not None:
                    return chosen, self._unpadded_logits(unpadded, encoded, rows)
                rows += rows[:1] * (0 if on_processor else size - len(rows))
                batch = {
                    name: torch.from_numpy(
                        encoded.padded([column[i] for i in rows], length, encoded.padding.get(name, 0))
                    )
                    for name, column in encoded.columns.items()
                }
                return chosen, self._forward(batch)

        with contextlib.ExitStack() as stack:
            threads = 1
            if on_processor:
                stack.enter_context(self.products.used(self.bf16))
                threads = stack.enter_context(threads_apart())
            if unpadded is not None:
                stack.enter_context(unpadded.used())
            passes = []
            for length, alike in self._sharing_passes(encoded, unpadded is not None):
                if unpadded is not None:
                    most = min(PASS_TOKENS, size * self.max_length)
                    passes += [(part, 0) for part in _parts(alike, encoded.lengths, most, threads)]
                    continue
                step = min(size, max(STEADY_ROWS, -(-len(alike) // threads))) if on_processor else size
                passes += [(alike[start : start + step], length) for start in range(0, len(alike), step)]
            if threads > 1:
                passes.sort(key=lambda item: -sum(encoded.lengths[same[0]] for same in item[0]))
            for chosen, logits in at_once(lambda item: asked(*item), passes, threads, stack):
                for same, row in zip(chosen, logits[: len(chosen)], strict=True):
                    result[same] = row
        return result

    def _sharing_passes(self, encoded: Encoded, unpadded: bool) -> Iterator[tuple[int, list[list[int]]]]:
        """Texts that may share a pass, shorter ones first: how far each is padded, and for each the examples that have it."""
        groups: dict[tuple[int, bool], dict[bytes, list[int]]] = {}
        for index in sorted(range(len(encoded)), key=lambda at: (encoded.lengths[at], at)):
            length = encoded.lengths[index]
            padded = 0 if unpadded else self._steady_length(length)
            tokens = b"".join(column[index].tobytes() for column in encoded.columns.values())
            groups.setdefault((padded, padded > length), {}).setdefault(tokens, []).append(index)
        for (padded, _), alike in sorted(groups.items()):
            yield padded, list(alike.values())

    def _unpadded_logits(self, passes: Unpadded, encoded: Encoded, rows: list[int]) -> np.ndarray:
        """Logits of these examples by one pass without padding; neighbours should be as long as each other."""
        import torch

        def part(start: int, end: int) -> torch.Tensor:
            columns = {
                name: torch.from_numpy(np.concatenate([column[row] for row in rows[start:end]]))
                for name, column in encoded.columns.items()
            }
            return passes.logits(columns, [encoded.lengths[row] for row in rows[start:end]])

        return self._computed(len(rows), part)

    def _steady_length(self, length: int) -> int:
        """How long a text of so many tokens is padded: the next multiple of `STEADY_LENGTHS` that leaves some padding.

        Models drop a mask that masks nothing and then take another path, so every text of a pass is padded, or none is.
        """
        padded = (length // STEADY_LENGTHS + 1) * STEADY_LENGTHS
        return padded if STEADY_LENGTHS > 1 and padded < self.max_length else length

    def token_logits(
        self,
        texts: Sequence[tuple[str, ...]],
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> list[np.ndarray]:
        """Logits of each word of each text, read off the word's first token.

        Args:
            texts: one tuple per example, of one text whose words are separated by single spaces.

        Returns:
            Per example a float32 array (words, labels), in the order of `texts`; NaN for a word that was truncated
            or of which the tokenizer leaves nothing.
        """
        if not texts:
            return []
        encoded = encode(self.tokenizer, "token_classification", texts, self.max_length)
        positions = encoded.words or []
        result = [np.full((len(words), len(self.labels)), np.nan, dtype=np.float32) for words in positions]
        for chosen, logits in self._batches(encoded, batch_size, progress):
            for index, tokens in zip(chosen, logits, strict=True):
                there = positions[index] >= 0
                start = tokens.shape[0] - encoded.lengths[index] if encoded.left else 0
                result[index][there] = tokens[start + positions[index][there]]
        return result

    def _batches(
        self, encoded: Encoded, batch_size: int | None, progress: Progress | None
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yields the indices of a batch of examples, and its logits.

        On the processor each batch is computed by one thread, several at once where torch has several threads: none waits for
        the others in the middle of a product, and the logits are those of one thread.
        """
        import torch

        size = batch_size or self.batch_size
        # Neighbours in length share a batch, so almost nothing of a batch is padding.
        order = sorted(range(len(encoded)), key=lambda i: (encoded.lengths[i], i))
        batches = [order[start : start + size] for start in range(0, len(order), size)]

        def asked(chosen: list[int]) -> tuple[list[int], np.ndarray]:
            with torch.inference_mode():  # of this thread alone
                return chosen, self._forward(encoded.batch(chosen))

        done = 0
        with contextlib.ExitStack() as stack:
            threads = stack.enter_context(threads_apart()) if self.model.device.type == "cpu" else 1
            for chosen, logits in at_once(asked, batches[:: 1 if threads == 1 else -1], threads, stack):
                yield chosen, logits
                done += len(chosen)
                if progress is not None:
                    progress(done, len(order))

    def _forward(self, batch: Mapping[str, torch.Tensor]) -> np.ndarray:
        """Logits of a batch."""
        device = self.model.device

        def part(start: int, end: int) -> torch.Tensor:
            found: torch.Tensor = self.model(
                **{name: ids[start:end].to(device) for name, ids in batch.items()}
            ).logits
            return found

        return self._computed(len(batch["input_ids"]), part)

    def _computed(self, rows: int, part: Callable[[int, int], torch.Tensor]) -> np.ndarray:
        """The logits that `part` gives of a batch, in parts where the whole does not fit into memory (see `parts`).

        A part's logits may differ from the whole's in their last digits.

        Args:
            rows: of the batch.
            part: logits of rows start to end.
        """
        import torch

        def compute(bounds: list[tuple[int, int]]) -> np.ndarray:
            with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bf16):
                found = [part(start, end).float().cpu().numpy() for start, end in bounds]
            return found[0] if len(found) == 1 else np.concatenate(found)

        try:
            return self.parts.attempt(rows, compute)
        except SystemExit as left:  # one of several threads that ended so would never be missed
            raise RuntimeError(f"the model asked to leave the process: SystemExit({left.code!r})") from left

    def predict(self, texts: Sequence[tuple[str, ...]]) -> list[str]:
        """The most probable label name of each example, or a regression's number, as text."""
        return [self.said(row) for row in self.logits(texts)]

    def said(self, logits: np.ndarray) -> str:
        """What logits of shape (labels,) mean: a label name, or for regression the number itself.

        Of equal logits the first counts. A word without logits (NaN) is outside of every entity: 'O' if there is
        such a label, else the first label.
        """
        if self.kind == "regression":
            return f"{float(logits[0]):.7g}"
        if np.isnan(logits).any():
            return "O" if "O" in self.labels else self.labels[0]
        return self.labels[int(logits.argmax())]
