"""Many searches at once: who asks together, what each keeps to itself, and what crashes and hangs leave behind."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from attack_victims import SINGLE, KeywordVictim, single_rows

from asa_bench import victims
from asa_bench.attacks import ATTACKS, AttackOptions
from asa_bench.attacks.engine import attack_rows
from asa_bench.attacks.lanes import Lanes, TimeLimitReached
from asa_bench.victims import Victim

Texts = Sequence[tuple[str, ...]]


def lengths(texts: Texts) -> np.ndarray:
    return np.array([[len(text[0])] for text in texts])


def outcomes(lanes: Lanes[Any], jobs: int, work: Any) -> list[Any]:
    found: dict[int, Any] = {}
    lanes.run(jobs, work, str, lambda job, result: found.update({job: result}))
    assert sorted(found) == list(range(jobs))
    return [found[job] for job in range(jobs)]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_questions_are_answered_together(count: int) -> None:
    asked: list[int] = []

    def answer(texts: Texts) -> np.ndarray:
        asked.append(len(texts))
        return lengths(texts)

    lanes: Lanes[list[int]] = Lanes(count, answer)
    running: set[int] = set()
    most = 0

    def work(job: int, lane: int) -> list[int]:
        nonlocal most
        assert lane not in running and 0 <= lane < count
        running.add(lane)
        most = max(most, len(running))
        found = []
        for step in range(job + 1):  # job 0 asks once, job 1 twice, ...
            found += lanes.ask([("x" * (10 * job + step),), ("y",)])[:, 0].tolist()
        running.remove(lane)
        return found

    found = outcomes(lanes, 5, work)
    assert found == [[v for step in range(job + 1) for v in (10 * job + step, 1)] for job in range(5)]
    assert most == min(count, 5)
    assert sum(asked) == 2 * 15
    # 5 jobs of 1 to 5 questions: one at a time takes 15 rounds, all at once as many as the longest.
    assert len(asked) == {1: 15, 2: 9, 3: 7, 7: 5}[count]


@pytest.mark.parametrize("count", [1, 3, 8])
def test_random_numbers_are_each_jobs_own(count: int) -> None:
    def draws(ask: Any) -> list[float]:
        found = []
        for _ in range(3):
            found += [random.random(), float(np.random.normal()), int(np.random.randint(1000))]
            ask([("a",)])
        return found

    lanes: Lanes[list[float]] = Lanes(count, lengths)
    random.seed(5)
    np.random.seed(6)
    state, numpy_state, generator = random.getstate(), np.random.get_state(), np.random.get_bit_generator()
    found = outcomes(lanes, 6, lambda job, lane: draws(lanes.ask))
    assert random.getstate() == state
    assert np.random.get_bit_generator() is generator
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])
    assert found == outcomes(Lanes(1, lengths), 0, None) + _alone(draws)
    assert len({tuple(one) for one in found}) == 6


def _alone(draws: Any) -> list[list[float]]:
    lanes: Lanes[list[float]] = Lanes(1, lengths)
    return outcomes(lanes, 6, lambda job, lane: draws(lanes.ask))


def test_an_error_reaches_only_the_job_that_causes_it() -> None:
    def answer(texts: Texts) -> np.ndarray:
        if ("bad",) in texts:
            raise ValueError("planted")
        return lengths(texts)

    lanes: Lanes[str] = Lanes(4, answer)

    def work(job: int, lane: int) -> str:
        try:
            return str(lanes.ask([("bad",) if job == 2 else ("fine",)])[0, 0])
        except ValueError as error:
            return str(error)

    assert outcomes(lanes, 6, work) == ["4", "4", "planted", "4", "4", "4"]


def test_what_a_job_raises_ends_the_run_and_leaves_no_trace() -> None:
    lanes: Lanes[None] = Lanes(3, lengths)
    closed = []

    def work(job: int, lane: int) -> None:
        try:
            lanes.ask([("a",)])
            if job == 1:
                raise KeyboardInterrupt
            lanes.ask([("b",)])
        finally:
            closed.append(job)

    state = random.getstate()
    with pytest.raises(KeyboardInterrupt):
        lanes.run(3, work, str, lambda job, result: None)
    assert sorted(closed) == [0, 1, 2]
    assert random.getstate() == state


def test_a_hanging_answer_and_a_hanging_job_are_given_up() -> None:
    def answer(texts: Texts) -> np.ndarray:
        while ("hang",) in texts:
            time.sleep(0.01)
        return lengths(texts)

    lanes: Lanes[str] = Lanes(4, answer, time_limit=0.3)
    handler = signal.getsignal(signal.SIGALRM)

    def work(job: int, lane: int) -> str:
        try:
            while job == 3:
                time.sleep(0.01)
            for _ in range(3):
                lanes.ask([("hang",) if job == 1 else ("fine",)])
            return "ended"
        except TimeLimitReached:
            return "given up"

    assert outcomes(lanes, 5, work) == ["ended", "given up", "ended", "given up", "ended"]
    assert signal.getsignal(signal.SIGALRM) is handler


class Planted(KeywordVictim):
    """Crashes or hangs at misspelt texts that hold a planted word; hangs until it is interrupted."""

    def score(self, text: tuple[str, ...]) -> float:
        if "wonderful" not in text[0]:
            if "crash" in text[0]:
                raise RuntimeError("planted")
            while "hang" in text[0]:
                time.sleep(0.01)
        return super().score(text)


def attacked(victim: Any, rows: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return attack_rows(
        ATTACKS.get("deepwordbug+stopwords"),
        victim,
        SINGLE,
        rows,
        seed=7,
        options=AttackOptions(**options),
    )


def test_planted_crashes_and_hangs_are_recorded_and_the_rest_is_as_without_them() -> None:
    texts = ["a wonderful film", "wonderful crash", "wonderful hang", "splendid, wonderful film", "dull"]
    frame = attacked(Planted(), single_rows(*texts), time_limit_s=0.5)
    assert frame["status"].tolist() == ["successful", "errored", "timed_out", "successful", "skipped"]
    assert frame["error"].tolist() == ["", "RuntimeError: planted", "the time limit was reached", "", ""]
    assert frame["perturbed"].tolist()[1:3] == ["", ""]
    clean = attacked(KeywordVictim(), single_rows(*texts))
    others = [0, 3, 4]
    pd.testing.assert_frame_equal(frame.iloc[others], clean.iloc[others])


def test_a_victim_that_asks_to_leave_the_process_is_an_error_of_its_example() -> None:
    class Leaves(KeywordVictim):
        def score(self, text: tuple[str, ...]) -> float:
            if "leave" in text[0] and "wonderful" not in text[0]:
                raise SystemExit(3)
            return super().score(text)

    frame = attacked(Leaves(), single_rows("a wonderful film", "wonderful leave", "dull"))
    assert frame["status"].tolist() == ["successful", "errored", "skipped"]
    assert frame["error"].tolist() == ["", "SystemExit: 3", ""]


def test_a_model_that_asks_to_leave_in_a_thread_of_its_own_is_an_error(tiny: Any) -> None:
    """A thread that ends by SystemExit is never missed, and whoever waits for its answer waits for ever."""
    model, tokenizer = tiny
    victim = Victim(model, tokenizer, ("negative", "positive"))

    def leave(*_: Any) -> None:
        raise SystemExit("planted")

    hook, before = model.register_forward_pre_hook(leave), torch.get_num_threads()
    texts = [(text,) for text in SENTENCES * 8]
    try:
        torch.set_num_threads(2)
        for ask in (victim.steady_logits, victim.logits):
            with pytest.raises(RuntimeError, match=r"asked to leave the process: SystemExit\('planted'\)"):
                ask(texts)
    finally:
        hook.remove()
        torch.set_num_threads(before)


def test_the_number_of_lanes_decides_no_result() -> None:
    texts = [
        f"{'really ' * (i % 4)}a wonderful {['film', 'brilliant book', 'splendid and odd play'][i % 3]}"
        for i in range(24)
    ]
    rows = single_rows(*texts)
    one = attacked(KeywordVictim(), rows, lanes=1)
    assert one["perturbed"].nunique() > 12
    for lanes in (2, 5, 32):
        pd.testing.assert_frame_equal(attacked(KeywordVictim(), rows, lanes=lanes), one)


CHARACTERS = "abcdefghijklmnopqrstuvwxyz"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """model, tokenizer: a small BERT that reads characters, so every misspelling is another number of tokens or tokens."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = [*SPECIAL, *CHARACTERS, *(f"##{c}" for c in CHARACTERS), "film", "plot", "good", "##ing"]
    vocabulary = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    configuration = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=2,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(configuration)
    return model, BertTokenizerFast(str(vocabulary))


