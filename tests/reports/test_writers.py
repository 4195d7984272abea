"""LaTeX, Markdown, CSV, JSON and terminal: right, the same bytes for the same records, harmless to readers."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import made_up
import pandas as pd
import pytest
from hostile import HOSTILE
from rich.cells import cell_len

from asa_bench.errors import StoreError
from asa_bench.reports import latex, markdown, terminal, write
from asa_bench.reports.gather import Gathered
from asa_bench.reports.inputs import ReportInput
from asa_bench.reports.layouts import build_tables
from asa_bench.reports.outcomes import Hole, Subject
from asa_bench.reports.text import shorten, visible, wrap_head


@pytest.fixture(scope="module")
def source() -> ReportInput:
    return made_up.failed(made_up.report(scale=10), "hans", "asa", [1])


@pytest.fixture(scope="module")
def files(source: ReportInput) -> dict[str, str]:
    return write.contents(source)


@lru_cache(maxsize=1)
def harmless() -> ReportInput:
    return made_up.report(seeds=(1, 2), scale=20, methods=("naive", "asa"))


def poisoned(text: str) -> ReportInput:
    """A report where everything that a user or a data set can name is called `text`."""
    source = harmless()
    title = {"title": text, "note": text}

    def subject(old: Subject) -> Subject:
        return replace(old, model=text, method_title=text if old.method == "asa" else "Naive")

    evaluations = []
    for item in source.evaluations:
        rows = item.rows
        if "subcase" in rows:
            rows = rows.assign(subcase=pd.Series([text or "x"] * len(rows), dtype=object))
        task = item.task.model_copy(update=title)
        evaluations.append(replace(item, subject=subject(item.subject), task=task, rows=rows))
    attacks = [
        replace(
            item,
            subject=subject(item.subject),
            task=item.task.model_copy(update=title),
            attack=item.attack.model_copy(update={"title": text, "substitutes": (text,)}),
        )
        for item in source.attacks
    ]
    return replace(
        source,
        suite=text,
        title=text,
        profile=text,
        evaluations=tuple(evaluations),
        attacks=tuple(attacks),
        holes=(Hole(replace(subject(evaluations[0].subject), seed=9), "sst2", text),),
        provenance={text: text, "data": {text: text}},
        notes=(text,),
    )


#: One of each way to do harm; the others, and the longest, take the writers too long for every day.
QUICK = {
    "latex-write18", "latex-carets", "latex-argument", "latex-star", "latex-end", "csv-command", "csv-plus", "csv-tab",
    "markdown-all", "markdown-fence", "html-style", "template", "ansi", "overwrite", "rich-markup", "lines", "bidi",
    "zero-width", "surrogate", "null", "outside-fonts", "empty", "blank",
}  # fmt: skip
LONGEST = "longest-word"
# A whole report is written for each, so the fast tests have one of each kind.
FAST = {"latex-write18", "csv-command", "markdown-all", "html-style", "ansi", "bidi", "surrogate", "empty"}
CASES = [
    pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in HOSTILE if name != LONGEST
]


@pytest.fixture(scope="module", params=CASES)
def hostile(request: pytest.FixtureRequest) -> dict[str, str]:
    return write.contents(poisoned(HOSTILE[request.param]))


def acting(text: str) -> list[str]:
    """Characters that act on a terminal or hide, other than the line feed."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp", "Co"}]


def test_hostile_text_is_harmless_in_every_file(hostile: dict[str, str]) -> None:
    for name, text in hostile.items():
        text.encode("utf-8")
        assert not acting(text), name
        assert "\x1b" not in text and "\u202e" not in text


def test_hostile_text_stays_within_the_terminal(hostile: dict[str, str]) -> None:
    assert max(cell_len(line) for line in hostile["report.txt"].splitlines()) <= 80


def test_hostile_text_makes_no_markup(hostile: dict[str, str]) -> None:
    for name, text in hostile.items():
        if not name.endswith(".md"):
            continue
        assert "<script" not in text and "<!--" not in text and "http://" not in text
        for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line.replace(r"\\", ""))) for line in block.splitlines()}
            assert len(widths) == 1, block


