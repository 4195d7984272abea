"""Blinded sheets: what they hold and hide, what comes back, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile import HOSTILE
from models_for_tests import tiny_bert

from asa_bench import annotating
from asa_bench.adversarial_sets import AdversarialSet, Example, SetHeader
from asa_bench.cli import main
from asa_bench.errors import BadInput, StoreError
from asa_bench.quality import QualityGate
from asa_bench.reports.outcomes import AttackOutcome, PeopleOutcome, Subject
from asa_bench.reports.people import accepted_robust
from asa_bench.store import Store
from asa_bench.tasks.base import row_hash

LABELS = ("entailment", "neutral", "contradiction")


def made(pairs: list[tuple[str, str]], cell: str = "a", method: str = "naive") -> AdversarialSet:
    """A set of premises 'premise N' with hypotheses before and after ("" where the search failed)."""
    header = SetHeader(
        task="mnli",
        split="dev",
        columns=("premise", "hypothesis"),
        labels=LABELS,
        attack_column="hypothesis",
        fingerprint="f",
        attack="secretattack",
        attack_seed=0,
        recipe="r",
        query_budget=None,
        source={"model": "secretmodel", "method": method, "train_task": "mnli", "seed": 1},
        attack_cell=cell * 20,
        max_length=16,
        threads=1,
    )
    examples = []
    for at, (before, after) in enumerate(pairs):
        original = (f"premise {at}", before)
        perturbed = (f"premise {at}", after) if after else ()
        status = "successful" if after else "failed"
        examples.append(
            Example(f"secretid{at}", row_hash(original)[:16], "neutral", status, original, perturbed)
        )
    return AdversarialSet(header, tuple(examples))


MANY = made([(f"the actor saw film {n}", f"the actro saw film {n}") for n in range(60)])


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


def filled(
    source: Path,
    target: Path,
    change: Callable[[int, dict[str, str]], None] | None = None,
    delimiter: str = ",",
) -> Path:
    rows = rows_of(source)
    for at, row in enumerate(rows):
        row |= {"label_1": "neutral", "label_2": "neutral", "grammar_1": "5", "grammar_2": "4"}
        if change is not None:
            change(at, row)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return target


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out")


@pytest.fixture
def sheet(tmp_path: Path, store: Store) -> Path:
    pairs = [("the actor slept", "the actro slept"), ("a film", ""), ("a book", "a bo ok"), ("bad", "bda")]
    annotating.export(store, [made(pairs)], tmp_path / "sheet.csv")
    return tmp_path / "sheet.csv"


def test_a_sheet_hides_who_and_which(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "sheet.csv"
    annotating.export(store, [MANY], path, 40)
    rows, text = rows_of(path), path.read_text("utf-8-sig")
    assert len(rows) == 40 and list(rows[0]) == [*annotating.SHOWN, *annotating.ASKED, "comment"]
    assert not any(word in text for word in ("secret", "naive", "successful", "original", "perturbed"))
    assert [row["item"] for row in rows] == sorted(row["item"] for row in rows)
    assert all(row["context"].startswith("premise: premise ") for row in rows)
    first = sum("actro" in row["text_1"] for row in rows)
    assert 10 < first < 30  # a fair coin, thrown once for all
    assert all(("actro" in row["text_1"]) != ("actro" in row["text_2"]) for row in rows)
    annotating.export(Store(tmp_path / "other"), [MANY], tmp_path / "again.csv", 40)
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_an_item_tells_by_nothing_which_text_came_first() -> None:
    """The same two texts, one the other's perturbation, are one item."""
    one, other = made([("a b", "b a")]), made([("b a", "a b")])
    assert annotating.items([one])[0].id == annotating.items([other])[0].id


def test_no_original_is_shown_twice() -> None:
    sets = [
        made([("the actor slept", "the actro slept"), ("a film", "a flim")], "a"),
        made([("the actor slept", "the atcor slept"), ("a film", "a flim")], "b", "asa"),
    ]
    found = annotating.items(sets)
    assert sorted(item.texts[0] for item in found) == ["a film", "the actor slept"]
    film = next(item for item in found if item.texts[0] == "a film")
    assert film.sources == (("a" * 20, "secretid1"), ("b" * 20, "secretid1"))  # judged once, for both
    assert annotating.items(sets[::-1]) == found
    with pytest.raises(BadInput, match="no attack succeeded"):
        annotating.items([made([("a", "")])])


