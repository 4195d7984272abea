"""Imports textattack without downloads, without files in the home folder and without side effects.

As it comes, `import textattack` raises LookupError where NLTK's stop words are missing, downloads six NLTK
packages on its first import, creates ``~/.cache/textattack``, disables every logger made before it and sets
environment variables. All of it is kept away here by running under changed circumstances that are restored
afterwards; no line of the library is replaced. (matplotlib, which the library imports through bert_score,
keeps its font list where it always does.)
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import logging
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from asa_bench.attacks.base import Attack
from asa_bench.errors import BadInput, Unavailable

VERSION = "0.3.11"
_INSTALL = "textattack.shared.utils.install"
# The two kinds of resources that an attack may need, see `Attack.needs`.
_NLTK = "nltk:"
_FILE = "file:"
_NLTK_FOLDER = "nltk_data"  # under a data folder


class Requirement(NamedTuple):
    """One thing an attack needs: what, whether it is here, and where it is or was looked for."""

    name: str
    present: bool
    where: str


class _ListOfStopWords:
    """Stands where NLTK's stop-word corpus is asked for."""

    def words(self, language: str = "english") -> list[str]:
        if language != "english":
            raise Unavailable(f"the substitute stop-word list is English; no list for {language!r}")
        return stop_words()


def stop_words() -> list[str]:
    """scikit-learn's English stop words, sorted."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return sorted(ENGLISH_STOP_WORDS)


def words_sha256(words: list[str]) -> str:
    """sha256 (hex) of a word list, whatever its order."""
    return hashlib.sha256("\n".join(sorted(words)).encode()).hexdigest()


def _no_download(*arguments: Any, **options: Any) -> bool:
    # What NLTK itself answers without a network; whoever needs the data then raises LookupError.
    return False


@contextlib.contextmanager
def offline_nltk(substitute_stop_words: bool, data_dir: Path | None = None) -> Iterator[None]:
    """While inside, NLTK downloads nothing, looks into a data folder first, and serves the substitute stop-word list.

    Args:
        substitute_stop_words: whether to serve it.
        data_dir: a folder whose ``nltk_data`` is looked into. A corpus that NLTK has read already stays what it is.
    """
    import nltk

    download, stopwords, path = nltk.download, nltk.corpus.stopwords, list(nltk.data.path)
    nltk.download = _no_download
    folder = None if data_dir is None else data_dir / _NLTK_FOLDER
    if folder is not None and folder.is_dir():
        nltk.data.path.insert(0, str(_readable(folder)))
    if substitute_stop_words:
        nltk.corpus.stopwords = _ListOfStopWords()
    try:
        yield
    finally:
        nltk.download, nltk.corpus.stopwords = download, stopwords
        nltk.data.path[:] = path


@lru_cache(maxsize=8)
def _readable(folder: Path) -> Path:
    """The folder, or where NLTK would refuse it, because others own it or may write to it, a private copy of it.

    What is in it is not trusted the more for that: its checksums are part of what is recorded. The copy lives as long
    as the process, since NLTK reads a corpus when it is first used.
    """
    own = (os.geteuid(), 0) if hasattr(os, "geteuid") else ()
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        if own and (status.st_uid not in own or status.st_mode & 0o022):
            break
    else:
        return folder
    logging.getLogger(__name__).warning(
        "NLTK would not read %s, because others may write to it; a private copy is used", folder
    )
    copy = tempfile.TemporaryDirectory(prefix="asa-bench-nltk-")
    _COPIES.append(copy)
    for path in sorted(folder.rglob("*")):
        target = Path(copy.name, path.relative_to(folder))
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(path, target)
            target.chmod(0o600)
    for path in (Path(copy.name), *Path(copy.name).rglob("*")):
        if path.is_dir():
            path.chmod(0o700)
    return Path(copy.name)


_COPIES: list[tempfile.TemporaryDirectory[str]] = []


def _nltk_has_stop_words() -> bool:
    import nltk

    try:
        return bool(nltk.corpus.stopwords.words("english"))
    except (LookupError, OSError, ValueError):
        return False


@contextlib.contextmanager
def _unchanged_process() -> Iterator[None]:
    """Restores environment variables, loggers and random states on leaving."""
    import numpy as np

    environment = dict(os.environ)
    disabled = {
        name: logger.disabled
        for name, logger in logging.Logger.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    handlers, level = list(logging.root.handlers), logging.root.level
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
        for name, value in disabled.items():
            logging.getLogger(name).disabled = value
        logging.root.handlers[:], logging.root.level = handlers, level
        random.setstate(state)
        np.random.set_state(numpy_state)


def _run_install_module() -> None:
    """Runs textattack's own installation module alone, in a throw-away cache folder that looks installed.

    The library then finds the module already imported. Its cache folder is set to where it would be, and is
    created only if a recipe really stores something.
    """
    package = importlib.util.find_spec("textattack")
    if package is None or not package.submodule_search_locations:
        raise Unavailable("textattack is not installed; `pip install textattack==0.3.11` provides it")
    path = Path(package.submodule_search_locations[0], "shared", "utils", "install.py")
    spec = importlib.util.spec_from_file_location(_INSTALL, path)
    if spec is None or spec.loader is None:
        raise Unavailable(f"textattack {VERSION} has no {path.name}; is another version installed?")
    cache = os.environ.get("TA_CACHE_DIR", str(Path("~/.cache/textattack").expanduser()))
    module: Any = importlib.util.module_from_spec(spec)
    with tempfile.TemporaryDirectory(prefix="asa-bench-") as folder, _unchanged_process():
        Path(folder, "post_install_check_3").touch()
        os.environ["TA_CACHE_DIR"] = folder
        spec.loader.exec_module(module)
    module.TEXTATTACK_CACHE_DIR = cache
    # Its notices go the way of every other library's: to the root logger, and only where something is wrong.
    module.logger.handlers.clear()
    module.logger.propagate = True
    module.logger.setLevel(logging.ERROR)
    sys.modules[_INSTALL] = module


def load_textattack() -> Any:
    """The package textattack, imported safely; the second call costs nothing.

    Raises:
        Unavailable: it is not installed, or in another version than the one this adapter was written against.
    """
    if "textattack" in sys.modules and hasattr(sys.modules["textattack"], "attack_recipes"):
        return sys.modules["textattack"]
    try:
        version = metadata.version("textattack")
    except metadata.PackageNotFoundError:
        version = "none"
    if version != VERSION:
        raise Unavailable(
            f"attacks need textattack {VERSION}, found {version}; "
            f"`pip install textattack=={VERSION}` provides it"
        )
    # These read HF_HOME and the like when first imported, so they come before anything is changed.
    for name in ("datasets", "transformers", "nltk"):
        importlib.import_module(name)
    _run_install_module()
    logging.getLogger("jieba").setLevel(logging.ERROR)  # tells everybody when it meets Chinese
    try:
        with _unchanged_process(), offline_nltk(substitute_stop_words=not _nltk_has_stop_words()):
            return importlib.import_module("textattack")
    except BaseException:
        # A half-imported library would answer the next import with a puzzling AttributeError.
        for name in [name for name in sys.modules if name.partition(".")[0] == "textattack"]:
            del sys.modules[name]
        raise


# Substitutes that a recipe of the library may have; the others come from builders of ours.
_STOP_WORDS = "stopwords"


def substitutes_stop_words(attack: Attack) -> bool:
    """Whether the attack uses the substitute list; its name says so.

    Raises:
        BadInput: a recipe of the library whose name promises a substitute that does not exist.
    """
    substitutes = attack.name.split("+")[1:]
    unknown = [name for name in substitutes if name != _STOP_WORDS]
    if unknown and ":" not in attack.recipe:
        raise BadInput(f"attack {attack.name!r}: unknown substitute {unknown[0]!r}; known: {_STOP_WORDS}")
    return _STOP_WORDS in substitutes


def requirements(attack: Attack, data_dir: Path | None = None) -> list[Requirement]:
    """What `attack` needs, what of it is here and where it was looked for; imports no textattack."""
    found = []
    for package, wanted in (("textattack", VERSION), ("scikit-learn", "")):
        if package == "scikit-learn" and not substitutes_stop_words(attack):
            continue
        try:
            distribution = metadata.distribution(package)
            where = f"version {distribution.version} in {distribution.locate_file('')}"
            found.append(Requirement(package, wanted in ("", distribution.version), where))
        except metadata.PackageNotFoundError:
            found.append(Requirement(package, False, "not an installed package"))
    found.extend(_requirement(need, data_dir) for need in attack.needs)
    return found


def _requirement(need: str, data_dir: Path | None) -> Requirement:
    candidates = _candidates(need, data_dir)
    for path in candidates:
        if path.exists():
            return Requirement(need, True, str(path))
    if need.startswith(_NLTK):
        return _nltk_requirement(need, candidates)
    if data_dir is None:
        return Requirement(need, False, "needs --data-dir, a folder that has it")
    return Requirement(need, False, f"not in {data_dir}")


def _candidates(need: str, data_dir: Path | None) -> list[Path]:
    """Where a resource may lie in a data folder; NLTK's are packed or not."""
    if data_dir is None:
        return []
    if need.startswith(_FILE):
        return [data_dir / need.removeprefix(_FILE)]
    name = need.removeprefix(_NLTK)
    return [data_dir / _NLTK_FOLDER / name, data_dir / _NLTK_FOLDER / f"{name}.zip"]


