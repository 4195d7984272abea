"""Named entities: WNUT-17 (rare names in messages on the web) and CoNLL-2003 (newswire).

Files have one word a line and a blank line after each sentence. A word's tag says that it begins (``B-``) or
continues (``I-``) an entity of a type, or stands outside (``O``). White space inside a word, such as a no-break
space, is replaced by ``_`` (`asa_bench.tasks.canonical.word`), so that words and tags always pair up.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Hub, Layout, Split, Task
from asa_bench.tasks.canonical import word
from asa_bench.tasks.files import Row, read_text, shown


def read_wnut(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The sentences of a file of ``WORD<TAB>TAG`` lines.

    Raises:
        BadInput: a line is not a word and a tag.
    """
    for first, lines in _sentences(path):
        pairs: list[tuple[str, str]] = []
        for number, line in enumerate(lines, start=first):
            cells = line.split("\t")
            if len(cells) != 2 or not cells[1].strip():
                raise BadInput(
                    f"{shown(str(path), 300)}, line {number}: expected a word, a tab and a tag, got {shown(line)}"
                )
            pairs.append((word(cells[0]), cells[1].strip()))
        yield _row(pairs, first)


def read_conll(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The sentences of a CoNLL-2003 file: word, part of speech, chunk and entity tag, separated by spaces.

    The original files mark the beginning of an entity only where another of its type goes before (IOB1); here
    every beginning is ``B-`` (IOB2), as the hub's copy and all later work have it. Lines that only say where a
    document starts (``-DOCSTART-``) are no sentences.

    Raises:
        BadInput: a line has another number of columns.
    """
    for first, lines in _sentences(path):
        words: list[str] = []
        tags: list[str] = []
        for number, line in enumerate(lines, start=first):
            cells = line.split()
            if len(cells) != 4:
                raise BadInput(
                    f"{shown(str(path), 300)}, line {number}: expected a word, its part of speech, chunk and "
                    f"entity tag, got {shown(line)}"
                )
            words.append(word(cells[0]))
            tags.append(cells[3])
        if words != ["-DOCSTART-"]:
            yield _row(list(zip(words, begun(tags), strict=True)), first)


def begun(tags: Sequence[str]) -> list[str]:
    """Tags in which every entity begins with ``B-`` (IOB2), from IOB1 or IOB2."""
    result: list[str] = []
    before = "O"
    for tag in tags:
        continues = tag.startswith("I-") and before[2:] == tag[2:]
        result.append(f"B-{tag[2:]}" if tag.startswith("I-") and not continues else tag)
        before = tag
    return result


def _sentences(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line (from 1) and lines of every sentence."""
    sentence: list[str] = []
    number = 0
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), start=1):
        if line.strip():
            sentence.append(line.rstrip("\n"))
        elif sentence:
            yield number - len(sentence), sentence
            sentence = []
    if sentence:
        yield number - len(sentence) + 1, sentence


def _row(pairs: Sequence[tuple[str, str]], first: int) -> Row:
    words, tags = zip(*pairs, strict=True)
    return Row((" ".join(words),), " ".join(tags), {}, f"sentence from line {first}")


def _tags(*types: str) -> tuple[str, ...]:
    return ("O", *(f"{part}-{name}" for name in types for part in "BI"))


def _numbered(labels: tuple[str, ...]) -> dict[str, str]:
    return {str(number): label for number, label in enumerate(labels)}


_WNUT_TAGS = _tags("corporation", "creative-work", "group", "location", "person", "product")
_CONLL_TAGS = _tags("PER", "ORG", "LOC", "MISC")

