"""The laboratory's own encoder: a small BERT with the laboratory's vocabulary, pre-trained on its text.

The pre-training is BERT's (Devlin et al., NAACL 2019, https://doi.org/10.18653/v1/N19-1423): masked words, and a
judgement on whole lines read off the first token. Two things differ. A part of the words is mistyped, and the
intact word is to be told, so that a mistyped word means something. And the judged pairs are not neighbors in a
document: the second sentence follows from the first (or says the same) or it does not, as often with shared words
as without, so that no shortcut is planted.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from asa_bench.errors import StoreError
from asa_bench.tasks.base import Frozen, LaboratoryOptions
from asa_bench.tasks.laboratory.catalogue import LABORATORY_VERSION

if TYPE_CHECKING:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

TITLE = "laboratory-bert"
# Of the vocabulary and of how this module pre-trains; bumped when either changes what comes out.
MODEL_VERSION = 2
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_IGNORED = -100


class Pretraining(Frozen):
    """Size of the encoder and how it is pre-trained."""

    hidden_size: int = Field(default=64, ge=8)
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    feed_forward: int = Field(default=128, ge=8)
    positions: int = Field(default=64, ge=16, description="most tokens of an input")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    initializer_range: float = Field(
        default=0.1,
        gt=0,
        description="BERT's 0.02 is made for 768 dimensions; small models learn little with it",
    )
    lines: int = Field(default=36_000, ge=1, description="of laboratory text")
    epochs: int = Field(default=3, ge=1, description="how often each line is seen, its noise new each time")
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, lt=1, description="the highest; AdamW, linear schedule")
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    masked: float = Field(default=0.1, ge=0, le=1, description="share of words that are masked or exchanged")
    mistyped: float = Field(default=0.1, ge=0, le=1, description="share of words that are mistyped")
    word_weight: float = Field(
        default=0.2, ge=0, description="of the loss on words beside that on judgements"
    )


PRETRAINING = Pretraining()


@lru_cache(maxsize=1)
def known_words() -> tuple[str, ...]:
    """Every word of the laboratory's texts that has more than one letter, sorted."""
    from asa_bench.tasks.laboratory import corpus
    from asa_bench.tasks.laboratory.lexicon import words
    from asa_bench.tasks.laboratory.perturb import ASIDES

    text = " ".join((*corpus(LaboratoryOptions(), 4_000), *ASIDES, *words())).lower()
    return tuple(sorted(word for word in set(re.findall(r"[a-z]+", text)) if len(word) > 1))


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Pieces in the order of their ids: special ones, punctuation, characters, ends and beginnings, words.

    With every character in it, a mistyped word becomes its pieces and never ``[UNK]``.
    """
    characters = string.ascii_lowercase + string.digits
    known = known_words()
    # Beginnings and ends keep most of a mistyped word in two pieces that tell which word it was.
    starts = {word[:size] for word in known for size in (3, 4) if len(word) > size + 1}
    ends = {f"##{word[-size:]}" for word in known for size in (3, 4) if len(word) > size + 1}
    letters = (*characters, *(f"##{letter}" for letter in characters))
    return (*SPECIAL, *string.punctuation, *letters, *sorted(ends), *sorted(starts - set(known)), *known)


def identify() -> str:
    """sha256 (hex) of what the pre-training reads: the vocabulary and the generator's version."""
    content = json.dumps([LABORATORY_VERSION, MODEL_VERSION, vocabulary()])
    return hashlib.sha256(content.encode()).hexdigest()


def tokenizer(options: Pretraining = PRETRAINING) -> BertTokenizerFast:
    """BERT's tokenizer (lower case, WordPiece) over `vocabulary`."""
    import tempfile

    from transformers import BertTokenizerFast

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vocab.txt"
        file.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
        made: BertTokenizerFast = BertTokenizerFast(
            str(file), do_lower_case=True, model_max_length=options.positions
        )
    return made


def configuration(options: Pretraining = PRETRAINING, labels: tuple[str, ...] | None = None) -> BertConfig:
    """BERT's configuration at the laboratory's size."""
    from transformers import BertConfig

    names: dict[str, Any] = {}
    if labels is not None:
        names = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    made: BertConfig = BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=options.hidden_size,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=options.feed_forward,
        max_position_embeddings=options.positions,
        hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.dropout,
        initializer_range=options.initializer_range,
        **names,
    )
    return made


