"""Sheets for people: adversarial texts to be judged without knowing which is which, and what came back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from asa_bench.adversarial_sets import AdversarialSet, Example
from asa_bench.cell import derived_seed
from asa_bench.disk import write_atomically
from asa_bench.errors import BadInput, Unavailable
from asa_bench.measures import agreement
from asa_bench.record import canonical_json
from asa_bench.reports.outcomes import AttackOutcome, PeopleOutcome, SheetAgreement
from asa_bench.reports.text import guard
from asa_bench.store import Store
from asa_bench.tasks import files

#: What people see, then what they fill in.
SHOWN = ("sheet", "item", "task", "labels", "context", "text_1", "text_2")
ASKED = ("label_1", "label_2", "grammar_1", "grammar_2")
COMMENT = "comment"
UNCLEAR = "unclear"  # a label that people may give
GRADES = (1, 2, 3, 4, 5)
KEY, JUDGED = "key", "judged"
_LIMIT = 64 * 1024 * 1024  # bytes of a sheet
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Item:
    """One pair of texts to be judged.

    Attributes:
        context: the columns that the attack left alone.
        texts: original and perturbed, as they are shown.
        swapped: whether the perturbed one is shown first.
        sources: (address of the attack's record, example id) of every success with these very texts.
    """

    id: str
    task: str
    labels: tuple[str, ...]
    context: str
    texts: tuple[str, str]
    swapped: bool
    sources: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> tuple[str, str]:
        return self.texts[::-1] if self.swapped else self.texts


def items(sets: Sequence[AdversarialSet], count: int | None = None) -> list[Item]:
    """The pairs that a sheet of these sets holds: of each original one perturbed text, so that no text tells which it is.

    Which one, which pairs if fewer are wanted, their order and the order within a pair follow from hashes of ids alone.

    Args:
        count: how many pairs at most.

    Raises:
        BadInput: no attack succeeded.
    """
    found: dict[str, list[tuple[int, AdversarialSet, Example]]] = {}
    for one in sets:
        for example in one.examples:
            if example.perturbed:
                rank = derived_seed("annotate", one.header.attack_cell, example.id)
                found.setdefault(canonical_json([one.header.task, example.original]), []).append(
                    (rank, one, example)
                )
    if not found:
        raise BadInput("annotate: no attack succeeded, so there is nothing to judge")
    made = []
    for candidates in found.values():
        rank, one, example = min(
            candidates, key=lambda each: (each[0], each[1].header.attack_cell, each[2].id)
        )
        place = one.header.columns.index(one.header.attack_column)
        same = sorted(
            (other.header.attack_cell, again.id)
            for _, other, again in candidates
            if again.perturbed == example.perturbed
        )
        texts = (guard(example.original[place]), guard(example.perturbed[place]))
        context = "; ".join(
            f"{column}: {text}"
            for at, (column, text) in enumerate(zip(one.header.columns, example.original, strict=True))
            if at != place
        )
        # The id must not tell the order, so it is of the sorted pair.
        digest = _digest([one.header.task, context, *sorted(texts)])
        swapped = bool(derived_seed("order", *(part for pair in same for part in pair)) & 1)
        made.append(
            (
                rank,
                Item(
                    digest,
                    one.header.task,
                    tuple(one.header.labels),
                    guard(context) if context else "",
                    texts,
                    swapped,
                    tuple(same),
                ),
            )
        )
    chosen = [item for _, item in sorted(made, key=lambda each: (each[0], each[1].id))[:count]]
    return sorted({item.id: item for item in chosen}.values(), key=lambda item: item.id)


def export(store: Store, sets: Sequence[AdversarialSet], path: Path, count: int | None = None) -> list[Item]:
    """Writes a sheet, and keeps in the output folder which text is which.

    Raises:
        BadInput: no attack succeeded.
        StoreError: a file cannot be written.
    """
    chosen = items(sets, count)
    sheet = _digest([item.id for item in chosen])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([*SHOWN, *ASKED, COMMENT])
    for item in chosen:
        labels = " | ".join([*item.labels, UNCLEAR])
        writer.writerow(
            [sheet, item.id, guard(item.task), guard(labels), item.context, *item.shown, "", "", "", "", ""]
        )
    # The mark tells spreadsheets that it is UTF-8.
    write_atomically(path, buffer.getvalue().encode("utf-8-sig"))
    key = {
        item.id: {
            "task": item.task,
            "labels": list(item.labels),
            "context": item.context,
            "texts": list(item.texts),
            "swapped": item.swapped,
            "sources": [list(pair) for pair in item.sources],
        }
        for item in chosen
    }
    kept = store.write_sheet(sheet, KEY, {"items": key})
    store.share([kept])
    return chosen


@dataclass(frozen=True)
class Imported:
    """What several people judged of one sheet.

    Attributes:
        people: names of their files.
    """

    people: tuple[str, ...]
    agreement: SheetAgreement


def read(store: Store, paths: Sequence[Path]) -> Imported:
    """Reads the sheets that people filled in, all copies of one, and keeps their judgements in the output folder.

    What was kept of the same sheet before is replaced, so give all of its copies.

    Raises:
        BadInput: a file is no such sheet, or has items that are missing, given twice or unknown, changed texts, labels
            that are none of the task's, or grades other than 1 to 5.
        Unavailable: a file is not there.
        StoreError: the key of the sheet is damaged, or nothing can be written.
    """
    names: dict[str, dict[str, tuple[str, str, int, int]]] = {}
    sheets: dict[str, Path] = {}
    key: Mapping[str, Any] = {}
    for path in paths:
        rows = _rows(path)
        said = files.shown(str(path), 200)
        sheet = rows[0][1]["sheet"].strip()
        if not sheets:
            key = _key(store, sheet, said)
        elif sheet not in sheets:
            raise BadInput(
                f"{said}: is of sheet {files.shown(sheet)}, {next(iter(sheets.values()))} of another one"
            )
        sheets.setdefault(sheet, path)
        if path.stem in names:
            raise BadInput(
                f"{said}: two sheets are called {path.stem!r}; name each file after who filled it in"
            )
        names[path.stem] = _judged(rows, key, sheet, said)
    if not names:
        raise BadInput("annotate import: no sheet is given")
    (sheet,) = sheets
    content: dict[str, Any] = {
        "people": sorted(names),
        "items": {
            item: {
                "judgements": [list(names[who][item]) for who in sorted(names)],
                "sources": key[item]["sources"],
            }
            for item in sorted(key)
        },
    }
    store.share([store.write_sheet(sheet, JUDGED, content)])
    return Imported(tuple(content["people"]), summary(sheet, content))


def summary(sheet: str, content: Mapping[str, Any]) -> SheetAgreement:
    """How far the people of a sheet agree."""
    judged = [entry["judgements"] for _, entry in sorted(content["items"].items())]
    people = len(content["people"])
    if people < 2:
        return SheetAgreement(sheet, people, len(judged), None, None, None)
    codes: dict[str, int] = {}
    labels = [[codes.setdefault(one[text], len(codes)) for one in item] for item in judged for text in (0, 1)]
    grades = [[one[text] for one in item] for item in judged for text in (2, 3)]
    return SheetAgreement(
        sheet,
        people,
        len(judged),
        agreement(labels),
        agreement([[int(keeps(one)) for one in item] for item in judged]),
        agreement(grades, "ordinal"),
    )


def gather(
    store: Store, attacks: Mapping[str, AttackOutcome]
) -> tuple[tuple[PeopleOutcome, ...], tuple[SheetAgreement, ...]]:
    """What people judged of the attacks of a report, all sheets together, and how far they agree.

    Args:
        attacks: address of its record -> outcome.

    Raises:
        StoreError: what was kept of a sheet is damaged.
    """
    import pandas as pd

    found: dict[str, dict[str, list[Sequence[Any]]]] = {}
    sheets = []
    for sheet in store.sheets():
        content = store.read_sheet(sheet, JUDGED)
        if content is None:
            continue
        of_report = False
        for _, entry in sorted(content["items"].items()):
            for address, name in entry["sources"]:
                if address in attacks:
                    found.setdefault(address, {}).setdefault(name, []).extend(entry["judgements"])
                    of_report = True
        if of_report:
            sheets.append(summary(sheet, content))
    outcomes = []
    for address, outcome in attacks.items():
        judged = sorted(found.get(address, {}).items())
        if not judged:
            continue
        rows = pd.DataFrame(
            {
                "id": [name for name, _ in judged],
                "people": [len(every) for _, every in judged],
                "kept": [fmean(map(keeps, every)) for _, every in judged],
                "grammar_before": [fmean(one[2] for one in every) for _, every in judged],
                "grammar_after": [fmean(one[3] for one in every) for _, every in judged],
            }
        )
        who = (outcome.subject, outcome.task, outcome.split, outcome.attack, outcome.attack_seed)
        outcomes.append(PeopleOutcome(*who, rows))
    return tuple(outcomes), tuple(sheets)


def keeps(judgement: Sequence[Any]) -> bool:
    """Whether one person finds that the label is kept: the same label for both texts, and none unclear.

    Args:
        judgement: (label of the original, label of the perturbed text, their grades).
    """
    before, after = judgement[:2]
    return bool(before == after != UNCLEAR)


def _key(store: Store, sheet: str, said: str) -> Mapping[str, Any]:
    found = store.read_sheet(sheet, KEY) if len(sheet) == 12 and sheet.isalnum() else None
    if found is None:
        raise BadInput(
            f"{said}: sheet {files.shown(sheet)} was not exported from {store.shown}; give the output folder that it is of"
        )
    items_: Mapping[str, Any] = found["items"]
    return items_


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, column -> text) of a sheet, whatever delimiter a spreadsheet saved it with."""
    said = files.shown(str(path), 200)
    if not path.is_file():
        raise Unavailable(f"{said}: there is no such sheet")
    if path.stat().st_size > _LIMIT:
        raise BadInput(f"{said}: larger than {_LIMIT // 1024**2} MiB, no sheet is")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{said}: cannot be read as UTF-8; save it as 'CSV UTF-8'") from error
    head = text.split("\n", 1)[0].strip()
    delimiter = next((each for each in _DELIMITERS if f"sheet{each}item" in head.replace('"', "")), None)
    if delimiter is None:
        raise BadInput(
            f"{said}: is no sheet of asa-bench annotate export: its first line must be its columns"
        )
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        columns = [name.strip() for name in next(reader)]
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise BadInput(f"{said}: is no valid CSV: {error}") from error
    for name in (*SHOWN, *ASKED):
        if columns.count(name) != 1:
            raise BadInput(f"{said}: expected one column {name!r}, found {columns.count(name)}")
    for line, cells in rows:
        if len(cells) != len(columns):
            raise BadInput(f"{said}: line {line} has {len(cells)} cells for {len(columns)} columns")
    if not rows:
        raise BadInput(f"{said}: has no rows")
    return [(line, dict(zip(columns, cells, strict=True))) for line, cells in rows]


def _judged(
    rows: Iterable[tuple[int, Mapping[str, str]]], key: Mapping[str, Any], sheet: str, said: str
) -> dict[str, tuple[str, str, int, int]]:
    """Item -> (label of the original, of the perturbed text, their grades), everything checked."""
    found: dict[str, tuple[str, str, int, int]] = {}
    for line, row in rows:
        where = f"{said}: line {line}"
        item = row["item"].strip()
        if row["sheet"].strip() != sheet:
            raise BadInput(f"{where}: is of sheet {files.shown(row['sheet'])}, the first one of {sheet}")
        if item not in key:
            raise BadInput(f"{where}: item {files.shown(item)} is not of this sheet")
        if item in found:
            raise BadInput(f"{where}: item {item!r} is there twice")
        entry = key[item]
        texts = entry["texts"][::-1] if entry["swapped"] else entry["texts"]
        for name, text in zip(SHOWN[4:], (entry["context"], *texts), strict=True):
            if row[name].strip() != text.strip():
                raise BadInput(
                    f"{where}: {name} was changed; only {', '.join(ASKED)} and {COMMENT} are filled in"
                )
        labels = [_label(row, name, entry["labels"], where) for name in ASKED[:2]]
        grades = [_grade(row, name, where) for name in ASKED[2:]]
        if entry["swapped"]:
            labels, grades = labels[::-1], grades[::-1]
        found[item] = (labels[0], labels[1], grades[0], grades[1])
    missing = sorted(set(key) - set(found))
    if missing:
        raise BadInput(f"{said}: item {missing[0]!r} is missing ({len(missing)} of {len(key)} are)")
    return found


def _label(row: Mapping[str, str], name: str, labels: Sequence[str], where: str) -> str:
    known = {label.casefold(): label for label in (*labels, UNCLEAR)}
    value = row[name].strip()
    if value.casefold() not in known:
        told = "is empty" if not value else f"{files.shown(value)} is none"
        raise BadInput(f"{where}: {name} {told}; expected one of {', '.join((*labels, UNCLEAR))}")
    return known[value.casefold()]


def _grade(row: Mapping[str, str], name: str, where: str) -> int:
    value = row[name].strip()
    if value not in {str(grade) for grade in GRADES}:
        told = "is empty" if not value else f"{files.shown(value)} is none"
        raise BadInput(
            f"{where}: {name} {told}; expected a whole number from 1 (no sentence at all) to 5 (faultless)"
        )
    return int(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]
