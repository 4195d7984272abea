"""What a suite needs from outside: data, models, text and files of attacks; what of it is here, and fetching the rest.

Looking asks nobody but this machine's disk, so it ends at once without a network too. Only `Need.fetch` uses the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asa_bench import checkpoints, corpus, fetching
from asa_bench.attacks import ATTACKS, library, sources
from asa_bench.errors import AsaBenchError, Unavailable
from asa_bench.tasks import TASKS, hub, loading

if TYPE_CHECKING:
    from asa_bench.settings import Settings
    from asa_bench.tasks.base import Hub, Source, Task


@dataclass(frozen=True)
class Need:
    """One thing that a suite needs.

    Attributes:
        what: who needs what, such as ``attack pwws: nltk:corpora/wordnet``.
        present: whether it is here.
        where: where it is, or where it was looked for.
        source: where it can be fetched from; empty if it cannot.
        key: equal for needs that one fetching serves.
        fetch: gets it and tells what was got; raises an AsaBenchError.
    """

    what: str
    present: bool
    where: str
    source: str = ""
    key: str = ""
    fetch: Callable[[fetching.Progress], str] | None = None


def of(settings: Settings, source: Source, accepted: sources.Accepted | None = None) -> list[Need]:
    """Everything that a suite needs beside the installed packages, and those packages that attacks need.

    Args:
        accepted: checksums that a user vouches for where nobody publishes one; they count when something is fetched.
    """
    return [
        *_models(settings),
        *_corpus(settings, source),
        *_data(settings, source),
        *_attacks(settings, source, accepted),
    ]


def _models(settings: Settings) -> Iterator[Need]:
    from asa_bench.quality import OWN
    from asa_bench.settings import LABORATORY_MODEL

    judges = {"similarity": settings.quality.similarity, "fluency": settings.quality.fluency}
    asked = [(f"model {name}", name) for name in settings.models]
    asked += [(f"judge of {role} {name}", name) for role, name in judges.items() if name not in (None, OWN)]
    for what, name in asked:
        if name == LABORATORY_MODEL:
            yield Need(f"{what}", True, "made here")
        elif Path(name).expanduser().exists() or not checkpoints.HUB_ID.match(name):
            yield _told(what, lambda name=name: checkpoints.identify(name, "--model").where)  # type: ignore[misc]
        else:
            found = checkpoints.cached(name)
            where = str(found or f"not whole in the hub cache {checkpoints.hub_cache()}")
            yield _hub_model(what, name, found is not None, where)


def _hub_model(what: str, name: str, present: bool, where: str) -> Need:
    return Need(
        what,
        present,
        where,
        f"the hub, {name}",
        f"model {name}",
        lambda _: _checked(checkpoints.fetch(name)),
    )


def _corpus(settings: Settings, source: Source) -> Iterator[Need]:
    if settings.pretraining is None:
        return
    text, what = settings.pretraining.corpus, "text to pre-train on"
    entry = corpus.hub_of(text, source.root)
    if entry is None:
        yield _told(what, lambda: corpus.identify(text, "--corpus", source.root).title)
    else:
        yield _hub(what, entry, text.split, "--corpus", "give --corpus FILE or FOLDER with text")


def _data(settings: Settings, source: Source) -> Iterator[Need]:
    for task in map(TASKS.get, (*settings.train, *settings.challenges)):
        splits = ("train", task.evaluation_split) if task.role == "train" else (task.evaluation_split,)
        for split in dict.fromkeys(splits):
            what = f"data {task.name} {split}"
            if source.kind == "hub" and task.hub is not None and split in task.hub.files:
                yield _hub(what, task.hub, split, f"task {task.name!r}", hub.instead(task))
            else:
                yield _told(what, lambda task=task, split=split: _files(task, split, source))  # type: ignore[misc]


def _files(task: Task, split: str, source: Source) -> str:
    found = loading.identify(task, split, source)
    return ", ".join(found.get("files", {})) or str(found["kind"])


def _attacks(settings: Settings, source: Source, accepted: sources.Accepted | None) -> Iterator[Need]:
    for attack in map(ATTACKS.get, settings.attacks):
        needed = library.requirements(attack, source.attack_files)
        if not needed:
            yield Need(f"attack {attack.name}", True, "needs nothing beside the installed packages")
        for one in needed:
            what = f"attack {attack.name}: {one.name}"
            where = f"{one.where} ({one.note})" if one.note else one.where
            if one.name.startswith(library.HUB):
                yield _hub_model(what, one.name.removeprefix(library.HUB), one.present, where)
            elif not library.fetching_helps(attack, one.name):
                yield Need(what, one.present, where)
            else:
                yield Need(
                    what,
                    one.present,
                    where,
                    sources.whence(one.name, source.attack_files),
                    one.name,
                    lambda progress, name=one.name: sources.fetch(  # type: ignore[misc]
                        name, source.attack_files, progress, accepted
                    ),
                )


def note(settings: Settings, source: Source) -> str:
    """Which files of a folder attacks read beside the laboratory's rows, in a line; empty where there is no such folder."""
    if source.resources is None:
        return ""
    read = {
        need
        for attack in map(ATTACKS.get, settings.attacks)
        for need in library.needs_of_folder(attack)
        if library.lies_in(attack, need, source.resources)
        or (need == sources.VECTORS and sources.given_vectors(source.resources))
    }
    found = ", ".join(sorted(read)) or "it has none of them"
    return (
        f"--data-dir {source.resources}: for files of attacks alone ({found}); the data are the laboratory's"
    )


def _told(what: str, look: Callable[[], str]) -> Need:
    try:
        return Need(what, True, look())
    except AsaBenchError as error:
        return Need(what, False, str(error))


def _hub(what: str, entry: Hub, split: str, said: str, instead: str) -> Need:
    found = hub.cached(entry, split)

    def fetch(_: fetching.Progress) -> str:
        revision = hub.resolve_revision(entry, said, instead)
        return _checked([path for _, path in hub.download(entry, split, revision, said, instead)])

    if found.whole:
        where = f"{len(found.found)} files in {found.found[0][1].parent}"
    elif found.found:
        where = (
            f"{len(found.found)} of {len(found.found) + len(found.missing)} files in {found.found[0][1].parent}, "
            f"not {found.missing[0]}"
        )
    else:
        where = f"not in the hub cache {checkpoints.hub_cache()}"
    source = f"the hub, {entry.repo}, {entry.files[split]}"
    return Need(what, found.whole, where, source, f"data {entry.repo} {entry.files[split]}", fetch)


def _checked(paths: list[Path]) -> str:
    """What was fetched from the hub, after its checksums were compared with its names in the cache.

    Raises:
        Unavailable: a file is not what the hub said it is.
    """
    sure = 0
    for path in paths:
        whole = fetching.blob_is_whole(path)
        if whole is False:
            raise Unavailable(
                f"{path.resolve()}: has not the checksum that the hub tells; delete it and fetch again"
            )
        sure += whole is True
    size = sum(path.stat().st_size for path in paths)
    return f"{len(paths)} files, {size:,} bytes in {paths[0].parent}, {sure} of them with the hub's checksums"
