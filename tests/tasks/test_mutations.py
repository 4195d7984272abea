"""Files damaged at random are either read or told in one printable line; nothing else ever happens."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import folder, unpublished

from asa_bench.errors import AsaBenchError
from asa_bench.tasks import TASKS
from asa_bench.tasks.loading import load

MUTATIONS = 30


def _lines(*records: object) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


DREAM = json.dumps(
    [[["W: a", "M: b"], [{"question": "q", "choice": ["a", "b", "c"], "answer": "c"}], "1"]] * 3
)
HELLASWAG = {"ctx_a": "a", "ctx_b": "b", "endings": ["a", "b", "c", "d"], "label": 1, "source_id": "w~1"}
BOOLQ = {
    "data": [
        {
            "paragraph": "p",
            "question": "q",
            "answer": "TRUE",
            "perturbed_questions": [{"perturbed_q": "r", "answer": "FALSE"}],
        }
    ]
}
SUITE = _lines(
    {"test": "typos", "type": "INV", "capability": "R", "labels": None, "data": [["a", "b"], ["c", "d"]]},
    {"test": "words", "type": "MFT", "capability": "V", "labels": [0, 2], "data": ["a", "b"]},
)
FILES: dict[tuple[str, str], tuple[str, str]] = {
    ("cola", "dev"): ("CoLA/dev.tsv", "gj04\t1\t\tIt goes.\ngj04\t0\t*\tGo it.\n"),
    ("stsb", "dev"): ("STS-B/dev.tsv", "sentence1\tsentence2\tscore\na b\tc d\t3.800\ne\tf\t0.0\n"),
    ("mrpc", "dev"): ("MRPC/glue_validation.tsv", 'label\tsentence1\tsentence2\n1\t"a ""b"""\tc\n0\td\te\n'),
    ("dream", "dev"): ("dream/dev.json", DREAM),
    ("swag", "dev"): (
        "swag/val.csv",
        'sent1,sent2,ending0,ending1,ending2,ending3,label\n"a, b",He,c,d,"e ""f""",g,3\nh,She,i,j,k,l,0\n',
    ),
    ("hellaswag", "dev"): ("hellaswag_val.jsonl", _lines(HELLASWAG, HELLASWAG)),
    ("wnut17", "dev"): ("wnut17/emerging.dev.conll", "A\tB-person\nb\tI-person\n\nc\tO\n\n"),
    ("conll2003", "dev"): ("conll2003/eng.testa", "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\n. . O O\n"),
    ("imdb", "test"): ("imdb/test.jsonl", _lines({"text": "a", "label": 1}, {"text": "b", "label": 0})),
    ("ag_news", "test"): ("ag_news/test.csv", '"3","Title","Text ""a"", b."\n"4","T","D"\n'),
    ("boolq", "dev"): ("boolq/dev.jsonl", _lines({"question": "q", "passage": "p", "answer": True})),
    ("contrast/boolq", "test"): ("boolq_perturbed.json", json.dumps(BOOLQ)),
    ("cad/sentiment", "test"): (
        "sentiment/combined/paired/test_paired.tsv",
        'Sentiment\tText\tbatch_id\nNegative\t"a ""b"""\t4\nPositive\tc\t4\n',
    ),
    ("checklist/sentiment", "test"): ("sentiment_suite.jsonl", SUITE),
    ("anli", "dev"): ("R1/dev.jsonl", _lines({"context": "a", "hypothesis": "b", "label": "e"})),
    ("rotten_tomatoes", "train"): ("rt-polarity.neg", "".join(f"sentence {n}\n" for n in range(10))),
}


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _drop(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 6) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    odd = (
        b'"',
        b"\t",
        b"\n",
        b"\r\n\r\n",
        b"\x00",
        b"\x1b[31m",
        b"\xff",
        b"{",
        b"]",
        b"null",
        b"\xc2\x85",
        b",",
    )
    return data[:at] + rng.choice(odd) + data[at:]


MUTATORS: tuple[Callable[[bytes, random.Random], bytes], ...] = (_cut, _flip, _drop, _insert)


@pytest.mark.parametrize("mutations", [MUTATIONS, pytest.param(5 * MUTATIONS, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "split"), FILES)
def test_a_damaged_file_is_read_or_told(tmp_path: Path, name: str, split: str, mutations: int) -> None:
    place, text = FILES[name, split]
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    others = {"anli": ("R2/dev.jsonl", "R3/dev.jsonl"), "rotten_tomatoes": ("rt-polarity.pos",)}
    for other in others.get(name, ()):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text(text, encoding="utf-8")
    task = unpublished(TASKS.get(name))
    path.write_text(text, encoding="utf-8")
    whole = load(task, split, folder(tmp_path)).frame
    other_seed = os.environ.get("ASA_BENCH_FUZZ_SEED", "")
    rng = random.Random(f"{name}/{split}{other_seed}")
    told = 0
    for _ in range(mutations):
        path.write_bytes(rng.choice(MUTATORS)(text.encode(), rng))
        try:
            frame = load(task, split, folder(tmp_path)).frame
        except AsaBenchError as error:
            message = str(error)
            assert message.isprintable(), message
            assert len(message) < 1000
            assert Path(place).name in message
            told += 1
            continue
        assert list(frame.columns) == list(whole.columns)
        assert len(frame) > 0
        if task.kind == "token_classification":
            words, tags = (frame[column].str.split(" ").str.len() for column in ("text", "label"))
            assert words.equals(tags)
        elif task.kind == "regression":
            assert frame["label"].astype(float).between(0, 5).all()
        else:
            assert set(frame["label"]) <= {*task.labels, *([""] if task.unlabelled else [])}
    # Sentences without any syntax cannot be damaged in a way that is seen.
    assert told > mutations // 10 or name == "rotten_tomatoes"