def test_no_cell_is_a_formula(tmp_path: Path, store: Store) -> None:
    texts = [text for text in HOSTILE.values() if text.strip()]
    hostile = made([(text, f"{text} x") for text in texts])
    annotating.export(store, [hostile], tmp_path / "s.csv")
    rows = rows_of(tmp_path / "s.csv")
    assert len(rows) == len({row["item"] for row in rows}) >= len(texts) - 2
    for row in rows:
        for cell in row.values():
            assert cell.isprintable() and not cell.lstrip().startswith(("=", "+", "-", "@", "|", "%"))
    found = annotating.read(store, [filled(tmp_path / "s.csv", tmp_path / "ann.csv")])
    assert found.agreement.items == len(rows)


def test_judgements_come_back_the_right_way_round(tmp_path: Path, store: Store, sheet: Path) -> None:
    swapped = {row["item"]: row["text_1"] in ("the actro slept", "a bo ok", "bda") for row in rows_of(sheet)}

    def judge(perturbed_label: str) -> Callable[[int, dict[str, str]], None]:
        def fill(_: int, row: dict[str, str]) -> None:
            after, before = ("1", "2") if swapped[row["item"]] else ("2", "1")
            row |= {f"label_{before}": "Neutral", f"grammar_{before}": "5"}
            row |= {f"label_{after}": perturbed_label if "bda" in row.values() else "neutral"}
            row |= {f"grammar_{after}": "1" if "a bo ok" in row.values() else "4"}

        return fill

    paths = [
        filled(sheet, tmp_path / "ann.csv", judge("unclear")),
        filled(sheet, tmp_path / "bob.csv", judge("contradiction"), ";"),
        filled(sheet, tmp_path / "cem.csv", judge("neutral"), "\t"),
    ]
    found = annotating.read(store, paths)
    assert found.people == ("ann", "bob", "cem") and found.agreement.items == 3
    assert found.agreement.labels is not None and found.agreement.labels.units == 6
    assert found.agreement.kept is not None and found.agreement.kept.share == pytest.approx(7 / 9)
    subject = Subject("m", "naive", "Naive", False, "mnli", 1)
    statuses = pd.DataFrame({"id": ["x"] * 5, "status": ["successful"] * 4 + ["failed"]})
    outcome: Any = AttackOutcome(subject, None, "dev", "f", None, 0, statuses)  # type: ignore[arg-type]
    people, sheets = annotating.gather(store, {"a" * 20: outcome})
    assert sheets == (found.agreement,)
    rows = people[0].rows.set_index("id")
    assert rows["kept"].tolist() == pytest.approx([1, 1, 1 / 3]) and rows["people"].tolist() == [3] * 3
    assert rows["grammar_before"].tolist() == [5] * 3 and rows["grammar_after"].tolist() == [4, 1, 4]
    # One of three is accepted: the first; the second reads badly, the third means something else.
    assert QualityGate().accepts(people[0].rows).tolist() == [True, False, False]
    assert accepted_robust(outcome, people[0], QualityGate()) == pytest.approx((1 + 4 * 2 / 3) / 5)
    gentle = QualityGate(max_grammar_loss=None)
    assert accepted_robust(outcome, people[0], gentle) == pytest.approx((1 + 4 / 3) / 5)
    assert annotating.gather(store, {"b" * 20: outcome}) == ((), ())


def test_robust_by_people_where_nothing_was_judged() -> None:
    subject = Subject("m", "naive", "Naive", False, "mnli", 1)
    none = PeopleOutcome(subject, None, "dev", None, 0, pd.DataFrame({"id": []}))  # type: ignore[arg-type]

    def outcome(*statuses: str) -> Any:
        frame = pd.DataFrame({"status": list(statuses)})
        return AttackOutcome(subject, None, "dev", "f", None, 0, frame)  # type: ignore[arg-type]

    assert accepted_robust(outcome("failed", "successful"), none, QualityGate()) is None
    assert accepted_robust(outcome("failed", "skipped"), none, QualityGate()) == 0.5


def _set(**values: str) -> Callable[[int, dict[str, str]], None]:
    return lambda at, row: row.update(values) if at == 1 else None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            _set(label_1=""),
            "line 3: label_1 is empty; expected one of entailment, neutral, contradiction, unclear",
        ),
        (_set(label_2="maybe"), "line 3: label_2 'maybe' is none"),
        (_set(grammar_1="6"), "line 3: grammar_1 '6' is none"),
        (_set(grammar_2="4.5"), "line 3: grammar_2 '4.5' is none"),
        (_set(grammar_2=""), "line 3: grammar_2 is empty"),
        (_set(item="0123456789ab"), "line 3: item '0123456789ab' is not of this sheet"),
        (_set(text_1="something else"), "line 3: text_1 was changed"),
        (_set(context="premise: another"), "line 3: context was changed"),
        (_set(sheet="0123456789ab"), "line 3: is of sheet '0123456789ab'"),
    ],
)
def test_bad_values_are_told_with_their_line(
    tmp_path: Path, store: Store, sheet: Path, capsys: pytest.CaptureFixture[str], change: Any, words: str
) -> None:
    path = filled(sheet, tmp_path / "ann.csv", change)
    with pytest.raises(SystemExit) as ended:
        main(["annotate", "import", str(store.root), str(path)])
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == "" and said.err.count("\n") == 1
    assert words in said.err and "ann.csv" in said.err


