"""One search tells what a separate search at every query budget would have done."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attack_victims import SINGLE, WITHOUT_RANDOMNESS, KeywordVictim, make_task, single_rows

from asa_bench.attacks import ATTACKS, Attack, AttackOptions
from asa_bench.attacks.engine import attack_rows
from asa_bench.measures import robust_by_budget

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
    from types import SimpleNamespace

    from asa_bench.attacks.adapter import textattack
    from asa_bench.attacks.budget import BudgetLog

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
        return [SimpleNamespace(score=score, goal_status=found) for score, found in scores], False

    search.get_goal_results = ask
    log = BudgetLog(SimpleNamespace(search_method=search, goal_function=goal))
    log._performed = lambda initial: None  # type: ignore[method-assign]
    log._best = 0.4  # the original's score: the first candidate is no improvement
    search.get_goal_results([1, 2, 3, 4])
    assert log.budgets == [[7, 8], [9, None]]
