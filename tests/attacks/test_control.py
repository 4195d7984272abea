"""The control of an attack: the same candidates, random, within its number of queries, whatever the victim's scores."""

from __future__ import annotations

import json

import pandas as pd
from attack_victims import SINGLE, KeywordVictim, single_rows
from test_calibrated_victims import Scaled

from asa_bench.attacks import ATTACKS, AttackOptions
from asa_bench.attacks.engine import attack_rows

CONTROL = ATTACKS.get("deepwordbug+stopwords+random")
TEXTS = [f"a wonderful film with a brilliant plot and {n} heroes" for n in ("two", "three", "many", "no")]


def run(victim: KeywordVictim, **options: int) -> pd.DataFrame:
    rows = single_rows(*TEXTS)
    return attack_rows(CONTROL, victim, SINGLE, rows, seed=3, options=AttackOptions(**options))  # type: ignore[arg-type]


def test_it_looks_at_answers_alone() -> None:
    plain, saturated = run(KeywordVictim()), run(Scaled())
    columns = ["status", "perturbed", "queries"]
    assert plain[columns].to_dict("records") == saturated[columns].to_dict("records")
    assert "successful" in set(plain["status"])


def test_it_asks_no_more_than_the_search_that_it_controls_may() -> None:
    never = KeywordVictim(bias=9)
    frame = run(never)
    assert set(frame["status"]) == {"failed"}
    # wonderful, film, brilliant, plot, heroes, and a number word where it is no stop word: 5 queries each, and the original.
    assert frame["queries"].between(1 + 5 * 4, 1 + 5 * 6).all()
    assert (run(never, query_budget=7)["queries"] <= 7).all()


def test_it_changes_what_the_recipe_may_change_and_is_repeatable() -> None:
    first, again = run(KeywordVictim(), lanes=1), run(KeywordVictim(), lanes=4)
    pd.testing.assert_frame_equal(first, again)
    for before, after in zip(first["original"], first["perturbed"], strict=True):
        if after:
            (old,), (new,) = json.loads(before), json.loads(after)
            kept = [
                (a, b) for a, b in zip(old.split(), new.split(), strict=False) if a in ("a", "with", "and")
            ]
            assert all(a == b for a, b in kept)


def test_it_says_whose_control_it_is() -> None:
    assert CONTROL.control_of in ATTACKS
    assert CONTROL.name.startswith(CONTROL.control_of)
