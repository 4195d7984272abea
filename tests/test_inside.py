"""What an explanation says of a model is what the model computes, and no text harms where it is shown."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import HOSTILE
from models_for_tests import tiny_bert
from rich.cells import cell_len
from test_attention import FAMILIES, victim
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import asa_bench
from asa_bench import inside
from asa_bench.cli import main
from asa_bench.errors import BadInput
from asa_bench.models.asa import attach
from asa_bench.reports import explanation_text
from asa_bench.reports.explanation import Explanation, View
from asa_bench.reports.figures import mechanism

TEXT = "the film was very good"
WORDS = TEXT.split()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models whose attention is far from equal; the second has its adversaries beside it."""
    made = {}
    for seed, name in enumerate(("naive", "asa"), 1):
        folder = tiny_bert(tmp_path_factory.mktemp("models") / name, ["negative", "positive"], seed)
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for weights in model.parameters():
                torch.nn.init.normal_(weights, std=0.5)
        model.save_pretrained(folder)
        if name == "asa":
            attach(model, seed=4).save(folder)
        made[name] = folder
    return made


@pytest.fixture(scope="module")
def found(models: dict[str, Path]) -> Explanation:
    return asa_bench.explain(models, TEXT, layer=2)


def asked(folder: Path, *texts: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities, and the second layer's attention, by transformers alone."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt")
    with torch.inference_mode():
        out = model(**inputs, output_attentions=True)
    return out.logits[0].double().softmax(-1), out.attentions[1][0].double().mean(0)


def test_words_attention_and_probabilities_are_the_models_own(
    models: dict[str, Path], found: Explanation
) -> None:
    for view in found.views:
        whole, attention = asked(models[view.model], TEXT)
        np.testing.assert_allclose(list(view.probabilities.values()), whole, atol=1e-6)
        np.testing.assert_allclose(view.attention, attention, atol=1e-6)
        place = int(whole.argmax())
        assert view.label == view.prediction == ("negative", "positive")[place]
        falls = [
            whole[place] - asked(models[view.model], " ".join(w for w in WORDS if w != left))[0][place]
            for left in WORDS
        ]
        np.testing.assert_allclose(view.importances, falls, atol=2e-6)
        assert view.words == tuple(WORDS)
        assert view.tokens == ("[CLS]", *WORDS, "[SEP]")
        received = np.asarray(view.attention)[:, 1:-1].sum(0)
        np.testing.assert_allclose(view.received() or (), received / received.sum(), atol=1e-9)


def test_the_mask_is_the_adversarys_where_there_is_one(models: dict[str, Path], found: Explanation) -> None:
    naive, asa = found.views
    assert naive.mask is None and "adversaries.safetensors" in naive.mask_missing
    model = AutoModelForSequenceClassification.from_pretrained(models["asa"])
    inputs = AutoTokenizer.from_pretrained(models["asa"])(TEXT, return_tensors="pt")
    mask = attach(model, seed=4).masks(**inputs)[1][0]
    assert 0 < mask.sum() < mask.numel()
    np.testing.assert_array_equal(asa.mask, mask)
    assert asa.kept == pytest.approx(float(mask.mean()))


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"deberta"}))  # ASA knows its second version alone
def test_every_family_shows_attention_and_mask_and_stays_as_it_was(family: str, tmp_path: Path) -> None:
    texts = ("a film was good", "not bad")
    asked_model = victim(family, "eager")
    asa = attach(asked_model.model, seed=4)
    asa.save(tmp_path)
    asa.detach()
    before = asked_model.logits([texts])
    seen = inside.view("m", asked_model, texts, folder=tmp_path)
    np.testing.assert_allclose(np.sum(seen.attention or (), axis=1), 1, atol=1e-5)
    assert seen.kept is not None and 0 < seen.kept < 1
    np.testing.assert_array_equal(asked_model.logits([texts]), before)


def test_layer_label_and_pairs(models: dict[str, Path], found: Explanation) -> None:
    pair = asa_bench.explain(models, ["the film", "was good"], layer=1, label="negative")
    assert pair.views[0].tokens == ("[CLS]", "the", "film", "[SEP]", "was", "good", "[SEP]")
    assert pair.views[0].owners == (-1, 0, 1, -1, 2, 3, -1)
    assert {view.label for view in pair.views} == {"negative"}
    first = asa_bench.explain(models, TEXT).views[0]
    assert not np.allclose(first.attention or (), found.views[0].attention or ())


