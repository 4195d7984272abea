"""One search tells what a separate search at every query budget would have done."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attack_victims import SINGLE, WITHOUT_RANDOMNESS, KeywordVictim, make_task, single_rows

from asa_bench.attacks import ATTACKS, Attack, AttackOptions
from asa_bench.attacks.adapter import textattack
from asa_bench.attacks.budget import _LANDMARKS, BudgetLog
from asa_bench.attacks.engine import attack_rows
from asa_bench.measures import robust_at, robust_by_budget

LABELS = ("good", "fair", "bad")
THREE = make_task(labels=LABELS)


class Arbitrary(KeywordVictim):
    """Gives every text logits that only its hash decides, near those of the label 'good'."""

    def __init__(self, labels: tuple[str, ...], margin: float) -> None:
        super().__init__(labels)
        self.margin = margin

    def logits(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
        rows = [np.frombuffer(hashlib.sha256(repr(text).encode()).digest()[:3], np.uint8) for text in texts]
        logits = np.stack(rows).astype(np.float32)[:, : len(self.labels)] / 128 - 1
        logits[:, 0] += self.margin
        return logits


TEXTS = [f"{one} {two} film about wonderful {three}" for one, two, three in (
    ("some", "dull", "actors"), ("another", "splendid", "dogs"), ("every", "odd", "houses"),
    ("this", "quiet", "lives"), ("their", "loud", "music"), ("no", "little", "things"),
)]  # fmt: skip


def attacked(attack: Attack, victim: Any, task: Any, rows: pd.DataFrame, budget: int | None) -> pd.DataFrame:
    return attack_rows(attack, victim, task, rows, seed=1, options=AttackOptions(query_budget=budget))


@pytest.mark.parametrize("labels", [LABELS, LABELS[:2]])
@pytest.mark.parametrize(
    ("attack", "margin"), [(ATTACKS.get("deepwordbug+stopwords"), 0.6), (WITHOUT_RANDOMNESS, 1.1)]
)
def test_the_curve_equals_separate_searches(attack: Attack, labels: tuple[str, ...], margin: float) -> None:
    task = THREE if len(labels) == 3 else make_task(labels=labels)
    victim = Arbitrary(labels, margin)
    texts = [text for text in TEXTS if victim.logits([(text,)])[0].argmax() == 0]
    rows = single_rows(*texts, label="good")
    whole = attacked(attack, victim, task, rows, None)
    intervals = [json.loads(found) for found in whole["success_budgets"]]
    for status, found in zip(whole["status"], intervals, strict=True):
        assert (status == "successful") == bool(found and found[-1][1] is None)
        assert len(found) <= 1 or len(labels) == 3
    budgets = list(range(1, 30))
    curve = robust_by_budget(whole["status"].tolist(), intervals, budgets)
    for budget, expected in zip(budgets, curve, strict=True):
        alone = attacked(attack, victim, task, rows, budget)
        assert set(alone["status"]) <= {"successful", "failed"}
        assert (alone["status"] == "failed").sum() == expected.hits, budget
        # A curve ends at the budget of its own search.
        again = [json.loads(found) for found in alone["success_budgets"]]
        assert robust_by_budget(alone["status"].tolist(), again, [budget]) == [expected]
    assert curve[0].hits == len(texts) > curve[-1].hits


def _population(wrapper: Any, search: Any, random_one: bool) -> Any:
    return textattack.Attack(
        textattack.goal_functions.UntargetedClassification(wrapper),
        [textattack.constraints.pre_transformation.RepeatModification()],
        textattack.transformations.WordSwapNeighboringCharacterSwap(random_one=random_one),
        search,
    )


def leap(wrapper: Any) -> Any:
    search = textattack.search_methods.ParticleSwarmOptimizationLEAP(pop_size=4, max_iters=3)
    return _population(wrapper, search, random_one=False)


def swarm(wrapper: Any) -> Any:
    return _population(wrapper, textattack.search_methods.ParticleSwarmOptimization(4, 3), random_one=True)


def genetic(wrapper: Any) -> Any:
    search = textattack.search_methods.ImprovedGeneticAlgorithm(
        pop_size=4, max_iters=3, max_replace_times_per_index=2
    )
    return _population(wrapper, search, random_one=False)


def alzantot(wrapper: Any) -> Any:
    return _population(wrapper, textattack.search_methods.AlzantotGeneticAlgorithm(4, 3), random_one=True)


@pytest.mark.parametrize(
    ("search", "labels"),
    [
        ("leap", LABELS),
        ("genetic", LABELS),
        *(
            pytest.param(search, labels, marks=pytest.mark.slow)
            for search, labels in (
                ("leap", LABELS[:2]),
                ("genetic", LABELS[:2]),
                ("swarm", LABELS),
                ("swarm", LABELS[:2]),
                ("alzantot", LABELS),
                ("alzantot", LABELS[:2]),
            )
        ),
    ],
)
def test_the_curve_of_a_population_equals_separate_searches(search: str, labels: tuple[str, ...]) -> None:
    attack = Attack(name=search, title=search, recipe=f"test_attack_budgets:{search}", paper="none")
    task = THREE if len(labels) == 3 else make_task(labels=labels)
    victim = Arbitrary(labels, 0.7)
    texts = [text for text in TEXTS if victim.logits([(text,)])[0].argmax() == 0]
    rows = single_rows(*texts, label="good")
    whole = attacked(attack, victim, task, rows, 120)
    intervals = [json.loads(found) for found in whole["success_budgets"]]
    early = [
        bool(found) and found[0][0] < queries
        for found, queries in zip(intervals, whole["queries"], strict=True)
    ]
    assert any(early)  # a smaller budget would have done
    last = int(whole["queries"].max()) + 1
    budgets = [*range(1, 30), *range(30, last, 9), last]
    for budget in budgets:
        alone = attacked(attack, victim, task, rows, budget)
        expected = [status == "failed" for status in alone["status"]]
        assert robust_at(whole["status"].tolist(), intervals, budget).tolist() == expected, budget


def test_a_long_search_is_exact_at_the_budgets_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asa_bench.attacks.budget._MOST_RUNS", 3)
    attack = Attack(name="leap", title="leap", recipe="test_attack_budgets:leap", paper="none")
    victim = Arbitrary(LABELS, 0.7)
    texts = [text for text in TEXTS if victim.logits([(text,)])[0].argmax() == 0]
    rows = single_rows(*texts, label="good")
    whole = attacked(attack, victim, THREE, rows, 120)
    intervals = [json.loads(found) for found in whole["success_budgets"]]
    edges = {edge for found in intervals for interval in found for edge in interval} - {None}
    assert edges & {*_LANDMARKS}
    for most in (10, 15, 25, 50, 75, 100):
        alone = attacked(attack, victim, THREE, rows, most)
        expected = [status == "failed" for status in alone["status"]]
        assert robust_at(whole["status"].tolist(), intervals, most).tolist() == expected, most


def _told(answers: list[list[tuple[float, bool]]], succeeded: bool, reached: set[int]) -> Any:
    """What a population's search tells that had these answers, (score, whether a success), question by question.

    The look at the original is query 1, and a search of a budget in `reached` succeeds.
    """
    status = textattack.goal_function_results.GoalFunctionResultStatus
    goal = SimpleNamespace(num_queries=1)
    search = textattack.search_methods.ParticleSwarmOptimization(4, 3)

    def ask(results: Any) -> Any:
        goal.num_queries += len(results)
        return [
            SimpleNamespace(score=score, goal_status=status.SUCCEEDED if won else status.SEARCHING)
            for score, won in results
        ], False

    search.get_goal_results, search.get_transformations = ask, None
    log = BudgetLog(SimpleNamespace(search_method=search, goal_function=goal))
    for question in answers:
        search.get_goal_results(question)
    return log.budgets(succeeded, reached.__contains__)


def test_a_success_that_nothing_takes_is_none() -> None:
    """With three labels the best answer of the last question may be no success, but a worse one of it."""
    assert _told([[(0.66, False), (0.6, True)]], False, set()) == []
    assert _told([[(0.66, False), (0.6, True)], [(0.7, True)]], True, {4}) == [[4, None]]


def test_a_long_search_between_two_landmarks_tells_its_own_budget() -> None:
    before, many = [(0.1, False)] * 15, [(0.6, True)] * 40  # queries 2 to 16, and 17 to 56
    assert not {*range(17, 25)} & {*_LANDMARKS}
    assert {25, 50} <= {*_LANDMARKS}
    assert _told([before, many], True, {25, 56}) == [[25, 50], [56, None]]
    before = [(0.1, False)] * 2100  # a longer one, behind 2,000 and before 3,000
    assert not {*range(2102, 2142)} & {*_LANDMARKS}
    assert _told([before, many], True, {2141}) == [[2141, None]]
    assert _told([before, many], False, set()) == []


def test_running_a_population_again_asks_nobody_and_costs_no_query() -> None:
    attack = Attack(name="leap", title="leap", recipe="test_attack_budgets:leap", paper="none")
    victim = Arbitrary(LABELS, 0.7)
    texts = [text for text in TEXTS if victim.logits([(text,)])[0].argmax() == 0]
    victim.asked.clear()
    frame = attacked(attack, victim, THREE, single_rows(*texts, label="good"), None)
    texts_asked = [text for asked, size in victim.asked if size is None for text in asked]
    assert len(texts_asked) <= frame["queries"].sum()


def test_a_control_tells_the_budget_of_its_success() -> None:
    attack = ATTACKS.get("deepwordbug+stopwords+random")
    victim = Arbitrary(LABELS, 1.5)
    texts = [text for text in TEXTS if victim.logits([(text,)])[0].argmax() == 0]
    rows = single_rows(*texts, label="good")
    whole = attacked(attack, victim, THREE, rows, None)
    assert set(whole["status"]) == {"successful", "failed"}
    for status, queries, found in zip(
        whole["status"], whole["queries"], whole["success_budgets"], strict=True
    ):
        assert json.loads(found) == ([[queries, None]] if status == "successful" else [])
    least = int(whole["queries"][whole["status"] == "successful"].min())
    for budget in (least - 1, least):
        alone = attacked(attack, victim, THREE, rows, budget)
        assert (alone["status"] == "successful").sum() == (budget == least)


def test_importance_probes_are_no_success() -> None:
    class FallsForUnknowns(KeywordVictim):
        def score(self, text: tuple[str, ...]) -> float:
            return -1.0 if "[UNK]" in text[0] else 1.0

    frame = attacked(
        ATTACKS.get("deepwordbug+stopwords"), FallsForUnknowns(), SINGLE, single_rows("dull films"), None
    )
    assert frame["status"].tolist() == ["failed"]
    assert json.loads(frame["success_budgets"].iat[0]) == []


def test_success_at_a_known_query() -> None:
    # The look at the original, two probes, and then swaps of "wonderful", sorted by text; every one succeeds.
    frame = attacked(
        ATTACKS.get("deepwordbug+stopwords"), KeywordVictim(), SINGLE, single_rows("wonderful films"), None
    )
    assert json.loads(frame["success_budgets"].iat[0]) == [[4, None]]


def test_later_candidates_can_undo_a_success() -> None:
    """With three labels a candidate that lowers the label further, but keeps it first, is preferred to a success."""
    status = textattack.goal_function_results.GoalFunctionResultStatus
    goal = SimpleNamespace(num_queries=5)
    search = textattack.search_methods.GreedyWordSwapWIR()
    scores = [
        (0.3, status.SUCCEEDED),
        (0.52, status.SUCCEEDED),
        (0.55, status.SEARCHING),
        (0.6, status.SUCCEEDED),
    ]

    def ask(texts: Any) -> Any:
        goal.num_queries += len(texts)
        return [
            SimpleNamespace(score=score, goal_status=found, attacked_text="") for score, found in scores
        ], False

    search.get_goal_results, search.get_transformations = ask, None
    log = BudgetLog(SimpleNamespace(search_method=search, goal_function=goal))
    log._performed = lambda initial: None  # type: ignore[method-assign]
    log._best = 0.4  # the original's score: the first candidate is no improvement
    search.get_goal_results([1, 2, 3, 4])
    assert log.budgets(False, lambda budget: False) == [[7, 8], [9, None]]
