"""The quality of adversarial texts: what a suite says of it, by which models it is measured, and the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from asa_bench.errors import BadInput, nearest
from asa_bench.tasks.base import Frozen

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: In place of a model's name: the encoder that the run begins with.
OWN = "model"


class QualityGate(Frozen):
    """What a perturbed text must keep to count as a success; a bound that is absent, or not measured, asks nothing.

    Sources of the defaults: words, BERT-Attack (Li et al., EMNLP 2020, https://doi.org/10.18653/v1/2020.emnlp-main.500);
    characters, DeepWordBug (Gao et al., 2018, https://doi.org/10.1109/SPW.2018.00016); similarity, BAE (Garg and
    Ramakrishnan, EMNLP 2020, https://doi.org/10.18653/v1/2020.emnlp-main.498). Stricter: 0.9 (A2T), and 0.98, which Morris
    et al. (Findings of EMNLP 2020, https://doi.org/10.18653/v1/2020.findings-emnlp.341) found by asking people, each by
    another encoder. No bound of perplexity is established.
    """

    max_words_changed: float | None = Field(default=0.4, ge=0, le=1, description="as a share of the words")
    max_edit_distance: int | None = Field(default=30, ge=0, description="characters")
    min_similarity: float | None = Field(
        default=0.8, ge=-1, le=1, description="cosine of the two texts by the sentence encoder"
    )
    max_perplexity_ratio: float | None = Field(
        default=None, gt=0, description="perplexity of the perturbed text as a multiple of the original's"
    )
    max_grammar_loss: float | None = Field(
        default=1.0,
        ge=0,
        le=4,
        description="points (of 1 to 5) by which people may find the text less grammatical than the original, on average; "
        "asked of judged texts, beside a majority that finds the label kept",
    )

    def applied(self, judges: Mapping[str, Any]) -> QualityGate:
        """The bounds that can be asked of what `judges` (see `describe`) measured; the others are None."""
        return self.model_copy(
            update={
                **({} if judges.get("similarity") else {"min_similarity": None}),
                **({} if judges.get("fluency") else {"max_perplexity_ratio": None}),
            }
        )

    def unasked(self, judges: Mapping[str, Any]) -> QualityGate:
        """The bounds that `applied` leaves out, and no other."""
        left = self.applied(judges).model_dump()
        return QualityGate(
            **{name: value if left[name] is None else None for name, value in self.model_dump().items()}
        )

    def passes(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """(rows,) which perturbed texts pass; False where there is none. Ask it of an `applied` gate.

        What should have been measured and could not be (such as the perplexity of a text without words) does not pass.
        """
        import numpy as np

        from asa_bench.measures import within

        words = np.maximum(rows["words"].to_numpy(np.float64), 1)
        before, after = (
            rows[name].to_numpy(np.float64) for name in ("perplexity_before", "perplexity_after")
        )
        found: NDArray[np.bool_] = (
            (rows["status"].to_numpy(object) == "successful")
            & within(rows["words_changed"].to_numpy(np.float64) / words, most=self.max_words_changed)
            & within(rows["edit_distance"].to_numpy(np.float64), most=self.max_edit_distance)
            & within(rows["similarity"].to_numpy(np.float64), least=self.min_similarity)
            & within(after / before, most=self.max_perplexity_ratio)
        )
        return found

    def accepts(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """(rows,) which texts people accept: a majority finds the label kept, and the grammar loses little.

        Args:
            rows: columns ``kept`` (share of people), ``grammar_before`` and ``grammar_after`` (mean grades).
        """
        import numpy as np

        from asa_bench.measures import within

        loss = rows["grammar_before"].to_numpy(np.float64) - rows["grammar_after"].to_numpy(np.float64)
        found: NDArray[np.bool_] = (rows["kept"].to_numpy(np.float64) > 0.5) & within(
            loss, most=self.max_grammar_loss
        )
        return found

    def sentence(self) -> str:
        """The bounds in words, for captions: 'at most 40 % of the words changed, ...'."""
        bounds = []
        if self.max_words_changed is not None:
            bounds.append(f"at most {100 * self.max_words_changed:.4g} % of the words changed")
        if self.max_edit_distance is not None:
            bounds.append(f"at most {self.max_edit_distance:,} characters edited")
        if self.min_similarity is not None:
            bounds.append(f"similarity of at least {self.min_similarity:.4g}")
        if self.max_perplexity_ratio is not None:
            bounds.append(f"perplexity at most {self.max_perplexity_ratio:.4g} times the original's")
        return ", ".join(bounds) or "no bounds"


class QualitySettings(Frozen):
    """By which models quality is measured, and the gate."""

    similarity: str | None = Field(
        default=None,
        description="sentence encoder (token vectors are averaged): 'model' for the encoder that the run begins with, a "
        "folder, or a hub id; absent: similarity is not measured",
    )
    fluency: str | None = Field(
        default=None,
        description="masked language model whose pseudo-perplexity tells fluency, named likewise; absent: not measured",
    )
    gate: QualityGate = QualityGate()


def quality_settings(
    similarity: str | None, fluency: str | None, gate: Sequence[str] = ()
) -> QualitySettings | None:
    """Settings from options of a command line; None where none was given.

    Args:
        gate: ``BOUND=VALUE`` each; the value null lifts a bound.

    Raises:
        BadInput: no such bound, or a value that it cannot have.
    """
    if similarity is None and fluency is None and not gate:
        return None
    bounds: dict[str, Any] = {}
    for text in gate:
        name, equals, value = text.partition("=")
        if not equals or name not in QualityGate.model_fields:
            raise BadInput(
                f"--gate {text!r}: expected BOUND=VALUE; {nearest(name, QualityGate.model_fields)}"
            )
        bounds[name] = None if value == "null" else value
    try:
        return QualitySettings(similarity=similarity, fluency=fluency, gate=QualityGate(**bounds))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise BadInput(f"--gate {name}={bounds[name]}: {first['msg'].lower()}") from None


def describe(similarity: str | None, fluency: str | None) -> dict[str, Any]:
    """How quality is measured, for the record; records of one report must agree in it.

    Args:
        similarity, fluency: titles of the models, or None.
    """
    from importlib import metadata

    return {
        "distance": f"Levenshtein over words and characters, rapidfuzz {metadata.version('rapidfuzz')}",
        "similarity": None
        if similarity is None
        else {"model": similarity, "how": "cosine of the token vectors' means"},
        "fluency": None
        if fluency is None
        else {"model": fluency, "how": "pseudo-perplexity per word, PLL-word-l2r"},
    }


def is_description(judges: Any) -> bool:
    """Whether this, out of a record, is of the form of what `describe` returns."""
    return isinstance(judges, dict) and all(
        isinstance(told.get("model") if isinstance(told, dict) else told or "", str)
        for told in judges.values()
    )
