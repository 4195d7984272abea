"""Where the resources of attacks come from, with the checksums that they must have; fetching one of them."""

from __future__ import annotations

import lzma
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asa_bench import fetching
from asa_bench.attacks import vectors
from asa_bench.disk import file_sha256
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
        sha256: of the bytes that come, hex; None where nobody publishes it: then a user must accept it, see `Accepted`.
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


#: The counter-fitted word vectors among `PLACES`.
VECTORS = f"file:{vectors.NAME}"
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
    VECTORS: Place("ASA_BENCH_TEXTATTACK_URL", "word_embeddings/paragramcf", None, 0, "vectors"),
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


class Accepted:
    """The checksums (sha256, hex) that a user has compared and vouches for, where nobody publishes one.

    Attributes:
        used: those of them that something was converted by.
    """

    def __init__(self, digests: Iterable[str] = ()) -> None:
        """Remembers `digests`.

        Raises:
            BadInput: one is no sha256.
        """
        self._digests = []
        for digest in digests:
            if not re.fullmatch("[0-9a-fA-F]{64}", digest):
                raise BadInput(f"--accept {digest!r}: expected a sha256, 64 hexadecimal digits")
            self._digests.append(digest.lower())
        self.used: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._digests))

    def vouches(self, digest: str) -> bool:
        """Whether the user accepts what has this checksum, which then counts as used."""
        if digest not in self._digests:
            return False
        self.used.add(digest)
        return True


def unread() -> Path:
    """Where TextAttack's archive of word vectors waits, unopened, for somebody to accept its checksum."""
    return folder() / "vectors" / "paragramcf.zip"


def given_vectors(data_dir: Path | None) -> Path | None:
    """TextAttack's own folder of word vectors in a data folder; None where there is none."""
    if data_dir is None:
        return None
    places = (data_dir / "paragramcf", data_dir / "word_embeddings" / "paragramcf")
    return next((place for place in places if place.is_dir()), None)


def cached_vectors() -> Path | None:
    """The same in the library's cache."""
    cache = Path(os.environ.get("TA_CACHE_DIR") or "~/.cache/textattack").expanduser()
    found = cache / "word_embeddings" / "paragramcf"
    return found if found.is_dir() else None


def whence(need: str, data_dir: Path | None = None) -> str:
    """From where `fetch` would get one of `PLACES`, for people; reads no file."""
    place = PLACES[need]
    if place.form != "vectors":
        return f"{place.url}, {place.size:,} bytes" if place.size else place.url
    given = given_vectors(data_dir)
    if given is not None:
        return str(given)
    if place.sha256 is not None:
        return place.url
    condition = "only once its sha256, which nobody publishes and fetch tells, is given with --accept"
    cached = cached_vectors()
    if cached is not None:
        return f"{cached}, {condition}"
    if unread().is_file():
        return f"{unread()}, which was downloaded and is read {condition}"
    return f"{place.url}, which is read {condition}"


def fetch(
    need: str,
    data_dir: Path | None = None,
    progress: fetching.Progress = fetching.ignore,
    accepted: Accepted | None = None,
) -> str:
    """Get a resource into `folder`.

    Args:
        accepted: checksums by which that is converted of which nobody publishes one.

    Returns:
        What was done, with checksum, for people.

    Raises:
        Unavailable: it is not to be had from where it was looked for, or nobody has accepted its checksum.
        BadInput: what is there is something else than it should be, or than was accepted.
    """
    place, goal = PLACES.get(need), target(need)
    if place is None:
        raise Unavailable(f"{need}: nobody is known to publish it; give --data-dir FOLDER that has it")
    try:
        if place.form == "vectors":
            return _vectors(place, goal, data_dir, progress, accepted or Accepted())
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


def _vectors(
    place: Place, goal: Path, data_dir: Path | None, progress: fetching.Progress, accepted: Accepted
) -> str:
    """Converts TextAttack's word vectors: of a folder that the user names, or of what has a checksum that he accepts.

    Nothing is trusted because it came first: what nobody vouches for is not opened.
    """
    given = given_vectors(data_dir)
    if given is not None:
        sha256 = vectors.convert(vectors.raw_files(given), goal, str(given))
        return f"{goal} (from {given}; sha256 {sha256}, noted beside it)"
    refused: list[tuple[str, str]] = []  # what lies where, and its checksum
    cached, files, unusable = cached_vectors(), dict[str, bytes](), ""
    if cached is not None:
        try:
            files = vectors.raw_files(cached)
        except BadInput as error:  # half a download, say; it hides nothing
            cached, unusable = None, f" ({error}; passed over)"
    if cached is not None:
        digest = vectors.digest(files)
        if accepted.vouches(digest):
            sha256 = vectors.convert(files, goal, str(cached))
            return f"{goal} (from {cached}, sha256 {digest} as accepted; converted sha256 {sha256}, noted beside it)"
        refused.append(
            (f"{cached} (the sha256 of what `sha256sum {' '.join(sorted(files))}` prints)", digest)
        )
    archive = unread()
    # Whoever accepts another checksum than the cache's means the archive, and waits for a download.
    if cached is None or archive.is_file() or list(accepted):
        try:
            digest = (
                file_sha256(archive)
                if archive.is_file()
                else fetching.download(place.url, archive, None, progress)
            )
        except Unavailable as error:
            if not refused:
                raise
            raise Unavailable(f"{_refusal(refused, accepted)}; and {error}") from error
        if digest == place.sha256 or accepted.vouches(digest):
            try:
                sha256 = vectors.convert(vectors.raw_files(archive), goal, place.url)
            except BadInput as error:
                raise BadInput(f"{error}; delete {archive} to have it downloaded again") from error
            archive.unlink()
            how = "as pinned" if digest == place.sha256 else "as accepted"
            return f"{goal} (archive sha256 {digest}, {how}; converted sha256 {sha256}, noted beside it){unusable}"
        refused.append((f"{archive}, from {place.url},{unusable}", digest))
    if list(accepted):
        raise BadInput(_refusal(refused, accepted))
    raise Unavailable(_refusal(refused, accepted))


def _refusal(refused: Sequence[tuple[str, str]], accepted: Accepted) -> str:
    """Why nothing was converted, with every checksum that there is and every one that was accepted."""
    found = " and ".join(f"{what} has sha256 {digest}" for what, digest in refused)
    if list(accepted):
        return f"{found}, not the accepted {', '.join(accepted)}; nothing of it was read"
    return (
        f"{found}; asa-bench knows of no published one, so nothing of it was read. Compare it with a colleague's or "
        "another download's; `asa-bench fetch ... --accept SHA256` then converts it"
    )
