"""Several output folders as one report; what cannot stand in one table is kept apart, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any

from asa_bench.errors import BadInput
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.outcomes import (
    LEAVING_OUT,
    AttackOutcome,
    Evaluation,
    Probe,
    QualityOutcome,
    ReplayOutcome,
    made_against,
    quality_of,
)
from asa_bench.reports.text import shorten

# The fields of `ReportInput` that hold texts in an order of their own, one after the other in a merged report.
_ORDERS = ("tasks", "methods", "attacks_order", "notes")
# What tells one record from another; the rest of it is what was measured.
_WHO = ("subject", "split", "attack_seed", "source", "name", "model", "base", "method", "seed", "address")
_REASON = 300


@dataclass(frozen=True)
class Part:
    """Folders that can stand in one report.

    Attributes:
        source: their records, each once.
        members: places of these folders among those that were given.
        apart: places of one folder of each other part, and why it is not here.
    """

    source: ReportInput
    members: tuple[int, ...]
    apart: tuple[tuple[int, str], ...] = ()


def merge(sources: Sequence[ReportInput]) -> list[Part]:
    """The fewest parts that a canonical order of the folders leads to; the order they are given in changes nothing.

    A folder joins the first part with which it agrees on every data set (fingerprint and examples), attack (recipe and
    query budget), encoder (exposure), training (its settings but for the seed), and record that both have.
    """
    order = _canonical(sources)
    groups: list[list[int]] = []
    reasons: dict[tuple[int, int], str] = {}
    for place in order:
        for number, group in enumerate(groups):
            why = _why_apart([sources[at] for at in group], sources[place])
            if not why:
                group.append(place)
                break
            reasons[number, place] = why
        else:
            groups.append([place])
    parts = []
    for number, group in enumerate(groups):
        told = []
        for other, members in enumerate(groups):
            if other != number:
                first = reasons.get((number, members[0])) or reasons[other, group[0]]
                told.append((members[0], first))
        parts.append(Part(_joined([sources[at] for at in group]), tuple(sorted(group)), tuple(told)))
    return [replace(part, source=_with_apart(part, sources)) for part in parts]


def _with_apart(part: Part, sources: Sequence[ReportInput]) -> ReportInput:
    """The part's records with a note for each other part, in names that records have: no path."""
    notes = [
        f"Kept apart: suite {sources[at].suite}, profile {sources[at].profile}, plan "
        f"{str(sources[at].provenance.get('plan', 'unknown'))[:12]}. Reason: {shorten(why, _REASON)}."
        for at, why in part.apart
    ]
    return replace(part.source, notes=(*part.source.notes, *notes))


def _canonical(sources: Sequence[ReportInput]) -> list[int]:
    """Places of the folders in an order that their contents alone decide."""

    def key(at: int) -> tuple[str, str, str]:
        return sources[at].suite, sources[at].profile, str(sources[at].provenance.get("plan", ""))

    found: list[int] = []
    for _, members in groupby(sorted(range(len(sources)), key=key), key=key):
        same = list(members)  # of one plan: what is recorded of it decides
        found += same if len(same) == 1 else sorted(same, key=lambda at: _digest_of(sources[at]))
    return found


def _digest_of(source: ReportInput) -> str:
    told = sorted(f"{_identity(item)!r} {_content(item)}" for item in _records(source))
    return hashlib.sha256(repr((told, sorted(map(repr, source.holes)))).encode()).hexdigest()


# -- may they stand together? --------------------------------------------------------------------------------


def _why_apart(group: Sequence[ReportInput], other: ReportInput) -> str:
    """Why a folder cannot join others; "" where it can."""
    for own in group:
        why = _differ(own, other)
        if why:
            return why
    try:
        _joined([*group, other]).check()
    except BadInput as error:
        return str(error)
    return ""


def _differ(first: ReportInput, second: ReportInput) -> str:
    encoders = [_encoders(source) for source in (first, second)]
    for model in sorted(encoders[0] & encoders[1]):
        said = [source.exposures.get(model, "nothing") for source in (first, second)]
        if said[0] != said[1]:
            return f"encoder {model}: other exposure ({said[0]}; {said[1]})"
    for name in sorted(_subjects(first) & _subjects(second)):
        data = [source.trained_on.get(name) for source in (first, second)]
        if data[0] != data[1]:
            both = ["not told" if one is None else ", ".join(one) or "nothing" for one in data]
            return f"{name}: other training data ({both[0]}; {both[1]})"
    told = [
        {item.task.name: item.task for item in _records(source) if hasattr(item, "task")}
        for source in (first, second)
    ]
    for name in sorted(told[0].keys() & told[1].keys()):
        one, two = told[0][name], told[1][name]
        if one.exposure != two.exposure:
            return f"task {name}: other exposure ({', '.join(one.exposure) or 'none'}; {', '.join(two.exposure) or 'none'})"
        if one != two:
            return f"task {name}: described otherwise ({_difference(one.model_dump(), two.model_dump())})"
    settings = [_settings(source) for source in (first, second)]
    for who in sorted(settings[0].keys() & settings[1].keys()):
        if settings[0][who] != settings[1][who]:
            return f"{who}: other settings ({_difference(settings[0][who], settings[1][who])})"
    if first.qualities and second.qualities and first.gate != second.gate:
        return "another gate of quality"
    if first.attacks and second.attacks and first.ensemble != second.ensemble:
        return f"another worst case ({', '.join(first.ensemble) or 'none'}; {', '.join(second.ensemble) or 'none'})"
    if first.baseline != second.baseline:
        return f"another baseline ({first.baseline}; {second.baseline})"
    budgets = [
        {(item.attack.name, item.task.name): item.query_budget for item in source.attacks}
        for source in (first, second)
    ]
    for place in sorted(budgets[0].keys() & budgets[1].keys()):
        limits = [one[place] for one in budgets]
        if limits[0] != limits[1]:
            return f"attack {place[0]} on {place[1]}: another query budget ({limits[0] or 'none'}; {limits[1] or 'none'})"
    known = {_identity(item): item for item in _records(first)}
    for item in _records(second):
        same = known.get(_identity(item))
        if same is not None and _content(same) != _content(item):
            return f"{_named(item)}: recorded in both, with other results"
    return ""


