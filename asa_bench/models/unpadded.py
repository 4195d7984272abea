"""Forward passes of an encoder over texts of any lengths in one row of tokens, without padding.

All that mixes tokens is self-attention; everything else of an encoder treats each token by itself. So the tokens of many
texts are laid behind one another, (1, tokens), and go through the model's own modules in one piece, while embeddings
(which know positions) and self-attention see the texts of one length at a time, (texts, length). This is what
"unpadding" does for flash attention on accelerators (Portes et al., MosaicBERT, NeurIPS 2023, arXiv:2312.17482), with
the attention that torch has for processors. What it gains is told in `docs/attack_profile.md`.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from asa_bench.errors import BadInput
from asa_bench.models.architectures import Family, family_of
from asa_bench.models.products import replaced

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INPUTS = {"input_ids", "token_type_ids", "attention_mask"}


@dataclass(frozen=True)
class Layout:
    """How texts lie in a row of tokens, those of one length beside each other.

    Attributes:
        ids: (tokens,).
        lengths: tokens of each text, in the order in which they lie.
        runs: of texts of one length: where the first begins, how many there are, their length.
    """

    ids: Tensor
    lengths: tuple[int, ...]
    runs: tuple[tuple[int, int, int], ...]

    @property
    def starts(self) -> Tensor:
        """Where each text begins, (texts,)."""
        lengths = torch.tensor(self.lengths)
        return lengths.cumsum(0) - lengths

    def first(self, token: int) -> Tensor:
        """Where this token stands first in each text, (texts,); the text's beginning where it stands nowhere."""
        found = [
            (self.ids[start : start + texts * length].view(texts, length) == token).int().argmax(1)
            for start, texts, length in self.runs
        ]
        return self.starts + torch.cat(found)


def laid_out(ids: Tensor, lengths: Sequence[int]) -> Layout:
    """The layout of texts, (tokens,), whose lengths are these; best sorted by length."""
    runs, at = [], 0
    for length, texts in groupby(lengths):
        number = len(list(texts))
        runs.append((at, number, length))
        at += number * length
    return Layout(ids, tuple(lengths), tuple(runs))


# What a head is given of each text: (hidden states of all tokens, (tokens, width), layout) -> (texts, width).
Reading = Callable[[Tensor, Layout], Tensor]


def first_token(hidden: Tensor, layout: Layout) -> Tensor:
    """What classifiers read."""
    return hidden[layout.starts]


def mean(hidden: Tensor, layout: Layout) -> Tensor:
    """What sentence encoders read: the mean of a text's tokens, float32."""
    parts = [
        hidden[start : start + texts * length].unflatten(0, (texts, length)).double().mean(1)
        for start, texts, length in layout.runs
    ]
    return torch.cat(parts).float()


def of(model: Any) -> Unpadded | None:
    """Passes without padding of a classifier of a family that can do it, or of a module whose `unpadded` tells how.

    Such a module's ``unpadded()`` returns the encoder in it, with a head or without, and what is read of a text; the module
    is called without an attention mask, and the encoder's states are (texts, 1, width) then. None where a family's
    attention knows positions, or its head reads more than the first token.
    """
    encoder, reading = model, first_token
    if hasattr(model, "unpadded"):
        encoder, reading = model.unpadded()
    elif not type(model).__name__.endswith("ForSequenceClassification"):
        return None
    try:
        family = family_of(encoder)
    except (AttributeError, BadInput):
        return None
    return Unpadded(model, encoder, family, reading) if family.unpaddable else None


class Unpadded:
    """Made by `of`.

    Args:
        model: what gives logits.
        encoder: the transformers model in it, or itself.
        family: the encoder's.
        reading: what its head is given.
    """

    def __init__(self, model: Any, encoder: PreTrainedModel, family: Family, reading: Reading) -> None:
        self._model = model
        self._family = family
        self._encoder: Any = encoder
        self._reading = reading
        self._typed = "token_type_ids" in inspect.signature(encoder.base_model.forward).parameters
        self._current = threading.local()  # each thread's layout: several may compute passes at once

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """While inside, `logits` can be asked, and the model nothing else."""
        embeddings, layers = self._family.embeddings(self._encoder), self._family.layers(self._encoder)
        attentions = dict.fromkeys(self._family.self_attentions(self._encoder))
        with contextlib.ExitStack() as stack:
            stack.enter_context(replaced(embeddings, self._embed(embeddings.forward)))
            stack.enter_context(replaced(layers, self._read(layers.forward)))
            for module in attentions:
                stack.enter_context(replaced(module, self._attend(module)))
            yield

    def logits(self, columns: dict[str, Tensor], lengths: Sequence[int]) -> Tensor:
        """What the model gives each text, (texts, ...).

        Args:
            columns: ``input_ids``, perhaps ``token_type_ids``, each (tokens,): texts behind one another.
            lengths: their lengths.
        """
        ids = columns["input_ids"]
        inputs = {"input_ids": ids[None]}
        if self._typed:
            # Where there are none, a model takes them from a table that ends with its longest text.
            inputs["token_type_ids"] = columns.get("token_type_ids", torch.zeros_like(ids))[None]
        self._current.layout = laid_out(ids, lengths)
        try:
            found: Tensor = self._model(**inputs).logits
        finally:
            del self._current.layout
        return found

    def _embed(self, own: Any) -> Any:
        def forward(input_ids: Tensor, *_: Any, token_type_ids: Tensor | None = None, **__: Any) -> Tensor:
            parts = []
            for start, texts, length in self._current.layout.runs:
                there = slice(start, start + texts * length)
                named = {} if token_type_ids is None else {"token_type_ids": token_type_ids[0, there]}
                named = {name: ids.view(texts, length) for name, ids in named.items()}
                parts.append(own(input_ids=input_ids[0, there].view(texts, length), **named).flatten(0, 1))
            return torch.cat(parts)[None]

        return forward

    def _attend(self, module: Any) -> Any:
        family = self._family

        def forward(*arguments: Any, **named: Any) -> Any:
            call = family.call(module, *arguments, **named)
            # Converted once, not for each of the three products; and attention is faster in float32, if texts are short.
            low = torch.is_autocast_enabled("cpu") and call.hidden.dtype == torch.float32
            hidden = call.hidden.to(torch.get_autocast_dtype("cpu")) if low else call.hidden
            projected = family.project(module, replace(call, hidden=hidden))
            query, key, value = (
                part.transpose(1, 2)[0].to(torch.float32 if low else part.dtype) for part in projected
            )
            scale = family.scale(module, query.shape[-1])
            context = torch.empty_like(value)  # (tokens, heads, head width)
            with torch.autocast("cpu", enabled=False):
                for start, texts, length in self._current.layout.runs:
                    there = slice(start, start + texts * length)
                    found = torch.nn.functional.scaled_dot_product_attention(
                        *(
                            part[there].unflatten(0, (texts, length)).transpose(1, 2)
                            for part in (query, key, value)
                        ),
                        scale=scale,
                    )
                    context[there] = found.transpose(1, 2).flatten(0, 1)
            return family.output(module, call, context.flatten(1)[None])

        return forward

    def _read(self, own: Any) -> Any:
        def forward(*arguments: Any, **named: Any) -> Any:
            found = own(*arguments, **named)
            read = self._reading(found[0][0], self._current.layout)[:, None]
            if isinstance(found, tuple):
                return (read, *found[1:])
            found.last_hidden_state = read
            return found

        return forward
