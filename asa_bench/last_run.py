"""Which cells made up the last run of an output folder, as the folder remembers it (``plan.json``)."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from asa_bench.attacks import variants
from asa_bench.errors import StoreError
from asa_bench.plan import Plan
from asa_bench.quality import QualitySettings
from asa_bench.record import SCHEMA_VERSION
from asa_bench.reports.outcomes import Subject
from asa_bench.store import Store
from asa_bench.tasks.base import Frozen


class PlannedCell(Frozen):
    """One cell of the last run, as a folder remembers it."""

    kind: str
    address: str
    label: str
    subject: Subject | None
    task: str | None
    attack: str | None
    source: Subject | None = Field(default=None, description="of a replay: whom the attack was made against")
    stored: str = Field(default="", description="of a replay of a stored set: the set's name")
    title: str = Field(default="", description="of a further pre-training: what tables call its encoder")


class PlannedRun(Frozen):
    """Which cells make up the last run of a folder, and in which order tables show them. No clock and no path."""

    schema_version: int = SCHEMA_VERSION
    suite: str
    title: str
    profile: str
    fingerprint: str
    # Lists, because the order of columns and rows is the suite's own.
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    attacks: tuple[str, ...]
    ensemble: tuple[str, ...] = ()
    quality: QualitySettings = QualitySettings()
    exposures: dict[str, str]
    trained_on: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    settings: dict[str, Any]
    cells: tuple[PlannedCell, ...]


def describe(plan: Plan) -> PlannedRun:
    """The plan as the output folder keeps it."""
    settings = plan.settings
    return PlannedRun(
        suite=plan.suite,
        title=plan.title,
        profile=plan.profile,
        fingerprint=plan.fingerprint,
        tasks=(*settings.train, *settings.challenges),
        methods=tuple(settings.methods),
        attacks=tuple(one for name, options in settings.attacks.items() for one in variants(name, options)),
        # The worst case is that of both victims where an attack asks for both.
        ensemble=tuple(one for name in settings.ensemble for one in variants(name, settings.attacks[name])),
        quality=settings.quality,
        exposures=dict(settings.exposures),
        trained_on=dict(settings.trained_on),
        left_out=plan.left_out,
        settings=settings.model_dump(mode="json", exclude={"models"}),
        cells=tuple(
            PlannedCell(
                kind=cell.kind,
                address=cell.address,
                label=cell.label,
                subject=cell.subject,
                task=cell.spec.get("task"),
                attack=cell.spec.get("attack"),
                source=None if cell.spec.get("source") is None else Subject(**cell.spec["source"]),
                title=cell.spec.get("title", ""),
                stored=cell.context.get("stored", ""),
            )
            for cell in plan.cells
        ),
    )


def planned(store: Store) -> PlannedRun:
    """The last run of a folder.

    Raises:
        BadInput: this is not an output folder.
        StoreError: its plan is damaged or of another version.
    """
    try:
        return PlannedRun.model_validate(store.read_plan())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field_ = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"{store.root / 'plan.json'}: {field_}: {first['msg'].lower()}; run the suite again with the same --output"
        ) from None


def unrecorded(store: Store) -> list[str]:
    """Labels of the cells of a folder's last run that have no record, or only a damaged one.

    Raises:
        BadInput: this is not an output folder.
        StoreError: its plan is damaged or of another version.
    """
    return [cell.label for cell in planned(store).cells if store.told(cell.kind, cell.address) is None]
