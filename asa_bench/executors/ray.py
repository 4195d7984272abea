"""Runs cells on a Ray cluster: https://docs.ray.io. Ray decides where, we decide what and what a lost worker means."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from asa_bench import work
from asa_bench.cell import Cell
from asa_bench.errors import BadInput, Unavailable
from asa_bench.estimate import clock_of, rough
from asa_bench.executors import Ended, Failure, attempt, one_line
from asa_bench.kinds.common import Progress
from asa_bench.scheduling import Job, remaining
from asa_bench.store import Store

_ATTEMPTS = 3  # a cell whose worker died so often is recorded as failed
_BEAT = 2.0  # seconds between two signs of life of a worker
_GONE = 20  # lost machines that one cell may outlive


@dataclass(frozen=True)
class Resources:
    """What one cell takes of a cluster.

    Attributes:
        cpus: processors, of each of its processes; None for as many as the cell has threads.
        gpus: graphics processors, of each of its processes; a fraction shares one.
        memory: GiB of main memory that Ray keeps free for it; None for no promise.
        attack_shards: in how many parts an attack is done side by side.
        silence: seconds without a sign of life after which a worker is taken for lost.
    """

    cpus: float | None = None
    gpus: float = 0.0
    memory: float | None = None
    attack_shards: int = 1
    silence: float = 120.0

    def __post_init__(self) -> None:
        checks = (
            ("--cpus-per-cell", self.cpus, self.cpus is None or self.cpus > 0, "more than 0"),
            ("--gpus-per-cell", self.gpus, self.gpus >= 0, "0 or more"),
            ("--memory-per-cell", self.memory, self.memory is None or self.memory > 0, "more than 0 (GiB)"),
            ("--ray-silence", self.silence, self.silence > 2 * _BEAT, f"more than {2 * _BEAT:g} seconds"),
            ("--attack-shards", self.attack_shards, self.attack_shards >= 1, "1 or more"),
        )
        for name, value, right, what in checks:
            if not right:
                raise BadInput(f"{name} {value}: should be {what}")

    def of(self, cell: Cell) -> dict[str, float]:
        """Ray's names and units for what a cell takes."""
        cpus = float(cell.spec["threads"]) if self.cpus is None else self.cpus
        processes = cell.spec.get("processes", 1)
        return {
            "num_cpus": cpus * processes,
            "num_gpus": self.gpus * processes,
            **({} if self.memory is None else {"memory": self.memory * 2**30}),
        }


@dataclass
class _Piece:
    """What one Ray task does: a cell, or a part of an attack's cell.

    Attributes:
        seen: the last sign of life and when, on this machine's clock, it came.
        crashes: workers that died under it while their machine lived.
        lost: machines that were lost under it.
    """

    cell: Cell
    part: int | None = None
    name: str = ""
    seen: tuple[int, float] | None = None
    crashes: int = 0
    lost: int = 0
    done: tuple[int, int] = (0, 0)


@dataclass
class _Going:
    """A cell that was started."""

    cell: Cell
    progress: Progress
    seconds: float = 0.0
    parts: list[_Piece] = field(default_factory=list)


