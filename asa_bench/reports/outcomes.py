"""What was measured, one record each: whom was asked, about what, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.attacks.base import Attack
    from asa_bench.measures import Agreement
    from asa_bench.tasks.base import Task

# What a hole of a probe has in place of an attack's name.
LEAVING_OUT = "leaving words out"


# And what one of a temperature has.
FITTING = "temperature"


@dataclass(frozen=True)
class Subject:
    """Who was asked: one trained or loaded model.

    Attributes:
        model: display name of the encoder, e.g. 'minilm-l6'.
        method: name of the training method; for a loaded checkpoint the user's NAME.
        method_title: how tables call it.
        loaded: True for a checkpoint that was not trained here.
        train_task: name of the task that it was trained on.
        seed: training seed; None where a loaded checkpoint has none.
    """

    model: str
    method: str
    method_title: str
    loaded: bool
    train_task: str
    seed: int | None = None


@dataclass(frozen=True)
class TrainingOverlap:
    """Rows of a test set that stand in the data that its subject was trained on.

    Attributes:
        trained: rows of the training data.
        exact: test rows that equal one of these in letters and digits.
        near: test rows that do not, but are nearly equal; None where these were not counted.
        shared_text: test rows of which one text (premise, question) stands in a training row.
    """

    trained: int
    exact: int
    near: int | None
    shared_text: int


@dataclass(frozen=True)
class Evaluation:
    """One subject's predictions on one split of a task.

    Attributes:
        fingerprint: of the rows that were read (`TaskData.fingerprint`).
        labels: whose logits they are, in their order; () where that is not known.
        seen_in_training: how many of the rows stood in the data that the subject was trained on; None: not known.
        overlap: the same by letters and digits, and nearly; None: not known.
        rows: columns id, text_hash, label and prediction (see `asa_bench.tasks.base.TaskData` for how each kind of
            task writes them), logits (list of float; of token classification word by word) and the task's extra
            columns; one row per example, in any order.
    """

    subject: Subject
    task: Task
    split: str
    fingerprint: str
    rows: pd.DataFrame
    seen_in_training: int | None = None
    labels: tuple[str, ...] = ()
    overlap: TrainingOverlap | None = None


@dataclass(frozen=True)
class AttackOutcome:
    """One attack on one subject over a fixed list of examples.

    Attributes:
        rows: columns of `asa_bench.attacks.base.COLUMNS` and the task's slice columns.
        query_budget: queries allowed per example; None where the recipe sets no limit.
        recipe: fingerprint of what the attack's recipe turned out to be; "" where it is not known.
        temperature: by which the victim's logits were divided before the search saw them; None for the victim as it is.
        labels: as in `Evaluation`.
    """

    subject: Subject
    task: Task
    split: str
    fingerprint: str
    attack: Attack
    attack_seed: int
    rows: pd.DataFrame
    query_budget: int | None = None
    recipe: str = ""
    temperature: float | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplayOutcome:
    """One subject before the adversarial set that an attack made against another.

    Attributes:
        source: whom the attack was made against.
        rows: columns of `asa_bench.replaying.COLUMNS`.
        recipe: as in `AttackOutcome`.
    """

    subject: Subject
    task: Task
    split: str
    fingerprint: str
    attack: Attack
    attack_seed: int
    source: Subject
    rows: pd.DataFrame
    recipe: str = ""


@dataclass(frozen=True)
class StoredReplay:
    """One subject before an adversarial set that was stored before this run.

    Attributes:
        name: what the user calls the set.
        address: the set's content address.
        attack: title of the attack that made it.
        source: whom it was made against.
        rows: columns of `asa_bench.replaying.COLUMNS`, and `perturbed`, the texts that fooled the subject, as JSON; where
            there are judges, the numbers of `asa_bench.judging.COLUMNS`, too.
        judges: how the texts' quality was measured; None where it was not.
        seen_in_training: how many of the originals stood in the data that the subject was trained on; None: not known.
    """

    subject: Subject
    task: Task
    split: str
    fingerprint: str
    name: str
    address: str
    attack: str
    source: Subject
    rows: pd.DataFrame
    judges: Mapping[str, Any] | None = None
    seen_in_training: int | None = None

    @property
    def title(self) -> str:
        """What the set is, for people."""
        return made_against(self.attack, self.source)


@dataclass(frozen=True)
class QualityOutcome:
    """How good the texts are that an attack made against one subject.

    Attributes:
        rows: columns of `asa_bench.judging.COLUMNS`.
        judges: how quality was measured, see `asa_bench.quality.describe`.
        recipe: as in `AttackOutcome`.
    """

    subject: Subject
    task: Task
    split: str
    fingerprint: str
    attack: Attack
    attack_seed: int
    rows: pd.DataFrame
    judges: Mapping[str, Any]
    recipe: str = ""


@dataclass(frozen=True)
class PeopleOutcome:
    """What people judged of texts with which an attack on one subject succeeded.

    Attributes:
        rows: ``id``, ``people`` (how many judged), ``kept`` (share of them who find the label kept), ``grammar_before``,
            ``grammar_after`` (mean grades, 1 to 5, of the original and of the perturbed text).
    """

    subject: Subject
    task: Task
    split: str
    attack: Attack
    attack_seed: int
    rows: pd.DataFrame


@dataclass(frozen=True)
class SheetAgreement:
    """How far the people of one sheet agree; None where one alone judged.

    Attributes:
        name: digest of what the sheet holds.
        items: pairs of texts.
        labels: on the labels of all texts, original and perturbed.
        kept: on whether the label is kept.
        grammar: on the grades of all texts, ordinal.
    """

    name: str
    people: int
    items: int
    labels: Agreement | None
    kept: Agreement | None
    grammar: Agreement | None


@dataclass(frozen=True)
class CalibrationOutcome:
    """The temperature of one subject, and the held-out rows that it was fitted on.

    Attributes:
        rows: columns `CALIBRATION_COLUMNS`.
        temperature: by which its logits are to be divided.
        bounded: whether the data do not bound it, so that it is a convention.
        labels: as in `Evaluation`.
    """

    subject: Subject
    task: Task
    split: str
    fingerprint: str
    rows: pd.DataFrame
    temperature: float
    bounded: bool
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """How much one subject leans on single words of a fixed list of examples.

    Attributes:
        rows: columns `PROBE_COLUMNS`, ``fall_K`` for each number K of words that were left out together, and the
            task's slice columns; one row per example, see `asa_bench.reliance.measure`.
    """

    subject: Subject
    task: Task
    split: str
    fingerprint: str
    rows: pd.DataFrame


@dataclass(frozen=True)
class TrainingOutcome:
    """What one fine-tuning logged.

    Attributes:
        task_title: of the task that it trained on.
        steps: optimizer steps.
        losses: means over all steps of what the method logs, by name.
        gradient_norms: means over all steps before clipping: 'model' and, if it has parameters, 'method'.
        settings: everything that decides the result but the seed, data and encoder included; {} where it is not known.
    """

    subject: Subject
    task_title: str
    steps: int
    losses: Mapping[str, float]
    gradient_norms: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PretrainingOutcome:
    """One further pre-training of an encoder, from which models were then trained.

    Attributes:
        model: display name of what came out, as in `Subject.model`.
        base: display name of the encoder that it began with.
        from_scratch: whether it began with random weights instead.
        corpus: name of the text.
        steps: optimizer steps.
        relative_compute: matrix products, as a multiple of naive pre-training's for the steps that were asked for.
        perplexity_before, perplexity: of masked tokens of held-out text.
        kept_fraction: of the attention units that an adversary left, mean over steps; None without adversary.
        settings: as in `TrainingOutcome`.
    """

    model: str
    base: str
    from_scratch: bool
    method: str
    method_title: str
    seed: int
    corpus: str
    fingerprint: str
    steps: int
    relative_compute: float
    perplexity_before: float
    perplexity: float
    kept_fraction: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hole:
    """A cell that failed, so that its number is missing.

    Attributes:
        subject: whose number is missing.
        task: name of the task that was to be faced (for a failed training, every task is a hole of its own).
        error: one line.
        attack: name of the attack; "" for an evaluation, `LEAVING_OUT` for a probe of reliance, `FITTING` for a temperature.
    """

    subject: Subject
    task: str
    error: str
    attack: str = ""


def attacked(item: AttackOutcome | QualityOutcome | PeopleOutcome) -> tuple[object, ...]:
    """Which attack on whom: what an attack and the quality of its texts have in common."""
    return item.subject, item.task.name, item.split, item.attack.name, item.attack_seed


def quality_of(attack: str) -> str:
    """What a hole of the quality of an attack's texts has in place of the attack's name."""
    return f"quality of {attack}"


def replay_of(stored: str) -> str:
    """What the measure, and a hole, of a stored set of that name are called."""
    return f"replay/{stored}"


def made_against(attack: str, source: Subject) -> str:
    """What the texts of a replay are: an attack made against somebody."""
    seed = "" if source.seed is None else f" seed {source.seed}"
    return f"{attack} made against {source.method_title}{seed}"
