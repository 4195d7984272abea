"""Decides: every score of a baseline against the same score of a run, by a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from asa_bench.errors import BadInput
from asa_bench.gating.baseline import Baseline, Stored
from asa_bench.gating.policy import Action, PolicyFile, Resolved
from asa_bench.gating.scores import Collected, Score
from asa_bench.measures import AgainstMargin, Pair, against_margins
from asa_bench.measures.margin import Finding

Verdict = Literal["pass", "fail", "cannot tell"]
_MOST_BROKEN = 10
_VERDICTS: dict[Finding, Verdict] = {"worse": "fail", "not worse": "pass", "cannot tell": "cannot tell"}


@dataclass(frozen=True)
class Broken:
    """An example that was right and is wrong now.

    Attributes:
        before, now: share of the seeds that got it right.
        label: gold; predicted: what the models say now, most often first.
        text: what the record has of its text: after an attack, else "".
    """

    id: str
    label: str
    predicted: str
    before: float
    now: float
    text: str = ""


@dataclass(frozen=True)
class Judged:
    """One score and what became of it.

    Attributes:
        verdict: by the interval, the floor, or because it is missing.
        action: what the policy makes of it: 'fail' makes the exit code 1.
        reason: one sentence, or two.
        before, now: means over seeds; `now` is None for a missing score.
        against: None where nothing was tested.
        broken: newly broken examples, the worst first.
        newly_broken, newly_right: how many examples there are of either kind, by most of the seeds.
    """

    key: str
    title: str
    verdict: Verdict
    action: Action
    reason: str
    rule: Resolved
    before: float
    now: float | None
    against: AgainstMargin | None = None
    broken: tuple[Broken, ...] = ()
    newly_broken: int = 0
    newly_right: int = 0


@dataclass(frozen=True)
class Decision:
    """What a gate decided.

    Attributes:
        judged: the failed ones first, then those that nobody can tell, then the rest.
        new: keys of scores that the baseline lacks; ignored: those that the policy leaves out.
    """

    suite: str
    profile: str
    policy: str
    judged: tuple[Judged, ...]
    new: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def failed(self) -> bool:
        return any(one.action == "fail" for one in self.judged)

    def count(self, verdict: Verdict) -> int:
        return sum(one.verdict == verdict for one in self.judged)


def decide(collected: Collected, baseline: Baseline, policy: PolicyFile) -> Decision:
    """Hold a run against a baseline.

    Raises:
        BadInput: what was measured differs (other data, examples, recipe, exposure or schema), the run did not plan a
            score that the baseline has, or a rule of the policy fits nothing.
    """
    known = {name for score in collected.scores.values() for name in score.slices}
    policy.check_used([*baseline.scores, *_slice_keys(collected, policy)], known)
    rules = {key: policy.rule(key) for key in baseline.scores}
    kept = {key: stored for key, stored in baseline.scores.items() if not rules[key].ignore}
    if not kept:
        raise BadInput(f"{policy.shown}: ignores every score of the baseline; a gate needs one at least")
    absent = {key: why for key in kept if (why := _why_absent(key, collected)) is not None}
    check_comparable({key: stored for key, stored in kept.items() if key not in absent}, collected, baseline)
    judged = [_missing(key, kept[key], rules[key], why) for key, why in absent.items()]
    tested: dict[str, tuple[Score, Stored, Resolved, NDArray[np.bool_]]] = {}
    for key, stored in kept.items():
        if key in absent:
            continue
        score = collected.scores[key]
        counted = _counted(score, rules[key], stored.count)
        if score.answers is None:
            judged.append(_only_floor(score, stored, rules[key]))
            continue
        tested[key] = (score, stored, rules[key], counted)
        for column in policy.policy.slices:
            for value in sorted(set(score.slices.get(column, np.array([], object)).tolist()) - {""}):
                inner = f"{key}[{column}={value}]"
                rule = policy.rule(inner)
                chosen = counted & (score.slices[column] == value)
                if not rule.ignore and chosen.any():
                    tested[inner] = (score, stored, rule, chosen)
    pairs = {key: _pair(*found) for key, found in tested.items()}
    against: dict[str, AgainstMargin] = {}
    for alpha in sorted({rule.alpha for _, _, rule, _ in tested.values()}):
        family = {key: pairs[key] for key, (_, _, rule, _) in tested.items() if rule.alpha == alpha}
        margins = {key: tested[key][2].margin / 100 for key in family}
        against |= against_margins(family, margins, alpha=alpha)
    judged += [_judged(key, *found, pairs[key], against[key]) for key, found in tested.items()]
    order = {"fail": 0, "warn": 1, "pass": 2}
    judged.sort(key=lambda one: (order[one.action], one.verdict == "pass"))
    return Decision(
        collected.suite,
        collected.profile,
        policy.shown,
        tuple(judged),
        tuple(key for key in collected.scores if key not in baseline.scores),
        tuple(key for key in baseline.scores if rules[key].ignore),
    )


def _slice_keys(collected: Collected, policy: PolicyFile) -> list[str]:
    return [
        f"{key}[{column}={value}]"
        for key, score in collected.scores.items()
        for column in policy.policy.slices
        for value in sorted(set(score.slices.get(column, np.array([], object)).tolist()) - {""})
    ]


def _why_absent(key: str, collected: Collected) -> str | None:
    """Why a planned score has no value, or none of one of its seeds; None where it is whole.

    Raises:
        BadInput: it was not planned.
    """
    score = collected.scores.get(key)
    for beginning, why in collected.missing:
        evaluated = beginning.endswith(":")  # its task says the measure
        if key == beginning or (
            evaluated and key.startswith(beginning) and (score is None or "evaluate" in score.identity.schema)
        ):
            return why
    if score is not None:
        return None
    raise BadInput(
        f"the baseline has the score {key!r}, which this run does not measure; run what the baseline was made from, leave "
        "it out with a rule 'ignore: true', or make the change deliberate with asa-bench baseline update"
    )


def check_comparable(kept: Mapping[str, Stored], collected: Collected, baseline: Baseline) -> None:
    """Refuses to compare what was not measured alike.

    Raises:
        BadInput: names both.
    """
    problems = []
    for key, stored in kept.items():
        identity = collected.scores[key].identity
        pairs: list[tuple[str, Any, Any]] = [
            ("schema", dict(stored.schema_of), dict(identity.schema)),
            ("data", stored.data, identity.data),
            ("examples", stored.examples, identity.examples),
            ("recipe", baseline.recipes[stored.recipe], identity.recipe),
            ("exposure", baseline.exposures[stored.exposure], identity.exposure),
        ]
        for name, before, now in pairs:
            difference = _difference(before, now)
            if difference is not None:
                problems.append((key, name, *difference))
                break
    if problems:
        key, name, where, before, now = problems[0]
        more = f" (and {len(problems) - 1} other scores)" if len(problems) > 1 else ""
        what = f"other {name}" + (f", {where}" if where else "")
        raise BadInput(
            f"{key}: {what}: the baseline has {_short(before)}, this run {_short(now)}{more}; these cannot be compared. If "
            "the change is meant: asa-bench baseline update"
        )


def _difference(before: Any, now: Any, where: str = "") -> tuple[str, Any, Any] | None:
    """Where two JSON values differ first, and both values there."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted({*before, *now}):
            inner = f"{where}.{name}" if where else name
            found = _difference(before.get(name, "nothing"), now.get(name, "nothing"), inner)
            if found is not None:
                return found
        return None
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):  # JSON has no tuples
        before, now = list(before), list(now)
    return None if before == now else (where, before, now)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if len(text) == 64 and all(c in "0123456789abcdef" for c in text):
        return f"fingerprint {text[:12]}"
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _counted(score: Score, rule: Resolved, count: int) -> NDArray[np.bool_]:
    """(examples,) which examples count."""
    counted = np.ones(count, dtype=np.bool_)
    for pattern in rule.ignored_slices:
        column, _, value = pattern.partition("=")
        for at, found in enumerate(score.slices.get(column, ())):
            counted[at] &= not fnmatchcase(str(found), value)
    if not counted.any():
        raise BadInput(f"{score.key}: ignored_slices leaves no example of it")
    return counted