def test_hostile_text_is_no_formula(hostile: dict[str, str]) -> None:
    for name, text in hostile.items():
        if not name.endswith(".csv"):
            continue
        head, *lines = list(csv.reader(io.StringIO(text)))
        assert tuple(head) == write.CSV_COLUMNS
        for line in lines:
            assert len(line) == len(head)
            for column, value in zip(head, line, strict=True):
                if column in write.NUMBERS:
                    float(value or 0)
                else:
                    assert not value.lstrip().startswith(("=", "+", "-", "@")), (column, value)


def test_hostile_text_is_plain_latex(hostile: dict[str, str]) -> None:
    for name, text in hostile.items():
        if not name.endswith(".tex"):
            continue
        # Provenance stands in comments, one line each, where nothing is carried out.
        told = re.sub(r"^%.*$", "", text, flags=re.MULTILINE)
        assert r"\write" not in told and r"\input" not in told
        assert told.count(r"\begin{table}") == told.count(r"\end{table}")
        assert all(line.isascii() or not acting(line) for line in text.splitlines())


@pytest.mark.parametrize("key", CASES)
def test_json_keeps_every_name_as_it_is(key: str) -> None:
    text = HOSTILE[key]
    made = write.to_json(build_tables(poisoned(text), ("slices",))[0])
    content = json.loads(made)
    assert content["schema_version"] == write.SCHEMA_VERSION
    assert text in {row["model"] for row in content["rows"]} | {c["group"] for c in content["columns"]} | {
        c["head"] for c in content["columns"]
    }


def test_there_are_forty_hostile_texts_and_all_are_different() -> None:
    assert len(set(HOSTILE.values())) == len(HOSTILE) >= 40
    assert set(HOSTILE) > QUICK


@pytest.mark.slow
def test_the_longest_word_is_cut_where_it_is_shown_and_whole_where_it_is_kept() -> None:
    word = HOSTILE[LONGEST]
    files = write.contents(poisoned(word))
    assert max(cell_len(line) for line in files["report.txt"].splitlines()) <= 80
    assert word not in files["report.txt"] and "w…w" in files["report.txt"]
    assert word in files["main.json"] and word in files["main.csv"]
    told = re.sub(r"^%.*$", "", files["main.tex"], flags=re.MULTILINE)
    assert 0 < len(told) < 3 * len(word)


def test_heads_of_any_length_are_wrapped_alike() -> None:
    assert wrap_head("w" * 100_000) == wrap_head("w" * 3000)
    assert wrap_head("word " * 100_000) == wrap_head("word " * 3000)


def test_visible_spells_out_what_cannot_be_seen() -> None:
    assert visible("a\x1b[0m\u202e\n\ud800\U000e0001é") == "a\\x1b[0m\\u202e\\n\\ud800\\U000e0001é"
    assert visible("plain") == "plain"
    assert len(shorten("x" * 500, 60)) == 60
    assert wrap_head("DeepWordBug+stopwords") == ["DeepWordBug", "+stopwords"]


def test_many_notes_stand_whole_on_a_page_of_their_own(source: ReportInput) -> None:
    table = build_tables(source, ("main",))[0]
    told = tuple(
        f"Note {at}: which test was used and what it found, in so many words that a line is full."
        for at in range(56)
    )
    made = latex.body(replace(table, caption="A caption that is long. " * 40, notes=told, legend=()))
    assert all(note in made for note in told)
    *_, last = made.split(r"\begin{table}")
    assert "tabular" not in last and told[-1] in last


def test_terminal_fits_80_columns(source: ReportInput) -> None:
    for table in build_tables(source):
        for width in (80, 100, 60):
            assert max(cell_len(line) for line in terminal.render_text(table, width).splitlines()) <= width


def test_terminal_can_do_with_ascii(source: ReportInput) -> None:
    text = terminal.render(source, plain=True)
    assert text.isascii()
    assert "+/-" in text
    assert terminal.render(source, plain=False).startswith("Robustness")


def test_terminal_says_why_there_is_no_table() -> None:
    empty = ReportInput("robustness", "Robustness", "embedded")
    assert "nothing is recorded" in terminal.render(empty)
    lost = Hole(Subject("m", "naive", "Naive", False, "sst2", 1), "sst2", "no room")
    assert "no room" in terminal.render(replace(empty, holes=(lost,)))