def _nltk_requirement(need: str, before: list[Path]) -> Requirement:
    import nltk

    name = need.removeprefix(_NLTK)
    for path in (
        name,
        f"{name}.zip",
    ):  # NLTK reads both, but `find` looks for a packed one only by its full name
        try:
            return Requirement(need, True, str(nltk.data.find(path)))
        except LookupError:
            continue
        except (OSError, ValueError) as error:  # NLTK refuses folders that others may write to
            return Requirement(need, False, f"refused by NLTK: {' '.join(str(error).split())}")
    return Requirement(need, False, "not in " + ", ".join([*map(str, before[:1]), *nltk.data.path]))


def identify(attack: Attack, data_dir: Path | None = None) -> dict[str, str]:
    """sha256 (hex) of every resource that `attack` reads, by its name in `Attack.needs`.

    Raises:
        Unavailable: one of them is not here.
    """
    found = {}
    for need in attack.needs:
        requirement = _requirement(need, data_dir)
        if not requirement.present:
            raise Unavailable(f"attack {attack.name!r} needs {need}: {requirement.where}")
        found[need] = _sha256(Path(requirement.where))
    return found


def resource(need: str, data_dir: Path | None) -> Path:
    """Where a ``file:`` resource is.

    Raises:
        Unavailable: it is not here.
    """
    requirement = _requirement(need, data_dir)
    if not requirement.present:
        raise Unavailable(f"{need}: {requirement.where}")
    return Path(requirement.where)


@lru_cache(maxsize=64)
def _sha256(path: Path) -> str:
    """Of a file its bytes; of a folder the names and bytes of all files in it."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(part for part in path.rglob("*") if part.is_file()):
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest() if file != path else file.read_bytes())
    return digest.hexdigest()
