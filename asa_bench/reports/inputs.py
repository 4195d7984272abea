"""What a report is made from: evaluations, probes, attacks and failed cells, checked before anything is computed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput
from asa_bench.quality import QualityGate

if TYPE_CHECKING:
    import pandas as pd

    from asa_bench.attacks.base import Attack
    from asa_bench.measures import Agreement
    from asa_bench.reports.explanation import Explanation
    from asa_bench.tasks.base import Task

EVALUATION_COLUMNS = ("id", "text_hash", "label", "prediction", "logits")
PROBE_COLUMNS = (
    "id",
    "text_hash",
    "label",
    "prediction",
    "importance_gini",
    "attention_gini",
    "shortcut_word",
    "shortcut_fall",
    "shortcut_rank",
    "shortcut_rank_normalized",
)
# Columns that hold text in every row, and those that hold a list of numbers.
TEXTS = {"id", "text_hash", "label", "prediction", "status", "outcome"}
LOGITS = {"logits", "original_logits", "perturbed_logits"}
# What a hole of a probe has in place of an attack's name.
LEAVING_OUT = "leaving words out"
# And what one of a temperature has.
FITTING = "temperature"
CALIBRATION_COLUMNS = ("id", "text_hash", "label", "logits")
REPLAY_COLUMNS = ("id", "text_hash", "label", "status", "outcome")
QUALITY_COLUMNS = (
    *("id", "text_hash", "label", "status", "words", "words_changed", "edit_distance"),
    *("similarity", "perplexity_before", "perplexity_after"),
)
ATTACK_COLUMNS = ("id", "text_hash", "label", "status", "queries", "original_logits")


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
class Evaluation:
    """One subject's predictions on one split of a task.

    Attributes:
        fingerprint: of the rows that were read (`TaskData.fingerprint`).
        labels: whose logits they are, in their order; () where that is not known.
        seen_in_training: how many of the rows stood in the data that the subject was trained on; None: not known.
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


