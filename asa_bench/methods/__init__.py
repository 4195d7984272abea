"""Training methods, a small file each; other packages register theirs in the group ``asa_bench.methods``."""

from __future__ import annotations

from asa_bench.methods.base import Loss, Method, Options
from asa_bench.registry import Registry

METHODS: Registry[type[Method]] = Registry(
    "method",
    "asa_bench.methods",
    {
        "naive": "asa_bench.methods.naive:Naive",
        "naive_longer": "asa_bench.methods.naive_longer:NaiveLonger",
        "asa": "asa_bench.methods.asa:AdversarialSelfAttention",
        "rdrop": "asa_bench.methods.rdrop:RDrop",
        "random_mask": "asa_bench.methods.random_mask:RandomMask",
        "freelb": "asa_bench.methods.freelb:FreeLB",
        "smart": "asa_bench.methods.smart:Smart",
        "r3f": "asa_bench.methods.r3f:R3F",
    },
)

__all__ = ["METHODS", "Loss", "Method", "Options"]
