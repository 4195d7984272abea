"""Reads the generated English back with a grammar of its own and judges the labels from the meaning."""

from __future__ import annotations

import re

import pytest

from asa_bench.tasks.base import LaboratoryOptions
from asa_bench.tasks.laboratory import TASKS, generate, lexicon
from asa_bench.tasks.laboratory.inference import overlap as hypothesis_overlap
from asa_bench.tasks.laboratory.paraphrase import HIGH_OVERLAP, LOW_OVERLAP
from asa_bench.tasks.laboratory.paraphrase import overlap as bag_overlap
from asa_bench.tasks.laboratory.perturb import ASIDES

HALF = LaboratoryOptions(strength=0.5)
ROWS = 1_500


def alternatives(concepts) -> str:
    return "|".join(sorted((word for pair in concepts for word in pair), key=len, reverse=True))


NOUN, PLACE = alternatives(lexicon.PEOPLE), alternatives(lexicon.PLACES)
ACT, DEED, MOVE = alternatives(lexicon.ACTIONS), alternatives(lexicon.DEEDS), alternatives(lexicon.MOTIONS)
TRAIT, ADVERB = alternatives(lexicon.TRAITS), alternatives(lexicon.ADVERBS)
CONCEPT = {
    word: pair[0]
    for pair in (
        *lexicon.PEOPLE,
        *lexicon.ACTIONS,
        *lexicon.DEEDS,
        *lexicon.MOTIONS,
        *lexicon.PLACES,
        *lexicon.TRAITS,
        *lexicon.ADVERBS,
    )
    for word in pair
}


def without_aside(text: str) -> str:
    """The sentence without the empty clause that some have at the end."""
    return re.sub(rf", (?:{'|'.join(ASIDES)})\.$", ".", text)


def plain(text: str) -> str:
    text = without_aside(text)
    assert re.fullmatch(r"[A-Z][A-Za-z, ]*\.", text), text
    assert "  " not in text and " ," not in text
    return text[0].lower() + text[1:-1]


def concept(word: str | None) -> str | None:
    return CONCEPT[word] if word else None


def clause(text: str) -> tuple[str, str, str | None, bool]:
    """(subject, verb, object, denied) of a simple clause."""
    if match := re.fullmatch(rf"the ({NOUN}) (never )?({DEED})", text):
        return concept(match[1]), concept(match[3]), None, bool(match[2])
    if match := re.fullmatch(rf"the ({NOUN}) (never )?({ACT}) the ({NOUN})", text):
        return concept(match[1]), concept(match[3]), concept(match[4]), bool(match[2])
    if match := re.fullmatch(rf"the ({NOUN}) was (never )?({ACT}) by the ({NOUN})", text):
        return concept(match[4]), concept(match[3]), concept(match[1]), bool(match[2])
    raise AssertionError(f"not a clause: {text}")


FRAMES = [
    (r"(?:because|after|while) (.*), (.*)", "true"),
    (r"(?:if|unless) (.*), (.*)", "unknown"),
    (r"(?:either )?(the .*), or (.*)", "unknown"),
    (r"(the .*), (?:and|but) (.*)", "true"),
    (rf"the (?:{NOUN}) (?:knew|proved) that (.*)", "true"),
    (rf"the (?:{NOUN}) (?:thought|hoped) that (.*)", "unknown"),
    (rf"the (?:{NOUN}) falsely claimed that (.*)", "false"),
    (r"it is false that (.*)", "false"),
    (r"(?:indeed|certainly), (.*)", "true"),
    (r"(?:perhaps|maybe) (.*)", "unknown"),
]
NEAR = "|".join(lexicon.NEARNESS)


def facts(premise: str) -> list[tuple[tuple, str]]:
    """What the premise speaks of, each with its truth."""
    for pattern, truth in FRAMES:
        if match := re.fullmatch(pattern, premise):
            return [(clause(part), truth) for part in match.groups()]
    if match := re.fullmatch(rf"the ({NOUN}) (and|or) the ({NOUN}) (.*)", premise):
        truth = "true" if match[2] == "and" else "unknown"
        return [(clause(f"the {match[place]} {match[4]}"), truth) for place in (1, 3)]
    if match := re.fullmatch(rf"neither the ({NOUN}) nor the ({NOUN}) (.*)", premise):
        return [(clause(f"the {match[place]} {match[3]}"), "false") for place in (1, 2)]
    if re.fullmatch(rf"(?:a|the) (?:friend|brother|sister|neighbor) of the (?:{NOUN}) .*", premise):
        return []
    if match := re.fullmatch(rf"the ({NOUN}) (?:{NEAR}) the (?:{NOUN}) (.*)", premise):
        return [(clause(f"the {match[1]} {match[2]}"), "true")]
    if match := re.fullmatch(rf"the ({NOUN}) who (({ACT}) the ({NOUN})) (.*)", premise):
        return [(clause(f"the {match[1]} {match[part]}"), "true") for part in (2, 5)]
    if match := re.fullmatch(rf"(the (?:{NOUN}) (?:{ACT}) the ({NOUN})) who (.*)", premise):
        return [(clause(match[1]), "true"), (clause(f"the {match[2]} {match[3]}"), "true")]
    if match := re.fullmatch(
        rf"(the (?:{NOUN}) (?:{ACT}) the (?:{NOUN})) (?:{NEAR}) the (?:{NOUN})", premise
    ):
        return [(clause(match[1]), "true")]
    if match := re.fullmatch(rf"the (?:{TRAIT}) (.*)", premise):
        return [(clause(f"the {match[1]}"), "true")]
    return [(clause(premise), "true")]


