"""A saturated victim hides from a search; its temperature gives it back what it hid, and nothing recorded changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attack_victims import SINGLE, KeywordVictim, single_rows
from white_box_victims import random_victim, text_gradient

from asa_bench.attacks import ATTACKS, CALIBRATED, AttackOptions, described, variants
from asa_bench.attacks.base import GRADIENT_NORM
from asa_bench.attacks.engine import attack_rows
from asa_bench.attacks.labels import probabilities
from asa_bench.errors import BadInput

TEXTS = [f"a wonderful film with a brilliant plot and {n} splendid heroes" for n in ("two", "three", "many")]
SCALE = 10_000


class Scaled(KeywordVictim):
    """A victim whose confidence is 1 to the last bit, even in float64, while its answers are the same."""

    def logits(self, texts: Sequence[tuple[str, ...]], batch_size: int | None = None) -> np.ndarray:
        return SCALE * super().logits(texts, batch_size)


def outcomes(victim: Any, temperature: float) -> list[dict[str, Any]]:
    frame = attack_rows(
        ATTACKS.get("deepwordbug+stopwords"),
        victim,
        SINGLE,
        single_rows(*TEXTS),
        seed=1,
        temperature=temperature,
    )
    return frame.drop(columns=["original_logits", "perturbed_logits"]).to_dict("records")


def test_a_temperature_gives_the_search_back_what_saturation_hid() -> None:
    plain = outcomes(KeywordVictim(), 1)
    assert {row["status"] for row in plain} == {"successful"}
    hidden = outcomes(Scaled(), 1)
    assert {row["status"] for row in hidden} == {"failed"}
    assert outcomes(Scaled(), SCALE) == plain


def test_recorded_logits_are_the_victims_own() -> None:
    frame = attack_rows(
        ATTACKS.get("pruthi+stopwords"), Scaled(), SINGLE, single_rows(TEXTS[0]), seed=1, temperature=SCALE
    )
    assert frame["original_logits"][0] == Scaled().logits([(TEXTS[0],)])[0].tolist()


def test_probabilities_by_a_temperature() -> None:
    logits, groups = np.array([[2.0, 0.0]]), np.arange(2)
    assert probabilities(logits, groups, 2.0) == pytest.approx(probabilities(logits / 2, groups))
    assert probabilities(logits, groups, 50.0).argmax() == 0


def test_names_of_both_victims() -> None:
    assert variants("x", AttackOptions()) == ("x",)
    assert variants("x", AttackOptions(victim="calibrated")) == ("x+calibrated",)
    assert variants("x", AttackOptions(victim="both")) == ("x", "x+calibrated")
    attack = described(f"pruthi+stopwords{CALIBRATED}")
    assert (attack.name, attack.raw) == ("pruthi+stopwords+calibrated", "pruthi+stopwords")
    assert described("pruthi+stopwords") == ATTACKS.get("pruthi+stopwords")
    with pytest.raises(BadInput, match="nothing"):
        described("nothing+calibrated")


def test_a_gradient_is_taken_of_the_calibrated_loss(tmp_path: Path) -> None:
    victim = random_victim("bert", tmp_path)
    victim.model.double()
    gold = np.arange(len(victim.labels)) == 0
    plain = text_gradient(victim, ("the film",), gold).values
    head = victim.model.classifier
    head.weight.data *= 1e6
    head.bias.data *= 1e6
    saturated = text_gradient(victim, ("the film",), gold).values
    assert np.abs(saturated).max() == 0 or np.abs(saturated).max() > 1e3  # right and sure, or wrong and sure
    np.testing.assert_allclose(text_gradient(victim, ("the film",), gold, 1e6).values, plain, rtol=1e-4)


def test_a_white_box_attack_tells_its_first_gradient(tmp_path: Path) -> None:
    victim = random_victim("bert", tmp_path)
    text = ("the wonderful film",)
    rows = single_rows(text[0], "")
    label = victim.predict([text])[0]
    task = SINGLE.model_copy(update={"labels": victim.labels})
    rows["label"] = label
    frame = attack_rows(ATTACKS.get("hotflip+gradientswap+nopos+stopwords"), victim, task, rows, seed=0)
    gold = np.array([name == label for name in victim.labels])
    expected = np.linalg.norm(text_gradient(victim, text, gold).values)
    assert frame[GRADIENT_NORM][0] == pytest.approx(float(expected))
