"""Packs attacked examples for the page: an index, and their texts in compressed chunks that are read on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asa_bench.measures.calibration import softmax
from asa_bench.quality import QualityGate
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.keys import seed_text
from asa_bench.reports.outcomes import AttackOutcome, Evaluation, QualityOutcome, attacked
from asa_bench.reports.page.differences import parts
from asa_bench.tasks.slicing import slices_of, values_of

#: What stands for an attack where an example was only evaluated, and how many examples of a set at most.
NOT_ATTACKED, EVALUATED = "not attacked", 500
CHUNK = 1000  # examples per chunk: some 30 kB compressed, unpacked in milliseconds
_KEY = 12  # hex digits of an example's address within the page


@dataclass(frozen=True)
class Packed:
    """What the page carries of its examples.

    Attributes:
        index: compressed JSON in base64: names, and one value per example in each column.
        chunks: the same of the texts and probabilities of `CHUNK` examples each.
        count: how many examples there are.
    """

    index: str
    chunks: tuple[str, ...]
    count: int


def pack(source: ReportInput) -> Packed:
    """Every row of every attack, and evaluated examples whose texts are known.

    Those of one example lie beside each other, in an order that records alone decide.
    """
    outcomes: list[AttackOutcome | Evaluation] = [*source.attacks]
    outcomes += [item for item in source.evaluations if (item.task.name, item.split) in source.texts]
    outcomes.sort(key=_identity)
    kept = {place: _interesting(items, source) for place, items in _evaluated(source).items()}
    order = sorted(
        (item.task.name, item.split, str(identifier), which, at)
        for which, item in enumerate(outcomes)
        for at, identifier in enumerate(item.rows["id"].tolist())
        if isinstance(item, AttackOutcome) or identifier in kept[_place(item)]
    )
    names: dict[str, list[Any]] = {key: [] for key in ("subjects", "tasks", "attacks", "statuses", "slices")}
    places: dict[tuple[str, str], int] = {}

    def number(column: str, value: Any) -> int:
        key = (column, json.dumps(value))
        if key not in places:
            places[key] = len(names[column])
            names[column].append(value)
        return places[key]

    columns: dict[str, list[Any]] = {
        key: [] for key in ("subject", "task", "attack", "status", "slice", "queries", "id")
    }
    keys: list[str] = []
    chunks: list[str] = []
    rows: list[Any] = []
    judged = {attacked(item): item for item in source.qualities}
    tables = [
        _columns(item) | {"quality": _qualities(item, judged, source.gate)}
        if isinstance(item, AttackOutcome)
        else _answered(item, source)
        for item in outcomes
    ]
    slices = [_slices(item) for item in outcomes]
    for _, split, identifier, which, at in order:
        item, table = outcomes[which], tables[which]
        subject = item.subject
        title = f"{subject.method_title or subject.method}{' (loaded)' if subject.loaded else ''}"
        who = [title, subject.model, seed_text(subject), subject.train_task]
        own = subject.train_task == item.task.name
        attack = (
            [item.attack.title, item.attack_seed] if isinstance(item, AttackOutcome) else [NOT_ATTACKED, 0]
        )
        columns["subject"].append(number("subjects", who))
        columns["task"].append(
            number("tasks", [item.task.title, split, list(item.task.labels) if own else []])
        )
        columns["attack"].append(number("attacks", attack))
        columns["status"].append(number("statuses", table["status"][at]))
        columns["slice"].append(number("slices", [[name, values[at]] for name, values in slices[which]]))
        columns["queries"].append(int(table["queries"][at]))
        columns["id"].append(identifier)
        keys.append(address_of(item, identifier))
        rows.append(_row(table, at))
        if len(rows) == CHUNK:
            chunks.append(compressed(rows))
            rows = []
    if rows:
        chunks.append(compressed(rows))
    index = {"names": names, "columns": columns, "keys": "".join(keys), "chunk": CHUNK}
    return Packed(compressed(index), tuple(chunks), len(order))


def _place(item: Evaluation) -> tuple[str, str]:
    return item.task.name, item.split


def _evaluated(source: ReportInput) -> dict[tuple[str, str], list[Evaluation]]:
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for item in source.evaluations:
        if _place(item) in source.texts:
            found.setdefault(_place(item), []).append(item)
    return found


def _slices(item: AttackOutcome | Evaluation) -> list[tuple[str, list[str]]]:
    """Each kind of slice that the rows tell, with the slice of each row."""
    found = [(name, values_of(item.task, name, item.rows)) for name in slices_of(item.task)]
    return [
        (name, ["" if value is None else str(value) for value in values.tolist()])
        for name, values in found
        if values is not None
    ]


def _interesting(items: Sequence[Evaluation], source: ReportInput) -> set[Any]:
    """`EVALUATED` ids of a set at most: those first on which models differ most evenly, then by the texts' hashes."""
    right: dict[Any, list[bool]] = {}
    hashes: dict[Any, str] = {}
    texts = source.texts[_place(items[0])]
    for item in items:
        columns = (item.rows[name].tolist() for name in ("id", "text_hash", "label", "prediction"))
        for identifier, digest, label, said in zip(*columns, strict=True):
            if digest in texts:
                right.setdefault(identifier, []).append(label == said)
                hashes[identifier] = digest
    order = sorted(right, key=lambda at: (abs(2 * sum(right[at]) - len(right[at])), hashes[at], str(at)))
    return set(order[:EVALUATED])


