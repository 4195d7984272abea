"""Asking a model in batches: several at once, each by one thread, and the same logits however many there are."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models_for_tests import WORDS, tiny_bert
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from asa_bench import victims
from asa_bench.victims import Victim


def test_each_batch_is_computed_by_one_thread_and_several_at_once(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model", ["no", "yes"])
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    victim = Victim(model, AutoTokenizer.from_pretrained(folder), ["no", "yes"], batch_size=8)
    words = WORDS.split()
    texts = [(" ".join(words[at % 7 : at % 7 + 1 + at % 11]),) for at in range(90)]
    together = threading.Barrier(2)
    met, threads, done = [], set(), []

    def watch(module: Any, given: Any) -> None:
        threads.add(torch.get_num_threads())
        if len(met) < 2 and torch.get_num_threads() == 1 and threading.current_thread() is not here:
            met.append(threading.get_ident())
            together.wait(timeout=60)  # broken where the second batch does not begin before the first ends

    here, before = threading.current_thread(), torch.get_num_threads()
    hook = model.register_forward_pre_hook(watch)
    try:
        torch.set_num_threads(1)
        alone = victim.logits(texts)
        torch.set_num_threads(2)
        shared = victim.logits(texts, progress=lambda *at: done.append(at))
        assert torch.get_num_threads() == 2
    finally:
        hook.remove()
        torch.set_num_threads(before)
    assert len(set(met)) == 2
    assert threads == {1}
    assert np.array_equal(alone, shared)
    assert done[-1] == (90, 90) and sorted(done) == done and len(done) == 12


def test_passes_without_padding_are_few_and_even_for_every_thread() -> None:
    lengths = sorted(5 + at * 7 % 40 for at in range(130))
    texts = [[at] for at in range(len(lengths))]
    for threads in (1, 2, 3):
        parts = list(victims._parts(texts, lengths, 2048, threads))
        assert [text for part in parts for text in part] == texts
        tokens = [sum(lengths[text[0]] for text in part) for part in parts]
        assert len(parts) == threads * -(-sum(lengths) // (2048 * threads))
        assert max(tokens) - min(tokens) <= max(lengths) * 2
    # One text may have more tokens than a pass; few tokens are not divided at all.
    assert list(victims._parts([[0], [1]], [5000, 5000], 2048, 2)) == [[[0]], [[1]]]
    assert list(victims._parts(texts[:6], [9] * 6, 2048, 2)) == [texts[:6]]
    assert list(victims._parts([], [], 2048, 2)) == []
