"""Reads YAML so that every value remembers the line it came from, and refuses what a suite never needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from asa_bench.errors import BadInput

# A suite is a page of text; anything far larger is a mistake or an attack.
MAX_BYTES = 1_000_000
MAX_DEPTH = 20

KeyPath = tuple[str | int, ...]


def read(
    path: Path, shown: str | None = None, what: str = "a suite is a mapping with name, title and profiles"
) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """A YAML mapping and where each of its keys stands.

    Args:
        path: the file.
        shown: what messages call the file; its path as given if None.
        what: what should be in it, for an empty file.

    Returns:
        The mapping, and ``key path -> "file:line"`` for every key and list item in it.

    Raises:
        BadInput: unreadable file, not UTF-8, not YAML, a duplicate key, an anchor or alias (a way to make a
            small file enormous), a key that is not text, too large, too deep, or not a mapping at the top.
    """
    name = shown or str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{name}: cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise BadInput(f"{name}: {len(raw):,} bytes is too large; the limit is {MAX_BYTES:,}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    try:
        _check_tokens(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise BadInput(f"{name}{line}: {' '.join(str(problem).split())}") from error
    except RecursionError as error:
        raise BadInput(f"{name}: nested too deeply") from error
    if node is None:
        raise BadInput(f"{name}: the file is empty; {what}")
    if not isinstance(node, yaml.MappingNode):
        raise BadInput(
            f"{name}:{node.start_mark.line + 1}: a mapping is expected at the top, such as 'name: robustness'"
        )
    lines: dict[KeyPath, str] = {}
    return _build(node, (), name, lines), lines


_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def _check_tokens(text: str, name: str) -> None:
    """Refuses what makes a small file enormous before anything is built: reading 100,000 brackets takes a minute.

    Raises:
        BadInput: an anchor, alias or tag, or too deep.
        yaml.YAMLError: no YAML.
    """
    depth = 0
    for token in yaml.scan(text):
        here = f"{name}:{token.start_mark.line + 1}"
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
            raise BadInput(f"{here}: anchors, aliases and tags are not allowed; write the value out")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH + 1:
            raise BadInput(f"{here}: nested too deeply")


def _build(node: yaml.Node, path: KeyPath, name: str, lines: dict[KeyPath, str]) -> Any:
    here = f"{name}:{node.start_mark.line + 1}"
    if len(path) > MAX_DEPTH:
        raise BadInput(f"{here}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = f"{name}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise BadInput(f"{line}: a key must be a plain word")
            key = str(key_node.value)
            inner: KeyPath = (*path, key)
            if key in result:
                raise BadInput(f"{line}: key {key!r} is given twice; the first is at {lines[inner]}")
            lines[inner] = line
            result[key] = _build(value_node, inner, name, lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            inner = (*path, index)
            lines[inner] = f"{name}:{item.start_mark.line + 1}"
            items.append(_build(item, inner, name, lines))
        return items
    return scalar(node, here)


def scalar(node: yaml.Node, here: str) -> Any:
    """The Python value of a scalar node: text, number, boolean or None. A date stays text."""
    if node.tag == "tag:yaml.org,2002:timestamp":
        return str(node.value)
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise BadInput(f"{here}: {str(node.value)[:60]!r} cannot be read as a value") from error


def parse_value(text: str, shown: str) -> Any:
    """The value of one option given on the command line, read as YAML: ``3``, ``0.5``, ``[a, b]``, ``all``."""
    try:
        _check_tokens(text, shown)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise BadInput(f"{shown}: {text!r} is not a YAML value") from error
    return None if node is None else _build(node, (), shown, {})
