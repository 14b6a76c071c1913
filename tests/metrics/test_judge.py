"""Judging a model folder: the protocol, real against real beside every figure, and the command.

Long because the judge and the command are tried on the same pictures and classifiers.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_classifiers import install, tiny_classifier
from tiny_runs import CELEBA

from gan import run
from gan.__main__ import main
from gan.data.drawn import draw_faces
from gan.data_record import SourceRecord
from gan.files import save_tensors
from gan.history import append_history
from gan.metrics import judge as judging
from gan.metrics.held_out import features_of, load_split, reduced
from gan.metrics.judge import Judge, digit_figures
from gan.metrics.results import MetricError, read_metrics
from gan.weights import load_generator, packed_weights, weights_hash

ALWAYS = {"sliced_wasserstein", "sliced_wasserstein_levels", "sliced_wasserstein_finest", "ms_ssim"}
IN_FEATURES = {"frechet_distance", "kernel_distance", "kernel_distance_deviation", "precision", "recall"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def classifiers(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "classifiers", celeba=tiny_classifier(), mnist=tiny_classifier(True, 1))


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A zip that calls itself CelebA, and its partition file: every fourth picture is held out, and darker."""
    folder = tmp_path_factory.mktemp("data")
    pictures = draw_faces(80, 16, 3)[0]
    with zipfile.ZipFile(folder / "celeba.zip", "w") as file:
        for i, picture in enumerate(pictures):
            content = io.BytesIO()
            Image.fromarray(picture // 2 if i % 4 == 0 else picture).save(content, "png")
            file.writestr(f"{i:06d}.png", content.getvalue())
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{i:06d}.jpg {int(i % 4 == 0)}\n" for i in range(80)), encoding="utf-8"
    )
    return folder / "celeba.zip"


# ----------------------------------------------------------------------------------------- real pictures


def test_the_partition_file_decides_what_is_held_out(faces):
    split = load_split([str(faces)], size=16, channels=3)
    assert split.official and (len(split.held_out), len(split.training), split.pairs) == (20, 60, 10)
    held_out, others = split.draw(10, seed=0)
    assert max(held_out.mean(), others.mean()) < 0.7 * split.training.mean()  # the dark ones
    assert len(np.unique(np.concatenate([held_out, others]).reshape(20, -1), axis=0)) == 20
    again, other = split.draw(10, seed=0)[0], split.draw(10, seed=1)[0]
    assert (again == held_out).all() and (other != held_out).any()


def test_without_a_partition_two_halves_share_no_picture():
    split = load_split(["drawn:31"], size=16, channels=3)
    assert not split.official and len(split.held_out_rows) == 15
    assert sorted([*split.held_out_rows, *split.training_rows]) == list(range(31))
    assert (load_split(["drawn:31"], size=16, channels=3, seed=1).held_out_rows != split.held_out_rows).any()


@pytest.mark.skipif(not os.environ.get("GAN_TEST_DATA"), reason="set GAN_TEST_DATA to a folder with MNIST and CelebA")
def test_mnist_is_judged_by_its_test_set():
    split = load_split(["mnist"], size=28, channels=1, data_root=os.environ["GAN_TEST_DATA"])
    assert (len(split.held_out), len(split.training)) == (10_000, 60_000) and split.held_out is not split.training


def test_a_partition_of_one_split_is_refused(faces, tmp_path):
    (tmp_path / "p.txt").write_text("".join(f"{i:06d}.jpg 0\n" for i in range(80)), encoding="utf-8")
    with pytest.raises(ValueError, match=r"all of the 80 pictures of celeba\.zip into one split"):
        load_split([str(faces)], size=16, channels=3, partition=tmp_path / "p.txt")


