"""Training that begins with another model's weights: what it takes over, what it leaves, what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_runs import CELEBA, DRAWN, assert_same_run, go, history, signal_on_step

from gan import load_generator, run, sample
from gan.config import GANConfig
from gan.data_record import DataRecord
from gan.history import read_history, samples, snapshots
from gan.models import Discriminator, Generator
from gan.report.card import write_card
from gan.training.checks import TrainingError
from gan.training.loop import Limits, load_start
from gan.training.step import Trainer
from gan.weights import save_weights


@pytest.fixture(scope="module")
def config(tiny_run) -> GANConfig:
    return run.read_info(tiny_run).config.replace(epochs=2)


@pytest.fixture(scope="module")
def went_on(tiny_run, config, pictures, tmp_path_factory):
    """`tiny_run` (50 epochs) trained for 2 epochs more, with other rates."""
    out = tmp_path_factory.mktemp("runs") / "more"
    outcome = go(config.replace(g_lr=1e-4), pictures, out, start_from=tiny_run)
    assert (outcome.reason, outcome.images_seen) == ("finished", 2000 + 80)
    return out


def test_all_networks_begin_with_what_the_folder_shows(tiny_run, config, tmp_path):
    trainer = Trainer(config, torch.device("cpu"))
    start = load_start(trainer, tiny_run, tmp_path, run.read_info(tiny_run).data)
    for network, file in (
        (trainer.generator, "model"), (trainer.ema, "model"), (trainer.discriminator, "discriminator"),
    ):  # fmt: skip
        for name, tensor in load_file(tiny_run / f"{file}.safetensors").items():
            assert torch.equal(network.state_dict()[name], tensor.to(network.state_dict()[name].dtype)), name
    assert start == run.Start("tiny", DataRecord(DRAWN.parts), 2000, 50.0, continued=True)


def test_the_first_steps_change_little(tiny_run, config, pictures, tmp_path):
    """Random weights would be far away: the run really goes on, and does not only say so."""
    go(config.replace(g_lr=1e-6, d_lr=1e-6), pictures, tmp_path / "more", start_from=tiny_run, limits=Limits(1))
    before, after = (
        sample(load_generator(folder), seed=0, n=8).astype(int) for folder in (tiny_run, tmp_path / "more")
    )
    assert abs(before - after).mean() < 2


def test_the_replay_goes_on(tiny_run, went_on):
    old, new = history(tiny_run), history(went_on)
    assert new[: len(old)] == old
    assert new[len(old)] == dict.fromkeys(old[0]) | {
        "images_seen": 2000, "epoch": 50.0, "event": "went on from the weights of tiny",
    }  # fmt: skip
    assert new[0].keys() == old[0].keys()
    last = new[-1]
    assert (last["images_seen"], last["epoch"]) == (2080, 52.0)
    assert (last["sample"], last["snapshot"]) == (len(samples(tiny_run)), len(snapshots(tiny_run)))
    for kind in ("samples", "snapshots"):
        for path in (tiny_run / kind).iterdir():
            assert (went_on / kind / path.name).read_bytes() == path.read_bytes()
    assert list(samples(went_on)) == list(range(last["sample"] + 1))
    assert read_history(went_on)[-1]["seconds"] > read_history(tiny_run)[-1]["seconds"]


def test_the_card_tells_both_parts(went_on):
    text = (went_on / "README.md").read_text(encoding="utf-8")
    assert "2,080: 2,000 (drawn faces) by the model `tiny` that it began with, then 80 (2.0 epochs of 44)" in text
    command = text.split("To train it again, from the `tiny` that it began with: `")[1].split("`")[0]
    assert "--start-from tiny" in command and "--max-images" not in command and "--epochs" not in command


def test_a_source_of_which_more_is_known_the_second_time_is_named_once(went_on, tmp_path):
    shutil.copytree(went_on, tmp_path / "known")
    path = tmp_path / "known" / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    parts = content["start"]["data"]["parts"]
    parts.append(parts[0] | {"split": "training"})
    path.write_text(json.dumps(content), encoding="utf-8")
    write_card(tmp_path / "known")
    assert "2,000 (drawn faces) by the model" in (tmp_path / "known" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("others", [lambda pictures: 255 - pictures, lambda pictures: pictures[:40]])
def test_other_pictures_are_another_story(tiny_run, config, pictures, tmp_path, others):
    """By their content: the names are the same ones."""
    out = tmp_path / "mine"
    outcome = go(config, others(pictures), out, start_from=tiny_run, sample_every=3, limits=Limits(1))
    assert outcome.images_seen == 40
    first, *_, last = read_history(out)
    assert (first["images_seen"], first["sample"], last["images_seen"], last["sample"]) == (0, 0, 40, 2)
    assert not run.read_info(out).start.continued
    assert "--max-images 40`" in (out / "README.md").read_text(encoding="utf-8")  # of the command that trains it again
    begun = sample(load_generator(tiny_run), seed=0, n=1)[0].astype(int)
    with Image.open(samples(out)[0]) as sheet:  # what it began with, and not noise
        assert abs(np.asarray(sheet.convert("RGB"))[:16, :16] - begun).mean() < 12


def test_the_terms_of_all_pictures_hold_however_many_starts_ago(run_copy, config, pictures, tmp_path):
    content = json.loads((run_copy / "config.json").read_text(encoding="utf-8"))
    content["data"] = {"sources": "CelebA", "images": 44}  # as an older version wrote it
    (run_copy / "config.json").write_text(json.dumps(content), encoding="utf-8")
    one = Limits(1)
    go(config, pictures, tmp_path / "second", start_from=run_copy, limits=one)
    go(config, 255 - pictures, tmp_path / "third", start_from=tmp_path / "second", limits=one, data="my-photos")
    assert run.read_info(tmp_path / "third").start.data == DataRecord(CELEBA.parts + DRAWN.parts)
    assert "40 (1.0 epochs of 44), after 40 (CelebA + drawn faces) by the model `second`" in (
        tmp_path / "third" / "README.md"
    ).read_text(encoding="utf-8")
    for folder, data in (("second", "drawn faces"), ("third", "my-photos")):
        text = (tmp_path / folder / "README.md").read_text(encoding="utf-8")
        assert "license_name: celeba-non-commercial-research" in text and "non-commercial research only" in text
        assert f"| Data | {data} |" in text


def test_an_interrupted_one_goes_on_bit_for_bit(tiny_run, config, pictures, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    go(config, pictures, whole, start_from=tiny_run, sample_every=3)
    signal_on_step(monkeypatch, 6)
    assert go(config, pictures, parts, start_from=tiny_run, sample_every=3).images_seen == 2000 + 7 * 8
    monkeypatch.undo()
    assert go(config, pictures, parts, resume=True, sample_every=3).reason == "finished"
    assert_same_run(whole, parts)
    assert json.loads((parts / "config.json").read_text(encoding="utf-8"))["start"] == {
        "model": "tiny",
        "data": DataRecord(DRAWN.parts).to_dict(),
        "images_seen": 2000,
        "epoch": 50.0,
        "continued": True,
    }


def test_limits_count_this_training_only(tiny_run, config, pictures, tmp_path):
    assert (
        go(config, pictures, tmp_path / "a", start_from=tiny_run, limits=Limits(2, max_images=24)).images_seen == 2024
    )


def test_a_plain_model_becomes_a_modulated_one_that_draws_the_same(tiny_run, config, tmp_path):
    """Modulation starts at nothing, whatever the trainer's own random weights were."""
    trainer = Trainer(config.replace(g_modulated=True), torch.device("cpu"))
    load_start(trainer, tiny_run, tmp_path, run.read_info(tiny_run).data)
    z = torch.randn(4, config.z_dim)
    torch.testing.assert_close(trainer.ema(z), load_generator(tiny_run)(z))
    assert "layers.1.style.weight" in trainer.generator.state_dict()


