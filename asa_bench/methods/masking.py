"""What the methods that mask attention log of their masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


#: The names of `mask_statistics` that are no means, see `Loss.counts`.
COUNTS = ("fully_masked_rows",)


def mask_statistics(kept: Tensor, units: Tensor, fully_masked_rows: Tensor) -> dict[str, Tensor]:
    """What a method logs of its masks.

    Args:
        kept, units, fully_masked_rows: as in `Passes`, (layers,).

    Returns:
        `kept_fraction` of the units of all layers together, and of each as ``kept_fraction/LAYER``;
        `fully_masked_rows` of all layers. Detached.
    """
    kept = kept.detach()
    statistics = {
        "kept_fraction": kept.sum() / units.sum(),
        "fully_masked_rows": fully_masked_rows.sum(),
    }
    for layer, fraction in enumerate((kept / units).unbind()):
        statistics[f"kept_fraction/{layer}"] = fraction
    return statistics
