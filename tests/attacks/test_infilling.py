"""Masked language models in transformations: asked by all lanes together, with outcomes that are the library's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nltk
import numpy as np
import pandas as pd
import pytest
import torch
from attack_victims import GOOD, PAIR, SINGLE, THREE_WAY, KeywordVictim, pair_rows, single_rows

from asa_bench.attacks import ATTACKS, AttackOptions, adapter, encoders, infilling, library
from asa_bench.attacks.engine import attack_rows, resolve
from asa_bench.attacks.labels import label_groups
from asa_bench.errors import BadInput, Unavailable

textattack = adapter.textattack
WORDS = [
    *(
        "a",
        "the",
        "film",
        "plot",
        "movie",
        "play",
        "great",
        "fine",
        "odd",
        "and",
        "wonderful",
        "brilliant",
        "splendid",
    ),
    *("long", "story", "told", "very", "with"),
]
PIECES = ["un", "##like", "##ly", "##s"]
TAGS = {"the": "DET", "a": "DET", "splendid": "X", "very": "ADV"}
ADJECTIVES = {"great", "fine", "odd", "wonderful", "brilliant"}
NAMES = ("bae+mlm+sbert+stopwords", "bertattack+mlm+sbert+stopwords", "clare+mlm+nltktags+sbert+stopwords")
TEXTS = (
    "a wonderful film and the plot , told with brilliant unlikely films .",
    "the splendid odd film",
    "a very long story , the unlikely wonderful play and the movie with a fine plot told very odd , great films .",
    "wonderful brilliant splendid",
    "the odd plot",
    "splendid film , brilliant plot",
    "the wonderful splendid story - told",
)


def tag_of(word: str) -> str:
    return TAGS.get(word, "NOUN" if word in set(WORDS) - ADJECTIVES else "ADJ")


def tag(words: Sequence[str], **_: Any) -> list[tuple[str, str]]:
    """Stands for NLTK's tagger, whose data may not be here."""
    return [(word, tag_of(word)) for word in words]


@pytest.fixture(autouse=True)
def _tagger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk, "pos_tag", tag)


def tiny(folder: Path, kind: str = "bert", seed: int = 0, **changes: Any) -> Path:
    """A data folder with a tiny masked language model, whose tokens are pieces of words or of bytes, and a tiny encoder."""
    import transformers
    from tokenizers import ByteLevelBPETokenizer

    folder.mkdir(exist_ok=True)
    size: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    size |= {"intermediate_size": 64, "initializer_range": 0.3} | changes
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "-", *PIECES, *WORDS])
    )
    plain = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "bert":
            config = transformers.BertConfig(vocab_size=len(plain), **size)
            model: Any = transformers.BertForMaskedLM(config)
            tokenizer: Any = plain
        else:
            bytes_ = ByteLevelBPETokenizer()
            special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
            bytes_.train_from_iterator(TEXTS, vocab_size=320, special_tokens=special, show_progress=False)
            bytes_.save_model(str(folder))
            tokenizer = transformers.RobertaTokenizerFast(
                str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=64
            )
            config = transformers.RobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, **size)
            model = transformers.RobertaForMaskedLM(config)
        model.save_pretrained(folder / "masked_language_model")
        encoder = transformers.BertConfig(vocab_size=len(plain), **size)
        transformers.BertModel(encoder).save_pretrained(folder / "sentence_encoder")
    tokenizer.save_pretrained(folder / "masked_language_model")
    plain.save_pretrained(folder / "sentence_encoder")
    return folder


