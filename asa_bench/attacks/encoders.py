"""Sentence encoders in constraints, asked like the victim: the questions of all lanes together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from asa_bench.attacks import adapter, builders, library, resources
from asa_bench.models import similarity
from asa_bench.models.unpadded import Reading, mean
from asa_bench.victims import Victim

textattack = adapter.textattack

# mypy sees the library as Any.
_SentenceEncoder: Any = textattack.constraints.semantics.sentence_encoders.SentenceEncoder


class _Pooled(torch.nn.Module):
    """An encoder whose output is the unit vector of each text, (texts, width), where a classifier's are its logits."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.encoder.device

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """See `asa_bench.models.similarity.pooled`."""
        hidden = self.encoder(**inputs).last_hidden_state
        mask = inputs.get("attention_mask")
        if mask is None:  # what `unpadded` made of a text: its mean
            mask = hidden.new_ones(hidden.shape[:2])
        return SimpleNamespace(logits=similarity.pooled(hidden, mask))

    def unpadded(self) -> tuple[Any, Reading]:
        """See `asa_bench.models.unpadded.of`."""
        return self.encoder, mean


def steady_encoder(encoder: similarity.SentenceEncoder) -> Victim:
    """An encoder whose `steady_logits` are vectors of length 1 that depend on each text alone, to the last bit."""
    pooled: Any = _Pooled(encoder.model)
    width = tuple(map(str, range(encoder.model.config.hidden_size)))
    return Victim(pooled, encoder.tokenizer, width, max_length=encoder.max_length)


@lru_cache(maxsize=1)
def _loaded(folder: Path, device: str) -> Victim:
    """One encoder for all lanes."""
    return steady_encoder(similarity.load(folder, device=device))


def of_folder(data_dir: Path | None, device: str) -> Victim:
    """The encoder of the data folder, loaded once.

    Raises:
        Unavailable: there is none.
    """
    return _loaded(library.resource(resources.ENCODER, data_dir), device)


class EncoderSimilarity(_SentenceEncoder):  # type: ignore[misc]
    """The library's constraint on the similarity of sentences, by an encoder that all lanes share.

    Args:
        wrapper: through which it asks, so that other lanes' questions come along.
        encoder: see `steady_encoder`.
        options: those of the library's constraint.
    """

    def __init__(self, wrapper: adapter.VictimWrapper, encoder: Victim, **options: Any) -> None:
        super().__init__(**options)
        self._wrapper = wrapper
        self._encoder = encoder

    def encode(self, sentences: Sequence[str]) -> torch.Tensor:
        """Vectors of the sentences, (sentences, width)."""
        asked = [(sentence,) for sentence in sentences]
        return torch.from_numpy(self._wrapper.ask(asked, self._encoder.steady_logits))

    def _score_list(self, starting_text: Any, transformed_texts: Sequence[Any]) -> torch.Tensor:
        """Similarities, (texts,); 1 for texts that are too short to be compared, of which the library asks and then says so."""
        least = self.window_size if self.skip_text_shorter_than_window else 0
        long = [at for at, text in enumerate(transformed_texts) if len(text.words) >= least]
        scores = torch.ones(len(transformed_texts))
        if long:
            scores[long] = super()._score_list(starting_text, [transformed_texts[at] for at in long])
        return scores

    def _sim_score(self, starting_text: Any, transformed_text: Any) -> Any:
        return self._score_list(starting_text, [transformed_text])


def textfooler_neighbours_encoder(wrapper: adapter.VictimWrapper) -> Any:
    """TextFooler over lists of neighbours, with the encoder of the data folder in place of the Universal Sentence Encoder.

    Metric, threshold and window are those of `TextFoolerJin2019`, which were chosen for that encoder: another one puts
    other pairs above the threshold.
    """
    built = builders.textfooler_neighbours(wrapper)
    device = str(getattr(wrapper.model, "device", "cpu"))
    built.constraints.append(
        EncoderSimilarity(
            wrapper,
            of_folder(wrapper.data_dir, device),
            threshold=0.840845057,
            metric="angular",
            compare_against_original=False,
            window_size=15,
            skip_text_shorter_than_window=True,
        )
    )
    return built
