"""What a report is made from: evaluations, probes, attacks and failed cells, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asa_bench.errors import BadInput
from asa_bench.quality import QualityGate
from asa_bench.reports.checks import (
    ATTACK_COLUMNS,
    CALIBRATION_COLUMNS,
    EVALUATION_COLUMNS,
    PROBE_COLUMNS,
    QUALITY_COLUMNS,
    REPLAY_COLUMNS,
    check_labels,
    check_rows,
    difference,
    once,
    same_examples,
)
from asa_bench.reports.outcomes import (
    AttackOutcome,
    CalibrationOutcome,
    Evaluation,
    Hole,
    PeopleOutcome,
    PretrainingOutcome,
    Probe,
    QualityOutcome,
    ReplayOutcome,
    SheetAgreement,
    StoredReplay,
    Subject,
    TrainingOutcome,
    attacked,
    made_against,
    quality_of,
)

if TYPE_CHECKING:
    from asa_bench.reports.explanation import Explanation


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
            check_rows(item.rows, (*EVALUATION_COLUMNS, *item.task.extra_columns), item.task, where)
            check_labels(item.rows, "prediction", item.task, where)
            once(seen, (item.subject, item.task.name, item.split), where)
            same_examples(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)

    def _check_attacks(self) -> None:
        seen: set[tuple[object, ...]] = set()
        examples: dict[tuple[str, str], tuple[str, str, str]] = {}
        recipes: dict[str, tuple[str, str]] = {}
        for item in self.attacks:
            where = f"attack {item.attack.name!r} on {_who(item.subject)}, {item.task.name!r}"
            check_rows(item.rows, (*ATTACK_COLUMNS, *item.task.slices), item.task, where)
            once(seen, (item.subject, item.task.name, item.split, item.attack.name, item.attack_seed), where)
            if item.recipe:
                first, there = recipes.setdefault(item.attack.name, (item.recipe, where))
                if first != item.recipe:
                    raise BadInput(
                        f"{where}: another recipe than the {there} (fingerprints {item.recipe[:12]}, {first[:12]}); "
                        "its components, word lists or library differ, so the numbers cannot be compared"
                    )
            # All attacks on one task share one list of ids, so that they can be compared with each other too.
            same_examples(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)
        for replay in self.replays:
            where = (
                f"replay of {made_against(replay.attack.name, replay.source)} on {_who(replay.subject)}, "
                f"{replay.task.name!r}"
            )
            check_rows(replay.rows, REPLAY_COLUMNS, replay.task, where)
            key = (replay.subject, replay.source, replay.task.name, replay.split, replay.attack.name)
            once(seen, (*key, replay.attack_seed), where)
            if replay.recipe and recipes.get(replay.attack.name, (replay.recipe, ""))[0] != replay.recipe:
                raise BadInput(
                    f"{where}: another recipe than the {recipes[replay.attack.name][1]}; the numbers cannot be compared"
                )
            same_examples(examples, (replay.task.name, replay.split), replay.fingerprint, replay.rows, where)
        self._check_qualities(examples)

    def _check_qualities(self, examples: dict[tuple[str, str], tuple[str, str, str]]) -> None:
        seen: set[tuple[object, ...]] = set()
        attacks = {attacked(item): item for item in self.attacks}
        first: tuple[Mapping[str, Any], str] | None = None
        for item in self.qualities:
            where = f"{quality_of(item.attack.name)} on {_who(item.subject)}, {item.task.name!r}"
            check_rows(item.rows, QUALITY_COLUMNS, item.task, where)
            once(seen, attacked(item), where)
            same_examples(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)
            first = first or (item.judges, where)
            if item.judges != first[0]:
                raise BadInput(
                    f"{where}: measured otherwise than the {first[1]} ({difference(item.judges, first[0])}); the numbers "
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
            check_rows(item.rows, (*PROBE_COLUMNS, *item.task.slices), item.task, where)
            once(seen, (item.subject, item.task.name, item.split), where)
            same_examples(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)

    def _check_stored(self) -> None:
        seen: set[tuple[object, ...]] = set()
        examples: dict[tuple[str, str], tuple[str, str, str]] = {}
        for item in self.stored:
            where = f"replay of the set {item.name!r} on {_who(item.subject)}, {item.task.name!r}"
            check_rows(item.rows, (*REPLAY_COLUMNS, "perturbed"), item.task, where)
            if item.judges is not None:
                check_rows(item.rows, QUALITY_COLUMNS, item.task, where)
            others = [one.judges for one in self.qualities]
            others += [one.judges for one in self.stored if one.judges is not None]
            if item.judges is not None and item.judges != others[0]:
                raise BadInput(
                    f"{where}: its texts were measured otherwise than others ({difference(item.judges, others[0])}); the "
                    "gated numbers cannot be compared"
                )
            once(seen, (item.subject, item.name), where)
            same_examples(examples, (item.name, item.address), item.fingerprint, item.rows, where)

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
            check_rows(item.rows, CALIBRATION_COLUMNS, item.task, where)
            once(seen, (item.subject, item.task.name), where)
            same_examples(examples, (item.task.name, item.split), item.fingerprint, item.rows, where)
            if not (item.temperature > 0 and math.isfinite(item.temperature)):
                raise BadInput(f"{where}: {item.temperature} is no temperature")
            both = evaluated.get(item.task.name, set()) & set(item.rows["text_hash"])
            if both:
                raise BadInput(
                    f"{where}: fitted on {len(both)} rows that are reported, too ({sorted(both)[0]}); fit it on others"
                )


def _who(subject: Subject) -> str:
    seed = "" if subject.seed is None else f" seed {subject.seed}"
    return f"{subject.model} {subject.method} trained on {subject.train_task}{seed}"