WNUT17 = Task(
    name="wnut17",
    title="WNUT-17",
    family="entities",
    kind="token_classification",
    role="train",
    columns=("text",),
    labels=_WNUT_TAGS,
    metrics=("entity_f1", "token_f1"),
    splits={"train": Split(rows=3_394), "dev": Split(rows=1_009), "test": Split(rows=1_287)},
    evaluation_split="test",
    layout=Layout(
        folders=("wnut17", "wnut_17", "WNUT17", "emerging_entities_17", ""),
        files={
            "train": ("wnut17train.conll",),
            "dev": ("emerging.dev.conll",),
            "test": ("emerging.test.annotated",),
        },
        columns={},
        labels={tag: tag for tag in _WNUT_TAGS},
        reader="asa_bench.tasks.entities:read_wnut",
        provided_by="https://github.com/leondz/emerging_entities_17, or the hub data set leondz/wnut_17",
    ),
    hub=Hub(
        repo="leondz/wnut_17",
        config="wnut_17",
        files={
            "train": "wnut_17/train/*.parquet",
            "dev": "wnut_17/validation/*.parquet",
            "test": "wnut_17/test/*.parquet",
        },
        columns={"text": "tokens", "label": "ner_tags"},
        labels=_numbered(_WNUT_TAGS),
        branch="refs/convert/parquet",
        found="https://huggingface.co/datasets/leondz/wnut_17/tree/main (a script only); "
        "https://huggingface.co/datasets/wnut_17/commits/refs%2Fconvert%2Fparquet/wnut_17 (converted copy)",
    ),
    attack_column="text",
    exposure=("wnut17:test",),
    licence="CC BY 4.0",
    citation=(
        "Derczynski et al., Results of the WNUT2017 Shared Task on Novel and Emerging Entity Recognition, "
        "W-NUT 2017, https://doi.org/10.18653/v1/W17-4418"
    ),
    homepage="https://noisy-text.github.io/2017/emerging-rare-entities.html",
    note="Entity F1 counts whole entities, token F1 single tags without O; numbers of the ASA paper are of the "
    "latter kind if its released code made them. The names are rare and mostly new in dev and test.",
)

CONLL2003 = Task(
    name="conll2003",
    title="CoNLL-2003",
    family="entities",
    kind="token_classification",
    role="train",
    columns=("text",),
    labels=_CONLL_TAGS,
    metrics=("entity_f1", "token_f1"),
    splits={"train": Split(rows=14_041), "dev": Split(rows=3_250), "test": Split(rows=3_453)},
    evaluation_split="test",
    layout=Layout(
        folders=("conll2003", "CoNLL-2003", "conll-2003"),
        files={
            "train": ("eng.train", "train.txt"),
            "dev": ("eng.testa", "valid.txt"),
            "test": ("eng.testb", "test.txt"),
        },
        columns={},
        labels={tag: tag for tag in _CONLL_TAGS},
        reader="asa_bench.tasks.entities:read_conll",
        provided_by="https://www.clips.uantwerpen.be/conll2003/ner/ (with the Reuters corpus, on request to NIST), "
        "or the hub data set eriktks/conll2003",
    ),
    hub=Hub(
        repo="eriktks/conll2003",
        config="conll2003",
        files={
            "train": "conll2003/train/*.parquet",
            "dev": "conll2003/validation/*.parquet",
            "test": "conll2003/test/*.parquet",
        },
        columns={"text": "tokens", "label": "ner_tags"},
        labels=_numbered(_CONLL_TAGS),
        branch="refs/convert/parquet",
        found="https://huggingface.co/datasets/eriktks/conll2003 (a script); public code reads "
        "conll2003/train/0000.parquet of its branch refs/convert/parquet",
    ),
    attack_column="text",
    exposure=("conll2003:test",),
    licence="Reuters corpus agreement: research only",
    citation=(
        "Tjong Kim Sang and De Meulder, Introduction to the CoNLL-2003 Shared Task: Language-Independent Named "
        "Entity Recognition, CoNLL 2003, https://aclanthology.org/W03-0419"
    ),
    homepage="https://www.clips.uantwerpen.be/conll2003/ner/",
    note="English; sentences without the lines that mark documents.",
)

TASKS = {task.name: task for task in (WNUT17, CONLL2003)}
