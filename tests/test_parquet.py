"""Rows that come back as they were, whatever texts they hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from asa_bench import parquet

ODD = ["\ud800 lone", "a \\ud800 that was spelled", "\\\udfff\\\\", "end \\", "\U0001f600", ""]


@given(st.text(st.one_of(st.sampled_from("\\ud80f\ud800\udfff"), st.characters())))
def test_escaping_is_reversible(text: str) -> None:
    written = parquet.escape(text)
    written.encode()  # UTF-8 holds it
    assert parquet.unescape(written) == text


def test_lone_surrogates_come_back(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": pd.Series(ODD, dtype=object), "n": range(len(ODD))})
    rows["missing"] = pd.Series([None, *ODD[1:]], dtype=object)
    parquet.write(rows, tmp_path / "rows.parquet")
    back = parquet.read(tmp_path / "rows.parquet")
    assert back["text"].tolist() == ODD
    assert back["missing"].tolist()[1:] == ODD[1:]
    assert pd.isna(back["missing"][0])
    assert back["n"].tolist() == list(range(len(ODD)))
    # Other readers still see that something was there.
    assert pd.read_parquet(tmp_path / "rows.parquet")["text"][0] == "\\ud800 lone"


def test_only_columns_with_lone_surrogates_are_escaped(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"bad": pd.Series(["\udc00\\"], dtype=object), "good": pd.Series(["\\"], dtype=object)}
    )
    parquet.write(rows, tmp_path / "rows.parquet")
    assert pq.read_schema(tmp_path / "rows.parquet").metadata == {parquet.ESCAPED: b'["bad"]'}
    assert pd.read_parquet(tmp_path / "rows.parquet").loc[0].tolist() == ["\\udc00\\\\", "\\"]


def test_rows_without_them_carry_no_metadata(tmp_path: Path) -> None:
    parquet.write(pd.DataFrame({"text": ["back\\slash é"]}), tmp_path / "rows.parquet")
    assert pq.read_schema(tmp_path / "rows.parquet").metadata is None
    assert parquet.read(tmp_path / "rows.parquet")["text"].tolist() == ["back\\slash é"]