@pytest.mark.slow
def test_pictures_have_no_clock_and_show_the_numbers(found: Explanation) -> None:
    pictures = {form: mechanism.render(found, form) for form in ("pdf", "png")}
    assert pictures["pdf"].startswith(b"%PDF") and pictures["png"].startswith(b"\x89PNG")
    for made in pictures.values():
        assert b"CreationDate" not in made and b"Software" not in made
    assert mechanism.render(found, "pdf") == pictures["pdf"]
    naive, asa = found.views
    for other in (
        replace(asa, mask=None),
        replace(asa, importances=(0.9, *asa.importances[1:])),
        replace(asa, attention=None, attention_missing="no attention here"),
    ):
        assert mechanism.render(replace(found, views=(naive, other)), "pdf") != pictures["pdf"]


def named(text: str) -> Explanation:
    """An explanation in which everything that comes from outside is `text`."""
    view = View(
        model=text,
        probabilities={text: 0.75, "other": 0.25},
        prediction=text,
        label=text,
        words=(text, "b"),
        importances=(0.5, -0.25),
        tokens=("[CLS]", text, "b"),
        owners=(-1, 0, 1),
        attention=((0.2, 0.3, 0.5),) * 3,
        attention_missing="",
        mask=((1, 0, 1),) * 3,
        mask_missing="",
    )
    return Explanation((text,), 1, (view, replace(view, mask=None, mask_missing=text)))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_harmless_and_not_lost(text: str) -> None:
    shown = explanation_text.render(named(text))
    shown.encode("utf-8")
    assert max(cell_len(line) for line in shown.split("\n")) <= 80
    assert all(
        unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"} for c in shown if c != "\n"
    )
    written = named(text).to_json()
    assert written.isascii()
    assert json.loads(written)["texts"] == [text]


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_drawn_without_a_warning(text: str) -> None:
    assert mechanism.render(named(text), "pdf").startswith(b"%PDF")


def test_what_cannot_be_explained_is_told(models: dict[str, Path]) -> None:
    one = {"naive": models["naive"]}
    with pytest.raises(BadInput, match="--layer 3: model naive has layers 1 to 2"):
        asa_bench.explain(one, TEXT, layer=3)
    with pytest.raises(BadInput, match="--label 'postive': model naive: did you mean 'positive'"):
        asa_bench.explain(one, TEXT, label="postive")
    with pytest.raises(BadInput, match="has no words"):
        asa_bench.explain(one, " \t")
    with pytest.raises(BadInput, match="no such folder"):
        asa_bench.explain({"x": models["naive"] / "missing"}, TEXT)


def test_the_command(models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [part for name, folder in models.items() for part in ("--model", f"{name}={folder}")]
    picture = tmp_path / "deep" / "smile.png"
    with pytest.raises(SystemExit) as end:
        main(["explain", *given, TEXT, "--layer", "2", "--json", "-o", str(picture)])
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out)["layer"] == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "only", "text"], "expected NAME=PATH"),
        (["--model", "a=x", "--model", "a=y", "text"], "given twice"),
        (["--model", "a=x", "text", "-o", "picture.gif"], "ends in .pdf or .png"),
        (["--model", "a=x", "one", "two", "three"], "one text or two"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["explain", *arguments])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1


def test_an_explanation_comes_back_from_its_json(found: Explanation) -> None:
    assert Explanation.from_json(found.to_json()) == found
    assert found.address != replace(found, layer=1).address


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 99}, "schema version"),
        ({"layer": "first"}, "layer"),
        ({"views": [{}]}, "views.0"),
    ],
)
def test_a_damaged_explanation_is_refused(found: Explanation, change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Explanation.from_json(json.dumps({**json.loads(found.to_json()), **change}))
    cut = replace(found.views[0], tokens=found.views[0].tokens[1:])
    with pytest.raises(ValueError, match="do not fit together"):
        Explanation.from_json(replace(found, views=(cut,)).to_json())


def test_the_page_shows_it_and_no_text_of_it_runs(found: Explanation) -> None:
    from asa_bench.reports.inputs import ReportInput
    from asa_bench.reports.page import render
    from asa_bench.reports.page.mechanism import looks

    (look,) = looks((found,))
    assert [len(side.tokens) for side in look.sides] == [len(view.tokens) for view in found.views]
    assert [side.kept != "" for side in look.sides] == [view.mask is not None for view in found.views]
    hostile = "<script>window.broken = 1</script>\u202e"
    views = tuple(
        replace(
            view,
            model=hostile,
            label=hostile,
            words=(hostile,) * len(view.words),
            tokens=(hostile,) * len(view.tokens),
        )
        for view in found.views
    )
    page = render(ReportInput("s", "t", "p", explanations=(replace(found, texts=(hostile,), views=views),)))
    assert "<script>window" not in page and "\u202e" not in page and "&lt;script&gt;window" in page
