"""Who won, by how much, how sure: sentences that claim no more than the tests."""

from __future__ import annotations

import made_up
import pytest

from asa_bench.reports import terminal, write
from asa_bench.reports.gather import Gathered
from asa_bench.reports.verdicts import Difference, Verdict, headlines


@pytest.mark.parametrize(
    ("ahead", "behind", "open_", "said"),
    [
        (0, 0, 24, "No winner: none of 24 tested differences can be told from chance."),
        (2, 0, 0, "Ahead in 2 of 2 tested differences."),
        (2, 1, 3, "Ahead in 2 and behind in 1 of 6 tested differences; 3 cannot be told from chance."),
        (0, 1, 0, "Behind in 1 of 1 tested difference."),
        (0, 0, 0, "Nothing was tested: the differences may be chance."),
    ],
)
def test_the_headline_counts_what_tests_tell(ahead: int, behind: int, open_: int, said: str) -> None:
    assert Verdict("ASA − Naive", ahead, behind, open_, (), (), "1.0").headline == said


def test_report_and_terminal_begin_or_end_with_the_verdict() -> None:
    source = made_up.report(seeds=(1, 2), scale=60, laboratory=False)
    lines = headlines(Gathered(source))
    assert (
        lines[0].startswith("ASA − Naive: ")
        and "On average" in lines[1]
        and "that 2 seeds would show" in lines[2]
    )
    assert write.report_markdown(source, [], [], lines).splitlines()[2].startswith("- ASA − Naive: ")
    assert lines[0] in " ".join(terminal.render(source, plain=False).split())
    assert lines[0] not in " ".join(terminal.render(source, names=("hans",), plain=False).split())


def test_what_a_test_tells_is_named_with_its_interval() -> None:
    def one(where: str, state: str, number: str, place: float) -> Difference:
        return Difference(where, state, number, "−7.0 to −1.0", place, 10.0, 40.0)

    found = (
        one("HANS", "behind", "−4.0", 46.0),
        one("QQP", "open", "+9.0", 59.0),
        one("PAWS", "behind", "−5.0", 45.0),
    )
    told = Verdict("ASA − Naive", 0, 2, 1, (), found, "1.0").told
    assert (
        told
        == "In points, with the adjusted 95 % interval: PAWS −5.0 (−7.0 to −1.0); HANS −4.0 (−7.0 to −1.0)."
    )
    assert Verdict("ASA − Naive", 0, 0, 1, (), found[1:2], "1.0").told == ""
