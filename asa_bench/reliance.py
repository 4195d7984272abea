"""Asks a model how much it leans on single words: each left out in turn, then the most important ones together."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asa_bench.attention import NoAttention, eager, encode, first_layer
from asa_bench.errors import BadInput
from asa_bench.measures import reliance as measures
from asa_bench.victims import Victim
from asa_bench.words import Word, spread_out, without, words_of

if TYPE_CHECKING:
    import pandas as pd

Texts = tuple[str, ...]
Progress = Callable[[int, int], None]

REMOVED = (1, 2, 3)
MAX_WORDS = 64
# What a record holds of each example, beside one column fall_K per number of words left out.
COLUMNS = (
    "label",
    "prediction",
    "gold_probability",
    "importance_gini",
    "attention_gini",
    "attention_missing",
    "words_total",
    "words_seen",
    "words_probed",
    "words",
    "importances",
    "attention",
    "shortcut_word",
    "shortcut_fall",
    "shortcut_rank",
    "shortcut_rank_normalized",
)


class Answering(Protocol):
    """Whoever gives logits to texts, such as `asa_bench.victims.Victim`; only a `Victim` has attention."""

    @property
    def labels(self) -> Sequence[str]: ...

    def logits(
        self, texts: Sequence[Texts], batch_size: int | None = None, progress: Progress | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class Look:
    """What a model sees of an example.

    Attributes:
        total: words of the example.
        words: those of which at least one token is within the model's length.
        attention: (words,) the share of first-layer attention that each receives; None with the reason in `missing`.
    """

    total: int
    words: tuple[Word, ...]
    attention: NDArray[np.float64] | None
    missing: str


def measure(
    victim: Answering,
    texts: Sequence[Texts],
    gold: Sequence[str],
    *,
    removed: Sequence[int] = REMOVED,
    max_words: int = MAX_WORDS,
    label_map: Mapping[str, str] | None = None,
    shortcuts: Sequence[tuple[int, int] | None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """How much a model's gold probability leans on single words, example by example.

    What is recorded of an example depends neither on the other examples' order nor, beyond the last digits, on the
    batch size. The quantities are defined in `asa_bench.measures.reliance` and docs/reliance.md.

    Args:
        victim: a model that is ready to be asked. It is left as it was.
        texts: one tuple per example, of one text or of two. Words of all its texts are left out.
        gold: gold label of each example.
        removed: how many of the most important words are left out together; one column ``fall_K`` each. All
            words are left out of an example that has fewer.
        max_words: words of an example that are left out in turn; evenly spaced ones where the model sees more.
        label_map: the victim's label -> gold label, where they differ. Probabilities of labels that map to one
            are added up.
        shortcuts: per example (text, character) where a shortcut word is known to stand; None where there is none.
        progress: called with (texts asked, texts to ask in all), which is an estimate at first.

    Returns:
        One row per example, in order: `COLUMNS`, and ``fall_K`` for every K. ``words`` is a JSON list of
        [text, position, word] of the words that were left out in turn, ``importances`` and ``attention`` their
        falls and shares of attention, ``shortcut_word`` a place among them, -1 where there is none. NaN where a
        number is undefined: an example without words, a model that gives no attention (``attention_missing`` tells
        why), no shortcut word among the words.

    Raises:
        BadInput: the model gives no label to a whole text, lengths differ, a gold label is none of the victim's, a
            setting is out of range, or no word stands where a shortcut is said to stand.

    Example:
        >>> from asa_bench.reliance import measure
        >>> from asa_bench.victims import Victim
        >>> victim = Victim(model, tokenizer, ["negative", "positive"])  # doctest: +SKIP
        >>> found = measure(victim, [("A truly great film.",)], ["positive"])  # doctest: +SKIP
        >>> found[["fall_1", "importance_gini", "attention_gini"]].mean()  # doctest: +SKIP
    """
    import pandas as pd

    label_map = label_map or {}
    known = list(shortcuts) if shortcuts is not None else [None] * len(texts)
    groups = _check(victim, texts, gold, removed, max_words, label_map, known)
    looks = look(victim, texts)
    probed = [spread_out(looks[text].words, max_words) for text in texts]

    single = list(texts)
    for text, words in zip(texts, probed, strict=True):
        single += [without(text, [word]) for word in words]
    more = sorted(set(removed) - {1})
    later = len(more) * len(set(texts))
    first = _ask(victim, single, groups, lambda done, total: _tell(progress, done, total + later))
    importances = []
    for text, label, words in zip(texts, gold, probed, strict=True):
        left = [first[without(text, [word])][label] for word in words]
        importances.append(measures.leave_one_out(first[text][label], left))

    chosen = {
        (number, count): [words[place] for place in measures.most_important(importances[number], count)]
        for number, words in enumerate(probed)
        for count in sorted(set(removed))
    }
    together = [without(texts[number], gone) for (number, _), gone in chosen.items()]
    second = _ask(
        victim,
        [text for text in together if text not in first],
        groups,
        lambda done, total: _tell(progress, len(first) + done, len(first) + total),
    )
    answers = first | second
    _tell(progress, len(answers), len(answers))

    rows = []
    for number, (text, label, words) in enumerate(zip(texts, gold, probed, strict=True)):
        full, falls = answers[text], {}
        for count in sorted(set(removed)):
            after = [answers[without(text, chosen[number, count])][label]] if words else []
            falls[f"fall_{count}"] = _number(*measures.leave_one_out(full[label], after))
        rows.append(
            {
                "label": label,
                "prediction": full.prediction,
                "gold_probability": full[label],
                **falls,
                **_concentration(importances[number], words, looks[text]),
                **_shortcut(importances[number], words, known[number]),
            }
        )
    columns = list(COLUMNS)
    at = columns.index("gold_probability") + 1
    columns[at:at] = [f"fall_{count}" for count in sorted(set(removed))]
    frame: pd.DataFrame = pd.DataFrame.from_records(rows, columns=columns)
    return frame


def look(victim: Answering, texts: Iterable[Texts]) -> dict[Texts, Look]:
    """What the model sees of each text: its words, and the attention that they receive in the first layer."""
    found: dict[Texts, Look] = {}
    unique = sorted(set(texts))
    if not isinstance(victim, Victim):
        missing = f"{type(victim).__name__} gives only logits"
        return {text: Look(len(words), tuple(words), None, missing) for text, words in _words(unique)}
    with contextlib.ExitStack() as stack:
        unavailable = ""
        try:
            stack.enter_context(eager(victim.model))
        except NoAttention as error:
            unavailable = str(error)
        for text, words in _words(unique):
            try:
                inputs, owners = encode(victim, text, words)
            except NoAttention as error:
                found[text] = Look(len(words), tuple(words), None, str(error))
                continue
            seen = sorted(set(owners[owners >= 0].tolist()))
            visible = tuple(words[place] for place in seen)
            shares: NDArray[np.float64] | None = None
            missing = unavailable
            if not missing:
                try:
                    # One by one, without padding: no result depends on its neighbours, and the probabilities of all
                    # layers, which a model returns together, stay small.
                    layer = first_layer(victim.model, inputs)
                    every = measures.word_attention(layer, owners, len(words))
                    shares = None if every is None else every[seen]
                    missing = "" if shares is not None else "no word receives attention"
                except NoAttention as error:
                    missing = str(error)
            found[text] = Look(len(words), visible, shares, missing)
    return found


def _words(texts: Iterable[Texts]) -> Iterable[tuple[Texts, list[Word]]]:
    return ((text, words_of(text)) for text in texts)


@dataclass(frozen=True)
class _Answer:
    """Probability of each gold label, and the predicted one."""

    probabilities: Mapping[str, float]
    prediction: str

    def __getitem__(self, label: str) -> float:
        return self.probabilities[label]


def _ask(
    victim: Answering, texts: Iterable[Texts], groups: Mapping[str, Sequence[int]], progress: Progress
) -> dict[Texts, _Answer]:
    """Each different text once, in an order that is its own: batches are the same whatever the examples' order."""
    from scipy.special import softmax

    unique = sorted(set(texts))
    logits = np.asarray(victim.logits(unique, progress=progress), dtype=np.float64)
    probabilities = softmax(logits, axis=1)
    of_output = {output: label for label, outputs in groups.items() for output in outputs}
    return {
        text: _Answer(
            {label: float(row[list(outputs)].sum()) for label, outputs in groups.items()},
            of_output[int(row.argmax())],
        )
        for text, row in zip(unique, probabilities, strict=True)
    }


