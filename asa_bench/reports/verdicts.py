"""Who is ahead of the baseline, by how much, and how sure it is: the differences of the main table in words and places."""

from __future__ import annotations

from dataclasses import dataclass, replace

from asa_bench.reports.detectable import format_detectable
from asa_bench.reports.gather import Gathered
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.layouts.columns import GATED
from asa_bench.reports.scores import metric
from asa_bench.reports.tables import MINUS, Cell, Column, Row, Table, format_number
from asa_bench.reports.tested import findable
from asa_bench.reports.text import count_range

_NAMED = 4  # how many differences that a test tells are named
_LEAST = 0.02  # half the width of a forest's axis is at least so much, a share


@dataclass(frozen=True)
class Difference:
    """One difference to the baseline.

    Attributes:
        where: the column.
        state: 'ahead' or 'behind' where a test tells, 'open' where it cannot, 'untested' where there is none.
        number: in points.
        sure: the interval, or why there is none.
        place, low, high: of the difference and of its interval on the axis, in [0, 100]; 50 is no difference. None
            where there is no interval.
        detectable: the minimum detectable effect, in points; "" where nothing is tested.
        agreement: of an average: how many seeds agree on its sign.
    """

    where: str
    state: str
    number: str
    sure: str
    place: float
    low: float | None
    high: float | None
    detectable: str = ""
    agreement: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the differences of one method to the baseline come to.

    Attributes:
        who: 'ASA − Naive'.
        ahead, behind, open_: how many of the tested differences tell so, or cannot tell.
        averages: one per group that has an average; they do not count as ahead, behind or open, being made of the rest.
        differences: one per column.
        axis: what the ends of the axis are, in points.
        detectable: how small a difference could have been found, see `findable`; "" if none is tested.
        seeds: how many stand behind the tested differences, '3 seeds'.
    """

    who: str
    ahead: int
    behind: int
    open_: int
    averages: tuple[Difference, ...]
    differences: tuple[Difference, ...]
    axis: str
    detectable: str = ""
    seeds: str = ""

    @property
    def headline(self) -> str:
        """Who won, in one sentence that claims no more than the tests."""
        tested = self.ahead + self.behind + self.open_
        if not tested:
            return "Nothing was tested: the differences may be chance."
        if not self.ahead and not self.behind:
            return f"No winner: none of {_count(tested, 'difference')} can be told from chance."
        told = [
            f"{word} in {number}"
            for number, word in ((self.ahead, "ahead"), (self.behind, "behind"))
            if number
        ]
        rest = f"; {self.open_} cannot be told from chance" if self.open_ else ""
        return f"{' and '.join(told)[:1].upper()}{' and '.join(told)[1:]} of {_count(tested, 'difference')}{rest}."

    @property
    def told(self) -> str:
        """By how much, where a test tells: the largest differences with their adjusted intervals; "" where none does."""
        sure = [one for one in self.differences if one.state in ("ahead", "behind")]
        sure.sort(key=lambda one: -abs(one.place - 50))
        if not sure:
            return ""
        named = "; ".join(f"{one.where} {one.number} ({one.sure})" for one in sure[:_NAMED])
        more = f"; and {len(sure) - _NAMED} more" if len(sure) > _NAMED else ""
        return f"In points, with the adjusted 95 % interval: {named}{more}."

    @property
    def power(self) -> str:
        """What could have been found at all; "" where nothing was tested."""
        if not self.detectable:
            return ""
        return f"The smallest difference that {self.seeds} would show (with 80 % power): {self.detectable}."

    def lines(self) -> list[str]:
        """The verdict as plain sentences: who won, by how much on average, how sure."""
        found = [f"{self.who}: {self.headline}", *([self.told] if self.told else [])]
        if self.averages:
            told = "; ".join(
                f"{one.where} {one.number}"
                + (f" ({one.sure}, MDE {one.detectable})" if one.detectable else ", not tested")
                for one in self.averages
            )
            found.append(f"On average, in points: {told}.")
        return [*found, *([self.power] if self.power else [])]

    @property
    def state(self) -> str:
        """One word for all: 'ahead', 'behind', 'mixed' or 'open'."""
        if self.ahead and self.behind:
            return "mixed"
        return "ahead" if self.ahead else "behind" if self.behind else "open"


def verdicts(data: Gathered, table: Table) -> list[Verdict]:
    """One per line of differences of the main table; averages are apart, since they are made of the rest."""
    worse = {c.key for c in data.columns if not metric(c.task.metrics[0]).higher_is_better}
    found = []
    for row in table.rows:
        if row.kind != "difference":
            continue
        pairs = [
            (column, cell)
            for column, cell in zip(table.columns, row.cells, strict=True)
            if cell.state == "value" and cell.mean is not None and column.unit in ("percent", "points")
        ]
        reach = max([_LEAST, *(_reach(cell) for _, cell in pairs)])
        differences = tuple(
            _difference(column, cell, reach, column.key in worse)
            for column, cell in pairs
            if not column.key.startswith("average/")
        )
        averages = tuple(
            replace(
                _difference(column, cell, reach, False),
                where=f"{column.group}, gated" if column.key.endswith(GATED) else column.group,
                number=cell.text,
                agreement=_agreement(cell),
            )
            for column, cell in pairs
            if column.key.startswith("average/")
        )
        if differences:
            states = [one.state for one in differences]
            ahead, behind, open_ = (states.count(state) for state in ("ahead", "behind", "open"))
            axis = format_number(reach, "points").lstrip("+")
            tested = [
                cell.comparison
                for column, cell in pairs
                if cell.comparison is not None and not column.key.startswith("average/")
            ]
            found.append(
                Verdict(
                    _who(row),
                    ahead,
                    behind,
                    open_,
                    averages,
                    differences,
                    axis,
                    findable(tested) if tested else "",
                    count_range([one.seeds for one in tested], "seed") if tested else "",
                )
            )
    return found


def headlines(data: Gathered) -> list[str]:
    """Every method's verdict in plain sentences; none where the main table has no differences."""
    table = next(iter(build_tables(data, ("main",))), None)
    return [line for verdict in (verdicts(data, table) if table else ()) for line in verdict.lines()]


