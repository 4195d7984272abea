"""Judges the texts of adversarial sets: how much was changed, how alike the texts are, how fluently they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from asa_bench import checkpoints
from asa_bench.errors import StoreError
from asa_bench.measures import change
from asa_bench.models import laboratory
from asa_bench.quality import OWN, QualityGate, QualitySettings, describe

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from asa_bench.adversarial_sets import AdversarialSet
    from asa_bench.models.fluency import MaskedScorer
    from asa_bench.models.similarity import SentenceEncoder
    from asa_bench.store import Store

# Columns of the rows, one row per attacked example: counts are -1, other numbers nan, where there is no perturbed text.
COLUMNS = (
    "id",
    "text_hash",
    "label",
    "status",
    "words",
    "words_changed",
    "edit_distance",
    "similarity",
    "perplexity_before",
    "perplexity_after",
)
COUNTS, NUMBERS = COLUMNS[4:7], COLUMNS[7:]
#: What models judge, as `asa_bench.quality.QualitySettings` names it.
ROLES = ("similarity", "fluency")


@dataclass(frozen=True)
class Judge:
    """A model that judges.

    Attributes:
        title: what records and tables call it.
        reads: checksums of its bytes, part of a cell's address.
        place: folder or hub id, and revision; None for the laboratory's encoder, which a run makes itself.
    """

    title: str
    reads: Mapping[str, Any] = field(default_factory=dict)
    place: tuple[str, str | None] | None = None


def identify(name: str, model: str, said: str) -> Judge:
    """The judge that a suite names.

    Args:
        name: 'model', a folder or a hub id.
        model: the encoder that the run begins with: 'laboratory', a folder or a hub id.
        said: where the name was given, for messages.

    Raises:
        BadInput: no such folder, or one that cannot be loaded safely.
        Unavailable: a hub id that cannot be reached.
    """
    reference = model if name == OWN else name
    if reference == "laboratory":
        return Judge(laboratory.TITLE)
    found = checkpoints.identify(reference, said)
    return Judge(found.title, dict(found.reads), (found.where, found.revision))


def load(
    places: Mapping[str, tuple[str, str | None]], device: str = "cpu"
) -> tuple[SentenceEncoder | None, MaskedScorer | None]:
    """The models for `ROLES`, each None where `places` names none; kept for the calls that follow.

    Raises:
        BadInput: one cannot be loaded, or does not do what its role asks.
    """
    encoder = _loaded("similarity", *places["similarity"], device) if "similarity" in places else None
    return encoder, _loaded("fluency", *places["fluency"], device) if "fluency" in places else None


@lru_cache(maxsize=2)
def _loaded(role: str, where: str, revision: str | None, device: str) -> Any:
    from asa_bench.models import fluency, similarity

    return (similarity if role == "similarity" else fluency).load(where, revision, device)


@dataclass(frozen=True)
class RunJudgement:
    """How the run that made an adversarial set judged it: by which record, and by which gate its tables are made.

    Attributes:
        store: the run's output folder.
        address: of the record of kind quality.
        suite: the run's suite and profile, for people.
        wanted: the gate of the run's suite.
        judges: how quality was measured, see `asa_bench.quality.describe`.
    """

    store: Store
    address: str
    suite: str
    wanted: QualityGate
    judges: Mapping[str, Any]

    @property
    def gate(self) -> QualityGate:
        """The bounds that the run asked."""
        return self.wanted.applied(self.judges)


@dataclass(frozen=True)
class Judged:
    """An adversarial set held against a gate.

    Attributes:
        passes: (examples,) which perturbed texts pass; False where there is none.
        wanted: the gate; a bound of it that nothing measured was not asked, see `gate`.
        judges: how quality was measured, see `asa_bench.quality.describe`.
        rows: what was measured, see `measure`.
        run: how the run that made the set judged it, where that is known.
        by_run: whether `rows` are that run's; else they were measured now.
    """

    passes: NDArray[np.bool_]
    wanted: QualityGate
    judges: Mapping[str, Any]
    rows: pd.DataFrame
    run: RunJudgement | None = None
    by_run: bool = False

    @property
    def gate(self) -> QualityGate:
        """The bounds that were asked."""
        return self.wanted.applied(self.judges)

    def to_json(self) -> dict[str, Any]:
        """Gate, judges, and where the judgement comes from, as plain dictionaries."""
        run = self.run
        return {
            "gate": self.gate.model_dump(),
            "judges": dict(self.judges),
            "judged": "in the run" if self.by_run else "here",
            "run": None
            if run is None
            else {
                "suite": run.suite,
                "quality_cell": run.address,
                "gate": run.gate.model_dump(),
                "judges": dict(run.judges),
            },
        }


def judged_by_run(found: AdversarialSet, run: RunJudgement) -> Judged:
    """A set as its own run judged it; nothing is measured.

    Raises:
        StoreError: the run's record is damaged, of other examples, or not of the form that this asa-bench writes.
    """
    record = run.store.find("quality", run.address)
    where = run.store.folder("quality", run.address)
    if record is None:
        raise StoreError(f"{where}: the record is damaged; run its suite again")
    rows = record.rows()
    ids = [example.id for example in found.examples]
    try:
        if sorted(rows["id"].tolist()) != sorted(ids):
            raise StoreError(f"{where}: is not of the examples of {found.title}; run its suite again")
        rows = rows.set_index("id", drop=False).loc[ids].reset_index(drop=True)
        passes = run.gate.passes(rows)
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise StoreError(f"{where}: is not a quality record of this form ({reason})") from error
    return Judged(passes, run.wanted, run.judges, rows, run, by_run=True)


def judge(
    found: AdversarialSet, settings: QualitySettings, device: str = "cpu", run: RunJudgement | None = None
) -> Judged:
    """Measures the quality of a set's texts and holds it against the settings' gate.

    Args:
        run: how the run that made the set judged it; only remembered.

    Raises:
        BadInput: a model cannot be used.
        Unavailable: a model is not here.
    """
    named = {"similarity": settings.similarity, "fluency": settings.fluency}
    who = {role: identify(name, name, f"--{role}") for role, name in named.items() if name is not None}
    encoder, scorer = load({role: one.place for role, one in who.items() if one.place is not None}, device)
    judges = describe(*(who[role].title if role in who else None for role in ROLES))
    rows = measure(found, encoder, scorer)
    return Judged(settings.gate.applied(judges).passes(rows), settings.gate, judges, rows, run)


def measure(
    found: AdversarialSet,
    encoder: SentenceEncoder | None = None,
    scorer: MaskedScorer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The quality of every perturbed text of an adversarial set; of a pair, only the attacked column is looked at.

    Args:
        encoder: measures similarity, if given.
        scorer: measures perplexity, if given.
        progress: called with (texts judged, all texts).

    Returns:
        One row per example of the set, in its order: `COLUMNS`.
    """
    import pandas as pd

    place = found.header.columns.index(found.header.attack_column)
    pairs = {
        at: (example.original[place], example.perturbed[place])
        for at, example in enumerate(found.examples)
        if example.perturbed
    }
    texts = list(dict.fromkeys(text for pair in pairs.values() for text in pair))
    tell = progress or (lambda done, total: None)
    vectors = {} if encoder is None else dict(zip(texts, encoder.vectors(texts), strict=True))
    perplexities: dict[str, float] = {}
    for number, text in enumerate(texts, start=1):
        if scorer is not None:
            perplexities[text] = scorer.perplexity(text)
        tell(number, len(texts))
    rows = []
    for at, example in enumerate(found.examples):
        row: list[Any] = [example.id, example.text_hash, example.label, example.status]
        if at not in pairs:
            rows.append((*row, -1, -1, -1, np.nan, np.nan, np.nan))
            continue
        before, after = pairs[at]
        changed = change(before, after)
        row += [changed.words, changed.words_changed, changed.edit_distance]
        row.append(float(vectors[before] @ vectors[after]) if vectors else np.nan)
        rows.append((*row, *(perplexities.get(text, np.nan) for text in (before, after))))
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS)).astype(
        {**dict.fromkeys(COUNTS, "int64"), **dict.fromkeys(NUMBERS, "float64")}
    )