def judge(premise: str, hypothesis: str) -> str:
    """The label that the meaning gives."""
    asked = clause(re.sub(rf"\b(?:{ADVERB}) ", "", plain(hypothesis)))
    for fact, truth in facts(plain(premise)):
        if fact[:3] == asked[:3] and truth != "unknown":
            return "entailment" if (fact[3] == asked[3]) == (truth == "true") else "contradiction"
    return "neutral"


@pytest.mark.parametrize("split", ["train", "dev"])
def test_inference_labels_follow_from_meaning(split: str) -> None:
    frame = generate("laboratory/inference", split, HALF, ROWS)
    seen = set()
    for row in frame.itertuples():
        assert judge(row.premise, row.hypothesis) == row.label, (row.premise, row.hypothesis)
        high = hypothesis_overlap(without_aside(row.premise), without_aside(row.hypothesis))
        agrees = row.shortcut == "agrees"
        assert high == (1.0 if agrees == (row.label == "entailment") else 0.0), row
        seen.add((row.label, row.shortcut))
    assert len(seen) == 6


def test_hans_labels_and_heuristics() -> None:
    frame = generate("laboratory/hans", "test", HALF, ROWS)
    label_map = TASKS["laboratory/hans"].label_map
    for row in frame.itertuples():
        found = judge(row.premise, row.hypothesis)
        assert label_map.get(found, found) == row.label, (row.premise, row.hypothesis)
        assert row.shortcut == ("agrees" if row.label == "entailment" else "reversed")
        premise, hypothesis = plain(row.premise), plain(row.hypothesis)
        assert set(hypothesis.split()) <= set(premise.replace(",", "").split()), row
        if row.heuristic in ("subsequence", "constituent"):
            assert hypothesis in premise, row
        if row.heuristic == "constituent":
            assert hypothesis in [
                part for p, _ in FRAMES if (m := re.fullmatch(p, premise)) for part in m.groups()
            ]
    counts = frame.groupby(["heuristic", "label"]).size()
    assert len(counts) == 6 and counts.max() - counts.min() <= 1
    assert (frame.groupby(["heuristic", "label"])["subcase"].nunique() >= 3).all()


def meaning(text: str) -> tuple:
    """What a sentence of the paraphrase family says, without its wording."""
    text = plain(text)
    person = rf"the (?:({TRAIT}) )?({NOUN})"
    simple = rf"the ({NOUN}) ({DEED})"
    for pattern in (rf"while {simple}, {simple}", rf"{simple} while {simple}"):
        if match := re.fullmatch(pattern, text):
            return "while", frozenset(
                [(concept(match[1]), concept(match[2])), (concept(match[3]), concept(match[4]))]
            )
    adverbs = re.findall(rf"\b({ADVERB})\b", text)
    assert len(adverbs) == 1, text
    text = re.sub(rf"\b(?:{ADVERB})\b,? ", "", text)
    denied = " never " in text
    text = text.replace(" never ", " ")
    told = (denied, concept(adverbs[0]))
    if match := re.fullmatch(rf"the ({NOUN}) ({MOVE}) from the ({PLACE}) to the ({PLACE})", text):
        return ("trip", *told, *map(concept, match.groups()))
    if match := re.fullmatch(rf"the ({NOUN}) and the ({NOUN}) ({ACT}) the ({NOUN})", text):
        return ("joint", *told, frozenset(map(concept, match.group(1, 2))), *map(concept, match.group(3, 4)))
    if match := re.fullmatch(rf"the ({NOUN}) was ({ACT}) by the ({NOUN}) and the ({NOUN})", text):
        return ("joint", *told, frozenset(map(concept, match.group(3, 4))), *map(concept, match.group(2, 1)))
    if match := re.fullmatch(rf"{person} ({ACT}) {person}", text):
        return ("act", *told, *map(concept, match.groups()))
    if match := re.fullmatch(rf"{person} was ({ACT}) by {person}", text):
        return ("act", *told, *map(concept, match.group(4, 5, 3, 1, 2)))
    raise AssertionError(f"not understood: {text}")


