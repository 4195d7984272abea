"""Counter-fitted word vectors: TextAttack's pickled files read without executing them, kept as one safetensors file."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from asa_bench.errors import BadInput

NAME = "vectors/paragramcf.safetensors"  # under a data folder
# What of TextAttack's folder is read. Its two tables of distances (mse_dist.p, cos_sim.p) only remember what follows
# from the vectors.
VECTORS, WORDS, NEIGHBOURS = "paragram.npy", "wordlist.pickle", "nn.npy"
FILES = (VECTORS, WORDS, NEIGHBOURS)
_LARGEST = 2**30  # bytes of one file; the vectors have 79 million

# All that a pickled dict of texts to whole numbers is made of.
# fmt: off
_ALLOWED = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
    "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "INT", "BININT", "BININT1", "BININT2", "LONG",
    "LONG1",
})
# fmt: on


class _Data(pickle.Unpickler):
    """Finds no class and no function, whatever is asked for."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"asks for {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("asks for something outside")


def read_numbers(content: bytes, said: str) -> dict[str, int]:
    """A pickled dict of texts to whole numbers, from a file that is not trusted.

    Every instruction is looked at before the first is followed: one that could build anything but such a dict, and so
    any that could call something, refuses the file.

    Args:
        said: what messages call it.

    Raises:
        BadInput: it is something else.
    """
    try:
        last = -1
        for opcode, argument, place in pickletools.genops(content):
            if opcode.name not in _ALLOWED:
                told = f" {argument!r}"[:80] if isinstance(argument, str) else ""
                raise BadInput(
                    f"{said}: has the instruction {opcode.name}{told} at byte {place}, which a dict of texts to "
                    "numbers does not need; nothing of it was executed"
                )
            last = place or 0
        if last + 1 != len(content):
            raise BadInput(f"{said}: goes on after its end; nothing of it was executed")
        found = _Data(io.BytesIO(content)).load()
    except BadInput:
        raise
    except Exception as error:  # a broken pickle can raise nearly anything
        raise BadInput(f"{said}: is not a pickled dict: {' '.join(str(error).split())[:120]}") from error
    if type(found) is not dict or not all(type(key) is str and type(n) is int for key, n in found.items()):
        raise BadInput(f"{said}: must be a dict of texts to whole numbers")
    return found


class Vectors(NamedTuple):
    """Word vectors.

    Attributes:
        words: in the order of the rows.
        matrix: float32, (words, width).
        neighbours: int32, (words, neighbours + 1): rows of the nearest words, each word's own first.
        sha256: of the safetensors file they come from, hex.
    """

    words: list[str]
    matrix: np.ndarray
    neighbours: np.ndarray
    sha256: str


def raw_files(place: Path) -> dict[str, bytes]:
    """What is read of TextAttack's folder, or of the archive that it is downloaded as.

    Raises:
        BadInput: a file is missing or too long, or the archive is none.
    """
    found: dict[str, bytes] = {}
    try:
        if place.is_dir():
            for name in FILES:
                if (place / name).stat().st_size > _LARGEST:
                    raise BadInput(f"{place / name}: is longer than {_LARGEST} bytes")
                found[name] = (place / name).read_bytes()
            return found
        with zipfile.ZipFile(place) as archive:
            for entry in archive.infolist():
                folder, _, name = entry.filename.rpartition("/")
                if name not in FILES or folder.startswith("__MACOSX"):
                    continue
                if entry.file_size > _LARGEST:
                    raise BadInput(f"{place}: {entry.filename} is longer than {_LARGEST} bytes")
                found[name] = archive.read(entry)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        where = getattr(error, "filename", None) or place
        raise BadInput(f"{where}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    missing = [name for name in FILES if name not in found]
    if missing:
        raise BadInput(f"{place}: has no {missing[0]}; TextAttack's folder paragramcf has {', '.join(FILES)}")
    return found


def digest(files: Mapping[str, bytes]) -> str:
    """One checksum (sha256, hex) of TextAttack's files together: that of what ``sha256sum`` prints of them by name.

    In the folder: ``sha256sum nn.npy paragram.npy wordlist.pickle | sha256sum``.
    """
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(FILES)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def convert(files: Mapping[str, bytes], target: Path, said: str) -> str:
    """Write TextAttack's files as one safetensors file, and its checksum beside it.

    Args:
        files: the contents of `FILES` by their names.
        said: where they come from, for messages.

    Returns:
        The sha256 (hex) of the file written; equal input gives equal bytes.

    Raises:
        BadInput: they are not what they should be, or do not fit together.
    """
    from safetensors.numpy import save

    numbers = read_numbers(files[WORDS], f"{said}, {WORDS}")
    matrix, near = (
        _array(files[VECTORS], f"{said}, {VECTORS}"),
        _array(files[NEIGHBOURS], f"{said}, {NEIGHBOURS}"),
    )
    words = sorted(numbers, key=numbers.__getitem__)
    if [numbers[word] for word in words] != list(range(len(words))):
        raise BadInput(f"{said}, {WORDS}: must number its words from 0 without a gap")
    if any("\n" in word for word in words):
        raise BadInput(f"{said}, {WORDS}: a word has a line break")
    if (
        matrix.ndim != 2
        or matrix.dtype.kind != "f"
        or len(matrix) != len(words)
        or not np.isfinite(matrix).all()
    ):
        raise BadInput(
            f"{said}, {VECTORS}: must be a vector for each of {len(words)} words, found {matrix.dtype} {matrix.shape}"
        )
    if near.ndim != 2 or near.dtype.kind not in "iu" or len(near) != len(words):
        raise BadInput(f"{said}, {NEIGHBOURS}: must list neighbours of each of {len(words)} words")
    if near.size and not (int(near.min()) >= 0 and int(near.max()) < len(words)):
        raise BadInput(f"{said}, {NEIGHBOURS}: names a word that there is not")
    try:
        text = "\n".join(words).encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{said}, {WORDS}: a word is not Unicode") from error
    # One entry, since several are written in any order.
    sources = {name: hashlib.sha256(files[name]).hexdigest() for name in FILES}
    content = save(
        {
            "words": np.frombuffer(text, dtype=np.uint8),
            "vectors": np.ascontiguousarray(matrix, dtype=np.float32),
            "neighbours": np.ascontiguousarray(near, dtype=np.int32),
        },
        metadata={"sources": json.dumps(sources)},
    )
    sha256 = hashlib.sha256(content).hexdigest()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path, written in ((target, content), (pin(target), f"{sha256}  {target.name}\n".encode())):
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(written)
        part.replace(path)
    return sha256


def pin(path: Path) -> Path:
    """The file beside the vectors that has the checksum which they must have."""
    return path.with_name(f"{path.name}.sha256")


def _array(content: bytes, said: str) -> np.ndarray:
    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for what is no array
        raise BadInput(f"{said}: is not an array of numbers: {' '.join(str(error).split())[:120]}") from error
    if not isinstance(found, np.ndarray):
        raise BadInput(f"{said}: is an archive, one array was expected")
    return found


def load(path: Path) -> Vectors:
    """The vectors of a safetensors file that `convert` wrote.

    Raises:
        BadInput: it is damaged, or has not the checksum that was noted when it was made.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as read

    try:
        content = path.read_bytes()
        noted = pin(path).read_text("ascii").split()[:1]
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {error}; `asa-bench fetch` makes it anew") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if noted != [sha256]:
        raise BadInput(
            f"{path}: its sha256 is {sha256}, not the one in {pin(path).name}; delete both and fetch it again"
        )
    try:
        tensors = read(content)
        words = tensors["words"].tobytes().decode().split("\n")
        return Vectors(words, tensors["vectors"], tensors["neighbours"], sha256)
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadInput(f"{path}: is not a file of word vectors: {error}") from error
