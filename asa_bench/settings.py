"""Everything that a suite, a profile or an option can say, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from asa_bench.attacks.base import AttackOptions
from asa_bench.errors import nearest
from asa_bench.models.laboratory import Pretraining
from asa_bench.pretraining import PretrainingSettings
from asa_bench.quality import QualitySettings
from asa_bench.tasks import TASKS
from asa_bench.tasks.base import Frozen, LaboratoryOptions

LABORATORY_MODEL = "laboratory"


class TrainingSettings(Frozen):
    """How a model is fine-tuned; the same for every method of a run."""

    epochs: float = Field(default=3, gt=0, le=1000)
    learning_rate: float = Field(default=2e-5, gt=0, lt=1)
    batch_size: int = Field(default=32, ge=1, le=65536)
    max_length: int = Field(default=128, ge=4, le=8192, description="tokens; longer inputs are truncated")
    padding: Literal["longest", "max_length"] = Field(
        default="longest",
        description="a batch is padded to its longest example, or always to max_length, as the released ASA code does",
    )
    warmup_ratio: float = Field(default=0.06, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(
        default=1.0, gt=0, description="the model's gradient is clipped at this norm"
    )


class LaboratorySettings(LaboratoryOptions):
    """The embedded laboratory: the strength of its shortcuts, and how its shared encoder is pre-trained."""

    pretraining_seed: int = Field(default=0, ge=0)
    pretraining: Pretraining = Field(
        default=Pretraining(), description="size and pre-training of the encoder"
    )


class Settings(Frozen):
    """Everything that a suite, a profile or an option can say."""

    source: Literal["laboratory", "folder", "hub"] = "laboratory"
    models: tuple[str, ...] = Field(
        default=(LABORATORY_MODEL,), min_length=1, description="'laboratory', a folder or a hub id"
    )
    train: tuple[str, ...] = Field(default=(), description="tasks that models are trained on")
    challenges: tuple[str, ...] = Field(default=(), description="challenge tasks that trained models face")
    methods: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict, description="training methods, each with its hyperparameters"
    )
    attacks: Mapping[str, AttackOptions] = Field(
        default_factory=dict, description="attacks, each with its options"
    )
    attack_tasks: tuple[str, ...] | None = Field(
        default=None, description="training tasks whose evaluation split is attacked; all of them if absent"
    )
    seeds: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1, description="training seeds, or how many")
    attack_seed: int = Field(default=0, ge=0)
    ensemble: tuple[str, ...] = Field(
        default=(),
        description="attacks whose worst case per example is a column of its own; all of them must run",
    )
    transfer: bool = Field(
        default=False,
        description="face every model with the adversarial texts that the attacks made against the others of its encoder, "
        "task and seed",
    )
    quality: QualitySettings = Field(
        default=QualitySettings(),
        description="how the quality of adversarial texts is measured, and which of them count",
    )
    train_examples: Mapping[str, int] | int | None = Field(default=None, description="rows; all if absent")
    eval_examples: int | None = Field(default=None, ge=1, description="rows of each test set; all if absent")
    attack_examples: int = Field(default=100, ge=1, description="rows that each attack is run on")
    replay: tuple[str, ...] = Field(
        default=(),
        description="stored adversarial sets that every model of their task faces: files, or folders of them",
    )
    reliance_examples: int | None = Field(
        default=None,
        ge=0,
        description="rows of each training task whose words are left out in turn, to measure how much a model leans on "
        "single words; none if absent or 0",
    )
    calibration_examples: int | None = Field(
        default=None,
        ge=20,
        description="rows of each training task's training data on which the temperature of every classifier is fitted; "
        "they are neither trained on nor reported; no temperature if absent",
    )
    reliance_words: int = Field(
        default=64,
        ge=1,
        description="words of a row that are left out in turn; evenly spaced ones where it has more",
    )
    reliance_removed: tuple[int, ...] = Field(
        default=(1, 2, 3),
        min_length=1,
        description="how many of a row's most important words are left out together",
    )
    training: TrainingSettings = TrainingSettings()
    laboratory: LaboratorySettings = LaboratorySettings()
    pretraining: PretrainingSettings | None = Field(
        default=None, description="further pre-training of the models before they are trained; none if absent"
    )
    exposures: Mapping[str, str] = Field(
        default_factory=dict,
        description="model title -> what it saw before fine-tuning that a reader of the table must know",
    )
    trained_on: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="name of a loaded checkpoint, or model title -> data that it was trained on: tasks (their training "
        "split) or 'task:split'; of a checkpoint that is not named, it is unknown",
    )
    precision: Literal["auto", "float32", "bf16"] = Field(default="auto", description="of training")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | Literal["auto"] = "auto"
    processes: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="that share each batch of a fine-tuning, one GPU each where the device is one",
    )

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a number of seeds or a list of seeds is expected")
        if isinstance(value, int):
            if not 1 <= value <= 1000:
                raise ValueError(f"the number of seeds must be between 1 and 1000, not {value}")
            return tuple(range(1, value + 1))
        return value

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(seed < 0 for seed in value):
            raise ValueError("a seed must not be negative")
        return _distinct(value)

    @field_validator("reliance_removed")
    @classmethod
    def _some_removed(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value) < 1:
            raise ValueError(f"at least 1 word must be left out, not {min(value)}")
        return _distinct(value)

    @field_validator("train", "challenges", "attack_tasks", "models", "ensemble", "replay", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("train", "challenges", "models", "attack_tasks", "ensemble", "replay")
    @classmethod
    def _distinct_names(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return value if value is None else _distinct(value)

    @field_validator("methods", "attacks", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """A list of names is short for a mapping of names to no options."""
        if value is None:
            return {}
        if isinstance(value, str):
            value = [value]
        if isinstance(value, Sequence):
            if any(not isinstance(item, str) for item in value):
                raise ValueError("a list of names, or a mapping of names to options, is expected")
            return {name: {} for name in _distinct(tuple(value))}
        if isinstance(value, Mapping):
            return {name: {} if options is None else options for name, options in value.items()}
        return value

    @field_validator("trained_on", mode="before")
    @classmethod
    def _listed_data(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: [said] if isinstance(said, str) else said for name, said in value.items()}
        return value

    @field_validator("trained_on")
    @classmethod
    def _known_data(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for said in value.values():
            check_data(said)
        return value

    @field_validator("train_examples")
    @classmethod
    def _some_examples(cls, value: Any) -> Any:
        for count in value.values() if isinstance(value, Mapping) else [value]:
            if count is not None and count < 1:
                raise ValueError(f"at least 1 example is needed, not {count}")
        return value

    @field_validator("threads")
    @classmethod
    def _some_threads(cls, value: Any) -> Any:
        if isinstance(value, int) and not 1 <= value <= 1024:
            raise ValueError(f"threads must be 'auto' or between 1 and 1024, not {value}")
        return value

    @model_validator(mode="after")
    def _attack_tasks_are_trained(self) -> Settings:
        for name in self.attack_tasks or ():
            if name not in self.train:
                raise ValueError(
                    f"attack_tasks names {name!r}, which is not among the training tasks of this run"
                )
        return self

    @model_validator(mode="after")
    def _ensemble_is_attacked(self) -> Settings:
        if len(self.ensemble) == 1:
            raise ValueError("ensemble names one attack; a worst case needs at least two")
        for name in self.ensemble:
            if name not in self.attacks:
                raise ValueError(f"ensemble names {name!r}, which is not among the attacks of this run")
        return self

    @model_validator(mode="after")
    def _calibrated_victims_have_a_temperature(self) -> Settings:
        for name, options in self.attacks.items():
            if options.victim != "raw" and self.calibration_examples is None:
                raise ValueError(
                    f"attack {name!r} asks for a calibrated victim (victim: {options.victim}), which needs "
                    "calibration_examples, such as 500"
                )
        return self

    def examples_of(self, task: str) -> int | None:
        """How many training rows `task` gets, None for all."""
        if isinstance(self.train_examples, Mapping):
            return self.train_examples.get(task)
        return self.train_examples


def check_data(names: Sequence[str]) -> None:
    """Refuses misspelt names of training data, which would pass for never seen.

    Raises:
        ValueError: a name, such as 'qqp' or 'mnli:dev', is that of no task, and of nothing that a task must not share.
    """
    tasks = TASKS.names()
    known = {*tasks, *(name.partition(":")[0] for task in tasks for name in TASKS.get(task).exposure)}
    for name in names:
        data = name.partition(":")[0]
        if data not in known:
            raise ValueError(f"unknown data {name!r}; {nearest(data, sorted(known))}")


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is given twice")
    return values
