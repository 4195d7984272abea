"""Attacks: TextAttack's recipes behind one adapter, run on a fixed list of examples.

This package is the only one that imports textattack, and only when a recipe is built: listing attacks and
reading their descriptions import neither textattack nor torch nor pandas.
"""

from __future__ import annotations

from asa_bench.attacks.base import COLUMNS, Attack, AttackOptions, SearchPrecision
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
        "leap": "asa_bench.attacks.recipes:LEAP",
    },
)

#: Ends the name of an attack whose search sees the calibrated victim.
CALIBRATED = "+calibrated"


#: What ends the name of an attack that searches in bf16, by its option `search_precision`; `CALIBRATED` may stand behind it.
PRECISIONS: dict[SearchPrecision, str] = {"bf16": "+bf16", "bf16_alone": "+bf16alone"}

_TOLD: dict[SearchPrecision, tuple[str, str]] = {
    "bf16": (
        "bf16",
        "the search asks in bf16 first; where that finds nothing that float32 confirms, float32 searches again",
    ),
    "bf16_alone": (
        "bf16 alone",
        "the search asks in bf16; float32 confirms its successes, and searches again where it denies one or bf16 raised an "
        "error; other failures stand",
    ),
}


def recipe_of(name: str) -> Attack:
    """The attack that a name stands for, whomever it asks and in whatever precision.

    Raises:
        BadInput: there is none.
    """
    plain = name.removesuffix(CALIBRATED)
    return ATTACKS.get(plain.removesuffix(PRECISIONS.get(precision_of(name), "")))


def precision_of(name: str) -> SearchPrecision:
    """In what precision the attack of that name searches."""
    plain = name.removesuffix(CALIBRATED)
    return next((kind for kind, suffix in PRECISIONS.items() if plain.endswith(suffix)), "float32")


def described(name: str) -> Attack:
    """The attack of that name, which may end in one of `PRECISIONS`, `CALIBRATED` or both.

    Raises:
        BadInput: there is none.
    """
    attack = recipe_of(name)
    precision = precision_of(name)
    if precision != "float32":
        suffix, (title, told) = PRECISIONS[precision], _TOLD[precision]
        attack = attack.model_copy(
            update={
                "name": attack.name + suffix,
                "title": f"{attack.title}, {title}",
                "substitutes": (*attack.substitutes, told),
                "control_of": attack.control_of and attack.control_of + suffix,
            }
        )
    if name == attack.name:
        return attack
    told = "the search sees probabilities by a temperature that was fitted on held-out clean data"
    return attack.model_copy(
        update={
            "name": name,
            "title": f"{attack.title}, calibrated",
            "substitutes": (*attack.substitutes, told),
            "raw": attack.name,
        }
    )


def variants(name: str, options: AttackOptions) -> tuple[str, ...]:
    """The attacks that a suite's attack stands for: on the victim as it is, on the calibrated one, or both."""
    plain = name + PRECISIONS.get(options.search_precision, "")
    return {"raw": (plain,), "calibrated": (plain + CALIBRATED,), "both": (plain, plain + CALIBRATED)}[
        options.victim
    ]


__all__ = [
    "ATTACKS",
    "CALIBRATED",
    "COLUMNS",
    "PRECISIONS",
    "Attack",
    "AttackOptions",
    "described",
    "precision_of",
    "recipe_of",
    "variants",
]
