"""Every recipe of the pinned textattack: what it is, and whether it runs here, found by trying (see the tests)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from asa_bench.tasks.base import Frozen


class Recipe(Frozen):
    """One class of textattack.attack_recipes."""

    name: str = Field(description="the class in textattack.attack_recipes")
    paper: str
    status: Literal["runs", "needs", "broken", "other goal"] = Field(
        description="runs; needs what is not here; broken upstream; or pursues something else than another label"
    )
    why: str = Field(default="", description="what it needs, or why it cannot be measured")
    given: tuple[str, ...] = Field(
        default=(),
        description="NLTK's data that it reads, in the words of an attack's needs: where it runs, or gets what it needs beside, "
        "it does so with exactly these",
    )
    box: Literal["black", "white"] = "black"
    inputs: tuple[int, ...] = Field(default=(1, 2), description="how many texts an example may have")
    attacks: tuple[str, ...] = Field(default=(), description="the attacks of asa-bench that are made of it")


_VECTORS = "counter-fitted word vectors (stored as pickles; `asa-bench fetch` converts them)"
_USE = "TensorFlow Hub with the Universal Sentence Encoder"
_STOP_WORDS = "nltk:corpora/stopwords"
_WORDNET = "nltk:corpora/wordnet"
_TAGGER = ("nltk:taggers/averaged_perceptron_tagger_eng", "nltk:taggers/universal_tagset")
_HOMOGLYPHS = "the published package lacks its file intentional_homoglyphs.txt"

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="A2TYoo2021",
        paper="Yoo and Qi, 2021; arXiv:2109.00544",
        status="needs",
        why=f"{_VECTORS}, sentence-transformers with stsb-distilbert-base, the library's own wrapper of a victim",
        given=(_STOP_WORDS, *_TAGGER),
        box="white",
        attacks=("a2t+neighbours+nosbert+stopwords",),
    ),
    Recipe(
        name="BAEGarg2019",
        paper="Garg and Ramakrishnan, 2020; arXiv:2004.01970",
        status="needs",
        why=f"the masked language model bert-base-uncased, {_USE}",
        given=(_STOP_WORDS, *_TAGGER),
        attacks=("bae+mlm+sbert+stopwords", "bae+sbert"),
    ),
    Recipe(
        name="BERTAttackLi2020",
        paper="Li, Ma, Guo, Xue and Qiu, 2020; arXiv:2004.09984",
        status="needs",
        why=f"the masked language model bert-base-uncased, {_USE}",
        given=(_STOP_WORDS,),
        attacks=("bertattack+mlm+sbert+stopwords", "bertattack+sbert"),
    ),
    Recipe(
        name="BadCharacters2021",
        paper="Boucher, Shumailov, Anderson and Papernot, 2022; arXiv:2106.09898",
        status="broken",
        why=f"{_HOMOGLYPHS}, and none of its goals is just another label: with invisible characters, deletions and reorderings "
        "it runs towards a chosen label or another sum of logits (its other goals want a tagger or a translator), and its "
        "search raises IndexError where a query budget ends",
        inputs=(1,),
    ),
    Recipe(
        name="CLARE2020",
        paper="Li, Zhang, Peng and others, 2021; arXiv:2009.07502",
        status="needs",
        why=f"the masked language model distilroberta-base, flair's tagger upos-fast, {_USE}",
        given=(_STOP_WORDS,),
        attacks=("clare+mlm+nltktags+sbert+stopwords", "clare+nltktags+sbert"),
    ),
    Recipe(
        name="CheckList2020",
        paper="Ribeiro, Wu, Guestrin and Singh, 2020; arXiv:2005.04118",
        status="needs",
        why="flair's tagger ner-english",
    ),
    Recipe(
        name="ChineseRecipe",
        paper="none",
        status="broken",
        why="reads its homophones with a separator that pandas refuses; before that needs the masked language model "
        "xlm-roberta-base",
        inputs=(1,),
    ),
    Recipe(
        name="DeepWordBugGao2018",
        paper="Gao, Lanchantin, Soffa and Qi, 2018; arXiv:1801.04354",
        status="runs",
        given=(_STOP_WORDS,),
        attacks=("deepwordbug", "deepwordbug+stopwords", "deepwordbug+stopwords+random"),
    ),
    Recipe(
        name="FasterGeneticAlgorithmJia2019",
        paper="Jia, Raghunathan, Goeksel and Liang, 2019; arXiv:1909.00986",
        status="needs",
        why=f"{_VECTORS}, the library's learning-to-write language model",
        given=(_STOP_WORDS,),
    ),
    Recipe(
        name="FrenchRecipe",
        paper="none",
        status="broken",
        why="NLTK tells it of no WordNet but the English one before it was asked about another; then needs NLTK's omw-2.0, "
        "which has the French one, and flair's tagger ner-french; its stop words are the letters of 'french'",
        given=(_WORDNET,),
        inputs=(1,),
    ),
    Recipe(
        name="GeneticAlgorithmAlzantot2018",
        paper="Alzantot, Sharma, Elgohary and others, 2018; arXiv:1804.07998",
        status="needs",
        why=f"{_VECTORS}, TensorFlow with Google's one-billion-word language model",
        given=(_STOP_WORDS,),
    ),
    Recipe(
        name="HotFlipEbrahimi2017",
        paper="Ebrahimi, Rao, Lowd and Dou, 2018; arXiv:1712.06751",
        status="broken",
        why="its swap takes only the library's own LSTM",
        box="white",
        attacks=("hotflip+gradientswap+nopos+stopwords",),
    ),
    Recipe(
        name="IGAWang2019",
        paper="Wang, Jin and He, 2019; arXiv:1909.06723",
        status="needs",
        why=_VECTORS,
        given=(_STOP_WORDS,),
        attacks=("iga",),
    ),
    Recipe(
        name="InputReductionFeng2018",
        paper="Feng, Wallace, Grissom and others, 2018; arXiv:1804.07781",
        status="other goal",
        why="removes words while the prediction stays as it is",
        given=(_STOP_WORDS,),
    ),
    Recipe(
        name="Kuleshov2017",
        paper="Kuleshov, Thakoor, Lau and Ermon, 2018",
        status="needs",
        why=f"{_VECTORS}, the language model gpt2",
        given=(_STOP_WORDS,),
    ),
    Recipe(
        name="LEAP2023",
        paper="Xiao, Xiao, Dong, Ji and Zhang, 2023; arXiv:2308.11284",
        status="runs",
        given=(_WORDNET, _STOP_WORDS),
        attacks=("leap", "leap+oewn2024"),
    ),
    Recipe(
        name="MorpheusTan2020",
        paper="Tan, Joty, Kan and Socher, 2020",
        status="other goal",
        why="lowers the BLEU of a sequence-to-sequence model",
        given=(_STOP_WORDS,),
        inputs=(1,),
    ),
    Recipe(
        name="PSOZang2020",
        paper="Zang, Qi, Yang and others, 2020; arXiv:1910.12196",
        status="needs",
        why="HowNet candidates (stored as a pickle), flair's tagger upos-fast",
        given=(_STOP_WORDS,),
    ),
    Recipe(
        name="PWWSRen2019",
        paper="Ren, Deng, He and Che, 2019",
        status="runs",
        given=(_WORDNET, _STOP_WORDS),
        attacks=("pwws", "pwws+oewn2024"),
    ),
    Recipe(
        name="Pruthi2019",
        paper="Pruthi, Dhingra and Lipton, 2019; arXiv:1905.11268",
        status="runs",
        given=(_STOP_WORDS,),
        attacks=("pruthi", "pruthi+stopwords"),
    ),
    Recipe(
        name="Seq2SickCheng2018BlackBox",
        paper="Cheng, Yi, Zhang and others, 2018; arXiv:1803.01128",
        status="other goal",
        why=f"an output without a word of the original, of a sequence-to-sequence model; needs {_VECTORS}",
        given=(_STOP_WORDS,),
        inputs=(1,),
    ),
    Recipe(
        name="SpanishRecipe",
        paper="none",
        status="broken",
        why="asks WordNet for a language 'esp', which it calls 'spa'; its stop words are the letters of 'spanish'",
        given=(_WORDNET,),
        inputs=(1,),
    ),
    Recipe(
        name="TextBuggerLi2018",
        paper="Li, Ji, Du, Li and Wang, 2019; arXiv:1812.05271",
        status="broken",
        why=f"{_HOMOGLYPHS}; then needs {_VECTORS}, {_USE}",
        given=(_STOP_WORDS,),
    ),
    Recipe(
        name="TextFoolerJin2019",
        paper="Jin, Jin, Zhou and Szolovits, 2020; arXiv:1907.11932",
        status="needs",
        why=f"{_VECTORS}, {_USE}",
        given=_TAGGER,
        attacks=("textfooler+neighbours+nouse", "textfooler+neighbours+sbert", "textfooler+nouse"),
    ),
)
