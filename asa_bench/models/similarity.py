"""How alike two texts are by an encoder: the cosine of the means of their token vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asa_bench.models import loading

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_TOKENS = 256


class SentenceEncoder:
    """Texts to vectors, as sentence encoders with mean pooling do (Reimers and Gurevych, EMNLP 2019,
    https://doi.org/10.18653/v1/D19-1410).

    Any encoder can be asked; how far its cosines follow meaning depends on what it was trained for.

    Args:
        model: an encoder without head; put into eval mode here.
        tokenizer: its tokenizer; texts are cut after `MAX_TOKENS` tokens, or what the model holds.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model: Any = model.eval()
        self.tokenizer: Any = tokenizer
        self.max_length = min(MAX_TOKENS, loading.longest_input(model, tokenizer))

    def vectors(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float64]:
        """Vectors of length 1, float64, of shape (texts, width)."""
        import torch

        order = sorted(range(len(texts)), key=lambda at: (len(texts[at]), at))
        found: list[NDArray[np.float64]] = [np.zeros(0)] * len(texts)
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            inputs = self.tokenizer(
                [texts[at] for at in part],
                padding=True,
                truncation=True,
                max_length=self.max_length,
                return_tensors="pt",
            ).to(self.model.device)
            with torch.inference_mode():
                unit = pooled(self.model(**inputs).last_hidden_state, inputs["attention_mask"])
            for at, vector in zip(part, unit.cpu().numpy(), strict=True):
                found[at] = vector
        return np.stack(found) if found else np.zeros((0, 0))


def pooled(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Mean of the vectors of each text's real tokens, of length 1: float64, (texts, width).

    Args:
        hidden: (texts, tokens, width).
        attention_mask: (texts, tokens), 0 for padding.

    Source: Reimers and Gurevych 2019, arXiv:1908.10084, section 3, the MEAN strategy.
    """
    import torch

    mask = attention_mask.unsqueeze(-1).double()
    mean = (hidden.double() * mask).sum(1) / mask.sum(1).clamp(min=1)
    return torch.nn.functional.normalize(mean, dim=-1)


def load(source: str | Path, revision: str | None = None, device: str = "cpu") -> SentenceEncoder:
    """The encoder of a folder or hub id, float32; a head that its checkpoint has is left out.

    Raises:
        BadInput: it cannot be loaded safely, or its weights are no encoder's.
        Unavailable: a hub id that cannot be reached.
    """
    from transformers import AutoModel

    from asa_bench.errors import BadInput

    tokenizer = loading.load_tokenizer(source, revision)
    with loading.quiet(), loading.explained(source):
        model, info = loading.pretrained(AutoModel, source, revision)
        absent = sorted(name for name in info["missing_keys"] if "pooler." not in name)
        if absent:
            raise BadInput(f"model {source}: its weights lack {absent[0]!r} of the encoder")
    return SentenceEncoder(model.to(device), tokenizer)
