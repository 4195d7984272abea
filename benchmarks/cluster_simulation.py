"""How a run spreads over 1 to 1,000 workers: simulated, from what the cells of a finished run took.

Run it from a checkout, on any output folder::

    python benchmarks/cluster_simulation.py reports/runs/robustness-embedded --copies 20
    python benchmarks/cluster_simulation.py OUT --copies 50 --straggling 0.05 --slowness 5 --hours-between-losses 24

The cells of the folder, with their recorded seconds and what they wait for, are taken `--copies` times, as further
seeds and tasks would add them; what trains no model (a shared pre-training) is taken once. `--scale` multiplies all
seconds, for a larger encoder; `--pretrained` leaves the shared pre-training out, as where an encoder is loaded.

Printed are, per number of workers, the time and what it consists of: *bound*, which no schedule undercuts (all work
spread evenly, or the longest chain of cells that wait for each other); *scheduling*, what handing cells out in this order
adds to it in fair weather; and *weather*, what stragglers and lost workers add. Both orders of handing out cells are
compared: the plan's, and the longest chain first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asa_bench.scheduling import Job, Weather, critical_path, simulate
from asa_bench.store import Store

ONCE = {"pretrain"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="output folder of a run")
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--pretrained", action="store_true", help="leave shared pre-trainings out")
    parser.add_argument("--workers", default="1,2,5,10,20,50,100,200,500,1000")
    parser.add_argument("--straggling", type=float, default=0.0, help="share of attempts that are slow")
    parser.add_argument("--slowness", type=float, default=3.0, help="how many times as long they take")
    parser.add_argument("--hours-between-losses", type=float, help="of one worker")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def jobs_of(folder: Path, copies: int, scale: float, pretrained: bool) -> tuple[list[Job], dict[str, str]]:
    """The recorded cells, copied, each after what it waits for; and their labels."""
    records = {
        record.address: record
        for record in Store(folder).records()
        if not (pretrained and record.kind in ONCE)
    }
    placed: dict[str, Job] = {}
    labels: dict[str, str] = {}

    def place(at: str, copy: int) -> str:
        record = records[at]
        shared = record.kind in ONCE
        name = at if shared else f"{at}/{copy}"
        if name not in placed:
            waits = tuple(
                place(other, copy) for other in record.manifest["waits"].values() if other in records
            )
            placed[name] = Job(name, scale * float(record.timings().get("seconds", 0.0)), waits)
            labels[name] = str(record.manifest["label"]) + ("" if shared else f" (copy {copy + 1})")
        return name

    for copy in range(copies):
        for at in records:
            place(at, copy)
    return list(placed.values()), labels


def main() -> None:
    asked = arguments()
    jobs, labels = jobs_of(asked.folder, asked.copies, asked.scale, asked.pretrained)
    weather = Weather(asked.straggling, asked.slowness, asked.hours_between_losses)
    chain, length = critical_path(jobs)
    work = sum(job.seconds for job in jobs)
    print(f"{len(jobs)} cells, {work / 3600:.2f} hours of work, longest chain {length:.0f} s:")
    for name in chain:
        print(f"  {labels[name]}")
    losses = (
        f"{weather.hours_between_losses} hours between losses"
        if weather.hours_between_losses
        else "no losses"
    )
    print(f"{100 * weather.straggling:.0f} % stragglers, {weather.slowness:g} times as long; {losses}")
    print(
        f"{'workers':>7}  {'order':<14}{'seconds':>10}{'bound':>10}{'scheduling':>12}{'weather':>10}{'busy':>8}"
    )
    for workers in map(int, asked.workers.split(",")):
        for longest in (False, True):
            fair = simulate(jobs, workers, None, longest)
            found = simulate(jobs, workers, weather, longest, asked.seed)
            print(
                f"{workers:>7}  {'longest chain' if longest else 'plan':<14}{found.seconds:>10.0f}{fair.bound:>10.0f}"
                f"{fair.seconds - fair.bound:>12.0f}{found.seconds - fair.seconds:>10.0f}{100 * found.efficiency:>7.1f}%"
            )


if __name__ == "__main__":
    main()
