"""What a task is: one data set's columns, label names, splits, slices, sources, licence and exposure."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import pandas as pd

Family = Literal[
    "sentiment",
    "paraphrase",
    "inference",
    "similarity",
    "acceptability",
    "topic",
    "reading",
    "commonsense",
    "entities",
]
Role = Literal["train", "challenge"]
Kind = Literal["classification", "regression", "multiple_choice", "token_classification"]


class Frozen(BaseModel):
    """A typed, immutable value object that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(Frozen):
    """One split of a task, with the published size that loading checks.

    A field that is None was not published or depends on the request; loading then checks only that
    the split is not empty and that its labels are known.
    """

    rows: int | None = Field(default=None, description="published number of rows")
    labels: Mapping[str, int] | None = Field(default=None, description="published rows per label name")


class LaboratoryOptions(Frozen):
    """What the embedded laboratory is asked to generate."""

    strength: float = Field(
        default=0.98,
        ge=0.0,
        le=1.0,
        description="how strongly the planted shortcut agrees with the label in training: "
        "0 = independent of it, 1 = always",
    )


class Source(Frozen):
    """Where rows come from: the embedded laboratory, a folder in the original layouts, or the hub."""

    kind: Literal["laboratory", "folder", "hub"] = "laboratory"
    root: Path | None = Field(default=None, description="the folder, for kind 'folder'")
    resources: Path | None = Field(
        default=None,
        description="a folder that attacks alone read, for kind 'laboratory'; no row comes from it",
    )
    laboratory: LaboratoryOptions = LaboratoryOptions()

    @property
    def attack_files(self) -> Path | None:
        """The folder in which files of attacks are looked for first."""
        return self.resources if self.kind == "laboratory" else self.root


class Layout(Frozen):
    """How a task's rows lie in a data folder, in the layouts in which the data set is distributed.

    A file may be packed (``.xz`` or ``.gz`` appended). Beside each file named here, ``STEM_sample*`` with the
    same ending is accepted too: rows of the published file, but not all of them, so that the published counts
    are not checked.

    Tables are tab-separated, and comma-separated and quoted where the name ends in ``.csv``.
    """

    folders: tuple[str, ...] = Field(
        default=("",), description="folders under the root in which the files are looked for, in this order"
    )
    files: Mapping[str, tuple[str | tuple[str, ...], ...]] = Field(
        description="split name -> names the file may have, relative to a folder; the first found is read. "
        "An entry of several names stands for files that hold the split together: all are read, in this order"
    )
    samples: tuple[str, ...] = Field(
        default=(),
        description="names in `files` that, like STEM_sample*, hold a part of the published rows only",
    )
    columns: Mapping[str, tuple[str, ...]] = Field(
        description="text column, 'label', slice or group -> the names that files give it, in order of "
        "preference; where `header` is False, its number, from '0'"
    )
    header: bool = Field(default=True, description="the first row of a table names the columns")
    quoted: bool = Field(
        default=False,
        description="cells of tab-separated files may be quoted, with quotes inside doubled, as csv has it",
    )
    labels: Mapping[str, str] = Field(description="label as written in a file -> label name")
    held_out: Mapping[str, str] = Field(
        default_factory=dict,
        description="split without a file of its own -> split out of whose sample it is held: dev -> train",
    )
    skips_malformed: bool = Field(
        default=False,
        description="the published file holds rows with too few columns, which all readers skip; the "
        "published row count is the one after skipping and is checked all the same",
    )
    reader: str = Field(
        default="asa_bench.tasks.files:read_table",
        description="'module:function' that yields the rows of one file: function(task, split, path) -> "
        "iterator of asa_bench.tasks.files.Row",
    )
    provided_by: str = Field(
        description="what a reader without the files can fetch, and where; ends a message"
    )


class Hub(Frozen):
    """Where a task's rows are on the Hugging Face hub, as parquet files (scripts are never run)."""

    repo: str = Field(description="data set id, 'organisation/name'")
    config: str = Field(description="configuration name, as the hub's own viewer calls it")
    files: Mapping[str, str] = Field(
        description="split name -> pattern of its parquet files in the repository"
    )
    columns: Mapping[str, str] = Field(
        description="text column, 'label' or slice -> column of the parquet files; 'NAME[2]' is the third item "
        "of a list; a list of texts without a number is joined by spaces"
    )
    labels: Mapping[str, str] = Field(
        description="label as written in the parquet files, and as their metadata name it -> label name; of "
        "multiple choice '=NAME' as the column of the label means: the choice that equals this column"
    )
    revision: str | None = Field(
        default=None,
        description="commit that is read; None: the head of `branch` is resolved at run time and recorded",
    )
    branch: str = Field(
        default="main", description="the branch whose head is resolved where no revision is pinned"
    )
    found: str = Field(description="the public source that tells the id, the files and the revision")


