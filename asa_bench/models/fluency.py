"""How fluently a text reads by a masked language model: its pseudo-perplexity per word."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput
from asa_bench.models import loading, masked

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_TOKENS = 128
_ROWS = 64  # masked copies of a text in one pass


class MaskedScorer:
    """Scores texts by how well a masked language model tells each token from the others.

    Pseudo-log-likelihoods (Salazar et al., ACL 2020, https://doi.org/10.18653/v1/2020.acl-main.240) in the form of Kauf and
    Ivanova (ACL 2023, https://doi.org/10.18653/v1/2023.acl-short.80): where a token is told, the rest of its word to the
    right is masked, too. Without that, a mistyped word of many pieces would seem likely, since they tell each other.

    Args:
        model: with a trained head for masked tokens; put into eval mode here.
        tokenizer: a fast one with a mask token; texts are cut after `MAX_TOKENS` tokens, or what the model holds.

    Raises:
        BadInput: the tokenizer has no mask token or does not tell words.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model: Any = model.eval()
        self.tokenizer: Any = tokenizer
        if not self.tokenizer.is_fast or self.tokenizer.mask_token_id is None:
            raise BadInput("fluency needs a fast tokenizer with a mask token")
        self.max_length = min(MAX_TOKENS, loading.longest_input(model, tokenizer))
        self._places = masked.MaskedPlaces(model)

    def perplexity(self, text: str) -> float:
        """exp of the mean over words of the negative log-likelihood of their tokens; nan for a text without words."""
        import torch

        encoded = self.tokenizer(text, truncation=True, max_length=self.max_length, return_tensors="pt")
        words = encoded.word_ids(0)
        told = [at for at, word in enumerate(words) if word is not None]
        if not told:
            return math.nan
        ids = encoded["input_ids"][0]
        total = 0.0
        for start in range(0, len(told), _ROWS):
            part = told[start : start + _ROWS]
            copies = ids.repeat(len(part), 1)
            for row, at in enumerate(part):
                end = at + 1
                while end < len(words) and words[end] == words[at]:
                    end += 1
                copies[row, at:end] = self.tokenizer.mask_token_id
            inputs = {name: value.repeat(len(part), 1) for name, value in encoded.items()}
            inputs["input_ids"] = copies
            places = torch.arange(len(part)) * len(words) + torch.tensor(part)
            device = self.model.device
            self._places.set(places.to(device), copies.numel())
            with torch.inference_mode():
                logits = self.model(**{name: value.to(device) for name, value in inputs.items()}).logits
            likelihoods = logits.double().log_softmax(-1).cpu()
            total += float(likelihoods[torch.arange(len(part)), ids[part]].sum())
        return math.exp(-total / len({words[at] for at in told}))


def load(source: str | Path, revision: str | None = None, device: str = "cpu") -> MaskedScorer:
    """The masked language model of a folder or hub id, float32.

    Raises:
        BadInput: it cannot be loaded safely, or has no trained head for masked tokens.
        Unavailable: a hub id that cannot be reached.
    """
    model, tokenizer = masked.load_trained(source, revision, what="fluency")
    model.to(device)  # type: ignore[arg-type]
    return MaskedScorer(model, tokenizer)
