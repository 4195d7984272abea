"""Where CI looks: Markdown for the summary, JUnit XML, JSON, annotations of GitHub, and text for the log.

Names, labels and texts come from data sets and checkpoints, so each writer makes them harmless in its own way.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import asdict

from asa_bench.gating.decision import Broken, Decision, Judged
from asa_bench.reports.detectable import format_detectable
from asa_bench.reports.markdown import escape
from asa_bench.reports.text import shorten, visible

SCHEMA_VERSION = 1
_ICONS = {"fail": "❌", "warn": "⚠️", "pass": "✅"}
_WORDS = {"fail": "FAIL", "warn": "warn", "pass": "pass"}
#: GitHub shows ten errors and ten warnings a step, and takes a summary of 1 MiB.
_MOST_ANNOTATIONS, _MOST_ROWS, _MOST_TEXT = 10, 500, 300


def headline(decision: Decision) -> str:
    """One sentence for everybody."""
    counts = [
        f"{decision.count('fail')} failed",
        f"{decision.count('cannot tell')} that cannot be told",
        f"{decision.count('pass')} passed",
    ]
    verdict = "The gate FAILED" if decision.failed else "The gate passed"
    return f"{verdict}: of {len(decision.judged)} scores {', '.join(counts)}"


def text(decision: Decision) -> str:
    """For a terminal or a log; no line begins with what was read from data."""
    lines = [headline(decision)]
    for one in decision.judged:
        lines.append(f"{_WORDS[one.action]:<5} {_plain(one.title, 160)}: {_change(one)}")
        if one.action != "pass":
            lines.append(f"      {_plain(one.reason, 400)}")
            lines += [f"      newly wrong: {_broken(example)}" for example in one.broken[:3]]
    lines += [f"new   {_plain(key, 200)} is not in the baseline, so nothing gates it" for key in decision.new]
    if decision.ignored:
        lines.append(f"      {len(decision.ignored)} scores are ignored by {_plain(decision.policy, 200)}")
    return "\n".join(lines) + "\n"


def _plain(value: str, width: int) -> str:
    """On one visible line, and nothing in it that a log of CI takes for a command."""
    return shorten(value, width).replace("##[", "## [").replace("::", ": :")


def _change(one: Judged) -> str:
    now = "missing" if one.now is None else f"{100 * one.now:.1f}"
    if one.against is None:
        return f"{100 * one.before:.1f} -> {now}"
    low, high = (100 * end for end in one.against.interval)
    return (
        f"{100 * one.before:.1f} -> {now} ({100 * one.against.difference:+.1f} [{low:+.1f}, {high:+.1f}], "
        f"margin {one.rule.margin:g}, MDE {format_detectable(one.against)} beyond it)"
    )


def _broken(example: Broken) -> str:
    said = f", said {_plain(example.predicted, 40)}" if example.predicted else ""
    texts = f": {_plain(_readable(example.text), _MOST_TEXT)}" if example.text else ""
    return f"{_plain(example.id, 80)} (gold {_plain(example.label, 40)}{said}){texts}"


def _readable(value: str) -> str:
    """The texts of a record, which keeps them as a JSON list."""
    try:
        parts = json.loads(value)
    except ValueError:
        return value
    return " / ".join(map(str, parts)) if isinstance(parts, list) else str(parts)


def markdown(decision: Decision) -> str:
    """For a pull request: the headline, a table of scores, and what broke."""
    icon = _ICONS["fail" if decision.failed else "pass"]
    lines = [f"## {icon} asa-bench gate: {escape(decision.suite)}, {escape(decision.profile)}", ""]
    lines += [f"{escape(headline(decision))}.", ""]
    lines += [
        "| | Score | Baseline | Now | Difference | Interval | Margin | MDE |",
        "|-|-|-:|-:|-:|:-:|-:|-:|",
    ]
    for one in decision.judged[:_MOST_ROWS]:
        cells = [_ICONS[one.action], escape(shorten(one.title, 120)), f"{100 * one.before:.1f}"]
        cells.append("missing" if one.now is None else f"{100 * one.now:.1f}")
        if one.against is None:
            cells += ["", "", "", ""]
        else:
            low, high = (100 * end for end in one.against.interval)
            cells += [
                f"{100 * one.against.difference:+.1f}",
                f"{low:+.1f} to {high:+.1f}",
                f"{one.rule.margin:g}",
                format_detectable(one.against),
            ]
        lines.append("| " + " | ".join(cells) + " |")
    if len(decision.judged) > _MOST_ROWS:
        lines += ["", f"{len(decision.judged) - _MOST_ROWS} more scores are in the JSON file."]
    notable = [one for one in decision.judged if one.action != "pass"]
    for one in notable[:20]:
        lines += ["", f"### {_ICONS[one.action]} {escape(shorten(one.title, 120))}", "", escape(one.reason)]
        if one.broken:
            lines += [
                "",
                f"{one.newly_broken:,} examples newly wrong, {one.newly_right:,} newly right. The worst:",
                "",
            ]
            lines += [f"- {escape(_broken(example))}" for example in one.broken]
    told = [one for one in decision.judged if one.against is not None]
    if told:
        lines += [
            "",
            "Points of accuracy in percent; intervals are adjusted for all scores (Holm), over examples and seeds. "
            "MDE: so much more than the margin would have to be lost to be found with 80 % power; none: "
            "the loss of everything would not be found so surely.",
        ]
    if decision.new:
        lines += [
            "",
            f"Not in the baseline, so not gated: {', '.join(escape(key) for key in decision.new[:20])}.",
        ]
    lines += ["", f"Policy: {escape(decision.policy)}."]
    return "\n".join(lines) + "\n"


def junit(decision: Decision) -> str:
    """JUnit XML: a case for each score; what cannot be told, where it only warns, counts as skipped."""
    failures = sum(one.action == "fail" for one in decision.judged)
    skipped = sum(one.action == "warn" for one in decision.judged)
    counts = {
        "tests": str(len(decision.judged)),
        "failures": str(failures),
        "skipped": str(skipped),
        "errors": "0",
    }
    root = ET.Element("testsuites", {"name": "asa-bench gate", **counts})
    name = f"{visible(decision.suite)}-{visible(decision.profile)}"
    suite = ET.SubElement(root, "testsuite", {"name": name, **counts})
    for one in decision.judged:
        case = ET.SubElement(
            suite, "testcase", {"classname": f"asa-bench.{name}", "name": visible(one.title), "time": "0"}
        )
        message = f"{_change(one)}. {visible(one.reason)}"
        if one.action == "pass":
            ET.SubElement(case, "system-out").text = message
            continue
        element = ET.SubElement(case, "failure" if one.action == "fail" else "skipped", {"message": message})
        if one.action == "fail":
            element.set("type", one.verdict)
        element.text = "\n".join(f"newly wrong: {_broken(example)}" for example in one.broken)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def as_json(decision: Decision) -> str:
    """Everything at full precision."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "failed": decision.failed,
        "headline": headline(decision),
        **asdict(decision),
    }
    return json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def workflow_commands(decision: Decision) -> Iterator[str]:
    """Workflow commands of GitHub, one a line: an error for each failed score, a warning for each untold one.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    for action, command in (("fail", "error"), ("warn", "warning")):
        for one in [j for j in decision.judged if j.action == action][:_MOST_ANNOTATIONS]:
            parts = [_change(one), visible(one.reason)]
            parts += [f"newly wrong: {_broken(example)}" for example in one.broken[:5]]
            message = "\n".join(_disarmed(part) for part in parts)
            title = _disarmed(f"asa-bench: {shorten(one.title, 120)}")
            yield f"::{command} title={_escaped(title, is_property=True)}::{_escaped(message)}"


def _disarmed(value: str) -> str:
    """No second command inside the first; GitHub still obeys the old form anywhere in a line."""
    return re.sub(r"##(?=\[)", "## ", visible(value))


def _escaped(value: str, is_property: bool = False) -> str:
    """As the toolkit of GitHub's actions escapes data and properties."""
    value = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return value.replace(":", "%3A").replace(",", "%2C") if is_property else value
