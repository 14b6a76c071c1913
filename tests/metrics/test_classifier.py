"""The classifiers: what the files promise, features that follow the pictures, training that learns, honest figures."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_classifiers import install, tiny_classifier

from gan.__main__ import main
from gan.commands import classifier as command
from gan.data.images import load_images
from gan.data.labels import read_digits
from gan.data.sources import DataError
from gan.metrics import classifier_training
from gan.metrics.classifier import (
    TASKS,
    ClassifierError,
    classifier_for,
    file_of,
    load_classifier,
    load_judge,
    read_classifier,
    task_of,
)
from gan.metrics.classifier_training import (
    RECIPES,
    Labelled,
    Recipe,
    auc,
    augment,
    fold,
    judge,
    save_classifier,
    train_classifier,
)
from gan.presets import PRESETS

TINY = Recipe(
    image_size=16, channels=3, widths=(8, 12), strides=(2, 2), exclusive=False, epochs=3, reduced_sizes=(8,),
    flip=True, shift=1, batch_size=16, learning_rate=1e-2,
)  # fmt: skip


def bright_and_red(n, seed=0):
    """Noise pictures; attributes: bright, and red on a bright ground or a dark one."""
    random = np.random.default_rng(seed)
    bright, red = random.random((2, n)) < 0.5
    images = random.integers(60, 100, (n, 16, 16, 3)) + 60 * bright[:, None, None, None]
    images[:, 4:12, 4:12, 0] += (60 * red[:, None, None]).astype(images.dtype)
    return Labelled(images.clip(0, 255).astype(np.uint8), torch.from_numpy(np.stack([bright, red], 1)).float())


# ------------------------------------------------------------------------------------------------ shipped


@pytest.mark.parametrize("load", [load_classifier, load_judge])
@pytest.mark.parametrize(("task", "channels", "labels"), [("celeba", 3, 40), ("mnist", 1, 10)])
def test_the_shipped_files(task, channels, labels, load):
    classifier = load(task)
    assert (classifier.channels, len(classifier.labels), classifier.exclusive) == (channels, labels, task == "mnist")
    assert len(classifier.hash) == 12 and classifier is load(task)
    assert not classifier.training and not any(p.requires_grad for p in classifier.parameters())
    assert classifier.figures["accuracy"] > (0.9 if task == "celeba" else 0.99)
    assert file_of(task, judge=load is load_judge).stat().st_size < 2.5e6
    images = torch.zeros(2, channels, 48, 48)
    assert classifier.features(images).shape == (2, classifier.n_features)
    probabilities = classifier.probabilities(images)
    assert probabilities.shape == (2, labels) and probabilities.min() >= 0 and probabilities.max() <= 1
    if task == "mnist":
        assert torch.allclose(probabilities.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("task", TASKS)
def test_who_judges_is_another_than_who_chose(task):
    first, judge = load_classifier(task), load_judge(task)
    assert first.labels == judge.labels and (first.widths, first.strides) != (judge.widths, judge.strides)
    assert first.figures["seed"] != judge.figures["seed"] and first.hash != judge.hash


def test_which_classifier_for_which_pictures():
    assert classifier_for(PRESETS["faces64"]).channels == 3 and classifier_for(PRESETS["dlnd-mnist28"]).channels == 1
    assert (task_of("faces"), task_of("digits"), task_of("unknown")) == ("celeba", "mnist", None)


@pytest.mark.skipif(not os.environ.get("GAN_TEST_DATA"), reason="set GAN_TEST_DATA to a folder with MNIST and CelebA")
def test_real_digits_are_read():
    root = os.environ["GAN_TEST_DATA"]
    images = load_images(["mnist-test"], image_size=28, channels=1, data_root=root, progress=False)[:500]
    figures = judge(load_classifier("mnist"), Labelled(images, torch.from_numpy(read_digits("mnist-test", root)[:500])))
    assert figures["accuracy"] > 0.98 and figures["sure_share"] > 0.96


# ------------------------------------------------------------------------------------------------ network


def test_pictures_of_any_size_are_resized_differentiably():
    classifier = tiny_classifier()
    small = torch.rand(2, 3, 8, 8) * 2 - 1
    enlarged = classifier_training.resized(small, 16)
    assert torch.allclose(classifier.features(small), classifier.features(enlarged))
    large = (torch.rand(2, 3, 40, 40) * 2 - 1).requires_grad_(True)
    classifier(large).sum().backward()
    assert (large.grad != 0).float().mean() > 0.9  # antialiased: every pixel counts


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 3, 16, 12), (3, 16, 16)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(N, 3, H, H\)"):
        tiny_classifier().features(torch.zeros(shape))


def test_a_file_keeps_everything(tmp_path):
    classifier = tiny_classifier(exclusive=True, channels=1)
    read = save_classifier(classifier, tmp_path / "x.safetensors", {"accuracy": 0.25})
    assert (read.labels, read.image_size, read.channels, read.exclusive) == (classifier.labels, 16, 1, True)
    assert read.figures == {"accuracy": 0.25}
    images = torch.rand(3, 1, 16, 16) * 2 - 1
    assert torch.allclose(read(images), classifier(images), atol=2e-3)
    again = save_classifier(classifier, tmp_path / "x.safetensors", {"accuracy": 0.25})
    other = save_classifier(classifier, tmp_path / "x.safetensors", {"accuracy": 0.26})
    assert again.hash == read.hash != other.hash


def test_damaged_files_are_told(tmp_path):
    path = tmp_path / "celeba.safetensors"
    with pytest.raises(ClassifierError, match="is missing"):
        read_classifier(path)
    save_classifier(tiny_classifier(), path, {})
    tensors = load_file(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(ClassifierError, match="cannot be loaded"):
        read_classifier(path)
    save_file(tensors, path)
    with pytest.raises(ClassifierError, match="its facts make no sense: KeyError"):
        read_classifier(path)
    save_file(tensors, path, {"classifier": json.dumps({"format_version": 99})})
    with pytest.raises(ClassifierError, match="has format 99"):
        read_classifier(path)
    with pytest.raises(ClassifierError, match="expected one of celeba, mnist"):
        load_classifier("cats")


def test_one_classifier_per_process(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path, celeba=tiny_classifier())
    assert load_classifier("celeba") is load_classifier("celeba")
    assert load_classifier("celeba").labels == ("Bald", "Smiling", "Wearing_Hat")


# ----------------------------------------------------------------------------------------------- training


def test_training_learns_and_repeats():
    data, other = bright_and_red(320), bright_and_red(200, seed=1)
    options = dict(device="cpu", precision="fp32", progress=False)
    classifier = train_classifier(TINY, ("bright", "red"), data, **options)
    figures = judge(classifier, other)
    assert figures["accuracy"] > 0.9
    assert all(values["auc"] > 0.9 for values in figures["per_label"].values())
    share = other.targets[:, 1].mean().item()
    assert figures["per_label"]["red"]["share"] == pytest.approx(share)
    again = train_classifier(TINY, ("bright", "red"), data, **options)
    assert all(torch.equal(a, b) for a, b in zip(classifier.parameters(), again.parameters(), strict=True))


def test_folding_changes_nothing():
    torch.manual_seed(0)
    network = classifier_training.Classifier(
        ("a",), 16, 3, widths=(4, 6), strides=(2, 1), exclusive=False, batch_norm=True
    )
    network.train()
    for _ in range(5):
        network(torch.rand(8, 3, 16, 16) * 3)
    network.eval()
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    assert torch.allclose(fold(network)(images), network(images), atol=1e-5)
    assert torch.allclose(fold(network).features(images), network.features(images), atol=1e-5)


@pytest.mark.parametrize("task", RECIPES)
def test_augmentation_moves_and_blurs_but_keeps_the_picture(task):
    recipe = RECIPES[task]
    size = recipe.image_size
    images = torch.zeros(30, recipe.channels, size, size)
    images[:, :, size // 2, size // 2] = 1.0  # a dot
    out = augment(images, recipe, torch.Generator().manual_seed(0))
    assert out.shape == images.shape and out.min() >= -1 and out.max() <= 1
    dots = out.mean(dim=1).flatten(1)
    dots = dots - dots.median(dim=1, keepdim=True).values  # brightness
    rows, columns = dots.argmax(dim=1) // size, dots.argmax(dim=1) % size
    away = torch.stack([rows, columns]) - size // 2
    assert away.abs().max() <= recipe.shift + 1 and len(away.unique(dim=1).T) > 10
    sharp = dots.max(dim=1).values
    assert sharp[:10].max() < 0.8 * sharp[10:].min()  # the first third went through a smaller size
    assert len(out[:, 0, 0, 0].unique()) > 20


def test_auc_counts_pairs():
    scores, has = torch.tensor([0.1, 0.4, 0.4, 0.9]), torch.tensor([False, True, False, True])
    assert auc(scores, has) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert auc(-scores, has) == pytest.approx(1 - 3.5 / 4)
    assert auc(scores, torch.ones(4, dtype=torch.bool)) is None


def test_sure_share_of_digits():
    """A head that reads the first pixel: logits 5 or 0.1 for the digit 3."""
    classifier = tiny_classifier(exclusive=True, channels=1)
    classifier.to_probabilities = lambda logits: logits
    classifier.forward = lambda images: (
        torch.nn.functional.one_hot(torch.full((len(images),), 3), 10) * (images[:, 0, 0, :1] / 2 + 0.5)
    )
    images = np.zeros((4, 16, 16, 1), np.uint8)
    images[:, 0, 0, 0] = (255, 240, 200, 20)  # probabilities 1, 0.94, 0.78, 0.08
    figures = judge(classifier, Labelled(images, torch.tensor([3, 1, 3, 3])))
    assert figures == {"accuracy": 0.75, "sure_share": 0.5, "sure_right": 0.5}


# ---------------------------------------------------------------------------------------------- command


def celeba_folder(folder, n=48, held_out=12):
    """A zip of drawn noise pictures with CelebA's two text files beside it."""
    data = bright_and_red(n)
    with zipfile.ZipFile(folder / "celeba.zip", "w") as file:
        for i, image in enumerate(data.images):
            content = io.BytesIO()
            Image.fromarray(image).save(content, "png")
            file.writestr(f"{i:06d}.png", content.getvalue())
    rows = "\n".join(f"{i:06d}.jpg " + " ".join("1" if v else "-1" for v in row) for i, row in enumerate(data.targets))
    (folder / "list_attr_celeba.txt").write_text(f"{n}\nBright Red\n{rows}\n", encoding="utf-8")
    splits = "\n".join(f"{i:06d}.jpg {int(i % (n // held_out) == 0)}" for i in range(n))
    (folder / "list_eval_partition.txt").write_text(splits + "\n", encoding="utf-8")
    return folder / "celeba.zip"


