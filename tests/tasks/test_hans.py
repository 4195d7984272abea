"""The order of the authors' HANS evaluation file, by which their prediction files are scored."""

from __future__ import annotations

import lzma
from collections import defaultdict
from pathlib import Path

import pytest

from asa_bench.errors import BadInput
from asa_bench.tasks.hans import HANS, official_block, official_blocks


def test_thirty_blocks_make_six_cells_of_five() -> None:
    cells = [(block.heuristic, block.label) for block in official_blocks()]
    assert len(cells) == 30
    assert {cells.count(cell) for cell in cells} == {5}
    assert len(set(cells)) == 6


def test_known_rows() -> None:
    assert official_block("ex0")[1:] == ("lexical_overlap", "non-entailment")
    assert official_block("ex4999")[1:] == ("lexical_overlap", "non-entailment")
    assert official_block("ex5000")[1:] == ("lexical_overlap", "entailment")
    assert official_block("ex14999")[1:] == ("subsequence", "non-entailment")
    assert official_block("ex29999") == (29, "constituent", "entailment")


@pytest.mark.parametrize("identity", ["ex30000", "r0", "ex-1", "ex", "ex1.0", "ex\u0661"])
def test_rows_that_are_not_there(identity: str) -> None:
    with pytest.raises(BadInput, match="ex0 to ex29999"):
        official_block(identity)


def test_three_way_predictions_become_two() -> None:
    assert {HANS.label_map.get(name, name) for name in ("entailment", "neutral", "contradiction")} == set(
        HANS.labels
    )
    assert HANS.label_map["neutral"] == HANS.label_map["contradiction"] == "non-entailment"


def test_the_authors_own_predictions_score_as_they_report(shared: Path) -> None:
    """BERT of McCoy et al. 2019: entailed 0.95, 0.99, 0.98; non-entailed 0.16, 0.04, 0.16."""
    correct: dict[tuple[str, str], list[bool]] = defaultdict(list)
    text = lzma.decompress((shared / "data" / "hans" / "bert_preds_example.txt.xz").read_bytes()).decode()
    for line in text.splitlines()[1:]:
        identity, predicted = line.split(",")
        block = official_block(identity)
        correct[block.heuristic, block.label].append(HANS.label_map.get(predicted, predicted) == block.label)
    accuracy = {cell: round(sum(right) / len(right), 3) for cell, right in correct.items()}
    assert accuracy == {
        ("lexical_overlap", "non-entailment"): 0.164,
        ("subsequence", "non-entailment"): 0.039,
        ("constituent", "non-entailment"): 0.161,
        ("lexical_overlap", "entailment"): 0.946,
        ("subsequence", "entailment"): 0.993,
        ("constituent", "entailment"): 0.984,
    }
