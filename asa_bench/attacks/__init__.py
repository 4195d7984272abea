"""Attacks: TextAttack's recipes behind one adapter, run on a fixed list of examples.

This package is the only one that imports textattack, and only when a recipe is built: listing attacks and
reading their descriptions import neither textattack nor torch nor pandas.
"""

from __future__ import annotations

from asa_bench.attacks.base import COLUMNS, Attack, AttackOptions
from asa_bench.registry import Registry

ATTACKS: Registry[Attack] = Registry(
    "attack",
    "asa_bench.attacks",
    {
        "deepwordbug+stopwords": "asa_bench.attacks.recipes:DEEPWORDBUG_STOPWORDS",
        "deepwordbug+stopwords+random": "asa_bench.attacks.recipes:DEEPWORDBUG_RANDOM",
        "pruthi+stopwords": "asa_bench.attacks.recipes:PRUTHI_STOPWORDS",
        "pwws+oewn2024": "asa_bench.attacks.recipes:PWWS_OPEN_ENGLISH_WORDNET",
        "textfooler+neighbours+nouse": "asa_bench.attacks.recipes:TEXTFOOLER_NEIGHBOURS",
        "textfooler+nouse": "asa_bench.attacks.recipes:TEXTFOOLER_WITHOUT_ENCODER",
        "iga": "asa_bench.attacks.recipes:IGA",
        "textfooler+neighbours+sbert": "asa_bench.attacks.recipes:TEXTFOOLER_NEIGHBOURS_ENCODER",
        "bae+mlm+sbert+stopwords": "asa_bench.attacks.recipes:BAE_FOLDER",
        "bae+sbert": "asa_bench.attacks.recipes:BAE_BERT",
        "bertattack+mlm+sbert+stopwords": "asa_bench.attacks.recipes:BERT_ATTACK_FOLDER",
        "bertattack+sbert": "asa_bench.attacks.recipes:BERT_ATTACK_BERT",
        "clare+mlm+nltktags+sbert+stopwords": "asa_bench.attacks.recipes:CLARE_FOLDER",
        "clare+nltktags+sbert": "asa_bench.attacks.recipes:CLARE_DISTILROBERTA",
        "leap+oewn2024": "asa_bench.attacks.recipes:LEAP_OPEN_ENGLISH_WORDNET",
        "hotflip+gradientswap+nopos+stopwords": "asa_bench.attacks.recipes:HOTFLIP_GRADIENT_SWAP",
        "a2t+neighbours+nosbert+stopwords": "asa_bench.attacks.recipes:A2T_NEIGHBOURS",
        "deepwordbug": "asa_bench.attacks.recipes:DEEPWORDBUG",
        "pruthi": "asa_bench.attacks.recipes:PRUTHI",
        "pwws": "asa_bench.attacks.recipes:PWWS",
    },
)

#: Ends the name of an attack whose search sees the calibrated victim.
CALIBRATED = "+calibrated"


def described(name: str) -> Attack:
    """The attack of that name, which may end in `CALIBRATED`.

    Raises:
        BadInput: there is none.
    """
    base = name.removesuffix(CALIBRATED)
    attack = ATTACKS.get(base)
    if base == name:
        return attack
    told = "the search sees probabilities by a temperature that was fitted on held-out clean data"
    return attack.model_copy(
        update={
            "name": name,
            "title": f"{attack.title}, calibrated",
            "substitutes": (*attack.substitutes, told),
            "raw": base,
        }
    )


def variants(name: str, options: AttackOptions) -> tuple[str, ...]:
    """The attacks that a suite's attack stands for: on the victim as it is, on the calibrated one, or both."""
    return {"raw": (name,), "calibrated": (name + CALIBRATED,), "both": (name, name + CALIBRATED)}[
        options.victim
    ]


__all__ = ["ATTACKS", "CALIBRATED", "COLUMNS", "Attack", "AttackOptions", "described", "variants"]
