"""Several folders as one report: the same records give the same tables, and what does not fit is kept apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import made_up
import pytest

from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.merging import merge
from asa_bench.reports.outcomes import Evaluation, Hole, TrainingOutcome


def of_seeds(seeds: set[int], plan: str, source: ReportInput | None = None) -> ReportInput:
    whole = source or made_up.report(seeds=(1, 2, 3), scale=40, laboratory=False)
    kept = {
        name: tuple(item for item in getattr(whole, name) if item.subject.seed in seeds)
        for name in ("evaluations", "attacks", "probes")
    }
    return replace(whole, **kept, provenance={**whole.provenance, "plan": plan})


@pytest.fixture(scope="module")
def parts() -> list[ReportInput]:
    return [of_seeds({1}, "a"), of_seeds({2}, "b"), of_seeds({2, 3}, "c")]


def test_folders_with_the_same_records_give_the_tables_of_one(parts: list[ReportInput]) -> None:
    made = [merge([parts[at] for at in order]) for order in permutations(range(3))]
    assert all(len(found) == 1 for found in made)
    whole = replace(of_seeds({1, 2, 3}, "a, b, c"), provenance=made[0][0].source.provenance)
    wanted = build_tables(whole, ("main",))
    for found in made[::3]:
        assert build_tables(found[0].source, ("main",)) == wanted
    assert made[0][0].members == (0, 1, 2)


def test_one_folder_is_left_as_it_is(parts: list[ReportInput]) -> None:
    (found,) = merge([parts[0]])
    assert found.source is not None and found.source == parts[0]
    (twice,) = merge([parts[0], parts[0]])
    assert build_tables(twice.source, ("main",)) == build_tables(parts[0], ("main",))


def test_what_one_folder_lacks_is_no_hole_where_another_has_it(parts: list[ReportInput]) -> None:
    subject = parts[1].evaluations[0].subject
    gaps = (Hole(subject, "sst2", "killed"), Hole(subject, "cola", "killed"))
    (found,) = merge([replace(parts[0], holes=gaps), parts[1]])
    assert found.source.holes == gaps[1:]


def other_data(source: ReportInput) -> ReportInput:
    return replace(
        source, evaluations=tuple(replace(item, fingerprint="other") for item in source.evaluations)
    )


def other_examples(source: ReportInput) -> ReportInput:
    return replace(source, attacks=tuple(replace(item, rows=item.rows.iloc[1:]) for item in source.attacks))


def other_budget(source: ReportInput) -> ReportInput:
    return replace(source, attacks=tuple(replace(item, query_budget=7) for item in source.attacks))


def recipe(source: ReportInput, name: str) -> ReportInput:
    return replace(source, attacks=tuple(replace(item, recipe=name) for item in source.attacks))


def trained(source: ReportInput, epochs: int) -> ReportInput:
    subject = source.evaluations[0].subject
    told = TrainingOutcome(subject, "SST-2", 3, {}, {}, {"training": {"epochs": epochs}, "task": "sst2"})
    return replace(source, trainings=(told,))


def other_task(source: ReportInput) -> ReportInput:
    def changed(item: Evaluation) -> Evaluation:
        return replace(item, task=item.task.model_copy(update={"exposure": ("sst2:train",)}))

    return replace(source, evaluations=tuple(map(changed, source.evaluations)))


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (lambda s: s, other_data, "other data than"),
        (lambda s: s, other_examples, "other examples than"),
        (lambda s: s, other_budget, "another query budget (500; 7)"),
        (lambda s: recipe(s, "x"), lambda s: recipe(s, "y"), "another recipe than"),
        (lambda s: trained(s, 1), lambda s: trained(s, 2), "other settings (training.epochs: 1 and 2)"),
        (lambda s: s, other_task, "other exposure (none; sst2:train)"),
        (
            lambda s: replace(s, exposures={"minilm-l6": "saw SST-2"}),
            lambda s: s,
            "encoder minilm-l6: other exposure (saw SST-2; nothing)",
        ),
    ],
)
def test_what_does_not_fit_is_kept_apart_and_said(
    parts: list[ReportInput],
    first: Callable[[ReportInput], ReportInput],
    second: Callable[[ReportInput], ReportInput],
    reason: str,
) -> None:
    given = [first(parts[0]), second(parts[1])]
    found = merge(given)
    assert [part.members for part in found] == [(0,), (1,)]
    for part in found:
        (said,) = part.source.notes
        assert reason in said and "suite robustness, profile laptop, plan" in said
    assert reason in found[0].apart[0][1]
    again = merge(given[::-1])
    assert [part.source.notes for part in again] == [part.source.notes for part in found]
    assert [part.members for part in again] == [(1,), (0,)]


def test_other_results_of_the_same_subject_are_kept_apart(parts: list[ReportInput]) -> None:
    item = parts[1].evaluations[0]
    flipped = item.rows.assign(prediction=item.rows["prediction"].tolist()[::-1])
    other = replace(parts[2], evaluations=(replace(item, rows=flipped), *parts[2].evaluations[1:]))
    found = merge([parts[0], parts[1], other])
    assert [part.members for part in found] == [(0, 1), (2,)]
    assert "recorded in both, with other results" in found[1].apart[0][1]
