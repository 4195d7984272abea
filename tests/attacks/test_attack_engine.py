"""What becomes of each attacked example, on victims whose answers are known."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attack_victims import (
    GOOD,
    PAIR,
    SINGLE,
    THREE_WAY,
    WITHOUT_RANDOMNESS,
    KeywordVictim,
    make_task,
    pair_rows,
    single_rows,
)

from asa_bench.attacks import ATTACKS, COLUMNS, AttackOptions
from asa_bench.attacks.adapter import VictimWrapper, build, prepare, textattack, words_remembered
from asa_bench.attacks.engine import attack_rows
from asa_bench.attacks.labels import label_groups, pool
from asa_bench.attacks.search import MAX_CHARACTERS, MAX_WORD
from asa_bench.errors import BadInput
from asa_bench.tasks.base import row_hash

RECIPES = ("deepwordbug+stopwords", "pruthi+stopwords")
TEXTS = (
    "a wonderful film with an unlikely hero",
    "the plot , frankly , is brilliant !",
    "  Splendid?  two  spaces\tand a tab -- it's splendid. ",
    "a film about nothing",
    "wonderful splendid brilliant wonderful splendid brilliant",
)


def run(
    name: str, victim: Any, task: Any, rows: pd.DataFrame, *, seed: int = 7, **options: Any
) -> pd.DataFrame:
    return attack_rows(ATTACKS.get(name), victim, task, rows, seed=seed, options=AttackOptions(**options))


@pytest.mark.parametrize("name", RECIPES)
def test_known_outcomes(name: str) -> None:
    victim = KeywordVictim()
    rows = single_rows(*TEXTS)
    calls: list[tuple[int, int]] = []
    frame = attack_rows(
        ATTACKS.get(name),
        victim,
        SINGLE,
        rows,
        seed=7,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert list(frame.columns) == [*COLUMNS, "kind"]
    assert frame["id"].tolist() == rows["id"].tolist()
    assert frame["kind"].tolist() == rows["kind"].tolist()
    assert calls == [(i + 1, len(TEXTS)) for i in range(len(TEXTS))]
    # One misspelt key word is enough for the first three; the fourth is wrong from the start.
    assert frame["status"].tolist()[:4] == ["successful"] * 3 + ["skipped"]
    # Pruthi may change one word only, and six key words stand there.
    assert frame["status"].tolist()[4] == ("failed" if name.startswith("pruthi") else "successful")
    for text, row in zip(TEXTS, frame.to_dict("records"), strict=True):
        assert json.loads(row["original"]) == [text]
        assert row["text_hash"] == row_hash((text,))[:16]  # as in the record of an evaluation
        assert row["error"] == ""
        assert row["original_logits"] == victim.logits([(text,)])[0].tolist()
        if row["status"] == "successful":
            (perturbed,) = json.loads(row["perturbed"])
            assert (perturbed,) in [asked for texts, _ in victim.asked for asked in texts]
            assert not GOOD & set(perturbed.split())
            assert row["perturbed_logits"] == victim.logits([(perturbed,)])[0].tolist()
            assert row["perturbed_logits"][0] < row["perturbed_logits"][1]
            assert row["queries"] > 1
        else:
            assert row["perturbed"] == ""
            assert row["perturbed_logits"] == []
    assert frame["queries"].tolist()[3] == 1


def test_white_space_and_punctuation_of_the_text_survive() -> None:
    frame = run(
        "pruthi+stopwords", KeywordVictim(), SINGLE, single_rows("  two  spaces\t, it's  wonderful ! ")
    )
    (perturbed,) = json.loads(frame["perturbed"].iat[0])
    assert perturbed.startswith("  two  spaces\t, it's  w")
    assert perturbed.endswith("l ! ")


def test_stop_words_are_never_changed() -> None:
    class FallsForAnything(KeywordVictim):
        def score(self, text: tuple[str, ...]) -> float:
            return 1.0 if text == ("whenever the movie",) else -1.0

    for seed in range(4):
        frame = run(
            "deepwordbug+stopwords", FallsForAnything(), SINGLE, single_rows("whenever the movie"), seed=seed
        )
        (perturbed,) = json.loads(frame["perturbed"].iat[0])
        assert perturbed.startswith("whenever the ")


def test_same_as_the_library_where_nothing_is_random() -> None:
    rows = single_rows("a wonderful brilliant film", "splendid", "dull , dull and dull", "the brilliant dog")
    ours = attack_rows(WITHOUT_RANDOMNESS, KeywordVictim(), SINGLE, rows, seed=1)
    attack = build(WITHOUT_RANDOMNESS, VictimWrapper(KeywordVictim(), np.array([1, 0])))  # type: ignore[arg-type]
    for text, row in zip(rows["sentence"], ours.to_dict("records"), strict=True):
        theirs = attack.attack(text, 1)
        assert type(theirs).__name__ == f"{row['status'].capitalize()}AttackResult"
        assert theirs.num_queries == row["queries"]
        if row["status"] == "successful":
            assert json.loads(row["perturbed"]) == [theirs.perturbed_text()]


@pytest.mark.parametrize("name", RECIPES)
def test_neither_order_nor_subset_nor_global_state_counts(name: str) -> None:
    rows = single_rows(*TEXTS)
    random.seed(1)
    np.random.seed(1)
    whole = run(name, KeywordVictim(), SINGLE, rows)
    random.seed(2)
    np.random.seed(2)
    backwards = run(name, KeywordVictim(batch_size=5), SINGLE, rows.iloc[::-1])
    pd.testing.assert_frame_equal(backwards.iloc[::-1].reset_index(drop=True), whole)
    one = run(name, KeywordVictim(), SINGLE, rows.iloc[[2]])
    pd.testing.assert_frame_equal(one, whole.iloc[[2]].reset_index(drop=True))


def test_seed_and_id_decide_the_randomness() -> None:
    rows = single_rows(*["a wonderful film"] * 8)
    first, second = (run("deepwordbug+stopwords", KeywordVictim(), SINGLE, rows, seed=s) for s in (1, 2))
    assert first["perturbed"].nunique() > 1
    assert first["perturbed"].tolist() != second["perturbed"].tolist()


def test_global_random_state_is_left_alone() -> None:
    state, numpy_state = random.getstate(), np.random.get_state()
    run("deepwordbug+stopwords", KeywordVictim(), SINGLE, single_rows(*TEXTS[:2]))
    assert random.getstate() == state
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])
    assert np.random.get_state()[2] == numpy_state[2]


class CrashingVictim(KeywordVictim):
    """Raises at a chosen word, at the original or only in the search."""

    error: BaseException = RuntimeError("out of\nmemory \ud800")

    def score(self, text: tuple[str, ...]) -> float:
        if "crash" in text[0] or ("later" in text[0] and "wonderful" not in text[0]):
            raise self.error
        return super().score(text)


def test_a_crash_is_recorded_and_the_rest_goes_on() -> None:
    rows = single_rows("wonderful crash", "wonderful later", "a wonderful film")
    frame = run("deepwordbug+stopwords", CrashingVictim(), SINGLE, rows)
    assert frame["status"].tolist() == ["errored", "errored", "successful"]
    assert frame["error"].tolist()[:2] == ["RuntimeError: out of memory \\ud800"] * 2
    assert frame["original_logits"].map(len).tolist() == [0, 2, 2]
    assert frame["perturbed"].tolist()[:2] == ["", ""]
    alone = run("deepwordbug+stopwords", KeywordVictim(), SINGLE, rows.iloc[[2]])
    assert alone["perturbed"].iat[0] == frame["perturbed"].iat[2]


def test_an_interrupt_is_no_result_and_leaves_no_trace() -> None:
    victim = CrashingVictim()
    victim.error = KeyboardInterrupt()
    state = random.getstate()
    with pytest.raises(KeyboardInterrupt):
        run("deepwordbug+stopwords", victim, SINGLE, single_rows("wonderful later"))
    assert random.getstate() == state


def test_nan_is_an_error_and_no_success() -> None:
    class Broken(KeywordVictim):
        def score(self, text: tuple[str, ...]) -> float:
            return super().score(text) if "wonderful" in text[0] else float("nan")

    frame = run("deepwordbug+stopwords", Broken(), SINGLE, single_rows("a wonderful film"))
    assert frame["status"].tolist() == ["errored"]
    assert "ValueError" in frame["error"].iat[0]


def test_a_success_that_a_fresh_pass_denies_is_no_success() -> None:
    class Wavering(KeywordVictim):
        def logits(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
            result = super().logits(texts, batch_size)
            return result if batch_size is None else np.abs(result) * [1, -1]

    frame = run("pruthi+stopwords", Wavering(), SINGLE, single_rows("a wonderful film"))
    assert frame["status"].tolist() == ["errored"]
    assert frame["error"].iat[0].startswith("not confirmed: ")
    assert frame["perturbed"].iat[0] == ""
    assert frame["perturbed_logits"].iat[0] == []


def test_the_fresh_pass_is_of_the_text_alone() -> None:
    victim = KeywordVictim()
    frame = run("pruthi+stopwords", victim, SINGLE, single_rows("a wonderful film"))
    fresh = [(texts, size) for texts, size in victim.asked if size is not None]
    assert fresh == [([tuple(json.loads(frame["perturbed"].iat[0]))], 1)]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("budget", [1, 2, 3, 9])
def test_query_budget(name: str, budget: int) -> None:
    victim = KeywordVictim(bias=9.0)
    frame = run(name, victim, SINGLE, single_rows(*TEXTS), query_budget=budget)
    assert frame["status"].tolist() == ["failed"] * len(TEXTS)
    assert frame["queries"].max() == budget
    unlimited = run(name, victim, SINGLE, single_rows(*TEXTS))
    assert unlimited["queries"].max() > 9


class OverlapVictim(KeywordVictim):
    """Any change of either text flips it, so an attack would take whichever it may."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(THREE_WAY)
        self.pairs = pairs

    def score(self, text: tuple[str, ...]) -> float:
        return 1.0 if text in self.pairs else -1.0


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("column", ["premise", "hypothesis"])
def test_only_the_attacked_column_of_a_pair_changes(name: str, column: str) -> None:
    pairs = [
        ("The doctor saw the lawyer .", "The lawyer slept ."),
        ("I S P L I T wood ; SPLIT < > I saw", "S SPLIT I wood logs T"),
        ("same words here", "same words here"),
        ("  odd\u00a0spaces\nand lines  ", "\todd spaces\r\n"),
        ("\U0001f600 emoji\u200d and e\u0301 accents", "the \U0001f600 emoji smiles"),
        ("", "nothing before this"),
        ("nothing after this", ""),
        ("\u6211\u559c\u6b22\u8fd9\u4e2a\u7535\u5f71 truly", "the film \u7535\u5f71 pleases everyone"),
    ]
    task = PAIR.model_copy(update={"attack_column": column})
    frame = run(name, OverlapVictim(pairs), task, pair_rows(*pairs))
    assert frame["status"].value_counts()["successful"] >= 4
    assert set(frame["status"]) <= {"successful", "failed"}
    for pair, row in zip(pairs, frame.to_dict("records"), strict=True):
        assert json.loads(row["original"]) == list(pair)
        if row["status"] == "successful":
            premise, hypothesis = json.loads(row["perturbed"])
            changed = {"premise": premise != pair[0], "hypothesis": hypothesis != pair[1]}
            assert changed == {"premise": column == "premise", "hypothesis": column == "hypothesis"}


