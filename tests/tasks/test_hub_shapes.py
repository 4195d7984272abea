"""Parquet columns that are no texts: lists of choices and tokens, tags, numbers and truth values, as the hub has them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub import COMMIT, HubServer
from test_hub import answers, one_line
from tiny import folder, rows, tsv, unpublished, write

from asa_bench.errors import BadInput
from asa_bench.tasks import TASKS
from asa_bench.tasks.hub import schema_check
from asa_bench.tasks.loading import load

WNUT_TAGS = TASKS.get("wnut17").labels
ENDINGS = ["eats.", "runs.", "sits.", "flies."]


def parquet(columns: Mapping[str, Any], features: Mapping[str, Any] | None = None) -> bytes:
    """A parquet file with the description of its columns that `datasets` writes into the metadata."""
    table = pa.table(dict(columns))
    if features is not None:
        described = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": described})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def class_label(names: tuple[str, ...]) -> dict[str, Any]:
    return {"names": list(names), "_type": "ClassLabel"}


def tags(names: tuple[str, ...], kind: str = "Sequence") -> dict[str, Any]:
    return {"ner_tags": {"feature": class_label(names), "_type": kind}}


DREAM = {
    "id": [0, 1],
    "dialogue_id": ["1-2", "1-2"],
    "dialogue": [["W: Is it  late?", "M: Very."]] * 2,
    "question": ["When?", "Who?"],
    "choice": [["Early.", "Late.", "Now."], ["W.", "M.", "Both."]],
    "answer": ["Late.", "Both."],
}
WNUT = {
    "id": ["0", "1"],
    "tokens": [["New", "York", "1\u00a0000"], ["last"]],
    "ner_tags": [[7, 8, 0], [0]],
}
REPOSITORIES = {
    "dataset-org/dream": {"plain_text/test/0000.parquet": parquet(DREAM)},
    "Rowan/hellaswag": {
        "data/validation-00000-of-00001.parquet": parquet(
            {
                "ind": [1],
                "ctx_a": ["A man cooks."],
                "ctx_b": ["he"],
                "endings": [ENDINGS],
                "label": ["3"],
                "split_type": ["indomain"],
            }
        )
    },
    "allenai/swag": {
        "regular/validation-00000-of-00001.parquet": parquet(
            {
                "sent1": ["A."],
                "sent2": ["He"],
                **{f"ending{n}": [ENDINGS[n]] for n in range(4)},
                "label": [2],
            },
            {"label": class_label(("0", "1", "2", "3"))},
        )
    },
    "leondz/wnut_17": {
        "wnut_17/test/0000.parquet": parquet(WNUT, tags(WNUT_TAGS)),
        "wnut_17/validation/0000.parquet": parquet(
            {**WNUT, "ner_tags": [[7, 8], [0]]}, tags(WNUT_TAGS, "List")
        ),
        "wnut_17/train/0000.parquet": parquet(WNUT, tags((WNUT_TAGS[1], *WNUT_TAGS[1:]))),
    },
    "eriktks/conll2003": {
        "conll2003/test/0000.parquet": parquet({"tokens": [["EU", "."]], "ner_tags": [[3, 9]]}),
        "conll2003/validation/0000.parquet": parquet({"tokens": [["EU", "."]], "ner_tags": [[3, 0]]}),
    },
    "nyu-mll/glue": {
        "stsb/validation-00000-of-00001.parquet": parquet(
            {
                "sentence1": ["A.", "C."],
                "sentence2": ["B.", "D."],
                "label": pa.array([3.8, 0.0], pa.float32()),
            }
        ),
        "stsb/train-00000-of-00001.parquet": parquet(
            {"sentence1": ["A."], "sentence2": ["B."], "label": pa.array([-1.0], pa.float32())}
        ),
    },
    "google/boolq": {
        "data/validation-00000-of-00001.parquet": parquet(
            {"question": ["is it", "is it"], "answer": [True, False], "passage": ["It is.", "It is."]}
        )
    },
    "stanfordnlp/imdb": {
        "plain_text/test-00000-of-00001.parquet": parquet(
            {"text": ["Fine.", "Poor."], "label": [1, 0]}, {"label": class_label(("neg", "pos"))}
        )
    },
    "cornell-movie-review-data/rotten_tomatoes": {
        "test.parquet": parquet({"text": ["fine ."], "label": [0]}, {"label": class_label(("pos", "neg"))})
    },
    "facebook/anli": {
        f"plain_text/dev_r{n}-00000-of-00001.parquet": parquet(
            {"premise": [f"P{n}"], "hypothesis": ["H"], "label": [n - 1]}
        )
        for n in (1, 2, 3)
    },
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What every (task, split) of these repositories gives."""
    jobs = [
        ("dream", "test"),
        ("hellaswag", "dev"),
        ("swag", "dev"),
        *(("wnut17", split) for split in ("test", "dev", "train")),
        *(("conll2003", split) for split in ("test", "dev")),
        *(("stsb", split) for split in ("dev", "train")),
        ("boolq", "dev"),
        ("imdb", "test"),
        ("rotten_tomatoes", "test"),
        ("anli", "dev"),
        ("anli/r2-trained", "dev"),
    ]
    with HubServer(REPOSITORIES) as server:
        found = answers(server.endpoint, tmp_path_factory.mktemp("hub"), *jobs)
    return dict(zip(jobs, found, strict=True))