class Task(Frozen):
    """One data set, described completely enough to be loaded, checked, scored and cited.

    Every field is part of what `asa-bench show NAME` prints.
    """

    name: str = Field(description="the name in suites, e.g. 'sst2', 'advglue/sst2', 'laboratory/hans'")
    title: str = Field(description="the column head in tables, e.g. 'SST-2'")
    family: Family
    kind: Kind = Field(
        default="classification",
        description="what a model gives: one of `labels`; a number ('regression'); the best of the choices "
        "('multiple_choice'); one of `labels` per word ('token_classification')",
    )
    role: Role = Field(description="'train': a model is trained on it; 'challenge': a trained model faces it")
    columns: tuple[str, ...] = Field(
        description="text columns in model order: one, or (premise, hypothesis); of multiple choice: "
        "the context, the beginning of every answer, then choice_0, choice_1, ...; of token classification: "
        "one, whose words are separated by single spaces"
    )
    labels: tuple[str, ...] = Field(
        description="label names; their order is the order of the logits in training. None for regression, "
        "'0', '1', ... for multiple choice, tags such as O, B-person, I-person for token classification"
    )
    label_range: tuple[float, float] | None = Field(
        default=None, description="of regression: the smallest and the largest gold value"
    )
    metrics: tuple[str, ...] = Field(
        default=("accuracy",),
        min_length=1,
        description="names in `asa_bench.measures.METRICS`, the one that tables show first",
    )
    group: str = Field(
        default="",
        description="column that says which rows belong together (a contrast pair, a test case's variants); "
        "kept in records beside the slices, but accuracy is not reported by it",
    )
    made_from: str = Field(
        default="",
        description="column that says which original a row was made from, so that rows of one are not independent; filled "
        "on loading (`asa_bench.tasks.likeness`), kept in records, and nothing that a sample looks at. '' where a row's "
        "original is its own or unknown",
    )
    adversarially_filtered: bool = Field(
        default=False,
        description="rows were kept because models answer them wrongly, so that a slice of them may be all wrong",
    )
    strata: str = Field(
        default="",
        description="slice from whose values a sample takes groups in turn, so that a large one does not "
        "crowd out the small ones",
    )
    unlabelled: bool = Field(
        default=False,
        description="some rows have no gold label ('' in the column label): what is asked of them is told by "
        "their slices and group, e.g. that all predictions of a case be the same",
    )
    splits: Mapping[str, Split] = Field(description="split name -> published size")
    evaluation_split: str = Field(description="the split that a trained model is evaluated on")
    train_tasks: tuple[str, ...] = Field(
        default=(), description="for a challenge task: the training tasks whose models can face it"
    )
    label_map: Mapping[str, str] = Field(
        default_factory=dict,
        description="label name of the model -> label name of this task, where they differ "
        "(HANS: neutral -> non-entailment)",
    )
    layout: Layout | None = Field(
        default=None, description="where its rows are in a data folder, if they can be"
    )
    hub: Hub | None = Field(
        default=None, description="where its rows are on the Hugging Face hub, if they are"
    )
    attack_column: str = Field(description="the text column that an attack may change")
    slices: tuple[str, ...] = Field(default=(), description="columns by which accuracy is also reported")
    exposure: tuple[str, ...] = Field(
        default=(),
        description="training data that a model must not have seen for the score to be zero-shot, "
        "as 'task:split', e.g. 'mnli:dev'",
    )
    holds: tuple[str, ...] = Field(
        default=(), description="other training data that its training split consists of, as 'task:split'"
    )
    licence: str
    citation: str = Field(description="author, year, venue; with DOI or URL")
    homepage: str
    note: str = Field(default="", description="what a reader of the table must know, in one sentence")
    comparable: bool = Field(
        default=True, description="False for generated sets: not comparable with published numbers"
    )

    @model_validator(mode="after")
    def _reported_rows_are_not_trained_on(self) -> Task:
        """A score on what was trained on would report what was selected, so no such task can be made."""
        if self.role != "train":
            return self
        if self.evaluation_split == "train":
            raise ValueError(
                f"task {self.name!r}: evaluation_split must not be 'train', which models are trained on"
            )
        # A file of a data folder may be an archive that holds both.
        files = self.hub.files if self.hub else {}
        if "train" in files and files["train"] == files.get(self.evaluation_split):
            raise ValueError(
                f"task {self.name!r}: {files['train']!r} on the hub is its split 'train' and its split "
                f"{self.evaluation_split!r}; what is reported must not be trained on"
            )
        return self

    @property
    def choices(self) -> tuple[str, ...]:
        """Of multiple choice: the columns that hold the choices, in the order of the labels."""
        return tuple(column for column in self.columns if column.startswith("choice_"))

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Columns of a frame beside id, texts and label: slices, group and original, where there are any."""
        return tuple(dict.fromkeys(filter(None, (*self.slices, self.group, self.made_from))))

    @property
    def clusters(self) -> str:
        """The column whose values say which rows are not independent; "" where there is none."""
        return self.group or self.made_from


@dataclass(frozen=True)
class TaskData:
    """The rows of one split, checked and canonical.

    Attributes:
        frame: columns ``id`` (str, unique), the task's text columns (str), ``label`` (str) and the task's
            extra columns, which are slices and group (str; "" where a row has none). A label is one of the
            task's label names ("" where an unlabelled task asks something else of a row); for regression a
            decimal number; for token classification one tag per word, separated by single spaces.
        fingerprint: sha256 over the canonical rows (see `fingerprint`), equal wherever the data are equal.
        origin: where the rows came from: source kind, files with sha256, or hub repository and revision.
            Contains no absolute path and no clock.
    """

    task: Task
    split: str
    frame: pd.DataFrame
    fingerprint: str
    origin: Mapping[str, Any] = field(default_factory=dict)


def canonical_text(text: str) -> str:
    """Unicode NFC, runs of white space folded to one space, ends stripped: what a fingerprint sees."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def row_hash(texts: tuple[str, ...], label: str = "") -> str:
    """sha256 (hex) of one canonical row: its texts in column order and, if given, its label name.

    Lone surrogates, which UTF-8 cannot hold, are hashed by their code points.
    """
    digest = hashlib.sha256()
    for part in (*(canonical_text(text) for text in texts), label):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def row_hashes(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """`row_hash` of every row of `frame`: its text `columns` and its ``label``, in the frame's order."""
    texts = zip(*(frame[column].tolist() for column in columns), strict=True)
    return [row_hash(tuple(row), label) for row, label in zip(texts, frame["label"].tolist(), strict=True)]


def fingerprint(frame: pd.DataFrame, columns: tuple[str, ...]) -> str:
    """sha256 (hex) over the canonical rows of `frame`, whatever their order and ids.

    The rows' hashes are sorted before they are hashed together, so row order does not count but
    multiplicity does. White space, Unicode form and column order are settled by `row_hash`.

    Raises:
        ValueError: the frame is empty; a fingerprint of nothing would match every other nothing.
    """
    if len(frame) == 0:
        raise ValueError("cannot fingerprint an empty frame")
    hashes = sorted(row_hashes(frame, columns))
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def choose(frame: pd.DataFrame, columns: tuple[str, ...], count: int | None, purpose: str) -> pd.DataFrame:
    """A fixed sample of `count` rows (all where `count` is None or larger), in canonical order.

    Rows are ordered by a hash of their canonical text and `purpose`, so the sample depends neither on the
    order of the file nor on the ids that a source happened to give.
    """
    keys = [hashlib.sha256(f"{purpose}\n{row}".encode()).hexdigest() for row in row_hashes(frame, columns)]
    order = sorted(range(len(keys)), key=lambda i: (keys[i], str(frame["id"].iat[i])))
    chosen: pd.DataFrame = frame.iloc[order[:count]].reset_index(drop=True)
    return chosen


def choose_groups(frame: pd.DataFrame, task: Task, count: int | None, purpose: str) -> pd.DataFrame:
    """As `choose`, but groups of rows stay whole: as many as fit into `count` rows, and nothing of the others.

    Groups are ordered by a hash of their rows and `purpose`; where the task names strata, the first group of
    every stratum comes before the second of any. A group that does not fit is passed over.

    Raises:
        ValueError: not one group fits into `count` rows.
    """
    if count is None or count >= len(frame):
        return choose(frame, task.columns, None, purpose)
    members: dict[str, list[int]] = {}
    for row, (group, identity) in enumerate(zip(frame[task.group], frame["id"], strict=True)):
        members.setdefault(str(group) or f"row {identity}", []).append(row)
    hashes = row_hashes(frame, task.columns)
    strata = frame[task.strata].tolist() if task.strata else [""] * len(frame)
    keyed = sorted(
        (
            hashlib.sha256("\n".join([purpose, *sorted(hashes[row] for row in rows)]).encode()).hexdigest(),
            group,
        )
        for group, rows in members.items()
    )
    seen: dict[str, int] = {}
    order: list[tuple[int, int]] = []
    for place, (_, group) in enumerate(keyed):
        stratum = strata[members[group][0]]
        order.append((seen.get(stratum, 0), place))
        seen[stratum] = seen.get(stratum, 0) + 1
    kept: list[int] = []
    for _, place in sorted(order):
        rows = members[keyed[place][1]]
        if len(kept) + len(rows) <= count:
            kept += rows
    if not kept:
        smallest = min(map(len, members.values()))
        raise ValueError(f"the smallest group has {smallest} rows, more than {count}")
    return choose(frame.iloc[kept], task.columns, None, purpose)