def _concentration(values: NDArray[np.float64], words: Sequence[Word], seen: Look) -> dict[str, Any]:
    attention_gini = None if seen.attention is None else measures.gini(seen.attention)
    share = {} if seen.attention is None else dict(zip(seen.words, seen.attention.tolist(), strict=True))
    return {
        "importance_gini": _number(measures.importance_gini(values)),
        "attention_gini": _number(attention_gini),
        "attention_missing": seen.missing,
        "words_total": seen.total,
        "words_seen": len(seen.words),
        "words_probed": len(words),
        "words": json.dumps([[word.column, word.position, word.text] for word in words]),
        "importances": values.tolist(),
        "attention": [share[word] for word in words] if share else [],
    }


def _shortcut(
    values: NDArray[np.float64], words: Sequence[Word], at: tuple[int, int] | None
) -> dict[str, Any]:
    place = -1
    if at is not None:
        column, character = at
        inside = [n for n, w in enumerate(words) if w.column == column and w.start <= character < w.end]
        place = inside[0] if inside else -1
    known = place >= 0
    return {
        "shortcut_word": place,
        "shortcut_fall": float(values[place]) if known else float("nan"),
        "shortcut_rank": measures.rank(values, place) if known else float("nan"),
        "shortcut_rank_normalized": _number(measures.normalized_rank(values, place) if known else None),
    }


