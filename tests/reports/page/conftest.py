"""Makes the made-up report importable from the tests beside it, and one page of it for all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def hostile_page() -> str:
    import examples_made_up

    from asa_bench.reports.page import render

    return render(examples_made_up.report())
