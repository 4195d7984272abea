"""A victim: a trained or loaded model that is ready to be asked. Texts in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Victim:
    """A sequence classifier in eval mode, asked in batches that are padded no further than they need.

    Args:
        model: a transformers sequence classification model; put into eval mode here.
        tokenizer: its tokenizer.
        labels: label names in the order of the logits (the task's names, already mapped from the model's own).
        max_length: texts are truncated to this many tokens (the longer of two texts first).
        batch_size: texts per forward pass. Results may differ in the last float32 digits between batch sizes.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        *,
        max_length: int = 128,
        batch_size: int = 64,
    ) -> None:
        self.model: Any = model.eval()
        self.tokenizer: Any = tokenizer
        # Padding apart from encoding is meant: lengths must be known before batches are made.
        if hasattr(tokenizer, "deprecation_warnings"):
            tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
        self.labels = tuple(labels)
        self.max_length = max_length
        self.batch_size = batch_size

    def logits(
        self,
        texts: Sequence[tuple[str, ...]],
        batch_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Logits of each text or text pair.

        Args:
            texts: one tuple per example, of one text or of two.
            batch_size: overrides the victim's own.
            progress: called with (examples done, examples) after each batch.

        Returns:
            float32 array of shape (examples, labels), in the order of `texts`.
        """
        import torch

        if not texts:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        size = batch_size or self.batch_size
        columns = [list(column) for column in zip(*texts, strict=True)]
        encoded = self.tokenizer(*columns, truncation=True, max_length=self.max_length)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        # Neighbours in length share a batch, so almost nothing of a batch is padding.
        order = sorted(range(len(texts)), key=lambda i: (lengths[i], i))
        result = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), size):
                chosen = order[start : start + size]
                batch = self.tokenizer.pad(
                    {key: [values[i] for i in chosen] for key, values in encoded.items()}, return_tensors="pt"
                ).to(self.model.device)
                result[chosen] = self.model(**batch).logits.float().cpu().numpy()
                if progress is not None:
                    progress(start + len(chosen), len(order))
        return result

    def predict(self, texts: Sequence[tuple[str, ...]]) -> list[str]:
        """The most probable label name of each text or text pair."""
        return [self.labels[i] for i in self.logits(texts).argmax(axis=1)]
