"""The attack recipes that asa-bench describes: what each is called, where it comes from and what it needs."""

from __future__ import annotations

from asa_bench.attacks.base import Attack

_STOP_WORDS = (
    "stop words, which stay as they are: scikit-learn's ENGLISH_STOP_WORDS, not NLTK's list, on every machine"
)
_GAO = "Gao, Lanchantin, Soffa and Qi, 2018, IEEE Security and Privacy Workshops; arXiv:1801.04354"
_PRUTHI = "Pruthi, Dhingra and Lipton, 2019, ACL; arXiv:1905.11268"
_GAO_NOTE = (
    "words ranked by what replacing each with [UNK] costs, then one character of each swapped, substituted, "
    "deleted or inserted at random; edit distance at most 30"
)
_PRUTHI_NOTE = (
    "one word of four letters or more gets one typing error that keeps its first and last letter; "
    "all candidates are asked, so it is weak and takes many queries"
)

DEEPWORDBUG_STOPWORDS = Attack(
    name="deepwordbug+stopwords",
    title="DeepWordBug (sklearn stop words)",
    recipe="DeepWordBugGao2018",
    paper=_GAO,
    substitutes=(_STOP_WORDS,),
    note=_GAO_NOTE,
)

PRUTHI_STOPWORDS = Attack(
    name="pruthi+stopwords",
    title="Pruthi (sklearn stop words)",
    recipe="Pruthi2019",
    paper=_PRUTHI,
    substitutes=(_STOP_WORDS,),
    note=_PRUTHI_NOTE,
)

DEEPWORDBUG = Attack(
    name="deepwordbug",
    title="DeepWordBug",
    recipe="DeepWordBugGao2018",
    paper=_GAO,
    needs=("nltk:corpora/stopwords",),
    note=_GAO_NOTE,
)

PRUTHI = Attack(
    name="pruthi",
    title="Pruthi",
    recipe="Pruthi2019",
    paper=_PRUTHI,
    needs=("nltk:corpora/stopwords",),
    note=_PRUTHI_NOTE,
)
