"""The command, as a user calls it, inside this process."""

from __future__ import annotations

import pytest

from asa_bench.cli import main


def command(*arguments: object) -> int:
    """The exit code of ``asa-bench`` with these arguments."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return int(ended.value.code or 0)
