"""What a user asks for, from the command line or from Python: a suite, a profile, and what overrides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asa_bench import plan as planning
from asa_bench import suite as suites
from asa_bench.attacks import ATTACKS, library
from asa_bench.errors import BadInput
from asa_bench.plan import Plan
from asa_bench.settings import Settings


@dataclass(frozen=True)
class Request:
    """A run that is asked for.

    Attributes:
        suite: a suite's name or file.
        overrides: dotted setting -> (value, where it was said, for messages).
        tasks: names of training and challenge tasks to keep; all of the suite's if None.
        data_dir: folder with the data sets, instead of the hub; of a profile that generates its own data, with files that
            its attacks need.
        output: output folder; ``reports/runs/<suite>-<profile>`` if None.
        load: checkpoints to evaluate, ``NAME[@TASK][#SEED]=FOLDER_OR_HUB_ID``.
        label_map: what their outputs mean, ``NAME=LABEL,LABEL``.
    """

    suite: str | Path = "robustness"
    profile: str | None = None
    overrides: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    tasks: Sequence[str] | None = None
    data_dir: Path | None = None
    output: Path | None = None
    load: Sequence[str] = ()
    label_map: Sequence[str] = ()

    def settings(self) -> tuple[suites.Suite, str, Settings]:
        """The suite, the profile's name, and its settings with everything that overrides them.

        Raises:
            BadInput: something asked for is wrong; names the option or the suite's line.
        """
        suite = suites.load(self.suite)
        profile = self.profile or suite.file.default_profile
        overrides = dict(self.overrides)
        if self.data_dir is not None and suite.settings(profile).source != "laboratory":
            overrides.setdefault("source", ("folder", "--data-dir"))
        if self.tasks is not None:
            # Which tasks stay depends on what the suite names, so names are resolved on its own lists first.
            whole = suite.listed(profile)
            train, challenges = planning.select_tasks(whole["train"], whole["challenges"], self.tasks)
            overrides |= {"train": (list(train), "--tasks"), "challenges": (list(challenges), "--tasks")}
            if whole["attack_tasks"] and "attack_tasks" not in overrides:
                kept = [name for name in whole["attack_tasks"] if name in train]
                overrides["attack_tasks"] = (kept, "--tasks")
        if "attacks" in overrides and "ensemble" not in overrides:
            # What is left of the suite's ensemble; of one attack there is no worst case.
            given = overrides["attacks"][0] or ()
            named = [given] if isinstance(given, str) else list(given)
            kept = [name for name in suite.settings(profile).ensemble if name in named]
            overrides["ensemble"] = (kept if len(kept) > 1 else [], "--attacks")
        settings = suite.settings(profile, overrides)
        if self.data_dir is not None and settings.source == "laboratory":
            self._check_folder_is_read(suite, profile, settings)
        return suite, profile, settings

    def _check_folder_is_read(self, suite: suites.Suite, profile: str, settings: Settings) -> None:
        """Of a folder beside generated data attacks alone read; where none does, whoever names it means something else."""
        if any(library.needs_of_folder(ATTACKS.get(name)) for name in settings.attacks):
            return
        others = [name for name in suite.profile_names() if suite.settings(name).source != "laboratory"]
        raise BadInput(
            f"--data-dir {self.data_dir}: nothing of it would be read, since profile {profile!r} of suite {suite.name!r} "
            f"generates its own data and none of its attacks needs a file; for data of a folder "
            f"{'add --profile ' + ' or '.join(others) if others else 'choose another suite'}"
        )

    def plan(self) -> tuple[Plan, Path]:
        """The plan, and the output folder.

        Raises:
            BadInput: something asked for is wrong.
            Unavailable: data or a model is not here.
        """
        suite, profile, settings = self.settings()
        plan = planning.make(
            suite,
            profile,
            settings,
            data_dir=self.data_dir,
            loads=self.load,
            label_maps=self.label_map,
            named=self.tasks or (),
        )
        return plan, self.output or Path("reports") / "runs" / f"{suite.name}-{profile}"