def _count(number: int, noun: str) -> str:
    return f"{number} tested {noun}{'' if number == 1 else 's'}"


def _who(row: Row) -> str:
    return f"{row.group}: {row.label}" if row.group else row.label


def _agreement(cell: Cell) -> str:
    sign = ((cell.mean or 0) > 0) - ((cell.mean or 0) < 0)
    same = sum((value > 0) - (value < 0) == sign for _, value in cell.values)
    return f"{same} of {len(cell.values)} seeds with this sign" if sign else ""


def _reach(cell: Cell) -> float:
    ends = [abs(cell.mean or 0.0)]
    if cell.comparison is not None:
        interval = cell.comparison.adjusted_interval
        ends += [abs(interval[0]), abs(interval[1])]
    return min(max(ends), 1.0)


def _difference(column: Column, cell: Cell, reach: float, lower_is_better: bool) -> Difference:
    where = ": ".join(part for part in (column.subgroup, column.head) if part)
    if lower_is_better:
        where += " (lower is better)"

    def place(value: float) -> float:
        return round(50 + 50 * min(max(value / reach, -1.0), 1.0), 2)

    mean = cell.mean or 0.0
    number, comparison = format_number(mean, "points"), cell.comparison
    if comparison is None:
        return Difference(where, "untested", number, "not tested", place(mean), None, None)
    low, high = comparison.adjusted_interval
    better = (mean < 0) if lower_is_better else (mean > 0)
    state = ("ahead" if better else "behind") if cell.conclusive else "open"
    sure = f"{format_number(low, 'points')} to {format_number(high, 'points')}".replace("-", MINUS)
    found = format_detectable(comparison)
    return Difference(where, state, number, sure, place(mean), place(low), place(high), found)
