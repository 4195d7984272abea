"""Masked language models in transformations, asked like the victim: the questions of all lanes together."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from asa_bench.attacks import adapter, encoders, library, resources
from asa_bench.errors import BadInput
from asa_bench.models import loading, masked
from asa_bench.models.unpadded import Reading
from asa_bench.victims import Victim

textattack = adapter.textattack

# mypy sees the library as Any.
_Swap: Any = textattack.transformations.WordSwapMaskedLM
_Insertion: Any = textattack.transformations.WordInsertionMaskedLM
_Merge: Any = textattack.transformations.WordMergeMaskedLM
_mergeable: Any = textattack.transformations.word_merges.word_merge_masked_lm.find_merge_index

BERT = "hub:bert-base-uncased"
DISTILROBERTA = "hub:distilroberta-base"

MAX_TOKENS = 512
# Of bert-attack, which looks at every token: texts of one pass, since each token has a number per word of the vocabulary.
_WHOLE_TEXTS = 8
# How the library reads a token, by the model's type: whether its mark stands before the rest of a word or before a word.
_WRITTEN = {
    "bert": "bert",
    "distilbert": "bert",
    "electra": "electra",
    "mpnet": "bert",
    "roberta": "roberta",
    "longformer": "longformer",
    "modernbert": "roberta",
}


class _AtMask(torch.nn.Module):
    """Logits of the first masked token of each text, (texts, vocabulary); of its first token where none is masked."""

    def __init__(self, model: Any, places: masked.MaskedPlaces, mask: int) -> None:
        super().__init__()
        self.model, self.mask = model, mask
        self._places = places

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.device

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """One pass, of whose tokens only one each meets the vocabulary."""
        if "attention_mask" not in inputs:  # `unpadded` left only these
            self._places.forget()
            return SimpleNamespace(logits=self.model(**inputs).logits[:, 0])
        ids = inputs["input_ids"]
        first = (ids == self.mask).int().argmax(1)
        self._places.set(torch.arange(len(ids), device=ids.device) * ids.shape[1] + first, ids.numel())
        return SimpleNamespace(logits=self.model(**inputs).logits)

    def unpadded(self) -> tuple[Any, Reading]:
        """See `asa_bench.models.unpadded.of`."""
        return self.model, lambda hidden, layout: hidden[layout.first(self.mask)]


class _BestTokens(torch.nn.Module):
    """The likeliest ids at each token of a text, best first: (texts, tokens * count), -1 behind the text's end."""

    def __init__(self, model: Any, places: masked.MaskedPlaces, count: int, tokens: int) -> None:
        super().__init__()
        self.model, self.count, self.tokens = model, count, tokens
        self._places = places

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.device

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """One pass; padding does not meet the vocabulary."""
        real = inputs["attention_mask"].bool()
        self._places.set(real.flatten().nonzero().flatten(), real.numel())
        best = self.model(**inputs).logits.topk(self.count).indices.float()  # exact: ids are below 2**24
        filled = torch.full((len(real), self.tokens * self.count), -1.0, device=best.device)
        for row, ids in zip(filled, best.split(real.sum(1).tolist()), strict=True):
            row[: ids.numel()] = ids.flatten()
        return SimpleNamespace(logits=filled)


class MaskedModel:
    """A masked language model that every lane's transformations ask, a text's answer depending on that text alone.

    Args:
        model: with a trained head for masked tokens; put into eval mode here.
        tokenizer: its tokenizer, with a mask token; texts are cut after `MAX_TOKENS` tokens, or what the model holds.

    Attributes:
        name: the class of the model.
        written: how its tokens are written, in the library's words.

    Raises:
        BadInput: a type of model whose tokens the library cannot read, or no mask token.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        kind = model.config.model_type
        if kind not in _WRITTEN:
            raise BadInput(
                f"masked language model: attacks cannot tell words from pieces in tokens of type {kind!r}; "
                f"known types: {', '.join(_WRITTEN)}"
            )
        if tokenizer.mask_token_id is None:
            raise BadInput("masked language model: its tokenizer has no mask token")
        self.name, self.written = type(model).__name__, _WRITTEN[kind]
        self.tokenizer = tokenizer
        self.max_length = min(MAX_TOKENS, loading.longest_input(model, tokenizer))
        self._model = model
        self._places = masked.MaskedPlaces(model)
        vocabulary = int(model.get_output_embeddings().weight.shape[0])
        at_mask: Any = _AtMask(model, self._places, tokenizer.mask_token_id)
        self._at_mask = Victim(at_mask, tokenizer, _numbers(vocabulary), max_length=self.max_length)
        self._best: dict[int, Victim] = {}

    @property
    def at_mask(self) -> adapter.Answer:
        """Answers texts with logits of their first masked token, float32 (texts, vocabulary)."""
        return self._at_mask.steady_logits

    def best(self, count: int) -> adapter.Answer:
        """Answers texts with the `count` likeliest ids at each token, best first: (texts, max_length * count).

        Behind a text's end they are -1.
        """
        if count not in self._best:
            whole: Any = _BestTokens(self._model, self._places, count, self.max_length)
            self._best[count] = Victim(
                whole,
                self.tokenizer,
                _numbers(self.max_length * count),
                max_length=self.max_length,
                batch_size=_WHOLE_TEXTS,
            )
        return self._best[count].steady_logits


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


@lru_cache(maxsize=1)
def _loaded(folder: Path, device: str) -> MaskedModel:
    """One model for all lanes."""
    model, tokenizer = masked.load_trained(folder, what="an attack")
    return MaskedModel(model.to(device), tokenizer)


class _Rows:
    """Stands where the library expects logits of every token and reads those of the masked one."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __getitem__(self, at: tuple[int, int]) -> torch.Tensor:
        return torch.from_numpy(self._rows[at[0]])