class RayExecutor:
    """One Ray task per cell, or per part of an attack; records go to the store, which every machine must reach.

    Ray's own retries are off: it cannot tell a cell that kills its worker from a machine that went away. Workers give a
    sign of life every two seconds to a small actor beside the driver. A worker that gives none is killed, and what it
    did is done again elsewhere: it may be paused, or its machine be out of reach. If it wakes up after all, the record
    that is there first stays (`Store.write`).

    Args:
        address: of a running cluster (``auto``, ``HOST:PORT``, ``ray://HOST:PORT``); None starts one on this machine.

    Raises:
        Unavailable: Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str | None = None, resources: Resources | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
            import ray.util.scheduling_strategies
        except ImportError as error:
            raise Unavailable('--executor ray: Ray is not installed; pip install "asa-bench[ray]"') from error
        self.resources = resources or Resources()
        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            how: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
            try:
                ray.init(log_to_driver=False, logging_level=logging.ERROR, namespace="asa-bench", **how)
            except (ConnectionError, RuntimeError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise Unavailable(
                    f"--ray-address {address}: no Ray cluster answers there ({reason}); start one with 'ray start --head', "
                    "and where it asks for a token, set RAY_AUTH_MODE=token"
                ) from error
        here = self._ray.get_runtime_context().get_node_id()
        beside = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=True)
        self._board: Any = (
            self._ray.remote(Board)
            .options(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=beside)
            .remote()
        )
        self._task = self._ray.remote(_work)
        self._killer = self._ray.remote(_kill)
        self._pieces: dict[Any, _Piece] = {}  # reference of a task -> what it does
        self._going: dict[str, _Going] = {}
        self._store: Store | None = None
        self._count = 0
        self._cells: Sequence[Cell] = ()

    @property
    def slots(self) -> int:
        """As many cells as the cluster holds now, and one for each machine, so that none waits for us."""
        nodes = self._nodes()
        if not self._cells:
            return 1
        least = min(self.resources.of(cell)["num_cpus"] for cell in self._cells)
        fits = sum(int(node.get("CPU", 0) / least) for node in nodes)
        if self.resources.gpus:
            fits = min(fits, sum(int(node.get("GPU", 0) / self.resources.gpus) for node in nodes))
        return max(1, fits + len(nodes))

    def check(self, cells: Sequence[Cell]) -> None:
        """As `work.check`, on this machine; and that some machine of the cluster can hold each cell.

        Raises:
            BadInput: no machine has what a cell takes.
        """
        nodes = self._nodes()
        for cell in cells:
            for key, needed in self.resources.of(cell).items():
                name = {"num_cpus": "CPU", "num_gpus": "GPU"}.get(key, key)
                most = max((node.get(name, 0.0) for node in nodes), default=0.0)
                if needed > most:
                    option = {"CPU": "--cpus-per-cell", "GPU": "--gpus-per-cell"}.get(
                        name, "--memory-per-cell"
                    )
                    unit = 2**30 if name == "memory" else 1
                    raise BadInput(
                        f"{option}: '{cell.label}' takes {needed / unit:g} {name}, and no machine of the cluster has more "
                        f"than {most / unit:.4g}"
                    )
        self._cells = list(cells)
        work.check(cells)

    def order(self, cells: Sequence[Cell], store: Store) -> list[Cell]:
        """The longest chain first, by what cells took before, else by arithmetic.

        Simulated on a hundred workers, the plan's own order takes up to half as long again (`benchmarks/cluster_simulation.py`).
        """
        clock, names = clock_of(store.records()), {cell.address for cell in cells}
        jobs = []
        for cell in cells:
            told = clock.guess(cell)
            seconds = (rough(cell) if told is None else told) or 1.0
            jobs.append(Job(cell.address, seconds, tuple(at for at in cell.waits.values() if at in names)))
        behind = remaining(jobs)
        return sorted(cells, key=lambda cell: -behind[cell.address])  # equal ones stay in the plan's order

    def start(self, cell: Cell, store: Store, progress: Progress) -> None:
        self._store = store
        cell = replace(cell, context=_everywhere(cell.context))
        going = _Going(cell, progress)
        self._going[cell.address] = going
        shards = min(self.resources.attack_shards, cell.spec.get("examples") or self.resources.attack_shards)
        if shards > 1 and work.in_parts(cell):
            going.parts = [_Piece(cell, part) for part in range(shards)]
            for piece in list(going.parts):
                self._submit(piece, shards)
        else:
            self._submit(_Piece(cell), 1)

    def wait(self) -> Ended:
        while True:
            ended, _ = self._ray.wait(list(self._pieces), num_returns=1, timeout=1.0)
            for reference in ended:
                piece = self._pieces.pop(reference)
                found = self._outcome(reference, piece)
                if found is not None:
                    return found
            self._look()

    def close(self) -> None:
        for reference in self._pieces:
            with contextlib.suppress(Exception):  # it may have ended, or its machine be gone
                self._ray.cancel(reference, force=True)
        self._pieces.clear()
        if self._ours:
            self._ray.shutdown()

    # ----------------------------------------------------------------------------------------------------------

    def _nodes(self) -> list[Mapping[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _submit(self, piece: _Piece, parts: int) -> None:
        assert self._store is not None
        self._count += 1
        piece.name = f"{piece.cell.address}-{self._count}"
        piece.seen = None
        task = self._task.options(max_retries=0, name=piece.cell.label, **self.resources.of(piece.cell))
        share = None if piece.part is None else (piece.part, parts)
        self._pieces[task.remote(piece.cell, share, self._store.where, self._board, piece.name)] = piece

    def _outcome(self, reference: Any, piece: _Piece) -> Ended | None:
        """What became of a task; None where its cell goes on."""
        going = self._going[piece.cell.address]
        parts, failure = len(going.parts), None
        try:
            failure, seconds = self._ray.get(reference)
            going.seconds += seconds
        except (
            self._ray.exceptions.RayTaskError
        ) as error:  # before our code began, such as another version of it
            failure = Failure(one_line(error.cause or error), str(error))
        except self._ray.exceptions.RayError as error:
            again = self._lost(piece, error)
            if again is None:
                self._submit(piece, parts)
                return None
            failure = again
        if failure is None and piece.part is not None:
            going.parts = [other for other in going.parts if other is not piece]
            if not going.parts:  # all parts are in the journal: what is left is to verify and record
                self._submit(_Piece(piece.cell), 1)
            return None
        if failure is not None:
            self._forget(piece.cell)
        del self._going[piece.cell.address]
        return Ended(piece.cell, going.seconds, failure)

    def _forget(self, cell: Cell) -> None:
        """Stop the other parts of a cell that failed."""
        for reference in [ref for ref, piece in self._pieces.items() if piece.cell.address == cell.address]:
            del self._pieces[reference]
            with contextlib.suppress(Exception):
                self._ray.cancel(reference, force=True)

    def _lost(self, piece: _Piece, error: Exception) -> Failure | None:
        """Counts a worker that is gone; a failure where that was once too often, None where it is tried again."""
        sign = self._signs().get(piece.name)
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        machine_lost = isinstance(error, self._ray.exceptions.NodeDiedError) or (
            sign is not None and sign.node not in alive
        )
        if machine_lost:
            piece.lost += 1
        else:
            piece.crashes += 1
        if piece.crashes < _ATTEMPTS and piece.lost < _GONE:
            return None
        often = f"{piece.crashes} times" if piece.crashes >= _ATTEMPTS else f"with {piece.lost} machines"
        return Failure(f"its worker died {often} ({one_line(error)})")

    def _signs(self) -> dict[str, Sign]:
        with contextlib.suppress(self._ray.exceptions.RayError):
            found: dict[str, Sign] = self._ray.get(self._board.read.remote(), timeout=10)
            return found
        return {}

    def _look(self) -> None:
        """Pass progress on, and give up workers that show no life."""
        signs, now = self._signs(), time.monotonic()
        for reference, piece in list(self._pieces.items()):
            sign = signs.get(piece.name)
            if sign is None:
                continue
            if piece.seen is None or piece.seen[0] != sign.count:
                piece.seen = (sign.count, now)
                piece.done = (sign.done, sign.total)
                going = self._going[piece.cell.address]
                each = [part.done for part in going.parts] or [piece.done]
                going.progress(sum(done for done, _ in each), sum(total for _, total in each))
            elif now - piece.seen[1] > self.resources.silence:
                self._give_up(reference, piece, sign)

    def _give_up(self, reference: Any, piece: _Piece, sign: Sign) -> None:
        """Kill a silent worker where it is, and do its piece again; its machine may be out of reach."""
        there = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(sign.node, soft=False)
        with contextlib.suppress(self._ray.exceptions.RayError):
            killing = self._killer.options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote(
                sign.pid
            )
            self._ray.get(killing, timeout=10)
        with contextlib.suppress(Exception):
            self._ray.cancel(reference, force=True)
        del self._pieces[reference]
        piece.lost += 1
        self._submit(piece, len(self._going[piece.cell.address].parts))


@dataclass(frozen=True)
class Sign:
    """The last sign of life of a worker: where it is, and how far."""

    count: int
    node: str
    pid: int
    done: int
    total: int


class Board:
    """An actor where workers tell how far they are."""

    def __init__(self) -> None:
        self._signs: dict[str, Sign] = {}

    def tell(self, name: str, sign: Sign) -> None:
        self._signs[name] = sign

    def read(self) -> dict[str, Sign]:
        return self._signs


def _work(
    cell: Cell, share: tuple[int, int] | None, where: str, board: Any, name: str
) -> tuple[Failure | None, float]:
    """What a worker does: the cell, or its part of an attack. Returns why it failed, if so, and the seconds it took."""
    from asa_bench.stores import open_store

    with _signs_of_life(board, name) as progress:

        def do() -> None:
            store = open_store(where)
            if share is None:
                work.perform(cell, store, progress)
            else:
                work.perform_part(cell, store, progress, *share)

        begun = time.monotonic()
        failure = attempt(do, Path(where))
        return failure, time.monotonic() - begun


@contextlib.contextmanager
def _signs_of_life(board: Any, name: str) -> Iterator[Progress]:
    """Tells the board every two seconds how far the work is, from a thread that stands still when the process does."""
    import ray

    node, done, over = ray.get_runtime_context().get_node_id(), [0, 0], threading.Event()

    def live() -> None:
        count = 0
        while True:
            count += 1
            with contextlib.suppress(Exception):  # the board may be starting again
                board.tell.remote(name, Sign(count, node, os.getpid(), done[0], done[1]))
            if over.wait(_BEAT):
                return

    def progress(at: int, total: int) -> None:
        done[:] = [at, total]

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        over.set()
        thread.join()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)


def _everywhere(value: Any) -> Any:
    """`value` with whole paths in place of relative ones, which mean something else where a worker runs."""
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, Mapping):
        named = {
            key for key in ("model", "base") if isinstance(value.get(key), str) and Path(value[key]).is_dir()
        }
        return {
            key: str(Path(item).absolute()) if key in named else _everywhere(item)
            for key, item in value.items()
        }
    if isinstance(value, BaseModel):
        names = type(value).model_fields
        return value.model_copy(update={name: _everywhere(getattr(value, name)) for name in names})
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _everywhere(getattr(value, each.name)) for each in fields(value)})
    return value
