"""What a report calls its attacks, and in what they depart from the published recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from asa_bench.reports.tables import Column, Row
from asa_bench.reports.text import sentence, visible

if TYPE_CHECKING:
    from asa_bench.attacks.base import Attack
    from asa_bench.reports.gather import Gathered


def attack_head(data: Gathered, attack: Attack) -> str:
    """The attack's title with its substitutes as they stand in its name, but for those that all attacks have.

    'DeepWordBug +stopwords' beside 'Pruthi'; 'DeepWordBug' beside another attack with the same list of stop words, which a
    note tells then.
    """
    base, *substitutes = attack.name.split("+")
    title = visible(attack.title.split(" (")[0] if substitutes else attack.title)
    shared = _in_common(data, _substitutes)
    return " +".join([title or visible(base), *(visible(name) for name in substitutes if name not in shared)])


def _substitutes(attack: Attack) -> list[str]:
    """Names of what differs from the published recipe; which victim the search sees is always told by its column."""
    names = attack.name.split("+")[1:]
    return names[:-1] if attack.raw else names


def _in_common(data: Gathered, of: Callable[[Attack], Iterable[str]]) -> list[str]:
    """What every attack of the report has, in the order of the first."""
    first, *others = [list(of(attack)) for attack in data.attacks] or [[]]
    return [one for one in first if all(one in other for other in others)]


def departures(data: Gathered, said: str, columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """In what the attacks of a table differ from the published recipes: once what several of them share."""
    heads = {attack.name: attack_head(data, attack) for attack in data.attacks}
    told = " ".join([said, *(column.head for column in columns), *dict.fromkeys(row.group for row in rows)])
    shown = [attack for attack in data.attacks if heads[attack.name] in told]
    notes = {}
    for substitute in dict.fromkeys(one for attack in shown for one in attack.substitutes):
        who = [attack for attack in shown if substitute in attack.substitutes]
        everywhere = substitute in _in_common(data, lambda attack: attack.substitutes)
        notes[substitute] = "Every attack" if everywhere else ", ".join(heads[attack.name] for attack in who)
    return [f"{who}: {sentence(substitute)}" for substitute, who in notes.items()]
