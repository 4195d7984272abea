"""Per-example rows as Parquet: the same bytes for the same rows, and no text is lost.

Parquet holds texts as UTF-8, which has no lone surrogates (half of a pair of UTF-16, which JSON can bring). A column
that has one is written escaped, and the file's schema names such columns, so that reading gives the same texts back.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Key in the file's metadata: JSON list of the columns in which lone surrogates and backslashes are escaped.
ESCAPED = b"asa_bench.escaped"
_ODD = re.compile("[\\\\\ud800-\udfff]")
_SPELLED = re.compile(r"\\(\\|u(d[89a-f][0-9a-f]{2}))")


def escape(text: str) -> str:
    r"""`text` without lone surrogates: each becomes ``\udXXX``, and a backslash becomes two."""
    return _ODD.sub(lambda m: "\\\\" if m[0] == "\\" else f"\\u{ord(m[0]):04x}", text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return _SPELLED.sub(lambda m: chr(int(m[2], 16)) if m[2] else "\\", text)


def write(rows: pd.DataFrame, path: Path) -> None:
    """Write rows: fixed compression, no pandas index, no schema of this pandas version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    escaped = [str(name) for name in rows.columns if any(_lone(value) for value in _texts(rows[name]))]
    if escaped:
        rows = rows.copy()
        for name in escaped:
            rows[name] = [escape(v) if isinstance(v, str) else v for v in rows[name].tolist()]
    metadata = {ESCAPED: json.dumps(escaped).encode()} if escaped else None
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(metadata)
    pq.write_table(table, path, compression="zstd", compression_level=3)


def read(path: Path) -> pd.DataFrame:
    """The rows that `write` wrote.

    Raises:
        OSError, ValueError: the file cannot be read, or is no Parquet.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    rows = pd.read_parquet(path)
    metadata = pq.read_schema(path).metadata or {}
    for name in json.loads(metadata.get(ESCAPED, b"[]")):
        values = [unescape(value) if isinstance(value, str) else value for value in rows[name].tolist()]
        rows[name] = pd.Series(values, index=rows.index, dtype=object)  # type str cannot hold them
    return rows


def _texts(column: pd.Series[Any]) -> list[Any]:
    # Columns of type str cannot hold a lone surrogate, nor can numbers.
    return column.tolist() if column.dtype == object else []


def _lone(value: object) -> bool:
    if not isinstance(value, str) or value.isascii():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False