SENTENCES = [
    "the plot twisted endlessly",
    "good film about nothing special",
    "actors deserved better dialogue",
    "charming and clever until the ending",
    "nobody laughed",
    "good acting saves the boring plot",
    "visually stunning film",
    "painfully long sequel",
]


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
def test_steady_logits_depend_on_the_text_alone(tiny: Any, bf16: bool) -> None:
    def asked(**options: Any) -> Victim:
        victim = Victim(*tiny, ("negative", "positive"), **options)
        return victim.in_bf16() if bf16 else victim

    victim, near = asked(), 0.3 if bf16 else 1e-4
    texts = [(sentence[: 3 + i % 9],) for i, sentence in enumerate(SENTENCES * 6)]
    whole = victim.steady_logits(texts)
    exact = Victim(*tiny, ("negative", "positive")).logits(texts)
    assert np.allclose(whole, exact, atol=near)
    assert bf16 == (np.abs(whole - exact).max() > 1e-4)
    order = np.random.default_rng(0).permutation(len(texts))
    for size in (1, 2, 5, 8, 64):
        shuffled = victim.steady_logits([texts[i] for i in order], batch_size=size)
        assert np.array_equal(shuffled, whole[order])
    for index in (0, 7, 20):
        assert np.array_equal(victim.steady_logits(texts[index : index + 1])[0], whole[index])
    assert victim.steady_logits([]).shape == (0, 2)
    # Near the longest length, where a text that is padded and one that fills it are as long.
    short = asked(max_length=12)
    texts = [("abcdefghijklmnop"[:n],) for n in range(1, 16)]
    whole = short.steady_logits(texts)
    assert np.allclose(whole, short.logits(texts), atol=near)
    for index, text in enumerate(texts):
        assert np.array_equal(short.steady_logits([text])[0], whole[index])


