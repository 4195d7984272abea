"""White-box attacks: which swap is chosen, what a gradient costs, and that a planted keyword is found."""

from __future__ import annotations

import itertools
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attack_victims import PAIR, SINGLE, pair_rows, single_rows
from white_box_victims import WORDS, planted_victim, random_victim, text_gradient

from asa_bench.attacks import ATTACKS, AttackOptions
from asa_bench.attacks.adapter import VictimWrapper, textattack
from asa_bench.attacks.engine import attack_rows, resolve
from asa_bench.attacks.white_box import (
    GradientRanked,
    Gradients,
    GradientSwap,
    own_words,
    places,
)
from asa_bench.measures import robust_at

HOTFLIP = ATTACKS.get("hotflip+gradientswap+nopos+stopwords")


def attacked(single: str, pair: tuple[str, str] | None = None) -> Any:
    if pair is None:
        return textattack.shared.AttackedText(single)
    return textattack.shared.AttackedText(OrderedDict(premise=pair[0], hypothesis=pair[1]))


def goal(victim: Any, label: int = 1, groups: Any = None, budget: float = float("inf")) -> Any:
    wrapper = VictimWrapper(victim, np.arange(len(victim.labels)) if groups is None else groups)
    made = textattack.goal_functions.UntargetedClassification(wrapper, query_budget=budget)
    made.ground_truth_output, made.num_queries = label, 1
    return made, Gradients(wrapper, made)


def test_places_of_words() -> None:
    one, two = "A doctor's film , a film .", "The film (dull)."
    text = attacked("", (one, two))
    found = [(one, two)[column][start:end] for column, start, end in places(text)]
    assert found == text.words
    assert [column for column, _, _ in places(text)] == [0] * (len(found) - 3) + [1] * 3
    films = [place for place, word in zip(places(text), text.words, strict=True) if word == "film"]
    assert films == [(0, 11, 15), (0, 20, 24), (1, 4, 8)]


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_the_swap_is_the_one_of_the_highest_estimate(family: str, tmp_path: Path) -> None:
    victim = random_victim(family, tmp_path)
    _, gradients = goal(victim, label=0)
    swap = GradientSwap(gradients, top_n=1, min_cos_sim=-1.0, max_neighbours=10_000)
    text = attacked("", ("the doctor saw", "near the lawyer slept"))
    made = swap._get_transformations(text, {1, 5})
    assert len(made) == 2
    # Another way: the estimate of every word of the vocabulary by the derivative of the loss by one-hot inputs.
    model, tokenizer = victim.model, victim.tokenizer
    batch = tokenizer("the doctor saw", "near the lawyer slept", return_tensors="pt")
    table = model.get_input_embeddings().weight
    one_hot = torch.nn.functional.one_hot(batch["input_ids"], len(table)).double().requires_grad_()
    given = {name: value for name, value in batch.items() if name != "input_ids"}
    logits = model(inputs_embeds=one_hot @ table, **given).logits
    (estimate,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, torch.tensor([0])), one_hot)
    for new, (number, word) in zip(made, ((1, "doctor"), (5, "lawyer")), strict=True):
        token = tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0]
        place = batch["input_ids"][0].tolist().index(token)
        allowed = {
            token: name
            for token, name in own_words(victim).words.items()
            if name[0].islower() and name != word
        }
        best = max(allowed, key=lambda token: float(estimate[0, place, token]))
        assert new.words[number] == allowed[best]
        assert [one for i, one in enumerate(new.words) if i != number] == [
            one for i, one in enumerate(text.words) if i != number
        ]


def test_a_planted_keyword_is_found(tmp_path: Path) -> None:
    victim = planted_victim(tmp_path)
    rows = single_rows("the Wonderful film", "the grand grand wonderful film", "the dull film")
    frame = attack_rows(HOTFLIP, victim, SINGLE, rows, seed=0)
    # The third is wrong before; of the second two words may change, and one is left that outweighs neither.
    assert frame["status"].tolist() == ["successful", "successful", "skipped"]
    assert json.loads(frame["perturbed"][0]) == ["the Terrible film"]
    assert json.loads(frame["perturbed"][1])[0].split().count("terrible") == 2
    # The look at the original, a gradient, one candidate: film has no word near it that raises the loss.
    assert frame["queries"][0] == 3
    far = single_rows("the lawyer film")
    far["label"] = victim.predict([("the lawyer film",)])
    assert attack_rows(HOTFLIP, victim, SINGLE, far, seed=0)["status"].tolist() in (["failed"], ["skipped"])