def test_reduced_as_the_data_loader_reduces():
    pictures = draw_faces(3, 32, 3)[0]
    expected = np.asarray(Image.fromarray(pictures[1]).resize((16, 16), Image.Resampling.LANCZOS))
    assert (reduced(pictures, 16)[1] == expected).all()
    assert reduced(pictures[..., :1], 16).shape == (3, 16, 16, 1)
    assert reduced(pictures, 32) is pictures


def test_features_do_not_depend_on_the_batch():
    pictures = draw_faces(140, 16, 3)[0]
    classifier = tiny_classifier()
    expected = classifier.features(torch.from_numpy(pictures[135:]).permute(0, 3, 1, 2).float() / 127.5 - 1)
    assert torch.allclose(features_of(classifier, pictures)[135:], expected, atol=1e-6)


# ------------------------------------------------------------------------------------------------ judge


def test_a_model_is_judged_with_all_figures(tiny_run, faces, classifiers):
    judge = Judge([str(faces)], classifier="celeba")
    result = judge.judge(tiny_run)
    assert set(result["generated"]) == set(result["real"]) == ALWAYS | IN_FEATURES
    assert set(result["attributes"]) == {"Bald", "Smiling", "Wearing_Hat"}
    protocol = result["protocol"]
    assert protocol["images"] == 10  # half of those that are held out: the others stand beside them
    assert protocol["held_out"] == "the validation split (20 pictures)" and not protocol["held_out_seen_by_model"]
    assert protocol["extractor"]["hash"] == judge.classifier.hash and protocol["extractor"]["task"] == "celeba"
    assert result["weights"] == weights_hash(tiny_run) and result["images_seen"] == 2000
    assert json.loads(json.dumps(result)) == result
    assert Judge([str(faces)], classifier="celeba").judge(tiny_run) == result  # the same again, to the last bit
    assert Judge([str(faces)], classifier="celeba", seed=5).judge(tiny_run)["generated"] != result["generated"]


def test_the_real_side_is_held_out_on_both_sides(tiny_run, faces, classifiers):
    """Held-out pictures are half as bright here: against training pictures the value would be far higher."""
    found = Judge([str(faces)], classifier="celeba").judge(tiny_run)
    near = Judge(["drawn:20"], classifier="celeba").judge(tiny_run)["real"]
    assert 0 < found["real"]["frechet_distance"] < 3 * near["frechet_distance"]
    assert found["protocol"]["real"] == "other pictures of the same split"


def test_pictures_that_no_classifier_knows(tiny_run):
    result = Judge(["drawn:64"]).judge(tiny_run)
    assert set(result["generated"]) == ALWAYS and "extractor" not in result["protocol"]
    assert "attributes" not in result
    assert result["generated"]["sliced_wasserstein"] > result["real"]["sliced_wasserstein"] > 0


def test_the_model_saw_the_held_out_pictures(tiny_run, run_copy):
    """`tiny_run` was trained on 44 pictures: all of them, when there are 44."""
    assert Judge(["drawn:44"]).judge(tiny_run)["protocol"]["held_out_seen_by_model"] is True
    assert Judge(["drawn:46"]).judge(tiny_run)["protocol"]["held_out_seen_by_model"] is False
    data = run.read_info(run_copy).data
    run.write_data(run_copy, dataclasses.replace(data, identity="of as many others"))
    assert Judge(["drawn:44"]).judge(run_copy)["protocol"]["held_out_seen_by_model"] is False


def test_a_model_of_the_training_split_alone_saw_none_of_them(run_copy, faces):
    """All of them saw the rest, whatever they are called, and so did a model that began with such a one."""
    judge, info = Judge([str(faces)]), run.read_info(run_copy)
    part = SourceRecord("other.zip", terms="celeba")
    for parts, seen in (
        ([part], True),
        ([dataclasses.replace(part, split="training")], False),
        ([SourceRecord("celeba.zip")], True),
        ([SourceRecord("photos.zip")], False),
        ([dataclasses.replace(part, split="training"), part], True),
    ):
        run.write_data(run_copy, dataclasses.replace(info.data, parts=tuple(parts)))
        assert judge.judge(run_copy)["protocol"]["held_out_seen_by_model"] is seen, parts


