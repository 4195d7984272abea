"""Where the resources of attacks come from, with the checksums that they must have; fetching one of them."""

from __future__ import annotations

import lzma
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from asa_bench import fetching
from asa_bench.attacks import vectors
from asa_bench.errors import BadInput, Unavailable

FOLDER = "ASA_BENCH_RESOURCES"
#: Environment variables that name mirrors, and what they stand in for.
MIRRORS = {
    "ASA_BENCH_GITHUB_URL": "https://raw.githubusercontent.com",
    "ASA_BENCH_TEXTATTACK_URL": "https://textattack.s3.amazonaws.com",
}


class Place(NamedTuple):
    """Where one resource is fetched.

    Attributes:
        mirror: the entry of `MIRRORS` that the path is below.
        path: the rest of the address.
        sha256: of the bytes that come, hex; None where nobody publishes it.
        size: bytes; 0 where unknown.
        form: what is done with them: kept as they are, packed with xz, or converted to safetensors.
    """

    mirror: str
    path: str
    sha256: str | None
    size: int
    form: str = "verbatim"

    @property
    def url(self) -> str:
        """The whole address."""
        base = os.environ.get(self.mirror) or MIRRORS[self.mirror]
        return f"{base.rstrip('/')}/{self.path}"


_NLTK_DATA = "550b6625bcef1f2abff2ff770a5a0d272c9c6b2a"
_OLDER_NLTK_DATA = "5db857e6f7df11eabb5e5665836db9ec8df07e28"


def _nltk(name: str, sha256: str, size: int, commit: str = _NLTK_DATA) -> Place:
    return Place("ASA_BENCH_GITHUB_URL", f"nltk/nltk_data/{commit}/packages/{name}.zip", sha256, size)


#: By the names in `Attack.needs`.
PLACES: dict[str, Place] = {
    "nltk:corpora/stopwords": _nltk(
        "corpora/stopwords",
        "15c94179887425ca1bedc265608cab9f27d650211f709bb929e320990a4b01d1",
        34_276,
        _OLDER_NLTK_DATA,
    ),
    "nltk:corpora/wordnet": _nltk(
        "corpora/wordnet", "cbda5ea6eef7f36a97a43d4a75f85e07fccbb4f23657d27b4ccbc93e2646ab59", 10_775_600
    ),
    "nltk:corpora/omw-1.4": _nltk(
        "corpora/omw-1.4", "3b941e664852f3297b6040236626065796a2aaf7d7f9eec8779a3beaa1096c2d", 26_634_772
    ),
    "nltk:taggers/averaged_perceptron_tagger_eng": _nltk(
        "taggers/averaged_perceptron_tagger_eng",
        "6025f530624335c67d6547d44757b357b4e79bae030a0383e9887a92c1718f0b",
        1_539_115,
    ),
    "nltk:taggers/universal_tagset": _nltk(
        "taggers/universal_tagset",
        "d490e1ae8f5625dcdfdda04be15c22a2aade8c2561a36a61edcdf0c7d6aa8352",
        19_095,
        _OLDER_NLTK_DATA,
    ),
    "file:counterfitting/counterfitted_neighbors.json.xz": Place(
        "ASA_BENCH_GITHUB_URL",
        "lushleaf/Structure-free-certified-NLP/99f1f3aac9f9efe7ec492a40b03351d47049073b/counterfitted_neighbors.json",
        "9f6464f331c67b9a83541b6ffcb4bee01f2bc18a37b06a744df49b294ccda385",
        1_977_338,
        "xz",
    ),
    f"file:{vectors.NAME}": Place(
        "ASA_BENCH_TEXTATTACK_URL", "word_embeddings/paragramcf", None, 0, "vectors"
    ),
}

# What no one place provides, and why.
CHOSEN = {
    "file:sentence_encoder": "put an encoder of your choice there, in the hub's layout",
    "file:masked_language_model": "put a masked language model of your choice there, in the hub's layout",
}


def folder() -> Path:
    """Where fetched resources are kept, in the layout of a data folder; looked into after ``--data-dir``."""
    return Path(os.environ.get(FOLDER) or "~/.cache/asa-bench/data").expanduser()


def target(need: str) -> Path:
    """Where a resource lies once it is fetched."""
    kind, _, name = need.partition(":")
    return folder() / "nltk_data" / f"{name}.zip" if kind == "nltk" else folder() / name


def pickled(data_dir: Path | None) -> list[Path]:
    """Where TextAttack's own files of word vectors may lie already: a data folder, and the library's cache."""
    cache = Path(os.environ.get("TA_CACHE_DIR") or "~/.cache/textattack").expanduser()
    roots = [data_dir] if data_dir is not None else []
    return [
        *(root / name for root in roots for name in ("paragramcf", "word_embeddings/paragramcf")),
        cache / "word_embeddings" / "paragramcf",
    ]


def fetch(need: str, data_dir: Path | None = None, progress: fetching.Progress = fetching.ignore) -> str:
    """Get a resource into `folder`.

    Returns:
        What was done, with checksum, for people.

    Raises:
        Unavailable: it is not to be had from where it was looked for.
        BadInput: what is there is something else.
    """
    place, goal = PLACES.get(need), target(need)
    if place is None:
        raise Unavailable(f"{need}: nobody is known to publish it; give --data-dir FOLDER that has it")
    try:
        if place.form == "vectors":
            return _vectors(place, goal, pickled(data_dir), progress)
        if place.form == "verbatim":
            sha256 = fetching.download(place.url, goal, place.sha256, progress)
            return f"{goal} (sha256 {sha256}, as pinned)"
        with tempfile.TemporaryDirectory(prefix="asa-bench-") as scratch:
            raw = Path(scratch, "raw")
            sha256 = fetching.download(place.url, raw, place.sha256, progress)
            goal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = goal.with_name(f".{goal.name}.part")
            part.write_bytes(lzma.compress(raw.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
            part.replace(goal)
        return f"{goal} (sha256 {sha256} before packing, as pinned)"
    except OSError as error:
        raise Unavailable(f"{need}: {goal} cannot be written: {error.strerror or error}") from error


def _vectors(place: Place, goal: Path, near: Sequence[Path], progress: fetching.Progress) -> str:
    for path in near:
        if path.is_dir():
            sha256 = vectors.convert(vectors.raw_files(path), goal, str(path))
            return f"{goal} (from {path}; sha256 {sha256}, noted beside it)"
    with tempfile.TemporaryDirectory(prefix="asa-bench-") as scratch:
        archive = Path(scratch, "paragramcf.zip")
        came = fetching.download(place.url, archive, place.sha256, progress)
        try:
            sha256 = vectors.convert(vectors.raw_files(archive), goal, place.url)
        except BadInput as error:
            raise BadInput(str(error).replace(str(archive), place.url)) from error
    return (
        f"{goal} (archive sha256 {came}, which nobody publishes; converted sha256 {sha256}, noted beside it)"
    )
