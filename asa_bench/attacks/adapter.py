"""The classes that meet textattack: victim wrapper, column guard, and the building of a recipe.

Importing this module imports textattack; only `asa_bench.attacks.engine` does, when a recipe is built.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from asa_bench.attacks import library
from asa_bench.attacks.base import Attack, AttackOptions
from asa_bench.attacks.labels import probabilities
from asa_bench.errors import BadInput, Unavailable, nearest

if TYPE_CHECKING:
    from asa_bench.tasks.base import Task
    from asa_bench.victims import Victim

# Texts -> an array with one row per text.
Answer = Callable[[Sequence[tuple[str, ...]]], np.ndarray]
# The same, of whoever is named behind the texts; see `asa_bench.attacks.lanes.Lanes.ask`.
Ask = Callable[..., np.ndarray]

textattack = library.load_textattack()

# mypy sees the library as Any and refuses attribute access in a base class.
_ModelWrapper: Any = textattack.models.wrappers.ModelWrapper
_Constraint: Any = textattack.constraints.Constraint

# Whatever is one of these is described with all it holds, whoever wrote it.
_COMPONENTS: tuple[Any, ...] = (
    textattack.transformations.Transformation,
    _Constraint,
    textattack.constraints.PreTransformationConstraint,
    textattack.search_methods.SearchMethod,
    textattack.goal_functions.GoalFunction,
)

# A search asks for at most this many candidates at once. It bounds the memory; what a crash in the middle of a question
# leaves behind depends on it, so it depends on nothing itself.
_CHUNK = 512

# Lists of more items are told by a checksum.
_LISTED = 64

# Of how many texts a lane remembers the candidates, and of how many candidates whether they keep to the constraints. The
# library remembers 32,768 of each, every one a text with all its words: gigabytes for a swarm in a text of a page.
_REMEMBERED = 64, 4096

# Strings up to this length are words and worth remembering; whole texts hardly ever come twice.
_WORD = 48


class VictimWrapper(_ModelWrapper):  # type: ignore[misc]
    """A victim as textattack asks it: texts in, probabilities of the task's labels out.

    Probabilities are float64: in float32 they can miss the sum of 1 that textattack checks, and a confident
    victim's would be exactly 1 for every candidate, which leaves a search nothing to follow.

    Args:
        victim: whom to ask; None where a recipe is only built to be described.
        groups: (victim labels,), see `asa_bench.attacks.labels.pool`.
        ask: how to ask; the victim's `steady_logits` if absent.
        data_dir: a folder in which builders look for resources.
        temperature: by which logits are divided before they become probabilities; no answer depends on it.

    Attributes:
        quick: who answers all but the first question in the victim's place, such as itself in another precision; None for
            the victim. The first one is about the original, which is wrong or right before the attack by the victim's word.
        first: logits, (victim labels,), of the first text asked since `reset`, or None; not divided by anything.
        gradient_norm: of the first gradient taken since `reset`, by a white-box search; None where there is none.
        remembers: whether answers of others than the victim are remembered, too, because a search will be run again.
    """

    def __init__(
        self,
        victim: Victim | None,
        groups: np.ndarray,
        ask: Ask | None = None,
        data_dir: Path | None = None,
        temperature: float = 1.0,
    ) -> None:
        self.victim = victim
        self.groups = groups
        self.temperature = temperature
        self.model = getattr(victim, "model", None)
        self._ask = ask
        self.data_dir = data_dir
        self.quick: Answer | None = None
        self.remembers = False
        self._known: dict[Answer, dict[bytes, np.ndarray]] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets the last example."""
        self.first: np.ndarray | None = None
        self.gradient_norm: float | None = None
        self._known.clear()

    def __call__(self, text_input_list: Sequence[str | tuple[str, ...]], **_: Any) -> torch.Tensor:
        if self.victim is None:
            raise RuntimeError("this recipe was built to be described, not to be run")
        texts = [(text,) if isinstance(text, str) else tuple(text) for text in text_input_list]
        whom = self.victim.steady_logits if self.first is None or self.quick is None else self.quick
        logits = self.ask(texts, whom)
        if self.first is None:
            self.first = logits[0]
        return torch.from_numpy(probabilities(logits, self.groups, self.temperature))

    def ask(self, texts: Sequence[tuple[str, ...]], whom: Answer) -> np.ndarray:
        """What somebody answers, asked together with other lanes where there are any; no query.

        What the victim answered since `reset` is not asked again.
        """
        if not (self.remembers or whom in self._own()):
            return self._answers(texts, whom)
        known = self._known.setdefault(whom, {})
        keys = [_digest(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new or not texts:
            answers = self._answers(list(new.values()), whom)
            if not texts:
                return answers
            known |= zip(new, answers, strict=True)
        return np.stack([known[key] for key in keys])

    def _own(self) -> tuple[Answer | None, ...]:
        return self.quick, None if self.victim is None else self.victim.steady_logits

    def _answers(self, texts: Sequence[tuple[str, ...]], whom: Answer) -> np.ndarray:
        return whom(texts) if self._ask is None else self._ask(texts, whom)


def texts_of(text: Any) -> tuple[str, ...]:
    """The texts of a `textattack.shared.AttackedText`, one per column, as the victim gets them."""
    given = text.tokenizer_input
    return (given,) if isinstance(given, str) else tuple(given)


def _digest(text: tuple[str, ...]) -> bytes:
    """A short stand-in for a text that no two texts share."""
    content = "".join(f"{len(part)}:{part}" for part in text)
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class OtherColumnsUnchanged(_Constraint):  # type: ignore[misc]
    """Refuses a candidate whose texts, but for the attacked one, are not exactly the original's."""

    def __init__(self, column: str) -> None:
        super().__init__(compare_against_original=True)
        self.column = column

    def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
        return self._others(transformed_text) == self._others(reference_text)

    def _others(self, text: Any) -> list[tuple[str, str]]:
        return [(name, value) for name, value in text._text_input.items() if name != self.column]


@contextlib.contextmanager
def words_remembered() -> Iterator[None]:
    """While inside, how a word splits into words is looked up instead of computed again, and texts share their words.

    The library splits every word of a text twice for every candidate it makes, which is most of its time, and every
    candidate has strings of its own for all of its words, which is most of its memory. The function is pure, so results are
    the same.
    """
    module = textattack.shared.attacked_text
    split = module.words_from_text

    @functools.lru_cache(maxsize=2**14)
    def remembered(text: str) -> tuple[str, ...]:
        return tuple(split(text))

    @functools.lru_cache(maxsize=2**14)
    def shared(word: str) -> str:
        return word

    def words_from_text(text: str) -> list[str]:
        return list(remembered(text)) if len(text) <= _WORD else list(map(shared, split(text)))

    module.words_from_text = words_from_text
    try:
        yield
    finally:
        module.words_from_text = split


def _builder(attack: Attack) -> Any:
    if ":" in attack.recipe:
        module, _, function = attack.recipe.partition(":")
        try:
            return getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise BadInput(
                f"attack {attack.name!r}: cannot import its recipe {attack.recipe!r}: {error}"
            ) from error
    recipe = getattr(textattack.attack_recipes, attack.recipe, None)
    if recipe is None:
        known = [name for name in vars(textattack.attack_recipes) if name[:1].isupper()]
        hint = nearest(attack.recipe, known)
        raise BadInput(f"attack {attack.name!r}: textattack has no recipe {attack.recipe!r}; {hint}")
    return recipe.build


def build(attack: Attack, wrapper: VictimWrapper) -> Any:
    """The recipe as textattack builds it (a `textattack.Attack`), with the substitutes that its name tells.

    Raises:
        Unavailable: a resource that the recipe loads is not here.
        BadInput: there is no such recipe, or it is not an untargeted attack on a classifier.
    """
    builder = _builder(attack)
    try:
        with library.offline_nltk(
            library.substitutes_stop_words(attack),
            wrapper.data_dir,
            attack.needs,
            library.wordnet_of(attack),
        ):
            built = builder(wrapper)
    except (LookupError, ImportError, OSError) as error:
        missing = [need for need in library.requirements(attack, wrapper.data_dir) if not need.present]
        if missing:
            raise Unavailable(
                f"attack {attack.name!r} needs {missing[0].name}: {missing[0].where}"
            ) from error
        reason = " ".join(str(error).split())[:200]
        raise Unavailable(f"attack {attack.name!r} cannot load what it needs: {reason}") from error
    if type(built.goal_function) is not textattack.goal_functions.UntargetedClassification:
        goal = type(built.goal_function).__name__
        raise BadInput(
            f"attack {attack.name!r} pursues {goal}; only UntargetedClassification can be measured"
        )
    return built


def prepare(attack: Attack, wrapper: VictimWrapper, task: Task, options: AttackOptions) -> Any:
    """A recipe built and bound: query budget set and, for pairs, every column but the attacked one locked."""
    built = build(attack, wrapper)
    if options.query_budget is not None:
        built.goal_function.query_budget = options.query_budget
    built.goal_function.batch_size = _CHUNK
    # Answers are remembered by the wrapper, in a tenth of the memory.
    built.goal_function.use_cache = False
    candidates, checked = _REMEMBERED
    if built.use_transformation_cache:
        built.transformation_cache.set_size(candidates)
    built.constraints_cache.set_size(checked)
    if len(task.columns) > 1:
        others = [column for column in task.columns if column != task.attack_column]
        # The first saves the work; the second is the guarantee, since the first counts words by column and
        # the library may split a text otherwise alone than together with its neighbour.
        built.pre_transformation_constraints.insert(
            0,
            textattack.constraints.pre_transformation.InputColumnModification(
                list(task.columns), set(others)
            ),
        )
        built.constraints.insert(0, OtherColumnsUnchanged(task.attack_column))
    return built


def describe(component: Any) -> Any:
    """A component of a recipe as plain data: class name and every attribute, nested components too.

    Sets, and lists and tables of more than 64 items, are told by their length and sha256 (of a list, in its order), arrays and
    tensors by that of their numbers, so that nothing hides behind a `repr`. Functions are left out, and so are private attributes
    of the library's classes and ours, which follow from the others.
    """
    return _described(component, ())


def _described(component: Any, within: tuple[int, ...]) -> Any:
    """See `describe`; `within` are the ids of the components that this one is a part of, which it may know."""
    if component is None or isinstance(component, (bool, int, str)):
        return component
    if isinstance(component, float):
        return component if np.isfinite(component) else str(component)
    if isinstance(component, dict):
        return _shortened(
            {
                str(key): _described(value, within)
                for key, value in sorted(component.items(), key=lambda item: str(item[0]))
            }
        )
    if isinstance(component, (set, frozenset)):
        words = [str(item) for item in component]
        return {"count": len(words), "sha256": library.words_sha256(words)}
    if isinstance(component, (list, tuple)):
        return _shortened([_described(item, within) for item in component])
    if isinstance(component, np.generic):
        return _described(component.item(), within)
    if isinstance(component, bytes):
        return {"count": len(component), "sha256": hashlib.sha256(component).hexdigest()}
    if isinstance(component, torch.Tensor):
        numbers = component.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        held = hashlib.sha256(numbers.tobytes()).hexdigest()
        return {"shape": list(component.shape), "dtype": str(component.dtype), "sha256": held}
    if isinstance(component, np.ndarray):
        held = hashlib.sha256(np.ascontiguousarray(component).tobytes()).hexdigest()
        return {"shape": list(component.shape), "dtype": str(component.dtype), "sha256": held}
    if isinstance(component, re.Pattern):
        return {"pattern": component.pattern, "flags": component.flags}
    module = type(component).__module__
    name = f"{module}.{type(component).__qualname__}"
    known = module.partition(".")[0] in ("textattack", "asa_bench")
    told = known or isinstance(component, _COMPONENTS)
    if not told or isinstance(component, VictimWrapper) or id(component) in within:
        return {"class": name}
    hidden = {"goal_function", "get_transformations", "get_goal_results", "get_indices_to_order"}
    hidden |= {"filter_transformations", "model"}
    # These are arguments, by names that are private; vectors from a file are told by the file.
    private = {"_word2index", "_index2word"} if type(component) is textattack.shared.WordEmbedding else set()
    attributes = {
        key: _described(value, (*within, id(component)))
        for key, value in sorted(vars(component).items())
        if key not in hidden
        and (key in private or not (known and key.startswith("_")))
        and (isinstance(value, _COMPONENTS) or not callable(value))
    }
    return {"class": name, **attributes}


def _shortened(items: Any) -> Any:
    """A list or table of plain data as it is, or by its length and sha256 if it is long."""
    if len(items) <= _LISTED:
        return items
    return {"count": len(items), "ordered_sha256": hashlib.sha256(json.dumps(items).encode()).hexdigest()}
