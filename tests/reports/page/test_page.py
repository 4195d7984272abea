"""The page as a file: what it holds, what it lets run, and that the same records give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import examples_made_up
import made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asa_bench.reports.gather import Gathered
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.page import charts, differences, render
from asa_bench.reports.page.examples import pack
from asa_bench.reports.verdicts import verdicts


@settings(max_examples=60)
@given(st.text(), st.text())
def test_both_texts_come_back_from_their_parts(before: str, after: str) -> None:
    found = differences.parts(before, after)
    assert "".join(part if isinstance(part, str) else part[0] for part in found) == before
    assert "".join(part if isinstance(part, str) else part[1] for part in found) == after


def test_a_changed_word_is_the_only_change() -> None:
    assert differences.parts("a good film here", "a bad film here") == ["a ", ("good", "bad"), " film here"]
    assert differences.parts("same", "same") == ["same"]


class Elements(HTMLParser):
    """Tags with their attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in = tag if tag in self.texts and "type" not in dict(attrs) else ""

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.texts[self._in].append(data)


def test_only_our_script_and_style_may_run(hostile_page: str) -> None:
    elements = Elements(hostile_page)
    policy = next(a["content"] for tag, a in elements.found if tag == "meta" and "http-equiv" in a)
    assert policy is not None and policy.startswith("default-src 'none'; ")
    for kind in ("script", "style"):
        (text,) = elements.texts[kind]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for tag, attributes in elements.found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        assert "src" not in attributes and tag not in {"link", "iframe", "img", "object", "embed", "base"}
        assert str(attributes.get("href", "#")).startswith("#")


@pytest.mark.slow
def test_the_same_records_have_the_same_bytes(hostile_page: str) -> None:
    source = examples_made_up.report()
    turned = replace(
        source,
        evaluations=source.evaluations[::-1],
        attacks=tuple(replace(a, rows=a.rows[::-1]) for a in source.attacks[::-1]),
        probes=source.probes[::-1],
    )
    assert render(turned) == hostile_page


def unpacked(text: str) -> object:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_no_example_is_lost_or_changed() -> None:
    source = examples_made_up.report()
    packed = pack(source)
    index: dict = unpacked(packed.index)  # type: ignore[assignment,type-arg]
    rows = [row for chunk in packed.chunks for row in unpacked(chunk)]  # type: ignore[attr-defined]
    columns = index["columns"]
    assert packed.count == len(rows) == sum(len(item.rows) for item in source.attacks)
    assert all(len(values) == len(rows) for values in columns.values())
    keys = re.findall("." * 12, index["keys"])
    assert len(set(keys)) == len(rows)
    found = {
        (
            index["names"]["subjects"][columns["subject"][at]][0],
            index["names"]["subjects"][columns["subject"][at]][2],
            index["names"]["attacks"][columns["attack"][at]][0],
            columns["id"][at],
        ): (rows[at], index["names"]["statuses"][columns["status"][at]], columns["queries"][at])
        for at in range(len(rows))
    }
    assert len(found) == len(rows)
    for item in source.attacks:
        for row in item.rows.to_dict("records"):
            key = (item.subject.method_title, str(item.subject.seed), item.attack.title, row["id"])
            (label, (parts,), before, after, _, _), status, queries = found[key]
            sides = ["".join(p if isinstance(p, str) else p[side] for p in parts) for side in (0, 1)]
            assert [sides[0]] == json.loads(row["original"])
            assert [sides[1]] == json.loads(row["perturbed"] or row["original"])
            assert (label, status, queries) == (row["label"], row["status"], row["queries"])
            assert sum(before) == pytest.approx(1, abs=1e-3)
            assert after == ([0.8808, 0.1192] if status == "successful" else [])


def test_names_from_outside_are_escaped_and_visible() -> None:
    source = replace(made_up.report(scale=40), title="<b>T</b>\u202e\x1b", suite="</style><script>x</script>")
    page = render(source)
    assert "<b>T</b>" not in page and "&lt;b&gt;T&lt;/b&gt;\\u202e\\x1b" in page
    assert "<script>x" not in page and "\u202e" not in page and "\x1b" not in page


def test_verdicts_tell_what_the_tests_tell() -> None:
    source = made_up.report(seeds=(1,))
    data = Gathered(source)
    table = build_tables(source, ("main",))[0]
    (found,) = verdicts(data, table)
    row = next(row for row in table.rows if row.kind == "difference")
    cells = [
        cell
        for column, cell in zip(table.columns, row.cells, strict=True)
        if not column.key.startswith("average/")
    ]
    told = [cell for cell in cells if cell.conclusive]
    assert told  # the made-up ASA is better, or this test would show nothing
    assert found.ahead == sum(cell.mean > 0 for cell in told if cell.mean is not None)
    assert found.behind == len(told) - found.ahead
    assert found.open_ == sum(c.comparison is not None and not c.conclusive for c in cells)
    for one in found.differences:
        if one.state == "ahead":
            assert one.low is not None and one.low > 50


def test_curves_fall_from_clean_to_robust_accuracy() -> None:
    source = examples_made_up.report(("film",))
    data = Gathered(source)
    panels = charts.budget_panels(data)
    assert len(panels) == 2
    table = build_tables(source, ("main",))[0]
    for panel, head in zip(panels, ("DeepWordBug +stopwords", "Pruthi"), strict=True):
        at = next(at for at, column in enumerate(table.columns) if column.head == head)
        for line, row in zip(panel.lines, (r for r in table.rows if r.kind == "method"), strict=True):
            heights = [1 - y / charts.HEIGHT for _, y in line.points]
            assert heights == sorted(heights, reverse=True)
            assert heights[0] > heights[-1] == pytest.approx(row.cells[at].mean, abs=1e-4)
