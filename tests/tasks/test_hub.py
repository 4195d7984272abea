"""The hub path truly runs, against a server on the loopback that answers as the hub does."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hub import COMMIT, HubServer, environment, parquet
from tiny import folder, tsv, unpublished

from asa_bench.tasks import TASKS
from asa_bench.tasks.loading import load

GLUE = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"

# Loads in a process of its own, because huggingface_hub reads its environment once, when it is imported.
LOADER = """
import json, sys
from asa_bench.errors import AsaBenchError
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Source, Split
from asa_bench.tasks.loading import identify, load

jobs, checked = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for name, split in jobs:
    task = TASKS.get(name)
    if not checked:
        task = task.model_copy(update={"splits": {part: Split() for part in task.splits}})
    try:
        told = identify(task, split, Source(kind="hub"))
        data = load(task, split, Source(kind="hub"))
        answer = {"identify": told, "origin": data.origin, "fingerprint": data.fingerprint,
                  "rows": data.frame.to_dict("records")}
    except AsaBenchError as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps(answer))
"""


def answers(
    endpoint: str, home: Path, *jobs: tuple[str, str], offline: bool = False, checked: bool = False
) -> list[dict[str, Any]]:
    """What loading each (task, split) from the hub at `endpoint` gives, in one subprocess."""
    done = subprocess.run(
        [sys.executable, "-c", LOADER, json.dumps(jobs), json.dumps(checked)],
        env=environment(endpoint, home, offline),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def one_line(answer: Mapping[str, Any]) -> str:
    text = str(answer["error"])
    assert text.isprintable()
    assert len(text) < 1000
    return text


RTE = {"sentence1": ["A  b.", "Caf\u00e9."], "sentence2": ["B.", "C."], "label": [0, 1], "idx": [0, 1]}
RTE_NAMES = ("entailment", "not_entailment")
HANS = {
    "premise": ["P ."],
    "hypothesis": ["H ."],
    "label": [1],
    "parse_premise": ["(P .)"],
    "heuristic": ["constituent"],
    "subcase": ["cn_adverb"],
    "template": ["t"],
}
REPOSITORIES = {
    "nyu-mll/glue": {
        "README.md": b"# GLUE",
        "rte/validation-00000-of-00002.parquet": parquet({k: v[:1] for k, v in RTE.items()}, RTE_NAMES),
        "rte/validation-00001-of-00002.parquet": parquet({k: v[1:] for k, v in RTE.items()}, RTE_NAMES),
        "rte/train-00000-of-00001.parquet": parquet({"sentence1": ["A"], "label": [0]}),
        "sst2/validation-00000-of-00001.parquet": parquet(
            {"sentence": ["a"], "label": [0]}, ("positive", "negative")
        ),
        "sst2/train-00000-of-00001.parquet": b"PAR1 but not really PAR1",
        "qnli/validation-00000-of-00001.parquet": parquet({"question": ["Q"], "sentence": [3], "label": [0]}),
        "mnli/validation_matched-00000-of-00001.parquet": parquet(
            {"premise": ["P"], "hypothesis": ["H"], "label": [-1]}
        ),
    },
    "jhu-cogsci/hans": {
        "plain_text/validation/0000.parquet": parquet(HANS, ("entailment", "non-entailment"))
    },
}


def test_rows_from_the_hub_equal_rows_from_a_folder(tmp_path: Path) -> None:
    with HubServer(REPOSITORIES) as server:
        rte, hans = answers(server.endpoint, tmp_path / "home", ("rte", "dev"), ("hans", "evaluation"))
        requests = list(server.requests)
    tsv(
        tmp_path / "glue" / "RTE" / "dev.tsv",
        ("index", "sentence1", "sentence2", "label"),
        [("0", "Cafe\u0301.", "C.", "not_entailment"), ("1", "A b. ", "B.", "entailment")],
    )
    tsv(
        tmp_path / "hans" / "hans_evaluation_set.tsv",
        ("gold_label", "sentence1", "sentence2", "pairID", "heuristic", "subcase"),
        [("non-entailment", "P .", "H .", "r0", "constituent", "cn_adverb")],
    )
    for answer, name, split in ((rte, "rte", "dev"), (hans, "hans", "evaluation")):
        local = load(unpublished(TASKS.get(name)), split, folder(tmp_path))
        assert answer["fingerprint"] == local.fingerprint
        assert answer["rows"] == local.frame.to_dict("records")
    told = {"kind": "hub", "repo": "nyu-mll/glue", "config": "rte", "revision": GLUE}
    assert rte["identify"] == told
    assert rte["origin"] == {**told, "rows": 2}
    assert hans["identify"]["revision"] == COMMIT, (
        "no public source tells a revision, so the head is resolved"
    )
    assert any(
        re.match(rf"GET /datasets/nyu-mll/glue/resolve/{GLUE}/rte/validation", asked) for asked in requests
    )
    assert not any("README" in asked or "train" in asked for asked in requests), "only the split is fetched"


def test_a_wrong_schema_is_one_clear_line(tmp_path: Path) -> None:
    jobs = [
        ("rte", "train"),
        ("sst2", "dev"),
        ("sst2", "train"),
        ("qnli", "dev"),
        ("qqp", "dev"),
        ("mnli", "dev"),
    ]
    with HubServer(REPOSITORIES) as server:
        told = answers(server.endpoint, tmp_path, *jobs)
    assert {answer["kind"] for answer in told} == {"BadInput"}
    lost, swapped, broken, typed, absent, unlabelled = map(one_line, told)
    assert "rte/train-00000-of-00001.parquet: no column 'sentence2'; it has ['sentence1', 'label']" in lost
    assert "label 0 is called 'positive' there, but task 'sst2' takes it for 'negative'" in swapped
    assert "not a readable parquet file" in broken
    assert "column 'sentence' holds int64, expected texts" in typed
    assert "has no parquet file qqp/validation-*.parquet" in absent
    assert "row 1: unknown label '-1'" in unlabelled


def test_published_counts_hold_for_the_hub_too(tmp_path: Path) -> None:
    with HubServer(REPOSITORIES) as server:
        (told,) = answers(server.endpoint, tmp_path, ("rte", "dev"), checked=True)
    assert (
        "hub data set nyu-mll/glue at bcdcba79d07b: 2 rows, but RTE dev was published with 277"
        in one_line(told)
    )


def test_what_was_fetched_once_is_there_offline(tmp_path: Path) -> None:
    jobs = [("rte", "dev"), ("hans", "evaluation")]
    with HubServer(REPOSITORIES) as server:
        first = answers(server.endpoint, tmp_path, *jobs)
    assert answers(server.endpoint, tmp_path, *jobs, offline=True) == first
    assert answers(server.endpoint, tmp_path, *jobs) == first, "a hub that is down is no loss either"
    told = answers(server.endpoint, tmp_path / "empty", *jobs, offline=True)
    for answer in told:
        assert answer["kind"] == "Unavailable"
        assert "HF_HUB_OFFLINE is set and it is not whole in the cache" in one_line(answer)
        assert "--data-dir" in one_line(answer)


def test_half_a_split_is_not_read_offline(tmp_path: Path) -> None:
    with HubServer(REPOSITORIES) as server:
        answers(server.endpoint, tmp_path, ("rte", "dev"))
    (second,) = tmp_path.rglob("snapshots/*/rte/validation-00001-of-00002.parquet")
    second.unlink()
    (told,) = answers(server.endpoint, tmp_path, ("rte", "dev"), offline=True)
    assert told["kind"] == "Unavailable"
    assert "the cache has 1 of its files, but not rte/validation-00001-of-00002.parquet" in one_line(told)


def test_a_hub_that_is_down_or_lacks_the_set_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        down, unresolved = answers(endpoint, tmp_path, ("rte", "dev"), ("hans", "evaluation"))
    for answer in (down, unresolved):
        assert answer["kind"] == "Unavailable"
        assert endpoint in one_line(answer)
        assert "--data-dir FOLDER" in one_line(answer)
    assert "RTE download of https://gluebenchmark.com/tasks" in down["error"]
    with HubServer({}) as server:
        (absent,) = answers(server.endpoint, tmp_path, ("rte", "dev"))
    assert absent["kind"] == "Unavailable"
    assert "there is no such data set, or it needs a login" in one_line(absent)
    with HubServer(REPOSITORIES, branches=("main",)) as server:
        (unbranched,) = answers(server.endpoint, tmp_path, ("hans", "evaluation"))
    assert "it has no revision refs/convert/parquet" in one_line(unbranched)


@pytest.mark.slow
def test_a_hub_that_accepts_and_never_answers_does_not_hang(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (told,) = answers(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path, ("rte", "dev"))
    assert told["kind"] == "Unavailable"
    assert "timed out" in one_line(told)


@pytest.mark.slow
def test_datasets_itself_takes_the_server_for_the_hub(tmp_path: Path) -> None:
    code = (
        "from datasets import load_dataset;"
        f"rows = load_dataset('nyu-mll/glue', data_files='rte/validation-*.parquet', revision='{GLUE}');"
        "print(len(rows['train']), rows['train'][0]['sentence2'])"
    )
    with HubServer(REPOSITORIES) as server:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment(server.endpoint, tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2 B."


def test_real_rows_through_the_hub_have_the_folder_fingerprint(shared: Path, tmp_path: Path) -> None:
    """GLUE RTE and AdvGLUE SST-2 whole, with the published counts checked on both ways."""
    local = {name: load(TASKS.get(name), "dev", folder(shared / "data")) for name in ("rte", "advglue/sst2")}
    served = {}
    for name, data in local.items():
        labels = TASKS.get(name).labels
        columns: dict[str, list[object]] = {
            column: data.frame[column].tolist() for column in data.task.columns
        }
        columns["label"] = [labels.index(label) for label in data.frame["label"]]
        served[name] = parquet(columns, labels)
    repositories = {
        "nyu-mll/glue": {"rte/validation-00000-of-00001.parquet": served["rte"]},
        "AI-Secure/adv_glue": {"adv_sst2/validation-00000-of-00001.parquet": served["advglue/sst2"]},
    }
    with HubServer(repositories) as server:
        told = answers(server.endpoint, tmp_path, *((name, "dev") for name in local), checked=True)
    assert [answer["fingerprint"] for answer in told] == [data.fingerprint for data in local.values()]
    assert {row["method"] for row in told[1]["rows"]} == {""}, "the hub's AdvGLUE tells no attack"
