"""Looks into models for one text: a layer's attention, the adversary's mask over it, and what each word is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench.attention import NoAttention, eager, encode, layer_attention, token_texts
from asa_bench.errors import BadInput, nearest
from asa_bench.measures.reliance import leave_one_out
from asa_bench.reports.explanation import Explanation, View
from asa_bench.words import Word, without, words_of

if TYPE_CHECKING:
    from asa_bench.victims import Victim

Texts = tuple[str, ...]
#: More tokens than this cannot be read in a picture, and their numbers grow with the square.
MOST_TOKENS = 96


def explain(
    models: Mapping[str, str | Path],
    text: str | Sequence[str],
    *,
    layer: int = 1,
    label: str | None = None,
    device: str = "cpu",
) -> Explanation:
    """What each of several sequence classifiers makes of one text, as in figure 1 of the paper of ASA.

    Args:
        models: name -> folder or hub id of a fine-tuned checkpoint. The adversary's mask is shown where
            ``adversaries.safetensors`` lies beside the checkpoint (training with
            ``methods.asa.save_adversaries=true`` leaves it there).
        text: one text, or a pair of them.
        layer: whose attention and mask, from 1.
        label: whose probability the words are measured by; by default, of each model what it predicts.

    Raises:
        BadInput: a checkpoint that cannot be used, no such layer or label, a text without words or too long.
    """
    from asa_bench import checkpoints

    texts = (text,) if isinstance(text, str) else tuple(text)
    if not models:
        raise BadInput("explain: no model is given")
    if len(texts) not in (1, 2):
        raise BadInput(f"explain: one text or two are needed, not {len(texts)}")
    if not words_of(texts):
        raise BadInput("explain: the text has no words")
    views = []
    for name, reference in models.items():
        said = f"--model {name}={reference}"
        identity = checkpoints.identify(str(reference), f"--model {name}")
        labels = checkpoints.model_labels(identity)
        victim = checkpoints.load_victim(
            identity.where, identity.revision, labels, max_length=128, device=device, said=said
        )
        folder = None if identity.revision is not None else Path(identity.where)
        views.append(view(name, victim, texts, layer=layer, label=label, folder=folder))
    return Explanation(texts, layer, tuple(views))


def view(
    name: str,
    victim: Victim,
    texts: Texts,
    *,
    layer: int = 1,
    label: str | None = None,
    folder: Path | None = None,
) -> View:
    """One model's part of an explanation; the model is left as it was.

    Args:
        folder: where the adversaries may lie; None where there are none to look for.

    Raises:
        BadInput: see `explain`.
    """
    from asa_bench.models.loading import quiet

    known = words_of(texts)
    try:
        with quiet():
            inputs, owners = encode(victim, texts, known)
    except NoAttention as error:
        raise BadInput(f"--model {name}: {error}") from error
    tokens = token_texts(victim, texts)
    if len(tokens) > MOST_TOKENS:
        raise BadInput(
            f"the text has {len(tokens)} tokens for model {name}, at most {MOST_TOKENS} can be shown"
        )
    if label is not None and label not in victim.labels:
        raise BadInput(f"--label {label!r}: model {name}: {nearest(label, victim.labels)}")
    seen = sorted(set(owners[owners >= 0].tolist()))
    words = [known[place] for place in seen]
    probabilities, chosen, importances = _importances(victim, texts, words, label)
    attention, attention_missing = _attention(victim, inputs, layer, name)
    mask, mask_missing = _mask(victim, inputs, layer, folder)
    of_word = {place: at for at, place in enumerate(seen)}
    return View(
        model=name,
        probabilities=dict(zip(victim.labels, probabilities, strict=True)),
        prediction=victim.labels[int(np.argmax(probabilities))],
        label=victim.labels[chosen],
        words=tuple(word.text for word in words),
        importances=tuple(importances),
        tokens=tuple(tokens),
        owners=tuple(of_word.get(int(owner), -1) for owner in owners),
        attention=attention,
        attention_missing=attention_missing,
        mask=mask,
        mask_missing=mask_missing,
    )


def _importances(
    victim: Victim, texts: Texts, words: Sequence[Word], label: str | None
) -> tuple[list[float], int, list[float]]:
    """Probabilities of the whole text, the place of the label that is spoken of, and what each word is worth."""
    from scipy.special import softmax

    asked = [texts, *(without(texts, [word]) for word in words)]
    rows = softmax(np.asarray(victim.logits(asked), dtype=np.float64), axis=1)
    chosen = int(rows[0].argmax()) if label is None else victim.labels.index(label)
    return rows[0].tolist(), chosen, leave_one_out(float(rows[0, chosen]), rows[1:, chosen]).tolist()


def _attention(
    victim: Victim, inputs: Any, layer: int, name: str
) -> tuple[tuple[tuple[float, ...], ...] | None, str]:
    try:
        with eager(victim.model):
            found = layer_attention(victim.model, inputs, layer)
    except NoAttention as error:
        return None, str(error)
    except IndexError as error:
        raise BadInput(f"--layer {layer}: model {name} {error}") from error
    return tuple(tuple(row) for row in found.mean(axis=0).tolist()), ""


def _mask(
    victim: Victim, inputs: Any, layer: int, folder: Path | None
) -> tuple[tuple[tuple[int, ...], ...] | None, str]:
    from asa_bench.models.adversaries import FILE_NAME, load_adversaries

    if folder is None or not (folder / FILE_NAME).is_file():
        return None, f"no {FILE_NAME} beside the checkpoint"
    asa = load_adversaries(victim.model, folder)
    try:
        masks = asa.masks(**inputs.to(victim.model.device))
    finally:
        asa.detach()
    if not 1 <= layer <= len(masks):
        raise BadInput(f"--layer {layer}: the adversaries have layers 1 to {len(masks)}")
    return tuple(tuple(int(unit) for unit in row) for row in masks[layer - 1][0].cpu().tolist()), ""