@pytest.mark.parametrize(
    "family",
    [
        "bert",
        pytest.param("roberta", marks=pytest.mark.slow),
        pytest.param("distilbert", marks=pytest.mark.slow),
    ],
)
def test_pairs_in_any_order_and_any_number_of_lanes(family: str, tmp_path: Path) -> None:
    victim = random_victim(family, tmp_path)
    victim.model.float()
    pairs = [
        (f"the {one} saw", f"who saw the {two} near the {one}")
        for one in ("doctor", "film")
        for two in ("judge", "film")
    ]
    rows = pair_rows(*pairs)
    rows["label"] = [PAIR.label_map.get(name, name) for name in victim.predict(pairs)]
    attack = HOTFLIP.model_copy(update={"recipe": "test_white_box:loose"})
    frame = attack_rows(attack, victim, PAIR, rows, seed=0, options=AttackOptions(lanes=4))
    backwards = attack_rows(attack, victim, PAIR, rows[::-1], seed=0, options=AttackOptions(lanes=1))
    assert frame.to_dict("records") == backwards[::-1].to_dict("records")
    assert frame["queries"].min() > 2  # a gradient and candidates
    assert set(frame["status"]) <= {"successful", "failed"}
    for before, after in zip(frame["original"], frame["perturbed"], strict=True):
        if after:
            (premise, old), (same, new) = json.loads(before), json.loads(after)
            assert premise == same and old != new


def loose(wrapper: VictimWrapper) -> Any:
    """The same search without a limit to how far words may lie apart, which a random table needs."""
    made = textattack.goal_functions.UntargetedClassification(wrapper)
    return textattack.Attack(
        made,
        [textattack.constraints.pre_transformation.RepeatModification()],
        GradientSwap(Gradients(wrapper, made), top_n=2, min_cos_sim=-1.0, max_neighbours=50),
        textattack.search_methods.BeamSearch(beam_width=3),
    )


def test_a_gradient_costs_a_query_and_keeps_to_the_budget(tmp_path: Path) -> None:
    victim = planted_victim(tmp_path)
    made, gradients = goal(victim, budget=3)
    assert gradients(attacked("the film")) is not None
    assert made.num_queries == 2
    assert gradients(attacked("the film")) is None  # it would leave no question for a candidate
    assert made.num_queries == 2
    for budget, status in ((1, "failed"), (2, "failed"), (3, "successful")):
        frame = attack_rows(
            HOTFLIP,
            victim,
            SINGLE,
            single_rows("the wonderful film"),
            seed=0,
            options=AttackOptions(query_budget=budget),
        )
        assert frame["status"].tolist() == [status]
        assert frame["queries"][0] <= budget


def beam(wrapper: VictimWrapper) -> Any:
    """Two words may change, so that the second step has a gradient for each text of a beam."""
    made = textattack.goal_functions.UntargetedClassification(wrapper)
    constraints = textattack.constraints
    return textattack.Attack(
        made,
        [
            constraints.pre_transformation.RepeatModification(),
            constraints.overlap.MaxWordsPerturbed(max_num_words=3),
        ],
        GradientSwap(Gradients(wrapper, made), top_n=2, min_cos_sim=-1.0, max_neighbours=4),
        textattack.search_methods.BeamSearch(beam_width=3),
    )


def ranked(wrapper: VictimWrapper) -> Any:
    made = textattack.goal_functions.UntargetedClassification(wrapper)
    return textattack.Attack(
        made,
        [textattack.constraints.pre_transformation.RepeatModification()],
        GradientSwap(Gradients(wrapper, made), top_n=3, min_cos_sim=-1.0, max_neighbours=9),
        GradientRanked(Gradients(wrapper, made)),
    )