def test_judged_at_a_smaller_size(tiny_run, faces, classifiers):
    judge = Judge([str(faces)], classifier="celeba")
    small, own = judge.judge(tiny_run, size=12), judge.judge(tiny_run)
    assert (small["protocol"]["size"], small["protocol"]["model_size"]) == (12, 16)
    assert small["generated"] != own["generated"] and small["real"] != own["real"]
    for size in (8, 32):
        with pytest.raises(MetricError, match=f"size {size}: tiny draws 16 pixels"):
            judge.judge(tiny_run, size=size)


def test_more_pixels_than_the_classifier_sees_are_judged_by_their_patches(run_copy, faces, tmp_path, monkeypatch):
    """Without a size by what it sees, reduced; at its own by what only that has, like the grid of a convolution."""
    small = tiny_classifier(size=12)
    install(monkeypatch, tmp_path / "small", celeba=small)
    judge = Judge([str(faces)], classifier="celeba")
    usual, full = judge.judge(run_copy), judge.judge(run_copy, size=16)
    assert usual["protocol"]["size"] == 12 and set(usual["generated"]) == ALWAYS | IN_FEATURES
    assert set(full["generated"]) == ALWAYS and "extractor" not in full["protocol"] and "attributes" not in full
    for side in ("generated", "real"):
        assert full[side]["sliced_wasserstein_finest"] == full[side]["sliced_wasserstein_levels"]["16"]
    sharp = load_split([str(faces)], size=16, channels=3).held_out
    grid = np.where(np.indices((16, 16)).sum(axis=0)[..., None] % 2, sharp, sharp // 2)
    found = {}
    for name, drawn in (("without", np.array(sharp)), ("grid", grid)):
        monkeypatch.setattr(judging, "sample", lambda generator, seed, n, drawn=drawn: drawn[:n])
        found[name] = judge.judge(run_copy, size=16)["generated"]["sliced_wasserstein_finest"]
    assert found["grid"] > 1.5 * found["without"]
    facts, sheet = judge.neighbours(run_copy, size=16)
    assert facts["searched"] == 60 and sheet.shape == (4 * 16, 10 * 16, 3)


def test_too_few_pictures_are_told(tiny_run):
    with pytest.raises(MetricError, match="21 pictures on each side: there are 20 held out"):
        Judge(["drawn:40"], images=21).judge(tiny_run)
    with pytest.raises(MetricError, match="5 pictures on each side"):
        Judge(["drawn:10"]).judge(tiny_run)


def test_a_classifier_of_other_channels_is_refused(tiny_run, classifiers):
    with pytest.raises(MetricError, match="draws 3 channels and the mnist classifier knows 1"):
        Judge(["drawn:40"], classifier="mnist").judge(tiny_run)


def test_the_best_generator_is_judged_when_asked(run_copy):
    weights = packed_weights(load_generator(run_copy, snapshot=0))
    save_tensors(run_copy / "best.safetensors", weights, {"images_seen": 1000, "metric": "x", "value": 1.5})
    judge = Judge(["drawn:40"])
    best, last = judge.judge(run_copy, best=True), judge.judge(run_copy)
    assert (best["images_seen"], last["images_seen"]) == (1000, 2000)
    assert best["weights"] == weights_hash(run_copy, best=True) != last["weights"]
    assert best["generated"] != last["generated"]


def test_figures_are_of_the_weights_that_were_loaded(run_copy, monkeypatch):
    """A training writes the next ones while these are measured, and also while they are loaded."""
    first, second = ((run_copy / name).read_bytes() for name in (run.MODEL_FILE, "snapshots/0000.safetensors"))
    hashes = []

    def write(content):
        (run_copy / run.MODEL_FILE).write_bytes(content)
        hashes.append(weights_hash(run_copy))

    write(first)
    expected = Judge(["drawn:40"]).judge(run_copy)["generated"]
    load, draw = load_generator, judging.sample

    def loaded_and_replaced(*arguments, **options):
        generator = load(*arguments, **options)
        if len(hashes) == 2:
            write(first)
        return generator

    def replaced_and_drawn(*arguments, **options):
        write(second)
        append_history(run_copy, {"images_seen": 99_999})
        return draw(*arguments, **options)

    write(second)
    monkeypatch.setattr("gan.weights.load_generator", loaded_and_replaced)
    monkeypatch.setattr(judging, "sample", replaced_and_drawn)
    result = Judge(["drawn:40"]).judge(run_copy)
    assert len(hashes) == 4 and hashes[0] != hashes[1] and result["weights"] == hashes[0]
    assert result["generated"] == expected and result["images_seen"] == 2000


def test_digits_that_are_sure_and_even():
    probabilities = torch.full((10, 10), 0.005)
    probabilities[range(10), [0, 0, 0, 0, 1, 1, 2, 2, 9, 9]] = 0.955
    probabilities[0] = torch.tensor([0.9] + [0.1 / 9] * 9)  # not more than 0.9
    figures = digit_figures(probabilities)
    assert figures["sure_share"] == 0.9 and figures["digits"] == [4, 2, 2, 0, 0, 0, 0, 0, 0, 2]
    assert figures["digit_entropy"] == pytest.approx(0.4 * np.log2(1 / 0.4) + 0.6 * np.log2(5))
    assert digit_figures(torch.eye(10))["digit_entropy"] == pytest.approx(np.log2(10))


def test_neighbours_find_a_picture_that_was_learned_by_heart(tiny_run, faces, classifiers, monkeypatch):
    judge = Judge([str(faces)], classifier="celeba")
    known = load_split([str(faces)], size=16, channels=3).training
    assert len(known) == 60
    monkeypatch.setattr("gan.metrics.judge.sample", lambda generator, seed, n: known[30 : 30 + n])
    facts, sheet = judge.neighbours(tiny_run)
    assert facts["searched"] == 60 and facts["seeds"] == list(range(20))
    assert max(facts["distances"]) < 1e-3 < facts["held_out"]["p50"]
    assert sheet.shape == (4 * 16, 10 * 16, 3)
    assert (sheet[:16] == sheet[16:32]).all() and (sheet[32:48] == sheet[48:]).all()
    monkeypatch.undo()


def test_neighbours_need_features(tiny_run):
    with pytest.raises(MetricError, match="need a classifier"):
        Judge(["drawn:40"]).neighbours(tiny_run)


# ---------------------------------------------------------------------------------------------- command


def test_the_command_prints_saves_and_draws(run_copy, faces, classifiers, tmp_path, capsys):
    """A zip does not say what its pictures show; the model that is judged by them does."""
    run.write_data(run_copy, CELEBA)
    sheet = tmp_path / "nearest.webp"
    command = ["metrics", str(run_copy), "--data", str(faces), "--device", "cpu"]
    report = tmp_path / "report.json"
    assert main([*command, "--size", "16", "12", "--save", "--neighbours", str(sheet), "--json", str(report)]) == 0
    said = capsys.readouterr().out
    for word in ("real against real", "Fréchet", "12 px", "16 px", "held out: the validation split", "nearest of 80"):
        assert word in said, word
    assert list(read_metrics(run_copy)) == ["16", "12"]
    assert (
        set(read_metrics(run_copy)["16"]["marks"]) == {"generated", "real"}
        and "marks" not in read_metrics(run_copy)["12"]
    )
    assert read_metrics(run_copy)["16"] == json.loads(report.read_text(encoding="utf-8"))[0]
    assert "neighbours" in read_metrics(run_copy)["16"] and "neighbours" not in read_metrics(run_copy)["12"]
    assert Image.open(sheet).size == (160, 64)
    assert main([*command, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["protocol"]["images"] == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "drawn:40", "--images", "30"], "there are 20 held out"),
        (["--data", "nowhere.zip"], "unknown data source"),
        (["--data", "drawn:40", "--partition", "absent.txt"], "absent.txt cannot be read"),
        (["--data", "drawn:40", "--best"], "best.safetensors is missing"),
        (["--data", "drawn:40", "--device", "abacus"], "cannot be used here"),
    ],
)
def test_the_command_s_errors_are_sentences(tiny_run, capsys, options, message):
    assert main(["metrics", str(tiny_run), *options]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error and error.startswith("gan metrics: ")


def test_a_size_that_the_last_model_cannot_be_judged_at_is_told_before_the_first_is(
    run_copy, faces, classifiers, capsys
):
    command = ["metrics", str(run_copy), "--data", str(faces), "--device", "cpu", "--save", "--size", "16", "32"]
    assert main(command) == 2
    assert "size 32: " in capsys.readouterr().err
    assert not read_metrics(run_copy)


def test_figures_of_the_best_are_not_saved_as_the_model_s(run_copy, capsys):
    shutil.copy(run_copy / run.MODEL_FILE, run_copy / run.BEST_FILE)
    before = sorted(run_copy.iterdir())
    with pytest.raises(SystemExit):
        main(["metrics", str(run_copy), "--data", "drawn:40", "--best", "--save"])
    assert "--save keeps the figures of model.safetensors" in capsys.readouterr().err
    assert sorted(run_copy.iterdir()) == before


def test_what_cannot_be_saved_is_printed_and_told(run_copy, monkeypatch, capsys):
    def replaced_and_drawn(*arguments, **options):
        shutil.copy(run_copy / "snapshots" / "0000.safetensors", run_copy / run.MODEL_FILE)
        return draw(*arguments, **options)

    draw = judging.sample
    monkeypatch.setattr(judging, "sample", replaced_and_drawn)
    assert main(["metrics", str(run_copy), "--data", "drawn:40", "--device", "cpu", "--save"]) == 2
    said = capsys.readouterr()
    assert "real against real" in said.out and "SWD" in said.out
    assert said.err.splitlines()[-1].startswith("gan metrics: ") and "left as it was" in said.err
    assert not read_metrics(run_copy)


def test_a_sheet_is_for_one_model(capsys):
    with pytest.raises(SystemExit):
        main(["metrics", "a", "b", "--data", "drawn", "--neighbours", "x.webp"])
    assert "for one FOLDER" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------- Inception


def test_fid_says_what_is_missing_and_uses_what_is_there(tiny_run, monkeypatch, tmp_path):
    judge = Judge(["drawn:40"])
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    assert "pip install torchmetrics" in judge.judge(tiny_run, fid=True)["inception_fid"]

    updates = []

    class Fake:
        def __init__(self, feature, feature_extractor_weights_path):
            assert feature == 2048 and feature_extractor_weights_path.endswith(".pth")

        def set_dtype(self, dtype):
            assert dtype == torch.float64

        def update(self, images, real):
            assert images.dtype == torch.uint8 and images.shape[1:] == (3, 16, 16)
            updates.append((len(images), real))

        def compute(self):
            return torch.tensor(12.5)

    module = types.ModuleType("torchmetrics.image.fid")
    module.FrechetInceptionDistance = Fake
    monkeypatch.setitem(sys.modules, "torchmetrics", types.ModuleType("torchmetrics"))
    monkeypatch.setitem(sys.modules, "torchmetrics.image", types.ModuleType("torchmetrics.image"))
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert "weights are not at hand" in judge.judge(tiny_run, fid=True)["inception_fid"] and not updates
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth").write_bytes(b"")
    assert judge.judge(tiny_run, fid=True)["inception_fid"] == 12.5
    assert updates == [(20, True), (20, False)]
    assert "inception_fid" not in judge.judge(tiny_run)