def build(
    labels: tuple[str, ...], seed: int, options: Pretraining = PRETRAINING
) -> BertForSequenceClassification:
    """A classifier that was not pre-trained, initialized from `seed` alone; global random state is left alone."""
    import torch
    from transformers import BertForSequenceClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: BertForSequenceClassification = BertForSequenceClassification(configuration(options, labels))
    return model


@dataclass
class _Batch:
    """One step's tensors: (batch, length) each, and `judgements`, (batch,), with -100 where there is none."""

    inputs: dict[str, torch.Tensor]
    words: torch.Tensor
    judgements: torch.Tensor
    pairs: torch.Tensor


class _Lines:
    """Lines of text as token ids, noised anew from a seed whenever a batch is made."""

    def __init__(self, options: Pretraining, seed: int) -> None:
        from asa_bench.tasks.laboratory.text import lines

        self.options = options
        self.tokenizer: Any = tokenizer(options)
        self.random = random.Random(seed)  # noqa: S311  (not a secret)
        made = lines(options.lines)
        self.judgements = [_IGNORED if line.judgement is None else int(line.judgement) for line in made]
        self.pairs = [len(line.texts) == 2 for line in made]
        self.ids: list[list[int]] = []
        self.types: list[list[int]] = []
        for pair in (
            False,
            True,
        ):  # both kinds in one call each: a call per line would take longer than training
            chosen = [line.texts for line in made if (len(line.texts) == 2) == pair]
            if not chosen:
                continue
            encoded = self.tokenizer(*(list(column) for column in zip(*chosen, strict=True)))
            found = iter(zip(encoded["input_ids"], encoded["token_type_ids"], strict=True))
            if not pair:
                singles = found
            else:
                doubles = found
        for pair in self.pairs:
            ids, types = next(doubles if pair else singles)
            self.ids.append(ids)
            self.types.append(types)
        self.size = len(vocabulary())
        self.first_word = self.size - len(known_words())
        self._typos: dict[int, list[list[int]]] = {}

    def typos(self, word: int) -> list[list[int]]:
        """Every mistyping of a word, as ids; none for what is no word."""
        from asa_bench.tasks.laboratory.perturb import typos

        if word not in self._typos:
            found = typos(vocabulary()[word]) if word >= self.first_word else []
            self._typos[word] = self.tokenizer(found, add_special_tokens=False)["input_ids"] if found else []
        return self._typos[word]

    def noised(self, line: int) -> tuple[list[int], list[int], list[int]]:
        """Ids, types and the ids to tell (-100 where nothing is asked) of one line."""
        options, draw = self.options, self.random.random
        ids: list[int] = []
        types: list[int] = []
        words: list[int] = []
        for piece, kind in zip(self.ids[line], self.types[line], strict=True):
            chance = draw() if piece >= len(SPECIAL) else 1.0
            pieces, told = [piece], _IGNORED
            if chance < options.masked:
                # As in BERT: 80 % masked, 10 % another word, 10 % left as it is.
                fate, told = draw(), piece
                if fate < 0.8:
                    pieces = [SPECIAL.index("[MASK]")]
                elif fate < 0.9:
                    pieces = [self.first_word + int(draw() * (self.size - self.first_word))]
            elif chance < options.masked + options.mistyped and self.typos(piece):
                found = self.typos(piece)
                pieces, told = found[int(draw() * len(found))], piece
            ids += pieces
            words += [told, *[_IGNORED] * (len(pieces) - 1)]
            types += [kind] * len(pieces)
        return ids[: options.positions], types[: options.positions], words[: options.positions]

    def batches(self) -> Iterator[_Batch]:
        """All epochs; lines of like length together, in an order that the seed fixes."""
        for _ in range(self.options.epochs):
            yield from self._epoch()

    def _epoch(self) -> Iterator[_Batch]:
        import torch

        size = self.options.batch_size
        order = sorted(range(len(self.ids)), key=lambda _: self.random.random())
        plan: list[list[int]] = []
        for start in range(0, len(order), size * 16):
            chunk = sorted(order[start : start + size * 16], key=lambda line: len(self.ids[line]))
            plan += [chunk[i : i + size] for i in range(0, len(chunk), size)]
        for place in sorted(range(len(plan)), key=lambda _: self.random.random()):
            noised = [self.noised(line) for line in plan[place]]
            length = max(len(ids) for ids, _, _ in noised)

            def padded(column: int, value: int, noised: Any = noised, length: int = length) -> torch.Tensor:
                return torch.tensor([row[column] + [value] * (length - len(row[column])) for row in noised])

            ids = padded(0, 0)
            yield _Batch(
                {"input_ids": ids, "token_type_ids": padded(1, 0), "attention_mask": (ids != 0).long()},
                padded(2, _IGNORED),
                torch.tensor([self.judgements[line] for line in plan[place]]),
                torch.tensor([self.pairs[line] for line in plan[place]]),
            )


