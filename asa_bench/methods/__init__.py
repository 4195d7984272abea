"""Training methods, a small file each; other packages register theirs in the group ``asa_bench.methods``."""

from __future__ import annotations

from asa_bench.methods.base import Loss, Method, Options
from asa_bench.registry import Registry

METHODS: Registry[type[Method]] = Registry(
    "method",
    "asa_bench.methods",
    {
        "naive": "asa_bench.methods.naive:Naive",
        "asa": "asa_bench.methods.asa:AdversarialSelfAttention",
    },
)

__all__ = ["METHODS", "Loss", "Method", "Options"]
