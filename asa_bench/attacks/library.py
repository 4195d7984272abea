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
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from asa_bench.attacks import resources, sources
from asa_bench.attacks.base import Attack
from asa_bench.errors import BadInput, Unavailable

VERSION = "0.3.11"
HUB = resources.HUB
_INSTALL = "textattack.shared.utils.install"
_WORDNET = "nltk:corpora/wordnet"


class Requirement(NamedTuple):
    """One thing an attack needs: what, whether it is here, where it is or was looked for, and how it is made usable."""

    name: str
    present: bool
    where: str
    note: str = ""


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
def offline_nltk(
    substitute_stop_words: bool,
    data_dir: Path | None = None,
    needs: Iterable[str] = (),
    edition: str = resources.PRINCETON,
) -> Iterator[None]:
    """While inside, NLTK downloads nothing, reads what `requirements` tells, and serves the substitute stop-word list.

    Args:
        substitute_stop_words: whether to serve it.
        data_dir: a folder whose ``nltk_data`` is looked into first. A corpus that NLTK has read already stays what it is,
            but for a WordNet of another edition.
        needs: the resources that will be read, see `Attack.needs`; NLTK gets a private copy of what it would refuse.
        edition: which WordNet is meant, see `wordnet_of`.
    """
    import nltk

    download, stopwords, path = nltk.download, nltk.corpus.stopwords, list(nltk.data.path)
    nltk.download = _no_download
    needs = tuple(needs)
    nltk.data.path[:] = resources.nltk_path(needs, data_dir, edition)
    if _WORDNET in needs:
        _forget_other_wordnet(edition)
    if substitute_stop_words:
        nltk.corpus.stopwords = _ListOfStopWords()
    try:
        yield
    finally:
        nltk.download, nltk.corpus.stopwords = download, stopwords
        nltk.data.path[:] = path


def _forget_other_wordnet(edition: str) -> None:
    """NLTK keeps the first WordNet that it reads; an attack that means another one must not search in it."""
    import nltk

    read = not isinstance(nltk.corpus.wordnet, nltk.corpus.util.LazyCorpusLoader)
    if read and resources.edition_that_nltk_read() != edition:
        nltk.corpus.wordnet._unload()


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
    try:
        with _unchanged_process(), offline_nltk(substitute_stop_words=not _nltk_has_stop_words()):
            found = importlib.import_module("textattack")
    except BaseException:
        # A half-imported library would answer the next import with a puzzling AttributeError.
        for name in [name for name in sys.modules if name.partition(".")[0] == "textattack"]:
            del sys.modules[name]
        raise
    # It tells everybody when it meets Chinese, which vocabularies of masked language models have; its import sets the level.
    logging.getLogger("jieba").setLevel(logging.ERROR)
    return found


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
    found.extend(_requirement(attack, need, data_dir) for need in attack.needs)
    return found


def _requirement(attack: Attack, need: str, data_dir: Path | None) -> Requirement:
    found = resources.find(need, data_dir, wordnet_of(attack))
    if found.path is None:
        where = ", ".join(found.looked)
        if need in sources.CHOSEN:
            return Requirement(need, False, f"not in {where}; {sources.CHOSEN[need]}")
        if not need.startswith(HUB) and data_dir is None:
            where += "; --data-dir names a folder that may have it"
        return Requirement(need, False, f"not in {where}" + (f" ({found.refused})" if found.refused else ""))
    if found.unfit:
        return Requirement(need, False, found.unfit)
    refused = (
        f"NLTK would refuse it, because {found.refused}; a private copy is read" if found.refused else ""
    )
    return Requirement(need, True, str(found.path), refused)


def needs_of_folder(attack: Attack) -> list[str]:
    """What of `Attack.needs` a data folder may have."""
    return [need for need in attack.needs if not need.startswith(HUB)]


def lies_in(attack: Attack, need: str, folder: Path) -> bool:
    """Whether what an attack reads for a need is in this data folder, and not in a place that is looked into later."""
    path = resources.find(need, folder, wordnet_of(attack)).path
    return path is not None and path.is_relative_to(folder)


def fetching_helps(attack: Attack, need: str) -> bool:
    """Whether the hub or `asa_bench.attacks.sources` has what an attack needs; the WordNet there is Princeton's."""
    return need.startswith(HUB) or (
        need in sources.PLACES and not (need == _WORDNET and wordnet_of(attack) != resources.PRINCETON)
    )


def wordnet_of(attack: Attack) -> str:
    """Which WordNet an attack means; its name says so."""
    return resources.OPEN_ENGLISH if "oewn2024" in attack.name.split("+") else resources.PRINCETON


def identify(attack: Attack, data_dir: Path | None = None) -> dict[str, str]:
    """sha256 (hex) of every resource that `attack` reads, by its name in `Attack.needs`; of a plug-in also that of its code.

    The code is the file of the recipe's module, which is found without being imported; what that file imports is not seen.

    Raises:
        Unavailable: one of them is not here.
    """
    found = _code(attack)
    for need in attack.needs:
        requirement = _requirement(attack, need, data_dir)
        if not requirement.present:
            raise Unavailable(
                f"attack {attack.name!r} needs {need}: {requirement.where}{_fetchable(attack, need)}"
            )
        found[need] = resources.checksum(Path(requirement.where), need)
    return found


def _code(attack: Attack) -> dict[str, str]:
    """sha256 of the module in which a plug-in's recipe is built; our own recipes have a version instead."""
    module, _, function = attack.recipe.partition(":")
    if not function or module.partition(".")[0] == "asa_bench":
        return {}
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return {}  # building the recipe will say so
    return {f"code:{module}": hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()}


def _fetchable(attack: Attack, need: str) -> str:
    return "; `asa-bench fetch` gets it" if fetching_helps(attack, need) else ""


def resource(need: str, data_dir: Path | None) -> Path:
    """Where a ``file:`` or ``hub:`` resource is.

    Raises:
        Unavailable: it is not here.
    """
    found = resources.find(need, data_dir)
    if found.path is None:
        raise Unavailable(f"{need}: not in {', '.join(found.looked)}")
    return found.path
