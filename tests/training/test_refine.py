"""`train.py --refine`: what it aims at, where it goes on, and what cannot be measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_classifiers import install, tiny_classifier

import train as command
from gan import imagenet, run
from gan.data.drawn import draw_faces
from gan.training.checkpoint import load_checkpoint


@pytest.fixture
def celeba(tmp_path, monkeypatch):
    """A tiny classifier in the place of the shipped one, and an empty folder to be in."""
    (tmp_path / "classifiers").mkdir()
    install(monkeypatch, tmp_path / "classifiers", celeba=tiny_classifier())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))


def save_faces(folder, n, seed=0):
    folder.mkdir()
    for i, picture in enumerate(draw_faces(n + seed, 16, 3)[0][seed:]):
        Image.fromarray(picture).save(folder / f"{i:03d}.png")


def aims_of(out):
    """Means of the real pictures' features, by the names of the losses."""
    state = load_checkpoint(Path(out))[0]["trainer"]["matching"]
    return {name: loss["real"][0] for name, loss in state.items()}


@pytest.mark.usefixtures("celeba")
def test_refine_goes_on_from_a_trained_model(tiny_run, capsys):
    full_size = ("imagenet", "imagenet places", "spectrum", "lattice", "colour lattice")
    save_faces(Path("mine"), 40)
    save_faces(Path("others"), 30, seed=50)
    begin = [f"--start-from={tiny_run}", "--refine", "--data=mine", "--kind=faces", "--device=cpu", "--epochs=1"]
    assert command.main([*begin, "--out=own"]) == 0
    assert command.main([*begin, "--out=other", "--terms=mine", "--match-data", "others"]) == 0
    info = run.read_info(Path("own"))
    assert info.config == run.read_info(tiny_run).config.refined().replace(epochs=1) and info.matched is None
    info = run.read_info(Path("other"))
    assert (info.matched.words, info.matched.images) == ("others", 30)
    assert [part.name for part in info.all_parts][-2:] == ["mine", "others"]
    card = Path("other/README.md").read_text(encoding="utf-8")
    words = "distance 1, manifold distance 50, Fréchet distances in ImageNet's features 10, in the power spectrum 3"
    assert f"Fréchet {words}" in card
    assert "| Features matched | others |" in card and "`custom`, refined |" in card
    assert "`python train.py --refine --data" in card
    assert "--match-data others" in card
    aims = {out: aims_of(out) for out in ("own", "other")}
    assert not torch.equal(aims["own"]["frechet"], aims["other"]["frechet"])
    assert torch.equal(aims["own"]["imagenet"], aims["other"]["imagenet"])  # the training's own pictures
    shapes = {name: tuple(aim.shape) for name, aim in aims["own"].items() if name in full_size}
    assert shapes == {
        "imagenet": (imagenet.N_POOLED,),
        "imagenet places": (1, imagenet.N_LOCAL),
        "spectrum": (15,),  # 4 to 8 waves along rows, columns and in all directions
        "lattice": (3,),  # 2 pixels, along rows, columns and diagonals
        "colour lattice": (6,),  # of red against green, and of blue against both
    }

    shutil.rmtree("others")  # its moments are in the checkpoint
    for out in ("own", "other"):
        assert command.main([f"--resume={out}", "--epochs=2", "--device=cpu"]) == 0
        assert run.read_info(Path(out)).matched == (info.matched if out == "other" else None)
    save_faces(Path("new"), 40, seed=90)
    capsys.readouterr()
    assert command.main(["--resume=own", "--new-data", "--data=new", "--epochs=3", "--device=cpu"]) == 2
    said = capsys.readouterr().err
    assert "give --kind faces or --kind digits where they are" in said and "--set" not in said  # not with --resume
    for out, aim in aims.items():
        arguments = [f"--resume={out}", "--new-data", "--data=new", "--kind=faces", "--epochs=3", "--device=cpu"]
        assert command.main(arguments) == 0
        after = aims_of(out)
        assert torch.equal(after["frechet"], aim["frechet"]) == (out == "other")
        assert not any(torch.equal(after[name], aim[name]) for name in full_size)


@pytest.mark.usefixtures("celeba")
def test_what_cannot_be_measured_is_a_sentence(tiny_run, capsys, monkeypatch):
    save_faces(Path("mine"), 40)

    def said(*arguments):
        assert command.main(["--data=mine", "--device=cpu", "--out=run", *map(str, arguments)]) == 2
        return capsys.readouterr().err

    assert "none knows 3-channel pictures of mine: give --kind faces" in said(f"--start-from={tiny_run}", "--refine")
    tiny = ["--set=image_size=16", "--set=g_strides=2,2", "--set=g_multipliers=2,1"]
    assert "give --refine too, or --set frechet_weight=1" in said("--match-data", "mine", *tiny)
    assert "give --refine too" in said("--match-data", "mine", "--set=imagenet_weight=1", *tiny)
    monkeypatch.setattr(imagenet, "FILE", Path("nothing.safetensors"))
    assert "nothing.safetensors is missing: copy it there" in said("--set=imagenet_weight=1", *tiny)
    assert not Path("run").exists()