def test_items_that_are_missing_or_doubled(tmp_path: Path, store: Store, sheet: Path) -> None:
    whole = filled(sheet, tmp_path / "ann.csv").read_text().splitlines(keepends=True)
    cases = {
        r"is missing \(1 of 3 are\)": whole[:-1],
        "is there twice": [*whole, whole[1]],
        "has no rows": whole[:1],
        "is no sheet of asa-bench": ["a,b\n"],
        "expected one column 'grammar_2', found 0": [whole[0].replace("grammar_2", "grammar"), *whole[1:]],
        "has 3 cells for": [whole[0], "a,b,c\n"],
        "is no valid CSV": [whole[0], '"a\n'],
    }
    for words, lines in cases.items():
        path = tmp_path / "bad.csv"
        path.write_text("".join(lines))
        with pytest.raises(BadInput, match=words):
            annotating.read(store, [path])
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe,")
    with pytest.raises(BadInput, match="CSV UTF-8"):
        annotating.read(store, [tmp_path / "bad.csv"])
    good = tmp_path / "ann.csv"
    with pytest.raises(BadInput, match="two sheets are called 'ann'"):
        annotating.read(store, [good, good])
    with pytest.raises(BadInput, match="was not exported from"):
        annotating.read(Store(tmp_path / "elsewhere"), [good])
    annotating.export(store, [MANY], tmp_path / "other.csv", 3)
    with pytest.raises(BadInput, match="of another one"):
        annotating.read(store, [good, filled(tmp_path / "other.csv", tmp_path / "bob.csv")])


def test_what_was_kept_is_read_only_whole(tmp_path: Path, store: Store, sheet: Path) -> None:
    found = annotating.read(store, [filled(sheet, tmp_path / "ann.csv")])
    assert replace(found.agreement, name="") == replace(found.agreement, name="", labels=None)  # one person
    (name,) = store.sheets()
    path = store.root / "annotations" / name / "judged.json"
    content = json.loads(path.read_text())
    content["people"] = ["eve"]
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="was changed"):
        annotating.gather(store, {})


@pytest.mark.slow
def test_from_a_run_to_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    labels = ["negative", "positive"]
    model = tiny_bert(tmp_path / "model", labels)
    # Large random weights, so that nearly every change of a text changes the answer.
    config = BertConfig.from_pretrained(model, initializer_range=0.5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        BertForSequenceClassification(config).save_pretrained(model, safe_serialization=True)

    def command(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    out, task = tmp_path / "out", "laboratory/sentiment"
    chosen = ["--suite", "ci", "--methods", "none", "--tasks", task, "--load", f"mine={model}", "-o", out]
    chosen += ["--attacks", "deepwordbug+stopwords", "--attack-examples", "12"]
    assert command("run", *chosen, "--eval-examples", 20)[0] == 0
    code, told = command("annotate", "export", out, "-o", tmp_path / "sheet.csv")
    assert code == 0 and "pairs of texts" in told, told
    count = len(rows_of(tmp_path / "sheet.csv"))

    def refuse(at: int, row: dict[str, str]) -> None:
        row |= {"label_1": "positive", "label_2": "negative" if at else "positive"}

    sheets = [filled(tmp_path / "sheet.csv", tmp_path / f"{who}.csv", refuse) for who in ("ann", "bob")]
    code, told = command("annotate", "import", out, *sheets)
    assert code == 0 and f"{count} pairs, judged by 2 (ann, bob)" in told and "alpha" in told
    for name in ("attacks", "quality"):
        table = json.loads((out / "tables" / f"{name}.json").read_text())
        keys = [column["key"] for column in table["columns"]]
        cells = dict(zip(keys, table["rows"][0]["cells"], strict=True))
        # Of all successes people accept the first alone.
        refused = (count - 1) / 12
        assert cells["people"]["mean"] == pytest.approx(cells["robust"]["mean"] + refused)
        assert cells["robust"]["mean"] <= cells["gated"]["mean"] <= cells["clean"]["mean"]
    assert any("judged by 2 people" in note for note in table["notes"])
