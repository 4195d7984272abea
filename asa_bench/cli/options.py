"""The options that `run` and `plan` share, and how they lie over a profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asa_bench.errors import BadInput, nearest

if TYPE_CHECKING:
    from asa_bench.executors import Executor
    from asa_bench.request import Request
    from asa_bench.settings import Settings
    from asa_bench.tasks.base import Source

SuiteOption = Annotated[
    str, typer.Option("--suite", "-s", metavar="NAME_OR_FILE", help="A suite's name or its YAML file.")
]
ProfileOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The suite's profile: embedded, laptop, paper.")
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model", metavar="FOLDER_OR_HUB_ID", help="Encoder to train: a folder or a hub id. Repeatable."
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Folder with the data sets in their original layouts, instead of the hub."
    ),
]
RunDataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder with the data sets in their original layouts, instead of the hub, and with files that attacks need; "
        "beside the laboratory's data, with the latter alone.",
    ),
]
MethodsOption = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Training methods, comma-separated; 'none' to only load checkpoints."),
]
TasksOption = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Training and challenge tasks, comma-separated.")
]
SeedsOption = Annotated[
    str | None, typer.Option(metavar="N_OR_LIST", help="How many training seeds (3), or which (4,7).")
]
TrainExamplesOption = Annotated[
    str | None, typer.Option(metavar="N", help="Training rows per task, or 'all'.")
]
EvalExamplesOption = Annotated[str | None, typer.Option(metavar="N", help="Rows of each test set, or 'all'.")]
AttacksOption = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Attacks, comma-separated, or 'none'.")
]
AttackExamplesOption = Annotated[
    str | None, typer.Option(metavar="N", help="Rows that each attack is run on.")
]
ReplayOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE_OR_FOLDER", help="Stored adversarial sets that models of their task face. Repeatable."
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Output folder, or its URL (s3://BUCKET/NAME, ...). [default: reports/runs/<suite>-<profile>]",
    ),
]
DeviceOption = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu or cuda.")]
PrecisionOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of training: auto, float32 or bf16.")
]
ThreadsOption = Annotated[
    str | None, typer.Option(metavar="N", help="Processor threads, or 'auto'. Part of a result's identity.")
]
ProcessesOption = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Processes that share each batch of a fine-tuning, one GPU each. Part of a result's identity.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as methods.asa.tau=0.3. Repeatable."),
]
LoadOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[@TASK][#SEED]=MODEL", help="Also evaluate a checkpoint: a folder or hub id. Repeatable."
    ),
]
LabelMapOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=LABEL,LABEL", help="What a checkpoint's outputs mean, in order. Repeatable."),
]
TrainedOnOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=TASK,TASK",
        help="What a loaded checkpoint was trained on (tasks, or TASK:SPLIT); unknown if not told. Repeatable.",
    ),
]
ExecutorOption = Annotated[str, typer.Option(metavar="NAME", help="Where cells run: local or ray.")]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A running cluster: auto, HOST:PORT or ray://HOST:PORT. [default: one on this machine]",
    ),
]
CpusOption = Annotated[
    float | None, typer.Option(metavar="N", help="With ray: processors per cell. [default: its threads]")
]
GpusOption = Annotated[float, typer.Option(metavar="N", help="With ray: GPUs per cell; 0.25 shares one.")]
MemoryOption = Annotated[float | None, typer.Option(metavar="GIB", help="With ray: main memory per cell.")]
SILENCE = 120.0
ShardsOption = Annotated[
    int, typer.Option(metavar="N", help="With ray: in how many parts an attack is done.")
]
SilenceOption = Annotated[
    float,
    typer.Option(
        "--ray-silence",
        metavar="SECONDS",
        help="With ray: a worker without a sign of life for so long is given up.",
    ),
]


def executor(
    name: str,
    ray_address: str | None,
    cpus: float | None,
    gpus: float,
    memory: float | None,
    shards: int,
    silence: float,
) -> Executor | None:
    """The executor that the options of `run` ask for; None for this process.

    Raises:
        BadInput: no such executor, or options of another one.
        Unavailable: Ray is not installed, or no cluster answers.
    """
    if name == "ray":
        from asa_bench.executors.ray import RayExecutor, Resources

        return RayExecutor(ray_address, Resources(cpus, gpus, memory, shards, silence))
    if name != "local":
        raise BadInput(f"--executor {name}: there is none of that name; {nearest(name, ('local', 'ray'))}")
    given = {
        "--ray-address": ray_address is not None,
        "--cpus-per-cell": cpus is not None,
        "--gpus-per-cell": gpus != 0,
        "--memory-per-cell": memory is not None,
        "--attack-shards": shards != 1,
        "--ray-silence": silence != SILENCE,
    }
    for option, said in given.items():
        if said:
            raise BadInput(f"{option}: needs --executor ray; this process does one cell after the other")
    return None


def request(
    suite: str,
    *,
    profile: str | None = None,
    model: Sequence[str] | None = None,
    data_dir: Path | None = None,
    methods: str | None = None,
    tasks: str | None = None,
    seeds: str | None = None,
    train_examples: str | None = None,
    eval_examples: str | None = None,
    attacks: str | None = None,
    attack_examples: str | None = None,
    replay: Sequence[str] | None = None,
    output: Path | None = None,
    device: str | None = None,
    precision: str | None = None,
    threads: str | None = None,
    processes: str | None = None,
    set_: Sequence[str] | None = None,
    load: Sequence[str] | None = None,
    label_map: Sequence[str] | None = None,
    trained_on: Sequence[str] | None = None,
) -> Request:
    """The request that these options make; each setting remembers the option that said it.

    Raises:
        BadInput: an option's text is not of its form.
    """
    from asa_bench.request import Request
    from asa_bench.yaml_file import parse_value

    found: dict[str, tuple[Any, str]] = {}

    def put(key: str, option: str, value: Any, given: object) -> None:
        if given is not None:
            found[key] = (value, option)

    put("models", "--model", list(model or ()), model or None)
    put("methods", "--methods", _names(methods, "--methods"), methods)
    put("attacks", "--attacks", _names(attacks, "--attacks"), attacks)
    put("replay", "--replay", list(replay or ()), replay or None)
    put("seeds", "--seeds", _seeds(seeds), seeds)
    put(
        "attack_examples", "--attack-examples", _number(attack_examples, "--attack-examples"), attack_examples
    )
    put(
        "train_examples",
        "--train-examples",
        _number(train_examples, "--train-examples", all=None),
        train_examples,
    )
    put(
        "eval_examples", "--eval-examples", _number(eval_examples, "--eval-examples", all=None), eval_examples
    )
    put("device", "--device", device, device)
    put("precision", "--precision", precision, precision)
    put("processes", "--processes", _number(processes, "--processes"), processes)
    put("threads", "--threads", _number(threads, "--threads", auto="auto"), threads)
    put("trained_on", "--trained-on", _trained_on(trained_on or ()), trained_on or None)
    for text in set_ or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"--set {text!r}: expected KEY=VALUE, such as training.epochs=2")
        said = f"--set {key.strip()}"
        found[key.strip()] = (parse_value(value, said), said)
    return Request(
        suite=suite,
        profile=profile,
        overrides=found,
        tasks=_names(tasks, "--tasks"),
        data_dir=data_dir,
        output=output,
        load=tuple(load or ()),
        label_map=tuple(label_map or ()),
    )


def tell_of_folder(settings: Settings, source: Source) -> None:
    """Says on stderr that nothing of ``--data-dir`` is data where the rows are the laboratory's."""
    from asa_bench import needs
    from asa_bench.errors import one_line

    told = needs.note(settings, source)
    if told:
        typer.echo(one_line(told), err=True)


def _trained_on(texts: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, data = text.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"--trained-on {text!r}: expected NAME=TASK,TASK, such as mine=qqp,paws_qqp")
        if name.strip() in found:
            raise BadInput(f"--trained-on {text!r}: {name.strip()!r} is given twice")
        found[name.strip()] = _names(data, "--trained-on") or []
    return found


def _names(text: str | None, option: str) -> list[str] | None:
    if text is None:
        return None
    if text.strip() == "none":
        return []
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise BadInput(f"{option} {text!r}: expected names with commas between them, or 'none'")
    return names


def _number(text: str | None, option: str, **words: str | None) -> int | str | None:
    """A whole number, or the value of one of the `words` that may stand in its place."""
    if text is None:
        return None
    if text in words:
        return words[text]
    try:
        return int(text)
    except ValueError:
        other = "".join(f" or {word!r}" for word in words)
        raise BadInput(f"{option} {text!r}: expected a whole number{other}") from None


def _seeds(text: str | None) -> int | list[int] | None:
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"--seeds {text!r}: expected how many (3), or which ones (4,7)") from None
    return numbers if "," in text else numbers[0]