@pytest.fixture
def tiny_recipe(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(RECIPES, "celeba", TINY)


def test_the_command_trains_on_the_training_split_only(tmp_path, tiny_recipe, capsys, monkeypatch):
    source, out = celeba_folder(tmp_path), tmp_path / "out" / "celeba.safetensors"
    seen = []
    train = command.train_classifier
    monkeypatch.setattr(command, "train_classifier", lambda *a, **k: seen.append(a[2].images.copy()) or train(*a, **k))
    assert main(["classifier", "celeba", "--data", str(source), "--out", str(out), "--device", "cpu"]) == 0
    held_out = bright_and_red(48).images[::4]
    assert len(seen[0]) == 36 and not any((image == seen[0]).all(axis=(1, 2, 3)).any() for image in held_out)
    classifier = read_classifier(out)
    assert classifier.labels == ("Bright", "Red")
    assert classifier.figures["held_out"] == "12 images of the validation split"
    assert classifier.figures["trained_on"] == "celeba.zip, training split (36 images)"
    said = capsys.readouterr().out
    assert f"hash {classifier.hash}" in said and "Bright" in said and "at 8 px" in said


def test_the_command_says_what_is_missing(tmp_path, tiny_recipe, capsys):
    source = celeba_folder(tmp_path)
    command = [
        "classifier",
        "celeba",
        "--data",
        str(source),
        "--out",
        str(tmp_path / "x.safetensors"),
        "--device",
        "cpu",
    ]
    (tmp_path / "list_eval_partition.txt").write_text("".join(f"{i:06d}.jpg 0\n" for i in range(48)), encoding="utf-8")
    assert main(command) == 2
    assert "none of the 48 pictures into split 1" in capsys.readouterr().err
    (tmp_path / "list_eval_partition.txt").unlink()
    assert main(command) == 2
    assert "give it with --partition" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["classifier", "mnist", "--data", str(source)])
    assert "leave --data out" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_unreadable_pictures_would_shift_the_labels(tmp_path, tiny_recipe, capsys):
    folder = tmp_path / "celeba"
    folder.mkdir()
    source = celeba_folder(folder)
    with zipfile.ZipFile(source, "a") as file:
        file.writestr("000000a.png", b"no picture")
    assert main(["classifier", "celeba", "--data", str(source), "--out", str(tmp_path / "x"), "--device", "cpu"]) == 2
    assert "1 of 49 pictures cannot be read" in capsys.readouterr().err


def test_too_few_pictures(tmp_path):
    with pytest.raises(DataError, match="do not fill one batch"):
        train_classifier(TINY, ("bright", "red"), bright_and_red(8), device="cpu", progress=False)