@pytest.fixture(scope="module", params=["bert", pytest.param("roberta", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("data"), request.param)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("data"))


def texts_for(name: str) -> tuple[str, ...]:
    """CLARE makes candidates at every word, so it gets short texts."""
    return TEXTS[1:2] + TEXTS[3:] if name.startswith("clare") else TEXTS


def run(name: str, folder: Path, rows: pd.DataFrame, lanes: int, budget: int = 60) -> pd.DataFrame:
    victim: Any = KeywordVictim()
    options = AttackOptions(lanes=lanes, query_budget=budget)
    return attack_rows(ATTACKS.get(name), victim, SINGLE, rows, seed=3, options=options, data_dir=folder)


class _Position:
    """Stands for flair's tagger in the library's own merging."""

    def __get__(self, text: Any, _: Any) -> Any:
        return lambda index: tag_of(text.words[index])


@pytest.fixture
def _library_merges(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(textattack.shared.AttackedText, "pos_of_word_index", _Position())
    yield


def librarys(name: str, folder: Path) -> Any:
    """The recipe with the library's own transformations, each asking the model itself."""
    victim: Any = KeywordVictim()
    wrapper = adapter.VictimWrapper(victim, label_groups(victim.labels, SINGLE), data_dir=folder)
    model, tokenizer = infilling.masked.load_trained(folder / "masked_language_model", what="a test")
    kinds = textattack.transformations
    names = ("WordSwapMaskedLM", "WordInsertionMaskedLM", "WordMergeMaskedLM")

    def made(kind: Any, **options: Any) -> Any:
        options |= {"masked_language_model": model, "tokenizer": tokenizer, "max_length": 64}
        return kind(**options)

    module, recipe = {
        "bae": (textattack.attack_recipes.bae_garg_2019, "BAEGarg2019"),
        "bertattack": (textattack.attack_recipes.bert_attack_li_2020, "BERTAttackLi2020"),
        "clare": (textattack.attack_recipes.clare_li_2020, "CLARE2020"),
    }[name.partition("+")[0]]
    nothing = SimpleNamespace(from_pretrained=lambda _: None)
    stand_ins = {each: partial(made, getattr(kinds, each)) for each in names if hasattr(module, each)}
    stand_ins["UniversalSentenceEncoder"] = partial(
        encoders.EncoderSimilarity, wrapper, encoders.of_folder(folder, "cpu")
    )
    if recipe == "CLARE2020":
        stand_ins["transformers"] = SimpleNamespace(AutoModelForCausalLM=nothing, AutoTokenizer=nothing)
    with infilling._standing_in(module, **stand_ins), library.offline_nltk(True):
        return getattr(module, recipe).build(wrapper)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("_library_merges")
def test_outcomes_are_the_librarys(name: str, folder: Path) -> None:
    rows = single_rows(*texts_for(name))
    found = run(name, folder, rows, 8)
    assert {"successful", "failed", "skipped"} <= set(found["status"]) and "errored" not in set(
        found["status"]
    )
    built = librarys(name, folder)
    built.goal_function.query_budget = 60
    results = textattack.attack_results
    for row in found.to_dict("records"):
        built.clear_cache()
        said = built.attack(json.loads(row["original"])[0], 1)
        kind = {
            results.SuccessfulAttackResult: "successful",
            results.SkippedAttackResult: "skipped",
        }.get(type(said), "failed")
        assert (row["status"], row["queries"]) == (kind, said.num_queries)
        won = kind == "successful"
        assert row["perturbed"] == (json.dumps([said.perturbed_text()]) if won else "")


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_are_the_same_for_any_lanes_order_and_subset(
    name: str, pieces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = single_rows(*texts_for(name))
    asked: list[int] = []
    answer = infilling.Victim.steady_logits

    def counted(self: Any, texts: Any, *arguments: Any) -> np.ndarray:
        if isinstance(self.model, infilling._AtMask | infilling._BestTokens):
            asked.append(len(texts))
        return answer(self, texts, *arguments)

    monkeypatch.setattr(infilling.Victim, "steady_logits", counted)
    one = run(name, pieces, rows, 1)
    times, texts = len(asked), sum(asked)
    asked.clear()
    pd.testing.assert_frame_equal(run(name, pieces, rows, 5), one)
    # The same questions, in fewer passes.
    assert sum(asked) == texts and len(asked) < times
    # A search that waits has left nothing behind in the others or in the process.
    assert torch.is_grad_enabled()
    turned = run(name, pieces, rows.iloc[::-2], 3).reset_index(drop=True)
    pd.testing.assert_frame_equal(turned, one.iloc[::-2].reset_index(drop=True))


def test_answers_depend_on_the_text_alone(folder: Path) -> None:
    shared = infilling._loaded(folder / "masked_language_model", "cpu")
    mask = shared.tokenizer.mask_token
    asked = [(text.replace("film", mask).replace("plot", mask),) for text in TEXTS] * 2
    best: Any = shared.best(8)
    whole, likeliest = shared._at_mask.steady_logits(asked), best(asked)
    encoded = [shared.tokenizer(text, return_tensors="pt") for (text,) in asked]
    for at, (text, inputs) in enumerate(zip(asked, encoded, strict=True)):
        assert np.array_equal(shared.at_mask([text])[0], whole[at])
        assert np.array_equal(best([text])[0], likeliest[at])
        ids = inputs["input_ids"][0].tolist()
        shared._places._chosen.clear()
        with torch.inference_mode():
            logits = shared._model(**inputs).logits[0]
        place = ids.index(shared.tokenizer.mask_token_id) if mask in text[0] else 0
        assert np.allclose(whole[at], logits[place], atol=1e-5)
        top = likeliest[at].reshape(-1, 8)
        assert np.array_equal(top[: len(ids)], logits.topk(8).indices)
        assert (top[len(ids) :] == -1).all()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for size in (1, 3, 64):
            assert np.array_equal(shared._at_mask.steady_logits(asked, batch_size=size), whole)
            assert np.array_equal(shared._best[8].steady_logits(asked, batch_size=size), likeliest)
    finally:
        torch.set_num_threads(threads)


def test_combinations_of_pieces_are_not_all_made(pieces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word of 26 pieces has more combinations than anybody can make, and the first ones may all be punctuation."""
    built = adapter.build(ATTACKS.get(NAMES[1]), adapter.VictimWrapper(None, np.arange(2), data_dir=pieces))
    text = textattack.shared.AttackedText("the " + "unlikely" + "likely" * 12)
    monkeypatch.setattr(textattack.shared.utils, "is_one_word", tried := CountedRefusals())
    assert built.transformation(text, [], [1]) == []
    assert tried.times == built.transformation.most_combinations == 4096


class CountedRefusals:
    """Says of nothing that it is one word."""

    times = 0

    def __call__(self, _: str) -> bool:
        self.times += 1
        return False


def test_texts_that_are_cut_have_no_candidates_behind_the_cut(pieces: Path) -> None:
    rows = single_rows(f"{'the odd plot , ' * 30}wonderful film")
    for name in NAMES[:2]:
        assert run(name, pieces, rows, 1)["status"].tolist() == ["failed"]


@pytest.mark.parametrize("name", NAMES)
def test_pairs_change_in_one_column(name: str, pieces: Path) -> None:
    victim: Any = KeywordVictim(THREE_WAY)
    pairs = pair_rows(("the odd wonderful plot", "the wonderful film"), ("a brilliant film", "the odd plot"))
    options = AttackOptions(query_budget=200)
    found = attack_rows(ATTACKS.get(name), victim, PAIR, pairs, seed=3, options=options, data_dir=pieces)
    assert set(found["status"]) <= {"failed", "successful"}
    for row in found.to_dict("records"):
        if row["perturbed"]:
            assert json.loads(row["perturbed"])[0] == json.loads(row["original"])[0]


def test_another_model_is_another_attack(pieces: Path, tmp_path: Path) -> None:
    attack = ATTACKS.get(NAMES[1])
    other = tiny(tmp_path / "other", seed=1)
    shutil.rmtree(other / "sentence_encoder")
    shutil.copytree(pieces / "sentence_encoder", other / "sentence_encoder")
    before, after = (resolve(attack, each) for each in (pieces, other))
    assert before["fingerprint"] != after["fingerprint"]
    changed = {need for need, sha256 in before["resources"].items() if after["resources"][need] != sha256}
    assert changed == {infilling.resources.MASKED}
    swap = before["transformation"]
    assert (swap["method"], swap["max_candidates"], swap["max_length"]) == ("bert-attack", 8, 64)
    assert swap["masked_lm_name"] == "BertForMaskedLM"
    json.dumps(before)


def test_arguments_are_the_librarys(pieces: Path) -> None:
    wrapper = adapter.VictimWrapper(None, np.arange(2), data_dir=pieces)
    built = {name.partition("+")[0]: adapter.build(ATTACKS.get(name), wrapper) for name in NAMES}
    swap = built["bae"].transformation
    assert (swap.method, swap.max_candidates, swap.min_confidence) == ("bae", 50, 0.0)
    parts = built["clare"].transformation.transformations
    assert [part.min_confidence for part in parts] == [5e-4, 0.0, 5e-3]
    thresholds = {
        name: [each.threshold for each in attack.constraints if hasattr(each, "threshold")]
        for name, attack in built.items()
    }
    assert thresholds == {"bae": [0.936338023], "bertattack": [0.2], "clare": [0.7]}
    module = textattack.attack_recipes.bae_garg_2019
    assert module.WordSwapMaskedLM is textattack.transformations.WordSwapMaskedLM


def test_models_that_cannot_be_used_are_refused_in_one_line(pieces: Path, tmp_path: Path) -> None:
    from transformers import BertModel, BertTokenizerFast, CamembertConfig, CamembertForMaskedLM

    with pytest.raises(Unavailable, match=r"'bertattack\+mlm.*' needs file:masked_language_model: not in"):
        library.identify(ATTACKS.get(NAMES[1]), tmp_path)
    folder = tmp_path / "headless"
    BertModel.from_pretrained(pieces / "masked_language_model").save_pretrained(folder)
    tokenizer = BertTokenizerFast.from_pretrained(pieces / "masked_language_model")
    tokenizer.save_pretrained(folder)
    with pytest.raises(BadInput, match=r"lack 'cls\.predictions.*an attack needs a masked language model"):
        infilling._loaded(folder, "cpu")
    config = CamembertConfig(
        vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    with pytest.raises(BadInput, match="tokens of type 'camembert'; known types: bert"):
        infilling.MaskedModel(CamembertForMaskedLM(config), tokenizer)
    tokenizer.mask_token = None
    model, _ = infilling.masked.load_trained(pieces / "masked_language_model", what="a test")
    with pytest.raises(BadInput, match="no mask token"):
        infilling.MaskedModel(model, tokenizer)


def test_words_of_victims_are_words_of_the_model() -> None:
    assert set(WORDS) >= GOOD
