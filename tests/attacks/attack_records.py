"""What both recipes that need nothing record on a few single texts and pairs, as text that can be compared."""

from __future__ import annotations

from attack_victims import PAIR, SINGLE, THREE_WAY, KeywordVictim, pair_rows, single_rows

from asa_bench.attacks import ATTACKS
from asa_bench.attacks.engine import attack_rows


def records() -> dict[str, str]:
    singles = single_rows("a wonderful and brilliant film", "several splendid actors", "a dull film")
    pairs = pair_rows(
        ("The doctor slept .", "A wonderful doctor slept ."), ("No wonderful lawyer", "splendid lawyer")
    )
    found = {}
    for name in ("deepwordbug+stopwords", "pruthi+stopwords"):
        attack = ATTACKS.get(name)
        found[f"{name} single"] = attack_rows(attack, KeywordVictim(), SINGLE, singles, seed=3).to_json()
        found[f"{name} pair"] = attack_rows(attack, KeywordVictim(THREE_WAY), PAIR, pairs, seed=3).to_json()
    return found