@dataclass(frozen=True)
class ReportInput:
    """Everything that tables are made from. Nothing here may depend on the clock, the machine or a path.

    Attributes:
        suite: name of the suite.
        title: its title, for captions.
        profile: name of the profile.
        provenance: what the numbers came from, by name: suite fingerprint, data fingerprints.
        notes: sentences that every table repeats.
        tasks, methods, attacks_order: the suite's own order of names, which columns and rows then follow;
            names that they lack come after, in a canonical order.
        ensemble: names of attacks whose worst case per example is a column of its own.
        replays: models before adversarial sets that were made against others.
        stored: models before adversarial sets that were stored before.
        qualities: how good the attacks' texts are.
        calibrations: the temperatures of the subjects.
        gate: which of these texts count in gated robust accuracy.
        people: what people judged of the attacks' texts.
        sheets: how far they agree.
        baseline: the method that differences are taken against.
        pretraining: the further pre-trainings behind the models, in the suite's order of methods.
        explanations: looks into models, of chosen examples.
        texts: (task, split) -> text hash -> texts, of evaluated examples that the page is to show; records have none.
        exposures: title of an encoder -> what it saw before, as the suite tells.
        trained_on: title of an encoder, or name of a loaded checkpoint -> names of the data that it was trained on, see
            `asa_bench.reports.exposure`.
    """

    suite: str
    title: str
    profile: str
    evaluations: tuple[Evaluation, ...] = ()
    attacks: tuple[AttackOutcome, ...] = ()
    replays: tuple[ReplayOutcome, ...] = ()
    stored: tuple[StoredReplay, ...] = ()
    qualities: tuple[QualityOutcome, ...] = ()
    gate: QualityGate = field(default_factory=QualityGate)
    people: tuple[PeopleOutcome, ...] = ()
    sheets: tuple[SheetAgreement, ...] = ()
    probes: tuple[Probe, ...] = ()
    calibrations: tuple[CalibrationOutcome, ...] = ()
    holes: tuple[Hole, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    attacks_order: tuple[str, ...] = ()
    ensemble: tuple[str, ...] = ()
    trainings: tuple[TrainingOutcome, ...] = ()
    baseline: str = "naive"
    pretraining: tuple[PretrainingOutcome, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    texts: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    exposures: Mapping[str, str] = field(default_factory=dict)
    trained_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what cannot be put side by side in one table.

        Raises:
            BadInput: a column is missing, there are no rows, a prediction is no label of the task, an example
                or a subject occurs twice, or subjects of one column saw different examples.
        """
        self._check_evaluations()
        self._check_attacks()
        self._check_probes()
        self._check_stored()
        self._check_calibrations()

    def _check_evaluations(self) -> None:
        seen: set[tuple[object, ...]] = set()
        examples: dict[tuple[str, str], tuple[str, str, str]] = {}
        for item in self.evaluations:
            where = f"evaluation of {_who(item.subject)} on {item.task.name!r}"
            _check_rows(item.rows, (*EVALUATION_COLUMNS, *item.task.extra_columns), item.task, where)
            _check_labels(item.rows, "prediction", item.task, where)
            _once(seen, (item.subject, item.task.name, item.split), where)
            _same(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)

    def _check_attacks(self) -> None:
        seen: set[tuple[object, ...]] = set()
        examples: dict[tuple[str, str], tuple[str, str, str]] = {}
        recipes: dict[str, tuple[str, str]] = {}
        for item in self.attacks:
            where = f"attack {item.attack.name!r} on {_who(item.subject)}, {item.task.name!r}"
            _check_rows(item.rows, (*ATTACK_COLUMNS, *item.task.slices), item.task, where)
            _once(seen, (item.subject, item.task.name, item.split, item.attack.name, item.attack_seed), where)
            if item.recipe:
                first, there = recipes.setdefault(item.attack.name, (item.recipe, where))
                if first != item.recipe:
                    raise BadInput(
                        f"{where}: another recipe than the {there} (fingerprints {item.recipe[:12]}, {first[:12]}); "
                        "its components, word lists or library differ, so the numbers cannot be compared"
                    )
            # All attacks on one task share one list of ids, so that they can be compared with each other too.
            _same(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)
        for replay in self.replays:
            where = (
                f"replay of {made_against(replay.attack.name, replay.source)} on {_who(replay.subject)}, "
                f"{replay.task.name!r}"
            )
            _check_rows(replay.rows, REPLAY_COLUMNS, replay.task, where)
            key = (replay.subject, replay.source, replay.task.name, replay.split, replay.attack.name)
            _once(seen, (*key, replay.attack_seed), where)
            if replay.recipe and recipes.get(replay.attack.name, (replay.recipe, ""))[0] != replay.recipe:
                raise BadInput(
                    f"{where}: another recipe than the {recipes[replay.attack.name][1]}; the numbers cannot be compared"
                )
            _same(examples, (replay.task.name, replay.split), replay.fingerprint, replay.rows, where)
        self._check_qualities(examples)

    def _check_qualities(self, examples: dict[tuple[str, str], tuple[str, str, str]]) -> None:
        seen: set[tuple[object, ...]] = set()
        attacks = {attacked(item): item for item in self.attacks}
        first: tuple[Mapping[str, Any], str] | None = None
        for item in self.qualities:
            where = f"{quality_of(item.attack.name)} on {_who(item.subject)}, {item.task.name!r}"
            _check_rows(item.rows, QUALITY_COLUMNS, item.task, where)
            _once(seen, attacked(item), where)
            _same(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)
            first = first or (item.judges, where)
            if item.judges != first[0]:
                raise BadInput(
                    f"{where}: measured otherwise than the {first[1]} ({_difference(item.judges, first[0])}); the numbers "
                    "cannot be compared"
                )
            attack = attacks.get(attacked(item))
            if attack is not None and (
                attack.recipe != item.recipe
                or dict(zip(attack.rows["id"], attack.rows["status"], strict=True))
                != dict(zip(item.rows["id"], item.rows["status"], strict=True))
            ):
                raise BadInput(f"{where}: is not of the attack that stands beside it")

    def _check_probes(self) -> None:
        seen: set[tuple[object, ...]] = set()
        examples: dict[tuple[str, str], tuple[str, str, str]] = {}
        for item in self.probes:
            where = f"reliance of {_who(item.subject)} on {item.task.name!r}"
            _check_rows(item.rows, (*PROBE_COLUMNS, *item.task.slices), item.task, where)
            _once(seen, (item.subject, item.task.name, item.split), where)
            _same(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)

    def _check_stored(self) -> None:
        seen: set[tuple[object, ...]] = set()
        examples: dict[tuple[str, str], tuple[str, str, str]] = {}
        for item in self.stored:
            where = f"replay of the set {item.name!r} on {_who(item.subject)}, {item.task.name!r}"
            _check_rows(item.rows, (*REPLAY_COLUMNS, "perturbed"), item.task, where)
            if item.judges is not None:
                _check_rows(item.rows, QUALITY_COLUMNS, item.task, where)
            others = [one.judges for one in self.qualities]
            others += [one.judges for one in self.stored if one.judges is not None]
            if item.judges is not None and item.judges != others[0]:
                raise BadInput(
                    f"{where}: its texts were measured otherwise than others ({_difference(item.judges, others[0])}); the "
                    "gated numbers cannot be compared"
                )
            _once(seen, (item.subject, item.name), where)
            _same(examples, (item.name, item.address), item.fingerprint, item.rows, where)

    def _check_calibrations(self) -> None:
        seen: set[tuple[object, ...]] = set()
        examples: dict[tuple[str, str], tuple[str, str, str]] = {}
        evaluated: dict[str, set[str]] = {}
        reported: list[Evaluation | AttackOutcome] = [*self.evaluations, *self.attacks]
        fitted = {item.task.name for item in self.calibrations}
        for one in reported:
            if one.task.name in fitted:
                evaluated.setdefault(one.task.name, set()).update(
                    one.rows["text_hash"].to_numpy(dtype=object)
                )
        for item in self.calibrations:
            where = f"temperature of {_who(item.subject)} on {item.task.name!r}"
            _check_rows(item.rows, CALIBRATION_COLUMNS, item.task, where)
            _once(seen, (item.subject, item.task.name), where)
            _same(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)
            if not (item.temperature > 0 and math.isfinite(item.temperature)):
                raise BadInput(f"{where}: {item.temperature} is no temperature")
            both = evaluated.get(item.task.name, set()) & set(item.rows["text_hash"])
            if both:
                raise BadInput(
                    f"{where}: fitted on {len(both)} rows that are reported, too ({sorted(both)[0]}); fit it on others"
                )


def attacked(item: AttackOutcome | QualityOutcome | PeopleOutcome) -> tuple[object, ...]:
    """Which attack on whom: what an attack and the quality of its texts have in common."""
    return item.subject, item.task.name, item.split, item.attack.name, item.attack_seed


def quality_of(attack: str) -> str:
    """What a hole of the quality of an attack's texts has in place of the attack's name."""
    return f"quality of {attack}"


def replay_of(stored: str) -> str:
    """What the measure, and a hole, of a stored set of that name are called."""
    return f"replay/{stored}"


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    name = next((key for key in one if one[key] != other.get(key)), "")
    return f"{name}: {one.get(name)} and {other.get(name)}"


def made_against(attack: str, source: Subject) -> str:
    """What the texts of a replay are: an attack made against somebody."""
    seed = "" if source.seed is None else f" seed {source.seed}"
    return f"{attack} made against {source.method_title}{seed}"


def _who(subject: Subject) -> str:
    seed = "" if subject.seed is None else f" seed {subject.seed}"
    return f"{subject.model} {subject.method} trained on {subject.train_task}{seed}"


def _check_rows(rows: pd.DataFrame, columns: Iterable[str], task: Task, where: str) -> None:
    from pandas.api.types import infer_dtype

    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise BadInput(f"{where}: the record has no column {missing[0]!r}")
    if len(rows) == 0:
        raise BadInput(f"{where}: the record has no rows")
    for column in TEXTS & set(rows.columns):
        if infer_dtype(rows[column], skipna=False) != "string":
            raise BadInput(f"{where}: column {column!r} holds something else than texts")
    for column in LOGITS & set(rows.columns):
        if not _lists_of_numbers(rows[column]):
            raise BadInput(f"{where}: column {column!r} holds something else than lists of numbers")
    if "logits" in rows.columns and task.kind != "token_classification":
        lengths = sorted({len(scores) for scores in rows["logits"]})
        if len(lengths) > 1 or lengths == [0]:
            raise BadInput(
                f"{where}: rows of 'logits' hold different numbers of scores ({lengths[0]} and {lengths[-1]})"
            )
    if rows["id"].duplicated().any():
        twice = rows["id"][rows["id"].duplicated()].iloc[0]
        raise BadInput(f"{where}: example {twice!r} occurs twice")
    _check_labels(rows, "label", task, where)


def _lists_of_numbers(column: pd.Series) -> bool:
    """Whether every row is a list of numbers, an empty list or nothing."""
    import pyarrow as pa

    try:
        kind = pa.array(column.tolist()).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    if pa.types.is_null(kind):
        return True
    inner = kind.value_type if pa.types.is_list(kind) else kind
    return pa.types.is_list(kind) and any(
        of(inner) for of in (pa.types.is_floating, pa.types.is_integer, pa.types.is_null)
    )


def _check_labels(rows: pd.DataFrame, column: str, task: Task, where: str) -> None:
    """Labels and predictions must be what the task's kind says: names, numbers, or tags of known names."""
    what = "gold label" if column == "label" else column
    values = {str(value) for value in rows[column].unique()}
    if task.kind == "regression":
        unknown = sorted(value for value in values if not _finite(value))
        if unknown:
            raise BadInput(f"{where}: {what} {unknown[0]!r} is no number")
        return
    if task.kind == "token_classification":
        values = {tag for value in values for tag in value.split(" ")}
    known = {*task.labels, *([""] if column == "label" and task.unlabelled else [])}
    unknown = sorted(values - known)
    if unknown:
        raise BadInput(f"{where}: {what} {unknown[0]!r} is no label of the task ({task.labels})")


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _once(seen: set[tuple[object, ...]], key: tuple[object, ...], where: str) -> None:
    if key in seen:
        raise BadInput(f"{where}: recorded twice")
    seen.add(key)


def _same(
    known: dict[tuple[str, str], tuple[str, str, str]],
    key: tuple[str, str],
    fingerprint: str,
    rows: pd.DataFrame,
    where: str,
) -> None:
    """Numbers of one column must come from the same examples of the same data."""
    # As arrays of objects: pandas' own strings take microseconds each to walk through.
    ids, hashes = (map(str, rows[name].to_numpy(dtype=object)) for name in ("id", "text_hash"))
    pairs = sorted(zip(ids, hashes, strict=True))
    digest = hashlib.sha256(repr(pairs).encode()).hexdigest()
    before = known.setdefault(key, (fingerprint, digest, where))
    if before[0] != fingerprint:
        raise BadInput(
            f"{where}: other data than the {before[2]} (fingerprints {fingerprint[:12]}, {before[0][:12]})"
        )
    if before[1] != digest:
        raise BadInput(f"{where}: other examples than the {before[2]}; all must face the same ids")