def test_a_modulated_state_is_loaded_as_it_is(config):
    one, other = (Generator(config.replace(g_modulated=True)) for _ in range(2))
    other.load_state_dict(one.state_dict())
    for name, tensor in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_snapshots_from_before_the_modulation_still_draw(tiny_run, config, pictures, tmp_path):
    out = tmp_path / "more"
    go(config.replace(g_modulated=True), pictures, out, start_from=tiny_run, limits=Limits(1))
    first = min(snapshots(out))
    old, new = (sample(load_generator(folder, snapshot=first), seed=0, n=4) for folder in (tiny_run, out))
    assert abs(old.astype(int) - new).max() <= 1


def refused(sentence, config, pictures, out, **options):
    with pytest.raises((TrainingError, run.RunError), match=sentence):
        go(config, pictures, out, **options)


def test_what_cannot_be_started_from_is_refused(run_copy, config, pictures, tmp_path):
    out = tmp_path / "out"
    refused("nowhere is no model folder", config, pictures, out, start_from=tmp_path / "nowhere")
    refused("give another --out", config, pictures, run_copy, start_from=run_copy, overwrite=True)
    assert (run_copy / "model.safetensors").is_file()
    wider = config.replace(base_channels=8)
    refused("cannot be started from with this config .*: leave out --preset", wider, pictures, out, start_from=run_copy)
    (run_copy / "discriminator.safetensors").unlink()
    refused("tiny has no discriminator.safetensors, which", config, pictures, out, start_from=run_copy)
    (run_copy / "history.csv").unlink()
    refused("tiny has no history.csv, which", config, pictures, out, start_from=run_copy)
    assert not out.exists()


def test_the_critic_must_fit_too(run_copy, config, pictures, tmp_path):
    other = Discriminator(config.replace(d_multipliers=(1, 3)))
    save_weights(run_copy / "discriminator.safetensors", other)
    refused("discriminator.safetensors cannot be read", config, pictures, tmp_path / "out", start_from=run_copy)
