"""What the methods that perturb word embeddings have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from asa_bench.errors import BadInput
from asa_bench.methods.base import Method

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from asa_bench.models.perturbation import WordPerturbation


class PerturbingMethod(Method):
    """A method that perturbs word embeddings, with random draws that come from `attach`'s seed alone.

    The model is changed only while a forward pass runs.
    """

    _words: WordPerturbation | None = None

    def attach(self, model: PreTrainedModel, seed: int) -> None:
        from asa_bench.models.perturbation import WordPerturbation

        self._words = WordPerturbation(model, seed)

    @property
    def words(self) -> WordPerturbation:
        """The perturbation of the model's word embeddings.

        Raises:
            BadInput: `attach` was not called, or `detach` was.
        """
        if self._words is None:
            raise BadInput(f"method {self.name!r} is not attached to a model")
        return self._words

    def generators(self) -> Iterable[torch.Generator]:
        return () if self._words is None else (self._words.generator,)

    def detach(self) -> None:
        self._words = None