def test_the_other_column_is_safe_where_words_are_counted_otherwise_beside_it() -> None:
    # Beside Chinese the library splits hyphenated words too, so its word numbers for the hypothesis point into
    # the premise.
    pair = (
        "some state-of-the-art well-known old-fashioned cameras",
        "\u6211\u559c\u6b22\u7535\u5f71 pleases everyone",
    )
    frame = run("deepwordbug+stopwords", OverlapVictim([pair]), PAIR, pair_rows(pair))
    if frame["status"].iat[0] == "successful":
        assert json.loads(frame["perturbed"].iat[0])[0] == pair[0]
    else:
        assert frame["status"].iat[0] == "failed"


def test_equal_texts_are_asked_anew() -> None:
    frame = run("pruthi+stopwords", KeywordVictim(), SINGLE, single_rows("a dull film", "a dull film"))
    assert frame["status"].tolist() == ["skipped", "skipped"]
    assert frame["original_logits"].map(len).tolist() == [2, 2]


def test_labels_meet_by_name_and_map() -> None:
    assert label_groups(("positive", "negative"), SINGLE).tolist() == [1, 0]
    assert label_groups(("contradiction", "entailment", "neutral"), PAIR).tolist() == [1, 0, 1]
    with pytest.raises(BadInput, match="no label 'LABEL_0'"):
        label_groups(("LABEL_0", "LABEL_1"), SINGLE)
    with pytest.raises(BadInput, match="stands for 'entailment'"):
        label_groups(("neutral", "contradiction"), PAIR)