def _answered(item: Evaluation, source: ReportInput) -> dict[str, list[Any]]:
    """The columns of an evaluation as those of an attack that changed nothing."""
    rows, texts = item.rows, source.texts[_place(item)]
    count = len(rows)
    said, gold = rows["prediction"].tolist(), rows["label"].tolist()
    own = item.task.kind == "classification"
    found: dict[str, list[Any]] = {
        "label": gold,
        "status": ["right" if one == other else "wrong" for one, other in zip(said, gold, strict=True)],
        "queries": [0] * count,
        "original": [json.dumps(texts.get(digest, ())) for digest in rows["text_hash"].tolist()],
        "perturbed": [""] * count,
        "error": [""] * count,
        "quality": [""] * count,
        "original_logits": _probabilities(rows["logits"].tolist()) if own else [[]] * count,
        "perturbed_logits": [[]] * count,
    }
    return found


def find(source: ReportInput, key: str) -> tuple[AttackOutcome, str] | None:
    """The attack and the id of the example that has this address on the page; None where there is none."""
    for item in source.attacks:
        for identifier in item.rows["id"].tolist():
            if address_of(item, identifier) == key:
                return item, identifier
    return None


def texts_of(item: AttackOutcome, identifier: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of an attacked example, and what the attack made of them; () where it made nothing."""
    row = item.rows[item.rows["id"] == identifier].iloc[0]
    return tuple(_texts(row["original"])), tuple(_texts(row["perturbed"]))


def address_of(item: AttackOutcome | Evaluation, identifier: str) -> str:
    """The example's address on the page: what was attacked with what, in `_KEY` hex digits."""
    text = json.dumps([*_identity(item), identifier])
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY]


def compressed(value: Any) -> str:
    """JSON, deflated, in base64; lone surrogates are kept, since JSON spells them out."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def _identity(item: AttackOutcome | Evaluation) -> tuple[Any, ...]:
    subject = item.subject
    attack = (item.attack.name, item.attack_seed) if isinstance(item, AttackOutcome) else ("", 0)
    where = (item.task.name, item.split, subject.train_task, *attack)
    return (*where, subject.model, subject.method, subject.loaded, seed_text(subject))


def _columns(item: AttackOutcome) -> dict[str, list[Any]]:
    found = {str(name): item.rows[name].tolist() for name in item.rows.columns}
    for name in ("original", "perturbed", "error"):
        found.setdefault(name, [""] * len(item.rows))
    found.setdefault("perturbed_logits", [[]] * len(item.rows))
    for name in ("original_logits", "perturbed_logits"):
        found[name] = _probabilities(found[name])
    return found


def _qualities(
    item: AttackOutcome, judged: Mapping[tuple[object, ...], QualityOutcome], gate: QualityGate
) -> list[str]:
    """How good each perturbed text is, in words; "" where there is none, or nothing is known of it."""
    found = judged.get(attacked(item))
    if found is None:
        return [""] * len(item.rows)
    passes = gate.applied(found.judges).passes(found.rows)
    said = {}
    for row, fine in zip(found.rows.to_dict("records"), passes.tolist(), strict=True):
        if row["status"] != "successful":
            continue
        parts = [
            f"{row['words_changed']} of {row['words']} words changed, {row['edit_distance']} characters edited"
        ]
        if np.isfinite(row["similarity"]):
            parts.append(f"similarity {row['similarity']:.3f}")
        before, after = row["perplexity_before"], row["perplexity_after"]
        if np.isfinite(before) and np.isfinite(after) and before > 0 < after:
            parts.append(f"{np.log2(after) - np.log2(before):+.1f} bits per word")
        said[row["id"]] = f"Quality: {', '.join(parts)}; {'passes' if fine else 'does not pass'} the gate."
    return [said.get(name, "") for name in item.rows["id"].tolist()]


def _probabilities(logits: Sequence[Any]) -> list[list[float]]:
    """Rounded to four decimals; [] where there are no logits, or not finite ones."""
    made: list[list[float]] = []
    for values in logits:
        scores = np.asarray([] if values is None else values, dtype=np.float64)
        if scores.ndim != 1 or scores.size < 2 or not np.isfinite(scores).all():
            made.append([])
        else:
            made.append([round(float(value), 4) for value in softmax(scores[None])[0]])
    return made


def _row(table: dict[str, list[Any]], at: int) -> list[Any]:
    """[gold label, texts as lists of parts, probabilities before, after, error, quality in words]."""
    before, after = _texts(table["original"][at]), _texts(table["perturbed"][at])
    if len(after) == len(before):
        texts = [parts(*pair) for pair in zip(before, after, strict=True)]
    else:
        texts = [[text] for text in before]
    probabilities = table["original_logits"][at], table["perturbed_logits"][at]
    return [table["label"][at], texts, *probabilities, str(table["error"][at] or ""), table["quality"][at]]


def _texts(value: str) -> list[str]:
    if not value:
        return []
    found = json.loads(value)
    return [str(text) for text in found] if isinstance(found, Iterable) else []
