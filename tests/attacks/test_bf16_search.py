"""A search in bf16 decides nothing that float32 does not confirm; what it misses float32 searches again, all or a sample."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attack_victims import SINGLE, KeywordVictim, make_task, single_rows
from white_box_victims import random_victim

from asa_bench.attacks import (
    ATTACKS,
    COLUMNS,
    AttackOptions,
    described,
    engine,
    precision_of,
    recipe_of,
    variants,
)
from asa_bench.attacks.base import BF16_QUERIES, BF16_STATUS, DRAWN, FLOAT32_STATUS
from asa_bench.attacks.engine import attack_rows
from asa_bench.errors import BadInput
from asa_bench.measures import Disagreement, disagreement, robust_at

TEXTS = (
    "a wonderful film with an unlikely hero",
    "the plot , frankly , is brilliant and splendid",
    "a film about nothing",
    "wonderful splendid brilliant wonderful splendid brilliant",
)


class TwoPrecisions(KeywordVictim):
    """A victim whose twin in bf16 has another bias, and so other answers.

    Attributes:
        quick: that twin; one that counts a good word more falls later.
    """

    def __init__(self, bias: float = -0.5, broken: bool = False) -> None:
        super().__init__()
        self.quick: KeywordVictim = Broken() if broken else KeywordVictim(bias=bias)

    def in_bf16(self) -> KeywordVictim:
        return self.quick


class Broken(KeywordVictim):
    def logits(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
        raise FloatingPointError("no bf16 here")


def attacked(
    victim: Any, name: str = "pruthi+stopwords", precision: Any = "bf16", rows: Any = None, **options: Any
) -> pd.DataFrame:
    return attack_rows(
        ATTACKS.get(name),
        victim,
        SINGLE,
        single_rows(*TEXTS) if rows is None else rows,
        seed=3,
        options=AttackOptions(search_precision=precision, **options),
    )


def of_float32(frame: pd.DataFrame) -> pd.DataFrame:
    """What a record of a search in float32 has, too."""
    return frame.drop(columns=["success_budgets", BF16_STATUS, BF16_QUERIES], errors="ignore")


def test_where_both_agree_the_outcome_is_that_of_float32_and_failures_are_searched_again() -> None:
    victim = TwoPrecisions()
    frame = attacked(victim)
    exact = attacked(KeywordVictim(), precision="float32")
    pd.testing.assert_frame_equal(of_float32(frame), of_float32(exact))
    assert list(frame.columns) == [*COLUMNS, BF16_STATUS, BF16_QUERIES, "kind"]
    assert frame[BF16_STATUS].tolist() == frame["status"].tolist()
    assert set(frame["status"]) == {"successful", "failed", "skipped"}
    assert set(frame["success_budgets"]) == {""}
    # Of a success, float32 sees the original and what was found, and nothing between.
    assert frame["status"][0] == "successful"
    victim = TwoPrecisions()
    found = tuple(json.loads(attacked(victim, rows=single_rows(TEXTS[0]))["perturbed"][0]))
    assert sorted(text for texts, _ in victim.asked for text in texts) == sorted([(TEXTS[0],), found])


@pytest.mark.parametrize("bias", [-1.5, 2.5, -9.0], ids=["falls early", "never falls", "always wrong"])
@pytest.mark.parametrize("name", ["pruthi+stopwords", "deepwordbug+stopwords"])
def test_where_float32_does_not_confirm_its_own_search_decides(bias: float, name: str) -> None:
    frame = attacked(TwoPrecisions(bias), name)
    exact = attacked(KeywordVictim(), name, "float32")
    again = frame[BF16_STATUS] != "successful"
    assert again.any()
    pd.testing.assert_frame_equal(of_float32(frame)[again], of_float32(exact)[again])
    # A success that stands is one of float32, whoever found it.
    for row in frame[frame["status"] == "successful"].to_dict("records"):
        perturbed = tuple(json.loads(row["perturbed"]))
        assert row["perturbed_logits"] == KeywordVictim().logits([perturbed])[0].tolist()
        assert row["perturbed_logits"][0] < row["perturbed_logits"][1]


def test_disagreements_are_counted() -> None:
    # With a bias of -1.5 bf16 wants two good words: the first text never had them, so that whatever is tried first flips it,
    # which may hold; the others fall with one left.
    frame = attacked(TwoPrecisions(-1.5), "deepwordbug+stopwords")
    assert frame[BF16_STATUS].tolist() == ["successful", "denied", "skipped", "denied"]
    assert frame["status"].tolist() == ["successful", "successful", "skipped", "successful"]
    assert disagreement(frame["status"], frame[BF16_STATUS]) == Disagreement(3, 2, 2, 0)


def test_a_text_that_is_wrong_in_float32_is_skipped_whatever_bf16_found() -> None:
    victim = TwoPrecisions(0.5)
    rows = single_rows("wonderful", TEXTS[2])
    frame = attacked(victim, rows=rows)
    exact = attacked(KeywordVictim(), precision="float32", rows=rows)
    assert frame["status"].tolist() == exact["status"].tolist() == ["successful", "skipped"]
    pd.testing.assert_frame_equal(of_float32(frame), of_float32(exact))
    late = TwoPrecisions()
    late.bias = -9.0  # float32 is wrong everywhere, bf16 right
    frame = attacked(late, rows=rows)
    assert frame["status"].tolist() == ["skipped", "skipped"]
    assert frame[BF16_STATUS].tolist() == ["skipped", "skipped"]
    assert frame["original_logits"].tolist() == late.logits([("wonderful",), (TEXTS[2],)]).tolist()


def test_an_error_in_bf16_is_no_error_of_the_example() -> None:
    frame = attacked(TwoPrecisions(broken=True))
    pd.testing.assert_frame_equal(
        of_float32(frame), of_float32(attacked(KeywordVictim(), precision="float32"))
    )
    assert frame[BF16_STATUS].tolist() == ["errored", "errored", "skipped", "errored"]


def drawing(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    monkeypatch.setattr(engine, "DRAWN", every)


def test_alone_failures_stand_and_those_drawn_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    # bf16 never falls where float32 does.
    victim = TwoPrecisions(2.5)
    exact = attacked(KeywordVictim(), precision="float32")
    drawing(monkeypatch, 1)
    frame = attacked(victim, precision="bf16_alone")
    assert list(frame.columns) == [*COLUMNS, BF16_STATUS, BF16_QUERIES, FLOAT32_STATUS, "kind"]
    assert frame["status"].tolist() == ["failed", "failed", "skipped", "failed"]
    assert frame[BF16_STATUS].tolist() == frame["status"].tolist()
    assert frame[FLOAT32_STATUS].tolist() == [
        "" if status == "skipped" else status for status in exact["status"]
    ]
    # What is recorded of the original is float32's.
    assert frame["original_logits"].tolist() == exact["original_logits"].tolist()
    counted = disagreement(frame["status"], frame[BF16_STATUS], frame[FLOAT32_STATUS])
    assert (counted.standing, counted.drawn, counted.overturned) == (3, 3, 1)
    assert (counted.ended, counted.repeated, counted.denied, counted.missed) == (3, 0, 0, 0)
    drawing(monkeypatch, 10**9)
    frame = attacked(victim, precision="bf16_alone")
    assert set(frame[FLOAT32_STATUS]) == {""}
    assert frame["status"].tolist() == ["failed", "failed", "skipped", "failed"]


def test_alone_a_denied_success_is_searched_again_and_float32_says_who_was_right() -> None:
    for bias, name in ((-1.5, "deepwordbug+stopwords"), (-1.5, "pruthi+stopwords")):
        frame = attacked(TwoPrecisions(bias), name, "bf16_alone")
        exact = attacked(KeywordVictim(), name, "float32")
        again = ~frame[BF16_STATUS].isin(["successful", "failed"])
        assert again.any()
        pd.testing.assert_frame_equal(
            of_float32(frame)[again].drop(columns=FLOAT32_STATUS), of_float32(exact)[again]
        )
    # Where float32 is wrong from the start, what bf16 failed at is no robust example.
    late = TwoPrecisions(9.0)
    late.bias = -9.0
    frame = attacked(late, rows=single_rows("wonderful", TEXTS[0]), precision="bf16_alone")
    assert frame["status"].tolist() == ["skipped", "skipped"]


def test_who_is_drawn_depends_on_the_example_alone() -> None:
    rows = single_rows(*(f"{TEXTS[0]} {n}" for n in range(200)))
    frame = attacked(TwoPrecisions(2.5), rows=rows, precision="bf16_alone", query_budget=3)
    drawn = frame.loc[frame[FLOAT32_STATUS] != "", "id"]
    assert 200 / DRAWN / 3 < len(drawn) < 3 * 200 / DRAWN
    part = attacked(TwoPrecisions(2.5), rows=rows.iloc[50::-1], precision="bf16_alone", query_budget=3)
    assert set(part.loc[part[FLOAT32_STATUS] != "", "id"]) == set(drawn) & set(part["id"])


@pytest.mark.parametrize("precision", ["bf16", "bf16_alone"])
def test_a_search_in_bf16_depends_on_nothing_but_its_example(precision: Any, tmp_path: Path) -> None:
    victim = random_victim("bert", tmp_path)
    rows = single_rows(*(f"{text} {n}" for n in ("film", "plot") for text in TEXTS[:3]))
    task = SINGLE.model_copy(update={"labels": victim.labels})
    rows["label"] = victim.predict([(text,) for text in rows["sentence"]])

    def run(chosen: pd.DataFrame, lanes: int, batch_size: int) -> pd.DataFrame:
        victim.batch_size = batch_size
        options = AttackOptions(search_precision=precision, lanes=lanes, query_budget=40)
        frame = attack_rows(
            ATTACKS.get("deepwordbug+stopwords"), victim, task, chosen, seed=1, options=options
        )
        return frame.sort_values("id", ignore_index=True)

    one = run(rows, 1, 64)
    assert "successful" in set(one[BF16_STATUS])
    pd.testing.assert_frame_equal(run(rows.iloc[::-1].reset_index(drop=True), 8, 3), one)


def test_names() -> None:
    assert variants("x", AttackOptions(search_precision="bf16")) == ("x+bf16",)
    assert variants("x", AttackOptions(search_precision="bf16", victim="both")) == (
        "x+bf16",
        "x+bf16+calibrated",
    )
    both = described("pruthi+stopwords+bf16+calibrated")
    assert (both.name, both.raw) == ("pruthi+stopwords+bf16+calibrated", "pruthi+stopwords+bf16")
    assert both.title.endswith(", bf16, calibrated")
    assert described("pruthi+stopwords+bf16").raw == ""
    assert recipe_of(both.name) == ATTACKS.get("pruthi+stopwords")
    assert precision_of(both.name) == "bf16"
    assert precision_of("pruthi+stopwords+calibrated") == "float32"
    assert variants("x", AttackOptions(search_precision="bf16_alone")) == ("x+bf16alone",)
    alone = described("pruthi+stopwords+bf16alone+calibrated")
    assert (alone.title.endswith(", bf16 alone, calibrated"), precision_of(alone.name)) == (
        True,
        "bf16_alone",
    )
    assert recipe_of(alone.name) == ATTACKS.get("pruthi+stopwords")
    random = described("deepwordbug+stopwords+random+bf16")
    assert random.control_of == "deepwordbug+stopwords+bf16"
    with pytest.raises(BadInput, match="nothing"):
        described("nothing+bf16")


class Near(KeywordVictim):
    """Logits that only a text's hash decides; those of its twin in bf16 differ from them a little."""

    def __init__(self, labels: tuple[str, ...], error: float = 0.0) -> None:
        super().__init__(labels)
        self.error = error

    def in_bf16(self) -> KeywordVictim:
        return Near(self.labels, 0.35)

    def logits(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
        rows = [np.frombuffer(hashlib.sha256(repr(text).encode()).digest()[:6], np.uint8) for text in texts]
        numbers = np.stack(rows).astype(np.float32) / 128 - 1
        logits = numbers[:, : len(self.labels)] + self.error * numbers[:, 3 : 3 + len(self.labels)]
        logits[:, 0] += 0.7
        return logits


@pytest.mark.parametrize("labels", [("good", "fair", "bad"), ("good", "bad")])
def test_the_curve_of_bf16_alone_equals_separate_searches(labels: tuple[str, ...]) -> None:
    task = make_task(labels=labels)
    victim = Near(labels)
    words = itertools.product(("some", "every", "another"), ("dull", "odd", "splendid"), ("actors", "lives"))
    texts = [f"{one} {two} film about {three}" for one, two, three in words]
    rows = single_rows(*(text for text in texts if victim.logits([(text,)])[0].argmax() == 0), label="good")

    def within(budget: int | None) -> pd.DataFrame:
        options = AttackOptions(search_precision="bf16_alone", query_budget=budget)
        return attack_rows(ATTACKS.get("deepwordbug+stopwords"), victim, task, rows, seed=3, options=options)  # type: ignore[arg-type]

    whole = within(None)
    assert {"successful", "denied"} <= set(whole[BF16_STATUS])
    intervals = [json.loads(found) for found in whole["success_budgets"]]
    for budget in range(1, 30):
        expected = [status == "failed" for status in within(budget)["status"]]
        assert robust_at(whole["status"].tolist(), intervals, budget).tolist() == expected, budget


def test_an_error_of_bf16_alone_counts_from_the_question_that_raised_it() -> None:
    class Breaks(KeywordVictim):
        def logits(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
            if any("film" not in text[0] for text in texts):
                raise FloatingPointError("misspelt")
            return super().logits(texts, batch_size)

    victim = TwoPrecisions()
    victim.quick = Breaks()
    rows = single_rows("wonderful film")
    frame = attacked(victim, "deepwordbug+stopwords", "bf16_alone", rows)
    assert frame[BF16_STATUS].tolist() == ["errored"] and frame["status"].tolist() == ["successful"]
    # The look at the original, and two probes: the second one hides "film".
    exact = attacked(KeywordVictim(), "deepwordbug+stopwords", "float32", rows)
    assert frame["success_budgets"].tolist() == exact["success_budgets"].tolist() == ["[[4, null]]"]