def test_pooled_prediction_is_the_mapped_prediction() -> None:
    # Summed probabilities would call the first row non-entailment; its three-way prediction is entailment.
    logits = np.array([[1.0, 0.9, 0.9], [0.0, 1.0, -1.0], [2.0, -3.0, 2.5]], dtype=np.float32)
    pooled = pool(logits, np.array([0, 1, 1]))
    assert pooled.argmax(axis=1).tolist() == [0, 1, 1]
    assert pooled[0].tolist() == pytest.approx([1.0, 0.9])


def test_three_way_victim_on_a_two_way_task() -> None:
    class Doubtful(KeywordVictim):
        """From neutral to contradiction is no success where both mean non-entailment."""

        def logits(self, texts: Any, batch_size: int | None = None) -> np.ndarray:
            rows = [[0, 2, 1] if "wonderful" in text[1] else [0, 1, 2] for text in texts]
            return np.array(rows, dtype=np.float32)

    rows = pair_rows(("premise", "a wonderful film"))
    frame = run("pruthi+stopwords", Doubtful(THREE_WAY), PAIR, rows.assign(label="non-entailment"))
    assert frame["status"].tolist() == ["failed"]
    assert frame["original_logits"].iat[0] == [0, 2, 1]
    assert run("pruthi+stopwords", Doubtful(THREE_WAY), PAIR, rows)["status"].tolist() == ["skipped"]