def pretrain(
    folder: Path,
    seed: int,
    precision: Literal["float32", "bf16"] = "float32",
    progress: Callable[[int, int], None] | None = None,
    options: Pretraining = PRETRAINING,
    masked: Path | None = None,
) -> dict[str, Any]:
    """Pre-train the encoder and save it, with its tokenizer, to `folder` (safetensors).

    Args:
        folder: made if need be.
        masked: where the same encoder goes with its head for masked words, if anywhere.
        seed: of the weights, the order and the noise. Global random state is left as it was.
        precision: bf16 is autocast. At this size it is not faster than float32.
        progress: called with (steps done, steps in all) after each step.

    Returns:
        ``steps``, and over the last tenth of them the share of words and of judgements told right: JSON.

    Raises:
        StoreError: the folder cannot be written.
    """
    import torch
    from transformers import BertForMaskedLM

    lines = _Lines(options, seed)
    steps = options.epochs * -(-options.lines // options.batch_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = BertForMaskedLM(configuration(options)).train()
        # One judge for pairs and one for reviews; they end with the pre-training.
        judges = torch.nn.ModuleList([torch.nn.Linear(options.hidden_size, 2) for _ in range(2)])
        parameters = [*model.parameters(), *judges.parameters()]
        optimizer = torch.optim.AdamW(
            parameters, lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        warmup = max(1.0, options.warmup_ratio * steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1.0, steps - warmup))),
        )
        told = torch.zeros(4)
        for step, batch in enumerate(lines.batches()):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                hidden = model.bert(**batch.inputs).last_hidden_state
                asked = batch.words != _IGNORED
                word_logits = model.cls(hidden[asked]).float()
                first = hidden[:, 0]
                judged = torch.where(batch.pairs[:, None], judges[0](first), judges[1](first)).float()
            words = batch.words[asked]
            loss = torch.nn.functional.cross_entropy(word_logits, words, reduction="sum") / max(1, len(words))
            clear = batch.judgements != _IGNORED
            judgements = batch.judgements[clear]
            judgement_loss = torch.nn.functional.cross_entropy(judged[clear], judgements, reduction="sum")
            loss = options.word_weight * loss + judgement_loss / max(1, len(judgements))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            if step >= steps * 9 // 10:
                right_words = (word_logits.argmax(-1) == words).sum()
                right_judgements = (judged[clear].argmax(-1) == judgements).sum()
                told += torch.tensor([right_words, len(words), right_judgements, len(judgements)])
            if progress is not None:
                progress(step + 1, steps)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        model.bert.save_pretrained(folder, safe_serialization=True)
        lines.tokenizer.save_pretrained(folder)
        if masked is not None:
            model.save_pretrained(masked, safe_serialization=True)
            lines.tokenizer.save_pretrained(masked)
    except OSError as error:
        raise StoreError(f"{folder}: the pre-trained encoder cannot be saved: {error}") from error
    right_words, all_words, right_judgements, all_judgements = told.tolist()
    return {
        "steps": steps,
        "lines": options.lines,
        "words_right": round(right_words / max(1, all_words), 4),
        "judgements_right": round(right_judgements / max(1, all_judgements), 4),
    }
