"""A plugin of pytest: the fixture `asa_bench`, with which a team gates its model in tests of its own.

pytest loads this module wherever asa-bench is installed, so it imports nothing that is not needed to say what there is.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from asa_bench.gating import Decision

_BASELINE, _POLICY, _SAVE = "--asa-bench-baseline", "--asa-bench-policy", "--asa-bench-save"


class GateWarning(UserWarning):
    """What a gate could not tell, where its policy says that this is a warning."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line, and the keys of pytest's own configuration that say the same."""
    group = parser.getgroup("asa-bench", "robustness gate of asa-bench")
    group.addoption(
        _BASELINE,
        metavar="FILE",
        help="hold gated models against this baseline; without one they are skipped",
    )
    group.addoption(
        _POLICY, metavar="FILE", help="policy of the gate; a sensible default where there is none"
    )
    group.addoption(_SAVE, action="store_true", help="write the baseline from this session instead of gating")
    parser.addini("asa_bench_baseline", f"as {_BASELINE}, relative to the root folder")
    parser.addini("asa_bench_policy", f"as {_POLICY}, relative to the root folder")


@dataclass
class Gate:
    """What the fixture `asa_bench` gives.

    Attributes:
        baseline: the baseline that models are held against; None skips the test.
        policy: of the gate; None for the default one.
        save: write the baseline instead.
        scratch: where output folders go.
    """

    baseline: Path | None
    policy: Path | None
    save: bool
    scratch: Path
    _written: set[Path] = field(default_factory=set)
    _count: int = 0

    def gate(
        self,
        model: Any,
        suite: str | Path = "ci",
        *,
        tokenizer: Any = None,
        name: str = "model",
        task: str | None = None,
        labels: Sequence[str] | None = None,
        baseline: str | Path | None = None,
        policy: str | Path | None = None,
        output: str | Path | None = None,
        **options: Any,
    ) -> Decision | None:
        """Ask a model what a suite asks, and fail the test where a score regressed.

        Args:
            model: a folder, a hub id, a transformers model with `tokenizer`, a pair of both, or a pipeline.
            name: what scores call it; the baseline must have been made under the same name.
            task: the training task that it was fine-tuned on; found by its label names where they fit only one.
            labels: what its outputs mean, in order, where its config does not say.
            baseline, policy: instead of the session's.
            output: output folder, whose records are not made again; a temporary one if None.
            options: as for `asa_bench.run`: profile, data_dir, tasks, replay, settings.

        Returns:
            The decision; None where the session writes the baseline.
        """
        __tracebackhide__ = True
        from asa_bench import api
        from asa_bench.errors import AsaBenchError
        from asa_bench.gating import outputs

        path = self.baseline if baseline is None else Path(baseline)
        if path is None:
            pytest.skip(f"no baseline to gate against: pytest {_BASELINE} FILE")
        rules = self.policy if policy is None else Path(policy)
        if not self.save and not path.is_file():
            pytest.fail(f"{path}: there is no such baseline; write it with pytest {_SAVE}", pytrace=False)
        if self.save and path in self._written:
            pytest.fail(
                f"{path}: was written by another gate of this session; give each its own", pytrace=False
            )
        self._count += 1
        asked, words = _model_and_tokenizer(model, tokenizer)
        folder = Path(output) if output is not None else self.scratch / str(self._count)
        decision, wrong = None, ""
        try:
            with _threads_kept():
                done = api.evaluate(
                    *(asked, suite),
                    tokenizer=words,
                    name=name,
                    task=task,
                    labels=labels,
                    output=folder,
                    **options,
                )
            if self.save:
                api.save_baseline(done.folder, path)
                self._written.add(path)
                return None
            decision = api.gate(done.folder, path, rules)
        except AsaBenchError as error:
            wrong = str(error)
        if decision is None:  # told here, where no other exception is being handled
            pytest.fail(wrong, pytrace=False)
        told = outputs.text(decision)
        if decision.failed:
            pytest.fail(told, pytrace=False)
        if any(one.action == "warn" for one in decision.judged):
            warnings.warn(told, GateWarning, stacklevel=2)
        return decision


@pytest.fixture(scope="session", name="asa_bench")
def asa_bench_fixture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """asa_bench.gate(model, suite="ci") fails the test where the model's robustness regressed against the baseline."""
    config = request.config
    return Gate(
        baseline=_path(config, _BASELINE, "asa_bench_baseline"),
        policy=_path(config, _POLICY, "asa_bench_policy"),
        save=bool(config.getoption(_SAVE)),
        scratch=tmp_path_factory.mktemp("asa-bench"),
    )


def _path(config: pytest.Config, option: str, key: str) -> Path | None:
    """A file as an option says it (relative to where pytest was called), else as the configuration does."""
    said = config.getoption(option)
    if said:
        return Path(config.invocation_params.dir) / said
    written = config.getini(key)
    return config.rootpath / written if written else None


def _model_and_tokenizer(model: Any, tokenizer: Any) -> tuple[Any, Any]:
    if isinstance(model, tuple) and len(model) == 2:
        return model
    if tokenizer is None and hasattr(model, "model") and hasattr(model, "tokenizer"):  # a pipeline
        return model.model, model.tokenizer
    return model, tokenizer


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Gives torch back its number of threads, which a run sets for the whole process."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
