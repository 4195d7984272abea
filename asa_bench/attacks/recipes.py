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

DEEPWORDBUG_RANDOM = Attack(
    name="deepwordbug+stopwords+random",
    title="DeepWordBug (sklearn stop words, random search)",
    recipe="asa_bench.attacks.control:deepwordbug_random",
    paper=_GAO,
    substitutes=(
        _STOP_WORDS,
        "the search: walks through the words in random order that look at no score, for as many queries as ranking them and "
        "asking about every candidate take",
    ),
    note="a control of deepwordbug+stopwords: where it finds more, the victim's scores mislead the search",
    control_of="deepwordbug+stopwords",
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


_OPEN_ENGLISH = "WordNet: Open English WordNet 2024 in WordNet's format, instead of Princeton WordNet 3.0"
_REN = "Ren, Deng, He and Che, 2019, ACL"
_REN_NOTE = (
    "words ranked by what replacing each with [UNK] costs, weighted by the best synonym's gain; then each replaced by "
    "the WordNet synonym that costs most"
)

PWWS_OPEN_ENGLISH_WORDNET = Attack(
    name="pwws+oewn2024",
    title="PWWS (Open English WordNet)",
    recipe="asa_bench.attacks.builders:pwws_open_english_wordnet",
    paper=_REN,
    substitutes=(_OPEN_ENGLISH,),
    needs=("nltk:corpora/wordnet", "nltk:corpora/stopwords"),
    note=_REN_NOTE,
)

PWWS = Attack(
    name="pwws",
    title="PWWS",
    recipe="asa_bench.attacks.builders:pwws",
    paper=_REN,
    needs=("nltk:corpora/wordnet", "nltk:corpora/stopwords"),
    note=_REN_NOTE,
)

_XIAO = "Xiao, Xiao, Dong, Ji and Zhang, 2023, ASE; arXiv:2308.11284"
_XIAO_NOTE = "a particle swarm over WordNet synonyms of all words at once; takes thousands of queries, so give it a budget"

LEAP_OPEN_ENGLISH_WORDNET = Attack(
    name="leap+oewn2024",
    title="LEAP (Open English WordNet)",
    recipe="asa_bench.attacks.builders:leap_open_english_wordnet",
    paper=_XIAO,
    substitutes=(_OPEN_ENGLISH,),
    needs=("nltk:corpora/wordnet", "nltk:corpora/stopwords"),
    note=_XIAO_NOTE,
)

LEAP = Attack(
    name="leap",
    title="LEAP",
    recipe="asa_bench.attacks.builders:leap",
    paper=_XIAO,
    needs=("nltk:corpora/wordnet", "nltk:corpora/stopwords"),
    note=_XIAO_NOTE,
)

TEXTFOOLER_NEIGHBOURS = Attack(
    name="textfooler+neighbours+nouse",
    title="TextFooler (neighbour lists, no sentence encoder)",
    recipe="asa_bench.attacks.builders:textfooler_neighbours",
    paper="Jin, Jin, Zhou and Szolovits, 2020, AAAI; arXiv:1907.11932",
    substitutes=(
        "synonyms: lists of at most 8 counter-fitted neighbours (Jia et al., 2019) instead of the 50 nearest vectors of "
        "cosine 0.5 or more",
        "no Universal Sentence Encoder checks the similarity",
    ),
    needs=(
        "file:counterfitting/counterfitted_neighbors.json.xz",
        "nltk:taggers/averaged_perceptron_tagger_eng",
        "nltk:taggers/universal_tagset",
    ),
    note="words ranked by what deleting each costs, then each replaced by a neighbour of the same part of speech",
)

_VECTORS = "file:vectors/paragramcf.safetensors"

TEXTFOOLER_WITHOUT_ENCODER = Attack(
    name="textfooler+nouse",
    title="TextFooler (no sentence encoder)",
    recipe="asa_bench.attacks.builders:textfooler_without_encoder",
    paper="Jin, Jin, Zhou and Szolovits, 2020, AAAI; arXiv:1907.11932",
    substitutes=("no Universal Sentence Encoder checks the similarity",),
    needs=(_VECTORS, "nltk:taggers/averaged_perceptron_tagger_eng", "nltk:taggers/universal_tagset"),
    note="words ranked by what deleting each costs, then each replaced by one of the 50 nearest by counter-fitted vectors, of "
    "cosine 0.5 or more and the same part of speech",
)

IGA = Attack(
    name="iga",
    title="IGA",
    recipe="asa_bench.attacks.builders:iga",
    paper="Wang, Jin and He, 2019; arXiv:1909.06723",
    needs=(_VECTORS, "nltk:corpora/stopwords"),
    note="a genetic algorithm over the 50 nearest by counter-fitted vectors; takes thousands of queries, so give it a budget",
)

TEXTFOOLER_NEIGHBOURS_ENCODER = Attack(
    name="textfooler+neighbours+sbert",
    title="TextFooler (neighbour lists, other sentence encoder)",
    recipe="asa_bench.attacks.encoders:textfooler_neighbours_encoder",
    paper="Jin, Jin, Zhou and Szolovits, 2020, AAAI; arXiv:1907.11932",
    substitutes=(
        "synonyms: lists of at most 8 counter-fitted neighbours (Jia et al., 2019) instead of the 50 nearest vectors of "
        "cosine 0.5 or more",
        "similarity by the encoder of the data folder, the mean of its token vectors, instead of the Universal Sentence "
        "Encoder; same threshold",
    ),
    needs=(*TEXTFOOLER_NEIGHBOURS.needs, "file:sentence_encoder"),
    note="as textfooler+neighbours+nouse; a candidate is kept where the 15 words around the change are similar enough",
)

HOTFLIP_GRADIENT_SWAP = Attack(
    name="hotflip+gradientswap+nopos+stopwords",
    title="HotFlip (gradient swap for transformers)",
    recipe="asa_bench.attacks.white_box:hotflip_gradient_swap",
    paper="Ebrahimi, Rao, Lowd and Dou, 2018, ACL; arXiv:1712.06751",
    box="white",
    substitutes=(
        "the swap: words that are one token of the victim, near by its own input embeddings (cosine 0.5, the 50 nearest) "
        "instead of counter-fitted vectors (cosine 0.8)",
        "no tagger compares parts of speech",
        _STOP_WORDS,
    ),
    note="beam search over at most two word swaps, each the best of its word by the gradient of the loss; every gradient "
    "counts as one query",
)

A2T_NEIGHBOURS = Attack(
    name="a2t+neighbours+nosbert+stopwords",
    title="A2T (neighbour lists, no sentence encoder)",
    recipe="asa_bench.attacks.white_box:a2t_neighbours",
    paper="Yoo and Qi, 2021, Findings of EMNLP; arXiv:2109.00544",
    box="white",
    substitutes=(
        "synonyms: lists of at most 8 counter-fitted neighbours (Jia et al., 2019) instead of the 20 nearest vectors of "
        "cosine 0.8 or more",
        "no sentence encoder checks the similarity",
        _STOP_WORDS,
    ),
    needs=(
        "file:counterfitting/counterfitted_neighbors.json.xz",
        "nltk:taggers/averaged_perceptron_tagger_eng",
        "nltk:taggers/universal_tagset",
    ),
    note="words ranked by the gradient of the loss, which counts as one query; then each replaced by a neighbour of the same "
    "part of speech, at most a tenth of the words or four",
)

_OTHER_ENCODER = (
    "similarity by the encoder of the data folder, the mean of its token vectors, instead of the Universal Sentence Encoder; "
    "same threshold"
)
_FOLDER = "file:masked_language_model"
_TAGGER = ("nltk:taggers/averaged_perceptron_tagger_eng", "nltk:taggers/universal_tagset")
_NLTK_STOP_WORDS = "nltk:corpora/stopwords"
_ENCODER = "file:sentence_encoder"


def _other_masked(instead: str) -> str:
    return f"candidates by the masked language model of the data folder instead of {instead}"


_GARG = "Garg and Ramakrishnan, 2020, EMNLP; arXiv:2004.01970"
_GARG_NOTE = (
    "BAE-R: words ranked by what deleting each costs, then each masked and replaced by one of the 50 likeliest fillings of the "
    "same part of speech; pieces of words among these count as words, as in the library"
)

BAE_FOLDER = Attack(
    name="bae+mlm+sbert+stopwords",
    title="BAE (other masked LM and sentence encoder, sklearn stop words)",
    recipe="asa_bench.attacks.infilling:bae_folder",
    paper=_GARG,
    substitutes=(_other_masked("bert-base-uncased"), _OTHER_ENCODER, _STOP_WORDS),
    needs=(_FOLDER, _ENCODER, *_TAGGER),
    note=_GARG_NOTE,
)

BAE_BERT = Attack(
    name="bae+sbert",
    title="BAE (other sentence encoder)",
    recipe="asa_bench.attacks.infilling:bae_bert",
    paper=_GARG,
    substitutes=(_OTHER_ENCODER,),
    needs=("hub:bert-base-uncased", _ENCODER, _NLTK_STOP_WORDS, *_TAGGER),
    note=_GARG_NOTE,
)

_LI = "Li, Ma, Guo, Xue and Qiu, 2020, EMNLP; arXiv:2004.09984"
_LI_NOTE = (
    "words ranked by what replacing each with [UNK] costs, then each replaced by one of the 8 likeliest tokens at its place, "
    "nothing masked; of a word of several pieces, by the first 8 combinations of theirs, which the library does not sort"
)

BERT_ATTACK_FOLDER = Attack(
    name="bertattack+mlm+sbert+stopwords",
    title="BERT-Attack (other masked LM and sentence encoder, sklearn stop words)",
    recipe="asa_bench.attacks.infilling:bert_attack_folder",
    paper=_LI,
    substitutes=(_other_masked("bert-base-uncased"), _OTHER_ENCODER, _STOP_WORDS),
    needs=(_FOLDER, _ENCODER),
    note=_LI_NOTE,
)

BERT_ATTACK_BERT = Attack(
    name="bertattack+sbert",
    title="BERT-Attack (other sentence encoder)",
    recipe="asa_bench.attacks.infilling:bert_attack_bert",
    paper=_LI,
    substitutes=(_OTHER_ENCODER,),
    needs=("hub:bert-base-uncased", _ENCODER, _NLTK_STOP_WORDS),
    note=_LI_NOTE,
)

_ZHANG = "Li, Zhang, Peng, Chen, Brockett, Sun and Dolan, 2021, NAACL; arXiv:2009.07502"
_ZHANG_NOTE = (
    "greedy over all places: a word masked and replaced, one inserted, or two merged, by one of the 50 likeliest fillings; every "
    "step asks about all of them, so give it a budget"
)
_OTHER_TAGGER = "which words may be merged: by NLTK's tagger instead of flair's"

CLARE_FOLDER = Attack(
    name="clare+mlm+nltktags+sbert+stopwords",
    title="CLARE (other masked LM, tagger and sentence encoder, sklearn stop words)",
    recipe="asa_bench.attacks.infilling:clare_folder",
    paper=_ZHANG,
    substitutes=(_other_masked("distilroberta-base"), _OTHER_TAGGER, _OTHER_ENCODER, _STOP_WORDS),
    needs=(_FOLDER, _ENCODER, *_TAGGER),
    note=_ZHANG_NOTE,
)

CLARE_DISTILROBERTA = Attack(
    name="clare+nltktags+sbert",
    title="CLARE (other tagger and sentence encoder)",
    recipe="asa_bench.attacks.infilling:clare_distilroberta",
    paper=_ZHANG,
    substitutes=(_OTHER_TAGGER, _OTHER_ENCODER),
    needs=("hub:distilroberta-base", _ENCODER, _NLTK_STOP_WORDS, *_TAGGER),
    note=_ZHANG_NOTE,
)