@pytest.mark.parametrize("recipe", ["beam", "ranked"])
def test_the_curve_equals_separate_searches(recipe: str, tmp_path: Path) -> None:
    victim = random_victim("bert", tmp_path)
    victim.model.float()
    attack = HOTFLIP.model_copy(update={"recipe": f"test_white_box:{recipe}"})
    texts = [
        f"the {a} {b} near the {c}"
        for a, b, c in itertools.product(("grand", "dull"), ("judge", "film"), WORDS[3:9])
    ]
    pairs = [("the doctor slept", text) for text in texts]
    rows = pair_rows(*pairs)
    rows["label"] = [PAIR.label_map.get(name, name) for name in victim.predict(pairs)]

    def attacked_within(budget: int | None) -> Any:
        return attack_rows(attack, victim, PAIR, rows, seed=0, options=AttackOptions(query_budget=budget))

    whole = attacked_within(None)
    assert "successful" in set(whole["status"]) <= {"successful", "failed"}
    intervals = [json.loads(found) for found in whole["success_budgets"]]
    starts = {found[0][0] for found in intervals if found}
    assert len(starts) > 1
    assert any(
        found and found[0][0] < queries for found, queries in zip(intervals, whole["queries"], strict=True)
    )
    for most in [*range(1, 18), int(whole["queries"].max())]:
        alone = attacked_within(most)["status"]
        expected = [status == "failed" for status in alone]
        assert robust_at(whole["status"].tolist(), intervals, most).tolist() == expected, most


def test_words_are_ranked_by_the_norm_of_their_gradient(tmp_path: Path) -> None:
    victim = random_victim("bert", tmp_path)
    made, gradients = goal(victim, label=0)
    search = GradientRanked(gradients)
    text = attacked("doctors saw the judged film")
    search.get_indices_to_order = lambda _: (5, {4, 0, 1, 3, 2})
    order, over = search._get_index_order(text)
    assert not over and made.num_queries == 2
    values = text_gradient(victim, ("doctors saw the judged film",), np.array([True, False, False])).values
    # [CLS] doctor ##s saw the judge ##d? film [SEP]: tokens of each word by hand
    pieces = victim.tokenizer.tokenize("doctors saw the judged film")
    spans, at = [], 1
    for word in text.words:
        length = len(victim.tokenizer.tokenize(word))
        spans.append(range(at, at + length))
        at += length
    assert len(pieces) == at - 1 > 5
    norms = [np.abs(values[list(span)].mean(0)).sum() for span in spans]
    assert order.tolist() == sorted(range(5), key=lambda word: -norms[word])


def test_the_arguments_of_the_swap_are_in_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    from asa_bench.attacks import white_box

    found = resolve(HOTFLIP)
    assert found["transformation"]["min_cos_sim"] == 0.5
    assert found["transformation"]["top_n"] == 1
    assert found["stop_words_sha256"]
    monkeypatch.setattr(
        white_box,
        "GradientSwap",
        lambda gradients, **given: GradientSwap(gradients, **given | {"min_cos_sim": 0.4}),
    )
    assert resolve(HOTFLIP)["fingerprint"] != found["fingerprint"]


@pytest.mark.slow
def test_a2t_over_neighbour_lists(shared: Path, tmp_path: Path) -> None:
    victim = random_victim("bert", tmp_path)
    victim.model.float()
    texts = ["the lawyer saw the grand film near the judge", "the terrible doctor slept"]
    rows = single_rows(*texts)
    victim.labels = ("negative", "positive", "positive")
    rows["label"] = victim.predict([(text,) for text in texts])
    options = [AttackOptions(lanes=2), AttackOptions(lanes=1)]
    attack, data = ATTACKS.get("a2t+neighbours+nosbert+stopwords"), shared / "data"
    frame = attack_rows(attack, victim, SINGLE, rows, seed=0, options=options[0], data_dir=data)
    backwards = attack_rows(attack, victim, SINGLE, rows[::-1], seed=0, options=options[1], data_dir=data)
    assert frame.to_dict("records") == backwards[::-1].to_dict("records")
    assert set(frame["status"]) <= {"successful", "failed"}
    assert frame["queries"].min() > 2  # the look at the original, a gradient, and candidates