def test_all_writers_show_the_same_digits(source: ReportInput, files: dict[str, str]) -> None:
    table = build_tables(source, ("main",))[0]
    in_csv = {line["text"].lstrip("'") for line in csv.DictReader(io.StringIO(files["main.csv"]))}
    flat = re.sub(r"\s+", " ", files["report.txt"])
    for row in table.rows:
        for cell in row.cells:
            if cell.state == "value":
                assert cell.text in in_csv
                assert cell.text in files["main.md"]
                assert cell.text in flat
                assert f"{cell.number.lstrip('+−')}_{{{cell.tail[1:]}}}" in files["main.tex"]


def test_csv_holds_full_precision(source: ReportInput, files: dict[str, str]) -> None:
    table = build_tables(source, ("main",))[0]
    lines = list(csv.DictReader(io.StringIO(files["main.csv"])))
    first = table.rows[0].cells[0]
    assert float(lines[0]["mean"]) == first.mean
    assert float(lines[0]["sd"]) == first.spread
    assert lines[0]["n_seeds"] == "3"


def test_latex_has_spanning_heads_and_provenance(files: dict[str, str]) -> None:
    text = files["main.tex"]
    assert r"\multicolumn{4}{c}{Generalization} \\" in text
    assert r"\cmidrule(lr){2-5}" in text
    assert "% plan: " + "ab" * 32 in text
    assert r"\begin{document}" not in text and r"\begin{document}" in files["main.standalone.tex"]


def test_a_long_table_is_cut_into_floats_that_share_one_number() -> None:
    source = made_up.report(scale=20, seeds=(1,), methods=("naive", *(f"m{i}" for i in range(25))))
    text = latex.body(build_tables(source, ("main",))[0])
    assert text.count(r"\begin{table}") > 1
    assert text.count(r"\addtocounter{table}{-1}") == text.count(r"\begin{table}") - 1
    assert text.count(r"\label{") == 1


def test_markdown_heads_carry_the_number_of_examples(files: dict[str, str]) -> None:
    assert "| SST-2<br>n = 87 |" in files["main.md"]
    assert "**Robustness: challenge sets**" in files["main.md"]
    assert markdown.escape("a|b") == r"a\|b"


def test_files_are_written_whole_and_stale_ones_go(tmp_path: Path) -> None:
    source = made_up.report(seeds=(1,), scale=40)
    folder = tmp_path / "deep" / "tables"
    written = write.write_all(source, folder)
    assert sorted(written) == sorted(folder.iterdir())
    # Made once more, the same bytes.
    assert {p.name: p.read_bytes() for p in written} == {
        name: text.encode() for name, text in write.contents(source).items()
    }
    (folder / "mine.txt").write_text("keep")
    no_hans = tuple(item for item in source.evaluations if "hans" not in item.task.name)
    write.write_all(replace(source, evaluations=no_hans, holes=()), folder)
    assert not (folder / "hans.tex").exists()
    assert (folder / "mine.txt").exists()


def test_a_folder_that_cannot_be_written_is_told(source: ReportInput, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write.write_all(source, tmp_path / "file", ("hans",))


def test_frames_are_the_tables(source: ReportInput) -> None:
    data = Gathered(source)
    frames = write.frames(data)
    assert list(frames) == [table.name for table in build_tables(data)]
    main = frames["main"]
    assert main.loc["ASA", ("Generalization", "SST-2")] > 0.8
    assert write.frames(data, "n_seeds")["main"].loc["Naive", ("Generalization", "SST-2")] == 3
    assert "±" in write.frames(data, "text")["main"].loc["Naive", ("Generalization", "SST-2")]


needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")


def compiled(text: str, folder: Path) -> str:
    """The log of pdflatex."""
    (folder / "table.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    log = (folder / "table.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-3000:]
    return log


@needs_latex
@pytest.mark.slow
def test_every_table_compiles_without_a_warning(files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        if name.endswith(".standalone.tex"):
            log = compiled(text, tmp_path)
            assert r"\toprule" in text
            assert not re.findall(r".*Warning.*|Overfull.*|Underfull.*", log), name


@needs_latex
@pytest.mark.slow
def test_hostile_names_compile_without_a_warning(tmp_path: Path) -> None:
    for key, text in HOSTILE.items():
        files = write.contents(poisoned(text))
        for name in ("main", "slices", "attack_slices", "attacks") if key in QUICK else ("main",):
            log = compiled(files[f"{name}.standalone.tex"], tmp_path)
            assert not re.findall(r".*Warning.*|Overfull.*|Underfull.*", log), (key, name)
    assert not (tmp_path / "pwned").exists()
