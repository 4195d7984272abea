"""Out of memory: how to tell it from other errors, and how to go on in smaller parts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the machine or of an accelerator."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # On the processor torch raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)


@dataclass
class Cuts:
    """Into how many parts batches were cut at most; 1 where everything fitted."""

    most: int = 1


_watching: list[Cuts] = []


@contextlib.contextmanager
def watched() -> Iterator[Cuts]:
    """Tells, once it is left, whether any batch inside had to be cut."""
    cuts = Cuts()
    _watching.append(cuts)
    try:
        yield cuts
    finally:
        _watching.remove(cuts)


class Parts:
    """Work on a batch, at once or in equal parts that fit into memory; what did not fit once is not tried again.

    Attributes:
        number: into how many parts batches are cut: 1, 2, 4, ...
    """

    def __init__(self) -> None:
        self.number = 1

    def bounds(self, rows: int) -> list[tuple[int, int]]:
        """First row and end of each part of a batch; sizes differ by at most one, and none is empty."""
        number = min(self.number, rows)
        return [(rows * at // number, rows * (at + 1) // number) for at in range(number)]

    def attempt(self, rows: int, work: Callable[[list[tuple[int, int]]], T]) -> T:
        """`work` with the bounds of the parts, again with twice as many parts whenever memory runs out.

        Args:
            rows: of the batch.
            work: must begin anew each time it is called.

        Raises:
            Exception: what `work` raises, memory included once every row is a part of its own.
        """
        while True:
            number = self.number
            bounds = self.bounds(rows)
            for cuts in _watching:
                cuts.most = max(cuts.most, len(bounds))
            try:
                return work(bounds)
            except Exception as error:
                if not out_of_memory(error) or number >= rows:
                    raise
            # Outside of the handler, whose traceback would keep the tensors that did not fit. Another thread that ran out
            # of memory beside this one may have cut already.
            self.number = max(self.number, 2 * number)
            _forget()


def _forget() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