def _subjects(source: ReportInput) -> set[str]:
    loaded = {
        item.subject.method for item in _records(source) if hasattr(item, "subject") and item.subject.loaded
    }
    return loaded | _encoders(source)


def _encoders(source: ReportInput) -> set[str]:
    return {item.subject.model for item in _records(source) if hasattr(item, "subject")}


def _settings(source: ReportInput) -> dict[str, Mapping[str, Any]]:
    """What was made -> how, seeds apart."""
    found: dict[str, Mapping[str, Any]] = {}
    for item in source.trainings:
        subject = item.subject
        found[f"{subject.method} of {subject.model} on {subject.train_task}"] = item.settings
    for made in source.pretraining:
        found[f"pre-training of {made.model}"] = made.settings
    return {who: settings for who, settings in found.items() if settings}


def _difference(one: Any, other: Any, at: str = "") -> str:
    """The first place where two settings differ, and what stands there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted(one.keys() | other.keys(), key=str):
            if one.get(name) != other.get(name):
                return _difference(one.get(name), other.get(name), f"{at}.{name}" if at else str(name))
    return f"{at}: {shorten(str(one), 60)} and {shorten(str(other), 60)}"


# -- putting them together -----------------------------------------------------------------------------------


def _joined(sources: Sequence[ReportInput]) -> ReportInput:
    """The records of all, each once, in the order of the sources."""
    first = sources[0]
    if len(sources) == 1:
        return first
    kept: dict[str, Any] = {}
    for name in _record_fields():
        every = [item for source in sources for item in getattr(source, name)]
        kept[name] = tuple({_identity(item): item for item in reversed(every)}.values())[::-1]
    orders: dict[str, Any] = {
        name: tuple(_once(each for source in sources for each in getattr(source, name))) for name in _ORDERS
    }
    filled = {place for items in kept.values() for item in items if (place := _fills(item)) is not None}
    holes = [gap for source in sources for gap in source.holes]
    data: dict[str, Any] = {}
    for source in sources:
        data |= source.provenance.get("data", {})
    plans = _once(str(source.provenance.get("plan", "")) for source in sources)
    return replace(
        first,
        **kept,
        **orders,
        suite=" + ".join(_once(source.suite for source in sources)),
        title=" + ".join(_once(source.title for source in sources)),
        profile=" + ".join(_once(source.profile for source in sources)),
        holes=tuple(_once(gap for gap in holes if (gap.subject, gap.task, gap.attack) not in filled)),
        ensemble=next((source.ensemble for source in sources if source.ensemble), ()),
        gate=next((source.gate for source in sources if source.qualities), first.gate),
        texts={place: texts for source in sources for place, texts in source.texts.items()},
        exposures={model: said for source in sources for model, said in source.exposures.items()},
        trained_on={name: said for source in sources for name, said in source.trained_on.items()},
        provenance={**first.provenance, "plan": ", ".join(plans), "data": data},
    )


def _once(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def _record_fields() -> list[str]:
    """The fields that hold records: all tuples but those of names, and of what is missing."""
    return [
        one.name
        for one in fields(ReportInput)
        if str(one.type).startswith("tuple[") and not str(one.type).startswith(("tuple[str", "tuple[Hole"))
    ]


def _records(source: ReportInput) -> list[Any]:
    return [item for name in _record_fields() for item in getattr(source, name)]


def _identity(item: Any) -> tuple[Any, ...]:
    task, attack = getattr(item, "task", None), getattr(item, "attack", None)
    names = (getattr(task, "name", ""), getattr(attack, "name", attack))
    return (type(item).__name__, *names, *(getattr(item, name, None) for name in _WHO))


def _content(item: Any) -> str:
    """A digest of what was measured; the order of rows does not matter."""
    rows = getattr(item, "rows", None)
    told = [repr(getattr(item, one.name)) for one in fields(item) if one.name != "rows"]
    if rows is not None:
        at = sorted(range(len(rows)), key=lambda place: str(rows["id"].iloc[place]))
        told += [f"{name}: {rows[name].iloc[at].tolist()!r}" for name in sorted(rows.columns)]
    return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()


def _fills(item: Any) -> tuple[Any, ...] | None:
    """Which hole a record leaves none of."""
    if isinstance(item, Evaluation):
        asked = ""
    elif isinstance(item, Probe):
        asked = LEAVING_OUT
    elif isinstance(item, AttackOutcome):
        asked = item.attack.name
    elif isinstance(item, QualityOutcome):
        asked = quality_of(item.attack.name)
    elif isinstance(item, ReplayOutcome):
        asked = made_against(item.attack.name, item.source)
    else:
        return None
    return item.subject, item.task.name, asked


def _named(item: Any) -> str:
    subject = getattr(item, "subject", None)
    if subject is None:
        return f"pre-training of {item.model}, seed {item.seed}"
    seed = "" if subject.seed is None else f" seed {subject.seed}"
    task = getattr(item, "task", None)
    where = f" on {task.name}" if task is not None else ""
    attack = getattr(item, "attack", None)
    under = f" under {getattr(attack, 'name', attack)}" if attack is not None else ""
    return f"{subject.model} {subject.method} trained on {subject.train_task}{seed}{where}{under}"
