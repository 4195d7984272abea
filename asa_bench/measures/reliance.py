"""How much a prediction leans on single words: leave-one-out importance, its concentration, ranks, attention."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Probabilities are computed from float32 logits, whose last digits differ from one batch size to another. A fall
#: below 10 ** -DECIMALS is therefore none, and falls are ranked by so many decimals, so that noise decides nothing.
DECIMALS = 6


def leave_one_out(full: float, without: ArrayLike) -> NDArray[np.float64]:
    """Importance of each word: by how much the gold probability falls when the word is left out.

    r_i = p(gold | text) - p(gold | text without word i); negative where the word speaks against the gold label.
    Source: erasure, Li, Monroe and Jurafsky 2016, https://arxiv.org/abs/1612.08220, with probabilities for
    log-likelihoods.

    Args:
        full: probability of the gold label given the whole text.
        without: (words,) the same with each word left out.

    Returns:
        (words,) in [-1, 1]; 0 where it is below what can be told (`DECIMALS`).

    Raises:
        ValueError: something is no probability.
    """
    left = np.asarray(without, dtype=np.float64)
    if left.ndim != 1:
        raise ValueError(f"one probability per word is needed, not an array of shape {left.shape}")
    if not all(-1e-6 <= p <= 1 + 1e-6 for p in (full, *left.tolist())):
        raise ValueError("a probability must lie between 0 and 1")
    falls = full - left
    return np.asarray(np.where(np.abs(falls) < 10.0**-DECIMALS, 0.0, falls))


def most_important(importances: ArrayLike, count: int) -> NDArray[np.int64]:
    """Places of the `count` most important words, most important first; all words where there are fewer.

    Each word is judged alone, so this is greedy: two words that say the same cover for each other, both look
    unimportant, and neither is chosen. Of words that are equally important (to `DECIMALS`) the first in the text comes
    first.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"at least one word must be left out, not {count}")
    values = np.round(np.asarray(importances, dtype=np.float64), DECIMALS)
    return np.argsort(-values, kind="stable")[:count].astype(np.int64)


def gini(values: ArrayLike) -> float | None:
    """Gini coefficient: how unequally a total is shared out, from 0 (equally) to (n - 1) / n (one has all).

    G = sum over i, j of |x_i - x_j| / (2 n sum of x). Source: Gini 1912; as a measure of sparsity: Hurley and
    Rickard 2009, IEEE Transactions on Information Theory 55(10), https://doi.org/10.1109/TIT.2009.2027527.

    Where every value is 0 nothing is shared out, and all have the same: 0 by convention, the limit of equal shares.
    One value has 0 too, by the formula.

    Args:
        values: (n,) none of them negative.

    Returns:
        A number in [0, (n - 1) / n]; None where there are no values.

    Raises:
        ValueError: a value is negative or no number.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if ordered.ndim != 1:
        raise ValueError(f"a list of values is needed, not an array of shape {ordered.shape}")
    if not bool(np.all(ordered >= 0)):  # also true of NaN
        raise ValueError("shares of a total must not be negative")
    n = int(ordered.size)
    if n == 0:
        return None
    total = math.fsum(ordered.tolist())
    if total == 0:
        return 0.0
    # The double sum over pairs, counted once per value: x_(i) is larger than i - 1 others, smaller than n - i.
    spread = math.fsum(((2 * np.arange(1, n + 1) - n - 1) * ordered).tolist())
    return min(max(spread / (n * total), 0.0), (n - 1) / n)


def importance_gini(importances: ArrayLike) -> float | None:
    """`gini` of the importances, words that speak against the gold label counting as 0."""
    return gini(np.maximum(np.asarray(importances, dtype=np.float64), 0.0))


def rank(importances: ArrayLike, place: int) -> float:
    """Rank of one word among all by importance, 1 for the most important; equal words share their mean rank.

    Equal is equal to `DECIMALS`. The shared rank makes "rank 1" mean "more important than every other word". Where no
    word matters at all every word has the middle rank, (words + 1) / 2.

    Raises:
        ValueError: there is no such word.
    """
    values = np.round(np.asarray(importances, dtype=np.float64), DECIMALS)
    if not 0 <= place < values.size:
        raise ValueError(f"no word {place} among {values.size}")
    above = int(np.count_nonzero(values > values[place]))
    equal = int(np.count_nonzero(values == values[place]))
    return above + (equal + 1) / 2


def normalized_rank(importances: ArrayLike, place: int) -> float | None:
    """(rank - 1) / (words - 1): 0 for the most important word, 1 for the least; None for an only word."""
    count = int(np.asarray(importances).size)
    found = rank(importances, place)
    return None if count == 1 else (found - 1) / (count - 1)


def word_attention(attention: ArrayLike, words: ArrayLike, count: int) -> NDArray[np.float64] | None:
    """The attention that each word receives in one layer.

    a_w = sum over tokens j of w of mean over heads h and queries i of A[h, i, j], divided by the sum of that over all
    words. Queries are all tokens of the input, special ones included, since a classifier reads one of those; what is
    paid to special tokens is left out before dividing.

    Args:
        attention: (heads, tokens, tokens) attention probabilities of one example without padding; rows are queries.
        words: (tokens,) place of the word that each token belongs to; negative for special tokens.
        count: how many words there are.

    Returns:
        (words,) shares of 1; None where the tokens of words receive no attention, or there are none.

    Raises:
        ValueError: shapes do not fit.
    """
    weights = np.asarray(attention, dtype=np.float64)
    owners = np.asarray(words, dtype=np.int64)
    if weights.ndim != 3 or weights.shape[1:] != (owners.size, owners.size):
        raise ValueError(
            f"attention {weights.shape} must be (heads, tokens, tokens) for {owners.size} tokens"
        )
    if owners.size and int(owners.max()) >= count:
        raise ValueError(f"a token belongs to word {int(owners.max())}, there are {count}")
    received = weights.mean(axis=(0, 1))
    inside = owners >= 0
    shares = np.bincount(owners[inside], weights=received[inside], minlength=count)
    total = math.fsum(shares.tolist())
    return shares / total if total > 0 else None