def _pair(score: Score, stored: Stored, rule: Resolved, chosen: NDArray[np.bool_]) -> Pair:
    """Baseline and run on the same examples; the same weights are compared as they are."""
    if score.answers is None:
        raise ValueError("a score without answers is not compared")
    answers = score.answers.where(chosen)
    before = {seed: _right(stored, seed)[chosen] for seed in stored.seeds}
    same = {
        seed: next((s for s, old in stored.seeds.items() if old.weights == digest), None)
        for seed, digest in score.weights.items()
    }
    seeds: Any = rule.seeds
    shared = [seed for seed in answers.values if seed in before]
    if all(old is not None for old in same.values()):
        rows = [(before[str(old)], answers.values[seed]) for seed, old in same.items()]
        seeds = "fixed"
    elif seeds == "shared":
        if len(shared) < 2:
            raise BadInput(
                f"{score.key}: seeds: shared needs two seeds at least that both have; the baseline has "
                f"{', '.join(before) or 'none'}, this run {', '.join(answers.values)}"
            )
        rows = [(before[seed], answers.values[seed]) for seed in shared]
    elif len(shared) == len(before) == len(answers.values) and all(
        np.array_equal(before[seed], answers.values[seed]) for seed in shared
    ):
        rows = [(before[seed], answers.values[seed]) for seed in shared]
    else:
        return Pair(
            np.stack(list(before.values())),
            np.stack(list(answers.values.values())),
            answers.clusters,
            answers.strata,
            seeds,
        )
    first, second = (np.stack(side) for side in zip(*rows, strict=True))
    return Pair(first, second, answers.clusters, answers.strata, seeds)


def _right(stored: Stored, seed: str) -> NDArray[np.float64]:
    right = stored.right(seed)
    if right is None:
        raise BadInput(
            f"{stored.title}: the baseline keeps no answers of it; make it anew with baseline update"
        )
    return right