def test_steady_logits_are_those_of_one_thread_however_many_there_are(tiny: Any) -> None:
    victim = Victim(*tiny, ("negative", "positive"))
    texts = [(sentence[: 3 + i % 9],) for i, sentence in enumerate(SENTENCES * 6)]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = victim.steady_logits(texts)
        order = np.random.default_rng(0).permutation(len(texts))
        for threads in (2, 3):
            torch.set_num_threads(threads)
            for size in (1, 5, 64):
                found = victim.steady_logits([texts[i] for i in order], batch_size=size)
                assert np.array_equal(found, whole[order])
            assert np.array_equal(victim.steady_logits(texts[7:8])[0], whole[7])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_text_is_computed_once_per_question(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = tiny
    victim = Victim(model, tokenizer, ("negative", "positive"), batch_size=4)
    rows = []
    hook = model.register_forward_pre_hook(
        lambda module, arguments, inputs: rows.append(tuple(inputs["input_ids"].shape)), with_kwargs=True
    )
    try:
        victim.steady_logits([("good",), ("GOOD",), ("film",), ("good film",)] * 3)
        # Two texts of 3 tokens and one of 4, without padding; case is no difference to this tokenizer.
        assert rows == [(1, 10)]
        monkeypatch.setattr(victims, "PASS_TOKENS", 7)
        rows.clear()
        victim.steady_logits([("good",), ("film",), ("good film",)])
        assert rows == [(1, 6), (1, 4)]
    finally:
        hook.remove()


def test_outcomes_of_a_transformer_are_the_same_for_lanes_batches_and_order(tiny: Any) -> None:
    def run(rows: pd.DataFrame, batch_size: int, lanes: int) -> pd.DataFrame:
        victim = Victim(*tiny, ("negative", "positive"), batch_size=batch_size)
        return attacked(victim, rows, lanes=lanes)

    victim = Victim(*tiny, ("negative", "positive"))
    rows = single_rows(*SENTENCES).assign(label=victim.predict([(text,) for text in SENTENCES]))
    reference = run(rows, 8, 4)
    assert {"successful", "failed"} >= set(reference["status"])
    assert (reference["queries"] > 8).sum() >= 3
    for batch_size, lanes in ((1, 1), (1, 32), (8, 32), (64, 1), (64, 4)):
        pd.testing.assert_frame_equal(run(rows, batch_size, lanes), reference)
    shuffled = rows.iloc[np.random.default_rng(1).permutation(len(rows))]
    found = run(shuffled, 64, 3).sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(found, reference)
    pd.testing.assert_frame_equal(
        run(rows.iloc[5:7], 8, 4).reset_index(drop=True), reference.iloc[5:7].reset_index(drop=True)
    )


@pytest.mark.slow
def test_outcomes_of_minilm_are_the_same_for_lanes_batches_and_order(shared: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = shared / "models" / "minilm-l6"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)
        # A head that disagrees with itself easily, so that searches are full of near-ties.
        torch.nn.init.normal_(model.classifier.weight, std=0.3)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = (shared / "data" / "glue" / "SST-2" / "dev.tsv").read_text().splitlines()[1:13]
    texts = [line.split("\t")[0].strip() for line in lines]

    def run(rows: pd.DataFrame, batch_size: int, lanes: int) -> pd.DataFrame:
        victim = Victim(model, tokenizer, ("negative", "positive"), batch_size=batch_size)
        return attacked(victim, rows, lanes=lanes)

    victim = Victim(model, tokenizer, ("negative", "positive"))
    rows = single_rows(*texts).assign(label=victim.predict([(text,) for text in texts]))
    reference = run(rows, 8, 4)
    assert reference["queries"].sum() > 150
    for batch_size, lanes in ((1, 1), (8, 32), (64, 32)):
        pd.testing.assert_frame_equal(run(rows, batch_size, lanes), reference)
    shuffled = rows.iloc[np.random.default_rng(1).permutation(len(rows))]
    found = run(shuffled, 64, 4).sort_values("id", key=lambda ids: ids.str[1:].astype(int), ignore_index=True)
    pd.testing.assert_frame_equal(found, reference)


def test_the_number_of_lanes_is_no_part_of_an_address() -> None:
    from asa_bench import plan, suite

    chosen = suite.load("ci")
    settings = chosen.settings()

    def cells(**options: Any) -> list[Any]:
        attacks = {"pruthi+stopwords": AttackOptions(**options)}
        made = plan.make(chosen, "embedded", settings.model_copy(update={"attacks": attacks}))
        return [cell for cell in made.cells if cell.kind == "attack"]

    few, many, limited = cells(lanes=1), cells(lanes=64), cells(time_limit_s=3.0)
    assert [cell.address for cell in few] == [cell.address for cell in many]
    assert {cell.context["lanes"] for cell in many} == {64}
    assert not {cell.address for cell in few} & {cell.address for cell in limited}


def test_a_pass_that_hangs_in_a_thread_of_its_own_is_given_up(tiny: Any) -> None:
    model, tokenizer = tiny
    victim = Victim(model, tokenizer, ("negative", "positive"))
    rows = single_rows(*SENTENCES[:4], "good visually")
    rows["label"] = victim.predict([(text,) for text in rows["sentence"]])
    reference = attacked(victim, rows)
    hangs = tokenizer("good visually")["input_ids"]
    released, overran = threading.Event(), []

    def hang(module: Any, given: Any, inputs: dict[str, Any]) -> None:
        ids = inputs["input_ids"].flatten().tolist()
        if any(ids[at : at + len(hangs)] == hangs for at in range(len(ids))) and not released.wait(60):
            overran.append(ids)

    hook, before = model.register_forward_pre_hook(hang, with_kwargs=True), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        frame = attacked(victim, rows, time_limit_s=2.0)
        assert torch.get_num_threads() == 2
    finally:
        released.set()
        hook.remove()
        torch.set_num_threads(before)
    # Nobody waited for the thread that hangs, and the others are as ever.
    assert not overran
    assert frame["status"].tolist() == [*reference["status"][:4], "timed_out"]
    assert frame["perturbed"].tolist()[:4] == reference["perturbed"].tolist()[:4]


def test_jobs_that_need_much_memory_do_not_run_at_once() -> None:
    weights = [5, 7, 30, 1, 1, 1, 11]
    running: set[int] = set()
    held, order = [], []
    lanes: Lanes[int] = Lanes(4, lambda texts: np.zeros((len(texts), 1)), most=12)

    def work(job: int, lane: int) -> int:
        running.add(job)
        for _ in range(3):
            held.append(sorted(running))
            lanes.ask([(str(job),)])
        running.discard(job)
        return job

    lanes.run(len(weights), work, str, lambda job, result: order.append(result), lambda job: weights[job])
    assert sorted(order) == list(range(len(weights)))
    assert [0, 1] in held and [2] in held and [3, 4, 5] in held
    for jobs in held:
        assert len(jobs) == 1 or sum(weights[job] for job in jobs) <= 12