HOSTILE = {
    "empty": "",
    "spaces": " \t\n ",
    "punctuation": "?!... --- '' ** @@",
    "emoji": "wonderful \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f",
    "control": "wonder\x00ful wonderful \x1b[31m \x07 \u202e wonderful",
    "surrogate": "wonderful \ud800 film",
    "newlines": "wonderful\r\n\r\nfilm\u2028line",
    "homoglyphs": "w\u043enderful \U0001d69d\u0443 wonderful",
    "no ascii": "\u0442\u0435\u0441\u0442 \u0444\u0438\u043b\u044c\u043c wonderful",
    "long but fair": "wonderful " + "a" * MAX_WORD,
}


@pytest.mark.parametrize("name", RECIPES)
def test_hostile_texts(name: str) -> None:
    victim = KeywordVictim(bias=0.5)
    rows = single_rows(*HOSTILE.values())
    rows["id"] = [f"{key}/\U0001f600\n'\"" for key in HOSTILE]
    frame = run(name, victim, SINGLE, rows)
    assert frame["status"].tolist() == ["failed"] * len(HOSTILE)
    assert [json.loads(text)[0] for text in frame["original"]] == list(HOSTILE.values())
    assert all(text.isascii() for text in frame["original"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wonderful <SPLIT> film", "contains <SPLIT>"),
        ("wonderful " + "x" * (MAX_WORD + 1), f"a word of {MAX_WORD + 1} characters"),
        ("wonderful " * (MAX_CHARACTERS // 10) + "!", f"has {MAX_CHARACTERS + 1} characters"),
    ],
)
def test_texts_beyond_a_search_are_errors_unless_wrong_anyway(text: str, message: str) -> None:
    frame = run("pruthi+stopwords", KeywordVictim(), SINGLE, single_rows(text))
    assert frame["status"].tolist() == ["errored"]
    assert message in frame["error"].iat[0]
    assert frame["queries"].tolist() == [1]
    assert len(frame["original_logits"].iat[0]) == 2
    wrong = run("pruthi+stopwords", KeywordVictim(), SINGLE, single_rows(text, label="negative"))
    assert wrong["status"].tolist() == ["skipped"]


ROWS = single_rows("a film", "a wonderful film")


@pytest.mark.parametrize(
    ("rows", "task", "message"),
    [
        (ROWS.drop(columns="sentence"), SINGLE, "no column 'sentence'"),
        (ROWS.drop(columns="kind"), SINGLE, "no column 'kind'"),
        (ROWS.assign(id="same"), SINGLE, "id 'same' is there twice"),
        (ROWS.assign(label="good"), SINGLE, "label 'good'; known: negative, positive"),
        (ROWS.assign(sentence=[None, "x"]), SINGLE, "must be text"),
        (ROWS.assign(id=[0, 1]), SINGLE, "must be text"),
        (ROWS, make_task(attack_column="title"), "attack_column 'title'"),
        (ROWS, make_task(columns=("sentence", "a", "b")), "the 3 texts of task 'toy'"),
    ],
)
def test_bad_rows_are_told(rows: pd.DataFrame, task: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run("pruthi+stopwords", KeywordVictim(), task, rows)


def test_no_rows_give_no_records() -> None:
    frame = run("pruthi+stopwords", KeywordVictim(), SINGLE, ROWS.iloc[:0])
    assert len(frame) == 0
    assert list(frame.columns) == [*COLUMNS, "kind"]


def test_a_victim_is_asked_about_a_text_once_in_a_search_and_others_whenever_they_are_asked() -> None:
    victim, asked = KeywordVictim(), []

    def other(texts: Any) -> np.ndarray:
        asked.append(list(texts))
        return np.zeros((len(texts), 1))

    wrapper = VictimWrapper(victim, np.array([0, 1]))  # type: ignore[arg-type]
    pairs = [("1:a", "b"), ("1", ":ab"), ("1:a", "b"), ("", "")]
    first = wrapper.ask(pairs, victim.steady_logits)
    assert [texts for texts, _ in victim.asked] == [[pairs[0], pairs[1], pairs[3]]]
    assert np.array_equal(wrapper.ask(pairs[::-1], victim.steady_logits), first[::-1])
    assert len(victim.asked) == 1
    wrapper.reset()
    wrapper.ask(pairs[:1], victim.steady_logits)
    assert len(victim.asked) == 2
    for _ in range(2):
        wrapper.ask(pairs, other)
    assert asked == [pairs, pairs]
    wrapper.remembers = True
    for _ in range(2):
        wrapper.ask(pairs, other)
    assert len(asked) == 3
    assert wrapper.ask([], victim.steady_logits).shape == (0, 2)


def test_candidates_share_their_words() -> None:
    """A text of a page has hundreds, and a search holds thousands of candidates."""
    text = "a wonderful film with an unlikely hero who lives near the old harbour of a small town"
    with words_remembered():
        one, other = (textattack.shared.AttackedText(text + end).words for end in ("", " too"))
    assert all(first is second for first, second in zip(one, other, strict=False))
    assert len(other) == len(one) + 1


def test_what_is_remembered_of_a_search_is_bounded() -> None:
    wrapper = VictimWrapper(KeywordVictim(), np.array([0, 1]))  # type: ignore[arg-type]
    built = prepare(WITHOUT_RANDOMNESS, wrapper, SINGLE, AttackOptions())
    assert not built.goal_function.use_cache
    assert (built.transformation_cache.get_size(), built.constraints_cache.get_size()) == (64, 4096)