class _Asked:
    """Stands where the library expects a model of its own, and hands on what the shared one answered."""

    def __init__(self, written: str) -> None:
        self.config = SimpleNamespace(model_type=written)

    def to(self, _: Any) -> _Asked:
        """It is nowhere."""
        return self

    def eval(self) -> _Asked:
        """It learns nothing."""
        return self

    def __call__(self, answers: np.ndarray, **_: Any) -> tuple[_Rows]:
        return (_Rows(answers),)


class _Shared:
    """What the three transformations have in common; comes before the library's class.

    Args:
        wrapper: through which they ask, so that other lanes' questions come along.
        shared: whom they ask, in place of the model and tokenizer that the library's recipe names.
        options: those of the library's transformation.
    """

    def __init__(
        self,
        wrapper: adapter.VictimWrapper,
        shared: MaskedModel,
        *,
        masked_language_model: Any = None,
        tokenizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(  # type: ignore[call-arg] # of the library's class
            masked_language_model=_Asked(shared.written),
            tokenizer=shared.tokenizer,
            max_length=shared.max_length,
            **options,
        )
        self.masked_lm_name = shared.name
        self._wrapper, self._shared = wrapper, shared

    def _encode_text(self, texts: Sequence[str]) -> dict[str, Any]:
        # Asked here, since the library switches gradients off before it calls its model, for whoever runs meanwhile, too.
        answers = self._wrapper.ask([(text,) for text in texts], self._shared.at_mask)
        ids = self._shared.tokenizer(
            list(texts),
            truncation=True,
            max_length=self._shared.max_length,
            padding=True,
            return_tensors="pt",
        )["input_ids"]
        return {"input_ids": ids, "answers": answers}


class SharedSwap(_Shared, _Swap):  # type: ignore[misc]
    """The library's `WordSwapMaskedLM`; of its two methods, ``bert-attack`` is told here without its detours.

    The library makes every combination of the pieces of a word, computes how likely each is, sorts them by that and then
    takes the first of the unsorted ones. These same ones are taken here, and no more are made.

    Attributes:
        most_combinations: after so many, which is all of a word of four pieces, no further words are looked for. The library
            goes on; where the likeliest tokens are punctuation, for hours.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.most_combinations = 8**4
        self._known: tuple[str, np.ndarray] | None = None

    def _get_transformations(self, current_text: Any, indices_to_modify: Any) -> list[Any]:
        if self.method != "bert-attack":
            return super()._get_transformations(current_text, indices_to_modify)
        found = []
        best = self._best(current_text.text)
        for index in list(indices_to_modify):
            for word in self._words(current_text, index, best):
                if word != current_text.words[index]:
                    found.append(current_text.replace_word_at_index(index, word))
        return found

    def _best(self, text: str) -> np.ndarray:
        """The likeliest ids at each token of a text, (tokens, candidates); a search asks for one word after the other."""
        if self._known is None or self._known[0] != text:
            (row,) = self._wrapper.ask([(text,)], self._shared.best(self.max_candidates))
            ids = row.reshape(-1, self.max_candidates).astype(np.int64)
            self._known = text, ids[ids[:, 0] >= 0]
        return self._known[1]

    def _words(self, current_text: Any, index: int, best: np.ndarray) -> list[str]:
        """What bert-attack puts in place of a word."""
        tokenizer = self._shared.tokenizer
        utils = textattack.shared.utils
        replaced = current_text.replace_word_at_index(index, tokenizer.mask_token).text
        ids = tokenizer(replaced, truncation=True, max_length=self.max_length)["input_ids"]
        if tokenizer.mask_token_id not in ids:
            return []  # cut off
        at = ids.index(tokenizer.mask_token_id)
        pieces = tokenizer.encode(current_text.words[index], add_special_tokens=False)
        columns = [tokenizer.convert_ids_to_tokens(row.tolist()) for row in best[at : at + len(pieces)]]
        if len(columns) <= 1:
            whole = (
                token
                for token in itertools.chain(*columns)
                if utils.is_one_word(token)
                and not utils.check_if_subword(token, self._shared.written, index == 0)
            )
            return [token.strip("Ġ") for token in whole]
        joined = ("".join(tokens).replace("##", "") for tokens in itertools.product(*columns))
        tried = itertools.islice(joined, self.most_combinations)
        words = itertools.islice(filter(utils.is_one_word, tried), self.max_candidates)
        return [word.strip("Ġ") for word in words]


class SharedInsertion(_Shared, _Insertion):  # type: ignore[misc]
    """The library's `WordInsertionMaskedLM`."""


class SharedMerge(_Shared, _Merge):  # type: ignore[misc]
    """The library's `WordMergeMaskedLM` with parts of speech by NLTK's tagger instead of flair's.

    As there, any two neighbours may be merged that their parts of speech allow, stop words and words changed before among
    them.
    """

    def _get_transformations(self, current_text: Any, indices_to_modify: Any) -> list[Any]:
        import nltk

        tags = [tag for _, tag in nltk.pos_tag(current_text.words, tagset="universal")]
        places = _mergeable(tags)
        found = []
        for index, words in zip(places, self._get_merged_words(current_text, places), strict=True):
            shorter = current_text.delete_word_at_index(index + 1)
            for word in (word.strip("Ġ") for word in words):
                if word != current_text.words[index] and re.search("[a-zA-Z]", word):
                    found.append(shorter.replace_word_at_index(index, word))
        return found


@contextlib.contextmanager
def _standing_in(module: Any, **names: Any) -> Iterator[None]:
    """While inside, a module of the library finds other things behind names that it uses."""
    before = {name: getattr(module, name) for name in names}
    for name, value in names.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _built(wrapper: adapter.VictimWrapper, need: str, module: Any, recipe: str, **names: Any) -> Any:
    """A recipe as the library builds it, with every argument of its own, but for whom its parts ask.

    Args:
        need: the masked language model, as in `asa_bench.attacks.base.Attack.needs`.
        module: of the recipe.
        names: more that the module uses and must not find.
    """
    device = str(getattr(wrapper.model, "device", "cpu"))
    shared = _loaded(library.resource(need, wrapper.data_dir), device)
    used = {
        "WordSwapMaskedLM": SharedSwap,
        "WordInsertionMaskedLM": SharedInsertion,
        "WordMergeMaskedLM": SharedMerge,
    }
    stand_ins = {name: partial(kind, wrapper, shared) for name, kind in used.items() if hasattr(module, name)}
    similar = partial(encoders.EncoderSimilarity, wrapper, encoders.of_folder(wrapper.data_dir, device))
    with _standing_in(module, **stand_ins, UniversalSentenceEncoder=similar, **names):
        return getattr(module, recipe).build(wrapper)


def _bae(wrapper: adapter.VictimWrapper, need: str) -> Any:
    return _built(wrapper, need, textattack.attack_recipes.bae_garg_2019, "BAEGarg2019")


def _bert_attack(wrapper: adapter.VictimWrapper, need: str) -> Any:
    return _built(wrapper, need, textattack.attack_recipes.bert_attack_li_2020, "BERTAttackLi2020")


def _clare(wrapper: adapter.VictimWrapper, need: str) -> Any:
    nothing = SimpleNamespace(from_pretrained=lambda _: None)  # the parts ask the shared model
    loads = SimpleNamespace(AutoModelForCausalLM=nothing, AutoTokenizer=nothing)
    module = textattack.attack_recipes.clare_li_2020
    return _built(wrapper, need, module, "CLARE2020", transformers=loads)


def bae_folder(wrapper: adapter.VictimWrapper) -> Any:
    """BAE-R with the masked language model and the sentence encoder of the data folder."""
    return _bae(wrapper, resources.MASKED)


def bae_bert(wrapper: adapter.VictimWrapper) -> Any:
    """BAE-R with the recipe's masked language model and the sentence encoder of the data folder."""
    return _bae(wrapper, BERT)


def bert_attack_folder(wrapper: adapter.VictimWrapper) -> Any:
    """BERT-Attack with the masked language model and the sentence encoder of the data folder."""
    return _bert_attack(wrapper, resources.MASKED)


def bert_attack_bert(wrapper: adapter.VictimWrapper) -> Any:
    """BERT-Attack with the recipe's masked language model and the sentence encoder of the data folder."""
    return _bert_attack(wrapper, BERT)


def clare_folder(wrapper: adapter.VictimWrapper) -> Any:
    """CLARE with the masked language model and the sentence encoder of the data folder, and NLTK's tagger."""
    return _clare(wrapper, resources.MASKED)


def clare_distilroberta(wrapper: adapter.VictimWrapper) -> Any:
    """CLARE with the recipe's masked language model, the sentence encoder of the data folder, and NLTK's tagger."""
    return _clare(wrapper, DISTILROBERTA)