def _check(
    victim: Answering,
    texts: Sequence[Texts],
    gold: Sequence[str],
    removed: Sequence[int],
    max_words: int,
    label_map: Mapping[str, str],
    shortcuts: Sequence[tuple[int, int] | None],
) -> dict[str, list[int]]:
    """Gold label -> the outputs of the victim that count for it, once everything fits."""
    if not texts:
        raise BadInput("reliance: there are no examples to ask about")
    for name, other in (("gold labels", gold), ("shortcuts", shortcuts)):
        if len(other) != len(texts):
            raise BadInput(f"reliance: {len(texts)} examples and {len(other)} {name}; as many are needed")
    kind = getattr(victim, "kind", "classification")
    if kind != "classification":
        raise BadInput(f"reliance: is measured of models that give a label to a text, not of kind {kind!r}")
    if len({len(text) for text in texts}) > 1:
        raise BadInput("reliance: all examples must have the same number of texts")
    if not removed or min(removed) < 1:
        raise BadInput(f"reliance: removed must be numbers of words from 1 up, not {list(removed)}")
    if max_words < 1:
        raise BadInput(f"reliance: max_words must be 1 or more, not {max_words}")
    groups: dict[str, list[int]] = {}
    for output, label in enumerate(victim.labels):
        groups.setdefault(label_map.get(label, label), []).append(output)
    unknown = sorted(set(gold) - set(groups))
    if unknown:
        raise BadInput(f"reliance: gold label {unknown[0]!r} is none of the model's: {', '.join(groups)}")
    for number, (text, at) in enumerate(zip(texts, shortcuts, strict=True)):
        if at is not None and not (
            0 <= at[0] < len(text) and text[at[0]][at[1] : at[1] + 1].strip() and at[1] >= 0
        ):
            raise BadInput(f"reliance: example {number} has no word at text {at[0]}, character {at[1]}")
    return groups


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _number(value: float | None = None) -> float:
    return float("nan") if value is None else float(value)