def texts(answer: Mapping[str, Any], *columns: str) -> list[list[str]]:
    return sorted([row[column] for column in columns] for row in answer["rows"])


def test_lists_of_choices_and_the_answer_by_its_text(told: Any, tmp_path: Path) -> None:
    dialogue = [["W: Is it  late?", "M: Very."]]
    questions = [
        {"question": question, "choice": choice, "answer": answer}
        for question, choice, answer in zip(DREAM["question"], DREAM["choice"], DREAM["answer"], strict=True)
    ]
    write(tmp_path / "dream" / "test.json", json.dumps([[*dialogue, questions, "1-2"]]))
    local = load(unpublished(TASKS.get("dream")), "test", folder(tmp_path))
    hub = told["dream", "test"]
    assert hub["fingerprint"] == local.fingerprint
    assert hub["rows"] == local.frame.to_dict("records")
    assert [row[-1] for row in rows(local)] == ["1", "2"]


def test_endings_in_a_list_and_in_columns(told: Any) -> None:
    columns = ("choice_0", "choice_1", "choice_2", "choice_3", "label")
    (hellaswag,) = texts(told["hellaswag", "dev"], "ctx_a", "ctx_b", *columns, "domain", "source")
    assert hellaswag == ["A man cooks.", "he", *ENDINGS, "3", "indomain", ""]
    (swag,) = texts(told["swag", "dev"], "sent1", "sent2", *columns)
    assert swag == ["A.", "He", *ENDINGS, "2"]


def test_tags_by_number_and_the_names_that_the_file_tells(told: Any, tmp_path: Path) -> None:
    hub = told["wnut17", "test"]
    assert hub["identify"]["revision"] == COMMIT
    write(
        tmp_path / "wnut17" / "emerging.test.annotated",
        "New\tB-location\nYork\tI-location\n1\u00a0000\tO\n\nlast\tO\n",
    )
    local = load(unpublished(TASKS.get("wnut17")), "test", folder(tmp_path))
    assert hub["fingerprint"] == local.fingerprint
    assert hub["rows"] == local.frame.to_dict("records")
    assert texts(told["conll2003", "dev"], "text", "label") == [["EU .", "B-ORG O"]]


def test_tags_that_do_not_fit_are_one_clear_line(told: Any) -> None:
    short = one_line(told["wnut17", "dev"])
    assert "wnut_17/validation/0000.parquet, row 1: 3 words, but 2 tags" in short
    renamed = one_line(told["wnut17", "train"])
    assert "label 0 is called 'B-corporation' there, but task 'wnut17' takes it for 'O'" in renamed
    assert "row 1: unknown label '9'" in one_line(told["conll2003", "test"])


def test_decimal_labels_equal_those_of_a_file(told: Any, tmp_path: Path) -> None:
    tsv(
        tmp_path / "STS-B" / "dev.tsv",
        ("sentence1", "sentence2", "score"),
        [("A.", "B.", "3.800"), ("C.", "D.", "0.000")],
    )
    local = load(unpublished(TASKS.get("stsb")), "dev", folder(tmp_path))
    assert told["stsb", "dev"]["fingerprint"] == local.fingerprint
    assert "row 1: label '-1.0' is no number from 0 to 5" in one_line(told["stsb", "train"])


def test_truth_values_and_other_names_of_labels(told: Any) -> None:
    assert texts(told["boolq", "dev"], "question", "passage", "label") == [
        ["is it", "It is.", "false"],
        ["is it", "It is.", "true"],
    ]
    assert texts(told["imdb", "test"], "text", "label") == [["Fine.", "positive"], ["Poor.", "negative"]]
    swapped = one_line(told["rotten_tomatoes", "test"])
    assert "label 0 is called 'pos' there, but task 'rotten_tomatoes' takes it for 'negative'" in swapped


def test_one_round_of_anli_or_all(told: Any) -> None:
    assert [row[0] for row in texts(told["anli", "dev"], "premise")] == ["P1", "P2", "P3"]
    assert texts(told["anli/r2-trained", "dev"], "premise", "label") == [["P2", "neutral"]]


@pytest.mark.parametrize(
    ("name", "column", "values", "expected"),
    [
        (
            "wnut17",
            "ner_tags",
            [0],
            "column 'ner_tags' holds int64, expected lists of integers or lists of texts",
        ),
        ("wnut17", "tokens", [[1]], "column 'tokens' holds list<"),
        ("stsb", "label", [3], "column 'label' holds int64, expected decimal numbers"),
        ("sst2", "sentence", [["a"]], "column 'sentence' holds list<"),
        ("sst2", "label", [0.5], "column 'label' holds double, expected integers or texts or truth values"),
        ("hellaswag", "endings", ["a"], "column 'endings' holds string, expected lists of texts"),
    ],
)
def test_columns_of_another_type_are_told(name: str, column: str, values: list[Any], expected: str) -> None:
    task = TASKS.get(name)
    hub = task.hub
    assert hub is not None
    good: dict[str, Any] = {
        "tokens": [["a"]],
        "ner_tags": [[0]],
        "endings": [["a"]],
        "label": ["0"] if name == "hellaswag" else [0],
    }
    if name == "stsb":
        good["label"] = [1.0]
    names = {told.partition("[")[0].removeprefix("=") for told in hub.columns.values()}
    table = pa.table({**{key: good.get(key, ["text"]) for key in names}, column: values})
    with pytest.raises(BadInput) as caught:
        schema_check(task, hub, table.schema, "file")
    assert expected in str(caught.value)
