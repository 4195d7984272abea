"""How long a plan takes on many workers: list scheduling, simulated, with stragglers and lost workers."""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A cell as a scheduler sees it.

    Attributes:
        name: its address.
        seconds: how long it takes on one worker.
        waits: names of the jobs that come before it.
    """

    name: str
    seconds: float
    waits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weather:
    """What goes wrong.

    Attributes:
        straggling: share of attempts that run `slowness` times as long.
        slowness: see `straggling`.
        hours_between_losses: of one worker, on average (exponentially distributed); None for never. What it did on
            its job is lost, and it is back at once, as a new one.
    """

    straggling: float = 0.0
    slowness: float = 3.0
    hours_between_losses: float | None = None


@dataclass(frozen=True)
class Schedule:
    """How a simulated run went.

    Attributes:
        seconds: from the first start to the last end.
        work: seconds of all jobs together, on one worker, if nothing goes wrong.
        wasted: seconds of attempts that were lost, and by which stragglers took longer.
        critical_path: names of the jobs of the longest chain, and `critical_seconds`, which no number of workers
            undercuts.
        workers: how many there were.
    """

    seconds: float
    work: float
    wasted: float
    critical_path: tuple[str, ...]
    critical_seconds: float
    workers: int

    @property
    def bound(self) -> float:
        """Seconds that no schedule undercuts: the longest chain, or all work spread evenly."""
        return max(self.critical_seconds, self.work / self.workers)

    @property
    def efficiency(self) -> float:
        """The share of the workers' time that the jobs themselves take, 0 to 1."""
        return self.work / (self.workers * self.seconds) if self.seconds else 1.0


def remaining(jobs: Sequence[Job]) -> dict[str, float]:
    """Name -> seconds of the longest chain that begins with a job, itself included.

    Raises:
        ValueError: a job waits for one that does not come before it.
    """
    after: dict[str, float] = {job.name: 0.0 for job in jobs}
    seen = set()
    for job in jobs:
        if any(at not in seen for at in job.waits):
            raise ValueError(f"{job.name} waits for a job that does not come before it")
        seen.add(job.name)
    found: dict[str, float] = {}
    for job in reversed(jobs):
        found[job.name] = job.seconds + after[job.name]
        for at in job.waits:
            after[at] = max(after[at], found[job.name])
    return found


def critical_path(jobs: Sequence[Job]) -> tuple[tuple[str, ...], float]:
    """The longest chain of jobs, and its seconds."""
    lengths = remaining(jobs)
    followers: dict[str, list[str]] = {}
    for job in jobs:
        for at in job.waits:
            followers.setdefault(at, []).append(job.name)
    chain: list[str] = []
    starts = [job.name for job in jobs if not job.waits]
    while starts:
        chain.append(max(starts, key=lambda name: lengths[name]))
        starts = followers.get(chain[-1], [])
    return tuple(chain), lengths[chain[0]] if chain else 0.0


def simulate(
    jobs: Sequence[Job],
    workers: int,
    weather: Weather | None = None,
    longest_chain_first: bool = False,
    seed: int = 0,
) -> Schedule:
    """Give a free worker the first job that is ready, until all are done.

    Args:
        jobs: in the plan's order; each comes after those that it waits for.
        longest_chain_first: of the ready jobs take the one with the longest chain behind it, not the plan's first.

    Raises:
        ValueError: no worker, or jobs out of order.
    """
    if workers < 1:
        raise ValueError("a simulation needs at least one worker")
    sky, rng = weather or Weather(), random.Random(seed)  # noqa: S311
    lengths = remaining(jobs)
    rank: Mapping[str, tuple[float, int]] = {
        job.name: (-lengths[job.name] if longest_chain_first else 0.0, place)
        for place, job in enumerate(jobs)
    }
    known = {job.name: job for job in jobs}
    blocked = {job.name: len(set(job.waits)) for job in jobs}
    followers: dict[str, list[str]] = {}
    for job in jobs:
        for at in set(job.waits):
            followers.setdefault(at, []).append(job.name)
    ready = [(rank[name], name) for name, count in blocked.items() if not count]
    heapq.heapify(ready)
    going: list[tuple[float, str, bool]] = []  # when, which job, whether it is done then or its worker lost
    now, free, wasted = 0.0, workers, 0.0
    while ready or going:
        while ready and free:
            _, name = heapq.heappop(ready)
            seconds = known[name].seconds * (sky.slowness if rng.random() < sky.straggling else 1.0)
            lost = (
                rng.expovariate(1 / (3600 * sky.hours_between_losses))
                if sky.hours_between_losses
                else float("inf")
            )
            done = lost >= seconds
            wasted += seconds - known[name].seconds if done else lost
            heapq.heappush(going, (now + min(seconds, lost), name, done))
            free -= 1
        now, name, done = heapq.heappop(going)
        free += 1
        if not done:
            heapq.heappush(ready, (rank[name], name))
            continue
        for follower in followers.get(name, []):
            blocked[follower] -= 1
            if not blocked[follower]:
                heapq.heappush(ready, (rank[follower], follower))
    chain, length = critical_path(jobs)
    return Schedule(now, sum(job.seconds for job in jobs), wasted, chain, length, workers)
