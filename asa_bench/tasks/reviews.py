"""Sentiment of whole reviews and of sentences from them (IMDb, Rotten Tomatoes), and topics of news (AG News)."""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from asa_bench.errors import BadInput
from asa_bench.tasks.base import Hub, Layout, Split, Task
from asa_bench.tasks.files import Row, plain_name, read_bytes, read_cells, read_table, shown, table_rows

_IMDB_MEMBER = re.compile(r"aclImdb/(train|test)/(pos|neg)/\d+_\d+\.txt")
_SENTIMENT = {"0": "negative", "1": "positive", "neg": "negative", "pos": "positive"}


def read_imdb(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The reviews of the authors' ``aclImdb_v1.tar.gz``, or of a file of one JSON object per review.

    Raises:
        BadInput: the archive is damaged, or a review or line cannot be read.
    """
    if plain_name(path).endswith(".jsonl"):
        yield from read_table(task, split, path)
        return
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                found = _IMDB_MEMBER.fullmatch(member.name)
                if found is None or found[1] != split:
                    continue
                stream = archive.extractfile(member)
                data = stream.read() if stream is not None else b""
                yield Row((_utf8(path, member.name, data),), found[2], {}, member.name)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BadInput(
            f"{shown(str(path), 300)}: cannot be unpacked, it is damaged or incomplete ({shown(str(error))})"
        ) from error


def _utf8(path: Path, member: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{shown(str(path), 300)}, {shown(member)}: not UTF-8") from error


def read_rotten_tomatoes(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The sentences of one split of ``rt-polarity.neg`` or ``.pos``, or of both in ``sentence_polarity.zip``.

    The files have no official split. Of each, the first 80 % of the lines are train, the next 10 % dev and the
    last 10 % test: the split of the hub's copy (8,530, 1,066 and 1,066 sentences), first used by Li et al.,
    TextBugger, NDSS 2019. The authors' files are ISO-8859-1, NLTK's UTF-8: what is no UTF-8 is taken for the former.

    Raises:
        BadInput: the archive is damaged or lacks a file.
    """
    name = plain_name(path)
    if not name.endswith(".zip"):
        yield from _polarity(read_bytes(path), split, name.rpartition(".")[2], "")
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for label in ("neg", "pos"):
                data = archive.read(f"sentence_polarity/rt-polarity.{label}")
                yield from _polarity(data, split, label, f"rt-polarity.{label}, ")
    except (zipfile.BadZipFile, KeyError, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise BadInput(
            f"{shown(str(path), 300)}: cannot be unpacked, it is damaged or incomplete ({shown(str(error))})"
        ) from error


def _polarity(data: bytes, split: str, label: str, where: str) -> Iterator[Row]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("iso-8859-1")
    lines = text.removesuffix("\n").split("\n")
    first, second = (int(len(lines) * share + 0.5) for share in (0.8, 0.9))
    low, high = {"train": (0, first), "dev": (first, second), "test": (second, len(lines))}[split]
    for number in range(low, high):
        yield Row((lines[number],), label, {}, f"{where}line {number + 1}")


def read_ag_news(task: Task, split: str, path: Path) -> Iterator[Row]:
    """The rows of the published ``train.csv`` and ``test.csv``: class, title, description.

    Title and description are joined by a space, as in the hub's copy. A tab-separated file holds the description
    alone and the name of the class.

    Raises:
        BadInput: quotes do not match.
    """
    if not plain_name(path).endswith(".csv"):
        yield from table_rows(task, path, read_cells(path), header=False)
        return
    for number, cells in read_cells(path):
        where = f"line {number}"
        if len(cells) != 3:
            yield Row((), "", {}, where, malformed=True)
        else:
            yield Row((f"{cells[1]} {cells[2]}",), cells[0], {}, where)


_LABELS = ("negative", "positive")

IMDB = Task(
    name="imdb",
    title="IMDb",
    family="sentiment",
    role="train",
    columns=("text",),
    labels=_LABELS,
    splits={
        split: Split(rows=25_000, labels={"negative": 12_500, "positive": 12_500})
        for split in ("train", "test")
    },
    evaluation_split="test",
    layout=Layout(
        files={
            split: (
                f"imdb/{split}.jsonl",
                f"IMDb/{split}.jsonl",
                "imdb/aclImdb_v1.tar.gz",
                "aclImdb_v1.tar.gz",
            )
            for split in ("train", "test")
        },
        columns={"text": ("text",), "label": ("label",)},
        labels=_SENTIMENT,
        reader="asa_bench.tasks.reviews:read_imdb",
        provided_by="aclImdb_v1.tar.gz of https://ai.stanford.edu/~amaas/data/sentiment/ (read as it is), or the "
        "hub data set stanfordnlp/imdb",
    ),
    hub=Hub(
        repo="stanfordnlp/imdb",
        config="plain_text",
        files={split: f"plain_text/{split}-*.parquet" for split in ("train", "test")},
        columns={"text": "text", "label": "label"},
        labels=_SENTIMENT,
        revision="e6281661ce1c48d982bc483cf8a173c1bbeb5d31",
        found="https://huggingface.co/datasets/stanfordnlp/imdb (public code pins this commit with "
        "plain_text/train-00000-of-00001.parquet)",
    ),
    attack_column="text",
    exposure=("imdb:test",),
    licence="not stated by its authors; free for research with citation",
    citation=(
        "Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011, https://aclanthology.org/P11-1015"
    ),
    homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
    note="Whole reviews, longer than 128 tokens mostly; its training set holds the originals of contrast/imdb and "
    "cad/sentiment, which models trained on it therefore do not face.",
)

ROTTEN_TOMATOES = Task(
    name="rotten_tomatoes",
    title="Rotten Tomatoes",
    family="sentiment",
    role="train",
    columns=("text",),
    labels=_LABELS,
    splits={
        "train": Split(rows=8_530, labels={"negative": 4_265, "positive": 4_265}),
        "dev": Split(rows=1_066, labels={"negative": 533, "positive": 533}),
        "test": Split(rows=1_066, labels={"negative": 533, "positive": 533}),
    },
    evaluation_split="test",
    layout=Layout(
        folders=(
            "rotten_tomatoes",
            "rotten_tomatoes/rt-polaritydata",
            "rt-polaritydata",
            "sentence_polarity",
            "",
        ),
        files=dict.fromkeys(
            ("train", "dev", "test"), (("rt-polarity.neg", "rt-polarity.pos"), "sentence_polarity.zip")
        ),
        columns={},
        labels=_SENTIMENT,
        reader="asa_bench.tasks.reviews:read_rotten_tomatoes",
        provided_by="rt-polaritydata.tar.gz of https://www.cs.cornell.edu/people/pabo/movie-review-data/ "
        "(unpacked), NLTK's sentence_polarity.zip, or the hub data set cornell-movie-review-data/rotten_tomatoes",
    ),
    hub=Hub(
        repo="cornell-movie-review-data/rotten_tomatoes",
        config="default",
        files={"train": "train.parquet", "dev": "validation.parquet", "test": "test.parquet"},
        columns={"text": "text", "label": "label"},
        labels=_SENTIMENT,
        revision="aa13bc287fa6fcab6daf52f0dfb9994269ffea28",
        found="https://huggingface.co/datasets/cornell-movie-review-data/rotten_tomatoes/commit/"
        "aa13bc287fa6fcab6daf52f0dfb9994269ffea28 (public code reads test.parquet of it)",
    ),
    attack_column="text",
    exposure=("rotten_tomatoes:test",),
    licence="CC BY 4.0",
    citation=(
        "Pang and Lee, Seeing Stars: Exploiting Class Relationships for Sentiment Categorization with Respect to "
        "Rating Scales, ACL 2005, https://doi.org/10.3115/1219840.1219855"
    ),
    homepage="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
    note="No official split: the hub's, by the order of the files. SST-2 was made from the same sentences, so "
    "models trained on one have seen much of the other.",
)

AG_NEWS = Task(
    name="ag_news",
    title="AG News",
    family="topic",
    role="train",
    columns=("text",),
    labels=("World", "Sports", "Business", "Sci/Tech"),
    splits={
        "train": Split(
            rows=120_000, labels=dict.fromkeys(("World", "Sports", "Business", "Sci/Tech"), 30_000)
        ),
        "test": Split(rows=7_600, labels=dict.fromkeys(("World", "Sports", "Business", "Sci/Tech"), 1_900)),
    },
    evaluation_split="test",
    layout=Layout(
        folders=("ag_news", "AG_NEWS", "ag_news_csv", "agnews"),
        files={"train": ("train.csv", "dev.tsv"), "test": ("test.csv", "test.tsv")},
        samples=("dev.tsv",),
        columns={"text": ("0",), "label": ("1",)},
        header=False,
        labels={"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"},
        reader="asa_bench.tasks.reviews:read_ag_news",
        provided_by="ag_news_csv.tgz (train.csv, test.csv) of Zhang et al. 2015, or the hub data set "
        "fancyzhx/ag_news",
    ),
    hub=Hub(
        repo="fancyzhx/ag_news",
        config="default",
        files={split: f"data/{split}-*.parquet" for split in ("train", "test")},
        columns={"text": "text", "label": "label"},
        labels={"0": "World", "1": "Sports", "2": "Business", "3": "Sci/Tech"},
        revision="eb185aade064a813bc0b7f42de02595523103ca4",
        found="https://huggingface.co/datasets/fancyzhx/ag_news (public code pins this commit with "
        "data/train-00000-of-00001.parquet)",
    ),
    attack_column="text",
    exposure=("ag_news:test",),
    licence="non-commercial use (AG's corpus of news articles)",
    citation=(
        "Zhang, Zhao and LeCun, Character-level Convolutional Networks for Text Classification, NeurIPS 2015, "
        "https://doi.org/10.48550/arXiv.1509.01626"
    ),
    homepage="https://huggingface.co/datasets/fancyzhx/ag_news",
    note="Title and description; a folder's dev.tsv (a sample of train) and test.tsv hold the description alone.",
)

TASKS = {task.name: task for task in (IMDB, ROTTEN_TOMATOES, AG_NEWS)}
