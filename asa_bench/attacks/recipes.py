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

LEAP_OPEN_ENGLISH_WORDNET = Attack(
    name="leap+oewn2024",
    title="LEAP (Open English WordNet)",
    recipe="asa_bench.attacks.builders:leap_open_english_wordnet",
    paper="Xiao, Xiao, Dong, Ji and Zhang, 2023, ASE; arXiv:2308.11284",
    substitutes=(_OPEN_ENGLISH,),
    needs=("nltk:corpora/wordnet", "nltk:corpora/stopwords"),
    note="a particle swarm over WordNet synonyms of all words at once; takes thousands of queries, so give it a budget",
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