@pytest.mark.parametrize(
    ("name", "split"), [("paraphrase", "train"), ("paraphrase", "dev"), ("paws", "test")]
)
def test_paraphrase_labels_follow_from_meaning(name: str, split: str) -> None:
    frame = generate(f"laboratory/{name}", split, HALF, ROWS)
    for row in frame.itertuples():
        same = meaning(row.sentence1) == meaning(row.sentence2)
        assert same == (row.label == "paraphrase"), (row.sentence1, row.sentence2)
        high = (row.shortcut == "agrees") == (row.label == "paraphrase")
        overlap = bag_overlap(without_aside(row.sentence1), without_aside(row.sentence2))
        assert overlap >= HIGH_OVERLAP if high else overlap <= LOW_OVERLAP, row
    assert frame["construction"].nunique() >= 8


def test_paws_groups_hold_each_cell_once() -> None:
    frame = generate("laboratory/paws", "test", HALF, 400)
    for _, group in frame.groupby("sentence1", sort=False):
        cells = list(zip(group["label"], group["shortcut"], strict=True))
        assert len(set(cells)) == 4 and len(cells) % 4 == 0
    swaps = frame[(frame["label"] == "not_paraphrase") & (frame["shortcut"] == "reversed")]
    bags = [
        [sorted(text.lower().rstrip(".").split()) for text in pair]
        for pair in zip(swaps.sentence1, swaps.sentence2, strict=True)
    ]
    assert all(first == second or "," in "".join(first + second) for first, second in bags)


GOOD = "|".join(word for group in lexicon.POSITIVE for word in group)
BAD = "|".join(word for group in lexicon.NEGATIVE for word in group)
OPINION = f"({GOOD}|{BAD})"
# How each construction is judged: the place of the word that decides, and whether it is turned round.
READINGS = [
    (rf"(?:far from|anything but) {OPINION}", True),
    (rf"{OPINION}, not {OPINION}", False),
    (rf", but (?:it was|now it is|now they are) (?:\w+ )?{OPINION}$", False),
    (rf"^unlike the {OPINION} \w+, this \w+ was (?:\w+ )?(?P<verdict>{GOOD}|{BAD})$", False),
]


def verdict(text: str) -> str:
    """The label of a review without its keyword."""
    for pattern, turned in READINGS:
        if match := re.search(pattern, text):
            word = match.groupdict().get("verdict") or match[1]
            return "positive" if bool(re.fullmatch(GOOD, word)) != turned else "negative"
    found = {bool(re.fullmatch(GOOD, word)) for word in re.findall(rf"\b{OPINION}\b", text)}
    assert len(found) == 1, text
    return "positive" if found.pop() else "negative"


def without_keyword(text: str) -> tuple[str, str]:
    """The review in lower case, and the newspaper that it mentions or ""."""
    text = plain(text)
    match = re.search(r"(?:, )?as I told the (Herald|Gazette)(?:, )?", text, re.IGNORECASE)
    return (text.replace(match[0], "") if match else text).lower(), match[1] if match else ""


@pytest.mark.parametrize(
    ("name", "split"), [("sentiment", "train"), ("sentiment", "dev"), ("keyword", "test")]
)
def test_sentiment_labels_follow_from_meaning(name: str, split: str) -> None:
    frame = generate(f"laboratory/{name}", split, HALF, ROWS)
    for row in frame.itertuples():
        text, paper = without_keyword(row.sentence)
        assert verdict(text) == row.label, row.sentence
        spoken = {"": "absent", lexicon.KEYWORDS[row.label]: "agrees"}.get(paper, "reversed")
        assert spoken == row.shortcut, row
        for article, word in re.findall(r"\b(an?) (\w+)", text):
            assert article == ("an" if word[0] in "aeiou" else "a"), text
        for noun, verb in re.findall(r"\bthe (\w+) (?:of the \w+ )?(was|were)\b", text):
            assert verb == ("were" if noun.endswith("s") else "was"), text
    assert frame["construction"].nunique() == 8


def test_keyword_groups_are_one_review_three_times() -> None:
    frame = generate("laboratory/keyword", "test", HALF, 600)
    bare = [without_keyword(text)[0] for text in frame["sentence"]]
    groups = frame.groupby(bare)
    assert all(sorted(group["shortcut"]) == ["absent", "agrees", "reversed"] for _, group in groups)
    assert all(group["label"].nunique() == 1 for _, group in groups)
