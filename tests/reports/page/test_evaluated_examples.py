"""Examples that were evaluated, not attacked, stand in the explorer where their texts are known."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

import made_up
import pytest
from examples_made_up import HOSTILE

from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.page import examples, render

PLACE = ("hans", "validation")


@pytest.fixture(scope="module")
def source() -> ReportInput:
    whole = made_up.report(seeds=(1, 2), scale=20, laboratory=False)
    kept = tuple(item for item in whole.evaluations if item.task.name == PLACE[0])
    hashes = kept[0].rows["text_hash"].tolist()
    texts = {digest: (HOSTILE[at % len(HOSTILE)], "b") for at, digest in enumerate(hashes[1:])}
    return replace(whole, evaluations=kept, attacks=(), probes=(), texts={PLACE: texts})


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_each_answer_stands_there_with_its_text(source: ReportInput) -> None:
    packed = examples.pack(source)
    rows = len(source.evaluations[0].rows)
    assert packed.count == len(source.evaluations) * (rows - 1)  # the first one's text is not known
    index, chunk = unpacked(packed.index), unpacked(packed.chunks[0])
    assert index["names"]["attacks"] == [[examples.NOT_ATTACKED, 0]]
    right = {
        (seed, identifier): label == said
        for item in source.evaluations
        if item.subject.method == "asa"
        for seed in (str(item.subject.seed),)
        for identifier, label, said in zip(
            *(item.rows[name].tolist() for name in ("id", "label", "prediction")), strict=True
        )
    }
    known = source.texts[PLACE]
    digests = dict(
        zip(source.evaluations[0].rows["id"], source.evaluations[0].rows["text_hash"], strict=True)
    )
    for at, identifier in enumerate(index["columns"]["id"]):
        who = index["names"]["subjects"][index["columns"]["subject"][at]]
        status = index["names"]["statuses"][index["columns"]["status"][at]]
        if who[0] == "ASA":
            assert status == ("right" if right[who[2], identifier] else "wrong")
        assert chunk[at][1] == [[text] for text in known[digests[identifier]]]
    assert len(index["keys"]) == 12 * packed.count
    assert len({index["keys"][12 * at : 12 * at + 12] for at in range(packed.count)}) == packed.count


def test_those_on_which_models_differ_come_first(
    source: ReportInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "EVALUATED", 3)
    packed = examples.pack(source)
    assert packed.count == 3 * len(source.evaluations)
    index = unpacked(packed.index)
    statuses: dict[str, list[str]] = {}
    for at, identifier in enumerate(index["columns"]["id"]):
        statuses.setdefault(identifier, []).append(index["names"]["statuses"][index["columns"]["status"][at]])
    assert all(len(set(found)) == 2 for found in statuses.values())
    backwards = replace(source, evaluations=source.evaluations[::-1])
    assert examples.pack(backwards) == packed


def test_the_page_says_that_these_are_not_all(source: ReportInput) -> None:
    assert "answers and searches; of each evaluated set at most 500 examples" in render(source)
    assert "answers and searches" not in render(replace(source, texts={}))