def _judged(
    key: str,
    score: Score,
    stored: Stored,
    rule: Resolved,
    chosen: NDArray[np.bool_],
    pair: Pair,
    against: AgainstMargin,
) -> Judged:
    before, now = (np.asarray(side, dtype=np.float64).mean(axis=0) for side in (pair.first, pair.second))
    verdict = _VERDICTS[against.finding]
    reason = explain(against)
    action: Action = (
        rule.cannot_tell if verdict == "cannot tell" else ("fail" if verdict == "fail" else "pass")
    )
    whole = key == score.key
    if rule.floor is not None and 100 * float(now.mean()) < rule.floor - 1e-9:
        verdict, action = "fail", "fail"
        reason = f"{100 * float(now.mean()):.1f} % is below the floor of {rule.floor:g} %. {reason}"
    suffix = "" if whole else key[len(score.key) :]
    lost, gained = (before > 0.5) & (now <= 0.5), (before <= 0.5) & (now > 0.5)
    return Judged(
        key=key,
        title=score.title + (f" {suffix}" if suffix else ""),
        verdict=verdict,
        action=action,
        reason=reason,
        rule=rule,
        before=float(before.mean()),
        now=float(now.mean()),
        against=against,
        broken=_broken(score, chosen, before, now),
        newly_broken=int(lost.sum()),
        newly_right=int(gained.sum()),
    )


def explain(found: AgainstMargin) -> str:
    """Why a score was judged so, and where nobody can tell what would."""
    margin = f"{100 * found.margin:g}"
    if found.unchanged:
        return f"Unchanged: all {found.examples:,} examples have the outcome of the baseline."
    span = f"{_points(found.difference)} points [{_points(found.interval[0])}, {_points(found.interval[1])}]"
    if found.finding == "worse":
        return f"{span}: all of the interval lies below the margin of −{margin} points."
    if found.finding == "not worse":
        return f"{span}: all of the interval lies above the margin of −{margin} points."
    need = []
    if found.more_examples is not None:
        need.append(f"about {found.more_examples:,} examples instead of {found.examples:,}")
    if found.more_seeds is not None:
        need.append(f"{found.more_seeds} seeds of this run")
    if found.interval == (-1.0, 1.0):
        span = f"{_points(found.difference)} points, and no interval can be had"
        if found.more_seeds is not None:
            return (
                f"{span}: one training on either side says nothing of how much another would differ. To tell takes "
                f"{found.more_seeds} seeds of this run or of the baseline; or 'seeds: fixed' in the policy asks about "
                "these two models alone."
            )
    else:
        span = f"{span}: the interval holds the margin of −{margin} points"
    if not need:
        return f"{span}. Neither more examples nor more seeds alone would tell."
    return f"{span}. To tell a difference of this size from the margin takes {', or '.join(need)}."


def _points(share: float) -> str:
    text = f"{100 * abs(share):.1f}"
    return text if text == "0.0" else f"{'−' if share < 0 else '+'}{text}"


def _broken(
    score: Score, chosen: NDArray[np.bool_], before: NDArray[np.float64], now: NDArray[np.float64]
) -> tuple[Broken, ...]:
    """The worst of the examples that most seeds got right and no longer do; in the order of ids where they tie."""
    fell = np.where((before > 0.5) & (now <= 0.5), before - now, 0.0)
    worst = [int(at) for at in np.argsort(-fell, kind="stable")[:_MOST_BROKEN] if fell[at] > 0]
    if not worst:
        return ()
    places = np.flatnonzero(chosen)
    found = []
    for at in worst:
        rows = [frame.iloc[places[at]] for frame in score.rows.values()]
        said = [str(row.get("prediction", row.get("status", ""))) for row in rows]
        label = str(rows[0]["label"])
        wrong = [one for one in said if one not in (label, "failed")]
        predicted = max(sorted(set(wrong)), key=wrong.count) if wrong else ""
        text = next((str(row["perturbed"]) for row in rows if row.get("perturbed")), "")
        found.append(Broken(str(rows[0]["id"]), label, predicted, float(before[at]), float(now[at]), text))
    return tuple(found)


def _missing(key: str, stored: Stored, rule: Resolved, why: str) -> Judged:
    reason = f"Missing: the baseline has it, and this run could not measure it ({why})."
    return Judged(key, stored.title, "fail", "fail", reason, rule, stored.mean, None)


def _only_floor(score: Score, stored: Stored, rule: Resolved) -> Judged:
    """For measures that are no mean of right and wrong: there is no interval, so only a floor decides."""
    reason = "No mean of right and wrong, so no interval: only a floor in the policy can fail it."
    verdict: Verdict = "cannot tell"
    action: Action = "pass"
    if rule.floor is not None and score.higher_is_better:
        verdict = "pass"
        reason = f"At or above the floor of {rule.floor:g}."
        if 100 * score.mean < rule.floor - 1e-9:
            verdict, action = "fail", "fail"
            reason = f"{100 * score.mean:.1f} is below the floor of {rule.floor:g}."
    return Judged(score.key, score.title, verdict, action, reason, rule, stored.mean, score.mean)
