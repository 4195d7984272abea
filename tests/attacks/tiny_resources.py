"""A data folder that has, in small, what every attack needs."""

from __future__ import annotations

import json
import lzma
import zipfile
from pathlib import Path

import counter_fitted
from test_infilling import tiny

from asa_bench.attacks import vectors

NEIGHBOURS = {"wonderful": ["great", "fine"], "film": ["movie", "play"]}
OPEN_ENGLISH = "  1 Open English WordNet 2024-edition\n"
PRINCETON = "  1 This\n  2 WordNet 3.0 Copyright 2006 by P.\n"


def stop_words(folder: Path, *words: str) -> None:
    """NLTK's stop words, and no others than these."""
    path = folder / "nltk_data" / "corpora" / "stopwords.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("stopwords/english", "\n".join(words) + "\n")


def wordnet(folder: Path, head: str) -> Path:
    """A WordNet without words, as NLTK can read it; its edition is told by the beginning of its data."""
    path = folder / "nltk_data" / "corpora" / "wordnet.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name in ("lexnames", "index.sense"):
            packed.writestr(f"wordnet/{name}", "")
        for part in ("adj", "adv", "noun", "verb"):
            packed.writestr(f"wordnet/index.{part}", "")
            packed.writestr(f"wordnet/{part}.exc", "")
            packed.writestr(f"wordnet/data.{part}", head)
    return path


def neighbours(folder: Path, lists: dict[str, list[str]] = NEIGHBOURS) -> Path:
    """Lists of counter-fitted neighbours."""
    path = folder / "counterfitting" / "counterfitted_neighbors.json.xz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(json.dumps(lists).encode()))
    return path


def data_folder(folder: Path, edition: str) -> Path:
    """Stop words, a WordNet, neighbours, vectors, a masked language model and a sentence encoder."""
    tiny(folder)
    stop_words(folder, "the", "a")
    wordnet(folder, edition)
    neighbours(folder)
    vectors.convert(counter_fitted.files(), folder / vectors.NAME, "a test")
    return folder
